//! Ten thousand exceptions of random kinds.

use core::arch::asm;

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::SCTLR_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::{AF, AP_EL0, AP_READ_ONLY, Granule, PXN, UXN};
use anyvisor_arch::esr::{Esr, ExceptionClass, FaultStatus, Wait};
use anyvisor_arch::pstate::{DAIF, MODE, Mode, NZCV, Vector, vector_offset};
use anyvisor_arch::sctlr;
use tock_registers::interfaces::{Readable, Writeable};

use crate::access::{El, RET, data_abort};
use crate::cell::OneCpu;
use crate::mmu::NORMAL;
use crate::mmu::window::Window;
use crate::trap::{After, Trap, catch};
use crate::user::{self, User};
use crate::{case, check_eq, figure};

/// A generator of numbers: xorshift64 (Marsaglia 2003). The same seed, the same case.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// An instruction in the pool, and what it must do.
#[derive(Clone, Copy)]
struct Slot {
    word: u32,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// With its immediate; ELR is behind it.
    Svc(u16),
    Brk(u16),
    /// EC 0, whatever the level.
    Undefined,
    /// WFI or WFE, which trap at EL0 alone.
    Waits(Wait),
    /// A load or store by X0, which points to nothing.
    Access {
        write: bool,
    },
    /// A store to what may only be read.
    ReadOnly,
}

const SLOTS: usize = 256;
/// Instructions in pairs: the one, and RET (for EL1, which calls it).
const STRIDE: u64 = 8;
static POOL: [OneCpu<Slot>; SLOTS] =
    [const { OneCpu::new(Slot { word: 0, kind: Kind::Undefined }) }; SLOTS];

impl Slot {
    /// A random one.
    fn any(random: &mut Random) -> Self {
        let immediate = random.next() as u16;
        let (word, kind) = match random.below(8) {
            0 | 1 => (0xd400_0001 | u32::from(immediate) << 5, Kind::Svc(immediate)),
            2 => (0xd420_0000 | u32::from(immediate) << 5, Kind::Brk(immediate)),
            3 => (u32::from(immediate), Kind::Undefined), // UDF
            // MRS X1 of HCR_EL2, SCR_EL3 and VBAR_EL2: no such registers at EL1 or EL0.
            4 => {
                ([0xd53c_1101, 0xd53e_1101, 0xd53c_c001][random.below(3) as usize], Kind::Undefined)
            }
            5 => (0xf940_0001, Kind::Access { write: false }), // LDR X1, [X0]
            6 => (0xf900_0001, Kind::Access { write: true }),  // STR X1, [X0]
            _ if random.below(2) == 0 => (0xf900_0001, Kind::ReadOnly),
            _ => (0xd503_207f, Kind::Waits(Wait::Interrupt)),
        };
        Self { word, kind }
    }

    /// Whether it traps at this level.
    fn traps(self, el: El) -> bool {
        el == El::El0 || !matches!(self.kind, Kind::Waits(_))
    }

    /// ESR_EL1 by the manual, for the address in X0.
    fn syndrome(self, el: El, status: FaultStatus) -> u64 {
        match self.kind {
            Kind::Svc(immediate) => Esr::immediate(ExceptionClass::Svc, immediate).0,
            Kind::Brk(immediate) => Esr::immediate(ExceptionClass::Brk, immediate).0,
            Kind::Undefined => Esr::unknown().0,
            Kind::Waits(which) => Esr::wait(which).0,
            Kind::Access { write } => data_abort(el, status, write),
            Kind::ReadOnly => data_abort(el, FaultStatus::Permission(3), true),
        }
    }
}

/// Where the pool's page is: executable for EL1, for EL0, and where nothing is.
#[derive(Clone, Copy)]
struct Places {
    kernel: u64,
    user: u64,
    nothing: u64,
}

static PLACES: OneCpu<Places> = OneCpu::new(Places { kernel: 0, user: 0, nothing: 0 });
static SEED: OneCpu<u64> = OneCpu::new(0);
/// How many exceptions came, and how deep they were.
static COUNT: OneCpu<u64> = OneCpu::new(0);
static DEPTH: OneCpu<u64> = OneCpu::new(0);
/// The deepest that they go.
const DEEPEST: u64 = 4;

/// One exception of a random kind from a random level, checked against the model.
fn one() {
    let mut random = Random(SEED.get());
    let (n, el, nest) = (random.below(SLOTS as u64), random.below(2), random.below(3) == 0);
    // An address of level 3's table, with no descriptor; any byte of it.
    let (offset, flags) = (random.below(0x4000), random.below(16) << 28);
    SEED.set(random.next());
    let (slot, places) = (POOL[n as usize].get(), PLACES.get());
    let el = if el == 0 { El::El0 } else { El::El1 };
    if !slot.traps(el) {
        return;
    }
    let far = if slot.kind == Kind::ReadOnly {
        places.kernel + (offset & 0xff8)
    } else {
        places.nothing + offset
    };
    let start = if el == El::El0 { places.user } else { places.kernel } + n * STRIDE;
    let nested = nest && DEPTH.get() < DEEPEST;
    let trap = match el {
        El::El0 => at_el0(start, far, flags),
        El::El1 => at_el1(start, far, flags, nested, matches!(slot.kind, Kind::Svc(_))),
    };
    let is_svc = matches!(slot.kind, Kind::Svc(_));
    check_eq!(
        trap.esr.0,
        slot.syndrome(el, FaultStatus::Translation(3)),
        "ESR_EL1 of {:#010x} at {:#x}",
        slot.word,
        start
    );
    check_eq!(trap.elr, start + if is_svc { 4 } else { 0 }, "ELR_EL1 of {:#010x}", slot.word);
    if matches!(slot.kind, Kind::Access { .. } | Kind::ReadOnly) {
        check_eq!(trap.far, far, "FAR_EL1 of {:#010x}", slot.word);
    }
    let mode = if el == El::El0 { Mode::El0t } else { Mode::El1h };
    check_eq!(trap.entry.offset(), vector_offset(mode, Vector::Synchronous), "vector");
    check_eq!(trap.spsr & (NZCV | DAIF | MODE), flags | DAIF | mode.bits(), "SPSR_EL1");
    check_eq!(trap.x[0], far, "X0");
    for x in 2..8 {
        check_eq!(trap.x[x], start ^ x as u64, "X{}", x);
    }
    COUNT.set(COUNT.get() + 1);
}

/// What a handler that is interrupted itself does.
fn nest() {
    DEPTH.set(DEPTH.get() + 1);
    one();
    DEPTH.set(DEPTH.get() - 1);
}

fn at_el0(start: u64, far: u64, flags: u64) -> Trap {
    let mut user = User::at(start).with(0, far);
    for x in 2..8 {
        user.x[x] = start ^ x as u64;
    }
    user.pstate |= flags;
    user::run(&mut user)
}

fn at_el1(start: u64, far: u64, flags: u64, nested: bool, complete: bool) -> Trap {
    let after = match (nested, complete) {
        (false, true) => After::Resume,
        (false, false) => After::Skip,
        (true, true) => After::Handler(|_| nest()),
        (true, false) => After::Handler(|frame| {
            frame.elr += 4;
            nest();
        }),
    };
    // SAFETY: the exception is announced; the code at `start` is one instruction that takes it, and
    // a RET. It changes X1 at the most, and no memory.
    catch(after, || unsafe {
        asm!(
            "msr nzcv, {flags}",
            "eor x2, {start}, #2",
            "eor x3, {start}, #3",
            "eor x4, {start}, #4",
            "eor x5, {start}, {five}",
            "eor x6, {start}, #6",
            "eor x7, {start}, #7",
            "blr {start}",
            flags = in(reg) flags,
            start = in(reg) start,
            five = in(reg) 5_u64,
            in("x0") far,
            out("x1") _, out("x2") _, out("x3") _, out("x4") _, out("x5") _, out("x6") _,
            out("x7") _, out("x30") _,
        );
    })
}

case! {
    /// Random exceptions: kinds, immediates, levels, addresses and flags out of a generator with a
    /// fixed seed; in the handlers of a third of EL1's another one, of EL1 or EL0, up to four deep. A model of
    /// a few lines says what each must look like: ESR, ELR, FAR, SPSR, the vector, the registers.
    ///
    /// ```text
    ///   EL1 or EL0 --- SVC, BRK, UDF, MRS of EL2's, LDR, STR, WFI ---> EL1: vector 0x200 or 0x400
    ///                                                                    | handler: the same again
    ///                                                                    v
    ///                                            ERET, and go on  <--- check against the model
    /// ```
    ///
    /// The hypervisor sees none of it when all is well: these are EL1's own exceptions. It does when
    /// it emulates, when it traps what should go to EL1 (HCR_EL2.TGE, TIDCP, MDCR_EL2.TDE) and gives it
    /// back by hand, and when an exit comes between the exception and the first instruction of its
    /// handler. Single cases test each kind in a clean state; here the state is what the exception
    /// before left: an ESR with bits of another class, a FAR that was not written, SPSR flags of a
    /// level that is not there any more.
    "stress.exceptions": "10,000 random exceptions of EL0 and EL1, nested up to 4: ESR, ELR, FAR, SPSR, vector and registers by a model";
    reference: "DDI 0487: AArch64.TakeException; ESR_EL1, ELR_EL1, FAR_EL1, SPSR_EL1";
    needs: Needs::NONE;
    fn exceptions() {
        const EXCEPTIONS: u64 = 10_000;
        const CODE: u64 = NORMAL | AF | AP_READ_ONLY;
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut window = Window::open(Granule::K4, 39);
        // One page at two addresses: EL1 may not execute what EL0 may, nor the other way round.
        let page = window.page(0, CODE | UXN);
        let user = window.base() + 0x1000;
        window.tables.map(user, page.pa, 3, CODE | AP_EL0 | PXN);
        for (n, slot) in POOL.iter().enumerate() {
            slot.set(Slot::any(&mut random));
            crate::access::write_code(page.pa + n as u64 * STRIDE, slot.get().word);
            crate::access::write_code(page.pa + n as u64 * STRIDE + 4, RET);
        }
        PLACES.set(Places { kernel: page.va, user, nothing: window.base() + 0x8000 });
        SEED.set(random.next());
        COUNT.set(0);
        DEPTH.set(0);
        // EL0's WFI traps, and its stack is the user page as ever.
        let control = SCTLR_EL1.get();
        set_control(control & !sctlr::N_TWI);
        while COUNT.get() < EXCEPTIONS {
            one();
        }
        set_control(control);
        figure!("exceptions", COUNT.get(), "times");
    }
}

fn set_control(value: u64) {
    SCTLR_EL1.set(value);
    barrier::isb(barrier::SY);
}
