//! The comparators and the state machine, register by register.

use super::*;
use crate::state::Pstate;

const ADDRESS: u64 = 0xffff_8000_1234_5678;
const EL0: u64 = 0b10 << 1;
const EL1: u64 = 0b01 << 1;

fn cpu(mode: Mode) -> Cpu {
    let mut cpu = Cpu::new(36, 0);
    cpu.pstate = Pstate(mode.bits());
    cpu.set(SysReg::MDSCR_EL1, mdscr::MDE | mdscr::KDE);
    cpu
}

#[test]
fn where_debug_exceptions_are_enabled() {
    for (el, masked, kde, locked, trapped, expected) in [
        (0, true, false, false, false, true),
        (1, false, true, false, false, true),
        (1, true, true, false, false, false),
        (1, false, false, false, false, false),
        (1, true, false, false, true, true),
        (0, false, true, true, false, false),
        (0, false, true, true, true, false),
    ] {
        let mut cpu = cpu(Mode::El1h);
        cpu.set(SysReg::MDSCR_EL1, if kde { mdscr::KDE } else { 0 });
        (cpu.os_lock, cpu.trap_debug_exceptions) = (locked, trapped);
        assert_eq!(enabled_from(&cpu, el, masked), expected, "EL{el} {masked} {kde} {locked}");
    }
}

#[test]
fn a_breakpoint_matches_its_address_at_its_levels() {
    for (mode, levels, matches) in [
        (Mode::El0t, EL0, true),
        (Mode::El0t, EL1, false),
        (Mode::El1h, EL1, true),
        (Mode::El1t, EL0, false),
        (Mode::El1h, EL0 | EL1, true),
    ] {
        let mut cpu = cpu(mode);
        cpu.set(SysReg::DBGBVR3_EL1, ADDRESS);
        cpu.set(SysReg::DBGBCR3_EL1, control::E | levels);
        assert_eq!(breakpoint(&cpu, ADDRESS), matches, "{mode:?} {levels:#b}");
        assert!(!breakpoint(&cpu, ADDRESS + 4));
        assert!(active(&cpu));
        cpu.set(SysReg::MDSCR_EL1, mdscr::KDE);
        assert!(!breakpoint(&cpu, ADDRESS) && !active(&cpu), "MDE = 0");
    }
}

#[test]
fn reserved_types_and_the_secure_state_never_match() {
    let mut cpu = cpu(Mode::El0t);
    cpu.set(SysReg::DBGBVR0_EL1, ADDRESS);
    for bt in 2..16 {
        cpu.set(SysReg::DBGBCR0_EL1, control::E | EL0 | bcr::BT.put(bt));
        assert!(!breakpoint(&cpu, ADDRESS), "BT {bt}");
    }
    cpu.set(SysReg::DBGBCR0_EL1, control::E | EL0 | control::SSC.put(0b10));
    assert!(!breakpoint(&cpu, ADDRESS), "Secure only");
    cpu.set(SysReg::DBGBCR0_EL1, control::E | EL0 | control::SSC.put(0b01));
    assert!(breakpoint(&cpu, ADDRESS), "Non-secure only");
}

#[test]
fn contexts_match_alone_or_linked() {
    let mut cpu = cpu(Mode::El0t);
    cpu.set(SysReg::CONTEXTIDR_EL1, 0x77);
    cpu.set(SysReg::DBGBVR4_EL1, 0x77);
    cpu.set(SysReg::DBGBCR4_EL1, control::E | EL0 | bcr::BT.put(0b0010));
    assert!(breakpoint(&cpu, ADDRESS), "any address in the context");
    // Linked: only for the one that links to it.
    cpu.set(SysReg::DBGBCR4_EL1, control::E | EL0 | bcr::BT.put(0b0011));
    assert!(!breakpoint(&cpu, ADDRESS));
    cpu.set(SysReg::DBGBVR0_EL1, ADDRESS);
    let linked = |to| control::E | EL0 | bcr::BT.put(0b0001) | control::LBN.put(to);
    cpu.set(SysReg::DBGBCR0_EL1, linked(4));
    assert!(breakpoint(&cpu, ADDRESS));
    cpu.set(SysReg::CONTEXTIDR_EL1, 0x78);
    assert!(!breakpoint(&cpu, ADDRESS));
    cpu.set(SysReg::CONTEXTIDR_EL1, 0x77);
    for to in [0, 3, 5, 6, 15] {
        cpu.set(SysReg::DBGBCR0_EL1, linked(to));
        assert!(!breakpoint(&cpu, ADDRESS), "linked to {to}");
    }
    // A breakpoint without a context comparator.
    cpu.set(SysReg::DBGBVR3_EL1, 0x77);
    cpu.set(SysReg::DBGBCR3_EL1, control::E | EL0 | bcr::BT.put(0b0010));
    assert!(!breakpoint(&cpu, ADDRESS));
}

#[test]
fn blocks_end_before_the_nearest_breakpoint() {
    let mut cpu = cpu(Mode::El1h);
    assert_eq!(until_breakpoint(&cpu, ADDRESS, 10), 10);
    for (n, away) in [(0, 0), (1, 0x20), (2, 12), (3, 0u64.wrapping_sub(4))] {
        cpu.set(BREAKPOINT_REGISTERS[n].0, ADDRESS.wrapping_add(away));
        cpu.set(BREAKPOINT_REGISTERS[n].1, control::E);
    }
    assert_eq!(until_breakpoint(&cpu, ADDRESS, 10), 3);
    assert_eq!(until_breakpoint(&cpu, ADDRESS, 2), 2);
}

/// What of an access of `bytes` at `va` is watched by DBGWVR, DBGWCR.
fn seen(value: u64, fields: u64, va: u64, bytes: u64, write: bool) -> Option<u64> {
    let mut cpu = cpu(Mode::El0t);
    cpu.set(SysReg::DBGWVR0_EL1, value);
    cpu.set(SysReg::DBGWCR0_EL1, control::E | EL0 | fields);
    watchpoint(&cpu, Watched { va, bytes, write, unprivileged: false })
}

#[test]
fn a_watchpoint_sees_its_bytes() {
    const BOTH: u64 = wcr::LOADS | wcr::STORES;
    let all = BOTH | wcr::BAS.put(0xff);
    assert_eq!(seen(0x1000, all, 0x1000, 1, false), Some(0x1000));
    assert_eq!(seen(0x1000, all, 0xffd, 8, true), Some(0x1000));
    assert_eq!(seen(0x1000, all, 0x1005, 8, true), Some(0x1005));
    assert_eq!(seen(0x1000, all, 0x1008, 8, true), None);
    assert_eq!(seen(0x1000, all, 0xff8, 8, true), None);
    let middle = BOTH | wcr::BAS.put(0b0011_1100);
    assert_eq!(seen(0x1000, middle, 0x1000, 2, false), None);
    assert_eq!(seen(0x1000, middle, 0x1000, 8, false), Some(0x1002));
    // A word's address: four bits of BAS count.
    let word = BOTH | wcr::BAS.put(0b1111_0001);
    assert_eq!(seen(0x1004, word, 0x1000, 16, false), Some(0x1004));
    assert_eq!(seen(0x1004, word, 0x1005, 3, false), None);
    // Loads, stores, and neither.
    assert_eq!(seen(0x1000, wcr::LOADS | wcr::BAS.put(1), 0x1000, 1, true), None);
    assert_eq!(seen(0x1000, wcr::STORES | wcr::BAS.put(1), 0x1000, 1, false), None);
    assert_eq!(seen(0x1000, wcr::BAS.put(1), 0x1000, 1, false), None);
    // A tag is no part of the address, and neither is RESS.
    assert_eq!(seen(0x1000, all, 0x5a00_0000_0000_1000, 1, true), Some(0x5a00_0000_0000_1000));
}

#[test]
fn a_mask_widens_it() {
    let masked = |bits| wcr::LOADS | wcr::BAS.put(0xff) | wcr::MASK.put(bits);
    assert_eq!(seen(0x1000, masked(12), 0x1ffe, 4, false), Some(0x1ffe));
    assert_eq!(seen(0x1000, masked(12), 0x2000, 4, false), None);
    assert_eq!(seen(0x1000, masked(3), 0x1007, 1, false), Some(0x1007));
    for reserved in [1, 2] {
        assert_eq!(seen(0x1000, masked(reserved), 0x1000, 4, false), None);
    }
    assert_eq!(seen(0, masked(31), 0x7fff_ffff, 1, false), Some(0x7fff_ffff));
}

#[test]
fn ldtr_is_an_access_of_el0() {
    let mut cpu = cpu(Mode::El1h);
    cpu.set(SysReg::DBGWVR3_EL1, 0x1000);
    cpu.set(SysReg::DBGWCR3_EL1, control::E | EL0 | wcr::LOADS | wcr::BAS.put(0xff));
    let access = |unprivileged| Watched { va: 0x1000, bytes: 8, write: false, unprivileged };
    assert_eq!(watchpoint(&cpu, access(true)), Some(0x1000));
    assert_eq!(watchpoint(&cpu, access(false)), None);
}

#[test]
fn step_is_a_state_machine() {
    let mut cpu = cpu(Mode::El0t);
    assert_eq!(step(&cpu), Step::Inactive);
    cpu.set(SysReg::MDSCR_EL1, mdscr::SS);
    assert_eq!(step(&cpu), Step::Pending);
    cpu.pstate.put(pstate::SS, true);
    assert_eq!(step(&cpu), Step::NotPending);
    advance(&mut cpu);
    assert_eq!(step(&cpu), Step::Pending);
    cpu.pstate = Pstate(Mode::El1h.bits());
    assert_eq!(step(&cpu), Step::Inactive, "KDE = 0");
}

#[test]
fn only_a_return_into_stepping_loads_ss() {
    let el0 = Mode::El0t.bits() | pstate::SS;
    let el1 = Mode::El1h.bits() | pstate::SS;
    for (kde, masked, spsr, expected) in [
        (false, false, el0, true),
        (false, false, el0 & !pstate::SS, false),
        (false, false, el1, false),
        // From where debug exceptions are enabled: no.
        (true, false, el0, false),
        (true, true, el0, true),
        (true, true, el1, true),
        (true, true, el1 | pstate::D, false),
    ] {
        let mut cpu = cpu(Mode::El1h);
        cpu.pstate.put(pstate::D, masked);
        cpu.set(SysReg::MDSCR_EL1, mdscr::SS | if kde { mdscr::KDE } else { 0 });
        assert_eq!(return_ss(&cpu, spsr, false), expected, "{kde} {masked} {spsr:#x}");
        cpu.set(SysReg::MDSCR_EL1, 0);
        assert!(!return_ss(&cpu, spsr, false), "MDSCR_EL1.SS = 0");
    }
    let mut cpu = cpu(Mode::El1h);
    cpu.set(SysReg::MDSCR_EL1, mdscr::SS);
    assert!(!return_ss(&cpu, el1, true), "the guest's own, at EL1 without KDE");
    cpu.trap_debug_exceptions = true;
    assert!(return_ss(&cpu, el1 | pstate::D, true), "the hypervisor steps whatever it is");
}

#[test]
fn load_exclusives_are_known_by_their_words() {
    // ldxrb w0, [x1]; ldaxr x0, [x1]; ldxp x0, x2, [x1]; ldaxp w0, w2, [x1].
    for word in [0x085f_7c20, 0xc85f_fc20, 0xc87f_0820, 0x887f_8820] {
        assert!(is_load_exclusive(word), "{word:#x}");
    }
    // stxr w0, x1, [x2]; ldar x0, [x1]; caspa x0, x1, x2, x3, [x4]; ldr x0, [x1]; cas x0, x1, [x2].
    for word in [0xc800_7c41, 0xc8df_fc20, 0x4860_7c82, 0xf940_0020, 0xc8a0_7c41] {
        assert!(!is_load_exclusive(word), "{word:#x}");
    }
}
