//! Threads that call at once, each with a reference for what is its own.
//!
//! ```text
//!   the case's thread   a vCPU that never runs: the VM cannot go
//!   four workers        a vCPU each, again and again; run, read, write
//!   one mapper          two pages that nobody else uses; a second VM, refused
//!   one canceler        hv_vcpus_exit of everybody, all the time
//! ```
//!
//! Only a cancel reaches over: a run may end by one wherever it would have ended otherwise.

use super::call::{self, Call, Memory, Object, Start, WINDOW, Which};
use super::machine::{code_block, plain, run};
use super::reference::{Answer, Ended, Limits, Reference, Told, at};
use super::{agree, limits, runner};
use crate::guest::Plain;
use crate::raw::{self, BAD_ARGUMENT, BUSY, Host, PAGE, SUCCESS};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use std::sync::atomic::{AtomicU64, Ordering};

const WORKERS: u64 = 4;
const CANCELED: Told = Told::Ended(Ended::Canceled);
/// How often a worker makes a vCPU, and the calls for each.
const LIVES: usize = 6;
const CALLS: usize = 40;

const GRANULE: u64 = PAGE as u64;
const CODE: u64 = WINDOW + 7 * GRANULE;
/// Where the mapper maps: two pages.
const SPARE: u64 = WINDOW + 5 * GRANULE;

fn map(host: &Host, ipa: u64, size: usize, flags: u64) {
    assert_eq!(raw::hv_vm_map(host.addr(), ipa, size, flags), SUCCESS);
}

pub fn at_once(seed: u64) {
    let limits = limits();
    let (code, data) = (code_block(), Host::new(WORKERS as usize * PAGE));
    let keeper = Plain::new();
    map(&code, CODE, PAGE, raw::READ | raw::EXEC);
    map(&data, WINDOW, data.size(), raw::RW);
    let (going, keeper_id) = (AtomicU64::new(WORKERS), keeper.id);
    let is_going = || going.load(Ordering::SeqCst) > 0;
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (going, data) = (&going, &data);
            scope.spawn(move || {
                // Also when it fails: the others wait for it.
                let _done = OnDrop(|| {
                    going.fetch_sub(1, Ordering::SeqCst);
                });
                work(worker, keeper_id, data, seed, limits);
            });
        }
        scope.spawn(|| {
            while is_going() {
                for id in 0..=WORKERS {
                    let code = raw::hv_vcpus_exit(&id, 1);
                    assert!(code == SUCCESS || code == BAD_ARGUMENT, "{code:#x}");
                }
                std::thread::yield_now();
            }
        });
        scope.spawn(|| remap(is_going, seed));
    });
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A call for one's own vCPU, or for the keeper's.
fn calls() -> impl Strategy<Value = Call> {
    prop_oneof![2 => call::vcpu(), 1 => call::run()]
}

/// The start with this worker's addresses.
fn own(start: Start, data: u64) -> Start {
    match start {
        Start::Hvc(_) => Start::Hvc(CODE),
        Start::Smc(_) => Start::Smc(CODE),
        // With a line up it may go on, wait, or be canceled: not for this test.
        Start::Wfi(_) => Start::Hvc(CODE),
        Start::Store(_, _, value) => Start::Store(CODE, data, value),
        Start::Load(..) => Start::Load(CODE, data),
        Start::Endless(_) => Start::Endless(CODE),
        Start::Illegal(cpsr) => Start::Illegal(cpsr),
    }
}

fn work(worker: u64, keeper: u64, host: &Host, seed: u64, limits: Limits) {
    let mut draw = runner(seed.wrapping_mul(WORKERS).wrapping_add(worker), 1);
    let data = WINDOW + worker * GRANULE;
    for life in 0..LIVES {
        let mut reference = reference(data, limits);
        clear(host, worker);
        let (mut id, mut record) = (u64::MAX, std::ptr::null());
        let code = raw::hv_vcpu_create(Some(&mut id), Some(&mut record), raw::DEFAULT);
        assert_eq!(code, SUCCESS);
        let mut history = Vec::new();
        for place in 0..CALLS {
            let call = calls().new_tree(&mut draw).unwrap().current();
            let (mine, call) = match call {
                Call::Exit(_) => continue, // the canceler's
                Call::Run(which, start) => (which, Call::Run(Which::Mine, own(start, data))),
                call => (call.vcpu().unwrap(), call),
            };
            let mine = matches!(mine, Which::Mine);
            let number = if mine { id } else { keeper };
            let seen = match call {
                Call::Run(_, start) => run(number, record.expose_provenance(), start),
                ref call => plain(call, number, 0),
            };
            let expected = match mine {
                true => expect(&mut reference, &call, seen).expect("the reference knows it"),
                false => BAD_ARGUMENT.into(),
            };
            history.push(call);
            assert!(
                agree(expected, seen),
                "worker {worker}, life {life}, call {place}: expected {expected:x?}, answered \
                 {seen:x?}; its own {mine}; {}={seed}; {history:x?}",
                super::SEED
            );
            if mine && seen.told == CANCELED {
                settle(&mut reference, id, || clear(host, worker));
            }
        }
        assert_eq!(raw::hv_vcpu_destroy(id), SUCCESS);
    }
}

/// The page of the reference's block 0 that stands for the worker's own.
const OWN_PAGE: u64 = GRANULE / call::PAGE;

fn clear(host: &Host, worker: u64) {
    host.write((worker * GRANULE + at::CELL) as usize, 0);
}

/// A cancel came before, between, or after a program's instructions: both sides start anew.
fn settle(reference: &mut Reference, id: u64, clear: impl Fn()) {
    clear();
    reference.write(0, OWN_PAGE, 0);
    for reg in [raw::PC, 2] {
        assert_eq!(raw::hv_vcpu_set_reg(id, reg, 0), SUCCESS);
        let answer = reference.expect(0, &Call::SetReg(Which::Mine, reg, 0));
        assert_eq!(answer, Some(SUCCESS.into()));
    }
}

/// What a worker sees: a VM with its vCPU, the code, its own page.
fn reference(data: u64, limits: Limits) -> Reference {
    let mut reference = Reference::new(limits);
    let block = |ipa, offset, flags| Call::Map {
        memory: Memory::Block(0, offset),
        ipa,
        size: GRANULE,
        flags,
    };
    for call in [
        Call::VmCreate(Object::Null),
        block(CODE, 0, raw::READ | raw::EXEC),
        block(data, GRANULE, raw::RW),
        Call::VcpuCreate(Object::Null),
    ] {
        assert_eq!(reference.expect(0, &call).map(|answer| answer.code), Some(SUCCESS));
    }
    reference
}

/// What the answer should have been, given that a cancel may have come.
fn expect(reference: &mut Reference, call: &Call, seen: Answer) -> Option<Answer> {
    let endless = matches!(call, Call::Run(_, Start::Endless(_)));
    if seen.told == CANCELED && !endless {
        let cancel = Call::Exit(vec![Which::Mine]);
        assert_eq!(reference.expect(0, &cancel), Some(SUCCESS.into()));
    }
    reference.expect(0, call)
}

/// Maps, protects and unmaps two pages, by the rules.
fn remap(is_going: impl Fn() -> bool, seed: u64) {
    let host = Host::new(2 * PAGE);
    let mut draw = runner(!seed, 1);
    let mut mapped = [None; 2];
    while is_going() {
        let (page, flags) = (0..2usize, 0..8u64).new_tree(&mut draw).unwrap().current();
        let ipa = SPARE + page as u64 * GRANULE;
        let addr = host.addr().wrapping_byte_add(page * PAGE);
        let free = mapped[page].is_none();
        let code = if flags & 1 == 0 {
            let code = raw::hv_vm_map(addr, ipa, PAGE, flags);
            assert_eq!(code, if free { SUCCESS } else { raw::ERROR });
            mapped[page] = Some(flags);
            raw::hv_vm_protect(ipa, PAGE, flags ^ 2)
        } else {
            let code = raw::hv_vm_unmap(ipa, PAGE);
            assert_eq!(code, if free { raw::ERROR } else { SUCCESS });
            mapped[page] = None;
            SUCCESS
        };
        assert_eq!(code, SUCCESS);
        assert_eq!(raw::hv_vm_create(raw::DEFAULT), BUSY);
        assert_eq!(raw::hv_vm_destroy(), BUSY);
    }
    for (page, flags) in mapped.into_iter().enumerate() {
        if flags.is_some() {
            assert_eq!(raw::hv_vm_unmap(SPARE + page as u64 * GRANULE, PAGE), SUCCESS);
        }
    }
}
