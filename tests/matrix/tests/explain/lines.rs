//! Source lines against binutils' addr2line: the same function calls, the same files and lines, for
//! addresses all over the kernel's code.

use crate::{Result, missing, workspace};
use anyvisor_matrix::explain::Sources;
use libtest_mimic::Trial;
use std::path::Path;
use std::process::Command;

/// How far apart the addresses are: a prime number of instructions, so that all kinds come.
const STEP: u64 = 4 * 211;
/// How many must have been compared, or the test has tested nothing.
const FEWEST: usize = 100;

pub fn trials(kernel: &Path) -> Vec<Trial> {
    let name = "lines_are_those_of_addr2line";
    let Some(program) = std::env::var_os("ANYVISOR_ADDR2LINE") else {
        let reason = std::env::var("ANYVISOR_ADDR2LINE_MISSING");
        return missing(name, reason.unwrap_or("ANYVISOR_ADDR2LINE is not set".into()));
    };
    let kernel = kernel.to_path_buf();
    vec![Trial::test(name, move || agree(&kernel, Path::new(&program)))]
}

fn agree(kernel: &Path, program: &Path) -> Result {
    let file = std::fs::read(kernel)?;
    let sources = Sources::read(&file, &workspace())?;
    let addresses: Vec<u64> = (0..sources.code_end()).step_by(STEP as usize).collect();
    let theirs = ask(program, kernel, &addresses)?;
    let mut compared = 0;
    for (address, theirs) in addresses.iter().zip(&theirs) {
        let ours = sources.places(*address);
        // Assembly, of which it knows nothing; and line 0: made by the compiler.
        if theirs.iter().any(|(file, _)| file == "??") || theirs.iter().any(|(_, line)| *line == 0)
        {
            continue;
        }
        let ours: Vec<(String, u32)> =
            ours.iter().map(|place| (last(&place.file).to_string(), place.line)).collect();
        if ours != *theirs {
            return Err(format!("{address:#x}: ours {ours:?}, addr2line's {theirs:?}").into());
        }
        compared += 1;
    }
    if compared < FEWEST {
        return Err(format!("only {compared} addresses had lines").into());
    }
    Ok(())
}

/// The last part of a path: what stands before it is the builder's.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `(file, line)` of each inlined function at each address, the innermost first.
fn ask(program: &Path, kernel: &Path, addresses: &[u64]) -> Result<Vec<Vec<(String, u32)>>> {
    let mut command = Command::new(program);
    command.args(["-i", "-a", "-e"]).arg(kernel);
    command.args(addresses.iter().map(|address| format!("{address:#x}")));
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let mut all: Vec<Vec<(String, u32)>> = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if line.starts_with("0x") {
            all.push(Vec::new());
            continue;
        }
        // `/folder/file.rs:12 (discriminator 3)`, `??:?`
        let place = line.split(" (").next().unwrap_or(line);
        let (file, number) = place.rsplit_once(':').ok_or_else(|| format!("a line {line:?}"))?;
        let number = number.parse().unwrap_or(0);
        let address = all.last_mut().ok_or("a place before the first address")?;
        address.push((last(file).to_string(), number));
    }
    if all.len() == addresses.len() { Ok(all) } else { Err("an address without an answer".into()) }
}
