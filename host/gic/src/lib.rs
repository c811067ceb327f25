//! GICv3 as a state machine: a distributor, and for each PE a redistributor and a CPU interface.
//!
//! ```text
//!   set_spi, send_message        set_ppi, ICC_SGI<n>R
//!          |                             |
//!   +------v-------+             +-------v-------+       +---------------+
//!   | distributor  |  IROUTER    | redistributor |       | CPU interface |   lines:
//!   |     GICD     | ----------> |     GICR      | ----> |      ICC      | --> irq, fiq
//!   |  SPIs 32..   |  per PE     |  SGIs, PPIs   | HPPIR | PMR, priority |
//!   +--------------+             +---------------+       +---------------+
//!      frames: read, write          by frames                read_register, write_register
//! ```
//!
//! It has no time and no threads: a call comes in, the state changes, and [`Gic::lines`] tells
//! what the inputs of a PE show now, computed from the state each time. [`Gic::take_changed`] says
//! for which PEs it is worth asking.
//!
//! Where to read: `bank` (the states of an interrupt), `forwarding` (which one is next, and
//! where), `cpu_interface` (priorities), `registers` (acknowledge, end, SGIs), `distributor`,
//! `redistributor` and `messages` (the frames), `state` (save and restore).
//!
//! # Left out
//! One security state (GICD_CTLR.DS = 1, read only) and affinity routing only (ARE = 1, read only):
//! what is for two states or for GICv2 reads as zero. No LPIs and no ITS, no extended INTIDs, no
//! non-maskable interrupts (GICv3.3), no virtual CPU interface. Each module names its registers.
//!
//! Reference: Arm IHI 0069 (GICv3 and GICv4), by register, field and heading.

#![forbid(unsafe_code)]

mod bank;
mod cpu_interface;
mod distributor;
mod forwarding;
mod identification;
mod messages;
mod redistributor;
mod registers;
mod state;

pub use anyvisor_arch::gic::Icc;
pub use state::RestoreError;

use anyvisor_arch::gic::intid::{PPIS, SPIS};
use anyvisor_bugs::{Bug, is};
use distributor::{Changed, Distributor, place};
use forwarding::set_bits;
use redistributor::Pe;
use std::ops::Range;

/// The most processing elements that one GIC serves.
pub const MOST_PES: usize = 64;

/// What a GIC is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// The SPIs that only a message can make pending (the MSI frame's range), if there is a frame.
    /// INTIDs of it that are no SPIs count for nothing.
    pub messages: Option<Range<u32>>,
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

/// An interrupt's group; with one security state there are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Zero,
    One,
}

/// An interrupt that a PE might get.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    intid: u32,
    priority: u8,
    group: Group,
}

/// A GIC: the distributor, and a redistributor and a CPU interface for each PE.
#[derive(Clone, Debug)]
pub struct Gic {
    /// Empty without an MSI frame.
    messages: Range<u32>,
    distributor: Distributor,
    /// By number.
    pes: Vec<Option<Pe>>,
    /// For [`Gic::take_changed`].
    changed: u64,
}

impl Gic {
    /// A GIC after reset that has no PE yet.
    pub fn new(configuration: Configuration) -> Self {
        let messages = configuration.messages.unwrap_or(0..0);
        let messages = messages.start.max(SPIS.start)..messages.end.min(SPIS.end);
        let messages = if messages.is_empty() { 0..0 } else { messages };
        Self {
            distributor: Distributor::new(&messages),
            messages,
            pes: vec![None; MOST_PES],
            changed: 0,
        }
    }

    /// Adds PE `pe` (below [`MOST_PES`], else nothing happens), whose affinity is that of `mpidr`
    /// (MPIDR_EL1). It is as after reset.
    pub fn connect(&mut self, pe: usize, mpidr: u64) {
        if let Some(slot) = self.pes.get_mut(pe) {
            *slot = Some(Pe::new(mpidr));
            self.touch_all();
        }
    }

    /// Changes a PE's affinity.
    pub fn set_affinity(&mut self, pe: usize, mpidr: u64) {
        if let Some(pe) = self.pe_mut(pe) {
            pe.affinity = Pe::new(mpidr).affinity;
            self.touch_all();
        }
    }

    /// Takes a PE away; its SGIs and PPIs are gone.
    pub fn disconnect(&mut self, pe: usize) {
        if let Some(slot) = self.pes.get_mut(pe) {
            *slot = None;
            self.touch_all();
            self.changed |= 1 << pe;
        }
    }

    /// A guest's read of `bytes` (1, 2, 4 or 8) at `offset` of a frame. No read changes anything.
    ///
    /// What is not there reads zero: a register, a width that the manual does not give it, an
    /// offset that is no multiple of the width, the frame of a PE that is not there.
    pub fn read(&mut self, frame: Frame, offset: u64, bytes: u8) -> u64 {
        match (frame, bytes) {
            (_, 1 | 2 | 4 | 8) => {}
            _ => return 0,
        }
        match frame {
            Frame::Distributor => self.distributor.read(offset, bytes),
            Frame::Redistributor(number) => {
                let last = self.connected().next_back().is_some_and(|(last, _)| last == number);
                self.pe(number).map_or(0, |pe| pe.read(number, last, offset, bytes))
            }
            Frame::Messages => messages::read(&self.messages, offset, bytes),
        }
    }

    /// A guest's write; what is not there, or is read-only, ignores it.
    pub fn write(&mut self, frame: Frame, offset: u64, bytes: u8, value: u64) {
        match (frame, bytes) {
            (Frame::Distributor, 1 | 2 | 4 | 8) => {
                match self.distributor.write(offset, bytes, value) {
                    Changed::Nothing => {}
                    Changed::Spis { bank, bits } => {
                        set_bits(bits).for_each(|bit| self.touch_spi((32 * bank + bit) as u32));
                    }
                    Changed::Everything => self.touch_all(),
                }
            }
            (Frame::Redistributor(number), 1 | 2 | 4 | 8) => {
                if let Some(pe) = self.pe_mut(number) {
                    pe.write(offset, bytes, value);
                    self.touch(number);
                }
            }
            (Frame::Messages, _) => {
                if let Some(intid) = messages::sent(offset, bytes, value) {
                    self.send_message(intid);
                }
            }
            _ => {}
        }
    }

    /// Whether a CPU interface has this register: an access to one that it has not is UNDEFINED
    /// (ICC_AP0R<n>_EL1, ICC_AP1R<n>_EL1: those above 0 need six priority bits or more).
    pub fn has_register(register: Icc) -> bool {
        !matches!(register, Icc::Ap0r(1..) | Icc::Ap1r(1..))
    }

    /// Drives the line of an SPI; an INTID that is none, or is a message's, changes nothing.
    ///
    /// A level-sensitive interrupt follows the line. An edge-triggered one becomes pending each
    /// time that the line is driven up, whether it was up or not; driving it down does nothing to
    /// it.
    pub fn set_spi(&mut self, intid: u32, level: bool) {
        if SPIS.contains(&intid) && !self.messages.contains(&intid) {
            let (n, bit) = place(intid);
            self.distributor.banks[n].drive(bit, level, true);
            self.touch_spi(intid);
        }
    }

    /// Drives the line of a PPI (16..32) of a PE. An edge is a line that was down and goes up: the
    /// line is a timer's, say, whose output may be told again and again.
    pub fn set_ppi(&mut self, pe: usize, intid: u32, level: bool) {
        if PPIS.contains(&intid)
            && let Some(it) = self.pe_mut(pe)
        {
            it.bank.drive(place(intid).1, level, false);
            self.touch(pe);
        }
    }

    /// A write of `intid` to the MSI frame's SETSPI_NS; an INTID outside its range changes nothing.
    pub fn send_message(&mut self, intid: u32) {
        let taken = is(Bug::MsiRangeUnchecked) && SPIS.contains(&intid);
        if self.messages.contains(&intid) || taken {
            let (n, bit) = place(intid);
            self.distributor.banks[n].send(bit);
            self.touch_spi(intid);
        }
    }

    /// The PEs (one bit each) whose lines may differ from what they were at the last call. It may
    /// name one whose lines are the same, and it names one that was taken away.
    pub fn take_changed(&mut self) -> u64 {
        std::mem::take(&mut self.changed)
    }

    /// Distributor and redistributors as after reset. The lines that come in, the PEs, their
    /// affinities and their CPU interfaces stay: those registers are reset with the rest of a PE's.
    pub fn reset(&mut self) {
        self.distributor.reset();
        self.pes.iter_mut().flatten().for_each(Pe::reset);
        self.touch_all();
    }

    fn pe(&self, number: usize) -> Option<&Pe> {
        self.pes.get(number)?.as_ref()
    }

    fn pe_mut(&mut self, number: usize) -> Option<&mut Pe> {
        self.pes.get_mut(number)?.as_mut()
    }

    fn connected(&self) -> impl DoubleEndedIterator<Item = (usize, &Pe)> {
        self.pes.iter().enumerate().filter_map(|(number, pe)| Some((number, pe.as_ref()?)))
    }

    /// Something of this PE has changed. Whether it gets a 1-of-N interrupt may have, too, and then
    /// another gets it or does not.
    fn touch(&mut self, number: usize) {
        if self.one_of_n_waits() {
            self.touch_all();
        } else if number < MOST_PES {
            self.changed |= 1 << number;
        }
    }

    /// Something of an SPI has changed.
    fn touch_spi(&mut self, intid: u32) {
        use anyvisor_arch::gic::gicd::irouter::{AFFINITY, IRM};
        let route = self.distributor.routes[intid as usize];
        if route & IRM != 0 {
            return self.touch_all();
        }
        self.changed |= self
            .connected()
            .filter(|(_, pe)| pe.affinity == route & AFFINITY)
            .fold(0, |pes, (number, _)| pes | 1 << number);
    }

    fn touch_all(&mut self) {
        self.changed |= self.connected().fold(0, |pes, (number, _)| pes | 1 << number);
    }
}
