//! ICC: a PE's CPU interface: what it is told of, and what it is at.
//!
//! An interrupt is signalled if its priority is higher (its number lower) than the mask's and its
//! group priority is higher than that of everything the PE has acknowledged and not yet ended:
//!
//! ```text
//!   priority  7 6 5 4 3 | 2 1 0     five bits of eight are there
//!             group . sub           the binary point splits them: BPR0 = 2 leaves no sub-priority,
//!                                   each step more takes a bit from the group's
//!
//!   ICC_AP0R0, ICC_AP1R0: bit p of 32 says that something of group priority 8 * p is active
//!
//!   acknowledge   sets the bit of the interrupt's group priority; it runs at that priority now
//!   end           clears the lowest bit that is set (priority drop): back to what was preempted
//! ```
//!
//! # Choices
//! * Five priority bits (ICC_CTLR.PRIbits = 4), all of which preempt: one active priority register
//!   for each group; ICC_AP0R1 to 3 and ICC_AP1R1 to 3 are not there ([`crate::Gic::has_register`];
//!   here they read zero). The binary points' least values are 2 for Group 0 and 3 for
//!   Group 1, whose point is one further left with one security state and no EL3 (ICC_BPR1_EL1).
//! * With ICC_CTLR.CBPR set, ICC_BPR1 reads as ICC_BPR0 + 1, at most 7, and ignores writes.
//! * An end of an interrupt (EOIR) that does not match the last acknowledge is UNPREDICTABLE. Here:
//!   nothing happens if the INTID is no interrupt's, nothing is active, or the highest active
//!   priority is of the other group (if both groups have it, it is Group 0's); else the priority
//!   drops, and with EOImode = 0 the INTID that was written is deactivated.
//! * ICC_DIR with EOImode = 0 is UNPREDICTABLE: ignored.
//!
//! # Left out
//! PMHE, SEIS and ExtRange of ICC_CTLR (RAZ/WI); ICC_NMIAR1; ICV_ and ICH_ (there is no EL2);
//! bypass (ICC_SRE is all RAO/WI: system registers only).

use crate::bank::{Groups, PRIORITY_BITS, PRIORITY_MASK};
use crate::{Candidate, Group};
use anyvisor_arch::gic::Icc;
use anyvisor_arch::gic::icc::{BINARY_POINT, IDLE_PRIORITY, IGRPEN_ENABLE, ctlr, sre};
use anyvisor_bugs::{Bug, is};

/// The least binary points: the group's part has all bits that are there.
const LEAST_BPR0: u8 = 7 - PRIORITY_BITS as u8;
const LEAST_BPR1: u8 = LEAST_BPR0 + 1;
const GREATEST_BPR: u8 = 7;

/// The state of a CPU interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuInterface {
    pmr: u8,
    bpr0: u8,
    bpr1: u8,
    /// ICC_AP0R0 and ICC_AP1R0.
    active: [u32; 2],
    eoi_mode: bool,
    common_bpr: bool,
    pub enabled: Groups,
}

impl Default for CpuInterface {
    fn default() -> Self {
        Self {
            pmr: 0,
            bpr0: LEAST_BPR0,
            bpr1: LEAST_BPR1,
            active: [0; 2],
            eoi_mode: false,
            common_bpr: false,
            enabled: Groups { zero: false, one: false },
        }
    }
}

impl CpuInterface {
    /// ICC_RPR: the highest active group priority, or idle.
    pub fn running_priority(&self) -> u8 {
        match (self.active[0] | self.active[1]).trailing_zeros() {
            u32::BITS => IDLE_PRIORITY,
            bit => (bit as u8) << (8 - PRIORITY_BITS),
        }
    }

    /// The group priority of a priority.
    fn group_priority(&self, priority: u8, group: Group) -> u8 {
        let point = match group {
            Group::One if !self.common_bpr || is(Bug::CbprIgnored) => self.bpr1 - 1,
            _ => self.bpr0,
        };
        let point = if is(Bug::BinaryPointIgnored) { LEAST_BPR0 } else { point };
        // A point of 7 leaves eight bits of sub-priority: nothing preempts.
        (u32::from(priority) >> (point + 1) << (point + 1)) as u8
    }

    /// Whether an interrupt may be signalled now.
    pub fn signals(&self, candidate: &Candidate) -> bool {
        let running = self.running_priority();
        // The running priority is masked as well: it may be older than the binary point.
        (candidate.priority < self.pmr || is(Bug::PmrOffByOne) && candidate.priority == self.pmr)
            && (running == IDLE_PRIORITY
                || self.group_priority(candidate.priority, candidate.group)
                    < self.group_priority(running, candidate.group))
    }

    /// The PE has acknowledged it.
    pub fn activate(&mut self, candidate: &Candidate) {
        let priority = self.group_priority(candidate.priority, candidate.group);
        self.active[candidate.group as usize] |= 1 << (priority >> (8 - PRIORITY_BITS));
    }

    /// Priority drop by an EOIR of `group`; false if there is none to drop.
    pub fn drop_priority(&mut self, group: Group) -> bool {
        let [zero, one] = self.active.map(u32::trailing_zeros);
        let highest = if zero <= one { Group::Zero } else { Group::One };
        if zero.min(one) == u32::BITS || highest != group {
            return false;
        }
        let bits = &mut self.active[group as usize];
        *bits &= if is(Bug::EoiDropsWrongPriority) {
            u32::MAX >> 1 >> bits.leading_zeros()
        } else {
            *bits - 1
        };
        true
    }

    /// Priority drop and deactivation are two steps.
    pub fn splits_end(&self) -> bool {
        self.eoi_mode && !is(Bug::EoiModeIgnored)
    }

    /// The registers that are nothing but this state.
    pub fn read(&self, register: Icc) -> u64 {
        match register {
            Icc::Pmr => self.pmr.into(),
            Icc::Bpr0 => self.bpr0.into(),
            Icc::Bpr1 if self.common_bpr => (self.bpr0 + 1).min(GREATEST_BPR).into(),
            Icc::Bpr1 => self.bpr1.into(),
            Icc::Ap0r(0) => self.active[0].into(),
            Icc::Ap1r(0) => self.active[1].into(),
            Icc::Rpr if is(Bug::RprIsPmr) => self.pmr.min(self.running_priority()).into(),
            Icc::Rpr => self.running_priority().into(),
            Icc::Ctlr => {
                // IDbits = 0: 16 bits of INTID, the least there is.
                ctlr::PRI_BITS.put(u64::from(PRIORITY_BITS) - 1)
                    | ctlr::A3V
                    | ctlr::RSS
                    | if self.eoi_mode { ctlr::EOI_MODE } else { 0 }
                    | if self.common_bpr { ctlr::CBPR } else { 0 }
            }
            Icc::Sre => sre::SRE | sre::DFB | sre::DIB,
            Icc::Igrpen0 => self.enabled.zero.into(),
            Icc::Igrpen1 => self.enabled.one.into(),
            _ => 0,
        }
    }

    pub fn write(&mut self, register: Icc, value: u64) {
        let point = BINARY_POINT.get(value) as u8;
        match register {
            Icc::Pmr => self.pmr = value as u8 & PRIORITY_MASK,
            Icc::Bpr0 => self.bpr0 = point.max(LEAST_BPR0),
            Icc::Bpr1 if !self.common_bpr => self.bpr1 = point.max(LEAST_BPR1),
            Icc::Ap0r(0) => self.active[0] = value as u32,
            Icc::Ap1r(0) => self.active[1] = value as u32,
            Icc::Ctlr => {
                self.eoi_mode = value & ctlr::EOI_MODE != 0;
                self.common_bpr = value & ctlr::CBPR != 0;
            }
            Icc::Igrpen0 => self.enabled.zero = value & IGRPEN_ENABLE != 0,
            Icc::Igrpen1 => self.enabled.one = value & IGRPEN_ENABLE != 0,
            _ => {}
        }
    }
}
