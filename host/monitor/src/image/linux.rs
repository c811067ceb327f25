//! The flat `Image` of the Linux arm64 boot protocol (booting.rst).
//!
//! ```text
//! offset  0  code0        8  text_offset   16  image_size   24  flags    56  "ARM\x64"
//!         4  code1           from a 2 MiB      in memory        bit 0: big-endian
//!                            aligned base
//! ```

use super::{Image, ImageError, Segment, add, bytes};
use crate::ram::{Perms, RamRange};

const HEADER_SIZE: u64 = 64;
const MAGIC: &[u8] = b"ARM\x64";
const MAGIC_OFFSET: usize = 56;

pub(super) fn is_image(file: &[u8]) -> bool {
    file.get(MAGIC_OFFSET..).is_some_and(|rest| rest.starts_with(MAGIC))
}

pub(super) fn load(file: &[u8], ram: RamRange) -> Result<Image<'_>, ImageError> {
    let header = bytes(file, "the Image header", 0, HEADER_SIZE)?;
    let field = |at: usize| header[at..at + 8].iter().rev().fold(0, |v, &b| v << 8 | u64::from(b));
    let (text_offset, image_size, flags) = (field(8), field(16), field(24));
    if flags & 1 != 0 {
        let wanted = "an even number (a little-endian kernel)";
        return Err(ImageError::Field { field: "flags", found: format!("{flags:#x}"), wanted });
    }
    // "The Image must be placed text_offset bytes from a 2MB aligned base address anywhere in
    // usable system RAM". RAM's first bytes are left free where the offset alone does not.
    let base = if text_offset == 0 { ram.kernel() } else { ram.base };
    let ipa = add("RAM base and text_offset", base, text_offset)?;
    // "Where image_size is zero" the kernel is old and says nothing of its bss; the file is all
    // that is known.
    let size = image_size.max(file.len() as u64);
    add("load address and image_size", ipa, size)?;
    let segment = Segment { ipa, linked: 0, size, data: file, perms: Perms::all() };
    Ok(Image { segments: Image::check(vec![segment], ram)?, entry: ipa })
}
