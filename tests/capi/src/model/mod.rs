//! Random sequences of calls, beside a small reference that says what each must answer.
//!
//! ```text
//!   call        calls and their arguments, drawn at random: right, at limits, wrong
//!   reference   what a call must answer: code, what it reads, how a run ends
//!   machine     makes the calls, on three threads
//!   threads     the same without an order: vCPUs, map and cancels at once
//! ```
//!
//! A sequence that goes wrong is made as short as it can be, and printed. The sequences are the
//! same each time; `ANYVISOR_SEED` chooses others, and with `ANYVISOR_MODEL_SECONDS` the seeds
//! that follow are tried for so long.

mod call;
mod machine;
mod reference;
mod threads;

use crate::case::{Case, Source, case};
use crate::raw;
use call::{Call, Which};
use machine::Machine;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use reference::{Answer, Limits, Reference, Told};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Another seed than the usual.
const SEED: &str = "ANYVISOR_SEED";
/// For how long to go on with further seeds.
const SECONDS: &str = "ANYVISOR_MODEL_SECONDS";
/// How many sequences a seed stands for.
const SEQUENCES: u32 = 300;

/// How often each call answered each code.
type Tally = BTreeMap<(String, i32), u32>;

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}: no number")),
        Err(_) => default,
    }
}

/// Does `work` with the seed, and with those after it while there is time.
fn with_seeds(work: impl Fn(u64)) {
    let end = Instant::now() + Duration::from_secs(number(SECONDS, 0));
    let mut seed = number(SEED, 1);
    loop {
        work(seed);
        seed = seed.wrapping_add(1);
        if Instant::now() >= end {
            break;
        }
    }
}

fn runner(seed: u64, cases: u32) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

fn limits() -> Limits {
    let get = |call: fn(Option<&mut u32>) -> i32| {
        let (code, value) = raw::ask(call);
        assert_eq!(code, raw::SUCCESS);
        value
    };
    Limits {
        ipa_bits: get(|v| raw::hv_vm_config_get_max_ipa_size(v)),
        default_ipa_bits: get(|v| raw::hv_vm_config_get_default_ipa_size(v)),
        vcpus: get(|v| raw::hv_vm_get_max_vcpu_count(v)),
    }
}

/// Makes the calls, and compares.
fn check(calls: &[(usize, Call)], limits: Limits, tally: &RefCell<Tally>) -> Result<(), String> {
    let (mut machine, mut reference) = (Machine::new(), Reference::new(limits));
    for (place, (actor, call)) in calls.iter().enumerate() {
        let numbers: Vec<u64> = match call {
            Call::Exit(many) => many.iter().map(|&w| reference.number(*actor, w)).collect(),
            call => call.vcpu().map(|which| reference.number(*actor, which)).into_iter().collect(),
        };
        let Some(expected) = reference.expect(*actor, call) else { continue };
        let seen = machine.make(*actor, call, &numbers, expected.code == raw::SUCCESS);
        *tally.borrow_mut().entry((call.name(), seen.code)).or_default() += 1;
        if !agree(expected, seen) {
            return Err(format!("call {place}: expected {expected:x?}, answered {seen:x?}"));
        }
    }
    Ok(())
}

/// Where the reference says nothing of a result, any will do.
fn agree(expected: Answer, seen: Answer) -> bool {
    expected.code == seen.code && (expected.told == Told::Nothing || expected.told == seen.told)
}

fn random_calls(seed: u64, tally: &RefCell<Tally>) {
    let limits = limits();
    let result = runner(seed, SEQUENCES)
        .run(&call::sequences(), |calls| check(&calls, limits, tally).map_err(TestCaseError::fail));
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, calls)) => {
            let lines: String = calls
                .iter()
                .enumerate()
                .map(|(place, (actor, call))| format!("\n  {place}: thread {actor} {call:x?}"))
                .collect();
            panic!("{reason}; {SEED}={seed} does it again{lines}");
        }
        Err(TestError::Abort(reason)) => panic!("{reason}; {SEED}={seed}"),
    }
    println!("{SEED}={seed}: {SEQUENCES} sequences, as the reference has it");
}

/// A model that is always refused, or never, would agree with anything.
fn everything_was_tried(tally: &Tally) {
    let names: Vec<_> = tally.keys().map(|(name, _)| name).collect();
    for name in names {
        let done = tally.get(&(name.clone(), raw::SUCCESS)).copied().unwrap_or_default();
        assert!(done > 0, "{name} never succeeded");
    }
    for code in [
        raw::ERROR,
        raw::BUSY,
        raw::BAD_ARGUMENT,
        raw::ILLEGAL_GUEST_STATE,
        raw::NO_RESOURCES,
        raw::NO_DEVICE,
        raw::UNSUPPORTED,
    ] {
        assert!(tally.keys().any(|&(_, seen)| seen == code), "nothing answered {code:#x}");
    }
}

pub fn cases() -> Vec<Case> {
    let cases = vec![
        case("model.random_calls", Source::Ours, || {
            let tally = RefCell::new(Tally::new());
            with_seeds(|seed| random_calls(seed, &tally));
            let tally = tally.into_inner();
            everything_was_tried(&tally);
            println!(
                "{} calls; each has succeeded, each code was seen",
                tally.values().sum::<u32>()
            );
        }),
        case("model.random_calls_of_threads_at_once", Source::Ours, || {
            with_seeds(threads::at_once);
        }),
    ];
    cases.into_iter().map(Case::not_on_a_mac).collect()
}

impl Call {
    /// The vCPU that it is for, if it is for one.
    fn vcpu(&self) -> Option<Which> {
        match *self {
            Call::VcpuDestroy(which) | Call::Run(which, _) => Some(which),
            _ => reference::vcpu_of(self),
        }
    }
}
