//! The end of every call: a `Result` becomes Apple's number, and nothing unwinds into C.

use crate::abi::hv_return_t;
use crate::notice::notice;
use anyvisor_vm::{HvError, ReturnCode};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Does the work of the function `call` and returns what C gets to see.
///
/// Shared state stays usable after a panic: locks ignore poisoning, and a borrow of the thread's
/// vCPU ends while the panic unwinds. The vCPU itself may be left in the middle of something.
#[inline]
pub(crate) fn answer(
    call: &'static str,
    work: impl FnOnce() -> Result<(), HvError>,
) -> hv_return_t {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => ReturnCode::Success as hv_return_t,
        Ok(Err(error)) => refuse(call, &error),
        Err(_) => refuse(call, &HvError::Panicked),
    }
}

/// Says who erred and what happens next.
#[cold]
fn refuse(call: &'static str, error: &HvError) -> hv_return_t {
    let code = error.code();
    // Asking whether something is supported is no mistake.
    let level = match (error, code) {
        (HvError::Panicked, _) => log::Level::Error,
        (_, ReturnCode::Unsupported) => log::Level::Debug,
        _ => log::Level::Warn,
    };
    // The program's logger is its own code, and may panic as well.
    let tell = || notice(level, format_args!("{call}: {error} ({code})"));
    let _ = catch_unwind(AssertUnwindSafe(tell));
    code as hv_return_t
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, Once};

    /// Keeps what is logged; panics if that says so.
    struct Log(Mutex<Vec<String>>);

    static LOG: Log = Log(Mutex::new(Vec::new()));

    impl log::Log for Log {
        fn enabled(&self, _: &log::Metadata) -> bool {
            true
        }

        fn log(&self, record: &log::Record) {
            let text = format!("{} {}", record.level(), record.args());
            assert!(!text.contains("hv_make_the_logger_panic"), "this belongs to the test");
            self.0.lock().unwrap().push(text);
        }

        fn flush(&self) {}
    }

    fn log_here() {
        static SET: Once = Once::new();
        SET.call_once(|| {
            log::set_logger(&LOG).unwrap();
            log::set_max_level(log::LevelFilter::Debug);
        });
    }

    #[test]
    fn a_logger_that_panics_does_not_change_the_answer() {
        log_here();
        let code = answer("hv_make_the_logger_panic", || Err(HvError::NoVm));
        assert_eq!(code, ReturnCode::NoDevice as hv_return_t);
    }

    #[test]
    fn a_refusal_names_call_argument_value_rule_and_code() {
        log_here();
        let misaligned = HvError::Misaligned { what: "ipa", value: 0x1234, granule: 0x4000 };
        answer("hv_vm_map", || Err(misaligned));
        answer("hv_gic_create", || Err(HvError::Unsupported("a GIC")));
        let log = LOG.0.lock().unwrap();
        let expected = [
            "WARN hv_vm_map: ipa 0x1234 is not a multiple of 0x4000 (HV_BAD_ARGUMENT)",
            "DEBUG hv_gic_create: a GIC is not supported by this engine (HV_UNSUPPORTED)",
        ];
        for line in expected {
            assert!(log.iter().any(|logged| logged == line), "{line} is not in {log:?}");
        }
    }

    /// Runs the test above in a process of its own, where ANYVISOR_LOG asks for everything.
    #[test]
    fn a_logger_of_the_program_is_the_only_one_to_be_told() {
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        alone.args(["--exact", "--nocapture"]);
        alone.arg("answer::tests::a_refusal_names_call_argument_value_rule_and_code");
        let output = alone.env(crate::notice::LOG_VARIABLE, "trace").output().unwrap();
        let (out, errors) = (output.stdout, String::from_utf8(output.stderr).unwrap());
        assert!(String::from_utf8(out).unwrap().contains("1 passed"));
        assert!(!errors.contains("anyvisor: "), "{errors}");
    }

    #[test]
    fn a_refusal_becomes_its_code() {
        assert_eq!(answer("call", || Ok(())), 0);
        let code = answer("call", || Err(HvError::NoVm));
        assert_eq!(code, ReturnCode::NoDevice as hv_return_t);
    }

    #[test]
    fn a_panic_stops_here() {
        let code = answer("call", || panic!("this message belongs to the test"));
        assert_eq!(code, ReturnCode::Error as hv_return_t);
    }
}
