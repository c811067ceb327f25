//! Thirty-two interrupts: a redistributor's SGIs and PPIs, or a word's worth of SPIs.
//!
//! An interrupt has two states that are not one another's opposite, and a line beside them:
//!
//! ```text
//!              ISPENDR, an edge, a message,
//!              or (level) the line goes up
//!   inactive ------------------------------> pending
//!      ^  ^                                     |
//!      |  |  ICPENDR, or (level) line down      |  ICC_IAR: acknowledged
//!      |  +------------------------------------ +------------------+
//!      |                                                           v
//!      +------------- ICC_EOIR or ICC_DIR, ICACTIVER ---------- active
//!                                                                | ^
//!                                       pending again, as above  | |  no longer pending
//!                                                                v |
//!                                                      active and pending
//!                              (deactivated: pending; it is not forwarded before)
//! ```
//!
//! Pending has two reasons (IHI 0069, "Interrupt handling state machine"): a latch, set by an edge,
//! a message or ISPENDR, and cleared by ICPENDR or the acknowledgement; and for a level-sensitive
//! interrupt its line, which nothing here clears. So a level interrupt whose device is not quiet
//! goes from pending to active and pending, one whose device is quiet to active. A write of ISPENDR
//! makes a level interrupt pending even with its line down, until it is acknowledged; ICPENDR takes
//! that back, but not the line.
//!
//! Words instead of one structure for each interrupt: what may be forwarded is found by a few
//! operations for 32 interrupts at once, and what the registers show are these words.

use crate::Group;
use anyvisor_bugs::{Bug, is};

/// The bits of a priority that are there: 5 of 8, the others are RAZ/WI (IHI 0069, "Interrupt
/// prioritization").
pub const PRIORITY_BITS: u32 = 5;
/// The same, in place.
pub const PRIORITY_MASK: u8 = 0xff << (8 - PRIORITY_BITS);

/// The INTIDs of one word of the registers: 32 n to 32 n + 31, bit by bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bank {
    /// Which of the 32 there are.
    implemented: u32,
    /// Which are edge-triggered whatever software wants: SGIs and messages.
    always_edge: u32,
    pub state: State,
}

/// What software and devices change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// 1 is Group 1.
    pub group: u32,
    pub enabled: u32,
    /// The latch, which is not all of what ISPENDR reads.
    pub latch: u32,
    /// The line as it was last driven.
    pub line: u32,
    pub active: u32,
    /// Edge-triggered instead of level-sensitive.
    pub edge: u32,
    pub priority: [u8; 32],
}

/// A register of the bank (the manual's names, without GICD_ or GICR_ and the number).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    Igroupr,
    Isenabler,
    Icenabler,
    Ispendr,
    Icpendr,
    Isactiver,
    Icactiver,
    /// `bytes` interrupts from number `first` of the bank.
    Ipriorityr {
        first: usize,
        bytes: usize,
    },
    /// The lower or the upper 16 interrupts.
    Icfgr {
        upper: bool,
    },
}

impl Bank {
    pub fn new(implemented: u32, always_edge: u32) -> Self {
        let mut bank = Self { implemented, always_edge, state: State::default() };
        bank.reset();
        bank
    }

    /// Everything but the lines: they are the devices'. All registers reset to 0 with DS = 1,
    /// where the manual leaves a value open (IPRIORITYR is UNKNOWN) that is 0 here as well.
    pub fn reset(&mut self) {
        self.state = State { line: self.state.line, edge: self.always_edge, ..Default::default() };
    }

    /// What is pending, for either reason.
    pub fn pending(&self) -> u32 {
        self.state.latch | self.state.line & !self.state.edge
    }

    /// What a PE may get: pending, enabled, not active, and its group is among `groups`.
    pub fn forwardable(&self, groups: Groups) -> u32 {
        let s = &self.state;
        self.pending() & s.enabled & !s.active & groups.select(s.group)
    }

    pub fn group(&self, bit: usize) -> Group {
        if self.state.group >> bit & 1 == 1 { Group::One } else { Group::Zero }
    }

    /// Drives a line. An edge is a line that goes up; with `pulse`, one that is driven up, even if
    /// it was up already.
    pub fn drive(&mut self, bit: usize, level: bool, pulse: bool) {
        let bit = 1 << bit & self.implemented;
        let edge = level && (pulse || self.state.line & bit == 0);
        if edge {
            self.state.latch |= bit & if is(Bug::LevelLatched) { !0 } else { self.state.edge };
        }
        if level {
            self.state.line |= bit;
        } else {
            self.state.line &= !bit;
        }
    }

    /// An edge without a line: an SGI, or a message.
    pub fn send(&mut self, bit: usize) {
        let lost = if is(Bug::EdgeLostWhileActive) { self.state.active } else { 0 };
        self.state.latch |= 1 << bit & self.implemented & !lost;
    }

    /// From pending to active, or active and pending.
    pub fn acknowledge(&mut self, bit: usize) {
        self.state.latch &= !(1 << bit);
        self.state.active |= 1 << bit;
    }

    pub fn deactivate(&mut self, bit: usize) {
        self.state.active &= !(1 << bit);
    }

    pub fn read(&self, register: Register) -> u64 {
        let s = &self.state;
        match register {
            Register::Igroupr => s.group.into(),
            Register::Isenabler | Register::Icenabler => s.enabled.into(),
            Register::Ispendr | Register::Icpendr => self.pending().into(),
            Register::Isactiver | Register::Icactiver => s.active.into(),
            Register::Ipriorityr { first, bytes } => s.priority[first..first + bytes]
                .iter()
                .rev()
                .fold(0, |value, &priority| value << 8 | u64::from(priority)),
            Register::Icfgr { upper } => spread(if upper { s.edge >> 16 } else { s.edge & 0xffff }),
        }
    }

    /// The interrupts of which something has changed, by bit.
    pub fn write(&mut self, register: Register, value: u64) -> u32 {
        let bits = value as u32 & self.implemented;
        let s = &mut self.state;
        if is(Bug::DisableDropsPending) && register == Register::Icenabler {
            s.latch &= !bits;
        }
        let (new, word) = match register {
            Register::Igroupr => (bits, &mut s.group),
            Register::Isenabler => (s.enabled | bits, &mut s.enabled),
            Register::Icenabler => (s.enabled & !bits, &mut s.enabled),
            Register::Ispendr => (s.latch | bits, &mut s.latch),
            Register::Icpendr => (s.latch & !bits, &mut s.latch),
            Register::Isactiver => (s.active | bits, &mut s.active),
            Register::Icactiver => (s.active & !bits, &mut s.active),
            Register::Icfgr { upper } => {
                let (kept, shift) = if upper { (0x0000_ffff, 16) } else { (0xffff_0000, 0) };
                let edge = s.edge & kept | gather(value) << shift;
                ((edge | self.always_edge) & self.implemented, &mut s.edge)
            }
            Register::Ipriorityr { first, bytes } => {
                return self.write_priorities(first, &value.to_le_bytes()[..bytes]);
            }
        };
        std::mem::replace(word, new) ^ new
    }

    fn write_priorities(&mut self, first: usize, bytes: &[u8]) -> u32 {
        let mut changed = 0;
        for (bit, byte) in (first..).zip(bytes) {
            let new = if self.implemented >> bit & 1 == 1 { byte & PRIORITY_MASK } else { 0 };
            if std::mem::replace(&mut self.state.priority[bit], new) != new {
                changed |= 1 << bit;
            }
        }
        changed
    }

    /// Whether `state` is one that this bank can have.
    pub fn admits(&self, state: &State) -> bool {
        let words = [state.group, state.enabled, state.latch, state.line, state.active, state.edge];
        words.iter().all(|word| word & !self.implemented == 0)
            && state.edge & self.always_edge == self.always_edge
            && state.priority.iter().enumerate().all(|(n, priority)| {
                priority & !PRIORITY_MASK == 0 && (*priority == 0 || self.implemented >> n & 1 == 1)
            })
    }
}

/// The groups that are enabled somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups {
    pub zero: bool,
    pub one: bool,
}

impl Groups {
    /// Of a word of group bits, a mask of the interrupts whose group is enabled.
    fn select(self, group: u32) -> u32 {
        (if self.zero { !group } else { 0 }) | (if self.one { group } else { 0 })
    }

    pub fn both(self, other: Self) -> Self {
        Self { zero: self.zero && other.zero, one: self.one && other.one }
    }

    pub fn has(self, group: Group) -> bool {
        match group {
            Group::Zero => self.zero,
            Group::One => self.one,
        }
    }
}

/// Sixteen interrupts' configuration as ICFGR shows it: the upper of two bits each.
fn spread(edge: u32) -> u64 {
    (0..16).fold(0, |value, n| value | u64::from(edge >> n & 1) << (2 * n + 1))
}

/// The other way; the lower bit of each pair is RES0.
fn gather(value: u64) -> u32 {
    let upper = if is(Bug::IcfgrLowerBit) { 0 } else { 1 };
    (0..16).fold(0, |edge, n| edge | (value >> (2 * n + upper) & 1) << n) as u32
}

/// The register at `offset` of GICD or SGI_base, and the number of its bank.
///
/// `None`: it is none of these, or the manual gives no access of that size: words everywhere, and
/// bytes for IPRIORITYR.
pub fn register(offset: u64, bytes: u8) -> Option<(Register, usize)> {
    use anyvisor_arch::gic::bank::*;
    if !offset.is_multiple_of(bytes.into()) || !matches!(bytes, 1 | 4) {
        return None;
    }
    match offset {
        IPRIORITYR..IPRIORITYR_END => {
            let intid = (offset - IPRIORITYR) as usize;
            let register = Register::Ipriorityr { first: intid % 32, bytes: bytes.into() };
            Some((register, intid / 32))
        }
        _ if bytes != 4 => None,
        IGROUPR..IPRIORITYR => {
            let register = match offset / BITS_STRIDE * BITS_STRIDE {
                IGROUPR => Register::Igroupr,
                ISENABLER => Register::Isenabler,
                ICENABLER => Register::Icenabler,
                ISPENDR => Register::Ispendr,
                ICPENDR => Register::Icpendr,
                ISACTIVER => Register::Isactiver,
                _ => Register::Icactiver,
            };
            Some((register, (offset % BITS_STRIDE / 4) as usize))
        }
        ICFGR..ICFGR_END => {
            let n = (offset - ICFGR) / 4;
            Some((Register::Icfgr { upper: n % 2 == 1 }, (n / 2) as usize))
        }
        _ => None,
    }
}
