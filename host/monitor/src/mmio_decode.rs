//! Loads and stores that hardware reports without saying what they were (ISV = 0).
//!
//! ESR_ELx describes an access that failed stage 2 only if it is of one general-purpose register
//! and writes no address back. For the rest the monitor decodes the instruction:
//!
//! ```text
//!  31 30 29   27 26 25 24 23 22 21    15 14  10 9   5 4   0
//! | opc | 1 0 1 |V | 0| mode  |L | imm7  | Rt2  | Rn  | Rt  |   pair: mode 0 no-allocate,
//!                                                                1 post, 2 offset, 3 pre
//! | size| 1 1 1 |V | 0 0|opc  |0 |  imm9  |mode | Rn  | Rt  |   single: mode 1 post, 3 pre
//!                        23 22 21 20    12 11 10
//! ```
//!
//! The rest is refused by name: devices do not do exclusives, atomics or 128-bit accesses, and
//! Arm's own advice to hypervisors is the same.

use anyvisor_bugs::{Bug, is};
use std::fmt;

/// One or two general-purpose registers to or from consecutive addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// A load.
    pub load: bool,
    /// The registers (31: XZR), the one at the lower address first.
    pub registers: [u8; 2],
    /// How many of them: 1 or 2.
    pub count: usize,
    /// Bytes of one register in memory: 1, 2, 4, 8.
    pub bytes: usize,
    /// Loads sign-extend.
    pub sign_extend: bool,
    /// The registers are 64 bits wide.
    pub register_64: bool,
    /// The base register (31: SP).
    pub base: u8,
    /// What is added to the base for the address.
    pub offset: i64,
    /// What is added to the base after the access.
    pub writeback: i64,
}

/// Why an instruction is not emulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A load or store exclusive.
    Exclusive,
    /// An atomic read-modify-write, compare-and-swap or swap.
    Atomic,
    /// A SIMD or floating-point register.
    Simd,
    /// DC ZVA.
    ZeroBlock,
    /// Writeback to a register that is also transferred: CONSTRAINED UNPREDICTABLE.
    BaseTransferred,
    /// Something else.
    NoTransfer,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exclusive => "a load or store exclusive",
            Self::Atomic => "an atomic read-modify-write",
            Self::Simd => "a load or store of a SIMD register",
            Self::ZeroBlock => "DC ZVA",
            Self::BaseTransferred => "a writeback to a register that is transferred",
            Self::NoTransfer => "no load or store that can fault with ISV = 0",
        })
    }
}

/// Decodes an instruction word.
///
/// # Errors
/// Which kind of instruction it is instead.
pub fn decode(word: u32) -> Result<Transfer, Refusal> {
    let bits = |high: u32, low: u32| word >> low & ((1 << (high - low + 1)) - 1);
    let register = |low: u32| (word >> low & 31) as u8;
    let simd = bits(26, 26) != 0;
    let transfer = match (bits(29, 27), bits(25, 24)) {
        (0b101, 0b00 | 0b01) if simd => return Err(Refusal::Simd),
        (0b111, _) if simd => return Err(Refusal::Simd),
        (0b001, 0b00) if !simd => {
            // o2 (bit 23) clear: exclusives, and CASP among the pairs of them.
            let casp = bits(23, 23) == 0 && bits(21, 21) == 1 && bits(31, 31) == 0;
            let cas = bits(23, 23) == 1 && bits(21, 21) == 1;
            return Err(if casp || cas { Refusal::Atomic } else { Refusal::Exclusive });
        }
        (0b101, 0b00 | 0b01) => pair(word)?,
        (0b111, 0b00) if bits(21, 21) == 1 && bits(11, 10) == 0 => return Err(Refusal::Atomic),
        (0b111, 0b00) if bits(21, 21) == 0 && bits(10, 10) == 1 => {
            let (size, opc) = (bits(31, 30), bits(23, 22));
            // size 3 with opc 2 and 3, and size 2 with opc 3, are unallocated here.
            if opc >= 2 && size + opc >= 5 {
                return Err(Refusal::NoTransfer);
            }
            let imm9 = sign_extend(bits(20, 12), 9);
            let pre = bits(11, 11) != 0;
            Transfer {
                load: opc != 0,
                registers: [register(0), 31],
                count: 1,
                bytes: 1 << size,
                sign_extend: opc >= 2 && !is(Bug::MmioDecodeSignLost),
                register_64: opc == 2 || size == 3,
                base: register(5),
                offset: if pre || is(Bug::MmioPostAsPre) { imm9 } else { 0 },
                writeback: imm9,
            }
        }
        // SYS #3, C7, C4, #1, Xt
        _ if word & 0xffff_ffe0 == 0xd50b_7420 => return Err(Refusal::ZeroBlock),
        _ => return Err(Refusal::NoTransfer),
    };
    let transferred = &transfer.registers[..transfer.count];
    if transfer.writeback != 0 && transfer.base != 31 && transferred.contains(&transfer.base) {
        return Err(Refusal::BaseTransferred);
    }
    Ok(transfer)
}

fn pair(word: u32) -> Result<Transfer, Refusal> {
    let (opc, mode, load) = (word >> 30, word >> 23 & 0b11, word >> 22 & 1 != 0);
    let bytes = match (opc, load) {
        (0b00, _) | (0b01, true) => 4,
        (0b10, _) => 8,
        _ => return Err(Refusal::NoTransfer), // STGP, or unallocated
    };
    let imm7 = sign_extend(word >> 15 & 0x7f, 7) * bytes as i64;
    let (offset, writeback) = match mode {
        0b01 => (0, imm7),
        0b11 => (imm7, imm7),
        _ => (imm7, 0),
    };
    Ok(Transfer {
        load,
        registers: match is(Bug::MmioPairReversed) {
            true => [(word >> 10 & 31) as u8, (word & 31) as u8],
            false => [(word & 31) as u8, (word >> 10 & 31) as u8],
        },
        count: 2,
        bytes,
        sign_extend: opc == 0b01,
        register_64: opc != 0b00,
        base: (word >> 5 & 31) as u8,
        offset,
        writeback,
    })
}

fn sign_extend(value: u32, bits: u32) -> i64 {
    i64::from(value) << (64 - bits) >> (64 - bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Transfer = Transfer {
        load: true,
        registers: [0, 31],
        count: 1,
        bytes: 8,
        sign_extend: false,
        register_64: true,
        base: 2,
        offset: 0,
        writeback: 0,
    };

    // Words as `aarch64-linux-gnu-as` makes them.
    #[test]
    fn single_registers_with_writeback() {
        for (word, text, expected) in [
            (0xf840_8440, "ldr x0, [x2], #8", Transfer { writeback: 8, ..BASE }),
            (0xf85f_8c40, "ldr x0, [x2, #-8]!", Transfer { offset: -8, writeback: -8, ..BASE }),
            (
                0xb800_4440,
                "str w0, [x2], #4",
                Transfer { load: false, bytes: 4, register_64: false, writeback: 4, ..BASE },
            ),
            (
                0xb880_4440,
                "ldrsw x0, [x2], #4",
                Transfer { bytes: 4, sign_extend: true, writeback: 4, ..BASE },
            ),
            (
                0x38c0_1c40,
                "ldrsb w0, [x2, #1]!",
                Transfer {
                    bytes: 1,
                    sign_extend: true,
                    register_64: false,
                    offset: 1,
                    writeback: 1,
                    ..BASE
                },
            ),
            (
                0x7880_2c40,
                "ldrsh x0, [x2, #2]!",
                Transfer { bytes: 2, sign_extend: true, offset: 2, writeback: 2, ..BASE },
            ),
        ] {
            assert_eq!(decode(word), Ok(expected), "{text}");
        }
    }

    #[test]
    fn pairs_in_every_mode() {
        let pair = Transfer { registers: [0, 1], count: 2, ..BASE };
        for (word, text, expected) in [
            (0xa940_0440, "ldp x0, x1, [x2]", pair),
            (0xa97f_0440, "ldp x0, x1, [x2, #-16]", Transfer { offset: -16, ..pair }),
            (0xa8c1_0440, "ldp x0, x1, [x2], #16", Transfer { writeback: 16, ..pair }),
            (
                0xa9bf_0440,
                "stp x0, x1, [x2, #-16]!",
                Transfer { load: false, offset: -16, writeback: -16, ..pair },
            ),
            (
                0x2901_0440,
                "stp w0, w1, [x2, #8]",
                Transfer { load: false, bytes: 4, register_64: false, offset: 8, ..pair },
            ),
            (
                0x6941_0440,
                "ldpsw x0, x1, [x2, #8]",
                Transfer { bytes: 4, sign_extend: true, offset: 8, ..pair },
            ),
            (0xa841_0440, "ldnp x0, x1, [x2, #16]", Transfer { offset: 16, ..pair }),
            (0xa8c1_07e0, "ldp x0, x1, [sp], #16", Transfer { base: 31, writeback: 16, ..pair }),
        ] {
            assert_eq!(decode(word), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_emulated_is_refused_by_name() {
        for (word, text, refusal) in [
            (0xc85f_7c40, "ldxr x0, [x2]", Refusal::Exclusive),
            (0xc803_7c40, "stxr w3, x0, [x2]", Refusal::Exclusive),
            (0xc87f_0440, "ldxp x0, x1, [x2]", Refusal::Exclusive),
            (0xf821_0040, "ldadd x1, x0, [x2]", Refusal::Atomic),
            (0xc8a1_7c40, "cas x1, x0, [x2]", Refusal::Atomic),
            (0x3dc0_0040, "ldr q0, [x2]", Refusal::Simd),
            (0xad40_0440, "ldp q0, q1, [x2]", Refusal::Simd),
            (0xd50b_7422, "dc zva, x2", Refusal::ZeroBlock),
            (0xf840_8442, "ldr x2, [x2], #8", Refusal::BaseTransferred),
            (0xd503_201f, "nop", Refusal::NoTransfer),
            (0xf840_0840, "ldtr x0, [x2]", Refusal::NoTransfer),
        ] {
            assert_eq!(decode(word), Err(refusal), "{text}");
        }
    }

    #[test]
    fn no_word_upsets_the_decoder() {
        let mut word = 1u32;
        for _ in 0..1_000_000 {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let _ = decode(word ^ word >> 13);
        }
    }
}
