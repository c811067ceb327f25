//! The reference: what each call must answer, as plainly as it can be said.
//!
//! ```text
//!   vm        none, or: IPA bits, pages (IPA -> block, page, permissions), 64 seats
//!   seats     number -> the vCPU and the thread it belongs to
//!   objects   by place: a VM's configuration, a vCPU's, released, never made
//!   blocks    host memory: pages, and what is in the last 8 bytes of each
//! ```
//!
//! Where more than one argument is wrong the order of the checks is of no account: all of them
//! answer HV_BAD_ARGUMENT, except as [`Reference::expect`] says.

mod running;
mod vcpu;

pub use running::registers;
pub use vcpu::vcpu_of;

use super::call::{BLOCKS, Call, Memory, OBJECTS, Object, PAGE, Which};
use crate::raw::{self, BAD_ARGUMENT, BUSY, ERROR, NO_DEVICE, NO_RESOURCES, SUCCESS, UNSUPPORTED};
use std::collections::BTreeMap;

/// Where the programs of [`Start`] stand in each page of block 0, and where pages are written.
pub mod at {
    pub const HVC: u64 = 0;
    pub const STORE: u64 = 0x10;
    pub const LOAD: u64 = 0x20;
    pub const SMC: u64 = 0x30;
    pub const WFI: u64 = 0x40;
    pub const ENDLESS: u64 = 0x50;
    pub const CELL: u64 = 0xff8;
}

/// The code block's pages.
pub const CODE_PAGES: u64 = 8 * raw::PAGE as u64 / PAGE;

/// How a run ends, without what depends on stage-2 tables that nobody sees (the level of a fault).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Canceled,
    /// Nothing ran: the record has no reason.
    Unknown,
    /// Syndrome, PC.
    Called(u64, u64),
    /// Syndrome, address (virtual and physical), PC.
    Aborted(u64, u64, u64),
    /// EC 1, PC.
    Waits(u64),
}

/// What else a call answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Nothing,
    Value(u128),
    Ended(Ended),
}

/// What a call answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub code: i32,
    pub told: Told,
}

impl From<i32> for Answer {
    fn from(code: i32) -> Self {
        Self { code, told: Told::Nothing }
    }
}

fn value(value: impl Into<u128>) -> Answer {
    Answer { code: SUCCESS, told: Told::Value(value.into()) }
}

/// What a place for objects holds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Held {
    Never,
    Vm { bits: u32, el2: bool },
    Vcpu,
    Released,
}

/// A page of guest memory.
#[derive(Clone, Copy, Debug)]
struct Mapped {
    block: usize,
    page: u64,
    flags: u64,
}

#[derive(Debug)]
struct Vm {
    bits: u32,
    /// By IPA / [`PAGE`].
    pages: BTreeMap<u64, Mapped>,
    seats: Vec<Option<Vcpu>>,
}

/// A vCPU as the API shows it.
#[derive(Debug)]
struct Vcpu {
    owner: usize,
    /// X0 to X30, PC, FPCR, FPSR, CPSR; `None`: not known here.
    regs: [Option<u64>; 35],
    simd: [u128; 32],
    sys_regs: BTreeMap<u32, u64>,
    pending: [bool; 2],
    traps: [bool; 2],
    mask: bool,
    offset: Option<u64>,
    canceled: bool,
}

impl Vcpu {
    fn new(owner: usize) -> Self {
        let mut regs = [Some(0); 35];
        regs[raw::PC as usize] = None;
        regs[raw::CPSR as usize] = Some(crate::guest::EL1H_MASKED);
        Self {
            owner,
            regs,
            simd: [0; 32],
            sys_regs: BTreeMap::new(),
            pending: [false; 2],
            traps: [false; 2],
            mask: false,
            offset: None,
            canceled: false,
        }
    }
}

/// The state of everything.
#[derive(Debug)]
pub struct Reference {
    limits: Limits,
    vm: Option<Vm>,
    objects: [Held; OBJECTS],
    /// By page: the last 8 bytes. Block 0 is the code.
    blocks: [Option<Vec<u64>>; BLOCKS],
}

/// What the framework says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub ipa_bits: u32,
    pub default_ipa_bits: u32,
    pub vcpus: u32,
}

const GRANULE: u64 = raw::PAGE as u64;

impl Reference {
    pub fn new(limits: Limits) -> Self {
        let mut blocks = [const { None }; BLOCKS];
        blocks[0] = Some(vec![0; CODE_PAGES as usize]);
        Self { limits, vm: None, objects: [Held::Never; OBJECTS], blocks }
    }

    /// The number that an argument stands for.
    pub fn number(&self, actor: usize, which: Which) -> u64 {
        let of = |owner| {
            let seats = self.vm.iter().flat_map(|vm| vm.seats.iter().enumerate());
            let mut owned = seats.filter(|(_, v)| v.as_ref().is_some_and(|v| v.owner == owner));
            owned.next().map_or(77, |(number, _)| number as u64)
        };
        match which {
            Which::Mine => of(actor),
            Which::Of(other) => of(other),
            Which::Number(number) => number,
        }
    }

    /// What `call` of thread `actor` must answer, and what changes by it. `None`: it is better
    /// not made, because its effect is not ours to know, or there is nothing to do.
    pub fn expect(&mut self, actor: usize, call: &Call) -> Option<Answer> {
        Some(match *call {
            Call::VmCreate(object) => self.vm_create(object).into(),
            Call::VmDestroy => self.vm_destroy().into(),
            Call::MaxVcpus => value(self.limits.vcpus),
            Call::MakeVmConfig(place) => {
                let bits = self.limits.default_ipa_bits;
                self.make(place, Held::Vm { bits, el2: false })?
            }
            Call::MakeVcpuConfig(place) => self.make(place, Held::Vcpu)?,
            Call::Release(object) => {
                if let Object::Place(place) = object
                    && self.objects[place] != Held::Never
                {
                    self.objects[place] = Held::Released;
                }
                SUCCESS.into() // os_release answers nothing
            }
            Call::SetIpaSize(object, new) => match self.held(object) {
                Held::Vm { .. } if new > self.limits.ipa_bits => UNSUPPORTED.into(),
                Held::Vm { el2, .. } => self.change(object, Held::Vm { bits: new, el2 }),
                _ => BAD_ARGUMENT.into(),
            },
            Call::GetIpaSize(object) => match self.held(object) {
                Held::Vm { bits, .. } => value(bits),
                _ => BAD_ARGUMENT.into(),
            },
            Call::SetEl2(object, el2) => match self.held(object) {
                Held::Vm { bits, .. } => self.change(object, Held::Vm { bits, el2 }),
                _ => BAD_ARGUMENT.into(),
            },
            Call::GetEl2(object) => match self.held(object) {
                Held::Vm { el2, .. } => value(u8::from(el2)),
                _ => BAD_ARGUMENT.into(),
            },
            Call::FeatureReg(object, n) | Call::Ccsidr(object, n) => {
                let count = if matches!(call, Call::Ccsidr(..)) { 2 } else { 12 };
                let fine = self.held(object) == Held::Vcpu && n < count;
                if fine { SUCCESS } else { BAD_ARGUMENT }.into()
            }
            Call::Allocate { block, size, flags } => self.allocate(block, size, flags)?.into(),
            Call::Deallocate { block, offset, size } => {
                self.deallocate(block, offset, size)?.into()
            }
            Call::Look { block, page } => value(*self.blocks[block].as_ref()?.get(page as usize)?),
            Call::Map { memory, ipa, size, flags } => self.map(memory, ipa, size, flags)?.into(),
            Call::Unmap { ipa, size } => {
                let remove = |pages: &mut BTreeMap<u64, Mapped>, page| {
                    pages.remove(&page);
                };
                self.pages(ipa, size, 0, remove).into()
            }
            Call::Protect { ipa, size, flags } => {
                let set = |pages: &mut BTreeMap<u64, Mapped>, page| {
                    pages.entry(page).and_modify(|mapped| mapped.flags = flags);
                };
                self.pages(ipa, size, flags, set).into()
            }
            Call::VcpuCreate(object) => self.vcpu_create(actor, object),
            Call::VcpuDestroy(which) => {
                let number = self.number(actor, which);
                match self.own(actor, which) {
                    None => BAD_ARGUMENT.into(),
                    Some(_) => {
                        self.vm.as_mut()?.seats[number as usize] = None;
                        SUCCESS.into()
                    }
                }
            }
            Call::Exit(ref many) => self.exit(actor, many).into(),
            Call::Run(which, start) => self.run(actor, which, start)?,
            _ => match self.own(actor, vcpu_of(call)?) {
                Some(vcpu) => vcpu.expect(call)?,
                None => BAD_ARGUMENT.into(),
            },
        })
    }

    /// From outside of any call: what stands in a page.
    pub fn write(&mut self, block: usize, page: u64, value: u64) {
        if let Some(block) = &mut self.blocks[block] {
            block[page as usize] = value;
        }
    }

    /// The vCPU of a number, if it is the calling thread's.
    fn own(&mut self, actor: usize, which: Which) -> Option<&mut Vcpu> {
        let number = self.number(actor, which);
        let seats = &mut self.vm.as_mut()?.seats;
        seats.get_mut(usize::try_from(number).ok()?)?.as_mut().filter(|v| v.owner == actor)
    }

    fn held(&self, object: Object) -> Held {
        match object {
            Object::Place(place) => self.objects[place],
            Object::Null => Held::Never,
            Object::MadeUp => Held::Released,
        }
    }

    fn change(&mut self, object: Object, held: Held) -> Answer {
        if let Object::Place(place) = object {
            self.objects[place] = held;
        }
        SUCCESS.into()
    }

    fn make(&mut self, place: usize, held: Held) -> Option<Answer> {
        if matches!(self.objects[place], Held::Vm { .. } | Held::Vcpu) {
            return None; // it would leak
        }
        self.objects[place] = held;
        Some(SUCCESS.into())
    }

    /// A bad object first, then the second VM, then what the engine cannot do.
    fn vm_create(&mut self, object: Object) -> i32 {
        let (bits, el2) = match self.held(object) {
            Held::Never => (0, false),
            Held::Vm { bits, el2 } => (bits, el2),
            Held::Vcpu | Held::Released => return BAD_ARGUMENT,
        };
        if self.vm.is_some() {
            return BUSY;
        }
        if el2 {
            return UNSUPPORTED;
        }
        let bits = if bits == 0 { self.limits.default_ipa_bits } else { bits };
        let seats = (0..self.limits.vcpus).map(|_| None).collect();
        self.vm = Some(Vm { bits, pages: BTreeMap::new(), seats });
        SUCCESS
    }

    fn vm_destroy(&mut self) -> i32 {
        match &self.vm {
            None => NO_DEVICE,
            Some(vm) if vm.seats.iter().any(Option::is_some) => BUSY,
            Some(_) => {
                self.vm = None;
                SUCCESS
            }
        }
    }

    fn allocate(&mut self, block: usize, size: u64, flags: u32) -> Option<i32> {
        if self.blocks[block].is_some() {
            return None;
        }
        Some(if flags != 0 || size == 0 || !size.is_multiple_of(GRANULE) {
            BAD_ARGUMENT
        } else if size > 1 << 48 {
            NO_RESOURCES
        } else {
            self.blocks[block] = Some(vec![0; (size / PAGE) as usize]);
            SUCCESS
        })
    }

    fn deallocate(&mut self, block: usize, offset: u64, size: Option<u64>) -> Option<i32> {
        let has = self.blocks[block].as_ref()?.len() as u64 * PAGE;
        if offset != 0 || size.is_some_and(|size| size != has) {
            return Some(BAD_ARGUMENT);
        }
        let mut mapped = self.vm.iter().flat_map(|vm| vm.pages.values());
        if mapped.any(|page| page.block == block) {
            return Some(BUSY);
        }
        self.blocks[block] = None;
        Some(SUCCESS)
    }

    /// `ipa` and `size` of a map's change: aligned, not empty, in the VM's address space.
    fn fits(&self, ipa: u64, size: u64) -> bool {
        let bits = self.vm.as_ref().map_or(0, |vm| vm.bits);
        let end = u128::from(ipa) + u128::from(size);
        size != 0 && (ipa | size).is_multiple_of(GRANULE) && end <= 1 << bits
    }

    fn map(&mut self, memory: Memory, ipa: u64, size: u64, flags: u64) -> Option<i32> {
        let block = match memory {
            Memory::Block(block, offset) => {
                let has = self.blocks[block].as_ref()?.len() as u64 * PAGE;
                Some((block, offset, has))
            }
            Memory::Null | Memory::Nowhere => None,
        };
        if self.vm.is_none() {
            return Some(NO_DEVICE);
        }
        let sane = self.fits(ipa, size) && flags < 8;
        let Some((block, offset, has)) = block else { return Some(BAD_ARGUMENT) };
        if !sane || !offset.is_multiple_of(GRANULE) {
            return Some(BAD_ARGUMENT);
        }
        if offset.checked_add(size).is_none_or(|end| end > has) {
            return None; // what lies behind a block is not ours to give to a guest
        }
        let pages = &mut self.vm.as_mut()?.pages;
        let (first, count) = (ipa / PAGE, size / PAGE);
        if pages.range(first..first + count).next().is_some() {
            return Some(ERROR);
        }
        for n in 0..count {
            pages.insert(first + n, Mapped { block, page: offset / PAGE + n, flags });
        }
        Some(SUCCESS)
    }

    /// A change of pages that must all be mapped.
    fn pages(
        &mut self,
        ipa: u64,
        size: u64,
        flags: u64,
        change: impl Fn(&mut BTreeMap<u64, Mapped>, u64),
    ) -> i32 {
        let fits = self.fits(ipa, size);
        let Some(vm) = &mut self.vm else { return NO_DEVICE };
        if !fits || flags >= 8 {
            return BAD_ARGUMENT;
        }
        let range = ipa / PAGE..(ipa + size) / PAGE;
        if vm.pages.range(range.clone()).count() as u64 != size / PAGE {
            return ERROR;
        }
        range.for_each(|page| change(&mut vm.pages, page));
        SUCCESS
    }

    /// A bad object first, then the thread's second vCPU, then no VM, then no seat.
    fn vcpu_create(&mut self, actor: usize, object: Object) -> Answer {
        if !matches!(self.held(object), Held::Never | Held::Vcpu) {
            return BAD_ARGUMENT.into();
        }
        let Some(vm) = &mut self.vm else { return NO_DEVICE.into() };
        if vm.seats.iter().flatten().any(|vcpu| vcpu.owner == actor) {
            return BUSY.into();
        }
        match vm.seats.iter().position(Option::is_none) {
            None => NO_RESOURCES.into(),
            Some(place) => {
                vm.seats[place] = Some(Vcpu::new(actor));
                value(place as u64)
            }
        }
    }

    /// All of them, or none.
    fn exit(&mut self, actor: usize, many: &[Which]) -> i32 {
        let numbers: Vec<_> = many.iter().map(|&which| self.number(actor, which)).collect();
        let seats = self.vm.as_mut().map_or(&mut [][..], |vm| &mut vm.seats);
        let exists = |&number: &u64| {
            usize::try_from(number).is_ok_and(|n| seats.get(n).is_some_and(Option::is_some))
        };
        if !numbers.iter().all(exists) {
            return BAD_ARGUMENT;
        }
        for number in numbers {
            seats[number as usize].iter_mut().for_each(|vcpu| vcpu.canceled = true);
        }
        SUCCESS
    }
}
