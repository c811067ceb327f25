//! FP and SIMD: not there yet. Every encoding of these groups traps as CPACR_EL1.FPEN says and
//! is UNDEFINED otherwise, which is what ID_AA64PFR0_EL1.{FP, AdvSIMD} = 0xf announce.

use super::rows;
use crate::emit::Call;

rows! {
    /// Data processing: bits 28:25 are x111.
    SimdFpData "----111-------------------------" {}
        [ends]
        text |i, pc| { "fp-or-simd".into() }
        execute |i, e| { e.call(Call::SimdFp) }

    /// Loads and stores: bits 28:25 are x1x0 with bit 26 set.
    SimdFpLoadStore "----110-------------------------" {}
        [ends]
        text |i, pc| { "fp-or-simd load or store".into() }
        execute |i, e| { e.call(Call::SimdFp) }
}
