//! GICD: the distributor's registers, beside those of [`super::bank`].

use crate::field::Field;

/// Bytes of the frame, and its alignment.
pub const SIZE: u64 = 0x1_0000;

/// GICD_CTLR.
pub const CTLR: u64 = 0x0000;
/// GICD_TYPER.
pub const TYPER: u64 = 0x0004;
/// GICD_IIDR.
pub const IIDR: u64 = 0x0008;
/// GICD_TYPER2.
pub const TYPER2: u64 = 0x000c;
/// GICD_STATUSR.
pub const STATUSR: u64 = 0x0010;
/// GICD_SETSPI_NSR.
pub const SETSPI_NSR: u64 = 0x0040;
/// GICD_CLRSPI_NSR.
pub const CLRSPI_NSR: u64 = 0x0048;
/// GICD_ITARGETSR<n>.
pub const ITARGETSR: u64 = 0x0800;
/// GICD_SGIR.
pub const SGIR: u64 = 0x0f00;
/// GICD_SGIR.TargetListFilter: to all CPU interfaces but the sender's.
pub const SGIR_TO_OTHERS: u32 = 1 << 24;
/// GICD_SGIR.TargetListFilter: to the sender alone.
pub const SGIR_TO_SELF: u32 = 2 << 24;
/// GICD_SGIR.CPUTargetList.
pub const SGIR_TARGETS_SHIFT: u32 = 16;
/// GICD_CPENDSGIR<n>: a byte for each SGI, a bit for each sender.
pub const CPENDSGIR: u64 = 0x0f10;
/// GICD_SPENDSGIR<n>.
pub const SPENDSGIR: u64 = 0x0f20;
/// GICD_CTLR of a GICv2: forwards the group that whoever asks is shown as the first.
pub const V2_CTLR_ENABLE: u32 = 1 << 0;
/// GICD_CTLR.EnableGrp1 of a GICv2 without the Security Extensions.
pub const V2_CTLR_ENABLE_GRP1: u32 = 1 << 1;
/// GICD_IROUTER<n>: 64 bits for each INTID; those below 32 are reserved.
pub const IROUTER: u64 = 0x6000;
/// Where GICD_IROUTER ends: INTID 1019 is the last.
pub const IROUTER_END: u64 = IROUTER + 8 * 1020;
/// The Peripheral ID2 Register, in the distributor as in a redistributor.
pub const PIDR2: u64 = 0xffe8;
/// The four Component ID registers, one after the other.
pub const CIDR0: u64 = 0xfff0;

/// GICD_PIDR2.ArchRev and GICR_PIDR2.ArchRev: 3 is GICv3.
pub const PIDR2_ARCH_REV: Field = Field::new(7, 4);

/// GICD_CTLR with one security state (DS = 1).
pub mod ctlr {
    /// Group 0 interrupts are forwarded.
    pub const ENABLE_GRP0: u32 = 1 << 0;
    /// Group 1 interrupts are forwarded.
    pub const ENABLE_GRP1: u32 = 1 << 1;
    /// Affinity routing.
    pub const ARE: u32 = 1 << 4;
    /// Security is disabled: there is one security state.
    pub const DS: u32 = 1 << 6;
    /// A PE that sleeps may be woken for a 1-of-N interrupt.
    pub const E1NWF: u32 = 1 << 7;
    /// A register write is in progress.
    pub const RWP: u32 = 1 << 31;
}

/// GICD_TYPER.
pub mod typer {
    use crate::field::Field;
    /// The number of SPIs: the highest INTID is 32 * (this + 1) - 1, short of the special ones.
    pub const IT_LINES_NUMBER: Field = Field::new(4, 0);
    /// Two security states are supported.
    pub const SECURITY_EXTN: u64 = 1 << 10;
    /// SETSPI and CLRSPI are there.
    pub const MBIS: u64 = 1 << 16;
    /// LPIs are there.
    pub const LPIS: u64 = 1 << 17;
    /// Bits of an INTID, less one.
    pub const ID_BITS: Field = Field::new(23, 19);
    /// Affinity 3 may be other than 0.
    pub const A3V: u64 = 1 << 24;
    /// 1-of-N is not there.
    pub const NO_1N: u64 = 1 << 25;
    /// SGIs reach affinity 0 above 15.
    pub const RSS: u64 = 1 << 26;
}

/// GICD_IROUTER<n>.
pub mod irouter {
    /// Interrupt_Routing_Mode: to any PE (1-of-N), instead of the one that the affinity names.
    pub const IRM: u64 = 1 << 31;
    /// Aff3 in [39:32], Aff2, Aff1 and Aff0 in [23:0]: as in MPIDR_EL1.
    pub const AFFINITY: u64 = 0xff_00ff_ffff;
}
