//! Any call with any argument, in any order, on several threads: each is answered by a code of its
//! own. (`HV_ERROR` would be a panic that was caught.)

use super::place::{
    Config, Cpu, GICD, GICM, GICR, Group, Machine, SETSPI, WAIT, distribute, enable_spi, vm,
};
use crate::case::{Case, Source, case};
use crate::guest::{CODE, EL1H_MASKED, EmptyVm};
use crate::raw::gic::*;
use crate::raw::{
    BAD_ARGUMENT, BUSY, CPSR, DEFAULT, DENIED, Handle, NO_DEVICE, PC, SUCCESS, UNSUPPORTED,
    hv_vcpu_set_reg, hv_vcpus_exit, os_release,
};
use applevisor_sys::{hv_exit_reason_t, hv_gic_icc_reg_t as Icc};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use Source::Ours;

/// Marsaglia's xorshift: the same sequence each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number that is small, near a limit, or anything.
    fn number(&mut self) -> u64 {
        let limits = [0, 32, 1020, 0x1_0000, 1 << 32, 1 << 36, GICD, GICM, GICR, SETSPI, u64::MAX];
        let any = self.next();
        match self.next() % 4 {
            0 => any % 1100,
            1 => any % 0x8000 * 4,
            2 => limits[any as usize % limits.len()].wrapping_add(self.next() % 5).wrapping_sub(2),
            _ => any,
        }
    }
}

/// One call. `config` and `state` are live objects, `vcpu` may be one.
fn call(random: &mut Random, config: Handle, state: Handle, vcpu: u64) -> i32 {
    let (a, b) = (random.number(), random.number());
    let (reg, value) = (a as u32, Some(&mut 0));
    match random.next() % 24 {
        0 => hv_gic_config_set_distributor_base(config, a),
        1 => hv_gic_config_set_redistributor_base(config, a),
        2 => hv_gic_config_set_msi_region_base(config, a),
        3 => hv_gic_config_set_msi_interrupt_range(config, reg, b as u32),
        4 => hv_gic_create(config),
        5 => hv_gic_set_spi(reg, b & 1 != 0),
        6 => hv_gic_send_msi(a, b as u32),
        7 => hv_gic_reset(),
        8 => hv_gic_get_distributor_reg(reg, value),
        9 => hv_gic_set_distributor_reg(reg, b),
        10 => hv_gic_get_msi_reg(reg, value),
        11 => hv_gic_set_msi_reg(reg, b),
        12 => hv_gic_get_redistributor_base(vcpu, value),
        13 => hv_gic_get_redistributor_reg(vcpu, reg | (b as u32 & 1) << 16, value),
        14 => hv_gic_set_redistributor_reg(vcpu, reg | (b as u32 & 1) << 16, b),
        15 => hv_gic_get_icc_reg(vcpu, 0xc600 + reg % 0x80, value),
        16 => hv_gic_set_icc_reg(vcpu, 0xc600 + reg % 0x80, b),
        17 => hv_gic_get_ich_reg(vcpu, 0xe640 + reg % 0x40, value),
        18 => hv_gic_set_icv_reg(vcpu, reg, b),
        19 => hv_gic_get_intid(reg, Some(&mut 0)),
        20 => state_data(state).map_or_else(|code| code, |_| SUCCESS),
        21 => set_state(&random.next().to_le_bytes()),
        22 => {
            let state = hv_gic_state_create();
            os_release(state);
            SUCCESS
        }
        _ => hv_gic_config_set_distributor_base(random.number() as usize as Handle, a),
    }
}

/// The codes that a call may answer with.
fn is_answer(code: i32) -> bool {
    [SUCCESS, BAD_ARGUMENT, BUSY, NO_DEVICE, DENIED, UNSUPPORTED].contains(&code)
}

fn sweep(seed: u64, vcpu: u64, calls: u32) {
    let (mut random, config) = (Random(seed), Config::empty());
    let state = hv_gic_state_create();
    for n in 0..calls {
        let code = call(&mut random, config.0, state, vcpu);
        assert!(is_answer(code), "call {n} of seed {seed}: {code:#x}");
    }
    os_release(state);
}

/// Sets the flag when it goes, be it by a panic.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

pub fn cases() -> Vec<Case> {
    let cases = vec![
        case("gic.sweep.without_a_vm", Ours, || sweep(1, 0, 4000)),
        case("gic.sweep.without_a_gic", Ours, || {
            let _vm = EmptyVm::new(DEFAULT);
            sweep(2, 0, 4000);
        }),
        case("gic.sweep.with_a_vcpu", Ours, || {
            let _vm = vm();
            sweep(3, Cpu::with_affinity(0).id, 20_000);
        }),
        case("gic.sweep.while_a_guest_runs", Ours, || {
            let _machine = Machine::new(WAIT);
            let cpu = Cpu::ready(0);
            cpu.run_to_hvc(1);
            let id = cpu.id;
            thread::scope(|scope| {
                scope.spawn(move || {
                    for seed in 4..8 {
                        sweep(seed, u64::MAX, 2000);
                    }
                    assert_eq!(hv_vcpus_exit(&id, 1), SUCCESS);
                });
                while cpu.run().reason != hv_exit_reason_t::CANCELED {}
            });
            // Set up anew, it takes interrupts as ever.
            assert_eq!(hv_gic_reset(), SUCCESS);
            for reg in [Icc::AP0R0_EL1, Icc::AP1R0_EL1] {
                assert_eq!(hv_gic_set_icc_reg(id, reg as u32, 0), SUCCESS);
            }
            for (reg, value) in [(PC, CODE), (CPSR, EL1H_MASKED), (1, GICR + 0x14)] {
                assert_eq!(hv_vcpu_set_reg(id, reg, value), SUCCESS);
            }
            distribute();
            enable_spi(130, Group::One);
            cpu.run_to_hvc(1);
            assert_eq!(hv_gic_set_spi(130, true), SUCCESS);
            assert_eq!(cpu.take_irq(), 130);
        }),
        case("gic.sweep.lines_while_vms_come_and_go", Ours, || {
            let done = AtomicBool::new(false);
            thread::scope(|scope| {
                let done = &done;
                let _stop = Stop(done);
                for seed in [8, 9] {
                    scope.spawn(move || {
                        let mut random = Random(seed);
                        while !done.load(Ordering::SeqCst) {
                            let intid = 128 + random.next() as u32 % 16;
                            let code = hv_gic_set_spi(intid, random.next() & 1 != 0);
                            assert!(matches!(code, SUCCESS | NO_DEVICE), "{code:#x}");
                        }
                    });
                }
                for _ in 0..100 {
                    let _vm = vm();
                    let _cpu = Cpu::with_affinity(0);
                    distribute();
                    enable_spi(130, Group::One);
                }
            });
        }),
    ];
    cases.into_iter().map(Case::not_on_a_mac).collect()
}
