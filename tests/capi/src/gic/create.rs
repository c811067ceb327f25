//! When a GIC can be made, and where it may stand.

use super::place::{Config, Cpu, GICD, GICM, GICR, MESSAGES, SETSPI, vm, vm_with};
use crate::case::{Case, Source, case};
use crate::guest::{EmptyVm, Plain};
use crate::raw::gic::*;
use crate::raw::{self, BAD_ARGUMENT, BUSY, DEFAULT, NO_DEVICE, SUCCESS};
use applevisor::prelude::*;
use std::thread;

use Source::{Header, Observed, Ours};

/// Base addresses (`None`: not set) of distributor, redistributors and MSI frame, and what
/// `hv_gic_create` says of them. That a base which is not set is 0 is our reading of what
/// applevisor's tests show: nothing set is refused, either base suffices.
const PLACES: [(&str, [Option<u64>; 3], i32, Source); 16] = [
    ("nothing_set", [None, None, None], BAD_ARGUMENT, Observed),
    ("redistributors_alone", [None, Some(0x2_0000), None], SUCCESS, Observed),
    ("distributor_alone", [Some(0x2000_0000), None, None], SUCCESS, Observed),
    ("three_bases", [Some(0x1000_0000), Some(0x2000_0000), Some(0x3000_0000)], SUCCESS, Observed),
    ("qemus_places", [Some(GICD), Some(GICR), None], SUCCESS, Observed),
    ("a_message_frame_between", [Some(GICD), Some(GICR), Some(GICM)], SUCCESS, Observed),
    ("a_base_not_set_is_0", [None, Some(0), None], BAD_ARGUMENT, Ours),
    ("distributor_in_the_region_at_0", [Some(0x1_0000), None, None], BAD_ARGUMENT, Ours),
    ("one_place_for_both", [Some(GICD), Some(GICD), None], BAD_ARGUMENT, Ours),
    (
        "redistributors_next_to_the_distributor",
        [Some(GICD), Some(GICD + 0x1_0000), None],
        SUCCESS,
        Ours,
    ),
    (
        "distributor_among_the_redistributors",
        [Some(GICR + 0x2_0000), Some(GICR), None],
        BAD_ARGUMENT,
        Ours,
    ),
    ("messages_on_the_distributor", [Some(GICD), Some(GICR), Some(GICD)], BAD_ARGUMENT, Ours),
    ("messages_among_the_redistributors", [Some(GICD), Some(GICR), Some(GICR)], BAD_ARGUMENT, Ours),
    (
        "distributor_ends_with_36_bits",
        [Some((1 << 36) - 0x1_0000), Some(GICR), None],
        SUCCESS,
        Ours,
    ),
    ("distributor_past_36_bits", [Some(1 << 36), Some(GICR), None], BAD_ARGUMENT, Ours),
    (
        "redistributors_past_36_bits",
        [Some(GICD), Some((1 << 36) - 0x2_0000), None],
        BAD_ARGUMENT,
        Ours,
    ),
];

pub fn cases() -> Vec<Case> {
    let mut cases = order_cases();
    cases.extend(PLACES.map(
        |(name, [distributor, redistributors, messages], expected, source)| {
            case(format!("gic.create.{name}"), source, move || {
                let config = Config::empty();
                let bases = [
                    distributor.map(|base| hv_gic_config_set_distributor_base(config.0, base)),
                    redistributors.map(|base| hv_gic_config_set_redistributor_base(config.0, base)),
                    messages.map(|base| hv_gic_config_set_msi_region_base(config.0, base)),
                    messages.map(|_| hv_gic_config_set_msi_interrupt_range(config.0, 64, 64)),
                ];
                assert!(bases.into_iter().flatten().all(|code| code == SUCCESS));
                let _vm = EmptyVm::new(DEFAULT);
                assert_eq!(hv_gic_create(config.0), expected);
                // A refused one leaves no GIC behind.
                let spi = if expected == SUCCESS { SUCCESS } else { NO_DEVICE };
                assert_eq!(hv_gic_set_spi(32, false), spi);
            })
        },
    ));
    cases
}

fn order_cases() -> Vec<Case> {
    vec![
        // "must only be called after a virtual machine has been created [...] before vCPU's have
        // been created [...] If either of these conditions aren't met an error is returned"
        // (hv_gic.h). Which error is our choice.
        case("gic.create.without_a_vm", Ours, || {
            assert_eq!(hv_gic_create(Config::plain().0), NO_DEVICE);
        }),
        case("gic.create.after_a_vcpu", Ours, || {
            let _plain = Plain::new();
            assert_eq!(hv_gic_create(Config::plain().0), BUSY);
            assert_eq!(hv_gic_set_spi(32, false), NO_DEVICE);
        }),
        case("gic.create.after_the_last_vcpu", Ours, || {
            let _vm = EmptyVm::new(DEFAULT);
            drop(Cpu::bare());
            assert_eq!(hv_gic_create(Config::plain().0), SUCCESS);
        }),
        // "There must only be a single instance of this device per virtual machine" (hv_gic.h): the
        // error is that of a second VM.
        case("gic.create.twice", Ours, || {
            let _vm = vm();
            assert_eq!(hv_gic_create(Config::plain().0), BUSY);
            // The first one stays as it was: this one has messages.
            assert_eq!(hv_gic_send_msi(SETSPI, MESSAGES.start), SUCCESS);
        }),
        case("gic.create.of_null", Ours, || {
            let _vm = EmptyVm::new(DEFAULT);
            assert_eq!(hv_gic_create(DEFAULT), BAD_ARGUMENT);
        })
        .not_on_a_mac(),
        case("gic.create.of_a_released_configuration", Ours, || {
            let _vm = EmptyVm::new(DEFAULT);
            let config = hv_gic_config_create();
            raw::os_release(config);
            assert_eq!(hv_gic_create(config), BAD_ARGUMENT);
        })
        .not_on_a_mac(),
        case("gic.create.of_another_object", Ours, || {
            let _vm = EmptyVm::new(DEFAULT);
            let config = raw::hv_vm_config_create();
            assert_eq!(hv_gic_create(config), BAD_ARGUMENT);
            raw::os_release(config);
        })
        .not_on_a_mac(),
        case("gic.create.the_configuration_may_go", Header, || {
            let _vm = vm_with(&Config::plain());
            assert_eq!(hv_gic_set_spi(32, false), SUCCESS);
        }),
        case("gic.create.the_configuration_is_copied", Ours, || {
            let config = Config::with_messages();
            let _vm = vm_with(&config);
            assert_eq!(hv_gic_config_set_msi_interrupt_range(config.0, 200, 1), SUCCESS);
            assert_eq!(hv_gic_send_msi(SETSPI, 200), BAD_ARGUMENT);
        }),
        case("gic.create.one_configuration_for_two_vms", Ours, || {
            let config = Config::plain();
            drop(vm_with(&config));
            drop(vm_with(&config));
        }),
        case("gic.create.it_goes_with_its_vm", Header, || {
            drop(vm());
            let _vm = EmptyVm::new(DEFAULT);
            assert_eq!(hv_gic_set_spi(32, false), NO_DEVICE);
            assert_eq!(hv_gic_create(Config::plain().0), SUCCESS);
        }),
        case("gic.create.on_another_thread", Header, || {
            let _vm = EmptyVm::new(DEFAULT);
            let code = thread::spawn(|| hv_gic_create(Config::plain().0)).join().unwrap();
            assert_eq!(code, SUCCESS);
            assert_eq!(hv_gic_set_spi(32, false), SUCCESS);
        }),
        case("gic.create.the_last_base_counts", Header, || {
            let config = Config::plain();
            assert_eq!(hv_gic_config_set_redistributor_base(config.0, 0x2000_0000), SUCCESS);
            assert_eq!(hv_gic_config_set_redistributor_base(config.0, 1), BAD_ARGUMENT);
            let _vm = vm_with(&config);
            let cpu = Cpu::with_affinity(0);
            let base = super::place::ask(|v| hv_gic_get_redistributor_base(cpu.id, v));
            assert_eq!(base, 0x2000_0000);
        }),
        case("gic.create.by_applevisor", Observed, || {
            let mut config = GicConfig::new();
            config.set_redistributor_base(0x2000_0000).unwrap();
            let vm = VirtualMachine::with_gic(VirtualMachineConfig::new(), config).unwrap();
            assert_eq!(vm.gic_reset(), Ok(()));
            assert_eq!(vm.gic_set_spi(1019, true), Ok(()));
            let vcpu = vm.vcpu_create().unwrap();
            vcpu.set_sys_reg(SysReg::MPIDR_EL1, 1).unwrap();
            assert_eq!(vcpu.get_redistributor_base(), Ok(0x2000_0000));
        }),
        // "GIC MSI support is only provided if both an MSI region base address is configured and
        // an MSI interrupt range is set" (hv_gic.h). The code of the refusal is ours.
        case("gic.create.a_message_base_without_a_range", Ours, || {
            let config = Config::plain();
            assert_eq!(hv_gic_config_set_msi_region_base(config.0, GICM), SUCCESS);
            let _vm = vm_with(&config);
            assert_eq!(hv_gic_send_msi(SETSPI, 64), NO_DEVICE);
            assert_eq!(hv_gic_set_spi(64, false), SUCCESS);
        }),
        case("gic.create.a_message_range_without_a_base", Ours, || {
            let config = Config::plain();
            assert_eq!(hv_gic_config_set_msi_interrupt_range(config.0, 64, 64), SUCCESS);
            let _vm = vm_with(&config);
            assert_eq!(hv_gic_send_msi(SETSPI, 64), NO_DEVICE);
            assert_eq!(hv_gic_set_spi(64, false), SUCCESS);
        }),
        case("gic.create.a_message_base_without_a_range_takes_no_room", Ours, || {
            let config = Config::plain();
            assert_eq!(hv_gic_config_set_msi_region_base(config.0, GICD), SUCCESS);
            drop(vm_with(&config));
        }),
    ]
}
