//! Short programs at EL1 with the MMU off: debug exceptions that exit, SError interrupts, and
//! performance counts that are exact to the instruction.

use super::*;
use crate::model::Processor;
use crate::state::Pstate;
use anyvisor_arch::debug::{control, mdscr, wcr};
use anyvisor_arch::esr::{Esr, ISS_STEP_ISV};
use anyvisor_arch::pstate::Mode;
use anyvisor_arch::sysreg::{MonitorRegister, SysReg};
use anyvisor_vm::Perms;
use std::sync::atomic::Ordering;

const CODE: u64 = 0x4000_0000;
const VECTORS: u64 = CODE + 0x1000;
const DATA: u64 = CODE + 0x2000;

const NOP: u32 = 0xd503_201f;
const HVC: u32 = 0xd400_0002;
const SVC: u32 = 0xd400_0001;
const ERET: u32 = 0xd69f_03e0;
const ESB: u32 = 0xd503_221f;
const DAIFCLR_A: u32 = 0xd503_44ff;
const LDR_X1_X0: u32 = 0xf940_0001;
const STRB_W1_X0_7: u32 = 0x3900_1c01;
const SUB_X4_1: u32 = 0xd100_0484;
const CBNZ_X4_BACK: u32 = 0xb5ff_ffe4;
const MSR_PMCR_X5: u32 = 0xd51b_9c05;
const fn mrs_pmccntr(rt: u32) -> u32 {
    0xd53b_9d00 | rt
}
const fn mrs_pmevcntr0(rt: u32) -> u32 {
    0xd53b_e800 | rt
}

/// A vCPU and its memory.
struct Program {
    cpu: Cpu,
    memory: GuestMemory,
    _host: Vec<u8>,
}

impl Program {
    /// `code` at CODE; an `hvc` in each vector.
    fn new(code: &[u32]) -> Self {
        let host = vec![0u8; 0xc000];
        let base = (host.as_ptr() as usize).next_multiple_of(0x4000);
        let memory = GuestMemory::new(36, 0x4000);
        memory.map(base, CODE, 0x4000, Perms::all()).unwrap();
        let mut cpu = Cpu::of(Processor { pmu: true, ..Processor::default() }, 36, 0);
        cpu.set(SysReg::VBAR_EL1, VECTORS);
        cpu.pstate = Pstate(Mode::El1h.bits() | pstate::DAIF);
        cpu.pc = CODE;
        let mut program = Self { cpu, memory, _host: host };
        program.put(CODE, code);
        for vector in 0..16 {
            program.put(VECTORS + 0x80 * vector, &[HVC]);
        }
        program
    }

    fn put(&mut self, at: u64, words: &[u32]) {
        let map = self.memory.enter();
        for (at, &word) in (at..).step_by(4).zip(words) {
            let page = map.lookup(at).unwrap().0.get(&map).unwrap();
            page.store_u32(at as usize, word, Ordering::Relaxed);
        }
    }

    /// Runs to an exit: its syndrome and virtual address.
    fn run(&mut self) -> (Esr, u64) {
        let (mut tlb, mut code) = (Tlb::default(), CodeCache::default());
        let bell = Attention::default();
        self.cpu.regime_changed();
        // As an entry does.
        self.cpu.stepped = None;
        match run(&mut self.cpu, &mut tlb, &mut code, &self.memory, &bell, &|| 0).exit() {
            Exit::Exception(exit) => (Esr(exit.syndrome), exit.virtual_address),
            other => panic!("{other:?}"),
        }
    }

    fn run_to_hvc(&mut self) {
        assert_eq!(self.run().0.class(), Ok(ExceptionClass::Hvc));
    }
}

#[test]
fn the_hypervisor_steps_its_guest() {
    let mut program = Program::new(&[NOP, SVC, NOP]);
    program.cpu.trap_debug_exceptions = true;
    program.cpu.set(SysReg::MDSCR_EL1, mdscr::SS);
    // Of the SVC the vector's first instruction is what comes next.
    for at in [CODE + 4, VECTORS + 0x200, VECTORS + 0x204] {
        program.cpu.pstate.put(pstate::SS, true);
        let (esr, _) = program.run();
        if at == VECTORS + 0x204 {
            assert_eq!((esr.class(), program.cpu.pc), (Ok(ExceptionClass::Hvc), at));
            continue;
        }
        assert_eq!(esr, Esr::new(ExceptionClass::StepLower, ISS_STEP_ISV | 0x22));
        assert_eq!((program.cpu.pc, program.cpu.pstate.any(pstate::SS)), (at, false));
    }
    // Entered with SS = 0: nothing is stepped.
    let (esr, _) = program.run();
    assert_eq!(esr, Esr::new(ExceptionClass::StepLower, 0x22));
}

#[test]
fn breakpoints_exit_or_go_to_el1() {
    for trapped in [false, true] {
        let mut program = Program::new(&[NOP, NOP, NOP, HVC]);
        let cpu = &mut program.cpu;
        cpu.trap_debug_exceptions = trapped;
        cpu.pstate.put(pstate::D, false);
        cpu.set(SysReg::MDSCR_EL1, mdscr::MDE | mdscr::KDE);
        cpu.set(SysReg::DBGBVR1_EL1, CODE + 8);
        cpu.set(SysReg::DBGBCR1_EL1, control::E | control::LEVELS.put(1));
        let (esr, _) = program.run();
        if trapped {
            assert_eq!(esr, Esr::new(ExceptionClass::BreakpointLower, 0x22));
            assert_eq!(program.cpu.pc, CODE + 8);
        } else {
            assert_eq!(program.cpu.get(SysReg::ESR_EL1), 0xc600_0022);
            assert_eq!(program.cpu.get(SysReg::ELR_EL1), CODE + 8);
        }
    }
}

#[test]
fn a_watched_byte_exits_with_its_address() {
    let mut program = Program::new(&[LDR_X1_X0, STRB_W1_X0_7, HVC]);
    program.cpu.x[0] = DATA;
    program.cpu.trap_debug_exceptions = true;
    program.cpu.set(SysReg::MDSCR_EL1, mdscr::MDE);
    program.cpu.set(SysReg::DBGWVR2_EL1, DATA);
    let fields = wcr::STORES | wcr::BAS.put(0x80);
    program.cpu.set(SysReg::DBGWCR2_EL1, control::E | control::LEVELS.put(1) | fields);
    let (esr, far) = program.run();
    assert_eq!(esr, Esr::new(ExceptionClass::WatchpointLower, 0x62));
    assert_eq!((program.cpu.pc, far), (CODE + 4, DATA + 7));
    program.cpu.os_lock = true;
    program.run_to_hvc();
}

#[test]
fn an_serror_waits_until_it_is_unmasked_or_deferred() {
    let mut program = Program::new(&[NOP, DAIFCLR_A, NOP, HVC]);
    program.cpu.serror = Some(0x11);
    program.run_to_hvc();
    assert_eq!(program.cpu.pc, VECTORS + 0x384);
    assert_eq!(program.cpu.get(SysReg::ELR_EL1), CODE + 8);
    assert_eq!(program.cpu.get(SysReg::ESR_EL1), 0xbe00_0011);

    let mut program = Program::new(&[ESB, DAIFCLR_A, NOP, HVC]);
    program.cpu.serror = Some(0x11);
    program.run_to_hvc();
    assert_eq!(program.cpu.pc, CODE + 16);
    assert_eq!(program.cpu.get(SysReg::DISR_EL1), 0x8000_0011);
}

/// The cycle counter runs, and counter 0 counts what `kind` says.
fn count(program: &mut Program, kind: u64) {
    let pmu = &mut program.cpu.pmu;
    pmu.write(MonitorRegister::Type(0), kind, 1);
    pmu.write(MonitorRegister::EnableSet, 1 << 31 | 1, 1);
    pmu.write(MonitorRegister::Control, 1, 1);
}

#[test]
fn counts_are_exact_to_the_instruction() {
    let code = [mrs_pmccntr(1), NOP, NOP, mrs_pmccntr(2), mrs_pmccntr(3), HVC];
    let mut program = Program::new(&code);
    count(&mut program, 8);
    program.run_to_hvc();
    let x = &program.cpu.x;
    assert_eq!((x[1], x[2], x[3]), (0, 3, 4));
    // The HVC was the sixth.
    program.put(CODE + 24, &[mrs_pmevcntr0(4), HVC]);
    program.run_to_hvc();
    assert_eq!(program.cpu.x[4], 6);
}

#[test]
fn loops_exceptions_and_filters_are_counted_where_they_run() {
    // Ten rounds of two instructions; an SVC, whose handler returns; off.
    let code = [SUB_X4_1, CBNZ_X4_BACK, SVC, NOP, MSR_PMCR_X5, mrs_pmevcntr0(1), HVC];
    for (kind, counted) in [(8, 10 * 2 + 1 + 1 + 1 + 1), (1 << 31 | 8, 0), (1 << 30 | 8, 24)] {
        let mut program = Program::new(&code);
        program.put(VECTORS + 0x200, &[ERET]);
        program.cpu.x[4] = 10;
        count(&mut program, kind);
        program.run_to_hvc();
        assert_eq!(program.cpu.x[1], counted, "{kind:#x}");
    }
}

#[test]
fn a_stepped_program_counts_the_same() {
    let mut program = Program::new(&[NOP, NOP, mrs_pmccntr(1), HVC]);
    count(&mut program, 8);
    program.cpu.trap_debug_exceptions = true;
    program.cpu.set(SysReg::MDSCR_EL1, mdscr::SS);
    for _ in 0..3 {
        program.cpu.pstate.put(pstate::SS, true);
        program.run();
    }
    assert_eq!((program.cpu.pc, program.cpu.x[1]), (CODE + 12, 2));
}

/// What is refused did not run: it is counted nowhere, and no counter goes back for its sake.
#[test]
fn a_refused_write_does_not_count() {
    // MSR of an ID register: UNDEFINED.
    const MSR_MIDR_X5: u32 = 0xd518_0005;
    let mut program = Program::new(&[NOP, MSR_MIDR_X5]);
    count(&mut program, 8);
    program.run_to_hvc();
    let pmu = &program.cpu.pmu;
    assert_eq!(pmu.read(MonitorRegister::OverflowSet), 0);
    program.put(VECTORS + 0x204, &[mrs_pmccntr(1), mrs_pmevcntr0(2), HVC]);
    program.run_to_hvc();
    assert_eq!((program.cpu.x[1], program.cpu.x[2]), (2, 3), "NOP, HVC; and the MRS");
    assert_eq!(program.cpu.pmu.read(MonitorRegister::OverflowSet), 0);
}
