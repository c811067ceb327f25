//! The performance monitors: PMUv3 for Armv8.1 (DDI 0487 D13), as a state machine that is told how
//! many instructions have been executed.
//!
//! ```text
//!   advance(retired, EL) --> how many since the last time
//!                              PMCR.E, PMCNTENSET<n>       on?
//!                              PMEVTYPER<n>.{P, U}         does this level count?
//!                              PMEVTYPER<n>.evtCount       what is counted
//!                                 v
//!     PMCCNTR   64 bits, every cycle            --overflow--> PMOVS<31>
//!     PMEVCNTR0 32 bits  SW_INCR, INST_RETIRED, --overflow--> PMOVS<n>, and CHAIN in the odd
//!     ..                 CPU_CYCLES, CHAIN                    counter above an even one
//!     PMEVCNTR5
//! ```
//!
//! A cycle is an instruction: the engine has no other notion of time that is its own, and a count
//! that does not depend on the host is the same in every run. So an instruction takes one cycle,
//! none stalls, and the counts of STALL_FRONTEND and STALL_BACKEND, which the architecture version
//! asks for, stay 0.
//!
//! Nothing counts while instructions run. Who reads a register, writes one, or changes the
//! exception level calls [`Pmu::advance`] before.
//!
//! The overflow interrupt is looked at where the timers are, so it comes up to some ten thousand
//! instructions after the overflow.
//!
//! Left out: events of caches and branch predictors, which are not there.

use anyvisor_arch::sysreg::MonitorRegister;
use anyvisor_bugs::{Bug, is};

/// Event counters.
pub const COUNTERS: usize = 6;

/// PMCR: the counters run.
const E: u64 = 1 << 0;
/// PMCR: a write of 1 zeroes the event counters.
const P: u64 = 1 << 1;
/// PMCR: a write of 1 zeroes the cycle counter.
const C: u64 = 1 << 2;
/// PMCR: export of events, and cycle counter off where counting is prohibited: remembered.
const X_DP: u64 = 0b11 << 4;
/// PMCR: the cycle counter overflows at 64 bits; RES1 without AArch32.
const LC: u64 = 1 << 6;
/// PMCR.N, the number of event counters.
const N_SHIFT: u32 = 11;

/// The cycle counter's bit in the sets.
const CYCLES: u32 = 1 << 31;
/// All counters' bits.
const ALL: u32 = CYCLES | ((1 << COUNTERS) - 1);

/// PMCCFILTR, PMEVTYPER: does not count at EL1.
const NOT_EL1: u32 = 1 << 31;
/// PMCCFILTR, PMEVTYPER: does not count at EL0.
const NOT_EL0: u32 = 1 << 30;
/// PMEVTYPER.evtCount.
const EVENT: u32 = 0xffff;

/// The events (DDI 0487 D13.11, common architectural events).
mod event {
    /// A write of PMSWINC.
    pub const SW_INCR: u32 = 0x00;
    /// An instruction.
    pub const INST_RETIRED: u32 = 0x08;
    /// A cycle.
    pub const CPU_CYCLES: u32 = 0x11;
    /// An overflow of the even counter below.
    pub const CHAIN: u32 = 0x1e;
    /// A cycle in which the front end gave nothing: never.
    pub const STALL_FRONTEND: u32 = 0x23;
    /// A cycle in which the back end took nothing: never.
    pub const STALL_BACKEND: u32 = 0x24;
}

/// PMCEID0: which of the events 0 to 0x1f there are.
const EVENTS_0: u64 =
    1 << event::SW_INCR | 1 << event::INST_RETIRED | 1 << event::CPU_CYCLES | 1 << event::CHAIN;
/// PMCEID1: which of the events 0x20 to 0x3f.
const EVENTS_1: u64 = 1 << (event::STALL_FRONTEND - 0x20) | 1 << (event::STALL_BACKEND - 0x20);

/// PMUSERENR: what EL0 may do.
pub mod user {
    /// Everything but PMINTEN.
    pub const EN: u64 = 1 << 0;
    /// PMSWINC.
    pub const SW: u64 = 1 << 1;
    /// Reading the cycle counter.
    pub const CR: u64 = 1 << 2;
    /// Reading the event counters, and selecting one.
    pub const ER: u64 = 1 << 3;
    /// All of them.
    pub const ALL: u64 = EN | SW | CR | ER;
}

/// The monitors' state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pmu {
    /// E, X, DP of PMCR.
    control: u64,
    enabled: u32,
    overflowed: u32,
    interrupts: u32,
    selected: u32,
    cycles: u64,
    cycle_filter: u32,
    counts: [u32; COUNTERS],
    types: [u32; COUNTERS],
    /// PMUSERENR.
    pub user: u64,
    /// Instructions up to which everything is counted.
    seen: u64,
}

fn counts_at(filter: u32, el: u8) -> bool {
    filter & if el == 0 { NOT_EL0 } else { NOT_EL1 } == 0 || is(Bug::PmuFilterIgnored)
}

impl Pmu {
    /// Counts up to the `retired`-th instruction; those since the last time ran at `el`.
    pub fn advance(&mut self, retired: u64, el: u8) {
        let new = retired.wrapping_sub(self.seen);
        self.seen = retired;
        if new == 0 || self.control & E == 0 {
            return;
        }
        if self.enabled & CYCLES != 0 && counts_at(self.cycle_filter, el) {
            let (sum, overflow) = self.cycles.overflowing_add(new);
            self.cycles = sum;
            self.overflowed |= if overflow { CYCLES } else { 0 };
        }
        for n in 0..COUNTERS {
            if matches!(self.types[n] & EVENT, event::INST_RETIRED | event::CPU_CYCLES) {
                self.count(n, new, el);
            }
        }
    }

    /// The overflow interrupt: PMCR.E, and a counter that has overflowed and may say so
    /// (DDI 0487, PMINTENSET_EL1; level sensitive).
    pub fn interrupts(&self) -> bool {
        self.control & E != 0 && self.overflowed & self.interrupts != 0
    }

    /// `count` events of counter `n`, if it runs and counts at `el`.
    fn count(&mut self, n: usize, count: u64, el: u8) {
        if self.enabled >> n & 1 == 0 || !counts_at(self.types[n], el) {
            return;
        }
        let sum = u128::from(self.counts[n]) + u128::from(count);
        self.counts[n] = sum as u32;
        let overflows = (sum >> 32) as u64;
        if overflows == 0 {
            return;
        }
        self.overflowed |= 1 << n;
        let above = n + 1;
        if n.is_multiple_of(2) && above < COUNTERS && self.types[above] & EVENT == event::CHAIN {
            self.count(above, if is(Bug::PmuChainLost) { 0 } else { overflows }, el);
        }
    }

    /// MRS at any level that may.
    pub fn read(&self, register: MonitorRegister) -> u64 {
        use MonitorRegister as R;
        match register {
            R::Control => self.control | LC | (COUNTERS as u64) << N_SHIFT,
            R::EnableSet | R::EnableClear => self.enabled.into(),
            R::OverflowSet | R::OverflowClear => self.overflowed.into(),
            R::InterruptSet | R::InterruptClear => self.interrupts.into(),
            R::Increment => 0,
            R::Select => self.selected.into(),
            R::SelectedType => match self.selected {
                31 => self.cycle_filter.into(),
                n => self.types.get(n as usize).copied().unwrap_or(0).into(),
            },
            R::SelectedCount => {
                self.counts.get(self.selected as usize).copied().unwrap_or(0).into()
            }
            R::Events0 => EVENTS_0,
            R::Events1 => EVENTS_1,
            R::Cycles => self.cycles,
            R::CycleFilter => self.cycle_filter.into(),
            R::Count(n) => self.counts.get(usize::from(n)).copied().unwrap_or(0).into(),
            R::Type(n) => self.types.get(usize::from(n)).copied().unwrap_or(0).into(),
            R::User => self.user,
        }
    }

    /// MSR at `el`. A selector that names no counter (CONSTRAINED UNPREDICTABLE) reads 0 and
    /// ignores writes.
    pub fn write(&mut self, register: MonitorRegister, value: u64, el: u8) {
        use MonitorRegister as R;
        let bits = value as u32 & ALL;
        match register {
            R::Control => {
                self.control = value & (E | X_DP);
                if value & P != 0 {
                    self.counts = [0; COUNTERS];
                }
                if value & C != 0 {
                    self.cycles = 0;
                }
            }
            R::EnableSet => self.enabled |= bits,
            R::EnableClear => self.enabled &= !bits,
            R::OverflowSet => self.overflowed |= bits,
            R::OverflowClear => self.overflowed &= !bits,
            R::InterruptSet => self.interrupts |= bits,
            R::InterruptClear => self.interrupts &= !bits,
            R::Increment => {
                for n in 0..COUNTERS {
                    let counts = self.types[n] & EVENT == event::SW_INCR && bits >> n & 1 != 0;
                    if counts && self.control & E != 0 {
                        self.count(n, 1, el);
                    }
                }
            }
            R::Select => self.selected = value as u32 & 31,
            R::SelectedType => match self.selected {
                31 => self.cycle_filter = value as u32 & (NOT_EL1 | NOT_EL0),
                n => self.set_type(n as usize, value),
            },
            R::SelectedCount => self.set_count(self.selected as usize, value),
            R::Cycles => self.cycles = value,
            R::CycleFilter => self.cycle_filter = value as u32 & (NOT_EL1 | NOT_EL0),
            R::Count(n) => self.set_count(n.into(), value),
            R::Type(n) => self.set_type(n.into(), value),
            R::User => self.user = value & user::ALL,
            R::Events0 | R::Events1 => {}
        }
    }

    fn set_type(&mut self, n: usize, value: u64) {
        if let Some(kind) = self.types.get_mut(n) {
            *kind = value as u32 & (NOT_EL1 | NOT_EL0 | EVENT);
        }
    }

    fn set_count(&mut self, n: usize, value: u64) {
        if let Some(count) = self.counts.get_mut(n) {
            *count = value as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MonitorRegister as R;

    /// Counter `n` with `kind`, all counters on.
    fn counting(kinds: &[(u8, u32)]) -> Pmu {
        let mut pmu = Pmu::default();
        for &(n, kind) in kinds {
            pmu.write(R::Type(n), kind.into(), 1);
        }
        pmu.write(R::EnableSet, u64::MAX, 1);
        pmu.write(R::Control, E, 1);
        pmu
    }

    #[test]
    fn instructions_are_cycles_and_count_when_on() {
        let mut pmu = counting(&[(0, event::INST_RETIRED), (1, event::CPU_CYCLES), (2, 0x23)]);
        pmu.advance(100, 1);
        pmu.advance(100, 1);
        assert_eq!(pmu.read(R::Cycles), 100);
        assert_eq!((pmu.read(R::Count(0)), pmu.read(R::Count(1))), (100, 100));
        assert_eq!(pmu.read(R::Count(2)), 0, "nothing stalls");
        pmu.write(R::EnableClear, 1, 1);
        pmu.advance(110, 0);
        assert_eq!((pmu.read(R::Count(0)), pmu.read(R::Count(1))), (100, 110));
        pmu.write(R::Control, 0, 1);
        pmu.advance(500, 0);
        assert_eq!((pmu.read(R::Cycles), pmu.read(R::Count(1))), (110, 110));
        pmu.write(R::Control, E | P, 1);
        assert_eq!((pmu.read(R::Cycles), pmu.read(R::Count(1))), (110, 0));
        pmu.write(R::Control, E | C, 1);
        assert_eq!(pmu.read(R::Cycles), 0);
        assert_eq!(pmu.read(R::Control), E | LC | 6 << 11);
    }

    #[test]
    fn filters_choose_the_level() {
        let mut pmu = counting(&[(0, NOT_EL1 | 8), (1, NOT_EL0 | 8)]);
        pmu.write(R::CycleFilter, NOT_EL0.into(), 1);
        pmu.advance(3, 0);
        pmu.advance(10, 1);
        assert_eq!((pmu.read(R::Count(0)), pmu.read(R::Count(1))), (3, 7));
        assert_eq!(pmu.read(R::Cycles), 7);
    }

    #[test]
    fn overflows_are_remembered_and_chained() {
        let mut pmu = counting(&[(0, event::INST_RETIRED), (1, event::CHAIN), (2, 8), (3, 0x1e)]);
        pmu.write(R::Count(0), 0xffff_fffe, 1);
        pmu.write(R::Count(2), 0xffff_ffff, 1);
        pmu.write(R::Cycles, u64::MAX, 1);
        pmu.write(R::EnableClear, 1 << 3, 1);
        pmu.advance(1 << 32 | 2, 1);
        assert_eq!((pmu.read(R::Count(0)), pmu.read(R::Count(1))), (0, 2));
        assert_eq!((pmu.read(R::Count(2)), pmu.read(R::Count(3))), (1, 0));
        assert_eq!(pmu.read(R::OverflowSet), 1 << 31 | 0b101);
        pmu.write(R::OverflowClear, 0b100, 1);
        assert_eq!(pmu.read(R::OverflowClear), 1 << 31 | 1);
    }

    #[test]
    fn software_increments() {
        let mut pmu = counting(&[(0, event::SW_INCR), (1, 8), (2, NOT_EL0)]);
        pmu.write(R::Increment, 0b111, 0);
        pmu.write(R::Increment, 0b101, 1);
        assert_eq!((pmu.read(R::Count(0)), pmu.read(R::Count(2))), (2, 1));
        assert_eq!(pmu.read(R::Count(1)), 0);
        pmu.write(R::Control, 0, 1);
        pmu.write(R::Increment, 1, 1);
        assert_eq!(pmu.read(R::Count(0)), 2);
    }

    #[test]
    fn the_selector_names_a_counter_or_none() {
        let mut pmu = counting(&[]);
        pmu.write(R::Select, 5, 1);
        pmu.write(R::SelectedType, u64::MAX, 1);
        pmu.write(R::SelectedCount, 0x1_2345_6789, 1);
        assert_eq!(pmu.read(R::Type(5)), (NOT_EL1 | NOT_EL0 | EVENT).into());
        assert_eq!(pmu.read(R::Count(5)), 0x2345_6789);
        pmu.write(R::Select, 31, 1);
        pmu.write(R::SelectedType, u64::MAX, 1);
        assert_eq!(pmu.read(R::CycleFilter), 0xc000_0000);
        pmu.write(R::Select, 6, 1);
        pmu.write(R::SelectedCount, 7, 1);
        assert_eq!((pmu.read(R::SelectedCount), pmu.read(R::SelectedType)), (0, 0));
    }

    #[test]
    fn the_events_that_there_are() {
        assert_eq!(Pmu::default().read(R::Events0), 0x4002_0101);
        assert_eq!(Pmu::default().read(R::Events1), 0x18);
    }
}
