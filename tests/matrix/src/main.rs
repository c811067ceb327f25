//! `anyvisor-matrix`: runs the suite on hypervisors, and makes reports of what they said.

#![forbid(unsafe_code)]

fn main() {}
