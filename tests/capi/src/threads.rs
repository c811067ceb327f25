//! Who may call what: a vCPU belongs to the thread that made it.

use crate::case::{Case, Source, case};
use crate::guest::{EmptyVm, Plain};
use crate::raw::{self, DEFAULT};
use std::thread;

use Source::{Header, Observed, Ours};

type Call = fn(u64) -> i32;

/// Every function that works on one vCPU, called with harmless arguments.
const CALLS: &[(&str, Call)] = &[
    ("destroy", |v| raw::hv_vcpu_destroy(v)),
    ("run", |v| raw::hv_vcpu_run(v)),
    ("get_reg", |v| raw::hv_vcpu_get_reg(v, 0, &mut 0)),
    ("set_reg", |v| raw::hv_vcpu_set_reg(v, 0, 0)),
    ("get_simd_fp_reg", |v| raw::hv_vcpu_get_simd_fp_reg(v, 0, Some(&mut 0))),
    ("set_simd_fp_reg", |v| raw::hv_vcpu_set_simd_fp_reg(v, 0, 0)),
    ("get_sys_reg", |v| raw::hv_vcpu_get_sys_reg(v, 0xc080, Some(&mut 0))),
    ("set_sys_reg", |v| raw::hv_vcpu_set_sys_reg(v, 0xc684, 0)),
    ("get_pending_interrupt", |v| raw::hv_vcpu_get_pending_interrupt(v, 0, Some(&mut false))),
    ("set_pending_interrupt", |v| raw::hv_vcpu_set_pending_interrupt(v, 0, false)),
    ("get_trap_debug_exceptions", |v| raw::hv_vcpu_get_trap_debug_exceptions(v, Some(&mut false))),
    ("set_trap_debug_exceptions", |v| raw::hv_vcpu_set_trap_debug_exceptions(v, false)),
    ("get_trap_debug_reg_accesses", |v| {
        raw::hv_vcpu_get_trap_debug_reg_accesses(v, Some(&mut false))
    }),
    ("set_trap_debug_reg_accesses", |v| raw::hv_vcpu_set_trap_debug_reg_accesses(v, false)),
    ("get_vtimer_mask", |v| raw::hv_vcpu_get_vtimer_mask(v, Some(&mut false))),
    ("set_vtimer_mask", |v| raw::hv_vcpu_set_vtimer_mask(v, false)),
    ("get_vtimer_offset", |v| raw::hv_vcpu_get_vtimer_offset(v, Some(&mut 0))),
    ("set_vtimer_offset", |v| raw::hv_vcpu_set_vtimer_offset(v, 0)),
    ("get_exec_time", |v| raw::hv_vcpu_get_exec_time(v, Some(&mut 0))),
];

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("threads.exit_comes_from_anywhere", Header, || {
            let plain = Plain::new();
            let id = plain.id;
            let other = thread::spawn(move || raw::hv_vcpus_exit(&id, 1));
            assert_eq!(other.join().unwrap(), raw::SUCCESS);
        }),
        case("threads.exit_of_an_unknown_vcpu", Observed, || {
            let _vm = EmptyVm::new(DEFAULT);
            for id in [0, 63, 64, u64::MAX] {
                assert_eq!(raw::hv_vcpus_exit(&id, 1), raw::BAD_ARGUMENT, "{id:#x}");
            }
        })
        .not_on_a_mac(),
        case("threads.two_vcpus_do_not_mix", Header, || {
            let plain = Plain::new();
            assert_eq!(raw::hv_vcpu_set_reg(plain.id, 0, 1), raw::SUCCESS);
            let mine = plain.id;
            thread::spawn(move || {
                let mut id = u64::MAX;
                let code = raw::hv_vcpu_create(Some(&mut id), Some(&mut std::ptr::null()), DEFAULT);
                assert_eq!(code, raw::SUCCESS);
                assert_eq!(raw::hv_vcpu_set_reg(id, 0, 2), raw::SUCCESS);
                assert_eq!(raw::hv_vcpu_set_reg(mine, 0, 3), raw::BAD_ARGUMENT);
                assert_eq!(raw::reg(id, 0), 2);
                assert_eq!(raw::hv_vcpu_destroy(id), raw::SUCCESS);
            })
            .join()
            .unwrap();
            assert_eq!(raw::reg(plain.id, 0), 1);
        })
        .not_on_a_mac(),
        case("threads.a_vm_belongs_to_all_threads", Header, || {
            assert_eq!(thread::spawn(|| raw::hv_vm_create(DEFAULT)).join().unwrap(), raw::SUCCESS);
            assert_eq!(raw::hv_vm_destroy(), raw::SUCCESS);
        }),
    ];
    for &(name, call) in CALLS {
        // "Must be called by the owning thread" (hv_vcpu.h); the code is our choice.
        cases.push(
            case(format!("threads.{name}_from_another_thread"), Ours, move || {
                let plain = Plain::new();
                let id = plain.id;
                let code = thread::spawn(move || call(id)).join().unwrap();
                assert_eq!(code, raw::BAD_ARGUMENT);
                assert_eq!(raw::hv_vcpu_set_reg(id, 0, 0), raw::SUCCESS, "the vCPU is gone");
            })
            .not_on_a_mac(),
        );
        cases.push(
            case(format!("threads.{name}_of_an_unknown_vcpu"), Observed, move || {
                let plain = Plain::new();
                for id in [plain.id + 1, 64, u64::MAX] {
                    assert_eq!(call(id), raw::BAD_ARGUMENT, "{id:#x}");
                }
            })
            .not_on_a_mac(),
        );
        cases.push(
            case(format!("threads.{name}_without_vm"), Ours, move || {
                assert_eq!(call(0), raw::BAD_ARGUMENT);
            })
            .not_on_a_mac(),
        );
    }
    cases
}
