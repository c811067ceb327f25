//! Null and misaligned pointers: refused by name, and nothing is written. Apple's header calls
//! these parameters non-null and its framework may crash.

use crate::case::{Case, Source, case};
use crate::guest::{EmptyVm, Plain};
use crate::raw::{self, DEFAULT};
use std::ptr::null_mut;

/// A call for a vCPU, and one that needs none; both return the code.
type Call = fn(u64) -> i32;
type PlainCall = fn() -> i32;

/// Functions of a vCPU with a result.
const OF_A_VCPU: &[(&str, Call)] = &[
    ("get_reg", |v| raw::hv_vcpu_get_reg(v, 0, null_mut())),
    ("get_simd_fp_reg", |v| raw::hv_vcpu_get_simd_fp_reg(v, 0, None)),
    ("get_sys_reg", |v| raw::hv_vcpu_get_sys_reg(v, 0xc080, None)),
    ("get_pending_interrupt", |v| raw::hv_vcpu_get_pending_interrupt(v, 0, None)),
    ("get_trap_debug_exceptions", |v| raw::hv_vcpu_get_trap_debug_exceptions(v, None)),
    ("get_trap_debug_reg_accesses", |v| raw::hv_vcpu_get_trap_debug_reg_accesses(v, None)),
    ("get_vtimer_mask", |v| raw::hv_vcpu_get_vtimer_mask(v, None)),
    ("get_vtimer_offset", |v| raw::hv_vcpu_get_vtimer_offset(v, None)),
    ("get_exec_time", |v| raw::hv_vcpu_get_exec_time(v, None)),
    ("vcpus_exit", |_| raw::hv_vcpus_exit(std::ptr::null(), 1)),
];

/// Functions that need no vCPU.
const OF_NONE: &[(&str, PlainCall)] = &[
    ("get_max_vcpu_count", || raw::hv_vm_get_max_vcpu_count(None)),
    ("allocate", || raw::hv_vm_allocate(None, raw::PAGE, 0)),
    ("get_max_ipa_size", || raw::hv_vm_config_get_max_ipa_size(None)),
    ("get_default_ipa_size", || raw::hv_vm_config_get_default_ipa_size(None)),
    ("get_el2_supported", || raw::hv_vm_config_get_el2_supported(None)),
    ("get_ipa_size", || with_vm_config(|c| raw::hv_vm_config_get_ipa_size(c, None))),
    ("get_el2_enabled", || with_vm_config(|c| raw::hv_vm_config_get_el2_enabled(c, None))),
    ("get_feature_reg", || with_vcpu_config(|c| raw::hv_vcpu_config_get_feature_reg(c, 0, None))),
    ("get_ccsidr", || {
        with_vcpu_config(|c| raw::hv_vcpu_config_get_ccsidr_el1_sys_reg_values(c, 0, None))
    }),
    ("get_feature_reg_of_null", || raw::hv_vcpu_config_get_feature_reg(DEFAULT, 0, Some(&mut 0))),
];

fn with_vm_config(call: impl FnOnce(raw::Handle) -> i32) -> i32 {
    let config = raw::hv_vm_config_create();
    let code = call(config);
    raw::os_release(config);
    code
}

fn with_vcpu_config(call: impl FnOnce(raw::Handle) -> i32) -> i32 {
    let config = raw::hv_vcpu_config_create();
    let code = call(config);
    raw::os_release(config);
    code
}

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("pointers.create_without_a_place_for_the_number", Source::Ours, || {
            let _vm = EmptyVm::new(DEFAULT);
            let code = raw::hv_vcpu_create(None, Some(&mut std::ptr::null()), DEFAULT);
            assert_eq!(code, raw::BAD_ARGUMENT);
            // No vCPU was made: the VM can go.
            assert_eq!(raw::hv_vm_destroy(), raw::SUCCESS);
        }),
        case("pointers.create_without_a_place_for_the_record", Source::Ours, || {
            let _vm = EmptyVm::new(DEFAULT);
            let mut id = 77;
            let code = raw::hv_vcpu_create(Some(&mut id), None, DEFAULT);
            assert_eq!((code, id), (raw::BAD_ARGUMENT, 77));
            assert_eq!(raw::hv_vm_destroy(), raw::SUCCESS);
        }),
        case("pointers.misaligned", Source::Ours, || {
            let plain = Plain::new();
            let mut values = [0x55u64; 2];
            let between = values.as_mut_ptr().wrapping_byte_add(4);
            assert_eq!(raw::hv_vcpu_get_reg(plain.id, 0, between), raw::BAD_ARGUMENT);
            assert_eq!(values, [0x55; 2]);
        }),
        case("pointers.a_refused_call_writes_nothing", Source::Ours, || {
            let plain = Plain::new();
            let mut value = 0x55;
            assert_eq!(raw::hv_vcpu_get_reg(plain.id, 35, &mut value), raw::BAD_ARGUMENT);
            assert_eq!(raw::hv_vcpu_get_sys_reg(plain.id, 0, Some(&mut value)), raw::BAD_ARGUMENT);
            assert_eq!(value, 0x55);
        }),
    ];
    cases.extend(OF_A_VCPU.iter().map(|&(name, call)| {
        case(format!("pointers.{name}"), Source::Ours, move || {
            assert_eq!(call(Plain::new().id), raw::BAD_ARGUMENT);
        })
    }));
    cases.extend(OF_NONE.iter().map(|&(name, call)| {
        case(format!("pointers.{name}"), Source::Ours, move || {
            assert_eq!(call(), raw::BAD_ARGUMENT);
        })
    }));
    cases.into_iter().map(Case::not_on_a_mac).collect()
}
