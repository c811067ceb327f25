//! Which pages has the guest written? The API has no log of them: its users take the right to
//! write away (`hv_vm_protect`), note who asks for it, and give it back.
//!
//! ```text
//!   a vCPU's thread                          who copies the guest's memory
//!   ---------------                          -----------------------------
//!   run                                      for each page noted:
//!   store without permission: exit             lock
//!     lock                                       forget the note
//!       note the page                            write permission away
//!       write permission back                  unlock
//!     unlock                                   copy the page
//!   run: the store is done again
//! ```

use crate::case::{Case, Source, case};
use crate::code::{access, branch_back, hvc, increment};
use crate::guest::CODE;
use crate::raw::{self, Host, PAGE};
use applevisor::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;

use Source::Header;

/// The memory that is tracked.
const RAM: u64 = 0x5000_0000;
const PAGES: usize = 8;
const STEP: u64 = PAGE as u64;

/// EC, WnR and the kind of DFSC of a store without permission.
fn is_forbidden_store(syndrome: u64) -> bool {
    syndrome >> 26 == 0x24 && syndrome & 1 << 6 != 0 && syndrome & 0b111100 == 0b001100
}

fn protect(page: usize, flags: u64) {
    assert_eq!(raw::hv_vm_protect(RAM + page as u64 * STEP, PAGE, flags), raw::SUCCESS);
}

/// A VM with code and tracked memory, which nobody may write at first.
struct Tracked {
    vm: VirtualMachineInstance<GicDisabled>,
    _code: Host,
    ram: Host,
    /// The pages noted.
    dirty: Mutex<[bool; PAGES]>,
}

impl Tracked {
    fn new(code: &[u32]) -> Self {
        let vm = VirtualMachine::new().unwrap();
        let (host, ram) = (Host::new(PAGE), Host::new(PAGES * PAGE));
        host.write_code(0, code);
        let execute = raw::READ | raw::EXEC;
        assert_eq!(raw::hv_vm_map(host.addr(), CODE, PAGE, execute), raw::SUCCESS);
        let mapped = raw::hv_vm_map(ram.addr(), RAM, ram.size(), raw::READ);
        assert_eq!(mapped, raw::SUCCESS);
        Self { vm, _code: host, ram, dirty: Mutex::default() }
    }

    /// Runs until something else than a forbidden store; stores are noted and allowed.
    fn run(&self, vcpu: &Vcpu) -> VcpuExit {
        loop {
            vcpu.run().unwrap();
            let exit = vcpu.get_exit_info();
            let exception = exit.exception;
            if exit.reason != ExitReason::EXCEPTION || !is_forbidden_store(exception.syndrome) {
                return exit;
            }
            let page = ((exception.physical_address - RAM) / STEP) as usize;
            let mut dirty = self.dirty.lock().unwrap();
            dirty[page] = true;
            protect(page, raw::RW);
        }
    }

    /// Takes the notes, and the right to write with them.
    fn collect(&self) -> Vec<usize> {
        let mut dirty = self.dirty.lock().unwrap();
        let pages: Vec<_> = (0..PAGES).filter(|&page| dirty[page]).collect();
        pages.iter().for_each(|&page| protect(page, raw::READ));
        *dirty = Default::default();
        pages
    }

    fn content(&self, page: usize) -> Vec<u64> {
        (0..PAGE).step_by(8).map(|offset| self.ram.read(page * PAGE + offset)).collect()
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        raw::hv_vm_unmap(CODE, PAGE);
        raw::hv_vm_unmap(RAM, PAGES * PAGE);
    }
}

/// Adds 1 to a number in each of `x2`'s multiples, modulo `x6 + 1`, from `x1` on; for ever.
const COUNT_EVERYWHERE: [u32; 6] = [
    0x8b02_00a5, // add x5, x5, x2
    0x8a06_00a5, // and x5, x5, x6
    0xf865_6820, // ldr x0, [x1, x5]
    increment(0),
    0xf825_6820, // str x0, [x1, x5]
    branch_back(5),
];

/// `str x0, [x1]; str x0, [x2]; ldr x0, [x3]; hvc #1`
const TWO_STORES: [u32; 4] = [
    access(crate::code::STR_X, 0, 1),
    access(crate::code::STR_X, 0, 2),
    access(crate::code::LDR_X, 0, 3),
    hvc(1),
];

fn two_stores(tracked: &Tracked, vcpu: &Vcpu, first: usize, second: usize, read: usize) {
    let address = |page: usize| RAM + page as u64 * STEP + 0x100;
    for (register, value) in [
        (Reg::PC, CODE),
        (Reg::X1, address(first)),
        (Reg::X2, address(second)),
        (Reg::X3, address(read)),
    ] {
        vcpu.set_reg(register, value).unwrap();
    }
    assert_eq!(tracked.run(vcpu).exception.syndrome, 0x5a00_0001);
}

pub fn cases() -> Vec<Case> {
    vec![
        case("dirty.pages_that_were_written_are_noted", Header, || {
            let tracked = Tracked::new(&TWO_STORES);
            let vcpu = tracked.vm.vcpu_create().unwrap();
            two_stores(&tracked, &vcpu, 1, 6, 3);
            assert_eq!(tracked.collect(), [1, 6]);
        }),
        case("dirty.a_page_is_noted_again_after_it_was_collected", Header, || {
            let tracked = Tracked::new(&TWO_STORES);
            let vcpu = tracked.vm.vcpu_create().unwrap();
            for (first, second) in [(0, 7), (7, 7), (7, 2)] {
                two_stores(&tracked, &vcpu, first, second, 4);
                let mut expected = vec![first, second];
                expected.sort_unstable();
                expected.dedup();
                assert_eq!(tracked.collect(), expected);
            }
            assert_eq!(tracked.collect(), [0; 0]);
        }),
        case("dirty.a_page_that_may_be_written_does_not_exit_again", Header, || {
            let tracked = Tracked::new(&TWO_STORES);
            let vcpu = tracked.vm.vcpu_create().unwrap();
            two_stores(&tracked, &vcpu, 5, 5, 5);
            // Nothing was collected: a direct run meets no refused store.
            vcpu.set_reg(Reg::PC, CODE).unwrap();
            vcpu.run().unwrap();
            assert_eq!(vcpu.get_exit_info().exception.syndrome, 0x5a00_0001);
        }),
        // As a live migration does it: memory is copied while four vCPUs write it, the pages that
        // they wrote meanwhile again and again, and the last ones when they have stopped.
        case("dirty.a_copy_made_while_vcpus_write_is_whole", Header, || {
            let tracked = Tracked::new(&COUNT_EVERYWHERE);
            let mut copy: Vec<Vec<u64>> = (0..PAGES).map(|page| tracked.content(page)).collect();
            let (tell, started) = mpsc::channel();
            let stopping = AtomicBool::new(false);
            thread::scope(|scope| {
                for number in 0..4u64 {
                    let (tracked, tell, stopping) = (&tracked, tell.clone(), &stopping);
                    scope.spawn(move || {
                        let vcpu = tracked.vm.vcpu_create().unwrap();
                        let odd = 2 * number + 1; // of 8 pages, it visits each
                        for (register, value) in [
                            (Reg::PC, CODE),
                            (Reg::X1, RAM + 8 * number),
                            (Reg::X2, odd * STEP),
                            (Reg::X6, PAGES as u64 * STEP - 1),
                        ] {
                            vcpu.set_reg(register, value).unwrap();
                        }
                        tell.send(vcpu.get_handle()).unwrap();
                        let exit = tracked.run(&vcpu);
                        assert_eq!(exit.reason, ExitReason::CANCELED, "{exit:x?}");
                        assert!(stopping.load(Ordering::SeqCst), "nobody asked for it");
                    });
                }
                let vcpus: Vec<_> = started.iter().take(4).collect();
                let everyone_was_everywhere = || {
                    (0..PAGES).all(|page| (0..4).all(|n| tracked.ram.read(page * PAGE + 8 * n) > 0))
                };
                let mut copied = 0;
                while copied < 100 || !everyone_was_everywhere() {
                    for page in tracked.collect() {
                        copy[page] = tracked.content(page);
                        copied += 1;
                    }
                    thread::yield_now();
                }
                stopping.store(true, Ordering::SeqCst);
                tracked.vm.vcpus_exit(&vcpus).unwrap();
            });
            for page in tracked.collect() {
                copy[page] = tracked.content(page);
            }
            for (page, copied) in copy.iter().enumerate() {
                let now = tracked.content(page);
                let differs = (0..now.len()).find(|&i| now[i] != copied[i]);
                assert_eq!(differs, None, "page {page} differs from its copy at this word");
            }
        }),
    ]
}
