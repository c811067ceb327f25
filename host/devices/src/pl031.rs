//! PL031 real-time clock, after DDI 0224.
//!
//! ```text
//! offset  name     access
//! 0x000   RTCDR    RO   seconds now
//! 0x004   RTCMR    RW   match: an interrupt when RTCDR reaches it
//! 0x008   RTCLR    RW   load: sets the seconds
//! 0x00c   RTCCR    RW   bit 0: started; a clock that was started stays so until reset
//! 0x010   RTCIMSC  RW   bit 0: the interrupt is let through
//! 0x014   RTCRIS   RO   bit 0: the match came
//! 0x018   RTCMIS   RO   RTCRIS and RTCIMSC
//! 0x01c   RTCICR   WO   bit 0: clear
//! 0xfe0.. RTCPeriphID0..3, RTCPCellID0..3
//! ```
//!
//! The clock is an offset to the host's seconds, which are an argument of every call. The match
//! is noticed when somebody asks ([`Pl031::line`] or a register access), not by itself.
//!
//! Left out: the integration test registers (read 0, writes ignored). The clock runs before it
//! is started (RTCCR reads 1 from reset), as firmware leaves it to an operating system.

/// RTCPeriphID0..3 (part 0x031, designer Arm, revision 0) and RTCPCellID0..3.
const IDS: [u32; 8] = [0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

/// The device.
#[derive(Clone, Debug)]
pub struct Pl031 {
    /// RTCDR = host seconds + offset, modulo 2^32.
    offset: u32,
    matched: u32,
    loaded: u32,
    mask: bool,
    raw: bool,
    /// The seconds at which the match was last looked at.
    seen: u32,
}

impl Pl031 {
    /// A clock that shows `now`, the host's seconds since 1970.
    pub fn new(now: u64) -> Self {
        Self { offset: 0, matched: 0, loaded: 0, mask: false, raw: false, seen: now as u32 }
    }

    fn counter(&self, now: u64) -> u32 {
        (now as u32).wrapping_add(self.offset)
    }

    /// Sets RTCRIS if the counter reached RTCMR since it was last looked at.
    fn observe(&mut self, now: u64) {
        let counter = self.counter(now);
        let passed = counter.wrapping_sub(self.seen);
        let distance = self.matched.wrapping_sub(self.seen);
        self.raw |= distance != 0 && distance <= passed;
        self.seen = counter;
    }

    /// The interrupt line.
    pub fn line(&mut self, now: u64) -> bool {
        self.observe(now);
        self.raw && self.mask
    }

    /// In how many seconds the line will rise by itself: somebody should ask then. `None`: it is
    /// high already, or held back, or the match is this second's, which has been.
    pub fn rises_in(&mut self, now: u64) -> Option<u32> {
        self.observe(now);
        let left = self.matched.wrapping_sub(self.seen);
        (self.mask && !self.raw && left != 0).then_some(left)
    }

    /// Reads the register at `offset`.
    pub fn read(&mut self, offset: u64, now: u64) -> u32 {
        self.observe(now);
        match offset {
            0x000 => self.counter(now),
            0x004 => self.matched,
            0x008 => self.loaded,
            0x00c => 1,
            0x010 => u32::from(self.mask),
            0x014 => u32::from(self.raw),
            0x018 => u32::from(self.raw && self.mask),
            0xfe0..=0xfff if offset.is_multiple_of(4) => IDS[(offset as usize - 0xfe0) / 4],
            _ => 0,
        }
    }

    /// Writes the register at `offset`.
    pub fn write(&mut self, offset: u64, value: u32, now: u64) {
        self.observe(now);
        match offset {
            0x004 => {
                self.matched = value;
                // A match that is set to this very second is reached now.
                self.raw |= value == self.counter(now);
            }
            0x008 => {
                self.loaded = value;
                self.offset = value.wrapping_sub(now as u32);
                self.seen = value;
            }
            0x010 => self.mask = value & 1 != 0,
            0x01c if value & 1 != 0 => self.raw = false,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_follows_the_host_and_keeps_an_offset_that_was_loaded() {
        let mut rtc = Pl031::new(1_000_000_000);
        assert_eq!(rtc.read(0, 1_000_000_007), 1_000_000_007);
        rtc.write(0x008, 500, 1_000_000_010);
        assert_eq!(rtc.read(0x008, 1_000_000_010), 500);
        assert_eq!(rtc.read(0, 1_000_000_013), 503);
    }

    #[test]
    fn a_match_raises_the_line_once_it_is_let_through_and_a_clear_lowers_it() {
        let mut rtc = Pl031::new(100);
        rtc.write(0x004, 105, 100);
        assert!(!rtc.line(104));
        assert_eq!(rtc.read(0x014, 104), 0);
        assert!(!rtc.line(106), "masked");
        assert_eq!((rtc.read(0x014, 106), rtc.read(0x018, 106)), (1, 0));
        rtc.write(0x010, 1, 106);
        assert!(rtc.line(106));
        rtc.write(0x01c, 1, 106);
        assert!(!rtc.line(107));
        rtc.write(0x004, 107, 107);
        assert!(rtc.line(107), "a match with this second");
    }

    #[test]
    fn it_says_when_the_line_will_rise() {
        let mut rtc = Pl031::new(100);
        rtc.write(0x004, 105, 100);
        assert_eq!(rtc.rises_in(100), None, "masked");
        rtc.write(0x010, 1, 100);
        assert_eq!(rtc.rises_in(102), Some(3));
        assert_eq!(rtc.rises_in(105), None, "it is high");
        rtc.write(0x01c, 1, 105);
        assert_eq!(rtc.rises_in(105), None, "this second's match has been");
        assert_eq!(rtc.rises_in(106), Some(u32::MAX), "a whole turn later");
        rtc.write(0x008, 104, 106);
        assert_eq!(rtc.rises_in(106), Some(1), "the clock was put back");
    }

    #[test]
    fn the_id_registers_name_a_pl031() {
        let mut rtc = Pl031::new(0);
        let id = (0..4).map(|i| rtc.read(0xfe0 + 4 * i, 0) << (8 * i)).sum::<u32>();
        assert_eq!(id, 0x0004_1031);
        let cell = (0..4).map(|i| rtc.read(0xff0 + 4 * i, 0) << (8 * i)).sum::<u32>();
        assert_eq!(cell, 0xb105_f00d);
    }
}
