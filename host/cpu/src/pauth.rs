//! Pointer authentication codes: QARMA5 and where a code stands in a pointer (DDI 0487 D8.8;
//! `ComputePAC`, `AddPAC`, `Auth`, `Strip`; FEAT_PAuth without FEAT_EPAC, FEAT_PAuth2 and
//! FEAT_FPAC).
//!
//! ```text
//!    63     56 55 54          bottom               0
//!   [  code   | s |    code     |      address      ]      top byte not ignored
//!   [  tag    | s |    code     |      address      ]      top byte ignored (TBI)
//!
//!   s       which half of the address space: all of the code's bits in the real address
//!   bottom  64 - TnSZ of that half
//! ```
//!
//! A code is QARMA5 of the real address under a key, with a modifier as the tweak. QARMA works on
//! 16 cells of 4 bits, which stand as rows of a matrix:
//!
//! ```text
//!    63..60  59..56  55..52  51..48         modifier ---+------+-- ... (TweakShuffle each round)
//!    47..44  43..40  39..36  35..32                     v      v
//!    31..28  27..24  23..20  19..16       data -> key0 -> 5 rounds -> the middle -> 5 rounds
//!    15..12  11..8    7..4    3..0                                     backwards -> modk0 -> code
//! ```

/// A key: K<127:64> and K<63:0> of the manual, the registers AP*KeyHi and AP*KeyLo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// K<127:64>.
    pub high: u64,
    /// K<63:0>.
    pub low: u64,
}

/// Rounds before and after the middle, less one.
const ITERATIONS: usize = 4;
/// The round constants: digits of pi.
const RC: [u64; ITERATIONS + 1] =
    [0, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89, 0x4528_21e6_38d0_1377];
const ALPHA: u64 = 0xc0ac_29b7_c97c_50dd;

/// `PACSub`'s substitution of a cell.
const SUB: [u8; 16] =
    [0xb, 0x6, 0x8, 0xf, 0xc, 0x0, 0x9, 0xe, 0x3, 0x7, 0x4, 0x5, 0xd, 0x2, 0x1, 0xa];
/// `PACInvSub`'s.
const INV_SUB: [u8; 16] = inverse(SUB);

/// `PACCellShuffle`: where each cell comes from; cells counted from the lowest.
const SHUFFLE: [u8; 16] = [13, 6, 11, 0, 7, 12, 1, 10, 8, 3, 14, 5, 2, 9, 4, 15];
const INV_SHUFFLE: [u8; 16] = inverse(SHUFFLE);

/// `TweakShuffle`: where each cell comes from.
const TWEAK: [u8; 16] = [4, 5, 6, 7, 11, 2, 3, 8, 12, 13, 14, 15, 0, 1, 10, 9];
const INV_TWEAK: [u8; 16] = inverse(TWEAK);
/// The cells that `TweakShuffle` rotates (`TweakCellRot`) on their way, by where they arrive.
const ROTATED: u16 = 1 << 2 | 1 << 4 | 1 << 7 | 1 << 11 | 1 << 12 | 1 << 14 | 1 << 15;

/// The inverse of a permutation of 0 to 15.
const fn inverse(table: [u8; 16]) -> [u8; 16] {
    let mut result = [0; 16];
    let mut i = 0;
    while i < 16 {
        result[table[i] as usize] = i as u8;
        i += 1;
    }
    result
}

fn cell(value: u64, i: u8) -> u64 {
    value >> (4 * i) & 0xf
}

/// Each cell replaced by a table.
fn substitute(value: u64, table: &[u8; 16]) -> u64 {
    (0..16).fold(0, |out, i| out | u64::from(table[cell(value, i) as usize]) << (4 * i))
}

/// The cells in another order.
fn permute(value: u64, from: &[u8; 16]) -> u64 {
    (0..16).zip(from).fold(0, |out, (i, from)| out | cell(value, *from) << (4 * i))
}

/// `RotCell` of all cells at once.
fn rotate_cells(value: u64, by: u32) -> u64 {
    let low = 0x1111_1111_1111_1111 * ((1 << (4 - by)) - 1);
    (value & low) << by | (value & !low) >> (4 - by)
}

/// `PACMult`: every column times the circulant matrix (0, rot 1, rot 2, rot 1). It is its own
/// inverse. A row is 16 bits.
fn multiply(value: u64) -> u64 {
    rotate_cells(value.rotate_left(16) ^ value.rotate_left(48), 1)
        ^ rotate_cells(value.rotate_left(32), 2)
}

/// `TweakShuffle`.
fn tweak(value: u64) -> u64 {
    let shuffled = permute(value, &TWEAK);
    (0..16).filter(|i| ROTATED >> i & 1 == 1).fold(shuffled, |out, i: u8| {
        let old = cell(out, i);
        let new = old >> 1 | ((old ^ old >> 1) & 1) << 3;
        out ^ (old ^ new) << (4 * i)
    })
}

/// `TweakInvShuffle`.
fn inverse_tweak(value: u64) -> u64 {
    let unrotated = (0..16).filter(|i| ROTATED >> i & 1 == 1).fold(value, |out, i: u8| {
        let old = cell(out, i);
        let new = old << 1 & 0xf | (old ^ old >> 3) & 1;
        out ^ (old ^ new) << (4 * i)
    });
    permute(unrotated, &INV_TWEAK)
}

/// `ComputePAC` with QARMA5.
pub fn compute_pac(data: u64, modifier: u64, key: KeyValue) -> u64 {
    let KeyValue { high: key0, low: key1 } = key;
    let modk0 = key0.rotate_right(1) ^ key0 >> 63;
    let mut running = modifier;
    let mut value = data ^ key0;
    for (i, constant) in RC.iter().enumerate() {
        value ^= key1 ^ running ^ constant;
        if i > 0 {
            value = multiply(permute(value, &SHUFFLE));
        }
        value = substitute(value, &SUB);
        running = tweak(running);
    }
    value ^= modk0 ^ running;
    value = multiply(permute(value, &SHUFFLE));
    value = substitute(value, &SUB);
    value = multiply(permute(value, &SHUFFLE));
    value ^= key1;
    value = substitute(permute(value, &INV_SHUFFLE), &INV_SUB);
    value = permute(multiply(value), &INV_SHUFFLE);
    value ^= key0 ^ running;
    for (i, constant) in RC.iter().enumerate().rev() {
        value = substitute(value, &INV_SUB);
        if i > 0 {
            value = permute(multiply(value), &INV_SHUFFLE);
        }
        running = inverse_tweak(running);
        value ^= key1 ^ running ^ constant ^ ALPHA;
    }
    value ^ modk0
}

/// Where the code stands in a pointer of one half of the address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The top byte is ignored in addresses (`EffectiveTBI`): it is no part of the code.
    pub tagged: bool,
    /// The code's lowest bit (`CalculateBottomPACBit`): the bits of a virtual address.
    pub bottom: u32,
}

/// Bit 55, which says the half.
const SELECT: u64 = 1 << 55;

impl Layout {
    /// The bits of the code.
    pub fn code(self) -> u64 {
        let top = if self.tagged { SELECT - 1 } else { u64::MAX };
        top & !SELECT & u64::MAX << self.bottom
    }

    /// The pointer with its code's bits, and bit 55, replaced by copies of `upper`.
    fn extended(self, pointer: u64, upper: bool) -> u64 {
        let extension = self.code() | SELECT;
        if upper { pointer | extension } else { pointer & !extension }
    }

    /// `AddPAC`: the pointer with its code, in the half that `upper` says.
    pub fn add(self, pointer: u64, modifier: u64, key: KeyValue, upper: bool) -> u64 {
        let mut code = compute_pac(self.extended(pointer, upper), modifier, key);
        // A pointer that was no address gets a wrong code: the bit below the highest is inverted.
        let top = if self.tagged { 55 } else { 63 };
        let above = (self.code() | SELECT) & pointer;
        if above != 0 && above != self.code() | SELECT {
            code ^= 1 << (top - 1);
        }
        let select = if upper { SELECT } else { 0 };
        pointer & !(self.code() | SELECT) | code & self.code() | select
    }

    /// `Auth`: the pointer without its code if that is right; else one that is no address, with
    /// `error` (2 bits: the number of the key, and its inverse) at the top of the extension.
    pub fn authenticate(self, pointer: u64, modifier: u64, key: KeyValue, error: u64) -> u64 {
        let original = self.strip(pointer);
        let code = compute_pac(original, modifier, key);
        if (code ^ pointer) & self.code() == 0 {
            return original;
        }
        let lsb = if self.tagged { 53 } else { 61 };
        original & !(0b11 << lsb) | error << lsb
    }

    /// `Strip`: the pointer without its code.
    pub fn strip(self, pointer: u64) -> u64 {
        self.extended(pointer, pointer & SELECT != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: KeyValue = KeyValue { high: 0x84be_85ce_9804_e94b, low: 0xec28_02d4_e0a4_88e9 };
    const TWEAK_VALUE: u64 = 0x477d_469d_ec0b_8762;

    /// Avanzi, "The QARMA Block Cipher Family" (2017), appendix: QARMA5-64 with the S-box sigma2.
    #[test]
    fn the_papers_test_vector_comes_out() {
        assert_eq!(compute_pac(0xfb62_3599_da6e_8127, TWEAK_VALUE, KEY), 0xc003_b939_99b3_3765);
    }

    #[test]
    fn the_steps_are_undone_by_their_inverses() {
        for value in [0, u64::MAX, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3211] {
            assert_eq!(multiply(multiply(value)), value);
            assert_eq!(inverse_tweak(tweak(value)), value);
            assert_eq!(permute(permute(value, &SHUFFLE), &INV_SHUFFLE), value);
            assert_eq!(substitute(substitute(value, &SUB), &INV_SUB), value);
        }
    }

    #[test]
    fn what_was_added_is_taken_away_and_nothing_else() {
        for tagged in [false, true] {
            for bottom in [25, 39, 48] {
                let layout = Layout { tagged, bottom };
                for upper in [false, true] {
                    let tag = if tagged { 0x5a << 56 } else { 0 };
                    let plain = layout.extended(0x1_2345_6788 & ((1 << bottom) - 1), upper);
                    let plain = if tagged { plain & !(0xff << 56) | tag } else { plain };
                    let signed = layout.add(plain, 7, KEY, upper);
                    assert_ne!(signed, plain);
                    assert_eq!(layout.authenticate(signed, 7, KEY, 0b01), plain);
                    assert_eq!(layout.strip(signed), plain);
                    let wrong = layout.authenticate(signed, 8, KEY, 0b10);
                    let lsb = if tagged { 53 } else { 61 };
                    assert_eq!(wrong, plain & !(0b11 << lsb) | 0b10 << lsb);
                }
            }
        }
    }

    #[test]
    fn a_pointer_that_is_no_address_is_signed_so_that_it_fails() {
        let layout = Layout { tagged: false, bottom: 39 };
        let bad = 1 << 45 | 0x1000;
        let signed = layout.add(bad, 0, KEY, false);
        assert_ne!(layout.authenticate(signed, 0, KEY, 0b01), 0x1000);
        assert_eq!(layout.authenticate(signed ^ 1 << 62, 0, KEY, 0b01), 0x1000);
    }
}
