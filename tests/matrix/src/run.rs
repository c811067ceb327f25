//! `anyvisor-matrix run`: the cases on every hypervisor that is here.

use anyvisor_monitor::image::{ImageError, cases};
use std::path::PathBuf;
use std::process::ExitCode;

/// What `run` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kernel's ELF file
    pub kernel: PathBuf,
}

/// What is wrong before the first case.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The file cannot be read.
    #[error("{}: {error}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The file is no test kernel.
    #[error("{}: {error}", .path.display())]
    Kernel {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: ImageError,
    },
    /// There is none.
    #[error("there is no hypervisor here")]
    NoHypervisor,
}

/// Runs the cases.
///
/// # Errors
/// A kernel that does not fit, or nothing to run it on.
pub fn main(args: &Args) -> Result<ExitCode, RunError> {
    let path = args.kernel.clone();
    let file = match std::fs::read(&path) {
        Ok(file) => file,
        Err(error) => return Err(RunError::Read { path, error }),
    };
    cases(&file).map_err(|error| RunError::Kernel { path, error })?;
    Err(RunError::NoHypervisor)
}
