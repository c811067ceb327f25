//! See `api` of `anyvisor-tests-fuzz`.

#![no_main]
#![forbid(unsafe_code)]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| anyvisor_tests_fuzz::api::run(bytes));
