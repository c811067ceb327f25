//! The framework under test, and the threads that call it.
//!
//! A thread waits for one call, makes it, and hands back what it answered: sequences of several
//! threads have one order and can be repeated.

use super::call::{ACTORS, BLOCKS, Call, Memory, OBJECTS, Object, PAGE, Start, Trap};
use super::reference::{Answer, CODE_PAGES, Ended, Told, at, registers};
use crate::code::{self, LOOP, WFI, access, hvc, smc};
use crate::raw::{self, Host, SUCCESS, ask};
use applevisor_sys::{hv_exit_reason_t as Reason, hv_vcpu_exit_t};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

type Job = Box<dyn FnOnce() + Send>;

/// A thread that does as it is told.
struct Actor {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Actor {
    fn new() -> Self {
        let (jobs, todo) = channel::<Job>();
        let thread = std::thread::spawn(move || todo.into_iter().for_each(|job| job()));
        Self { jobs: Some(jobs), thread: Some(thread) }
    }

    /// Starts a job; its result arrives by the channel.
    fn start<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> Receiver<R> {
        let (tell, hear) = channel();
        let job = Box::new(move || drop(tell.send(job())));
        self.jobs.as_ref().map(|jobs| jobs.send(job)).unwrap().unwrap();
        hear
    }

    fn done<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> R {
        self.start(job).recv().expect("a call panicked in its thread")
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.jobs = None;
        // A panic of the thread has been told by the job that did not answer.
        self.thread.take().map(JoinHandle::join);
    }
}

/// What the calls act upon.
pub struct Machine {
    actors: Vec<Actor>,
    /// By thread: where the exit record of its vCPU is.
    records: [usize; ACTORS],
    /// Handles by place, also after their release.
    objects: [usize; OBJECTS],
    live: [bool; OBJECTS],
    blocks: [Option<Host>; BLOCKS],
}

/// The programs of [`Start`], in each page.
pub fn code_block() -> Host {
    let host = Host::new((CODE_PAGES * PAGE) as usize);
    for page in 0..CODE_PAGES {
        let put = |offset, code: &[u32]| host.write_code((page * PAGE + offset) as usize, code);
        put(at::HVC, &[hvc(1)]);
        put(at::STORE, &[access(code::STR_X, 0, 1), hvc(2)]);
        put(at::LOAD, &[access(code::LDR_X, 2, 1), hvc(3)]);
        put(at::SMC, &[smc(4)]);
        put(at::WFI, &[WFI, hvc(5)]);
        put(at::ENDLESS, &[LOOP]);
    }
    host
}

fn told(code: i32, value: impl Into<u128>) -> Answer {
    let told = if code == SUCCESS { Told::Value(value.into()) } else { Told::Nothing };
    Answer { code, told }
}

impl Machine {
    pub fn new() -> Self {
        let mut blocks = [const { None }; BLOCKS];
        blocks[0] = Some(code_block());
        Self {
            actors: (0..ACTORS).map(|_| Actor::new()).collect(),
            records: [0; ACTORS],
            objects: [0; OBJECTS],
            live: [false; OBJECTS],
            blocks,
        }
    }

    fn handle(&self, object: Object) -> usize {
        match object {
            Object::Null => 0,
            Object::Place(place) => self.objects[place],
            Object::MadeUp => 1,
        }
    }

    /// Makes a call on thread `actor`; `numbers` are the vCPUs that its arguments mean. An endless
    /// run is to be stopped if it is expected to begin.
    pub fn make(&mut self, actor: usize, call: &Call, numbers: &[u64], begins: bool) -> Answer {
        let id = numbers.first().copied().unwrap_or_default();
        match call {
            &Call::MakeVmConfig(place) => {
                self.created(place, || raw::hv_vm_config_create().addr(), actor)
            }
            &Call::MakeVcpuConfig(place) => {
                self.created(place, || raw::hv_vcpu_config_create().addr(), actor)
            }
            &Call::Release(object) => {
                if let Object::Place(place) = object {
                    self.live[place] = false;
                }
                let handle = self.handle(object);
                self.actors[actor].done(move || raw::os_release(object_at(handle)));
                SUCCESS.into()
            }
            &Call::Allocate { block, size, flags } => self.allocate(actor, block, size, flags),
            &Call::Deallocate { block, offset, size } => {
                self.deallocate(actor, block, offset, size)
            }
            &Call::Look { block, page } => {
                let host = self.blocks[block].as_ref().expect("the reference knows it");
                let cell = page * PAGE + at::CELL;
                told(SUCCESS, host.read(cell as usize))
            }
            &Call::Map { memory, ipa, size, flags } => {
                let addr = self.address(memory);
                let map = move || {
                    let addr = std::ptr::with_exposed_provenance(addr);
                    raw::hv_vm_map(addr, ipa, size as usize, flags)
                };
                self.actors[actor].done(map).into()
            }
            &Call::VcpuCreate(object) => self.vcpu_create(actor, object),
            &Call::Run(_, start) => self.run(actor, id, start, begins),
            Call::Exit(_) => {
                let numbers = numbers.to_vec();
                let exit = move || raw::hv_vcpus_exit(numbers.as_ptr(), numbers.len() as u32);
                self.actors[actor].done(exit).into()
            }
            call => {
                let handle = object_of(call).map_or(0, |object| self.handle(object));
                let call = call.clone();
                self.actors[actor].done(move || plain(&call, id, handle))
            }
        }
    }

    fn created(&mut self, place: usize, make: fn() -> usize, actor: usize) -> Answer {
        self.objects[place] = self.actors[actor].done(make);
        self.live[place] = self.objects[place] != 0;
        if self.live[place] { SUCCESS } else { raw::ERROR }.into()
    }

    fn address(&self, memory: Memory) -> usize {
        match memory {
            Memory::Null => 0,
            Memory::Nowhere => raw::PAGE,
            Memory::Block(block, offset) => {
                let host = self.blocks[block].as_ref().expect("the reference knows it");
                host.addr().expose_provenance() + offset as usize
            }
        }
    }

    fn allocate(&mut self, actor: usize, block: usize, size: u64, flags: u32) -> Answer {
        let (code, addr) = self.actors[actor].done(move || {
            let mut addr = std::ptr::null_mut();
            let code = raw::hv_vm_allocate(Some(&mut addr), size as usize, flags);
            (code, addr.expose_provenance())
        });
        if code == SUCCESS {
            let addr = std::ptr::with_exposed_provenance_mut(addr);
            self.blocks[block] = Some(Host::adopt(addr, size as usize));
        }
        code.into()
    }

    fn deallocate(&mut self, actor: usize, block: usize, offset: u64, size: Option<u64>) -> Answer {
        let host = self.blocks[block].as_ref().expect("the reference knows it");
        let addr = host.addr().expose_provenance() + offset as usize;
        let size = size.map_or(host.size(), |size| size as usize);
        let code = self.actors[actor]
            .done(move || raw::hv_vm_deallocate(std::ptr::with_exposed_provenance(addr), size));
        if code == SUCCESS {
            std::mem::forget(self.blocks[block].take());
        }
        code.into()
    }

    fn vcpu_create(&mut self, actor: usize, object: Object) -> Answer {
        let handle = self.handle(object);
        let (code, id, record) = self.actors[actor].done(move || {
            let (mut id, mut record) = (u64::MAX, std::ptr::null());
            let config = object_at(handle);
            let code = raw::hv_vcpu_create(Some(&mut id), Some(&mut record), config);
            (code, id, record.expose_provenance())
        });
        if code == SUCCESS {
            self.records[actor] = record;
        }
        told(code, id)
    }

    fn run(&self, actor: usize, id: u64, start: Start, begins: bool) -> Answer {
        let record = self.records[actor];
        let result = self.actors[actor].start(move || run(id, record, start));
        if begins && matches!(start, Start::Endless(_)) {
            raw::hv_vcpus_exit(&id, 1);
        }
        result.recv().expect("a call panicked in its thread")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.actors.clear(); // each takes its vCPU along
        raw::hv_vm_destroy();
        for place in 0..OBJECTS {
            if self.live[place] {
                raw::os_release(object_at(self.objects[place]));
            }
        }
    }
}

fn object_at(handle: usize) -> raw::Handle {
    std::ptr::without_provenance_mut(handle)
}

/// Runs a vCPU, whose exit record stands at `record`, on the calling thread.
pub fn run(id: u64, record: usize, start: Start) -> Answer {
    for (reg, value) in registers(start) {
        let code = raw::hv_vcpu_set_reg(id, reg, value);
        if code != SUCCESS {
            // Not this thread's: what it must not set it must not run.
            let also = raw::hv_vcpu_run(id);
            return if also == code { code } else { SUCCESS }.into();
        }
    }
    let code = raw::hv_vcpu_run(id);
    let record: *const hv_vcpu_exit_t = std::ptr::with_exposed_provenance(record);
    let ended = ended(crate::raw_record::read(record), raw::reg(id, raw::PC));
    Answer { code, told: Told::Ended(ended) }
}

/// The record, without a fault's level.
fn ended(exit: hv_vcpu_exit_t, pc: u64) -> Ended {
    let exception = exit.exception;
    let class = exception.syndrome >> 26;
    match exit.reason {
        Reason::CANCELED => Ended::Canceled,
        Reason::EXCEPTION if class == 1 => Ended::Waits(pc),
        Reason::EXCEPTION if matches!(class, 0x20 | 0x24) => {
            assert_eq!(exception.virtual_address, exception.physical_address, "the MMU is off");
            Ended::Aborted(exception.syndrome & !0b11, exception.virtual_address, pc)
        }
        Reason::EXCEPTION => Ended::Called(exception.syndrome, pc),
        _ => Ended::Unknown,
    }
}

fn object_of(call: &Call) -> Option<Object> {
    match *call {
        Call::VmCreate(object)
        | Call::SetIpaSize(object, _)
        | Call::GetIpaSize(object)
        | Call::SetEl2(object, _)
        | Call::GetEl2(object)
        | Call::FeatureReg(object, _)
        | Call::Ccsidr(object, _) => Some(object),
        _ => None,
    }
}

/// A call that nothing here needs to remember.
pub fn plain(call: &Call, id: u64, handle: usize) -> Answer {
    let config = object_at(handle);
    fn value<T: Default + Into<u128>>(call: impl FnOnce(Option<&mut T>) -> i32) -> Answer {
        let (code, value) = ask(call);
        told(code, value)
    }
    match *call {
        Call::VmCreate(_) => raw::hv_vm_create(config).into(),
        Call::VmDestroy => raw::hv_vm_destroy().into(),
        Call::MaxVcpus => value(|v: Option<&mut u32>| raw::hv_vm_get_max_vcpu_count(v)),
        Call::SetIpaSize(_, bits) => raw::hv_vm_config_set_ipa_size(config, bits).into(),
        Call::GetIpaSize(_) => {
            value(|v: Option<&mut u32>| raw::hv_vm_config_get_ipa_size(config, v))
        }
        Call::SetEl2(_, on) => raw::hv_vm_config_set_el2_enabled(config, on).into(),
        Call::GetEl2(_) => {
            value(|v: Option<&mut bool>| raw::hv_vm_config_get_el2_enabled(config, v))
        }
        Call::FeatureReg(_, reg) => {
            raw::hv_vcpu_config_get_feature_reg(config, reg, Some(&mut 0)).into()
        }
        Call::Ccsidr(_, kind) => {
            let mut values = [0; 8];
            raw::hv_vcpu_config_get_ccsidr_el1_sys_reg_values(config, kind, Some(&mut values))
                .into()
        }
        Call::Unmap { ipa, size } => raw::hv_vm_unmap(ipa, size as usize).into(),
        Call::Protect { ipa, size, flags } => raw::hv_vm_protect(ipa, size as usize, flags).into(),
        Call::VcpuDestroy(_) => raw::hv_vcpu_destroy(id).into(),
        Call::SetReg(_, reg, new) => raw::hv_vcpu_set_reg(id, reg, new).into(),
        Call::GetReg(_, reg) => {
            let mut read = 0;
            let code = raw::hv_vcpu_get_reg(id, reg, &mut read);
            told(code, read)
        }
        Call::SetSimd(_, reg, new) => raw::hv_vcpu_set_simd_fp_reg(id, reg, new).into(),
        Call::GetSimd(_, reg) => {
            value(|v: Option<&mut u128>| raw::hv_vcpu_get_simd_fp_reg(id, reg, v))
        }
        Call::SetSysReg(_, reg, new) => raw::hv_vcpu_set_sys_reg(id, reg, new).into(),
        Call::GetSysReg(_, reg) => {
            value(|v: Option<&mut u64>| raw::hv_vcpu_get_sys_reg(id, reg, v))
        }
        Call::SetPending(_, line, new) => raw::hv_vcpu_set_pending_interrupt(id, line, new).into(),
        Call::GetPending(_, line) => {
            value(|v: Option<&mut bool>| raw::hv_vcpu_get_pending_interrupt(id, line, v))
        }
        Call::SetTrap(_, Trap::Exceptions, on) => {
            raw::hv_vcpu_set_trap_debug_exceptions(id, on).into()
        }
        Call::SetTrap(_, Trap::Registers, on) => {
            raw::hv_vcpu_set_trap_debug_reg_accesses(id, on).into()
        }
        Call::GetTrap(_, Trap::Exceptions) => {
            value(|v: Option<&mut bool>| raw::hv_vcpu_get_trap_debug_exceptions(id, v))
        }
        Call::GetTrap(_, Trap::Registers) => {
            value(|v: Option<&mut bool>| raw::hv_vcpu_get_trap_debug_reg_accesses(id, v))
        }
        Call::SetMask(_, on) => raw::hv_vcpu_set_vtimer_mask(id, on).into(),
        Call::GetMask(_) => value(|v: Option<&mut bool>| raw::hv_vcpu_get_vtimer_mask(id, v)),
        Call::SetOffset(_, new) => raw::hv_vcpu_set_vtimer_offset(id, new).into(),
        Call::GetOffset(_) => value(|v: Option<&mut u64>| raw::hv_vcpu_get_vtimer_offset(id, v)),
        Call::ExecTime(_) => value(|v: Option<&mut u64>| raw::hv_vcpu_get_exec_time(id, v)),
        // `Machine::make` has made the others itself.
        _ => raw::ERROR.into(),
    }
}
