//! A call of the API with its arguments, right and wrong, and how they are drawn.
//!
//! Arguments are drawn from small sets, so that calls meet each other: eight pages of guest
//! memory, four blocks of host memory, four objects, three threads. Each set has its limits and
//! nonsense among its members.

use crate::raw;
use proptest::prelude::*;
use proptest::sample::select;

/// The threads that call.
pub const ACTORS: usize = 3;
/// Places for objects of `hv_*_config_create`.
pub const OBJECTS: usize = 4;
/// Host memory: block 0 holds code and always exists, the others come from `hv_vm_allocate`.
pub const BLOCKS: usize = 4;
/// Where guest memory is mapped.
pub const WINDOW: u64 = 0x4000_0000;
/// In bytes: the smallest granule, in which the reference keeps its map.
pub const PAGE: u64 = 0x1000;
/// In bytes: the granule of a default VM.
const GRANULE: u64 = raw::PAGE as u64;

/// A vCPU by number.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    /// The calling thread's, or a number that no vCPU has.
    Mine,
    /// Another thread's.
    Of(usize),
    Number(u64),
}

/// An object's handle.
#[derive(Clone, Copy, Debug)]
pub enum Object {
    Null,
    /// What was last made in this place, released or not; null if nothing was.
    Place(usize),
    MadeUp,
}

/// A host address.
#[derive(Clone, Copy, Debug)]
pub enum Memory {
    Block(usize, u64),
    Null,
    /// Where this process has nothing.
    Nowhere,
}

/// What a run starts with.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// `hvc #1`, fetched from this address.
    Hvc(u64),
    /// `smc #4`.
    Smc(u64),
    /// `wfi`.
    Wfi(u64),
    /// `str x0, [x1]`, then `hvc #2`: fetched from, stored to, the value.
    Store(u64, u64, u64),
    /// `ldr x2, [x1]`, then `hvc #3`: fetched from, loaded from.
    Load(u64, u64),
    /// `b .`, stopped by another thread.
    Endless(u64),
    /// A CPSR that cannot be run.
    Illegal(u64),
}

/// One of the two traps of debugging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    Exceptions,
    Registers,
}

/// One call.
#[derive(Clone, Debug)]
pub enum Call {
    VmCreate(Object),
    VmDestroy,
    MaxVcpus,
    MakeVmConfig(usize),
    MakeVcpuConfig(usize),
    Release(Object),
    SetIpaSize(Object, u32),
    GetIpaSize(Object),
    SetEl2(Object, bool),
    GetEl2(Object),
    FeatureReg(Object, u32),
    Ccsidr(Object, u32),
    Allocate {
        block: usize,
        size: u64,
        flags: u32,
    },
    /// `None`: with the size that it has.
    Deallocate {
        block: usize,
        offset: u64,
        size: Option<u64>,
    },
    /// Reads a page of host memory: what the guest stored there.
    Look {
        block: usize,
        page: u64,
    },
    Map {
        memory: Memory,
        ipa: u64,
        size: u64,
        flags: u64,
    },
    Unmap {
        ipa: u64,
        size: u64,
    },
    Protect {
        ipa: u64,
        size: u64,
        flags: u64,
    },
    VcpuCreate(Object),
    VcpuDestroy(Which),
    Exit(Vec<Which>),
    Run(Which, Start),
    SetReg(Which, u32, u64),
    GetReg(Which, u32),
    SetSimd(Which, u32, u128),
    GetSimd(Which, u32),
    SetSysReg(Which, u32, u64),
    GetSysReg(Which, u32),
    SetPending(Which, u32, bool),
    GetPending(Which, u32),
    SetTrap(Which, Trap, bool),
    GetTrap(Which, Trap),
    SetMask(Which, bool),
    GetMask(Which),
    SetOffset(Which, u64),
    GetOffset(Which),
    ExecTime(Which),
}

impl Call {
    /// Its name alone.
    pub fn name(&self) -> String {
        let text = format!("{self:?}");
        text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
    }
}

/// System registers that keep 64 bits and change nothing that [`Start`] runs.
pub const PLAIN_SYS_REGS: [u32; 6] = [
    0xde82, // TPIDR_EL0
    0xde83, // TPIDRRO_EL0
    0xc684, // TPIDR_EL1
    0xc300, // FAR_EL1
    0xc208, // SP_EL0
    0xe208, // SP_EL1
];

/// IDs that no register has.
const NO_SYS_REGS: [u32; 3] = [0, 0xffff, 0x8001];

fn which() -> impl Strategy<Value = Which> {
    let number = select(vec![0, 1, 2, 3, 63, 64, u64::MAX]);
    prop_oneof![
        12 => Just(Which::Mine),
        2 => (0..ACTORS).prop_map(Which::Of),
        1 => number.prop_map(Which::Number),
    ]
}

fn object() -> impl Strategy<Value = Object> {
    prop_oneof![
        4 => (0..OBJECTS).prop_map(Object::Place),
        2 => Just(Object::Null),
        1 => Just(Object::MadeUp),
    ]
}

/// An address of the window.
fn near() -> impl Strategy<Value = u64> {
    let offset = prop_oneof![6 => Just(0), 1 => Just(PAGE), 1 => Just(3 * PAGE)];
    (0..8u64, offset).prop_map(|(n, offset)| WINDOW + n * GRANULE + offset)
}

fn ipa() -> impl Strategy<Value = u64> {
    let limits = vec![
        0,
        1,
        WINDOW + 1,
        (1 << 36) - GRANULE,
        1 << 36,
        (1 << 40) - GRANULE,
        1 << 52,
        1 << 63,
        u64::MAX,
        0u64.wrapping_sub(GRANULE),
    ];
    prop_oneof![10 => near(), 1 => select(limits)]
}

fn size() -> impl Strategy<Value = u64> {
    let limits = vec![
        0,
        1,
        PAGE,
        GRANULE - 1,
        2 * GRANULE + 1,
        1 << 36,
        1 << 63,
        0u64.wrapping_sub(GRANULE),
    ];
    prop_oneof![8 => (1..5u64).prop_map(|n| n * GRANULE), 1 => select(limits)]
}

fn flags() -> impl Strategy<Value = u64> {
    prop_oneof![6 => select(vec![3, 5, 7]), 3 => 0..8u64, 1 => select(vec![8, 1 << 63, u64::MAX])]
}

fn memory() -> impl Strategy<Value = Memory> {
    let block = prop_oneof![2 => Just(0), 3 => 1..BLOCKS];
    let offset = prop_oneof![
        8 => (0..4u64).prop_map(|n| n * GRANULE),
        1 => select(vec![1, 8, PAGE, 2 * PAGE]),
    ];
    prop_oneof![
        16 => (block, offset).prop_map(|(block, offset)| Memory::Block(block, offset)),
        1 => Just(Memory::Null),
        1 => Just(Memory::Nowhere),
    ]
}

fn start() -> impl Strategy<Value = Start> {
    // EL2h, EL3h, a reserved mode, AArch32.
    let illegal = select(vec![0x3c9, 0x3cd, 0x3c6, 0x1d3]);
    prop_oneof![
        3 => near().prop_map(Start::Hvc),
        1 => near().prop_map(Start::Smc),
        1 => near().prop_map(Start::Wfi),
        4 => (near(), near(), any::<u64>()).prop_map(|(at, to, v)| Start::Store(at, to, v)),
        3 => (near(), near()).prop_map(|(at, from)| Start::Load(at, from)),
        1 => near().prop_map(Start::Endless),
        1 => illegal.prop_map(Start::Illegal),
    ]
}

fn vm() -> impl Strategy<Value = Call> {
    prop_oneof![
        6 => object().prop_map(Call::VmCreate),
        4 => Just(Call::VmCreate(Object::Null)),
        2 => Just(Call::VmDestroy),
        1 => Just(Call::MaxVcpus),
    ]
}

fn config() -> impl Strategy<Value = Call> {
    let bits = select(vec![0, 1, 31, 32, 35, 36, 40, 41, 52, 64, u32::MAX]);
    // Mostly in places of their own, so that they are there when they are asked for.
    let last = OBJECTS - 1;
    let place = prop_oneof![3 => Just(last), 1 => 0..last];
    let config = || prop_oneof![3 => Just(Object::Place(last)), 1 => object()];
    prop_oneof![
        3 => (0..last).prop_map(Call::MakeVmConfig),
        2 => place.prop_map(Call::MakeVcpuConfig),
        1 => object().prop_map(Call::Release),
        2 => (object(), bits).prop_map(|(o, bits)| Call::SetIpaSize(o, bits)),
        1 => object().prop_map(Call::GetIpaSize),
        1 => (object(), any::<bool>()).prop_map(|(o, on)| Call::SetEl2(o, on)),
        1 => object().prop_map(Call::GetEl2),
        1 => (config(), select(vec![0, 11, 14, u32::MAX]))
            .prop_map(|(o, r)| Call::FeatureReg(o, r)),
        1 => (config(), 0..3u32).prop_map(|(o, kind)| Call::Ccsidr(o, kind)),
    ]
}

fn memory_call() -> impl Strategy<Value = Call> {
    let block = 1..BLOCKS;
    let allocated = prop_oneof![
        8 => (1..5u64).prop_map(|n| n * GRANULE),
        2 => select(vec![0, 1, PAGE, GRANULE + 1, 1 << 62, 0u64.wrapping_sub(GRANULE)]),
    ];
    let bits = prop_oneof![9 => Just(0), 1 => 1..3u32];
    let freed = prop_oneof![4 => Just(None), 1 => size().prop_map(Some)];
    let from = prop_oneof![6 => Just(0), 1 => Just(GRANULE)];
    prop_oneof![
        4 => (block.clone(), allocated, bits)
            .prop_map(|(block, size, flags)| Call::Allocate { block, size, flags }),
        2 => (block, from, freed)
            .prop_map(|(block, offset, size)| Call::Deallocate { block, offset, size }),
        2 => (0..BLOCKS, 0..16u64).prop_map(|(block, page)| Call::Look { block, page }),
        12 => (memory(), ipa(), size(), flags())
            .prop_map(|(memory, ipa, size, flags)| Call::Map { memory, ipa, size, flags }),
        5 => (ipa(), size()).prop_map(|(ipa, size)| Call::Unmap { ipa, size }),
        5 => (ipa(), size(), flags())
            .prop_map(|(ipa, size, flags)| Call::Protect { ipa, size, flags }),
    ]
}

/// Calls for a vCPU that exists, or does not.
pub fn vcpu() -> impl Strategy<Value = Call> {
    let reg = || prop_oneof![8 => 0..35u32, 1 => select(vec![35, u32::MAX])];
    let simd = || prop_oneof![8 => 0..32u32, 1 => select(vec![32, u32::MAX])];
    let sys_reg = || {
        let ids =
            prop_oneof![8 => select(PLAIN_SYS_REGS.to_vec()), 1 => select(NO_SYS_REGS.to_vec())];
        ids
    };
    let trap = || select(vec![Trap::Exceptions, Trap::Registers]);
    let line = || prop_oneof![8 => 0..2u32, 1 => select(vec![2, u32::MAX])];
    prop_oneof![
        (which(), reg(), any::<u64>()).prop_map(|(w, r, v)| Call::SetReg(w, r, v)),
        (which(), reg()).prop_map(|(w, r)| Call::GetReg(w, r)),
        (which(), simd(), any::<u128>()).prop_map(|(w, r, v)| Call::SetSimd(w, r, v)),
        (which(), simd()).prop_map(|(w, r)| Call::GetSimd(w, r)),
        (which(), sys_reg(), any::<u64>()).prop_map(|(w, r, v)| Call::SetSysReg(w, r, v)),
        (which(), sys_reg()).prop_map(|(w, r)| Call::GetSysReg(w, r)),
        (which(), line(), any::<bool>()).prop_map(|(w, l, v)| Call::SetPending(w, l, v)),
        (which(), line()).prop_map(|(w, l)| Call::GetPending(w, l)),
        (which(), trap(), any::<bool>()).prop_map(|(w, t, v)| Call::SetTrap(w, t, v)),
        (which(), trap()).prop_map(|(w, t)| Call::GetTrap(w, t)),
        (which(), any::<bool>()).prop_map(|(w, v)| Call::SetMask(w, v)),
        which().prop_map(Call::GetMask),
        (which(), any::<u64>()).prop_map(|(w, v)| Call::SetOffset(w, v)),
        which().prop_map(Call::GetOffset),
        which().prop_map(Call::ExecTime),
    ]
}

/// Runs, and what stops them.
pub fn run() -> impl Strategy<Value = Call> {
    prop_oneof![
        6 => (which(), start()).prop_map(|(which, start)| Call::Run(which, start)),
        1 => prop::collection::vec(which(), 0..4).prop_map(Call::Exit),
    ]
}

/// Any call.
fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => vm(),
        3 => config(),
        6 => memory_call(),
        2 => object().prop_map(Call::VcpuCreate),
        2 => Just(Call::VcpuCreate(Object::Null)),
        1 => which().prop_map(Call::VcpuDestroy),
        6 => vcpu(),
        6 => run(),
    ]
}

/// A sequence of calls, each by one of the threads.
pub fn sequences() -> impl Strategy<Value = Vec<(usize, Call)>> {
    prop::collection::vec((0..ACTORS, call()), 1..120)
}
