//! The kernel's binary. On the guest's target all of it is the library beside this file; on a
//! host target it is a stand-in that says how to build the real one, so that `cargo build`,
//! `cargo test` and an editor work on the whole workspace without the guest's target.

#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]

#[cfg(target_os = "none")]
extern crate anyvisor_kernel;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("This is the host's stand-in for the guest kernel, which needs a machine to itself.");
    println!("Build and run the real one in a virtual machine:  cargo xtask run");
}
