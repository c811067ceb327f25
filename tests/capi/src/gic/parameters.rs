//! Sizes and numbers, which need no VM.

use super::place::{STRIDE, ask};
use crate::case::{Case, Source, case};
use crate::raw::gic::*;
use crate::raw::{self, BAD_ARGUMENT, SUCCESS};

use Source::{Header, Observed, Ours};

type Size = fn(Option<&mut usize>) -> i32;

/// What each size is. "Each redistributor is two 64 kilobyte frames per vCPU" (hv_gic_parameters.h);
/// the others were measured by shards, but for the alignment of the MSI frame.
const SIZES: [(&str, Size, usize, Source); 7] = [
    ("distributor_size", |v| hv_gic_get_distributor_size(v), 0x1_0000, Observed),
    ("distributor_alignment", |v| hv_gic_get_distributor_base_alignment(v), 0x1_0000, Observed),
    ("redistributor_size", |v| hv_gic_get_redistributor_size(v), STRIDE as usize, Header),
    ("redistributor_alignment", |v| hv_gic_get_redistributor_base_alignment(v), 0x1_0000, Observed),
    ("redistributor_region", |v| hv_gic_get_redistributor_region_size(v), 32 << 20, Observed),
    ("msi_size", |v| hv_gic_get_msi_region_size(v), 0x1_0000, Observed),
    ("msi_alignment", |v| hv_gic_get_msi_region_base_alignment(v), 0x1_0000, Ours),
];

/// `hv_gic_intid_t`, whose values are the INTIDs.
const RESERVED: [(&str, u32); 5] = [
    ("performance_monitor", 23),
    ("maintenance", 25),
    ("el2_physical_timer", 26),
    ("el1_virtual_timer", 27),
    ("el1_physical_timer", 30),
];

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        // "The redistributor region will contain redistributors for all vCPUs supported by the
        // virtual machine" (hv_gic_config.h).
        case("gic.parameters.a_redistributor_for_every_vcpu", Header, || {
            let vcpus = ask(|v| raw::hv_vm_get_max_vcpu_count(v)) as usize;
            let region = ask(|v| hv_gic_get_redistributor_region_size(v));
            assert!(region >= vcpus * STRIDE as usize, "{region:#x} for {vcpus} vCPUs");
        }),
        // shards, M1. GICv3 has SPIs from 32 to 1019.
        case("gic.parameters.spis_are_32_to_1019", Observed, || {
            let (mut base, mut count) = (0, 0);
            let code = hv_gic_get_spi_interrupt_range(Some(&mut base), Some(&mut count));
            assert_eq!((code, base, count), (SUCCESS, 32, 988));
        }),
        case("gic.parameters.spis_need_both_pointers", Ours, || {
            let mut value = 77;
            assert_eq!(hv_gic_get_spi_interrupt_range(None, Some(&mut value)), BAD_ARGUMENT);
            assert_eq!(hv_gic_get_spi_interrupt_range(Some(&mut value), None), BAD_ARGUMENT);
            assert_eq!(value, 77);
        })
        .not_on_a_mac(),
        case("gic.parameters.no_such_reserved_interrupt", Ours, || {
            for interrupt in [0, 16, 22, 24, 28, 29, 31, 32, 0xffff] {
                let mut intid = 77;
                let code = hv_gic_get_intid(interrupt, Some(&mut intid));
                assert_eq!((code, intid), (BAD_ARGUMENT, 77), "{interrupt}");
            }
        }),
        case("gic.parameters.intid_to_null", Ours, || {
            assert_eq!(hv_gic_get_intid(27, None), BAD_ARGUMENT);
        })
        .not_on_a_mac(),
    ];
    for (name, get, expected, source) in SIZES {
        cases.push(case(format!("gic.parameters.{name}"), source, move || {
            assert_eq!(ask(get), expected);
        }));
        cases.push(
            case(format!("gic.parameters.{name}_to_null"), Ours, move || {
                assert_eq!(get(None), BAD_ARGUMENT);
            })
            .not_on_a_mac(),
        );
    }
    for (name, number) in RESERVED {
        // All five without a VM: applevisor, gic.rs, create_and_use_a_gic_configuration.
        cases.push(case(format!("gic.parameters.intid_of_{name}"), Observed, move || {
            assert_eq!(ask(|v| hv_gic_get_intid(number, v)), number);
        }));
    }
    cases
}
