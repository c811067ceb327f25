//! What a file must be, row by row: a small valid kernel, and what is wrong with it.

use super::*;
use anyvisor_abi::map::{KERNEL_OFFSET, RAM_BASE};

const RAM: RamRange = RamRange::new(32 << 20);
const SEGMENT: usize = 64;
const PHDR: usize = 56;

/// sizeof(Elf64_Shdr), and its fields.
const SHDR: usize = 64;
const SH_OFFSET: usize = 24;
const SH_SIZE: usize = 32;

/// Offsets in the ELF header.
mod at {
    pub const CLASS: usize = 4;
    pub const DATA: usize = 5;
    pub const TYPE: usize = 16;
    pub const MACHINE: usize = 18;
    pub const ENTRY: usize = 24;
    pub const PHOFF: usize = 32;
    pub const SHOFF: usize = 40;
    pub const PHENTSIZE: usize = 54;
    pub const PHNUM: usize = 56;
    pub const SHENTSIZE: usize = 58;
    pub const SHNUM: usize = 60;
    pub const SHSTRNDX: usize = 62;
}

/// Offsets in a program header.
mod ph {
    pub const TYPE: usize = 0;
    pub const FLAGS: usize = 4;
    pub const OFFSET: usize = 8;
    pub const VADDR: usize = 16;
    pub const PADDR: usize = 24;
    pub const FILESZ: usize = 32;
    pub const MEMSZ: usize = 40;
}

struct File(Vec<u8>);

impl File {
    fn put(mut self, at: usize, bytes: usize, value: u64) -> Self {
        self.0[at..at + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
        self
    }

    fn segment(self, index: usize, field: usize, bytes: usize, value: u64) -> Self {
        self.put(SEGMENT + index * PHDR + field, bytes, value)
    }

    fn load(&self) -> Result<Image<'_>, ImageError> {
        Image::elf(&self.0, RAM)
    }

    fn error(&self) -> String {
        self.load().unwrap_err().to_string()
    }
}

/// A position-independent kernel: text at 0 with the entry at 0x40, data at 0x10000 with as much
/// again of bss; a case table of one record.
fn kernel() -> File {
    let file = File(vec![0; 0x1000]);
    let mut file = file
        .put(0, 4, u64::from(u32::from_le_bytes(*b"\x7fELF")))
        .put(at::CLASS, 1, 2)
        .put(at::DATA, 1, 1)
        .put(6, 1, 1)
        .put(at::TYPE, 2, 3)
        .put(at::MACHINE, 2, 183)
        .put(20, 4, 1)
        .put(at::ENTRY, 8, 0x40)
        .put(at::PHOFF, 8, SEGMENT as u64)
        .put(at::SHOFF, 8, 0xe00)
        .put(52, 2, 64)
        .put(at::PHENTSIZE, 2, 56)
        .put(at::PHNUM, 2, 2)
        .put(at::SHENTSIZE, 2, 64)
        .put(at::SHNUM, 2, 3)
        .put(at::SHSTRNDX, 2, 2);
    for (index, flags, vaddr, filesz, memsz) in
        [(0, 5, 0, 0x400, 0x400), (1, 6, 0x1_0000, 0x200, 0x400)]
    {
        file = file
            .segment(index, ph::TYPE, 4, 1)
            .segment(index, ph::FLAGS, 4, flags)
            .segment(index, ph::OFFSET, 8, index as u64 * 0x400)
            .segment(index, ph::VADDR, 8, vaddr)
            .segment(index, ph::PADDR, 8, vaddr)
            .segment(index, ph::FILESZ, 8, filesz)
            .segment(index, ph::MEMSZ, 8, memsz);
    }
    // Sections: null, .cases (one record at 0x600), names at 0xd00.
    file.0[0xd00..0xd08].copy_from_slice(b"\0.cases\0");
    let section = |i: usize| 0xe00 + i * 64;
    file = file.put(section(1), 4, 1).put(section(1) + 24, 8, 0x600).put(section(1) + 32, 8, 448);
    file = file.put(section(2) + 24, 8, 0xd00).put(section(2) + 32, 8, 8);
    file = file.put(0x600, 4, u64::from(u32::from_le_bytes(*b"CASE"))).put(0x604, 4, 1);
    file.0[0x600 + 24..0x600 + 31].copy_from_slice(b"one.two");
    file
}

#[test]
fn a_position_independent_kernel_is_loaded_at_its_offset_into_ram() {
    let file = kernel();
    let image = file.load().unwrap();
    let base = RAM_BASE + KERNEL_OFFSET;
    assert_eq!(image.entry, base + 0x40);
    assert_eq!(image.segments.len(), 2);
    let (text, data) = (image.segments[0], image.segments[1]);
    assert_eq!((text.ipa, text.size, text.data.len()), (base, 0x400, 0x400));
    assert_eq!(text.perms, Perms::READ | Perms::EXEC);
    assert_eq!((data.ipa, data.size, data.data.len()), (base + 0x1_0000, 0x400, 0x200));
    assert_eq!(data.perms, Perms::READ | Perms::WRITE);
}

#[test]
fn an_executable_is_loaded_at_its_physical_addresses_and_entered_where_they_say() {
    let file = kernel()
        .put(at::TYPE, 2, 2)
        .put(at::ENTRY, 8, 0xffff_0000_0000_0080)
        .segment(0, ph::VADDR, 8, 0xffff_0000_0000_0000)
        .segment(0, ph::PADDR, 8, 0x4008_0000)
        .segment(1, ph::PADDR, 8, 0x4010_0000);
    let image = file.load().unwrap();
    assert_eq!(image.entry, 0x4008_0080);
    assert_eq!(image.segments[1].ipa, 0x4010_0000);
}

#[test]
fn the_case_table_is_read() {
    let all = cases(&kernel().0).unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].name.as_str(), all[0].group()), ("one.two", "one"));
}

#[test]
fn a_header_that_does_not_fit_is_refused_by_field_and_value() {
    for (file, message) in [
        (File(vec![]), "not an ELF file: e_ident[0..4] is []"),
        (File(b"#!/bin/sh\n".to_vec()), "not an ELF file: e_ident[0..4] is [23, 21, 2f, 62]"),
        (File(kernel().0[..10].to_vec()), "truncated: e_ident needs bytes 0x0..0x10"),
        (File(kernel().0[..63].to_vec()), "truncated: the ELF header needs bytes 0x0..0x40"),
        (kernel().put(at::CLASS, 1, 1), "e_ident[EI_CLASS] is 1, not 2 (64-bit)"),
        (kernel().put(at::DATA, 1, 2), "e_ident[EI_DATA] is 2, not 1 (little-endian)"),
        (kernel().put(at::MACHINE, 2, 62), "e_machine is 62, not 183 (AArch64)"),
        (kernel().put(at::TYPE, 2, 1), "e_type is 1, not 2 (ET_EXEC) or 3 (ET_DYN)"),
        (kernel().put(at::PHENTSIZE, 2, 32), "e_phentsize is 32, not 56"),
        (kernel().put(at::PHNUM, 2, 0), "no PT_LOAD segment"),
        (kernel().put(at::PHNUM, 2, 100), "the table of program headers (e_phoff, e_phnum) needs"),
        (kernel().put(at::PHOFF, 8, u64::MAX), "overflows: 0xffffffffffffffff + 0x70"),
        (kernel().put(at::ENTRY, 8, 0x1_0000), "e_entry 0x10000 is in no executable segment"),
        (kernel().put(at::ENTRY, 8, 0x400), "e_entry 0x400 is in no executable segment"),
    ] {
        let error = file.error();
        assert!(error.contains(message), "{error:?} does not say {message:?}");
    }
}

#[test]
fn a_segment_that_does_not_fit_is_refused_by_field_and_value() {
    for (file, message) in [
        (
            kernel().segment(1, ph::OFFSET, 8, 0xf00),
            "segment 1 (p_offset, p_filesz) needs bytes 0xf00..0x1100",
        ),
        (kernel().segment(1, ph::OFFSET, 8, u64::MAX), "segment 1 (p_offset, p_filesz) overflows"),
        (kernel().segment(1, ph::FILESZ, 8, 0x401), "p_filesz 0x401 is larger than p_memsz 0x400"),
        (
            kernel().segment(1, ph::VADDR, 8, 0x3ff),
            "segments overlap: 0x40200000..0x40200400 and 0x402003ff",
        ),
        (kernel().segment(1, ph::VADDR, 8, u64::MAX), "load address and p_vaddr overflows"),
        (kernel().segment(1, ph::MEMSZ, 8, u64::MAX), "address and p_memsz overflows"),
        (kernel().segment(1, ph::VADDR, 8, 1 << 40), "is outside RAM 0x40000000..0x42000000"),
        (kernel().put(at::TYPE, 2, 2), "segment 0x0..0x400 is outside RAM"),
        (
            kernel().segment(1, ph::MEMSZ, 8, 64 << 20),
            "too little memory: the image ends at 0x44210000 and the FDT takes the last 0x200000 \
             bytes, RAM is 0x40000000..0x42000000: --memory must be at least 69M",
        ),
        (
            kernel().segment(0, ph::TYPE, 4, 6).segment(1, ph::TYPE, 4, 6),
            "no PT_LOAD segment with anything in it",
        ),
    ] {
        let error = file.error();
        assert!(error.contains(message), "{error:?} does not say {message:?}");
    }
}

#[test]
fn a_case_table_that_does_not_fit_is_refused() {
    for (file, message) in [
        (kernel().put(at::SHNUM, 2, 0), "no case table"),
        (kernel().put(0xd01, 1, b'x'.into()), "no case table"),
        (kernel().put(0xd07, 1, b'x'.into()), "no case table"),
        (kernel().put(at::SHENTSIZE, 2, 40), "e_shentsize is 40, not 64"),
        (kernel().put(at::SHSTRNDX, 2, 9), "e_shstrndx is 9"),
        (kernel().put(at::SHOFF, 8, 0xff0), "the table of section headers"),
        (kernel().put(0xe40 + 24, 8, 0xf00), "section .cases needs bytes 0xf00..0x10c0"),
        (kernel().put(0xe40 + 32, 8, 447), "section .cases: 447 bytes are no whole number"),
        (kernel().put(0xe40 + 32, 8, 0), "no case table"),
        (kernel().put(0x600, 1, 0), "record 0 starts with"),
        (kernel().put(0x604, 4, 2), "record 0 has layout version 2"),
        (kernel().put(0x618, 1, 0xff), "a text of record 0 is not UTF-8"),
    ] {
        let error = cases(&file.0).unwrap_err().to_string();
        assert!(error.contains(message), "{error:?} does not say {message:?}");
    }
}

/// The kernel with a section `.lessons` that holds `lessons`.
fn taught(lessons: &[u8]) -> File {
    let mut file = kernel().put(at::SHNUM, 2, 4);
    file.0[0xd00..0xd11].copy_from_slice(b"\0.cases\0.lessons\0");
    file.0[0x900..0x900 + lessons.len()].copy_from_slice(lessons);
    let section = |i: usize| 0xe00 + i * SHDR;
    file.put(section(2) + SH_SIZE, 8, 17)
        .put(section(3), 4, 8)
        .put(section(3) + SH_OFFSET, 8, 0x900)
        .put(section(3) + SH_SIZE, 8, lessons.len() as u64)
}

#[test]
fn a_case_has_its_lesson_and_none_in_a_kernel_without() {
    let lesson = |file: &File| cases(&file.0).unwrap()[0].lesson.clone();
    let file = taught(b"one.two\0 What it\n is about:\n\n     a picture\n\0");
    assert_eq!(lesson(&file), "What it\nis about:\n\n    a picture");
    assert_eq!(lesson(&kernel()), "");
}

#[test]
fn lessons_that_do_not_fit_are_refused() {
    let good = b"one.two\0 A.\n\0".as_slice();
    let outside = 0xe00 + 3 * SHDR;
    for (file, message) in [
        (taught(b""), "section .lessons: one.two has no lesson"),
        (taught(b"one.two\0 A."), "section .lessons: the section ends inside lesson 0"),
        (taught(b"one.two\0 \n\0"), "section .lessons: lesson 0 is blank"),
        (taught(b"one.two\0\xff\0"), "section .lessons: lesson 0 is not UTF-8"),
        (taught(b"one.six\0 A.\n\0"), "a lesson is of \"one.six\", which is no case"),
        (taught(&[good, good].concat()), "section .lessons: one.two has two lessons"),
        (taught(&[good, b"\0A\0"].concat()), "the name of lesson 1 has 0 bytes, not 1 to 56"),
        (taught(good).put(outside + SH_OFFSET, 8, 0xfff), "section .lessons needs bytes 0xfff.."),
        (taught(good).put(outside + SH_SIZE, 8, u64::MAX), "section .lessons: sh_offset and"),
    ] {
        let error = cases(&file.0).unwrap_err().to_string();
        assert!(error.contains(message), "{error:?} does not say {message:?}");
    }
}

/// A flat Image of `size` bytes.
fn flat(text_offset: u64, image_size: u64, flags: u64) -> File {
    File(vec![0; 0x200]).put(8, 8, text_offset).put(16, 8, image_size).put(24, 8, flags).put(
        56,
        4,
        u64::from(u32::from_le_bytes(*b"ARM\x64")),
    )
}

#[test]
fn a_flat_image_goes_where_its_header_says() {
    for (text_offset, ipa) in [(0x8_0000, 0x4008_0000), (0, 0x4020_0000)] {
        let file = flat(text_offset, 0x1_0000, 0xa);
        let image = Image::any(&file.0, RAM).unwrap();
        assert_eq!(image.entry, ipa);
        let segment = image.segments[0];
        assert_eq!((segment.ipa, segment.size, segment.data.len()), (ipa, 0x1_0000, 0x200));
    }
}

#[test]
fn a_flat_image_that_does_not_fit_is_refused() {
    for (file, message) in [
        (flat(0, 0x1000, 1), "flags is 0x1, not an even number"),
        (flat(u64::MAX, 0x1000, 0), "overflows"),
        (flat(0, u64::MAX, 0), "overflows"),
        (flat(0, 1 << 40, 0), "is outside RAM"),
        (flat(0, 64 << 20, 0), "too little memory"),
        (File(flat(0, 0, 0).0[..60].to_vec()), "truncated: the Image header"),
        (File(b"hello".to_vec()), "neither an ELF file (7f 45 4c 46) nor an arm64 Image"),
    ] {
        let error = Image::any(&file.0, RAM).unwrap_err().to_string();
        assert!(error.contains(message), "{error:?} does not say {message:?}");
    }
}

#[test]
fn no_bytes_upset_the_readers() {
    let valid = taught(b"one.two\0 A.\n\0").0;
    let mut word = 1u64;
    let mut next = |below: usize| {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (word >> 33) as usize % below
    };
    for _ in 0..50_000 {
        let mut file = valid.clone();
        for _ in 0..1 + next(4) {
            // Mostly in the headers, where bytes mean something.
            let region = [64, 64 + 2 * PHDR, 0x1000][next(3)];
            let at = next(region);
            file[at] = [0, 1, 0x7f, 0x80, 0xff, next(256) as u8][next(6)];
        }
        if next(8) == 0 {
            file.truncate(next(0x1000));
        }
        if let Ok(image) = Image::any(&file, RAM) {
            for s in &image.segments {
                assert!(RAM.contains(s.ipa, s.size) && s.data.len() as u64 <= s.size);
            }
            assert!(RAM.contains(image.entry, 1));
        }
        let _ = cases(&file);
    }
}
