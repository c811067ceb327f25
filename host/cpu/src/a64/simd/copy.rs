//! Advanced SIMD copy; modified immediate.

use super::operand::{element, scalar, vector};
use crate::a64::operand::{float_immediate, reg};
use crate::a64::rows;
use crate::emit::{Emit, Size};
use crate::fp::Format;
use crate::vector::{Shape, bitwise, function, permute};

/// imm5: the lowest 1 says the size, what is above it the index.
#[derive(Clone, Copy)]
struct Lane {
    size: u32,
    index: u32,
}

impl Lane {
    #[inline(always)]
    fn of(imm5: u32) -> Self {
        // 4 is reserved, and no row gets so far with it.
        let size = imm5.trailing_zeros().min(4);
        Self { size, index: imm5 >> (size + 1) }
    }

    /// The general register that takes or gives it.
    fn register(self) -> Size {
        Size::sf((self.size == 3) as u32)
    }
}

/// The lane of Vn, zero-extended.
#[inline(always)]
fn read<E: Emit>(e: &mut E, lane: Lane, n: u32) -> E::Q {
    let value = e.v(n);
    e.vector(function!(permute::dup), Shape::scalar(lane.size).with(lane.index), &[value])
}

/// Writes the lowest lane of `value` to the lane of Vd.
#[inline(always)]
fn write<E: Emit>(e: &mut E, lane: Lane, d: u32, value: E::Q) {
    let old = e.v(d);
    let shape = Shape::vector(lane.size, 1).with(lane.index);
    let result = e.vector(function!(permute::ins), shape, &[old, value]);
    e.set_v(d, result);
}

/// Xn as a vector.
#[inline(always)]
fn general<E: Emit>(e: &mut E, n: u32) -> E::Q {
    let (value, zero) = (e.reg(Size::X, n), e.imm(0));
    e.q_of(value, zero)
}

/// What a modified immediate does with its constant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Modified {
    Movi,
    Mvni,
    Orr,
    Bic,
    Fmov,
}

/// The table of cmode and op in the manual's "Advanced SIMD modified immediate".
#[inline(always)]
fn modified(cmode: u32, op: u32) -> Modified {
    match (cmode, op) {
        (0b1111, _) => Modified::Fmov,
        (0b1110, _) => Modified::Movi,
        (0..0b1100, 0) if cmode & 1 == 1 => Modified::Orr,
        (0..0b1100, _) if cmode & 1 == 1 => Modified::Bic,
        (_, 0) => Modified::Movi,
        (_, _) => Modified::Mvni,
    }
}

/// `lane` in each of its places in 64 bits.
const fn replicate(lane: u64, bits: u32) -> u64 {
    lane * (u64::MAX / (u64::MAX >> (64 - bits)))
}

/// The manual's `AdvSIMDExpandImm`, but for the inversion that MVNI and BIC do themselves.
fn expand_imm(cmode: u32, op: u32, imm8: u32) -> u64 {
    let imm = u64::from(imm8);
    match cmode {
        0..0b1000 => replicate(imm << (8 * (cmode >> 1)), 32),
        0b1000..0b1100 => replicate(imm << (8 * (cmode >> 1 & 1)), 16),
        0b1100 => replicate(imm << 8 | 0xff, 32),
        0b1101 => replicate(imm << 16 | 0xffff, 32),
        0b1110 if op == 0 => replicate(imm, 8),
        // Each bit of the immediate is a byte.
        0b1110 => (0..8).map(|bit| (imm >> bit & 1) * (0xff << (8 * bit))).sum(),
        _ if op == 0 => replicate(Format::Single.expand_immediate(imm8), 32),
        _ => Format::Double.expand_immediate(imm8),
    }
}

/// A mask for as many lanes as `q` says.
#[inline(always)]
fn whole(q: u32, half: u64) -> u128 {
    match q {
        0 => half.into(),
        _ => u128::from(half) << 64 | u128::from(half),
    }
}

rows! {
    /// DUP (element): one lane into all.
    DupElement "0q001110000iiiii000001nnnnnddddd" { q = q, imm5 = i, rn = n, rd = d }
        unless |i| i.imm5 & 15 == 0 || (i.q == 0 && i.imm5 & 15 == 8),
        text |i, pc| {
            let Lane { size, index } = Lane::of(i.imm5);
            format!("dup\t{}, {}", vector(size, i.q, i.rd), element(size, i.rn, index))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let (Lane { size, index }, value) = (Lane::of(i.imm5), e.v(i.rn));
            let shape = Shape::vector(size, i.q).with(index);
            let result = e.vector(function!(permute::dup), shape, &[value]);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// DUP (element), scalar: MOV (scalar).
    DupScalar "01011110000iiiii000001nnnnnddddd" { imm5 = i, rn = n, rd = d }
        unless |i| i.imm5 & 15 == 0,
        text |i, pc| {
            let Lane { size, index } = Lane::of(i.imm5);
            format!("dup\t{}, {}", scalar(size, i.rd), element(size, i.rn, index))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let value = read(e, Lane::of(i.imm5), i.rn);
            e.set_v(i.rd, value);
            Ok(())
        }

    /// DUP (general).
    DupGeneral "0q001110000iiiii000011nnnnnddddd" { q = q, imm5 = i, rn = n, rd = d }
        unless |i| i.imm5 & 15 == 0 || (i.q == 0 && i.imm5 & 15 == 8),
        text |i, pc| {
            let lane = Lane::of(i.imm5);
            format!("dup\t{}, {}", vector(lane.size, i.q, i.rd), reg(lane.register(), i.rn))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let value = general(e, i.rn);
            let shape = Shape::vector(Lane::of(i.imm5).size, i.q);
            let result = e.vector(function!(permute::dup), shape, &[value]);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// INS (general): MOV (from general).
    InsGeneral "01001110000iiiii000111nnnnnddddd" { imm5 = i, rn = n, rd = d }
        unless |i| i.imm5 & 15 == 0,
        text |i, pc| {
            let lane = Lane::of(i.imm5);
            let rn = reg(lane.register(), i.rn);
            format!("ins\t{}, {rn}", element(lane.size, i.rd, lane.index))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let value = general(e, i.rn);
            write(e, Lane::of(i.imm5), i.rd, value);
            Ok(())
        }

    /// INS (element): MOV (element). The bits of imm4 below the index are ignored.
    InsElement "01101110000iiiii0jjjj1nnnnnddddd" { imm5 = i, imm4 = j, rn = n, rd = d }
        unless |i| i.imm5 & 15 == 0,
        text |i, pc| {
            let Lane { size, index } = Lane::of(i.imm5);
            let from = element(size, i.rn, i.imm4 >> size);
            format!("ins\t{}, {from}", element(size, i.rd, index))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let lane = Lane::of(i.imm5);
            let value = read(e, Lane { index: i.imm4 >> lane.size, ..lane }, i.rn);
            write(e, lane, i.rd, value);
            Ok(())
        }

    /// SMOV: B and H to Wd; B, H and S to Xd.
    Smov "0q001110000iiiii001011nnnnnddddd" { q = q, imm5 = i, rn = n, rd = d }
        unless |i| i.imm5 & 3 == 0 && (i.q == 0 || i.imm5 & 7 == 0),
        text |i, pc| {
            let Lane { size, index } = Lane::of(i.imm5);
            format!("smov\t{}, {}", reg(Size::sf(i.q), i.rd), element(size, i.rn, index))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let lane = Lane::of(i.imm5);
            let value = read(e, lane, i.rn);
            let value = e.q_half(value, false);
            let value = e.sign_extend(Size::sf(i.q), value, 8 << lane.size);
            e.set_reg(Size::sf(i.q), i.rd, value);
            Ok(())
        }

    /// UMOV, MOV (to general): B, H and S to Wd; D to Xd.
    Umov "0q001110000iiiii001111nnnnnddddd" { q = q, imm5 = i, rn = n, rd = d }
        unless |i| i.imm5 & 15 == 0 || (i.imm5 & 15 == 8) != (i.q == 1),
        text |i, pc| {
            let Lane { size, index } = Lane::of(i.imm5);
            format!("umov\t{}, {}", reg(Size::sf(i.q), i.rd), element(size, i.rn, index))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let value = read(e, Lane::of(i.imm5), i.rn);
            let value = e.q_half(value, false);
            e.set_reg(Size::sf(i.q), i.rd, value);
            Ok(())
        }

    /// MOVI, MVNI, ORR, BIC (vector, immediate), FMOV (vector, immediate) of single and double.
    ModifiedImmediate "0qo0111100000aaacccc01bbbbbddddd"
        { q = q, negate = o, abc = a, cmode = c, defgh = b, rd = d }
        // One double would be the scalar FMOV.
        unless |i| i.cmode == 0b1111 && i.negate == 1 && i.q == 0,
        text |i, pc| {
            let imm8 = i.abc << 5 | i.defgh;
            let what = modified(i.cmode, i.negate);
            let name = match what {
                Modified::Movi => "movi",
                Modified::Mvni => "mvni",
                Modified::Orr => "orr",
                Modified::Bic => "bic",
                Modified::Fmov => "fmov",
            };
            let (size, operand) = match i.cmode {
                0..0b1000 if i.cmode >> 1 != 0 => {
                    (2, format!("#{imm8:#x}, lsl #{}", 8 * (i.cmode >> 1)))
                }
                0b1010 | 0b1011 => (1, format!("#{imm8:#x}, lsl #8")),
                0..0b1100 => (2 - (i.cmode >> 3), format!("#{imm8:#x}")),
                0b1100 | 0b1101 => (2, format!("#{imm8:#x}, msl #{}", 8 << (i.cmode & 1))),
                0b1110 if i.negate == 0 => (0, format!("#{imm8:#x}")),
                0b1110 => (3, format!("#{:#x}", expand_imm(i.cmode, 1, imm8))),
                _ => (2 + i.negate, float_immediate(imm8)),
            };
            let to = match (i.cmode, i.negate, i.q) {
                (0b1110, 1, 0) => scalar(3, i.rd),
                _ => vector(size, i.q, i.rd),
            };
            format!("{name}\t{to}, {operand}")
        }
        execute |i, e| {
            e.fp_enabled()?;
            let imm = expand_imm(i.cmode, i.negate, i.abc << 5 | i.defgh);
            let imm = whole(i.q, imm);
            let shape = Shape::vector(0, i.q);
            let result = match modified(i.cmode, i.negate) {
                Modified::Movi | Modified::Fmov => e.q_imm(imm),
                Modified::Mvni => e.q_imm(imm ^ whole(i.q, u64::MAX)),
                Modified::Orr => {
                    let (old, imm) = (e.v(i.rd), e.q_imm(imm));
                    e.vector(function!(bitwise::orr), shape, &[old, imm])
                }
                Modified::Bic => {
                    let (old, imm) = (e.v(i.rd), e.q_imm(imm));
                    e.vector(function!(bitwise::bic), shape, &[old, imm])
                }
            };
            e.set_v(i.rd, result);
            Ok(())
        }

    /// FMOV (vector, immediate) of halves (FEAT_FP16).
    FmovHalf "0q00111100000aaa111111bbbbbddddd" { q = q, abc = a, defgh = b, rd = d }
        text |i, pc| {
            format!("fmov\t{}, {}", vector(1, i.q, i.rd), float_immediate(i.abc << 5 | i.defgh))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let imm = replicate(Format::Half.expand_immediate(i.abc << 5 | i.defgh), 16);
            let imm = e.q_imm(whole(i.q, imm));
            e.set_v(i.rd, imm);
            Ok(())
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn immediates_expand() {
        assert_eq!(expand_imm(0b0010, 0, 0xab), 0x0000_ab00_0000_ab00);
        assert_eq!(expand_imm(0b1010, 0, 0xab), 0xab00_ab00_ab00_ab00);
        assert_eq!(expand_imm(0b1101, 1, 0xab), 0x00ab_ffff_00ab_ffff);
        assert_eq!(expand_imm(0b1110, 1, 0b1000_0101), 0xff00_0000_00ff_00ff);
        assert_eq!(expand_imm(0b1111, 0, 0x70), replicate(1f32.to_bits().into(), 32));
        assert_eq!(expand_imm(0b1111, 1, 0xf0), (-1f64).to_bits());
        assert_eq!(float_immediate(0x70), "#1.000000000000000000e+00");
    }
}
