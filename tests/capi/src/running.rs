//! What other threads do while a guest runs: stop it, change its memory.

use crate::case::{Case, Source, case};
use crate::code::{self, LOOP, access, branch_back, hvc, increment};
use crate::guest::{CODE, DATA, Guest, NOTHING};
use crate::raw::{self, Host, PAGE};
use applevisor::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use Source::{Header, Observed, Ours};

/// Counts in memory: `add x0, x0, #1; str x0, [x1]; b` back.
const COUNT: [u32; 3] = [increment(0), access(code::STR_X, 0, 1), branch_back(2)];

/// A data abort with a valid syndrome for `str x0, [x1]`, without the level.
const STORE_X0: u64 = 0x93c0_8040;
const TRANSLATION: u64 = 0b000100;
const PERMISSION: u64 = 0b001100;

/// Waits until `done`, or fails.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10), "waited in vain: {what}");
        thread::sleep(Duration::from_micros(200));
    }
}

/// Waits until the guest has counted on.
fn wait_for_progress(host: &Host) {
    let before = host.read(0);
    wait_until("the guest counts", || host.read(0) != before);
}

/// Runs the counting guest, and `other` on another thread once it counts; returns how it ended.
fn counting(guest: &Guest, other: impl FnOnce(u64) + Send) -> VcpuExit {
    guest.set(Reg::X1, DATA);
    let (id, data) = (guest.id(), &guest.data);
    thread::scope(|scope| {
        scope.spawn(move || {
            wait_for_progress(data);
            other(id);
        });
        guest.run()
    })
}

/// Whether the host memory stays as it is for a while.
fn is_still(host: &Host) -> bool {
    let before = host.read(0);
    thread::sleep(Duration::from_millis(5));
    host.read(0) == before
}

fn cancel(id: u64) {
    assert_eq!(raw::hv_vcpus_exit(&id, 1), raw::SUCCESS);
}

fn expect_store_fault(exit: VcpuExit, status: u64) {
    assert_eq!(exit.reason, ExitReason::EXCEPTION, "{exit:x?}");
    let exception = exit.exception;
    assert_eq!(exception.syndrome & !0b11, STORE_X0 | status, "{exception:x?}");
    assert_eq!((exception.virtual_address, exception.physical_address), (DATA, DATA));
}

pub fn cases() -> Vec<Case> {
    let mut cases = cancel_cases();
    cases.extend(map_cases());
    cases
}

fn cancel_cases() -> Vec<Case> {
    vec![
        case("running.an_endless_loop_is_canceled", Observed, || {
            let guest = Guest::new(&[LOOP]);
            let id = guest.id();
            thread::scope(|scope| {
                scope.spawn(move || {
                    thread::sleep(Duration::from_millis(20));
                    cancel(id);
                });
                assert_eq!(guest.run().reason, ExitReason::CANCELED);
            });
            assert_eq!(guest.pc(), CODE);
        }),
        case("running.a_canceled_guest_goes_on", Observed, || {
            let guest = Guest::new(&COUNT);
            for _ in 0..3 {
                assert_eq!(counting(&guest, cancel).reason, ExitReason::CANCELED);
            }
            // Not a count was lost: X0 is one ahead of memory at most.
            let (register, memory) = (guest.get(Reg::X0), guest.data.read(0));
            assert!(register == memory || register == memory + 1, "{register} {memory}");
        }),
        // hv_vcpu.h: "If a vcpu is not running, the next time hv_vcpu_run is called it returns
        // immediately without entering the guest."
        case("running.a_cancel_before_the_run_is_kept", Header, || {
            let guest = Guest::new(&[hvc(1)]);
            cancel(guest.id());
            assert_eq!(guest.run().reason, ExitReason::CANCELED);
            assert_eq!(guest.pc(), CODE, "the guest was entered");
            guest.run_to_hvc(1);
        }),
        case("running.two_cancels_before_a_run_are_one", Ours, || {
            let guest = Guest::new(&[hvc(1)]);
            cancel(guest.id());
            cancel(guest.id());
            assert_eq!(guest.run().reason, ExitReason::CANCELED);
            guest.run_to_hvc(1);
        }),
        case("running.a_cancel_from_the_vcpu_s_thread", Header, || {
            let guest = Guest::new(&[hvc(1)]);
            guest.vm.vcpus_exit(&[guest.vcpu.get_handle()]).unwrap();
            assert_eq!(guest.run().reason, ExitReason::CANCELED);
        }),
        case("running.cancel_of_nobody", Observed, || {
            let guest = Guest::new(&[hvc(1)]);
            assert_eq!(raw::hv_vcpus_exit(&guest.id(), 0), raw::SUCCESS);
            guest.vm.vcpus_exit(&[]).unwrap();
            guest.run_to_hvc(1);
        }),
        case("running.cancel_with_an_unknown_vcpu_stops_none", Ours, || {
            let guest = Guest::new(&[hvc(1)]);
            let ids = [guest.id(), 63];
            assert_eq!(raw::hv_vcpus_exit(ids.as_ptr(), 2), raw::BAD_ARGUMENT);
            guest.run_to_hvc(1);
        })
        .not_on_a_mac(),
        // applevisor: vm.rs, exit_running_vcpus.
        case("running.four_vcpus_are_canceled_at_once", Observed, four_vcpus),
        case("running.all_vcpus_run_at_once", Observed, all_vcpus),
        case("running.a_storm_of_threads", Ours, storm).not_on_a_mac(),
    ]
}

/// As many vCPUs as there can be, each with a number of its own to double.
fn all_vcpus() {
    let vm = VirtualMachine::new().unwrap();
    let host = Host::new(PAGE);
    host.write_code(0, &[0x8b00_0001, hvc(1)]); // add x1, x0, x0
    let flags = raw::READ | raw::EXEC;
    assert_eq!(raw::hv_vm_map(host.addr(), CODE, PAGE, flags), raw::SUCCESS);
    let count = Vcpu::get_max_count().unwrap();
    let all_there = Barrier::new(count as usize);
    thread::scope(|scope| {
        for number in 0..u64::from(count) {
            let (vm, all_there) = (&vm, &all_there);
            scope.spawn(move || {
                let vcpu = vm.vcpu_create().unwrap();
                vcpu.set_reg(Reg::PC, CODE).unwrap();
                vcpu.set_reg(Reg::X0, number).unwrap();
                all_there.wait();
                vcpu.run().unwrap();
                assert_eq!(vcpu.get_exit_info().exception.syndrome, 0x5a00_0001);
                assert_eq!(vcpu.get_reg(Reg::X1), Ok(2 * number));
            });
        }
    });
    assert_eq!(raw::hv_vm_unmap(CODE, PAGE), raw::SUCCESS);
}

/// vCPUs come and go on four threads while others cancel them, change the map, and call for
/// vCPUs that are not theirs: nothing hangs, nothing is left over.
fn storm() {
    let vm = VirtualMachine::new().unwrap();
    let (code, spare) = (Host::new(PAGE), Host::new(PAGE));
    code.write_code(0, &[LOOP]);
    let flags = raw::READ | raw::EXEC;
    assert_eq!(raw::hv_vm_map(code.addr(), CODE, PAGE, flags), raw::SUCCESS);
    let going = AtomicUsize::new(4);
    let is_going = || going.load(Ordering::SeqCst) > 0;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let vcpu = vm.vcpu_create().unwrap();
                    vcpu.set_reg(Reg::PC, CODE).unwrap();
                    vcpu.run().unwrap();
                    assert_eq!(vcpu.get_exit_info().reason, ExitReason::CANCELED);
                }
                going.fetch_sub(1, Ordering::SeqCst);
            });
        }
        scope.spawn(|| {
            while is_going() {
                for id in 0..4u64 {
                    let code = raw::hv_vcpus_exit(&id, 1);
                    assert!(code == raw::SUCCESS || code == raw::BAD_ARGUMENT, "{code:#x}");
                    assert_eq!(raw::hv_vcpu_set_reg(id, 0, 0), raw::BAD_ARGUMENT);
                }
                thread::yield_now();
            }
        });
        scope.spawn(|| {
            while is_going() {
                assert_eq!(raw::hv_vm_map(spare.addr(), DATA, PAGE, raw::RW), raw::SUCCESS);
                assert_eq!(raw::hv_vm_unmap(DATA, PAGE), raw::SUCCESS);
            }
        });
    });
    assert_eq!(raw::hv_vm_unmap(CODE, PAGE), raw::SUCCESS);
}

fn four_vcpus() {
    let vm = VirtualMachine::new().unwrap();
    let host = Host::new(PAGE);
    host.write_code(0, &[LOOP]);
    let flags = raw::READ | raw::EXEC;
    assert_eq!(raw::hv_vm_map(host.addr(), CODE, PAGE, flags), raw::SUCCESS);
    thread::scope(|scope| {
        let (tell, handles) = mpsc::channel();
        for _ in 0..4 {
            let (vm, tell) = (vm.clone(), tell.clone());
            scope.spawn(move || {
                let vcpu = vm.vcpu_create().unwrap();
                vcpu.set_reg(Reg::PC, CODE).unwrap();
                tell.send(vcpu.get_handle()).unwrap();
                vcpu.run().unwrap();
                assert_eq!(vcpu.get_exit_info().reason, ExitReason::CANCELED);
            });
        }
        let handles: Vec<_> = handles.iter().take(4).collect();
        vm.vcpus_exit(&handles).unwrap();
    });
    assert_eq!(raw::hv_vm_unmap(CODE, PAGE), raw::SUCCESS);
}

fn map_cases() -> Vec<Case> {
    vec![
        case("running.protect_stops_the_stores", Header, || {
            let guest = Guest::new(&COUNT);
            let data = &guest.data;
            let exit = counting(&guest, |_| {
                assert_eq!(raw::hv_vm_protect(DATA, PAGE, raw::READ), raw::SUCCESS);
                assert!(is_still(data), "stores went on after hv_vm_protect returned");
            });
            expect_store_fault(exit, PERMISSION);
            assert_eq!(guest.get(Reg::X0), guest.data.read(0) + 1);
            assert_eq!(raw::hv_vm_protect(DATA, PAGE, raw::RW), raw::SUCCESS);
            assert_eq!(counting(&guest, cancel).reason, ExitReason::CANCELED);
        }),
        case("running.unmap_stops_the_stores", Header, || {
            let guest = Guest::new(&COUNT);
            let data = &guest.data;
            let exit = counting(&guest, |_| {
                assert_eq!(raw::hv_vm_unmap(DATA, PAGE), raw::SUCCESS);
                assert!(is_still(data), "stores went on after hv_vm_unmap returned");
            });
            expect_store_fault(exit, TRANSLATION);
            assert_eq!(guest.get(Reg::X0), guest.data.read(0) + 1);
        }),
        case("running.unmapped_memory_can_be_freed", Header, || {
            let guest = Guest::new(&[access(code::STR_X, 0, 1), branch_back(1)]);
            let host = Host::new(PAGE);
            let map = || raw::hv_vm_map(host.addr(), NOTHING, PAGE, raw::RW);
            assert_eq!(map(), raw::SUCCESS);
            guest.set(Reg::X0, 1);
            guest.set(Reg::X1, NOTHING);
            let address = host.addr().expose_provenance();
            let exit = thread::scope(|scope| {
                scope.spawn(move || {
                    wait_until("the guest stores", || host.read(0) == 1);
                    assert_eq!(host.addr().expose_provenance(), address);
                    assert_eq!(raw::hv_vm_unmap(NOTHING, PAGE), raw::SUCCESS);
                    drop(host);
                });
                guest.run()
            });
            assert_eq!(exit.reason, ExitReason::EXCEPTION, "{exit:x?}");
            assert_eq!(exit.exception.physical_address, NOTHING);
        }),
        case("running.map_elsewhere_does_not_disturb", Header, || {
            let guest = Guest::new(&COUNT);
            let host = Host::new(PAGE);
            let data = &guest.data;
            let exit = counting(&guest, |id| {
                for _ in 0..200 {
                    assert_eq!(raw::hv_vm_map(host.addr(), NOTHING, PAGE, raw::RW), raw::SUCCESS);
                    assert_eq!(raw::hv_vm_unmap(NOTHING, PAGE), raw::SUCCESS);
                }
                wait_for_progress(data);
                cancel(id);
            });
            assert_eq!(exit.reason, ExitReason::CANCELED, "{exit:x?}");
        }),
        case("running.a_new_page_behind_an_ipa_is_seen", Header, || {
            let guest = Guest::new(&COUNT);
            let other = Host::new(PAGE);
            let exit = counting(&guest, |_| {
                assert_eq!(raw::hv_vm_unmap(DATA, PAGE), raw::SUCCESS);
            });
            expect_store_fault(exit, TRANSLATION);
            assert_eq!(raw::hv_vm_map(other.addr(), DATA, PAGE, raw::RW), raw::SUCCESS);
            let id = guest.id();
            let old = guest.data.read(0);
            thread::scope(|scope| {
                scope.spawn(|| {
                    wait_for_progress(&other);
                    cancel(id);
                });
                assert_eq!(guest.run().reason, ExitReason::CANCELED);
            });
            assert_eq!(guest.data.read(0), old);
            assert!(other.read(0) > old);
            assert_eq!(raw::hv_vm_unmap(DATA, PAGE), raw::SUCCESS);
        }),
        case("running.a_page_made_executable_runs", Header, || {
            let guest = Guest::new(&[code::br(1)]);
            guest.data.write_code(0, &[hvc(9)]);
            guest.set(Reg::X1, DATA);
            assert_eq!(guest.run_to_exception().physical_address, DATA);
            let flags = raw::READ | raw::EXEC;
            assert_eq!(raw::hv_vm_protect(DATA, PAGE, flags), raw::SUCCESS);
            guest.run_to_hvc(9);
        }),
        case("running.a_page_made_not_executable_stops", Header, || {
            let guest = Guest::new(&[hvc(1), hvc(2)]);
            guest.run_to_hvc(1);
            assert_eq!(raw::hv_vm_protect(CODE, PAGE, raw::READ), raw::SUCCESS);
            let exit = guest.run_to_exception();
            assert_eq!(exit.syndrome & !0b11, 0x8200_000c);
            assert_eq!((exit.virtual_address, exit.physical_address), (CODE + 4, CODE + 4));
            let flags = raw::READ | raw::EXEC;
            assert_eq!(raw::hv_vm_protect(CODE, PAGE, flags), raw::SUCCESS);
            guest.run_to_hvc(2);
        }),
        case("running.the_host_sees_stores_and_the_guest_sees_them", Header, || {
            // Spins until [x1] is not zero, then adds 1 to it.
            let code = [
                access(code::LDR_X, 0, 1),
                0xb4ff_ffe0, // cbz x0, back
                increment(0),
                access(code::STR_X, 0, 1),
                hvc(1),
            ];
            let guest = Guest::new(&code);
            guest.set(Reg::X1, DATA);
            let data = &guest.data;
            thread::scope(|scope| {
                scope.spawn(move || {
                    thread::sleep(Duration::from_millis(5));
                    data.write(0, 41);
                });
                guest.run_to_hvc(1);
            });
            assert_eq!(guest.data.read(0), 42);
        }),
    ]
}
