//! The case table: the section `.cases` of a test kernel, and the lessons in its `.lessons`.

use super::{ImageError, LessonsError, add, bytes, elf};
use anyvisor_abi::case::{self, Needs};
use anyvisor_abi::lesson;
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
    /// What it teaches: the text above it in the kernel's source, Markdown with pictures in
    /// `text` blocks. Empty in a kernel without the section.
    pub lesson: String,
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
/// No such section, or one that does not hold records; lessons that are malformed, or are not of
/// these cases.
pub fn cases(file: &[u8]) -> Result<Vec<CaseInfo>, ImageError> {
    let sections = Sections::read(file)?;
    let records = sections.find(case::SECTION)?.ok_or(ImageError::NoCases)?;
    let mut cases: Vec<_> = case::parse(records)?
        .map(|view| CaseInfo {
            name: view.name.to_string(),
            claim: view.claim.to_string(),
            reference: view.reference.to_string(),
            needs: view.needs,
            lesson: String::new(),
        })
        .collect();
    if cases.is_empty() {
        return Err(ImageError::NoCases);
    }
    if let Some(lessons) = sections.find(lesson::SECTION)? {
        join(&mut cases, lessons)?;
    }
    Ok(cases)
}

/// Gives each case its lesson: a kernel that has lessons has one for each.
fn join(cases: &mut [CaseInfo], section: &[u8]) -> Result<(), LessonsError> {
    for view in lesson::parse(section)? {
        let name = || view.name.to_string();
        let case = cases.iter_mut().find(|case| case.name == view.name);
        let case = case.ok_or_else(|| LessonsError::NoCase(name()))?;
        if !case.lesson.is_empty() {
            return Err(LessonsError::Twice(name()));
        }
        let lines: Vec<_> = lesson::lines(view.text).collect();
        case.lesson = lines.join("\n").trim_matches('\n').to_string();
    }
    match cases.iter().find(|case| case.lesson.is_empty()) {
        Some(case) => Err(LessonsError::NoLesson(case.name.clone())),
        None => Ok(()),
    }
}

/// The sections of an ELF file, by name.
struct Sections<'a> {
    file: &'a [u8],
    headers: Vec<SectionHeader>,
    /// The section of names.
    names: &'a [u8],
}

impl<'a> Sections<'a> {
    fn read(file: &'a [u8]) -> Result<Self, ImageError> {
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
        let headers = SectionHeader::parse(file, offset, header.e_shnum.into(), elf::CTX)
            .map_err(|_| ImageError::NoCases)?;

        let names =
            headers.get(usize::from(header.e_shstrndx)).ok_or_else(|| ImageError::Field {
                field: "e_shstrndx",
                found: header.e_shstrndx.to_string(),
                wanted: "the index of a section",
            })?;
        let names = bytes(file, "the section names", names.sh_offset, names.sh_size)?;
        Ok(Self { file, headers, names })
    }

    /// What stands in a section.
    fn find(&self, wanted: &str) -> Result<Option<&'a [u8]>, ImageError> {
        let is_wanted = |s: &&SectionHeader| {
            let name = self.names.get(s.sh_name..).unwrap_or_default();
            name.strip_prefix(wanted.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
        };
        let Some(section) = self.headers.iter().find(is_wanted) else { return Ok(None) };
        let what = format!("section {wanted}");
        add(&format!("{what}: sh_offset and sh_size"), section.sh_offset, section.sh_size)?;
        bytes(self.file, &what, section.sh_offset, section.sh_size).map(Some)
    }
}
