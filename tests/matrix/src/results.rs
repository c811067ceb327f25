//! The file that a run leaves: records as lines of JSON, each written as soon as it stands.

use crate::record::Record;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// The name of the file in the folder of a run.
pub const FILE: &str = "results.jsonl";

/// A file of records.
#[derive(Debug)]
pub struct Results {
    path: PathBuf,
    file: BufWriter<File>,
}

/// It cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", .path.display())]
pub struct WriteError {
    /// What.
    pub path: PathBuf,
    /// The system's reason.
    pub error: std::io::Error,
}

impl Results {
    /// A new file in the folder `out`, which is made if it is not there. An older one is replaced.
    ///
    /// # Errors
    /// The system does not let us.
    pub fn create(out: &Path) -> Result<Self, WriteError> {
        let wrong = |path: &Path, error| WriteError { path: path.into(), error };
        std::fs::create_dir_all(out).map_err(|error| wrong(out, error))?;
        let path = out.join(FILE);
        let file = File::create(&path).map_err(|error| wrong(&path, error))?;
        Ok(Self { path, file: BufWriter::new(file) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a record, to the disk's cache at least.
    ///
    /// # Errors
    /// The disk is full, say.
    pub fn write(&mut self, record: &Record) -> Result<(), WriteError> {
        let written = serde_json::to_writer(&mut self.file, record)
            .map_err(std::io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"))
            .and_then(|()| self.file.flush());
        written.map_err(|error| WriteError { path: self.path.clone(), error })
    }
}
