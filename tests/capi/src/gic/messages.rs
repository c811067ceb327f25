//! The MSI frame's registers, and what a message does.

use super::place::{Config, MESSAGES, SETSPI, ask, has, vm, vm_with};
use crate::case::{Case, Source, case};
use crate::guest::EmptyVm;
use crate::raw::gic::*;
use crate::raw::{BAD_ARGUMENT, DEFAULT, NO_DEVICE, SUCCESS};
use applevisor_sys::{hv_gic_distributor_reg_t as Gicd, hv_gic_msi_reg_t as Gicm};

use Source::{Header, Observed, Ours};

pub fn cases() -> Vec<Case> {
    vec![
        // GICv2m (Arm DEN 0029), MSI_TYPER: the first INTID at 25:16, how many at 9:0.
        case("gic.messages.typer_has_the_range", Header, || {
            let _vm = vm();
            let typer = ask(|v| hv_gic_get_msi_reg(Gicm::TYPER as u32, v));
            assert_eq!(typer, 0x40_0040);
        }),
        // applevisor: gic.rs, get_and_set_msi_reg. That they change nothing is GICv2m's.
        case("gic.messages.both_registers_read_and_write", Observed, || {
            let _vm = vm();
            for reg in [Gicm::TYPER, Gicm::SET_SPI_NSR] {
                let value = ask(|v| hv_gic_get_msi_reg(reg as u32, v));
                assert_eq!(hv_gic_set_msi_reg(reg as u32, value + 1), SUCCESS, "{reg:?}");
                assert_eq!(ask(|v| hv_gic_get_msi_reg(reg as u32, v)), value, "{reg:?}");
            }
            assert!(MESSAGES.clone().all(|intid| !has(Gicd::ISPENDR0, intid)));
        }),
        case("gic.messages.a_write_sends", Header, || {
            let _vm = vm();
            assert_eq!(hv_gic_set_msi_reg(Gicm::SET_SPI_NSR as u32, 70), SUCCESS);
            assert!(has(Gicd::ISPENDR0, 70));
        }),
        case("gic.messages.a_message_makes_its_spi_pend", Header, || {
            let _vm = vm();
            assert_eq!(hv_gic_send_msi(SETSPI, 127), SUCCESS);
            assert!(has(Gicd::ISPENDR0, 127));
            assert!(!has(Gicd::ISPENDR0, 126));
        }),
        case("gic.messages.no_such_register", Ours, || {
            let _vm = vm();
            for reg in [0, 4, 9, 0x3c, 0x44, 0xfcc, 0xffff] {
                let code = hv_gic_get_msi_reg(reg, Some(&mut 0));
                assert_eq!(code, BAD_ARGUMENT, "{reg:#x}");
                assert_eq!(hv_gic_set_msi_reg(reg, 0), BAD_ARGUMENT, "{reg:#x}");
            }
        }),
        case("gic.messages.registers_without_a_frame", Ours, || {
            let reg = Gicm::TYPER as u32;
            let _vm = vm_with(&Config::plain());
            assert_eq!(hv_gic_get_msi_reg(reg, Some(&mut 0)), NO_DEVICE);
            assert_eq!(hv_gic_set_msi_reg(reg, 0), NO_DEVICE);
        }),
        case("gic.messages.registers_without_a_gic", Ours, || {
            let reg = Gicm::TYPER as u32;
            let _vm = EmptyVm::new(DEFAULT);
            assert_eq!(hv_gic_get_msi_reg(reg, Some(&mut 0)), NO_DEVICE);
            assert_eq!(hv_gic_set_msi_reg(reg, 0), NO_DEVICE);
        }),
        case("gic.messages.register_to_null", Ours, || {
            let _vm = vm();
            assert_eq!(hv_gic_get_msi_reg(Gicm::TYPER as u32, None), BAD_ARGUMENT);
        })
        .not_on_a_mac(),
    ]
}
