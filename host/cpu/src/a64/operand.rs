//! How operands are spelled in assembly text.

use crate::emit::Size;
use crate::fp::Format;

/// X0 to X30, XZR; W0 to W30, WZR.
pub fn reg(size: Size, n: u32) -> String {
    match (size, n) {
        (Size::X, 31) => "xzr".into(),
        (Size::W, 31) => "wzr".into(),
        (Size::X, n) => format!("x{n}"),
        (Size::W, n) => format!("w{n}"),
    }
}

/// X0 to X30, SP; W0 to W30, WSP.
pub fn reg_sp(size: Size, n: u32) -> String {
    match (size, n) {
        (Size::X, 31) => "sp".into(),
        (Size::W, 31) => "wsp".into(),
        _ => reg(size, n),
    }
}

/// The sixteen conditions.
pub const CONDITIONS: [&str; 16] = [
    "eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al", "nv",
];

/// The four shifts.
pub const SHIFTS: [&str; 4] = ["lsl", "lsr", "asr", "ror"];

/// The eight extensions.
pub const EXTENDS: [&str; 8] = ["uxtb", "uxth", "uxtw", "uxtx", "sxtb", "sxth", "sxtw", "sxtx"];

/// What DMB and DSB wait for: domain and types, CRm.
pub fn barrier(crm: u32) -> String {
    let domain = match crm >> 2 {
        _ if crm & 3 == 0 => return format!("#{crm:#04x}"),
        _ if crm == 15 => return "sy".into(),
        0 => "osh",
        1 => "nsh",
        2 => "ish",
        _ => "",
    };
    format!("{domain}{}", ["", "ld", "st", ""][crm as usize & 3])
}

/// What PRFM prepares for, into which cache, and how it will be used; or the number of a hint
/// that has no name.
pub fn prefetch(rt: u32) -> String {
    let (kind, level, policy) = (rt >> 3, rt >> 1 & 3, rt & 1);
    if kind == 3 || level == 3 {
        return format!("#{rt:#04x}");
    }
    let kind = ["pld", "pli", "pst"][kind as usize];
    format!("{kind}l{}{}", level + 1, ["keep", "strm"][policy as usize])
}

/// `, lsl #3`, or nothing for LSL by 0.
pub fn shift(kind: u32, amount: u32) -> String {
    match (kind, amount) {
        (0, 0) => String::new(),
        _ => format!(", {} #{amount}", SHIFTS[kind as usize]),
    }
}

/// The target of a branch.
pub fn target(pc: u64, offset: i64) -> String {
    format!("{:#x}", pc.wrapping_add_signed(offset))
}

/// `[x1]` or `[x1, #8]`.
pub fn offset_address(base: u32, offset: i64) -> String {
    match offset {
        0 => format!("[{}]", reg_sp(Size::X, base)),
        _ => format!("[{}, #{offset}]", reg_sp(Size::X, base)),
    }
}

/// `#1.250000000000000000e-01`: the immediate of FMOV, in scientific notation.
pub fn float_immediate(imm8: u32) -> String {
    let text = format!("{:.18e}", f64::from_bits(Format::Double.expand_immediate(imm8)));
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    format!("#{digits}e{:+03}", exponent.parse().unwrap_or(0))
}
