//! From addresses in the kernel's ELF file to lines of its source, by the DWARF in it.
//!
//! ```text
//!   Event.offset  --- inlined functions at the instruction, innermost first --+
//!   Event.callers --- the same at each calling instruction -------------------+--> Event.source
//! ```
//!
//! Code that has no line in the DWARF is assembly: [`super::assembly`] looks for it.
//!
//! A path in the DWARF is one of the machine that built the kernel. What is shown is what comes
//! after the workspace, the registry's folder of a crate, or the standard library's root.

use super::assembly::Assembly;
use addr2line::gimli::{self, EndianSlice, RunTimeEndian};
use anyvisor_monitor::timeline::{Event, Place};
use goblin::elf::Elf;
use goblin::elf::program_header::PT_LOAD;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Reads of the DWARF.
type Reader<'a> = EndianSlice<'a, RunTimeEndian>;

/// Why a file has no source lines.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is no ELF file.
    #[error("not an ELF file: {0}")]
    Elf(#[from] goblin::error::Error),
    /// The DWARF is malformed.
    #[error("the debug information cannot be read: {0}")]
    Dwarf(#[from] gimli::Error),
    /// A section is not all there.
    #[error("section {0} reaches beyond the end of the file")]
    Truncated(String),
}

/// The source of a kernel.
pub struct Sources<'a> {
    context: addr2line::Context<Reader<'a>>,
    /// Where the compiler stood: the workspaces of our own units.
    roots: BTreeSet<String>,
    /// Functions and labels, by address.
    symbols: BTreeMap<u64, String>,
    assembly: Assembly,
    /// What is loaded: the first address, and the bytes.
    code: Vec<(u64, &'a [u8])>,
    files: Files,
}

impl<'a> Sources<'a> {
    /// Reads the debug information of an ELF file. The text of the lines comes from the files
    /// below `workspace`, where they are there.
    ///
    /// # Errors
    /// A file that is no ELF file, or whose debug information is malformed.
    pub fn read(file: &'a [u8], workspace: &Path) -> Result<Self, SourceError> {
        let elf = Elf::parse(file)?;
        let load = |id: gimli::SectionId| -> Result<Reader<'a>, SourceError> {
            let bytes = section(file, &elf, id.name())?;
            Ok(Reader::new(bytes, RunTimeEndian::Little))
        };
        let dwarf = gimli::Dwarf::load(load)?;
        let roots = roots(&dwarf)?;
        let context = addr2line::Context::from_dwarf(dwarf)?;
        let symbols = elf
            .syms
            .iter()
            .filter_map(|symbol| {
                let name = elf.strtab.get_at(symbol.st_name)?;
                // `$x` and `$d` mark code and data (AAELF64, mapping symbols).
                let named = symbol.st_shndx != 0 && !name.is_empty() && !name.starts_with('$');
                named.then(|| (symbol.st_value, name.to_string()))
            })
            .collect();
        let loaded = elf.program_headers.iter().filter(|header| header.p_type == PT_LOAD);
        let code = loaded
            .filter_map(|header| Some((header.p_vaddr, file.get(header.file_range())?)))
            .collect();
        let files = Files { workspace: workspace.into(), ..Files::default() };
        Ok(Self { context, roots, symbols, assembly: Assembly::default(), code, files })
    }

    /// Says of each event where in the source it comes from.
    pub fn fill<'e>(&self, events: impl IntoIterator<Item = &'e mut Event>) {
        for event in events {
            // Code that a case wrote stands nowhere in the file; who called it does.
            let all = event.offset.iter().chain(&event.callers);
            event.source = all.flat_map(|address| self.places(*address)).collect();
        }
    }

    /// The source lines of an instruction: the innermost inlined function first.
    pub fn places(&self, address: u64) -> Vec<Place> {
        let mut places = self.dwarf_places(address).unwrap_or_default();
        match places.last_mut() {
            None => places.extend(self.assembly_place(address)),
            // A function into which others were inlined, and which is named nowhere else.
            Some(outermost) if outermost.function.is_empty() => {
                outermost.function = self.symbol(address).map(|at| at.1).unwrap_or_default();
            }
            Some(_) => {}
        }
        places
    }

    /// The function or label at or before an address: where it is, and its name.
    fn symbol(&self, address: u64) -> Option<(u64, String)> {
        let (start, name) = self.symbols.range(..=address).next_back()?;
        Some((*start, short(&format!("{:#}", rustc_demangle::demangle(name)))))
    }

    /// The address behind the first segment, which is the code.
    pub fn code_end(&self) -> u64 {
        self.code.first().map_or(0, |(start, bytes)| start + bytes.len() as u64)
    }

    /// The instruction word at an address, as the file has it.
    fn word(&self, address: u64) -> Option<u32> {
        self.code.iter().find_map(|(start, bytes)| {
            let at = usize::try_from(address.checked_sub(*start)?).ok()?;
            let word = bytes.get(at..at.checked_add(4)?)?;
            Some(u32::from_le_bytes(word.try_into().ok()?))
        })
    }

    /// The line that a guest's diagnostic names: `# at guest/kernel/src/cases/abort.rs:12:5`.
    pub fn mentioned(&self, diagnostic: &str) -> Option<Place> {
        let place = diagnostic.strip_prefix("# at ")?;
        let (place, _column) = place.rsplit_once(':')?;
        let (file, line) = place.rsplit_once(':')?;
        Some(self.files.place(None, file.to_string(), line.parse().ok()?))
    }

    fn dwarf_places(&self, address: u64) -> Result<Vec<Place>, gimli::Error> {
        let mut frames = self.context.find_frames(address).skip_all_loads()?;
        let mut places = Vec::new();
        while let Some(frame) = frames.next()? {
            let location = frame.location.as_ref();
            let file = location.and_then(|location| location.file).map(|file| self.shown(file));
            let (Some(file), Some(line)) = (file, location.and_then(|location| location.line))
            else {
                continue;
            };
            let name = frame
                .function
                .as_ref()
                .and_then(|function| Some(short(&function.demangle().ok()?)));
            places.push(self.files.place(name, file, line));
        }
        Ok(places)
    }

    /// Assembly: the symbol before it, and the line that many instructions behind its label.
    fn assembly_place(&self, address: u64) -> Option<Place> {
        let (start, name) = self.symbol(address)?;
        let index = usize::try_from((address - start) / 4).ok()?;
        let label = name.rsplit("::").next().unwrap_or(&name);
        let word = self.word(address)?;
        let (file, line) = self.assembly.find(&self.files.workspace, label, index, word)?;
        Some(self.files.place(Some(name), file, line))
    }

    /// A path without what is only true of the machine that built the kernel.
    fn shown(&self, path: &str) -> String {
        let behind = |mark: &str| path.find(mark).map(|at| &path[at + mark.len()..]);
        // The standard library, as a toolchain has it or as it was built elsewhere (/rustc/HASH).
        if let Some(inside) = behind("/lib/rustlib/src/rust/") {
            return inside.to_string();
        }
        for root in &self.roots {
            if let Some(inside) = path.strip_prefix(root.as_str())
                && let Some(inside) = inside.strip_prefix('/')
            {
                return inside.to_string();
            }
        }
        if let Some(inside) = behind("/registry/src/").and_then(|rest| rest.split_once('/')) {
            return inside.1.to_string();
        }
        if let Some(inside) = behind("/library/") {
            return format!("library/{inside}");
        }
        path.rsplit('/').next().unwrap_or(path).to_string()
    }
}

/// The bytes of a section; none if there is no such section.
fn section<'a>(file: &'a [u8], elf: &Elf<'_>, name: &str) -> Result<&'a [u8], SourceError> {
    let named = |header: &&goblin::elf::SectionHeader| {
        elf.shdr_strtab.get_at(header.sh_name).is_some_and(|found| found == name)
    };
    match elf.section_headers.iter().find(named) {
        None => Ok(&[]),
        Some(header) => header
            .file_range()
            .and_then(|range| file.get(range))
            .ok_or_else(|| SourceError::Truncated(name.into())),
    }
}

/// The folders in which the compiler stood when it was given a relative path: the workspace. What
/// comes from elsewhere (the standard library, a registry) has absolute ones.
fn roots(dwarf: &gimli::Dwarf<Reader<'_>>) -> Result<BTreeSet<String>, gimli::Error> {
    let mut roots = BTreeSet::new();
    let mut headers = dwarf.units();
    while let Some(header) = headers.next()? {
        let unit = dwarf.unit(header)?;
        let text = |reader: &Option<Reader<'_>>| -> Option<String> {
            Some(String::from_utf8_lossy(reader.as_ref()?.slice()).into_owned())
        };
        if let (Some(name), Some(folder)) = (text(&unit.name), text(&unit.comp_dir))
            && !name.starts_with('/')
            && folder.len() > 1
        {
            roots.insert(folder.trim_end_matches('/').to_string());
        }
    }
    Ok(roots)
}

/// A function's name without its arguments and without the kernel's own name.
fn short(name: &str) -> String {
    let mut depth = 0;
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '<' => depth += 1,
            '>' if depth > 0 => depth -= 1,
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    // What stood between two names, as in `try_catch::<F>`, leaves its colons; an implementation,
    // as in `<A as B>::c`, leaves only the name behind it.
    let out = out.trim_end_matches("::").trim_start_matches("::");
    out.strip_prefix("anyvisor_kernel::").unwrap_or(out).to_string()
}

/// The text of source files, as far as they are there.
#[derive(Default)]
struct Files {
    workspace: PathBuf,
    lines: RefCell<BTreeMap<String, Vec<String>>>,
}

impl Files {
    fn place(&self, function: Option<String>, file: String, line: u32) -> Place {
        let text = self.text(&file, line);
        Place { function: function.unwrap_or_default(), file, line, text }
    }

    fn text(&self, file: &str, line: u32) -> String {
        // Only what belongs to the workspace: a path in the file is nothing to open elsewhere.
        let path = Path::new(file);
        let inside = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let mut all = self.lines.borrow_mut();
        let lines = all.entry(file.to_string()).or_insert_with(|| {
            let text = inside.then(|| std::fs::read_to_string(self.workspace.join(path)).ok());
            text.flatten().unwrap_or_default().lines().map(String::from).collect()
        });
        let index = (line as usize).checked_sub(1);
        index.and_then(|at| lines.get(at)).map(|line| line.trim().to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_without_arguments_and_without_the_kernels_own() {
        for (name, wanted) in [
            ("anyvisor_kernel::cases::abort::data_translation", "cases::abort::data_translation"),
            (
                "anyvisor_kernel::trap::try_catch::<anyvisor_kernel::x::{closure#0}>",
                "trap::try_catch",
            ),
            ("<anyvisor_kernel::console::Line as core::fmt::Write>::write_str", "write_str"),
            ("user_load", "user_load"),
        ] {
            assert_eq!(short(name), wanted);
        }
    }

    #[test]
    fn files_that_are_no_kernel_are_refused_without_a_panic() {
        let read = |bytes: &[u8]| Sources::read(bytes, Path::new("")).map(drop);
        assert!(matches!(read(b"no"), Err(SourceError::Elf(_))));
        assert!(matches!(read(b"\x7fELF"), Err(SourceError::Elf(_))));
    }
}
