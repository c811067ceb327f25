//! What applevisor-sys declares, read from its source.

use std::path::PathBuf;
use std::process::Command;

/// A function, with C's types.
#[derive(Debug)]
pub struct Function {
    pub name: String,
    pub parameters: Vec<String>,
    pub result: String,
}

/// The declarations.
#[derive(Debug)]
pub struct Binding {
    /// Name, and names and values of its constants.
    pub enumerations: Vec<(String, Vec<(String, u64)>)>,
    /// Constants outside enumerations.
    pub constants: Vec<(String, u64)>,
    pub functions: Vec<Function>,
}

/// Where cargo has the binding's source.
fn source() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version=1", "--offline", "--manifest-path"]);
    cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let binding = packages.iter().find(|p| p["name"] == "applevisor-sys").expect("the binding");
    let manifest = PathBuf::from(binding["manifest_path"].as_str().expect("a path"));
    manifest.with_file_name("src").join("lib.rs")
}

impl Binding {
    /// Reads the source that this workspace compiles.
    pub fn read() -> Self {
        let path = source();
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        // Documentation, attributes and headings are no declarations.
        let code: Vec<&str> = lines
            .into_iter()
            .filter(|line| !line.is_empty() && !line.starts_with("//") && !line.starts_with('#'))
            .collect();
        let code = code.join("\n");
        Self {
            enumerations: blocks(&code, "pub enum ", " {", "\n}").map(enumeration).collect(),
            constants: blocks(&code, "pub const HV_", ":", ";").map(constant).collect(),
            functions: blocks(&code, "pub fn ", "(", ";").map(function).collect(),
        }
    }
}

/// Name and body of each declaration that starts with `start`.
fn blocks<'a>(
    code: &'a str,
    start: &'a str,
    middle: &'a str,
    end: &'a str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    code.split(start).skip(1).map(move |rest| {
        let (name, rest) = rest.split_once(middle).expect(middle);
        (name, rest.split_once(end).expect(end).0)
    })
}

fn enumeration((name, body): (&str, &str)) -> (String, Vec<(String, u64)>) {
    let mut next = 0;
    let constants = body.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let constants = constants.map(|entry| {
        let (name, value) = match entry.split_once('=') {
            Some((name, value)) => (name.trim(), number(value.trim())),
            None => (entry, next),
        };
        next = value + 1;
        (name.to_owned(), value)
    });
    (name.to_owned(), constants.collect())
}

fn number(text: &str) -> u64 {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// `HV_MEMORY_X: hv_memory_flags_t = 1u64 << n`; the prefix HV_ is cut off.
fn constant((name, body): (&str, &str)) -> (String, u64) {
    let (_, value) = body.split_once('=').expect(body);
    let mut terms = value.split("<<").map(|term| number(term.trim().trim_end_matches("u64")));
    let first = terms.next().expect("a value");
    (format!("HV_{name}"), terms.fold(first, |value, places| value << places))
}

fn function((name, body): (&str, &str)) -> Function {
    let (parameters, result) = body.rsplit_once(')').expect(body);
    let parameters = parameters.split(',').map(str::trim).filter(|p| !p.is_empty());
    let parameters = parameters.map(|p| c_type(p.split_once(':').expect(p).1.trim())).collect();
    let result = result.trim().strip_prefix("->").map_or("void".into(), |r| c_type(r.trim()));
    Function { name: name.to_owned(), parameters, result }
}

fn c_type(rust: &str) -> String {
    if let Some(target) = rust.strip_prefix("*mut ") {
        return format!("{} *", c_type(target));
    }
    if let Some(target) = rust.strip_prefix("*const ") {
        return format!("const {} *", c_type(target));
    }
    match rust {
        "c_void" => "void",
        "u8" => "uint8_t",
        "u32" => "uint32_t",
        "u64" => "uint64_t",
        "usize" | "libc::size_t" => "size_t",
        other => other,
    }
    .to_owned()
}
