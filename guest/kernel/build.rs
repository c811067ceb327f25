//! Link arguments of the kernel; everything else is plain Rust and assembly.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return; // the host's stub links like any program
    }
    let manifest = env::var("CARGO_MANIFEST_DIR").expect("cargo sets the manifest's folder");
    let linker = Path::new(&manifest).join("../../linker");
    for script in ["memory.ld", "sections.ld"] {
        println!("cargo::rerun-if-changed={}", linker.join(script).display());
    }
    for arg in [
        format!("-L{}", linker.display()), // sections.ld includes memory.ld
        format!("-T{}", linker.join("sections.ld").display()),
        "-pie".into(), // with rustc's own -static: a static PIE, ET_DYN linked at 0
        "--no-dynamic-linker".into(),
        // The linker judges by the input sections, of which .rodata is not writable; the segment
        // that sections.ld puts it in is, until stage 1 says otherwise.
        "-znotext".into(),
        "-zmax-page-size=0x10000".into(),
        "--build-id=none".into(),
    ] {
        println!("cargo::rustc-link-arg-bins={arg}");
    }
}
