//! What devices say: lines of SPIs, and messages.

use super::place::{Config, GICM, MESSAGES, SETSPI, vm, vm_with};
use crate::case::{Case, Source, case};
use crate::guest::EmptyVm;
use crate::raw::gic::*;
use crate::raw::{BAD_ARGUMENT, DEFAULT, NO_DEVICE, SUCCESS};
use std::thread;

use Source::{Header, Observed, Ours};

/// INTIDs as lines: "An interrupt identifier outside of hv_gic_get_spi_interrupt_range or in the MSI
/// interrupt range will return a HV_BAD_ARGUMENT error code" (hv_gic.h).
const LINES: [(u32, i32); 12] = [
    (0, BAD_ARGUMENT),
    (27, BAD_ARGUMENT),
    (31, BAD_ARGUMENT),
    (32, SUCCESS),
    (63, SUCCESS),
    (64, BAD_ARGUMENT), // messages
    (127, BAD_ARGUMENT),
    (128, SUCCESS),
    (1019, SUCCESS),
    (1020, BAD_ARGUMENT),
    (1023, BAD_ARGUMENT),
    (u32::MAX, BAD_ARGUMENT),
];

/// INTIDs as messages.
const BY_MESSAGE: [(u32, i32); 8] = [
    (0, BAD_ARGUMENT),
    (32, BAD_ARGUMENT),
    (63, BAD_ARGUMENT), // applevisor: gic.rs, gic_operations
    (64, SUCCESS),
    (127, SUCCESS),
    (128, BAD_ARGUMENT),
    (1020, BAD_ARGUMENT),
    (u32::MAX, BAD_ARGUMENT),
];

/// Addresses of messages: "Use the address of the HV_GIC_REG_GICM_SET_SPI_NSR register in the MSI
/// frame" (hv_gic.h). What happens with others is our choice.
const ADDRESSES: [(u64, i32); 7] = [
    (SETSPI, SUCCESS),
    (GICM, BAD_ARGUMENT),
    (SETSPI - 4, BAD_ARGUMENT),
    (SETSPI + 1, BAD_ARGUMENT),
    (SETSPI + 4, BAD_ARGUMENT),
    (0, BAD_ARGUMENT),
    (u64::MAX, BAD_ARGUMENT),
];

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("gic.lines.spi_without_a_vm", Ours, || {
            assert_eq!(hv_gic_set_spi(32, true), NO_DEVICE);
        }),
        case("gic.lines.spi_without_a_gic", Ours, || {
            let _vm = EmptyVm::new(DEFAULT);
            assert_eq!(hv_gic_set_spi(32, true), NO_DEVICE);
        }),
        case("gic.lines.message_without_a_vm", Ours, || {
            assert_eq!(hv_gic_send_msi(SETSPI, 64), NO_DEVICE);
        }),
        case("gic.lines.message_without_a_gic", Ours, || {
            let _vm = EmptyVm::new(DEFAULT);
            assert_eq!(hv_gic_send_msi(SETSPI, 64), NO_DEVICE);
        }),
        case("gic.lines.message_without_a_frame", Ours, || {
            let _vm = vm_with(&Config::plain());
            assert_eq!(hv_gic_send_msi(SETSPI, 64), NO_DEVICE);
        }),
        // No vCPU is there to take them: applevisor's gic_operations does the same.
        case("gic.lines.every_spi_both_ways", Observed, || {
            let _vm = vm_with(&Config::plain());
            for intid in 32..1020 {
                assert_eq!(hv_gic_set_spi(intid, true), SUCCESS, "{intid}");
                assert_eq!(hv_gic_set_spi(intid, false), SUCCESS, "{intid}");
            }
        }),
        case("gic.lines.every_message", Observed, || {
            let _vm = vm();
            for intid in MESSAGES {
                assert_eq!(hv_gic_send_msi(SETSPI, intid), SUCCESS, "{intid}");
            }
        }),
        case("gic.lines.from_any_thread", Header, || {
            let _vm = vm();
            let spi = thread::spawn(|| hv_gic_set_spi(40, true)).join().unwrap();
            let message = thread::spawn(|| hv_gic_send_msi(SETSPI, 64)).join().unwrap();
            assert_eq!((spi, message), (SUCCESS, SUCCESS));
        }),
    ];
    cases.extend(LINES.map(|(intid, expected)| {
        case(format!("gic.lines.spi_{intid}"), Header, move || {
            let _vm = vm();
            assert_eq!(hv_gic_set_spi(intid, true), expected);
            assert_eq!(hv_gic_set_spi(intid, false), expected);
        })
    }));
    cases.extend(BY_MESSAGE.map(|(intid, expected)| {
        case(format!("gic.lines.message_{intid}"), Observed, move || {
            let _vm = vm();
            assert_eq!(hv_gic_send_msi(SETSPI, intid), expected);
        })
    }));
    cases.extend(ADDRESSES.map(|(address, expected)| {
        let source = if expected == SUCCESS { Header } else { Ours };
        case(format!("gic.lines.message_at_{address:#x}"), source, move || {
            let _vm = vm();
            assert_eq!(hv_gic_send_msi(address, 64), expected);
        })
    }));
    cases
}
