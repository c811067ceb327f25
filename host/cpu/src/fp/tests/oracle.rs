//! Against `rustc_apfloat`, in all formats and rounding modes; and the fast path against the slow
//! one.

use super::*;
use crate::fp::{self, Rounding, fixed, host};
use rustc_apfloat::ieee::{BFloat, Double, Half, Single};
use rustc_apfloat::{Float, FloatConvert, Round, Status, StatusAnd};

/// FPCR.RMode, ours and theirs.
const MODES: [Round; 4] =
    [Round::NearestTiesToEven, Round::TowardPositive, Round::TowardNegative, Round::TowardZero];

const CASES: u32 = 20_000;

/// FPSR bits of a status.
fn bits(status: Status) -> u32 {
    let of = |status_bit, fpsr_bit| if status.contains(status_bit) { fpsr_bit } else { 0 };
    of(Status::INVALID_OP, IOC)
        | of(Status::DIV_BY_ZERO, DZC)
        | of(Status::OVERFLOW, OFC)
        | of(Status::UNDERFLOW, UFC)
        | of(Status::INEXACT, IXC)
}

/// The bits of FPSR that can be compared, by the result. What was rounded up to the smallest
/// normal number is an underflow here, where it is detected before rounding, and none
/// there. What was too large and rounded down to the largest one is an overflow here, as IEEE 754
/// has it, and only inexact there.
fn known(f: Format, result: u64) -> u32 {
    match result & !f.sign() {
        magnitude if magnitude == f.pack(false, 1, 0) => !UFC,
        magnitude if magnitude == f.max_normal(false) => !OFC,
        _ => !0,
    }
}

/// Compares: numbers bit for bit, NaNs as NaNs.
fn check<T: Float>(f: Format, ours: (u64, u32), theirs: StatusAnd<T>, what: &str) {
    let (result, status) = ours;
    if theirs.value.is_nan() {
        assert!(T::from_bits(result.into()).is_nan(), "{what}: {result:#x} is not a NaN");
    } else {
        assert_eq!(u128::from(result), theirs.value.to_bits(), "{what}");
    }
    let known = known(f, result);
    assert_eq!(status & known, bits(theirs.status) & known, "{what}: FPSR");
}

fn arithmetic<T: Float>(f: Format) {
    let mut random = Random(f.bits().into());
    for case in 0..CASES {
        let mode = case % 4;
        let round = MODES[mode as usize];
        let [a, b, c] = [(); 3].map(|()| random.operand(f));
        let [x, y, z] = [a, b, c].map(|bits| T::from_bits(bits.into()));
        let what = |name| format!("{name} {f:?} {round:?} {a:#x} {b:#x} {c:#x}");
        let control = rmode(mode);
        check(f, run(control, |fp| fp::add(fp, f, a, b)), x.add_r(y, round), &what("add"));
        check(f, run(control, |fp| fp::sub(fp, f, a, b)), x.sub_r(y, round), &what("sub"));
        check(f, run(control, |fp| fp::mul(fp, f, a, b)), x.mul_r(y, round), &what("mul"));
        check(f, run(control, |fp| fp::div(fp, f, a, b)), x.div_r(y, round), &what("div"));
        let fused = run(control, |fp| fp::mul_add(fp, f, c, a, b));
        check(f, fused, x.mul_add_r(y, z, round), &what("mul_add"));
    }
}

#[test]
fn arithmetic_agrees() {
    arithmetic::<Half>(Format::Half);
    arithmetic::<Single>(Format::Single);
    arithmetic::<Double>(Format::Double);
}

/// Near cancellation: c is what a * b rounds to, or its neighbour.
#[test]
fn fused_cancellation_agrees() {
    let mut random = Random(7);
    for case in 0..CASES {
        let mode = case % 4;
        let f = Format::Double;
        let (a, b) = (random.operand(f), random.operand(f));
        let product = run(0, |fp| fp::mul(fp, f, a, b)).0;
        let c = fp::neg(f, product).wrapping_add(random.below(3)).wrapping_sub(1);
        let ours = run(rmode(mode), |fp| fp::mul_add(fp, f, c, a, b));
        let [x, y, z] = [a, b, c].map(|bits| Double::from_bits(bits.into()));
        let theirs = x.mul_add_r(y, z, MODES[mode as usize]);
        check(f, ours, theirs, &format!("{mode} {a:#x} * {b:#x} + {c:#x}"));
    }
}

/// Half precision: every operand's root; the others: random ones, to the nearest.
#[test]
fn roots_agree() {
    for a in 0..=u64::from(u16::MAX) {
        let f = Format::Half;
        let (result, status) = run(0, |fp| fp::sqrt(fp, f, a));
        // Half precision's root is that of single precision, rounded again: 24 >= 2 * 11 + 2.
        let single = run(0, |fp| fp::convert(fp, f, Format::Single, a)).0;
        let root = f32::from_bits(single as u32).sqrt();
        let (expected, rounded) =
            run(0, |fp| fp::convert(fp, Format::Single, f, root.to_bits().into()));
        if root.is_nan() {
            assert_eq!(result & 0x7e00, 0x7e00, "{a:#x}");
        } else {
            let exact = root.is_infinite()
                || f64::from(root) * f64::from(root) == f64::from(f32::from_bits(single as u32));
            assert_eq!(result, expected, "{a:#x}");
            assert_eq!(status, if exact { rounded } else { IXC }, "{a:#x}");
        }
    }
    let mut random = Random(11);
    for _ in 0..CASES {
        let a = random.operand(Format::Double);
        let (result, status) = run(0, |fp| fp::sqrt(fp, Format::Double, a));
        let root = f64::from_bits(a).sqrt();
        if !root.is_nan() {
            assert_eq!(result, root.to_bits(), "{a:#x}");
            // Scaled, so that the error does not underflow.
            let scale = if root < 1.0 { 2f64.powi(300) } else { 1.0 };
            let (scaled, square) = (root * scale, f64::from_bits(a) * scale * scale);
            let exact = root.is_infinite() || (-scaled).mul_add(scaled, square) == 0.0;
            assert_eq!(status == 0, exact, "{a:#x}");
        }
        let a = random.operand(Format::Single);
        let root = f32::from_bits(a as u32).sqrt();
        if !root.is_nan() {
            let result = run(0, |fp| fp::sqrt(fp, Format::Single, a)).0;
            assert_eq!(result, u64::from(root.to_bits()), "{a:#x}");
        }
    }
}

/// Directed roots bracket the true one.
#[test]
fn directed_roots_bracket() {
    let mut random = Random(13);
    for _ in 0..CASES {
        let a = random.operand(Format::Double) & !(1 << 63);
        let in_mode = |mode| run(rmode(mode), |fp| fp::sqrt(fp, Format::Double, a));
        let ([nearest, up, down, zero], inexact) = match [0, 1, 2, 3].map(in_mode) {
            _ if f64::from_bits(a).is_nan() => continue,
            results => (results.map(|(result, _)| result), results[0].1 & IXC),
        };
        assert_eq!(down, zero, "{a:#x}");
        assert_eq!(up - down, u64::from(inexact != 0), "{a:#x}");
        assert!(nearest == up || nearest == down, "{a:#x}");
    }
}

fn conversion<T: Float + FloatConvert<U>, U: Float>(from: Format, to: Format) {
    let mut random = Random(u64::from(from.bits() * to.bits()));
    for case in 0..CASES {
        let mode = case % 4;
        let a = random.operand(from);
        let ours = run(rmode(mode), |fp| fp::convert(fp, from, to, a));
        let theirs = T::from_bits(a.into()).convert_r(MODES[mode as usize], &mut false);
        check(to, ours, theirs, &format!("{from:?} to {to:?} {mode} {a:#x}"));
    }
}

#[test]
fn conversions_agree() {
    conversion::<Half, Single>(Format::Half, Format::Single);
    conversion::<Half, Double>(Format::Half, Format::Double);
    conversion::<Single, Half>(Format::Single, Format::Half);
    conversion::<Single, Double>(Format::Single, Format::Double);
    conversion::<Double, Half>(Format::Double, Format::Half);
    conversion::<Double, Single>(Format::Double, Format::Single);
}

#[test]
fn brain_float_agrees() {
    let mut random = Random(17);
    for case in 0..CASES {
        let mode = case % 4;
        let a = random.operand(Format::Single);
        let (result, status) = run(rmode(mode), |fp| fp::convert_bf(fp, a));
        let round = MODES[mode as usize];
        let theirs: StatusAnd<BFloat> = Single::from_bits(a.into()).convert_r(round, &mut false);
        if theirs.value.is_nan() {
            assert_eq!(result, a >> 16 | 0x40, "{a:#x}");
        } else {
            assert_eq!(u128::from(result), theirs.value.to_bits(), "{mode} {a:#x}");
        }
        let known = known(Format::Single, result << 16);
        assert_eq!(status & known, bits(theirs.status) & known, "{mode} {a:#x}");
    }
}

/// Integers, and fixed point as an integer of the scaled number.
fn integers<T: Float>(f: Format) {
    let mut random = Random(u64::from(f.bits()) + 1);
    let ways = [
        (Rounding::TieEven, MODES[0]),
        (Rounding::PlusInf, MODES[1]),
        (Rounding::MinusInf, MODES[2]),
        (Rounding::Zero, MODES[3]),
        (Rounding::TieAway, Round::NearestTiesToAway),
    ];
    for case in 0..CASES {
        let (rounding, round) = ways[case as usize % 5];
        let a = random.operand(f);
        let x = T::from_bits(a.into());
        let int_bits = if random.below(2) == 1 { 64 } else { 32 };
        let what = format!("{f:?} {rounding:?} {int_bits} {a:#x}");
        let mask = u128::from(u64::MAX >> (64 - int_bits));

        let (result, status) = run(0, |fp| fp::to_fixed(fp, f, a, 0, false, int_bits, rounding));
        let theirs = x.to_i128_r(int_bits as usize, round, &mut false);
        let expected = if x.is_nan() { 0 } else { theirs.value as u128 & mask };
        assert_eq!((u128::from(result), status), (expected, bits(theirs.status)), "{what}");

        let (result, status) = run(0, |fp| fp::to_fixed(fp, f, a, 0, true, int_bits, rounding));
        let theirs = x.to_u128_r(int_bits as usize, round, &mut false);
        let expected = if x.is_nan() { 0 } else { theirs.value & mask };
        assert_eq!((u128::from(result), status), (expected, bits(theirs.status)), "u {what}");

        let (result, status) = run(0, |fp| fp::round_int(fp, f, a, rounding, true));
        let theirs = x.round_to_integral(round);
        if x.is_nan() {
            assert_eq!(result, a | f.quiet(), "{what}");
        } else {
            assert_eq!(u128::from(result), theirs.value.to_bits(), "{what}");
            assert_eq!(status, bits(theirs.status), "{what}");
        }

        let value = random.word() >> random.below(64);
        let value = if random.below(2) == 1 { value } else { value.wrapping_neg() };
        if rounding != Rounding::TieAway {
            let ours = run(0, |fp| fp::from_fixed(fp, f, value, 64, 0, false, rounding));
            let theirs = T::from_i128_r(i128::from(value as i64), round);
            check(f, ours, theirs, &format!("{f:?} {rounding:?} of {value:#x}"));
            let ours = run(0, |fp| fp::from_fixed(fp, f, value, 64, 0, true, rounding));
            let theirs = T::from_u128_r(value.into(), round);
            check(f, ours, theirs, &format!("{f:?} {rounding:?} of unsigned {value:#x}"));
            let ours = run(0, |fp| fp::from_fixed(fp, f, value, 32, 0, false, rounding));
            let theirs = T::from_i128_r(i128::from(value as i32), round);
            check(f, ours, theirs, &format!("{f:?} {rounding:?} of 32 bits {value:#x}"));
        }
    }
}

#[test]
fn integers_agree() {
    integers::<Half>(Format::Half);
    integers::<Single>(Format::Single);
    integers::<Double>(Format::Double);
}

/// A fraction of `n` bits is the same as scaling by 2^n, where that is exact.
#[test]
fn fixed_point_is_scaled() {
    let mut random = Random(19);
    let f = Format::Double;
    for _ in 0..CASES {
        let (fbits, value) = (1 + random.below(64) as u32, random.word());
        let power = (f64::from(fbits)).exp2();
        let (from, flags) =
            run(0, |fp| fp::from_fixed(fp, f, value, 64, fbits, false, Rounding::TieEven));
        assert_eq!(f64::from_bits(from), value as i64 as f64 / power);
        let exact = f64::from_bits(from) * power;
        assert_eq!(flags & IXC == 0, exact as i128 == i128::from(value as i64));
        let a = f.pack(value & 1 == 1, 1023 - 70 + random.below(80), value & f.fraction());
        let scaled = (f64::from_bits(a) * power).to_bits();
        let fixed = run(0, |fp| fp::to_fixed(fp, f, a, fbits, false, 64, Rounding::TieAway));
        let whole = run(0, |fp| fp::to_fixed(fp, f, scaled, 0, false, 64, Rounding::TieAway));
        assert_eq!(fixed, whole, "{a:#x} {fbits}");
    }
}

/// With IXC set or clear, with FZ or without, the host's arithmetic is taken only where it gives
/// what the slow way gives.
#[test]
fn the_fast_path_is_the_slow_path() {
    let mut random = Random(23);
    let mut taken = 0;
    for case in 0..4 * CASES {
        let f = [Format::Single, Format::Double][case as usize % 2];
        let control = if random.below(4) == 0 { FZ } else { 0 };
        let status = if random.below(2) == 0 { IXC } else { 0 };
        let [a, b, c] = [(); 3].map(|()| random.operand(f));
        // With FPSR clear, fused operations, quotients and roots go the slow way; sums and
        // products are fused operations of 1 and 0.
        let slow = |operation: &dyn Fn(&mut Fp) -> u64| {
            let mut fp = Fp { control, status: 0 };
            (operation(&mut fp), fp.status | status)
        };
        let one = f.pack(false, (1 << (f.exponent_bits() - 1)) - 1, 0);
        let fast = |got: Option<u64>, fp: Fp| got.map(|bits| (bits, fp.status));
        let mut fp = Fp { control, status };
        let got = host::add(&mut fp, f, a, b);
        if let Some(ours) = fast(got, fp) {
            taken += 1;
            assert_eq!(ours, slow(&|fp| fp::mul_add(fp, f, b, a, one)), "{f:?} {a:#x} + {b:#x}");
        }
        let mut fp = Fp { control, status };
        let got = host::mul(&fp, f, a, b);
        if let Some(ours) = fast(got, fp) {
            taken += 1;
            assert_eq!(ours, slow(&|fp| fp::mul_add(fp, f, 0, a, b)), "{f:?} {a:#x} * {b:#x}");
        }
        let got = host::mul_add(&fp, f, c, a, b);
        if let Some(ours) = fast(got, fp) {
            taken += 1;
            assert_eq!(ours, slow(&|fp| fp::mul_add(fp, f, c, a, b)), "{f:?} {a:#x} {b:#x} {c:#x}");
        }
        let got = host::div(&fp, f, a, b);
        if let Some(ours) = fast(got, fp) {
            taken += 1;
            assert_eq!(ours, slow(&|fp| fp::div(fp, f, a, b)), "{f:?} {a:#x} / {b:#x}");
        }
        fp.status = status;
        let got = host::sqrt(&fp, f, a);
        if let Some(ours) = fast(got, fp) {
            taken += 1;
            assert_eq!(ours, slow(&|fp| fp::sqrt(fp, f, a)), "{f:?} sqrt {a:#x}");
        }
    }
    assert!(taken > CASES, "the fast path is hardly ever taken: {taken}");
}

/// FMLAL is a fused operation of widened factors.
#[test]
fn half_products_are_fused() {
    let mut random = Random(31);
    for case in 0..CASES {
        let control = rmode(case % 4);
        let c = random.operand(Format::Single);
        let (a, b) = (random.operand(Format::Half), random.operand(Format::Half));
        let widen = |bits| run(0, |fp| fp::convert(fp, Format::Half, Format::Single, bits)).0;
        let expected = run(control, |fp| fp::mul_add(fp, Format::Single, c, widen(a), widen(b)));
        let (result, status) = run(control, |fp| fp::mul_add_h(fp, c, a, b));
        // A signaling NaN is quiet once it is widened.
        if result & 0x7f80_0000 != 0x7f80_0000 {
            assert_eq!((result, status), expected, "{control:#x} {c:#x} {a:#x} {b:#x}");
        }
    }
}

/// The steps are fused operations of 2 and of 3, the latter halved, where that is exact.
#[test]
fn steps_are_fused() {
    let mut random = Random(37);
    for case in 0..CASES {
        let f = FORMATS[case as usize % 3];
        let control = rmode(case / 3 % 4);
        let (a, b) = (random.operand(f), random.operand(f));
        let fused = |constant| run(control, |fp| fp::mul_add(fp, f, constant, fp::neg(f, a), b));
        let finite = |bits| bits & f.infinity(false) != f.infinity(false);
        let step = run(control, |fp| fp::recip_step_fused(fp, f, a, b));
        if finite(a) && finite(b) {
            assert_eq!(step, fused(f.two(false)), "{f:?} {control:#x} {a:#x} {b:#x}");
        }
        let three = f.two(false) | f.quiet();
        let (step, status) = run(control, |fp| fp::rsqrt_step_fused(fp, f, a, b));
        let (sum, expected) = fused(three);
        let halves = expected & OFC == 0 && f.exponent_of(sum) > 1;
        if finite(a) && finite(b) && halves {
            let half = sum - (1 << f.fraction_bits());
            assert_eq!((step, status), (half, expected), "{f:?} {control:#x} {a:#x} {b:#x}");
        }
    }
}

/// The largest magnitudes saturate and do not wrap.
#[test]
fn too_large_for_an_integer() {
    let huge = fixed::integer(
        crate::fp::real::Real { negative: false, exponent: 1000, mantissa: 1 },
        Rounding::Zero,
    );
    assert_eq!(huge, (1 << 126, false));
}
