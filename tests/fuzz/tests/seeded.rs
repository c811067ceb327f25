//! The bodies with inputs from seeds: a little of what the fuzzer does, on any compiler.

#![forbid(unsafe_code)]

use anyvisor_tests_fuzz::{gic, seeded};

/// Runs `body` with `count` inputs of many lengths.
fn each(count: u64, body: fn(&[u8])) {
    for seed in 0..count {
        body(&seeded(seed, seed as usize % 16 * 64));
    }
}

#[test]
fn no_sequence_of_accesses_confuses_a_gic() {
    each(400, gic::run);
}

#[cfg(not(target_os = "macos"))]
#[test]
fn no_sequence_of_calls_confuses_the_api() {
    each(200, anyvisor_tests_fuzz::api::run);
}
