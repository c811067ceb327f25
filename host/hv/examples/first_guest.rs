//! A guest of four instructions: it multiplies two numbers and calls its hypervisor.
//!
//!     cargo run -p anyvisor-hv --example first_guest

#[cfg(not(target_os = "macos"))]
use anyvisor_hv as _; // off macOS: the hv_* functions
use applevisor::prelude::*;

/// Where the guest's memory stands, and what is in it.
const RAM: u64 = 0x4000_0000;
const PROGRAM: [u32; 4] = [
    0xd280_00c0, // mov x0, #6
    0xd280_00e1, // mov x1, #7
    0x9b01_7c00, // mul x0, x0, x1
    0xd400_0002, // hvc #0
];

fn main() -> Result<()> {
    let vm = VirtualMachine::new()?;
    let mut memory = vm.memory_create(PAGE_SIZE)?;
    memory.map(RAM, MemPerms::ReadWriteExec)?;
    memory.write(RAM, &PROGRAM.map(u32::to_le_bytes).concat())?;

    let vcpu = vm.vcpu_create()?;
    vcpu.set_reg(Reg::PC, RAM)?; // a fresh vCPU is at EL1, all interrupts masked
    vcpu.run()?;

    let exit = vcpu.get_exit_info();
    println!("{:?}, syndrome {:#x}", exit.reason, exit.exception.syndrome);
    println!("x0 = {}", vcpu.get_reg(Reg::X0)?);
    Ok(())
}
