//! A GIC with PEs that are ready to be interrupted, and short names for what a guest does.

use anyvisor_arch::gic::{bank, gicd, gicr};
use anyvisor_gic::{Configuration, Frame, Gic, Icc, Lines};

pub const SPURIOUS: u64 = 1023;
pub const IRQ: Lines = Lines { irq: true, fiq: false };
pub const FIQ: Lines = Lines { irq: false, fiq: true };
pub const NONE: Lines = Lines { irq: false, fiq: false };
/// The messages of a [`Machine`].
pub const MESSAGES: std::ops::Range<u32> = 64..80;

pub struct Machine {
    pub gic: Gic,
}

impl Machine {
    /// As after reset; PE n has affinity 0.0.0.n.
    pub fn reset(pes: usize) -> Self {
        let mut gic = Gic::new(Configuration { messages: Some(MESSAGES) });
        (0..pes).for_each(|pe| gic.connect(pe, pe as u64));
        Self { gic }
    }

    /// Awake, both groups enabled everywhere, no priority masked but the lowest.
    pub fn new(pes: usize) -> Self {
        let mut machine = Self::reset(pes);
        machine.set_gicd(gicd::CTLR, 3);
        for pe in 0..pes {
            machine.set_gicr(pe, gicr::WAKER, 0);
            machine.set(pe, Icc::Pmr, 0xff);
            machine.set(pe, Icc::Igrpen0, 1);
            machine.set(pe, Icc::Igrpen1, 1);
        }
        machine.gic.take_changed();
        machine
    }

    pub fn gicd(&mut self, offset: u64) -> u64 {
        self.gic.read(Frame::Distributor, offset, 4)
    }

    pub fn set_gicd(&mut self, offset: u64, value: u64) {
        self.gic.write(Frame::Distributor, offset, 4, value);
    }

    pub fn gicr(&mut self, pe: usize, offset: u64) -> u64 {
        self.gic.read(Frame::Redistributor(pe), offset, 4)
    }

    pub fn set_gicr(&mut self, pe: usize, offset: u64, value: u64) {
        self.gic.write(Frame::Redistributor(pe), offset, 4, value);
    }

    /// MRS.
    pub fn get(&mut self, pe: usize, register: Icc) -> u64 {
        self.gic.read_register(pe, register)
    }

    /// MSR.
    pub fn set(&mut self, pe: usize, register: Icc, value: u64) {
        self.gic.write_register(pe, register, value);
    }

    pub fn lines(&self, pe: usize) -> Lines {
        self.gic.lines(pe)
    }

    /// The frame that has an interrupt's registers: PE `pe`'s for an SGI or a PPI.
    fn home(pe: usize, intid: u32) -> (Frame, u64) {
        if intid < 32 {
            (Frame::Redistributor(pe), gicr::SGI_BASE)
        } else {
            (Frame::Distributor, 0)
        }
    }

    /// Reads an interrupt's bit of a register such as [`bank::ISPENDR`].
    pub fn bit(&mut self, pe: usize, register: u64, intid: u32) -> bool {
        let (frame, base) = Self::home(pe, intid);
        let word = self.gic.read(frame, base + register + u64::from(intid / 32 * 4), 4);
        word >> (intid % 32) & 1 == 1
    }

    /// Writes 1 to an interrupt's bit of a register, and 0 to its neighbours' (which changes
    /// nothing in set- and clear-registers).
    pub fn set_bit(&mut self, pe: usize, register: u64, intid: u32) {
        let (frame, base) = Self::home(pe, intid);
        let offset = base + register + u64::from(intid / 32 * 4);
        self.gic.write(frame, offset, 4, 1 << (intid % 32));
    }

    /// Makes an interrupt edge-triggered or level-sensitive.
    pub fn configure(&mut self, pe: usize, intid: u32, edge: bool) {
        let (frame, base) = Self::home(pe, intid);
        let offset = base + bank::ICFGR + u64::from(intid / 16 * 4);
        let shift = intid % 16 * 2 + 1;
        let old = self.gic.read(frame, offset, 4);
        self.gic.write(frame, offset, 4, old & !(1 << shift) | u64::from(edge) << shift);
    }

    pub fn priority(&mut self, pe: usize, intid: u32, priority: u8) {
        let (frame, base) = Self::home(pe, intid);
        let offset = base + bank::IPRIORITYR + u64::from(intid);
        self.gic.write(frame, offset, 1, priority.into());
    }

    /// Group 1 or Group 0.
    pub fn group(&mut self, pe: usize, intid: u32, one: bool) {
        let (frame, base) = Self::home(pe, intid);
        let offset = base + bank::IGROUPR + u64::from(intid / 32 * 4);
        let old = self.gic.read(frame, offset, 4);
        let bit = 1 << (intid % 32);
        self.gic.write(frame, offset, 4, if one { old | bit } else { old & !bit });
    }

    /// Group 1, this priority, enabled.
    pub fn enable(&mut self, pe: usize, intid: u32, priority: u8) {
        self.group(pe, intid, true);
        self.priority(pe, intid, priority);
        self.set_bit(pe, bank::ISENABLER, intid);
    }

    /// GICD_IROUTER.
    pub fn route(&mut self, intid: u32, value: u64) {
        self.gic.write(Frame::Distributor, gicd::IROUTER + 8 * u64::from(intid), 8, value);
    }
}
