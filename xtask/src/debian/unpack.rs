//! Unpacking, so that a folder is either whole or not there.

use crate::command::{Cmd, CommandError, capture};
use crate::progress::Step;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The file that is written last; it holds what the folder was made of.
const STAMP: &str = ".finished";

/// Whether a folder was finished.
pub fn finished(dir: &Path) -> bool {
    dir.join(STAMP).is_file()
}

/// Marks a folder as finished and notes what is in it.
///
/// # Errors
/// The system's, with the path.
pub fn mark_finished(dir: &Path, contents: &str) -> Result<()> {
    super::write_file(&dir.join(STAMP), contents)
}

/// A folder in the making, beside the one that it will be.
pub struct Unpack {
    partial: PathBuf,
    destination: PathBuf,
}

impl Unpack {
    /// Starts anew; what an interrupted try left is deleted.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn start(destination: &Path) -> Result<Self> {
        let partial = destination.with_extension("partial");
        if partial.exists() {
            std::fs::remove_dir_all(&partial)
                .with_context(|| format!("cannot delete {}", partial.display()))?;
        }
        std::fs::create_dir_all(&partial)
            .with_context(|| format!("cannot make {}", partial.display()))?;
        Ok(Self { partial, destination: destination.to_owned() })
    }

    /// The folder as long as it is not finished.
    pub fn dir(&self) -> &Path {
        &self.partial
    }

    /// Unpacks package files into it. Of a package of compiler sources only the standard
    /// library's are taken: a sixth of it, and all that cargo's build-std reads.
    ///
    /// # Errors
    /// `dpkg-deb`'s or `tar`'s own: a damaged file, a full disk.
    pub fn packages(&self, files: &[PathBuf], step: &Step) -> Result<()> {
        step.count(files.len() as u64);
        for (i, file) in files.iter().enumerate() {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let name = name.split('_').next().unwrap_or_default();
            step.message(&format!("unpacking {name}"));
            if name.starts_with("rust") && name.ends_with("-src") {
                self.library_sources(file)?;
            } else {
                capture(Cmd::new("unpacking", "dpkg-deb").arg("-x").arg(file).arg(&self.partial))?;
            }
            step.position(i as u64 + 1);
        }
        Ok(())
    }

    fn library_sources(&self, file: &Path) -> Result<()> {
        let mut unpacker = Command::new("dpkg-deb")
            .arg("--fsys-tarfile")
            .arg(file)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| CommandError::Start {
                step: "unpacking".into(),
                line: format!("dpkg-deb --fsys-tarfile {}", file.display()),
                source,
            })?;
        let Some(pipe) = unpacker.stdout.take() else { bail!("dpkg-deb has no output") };
        let status = Command::new("tar")
            .args(["-x", "--wildcards", "-C"])
            .arg(&self.partial)
            .args(["./usr/src/*/library", "./usr/lib/rustlib/*"])
            .stdin(pipe)
            .status();
        let (tar, dpkg) = (status.context("unpacking: cannot start `tar`")?, unpacker.wait()?);
        if !tar.success() || !dpkg.success() {
            bail!("unpacking {}: dpkg-deb: {dpkg}, tar: {tar}", file.display());
        }
        Ok(())
    }

    /// Marks the folder as finished and puts it in its place; an older one there is replaced.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn finish(self, contents: &str) -> Result<()> {
        mark_finished(&self.partial, contents)?;
        if self.destination.exists() {
            std::fs::remove_dir_all(&self.destination)
                .with_context(|| format!("cannot delete {}", self.destination.display()))?;
        }
        std::fs::rename(&self.partial, &self.destination)
            .with_context(|| format!("cannot rename to {}", self.destination.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_unpacking_is_not_a_finished_one() {
        let base = std::env::temp_dir().join(format!("xtask-unpack-{}", std::process::id()));
        let place = base.join("tool");

        let interrupted = Unpack::start(&place).unwrap();
        std::fs::write(interrupted.dir().join("half"), "x").unwrap();
        assert!(!place.exists() && !finished(&place));

        let unpack = Unpack::start(&place).unwrap();
        assert!(!unpack.dir().join("half").exists(), "the leftover is gone");
        std::fs::write(unpack.dir().join("whole"), "x").unwrap();
        unpack.finish("tool 1.0").unwrap();
        assert!(finished(&place) && place.join("whole").exists());

        let again = Unpack::start(&place).unwrap();
        again.finish("tool 2.0").unwrap();
        assert!(!place.join("whole").exists(), "the older one is replaced");
        std::fs::remove_dir_all(&base).unwrap();
    }
}
