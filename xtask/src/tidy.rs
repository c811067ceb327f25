//! The house rules that a program can check.
//!
//! | rule | says |
//! |---|---|
//! | unfinished | no marker of work left over, in comments or as a macro |
//! | size | at most 800 lines of Rust in a file, unless its head says `// tidy: table` |
//! | root | each crate root forbids unsafe code, or denies it where a module is fenced |
//! | unsafe | the keyword occurs inside the fence only |
//! | folders | the top-level folders are those of ARCHITECTURE.md |
//! | paths | no absolute path of somebody's machine |
//! | hosts | no package registry's host name |
//! | lints | each crate inherits the workspace's lints, and these fence unsafe |
//!
//! That every unsafe block has its SAFETY line is clippy's `undocumented_unsafe_blocks`.

mod source;

use crate::workspace::Workspace;
use anyhow::{Context, Result};
use source::{code_only, has_word};
use std::fmt;
use std::path::Path;

/// Where unsafe code may stand: whole crates (with `/` at the end), or the beginning of the names
/// of files. A crate that is fenced in part denies it at its root and allows it by the module.
const FENCE: [&str; 5] = [
    "host/hv/",
    "guest/kernel/",
    "host/vm/src/memory",
    "host/monitor/src/seam", // calls of the API that the binding gets wrong
    "tests/capi/src/raw",    // C functions, with pointers that no safe binding lets through
];
/// The top-level folders; hidden ones and the build folder do not count.
const FOLDERS: [&str; 5] = ["guest", "host", "linker", "tests", "xtask"];
const MOST_LINES: usize = 800;
const TABLE_MARK: &str = "// tidy: table";
/// The marker stands in one of the first lines.
const HEAD: usize = 5;

// Words that the rules look for are put together from parts: this file is checked as well.
const MARKERS: [[&str; 2]; 3] = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]];
const MACROS: [[&str; 2]; 3] = [["db", "g"], ["to", "do"], ["unimple", "mented"]];
const MACHINE_FOLDERS: [[&str; 2]; 7] = [
    ["ho", "me"],
    ["ro", "ot"],
    ["t", "mp"],
    ["wo", "rk"],
    ["Us", "ers"],
    ["m", "nt"],
    ["op", "t"],
];
const REGISTRIES: [[&str; 2]; 8] = [
    ["crates", "io"],
    ["static.rust-lang", "org"],
    ["deb.debian", "org"],
    ["security.debian", "org"],
    ["pypi", "org"],
    ["pythonhosted", "org"],
    ["npmjs", "org"],
    ["proxy.golang", "org"],
];

/// A text file of the tree.
struct File {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

/// What the rules look at.
pub struct Tree {
    files: Vec<File>,
    folders: Vec<String>,
    crates: Vec<String>,
}

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    path: String,
    /// From 1; 0 for a file or folder as a whole.
    line: usize,
    rule: &'static str,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.what)
    }
}

impl Tree {
    /// Reads all text files; the build folder, `.git` and Cargo.lock are left out.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn read(ws: &Workspace) -> Result<Self> {
        let crates = ws.crates.clone();
        let mut tree = Self { files: Vec::new(), folders: Vec::new(), crates };
        tree.walk(ws, &ws.root)?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn walk(&mut self, ws: &Workspace, dir: &Path) -> Result<()> {
        let place = || format!("cannot read {}", dir.display());
        for entry in std::fs::read_dir(dir).with_context(place)? {
            let path = entry.with_context(place)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let relative = path.strip_prefix(&ws.root).unwrap_or(&path);
            let relative = relative.to_string_lossy().replace('\\', "/");
            if path.is_dir() {
                if name == ".git" || name == "target" || path == ws.target {
                    continue;
                }
                if dir == ws.root && !name.starts_with('.') {
                    self.folders.push(name);
                }
                self.walk(ws, &path)?;
            } else if name != "Cargo.lock"
                && let Ok(text) = String::from_utf8(std::fs::read(&path).with_context(place)?)
            {
                self.files.push(File { path: relative, text });
            }
        }
        Ok(())
    }

    /// How many files were read.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Every place that breaks a rule.
    pub fn findings(&self) -> Vec<Finding> {
        let mut all = Vec::new();
        for file in &self.files {
            paths(file, &mut all);
            hosts(file, &mut all);
            if file.path.ends_with(".rs") {
                unfinished(file, &mut all);
                size(file, &mut all);
                unsafe_keyword(file, &mut all);
            }
        }
        self.roots(&mut all);
        self.lints(&mut all);
        folders(&self.folders, &mut all);
        all
    }

    fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    fn roots(&self, all: &mut Vec<Finding>) {
        for folder in self.crates.iter().map(|folder| format!("{folder}/")) {
            if FENCE.contains(&folder.as_str()) {
                continue;
            }
            let in_part = FENCE.iter().any(|fence| fence.starts_with(&folder));
            let level = if in_part { "deny" } else { "forbid" };
            for root in ["src/lib.rs", "src/main.rs"].map(|name| format!("{folder}{name}")) {
                let has = |text: &str, level| text.contains(&format!("#![{level}(unsafe_code)]"));
                if self.text(&root).is_some_and(|t| !has(t, level) && !has(t, "forbid")) {
                    add(all, &root, 0, "root", &format!("`#![{level}(unsafe_code)]` is missing"));
                }
            }
        }
    }

    fn lints(&self, all: &mut Vec<Finding>) {
        let workspace = self.text("Cargo.toml").unwrap_or_default();
        for lint in ["undocumented_unsafe_blocks", "unsafe_op_in_unsafe_fn"] {
            if !workspace.lines().any(|line| line.trim() == format!("{lint} = \"deny\"")) {
                add(all, "Cargo.toml", 0, "lints", &format!("`{lint} = \"deny\"` is missing"));
            }
        }
        for manifest in self.crates.iter().map(|folder| format!("{folder}/Cargo.toml")) {
            let mut lines = self.text(&manifest).unwrap_or_default().lines().map(str::trim);
            if !lines.any(|line| line == "[lints]") || lines.next() != Some("workspace = true") {
                add(all, &manifest, 0, "lints", "`[lints]` with `workspace = true` is missing");
            }
        }
    }
}

fn add(all: &mut Vec<Finding>, path: &str, line: usize, rule: &'static str, what: &str) {
    all.push(Finding { path: path.to_owned(), line, rule, what: what.to_owned() });
}

fn unfinished(file: &File, all: &mut Vec<Finding>) {
    for (number, line) in file.text.lines().enumerate() {
        for marker in MARKERS.map(|parts| parts.concat()) {
            if has_word(line, &marker) {
                add(all, &file.path, number + 1, "unfinished", &format!("the marker {marker}"));
            }
        }
    }
    for (number, line) in code_only(&file.text).lines().enumerate() {
        for name in MACROS.map(|parts| parts.concat()) {
            if has_word(line, &name) && line.contains(&format!("{name}!")) {
                add(all, &file.path, number + 1, "unfinished", &format!("the macro {name}!"));
            }
        }
    }
}

fn size(file: &File, all: &mut Vec<Finding>) {
    let lines = file.text.lines().count();
    if lines > MOST_LINES && !file.text.lines().take(HEAD).any(|line| line.trim() == TABLE_MARK) {
        let what = format!("{lines} lines; split it (or mark a table with `{TABLE_MARK}`)");
        add(all, &file.path, 0, "size", &what);
    }
}

fn unsafe_keyword(file: &File, all: &mut Vec<Finding>) {
    if FENCE.iter().any(|fence| file.path.starts_with(fence)) {
        return;
    }
    for (number, line) in code_only(&file.text).lines().enumerate() {
        if has_word(line, "unsafe") {
            let what = format!("unsafe code is allowed in {} only", FENCE.join(", "));
            add(all, &file.path, number + 1, "unsafe", &what);
        }
    }
}

fn folders(found: &[String], all: &mut Vec<Finding>) {
    for name in found.iter().filter(|name| !FOLDERS.contains(&name.as_str())) {
        add(all, name, 0, "folders", "a top-level folder that ARCHITECTURE.md does not name");
    }
    for name in FOLDERS.iter().filter(|name| !found.iter().any(|f| f == *name)) {
        add(all, name, 0, "folders", "this top-level folder is missing");
    }
}

fn paths(file: &File, all: &mut Vec<Finding>) {
    for (number, line) in file.text.lines().enumerate() {
        for folder in MACHINE_FOLDERS.map(|parts| format!("/{}/", parts.concat())) {
            let starts = |at: usize| {
                let before = line[..at].chars().next_back();
                before.is_none_or(|c| !c.is_alphanumeric() && !"_.-/~}*)>:$".contains(c))
            };
            if line.match_indices(&folder).any(|(at, _)| starts(at)) {
                add(all, &file.path, number + 1, "paths", &format!("a path below {folder}"));
            }
        }
    }
}

fn hosts(file: &File, all: &mut Vec<Finding>) {
    for (number, line) in file.text.lines().enumerate() {
        for host in REGISTRIES.map(|parts| parts.join(".")) {
            if line.to_lowercase().contains(&host) {
                add(all, &file.path, number + 1, "hosts", &format!("the host {host}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD_MANIFEST: &str = "[package]\n\n[lints]\nworkspace = true\n";
    const GOOD_ROOT: &str = "//! A crate.\n#![forbid(unsafe_code)]\n";

    /// A tree that keeps the rules, with one file more.
    fn tree(path: &str, text: &str) -> Tree {
        let workspace = "[workspace.lints.rust]\nunsafe_op_in_unsafe_fn = \"deny\"\n\
                         [workspace.lints.clippy]\nundocumented_unsafe_blocks = \"deny\"\n";
        let mut files = vec![(path, text)];
        for good in [
            ("Cargo.toml", workspace),
            ("host/a/Cargo.toml", GOOD_MANIFEST),
            ("host/a/src/lib.rs", GOOD_ROOT),
        ] {
            if good.0 != path {
                files.push(good);
            }
        }
        let file = |(path, text): (&str, &str)| File { path: path.into(), text: text.into() };
        Tree {
            files: files.into_iter().map(file).collect(),
            folders: FOLDERS.map(str::to_owned).into(),
            crates: vec!["host/a".into()],
        }
    }

    /// The rules that one more file breaks, with lines.
    fn broken(path: &str, text: &str) -> Vec<(&'static str, usize)> {
        tree(path, text).findings().iter().map(|f| (f.rule, f.line)).collect()
    }

    #[test]
    fn a_good_tree_breaks_no_rule() {
        assert_eq!(broken("host/a/src/b.rs", "fn f() {}\n"), []);
    }

    #[test]
    fn unfinished_work_is_caught() {
        for parts in MARKERS {
            let text = format!("fn f() {{}}\n// {}: more\n", parts.concat());
            assert_eq!(broken("host/a/src/b.rs", &text), [("unfinished", 2)], "{parts:?}");
        }
        for parts in MACROS {
            let text = format!("fn f() {{ {}!() }}", parts.concat());
            assert_eq!(broken("host/a/src/b.rs", &text), [("unfinished", 1)], "{parts:?}");
            let text = format!("// {}!() is a macro\n", parts.concat());
            assert_eq!(broken("host/a/src/b.rs", &text), [], "{parts:?}");
        }
        assert_eq!(broken("host/a/src/b.rs", &format!("let {}S = 1;", MARKERS[0].concat())), []);
    }

    #[test]
    fn a_long_file_is_caught_unless_it_is_a_table() {
        assert_eq!(broken("host/a/src/b.rs", &"//\n".repeat(801)), [("size", 0)]);
        assert_eq!(broken("host/a/src/b.rs", &"//\n".repeat(800)), []);
        let table = format!("//! Rows.\n{TABLE_MARK}\n{}", "//\n".repeat(900));
        assert_eq!(broken("host/a/src/b.rs", &table), []);
        let late = format!("{}{TABLE_MARK}\n", "//\n".repeat(900));
        assert_eq!(broken("host/a/src/b.rs", &late), [("size", 0)]);
    }

    #[test]
    fn a_root_that_does_not_forbid_unsafe_is_caught() {
        assert_eq!(broken("host/a/src/lib.rs", "//! A crate.\n"), [("root", 0)]);
        assert_eq!(broken("host/a/src/main.rs", "fn main() {}\n"), [("root", 0)]);
        assert_eq!(broken("host/a/src/main.rs", "#![deny(unsafe_code)]\n"), [("root", 0)]);

        let mut partly = tree("host/vm/src/lib.rs", "//! A crate.\n");
        let found = |tree: &Tree| -> Vec<_> {
            tree.findings().iter().filter(|f| f.rule == "root").map(|f| f.path.clone()).collect()
        };
        partly.crates = vec!["host/vm".into(), "host/hv".into()];
        assert_eq!(found(&partly), ["host/vm/src/lib.rs"]);
        partly.files[0].text = "#![deny(unsafe_code)]\n".into();
        assert_eq!(found(&partly), [""; 0]);
        partly.files[0].path = "host/hv/src/lib.rs".into();
        partly.files[0].text = String::new();
        assert_eq!(found(&partly), [""; 0]);
    }

    #[test]
    fn unsafe_outside_the_fence_is_caught() {
        let text =
            "\n// unsafe in a comment\nconst S: &str = \"unsafe\";\nfn f() { unsafe { g() } }\n";
        assert_eq!(broken("host/a/tests/t.rs", text), [("unsafe", 4)]);
        assert_eq!(broken("host/vm/src/map.rs", text), [("unsafe", 4)]);
        assert_eq!(broken("host/vm/src/memory.rs", text), []);
        assert_eq!(broken("host/vm/src/memory/page.rs", text), []);
        assert_eq!(broken("host/hv/src/lib.rs", text), []);
        assert_eq!(broken("guest/kernel/src/boot.rs", text), []);
        assert_eq!(broken("host/a/src/b.rs", "#[allow(unsafe_code)]\n"), []);
    }

    #[test]
    fn a_folder_too_many_or_too_few_is_caught() {
        let mut tree = tree("README.md", "");
        tree.folders.push("scripts".into());
        tree.folders.retain(|name| name != "guest");
        let found: Vec<_> = tree.findings().into_iter().map(|f| (f.rule, f.path)).collect();
        assert_eq!(found, [("folders", "scripts".into()), ("folders", "guest".into())]);
    }

    #[test]
    fn paths_of_a_machine_are_caught() {
        for parts in MACHINE_FOLDERS {
            let text = format!("\nsee \"/{}/somebody/x\"\n", parts.concat());
            assert_eq!(broken("README.md", &text), [("paths", 2)], "{parts:?}");
            let text = format!("target/{0}/x https://example.net/{0}/x\n", parts.concat());
            assert_eq!(broken("README.md", &text), [], "{parts:?}");
        }
    }

    #[test]
    fn registries_are_caught() {
        for parts in REGISTRIES {
            let text = format!("mirror of https://{}/x\n", parts.join("."));
            assert_eq!(broken("docs.md", &text), [("hosts", 1)], "{parts:?}");
        }
    }

    #[test]
    fn a_crate_that_does_not_inherit_the_lints_is_caught() {
        assert_eq!(broken("host/a/Cargo.toml", "[package]\n"), [("lints", 0)]);
        assert_eq!(broken("host/a/Cargo.toml", "[lints]\n[lints.rust]\n"), [("lints", 0)]);
        let both = [("lints", 0), ("lints", 0)];
        assert_eq!(broken("Cargo.toml", "undocumented_unsafe_blocks = \"warn\"\n"), both);
    }

    #[test]
    fn a_finding_can_be_clicked() {
        let finding =
            Finding { path: "a/b.rs".into(), line: 3, rule: "size", what: "too long".into() };
        assert_eq!(finding.to_string(), "a/b.rs:3: size: too long");
    }
}
