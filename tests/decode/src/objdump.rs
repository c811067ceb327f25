//! The outside disassembler: GNU binutils' objdump for AArch64.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use thiserror::Error;

/// The program that is looked for on PATH.
const PROGRAM: &str = "aarch64-linux-gnu-objdump";
/// Where the words are said to stand: high enough for branches and literals to go both ways.
pub const ADDRESS: u64 = 0x1_0000_0000;

/// It does not answer.
#[derive(Debug, Error)]
pub enum ObjdumpError {
    /// The words cannot be handed over.
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, io::Error),
    /// It cannot be started.
    #[error("cannot start {0}: {1}; is ANYVISOR_OBJDUMP an objdump for aarch64?")]
    Start(PathBuf, io::Error),
    /// It failed.
    #[error("objdump ended with {0}; it said: {1}")]
    Failed(std::process::ExitStatus, String),
    /// It printed something else than one line a word.
    #[error("objdump printed {0} instructions for {1} words")]
    Lines(usize, usize),
}

/// Finds it, or says why there is none.
///
/// # Errors
/// The reason.
pub fn find() -> Result<PathBuf, String> {
    if let Some(path) = env::var_os("ANYVISOR_OBJDUMP") {
        return Ok(path.into());
    }
    if let Ok(reason) = env::var("ANYVISOR_OBJDUMP_MISSING") {
        return Err(reason);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join(PROGRAM))
        .find(|program| program.is_file())
        .ok_or_else(|| format!("{PROGRAM} is not on PATH and ANYVISOR_OBJDUMP is not set"))
}

/// The text of each word; `None` if the disassembler knows none. The first stands at [`ADDRESS`].
///
/// # Errors
/// It does not answer.
pub fn texts(
    objdump: &Path,
    file: &Path,
    words: &[u32],
) -> Result<Vec<Option<String>>, ObjdumpError> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    std::fs::write(file, bytes).map_err(|error| ObjdumpError::Write(file.to_owned(), error))?;
    let output = Command::new(objdump)
        .args(["-D", "-z", "-b", "binary", "-m", "aarch64", "-M", "no-aliases"])
        .arg(format!("--adjust-vma={ADDRESS:#x}"))
        .arg(file)
        .output();
    let _ = std::fs::remove_file(file);
    let output = output.map_err(|error| ObjdumpError::Start(objdump.to_owned(), error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(ObjdumpError::Failed(output.status, said));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    let texts: Vec<_> = printed.lines().filter_map(line).collect();
    if texts.len() != words.len() {
        return Err(ObjdumpError::Lines(texts.len(), words.len()));
    }
    Ok(texts)
}

/// `ADDRESS:<tab>WORD<tab>TEXT`: the text, without remarks. Nothing if it is another line.
fn line(line: &str) -> Option<Option<String>> {
    let mut columns = line.splitn(3, '\t');
    let address = columns.next()?.trim().strip_suffix(':')?;
    u64::from_str_radix(address, 16).ok()?;
    let (_, text) = (columns.next()?, columns.next()?);
    // What it knows no name for it prints by its numbers: `msr s0_3_c4_c0_2, x1`.
    let nameless = text.starts_with("msr\ts0_") || text.starts_with("msr\ts1_");
    if text.starts_with(".inst") || text.starts_with("udf") || nameless {
        return Some(None);
    }
    let end = ["//", "; "].iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
    Some(Some(text[..end].trim_end().to_owned()))
}
