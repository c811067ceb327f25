//! Allocations, and the map from guest physical to host memory.

use crate::case::{Case, Source, case};
use crate::code::{self, access, branch_back, hvc};
use crate::guest::{EmptyVm, Guest, NOTHING};
use crate::raw::{self, DEFAULT, Host, PAGE, RW};

use applevisor::prelude::{ExitReason, Reg};
use std::thread;

use Source::{Header, Observed, Ours};

/// Where a case maps.
const IPA: u64 = 0x4000_0000;
/// A page, as the map's arguments have it.
const STEP: u64 = PAGE as u64;

/// A VM with host memory of `pages` pages, the whole mapped at [`IPA`] if `mapped`.
struct Map {
    _vm: EmptyVm,
    host: Host,
}

impl Map {
    fn empty(pages: usize) -> Self {
        Self { _vm: EmptyVm::new(DEFAULT), host: Host::new(pages * PAGE) }
    }

    fn full(pages: usize) -> Self {
        let map = Self::empty(pages);
        assert_eq!(map.map(IPA, pages * PAGE), raw::SUCCESS);
        map
    }

    fn map(&self, ipa: u64, size: usize) -> i32 {
        raw::hv_vm_map(self.host.addr(), ipa, size, RW)
    }
}

fn allocate(size: usize, flags: u32) -> (i32, *mut std::ffi::c_void) {
    let mut addr = std::ptr::null_mut();
    let code = raw::hv_vm_allocate(Some(&mut addr), size, flags);
    (code, addr)
}

pub fn cases() -> Vec<Case> {
    let mut cases = allocation_cases();
    cases.extend(map_cases());
    cases.extend(unmap_cases());
    cases.extend(protect_cases());
    cases.extend(seen_cases());
    cases
}

fn allocation_cases() -> Vec<Case> {
    vec![
        case("memory.allocation_is_zero_and_aligned", Header, || {
            for size in [PAGE, 5 * PAGE, 8 << 20] {
                let host = Host::new(size);
                assert!(host.addr().addr().is_multiple_of(PAGE));
                assert!((0..size).step_by(0x1000).all(|offset| host.read(offset) == 0));
                host.write(size - 8, u64::MAX);
                assert_eq!(host.read(size - 8), u64::MAX);
            }
        }),
        case("memory.allocations_do_not_overlap", Header, || {
            let hosts: Vec<_> = (0..8).map(|_| Host::new(PAGE)).collect();
            hosts.iter().enumerate().for_each(|(i, host)| host.write(0, i as u64));
            assert!(hosts.iter().enumerate().all(|(i, host)| host.read(0) == i as u64));
        }),
        // hv_vm_allocate.h: "Size must be a multiple of PAGE_SIZE".
        case("memory.allocate_part_of_a_page", Header, || {
            assert_eq!(allocate(0x1000, 0).0, raw::BAD_ARGUMENT);
            assert_eq!(allocate(PAGE + 1, 0).0, raw::BAD_ARGUMENT);
        }),
        case("memory.allocate_nothing", Ours, || {
            assert_eq!(allocate(0, 0).0, raw::BAD_ARGUMENT);
        }),
        case("memory.allocate_too_much", Ours, || {
            assert_eq!(allocate(usize::MAX - (PAGE - 1), 0).0, raw::NO_RESOURCES);
            assert_eq!(allocate(1 << 62, 0).0, raw::NO_RESOURCES);
        }),
        case("memory.allocate_with_unknown_flags", Ours, || {
            assert_eq!(allocate(PAGE, 1).0, raw::BAD_ARGUMENT);
        }),
        case("memory.deallocate_twice", Ours, || {
            let (code, addr) = allocate(PAGE, 0);
            assert_eq!(code, raw::SUCCESS);
            assert_eq!(raw::hv_vm_deallocate(addr, PAGE), raw::SUCCESS);
            assert_eq!(raw::hv_vm_deallocate(addr, PAGE), raw::BAD_ARGUMENT);
        })
        .not_on_a_mac(),
        case("memory.deallocate_with_another_size", Ours, || {
            let host = Host::new(2 * PAGE);
            for size in [0, PAGE, 3 * PAGE] {
                assert_eq!(raw::hv_vm_deallocate(host.addr(), size), raw::BAD_ARGUMENT);
            }
            assert_eq!(host.read(PAGE), 0);
        })
        .not_on_a_mac(),
        case("memory.deallocate_what_was_not_allocated", Ours, || {
            let host = Host::new(2 * PAGE);
            let inside = host.addr().wrapping_byte_add(PAGE);
            let stack = 0u64;
            for addr in [inside, std::ptr::from_ref(&stack).cast(), std::ptr::null()] {
                assert_eq!(raw::hv_vm_deallocate(addr, PAGE), raw::BAD_ARGUMENT);
            }
        })
        .not_on_a_mac(),
        case("memory.deallocate_what_is_mapped_is_busy", Ours, || {
            let map = Map::empty(2);
            assert_eq!(map.map(IPA, PAGE), raw::SUCCESS);
            let (addr, size) = (map.host.addr(), map.host.size());
            assert_eq!(raw::hv_vm_deallocate(addr, size), raw::BUSY);
            map.host.write(0, 1);
        })
        .not_on_a_mac(),
    ]
}

fn map_cases() -> Vec<Case> {
    vec![
        case("memory.map_without_vm", Header, || {
            let host = Host::new(PAGE);
            assert_eq!(raw::hv_vm_map(host.addr(), IPA, PAGE, RW), raw::NO_DEVICE);
        }),
        case("memory.map_with_each_permission", Header, || {
            let map = Map::empty(1);
            for flags in 0..8 {
                let code = raw::hv_vm_map(map.host.addr(), IPA, PAGE, flags);
                assert_eq!(code, raw::SUCCESS, "flags {flags}");
                assert_eq!(raw::hv_vm_unmap(IPA, PAGE), raw::SUCCESS);
            }
        }),
        // hv_vm.h: page aligned address and IPA, size a multiple of the page.
        case("memory.map_misaligned_ipa", Header, || {
            let map = Map::empty(1);
            for ipa in [IPA + 1, IPA + 0x1000, IPA + 0x2000] {
                assert_eq!(map.map(ipa, PAGE), raw::BAD_ARGUMENT, "{ipa:#x}");
            }
        }),
        case("memory.map_misaligned_size", Header, || {
            let map = Map::empty(2);
            for size in [1, 0x1000, PAGE - 1, PAGE + 0x1000] {
                assert_eq!(map.map(IPA, size), raw::BAD_ARGUMENT, "{size:#x}");
            }
        }),
        case("memory.map_misaligned_address", Header, || {
            let map = Map::empty(3);
            for offset in [1, 8, 0x1000, 0x2000] {
                let addr = map.host.addr().wrapping_byte_add(offset);
                assert_eq!(raw::hv_vm_map(addr, IPA, PAGE, RW), raw::BAD_ARGUMENT, "{offset:#x}");
            }
        }),
        case("memory.map_nothing", Ours, || {
            assert_eq!(Map::empty(1).map(IPA, 0), raw::BAD_ARGUMENT);
        }),
        case("memory.map_null", Ours, || {
            let _vm = EmptyVm::new(DEFAULT);
            assert_eq!(raw::hv_vm_map(std::ptr::null(), IPA, PAGE, RW), raw::BAD_ARGUMENT);
        }),
        case("memory.map_host_memory_that_is_not_there", Ours, || {
            let map = Map::empty(1);
            let nowhere = std::ptr::without_provenance(PAGE);
            assert_eq!(raw::hv_vm_map(nowhere, IPA, PAGE, RW), raw::BAD_ARGUMENT);
            let wraps = std::ptr::without_provenance(usize::MAX - (PAGE - 1));
            assert_eq!(raw::hv_vm_map(wraps, IPA, 2 * PAGE, RW), raw::BAD_ARGUMENT);
            assert_eq!(map.map(IPA, PAGE), raw::SUCCESS);
        }),
        case("memory.map_past_the_ipa_space", Header, || {
            let map = Map::empty(2);
            assert_eq!(map.map(1 << 36, PAGE), raw::BAD_ARGUMENT);
            assert_eq!(map.map((1 << 36) - STEP, 2 * PAGE), raw::BAD_ARGUMENT);
            assert_eq!(map.map(0u64.wrapping_sub(STEP), 2 * PAGE), raw::BAD_ARGUMENT);
        }),
        case("memory.map_with_unknown_flags", Ours, || {
            let map = Map::empty(1);
            for flags in [8, 1 << 63] {
                let code = raw::hv_vm_map(map.host.addr(), IPA, PAGE, flags);
                assert_eq!(code, raw::BAD_ARGUMENT, "{flags:#x}");
            }
        }),
        case("memory.map_over_a_mapping", Ours, || {
            let map = Map::empty(3);
            assert_eq!(map.map(IPA + STEP, PAGE), raw::SUCCESS);
            assert_eq!(map.map(IPA + STEP, PAGE), raw::ERROR);
            assert_eq!(map.map(IPA, 3 * PAGE), raw::ERROR);
            assert_eq!(map.map(IPA, 2 * PAGE), raw::ERROR);
            assert_eq!(map.map(IPA, PAGE), raw::SUCCESS);
        }),
        case("memory.map_the_same_host_page_twice", Ours, || {
            let map = Map::empty(1);
            assert_eq!(map.map(IPA, PAGE), raw::SUCCESS);
            assert_eq!(map.map(IPA + STEP, PAGE), raw::SUCCESS);
        }),
        case("memory.map_ipa_0", Header, || {
            assert_eq!(Map::empty(1).map(0, PAGE), raw::SUCCESS);
        }),
        case("memory.map_from_another_thread", Observed, || {
            let map = Map::empty(1);
            let addr = map.host.addr().expose_provenance();
            let other = std::thread::spawn(move || {
                let addr = std::ptr::with_exposed_provenance(addr);
                raw::hv_vm_map(addr, IPA, PAGE, RW)
            });
            assert_eq!(other.join().unwrap(), raw::SUCCESS);
            assert_eq!(raw::hv_vm_unmap(IPA, PAGE), raw::SUCCESS);
        }),
    ]
}

fn unmap_cases() -> Vec<Case> {
    vec![
        case("memory.unmap_without_vm", Header, || {
            assert_eq!(raw::hv_vm_unmap(IPA, PAGE), raw::NO_DEVICE);
        }),
        case("memory.unmap_what_is_not_mapped", Ours, || {
            let _vm = EmptyVm::new(DEFAULT);
            assert_eq!(raw::hv_vm_unmap(IPA, PAGE), raw::ERROR);
        }),
        case("memory.unmap_twice", Ours, || {
            let _map = Map::full(1);
            assert_eq!(raw::hv_vm_unmap(IPA, PAGE), raw::SUCCESS);
            assert_eq!(raw::hv_vm_unmap(IPA, PAGE), raw::ERROR);
        }),
        case("memory.unmap_over_a_hole_changes_nothing", Ours, || {
            let _map = Map::full(1);
            assert_eq!(raw::hv_vm_unmap(IPA, 2 * PAGE), raw::ERROR);
            assert_eq!(raw::hv_vm_unmap(IPA, PAGE), raw::SUCCESS);
        }),
        case("memory.unmap_a_part", Header, || {
            let map = Map::full(3);
            assert_eq!(raw::hv_vm_unmap(IPA + STEP, PAGE), raw::SUCCESS);
            assert_eq!(map.map(IPA + STEP, PAGE), raw::SUCCESS);
            assert_eq!(raw::hv_vm_unmap(IPA, 3 * PAGE), raw::SUCCESS);
        }),
        case("memory.unmap_misaligned", Header, || {
            let _map = Map::full(2);
            assert_eq!(raw::hv_vm_unmap(IPA + 0x1000, PAGE), raw::BAD_ARGUMENT);
            assert_eq!(raw::hv_vm_unmap(IPA, 0x1000), raw::BAD_ARGUMENT);
        }),
        case("memory.unmap_nothing", Ours, || {
            let _map = Map::full(1);
            assert_eq!(raw::hv_vm_unmap(IPA, 0), raw::BAD_ARGUMENT);
        }),
        case("memory.unmap_past_the_ipa_space", Header, || {
            let _vm = EmptyVm::new(DEFAULT);
            assert_eq!(raw::hv_vm_unmap(1 << 36, PAGE), raw::BAD_ARGUMENT);
            let wraps = 0u64.wrapping_sub(STEP);
            assert_eq!(raw::hv_vm_unmap(wraps, 2 * PAGE), raw::BAD_ARGUMENT);
        }),
    ]
}

fn protect_cases() -> Vec<Case> {
    vec![
        case("memory.protect_without_vm", Header, || {
            assert_eq!(raw::hv_vm_protect(IPA, PAGE, RW), raw::NO_DEVICE);
        }),
        case("memory.protect_to_each_permission", Header, || {
            let _map = Map::full(1);
            for flags in 0..8 {
                assert_eq!(raw::hv_vm_protect(IPA, PAGE, flags), raw::SUCCESS, "flags {flags}");
            }
        }),
        case("memory.protect_a_part", Header, || {
            let _map = Map::full(3);
            assert_eq!(raw::hv_vm_protect(IPA + STEP, PAGE, raw::READ), raw::SUCCESS);
            assert_eq!(raw::hv_vm_unmap(IPA, 3 * PAGE), raw::SUCCESS);
        }),
        case("memory.protect_what_is_not_mapped", Ours, || {
            let _map = Map::full(1);
            assert_eq!(raw::hv_vm_protect(IPA + STEP, PAGE, RW), raw::ERROR);
            assert_eq!(raw::hv_vm_protect(IPA, 2 * PAGE, RW), raw::ERROR);
        }),
        case("memory.protect_misaligned", Header, || {
            let _map = Map::full(2);
            assert_eq!(raw::hv_vm_protect(IPA + 1, PAGE, RW), raw::BAD_ARGUMENT);
            assert_eq!(raw::hv_vm_protect(IPA, 0x1000, RW), raw::BAD_ARGUMENT);
            assert_eq!(raw::hv_vm_protect(IPA, 0, RW), raw::BAD_ARGUMENT);
        }),
        case("memory.protect_with_unknown_flags", Ours, || {
            let _map = Map::full(1);
            assert_eq!(raw::hv_vm_protect(IPA, PAGE, 8), raw::BAD_ARGUMENT);
        }),
    ]
}

/// Status codes of an abort, without the level.
const TRANSLATION: u64 = 0b000100;
const PERMISSION: u64 = 0b001100;

/// What a guest's access to each of some pages ends in: `None` if it is done, else the status.
fn accesses(guest: &Guest, instruction: u32, pages: std::ops::Range<u64>) -> Vec<Option<u64>> {
    guest.code.write_code(0, &[instruction, hvc(1)]);
    let one = |page: u64| {
        guest.set(Reg::PC, crate::guest::CODE);
        guest.set(Reg::X1, NOTHING + page * STEP);
        let exit = guest.run_to_exception();
        (exit.syndrome != 0x5a00_0001).then(|| {
            assert_eq!(exit.physical_address, NOTHING + page * STEP);
            exit.syndrome & 0b111100
        })
    };
    pages.map(one).collect()
}

/// What the map's changes are to a guest.
fn seen_cases() -> Vec<Case> {
    let load = access(code::LDR_X, 0, 1);
    let store = access(code::STR_X, 0, 1);
    vec![
        case("memory.the_guest_loses_the_part_that_was_unmapped", Header, move || {
            let guest = Guest::new(&[]);
            let host = Host::new(5 * PAGE);
            let map = |from: usize, pages: usize| {
                let addr = host.addr().wrapping_byte_add(from * PAGE);
                raw::hv_vm_map(addr, NOTHING + from as u64 * STEP, pages * PAGE, RW)
            };
            assert_eq!(map(0, 5), raw::SUCCESS);
            assert_eq!(accesses(&guest, store, 0..5), [None; 5]);
            assert_eq!(raw::hv_vm_unmap(NOTHING + STEP, 2 * PAGE), raw::SUCCESS);
            let gone = Some(TRANSLATION);
            assert_eq!(accesses(&guest, store, 0..5), [None, gone, gone, None, None]);
            // A part of the hole is filled again; both ends of the old mapping can still go.
            assert_eq!(map(2, 1), raw::SUCCESS);
            assert_eq!(accesses(&guest, load, 0..5), [None, gone, None, None, None]);
            assert_eq!(raw::hv_vm_unmap(NOTHING + 2 * STEP, 3 * PAGE), raw::SUCCESS);
            assert_eq!(accesses(&guest, load, 0..5), [None, gone, gone, gone, gone]);
            assert_eq!(raw::hv_vm_unmap(NOTHING, PAGE), raw::SUCCESS);
        }),
        case("memory.protect_of_a_part_is_of_that_part", Header, move || {
            let guest = Guest::new(&[]);
            let host = Host::new(4 * PAGE);
            assert_eq!(raw::hv_vm_map(host.addr(), NOTHING, 4 * PAGE, RW), raw::SUCCESS);
            let middle = NOTHING + STEP;
            assert_eq!(raw::hv_vm_protect(middle, 2 * PAGE, raw::READ), raw::SUCCESS);
            let refused = Some(PERMISSION);
            assert_eq!(accesses(&guest, store, 0..4), [None, refused, refused, None]);
            assert_eq!(accesses(&guest, load, 0..4), [None; 4]);
            assert_eq!(raw::hv_vm_protect(middle, PAGE, 0), raw::SUCCESS);
            assert_eq!(accesses(&guest, load, 0..4), [None, refused, None, None]);
            assert_eq!(raw::hv_vm_protect(NOTHING, 4 * PAGE, RW), raw::SUCCESS);
            assert_eq!(accesses(&guest, store, 0..4), [None; 4]);
            assert_eq!(raw::hv_vm_unmap(NOTHING, 4 * PAGE), raw::SUCCESS);
        }),
        // Two mappings side by side are one range to protect and unmap: nothing in the header ties
        // a range to the call that mapped it.
        case("memory.a_range_may_span_mappings", Ours, move || {
            let guest = Guest::new(&[]);
            let (left, right) = (Host::new(PAGE), Host::new(PAGE));
            assert_eq!(raw::hv_vm_map(left.addr(), NOTHING, PAGE, RW), raw::SUCCESS);
            let map = raw::hv_vm_map(right.addr(), NOTHING + STEP, PAGE, raw::READ);
            assert_eq!(map, raw::SUCCESS);
            assert_eq!(raw::hv_vm_protect(NOTHING, 2 * PAGE, RW), raw::SUCCESS);
            guest.set(Reg::X0, 0x99);
            assert_eq!(accesses(&guest, store, 0..2), [None; 2]);
            assert_eq!((left.read(0), right.read(0)), (0x99, 0x99));
            assert_eq!(raw::hv_vm_unmap(NOTHING, 2 * PAGE), raw::SUCCESS);
            assert_eq!(accesses(&guest, load, 0..2), [Some(TRANSLATION); 2]);
        }),
        case("memory.a_refused_change_changes_nothing", Ours, move || {
            let guest = Guest::new(&[]);
            let host = Host::new(2 * PAGE);
            assert_eq!(raw::hv_vm_map(host.addr(), NOTHING, PAGE, RW), raw::SUCCESS);
            assert_eq!(raw::hv_vm_protect(NOTHING, 2 * PAGE, raw::READ), raw::ERROR);
            assert_eq!(raw::hv_vm_unmap(NOTHING, 2 * PAGE), raw::ERROR);
            assert_eq!(raw::hv_vm_map(host.addr(), NOTHING, 2 * PAGE, RW), raw::ERROR);
            assert_eq!(accesses(&guest, store, 0..2), [None, Some(TRANSLATION)]);
            assert_eq!(raw::hv_vm_unmap(NOTHING, PAGE), raw::SUCCESS);
        }),
        // One host page behind two addresses: what is stored by one is loaded by the other.
        case("memory.two_addresses_of_a_page_are_one_memory", Header, move || {
            let guest = Guest::new(&[store, access(code::LDR_X, 2, 3), hvc(1)]);
            let host = Host::new(PAGE);
            for page in 0..2 {
                let code = raw::hv_vm_map(host.addr(), NOTHING + page * STEP, PAGE, RW);
                assert_eq!(code, raw::SUCCESS);
            }
            for (register, value) in
                [(Reg::X0, 0x1234), (Reg::X1, NOTHING + 8), (Reg::X3, NOTHING + STEP + 8)]
            {
                guest.set(register, value);
            }
            guest.run_to_hvc(1);
            assert_eq!((guest.get(Reg::X2), host.read(8)), (0x1234, 0x1234));
            assert_eq!(raw::hv_vm_unmap(NOTHING, 2 * PAGE), raw::SUCCESS);
        }),
        case("memory.remapped_while_a_vcpu_runs", Header, remapped_while_running),
        // What was unmapped before it was freed may be freed; the guest has no way to it.
        case("memory.destroying_the_vm_unmaps_all", Header, || {
            let host = Host::new(PAGE);
            {
                let _vm = EmptyVm::new(DEFAULT);
                assert_eq!(raw::hv_vm_map(host.addr(), IPA, PAGE, RW), raw::SUCCESS);
            }
            drop(host); // refused with HV_BUSY, were it still mapped
            let _vm = EmptyVm::new(DEFAULT);
            assert_eq!(raw::hv_vm_unmap(IPA, PAGE), raw::ERROR);
        }),
    ]
}

/// A guest copies a number for ever from a page to another. Meanwhile the first is exchanged for
/// one with another number, 50 times: each time the new number arrives, and never an older one
/// after it.
fn remapped_while_running() {
    let code = [access(code::LDR_X, 0, 1), access(code::STR_X, 0, 2), branch_back(2)];
    let guest = Guest::new(&code);
    let (a, b) = (Host::new(PAGE), Host::new(PAGE));
    let map = |host: &Host| raw::hv_vm_map(host.addr(), NOTHING, PAGE, raw::READ);
    assert_eq!(map(&a), raw::SUCCESS);
    guest.set(Reg::X1, NOTHING);
    guest.set(Reg::X2, crate::guest::DATA);
    let (id, seen, pages) = (guest.id(), &guest.data, [&a, &b]);
    thread::scope(|scope| {
        scope.spawn(move || {
            for round in 1..=50u64 {
                let next = pages[round as usize % 2];
                next.write(0, round);
                assert_eq!(raw::hv_vm_unmap(NOTHING, PAGE), raw::SUCCESS);
                assert_eq!(map(next), raw::SUCCESS);
                let mut last = seen.read(0);
                while last != round {
                    assert!(last == round - 1, "{last} is neither the old number nor {round}");
                    thread::yield_now();
                    last = seen.read(0);
                }
            }
            assert_eq!(raw::hv_vcpus_exit(&id, 1), raw::SUCCESS);
        });
        loop {
            let exit = guest.run();
            if exit.reason == ExitReason::CANCELED {
                break;
            }
            // Between unmap and map: try again.
            let exception = exit.exception;
            assert_eq!(exception.physical_address, NOTHING, "{exception:x?}");
            assert_eq!(exception.syndrome & 0b111100, TRANSLATION);
        }
    });
    assert_eq!(raw::hv_vm_unmap(NOTHING, PAGE), raw::SUCCESS);
}
