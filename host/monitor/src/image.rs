//! What is loaded: a kernel file, checked against the guest's memory map.
//!
//! ```text
//!   ELF, ET_DYN    the lowest byte of the image goes to RAM + KERNEL_OFFSET; the kernel
//!                  relocates itself, nothing is patched here
//!   ELF, ET_EXEC   each segment goes to its p_paddr
//!   Image          the flat file of the Linux arm64 boot protocol, to RAM + text_offset
//! ```
//!
//! A file is an allegation until it is checked: whatever it says of offsets, sizes and addresses
//! is compared with the file and with RAM before anything is done with it.

mod cases;
mod elf;
mod linux;

#[cfg(test)]
mod tests;

pub use cases::{CaseInfo, cases};

use crate::boards::FdtPlace;
use crate::ram::{Perms, RamRange};
use anyvisor_abi::case::CaseError;
use anyvisor_abi::lesson::LessonError;
use anyvisor_abi::map::FDT_SPACE;

/// A kernel, ready to be copied into RAM.
#[derive(Debug)]
pub struct Image<'a> {
    /// What is loaded where, in the order of addresses, without overlap.
    pub segments: Vec<Segment<'a>>,
    /// The guest-physical address of the first instruction.
    pub entry: u64,
}

/// A contiguous part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Guest-physical address.
    pub ipa: u64,
    /// Its address as linked, which debug information goes by.
    pub linked: u64,
    /// Bytes in memory: those of `data`, then zeros.
    pub size: u64,
    /// The bytes that the file has.
    pub data: &'a [u8],
    /// What the guest may do with it.
    pub perms: Perms,
}

impl Segment<'_> {
    fn end(&self) -> u64 {
        self.ipa + self.size
    }
}

/// Why a file cannot be loaded. One line each: the field and its value.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Neither of the two magics.
    #[error(
        "not a kernel: it starts with {found:02x?}, neither an ELF file (7f 45 4c 46) nor an arm64 Image (\"ARM\\x64\" at offset 56)"
    )]
    Magic {
        /// Its first bytes.
        found: Vec<u8>,
    },
    /// Not an ELF file where one is needed.
    #[error("not an ELF file: e_ident[0..4] is {found:02x?}, not 7f 45 4c 46")]
    NotElf {
        /// Its first bytes.
        found: Vec<u8>,
    },
    /// The file ends inside a structure.
    #[error("truncated: {what} needs bytes {from:#x}..{to:#x}, the file has {size:#x}")]
    Truncated {
        /// Which structure.
        what: String,
        /// Its first byte in the file.
        from: u64,
        /// The byte after its last one.
        to: u64,
        /// The file's size.
        size: u64,
    },
    /// A field of the header has a value that does not fit.
    #[error("{field} is {found}, not {wanted}")]
    Field {
        /// The field's name in the ELF specification or in booting.rst.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What should.
        wanted: &'static str,
    },
    /// A sum of two fields overflows.
    #[error("{what} overflows: {a:#x} + {b:#x}")]
    Overflow {
        /// Which sum.
        what: String,
        /// One summand.
        a: u64,
        /// The other.
        b: u64,
    },
    /// More in the file than in memory.
    #[error("segment {index}: p_filesz {filesz:#x} is larger than p_memsz {memsz:#x}")]
    FileLargerThanMemory {
        /// Which program header.
        index: usize,
        /// Its p_filesz.
        filesz: u64,
        /// Its p_memsz.
        memsz: u64,
    },
    /// Nothing to load.
    #[error("no PT_LOAD segment with anything in it: there is nothing to load")]
    NoSegments,
    /// Two segments claim the same bytes.
    #[error("segments overlap: {first:#x}..{first_end:#x} and {second:#x}..{second_end:#x}")]
    Overlap {
        /// Start of the lower one.
        first: u64,
        /// Its end.
        first_end: u64,
        /// Start of the other.
        second: u64,
        /// Its end.
        second_end: u64,
    },
    /// A segment below RAM, or beyond any RAM that could be had.
    #[error("{what} {from:#x}..{to:#x} is outside RAM {ram}")]
    OutsideRam {
        /// Which segment.
        what: String,
        /// Its first address.
        from: u64,
        /// The address after its last.
        to: u64,
        /// The guest's RAM.
        ram: RamRange,
    },
    /// The image would fit into more RAM.
    #[error(
        "too little memory: the image ends at {end:#x} and the FDT takes the last {fdt:#x} bytes, \
         RAM is {ram}: --memory must be at least {}M", .need.div_ceil(1 << 20),
        fdt = FDT_SPACE
    )]
    TooLittleMemory {
        /// Where the image ends.
        end: u64,
        /// The guest's RAM.
        ram: RamRange,
        /// How many bytes of RAM would do.
        need: u64,
    },
    /// The entry point is nowhere.
    #[error("e_entry {entry:#x} is in no executable segment")]
    Entry {
        /// The value in the file.
        entry: u64,
    },
    /// No case table.
    #[error("no case table: the file has no section .cases; only a test kernel has cases")]
    NoCases,
    /// A case table that cannot be read.
    #[error("section .cases: {0}")]
    Cases(#[from] CaseError),
    /// Lessons that cannot be read, or are not of these cases.
    #[error("section .lessons: {0}")]
    Lessons(#[from] LessonsError),
}

/// What is wrong with the section `.lessons`.
#[derive(Debug, thiserror::Error)]
pub enum LessonsError {
    /// It is malformed.
    #[error(transparent)]
    Records(#[from] LessonError),
    /// A name that no case has.
    #[error("a lesson is of {0:?}, which is no case of this kernel")]
    NoCase(String),
    /// A case with two lessons.
    #[error("{0} has two lessons")]
    Twice(String),
    /// A case without one.
    #[error("{0} has no lesson")]
    NoLesson(String),
}

impl<'a> Image<'a> {
    /// The address after its last.
    pub fn end(&self) -> u64 {
        self.segments.iter().map(Segment::end).max().unwrap_or(0)
    }

    /// Reads an ELF file.
    ///
    /// # Errors
    /// Whatever in it does not fit the format or `ram`.
    pub fn elf(file: &'a [u8], ram: RamRange) -> Result<Self, ImageError> {
        elf::load(file, ram)
    }

    /// Reads an ELF file or a flat Image, whichever it is.
    ///
    /// # Errors
    /// Whatever in it does not fit the format or `ram`.
    pub fn any(file: &'a [u8], ram: RamRange) -> Result<Self, ImageError> {
        if file.starts_with(goblin::elf::header::ELFMAG) {
            elf::load(file, ram)
        } else if linux::is_image(file) {
            linux::load(file, ram)
        } else {
            Err(ImageError::Magic { found: start_of(file) })
        }
    }

    /// Checks what all kinds have in common: inside RAM, no overlap, room for the FDT.
    fn check(
        mut segments: Vec<Segment<'a>>,
        ram: RamRange,
    ) -> Result<Vec<Segment<'a>>, ImageError> {
        segments.sort_by_key(|s| s.ipa);
        for s in &segments {
            if s.ipa < ram.base || s.end() > ram.largest_end() {
                let what = "segment".to_string();
                return Err(ImageError::OutsideRam { what, from: s.ipa, to: s.end(), ram });
            }
        }
        for pair in segments.windows(2) {
            if pair[0].end() > pair[1].ipa {
                return Err(ImageError::Overlap {
                    first: pair[0].ipa,
                    first_end: pair[0].end(),
                    second: pair[1].ipa,
                    second_end: pair[1].end(),
                });
            }
        }
        let end = segments.last().ok_or(ImageError::NoSegments)?.end();
        let (fdt, first) = (ram.fdt(end), &segments[0]);
        let no_room = match ram.plan.fdt {
            FdtPlace::End => end > fdt,
            FdtPlace::BehindKernel => fdt + FDT_SPACE > ram.end(),
            FdtPlace::Start => end > ram.end(),
        };
        if no_room {
            let need = end - ram.base + FDT_SPACE;
            return Err(ImageError::TooLittleMemory { end, ram, need });
        }
        if ram.plan.fdt == FdtPlace::Start && first.ipa < fdt + FDT_SPACE {
            let (second, second_end) = (first.ipa, first.end());
            let first_end = fdt + FDT_SPACE;
            return Err(ImageError::Overlap { first: fdt, first_end, second, second_end });
        }
        Ok(segments)
    }
}

/// The bytes `[from, from + len)` of the file.
fn bytes<'a>(file: &'a [u8], what: &str, from: u64, len: u64) -> Result<&'a [u8], ImageError> {
    let to = add(what, from, len)?;
    let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
    range.and_then(|(from, to)| file.get(from..to)).ok_or_else(|| ImageError::Truncated {
        what: what.to_string(),
        from,
        to,
        size: file.len() as u64,
    })
}

fn add(what: &str, a: u64, b: u64) -> Result<u64, ImageError> {
    a.checked_add(b).ok_or_else(|| ImageError::Overflow { what: what.to_string(), a, b })
}

fn start_of(file: &[u8]) -> Vec<u8> {
    file[..file.len().min(4)].to_vec()
}
