//! The virtual timer without a GIC: the caller is the interrupt controller.
//!
//! ```text
//!   guest                               this program
//!   arms CNTV, interrupts on, spins
//!   the timer fires  ---------------->  VTIMER_ACTIVATED; the timer is masked now
//!   handler:         <----------------  makes an interrupt pending, runs on
//!     arms CNTV again
//!     hvc #1         ---------------->  "end of interrupt": unmasks the timer
//!     eret           <----------------
//! ```
//!
//!     cargo run -p anyvisor-hv --example timer

#[cfg(not(target_os = "macos"))]
use anyvisor_hv as _; // off macOS: the hv_* functions
use applevisor::prelude::*;

const RAM: u64 = 0x4000_0000;
const VECTORS: u64 = RAM + 0x800;
const PROGRAM: [u32; 6] = [
    0xd28b_b809, // mov x9, #24000: 1 ms
    0xd280_002a, // mov x10, #1
    0xd51b_e309, // msr cntv_tval_el0, x9
    0xd51b_e32a, // msr cntv_ctl_el0, x10
    0xd503_43ff, // msr daifclr, #3: IRQ and FIQ on
    0x1400_0000, // b .
];
const HANDLER: [u32; 3] = [
    0xd51b_e309, // msr cntv_tval_el0, x9
    0xd400_0022, // hvc #1
    0xd69f_03e0, // eret
];
/// `hvc #1`: ESR_EL2.EC 0x16, IL, and the number.
const END_OF_INTERRUPT: u64 = 0x5a00_0001;

fn main() -> Result<()> {
    let vm = VirtualMachine::new()?;
    let mut memory = vm.memory_create(PAGE_SIZE)?;
    memory.map(RAM, MemPerms::ReadWriteExec)?;
    memory.write(RAM, &PROGRAM.map(u32::to_le_bytes).concat())?;
    // One handler for IRQ and FIQ, from the current EL: applevisor 1.0.0 takes one for the other.
    for slot in [0x280, 0x300] {
        memory.write(VECTORS + slot, &HANDLER.map(u32::to_le_bytes).concat())?;
    }
    let vcpu = vm.vcpu_create()?;
    vcpu.set_reg(Reg::PC, RAM)?;
    vcpu.set_sys_reg(SysReg::VBAR_EL1, VECTORS)?;

    for tick in 1..=3 {
        vcpu.run()?;
        let exit = vcpu.get_exit_info();
        assert_eq!(exit.reason, ExitReason::VTIMER_ACTIVATED);
        println!("tick {tick}; the timer is masked: {}", vcpu.get_vtimer_mask()?);

        vcpu.set_pending_interrupt(InterruptType::IRQ, true)?; // for the next run only
        vcpu.run()?;
        assert_eq!(vcpu.get_exit_info().exception.syndrome, END_OF_INTERRUPT);
        vcpu.set_vtimer_mask(false)?;
    }
    Ok(())
}
