//! One timer: a comparator on a counter.

use anyvisor_arch::timer::ctl;
use anyvisor_bugs::{Bug, is};

/// The EL1 physical or virtual timer.
///
/// `count` is always what the timer's own counter shows: CNTPCT for the physical, CNTVCT (the
/// offset already taken off) for the virtual one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Timer {
    enable: bool,
    imask: bool,
    compare_value: u64,
}

impl Timer {
    /// `_CTL`: ENABLE, IMASK, and ISTATUS as of `count`.
    ///
    /// With ENABLE = 0 ISTATUS is UNKNOWN; it reads 0.
    pub fn control(&self, count: u64) -> u64 {
        let bit = |on: bool, mask: u64| if on { mask } else { 0 };
        bit(self.enable, ctl::ENABLE)
            | bit(self.imask, ctl::IMASK)
            | bit(
                self.condition_met(count) && !(is(Bug::IstatusMasked) && self.imask),
                ctl::ISTATUS,
            )
    }

    /// Writes `_CTL`; ISTATUS is read-only.
    pub fn set_control(&mut self, value: u64) {
        self.enable = value & ctl::ENABLE != 0;
        self.imask = value & ctl::IMASK != 0;
    }

    /// `_CVAL`.
    pub fn compare_value(&self) -> u64 {
        self.compare_value
    }

    /// Writes `_CVAL`.
    pub fn set_compare_value(&mut self, value: u64) {
        self.compare_value = if is(Bug::CvalIn32Bits) { value & 0xffff_ffff } else { value };
    }

    /// `_TVAL` as of `count`: `(CompareValue - count)[31:0]`, a view of CVAL that counts down and
    /// goes on below zero.
    ///
    /// With ENABLE = 0 the value is UNKNOWN; it reads the same.
    pub fn timer_value(&self, count: u64) -> u64 {
        u64::from(self.compare_value.wrapping_sub(count) as u32)
    }

    /// Writes `_TVAL`: `CompareValue = count + SignExtend(value[31:0])`.
    pub fn set_timer_value(&mut self, count: u64, value: u64) {
        let distance = i64::from(value as u32 as i32);
        let distance = if is(Bug::TvalZeroExtended) { distance & 0xffff_ffff } else { distance };
        self.compare_value = count.wrapping_add_signed(distance);
    }

    /// Whether the timer condition is met: enabled, and the count has reached CVAL.
    ///
    /// `IsTimerConditionMet` subtracts CVAL from the count as integers, both unsigned, and asks
    /// whether the result is not negative. So it is a comparison of unsigned numbers, not the
    /// sign of a 64-bit difference: a CVAL that a negative TVAL has wrapped below zero is a very
    /// late one.
    pub fn condition_met(&self, count: u64) -> bool {
        let met = count >= self.compare_value;
        let met = met && !(is(Bug::TimerOneTickLate) && count == self.compare_value);
        let signed = count.wrapping_sub(self.compare_value) as i64 >= 0;
        self.enable && if is(Bug::TimerComparesSigned) { signed } else { met }
    }

    /// The interrupt line as of `count`: the condition is met and not masked.
    pub fn output(&self, count: u64) -> bool {
        self.condition_met(count) && (!self.imask || is(Bug::ImaskIgnored))
    }

    /// The count from which on the output is high; `None` while it is disabled or masked.
    ///
    /// A deadline that is not after the present count means: it is high now.
    pub fn deadline(&self) -> Option<u64> {
        (self.enable && !self.imask).then_some(self.compare_value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(control: u64, compare_value: u64) -> Timer {
        let mut t = Timer::default();
        t.set_control(control);
        t.set_compare_value(compare_value);
        t
    }

    #[test]
    fn the_output_rises_at_the_compare_value_and_stays() {
        let t = timer(ctl::ENABLE, 100);
        assert_eq!([99, 100, 101].map(|count| t.output(count)), [false, true, true]);
        assert_eq!(t.control(99), ctl::ENABLE);
        assert_eq!(t.control(100), ctl::ENABLE | ctl::ISTATUS);
        assert_eq!(t.deadline(), Some(100));
    }

    #[test]
    fn a_mask_holds_the_line_and_not_the_status() {
        let t = timer(ctl::ENABLE | ctl::IMASK, 100);
        assert!(!t.output(100));
        assert_eq!(t.control(100), ctl::ENABLE | ctl::IMASK | ctl::ISTATUS);
        assert_eq!(t.deadline(), None);
    }

    #[test]
    fn a_disabled_timer_meets_nothing() {
        let t = timer(ctl::IMASK, 0);
        assert!(!t.condition_met(u64::MAX));
        assert_eq!(t.control(u64::MAX), ctl::IMASK);
        assert_eq!(timer(0, 0).deadline(), None);
    }

    #[test]
    fn status_is_not_written() {
        assert_eq!(timer(u64::MAX, 100).control(0), ctl::ENABLE | ctl::IMASK);
    }

    #[test]
    fn the_timer_value_is_a_view_of_the_compare_value() {
        let mut t = timer(ctl::ENABLE, 0);
        t.set_timer_value(1000, 24);
        assert_eq!(t.compare_value(), 1024);
        assert_eq!(t.timer_value(1000), 24);
        assert_eq!(t.timer_value(1023), 1);
        assert_eq!(t.timer_value(1025), 0xffff_ffff, "past it: minus one, in 32 bits");
        t.set_compare_value(1 << 40 | 5);
        assert_eq!(t.timer_value(0), 5, "the upper half does not show");
    }

    #[test]
    fn a_written_timer_value_is_signed() {
        let mut t = timer(ctl::ENABLE, 0);
        t.set_timer_value(1000, 0xffff_ffff);
        assert_eq!(t.compare_value(), 999);
        assert!(t.output(1000));
        t.set_timer_value(1 << 33, 0x8000_0000);
        assert_eq!(t.compare_value(), (1 << 33) - (1 << 31));
        t.set_timer_value(0, 0xdead_beef_0000_0001);
        assert_eq!(t.compare_value(), 1, "only 32 bits are written");
    }

    #[test]
    fn below_zero_is_very_late() {
        let mut t = timer(ctl::ENABLE, 0);
        t.set_timer_value(10, -11_i64 as u64);
        assert_eq!(t.compare_value(), u64::MAX);
        assert!(!t.output(10));
        assert_eq!(t.timer_value(10) as u32 as i32, -11);
    }

    #[test]
    fn the_counter_may_wrap() {
        // A virtual counter just below zero: the guest's offset is larger than the host's count.
        let count = 5_u64.wrapping_sub(10);
        let mut t = timer(ctl::ENABLE, 0);
        t.set_timer_value(count, 10);
        assert_eq!(t.compare_value(), 5);
        assert!(t.output(count), "unsigned: a count near 2^64 is past 5");
        assert!(!t.output(4) && t.output(5), "and after the wrap it counts up to 5 again");
    }
}
