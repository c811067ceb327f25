//! What a guest takes: interrupts from the host, from other vCPUs, from its timers.

use super::place::{
    Config, Cpu, ERET, GICD, GICM, GICR, Group, ICC_SGI1R_EL1, MESSAGES, Machine, SETSPI, SPIN,
    TOOK_FIQ, WAIT, WAITING, distribute, enable_spi, gicd, has, icc, make_edge, set_gicd, set_gicr,
};
use crate::case::{Case, Source, case};
use crate::code::{self, System, access, hvc, msr, system};
use crate::guest::{EmptyVm, Plain};
use crate::raw::gic::*;
use crate::raw::{self, DEFAULT, Host, PAGE, SUCCESS};
use applevisor_sys::{
    hv_exit_reason_t, hv_gic_distributor_reg_t as Gicd, hv_gic_icc_reg_t as Icc,
    hv_gic_redistributor_reg_t as Gicr,
};
use std::sync::mpsc;
use std::thread;

use Source::{Header, Observed, Ours};

const SPI: u32 = 40;
/// `hv_sys_reg_t`.
const CNTV_CTL_EL0: u32 = 0xdf19;
const CNTV_CVAL_EL0: u32 = 0xdf1a;
const ID_AA64PFR0_EL1: u32 = 0xc020;
const CNTP_CTL_EL0: System = system(3, 3, 14, 2, 1);
const CNTP_CVAL_EL0: System = system(3, 3, 14, 2, 2);
const VIRTUAL_TIMER: u32 = 27;
const PHYSICAL_TIMER: u32 = 30;

/// As [`WAIT`], but with `steps` in the place of waiting.
fn program(steps: &[u32]) -> Vec<u32> {
    [&WAIT[..4], steps].concat()
}

/// A machine and its vCPU past `hvc #1`, where `steps` follow; SPI 40 is enabled.
fn started(steps: &[u32]) -> (Machine, Cpu) {
    started_with(&program(steps), Group::One)
}

fn started_with(program: &[u32], group: Group) -> (Machine, Cpu) {
    let machine = Machine::new(program);
    let cpu = Cpu::ready(0);
    distribute();
    enable_spi(SPI, group);
    cpu.run_to_hvc(1);
    (machine, cpu)
}

fn drive(level: bool) {
    assert_eq!(hv_gic_set_spi(SPI, level), SUCCESS);
}

/// Enables an SGI or PPI in Group 1.
fn enable_private(vcpu: u64, intid: u32) {
    for reg in [Gicr::IGROUPR0, Gicr::ISENABLER0] {
        let value = super::place::gicr(vcpu, reg as u32) | 1 << intid;
        set_gicr(vcpu, reg as u32, value);
    }
}

fn set_icc(cpu: &Cpu, reg: Icc, value: u64) {
    assert_eq!(hv_gic_set_icc_reg(cpu.id, reg as u32, value), SUCCESS);
}

fn set_sys_reg(cpu: &Cpu, reg: u32, value: u64) {
    assert_eq!(raw::hv_vcpu_set_sys_reg(cpu.id, reg, value), SUCCESS);
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
    cases.extend(timer_cases());
    cases.extend(wait_cases());
    cases.extend(frame_cases());
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
const BLOCKS: [(&str, fn(&Cpu), fn(&Cpu)); 6] = [
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
    let blocked = |(name, block, unblock): (&str, fn(&Cpu), fn(&Cpu))| {
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
                        cpu.run_to_hvc(super::place::TOOK_IRQ);
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
            set_sys_reg(&cpu, super::place::MPIDR_EL1, 7);
            assert_eq!(cpu.take_irq(), u64::from(SPI));
        }),
    ]
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

fn frame_cases() -> Vec<Case> {
    let load = |at: u64| {
        let (machine, cpu) = started(&[access(code::LDR_W, 4, 3), hvc(2), code::branch_back(2)]);
        raw::hv_vcpu_set_reg(cpu.id, 3, at);
        (machine, cpu)
    };
    vec![
        case("gic.delivery.the_guest_reads_the_frames", Header, move || {
            let pidr2 = |value: u64| value >> 4 & 0xf == 3;
            let reads: [(u64, fn(u64) -> bool); 4] = [
                (GICD + Gicd::TYPER as u64, |value| value == gicd(Gicd::TYPER as u32)),
                (GICD + Gicd::PIDR2 as u64, pidr2),
                (GICR + Gicr::PIDR2 as u64, pidr2),
                (GICM + 8, |value| value == 0x40_0040),
            ];
            for (at, expected) in reads {
                let (_machine, cpu) = load(at);
                cpu.run_to_hvc(2);
                let value = raw::reg(cpu.id, 4);
                assert!(expected(value), "{at:#x}: {value:#x}");
            }
        }),
        // QEMU has a UART at 0x0900_0000, in the region of its redistributors at 0x080a_0000.
        case("gic.delivery.the_region_beyond_all_vcpus_exits", Observed, move || {
            let (_machine, cpu) = load(0x900_0000);
            let exit = cpu.run();
            assert_eq!(exit.reason, hv_exit_reason_t::EXCEPTION, "{exit:x?}");
            assert_eq!(exit.exception.syndrome >> 26, 0x24, "{exit:x?}");
            assert_eq!(exit.exception.physical_address, 0x900_0000);
        }),
        case("gic.delivery.memory_hides_a_frame", Ours, move || {
            let (_machine, cpu) = load(GICD + Gicd::TYPER as u64);
            cpu.run_to_hvc(2);
            let typer = raw::reg(cpu.id, 4);
            let host = Host::new(PAGE);
            host.write(0, 0x1234_5678 << 32);
            assert_eq!(raw::hv_vm_map(host.addr(), GICD, PAGE, raw::RW), SUCCESS);
            cpu.run_to_hvc(2);
            assert_eq!(raw::reg(cpu.id, 4), 0x1234_5678);
            assert_eq!(raw::hv_vm_unmap(GICD, PAGE), SUCCESS);
            cpu.run_to_hvc(2);
            assert_eq!(raw::reg(cpu.id, 4), typer);
        })
        .not_on_a_mac(),
        case("gic.delivery.memory_that_was_there_before_hides_a_frame", Ours, || {
            let host = Host::new(PAGE);
            let _vm = EmptyVm::new(DEFAULT);
            assert_eq!(raw::hv_vm_map(host.addr(), GICR, PAGE, raw::RW), SUCCESS);
            assert_eq!(hv_gic_create(Config::plain().0), SUCCESS);
            host.write(0, u64::from(hvc(2)) << 32 | u64::from(access(code::LDR_W, 4, 3)));
            let cpu = Cpu::with_affinity(0);
            // The program itself stands in the page.
            assert_eq!(raw::hv_vm_protect(GICR, PAGE, raw::READ | raw::EXEC), SUCCESS);
            for (reg, value) in [(raw::PC, GICR), (raw::CPSR, 0x3c5), (3, GICR)] {
                assert_eq!(raw::hv_vcpu_set_reg(cpu.id, reg, value), SUCCESS);
            }
            cpu.run_to_hvc(2);
            assert_eq!(raw::reg(cpu.id, 4), u64::from(access(code::LDR_W, 4, 3)));
        })
        .not_on_a_mac(),
        // ID_AA64PFR0_EL1.GIC, 27:24: the system registers of a GIC. shards, M12: 1 with a GIC.
        case("gic.delivery.the_id_register_tells", Observed, || {
            let gic = |vcpu| {
                let value =
                    super::place::ask(|v| raw::hv_vcpu_get_sys_reg(vcpu, ID_AA64PFR0_EL1, v));
                value >> 24 & 0xf
            };
            assert_eq!(gic(Plain::new().id), 0);
            let _vm = super::place::vm();
            assert_eq!(gic(Cpu::bare().id), 1);
        }),
    ]
}
