//! The FP and SIMD state where somebody could lose it: over exits of every kind, over interrupts,
//! between CPUs; and CPACR_EL1, by which EL1 itself takes it from EL0.
//!
//! ```text
//!   vCPU A   V0..V31 = a, FPCR a     HVC, MMIO, WFI, IRQ ...     V0..V31 = a ?
//!                                         |        ^
//!   hypervisor's own FP code, or vCPU B   v        |            saves A's, uses, loads A's
//! ```
//!
//! 528 bytes are much to save at each exit, so hypervisors do it lazily: CPTR_EL2 traps the next
//! FP instruction, and only then is the state moved. Each shortcut is a way to lose it.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CPACR_EL1, ID_AA64PFR0_EL1};
use anyvisor_abi::case::Needs;
use anyvisor_abi::service::AFTER_SKIP;
use anyvisor_abi::smccc::PSCI_VERSION;
use anyvisor_arch::esr::Esr;
use anyvisor_arch::id::pfr0;
use anyvisor_arch::sysreg::SysReg;
use tock_registers::interfaces::{Readable, Writeable};

use super::fp::{State, enable};
use super::stage2::nowhere;
use super::timer::milliseconds;
use super::timer_irq::serve;
use crate::access::El;
use crate::mmu::DATA;
use crate::mmu::window::Window;
use crate::probe::{Probe, mrs};
use crate::services::{self, Expected};
use crate::smp::{self, Meeting};
use crate::timer::VIRTUAL;
use crate::trap::{After, try_catch};
use crate::user::{self, User};
use crate::{case, check_eq, gic, hypercall, interrupt, machine, skip, user_code};

/// A state of its own for each number: other contents, and another rounding mode.
fn state(number: u64) -> State {
    let mut state = State::pattern(1000 * number + 17);
    state.fpcr = (number & 0b11) << 22 | (number >> 2 & 1) << 25;
    state.fpsr = 1 << (number % 5) | 1 << 27;
    state
}

case! {
    /// All of V0 to V31, FPCR and FPSR over each kind of exit that a guest can make by itself: a
    /// known and an unknown hypercall, a system register that hypervisors trap, an MMIO read, WFI
    /// until the timer fires, an exception to EL1 and its return, a round through EL0; with the
    /// monitor's services also an access that stage 2 refuses, and a cancelled entry. After each
    /// of them everything is compared.
    ///
    /// ```text
    ///   EL1   V = pattern --> exit of kind k --> V = pattern ?       k = HVC, MRS, LDR, WFI, ...
    /// ```
    ///
    /// A hypervisor has one way out of the guest and many ways to go on. The fast ones (a
    /// hypercall that is answered in EL2, an ID register) may leave the state in the registers;
    /// the slow ones go to a thread of the host that uses SIMD in its memcpy. State that is saved
    /// in the slow way only, and restored always, comes back old after a fast one. WFI is the
    /// slowest: another vCPU runs meanwhile.
    "fp.each_exit": "V0 to V31, FPCR and FPSR are the same after each kind of exit: HVC, MRS, MMIO, WFI, SVC, EL0, stage 2, cancel";
    reference: "DDI 0487: FP and SIMD state; CPTR_EL2.TFP; DEN 0028: SMCCC preserves the SIMD registers";
    needs: Needs::PSCI.and(Needs::TIMER_IRQ);
    fn each_exit() {
        enable();
        let probe = Probe::open();
        let id = [mrs(0, SysReg::ID_AA64ISAR0_EL1.encoding())];
        for number in 1..6 {
            let after = |what: &str, exit: &mut dyn FnMut()| {
                let state = state(number);
                state.load();
                exit();
                state.check(what);
            };
            after("a hypercall", &mut || _ = hypercall::call32(PSCI_VERSION, 0));
            after("an unknown hypercall", &mut || {
                check_eq!(hypercall::call(0x8400_ff42, &[])[0] as u32 as u64, 0xffff_ffff, "X0");
            });
            after("MRS of an ID register", &mut || _ = probe.run(El::El1, &id, &[]).done("MRS"));
            if let Some(uart) = machine::get().pl011() {
                const UARTFR: u64 = 0x18;
                after("an MMIO read", &mut || {
                    // SAFETY: reads the flags of a PL011, which changes nothing.
                    unsafe { ((uart.registers.start + UARTFR) as *const u32).read_volatile() };
                });
            }
            after("an SVC", &mut || {
                // SAFETY: the exception is announced.
                try_catch(After::Resume, || unsafe { core::arch::asm!("svc #0") });
            });
            after("EL0", &mut || {
                user::run(&mut User::at(user_code!(user_svc_alone)));
            });
            after("WFI", &mut || {
                gic::enable((VIRTUAL.intid)(machine::get()), true);
                let deadline = (VIRTUAL.counter)() + milliseconds(1) / 4;
                VIRTUAL.start(deadline);
                while (VIRTUAL.counter)() < deadline {
                    aarch64_cpu::asm::wfi();
                }
                VIRTUAL.stop();
                gic::enable((VIRTUAL.intid)(machine::get()), false);
                if hypercall::has_services() && !gic::is_present() {
                    services::unmask_virtual_timer();
                }
            });
            if hypercall::has_services() {
                after("a cancelled entry", &mut || _ = services::cancel(0));
            }
        }
        drop(probe);
        if hypercall::has_services() {
            let mut window = Window::open(anyvisor_arch::descriptor::Granule::K4, 39);
            let va = window.base() + 0x5000;
            window.tables.map(va, nowhere() & !0xfff, 3, DATA);
            let state = state(9);
            state.load();
            let any = u64::MAX;
            services::expect_exit(Expected { ec: any, iss: (0, 0), far: None, ipa: None, pc: None, after: AFTER_SKIP });
            crate::access::store(El::El1, va, 1).value();
            services::exit_record();
            state.check("an access that stage 2 refused");
        }
    }
}

core::arch::global_asm!(
    ".pushsection .user.text, \"ax\"",
    ".global user_svc_alone",
    "user_svc_alone:",
    "    svc #0",
    ".popsection",
);

case! {
    /// Fifty timer interrupts arrive while the vector registers hold a pattern and the CPU
    /// computes nothing. The kernel's handler uses no FP, so whatever changes was changed by the
    /// hypervisor, which got in by the physical interrupt (an exit), made the virtual one pending,
    /// and entered again.
    ///
    /// ```text
    ///   EL1   V = pattern ...............|.......... V = pattern ?
    ///   EL2          physical timer IRQ: exit, GIC, schedule, enter with the vIRQ
    /// ```
    ///
    /// Here the guest did not ask for the exit. A hypervisor that treats vector registers as the
    /// calling convention does (the lower halves of V8 to V15 are preserved, the rest is scratch)
    /// is right over hypercalls, by luck, and wrong here: an interrupt comes between any two
    /// instructions. FPCR and FPSR are compared as well, and a rounding mode lost is the likelier
    /// case.
    "fp.interrupted": "V0 to V31, FPCR and FPSR are the same over 50 timer interrupts";
    reference: "DDI 0487: exceptions and the FP and SIMD registers; CPTR_EL2.TFP";
    needs: Needs::TIMER_IRQ;
    fn interrupted() {
        const TICKS: usize = 50;
        enable();
        interrupt::listen(|_| serve(&VIRTUAL, |timer| timer.stop()));
        gic::enable((VIRTUAL.intid)(machine::get()), true);
        for tick in 0..TICKS {
            let state = state(tick as u64);
            state.load();
            interrupt::unmasked(|| {
                VIRTUAL.start((VIRTUAL.counter)() + milliseconds(1) / 20);
                while interrupt::count() == tick {
                    core::hint::spin_loop();
                }
            });
            state.check("an interrupt");
        }
        check_eq!(interrupt::count() as u64, TICKS as u64, "interrupts taken");
    }
}

static MEETING: Meeting = Meeting::new();

case! {
    /// All CPUs at once, each with contents and FPCR of its own, over a hundred rounds of a
    /// hypercall, a meeting (WFE, so that a hypervisor with fewer CPUs than vCPUs switches between
    /// them) and a comparison. Nobody's state is seen by anybody else, nor lost.
    ///
    /// ```text
    ///   pCPU    vCPU 0 |WFE| vCPU 1 |WFE| vCPU 0 | ...
    ///   V       a            b            a ?        FPCR  RZ     RN+DN    RZ ?
    /// ```
    ///
    /// Lazy switching remembers "whose state is in the registers", and the answer is per physical
    /// CPU: a vCPU that ran here, then elsewhere, then here again finds that the registers are
    /// "still its own" although they are two switches old. Kernels had the same bug
    /// with threads. With one CPU in the FDT the case skips.
    "fp.each_cpu": "each CPU keeps its own V0 to V31, FPCR and FPSR over 100 rounds of calls and waits";
    reference: "DDI 0487: FP and SIMD state of each PE; CPTR_EL2.TFP; lazy context switching";
    needs: Needs::PSCI.vcpus(2);
    fn each_cpu() {
        const ROUNDS: u64 = 100;
        extern "C" fn body(cpu: u64) {
            CPACR_EL1.set(0b11 << 20);
            barrier::isb(barrier::SY);
            let all = smp::cpu_count() as u64;
            for round in 0..ROUNDS {
                let state = state(cpu + 1 + 100 * (round / 10));
                if round % 10 == 0 {
                    state.load();
                }
                hypercall::call32(PSCI_VERSION, 0);
                MEETING.meet(all);
                state.check("a round with the other CPUs");
            }
        }
        if pfr0::FP.get(ID_AA64PFR0_EL1.get()) == pfr0::NO_FP {
            skip!("ID_AA64PFR0_EL1.FP says no floating-point");
        }
        MEETING.clear();
        let started = smp::start_all(body, None);
        body(smp::this_cpu() as u64);
        started.join();
    }
}

/// Instructions that need FP or SIMD: of each sort one. X2 is an address.
const NEED_FP: &[(&str, u32)] = &[
    ("FMOV D0, X0", 0x9e67_0000),
    ("FMOV X5, D0", 0x9e66_0005),
    ("FADD D0", 0x1e61_2800),
    ("FCVTZS X5, D0", 0x9e78_0005),
    ("FCMP D0, D1", 0x1e61_2000),
    ("FCSEL D0", 0x1e61_0c00),
    ("MOVI V0", 0x4f00_e400),
    ("FADD V0.4S", 0x4e22_d420),
    ("DUP V0, W0", 0x4e01_0c00),
    ("UMOV W0, V0", 0x0e01_3c00),
    ("LDR Q0", 0x3dc0_0040),
    ("STR Q0", 0x3d80_0040),
    ("LDP D0, D1", 0x6d40_0440),
    ("LD1 V0", 0x4c40_7040),
    ("MRS X0, FPCR", 0xd53b_4400),
    ("MRS X0, FPSR", 0xd53b_4424),
    ("MSR FPSR, X0", 0xd51b_4420),
];

case! {
    /// CPACR_EL1.FPEN in its four settings, at EL0 and EL1, for seventeen instructions of every
    /// sort that needs the FP registers: moves, arithmetic, comparisons, SIMD, loads and stores,
    /// FPCR and FPSR. A refused one takes EC 0x07 to EL1 with CV = 1, COND = 0b1110 and ELR at it,
    /// whatever the instruction is; a load or store does not touch memory first, so its address
    /// does not matter. PRFM and the integer part of SIMD's encoding space need nothing.
    ///
    /// ```text
    ///   FPEN    00        01            10        11
    ///   EL0     trap      trap          trap      goes
    ///   EL1     trap      goes          trap      goes
    /// ```
    ///
    /// The hypervisor has the same trap one level up, CPTR_EL2, for its lazy switch; EL1's comes
    /// first. One that handles the exit and does not look at the guest's CPACR_EL1 (as it must
    /// when it gets the trap of a nested guest, or emulates) gives FP to a program from which its
    /// kernel had taken it, and that kernel's own lazy switching then mixes two programs'
    /// registers. 0b10 is the setting that a test for "not zero" gets wrong.
    "fp.cpacr": "each CPACR_EL1.FPEN at EL0 and EL1 for 17 kinds of instruction: EC 0x07 with ELR at it, or it goes through";
    reference: "DDI 0487: CPACR_EL1.FPEN; CheckFPAdvSIMDEnabled64; ESR_ELx, ISS for an access to SIMD or FP";
    needs: Needs::NONE;
    fn cpacr() {
        const PRFM: u32 = 0xf980_0040;
        if pfr0::FP.get(ID_AA64PFR0_EL1.get()) == pfr0::NO_FP {
            skip!("ID_AA64PFR0_EL1.FP says no floating-point");
        }
        let probe = Probe::open();
        for setting in 0..4_u64 {
            CPACR_EL1.set(setting << 20);
            barrier::isb(barrier::SY);
            for (el, goes) in [(El::El0, setting == 3), (El::El1, setting & 1 == 1)] {
                for &(name, word) in NEED_FP {
                    let ended = probe.run(el, &[word], &[0, 0, probe.data.va]);
                    if goes {
                        ended.done(format_args!("{name} at {el:?} with FPEN = {setting:#04b}"));
                        continue;
                    }
                    let seen = ended.trap.esr;
                    assert!(
                        seen == Esr::fp_access() && ended.trap.elr == ended.start,
                        "{name} at {el:?} with FPEN = {setting:#04b}: {seen}, ELR {:#x}",
                        ended.trap.elr
                    );
                    // The trap comes before the address is looked at.
                    if matches!(name, "LDR Q0" | "STR Q0" | "LD1 V0") {
                        let seen = probe.run(el, &[word], &[0, 0, 0xdead << 48]).trap.esr;
                        assert!(seen == Esr::fp_access(), "{name} of a bad address: {seen}");
                    }
                }
                probe.run(el, &[PRFM], &[0, 0, probe.data.va]).done("PRFM");
            }
        }
    }
}
