//! From the ELF file to the flat `Image` that a boot loader for Linux takes.
//!
//! The Image is the memory of the kernel as it stands in the file: each `PT_LOAD` segment at
//! its physical address, counted from the lowest, zeroes between. What lies beyond the last
//! byte in the file (`.bss`) is left out; the header's `image_size` counts it (booting.rst).
//! This is what `objcopy -O binary` makes; doing it here takes no such tool.

use goblin::elf::{Elf, program_header::PT_LOAD};

/// A kernel of ours is far below this; more is a linker script gone wrong.
const LARGEST: u64 = 64 << 20;
/// Where the Linux arm64 header has its magic, and the magic: "ARM" and 0x64.
const MAGIC_AT: usize = 56;
const MAGIC: [u8; 4] = *b"ARM\x64";

/// Why there is no Image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It is no ELF file that goblin can read.
    #[error("the kernel is not an ELF file: {0}")]
    Elf(#[from] goblin::error::Error),
    /// Nothing is to be loaded.
    #[error("the kernel has no PT_LOAD segment with bytes in the file")]
    Empty,
    /// A segment's bytes are not all in the file.
    #[error("segment {index} says file bytes {offset:#x}+{size:#x}, but the file ends before")]
    Truncated {
        /// Which program header.
        index: usize,
        /// `p_offset`.
        offset: u64,
        /// `p_filesz`.
        size: u64,
    },
    /// The addresses lie too far apart.
    #[error("segment {index} at {address:#x} is too far from the lowest at {base:#x}")]
    TooLarge {
        /// Which program header.
        index: usize,
        /// `p_paddr`.
        address: u64,
        /// The lowest `p_paddr`.
        base: u64,
    },
    /// The first 64 bytes are no header.
    #[error("byte 56 of the Image holds {0:02x?} instead of the arm64 header's magic \"ARM\\x64\"")]
    Header(Vec<u8>),
}

/// The flat Image of an ELF file.
///
/// # Errors
/// The file is no kernel of ours: see [`ImageError`].
pub fn flatten(file: &[u8]) -> Result<Vec<u8>, ImageError> {
    let elf = Elf::parse(file)?;
    let segments = elf.program_headers.iter().enumerate();
    let segments: Vec<_> =
        segments.filter(|(_, s)| s.p_type == PT_LOAD && s.p_filesz > 0).collect();
    let base = segments.iter().map(|(_, s)| s.p_paddr).min().ok_or(ImageError::Empty)?;
    let mut image = Vec::new();
    for (index, segment) in segments {
        let (offset, size, address) = (segment.p_offset, segment.p_filesz, segment.p_paddr);
        let bytes = usize::try_from(offset)
            .ok()
            .zip(offset.checked_add(size).and_then(|end| usize::try_from(end).ok()))
            .and_then(|(from, to)| file.get(from..to))
            .ok_or(ImageError::Truncated { index, offset, size })?;
        let at = address - base;
        if at.saturating_add(size) > LARGEST {
            return Err(ImageError::TooLarge { index, address, base });
        }
        let (from, to) = (at as usize, at as usize + bytes.len());
        if image.len() < to {
            image.resize(to, 0);
        }
        image[from..to].copy_from_slice(bytes);
    }
    match image.get(MAGIC_AT..MAGIC_AT + 4) {
        Some(magic) if magic == MAGIC => Ok(image),
        other => Err(ImageError::Header(other.unwrap_or_default().to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file of program headers only: (paddr, bytes, how much more in memory).
    fn elf(segments: &[(u64, &[u8], u64)]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut data = 64 + 56 * segments.len() as u64;
        file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        file.extend(3u16.to_le_bytes()); // ET_DYN
        file.extend(183u16.to_le_bytes()); // EM_AARCH64
        file.extend(1u32.to_le_bytes());
        for word in [0u64, 64, 0] {
            file.extend(word.to_le_bytes()); // e_entry, e_phoff, e_shoff
        }
        file.extend(0u32.to_le_bytes());
        for half in [64, 56, segments.len() as u16, 64, 0, 0] {
            file.extend(half.to_le_bytes());
        }
        for (paddr, bytes, more) in segments {
            file.extend(1u32.to_le_bytes());
            file.extend(7u32.to_le_bytes());
            let len = bytes.len() as u64;
            for word in [data, *paddr, *paddr, len, len + more, 1] {
                file.extend(word.to_le_bytes());
            }
            data += len;
        }
        segments.iter().for_each(|(_, bytes, _)| file.extend(*bytes));
        file
    }

    fn header() -> Vec<u8> {
        let mut bytes = vec![0xaa; 64];
        bytes[56..60].copy_from_slice(&MAGIC);
        bytes
    }

    #[test]
    fn segments_stand_at_their_addresses_and_bss_is_left_out() {
        let head = header();
        let image = flatten(&elf(&[(0x1000, &head, 0), (0x1050, b"data", 4096)])).unwrap();
        assert_eq!(image.len(), 0x54);
        assert_eq!(&image[..64], &head[..]);
        assert_eq!(&image[64..0x50], [0; 16]);
        assert_eq!(&image[0x50..], b"data");
    }

    #[test]
    fn an_order_by_address_is_not_needed() {
        let head = header();
        let image = flatten(&elf(&[(0x50, b"x", 0), (0, &head, 0)])).unwrap();
        assert_eq!((image.len(), image[0x50]), (0x51, b'x'));
    }

    #[test]
    fn files_that_are_no_kernel() {
        assert!(matches!(flatten(b"MZ"), Err(ImageError::Elf(_))));
        assert!(matches!(flatten(&elf(&[])), Err(ImageError::Empty)));
        assert!(matches!(flatten(&elf(&[(0, b"", 64)])), Err(ImageError::Empty)));
        assert!(matches!(flatten(&elf(&[(0, &[0; 64], 0)])), Err(ImageError::Header(_))));
        assert!(matches!(flatten(&elf(&[(0, b"short", 0)])), Err(ImageError::Header(_))));
        let head = header();
        let far = elf(&[(0, &head, 0), (1 << 40, b"x", 0)]);
        assert!(matches!(flatten(&far), Err(ImageError::TooLarge { index: 1, .. })));
        let mut cut = elf(&[(0, &head, 0)]);
        cut.truncate(cut.len() - 1);
        assert!(flatten(&cut).is_err());
    }
}
