//! The state as a blob: taken, put back, refused; and reset.

use super::place::{
    Config, Cpu, Group, MESSAGES, Machine, SETSPI, WAIT, ask, distribute, enable_spi, gicd, gicr,
    has, icc, set_gicd, set_gicr, vm, vm_with,
};
use crate::case::{Case, Source, case};
use crate::guest::EmptyVm;
use crate::raw::gic::*;
use crate::raw::{self, BAD_ARGUMENT, DEFAULT, Handle, NO_DEVICE, SUCCESS};
use applevisor::prelude::*;
use applevisor_sys::{
    hv_gic_distributor_reg_t as Gicd, hv_gic_icc_reg_t as Icc, hv_gic_redistributor_reg_t as Gicr,
};

use Source::{Header, Observed, Ours};

/// The VM's state.
fn save() -> Vec<u8> {
    let state = hv_gic_state_create();
    assert!(!state.is_null());
    let data = state_data(state).unwrap();
    raw::os_release(state);
    data
}

/// Gives the SPI 140 and the PPI 20 of a vCPU values that they do not have at first.
fn disturb(vcpu: u64) {
    distribute();
    enable_spi(140, Group::One);
    set_gicd(Gicd::IROUTER140 as u32, 3);
    super::place::make_edge(140);
    // The line comes from outside: a reset would not lower it.
    assert_eq!(hv_gic_set_spi(140, true), SUCCESS);
    assert_eq!(hv_gic_set_spi(140, false), SUCCESS);
    assert_eq!(hv_gic_send_msi(SETSPI, MESSAGES.start), SUCCESS);
    for (reg, value) in [
        (Gicr::IGROUPR0, 1 << 20),
        (Gicr::ISENABLER0, 1 << 20),
        (Gicr::ISPENDR0, 1 << 20),
        (Gicr::ISACTIVER0, 1 << 21),
        (Gicr::IPRIORITYR5, 0x40),
    ] {
        set_gicr(vcpu, reg as u32, value);
    }
}

/// The registers that [`disturb`] changes.
fn look(vcpu: u64) -> Vec<u64> {
    let distributor = [
        Gicd::CTLR,
        Gicd::IGROUPR4,
        Gicd::ISENABLER4,
        Gicd::ISPENDR4,
        Gicd::ISPENDR2,
        Gicd::IPRIORITYR35,
        Gicd::ICFGR8,
        Gicd::IROUTER140,
    ];
    let redistributor =
        [Gicr::IGROUPR0, Gicr::ISENABLER0, Gicr::ISPENDR0, Gicr::ISACTIVER0, Gicr::IPRIORITYR5];
    let distributor = distributor.map(|reg| gicd(reg as u32));
    let redistributor = redistributor.map(|reg| gicr(vcpu, reg as u32));
    [&distributor[..], &redistributor].concat()
}

pub fn cases() -> Vec<Case> {
    let mut cases = object_cases();
    cases.extend(restore_cases());
    cases.extend(refusal_cases());
    cases.extend(reset_cases());
    cases
}

fn object_cases() -> Vec<Case> {
    vec![
        // "The function returns no object [...] if there is no GIC present" (hv_gic_state.h).
        case("gic.state.none_without_a_vm", Header, || {
            assert!(hv_gic_state_create().is_null());
        }),
        case("gic.state.none_without_a_gic", Header, || {
            let _vm = EmptyVm::new(DEFAULT);
            assert!(hv_gic_state_create().is_null());
        }),
        case("gic.state.has_a_size_and_as_much_data", Observed, || {
            let _vm = vm();
            let state = hv_gic_state_create();
            let size = ask(|size| hv_gic_state_get_size(state, size));
            assert!(size > 0);
            assert_eq!(state_data(state).unwrap().len(), size);
            raw::os_release(state);
        }),
        case("gic.state.is_of_the_moment_it_was_taken", Header, || {
            let _vm = vm();
            let state = hv_gic_state_create();
            let before = state_data(state).unwrap();
            set_gicd(Gicd::ISENABLER1 as u32, 1);
            assert_eq!(state_data(state).unwrap(), before);
            raw::os_release(state);
            assert_ne!(save(), before);
        }),
        case("gic.state.outlives_its_vm", Ours, || {
            let vm = vm();
            let state = hv_gic_state_create();
            drop(vm);
            assert!(!state_data(state).unwrap().is_empty());
            raw::os_release(state);
        }),
        case("gic.state.of_null", Ours, || {
            assert_eq!(hv_gic_state_get_size(DEFAULT, Some(&mut 0)), BAD_ARGUMENT);
            assert_eq!(state_data(DEFAULT), Err(BAD_ARGUMENT));
        })
        .not_on_a_mac(),
        case("gic.state.of_a_released_object", Ours, || {
            let _vm = vm();
            let state = hv_gic_state_create();
            raw::os_release(state);
            assert_eq!(hv_gic_state_get_size(state, Some(&mut 0)), BAD_ARGUMENT);
        })
        .not_on_a_mac(),
        case("gic.state.of_another_object", Ours, || {
            let config = Config::empty();
            assert_eq!(hv_gic_state_get_size(config.0, Some(&mut 0)), BAD_ARGUMENT);
            let _vm = vm();
            let state = hv_gic_state_create();
            assert_eq!(hv_gic_config_set_distributor_base(state, 0), BAD_ARGUMENT);
            raw::os_release(state);
        })
        .not_on_a_mac(),
        case("gic.state.to_null", Ours, || {
            let _vm = vm();
            let state = hv_gic_state_create();
            assert_eq!(hv_gic_state_get_size(state, None), BAD_ARGUMENT);
            assert_eq!(state_data_to_null(state), BAD_ARGUMENT);
            raw::os_release(state);
        })
        .not_on_a_mac(),
    ]
}

fn restore_cases() -> Vec<Case> {
    vec![
        // applevisor: gic.rs, create_and_change_gic_state: without a vCPU.
        case("gic.state.goes_back_where_it_came_from", Observed, || {
            let _vm = vm();
            assert_eq!(set_state(&save()), SUCCESS);
        }),
        case("gic.state.by_applevisor", Observed, || {
            let mut config = GicConfig::new();
            config.set_distributor_base(0x2000_0000).unwrap();
            let vm = VirtualMachine::with_gic(VirtualMachineConfig::new(), config).unwrap();
            let mut state = vm.gic_state_create().unwrap();
            let mut data = vec![0; state.size().unwrap()];
            assert_eq!(state.get(&mut data), Ok(()));
            assert_eq!(state.set(&data), Ok(()));
        }),
        // "the complete serialized state of the device" (hv_gic_state.h).
        case("gic.state.brings_every_value_back", Header, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            let at_first = look(cpu.id);
            let fresh = save();
            disturb(cpu.id);
            let disturbed = look(cpu.id);
            let changed = at_first.iter().zip(&disturbed).all(|(before, after)| before != after);
            assert!(changed, "{at_first:x?} {disturbed:x?}");
            let data = save();
            assert_eq!(set_state(&fresh), SUCCESS);
            assert_eq!(look(cpu.id), at_first);
            assert_eq!(set_state(&data), SUCCESS);
            assert_eq!(look(cpu.id), disturbed);
        }),
        case("gic.state.moves_to_another_vm", Header, || {
            let before = vm();
            let cpu = Cpu::with_affinity(0);
            disturb(cpu.id);
            let (values, data) = (look(cpu.id), save());
            drop(cpu);
            drop(before);
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            assert_ne!(look(cpu.id), values);
            assert_eq!(set_state(&data), SUCCESS);
            assert_eq!(look(cpu.id), values);
            assert_eq!(save(), data);
        }),
        // "except for the GIC cpu registers" (hv_gic_state.h).
        case("gic.state.leaves_the_cpu_interface_alone", Header, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            let data = save();
            assert_eq!(hv_gic_set_icc_reg(cpu.id, Icc::PMR_EL1 as u32, 0x80), SUCCESS);
            assert_eq!(save(), data);
            assert_eq!(set_state(&data), SUCCESS);
            assert_eq!(icc(cpu.id, Icc::PMR_EL1), 0x80);
        }),
        case("gic.state.a_pending_interrupt_is_taken_in_another_vm", Header, || {
            let before = Machine::new(WAIT);
            let cpu = Cpu::ready(0);
            distribute();
            enable_spi(40, Group::One);
            cpu.run_to_hvc(1);
            super::place::make_edge(40);
            assert_eq!(hv_gic_set_spi(40, true), SUCCESS);
            let data = save();
            drop(cpu);
            drop(before);
            let _machine = Machine::new(WAIT);
            let cpu = Cpu::ready(0);
            assert_eq!(set_state(&data), SUCCESS);
            assert_eq!(cpu.take_irq(), 40);
            cpu.run_to_hvc(1);
        }),
    ]
}

fn refusal_cases() -> Vec<Case> {
    let mut cases = vec![
        case("gic.state.set_without_a_vm", Ours, || {
            assert_eq!(set_state(&[0; 16]), NO_DEVICE);
        }),
        case("gic.state.set_without_a_gic", Ours, || {
            let data = {
                let _vm = vm();
                save()
            };
            let _vm = EmptyVm::new(DEFAULT);
            assert_eq!(set_state(&data), NO_DEVICE);
        }),
        case("gic.state.set_of_null", Ours, || {
            let _vm = vm();
            for size in [0, 16, usize::MAX] {
                assert_eq!(set_state_of_null(size), BAD_ARGUMENT, "{size}");
            }
        })
        .not_on_a_mac(),
        // applevisor: gic.rs, create_and_change_gic_state.
        case("gic.state.first_byte_zero", Observed, || {
            let _vm = vm();
            let mut data = save();
            data[0] = 0;
            assert_eq!(set_state(&data), BAD_ARGUMENT);
        }),
        case("gic.state.sixteen_bytes_short", Observed, || {
            let _vm = vm();
            let data = save();
            assert_eq!(set_state(&data[..data.len() - 16]), BAD_ARGUMENT);
        }),
        case("gic.state.any_length_but_its_own", Ours, || {
            let _vm = vm();
            let mut data = save();
            for length in (0..data.len()).step_by(97).chain([data.len() - 1]) {
                assert_eq!(set_state(&data[..length]), BAD_ARGUMENT, "{length} bytes");
            }
            data.push(0);
            assert_eq!(set_state(&data), BAD_ARGUMENT);
        })
        .not_on_a_mac(),
        case("gic.state.noise", Ours, || {
            let _vm = vm();
            let length = save().len();
            for byte in [0, 0x55, 0xff] {
                assert_eq!(set_state(&vec![byte; length]), BAD_ARGUMENT, "{byte:#x}");
            }
        })
        .not_on_a_mac(),
        // A bit of it turned: refused, or taken as another state; never a crash, and never half.
        case("gic.state.any_byte_wrong", Ours, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            disturb(cpu.id);
            let good = save();
            for at in (0..good.len()).filter(|at| *at < 64 || at % 13 == 0) {
                let mut data = good.clone();
                data[at] ^= 0x10;
                match set_state(&data) {
                    SUCCESS => assert_eq!(save(), data, "byte {at}"),
                    code => assert_eq!((code, save()), (BAD_ARGUMENT, good.clone()), "byte {at}"),
                }
                assert_eq!(set_state(&good), SUCCESS);
            }
        })
        .not_on_a_mac(),
        case("gic.state.another_message_frame", Ours, || {
            let data = {
                let _vm = vm();
                save()
            };
            let _vm = vm_with(&Config::plain());
            assert_eq!(set_state(&data), BAD_ARGUMENT);
        })
        .not_on_a_mac(),
        // "must be restored compatibly with the gic_state" (hv_gic.h): a vCPU that is missing, and
        // one whose MPIDR_EL1 is another. (A public VMM sets MPIDR_EL1 first, for this reason.)
        case("gic.state.of_a_vcpu_that_is_not_there", Ours, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            let data = save();
            drop(cpu);
            assert_eq!(set_state(&data), BAD_ARGUMENT);
        })
        .not_on_a_mac(),
        case("gic.state.of_another_affinity", Ours, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            let data = save();
            raw::hv_vcpu_set_sys_reg(cpu.id, super::place::MPIDR_EL1, 1);
            assert_eq!(set_state(&data), BAD_ARGUMENT);
        })
        .not_on_a_mac(),
    ];
    cases.push(
        case("gic.state.is_no_handle_of_a_stranger", Ours, || {
            let nonsense: Handle = std::ptr::without_provenance_mut(0x1_0001);
            assert_eq!(hv_gic_state_get_size(nonsense, Some(&mut 0)), BAD_ARGUMENT);
            assert_eq!(hv_gic_create(nonsense), BAD_ARGUMENT);
        })
        .not_on_a_mac(),
    );
    cases
}

fn reset_cases() -> Vec<Case> {
    vec![
        // applevisor: gic.rs, gic_operations: before there is a vCPU.
        case("gic.reset.without_a_vcpu", Observed, || {
            let _vm = vm();
            assert_eq!(hv_gic_reset(), SUCCESS);
        }),
        // "reset the GIC distributor, redistributor registers and the internal state of the
        // device" (hv_gic.h).
        case("gic.reset.registers_are_as_at_first", Header, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            let at_first = look(cpu.id);
            disturb(cpu.id);
            assert_ne!(look(cpu.id), at_first);
            assert_eq!(hv_gic_reset(), SUCCESS);
            assert_eq!(look(cpu.id), at_first);
        }),
        case("gic.reset.messages_are_forgotten", Header, || {
            let _vm = vm();
            assert_eq!(hv_gic_send_msi(SETSPI, 64), SUCCESS);
            assert_eq!(hv_gic_reset(), SUCCESS);
            assert!(!has(Gicd::ISPENDR0, 64));
        }),
        case("gic.reset.leaves_the_places_and_the_affinities", Header, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0x102);
            let base = ask(|base| hv_gic_get_redistributor_base(cpu.id, base));
            let typer = gicr(cpu.id, Gicr::TYPER as u32);
            assert_eq!(hv_gic_reset(), SUCCESS);
            assert_eq!(ask(|base| hv_gic_get_redistributor_base(cpu.id, base)), base);
            assert_eq!(gicr(cpu.id, Gicr::TYPER as u32), typer);
            assert_eq!(hv_gic_send_msi(SETSPI, 64), SUCCESS);
        }),
        // The header names distributor, redistributors and the device's internal state; a vCPU's
        // registers are its owner's, as they are when a state is saved.
        case("gic.reset.leaves_the_cpu_interface_alone", Ours, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            assert_eq!(hv_gic_set_icc_reg(cpu.id, Icc::PMR_EL1 as u32, 0x80), SUCCESS);
            assert_eq!(hv_gic_reset(), SUCCESS);
            assert_eq!(icc(cpu.id, Icc::PMR_EL1), 0x80);
        }),
        case("gic.reset.a_pending_interrupt_is_taken_no_more", Header, || {
            let machine = Machine::new(WAIT);
            // `hvc #2` where the guest would wait.
            machine.code.write_code(16, &[crate::code::hvc(2)]);
            let cpu = Cpu::ready(0);
            distribute();
            enable_spi(40, Group::One);
            cpu.run_to_hvc(1);
            assert_eq!(hv_gic_set_spi(40, true), SUCCESS);
            assert_eq!(hv_gic_reset(), SUCCESS);
            cpu.run_to_hvc(2);
        }),
    ]
}
