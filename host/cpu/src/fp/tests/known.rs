//! Answers that follow from the manual's text.

use super::*;
use crate::fp::*;

const H: Format = Format::Half;
const S: Format = Format::Single;
const D: Format = Format::Double;

fn single(value: f32) -> u64 {
    value.to_bits().into()
}

fn double(value: f64) -> u64 {
    value.to_bits()
}

/// `FPProcessNaNs`: a signaling NaN before a quiet one, the first before the second; the payload
/// stays unless FPCR.DN.
#[test]
fn nans_are_chosen_in_order() {
    let (quiet1, quiet2, signaling) = (0x7fc0_0001, 0xffc0_0002, 0x7f80_0003);
    let one = single(1.0);
    assert_eq!(run(0, |fp| add(fp, S, quiet1, quiet2)), (quiet1, 0));
    assert_eq!(run(0, |fp| add(fp, S, one, quiet2)), (quiet2, 0));
    assert_eq!(run(0, |fp| add(fp, S, quiet1, signaling)), (0x7fc0_0003, IOC));
    assert_eq!(run(DN, |fp| add(fp, S, quiet1, signaling)), (0x7fc0_0000, IOC));
    assert_eq!(run(DN, |fp| add(fp, S, quiet2, one)), (0x7fc0_0000, 0));
    // A NaN keeps its sign when it is subtracted, and loses it when it is negated first.
    assert_eq!(run(0, |fp| sub(fp, S, one, quiet2)), (quiet2, 0));
    assert_eq!(run(0, |fp| recip_step_fused(fp, S, quiet1, one)), (0xffc0_0001, 0));
    assert_eq!(run(0, |fp| rsqrt_step_fused(fp, S, one, quiet1)), (quiet1, 0));
    // FPProcessNaNs3: the addend first.
    assert_eq!(run(0, |fp| mul_add(fp, S, quiet1, quiet2, one)), (quiet1, 0));
    assert_eq!(run(0, |fp| mul_add(fp, S, quiet1, one, signaling)), (0x7fc0_0003, IOC));
    // FPProcessNaNs3H: half-precision NaNs are widened.
    assert_eq!(run(0, |fp| mul_add_h(fp, one, 0xfd01, 0x3c00)), (0xffe0_2000, IOC));
    assert_eq!(run(DN, |fp| mul_add_h(fp, one, 0x3c00, 0x7e01)), (0x7fc0_0000, 0));
}

/// `FPMulAdd`: "if typeA == FPType_QNaN && ((inf1 && zero2) || (zero1 && inf2))": the default NaN,
/// and invalid; a signaling addend comes before that.
#[test]
fn an_invalid_product_beats_a_quiet_addend() {
    let (zero, infinity) = (0, S.infinity(false));
    assert_eq!(run(0, |fp| mul_add(fp, S, 0xffc0_1234, zero, infinity)), (0x7fc0_0000, IOC));
    assert_eq!(run(0, |fp| mul_add(fp, S, 0x7f80_1234, infinity, zero)), (0x7fc0_1234, IOC));
    assert_eq!(run(0, |fp| mul_add(fp, S, 0, infinity, zero)), (0x7fc0_0000, IOC));
    let minus = S.infinity(true);
    assert_eq!(run(0, |fp| mul_add(fp, S, minus, infinity, single(1.0))), (0x7fc0_0000, IOC));
    assert_eq!(run(0, |fp| mul_add(fp, S, minus, minus, single(1.0))), (minus, 0));
}

/// "Sign of exact zero result depends on rounding mode."
#[test]
fn exact_zeros_have_the_sign_of_the_mode() {
    let (one, minus) = (double(1.0), double(-1.0));
    for mode in 0..4 {
        let zero = if mode == 2 { 1 << 63 } else { 0 };
        assert_eq!(run(rmode(mode), |fp| add(fp, D, one, minus)), (zero, 0));
        assert_eq!(run(rmode(mode), |fp| add(fp, D, 0, 1 << 63)), (zero, 0));
        assert_eq!(run(rmode(mode), |fp| mul_add(fp, D, minus, one, one)), (zero, 0));
        assert_eq!(run(rmode(mode), |fp| add(fp, D, 1 << 63, 1 << 63)), (1 << 63, 0));
        assert_eq!(run(rmode(mode), |fp| sub(fp, D, 1 << 63, 0)), (1 << 63, 0));
        let two = double(2.0);
        assert_eq!(run(rmode(mode), |fp| recip_step_fused(fp, D, two, one)), (zero, 0));
    }
}

/// FZ: inputs set IDC, results UFC and nothing else. FZ16: inputs set nothing.
#[test]
fn flushing() {
    let denormal = 0x8000_0001;
    assert_eq!(run(FZ, |fp| add(fp, S, denormal, 0)), (0, IDC));
    assert_eq!(run(FZ16, |fp| add(fp, S, denormal, 0)), (denormal, 0));
    assert_eq!(run(FZ, |fp| mul(fp, S, denormal, single(2.0))), (0x8000_0000, IDC));
    let least = 0x0080_0000;
    assert_eq!(run(FZ, |fp| mul(fp, S, least, single(-0.5))), (0x8000_0000, UFC));
    assert_eq!(run(0, |fp| mul(fp, S, least, single(0.5))), (0x0040_0000, 0));
    // Below the least normal number before rounding: flushed, though it would round up to it.
    let below_one = single(1.0) - 1;
    assert_eq!(run(FZ, |fp| mul(fp, S, least, below_one)), (0, UFC));
    assert_eq!(run(0, |fp| mul(fp, S, least, below_one)), (least, UFC | IXC));
    // With IXC set before, the host's arithmetic must not hide it.
    let mut fp = Fp { control: 0, status: IXC };
    assert_eq!(mul(&mut fp, S, least, below_one), least);
    assert_eq!(fp.status, UFC | IXC);
    assert_eq!(run(FZ16, |fp| add(fp, H, 0x8001, 0)), (0, 0));
    assert_eq!(run(FZ, |fp| add(fp, H, 0x8001, 0)), (0x8001, 0));
    assert_eq!(run(FZ16, |fp| mul(fp, H, 0x0400, 0x3800)), (0, UFC));
    assert_eq!(run(FZ, |fp| compare(fp, S, denormal, 0, false)), (0x6000_0000, IDC));
    assert_eq!(run(FZ, |fp| max(fp, S, denormal, 0x8000_0000)), (0x8000_0000, IDC));
    assert_eq!(run(FZ, |fp| round_int(fp, S, denormal, Rounding::MinusInf, true)), (1 << 31, IDC));
    // Conversions from and to half precision are not flushed by FZ16, its arithmetic is not by FZ.
    assert_eq!(run(FZ | FZ16, |fp| convert(fp, H, S, 1)), (0x3380_0000, 0));
    assert_eq!(run(FZ | FZ16, |fp| convert(fp, S, H, 0x3380_0000)), (1, 0));
    assert_eq!(run(FZ, |fp| convert(fp, D, S, double(1e-40))), (0, UFC));
    assert_eq!(run(FZ, |fp| convert_bf(fp, denormal)), (0x8000, IDC));
    // From an integer to half precision is arithmetic.
    let tiny = |fp: &mut Fp| from_fixed(fp, H, 1, 64, 20, true, Rounding::TieEven);
    assert_eq!(run(FZ16, tiny), (0, UFC));
    assert_eq!(run(0, tiny), (0x0010, 0));
}

#[test]
fn overflow_by_mode() {
    let (most, minus) = (D.max_normal(false), D.max_normal(true));
    let (inf, minus_inf) = (D.infinity(false), D.infinity(true));
    let expected = [(inf, minus_inf), (inf, minus), (most, minus_inf), (most, minus)];
    for (mode, (up, down)) in (0..).zip(expected) {
        assert_eq!(run(rmode(mode), |fp| add(fp, D, most, most)), (up, OFC | IXC));
        assert_eq!(run(rmode(mode), |fp| sub(fp, D, minus, most)), (down, OFC | IXC));
    }
}

/// AHP: exponent 31 is a number; too large is the largest number and invalid, not inexact.
#[test]
fn alternative_half_precision() {
    assert_eq!(run(AHP, |fp| convert(fp, H, S, 0x7c00)), (single(65536.0), 0));
    assert_eq!(run(AHP, |fp| convert(fp, H, S, 0xffff)), (single(-131_008.0), 0));
    assert_eq!(run(AHP, |fp| convert(fp, S, H, single(1e6))), (0x7fff, IOC));
    assert_eq!(run(AHP, |fp| convert(fp, S, H, S.infinity(true))), (0xffff, IOC));
    assert_eq!(run(AHP, |fp| convert(fp, S, H, 0xffc0_0000)), (0x8000, IOC));
    assert_eq!(run(AHP | DN, |fp| convert(fp, D, H, 0x7ff8 << 48)), (0, IOC));
    assert_eq!(run(AHP, |fp| convert(fp, S, H, single(65537.0))), (0x7c00, IXC));
    assert_eq!(run(AHP, |fp| convert(fp, S, H, single(131_040.0))), (0x7fff, IOC));
    // Arithmetic has no alternative.
    assert_eq!(run(AHP, |fp| add(fp, H, 0x7c00, 0x3c00)), (0x7c00, 0));
}

/// `FPConvertNaN`: sign and upper payload.
#[test]
fn nans_are_converted() {
    assert_eq!(run(0, |fp| convert(fp, S, D, 0xff80_0001)), (0xfff8_0000_2000_0000, IOC));
    assert_eq!(run(0, |fp| convert(fp, D, S, 0x7ff0_0000_2000_0001)), (0x7fc0_0001, IOC));
    assert_eq!(run(0, |fp| convert(fp, D, H, 0xfff8_0400_0000_0000)), (0xfe01, 0));
    assert_eq!(run(DN, |fp| convert(fp, D, H, 0xfff8_0400_0000_0000)), (0x7e00, 0));
    assert_eq!(run(0, |fp| convert_bf(fp, 0xff81_8000)), (0xffc1, IOC));
    assert_eq!(run(DN, |fp| convert_bf(fp, 0xffc1_8000)), (0x7fc0, 0));
}

/// FCVTXN: "rounded to odd": the last bit tells that something was lost; too large is the largest
/// number.
#[test]
fn round_to_odd() {
    assert_eq!(run(0, |fp| convert_round_odd(fp, double(1.0))), (single(1.0), 0));
    assert_eq!(run(0, |fp| convert_round_odd(fp, double(1.0) + 1)), (single(1.0) + 1, IXC));
    assert_eq!(run(rmode(1), |fp| convert_round_odd(fp, double(-1e300))), (0xff7f_ffff, OFC | IXC));
    assert_eq!(run(0, |fp| convert_round_odd(fp, double(1e-300))), (1, UFC | IXC));
    assert_eq!(run(FZ, |fp| convert_round_odd(fp, double(1e-300))), (0, UFC));
}

#[test]
fn maxima_and_minima() {
    let (zero, minus_zero) = (0, 1 << 31);
    let (quiet, signaling) = (0xffc0_0001, 0x7f80_0001);
    let one = single(1.0);
    assert_eq!(run(0, |fp| max(fp, S, minus_zero, zero)), (zero, 0));
    assert_eq!(run(0, |fp| min(fp, S, zero, minus_zero)), (minus_zero, 0));
    assert_eq!(run(0, |fp| max(fp, S, minus_zero, single(-1.0))), (minus_zero, 0));
    assert_eq!(run(0, |fp| max(fp, S, one, quiet)), (quiet, 0));
    assert_eq!(run(0, |fp| max_num(fp, S, one, quiet)), (one, 0));
    assert_eq!(run(0, |fp| min_num(fp, S, quiet, S.infinity(false))), (S.infinity(false), 0));
    assert_eq!(run(0, |fp| min_num(fp, S, quiet, quiet)), (quiet, 0));
    assert_eq!(run(0, |fp| max_num(fp, S, one, signaling)), (0x7fc0_0001, IOC));
    assert_eq!(run(0, |fp| max_num(fp, S, quiet, signaling)), (0x7fc0_0001, IOC));
    assert_eq!(run(0, |fp| max(fp, S, 1, 0)), (1, 0));
}

#[test]
fn comparisons() {
    let (one, two, quiet, signaling) =
        (double(1.0), double(2.0), D.default_nan(), 0x7ff0 << 48 | 1);
    let nzcv = |a, b, all| run(0, |fp| compare(fp, D, a, b, all));
    assert_eq!(nzcv(one, two, false), (0x8000_0000, 0));
    assert_eq!(nzcv(two, one, false), (0x2000_0000, 0));
    assert_eq!(nzcv(0, 1 << 63, true), (0x6000_0000, 0));
    assert_eq!(nzcv(one, quiet, false), (0x3000_0000, 0));
    assert_eq!(nzcv(one, quiet, true), (0x3000_0000, IOC));
    assert_eq!(nzcv(signaling, one, false), (0x3000_0000, IOC));
    assert_eq!(run(0, |fp| compare_eq(fp, D, quiet, quiet).into()), (0, 0));
    assert_eq!(run(0, |fp| compare_ge(fp, D, quiet, quiet).into()), (0, IOC));
    assert_eq!(run(0, |fp| compare_gt(fp, D, double(-1.0), double(-2.0)).into()), (1, 0));
}

#[test]
fn products_and_quotients_of_nothing_and_everything() {
    let infinity = S.infinity(false);
    assert_eq!(run(0, |fp| mul(fp, S, 0, infinity)), (0x7fc0_0000, IOC));
    assert_eq!(run(0, |fp| mulx(fp, S, 1 << 31, infinity)), (single(-2.0), 0));
    assert_eq!(run(0, |fp| mulx(fp, H, 0, 0x7c00)), (0x4000, 0));
    assert_eq!(run(0, |fp| div(fp, S, single(-1.0), 0)), (S.infinity(true), DZC));
    assert_eq!(run(0, |fp| div(fp, S, infinity, 0)), (infinity, 0));
    assert_eq!(run(0, |fp| div(fp, S, 0, 0)), (0x7fc0_0000, IOC));
    assert_eq!(run(0, |fp| sqrt(fp, S, 1 << 31)), (1 << 31, 0));
    assert_eq!(run(0, |fp| sqrt(fp, S, single(-1.0))), (0x7fc0_0000, IOC));
    assert_eq!(run(0, |fp| recip_step_fused(fp, S, 0, infinity)), (single(2.0), 0));
    assert_eq!(run(0, |fp| rsqrt_step_fused(fp, S, infinity, 0)), (single(1.5), 0));
    assert_eq!(run(0, |fp| rsqrt_step_fused(fp, S, single(1.0), single(1.0))), (single(1.0), 0));
    assert_eq!(run(0, |fp| rsqrt_step_fused(fp, S, infinity, infinity)), (S.infinity(true), 0));
}

#[test]
fn to_integers() {
    let to =
        |a, unsigned, bits, rounding| run(0, |fp| to_fixed(fp, D, a, 0, unsigned, bits, rounding));
    assert_eq!(to(double(-0.5), true, 32, Rounding::Zero), (0, IXC));
    assert_eq!(to(double(-0.5), true, 32, Rounding::MinusInf), (0, IOC));
    assert_eq!(to(double(-2.5), false, 32, Rounding::TieAway), (0xffff_fffd, IXC));
    assert_eq!(to(double(-2.5), false, 32, Rounding::TieEven), (0xffff_fffe, IXC));
    assert_eq!(to(double(2_147_483_647.5), false, 32, Rounding::TieEven), (0x7fff_ffff, IOC));
    assert_eq!(to(double(2_147_483_647.5), false, 32, Rounding::Zero), (0x7fff_ffff, IXC));
    assert_eq!(to(D.infinity(true), false, 64, Rounding::Zero), (1 << 63, IOC));
    assert_eq!(to(D.default_nan(), false, 64, Rounding::Zero), (0, IOC));
    assert_eq!(to(double(1e300), true, 64, Rounding::Zero), (u64::MAX, IOC));
    assert_eq!(run(FZ, |fp| to_fixed(fp, D, 1, 0, false, 64, Rounding::PlusInf)), (0, IDC));
    assert_eq!(run(0, |fp| to_fixed(fp, H, 0x3c00, 64, true, 64, Rounding::Zero)), (u64::MAX, IOC));
    assert_eq!(run(0, |fp| to_fixed(fp, H, 0x3800, 64, true, 64, Rounding::Zero)), (1 << 63, 0));
}

/// FJCVTZS: modulo 2^32; Z only if nothing was lost, -0 included.
#[test]
fn to_javascript_integers() {
    let to = |control, a| {
        let mut fp = Fp { control, status: 0 };
        let (result, z) = to_js_int(&mut fp, a);
        (result, z, fp.status)
    };
    assert_eq!(to(0, double(-7.0)), (0xffff_fff9, true, 0));
    assert_eq!(to(0, double(-7.5)), (0xffff_fff9, false, IXC));
    assert_eq!(to(0, double(-0.0)), (0, false, 0));
    assert_eq!(to(0, double(0.0)), (0, true, 0));
    assert_eq!(to(0, double(4_294_967_298.0)), (2, false, IOC));
    assert_eq!(to(0, double(-4_294_967_298.5)), (0xffff_fffe, false, IOC));
    assert_eq!(to(0, double(2_147_483_648.0)), (0x8000_0000, false, IOC));
    assert_eq!(to(0, double(-2_147_483_648.0)), (0x8000_0000, true, 0));
    assert_eq!(to(0, double(2_147_483_647.9)), (0x7fff_ffff, false, IXC));
    assert_eq!(to(0, double(1e300)), (0, false, IOC));
    assert_eq!(to(0, double(2f64.powi(83) + 2f64.powi(31))), (1 << 31, false, IOC));
    assert_eq!(to(0, D.infinity(true)), (0, false, IOC));
    assert_eq!(to(0, D.default_nan()), (0, false, IOC));
    assert_eq!(to(0, 1), (0, false, IXC));
    assert_eq!(to(FZ, 1), (0, false, IDC));
}

#[test]
fn rounding_to_integers_in_the_format() {
    let to = |a, bits| run(0, |fp| round_int_n(fp, S, a, Rounding::TieEven, bits));
    assert_eq!(to(single(2.5), 32), (single(2.0), IXC));
    assert_eq!(to(single(-0.25), 32), (1 << 31, IXC));
    assert_eq!(to(single(2_147_483_648.0), 32), (single(-2_147_483_648.0), IOC));
    assert_eq!(to(single(-2_147_483_648.0), 32), (single(-2_147_483_648.0), 0));
    assert_eq!(to(single(2_147_483_648.0), 64), (single(2_147_483_648.0), 0));
    assert_eq!(to(S.infinity(false), 64), (0xdf00_0000, IOC));
    assert_eq!(to(0xffc0_0000, 32), (0xcf00_0000, IOC));
    assert_eq!(to(single(9.3e18), 64), (0xdf00_0000, IOC));
    let half = |exact| run(0, |fp| round_int(fp, H, 0x3801, Rounding::TieEven, exact));
    assert_eq!(half(false), (0x3c00, 0));
    assert_eq!(half(true), (0x3c00, IXC));
    assert_eq!(run(0, |fp| round_int(fp, D, 0x7ff0 << 48 | 7, Rounding::Zero, false)).1, IOC);
}

/// `RecipEstimate` and `RecipSqrtEstimate` as the pseudocode counts them out, for all of their
/// arguments.
#[test]
fn estimates_are_those_of_the_pseudocode() {
    for scaled in 256..512u64 {
        let a = 2 * scaled + 1;
        let r = ((1u64 << 19) / a).div_ceil(2);
        let (result, status) =
            run(0, |fp| recip_estimate(fp, D, D.pack(false, 1022, (scaled & 0xff) << 44 | 0xfff)));
        assert_eq!((result, status), (D.pack(false, 1023, (r & 0xff) << 44), 0), "{scaled}");
    }
    for scaled in 128..512u64 {
        let a = if scaled < 256 { 2 * scaled + 1 } else { (scaled / 2 * 2 + 1) * 2 };
        let mut b = 512;
        while a * (b + 1) * (b + 1) < 1 << 28 {
            b += 1;
        }
        let r = u64::div_ceil(b, 2);
        // 0.25 to 0.5 has an odd biased exponent, 0.5 to 1.0 an even one.
        let operand = match scaled {
            ..256 => D.pack(false, 1021, (scaled & 0x7f) << 45),
            _ => D.pack(false, 1022, (scaled & 0xff) << 44),
        };
        let result = run(0, |fp| rsqrt_estimate(fp, D, operand));
        assert_eq!(result, (D.pack(false, 1023, (r & 0xff) << 44), 0), "{scaled}");
    }
}

/// Each estimate is as near as eight bits can be, in all formats, denormals included.
#[test]
fn estimates_are_near() {
    let mut random = Random(29);
    for _ in 0..20_000 {
        for f in FORMATS {
            let a = random.operand(f) & !f.sign();
            let to_double = |bits| f64::from_bits(run(0, |fp| convert(fp, f, D, bits)).0);
            let x = to_double(a);
            if !x.is_finite() || x == 0.0 {
                continue;
            }
            let (result, status) = run(0, |fp| rsqrt_estimate(fp, f, a));
            assert!((to_double(result) * x.sqrt() - 1.0).abs() < 1.0 / 256.0, "{f:?} {a:#x}");
            assert_eq!(status, 0);
            let (result, status) = run(0, |fp| recip_estimate(fp, f, a));
            match to_double(result) {
                infinite if infinite.is_infinite() => {
                    assert_eq!(status, OFC | IXC);
                    assert!(1.0 / x > to_double(f.max_normal(false)), "{f:?} {a:#x}");
                }
                estimate => {
                    assert!((estimate * x - 1.0).abs() < 1.0 / 128.0, "{f:?} {a:#x}");
                    assert_eq!(status, 0);
                }
            }
        }
    }
}

#[test]
fn estimates_at_the_ends() {
    for mode in 0..4 {
        let tiny = 0x0010_0000;
        let infinite = mode < 2;
        let expected = if infinite { S.infinity(false) } else { S.max_normal(false) };
        assert_eq!(run(rmode(mode), |fp| recip_estimate(fp, S, tiny)), (expected, OFC | IXC));
    }
    // 2^-128 has a reciprocal, what is below it has none; that of 2^126 is denormal.
    assert_eq!(run(0, |fp| recip_estimate(fp, S, 0x001f_ffff)).1, OFC | IXC);
    assert_eq!(run(0, |fp| recip_estimate(fp, S, 0x0020_0000)), (0x7f7f_8000, 0));
    assert_eq!(run(FZ, |fp| recip_estimate(fp, S, 0xfe80_0000)), (1 << 31, UFC));
    assert_eq!(run(FZ, |fp| recip_estimate(fp, S, 0x7e7f_ffff)), (0x0080_0000, 0));
    assert_eq!(run(0, |fp| recip_estimate(fp, S, single(-0.0))), (S.infinity(true), DZC));
    assert_eq!(run(FZ, |fp| recip_estimate(fp, S, 1)), (S.infinity(false), DZC | IDC));
    assert_eq!(run(0, |fp| rsqrt_estimate(fp, S, single(-1.0))), (0x7fc0_0000, IOC));
    assert_eq!(run(0, |fp| rsqrt_estimate(fp, S, 1 << 31)), (S.infinity(true), DZC));
    assert_eq!(run(0, |fp| rsqrt_estimate(fp, S, S.infinity(false))), (0, 0));
    assert_eq!(run(0, |fp| recpx(fp, S, single(3.0))), (0x3f80_0000, 0));
    assert_eq!(run(0, |fp| recpx(fp, S, 0x8000_0001)), (0xff00_0000, 0));
    assert_eq!(run(FZ, |fp| recpx(fp, S, 0x8000_0001)), (0xff00_0000, IDC));
    assert_eq!(run(0, |fp| recpx(fp, S, S.infinity(true))), (1 << 31, 0));
    assert_eq!(run(0, |fp| recpx(fp, S, 0x7f80_0001)), (0x7fc0_0001, IOC));
}

/// FMLAL: the product of halves is exact in single precision, one rounding.
#[test]
fn products_of_halves() {
    assert_eq!(run(0, |fp| mul_add_h(fp, 0, 0x3c01, 0x3c01)), (0x3f80_4008, 0));
    assert_eq!(run(0, |fp| mul_add_h(fp, 0, 1, 1)), (single(2f32.powi(-48)), 0));
    assert_eq!(run(FZ16, |fp| mul_add_h(fp, 0, 1, 0x3c00)), (0, 0));
    assert_eq!(run(FZ, |fp| mul_add_h(fp, 1, 0, 0x3c00)), (0, IDC));
}
