//! A file that has nothing of a kernel but its table of cases.

use anyvisor_abi::case::{MAGIC, Needs, RECORD_SIZE, VERSION};
use std::path::{Path, PathBuf};

/// Where the parts are in the file.
const SECTIONS: usize = 0x40;
const NAMES: usize = 0x200;
const CASES: usize = 0x240;

/// A folder of its own, gone when it is dropped, with a kernel in it.
pub struct Folder(pub PathBuf);

impl Folder {
    /// A folder `name` with a kernel of these cases.
    pub fn new(name: &str, cases: &[(&str, Needs)]) -> std::io::Result<Self> {
        let folder = format!("anyvisor-fake-{}-{name}", std::process::id());
        let folder = Self(std::env::temp_dir().join(folder));
        std::fs::create_dir_all(&folder.0)?;
        std::fs::write(folder.kernel(), elf(cases))?;
        std::fs::write(folder.0.join("kernel.img"), b"no Image")?;
        Ok(folder)
    }

    /// The kernel's file.
    pub fn kernel(&self) -> PathBuf {
        self.0.join("kernel")
    }

    /// A folder in it.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // If it cannot be removed, the system's temporary folder keeps a small file.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn elf(cases: &[(&str, Needs)]) -> Vec<u8> {
    let mut file = vec![0; CASES + cases.len() * RECORD_SIZE];
    let mut put = |at: usize, bytes: usize, value: u64| {
        file[at..at + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
    };
    for (at, bytes, value) in [
        (0, 4, u64::from(u32::from_le_bytes(*b"\x7fELF"))),
        (4, 1, 2),                // ELFCLASS64
        (5, 1, 1),                // ELFDATA2LSB
        (6, 1, 1),                // EV_CURRENT
        (16, 2, 3),               // ET_DYN
        (18, 2, 183),             // EM_AARCH64
        (20, 4, 1),               // EV_CURRENT
        (40, 8, SECTIONS as u64), // e_shoff
        (52, 2, 64),
        (58, 2, 64),
        (60, 2, 3), // e_shnum
        (62, 2, 2), // e_shstrndx
        // Section 1: .cases; section 2: the names.
        (SECTIONS + 64, 4, 1),
        (SECTIONS + 64 + 24, 8, CASES as u64),
        (SECTIONS + 64 + 32, 8, (cases.len() * RECORD_SIZE) as u64),
        (SECTIONS + 128 + 24, 8, NAMES as u64),
        (SECTIONS + 128 + 32, 8, 8),
    ] {
        put(at, bytes, value);
    }
    for (index, (_, needs)) in cases.iter().enumerate() {
        let at = CASES + index * RECORD_SIZE;
        put(at, 4, u64::from(MAGIC));
        put(at + 4, 4, u64::from(VERSION));
        put(at + 8, 4, u64::from(needs.0));
    }
    file[NAMES..NAMES + 8].copy_from_slice(b"\0.cases\0");
    for (index, (name, _)) in cases.iter().enumerate() {
        let at = CASES + index * RECORD_SIZE;
        file[at + 24..at + 24 + name.len()].copy_from_slice(name.as_bytes());
    }
    file
}
