//! Which packages a wanted one takes: its dependencies, less what the system has.

use crate::workspace::Version;
use anyhow::{Result, bail};
use std::collections::{BTreeSet, HashSet};

/// What `apt-cache show` says of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stanza {
    /// Its name.
    pub package: String,
    /// Its full version, with epoch and revision.
    pub version: String,
    /// What it depends on: all of these, of each any one.
    pub depends: Vec<Vec<String>>,
}

impl Stanza {
    /// The version of what is packaged.
    pub fn upstream(&self) -> Version {
        Version::parse(&self.version).unwrap_or_default()
    }
}

/// Packages that only serve to link programs for the host: a machine that runs cargo links with
/// what it has, and the guest is linked by lld.
const NOT_NEEDED: [&str; 6] = ["gcc", "libc-dev", "libc6-dev", "binutils", "libc6", "libgcc-s1"];

/// Parses the stanzas that `apt-cache show` prints.
pub fn parse_stanzas(text: &str) -> Vec<Stanza> {
    let stanza = |block: &str| {
        let field =
            |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let groups = ["Pre-Depends", "Depends"].iter().filter_map(|name| field(name));
        Some(Stanza {
            package: field("Package")?.to_owned(),
            version: field("Version")?.to_owned(),
            depends: groups.flat_map(|value| value.split(',')).map(alternatives).collect(),
        })
    };
    text.split("\n\n").filter_map(stanza).collect()
}

/// `libc6 (>= 2.36) | libfoo:any` is [libc6, libfoo].
fn alternatives(group: &str) -> Vec<String> {
    let end_of_name = |c: char| c.is_whitespace() || c == '(' || c == ':' || c == '[';
    let name = |one: &str| one.trim().split(end_of_name).next().unwrap_or_default().to_owned();
    group.split('|').map(name).collect()
}

/// The packages to fetch for `roots`: these and, over and over, each dependency that is not
/// installed. `always` names packages that are needed even if they are installed, because the
/// unpacked ones look for them beside themselves.
///
/// # Errors
/// A package that `show` does not know.
pub fn closure(
    roots: &[String],
    installed: &HashSet<String>,
    always: impl Fn(&str) -> bool,
    show: impl Fn(&[String]) -> Vec<Stanza>,
) -> Result<Vec<Stanza>> {
    let mut found: Vec<Stanza> = Vec::new();
    let mut seen: BTreeSet<String> = roots.iter().cloned().collect();
    let mut wanted: Vec<String> = roots.to_vec();
    while !wanted.is_empty() {
        let stanzas = show(&wanted);
        if let Some(name) = wanted.iter().find(|name| !stanzas.iter().any(|s| s.package == **name))
        {
            bail!("the package `{name}` is not in the package lists");
        }
        wanted.clear();
        for group in stanzas.iter().flat_map(|s| &s.depends) {
            let has = |name: &String| installed.contains(name) && !always(name);
            let skip = |name: &String| NOT_NEEDED.contains(&name.as_str());
            if group.iter().any(|name| has(name) || skip(name) || seen.contains(name)) {
                continue;
            }
            let name = &group[0];
            seen.insert(name.clone());
            wanted.push(name.clone());
        }
        found.extend(stanzas);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOW: &str = "\
Package: rustc-web
Version: 1.96.0+dfsg1-1~deb12u2
Depends: libc6 (>= 2.34), libstd-rust-web-dev (= 1.96.0+dfsg1-1~deb12u2), gcc, libc-dev

Package: libstd-rust-web-dev
Version: 1.96.0+dfsg1-1~deb12u2
Depends: libllvm22

Package: libllvm22
Version: 1:22.1.8-1~deb12u1
Depends: libz3-4 (>= 4.8.12) | libz3, zlib1g:any (>= 1:1.2.0), absent | zlib1g

Package: libz3-4
Version: 4.8.12-3
";

    fn show(names: &[String]) -> Vec<Stanza> {
        parse_stanzas(SHOW).into_iter().filter(|s| names.contains(&s.package)).collect()
    }

    fn names(installed: &[&str], always: &str) -> Vec<String> {
        let installed = installed.iter().map(|&s| s.to_owned()).collect();
        let found = closure(&["rustc-web".into()], &installed, |n| n == always, show).unwrap();
        found.into_iter().map(|s| s.package).collect()
    }

    #[test]
    fn stanzas() {
        let all = parse_stanzas(SHOW);
        assert_eq!(all.len(), 4);
        assert_eq!(all[0].upstream(), Version([1, 96, 0]));
        assert_eq!(all[2].upstream(), Version([22, 1, 8]));
        assert_eq!(all[2].depends[0], ["libz3-4", "libz3"]);
        assert_eq!(all[2].depends[1], ["zlib1g"]);
        assert!(all[3].depends.is_empty());
    }

    #[test]
    fn what_is_installed_is_not_fetched() {
        let all = ["rustc-web", "libstd-rust-web-dev", "libllvm22", "libz3-4"];
        assert_eq!(names(&["zlib1g"], ""), all);
        assert_eq!(names(&["zlib1g", "libz3"], ""), all[..3]);
        assert_eq!(names(&["zlib1g", "libstd-rust-web-dev"], ""), all[..1]);
        assert_eq!(names(&["zlib1g", "libstd-rust-web-dev"], "libstd-rust-web-dev"), all);
    }

    #[test]
    fn an_unknown_package_is_named() {
        let error = closure(&["nope".into()], &HashSet::new(), |_| false, show).unwrap_err();
        assert!(error.to_string().contains("`nope`"), "{error}");
        let error = closure(&["libllvm22".into()], &HashSet::new(), |_| false, show).unwrap_err();
        assert!(error.to_string().contains("`zlib1g`"), "{error}");
    }
}
