//! The case table: the section `.cases` of a test kernel.

use super::{ImageError, add, bytes, elf};
use anyvisor_abi::case::{self, Needs};
use goblin::elf::section_header::SectionHeader;

/// sizeof(Elf64_Shdr).
const SECTION_HEADER_SIZE: u64 = 64;

/// A case of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseInfo {
    /// `group.name`.
    pub name: String,
    /// What it claims, one line.
    pub claim: String,
    /// Where the manual says so.
    pub reference: String,
    /// What it needs.
    pub needs: Needs,
}

impl CaseInfo {
    /// The part of the name before the first dot.
    pub fn group(&self) -> &str {
        self.name.split('.').next().unwrap_or(&self.name)
    }

    /// The names of its needs, for people.
    pub fn needs(&self) -> Vec<String> {
        let flags = Needs::NAMES.iter().filter(|(flag, _)| self.needs.contains(*flag));
        let mut names: Vec<String> = flags.map(|(_, name)| (*name).to_string()).collect();
        if self.needs.vcpu_count() > 1 {
            names.push(format!("{}-vcpus", self.needs.vcpu_count()));
        }
        names
    }
}

/// Reads the case table out of an ELF file.
///
/// # Errors
/// No such section, or one that does not hold records.
pub fn cases(file: &[u8]) -> Result<Vec<CaseInfo>, ImageError> {
    let header = elf::read_header(file)?;
    if header.e_shnum == 0 || header.e_shoff == 0 {
        return Err(ImageError::NoCases);
    }
    if u64::from(header.e_shentsize) != SECTION_HEADER_SIZE {
        let found = header.e_shentsize.to_string();
        return Err(ImageError::Field { field: "e_shentsize", found, wanted: "64" });
    }
    let size = u64::from(header.e_shnum) * SECTION_HEADER_SIZE;
    let what = "the table of section headers (e_shoff, e_shnum)";
    bytes(file, what, header.e_shoff, size)?; // so the reader cannot run out of bytes
    let offset = header.e_shoff as usize;
    let sections = SectionHeader::parse(file, offset, header.e_shnum.into(), elf::CTX)
        .map_err(|_| ImageError::NoCases)?;

    let names = sections.get(usize::from(header.e_shstrndx)).ok_or_else(|| ImageError::Field {
        field: "e_shstrndx",
        found: header.e_shstrndx.to_string(),
        wanted: "the index of a section",
    })?;
    let names = bytes(file, "the section names", names.sh_offset, names.sh_size)?;
    let is_cases = |s: &&SectionHeader| {
        let name = names.get(s.sh_name..).unwrap_or_default();
        name.strip_prefix(case::SECTION.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
    };
    let section = sections.iter().find(is_cases).ok_or(ImageError::NoCases)?;
    add("section .cases: sh_offset and sh_size", section.sh_offset, section.sh_size)?;
    let records = bytes(file, "section .cases", section.sh_offset, section.sh_size)?;
    let views = case::parse(records)?;
    let cases: Vec<_> = views
        .map(|view| CaseInfo {
            name: view.name.to_string(),
            claim: view.claim.to_string(),
            reference: view.reference.to_string(),
            needs: view.needs,
        })
        .collect();
    if cases.is_empty() { Err(ImageError::NoCases) } else { Ok(cases) }
}
