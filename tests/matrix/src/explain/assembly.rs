//! Lines of assembly. The compiler writes no line table for what stands in `global_asm!` and
//! `naked_asm!`, so they are looked for in the source: the label, then an instruction a line.
//!
//! ```text
//!   symbol user_load, instruction 1          "user_load:",
//!                                            "   ldr x0, [x0]",       0
//!                                            "   svc #0",             1  <---
//! ```
//!
//! A line counts only if its mnemonic is the one of the word in the file: a macro in between, or a
//! source that has changed, shows itself so. Then there is only the label.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

/// Where assembly may stand, from the workspace on.
const FOLDER: &str = "guest/kernel/src";

/// The source files that hold assembly.
#[derive(Default)]
pub struct Assembly {
    files: OnceCell<Vec<File>>,
}

struct File {
    name: String,
    lines: Vec<String>,
}

impl Assembly {
    /// The file and the line of instruction `index` behind the label `symbol`, which is `word`. Of
    /// a label whose lines do not fit: the label itself; of a naked function whose lines do not:
    /// nothing, for another one may have the same name.
    pub fn find(
        &self,
        workspace: &Path,
        symbol: &str,
        index: usize,
        word: u32,
    ) -> Option<(String, u32)> {
        let files = self.files.get_or_init(|| read(workspace));
        let heads = files.iter().flat_map(|file| {
            let lines = file.lines.iter().enumerate();
            lines.filter_map(move |(at, line)| Some((file, at, head(line, symbol)?)))
        });
        let mut label = None;
        for (file, at, kind) in heads {
            let place = |at: usize| Some((file.name.clone(), at as u32 + 1));
            if let Some(instruction) = nth_instruction(&file.lines, at + 1, index)
                && is_word(&file.lines[instruction], word)
            {
                return place(instruction);
            }
            if kind == Head::Label {
                label = label.or(place(at));
            }
        }
        label
    }
}

fn read(workspace: &Path) -> Vec<File> {
    let mut folders: Vec<PathBuf> = vec![workspace.join(FOLDER)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let is_assembly = path.extension().is_some_and(|extension| extension == "S");
            if (is_assembly || text.contains("_asm!"))
                && let Ok(name) = path.strip_prefix(workspace)
            {
                let name = name.to_string_lossy().into_owned();
                files.push(File { name, lines: text.lines().map(String::from).collect() });
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

/// What the assembler sees of a line: without the quotes of a Rust string, and without comments.
fn code(line: &str) -> &str {
    let line = line.trim();
    let line = match line.strip_prefix('"') {
        Some(inside) => inside.trim_end_matches(',').trim_end_matches('"'),
        None => line,
    };
    line.split("//").next().unwrap_or("").trim()
}

/// What a piece of assembly begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    Label,
    NakedFunction,
}

/// Whether assembly of this name begins behind a line. In Rust's own text a name with a colon is a
/// field: a label stands alone.
fn head(line: &str, name: &str) -> Option<Head> {
    let rest = code(line).strip_prefix(name);
    if rest.is_some_and(|rest| rest == ":") {
        return Some(Head::Label);
    }
    let is_function = line.contains("extern \"C\"") && line.contains(&format!("fn {name}("));
    is_function.then_some(Head::NakedFunction)
}

/// The line of the instruction `index`, counted from line `from` on.
fn nth_instruction(lines: &[String], from: usize, index: usize) -> Option<usize> {
    let is_instruction = |line: &str| {
        let code = code(line);
        let mnemonic = code.split_whitespace().next().unwrap_or("");
        let is_word = !mnemonic.is_empty()
            && mnemonic.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.');
        // A directive begins with a dot; Rust's own lines end otherwise.
        is_word && !mnemonic.starts_with('.') && !code.ends_with(['{', ';', '(', ')', '='])
    };
    let all = lines.iter().enumerate().skip(from);
    all.filter(|(_, line)| is_instruction(line)).nth(index).map(|(at, _)| at)
}

/// Whether a line of assembly is the source of `word`, judged by the mnemonic.
fn is_word(line: &str, word: u32) -> bool {
    let text = anyvisor_cpu::text(word, 0);
    text.split_whitespace().next() == code(line).split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LDR_X0_X0: u32 = 0xf940_0000;
    const SVC_0: u32 = 0xd400_0001;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(String::from).collect()
    }

    #[test]
    fn a_label_is_found_with_the_instructions_behind_it() {
        for source in [
            "global_asm!(\n\"user_load:\",\n\"    ldr x0, [x0]\", // first\n\n\"    svc #0\",",
            ".balign 4\nuser_load:\n    ldr x0, [x0] // first\n\n    svc #0\n",
        ] {
            let lines = lines(source);
            let label =
                lines.iter().position(|line| head(line, "user_load") == Some(Head::Label)).unwrap();
            assert_eq!(label, 1);
            let first = nth_instruction(&lines, label + 1, 0).unwrap();
            let second = nth_instruction(&lines, label + 1, 1).unwrap();
            assert_eq!((first, second), (2, 4));
            assert!(is_word(&lines[first], LDR_X0_X0) && is_word(&lines[second], SVC_0));
            assert!(!is_word(&lines[first], SVC_0));
        }
    }

    #[test]
    fn a_naked_function_is_a_head_and_a_field_is_none() {
        let line = "unsafe extern \"C\" fn enter(user: *const User) {";
        assert_eq!(head(line, "enter"), Some(Head::NakedFunction));
        assert_eq!(head(line, "ente"), None);
        assert_eq!(head("fn enter() {", "enter"), None);
        assert_eq!(head("    code: Option<fn(u64)>,", "code"), None);
        assert_eq!(head("    \"user_spin: b user_spin\",", "user_spin"), None, "in one line");
    }
}
