//! Each question that an access goes through, and each effect.

use super::cache::CacheOp;
use super::*;
use crate::emit::PstateField;
use crate::model::Processor;
use crate::state::Pstate;
use anyvisor_arch::esr::{ExceptionClass, Wait};
use anyvisor_arch::pstate::{self as bits, Mode};
use anyvisor_arch::sysreg::{Lowest, Rule};
use anyvisor_arch::timer::{cntkctl, ctl};
use anyvisor_arch::{id as values, sctlr};

fn cpu(mode: Mode) -> Cpu {
    let mut cpu = Cpu::new(36, values::MPIDR_EL1);
    cpu.pstate = Pstate(mode.bits() | bits::DAIF);
    cpu
}

fn now() -> u64 {
    1_000_000
}

fn mrs(cpu: &mut Cpu, register: SysReg) -> Result<u64, Refusal> {
    read(cpu, register.encoding(), 3, &now)
}

fn msr(cpu: &mut Cpu, register: SysReg, value: u64) -> Result<(), Refusal> {
    write(cpu, register.encoding(), value)
}

fn write(cpu: &mut Cpu, encoding: Encoding, value: u64) -> Result<(), Refusal> {
    if let Some(register) = writable(cpu, encoding, 3)? {
        put(cpu, register, value, &now);
    }
    Ok(())
}

/// The syndrome of `mrs x3, register` or `msr register, x3`.
fn syndrome(encoding: Encoding, read: bool) -> Esr {
    Esr::system(SystemAccess { encoding, rt: 3, read })
}

#[test]
fn a_level_below_the_lowest_finds_no_register() {
    for &register in SysReg::ALL {
        let row = register.row();
        for mode in [Mode::El0t, Mode::El1h] {
            // Performance monitors: there are none in the default processor.
            let gated = matches!(row.kind, Kind::Gated(_))
                || matches!(row.kind, Kind::Monitor(_)) && mode == Mode::El0t;
            for (lowest, result) in [
                (row.read, mrs(&mut cpu(mode), register).map(|_| ())),
                (row.write, msr(&mut cpu(mode), register, 0)),
            ] {
                let there = lowest.allows(mode.el()) && !gated;
                let trap = Err(Refusal::Trap(syndrome(row.encoding, true)));
                let idst = !lowest.allows(mode.el()) && row.encoding.is_feature_id();
                let undefined = result == Err(Refusal::Undefined) || idst && result == trap;
                assert_eq!(undefined, !there, "{register} at {mode:?}: {result:?}");
            }
        }
    }
}

#[test]
fn el1_is_turned_away_by_fpen_and_spsel_only() {
    for &register in SysReg::ALL {
        let row = register.row();
        let foreign = matches!(
            row.kind,
            Kind::Gated(_) | Kind::HypervisorTrap | Kind::InterruptController(_) | Kind::Monitor(_)
        );
        if row.read > Lowest::El1 || foreign {
            continue;
        }
        let result = mrs(&mut cpu(Mode::El1h), register);
        let fp = row.rules.contains(&Rule::Fpen);
        assert_eq!(result.is_err(), fp, "{register}: {result:?}");
    }
    assert_eq!(mrs(&mut cpu(Mode::El1t), SysReg::SP_EL0), Err(Refusal::Undefined));
}

/// At EL0: `register` traps unless `bit` of `control` is set (or clear, if `inverted`).
fn el0_needs(register: SysReg, control: SysReg, bit: u64, inverted: bool) {
    let mut cpu = cpu(Mode::El0t);
    let trap = Err(Refusal::Trap(syndrome(register.encoding(), true)));
    cpu.set(control, if inverted { bit } else { !bit });
    assert_eq!(mrs(&mut cpu, register), trap, "{register}");
    cpu.set(control, if inverted { !bit } else { bit });
    assert!(mrs(&mut cpu, register).is_ok(), "{register}");
}

#[test]
fn el0_needs_leave() {
    use SysReg as R;
    el0_needs(R::DAIF, R::SCTLR_EL1, sctlr::UMA, false);
    el0_needs(R::CTR_EL0, R::SCTLR_EL1, sctlr::UCT, false);
    el0_needs(R::CNTPCT_EL0, R::CNTKCTL_EL1, cntkctl::EL0PCTEN, false);
    el0_needs(R::CNTVCT_EL0, R::CNTKCTL_EL1, cntkctl::EL0VCTEN, false);
    for register in [R::CNTP_CTL_EL0, R::CNTP_CVAL_EL0, R::CNTP_TVAL_EL0] {
        el0_needs(register, R::CNTKCTL_EL1, cntkctl::EL0PTEN, false);
    }
    for register in [R::CNTV_CTL_EL0, R::CNTV_CVAL_EL0, R::CNTV_TVAL_EL0] {
        el0_needs(register, R::CNTKCTL_EL1, cntkctl::EL0VTEN, false);
    }
    for register in [R::MDCCSR_EL0, R::DBGDTR_EL0, R::DBGDTRRX_EL0] {
        el0_needs(register, R::MDSCR_EL1, 1 << 12, true);
    }
    // Either counter's leave gives the frequency.
    for (enable, allowed) in [(0, false), (1, true), (2, true), (3, true)] {
        let mut cpu = cpu(Mode::El0t);
        cpu.set(R::CNTKCTL_EL1, enable);
        let expected = if allowed {
            Ok(values::CNTFRQ_EL0)
        } else {
            Err(Refusal::Trap(syndrome(R::CNTFRQ_EL0.encoding(), true)))
        };
        assert_eq!(mrs(&mut cpu, R::CNTFRQ_EL0), expected);
    }
}

#[test]
fn fpen_traps_with_its_own_class() {
    let trap = Err(Refusal::Trap(Esr::fp_access()));
    for (fpen, el0_traps, el1_traps) in
        [(0b00, true, true), (0b01, true, false), (0b10, true, true), (0b11, false, false)]
    {
        for (mode, traps) in [(Mode::El0t, el0_traps), (Mode::El1h, el1_traps)] {
            let mut cpu = cpu(mode);
            cpu.set(SysReg::CPACR_EL1, fpen << 20);
            assert_eq!(msr(&mut cpu, SysReg::FPCR, 0), if traps { trap } else { Ok(()) });
        }
    }
}

#[test]
fn the_hypervisors_registers_exit() {
    let foreign = [
        SysReg::PMCR_EL0.encoding(),
        SysReg::OSLAR_EL1.encoding(),
        SysReg::OSDLR_EL1.encoding(),
        SysReg::ICC_PMR_EL1.encoding(),
        Encoding::new(3, 1, 15, 2, 0),
        Encoding::new(3, 3, 14, 8, 0),
    ];
    for encoding in foreign {
        let exit = Err(Refusal::Exit(syndrome(encoding, false)));
        assert_eq!(write(&mut cpu(Mode::El1h), encoding, 0), exit, "{encoding}");
        let at_el0 = write(&mut cpu(Mode::El0t), encoding, 0);
        assert_eq!(at_el0, Err(Refusal::Undefined), "{encoding}");
    }
}

#[test]
fn monitors_are_el0s_as_pmuserenr_says() {
    use SysReg as R;
    let processor = Processor { pmu: true, ..Processor::default() };
    let at = |mode: Mode, user: u64| {
        let mut cpu = Cpu::of(processor, 36, values::MPIDR_EL1);
        cpu.pstate = Pstate(mode.bits() | bits::DAIF);
        cpu.pmu.user = user;
        cpu
    };
    for (register, read, write) in [
        (R::PMCR_EL0, 0b0001, 0b0001),
        (R::PMCCNTR_EL0, 0b0101, 0b0001),
        (R::PMEVCNTR3_EL0, 0b1001, 0b0001),
        (R::PMXEVCNTR_EL0, 0b1001, 0b0001),
        (R::PMSELR_EL0, 0b1001, 0b1001),
        (R::PMEVTYPER0_EL0, 0b0001, 0b0001),
    ] {
        for user in 0..16 {
            let trap = |read| Refusal::Trap(syndrome(register.encoding(), read));
            let expected = if user & read != 0 { Ok(0) } else { Err(trap(true)) };
            let result = mrs(&mut at(Mode::El0t, user), register);
            assert_eq!(result.map(|_| 0), expected, "{register} {user:#b}");
            let expected = if user & write != 0 { Ok(()) } else { Err(trap(false)) };
            assert_eq!(
                msr(&mut at(Mode::El0t, user), register, 0),
                expected,
                "{register} {user:#b}"
            );
        }
        assert_eq!(msr(&mut at(Mode::El1h, 0), register, 0), Ok(()), "{register}");
    }
    assert_eq!(mrs(&mut at(Mode::El0t, 0b10), R::PMUSERENR_EL0), Ok(0b10));
    assert_eq!(msr(&mut at(Mode::El0t, 0xf), R::PMUSERENR_EL0, 0), Err(Refusal::Undefined));
    assert_eq!(mrs(&mut at(Mode::El0t, 0xf), R::PMINTENSET_EL1), Err(Refusal::Undefined));
    assert_eq!(msr(&mut at(Mode::El0t, 0b10), R::PMSWINC_EL0, 1), Ok(()));
    let past = Encoding::new(3, 3, 14, 8, 6);
    assert_eq!(read(&mut at(Mode::El1h, 0), past, 3, &now), Err(Refusal::Undefined));
}

#[test]
fn monitors_have_the_registers_of_their_version() {
    let shown = Processor { pmu: true, ..Processor::default() };
    let (mut with, mut without) = (Cpu::of(shown, 36, 0), Cpu::new(36, 0));
    let pmmir = SysReg::PMMIR_EL1;
    assert_eq!(mrs(&mut with, pmmir), Err(Refusal::Undefined), "FEAT_PMUv3p4");
    assert_eq!(mrs(&mut without, pmmir), Err(Refusal::Exit(syndrome(pmmir.encoding(), true))));
    assert_eq!(mrs(&mut with, SysReg::PMCEID1_EL0), Ok(0x18));
}

#[test]
fn trapped_debug_registers_exit() {
    let mut cpu = cpu(Mode::El1h);
    assert_eq!(mrs(&mut cpu, SysReg::MDSCR_EL1), Ok(0));
    cpu.trap_debug_reg_accesses = true;
    let exit = Err(Refusal::Exit(syndrome(SysReg::MDSCR_EL1.encoding(), true)));
    assert_eq!(mrs(&mut cpu, SysReg::MDSCR_EL1), exit);
    assert_eq!(mrs(&mut cpu, SysReg::MIDR_EL1), Ok(values::MIDR_EL1), "no debug register");
}

#[test]
fn reserved_id_registers_read_as_zero_at_el1() {
    let id_pfr0 = Encoding::new(3, 0, 0, 1, 0);
    assert_eq!(read(&mut cpu(Mode::El1h), id_pfr0, 3, &now), Ok(0));
    let trap = Err(Refusal::Trap(syndrome(id_pfr0, true)));
    assert_eq!(read(&mut cpu(Mode::El0t), id_pfr0, 3, &now), trap);
    assert_eq!(write(&mut cpu(Mode::El1h), id_pfr0, 0), Err(Refusal::Undefined));
}

#[test]
fn storage_keeps_the_bits_that_there_are() {
    let mut cpu = cpu(Mode::El1h);
    for (register, expected) in [
        (SysReg::TPIDR_EL1, u64::MAX),
        (SysReg::VBAR_EL1, !0x7ff),
        (SysReg::ESR_EL1, 0xffff_ffff),
        (SysReg::SPSR_EL1, bits::SPSR_FIELDS),
        (SysReg::SCTLR_EL1, sctlr::RES1 | sctlr::WRITABLE),
        (SysReg::CPACR_EL1, 0b11 << 20),
        (SysReg::CNTKCTL_EL1, 0x3ff),
    ] {
        assert_eq!(msr(&mut cpu, register, u64::MAX), Ok(()));
        assert_eq!(mrs(&mut cpu, register), Ok(expected), "{register}");
    }
    assert_eq!(msr(&mut cpu, SysReg::SCTLR_EL1, 0), Ok(()));
    assert_eq!(mrs(&mut cpu, SysReg::SCTLR_EL1), Ok(sctlr::RES1));
}

#[test]
fn views_of_pstate() {
    let mut cpu = cpu(Mode::El1h);
    assert_eq!(mrs(&mut cpu, SysReg::CurrentEL), Ok(1 << 2));
    assert_eq!(mrs(&mut cpu, SysReg::DAIF), Ok(bits::DAIF));
    assert_eq!(msr(&mut cpu, SysReg::DAIF, bits::I | 1), Ok(()));
    assert_eq!(msr(&mut cpu, SysReg::NZCV, bits::Z | 1), Ok(()));
    assert_eq!(msr(&mut cpu, SysReg::PAN, u64::MAX), Ok(()));
    assert_eq!(cpu.pstate.0, Mode::El1h.bits() | bits::I | bits::Z | bits::PAN);
    assert_eq!(mrs(&mut cpu, SysReg::PAN), Ok(bits::PAN));
    assert_eq!(msr(&mut cpu, SysReg::SP_EL0, 0x1230), Ok(()));
    assert_eq!(msr(&mut cpu, SysReg::SPSel, 0), Ok(()));
    assert_eq!(cpu.pstate.0 & bits::MODE, Mode::El1t.bits());
    assert_eq!((cpu.sp[0], cpu.sp[1]), (0x1230, 0));
    (cpu.irq, cpu.fiq) = (true, false);
    assert_eq!(mrs(&mut cpu, SysReg::ISR_EL1), Ok(bits::I));
    (cpu.irq, cpu.fiq) = (false, true);
    assert_eq!(mrs(&mut cpu, SysReg::ISR_EL1), Ok(bits::F));
    cpu.serror = Some(0);
    assert_eq!(mrs(&mut cpu, SysReg::ISR_EL1), Ok(bits::A | bits::F));
}

#[test]
fn msr_immediate() {
    let mut el1 = cpu(Mode::El1h);
    let mut put = |field, imm| pstate::write_immediate(&mut el1, field, imm);
    assert_eq!(put(PstateField::DaifClr, 0b1111), Ok(()));
    assert_eq!(put(PstateField::DaifSet, 0b0010), Ok(()));
    assert_eq!(put(PstateField::Pan, 1), Ok(()));
    assert_eq!(put(PstateField::SpSel, 0), Ok(()));
    assert_eq!(el1.pstate.0, Mode::El1t.bits() | bits::I | bits::PAN);

    let mut el0 = cpu(Mode::El0t);
    for field in [PstateField::SpSel, PstateField::Pan] {
        assert_eq!(pstate::write_immediate(&mut el0, field, 1), Err(Refusal::Undefined));
    }
    let result = pstate::write_immediate(&mut el0, PstateField::DaifClr, 0b0010);
    let Err(Refusal::Trap(esr)) = result else { panic!("{result:?}") };
    // MSR DAIFClr, #2: op0 0, op1 3, CRn 4, CRm 2, op2 7, Rt 31, a write.
    assert_eq!(esr.0, 0x6200_0000 | 7 << 17 | 3 << 14 | 4 << 10 | 31 << 5 | 2 << 1);
    el0.set(SysReg::SCTLR_EL1, sctlr::UMA);
    assert_eq!(pstate::write_immediate(&mut el0, PstateField::DaifClr, 0b0010), Ok(()));
    assert_eq!(el0.pstate.0 & bits::DAIF, bits::DAIF & !bits::I);
}

#[test]
fn counters_and_timers() {
    let mut cpu = cpu(Mode::El1h);
    cpu.vtimer_offset = 400_000;
    assert_eq!(mrs(&mut cpu, SysReg::CNTPCT_EL0), Ok(1_000_000));
    assert_eq!(mrs(&mut cpu, SysReg::CNTVCT_EL0), Ok(600_000));
    assert_eq!(msr(&mut cpu, SysReg::CNTV_TVAL_EL0, 100), Ok(()));
    assert_eq!(mrs(&mut cpu, SysReg::CNTV_CVAL_EL0), Ok(600_100));
    assert_eq!(msr(&mut cpu, SysReg::CNTP_TVAL_EL0, u64::from(-1_i32 as u32)), Ok(()));
    assert_eq!(mrs(&mut cpu, SysReg::CNTP_CVAL_EL0), Ok(999_999));
    for register in [SysReg::CNTV_CTL_EL0, SysReg::CNTP_CTL_EL0] {
        assert_eq!(msr(&mut cpu, register, ctl::ENABLE), Ok(()));
    }
    assert_eq!(mrs(&mut cpu, SysReg::CNTV_CTL_EL0), Ok(ctl::ENABLE));
    assert_eq!(mrs(&mut cpu, SysReg::CNTP_CTL_EL0), Ok(ctl::ENABLE | ctl::ISTATUS));
    assert_eq!(mrs(&mut cpu, SysReg::CNTV_TVAL_EL0), Ok(100));
}

#[test]
fn claim_tags_set_and_clear() {
    let mut cpu = cpu(Mode::El1h);
    assert_eq!(mrs(&mut cpu, SysReg::DBGCLAIMSET_EL1), Ok(0xff));
    assert_eq!(msr(&mut cpu, SysReg::DBGCLAIMSET_EL1, 0x1f3), Ok(()));
    assert_eq!(msr(&mut cpu, SysReg::DBGCLAIMCLR_EL1, 0x0c2), Ok(()));
    assert_eq!(mrs(&mut cpu, SysReg::DBGCLAIMCLR_EL1), Ok(0x31));
}

#[test]
fn cache_registers_and_permissions() {
    let dc_zva = Encoding::new(1, 3, 7, 4, 1);
    let dc_civac = Encoding::new(1, 3, 7, 14, 1);
    let dc_isw = Encoding::new(1, 0, 7, 6, 2);
    assert_eq!(CacheOp::from_encoding(dc_zva), Some(CacheOp::Zero));
    assert_eq!(CacheOp::from_encoding(Encoding::new(1, 0, 7, 1, 0)), Some(CacheOp::InstructionAll));
    let dc_cvap = Encoding::new(1, 3, 7, 12, 1);
    assert_eq!(CacheOp::from_encoding(dc_cvap), Some(CacheOp::Clean));
    assert_eq!(CacheOp::from_encoding(Encoding::new(1, 3, 7, 9, 1)), None);

    let mut el0 = cpu(Mode::El0t);
    assert_eq!(mrs(&mut el0, SysReg::DCZID_EL0), Ok(0b1_0100));
    assert_eq!(mrs(&mut cpu(Mode::El1h), SysReg::DCZID_EL0), Ok(0b0_0100));
    for (op, encoding, control) in
        [(CacheOp::Zero, dc_zva, sctlr::DZE), (CacheOp::Clean, dc_civac, sctlr::UCI)]
    {
        el0.set(SysReg::SCTLR_EL1, !control);
        let trap = Err(Refusal::Trap(syndrome(encoding, false)));
        assert_eq!(op.permit(&el0, encoding, 3), trap);
        el0.set(SysReg::SCTLR_EL1, control);
        assert_eq!(op.permit(&el0, encoding, 3), Ok(()));
    }
    assert_eq!(CacheOp::SetWay.permit(&el0, dc_isw, 3), Err(Refusal::Undefined));
    assert_eq!(CacheOp::SetWay.permit(&cpu(Mode::El1h), dc_isw, 3), Ok(()));
}

#[test]
fn waiting_at_el0_needs_leave() {
    for (which, control) in [(Wait::Interrupt, sctlr::N_TWI), (Wait::Event, sctlr::N_TWE)] {
        let mut el0 = cpu(Mode::El0t);
        let result = traps::wait(&el0, which);
        let Err(Refusal::Trap(esr)) = result else { panic!("{result:?}") };
        assert_eq!((esr.class(), esr.waiting()), (Ok(ExceptionClass::Wait), Some(which)));
        el0.set(SysReg::SCTLR_EL1, control);
        assert_eq!(traps::wait(&el0, which), Ok(()));
        assert_eq!(traps::wait(&cpu(Mode::El1h), which), Ok(()));
    }
}

#[test]
fn the_api_asks_no_leave() {
    let mut cpu = cpu(Mode::El0t);
    for &register in SysReg::ALL {
        let Some(id) = register.api_id() else { continue };
        let there = register.row().api == Api::Always;
        let value = api_read(&cpu, id, &now);
        assert_eq!(value.is_some(), there, "{register}");
        assert_eq!(api_write(&mut cpu, id, value.unwrap_or(0), &now).is_some(), there);
        assert_eq!(api_read(&cpu, id, &now), value, "{register}: what was read was written");
    }
    assert_eq!(api_read(&cpu, 0xffff, &now), None);
    let midr = SysReg::MIDR_EL1.encoding().0;
    assert_eq!(api_write(&mut cpu, midr, 0x410f_d034, &now), Some(()));
    assert_eq!(api_read(&cpu, midr, &now), Some(0x410f_d034));
    let sp_el1 = SysReg::SP_EL1.encoding().0;
    assert_eq!(api_write(&mut cpu, sp_el1, 0x4000, &now), Some(()));
    assert_eq!(cpu.sp[1], 0x4000);
}

#[test]
fn the_address_range_follows_the_configuration() {
    for (ipa_bits, range) in
        [(36, 1), (32, 0), (39, 1), (40, 2), (42, 3), (48, 5), (52, 5), (20, 0)]
    {
        assert_eq!(id::pa_range(ipa_bits), range, "{ipa_bits} bits");
    }
    let mut cpu = Cpu::new(40, values::MPIDR_EL1);
    let processor = cpu.processor;
    let shown = mrs(&mut cpu, SysReg::ID_AA64MMFR0_EL1);
    assert_eq!(shown, Ok(id::mmfr0(processor, 40)));
    assert_eq!(id::mmfr0(processor, 36), values::M1.mmfr0);
}
