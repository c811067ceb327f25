//! Which interrupt a PE gets next, and which PE gets a shared one.
//!
//! ```text
//!   pending, enabled, not active         GICR_WAKER awake              PMR, running priority
//!   group enabled in GICD_CTLR    --->   and in ICC_IGRPEN<n>   --->   let it through
//!   GICD_IROUTER names the PE            the highest of them           IRQ or FIQ
//!        distributor, redistributor           HPPIR                       signalled
//! ```
//!
//! Nothing of this is stored: each question looks at all 32 words, and at single interrupts only
//! where a word has some to offer. Of equal priorities the lowest INTID wins (IMPLEMENTATION
//! DEFINED).
//!
//! The interrupts of a group that a PE has disabled are no candidates: IHI 0069, ICC_IGRPEN<n>, has
//! them released to the distributor. So they do not stand in the way of the other group's (in QEMU
//! they do) and HPPIR does not show them.
//!
//! # 1-of-N
//! With GICD_IROUTER.IRM an SPI goes to one PE of those that are awake and have its group enabled:
//! to one that it could be signalled to now, if there is any; of these to that of the lowest
//! running priority; of these to the lowest number. Another may be chosen a moment later: then the
//! first one reads INTID 1023, as after any interrupt that is withdrawn.

use crate::bank::Bank;
use crate::{Candidate, Gic, Group, Lines, Pe};
use anyvisor_arch::gic::gicd::irouter::{AFFINITY, IRM};
use anyvisor_bugs::{Bug, is};
use std::cmp::Reverse;

impl Gic {
    /// The highest priority pending interrupt of a PE, masked or not.
    pub(crate) fn highest_pending(&self, number: usize) -> Option<Candidate> {
        let pe = self.pe(number)?;
        if pe.asleep && !is(Bug::WakerIgnored) {
            return None;
        }
        let groups = self.distributor.groups().both(pe.cpu.enabled);
        let mut best: Option<Candidate> = None;
        let mut look = |n: usize, bank: &Bank, goes_here: &dyn Fn(&Candidate) -> bool| {
            for bit in set_bits(bank.forwardable(groups)) {
                let candidate = Candidate::of(bank, n, bit);
                let better = best.as_ref().is_none_or(|best| candidate.priority < best.priority);
                if better && goes_here(&candidate) {
                    best = Some(candidate);
                }
            }
        };
        look(0, &pe.bank, &|_| true);
        for (n, bank) in self.distributor.banks.iter().enumerate().skip(1) {
            look(n, bank, &|candidate| self.goes_to(candidate, number, pe));
        }
        best
    }

    /// What is signalled to a PE.
    pub(crate) fn signalled(&self, number: usize) -> Option<Candidate> {
        let candidate = self.highest_pending(number)?;
        self.pe(number)?.cpu.signals(&candidate).then_some(candidate)
    }

    /// What the PE's interrupt inputs show now. With one security state a Group 0 interrupt is an
    /// FIQ and a Group 1 interrupt an IRQ (IHI 0069, "Interrupt assignment to IRQ and FIQ
    /// signals"); there is one highest, so at most one of the two.
    pub fn lines(&self, pe: usize) -> Lines {
        let group = self.signalled(pe).map(|candidate| candidate.group);
        Lines { irq: group == Some(Group::One), fiq: group == Some(Group::Zero) }
    }

    fn goes_to(&self, candidate: &Candidate, number: usize, pe: &Pe) -> bool {
        let route = self.distributor.routes[candidate.intid as usize];
        if is(Bug::SpiRoutedToFirst) {
            number == 0
        } else if route & IRM == 0 {
            route & AFFINITY == pe.affinity
        } else {
            self.one_of_n(candidate) == Some(number)
        }
    }

    fn one_of_n(&self, candidate: &Candidate) -> Option<usize> {
        self.connected()
            .filter(|(_, pe)| !pe.asleep && pe.cpu.enabled.has(candidate.group))
            .max_by_key(|(number, pe)| {
                (pe.cpu.signals(candidate), pe.cpu.running_priority(), Reverse(*number))
            })
            .map(|(number, _)| number)
    }

    /// Whether a 1-of-N interrupt waits: then what one PE does may move it to another.
    pub(crate) fn one_of_n_waits(&self) -> bool {
        let groups = self.distributor.groups();
        self.distributor.banks.iter().enumerate().skip(1).any(|(n, bank)| {
            set_bits(bank.forwardable(groups))
                .any(|bit| self.distributor.routes[32 * n + bit] & IRM != 0)
        })
    }
}

impl Candidate {
    fn of(bank: &Bank, n: usize, bit: usize) -> Self {
        Self {
            intid: (32 * n + bit) as u32,
            priority: bank.state.priority[bit],
            group: bank.group(bit),
        }
    }
}

/// The numbers of the bits that are set, from the lowest.
pub(crate) fn set_bits(mut word: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
        word &= word - 1;
        Some(bit)
    })
}
