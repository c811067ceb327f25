//! ICC: the fields of the CPU interface's system registers.

/// ICC_IAR<n>, ICC_EOIR<n>, ICC_HPPIR<n>, ICC_DIR: the INTID.
pub const INTID: crate::field::Field = crate::field::Field::new(23, 0);
/// ICC_RPR_EL1 when no interrupt is active.
pub const IDLE_PRIORITY: u8 = 0xff;

/// ICC_CTLR_EL1.
pub mod ctlr {
    use crate::field::Field;
    /// Common Binary Point Register: ICC_BPR0_EL1 serves both groups.
    pub const CBPR: u64 = 1 << 0;
    /// EOImode: ICC_EOIR drops the priority only, ICC_DIR deactivates.
    pub const EOI_MODE: u64 = 1 << 1;
    /// Priority Mask Hint Enable.
    pub const PMHE: u64 = 1 << 6;
    /// Priority bits, less one.
    pub const PRI_BITS: Field = Field::new(10, 8);
    /// Bits of an INTID: 0 is 16, 1 is 24.
    pub const ID_BITS: Field = Field::new(13, 11);
    /// Local SEIs.
    pub const SEIS: u64 = 1 << 14;
    /// Affinity 3 of an SGI may be other than 0.
    pub const A3V: u64 = 1 << 15;
    /// SGIs reach affinity 0 above 15.
    pub const RSS: u64 = 1 << 18;
    /// Extended INTIDs.
    pub const EXT_RANGE: u64 = 1 << 19;
}

/// ICC_SRE_EL1.
pub mod sre {
    /// The system registers are in use, not the memory-mapped interface.
    pub const SRE: u64 = 1 << 0;
    /// FIQ bypass is disabled.
    pub const DFB: u64 = 1 << 1;
    /// IRQ bypass is disabled.
    pub const DIB: u64 = 1 << 2;
}

/// ICC_SGI0R_EL1, ICC_SGI1R_EL1, ICC_ASGI1R_EL1.
pub mod sgir {
    use crate::field::Field;
    /// Bit n: the PE whose Aff0 is 16 * RS + n.
    pub const TARGET_LIST: Field = Field::new(15, 0);
    /// Affinity 1 of the targets.
    pub const AFF1: Field = Field::new(23, 16);
    /// The SGI.
    pub const INTID: Field = Field::new(27, 24);
    /// Affinity 2 of the targets.
    pub const AFF2: Field = Field::new(39, 32);
    /// Interrupt Routing Mode: all PEs but the sender.
    pub const IRM: u64 = 1 << 40;
    /// Range selector.
    pub const RS: Field = Field::new(47, 44);
    /// Affinity 3 of the targets.
    pub const AFF3: Field = Field::new(55, 48);
}

/// ICC_IGRPEN0_EL1, ICC_IGRPEN1_EL1: the group is enabled.
pub const IGRPEN_ENABLE: u64 = 1 << 0;
/// ICC_BPR<n>_EL1.BinaryPoint.
pub const BINARY_POINT: crate::field::Field = crate::field::Field::new(2, 0);
