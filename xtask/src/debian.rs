//! Debian's packages without root: fetched by apt, unpacked under `target/tools`, installed
//! nowhere.
//!
//! apt runs with a configuration of our own that includes the system's (proxies, sources, keys
//! stay in force), drops the hooks, and points what apt *writes* into `target/tools/apt`:
//!
//! ```text
//! system's lists fresh enough?  --yes-->  apt-cache show  -->  which packages, which sizes
//!          | no                                  ^                     |
//!          v                                     |                     v
//! apt-get update into target/tools/apt/lists ----+      apt-get download (apt checks hashes)
//!                                                                      |
//!                       rename to target/tools/NAME  <--  dpkg-deb -x into NAME.partial
//! ```
//!
//! The rename is the last step: an interrupted download or unpacking is never taken for a
//! finished one. apt itself resumes or discards half a package.

mod closure;
mod unpack;

pub use closure::{Stanza, closure, parse_stanzas};
pub use unpack::{Unpack, finished};

use crate::command::{Cmd, Seen, capture, watch_with};
use crate::progress::Step;
use crate::workspace::on_path;
use anyhow::{Context, Result, anyhow, bail};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The programs that this module calls.
const PROGRAMS: [&str; 5] = ["apt-get", "apt-cache", "dpkg-query", "dpkg-deb", "tar"];
/// The system's package lists and its record of what is installed.
const SYSTEM_LISTS: &str = "/var/lib/apt/lists";
const SYSTEM_STATUS: &str = "/var/lib/dpkg/status";
/// Lists or packages that did not arrive in this time will not.
const UPDATE_LIMIT: Duration = Duration::from_secs(180);
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(900);

/// apt, writing under a folder of ours.
pub struct Apt {
    dir: PathBuf,
    own_lists: bool,
    /// Take nothing for installed.
    bare: bool,
}

/// A package that is going to be fetched.
#[derive(Debug, PartialEq, Eq)]
pub struct Download {
    /// apt's name for the file.
    pub file: String,
    /// Its size in bytes.
    pub size: u64,
}

/// Which of the programs that it takes is not here.
pub fn missing_program() -> Option<&'static str> {
    PROGRAMS.into_iter().find(|name| on_path(name).is_none())
}

impl Apt {
    /// apt with its files in `dir`, aware of what the system has installed.
    ///
    /// # Errors
    /// A program is not here, or the folder cannot be written.
    pub fn open(dir: &Path) -> Result<Self> {
        if let Some(name) = missing_program() {
            bail!("there is no `{name}` on PATH: this is no Debian or a relative of it");
        }
        let own_lists = finished(&dir.join("lists"));
        let apt = Self { dir: dir.to_owned(), own_lists, bare: false };
        for folder in ["state", "lists/partial", "archives/partial", "nothing/partial", "cache"] {
            let folder = dir.join(folder);
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        write_file(&dir.join("no-status"), "")?;
        apt.configure()?;
        Ok(apt)
    }

    /// From here on resolve as if nothing were installed, so that a set of packages is whole in
    /// itself and no installed one stands in its way.
    ///
    /// # Errors
    /// The configuration cannot be written.
    pub fn resolving_from_nothing(mut self) -> Result<Self> {
        self.bare = true;
        self.configure()?;
        Ok(self)
    }

    fn configure(&self) -> Result<()> {
        write_file(&self.dir.join("apt.conf"), &self.configuration())
    }

    fn configuration(&self) -> String {
        // APT_CONFIG is read first and names the other files: so it can include the system's
        // and still have the last word. #clear is the only way to drop a hook.
        let dir = self.dir.display();
        let includes = ["/etc/apt/apt.conf.d/", "/etc/apt/apt.conf"];
        let includes = includes.into_iter().filter(|path| Path::new(path).exists());
        let includes: String = includes.map(|p| format!("#include \"{p}\";\n")).collect();
        let lists = if self.own_lists { format!("{dir}/lists") } else { SYSTEM_LISTS.into() };
        let status = if self.bare { format!("{dir}/no-status") } else { SYSTEM_STATUS.into() };
        format!(
            "{includes}\
             Dir::Etc::main \"/dev/null\";\n\
             Dir::Etc::parts \"/dev/null\";\n\
             #clear APT::Update::Pre-Invoke;\n\
             #clear APT::Update::Post-Invoke;\n\
             #clear APT::Update::Post-Invoke-Success;\n\
             Dir::State \"{dir}/state\";\n\
             Dir::State::lists \"{lists}\";\n\
             Dir::State::status \"{status}\";\n\
             Dir::Cache \"{dir}/cache\";\n\
             Dir::Cache::archives \"{dir}/archives\";\n\
             Dir::Cache::pkgcache \"\";\n\
             Dir::Cache::srcpkgcache \"\";\n\
             Dir::Log \"{dir}/state\";\n\
             Debug::NoLocking \"1\";\n\
             APT::Sandbox::User \"root\";\n\
             Acquire::Languages \"none\";\n\
             Acquire::Retries \"2\";\n\
             Acquire::http::Timeout \"20\";\n\
             Acquire::https::Timeout \"20\";\n"
        )
    }

    fn cmd(&self, step: &str, program: &str) -> Cmd {
        Cmd::new(step, program)
            .env("APT_CONFIG", self.dir.join("apt.conf"))
            .env("LC_ALL", "C.UTF-8")
    }

    /// Fetches fresh package lists into our own folder and uses these from now on.
    ///
    /// # Errors
    /// The network does not answer. Lists that came in part are an error only if nothing of
    /// use came: whoever looks for a package will say that it is not there.
    pub fn update(&mut self, step: &Step) -> Result<()> {
        self.own_lists = true;
        self.configure()?;
        step.message("fetching fresh package lists");
        let cmd = self.cmd("package lists", "apt-get").arg("update").limit(UPDATE_LIMIT);
        let outcome = watch_with(cmd, step, judge, || {});
        let lists = self.dir.join("lists");
        let useful = std::fs::read_dir(&lists)?
            .filter_map(Result::ok)
            .any(|entry| entry.file_name().to_string_lossy().contains("_Packages"));
        match outcome {
            Err(error) if !useful => Err(anyhow!(error)
                .context("the package lists could not be fetched: is there a network?")),
            _ if !useful => Err(anyhow!(
                "`apt-get update` fetched no package lists: is there a network, and does \
                 /etc/apt/sources.list name an archive?"
            )),
            _ => unpack::mark_finished(&lists, "lists"),
        }
    }

    /// Does some work with the lists that are there, and if it fails once more with fresh ones:
    /// lists grow old, and an archive does not keep the packages that they name.
    ///
    /// # Errors
    /// That of the second try; that of the first if fresh lists cannot be had.
    pub fn with_fresh_lists_if_need_be<T>(
        &mut self,
        step: &Step,
        work: impl Fn(&Self) -> Result<T>,
    ) -> Result<T> {
        let first = match work(self) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        match self.update(step) {
            Ok(()) => work(self),
            Err(update) => Err(anyhow!("{first:#}\nnor with fresh lists: {update}")),
        }
    }

    /// All package names that start like this.
    ///
    /// # Errors
    /// apt's own.
    pub fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let text = capture(self.cmd("package names", "apt-cache").args(["pkgnames", prefix]))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// What the lists say of these packages' candidates; those that are not there are left out.
    pub fn show<S: AsRef<str>>(&self, names: &[S]) -> Vec<Stanza> {
        // apt-cache fails as a whole when one name is unknown, so ask one by one then.
        let show = |names: &[&str]| {
            let cmd = self.cmd("package", "apt-cache").args(["show", "--no-all-versions"]);
            capture(cmd.args(names)).map(|text| parse_stanzas(&text))
        };
        let names: Vec<_> = names.iter().map(AsRef::as_ref).collect();
        show(&names).unwrap_or_else(|_| {
            names.iter().filter_map(|name| show(&[name]).ok()).flatten().collect()
        })
    }

    /// The packages that are installed on this system.
    ///
    /// # Errors
    /// dpkg's own.
    pub fn installed(&self) -> Result<HashSet<String>> {
        let format = "-f=${db:Status-Abbrev} ${Package}\n";
        let text = capture(Cmd::new("installed packages", "dpkg-query").args(["-W", format]))?;
        Ok(text.lines().filter_map(|l| Some(l.strip_prefix("ii ")?.trim().to_owned())).collect())
    }

    /// Fetches exactly these packages and returns the files.
    ///
    /// # Errors
    /// apt's own: a package is gone from the archive, the network does not answer.
    pub fn download(&self, packages: &[String], step: &Step) -> Result<Vec<PathBuf>> {
        let args = ["-q", "download"].into_iter().map(str::to_owned);
        self.fetch(&args.chain(packages.iter().cloned()).collect::<Vec<_>>(), step)
    }

    /// Fetches a package and all that it depends on, as apt resolves it, and returns the files.
    ///
    /// # Errors
    /// As [`Apt::download`], and that there is no such package.
    pub fn download_closure(&self, wanted: &[&str], step: &Step) -> Result<Vec<PathBuf>> {
        let args = ["-q", "-y", "install", "--download-only", "--no-install-recommends"];
        let args = args.into_iter().chain(wanted.iter().copied()).map(str::to_owned);
        self.fetch(&args.collect::<Vec<_>>(), step)
    }

    fn fetch(&self, args: &[String], step: &Step) -> Result<Vec<PathBuf>> {
        let archives = self.dir.join("archives");
        let cmd = || self.cmd("packages", "apt-get").args(args).limit(DOWNLOAD_LIMIT);
        // apt leaves out of its plan what is there already; here the whole plan is wanted: what
        // an interrupted run left may be another version, or another plan's.
        let nothing = self.dir.join("nothing");
        let plan = cmd().args(["--print-uris", "-qq"]).dir(&nothing);
        let plan = capture(plan.arg(format!("-oDir::Cache::archives={}", nothing.display())))?;
        let plan = parse_uris(&plan);
        let total = plan.iter().map(|d| d.size).sum();
        step.bytes(total);
        let tick = || {
            let whole: u64 = plan.iter().map(|d| size(&archives.join(&d.file))).sum();
            step.position(whole + size_of_files(&archives.join("partial")));
        };
        watch_with(cmd().dir(&archives), step, judge, tick)?;
        let file = |d: &Download| {
            let file = archives.join(&d.file);
            match size(&file) {
                n if n == d.size => Ok(file),
                n => bail!("{} has {n} bytes instead of {}", file.display(), d.size),
            }
        };
        plan.iter().map(file).collect()
    }

    /// Deletes the package files, which have been unpacked.
    pub fn forget_downloads(&self) {
        // If it fails the files only take room; the next fetch reuses them.
        let _ = std::fs::remove_dir_all(self.dir.join("archives"));
    }
}

/// Of all that apt says only its errors tell more than our own bar.
fn judge(line: &str) -> Seen {
    if line.starts_with("E:") { Seen::Keep } else { Seen::Drop }
}

/// Lines of `apt-get --print-uris`: `'URI' FILE SIZE HASH`.
fn parse_uris(text: &str) -> Vec<Download> {
    let line = |line: &str| {
        let mut words = line.strip_prefix('\'')?.split_once("' ")?.1.split(' ');
        let (file, size) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        Some(Download { file, size })
    };
    text.lines().filter_map(line).collect()
}

/// The servers, with ports, that apt's sources name.
pub fn source_hosts() -> Vec<(String, u16)> {
    let text = capture(Cmd::new("sources", "apt-get").args(["indextargets", "--format=$(SITE)"]));
    let mut hosts: Vec<_> = text.unwrap_or_default().lines().filter_map(host_and_port).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// `http://host[:port]/...`; other schemes (file, cdrom) have no server.
fn host_and_port(uri: &str) -> Option<(String, u16)> {
    let (scheme, rest) = uri.split_once("://")?;
    let port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let place = rest.split('/').next().filter(|place| !place.is_empty())?;
    match place.rsplit_once(':') {
        Some((host, given)) => Some((host.to_owned(), given.parse().ok()?)),
        None => Some((place.to_owned(), port)),
    }
}

/// A file's size in bytes, 0 if it is not there.
fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |data| data.len())
}

fn size_of_files(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries.filter_map(|entry| Some(size(&entry.ok()?.path()))).sum()
}

/// Writes a file, only if it would change.
///
/// # Errors
/// The system's, with the path.
pub fn write_file(path: &Path, text: &str) -> Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris() {
        let text = "'http://host/pool/libllvm22_1%3a22.deb' libllvm22_1%3a22_amd64.deb 29378692 SHA256:72\n\
                    Some notice\n'half' line\n";
        let file = "libllvm22_1%3a22_amd64.deb".to_owned();
        assert_eq!(parse_uris(text), [Download { file, size: 29_378_692 }]);
    }

    #[test]
    fn sources() {
        assert_eq!(host_and_port("http://mirror.test/debian"), Some(("mirror.test".into(), 80)));
        assert_eq!(host_and_port("https://mirror.test:8443/d"), Some(("mirror.test".into(), 8443)));
        assert_eq!(host_and_port("file:///media/disk"), None);
        assert_eq!(host_and_port(""), None);
    }

    #[test]
    fn the_configuration_keeps_writes_in_our_folder() {
        let mut apt = Apt { dir: "/d".into(), own_lists: false, bare: false };
        let text = apt.configuration();
        assert!(text.contains("Dir::State::lists \"/var/lib/apt/lists\";"), "{text}");
        assert!(text.contains("Dir::Cache::archives \"/d/archives\";"), "{text}");
        apt.own_lists = true;
        apt.bare = true;
        let text = apt.configuration();
        assert!(text.contains("Dir::State::lists \"/d/lists\";"), "{text}");
        assert!(text.contains("Dir::State::status \"/d/no-status\";"), "{text}");
    }
}
