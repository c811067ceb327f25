//! Configuration objects: each value checked for what can be known of it alone.

use super::place::Config;
use crate::case::{Case, Source, case};
use crate::raw::gic::*;
use crate::raw::{self, BAD_ARGUMENT, Handle, SUCCESS};

use Source::{Header, Observed, Ours};

type SetBase = fn(Handle, u64) -> i32;
type Size = fn(Option<&mut usize>) -> i32;

/// The three bases: how each is set, its alignment, and the size of its region.
const BASES: [(&str, SetBase, Size, Size); 3] = [
    (
        "distributor",
        |c, base| hv_gic_config_set_distributor_base(c, base),
        |v| hv_gic_get_distributor_base_alignment(v),
        |v| hv_gic_get_distributor_size(v),
    ),
    (
        "redistributor",
        |c, base| hv_gic_config_set_redistributor_base(c, base),
        |v| hv_gic_get_redistributor_base_alignment(v),
        |v| hv_gic_get_redistributor_region_size(v),
    ),
    (
        "msi",
        |c, base| hv_gic_config_set_msi_region_base(c, base),
        |v| hv_gic_get_msi_region_base_alignment(v),
        |v| hv_gic_get_msi_region_size(v),
    ),
];

fn size(get: Size) -> u64 {
    super::place::ask(get) as u64
}

/// Ranges of INTIDs for messages. Past the SPIs "an error will be returned" (hv_gic_config.h); the
/// code is that of applevisor's tests.
const RANGES: [(&str, u32, u32, i32, Source); 13] = [
    ("every_spi", 32, 988, SUCCESS, Observed), // applevisor
    ("half_of_the_spis", 32, 494, SUCCESS, Observed), // applevisor
    ("64_to_1018", 64, 955, SUCCESS, Observed), // alioth
    ("the_first_spi", 32, 1, SUCCESS, Header),
    ("the_last_spi", 1019, 1, SUCCESS, Header),
    ("a_ppi", 31, 1, BAD_ARGUMENT, Header),
    ("into_the_spis", 31, 2, BAD_ARGUMENT, Header),
    ("past_the_spis", 1020, 1, BAD_ARGUMENT, Header),
    ("out_of_the_spis", 33, 988, BAD_ARGUMENT, Header),
    ("everything", 0, u32::MAX, BAD_ARGUMENT, Observed), // applevisor
    ("the_last_number", u32::MAX, 1, BAD_ARGUMENT, Header),
    ("around_the_end", u32::MAX, 34, BAD_ARGUMENT, Header),
    ("none", 64, 0, BAD_ARGUMENT, Ours),
];

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        // hv_gic_config.h wants the VM first; applevisor's tests do without.
        case("gic.config.needs_no_vm", Observed, || drop(Config::with_messages())),
        case("gic.config.two_are_two", Header, || {
            let (one, other) = (Config::empty(), Config::empty());
            assert_ne!(one.0, other.0);
        }),
        case("gic.config.range_of_null", Ours, || {
            let code = hv_gic_config_set_msi_interrupt_range(raw::DEFAULT, 64, 64);
            assert_eq!(code, BAD_ARGUMENT);
        })
        .not_on_a_mac(),
        case("gic.config.a_released_one_is_gone", Ours, || {
            let config = hv_gic_config_create();
            raw::os_release(config);
            assert_eq!(hv_gic_config_set_distributor_base(config, 0), BAD_ARGUMENT);
            assert_eq!(hv_gic_config_set_msi_interrupt_range(config, 64, 64), BAD_ARGUMENT);
        })
        .not_on_a_mac(),
        case("gic.config.is_no_vm_configuration", Ours, || {
            let config = Config::empty();
            assert_eq!(raw::hv_vm_config_set_ipa_size(config.0, 36), BAD_ARGUMENT);
            assert_eq!(raw::hv_vm_create(config.0), BAD_ARGUMENT);
            let vm = raw::hv_vm_config_create();
            assert_eq!(hv_gic_config_set_redistributor_base(vm, 0), BAD_ARGUMENT);
            raw::os_release(vm);
        })
        .not_on_a_mac(),
    ];
    for (name, set, alignment, bytes) in BASES {
        // "aligned to byte value returned by hv_gic_get_..._base_alignment"; the code is ours.
        cases.push(case(format!("gic.config.{name}_base_is_aligned"), Ours, move || {
            let (config, alignment) = (Config::empty(), size(alignment));
            for base in [0, alignment, 3 * alignment, 0x1000_0000] {
                assert_eq!(set(config.0, base), SUCCESS, "{base:#x}");
            }
            for base in [1, 0x800, alignment / 2, alignment - 1, alignment + 8, 0x1000_0001] {
                assert_eq!(set(config.0, base), BAD_ARGUMENT, "{base:#x}");
            }
        }));
        // applevisor: gic.rs, try_to_create_a_gic_configuration_with_out_of_bounds_values.
        cases.push(case(
            format!("gic.config.{name}_region_ends_before_2_64"),
            Observed,
            move || {
                let (config, alignment, bytes) = (Config::empty(), size(alignment), size(bytes));
                assert_eq!(set(config.0, u64::MAX - bytes + 1), BAD_ARGUMENT);
                assert_eq!(set(config.0, u64::MAX - bytes - alignment + 1), SUCCESS);
                assert_eq!(set(config.0, u64::MAX - alignment + 1), BAD_ARGUMENT);
            },
        ));
        cases.push(
            case(format!("gic.config.{name}_base_of_null"), Ours, move || {
                assert_eq!(set(raw::DEFAULT, 0x1000_0000), BAD_ARGUMENT);
            })
            .not_on_a_mac(),
        );
    }
    for (name, base, count, expected, source) in RANGES {
        cases.push(case(format!("gic.config.messages_{name}"), source, move || {
            let config = Config::empty();
            let code = hv_gic_config_set_msi_interrupt_range(config.0, base, count);
            assert_eq!(code, expected, "{base} + {count}");
        }));
    }
    cases
}
