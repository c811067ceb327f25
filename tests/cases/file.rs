//! Files and command lines that do not fit: one line that names the file, the field and the
//! value, and exit status 2.

use crate::elf::{CASE, Elf, TempFile};
use crate::program::anyvisor;
use libtest_mimic::{Failed, Trial};

/// `b .`
const LOOP: u32 = 0x1400_0000;

/// A file and what is said of it.
type Row = (&'static str, Elf, &'static str);

/// Offsets in the file: of ELF fields, of the program header, of section 1, of the record.
const PHDR: usize = 64;
const CASES_SECTION: usize = 0x440 + 64;
const RECORD: usize = 0x200;

fn rows() -> Vec<Row> {
    let elf = || Elf::new(&[LOOP]);
    // Two segments: the second header stands behind the first.
    let second = |vaddr: u64| {
        let mut elf = elf().put(56, 2, 2);
        elf.0.copy_within(PHDR..PHDR + 56, PHDR + 56);
        elf.put(PHDR + 56 + 16, 8, vaddr)
    };
    vec![
        ("empty", elf().cut(0), "not an ELF file: e_ident[0..4] is []"),
        (
            "text",
            Elf(b"#!/bin/sh\n".to_vec()),
            "not an ELF file: e_ident[0..4] is [23, 21, 2f, 62]",
        ),
        ("ident_cut", elf().cut(9), "truncated: e_ident needs bytes 0x0..0x10, the file has 0x9"),
        (
            "header_cut",
            elf().cut(40),
            "truncated: the ELF header needs bytes 0x0..0x40, the file has 0x28",
        ),
        ("class_32", elf().put(4, 1, 1), "e_ident[EI_CLASS] is 1, not 2"),
        ("big_endian", elf().put(5, 1, 2), "e_ident[EI_DATA] is 2, not 1"),
        ("x86", elf().put(18, 2, 62), "e_machine is 62, not 183"),
        ("object_file", elf().put(16, 2, 1), "e_type is 1, not 2 (ET_EXEC) or 3 (ET_DYN)"),
        ("core_file", elf().put(16, 2, 4), "e_type is 4"),
        ("phentsize", elf().put(54, 2, 32), "e_phentsize is 32, not 56"),
        ("no_headers", elf().put(56, 2, 0), "no PT_LOAD segment"),
        ("no_load", elf().put(PHDR, 4, 4), "no PT_LOAD segment"),
        (
            "headers_cut",
            elf().put(32, 8, 0xff0),
            "the table of program headers (e_phoff, e_phnum) needs bytes 0xff0..0x1028",
        ),
        ("phoff_overflow", elf().put(32, 8, u64::MAX), "overflows: 0xffffffffffffffff + 0x38"),
        (
            "segment_cut",
            elf().cut(0x1002),
            "segment 0 (p_offset, p_filesz) needs bytes 0x1000..0x1004, the file has 0x1002",
        ),
        (
            "offset_overflow",
            elf().put(PHDR + 8, 8, u64::MAX),
            "segment 0 (p_offset, p_filesz) overflows",
        ),
        (
            "filesz",
            elf().put(PHDR + 40, 8, 2),
            "segment 0: p_filesz 0x4 is larger than p_memsz 0x2",
        ),
        (
            "memsz_overflow",
            elf().put(PHDR + 40, 8, u64::MAX),
            "segment 0: address and p_memsz overflows",
        ),
        (
            "vaddr_overflow",
            elf().put(PHDR + 16, 8, u64::MAX),
            "segment 0: load address and p_vaddr overflows",
        ),
        ("outside_ram", elf().put(PHDR + 16, 8, 1 << 40), "is outside RAM 0x40000000..0x48000000"),
        ("below_ram", elf().put(16, 2, 2), "segment 0x0..0x10004 is outside RAM"),
        (
            "overlap",
            second(0x1_0000),
            "segments overlap: 0x40200000..0x40210004 and 0x40210000..0x40220004",
        ),
        ("entry", elf().put(24, 8, 0x2_0000), "e_entry 0x20000 is in no executable segment"),
        ("entry_data", elf().put(PHDR + 4, 4, 6), "e_entry 0x0 is in no executable segment"),
        (
            "memory",
            elf().put(PHDR + 40, 8, 200 << 20),
            "too little memory: the image ends at 0x4ca00000",
        ),
        ("no_sections", elf().put(60, 2, 0), "no case table: the file has no section .cases"),
        ("no_cases", elf().put(0x401, 1, b'x'.into()), "no case table"),
        (
            "sections_cut",
            elf().put(40, 8, 0xff0),
            "the table of section headers (e_shoff, e_shnum) needs",
        ),
        ("shentsize", elf().put(58, 2, 40), "e_shentsize is 40, not 64"),
        ("shstrndx", elf().put(62, 2, 7), "e_shstrndx is 7"),
        (
            "cases_cut",
            elf().put(CASES_SECTION + 24, 8, 0xf80),
            "section .cases needs bytes 0xf80..0x1140",
        ),
        (
            "cases_size",
            elf().put(CASES_SECTION + 32, 8, 447),
            "447 bytes are no whole number of 448-byte records",
        ),
        ("record_magic", elf().put(RECORD, 4, 7), "record 0 starts with 0x00000007"),
        ("record_version", elf().put(RECORD + 4, 4, 9), "record 0 has layout version 9"),
        ("record_text", elf().put(RECORD + 80, 1, 0xff), "a text of record 0 is not UTF-8"),
    ]
}

/// One test a row.
pub fn trials() -> Vec<Trial> {
    let file = |(name, elf, message): Row| {
        Trial::test(format!("file::{name}"), move || {
            let file = TempFile::new(name, &elf.0)?;
            // A hang would be a bug of its own: none of these files gets as far as a guest.
            refused(&["run", file.path(), "--memory", "128M"], &[file.path(), message])
        })
    };
    let mut trials: Vec<Trial> = rows().into_iter().map(file).collect();
    trials.extend(usage());
    trials
}

/// Exit status 2, nothing on the standard output, and one line with `parts`.
fn refused(args: &[&str], parts: &[&str]) -> Result<(), Failed> {
    let ended = anyvisor(args)?;
    ended.expect(2, &ended.stderr, parts)?;
    if !ended.stdout.is_empty() {
        return Err(format!("on the standard output: {}", ended.stdout).into());
    }
    match ended.stderr.trim_end().lines().count() {
        1 => Ok(()),
        n => Err(format!("{n} lines:\n{}", ended.stderr).into()),
    }
}

fn usage() -> Vec<Trial> {
    let with_kernel = |name: &'static str, args: &'static [&'static str], part: &'static str| {
        Trial::test(format!("usage::{name}"), move || {
            let file = TempFile::new(name, &Elf::new(&[LOOP]).0)?;
            let mut all = vec!["run", file.path()];
            all.extend(args);
            let ended = anyvisor(&all)?;
            Ok(ended.expect(2, &ended.stderr, &[part])?)
        })
    };
    vec![
        with_kernel(
            "unknown_case",
            &["--case", "bad.gust"],
            "no case fits \"bad.gust\"; nearest: bad.guest",
        ),
        with_kernel("memory_text", &["--memory", "lots"], "\"lots\" is no size"),
        with_kernel("memory_zero", &["--memory", "0"], "a guest takes from 8M to 64512M"),
        with_kernel("memory_huge", &["--memory", "64G"], "a guest takes from 8M to 64512M"),
        with_kernel("memory_odd", &["--memory", "9M"], "RAM is a multiple of 2M"),
        with_kernel("timeout", &["--timeout", "-1"], "--timeout"),
        with_kernel("timeout_text", &["--timeout", "soon"], "\"soon\" is no time"),
        with_kernel("format", &["--format", "xml"], "invalid value 'xml'"),
        with_kernel("option", &["--frobnicate"], "unexpected argument '--frobnicate'"),
        Trial::test("usage::no_file", || {
            refused(&["run", "/no/such/kernel"], &["/no/such/kernel: No such file"])
        }),
        Trial::test("usage::a_folder", || {
            let folder = std::env::temp_dir();
            let folder = folder.to_str().unwrap_or_default();
            refused(&["run", folder], &[folder, "not a regular file"])
        }),
        Trial::test("usage::boot_of_neither", || {
            let file = TempFile::new("neither", b"hello")?;
            refused(
                &["boot", file.path()],
                &["neither an ELF file (7f 45 4c 46) nor an arm64 Image"],
            )
        }),
        Trial::test("usage::list", || {
            let file = TempFile::new("list", &Elf::new(&[LOOP]).0)?;
            let ended = anyvisor(&["list", file.path()])?;
            Ok(ended.expect(0, &ended.stdout, &[CASE, "\n1 case\n"])?)
        }),
    ]
}
