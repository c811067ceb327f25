//! How operands are spelled in assembly text.

use crate::emit::Size;

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
