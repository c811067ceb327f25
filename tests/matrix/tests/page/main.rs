//! The page in a browser: what it shows is what the records say, its filters and its panel follow
//! the address, it asks nothing of a network, and it can be read in the dark, on a phone, without
//! a script and without a mouse.
//!
//! `ANYVISOR_CHROMIUM` names a Chromium; without it the tests skip, by name.

#![forbid(unsafe_code)]

mod browser;
mod content;
#[path = "../made/mod.rs"]
mod made;
mod reach;
mod state;

use anyvisor_matrix::record::Record;
use anyvisor_matrix::report::{html, merge::merge, read};
use browser::Browser;
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// What each test gets: a browser, and a page of a run of all sorts.
pub struct Setting {
    browser: Browser,
    records: Vec<Record>,
    folder: PathBuf,
}

/// A test.
type Test = fn(&mut Setting) -> Result<(), String>;

/// Cases and hypervisors of the page that most tests open.
const CASES: usize = 70;
const COLUMNS: usize = 4;

fn main() {
    let arguments = Arguments::from_args();
    let tests: Vec<(&str, Test)> =
        content::TESTS.iter().chain(state::TESTS).chain(reach::TESTS).copied().collect();
    let trials = match program() {
        Ok(program) => {
            // One browser for all: whoever comes first starts it.
            let shared: Arc<Mutex<Option<Setting>>> = Arc::default();
            let trial = |(name, test): (&str, Test)| {
                let (shared, program) = (shared.clone(), program.clone());
                Trial::test(format!("page::{name}"), move || {
                    let mut setting = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    let mut taken = match setting.take() {
                        Some(setting) => setting,
                        None => Setting::new(&program)?,
                    };
                    // After a panic the next test gets a new one.
                    let outcome = test(&mut taken);
                    *setting = Some(taken);
                    outcome.map_err(Failed::from)
                })
            };
            tests.into_iter().map(trial).collect()
        }
        Err(reason) => {
            let skip = |(name, _)| {
                let trial = Trial::test(format!("page::{name} ({reason})"), || Ok(()));
                trial.with_ignored_flag(true)
            };
            tests.into_iter().map(skip).collect()
        }
    };
    libtest_mimic::run(&arguments, trials).exit();
}

fn program() -> Result<PathBuf, String> {
    let missing = || std::env::var("ANYVISOR_CHROMIUM_MISSING");
    std::env::var_os("ANYVISOR_CHROMIUM")
        .map(PathBuf::from)
        .ok_or_else(|| missing().unwrap_or("ANYVISOR_CHROMIUM is not set".into()))
}

impl Setting {
    fn new(program: &std::path::Path) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("anyvisor-page-{}", std::process::id()));
        let browser = Browser::start(program, &folder)?;
        let records = made::records(CASES, COLUMNS, "1/1", |_| true);
        let setting = Self { browser, records, folder };
        setting.write("page.html", &page(&setting.records));
        Ok(setting)
    }

    /// Writes a page and says its address.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        std::fs::write(&path, text).expect("the folder takes it");
        format!("file://{}", path.display())
    }

    /// Opens the page of [`CASES`] cases with that hash.
    fn open(&mut self, hash: &str) -> Result<(), String> {
        let address = format!("file://{}{hash}", self.folder.join("page.html").display());
        self.browser.open(&address)?;
        self.browser.settle()
    }

    /// A list of words, as an expression of the page's language gives it.
    fn words(&mut self, expression: &str) -> Result<Vec<String>, String> {
        let value = self.browser.eval(expression)?;
        let list = value.as_array().ok_or_else(|| format!("{expression} is {value}"))?;
        Ok(list.iter().map(|word| word.as_str().unwrap_or_default().to_owned()).collect())
    }

    /// The cases in the table that can be seen.
    fn shown(&mut self) -> Result<Vec<String>, String> {
        self.words(
            "[...document.querySelectorAll('#matrix tr[data-case]')]\
             .filter((tr) => tr.checkVisibility()).map((tr) => tr.dataset.case)",
        )
    }

    /// The panel's case, if one is open: all that can be seen.
    fn opened(&mut self) -> Result<Vec<String>, String> {
        self.words(
            "[...document.querySelectorAll('#panel article')]\
             .filter((a) => a.checkVisibility()).map((a) => a.dataset.case)",
        )
    }
}

/// The page of these records.
fn page(records: &[Record]) -> String {
    let found = read::read("made", made::lines(records).as_bytes()).expect("memory can be read");
    html::write(&merge(found.parts, found.problems))
}

/// Compares, and says both.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: &T, must: &T) -> Result<(), String> {
    if is == must { Ok(()) } else { Err(format!("{what}: {is:?} and not {must:?}")) }
}
