//! Tests: `oracle` compares with another implementation and with the host, over random operands
//! with the edges weighted; `known` has answers that follow from the manual's text alone.

mod known;
mod oracle;

use super::{Exception, Format, Fp};

pub const FORMATS: [Format; 3] = [Format::Half, Format::Single, Format::Double];

/// FPCR bits.
pub const AHP: u32 = 1 << 26;
pub const DN: u32 = 1 << 25;
pub const FZ: u32 = 1 << 24;
pub const FZ16: u32 = 1 << 19;
/// FPCR.RMode in its place.
pub const fn rmode(mode: u32) -> u32 {
    mode << 22
}

/// FPSR bits.
pub const IOC: u32 = Exception::InvalidOp as u32;
pub const DZC: u32 = Exception::DivideByZero as u32;
pub const OFC: u32 = Exception::Overflow as u32;
pub const UFC: u32 = Exception::Underflow as u32;
pub const IXC: u32 = Exception::Inexact as u32;
pub const IDC: u32 = Exception::InputDenorm as u32;

/// What `operation` gives under this FPCR, and the bits that it sets in a clear FPSR.
pub fn run(control: u32, operation: impl FnOnce(&mut Fp) -> u64) -> (u64, u32) {
    let mut fp = Fp { control, status: 0 };
    let result = operation(&mut fp);
    assert_eq!(fp.control, control);
    (result, fp.status)
}

/// Random operands: SplitMix64, and a taste for edges.
pub struct Random(pub u64);

impl Random {
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.word() % n
    }

    /// A bit pattern of a format: exponents near the ends and near one, fractions of few bits.
    pub fn operand(&mut self, f: Format) -> u64 {
        let last = (1 << f.exponent_bits()) - 1;
        let exponent = match self.below(8) {
            0 => 0,
            1 => last,
            2 => self.below(4),
            3 => last - self.below(4),
            4 | 5 => last / 2 - 3 + self.below(f.fraction_bits() as u64 + 6),
            _ => self.below(last + 1),
        };
        let fraction = match self.below(8) {
            0 => 0,
            1 => f.fraction(),
            2 => 1,
            3 => f.quiet(),
            4 => 1 << self.below(f.fraction_bits().into()),
            5 => self.word() << self.below(f.fraction_bits().into()),
            _ => self.word(),
        } & f.fraction();
        f.pack(self.below(2) == 1, exponent.min(last), fraction)
    }
}
