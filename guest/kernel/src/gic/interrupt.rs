//! An interrupt's state, by the registers of whoever has it: a redistributor for SGIs and PPIs,
//! the distributor for SPIs. Both have the same registers at the same offsets.
//!
//! ```text
//!                 ISPENDR, or its source           IAR
//!     inactive ------------------------> pending ------> active
//!        ^  <------------------------       ^               |  \
//!        |     ICPENDR                      |               |   \ its source again
//!        |                                  |               |    v
//!        +------- EOIR, DIR, ICACTIVER -----+-------- active and pending
//! ```

use anyvisor_arch::gic::intid::SPIS;
use anyvisor_arch::gic::{bank, gicd, gicr};

use super::frame::Frame;
use crate::machine;

/// An interrupt.
#[derive(Clone, Copy, Debug)]
pub struct Interrupt {
    /// Its INTID.
    pub intid: u32,
    frame: Frame,
}

/// The group that an interrupt belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// A FIQ, where there is one security state.
    Zero,
    /// An IRQ.
    One,
}

/// What makes an SPI or PPI pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A line that is high, as long as it is.
    Level,
    /// A line that goes high.
    Edge,
}

macro_rules! states {
    ($($read:ident, $set:ident: $set_register:ident, $clear:ident: $clear_register:ident;)*) => {
        $(
            /// Whether it is.
            pub fn $read(self) -> bool {
                self.bit(bank::$set_register)
            }

            /// Makes it so.
            pub fn $set(self) {
                self.write_bit(bank::$set_register);
            }

            /// Ends it.
            pub fn $clear(self) {
                self.write_bit(bank::$clear_register);
            }
        )*
    };
}

impl Interrupt {
    /// An SPI, or this CPU's SGI or PPI.
    pub fn new(intid: u32) -> Self {
        if intid < SPIS.start {
            Self::of(crate::smp::this_cpu(), intid)
        } else {
            Self { intid, frame: super::distributor() }
        }
    }

    /// An SGI or PPI of a CPU. A GICv2 shows each CPU its own only.
    #[track_caller]
    pub fn of(cpu: usize, intid: u32) -> Self {
        if super::is_v2() {
            assert!(cpu == crate::smp::this_cpu(), "a GICv2 does not show others' SGIs and PPIs");
            return Self { intid, frame: super::distributor() };
        }
        Self { intid, frame: super::redistributor(cpu).plus(gicr::SGI_BASE) }
    }

    states! {
        is_enabled, enable: ISENABLER, disable: ICENABLER;
        is_pending, pend: ISPENDR, unpend: ICPENDR;
        is_active, set_active: ISACTIVER, clear_active: ICACTIVER;
    }

    /// Makes it pending. A GICv2 has other registers for SGIs, where this CPU is the sender.
    pub fn set_pending(self) {
        if self.is_sgi_of_v2() {
            let at = gicd::SPENDSGIR + u64::from(self.intid);
            self.frame.write8(at, 1 << super::v2::own_number());
        } else {
            self.pend();
        }
    }

    /// Ends that; with a GICv2, of all senders of an SGI.
    pub fn clear_pending(self) {
        if self.is_sgi_of_v2() {
            self.frame.write8(gicd::CPENDSGIR + u64::from(self.intid), 0xff);
        } else {
            self.unpend();
        }
    }

    fn is_sgi_of_v2(self) -> bool {
        self.intid < 16 && super::is_v2()
    }

    /// Puts it into a group.
    pub fn set_group(self, group: Group) {
        let at = self.word(bank::IGROUPR);
        let others = self.frame.read(at) & !self.mask();
        self.frame.write(at, others | if group == Group::One { self.mask() } else { 0 });
    }

    /// Its priority, lower is more urgent.
    pub fn priority(self) -> u64 {
        self.frame.read8(bank::IPRIORITYR + u64::from(self.intid)).into()
    }

    /// Sets its priority.
    pub fn set_priority(self, priority: u64) {
        self.frame.write8(bank::IPRIORITYR + u64::from(self.intid), priority as u32);
    }

    /// What makes it pending.
    pub fn trigger(self) -> Trigger {
        let (at, shift) = self.configuration();
        if self.frame.read(at) >> shift & 1 == 1 { Trigger::Edge } else { Trigger::Level }
    }

    /// Says what makes it pending; it must be disabled.
    pub fn set_trigger(self, trigger: Trigger) {
        let (at, shift) = self.configuration();
        let others = self.frame.read(at) & !(1 << shift);
        self.frame.write(at, others | u32::from(trigger == Trigger::Edge) << shift);
    }

    /// Sends an SPI to the CPU of this affinity.
    pub fn route(self, affinity: u64) {
        if super::is_v2() {
            let cpu = machine::get().cpus().iter().position(|cpu| *cpu == affinity);
            let target = super::v2::target(cpu.unwrap_or(0));
            self.frame.write8(gicd::ITARGETSR + u64::from(self.intid), target.into());
            return;
        }
        self.frame.write64(gicd::IROUTER + 8 * u64::from(self.intid), affinity);
    }

    /// Sends an SPI to any one CPU that takes part (GICD_IROUTER.Interrupt_Routing_Mode).
    pub fn route_to_any(self) {
        self.frame.write64(gicd::IROUTER + 8 * u64::from(self.intid), gicd::irouter::IRM);
    }

    /// GICD_IROUTER, as it reads.
    pub fn routing(self) -> u64 {
        self.frame.read64(gicd::IROUTER + 8 * u64::from(self.intid))
    }

    /// Makes it inactive, of a group and priority, and enables it; an SPI becomes an edge that goes
    /// to this CPU. With a GICv2 all that is an IRQ is of Group 0: see [`super`].
    pub fn prepare(self, group: Group, priority: u64) -> Self {
        self.disable();
        super::settle();
        if self.intid >= SPIS.start {
            self.set_trigger(Trigger::Edge);
            self.route(crate::smp::own_affinity());
        }
        self.clear_pending();
        self.clear_active();
        if !super::is_v2() {
            self.set_group(group);
        }
        self.set_priority(priority);
        self.enable();
        super::settle();
        self
    }

    /// Inactive, pending, active, or both.
    pub fn state(self) -> State {
        State { pending: self.is_pending(), active: self.is_active() }
    }

    /// The bit's mask in a word of bits.
    fn mask(self) -> u32 {
        1 << (self.intid % 32)
    }

    fn word(self, register: u64) -> u64 {
        register + u64::from(self.intid / 32) * 4
    }

    fn configuration(self) -> (u64, u32) {
        (bank::ICFGR + u64::from(self.intid / 16) * 4, self.intid % 16 * 2 + 1)
    }

    fn bit(self, register: u64) -> bool {
        self.frame.read(self.word(register)) & self.mask() != 0
    }

    fn write_bit(self, register: u64) {
        self.frame.write(self.word(register), self.mask());
    }
}

/// The state of an interrupt: the picture at the head of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// GICD_ISPENDR, GICR_ISPENDR0.
    pub pending: bool,
    /// GICD_ISACTIVER, GICR_ISACTIVER0.
    pub active: bool,
}

impl State {
    /// Neither.
    pub const INACTIVE: Self = Self { pending: false, active: false };
    /// Waiting to be acknowledged.
    pub const PENDING: Self = Self { pending: true, active: false };
    /// Acknowledged.
    pub const ACTIVE: Self = Self { pending: false, active: true };
    /// Acknowledged, and there again.
    pub const ACTIVE_AND_PENDING: Self = Self { pending: true, active: true };
}
