//! The frames as the guest finds them in its physical address space.

use super::delivery::started;
use super::place::{Config, Cpu, GICD, GICM, GICR, Machine, ask, gicd, vm};
use crate::case::{Case, Source, case};
use crate::code::{self, access, hvc};
use crate::guest::{EmptyVm, Plain};
use crate::raw::gic::hv_gic_create;
use crate::raw::{self, DEFAULT, Host, PAGE, SUCCESS};
use applevisor_sys::{
    hv_exit_reason_t, hv_gic_distributor_reg_t as Gicd, hv_gic_redistributor_reg_t as Gicr,
};

use Source::{Header, Observed, Ours};

const ID_AA64PFR0_EL1: u32 = 0xc020;
const PIDR2_OF_A_GICV3: fn(u64) -> bool = |value| value >> 4 & 0xf == 3;

/// What the guest may read at an address.
type Read = (u64, fn(u64) -> bool);

/// A guest that loads a word from `at`, does `hvc #2`, and again.
fn load(at: u64) -> (Machine, Cpu) {
    let (machine, cpu) = started(&[access(code::LDR_W, 4, 3), hvc(2), code::branch_back(2)]);
    raw::hv_vcpu_set_reg(cpu.id, 3, at);
    (machine, cpu)
}

pub fn cases() -> Vec<Case> {
    vec![
        case("gic.delivery.the_guest_reads_the_frames", Header, || {
            let reads: [Read; 4] = [
                (GICD + Gicd::TYPER as u64, |value| value == gicd(Gicd::TYPER as u32)),
                (GICD + Gicd::PIDR2 as u64, PIDR2_OF_A_GICV3),
                (GICR + Gicr::PIDR2 as u64, PIDR2_OF_A_GICV3),
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
        case("gic.delivery.the_region_beyond_all_vcpus_exits", Observed, || {
            let (_machine, cpu) = load(0x900_0000);
            let exit = cpu.run();
            assert_eq!(exit.reason, hv_exit_reason_t::EXCEPTION, "{exit:x?}");
            assert_eq!(exit.exception.syndrome >> 26, 0x24, "{exit:x?}");
            assert_eq!(exit.exception.physical_address, 0x900_0000);
        }),
        case("gic.delivery.memory_hides_a_frame", Ours, || {
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
                let value = ask(|v| raw::hv_vcpu_get_sys_reg(vcpu, ID_AA64PFR0_EL1, v));
                value >> 24 & 0xf
            };
            assert_eq!(gic(Plain::new().id), 0);
            let _vm = vm();
            assert_eq!(gic(Cpu::bare().id), 1);
        }),
    ]
}
