//! GICv3 as a state machine.

#![forbid(unsafe_code)]

pub use anyvisor_arch::gic::Icc;

/// The most processing elements that one GIC serves.
pub const MOST_PES: usize = 64;

/// What a GIC is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// The SPIs that only a message can make pending (the MSI frame's range), if there is a frame.
    pub messages: Option<core::ops::Range<u32>>,
}

/// A page of registers, or several that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Frame {
    /// GICD: 64 KiB.
    Distributor,
    /// GICR of a PE, by its number: RD_base and SGI_base, 64 KiB each.
    Redistributor(usize),
    /// The MSI frame, as GICv2m has it: 4 KiB.
    Messages,
}

/// What a PE's interrupt inputs show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// A Group 1 interrupt is to be taken.
    pub irq: bool,
    /// A Group 0 interrupt is to be taken.
    pub fiq: bool,
}

/// Saved state that cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// It ends too early.
    #[error("the saved state has {0} bytes, which is too short")]
    Short(usize),
}

/// A GIC: the distributor, and a redistributor and a CPU interface for each PE.
#[derive(Clone, Debug)]
pub struct Gic {
    configuration: Configuration,
}

impl Gic {
    /// A GIC after reset that has no PE yet.
    pub fn new(configuration: Configuration) -> Self {
        Self { configuration }
    }

    /// Adds PE `pe` (below [`MOST_PES`]), whose affinity is that of `mpidr` (MPIDR_EL1).
    pub fn connect(&mut self, pe: usize, mpidr: u64) {
        let _ = (pe, mpidr);
    }

    /// Changes a PE's affinity.
    pub fn set_affinity(&mut self, pe: usize, mpidr: u64) {
        let _ = (pe, mpidr);
    }

    /// Takes a PE away.
    pub fn disconnect(&mut self, pe: usize) {
        let _ = pe;
    }

    /// A guest's read of `bytes` (1, 2, 4 or 8) at `offset` of a frame.
    pub fn read(&mut self, frame: Frame, offset: u64, bytes: u8) -> u64 {
        let _ = (frame, offset, bytes);
        0
    }

    /// A guest's write.
    pub fn write(&mut self, frame: Frame, offset: u64, bytes: u8, value: u64) {
        let _ = (frame, offset, bytes, value);
    }

    /// MRS of a register of PE `pe`'s CPU interface: reading IAR acknowledges.
    pub fn read_register(&mut self, pe: usize, register: Icc) -> u64 {
        let _ = (pe, register);
        0
    }

    /// MSR of a register of PE `pe`'s CPU interface.
    pub fn write_register(&mut self, pe: usize, register: Icc, value: u64) {
        let _ = (pe, register, value);
    }

    /// Drives the line of an SPI; an INTID that is none, or is a message's, changes nothing.
    pub fn set_spi(&mut self, intid: u32, level: bool) {
        let _ = (intid, level);
    }

    /// Drives the line of a PPI (16..32) of a PE.
    pub fn set_ppi(&mut self, pe: usize, intid: u32, level: bool) {
        let _ = (pe, intid, level);
    }

    /// A write of `intid` to the MSI frame's SETSPI_NS; an INTID outside its range changes nothing.
    pub fn send_message(&mut self, intid: u32) {
        let _ = intid;
    }

    /// What the PE's interrupt inputs show now.
    pub fn lines(&self, pe: usize) -> Lines {
        let _ = pe;
        Lines::default()
    }

    /// The PEs (one bit each) whose lines may differ from what they were at the last call.
    pub fn take_changed(&mut self) -> u64 {
        0
    }

    /// Everything but the lines that come in, the PEs and their affinities goes back to reset.
    pub fn reset(&mut self) {}

    /// The state of distributor and redistributors, not of the CPU interfaces.
    pub fn save(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Puts back what [`Gic::save`] gave.
    ///
    /// # Errors
    /// State that is no such thing, or is of another kind of GIC: nothing has changed then.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        let _ = (&self.configuration, state);
        Err(RestoreError::Short(state.len()))
    }
}
