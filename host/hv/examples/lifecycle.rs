//! How long a VM takes to come and go, alone and with a vCPU that runs one instruction: the
//! lines are those of the kernel's benchmarks, for `cargo xtask bench`.
//!
//!     cargo run --release -p anyvisor-hv --example lifecycle

#[cfg(not(target_os = "macos"))]
use anyvisor_hv as _; // off macOS: the hv_* functions
use applevisor::prelude::*;
use std::time::Instant;

/// How often each is done.
const TIMES: u32 = 1000;
const RAM: u64 = 0x4000_0000;
const HVC: u32 = 0xd400_0002;
/// ESR_EL2 of `hvc #0`: EC 0x16, IL.
const CALLED: u64 = 0x5a00_0000;

fn main() -> Result<()> {
    report("vm", || VirtualMachine::new().map(drop))?;
    report("vm-vcpu", || {
        let vm = VirtualMachine::new()?;
        vm.vcpu_create().map(drop)
    })?;
    report("vm-vcpu-run", || {
        let vm = VirtualMachine::new()?;
        let mut memory = vm.memory_create(PAGE_SIZE)?;
        memory.map(RAM, MemPerms::ReadWriteExec)?;
        memory.write(RAM, &HVC.to_le_bytes())?;
        let vcpu = vm.vcpu_create()?;
        vcpu.set_reg(Reg::PC, RAM)?;
        vcpu.run()?;
        assert_eq!(vcpu.get_exit_info().exception.syndrome, CALLED);
        Ok(())
    })?;
    println!("DONE");
    Ok(())
}

/// Does it again and again, and says how long all of it took.
fn report(name: &str, body: impl Fn() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    (0..TIMES).try_for_each(|_| body())?;
    let ns = start.elapsed().as_nanos();
    println!("R name={name} events={TIMES} bytes=0 insns=0 ns={ns} check=0x0");
    Ok(())
}
