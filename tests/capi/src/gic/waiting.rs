//! What ends a wait or a loop: timers, SPIs, cancels.

use super::delivery::{SPI, drive, enable_private, started, started_with};
use super::place::{Cpu, ERET, Group, SPIN, WAIT, make_edge};
use crate::case::{Case, Source, case};
use crate::code::{self, System, hvc, msr, system};
use crate::raw::{self, SUCCESS};
use applevisor_sys::hv_exit_reason_t;
use std::sync::mpsc;
use std::thread;

use Source::{Header, Observed};

/// `hv_sys_reg_t`.
const CNTV_CTL_EL0: u32 = 0xdf19;
const CNTV_CVAL_EL0: u32 = 0xdf1a;
const CNTP_CTL_EL0: System = system(3, 3, 14, 2, 1);
const CNTP_CVAL_EL0: System = system(3, 3, 14, 2, 2);
const VIRTUAL_TIMER: u32 = 27;
const PHYSICAL_TIMER: u32 = 30;

pub fn cases() -> Vec<Case> {
    let mut cases = timer_cases();
    cases.extend(wait_cases());
    cases
}

fn set_sys_reg(cpu: &Cpu, reg: u32, value: u64) {
    assert_eq!(raw::hv_vcpu_set_sys_reg(cpu.id, reg, value), SUCCESS);
}

fn timer_cases() -> Vec<Case> {
    vec![
        // "HV_GIC_INT_EL1_VIRTUAL_TIMER": the timer is a PPI of the GIC, and does not exit.
        case("gic.delivery.the_virtual_timer_is_ppi_27", Header, || {
            let (_machine, cpu) = started(&[hvc(2)]);
            enable_private(cpu.id, VIRTUAL_TIMER);
            set_sys_reg(&cpu, CNTV_CVAL_EL0, 0);
            set_sys_reg(&cpu, CNTV_CTL_EL0, 1);
            assert_eq!(cpu.take_irq(), u64::from(VIRTUAL_TIMER));
            set_sys_reg(&cpu, CNTV_CTL_EL0, 0);
            cpu.run_to_hvc(2);
        }),
        case("gic.delivery.the_virtual_timer_does_not_exit", Observed, || {
            let (_machine, cpu) = started(&[code::ISB, hvc(2)]);
            set_sys_reg(&cpu, CNTV_CVAL_EL0, 0);
            set_sys_reg(&cpu, CNTV_CTL_EL0, 1);
            cpu.run_to_hvc(2);
        }),
        case("gic.delivery.the_virtual_timer_ends_a_wait", Observed, || {
            let (_machine, cpu) = started_with(WAIT, Group::One);
            enable_private(cpu.id, VIRTUAL_TIMER);
            set_sys_reg(&cpu, CNTV_CVAL_EL0, raw::mach_absolute_time() + 24_000);
            set_sys_reg(&cpu, CNTV_CTL_EL0, 1);
            assert_eq!(cpu.take_irq(), u64::from(VIRTUAL_TIMER));
        }),
        case("gic.delivery.the_virtual_timer_ends_a_loop", Observed, || {
            let (_machine, cpu) = started_with(SPIN, Group::One);
            enable_private(cpu.id, VIRTUAL_TIMER);
            set_sys_reg(&cpu, CNTV_CVAL_EL0, raw::mach_absolute_time() + 24_000);
            set_sys_reg(&cpu, CNTV_CTL_EL0, 1);
            assert_eq!(cpu.take_irq(), u64::from(VIRTUAL_TIMER));
        }),
        case("gic.delivery.the_physical_timer_is_ppi_30", Header, || {
            let steps = [msr(CNTP_CVAL_EL0, 31), msr(CNTP_CTL_EL0, 2), code::ISB, hvc(2)];
            let (machine, cpu) = started(&steps);
            // The handler turns the timer off.
            let end = system(3, 0, 12, 12, 1);
            let handler = [msr(CNTP_CTL_EL0, 31), code::ISB, msr(end, 0), ERET];
            machine.vectors.write_code(5 * 0x80 + 8, &handler);
            enable_private(cpu.id, PHYSICAL_TIMER);
            raw::hv_vcpu_set_reg(cpu.id, 2, 1);
            assert_eq!(cpu.take_irq(), u64::from(PHYSICAL_TIMER));
            cpu.run_to_hvc(2);
        }),
    ]
}

fn wait_cases() -> Vec<Case> {
    vec![
        // shards, M7: with a GIC "WFI blocks inside HVF. The only way out is a pending interrupt or
        // hv_vcpus_exit".
        case("gic.delivery.an_spi_ends_a_wait", Observed, || {
            let (_machine, cpu) = started_with(WAIT, Group::One);
            thread::scope(|scope| {
                scope.spawn(|| drive(true));
                assert_eq!(cpu.take_irq(), u64::from(SPI));
            });
        }),
        case("gic.delivery.a_cancel_ends_a_wait", Observed, || {
            let (_machine, cpu) = started_with(WAIT, Group::One);
            let id = cpu.id;
            thread::scope(|scope| {
                scope.spawn(move || assert_eq!(raw::hv_vcpus_exit(&id, 1), SUCCESS));
                assert_eq!(cpu.run().reason, hv_exit_reason_t::CANCELED);
            });
            drive(true);
            assert_eq!(cpu.take_irq(), u64::from(SPI));
        }),
        case("gic.delivery.an_spi_ends_a_loop", Header, || {
            let (_machine, cpu) = started_with(SPIN, Group::One);
            thread::scope(|scope| {
                scope.spawn(|| drive(true));
                assert_eq!(cpu.take_irq(), u64::from(SPI));
            });
        }),
        case("gic.delivery.a_thousand_spis_none_lost", Header, || {
            let (_machine, cpu) = started_with(WAIT, Group::One);
            make_edge(SPI);
            let (taken, next) = mpsc::channel();
            thread::scope(|scope| {
                scope.spawn(move || {
                    drive(true);
                    for () in next {
                        drive(true);
                    }
                });
                for _ in 0..1000 {
                    assert_eq!(cpu.take_irq(), u64::from(SPI));
                    taken.send(()).unwrap();
                }
                drop(taken);
            });
        }),
    ]
}
