//! Which engine serves the API, and which processor it shows.
//!
//! ```text
//!   ANYVISOR_CPU = m1 (default) | m2      the model
//!   ANYVISOR_PMU = 0 (default) | 1        with performance monitors
//! ```
//!
//! Read once, when the first call of the API needs an engine. A value that means nothing makes
//! every such call, `hv_vm_create` first of all, answer HV_BAD_ARGUMENT and log why. A Rust program
//! that links this crate may choose by [`choose`] instead.

use crate::{clock, notice, stopwatch};
use anyvisor_cpu::Software;
use anyvisor_cpu::model::{Model, Processor};
use anyvisor_cpu::software::Stopwatch;
use anyvisor_vm::{Engine, HvError};
use std::sync::OnceLock;

/// The variable that names the model.
pub const CPU_VARIABLE: &str = "ANYVISOR_CPU";
/// The variable that adds performance monitors.
pub const PMU_VARIABLE: &str = "ANYVISOR_PMU";

static ENGINE: OnceLock<Result<Software, HvError>> = OnceLock::new();

/// The software engine: it runs on every machine.
fn software(processor: Processor) -> Software {
    notice::check();
    stopwatch::start();
    let stopwatch = Stopwatch { read: stopwatch::read, nanoseconds: stopwatch::nanoseconds };
    Software { clock: clock::ticks, stopwatch, processor }
}

/// The engine of this process.
pub(crate) fn engine() -> Result<&'static dyn Engine, HvError> {
    let variable = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let made = ENGINE
        .get_or_init(|| processor(variable(CPU_VARIABLE), variable(PMU_VARIABLE)).map(software));
    made.as_ref().map(|engine| engine as &dyn Engine).map_err(Clone::clone)
}

/// Makes the engine of this process one of `processor`, whatever the environment says. `false`:
/// the API was used already, and its engine stays.
pub fn choose(processor: Processor) -> bool {
    ENGINE.set(Ok(software(processor))).is_ok()
}

/// The processor that the two variables ask for.
///
/// # Errors
/// [`HvError::Environment`] for a value that means nothing.
pub fn processor(cpu: Option<String>, pmu: Option<String>) -> Result<Processor, HvError> {
    let model = match cpu {
        None => Model::default(),
        Some(value) => Model::from_name(&value).ok_or(HvError::Environment {
            name: CPU_VARIABLE,
            value,
            choices: "m1, m2",
        })?,
    };
    let pmu = match pmu.as_deref() {
        None | Some("0") => false,
        Some("1") => true,
        Some(value) => {
            let (name, value) = (PMU_VARIABLE, value.into());
            return Err(HvError::Environment { name, value, choices: "0, 1" });
        }
    };
    Ok(Processor { model, pmu })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_chooses_or_is_refused() {
        let text = |value: &str| Some(value.to_owned());
        assert_eq!(processor(None, None), Ok(Processor::default()));
        let m2 = Processor { model: Model::M2, pmu: true };
        assert_eq!(processor(text("m2"), text("1")), Ok(m2));
        for (cpu, pmu) in [(text("m9"), None), (text(""), None), (text("m1"), text("yes"))] {
            let error = processor(cpu, pmu).unwrap_err();
            assert!(error.to_string().starts_with("ANYVISOR_"), "{error}");
            assert_eq!(error.code(), anyvisor_vm::ReturnCode::BadArgument);
        }
    }
}
