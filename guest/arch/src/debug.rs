//! The self-hosted debug registers' fields (DDI 0487 D2): MDSCR_EL1, `DBGBCR<n>`, `DBGWCR<n>`.

use crate::field::Field;

/// MDSCR_EL1: what is on.
pub mod mdscr {
    /// Software step.
    pub const SS: u64 = 1 << 0;
    /// EL0's accesses to the debug communication channel trap to EL1.
    pub const TDCC: u64 = 1 << 12;
    /// Debug exceptions from EL1 to EL1, where PSTATE.D does not mask them.
    pub const KDE: u64 = 1 << 13;
    /// Breakpoints and watchpoints.
    pub const MDE: u64 = 1 << 15;
    /// What a write changes.
    pub const WRITABLE: u64 = SS | TDCC | KDE | MDE;
    /// What it changes in addition while the OS Lock is held, for saving and restoring: ERR, HDE,
    /// TDA, INTdis, TXU, RXO, TXfull, RXfull.
    pub const WRITABLE_LOCKED: u64 =
        1 << 6 | 1 << 14 | 1 << 21 | 0b11 << 22 | 1 << 26 | 1 << 27 | 1 << 29 | 1 << 30;
}

/// `DBGBCR<n>_EL1` and `DBGWCR<n>_EL1` have these in common.
pub mod control {
    use super::Field;
    /// The comparator is on.
    pub const E: u64 = 1 << 0;
    /// PMC, PAC: bit 0 matches EL1, bit 1 EL0.
    pub const LEVELS: Field = Field::new(2, 1);
    /// Matches higher levels too.
    pub const HMC: u64 = 1 << 13;
    /// In which security states.
    pub const SSC: Field = Field::new(15, 14);
    /// The breakpoint that this comparator is linked with.
    pub const LBN: Field = Field::new(19, 16);
}

/// `DBGBCR<n>_EL1`.
pub mod bcr {
    use super::Field;
    /// Which bytes: all ones without AArch32.
    pub const BAS: Field = Field::new(8, 5);
    /// What is compared, see [`super::BreakpointType`].
    pub const BT: Field = Field::new(23, 20);
}

/// `DBGWCR<n>_EL1`.
pub mod wcr {
    use super::Field;
    /// Loads.
    pub const LOADS: u64 = 1 << 3;
    /// Stores.
    pub const STORES: u64 = 1 << 4;
    /// Which of the eight bytes at the address (four, if it is not a multiple of 8).
    pub const BAS: Field = Field::new(12, 5);
    /// Linked with a context breakpoint.
    pub const WT: u64 = 1 << 20;
    /// How many low bits of the address do not count; 0 none, 1 and 2 are reserved.
    pub const MASK: Field = Field::new(28, 24);
}

/// `DBGBCR<n>_EL1.BT`, as far as there are no EL2, no VHE and no AArch32.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BreakpointType {
    /// An instruction's address; or, linked, an address in a context.
    Address {
        /// Only where the breakpoint LBN matches the context.
        linked: bool,
    },
    /// CONTEXTIDR_EL1.
    Context {
        /// Matches for those only that are linked with it.
        linked: bool,
    },
}

impl BreakpointType {
    /// Of a value of BT. `None`: reserved here; such a breakpoint never matches.
    pub const fn of(bt: u64) -> Option<Self> {
        let linked = bt & 1 != 0;
        match bt >> 1 {
            0b000 => Some(Self::Address { linked }),
            0b001 => Some(Self::Context { linked }),
            _ => None,
        }
    }
}
