//! A case: a name, where its expectation comes from, and what it does.

use crate::raw;
use libtest_mimic::{Failed, Trial};
use std::any::Any;
use std::thread;

/// Where an expected value comes from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// Apple's headers or documentation say so, or the Arm ARM (DDI 0487) where they refer to
    /// hardware.
    Header,
    /// A public program or the binding's own tests rely on it, on Apple hardware.
    Observed,
    /// Nobody has said: what we chose. Apple's framework may differ.
    Ours,
}

/// One test.
pub struct Case {
    name: String,
    source: Source,
    anywhere: bool,
    run: Box<dyn FnOnce() + Send>,
}

/// A case that any framework must pass.
pub fn case(name: impl Into<String>, source: Source, run: impl FnOnce() + Send + 'static) -> Case {
    Case { name: name.into(), source, anywhere: true, run: Box::new(run) }
}

impl Case {
    /// Not on a Mac: Apple's framework may crash the process on what this case passes.
    pub fn not_on_a_mac(self) -> Self {
        Self { anywhere: false, ..self }
    }

    /// The case as the test runner takes it.
    pub fn into_trial(self) -> Trial {
        let kind = match self.source {
            Source::Header => "header",
            Source::Observed => "observed",
            Source::Ours => "ours",
        };
        let ignored = cfg!(target_os = "macos") && !self.anywhere;
        let run = self.run;
        Trial::test(self.name, move || in_own_thread(run))
            .with_kind(kind)
            .with_ignored_flag(ignored)
    }
}

fn in_own_thread(run: Box<dyn FnOnce() + Send>) -> Result<(), Failed> {
    let result = thread::spawn(run).join();
    // Clean up for the next case, and tell if there was something to clean up.
    let left = raw::hv_vm_destroy();
    result.map_err(|panic| Failed::from(message(&*panic)))?;
    match left {
        raw::NO_DEVICE => Ok(()),
        code => Err(format!("the case left a VM behind (destroying it: {code:#x})").into()),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("panicked").to_owned()
}
