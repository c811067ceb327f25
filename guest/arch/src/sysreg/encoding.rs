//! The five numbers that name a system register in MRS, MSR, SYS and the exit syndrome.

use core::fmt;

/// op0, op1, CRn, CRm and op2, packed as bits \[20:5\] of MRS and MSR stand in the instruction:
///
/// ```text
///  15 14 13   11 10     7 6      3 2    0
/// +-----+-------+--------+--------+------+
/// | op0 |  op1  |  CRn   |  CRm   | op2  |
/// +-----+-------+--------+--------+------+
/// ```
///
/// Hypervisor.framework's `hv_sys_reg_t` (and KVM's register ID) is the same 16 bits, with the
/// exceptions that [`super::SysReg::api_id`] lists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Encoding(pub u16);

impl Encoding {
    /// Packs the five numbers; one that does not fit does not compile (in a constant).
    pub const fn new(op0: u16, op1: u16, crn: u16, crm: u16, op2: u16) -> Self {
        assert!(op0 < 4 && op1 < 8 && crn < 16 && crm < 16 && op2 < 8, "a number does not fit");
        Self(op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2)
    }

    /// The encoding in an MRS, MSR (register) or SYS instruction word: its bits \[20:5\], of
    /// which op0's upper bit is 1 for MRS and MSR of a register and 0 for SYS.
    pub const fn of_instruction(word: u32) -> Self {
        Self((word >> 5) as u16)
    }

    /// op0: 2 debug, 3 the rest; 1 system instructions.
    pub const fn op0(self) -> u16 {
        self.0 >> 14
    }

    /// op1: mostly who owns the register: 0 EL1, 3 EL0, 4 EL2, 6 EL3.
    pub const fn op1(self) -> u16 {
        self.0 >> 11 & 7
    }

    /// CRn.
    pub const fn crn(self) -> u16 {
        self.0 >> 7 & 15
    }

    /// CRm.
    pub const fn crm(self) -> u16 {
        self.0 >> 3 & 15
    }

    /// op2.
    pub const fn op2(self) -> u16 {
        self.0 & 7
    }

    /// The feature ID space (DDI 0487, ID_AA64MMFR2_EL1.IDS): where a read that is refused at EL0
    /// traps with EC 0x18, whether there is a register or not.
    pub const fn is_feature_id(self) -> bool {
        let space = (self.op0(), self.op1(), self.crn());
        matches!(space, (3, 0 | 1 | 3, 0)) && self.crm() <= 7
    }

    /// What an encoding answers that has no row of its own in the table.
    pub const fn unlisted(self) -> Unlisted {
        match (self.op0(), self.op1(), self.crn(), self.crm()) {
            // "Reserved encodings in the ID space read as zero": op0 3, op1 0, CRn 0, CRm 1 to 7
            // (DDI 0487, the section on the AArch64 System register encoding space). The ID
            // registers of AArch32 are in it; without AArch32 they read as zero too.
            (3, 0, 0, 1..=7) => Unlisted::ReadsAsZero,
            // IMPLEMENTATION DEFINED registers: HCR_EL2.TIDCP gives them to the hypervisor. That
            // Hypervisor.framework exits on "unknown registers" is taken to mean these: others
            // are UNDEFINED to the hardware itself, before any hypervisor hears of them.
            (3, _, 11 | 15, _) => Unlisted::HypervisorTrap,
            // PMEVCNTR<n>_EL0 and PMEVTYPER<n>_EL0: MDCR_EL2.TPM, as the PMU's listed registers.
            (3, 3, 14, 8..=15) => Unlisted::HypervisorTrap,
            _ => Unlisted::Undefined,
        }
    }
}

/// The answer of an encoding without a row; see [`Encoding::unlisted`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unlisted {
    /// MRS at EL1 reads zero; MSR, and both at EL0, are UNDEFINED.
    ReadsAsZero,
    /// An access at EL1 exits to the hypervisor with EC 0x18; at EL0 it is UNDEFINED.
    HypervisorTrap,
    /// There is no such register.
    Undefined,
}

/// `S3_0_C1_C0_0`: the manual's name for a register that has none.
impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (op0, op1, op2) = (self.op0(), self.op1(), self.op2());
        write!(f, "S{op0}_{op1}_C{}_C{}_{op2}", self.crn(), self.crm())
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
