//! Every function in every state: a table whose rows are the functions and whose columns are
//! what there is when it is called. The arguments are sound, so that the state alone decides.
//!
//! ```text
//!   without_a_vm     nothing               after_its_vcpu   a VM; the number is that of a vCPU
//!   with_a_vm        a VM                                   which was destroyed
//!   with_a_vcpu      and a vCPU            with_a_gic       a VM with a GIC, and a vCPU
//! ```
//!
//! A function that has no row fails `states.every_function_has_a_row`: so this table is also the
//! list of what the contract's tests cover.
//!
//! # Where the codes come from
//!
//! `hv_error.h`: HV_NO_DEVICE is "no VM or vCPU available", HV_BUSY "the owning resource is busy".
//! A vCPU's number that does not exist is a bad argument, as public programs see it; that this
//! also holds where there is no VM is our choice. Without a GIC its functions answer HV_NO_DEVICE:
//! our choice; so is that a GIC that comes too late is HV_BUSY, that the registers of EL2's side of
//! it are HV_UNSUPPORTED without a GIC, too, and that a redistributor's base, which any thread may
//! ask for, wants the VM first. SME and EL2 are "not supported" by the header where the machine has
//! none.

#[cfg(not(target_os = "macos"))]
mod newer;
mod table;

use crate::case::{Case, Source, case};
use crate::gic::place::{self, Cpu};
use crate::guest::{EmptyVm, Plain};
use crate::raw::{self, DEFAULT};
use crate::symbols;

/// A call for a vCPU's number, with sound arguments; returns the code, and leaves nothing behind.
type Call = fn(u64) -> i32;

/// A function: its name, the call, the code in each of [`STATES`].
type Row = (&'static str, Call, [i32; 5]);

/// A state: its name, and what makes it and calls.
type State = (&'static str, fn(Call) -> i32);

const STATES: [State; 5] = [
    ("without_a_vm", |call| call(0)),
    ("with_a_vm", |call| {
        let _vm = EmptyVm::new(DEFAULT);
        call(0)
    }),
    ("with_a_vcpu", |call| call(Plain::new().id)),
    ("after_its_vcpu", |call| {
        let plain = Plain::new();
        assert_eq!(raw::hv_vcpu_destroy(plain.id), raw::SUCCESS);
        call(plain.id)
    }),
    ("with_a_gic", |call| {
        let _vm = place::vm();
        call(Cpu::with_affinity(0).id)
    }),
];

/// What Apple's framework might not survive: a call for a number that is no vCPU's.
fn is_for_nobody(name: &str, state: usize) -> bool {
    matches!(state, 0 | 1 | 3) && (name.starts_with("hv_vcpu") || name.starts_with("hv_gic"))
}

#[cfg(not(target_os = "macos"))]
fn rows() -> Vec<Row> {
    [table::ROWS, table::GIC, newer::ROWS].concat()
}

#[cfg(target_os = "macos")]
fn rows() -> Vec<Row> {
    [table::ROWS, table::GIC].concat()
}

pub fn cases() -> Vec<Case> {
    let mut cases = vec![case("states.every_function_has_a_row", Source::Header, || {
        let rows: Vec<_> = rows().into_iter().map(|(name, ..)| name).collect();
        let missing: Vec<_> = symbols::names().into_iter().filter(|n| !rows.contains(n)).collect();
        assert!(missing.is_empty(), "no row for {missing:?}");
        assert_eq!(rows.len(), symbols::names().len(), "a row too many");
    })];
    for (name, call, codes) in rows() {
        for (n, (state, make)) in STATES.into_iter().enumerate() {
            let expected = codes[n];
            let case = case(format!("states.{name}_{state}"), Source::Ours, move || {
                let code = make(call);
                assert_eq!(code, expected, "{code:#x}, not {expected:#x}");
                raw::hv_vm_destroy(); // what hv_vm_create made
            });
            cases.push(if is_for_nobody(name, n) { case.not_on_a_mac() } else { case });
        }
    }
    cases
}
