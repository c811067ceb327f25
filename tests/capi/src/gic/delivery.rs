//! What a guest takes: interrupts from the host, from itself and from other vCPUs.

use super::place::{
    Cpu, Group, ICC_SGI1R_EL1, MESSAGES, MPIDR_EL1, Machine, SETSPI, TOOK_FIQ, TOOK_IRQ, WAIT,
    WAITING, distribute, enable_spi, gicr, has, icc, make_edge, set_gicd, set_gicr,
};
use crate::case::{Case, Source, case};
use crate::code::{self, access, hvc, msr};
use crate::raw::gic::*;
use crate::raw::{self, SUCCESS};
use applevisor_sys::{
    hv_gic_distributor_reg_t as Gicd, hv_gic_icc_reg_t as Icc, hv_gic_redistributor_reg_t as Gicr,
};
use std::sync::mpsc;
use std::thread;

use Source::{Header, Observed, Ours};

/// The SPI of most cases.
pub const SPI: u32 = 40;

/// As [`WAIT`], but with `steps` in the place of waiting.
fn program(steps: &[u32]) -> Vec<u32> {
    [&WAIT[..4], steps].concat()
}

/// A machine and its vCPU past `hvc #1`, where `steps` follow; SPI 40 is enabled.
pub fn started(steps: &[u32]) -> (Machine, Cpu) {
    started_with(&program(steps), Group::One)
}

/// As [`started`], with a whole program, and SPI 40 in a group.
pub fn started_with(program: &[u32], group: Group) -> (Machine, Cpu) {
    let machine = Machine::new(program);
    let cpu = Cpu::ready(0);
    distribute();
    enable_spi(SPI, group);
    cpu.run_to_hvc(1);
    (machine, cpu)
}

/// Drives the line of SPI 40.
pub fn drive(level: bool) {
    assert_eq!(hv_gic_set_spi(SPI, level), SUCCESS);
}

/// Enables an SGI or PPI in Group 1.
pub fn enable_private(vcpu: u64, intid: u32) {
    for reg in [Gicr::IGROUPR0, Gicr::ISENABLER0] {
        let value = gicr(vcpu, reg as u32) | 1 << intid;
        set_gicr(vcpu, reg as u32, value);
    }
}

fn set_icc(cpu: &Cpu, reg: Icc, value: u64) {
    assert_eq!(hv_gic_set_icc_reg(cpu.id, reg as u32, value), SUCCESS);
}

/// Runs vCPUs 0 and 1 (affinities 0 and 1) on a thread each, in this order up to where `program`
/// waits; then `first` has vCPU 0 and `second` vCPU 1, at once.
fn two_cpus(code: &[u32], first: impl FnOnce(&Cpu), second: impl FnOnce(&Cpu) + Send) {
    let _machine = Machine::new(code);
    distribute();
    let cpu = Cpu::ready(0);
    let (tell, hear) = mpsc::channel();
    let (go, wait) = mpsc::channel();
    thread::scope(|scope| {
        let other = scope.spawn(move || {
            let cpu = Cpu::ready(1);
            enable_private(cpu.id, 5);
            cpu.run_to_hvc(1);
            tell.send(()).unwrap();
            wait.recv().unwrap();
            second(&cpu);
        });
        hear.recv().unwrap();
        enable_private(cpu.id, 5);
        cpu.run_to_hvc(1);
        go.send(()).unwrap();
        first(&cpu);
        other.join().unwrap();
    });
}

pub fn cases() -> Vec<Case> {
    let mut cases = spi_cases();
    cases.extend(blocked_cases());
    cases.extend(message_cases());
    cases.extend(vcpu_cases());
    cases
}

fn spi_cases() -> Vec<Case> {
    vec![
        case("gic.delivery.group_1_is_an_irq", Header, || {
            let (_machine, cpu) = started(&[hvc(2)]);
            drive(true);
            assert_eq!(cpu.take_irq(), u64::from(SPI));
        }),
        // IHI 0069, 4.6: with one security state Group 0 interrupts are signalled as FIQs.
        case("gic.delivery.group_0_is_an_fiq", Header, || {
            let (_machine, cpu) = started_with(&program(&[hvc(2)]), Group::Zero);
            drive(true);
            cpu.run_to_hvc(TOOK_FIQ);
            assert_eq!(raw::reg(cpu.id, 0), u64::from(SPI));
        }),
        case("gic.delivery.it_is_active_until_it_is_ended", Header, || {
            let (_machine, cpu) = started(&[hvc(2)]);
            drive(true);
            cpu.take_irq();
            drive(false);
            assert!(has(Gicd::ISACTIVER0, SPI) && !has(Gicd::ISPENDR0, SPI));
            assert_eq!(icc(cpu.id, Icc::RPR_EL1), 0x80);
            cpu.run_to_hvc(2);
            assert!(!has(Gicd::ISACTIVER0, SPI));
            assert_eq!(icc(cpu.id, Icc::RPR_EL1), 0xff);
        }),
        case("gic.delivery.a_level_that_stays_is_taken_again", Header, || {
            let (_machine, cpu) = started(&[hvc(2)]);
            drive(true);
            for _ in 0..3 {
                assert_eq!(cpu.take_irq(), u64::from(SPI));
            }
            drive(false);
            cpu.run_to_hvc(2);
        }),
        case("gic.delivery.a_level_that_went_is_not_taken", Header, || {
            let (_machine, cpu) = started(&[hvc(2)]);
            drive(true);
            drive(false);
            cpu.run_to_hvc(2);
        }),
        case("gic.delivery.an_edge_is_taken_once", Header, || {
            let (_machine, cpu) = started(&[hvc(2), hvc(3)]);
            make_edge(SPI);
            drive(true);
            assert_eq!(cpu.take_irq(), u64::from(SPI));
            cpu.run_to_hvc(2);
            drive(false);
            cpu.run_to_hvc(3);
        }),
        case("gic.delivery.an_edge_while_active_is_taken_after", Header, || {
            let (_machine, cpu) = started(&[hvc(2)]);
            make_edge(SPI);
            drive(true);
            assert_eq!(cpu.take_irq(), u64::from(SPI));
            drive(true);
            assert_eq!(cpu.take_irq(), u64::from(SPI));
            cpu.run_to_hvc(2);
        }),
        case("gic.delivery.the_higher_priority_comes_first", Header, || {
            let (_machine, cpu) = started(&[hvc(2)]);
            enable_spi(SPI + 1, Group::One);
            set_gicd(Gicd::IPRIORITYR10 as u32, 0x4080); // 41 before 40
            drive(true);
            assert_eq!(hv_gic_set_spi(SPI + 1, true), SUCCESS);
            assert_eq!(cpu.take_irq(), u64::from(SPI + 1));
            assert_eq!(hv_gic_set_spi(SPI + 1, false), SUCCESS);
            assert_eq!(cpu.take_irq(), u64::from(SPI));
            drive(false);
            cpu.run_to_hvc(2);
        }),
        case("gic.delivery.pending_by_a_register_is_as_good", Header, || {
            let (_machine, cpu) = started(&[hvc(2)]);
            set_gicd(Gicd::ISPENDR1 as u32, 1 << (SPI - 32));
            assert_eq!(cpu.take_irq(), u64::from(SPI));
            cpu.run_to_hvc(2);
        }),
    ]
}

/// What keeps a pending SPI from being taken, and lets it through again.
type Block = (&'static str, fn(&Cpu), fn(&Cpu));

const BLOCKS: [Block; 6] = [
    (
        "its_priority_is_the_masks",
        |cpu| set_icc(cpu, Icc::PMR_EL1, 0x80),
        |cpu| set_icc(cpu, Icc::PMR_EL1, 0x88),
    ),
    (
        "its_group_is_off_at_the_vcpu",
        |cpu| set_icc(cpu, Icc::IGRPEN1_EL1, 0),
        |cpu| set_icc(cpu, Icc::IGRPEN1_EL1, 1),
    ),
    (
        "its_group_is_off_at_the_distributor",
        |_| set_gicd(Gicd::CTLR as u32, 0b1_0001),
        |_| set_gicd(Gicd::CTLR as u32, 0b1_0011),
    ),
    (
        "it_is_disabled",
        |_| set_gicd(Gicd::ICENABLER1 as u32, 1 << (SPI - 32)),
        |_| set_gicd(Gicd::ISENABLER1 as u32, 1 << (SPI - 32)),
    ),
    (
        "it_is_routed_to_nobody",
        |_| set_gicd(Gicd::IROUTER40 as u32, 0x3f),
        |_| set_gicd(Gicd::IROUTER40 as u32, 0),
    ),
    (
        "it_is_active",
        |_| set_gicd(Gicd::ISACTIVER1 as u32, 1 << (SPI - 32)),
        |_| set_gicd(Gicd::ICACTIVER1 as u32, 1 << (SPI - 32)),
    ),
];

fn blocked_cases() -> Vec<Case> {
    let blocked = |(name, block, unblock): Block| {
        case(format!("gic.delivery.not_taken_while_{name}"), Header, move || {
            let (_machine, cpu) = started(&[hvc(2), hvc(3)]);
            block(&cpu);
            drive(true);
            cpu.run_to_hvc(2);
            unblock(&cpu);
            assert_eq!(cpu.take_irq(), u64::from(SPI));
        })
    };
    BLOCKS.map(blocked).into()
}

fn message_cases() -> Vec<Case> {
    vec![
        case("gic.delivery.a_message_from_the_host", Header, || {
            let (_machine, cpu) = started(&[hvc(2)]);
            enable_spi(MESSAGES.start, Group::One);
            assert_eq!(hv_gic_send_msi(SETSPI, MESSAGES.start), SUCCESS);
            assert_eq!(cpu.take_irq(), u64::from(MESSAGES.start));
            cpu.run_to_hvc(2);
        }),
        case("gic.delivery.a_message_from_the_guest", Header, || {
            let (_machine, cpu) = started(&[access(code::STR_W, 2, 3), code::ISB, hvc(2)]);
            enable_spi(100, Group::One);
            raw::hv_vcpu_set_reg(cpu.id, 2, 100);
            raw::hv_vcpu_set_reg(cpu.id, 3, SETSPI);
            assert_eq!(cpu.take_irq(), 100);
            cpu.run_to_hvc(2);
        }),
        case("gic.delivery.two_messages_of_two_intids", Header, || {
            let (_machine, cpu) = started(&[hvc(2)]);
            for intid in [70, 71] {
                enable_spi(intid, Group::One);
                assert_eq!(hv_gic_send_msi(SETSPI, intid), SUCCESS);
            }
            let mut taken = [cpu.take_irq(), cpu.take_irq()];
            taken.sort();
            assert_eq!(taken, [70, 71]);
            cpu.run_to_hvc(2);
        }),
    ]
}

fn vcpu_cases() -> Vec<Case> {
    vec![
        case("gic.delivery.an_sgi_from_one_vcpu_to_another", Header, || {
            let send = program(&[msr(ICC_SGI1R_EL1, 2), code::ISB, hvc(2), code::WFI, hvc(3)]);
            // vCPU 1 goes on to the WFI by way of an X2 that names nobody.
            two_cpus(
                &send,
                |cpu| {
                    raw::hv_vcpu_set_reg(cpu.id, 2, 5 << 24 | 1 << 1);
                    cpu.run_to_hvc(2);
                },
                |cpu| {
                    raw::hv_vcpu_set_reg(cpu.id, 2, 5 << 24);
                    let exit = cpu.run();
                    // The SGI may come before or after `hvc #2`.
                    if exit.exception.syndrome == 0x5a00_0002 {
                        cpu.run_to_hvc(TOOK_IRQ);
                    }
                    assert_eq!(raw::reg(cpu.id, 0), 5);
                },
            );
        }),
        case("gic.delivery.an_sgi_to_itself", Header, || {
            let (_machine, cpu) = started(&[msr(ICC_SGI1R_EL1, 2), code::ISB, hvc(2)]);
            enable_private(cpu.id, 5);
            raw::hv_vcpu_set_reg(cpu.id, 2, 5 << 24 | 1);
            assert_eq!(cpu.take_irq(), 5);
            cpu.run_to_hvc(2);
        }),
        // ICC_SGI1R_EL1.IRM, bit 40: all others.
        case("gic.delivery.an_sgi_to_all_others", Header, || {
            let send = program(&[msr(ICC_SGI1R_EL1, 2), code::ISB, hvc(2), hvc(3)]);
            two_cpus(
                &send,
                |cpu| {
                    raw::hv_vcpu_set_reg(cpu.id, 2, 1 << 40 | 5 << 24);
                    cpu.run_to_hvc(2);
                    cpu.run_to_hvc(3);
                },
                |cpu| {
                    // It waits: `wfi; b` in the place of sending.
                    raw::hv_vcpu_set_reg(cpu.id, raw::PC, WAITING);
                    assert_eq!(cpu.take_irq(), 5);
                },
            );
        }),
        case("gic.delivery.an_spi_goes_where_it_is_routed", Header, || {
            two_cpus(
                &program(&[hvc(2), code::WFI, hvc(3)]),
                |cpu| {
                    enable_spi(SPI, Group::One);
                    set_gicd(Gicd::IROUTER40 as u32, 1);
                    drive(true);
                    cpu.run_to_hvc(2);
                },
                |cpu| {
                    raw::hv_vcpu_set_reg(cpu.id, raw::PC, WAITING);
                    assert_eq!(cpu.take_irq(), u64::from(SPI));
                    drive(false);
                },
            );
        }),
        // GICD_IROUTER.Interrupt_Routing_Mode: one of all that take part; here there is one.
        case("gic.delivery.one_of_n_is_one_of_one", Header, || {
            let (_machine, cpu) = started(&[hvc(2)]);
            set_gicd(Gicd::IROUTER40 as u32, 1 << 31);
            drive(true);
            assert_eq!(cpu.take_irq(), u64::from(SPI));
        }),
        // A program makes a PPI pend so (HV_GIC_REDISTRIBUTOR_REG_GICR_ISPENDR0).
        case("gic.delivery.a_ppi_pending_by_a_register", Observed, || {
            let (_machine, cpu) = started(&[hvc(2)]);
            enable_private(cpu.id, 20);
            set_gicr(cpu.id, Gicr::ISPENDR0 as u32, 1 << 20);
            assert_eq!(cpu.take_irq(), 20);
            cpu.run_to_hvc(2);
        }),
        case("gic.delivery.an_affinity_that_changes_takes_its_spis_along", Ours, || {
            let (_machine, cpu) = started(&[hvc(2), hvc(3)]);
            set_gicd(Gicd::IROUTER40 as u32, 7);
            drive(true);
            cpu.run_to_hvc(2);
            assert_eq!(raw::hv_vcpu_set_sys_reg(cpu.id, MPIDR_EL1, 7), SUCCESS);
            assert_eq!(cpu.take_irq(), u64::from(SPI));
        }),
    ]
}
