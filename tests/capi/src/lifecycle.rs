//! VMs and vCPUs: made, counted, destroyed, in the right order and in the wrong one.

use crate::case::{Case, Source, case};
use crate::guest::{EmptyVm, Guest, Plain};
use crate::raw::{self, DEFAULT};
use applevisor::prelude::*;
use std::sync::mpsc;
use std::thread;

use Source::{Header, Observed, Ours};

/// Makes a vCPU on the calling thread: the code, and the number if there is one.
fn create_vcpu() -> (i32, u64) {
    let mut id = u64::MAX;
    let code = raw::hv_vcpu_create(Some(&mut id), Some(&mut std::ptr::null()), DEFAULT);
    (code, id)
}

fn max_vcpus() -> u32 {
    let (code, max) = raw::ask(|v| raw::hv_vm_get_max_vcpu_count(v));
    assert_eq!(code, raw::SUCCESS);
    max
}

/// Makes `count` vCPUs, each on a thread of its own, until `work` is done; returns their numbers
/// and what `work` returns.
fn with_vcpus<R>(count: u32, work: impl FnOnce(&[u64]) -> R) -> R {
    thread::scope(|scope| {
        let (tell, ids) = mpsc::channel();
        let threads: Vec<_> = (0..count)
            .map(|_| {
                let tell = tell.clone();
                let (release, wait) = mpsc::channel::<()>();
                scope.spawn(move || {
                    let created = create_vcpu();
                    tell.send(created).unwrap();
                    let _ = wait.recv();
                    if created.0 == raw::SUCCESS {
                        assert_eq!(raw::hv_vcpu_destroy(created.1), raw::SUCCESS);
                    }
                });
                release
            })
            .collect();
        let ids: Vec<_> = ids.iter().take(count as usize).collect();
        assert!(ids.iter().all(|&(code, _)| code == raw::SUCCESS), "{ids:?}");
        let result = work(&ids.iter().map(|&(_, id)| id).collect::<Vec<_>>());
        drop(threads);
        result
    })
}

pub fn cases() -> Vec<Case> {
    let mut cases = vm_cases();
    cases.extend(vcpu_cases());
    cases
}

fn vm_cases() -> Vec<Case> {
    vec![
        // applevisor: vm.rs, create_multiple_vm_instances_from_a_single_thread.
        case("lifecycle.second_vm_is_busy", Observed, || {
            let _vm = EmptyVm::new(DEFAULT);
            assert_eq!(raw::hv_vm_create(DEFAULT), raw::BUSY);
        }),
        case("lifecycle.second_vm_from_another_thread_is_busy", Observed, || {
            let _vm = EmptyVm::new(DEFAULT);
            let other = thread::spawn(|| raw::hv_vm_create(DEFAULT));
            assert_eq!(other.join().unwrap(), raw::BUSY);
        }),
        case("lifecycle.a_refused_vm_leaves_the_first_alone", Observed, || {
            let guest = Guest::new(&[crate::code::hvc(7)]);
            assert_eq!(raw::hv_vm_create(DEFAULT), raw::BUSY);
            guest.run_to_hvc(7);
        }),
        case("lifecycle.vm_again_after_destroy", Observed, || {
            for _ in 0..3 {
                assert_eq!(raw::hv_vm_create(DEFAULT), raw::SUCCESS);
                assert_eq!(raw::hv_vm_destroy(), raw::SUCCESS);
            }
        }),
        case("lifecycle.a_new_vm_has_an_empty_map", Header, || {
            let host = raw::Host::new(raw::PAGE);
            for _ in 0..2 {
                // If the first VM's map lived on, the second map would overlap it.
                let _vm = EmptyVm::new(DEFAULT);
                let code = raw::hv_vm_map(host.addr(), 0x8000, raw::PAGE, raw::RW);
                assert_eq!(code, raw::SUCCESS);
            }
        }),
        // hv_error: HV_NO_DEVICE is "no VM or vCPU available".
        case("lifecycle.destroy_without_vm", Header, || {
            assert_eq!(raw::hv_vm_destroy(), raw::NO_DEVICE);
        }),
        case("lifecycle.destroy_twice", Header, || {
            assert_eq!(raw::hv_vm_create(DEFAULT), raw::SUCCESS);
            assert_eq!(raw::hv_vm_destroy(), raw::SUCCESS);
            assert_eq!(raw::hv_vm_destroy(), raw::NO_DEVICE);
        }),
        // hv_vm.h: hv_vm_destroy "requires all vCPUs be destroyed"; HV_BUSY is "the owning
        // resource is busy".
        case("lifecycle.destroy_with_a_vcpu_left_is_busy", Header, || {
            let plain = Plain::new();
            assert_eq!(raw::hv_vm_destroy(), raw::BUSY);
            assert_eq!(raw::hv_vcpu_set_reg(plain.id, 0, 1), raw::SUCCESS);
        }),
        case("lifecycle.applevisor_shares_one_vm", Observed, || {
            let vm = VirtualMachine::new().unwrap();
            let clone = vm.clone();
            drop(vm);
            assert_eq!(VirtualMachine::new().err(), Some(HypervisorError::Busy));
            drop(clone);
            drop(VirtualMachine::new().unwrap());
        }),
    ]
}

fn vcpu_cases() -> Vec<Case> {
    vec![
        case("lifecycle.vcpu_without_vm", Header, || {
            assert_eq!(create_vcpu().0, raw::NO_DEVICE);
        }),
        case("lifecycle.max_vcpus_without_vm", Observed, || assert!(max_vcpus() >= 1)),
        // hv_vcpu.h: "Each thread can only have one vCPU associated at a time."
        case("lifecycle.second_vcpu_of_a_thread_is_busy", Header, || {
            let _plain = Plain::new();
            assert_eq!(create_vcpu().0, raw::BUSY);
        }),
        case("lifecycle.vcpu_again_after_destroy", Header, || {
            let _vm = EmptyVm::new(DEFAULT);
            for _ in 0..3 {
                let (code, id) = create_vcpu();
                assert_eq!(code, raw::SUCCESS);
                assert_eq!(raw::hv_vcpu_destroy(id), raw::SUCCESS);
            }
        }),
        case("lifecycle.destroyed_vcpu_is_gone", Observed, || {
            let plain = Plain::new();
            assert_eq!(raw::hv_vcpu_destroy(plain.id), raw::SUCCESS);
            assert_eq!(raw::hv_vcpu_run(plain.id), raw::BAD_ARGUMENT);
            assert_eq!(raw::hv_vcpu_set_reg(plain.id, 0, 1), raw::BAD_ARGUMENT);
            assert_eq!(raw::hv_vcpus_exit(&plain.id, 1), raw::BAD_ARGUMENT);
            assert_eq!(raw::hv_vcpu_destroy(plain.id), raw::BAD_ARGUMENT);
        })
        .not_on_a_mac(),
        case("lifecycle.a_new_vcpu_starts_afresh", Header, || {
            let plain = Plain::new();
            raw::hv_vcpu_set_reg(plain.id, 3, 0x1234);
            assert_eq!(raw::hv_vcpu_destroy(plain.id), raw::SUCCESS);
            let (code, id) = create_vcpu();
            assert_eq!(code, raw::SUCCESS);
            assert_eq!(raw::reg(id, 3), 0);
            assert_eq!(raw::hv_vcpu_destroy(id), raw::SUCCESS);
        }),
        // A public list of the framework's slots: `vcpus[64]`, the lowest free one is taken.
        case("lifecycle.vcpu_numbers_count_up_from_0", Observed, || {
            let _vm = EmptyVm::new(DEFAULT);
            with_vcpus(4, |ids| {
                let mut ids = ids.to_vec();
                ids.sort();
                assert_eq!(ids, [0, 1, 2, 3]);
            });
        }),
        case("lifecycle.as_many_vcpus_as_the_count_says", Observed, || {
            let _vm = EmptyVm::new(DEFAULT);
            with_vcpus(max_vcpus(), |_| {
                assert_eq!(create_vcpu().0, raw::NO_RESOURCES);
            });
            let (code, id) = create_vcpu();
            assert_eq!(code, raw::SUCCESS);
            assert_eq!(raw::hv_vcpu_destroy(id), raw::SUCCESS);
        }),
        case("lifecycle.busy_until_the_last_vcpu_is_gone", Header, || {
            let _vm = EmptyVm::new(DEFAULT);
            with_vcpus(2, |_| assert_eq!(raw::hv_vm_destroy(), raw::BUSY));
            assert_eq!(raw::hv_vm_destroy(), raw::SUCCESS);
        }),
        case("lifecycle.a_thread_takes_its_vcpu_along", Ours, || {
            let _vm = EmptyVm::new(DEFAULT);
            let (code, id) = thread::spawn(create_vcpu).join().unwrap();
            assert_eq!(code, raw::SUCCESS);
            assert_eq!(raw::hv_vcpus_exit(&id, 1), raw::BAD_ARGUMENT);
            assert_eq!(raw::hv_vcpu_destroy(id), raw::BAD_ARGUMENT);
            assert_eq!(raw::hv_vm_destroy(), raw::SUCCESS);
        })
        .not_on_a_mac(),
        case("lifecycle.vcpu_in_a_thread_local_ends_quietly", Ours, || {
            thread_local! {
                static KEPT: std::cell::RefCell<Option<Vcpu>> =
                    const { std::cell::RefCell::new(None) };
            }
            let vm = VirtualMachine::new().unwrap();
            let mine = vm.clone();
            // The slot's destructor is registered before the vCPU's: the one order in which
            // applevisor's `drop` comes after the framework's own.
            let thread = thread::spawn(move || {
                KEPT.with(|kept| {
                    assert!(kept.borrow().is_none());
                    *kept.borrow_mut() = Some(mine.vcpu_create().unwrap());
                });
            });
            thread.join().unwrap();
        })
        .not_on_a_mac(),
        case("lifecycle.the_exit_record_stays_where_it_is", Header, || {
            let plain = Plain::new();
            for _ in 0..2 {
                raw::hv_vcpus_exit(&plain.id, 1);
                assert_eq!(raw::hv_vcpu_run(plain.id), raw::SUCCESS);
                assert_eq!(crate::raw_record::read(plain.exit).reason, ExitReason::CANCELED);
            }
        }),
        case("lifecycle.the_exit_record_has_32_bytes", Header, || {
            assert_eq!(size_of::<VcpuExit>(), 32);
            assert_eq!(std::mem::offset_of!(VcpuExit, exception), 8);
        }),
    ]
}
