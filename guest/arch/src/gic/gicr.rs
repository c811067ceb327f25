//! GICR: a redistributor's registers, beside those of [`super::bank`] in SGI_base.
//!
//! ```text
//!   0x0_0000  RD_base    control, type, power
//!   0x1_0000  SGI_base   the PE's SGIs and PPIs (INTIDs 0 to 31)
//!   0x2_0000  the next redistributor, unless GICR_TYPER.Last is 1
//! ```

/// Bytes of a redistributor: RD_base and SGI_base.
pub const SIZE: u64 = 0x2_0000;
/// The alignment of a frame.
pub const FRAME: u64 = 0x1_0000;
/// Where SGI_base stands.
pub const SGI_BASE: u64 = 0x1_0000;

/// GICR_CTLR.
pub const CTLR: u64 = 0x0000;
/// GICR_IIDR.
pub const IIDR: u64 = 0x0004;
/// GICR_TYPER: 64 bits.
pub const TYPER: u64 = 0x0008;
/// GICR_STATUSR.
pub const STATUSR: u64 = 0x0010;
/// GICR_WAKER.
pub const WAKER: u64 = 0x0014;
/// GICR_PROPBASER: 64 bits.
pub const PROPBASER: u64 = 0x0070;
/// GICR_PENDBASER: 64 bits.
pub const PENDBASER: u64 = 0x0078;
/// GICR_SYNCR.
pub const SYNCR: u64 = 0x00c0;
/// GICR_PIDR2.
pub const PIDR2: u64 = super::gicd::PIDR2;
/// The four Component ID registers.
pub const CIDR0: u64 = super::gicd::CIDR0;

/// GICR_TYPER.
pub mod typer {
    use crate::field::Field;
    /// Physical LPIs are there.
    pub const PLPIS: u64 = 1 << 0;
    /// No redistributor follows.
    pub const LAST: u64 = 1 << 4;
    /// GICR_CTLR.DPG0, DPG1NS and DPG1S are there.
    pub const DPGS: u64 = 1 << 5;
    /// Processor_Number.
    pub const PROCESSOR_NUMBER: Field = Field::new(23, 8);
    /// Affinity_Value: Aff3, Aff2, Aff1, Aff0, without the hole that MPIDR_EL1 has.
    pub const AFFINITY_VALUE: Field = Field::new(63, 32);
}

/// GICR_WAKER.
pub mod waker {
    /// The PE sleeps, or is about to: the redistributor must not forward to it.
    pub const PROCESSOR_SLEEP: u32 = 1 << 1;
    /// The interface between redistributor and CPU interface is quiet. Read only.
    pub const CHILDREN_ASLEEP: u32 = 1 << 2;
}
