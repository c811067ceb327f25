//! How SIMD&FP registers are spelled in assembly text.

/// The letter of lanes of `1 << size` bytes.
const fn letter(size: u32) -> &'static str {
    ["b", "h", "s", "d", "q"][size as usize]
}

/// `v1.4s`: so many lanes of `1 << size` bytes.
pub fn lanes(n: u32, count: u32, size: u32) -> String {
    format!("v{n}.{count}{}", letter(size))
}

/// `v1.2s` or `v1.4s`: as many lanes as 64 bits have, or 128 if `q` is 1.
pub fn vector(n: u32, size: u32, q: u32) -> String {
    lanes(n, (8 << q) >> size, size)
}

/// `s1`.
pub fn scalar(n: u32, size: u32) -> String {
    format!("{}{n}", letter(size))
}

/// `v1.s[3]`.
pub fn element(n: u32, size: u32, index: u32) -> String {
    format!("v{n}.{}[{index}]", letter(size))
}
