//! ELF files: the header and the program headers, nothing else.
//!
//! goblin decodes the structures; its reader of whole files is not used, because it also insists
//! on parts that loading does not need (symbols, relocations, dynamic strings).

use super::{Image, ImageError, Segment, add, bytes, start_of};
use crate::ram::{Perms, RamRange};
use goblin::container::{Container, Ctx, Endian};
use goblin::elf::Elf;
use goblin::elf::header::{
    self, EI_CLASS, EI_DATA, ELFCLASS64, ELFDATA2LSB, ELFMAG, EM_AARCH64, ET_DYN, ET_EXEC, Header,
};
use goblin::elf::program_header::{PF_R, PF_W, PF_X, PT_LOAD, ProgramHeader};

/// 64-bit, little-endian: the only kind that gets past [`read_header`].
pub(super) const CTX: Ctx = Ctx { container: Container::Big, le: Endian::Little };
/// sizeof(Elf64_Ehdr).
const HEADER_SIZE: u64 = 64;
/// sizeof(Elf64_Phdr).
const PROGRAM_HEADER_SIZE: u64 = 56;

/// Reads and checks the ELF header.
pub(super) fn read_header(file: &[u8]) -> Result<Header, ImageError> {
    if !file.starts_with(ELFMAG) {
        return Err(ImageError::NotElf { found: start_of(file) });
    }
    // The identification comes before the rest: a header of another class has another size.
    let ident = bytes(file, "e_ident", 0, header::SIZEOF_IDENT as u64)?;
    expect("e_ident[EI_CLASS]", ident[EI_CLASS], ELFCLASS64, "2 (64-bit)")?;
    expect("e_ident[EI_DATA]", ident[EI_DATA], ELFDATA2LSB, "1 (little-endian)")?;
    let raw = bytes(file, "the ELF header", 0, HEADER_SIZE)?;
    let header = Elf::parse_header(raw).map_err(|_| ImageError::Truncated {
        what: "the ELF header".into(),
        from: 0,
        to: HEADER_SIZE,
        size: file.len() as u64,
    })?;
    expect("e_machine", header.e_machine, EM_AARCH64, "183 (AArch64)")?;
    if !matches!(header.e_type, ET_DYN | ET_EXEC) {
        let wanted = "2 (ET_EXEC) or 3 (ET_DYN)";
        return Err(ImageError::Field {
            field: "e_type",
            found: header.e_type.to_string(),
            wanted,
        });
    }
    Ok(header)
}

fn expect<T: PartialEq + ToString>(
    field: &'static str,
    found: T,
    value: T,
    wanted: &'static str,
) -> Result<(), ImageError> {
    if found == value {
        return Ok(());
    }
    Err(ImageError::Field { field, found: found.to_string(), wanted })
}

fn program_headers(file: &[u8], header: &Header) -> Result<Vec<ProgramHeader>, ImageError> {
    if header.e_phnum == 0 {
        return Err(ImageError::NoSegments);
    }
    expect("e_phentsize", u64::from(header.e_phentsize), PROGRAM_HEADER_SIZE, "56")?;
    let size = u64::from(header.e_phnum) * PROGRAM_HEADER_SIZE;
    let table =
        bytes(file, "the table of program headers (e_phoff, e_phnum)", header.e_phoff, size)?;
    // The table is whole, so decoding it cannot fail for want of bytes.
    ProgramHeader::parse(table, 0, header.e_phnum.into(), CTX).map_err(|_| ImageError::Truncated {
        what: "the table of program headers".into(),
        from: header.e_phoff,
        to: header.e_phoff + size,
        size: file.len() as u64,
    })
}

/// Reads an ELF file and places its segments.
pub(super) fn load(file: &[u8], ram: RamRange) -> Result<Image<'_>, ImageError> {
    let header = read_header(file)?;
    let headers = program_headers(file, &header)?;
    let loads = headers
        .iter()
        .enumerate()
        .filter(|(_, h)| h.p_type == PT_LOAD && (h.p_memsz != 0 || h.p_filesz != 0));

    let mut segments = Vec::new();
    let mut entry = None;
    for (index, h) in loads {
        let (offset, filesz, memsz) = (h.p_offset, h.p_filesz, h.p_memsz);
        if filesz > memsz {
            return Err(ImageError::FileLargerThanMemory { index, filesz, memsz });
        }
        let data = bytes(file, &format!("segment {index} (p_offset, p_filesz)"), offset, filesz)?;
        let ipa = if header.e_type == ET_DYN {
            // Linked at 0 (or wherever): virtual and physical addresses move together.
            let what = format!("segment {index}: load address and p_vaddr");
            add(&what, ram.kernel(), h.p_vaddr)?
        } else {
            h.p_paddr
        };
        add(&format!("segment {index}: address and p_memsz"), ipa, memsz)?;
        let perms = perms(h.p_flags);
        // e_entry is a virtual address: the MMU is off at entry, so it is moved with its segment.
        if perms.contains(Perms::EXEC)
            && let Some(offset) = header.e_entry.checked_sub(h.p_vaddr)
            && offset < memsz
        {
            entry = Some(ipa + offset);
        }
        segments.push(Segment { ipa, linked: h.p_vaddr, size: memsz, data, perms });
    }
    let segments = Image::check(segments, ram)?;
    let entry = entry.ok_or(ImageError::Entry { entry: header.e_entry })?;
    Ok(Image { segments, entry })
}

fn perms(p_flags: u32) -> Perms {
    let mut perms = Perms::empty();
    perms.set(Perms::READ, p_flags & PF_R != 0);
    perms.set(Perms::WRITE, p_flags & PF_W != 0);
    perms.set(Perms::EXEC, p_flags & PF_X != 0);
    perms
}
