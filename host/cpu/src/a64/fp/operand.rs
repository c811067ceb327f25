//! What the scalar rows have in common: the field `ftype`.

/// The size of a format, as a power of two of bytes, by `ftype`.
///
/// Half precision is 3; 2 is reserved, but for a move of the upper half of a register.
#[inline(always)]
pub const fn size(ftype: u32) -> u32 {
    match ftype {
        0 => 2,
        3 => 1,
        _ => 3,
    }
}

/// `ftype`'s reserved value.
pub const RESERVED: u32 = 2;
