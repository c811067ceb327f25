//! A small test kernel, made of words: an ELF file with one executable segment and one case.

use anyvisor_abi::case::{MAGIC, RECORD_SIZE, VERSION};
use std::io;
use std::path::PathBuf;

/// The case's name.
pub const CASE: &str = "bad.guest";

/// Where the parts are in the file.
const HEADERS: usize = 64;
const TEXT: usize = 0x1000;
const CASES: usize = 0x200;
const NAMES: usize = 0x400;
const SECTIONS: usize = 0x440;

/// The file's bytes. Offsets that tests change are named where they do it.
#[derive(Clone)]
pub struct Elf(pub Vec<u8>);

impl Elf {
    /// A position-independent kernel whose first instruction is `code[0]`. The segment is
    /// loaded with 64 KiB of zeros behind the code, for reading and executing.
    pub fn new(code: &[u32]) -> Self {
        let mut file = Self(vec![0; TEXT]);
        file.0.extend(code.iter().flat_map(|word| word.to_le_bytes()));
        let size = code.len() as u64 * 4;
        for (at, bytes, value) in [
            (0, 4, u64::from(u32::from_le_bytes(*b"\x7fELF"))),
            (4, 1, 2),    // ELFCLASS64
            (5, 1, 1),    // ELFDATA2LSB
            (6, 1, 1),    // EV_CURRENT
            (16, 2, 3),   // ET_DYN
            (18, 2, 183), // EM_AARCH64
            (20, 4, 1),
            (32, 8, HEADERS as u64),  // e_phoff
            (40, 8, SECTIONS as u64), // e_shoff
            (52, 2, 64),
            (54, 2, 56),
            (56, 2, 1), // e_phnum
            (58, 2, 64),
            (60, 2, 3), // e_shnum
            (62, 2, 2), // e_shstrndx
            // The program header: PT_LOAD, R-X.
            (HEADERS, 4, 1),
            (HEADERS + 4, 4, 5),
            (HEADERS + 8, 8, TEXT as u64),
            (HEADERS + 32, 8, size),
            (HEADERS + 40, 8, size + 0x1_0000),
            (HEADERS + 48, 8, 0x1_0000),
            // Section 1: .cases; section 2: the names.
            (SECTIONS + 64, 4, 1),
            (SECTIONS + 64 + 24, 8, CASES as u64),
            (SECTIONS + 64 + 32, 8, RECORD_SIZE as u64),
            (SECTIONS + 128 + 24, 8, NAMES as u64),
            (SECTIONS + 128 + 32, 8, 8),
            (CASES, 4, u64::from(MAGIC)),
            (CASES + 4, 4, u64::from(VERSION)),
        ] {
            file = file.put(at, bytes, value);
        }
        file.0[NAMES..NAMES + 8].copy_from_slice(b"\0.cases\0");
        file.0[CASES + 24..CASES + 24 + CASE.len()].copy_from_slice(CASE.as_bytes());
        file
    }

    /// Changes `bytes` bytes at `at`, little-endian.
    pub fn put(mut self, at: usize, bytes: usize, value: u64) -> Self {
        self.0[at..at + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
        self
    }

    /// Cuts the file off.
    pub fn cut(mut self, size: usize) -> Self {
        self.0.truncate(size);
        self
    }
}

/// A file that is gone when it is dropped.
pub struct TempFile(PathBuf);

impl TempFile {
    /// Writes `bytes` to a file whose name begins with `name`.
    pub fn new(name: &str, bytes: &[u8]) -> io::Result<Self> {
        let name = format!("anyvisor-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes)?;
        Ok(Self(path))
    }

    /// Its path.
    pub fn path(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // If it cannot be removed, the system's temporary folder keeps a small file.
        let _ = std::fs::remove_file(&self.0);
    }
}
