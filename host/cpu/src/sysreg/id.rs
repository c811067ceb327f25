//! The ID registers, which depend on how the vCPU was made.

use crate::model::Processor;
use crate::state::Cpu;
use anyvisor_arch::id::{PA_BITS, mmfr0};
use anyvisor_arch::sysreg::SysReg;

/// Index in [`PA_BITS`] of 48 bits: the widest without FEAT_LPA, which is not there.
const WIDEST: usize = 5;

/// ID_AA64MMFR0_EL1.PARange for a guest physical address of `ipa_bits`: the widest range that
/// fits into it, so that no address that the guest believes in lies outside. 32 bits at least,
/// the narrowest there is.
pub fn pa_range(ipa_bits: u32) -> u64 {
    let fits = PA_BITS[..=WIDEST].iter().rposition(|&bits| bits <= ipa_bits);
    fits.unwrap_or(0) as u64
}

/// ID_AA64MMFR0_EL1 of a vCPU with `ipa_bits`.
pub fn mmfr0(processor: Processor, ipa_bits: u32) -> u64 {
    mmfr0::PA_RANGE.set(processor.features().mmfr0, pa_range(ipa_bits))
}

/// Sets what the table cannot know: the processor's features and the physical address range.
pub fn reset(cpu: &mut Cpu) {
    let features = cpu.processor.features();
    for &register in SysReg::ALL {
        if let Some(value) = features.value(register) {
            cpu.set(register, value);
        }
    }
    let mmfr0 = mmfr0(cpu.processor, cpu.ipa_bits);
    cpu.set(SysReg::ID_AA64MMFR0_EL1, mmfr0);
}
