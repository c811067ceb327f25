//! PSTATE as SPSR_EL1 saves it, and where an exception goes.
//!
//! ```text
//!  31 30 29 28    24  23  22 21 20     12  11 10  9 8 7 6    4  3  2 1  0
//! +--+--+--+--+..+---+---+---+--+--+..+----+-----+-+-+-+-+ +--+----+--+---+
//! |N |Z |C |V |  |DIT|UAO|PAN|SS|IL|  |SSBS|BTYPE|D|A|I|F| |M4| EL |0 | SP|
//! +--+--+--+--+..+---+---+---+--+--+..+----+-----+-+-+-+-+ +--+----+--+---+
//! ```
//!
//! The bits stand where SPSR_EL1 has them; the registers NZCV, DAIF, DIT, UAO, PAN, SSBS, CurrentEL and SPSel
//! show some of them, at the same place except for SPSel (bit 0 in both).

use core::fmt;

/// Negative.
pub const N: u64 = 1 << 31;
/// Zero.
pub const Z: u64 = 1 << 30;
/// Carry.
pub const C: u64 = 1 << 29;
/// Overflow.
pub const V: u64 = 1 << 28;
/// The four condition flags.
pub const NZCV: u64 = N | Z | C | V;
/// Data-independent timing.
pub const DIT: u64 = 1 << 24;
/// User access override.
pub const UAO: u64 = 1 << 23;
/// Privileged access never.
pub const PAN: u64 = 1 << 22;
/// Software step.
pub const SS: u64 = 1 << 21;
/// Illegal execution state.
pub const IL: u64 = 1 << 20;
/// Speculative store bypass safe.
pub const SSBS: u64 = 1 << 12;
/// How the last indirect branch came about, for branch target identification.
pub const BTYPE: u64 = 0b11 << 10;
/// Debug exceptions masked.
pub const D: u64 = 1 << 9;
/// SError interrupts masked.
pub const A: u64 = 1 << 8;
/// IRQ masked.
pub const I: u64 = 1 << 7;
/// FIQ masked.
pub const F: u64 = 1 << 6;
/// The four masks.
pub const DAIF: u64 = D | A | I | F;
/// M\[4\]: AArch32; the target of an exception return with it set is illegal here.
pub const AARCH32: u64 = 1 << 4;
/// M\[4:0\].
pub const MODE: u64 = 0x1f;
/// SPSel.SP: each level uses its own stack pointer.
pub const SPSEL_SP: u64 = 1 << 0;
/// The position of the exception level, in CurrentEL.EL and in M\[3:2\].
pub const CURRENT_EL_SHIFT: u32 = 2;
/// The bits that SPSR_EL1 holds in every model: BTYPE is RES0 without FEAT_BTI; TCO (FEAT_MTE) and
/// ALLINT (FEAT_NMI) are RES0.
pub const SPSR_FIELDS: u64 = NZCV | DIT | UAO | PAN | SS | IL | SSBS | DAIF | MODE;
/// CPSR of a vCPU that was never run: EL1h, everything masked.
pub const RESET: u64 = DAIF | Mode::El1h.bits();

/// The AArch64 modes up to EL2: exception level and which stack pointer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// EL0 with SP_EL0.
    El0t,
    /// EL1 with SP_EL0.
    El1t,
    /// EL1 with SP_EL1.
    El1h,
    /// EL2 with SP_EL0.
    El2t,
    /// EL2 with SP_EL2.
    El2h,
}

impl Mode {
    /// M\[4:0\].
    pub const fn bits(self) -> u64 {
        match self {
            Self::El0t => 0b0_0000,
            Self::El1t => 0b0_0100,
            Self::El1h => 0b0_0101,
            Self::El2t => 0b0_1000,
            Self::El2h => 0b0_1001,
        }
    }

    /// The mode of M\[4:0\]; `None`: AArch32, EL3, or a reserved value (EL0 with SP_ELx, M\[1\]).
    pub const fn from_bits(m: u64) -> Option<Self> {
        match m & MODE {
            0b0_0000 => Some(Self::El0t),
            0b0_0100 => Some(Self::El1t),
            0b0_0101 => Some(Self::El1h),
            0b0_1000 => Some(Self::El2t),
            0b0_1001 => Some(Self::El2h),
            _ => None,
        }
    }

    /// The exception level.
    pub const fn el(self) -> u8 {
        match self {
            Self::El0t => 0,
            Self::El1t | Self::El1h => 1,
            Self::El2t | Self::El2h => 2,
        }
    }

    /// PSTATE.SP: whether the level uses its own stack pointer.
    pub const fn own_sp(self) -> bool {
        self.bits() & 1 != 0
    }
}

/// A value of SPSR_EL1 (or of the API's CPSR): PSTATE in its saved form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Spsr(pub u64);

impl Spsr {
    /// The mode; `None` if the value names none that a guest has, see [`Mode::from_bits`].
    pub const fn mode(self) -> Option<Mode> {
        Mode::from_bits(self.0)
    }

    /// N, Z, C, V in bits 3 to 0.
    pub const fn nzcv(self) -> u64 {
        self.0 >> 28 & 0xf
    }

    /// D, A, I, F in bits 3 to 0, as MSR DAIFSet has them in its immediate.
    pub const fn daif(self) -> u64 {
        self.0 >> 6 & 0xf
    }

    /// Whether all of `bits` are set.
    pub const fn has(self, bits: u64) -> bool {
        self.0 & bits == bits
    }

    /// This value with `bits` set or cleared.
    pub const fn with(self, bits: u64, on: bool) -> Self {
        if on { Self(self.0 | bits) } else { Self(self.0 & !bits) }
    }
}

/// `nZCv DAIf el1h pan`: capital letters are set bits.
impl fmt::Display for Spsr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = [(N, 'n'), (Z, 'z'), (C, 'c'), (V, 'v')];
        let masks = [(D, 'd'), (A, 'a'), (I, 'i'), (F, 'f')];
        let letter = |(bit, c): (u64, char)| if self.has(bit) { c.to_ascii_uppercase() } else { c };
        for flag in flags {
            write!(f, "{}", letter(flag))?;
        }
        f.write_str(" ")?;
        for mask in masks {
            write!(f, "{}", letter(mask))?;
        }
        match self.mode() {
            Some(Mode::El0t) => f.write_str(" el0t")?,
            Some(Mode::El1t) => f.write_str(" el1t")?,
            Some(Mode::El1h) => f.write_str(" el1h")?,
            Some(Mode::El2t) => f.write_str(" el2t")?,
            Some(Mode::El2h) => f.write_str(" el2h")?,
            None => write!(f, " illegal mode {:#07b}", self.0 & MODE)?,
        }
        for (bit, name) in
            [(DIT, " dit"), (UAO, " uao"), (PAN, " pan"), (SSBS, " ssbs"), (SS, " ss"), (IL, " il")]
        {
            if self.has(bit) {
                f.write_str(name)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Spsr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x} ({self})", self.0)
    }
}

/// The kind of an exception, by its place within a group of vectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vector {
    /// Synchronous.
    Synchronous,
    /// IRQ.
    Irq,
    /// FIQ.
    Fiq,
    /// SError.
    SError,
}

/// Offset from VBAR_EL1 of the vector for `kind`, taken from `from` to EL1 (AArch64).
///
/// ```text
/// 0x000  from EL1 with SP_EL0     + 0x000 synchronous   + 0x080 IRQ
/// 0x200  from EL1 with SP_EL1     + 0x100 FIQ           + 0x180 SError
/// 0x400  from EL0 in AArch64
/// 0x600  from EL0 in AArch32 (does not happen here)
/// ```
pub const fn vector_offset(from: Mode, kind: Vector) -> u64 {
    let group = match from {
        Mode::El0t => 0x400,
        Mode::El1t | Mode::El2t => 0x000,
        Mode::El1h | Mode::El2h => 0x200,
    };
    let entry = match kind {
        Vector::Synchronous => 0x000,
        Vector::Irq => 0x080,
        Vector::Fiq => 0x100,
        Vector::SError => 0x180,
    };
    group + entry
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::string::ToString;

    #[test]
    fn modes_read_back_and_reserved_ones_do_not() {
        for m in [Mode::El0t, Mode::El1t, Mode::El1h, Mode::El2t, Mode::El2h] {
            assert_eq!(Mode::from_bits(m.bits()), Some(m));
        }
        for m in [0b0_0001, 0b0_0010, 0b0_0110, 0b0_1101, 0b1_0000] {
            assert_eq!(Mode::from_bits(m), None, "{m:#b}");
        }
    }

    #[test]
    fn a_value_reads_for_people() {
        assert_eq!(Spsr(RESET).to_string(), "nzcv DAIF el1h");
        assert_eq!(Spsr(Z | C | I | PAN).to_string(), "nZCv daIf el0t pan");
        assert_eq!(Spsr(AARCH32 | IL).to_string(), "nzcv daif illegal mode 0b10000 il");
    }

    #[test]
    fn vectors_are_where_the_manual_puts_them() {
        assert_eq!(vector_offset(Mode::El1t, Vector::Synchronous), 0x000);
        assert_eq!(vector_offset(Mode::El1h, Vector::Irq), 0x280);
        assert_eq!(vector_offset(Mode::El0t, Vector::SError), 0x580);
    }
}
