//! `--memory`: a size with a unit, and what a guest can be given.

use crate::ram::RamRange;

/// RAM comes in whole 2 MiB, the boot protocol's unit of placement.
const STEP: u64 = 2 << 20;

/// Why a text is no size of memory.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// Not a number with a unit.
    #[error("{0:?} is no size: write a whole number with K, M or G, as in 128M")]
    Text(String),
    /// Larger than anything.
    #[error("{0:?} does not fit into 64 bits")]
    Overflow(String),
    /// Too small or too large.
    #[error("{text:?} is {bytes:#x} bytes; a guest takes from {}M to {}M", RamRange::SMALLEST >> 20, RamRange::LARGEST >> 20)]
    Range {
        /// What was written.
        text: String,
        /// What it means.
        bytes: u64,
    },
    /// Not in whole steps.
    #[error("{text:?} is {bytes:#x} bytes; RAM is a multiple of {}M", STEP >> 20)]
    Step {
        /// What was written.
        text: String,
        /// What it means.
        bytes: u64,
    },
}

/// Reads a size of RAM: `256M`, `1GiB`, `134217728`.
///
/// # Errors
/// Text that is no size, or a size that a guest cannot have.
pub fn parse(text: &str) -> Result<u64, SizeError> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(SizeError::Text(text.into())),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(SizeError::Text(text.into()));
    }
    let overflow = || SizeError::Overflow(text.into());
    let number: u64 = digits.parse().map_err(|_| overflow())?;
    let bytes = number.checked_mul(1 << shift).ok_or_else(overflow)?;
    if !(RamRange::SMALLEST..=RamRange::LARGEST).contains(&bytes) {
        return Err(SizeError::Range { text: text.into(), bytes });
    }
    if bytes % STEP != 0 {
        return Err(SizeError::Step { text: text.into(), bytes });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, bytes) in [
            ("128M", 128 << 20),
            ("1g", 1 << 30),
            ("2GiB", 2 << 30),
            ("16384K", 16 << 20),
            ("134217728", 128 << 20),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_by_its_text() {
        for text in ["", "M", "-1M", "1.5G", "12Q", "0x1000", "1 G", "ＭＭ", "1é", "+8M"] {
            assert_eq!(parse(text), Err(SizeError::Text(text.into())), "{text}");
        }
        for text in ["99999999999999999999", "18446744073709551615G"] {
            assert_eq!(parse(text), Err(SizeError::Overflow(text.into())));
        }
        assert!(matches!(parse("0"), Err(SizeError::Range { bytes: 0, .. })));
        assert!(matches!(parse("4M"), Err(SizeError::Range { .. })));
        assert!(matches!(parse("64G"), Err(SizeError::Range { .. })));
        assert!(matches!(parse("9M"), Err(SizeError::Step { .. })));
    }
}
