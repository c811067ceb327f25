//! Configurations of VMs and vCPUs, and the objects that hold them.

use crate::case::{Case, Source, case};
use crate::code::{self, System, system};
use crate::guest::{EmptyVm, Guest};
use crate::raw::{self, DEFAULT, Handle};
use applevisor::prelude::SysReg;
use std::ffi::c_void;

use Source::{Header, Observed, Ours};

/// A configuration object, released when dropped.
struct Config(Handle);

impl Config {
    fn vm() -> Self {
        Self(raw::hv_vm_config_create())
    }

    fn vcpu() -> Self {
        Self(raw::hv_vcpu_config_create())
    }

    fn ipa_size(&self) -> u32 {
        let (code, bits) = raw::ask(|bits| raw::hv_vm_config_get_ipa_size(self.0, bits));
        assert_eq!(code, raw::SUCCESS);
        bits
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        raw::os_release(self.0);
    }
}

fn max_ipa_size() -> u32 {
    let (code, bits) = raw::ask(|v| raw::hv_vm_config_get_max_ipa_size(v));
    assert_eq!(code, raw::SUCCESS);
    bits
}

/// Handles that nobody created.
fn nonsense() -> [Handle; 3] {
    static NOT_AN_OBJECT: u64 = 0x5a5a_5a5a_5a5a_5a5a;
    let here = std::ptr::from_ref(&NOT_AN_OBJECT).cast::<c_void>().cast_mut();
    [std::ptr::without_provenance_mut(1), std::ptr::without_provenance_mut(usize::MAX), here]
}

pub fn cases() -> Vec<Case> {
    let mut cases = ipa_cases();
    cases.extend(el2_cases());
    cases.extend(object_cases());
    cases.extend(vcpu_cases());
    cases.extend(shown_cases());
    #[cfg(not(target_os = "macos"))]
    cases.extend(granule_cases());
    cases
}

fn ipa_cases() -> Vec<Case> {
    vec![
        case("config.default_ipa_size_is_36", Observed, || {
            let (code, bits) = raw::ask(|v| raw::hv_vm_config_get_default_ipa_size(v));
            assert_eq!((code, bits), (raw::SUCCESS, 36));
        }),
        case("config.max_ipa_size_holds_the_default", Observed, || {
            assert!((36..=52).contains(&max_ipa_size()));
        }),
        // applevisor: vm.rs, config_ipa_size.
        case("config.ipa_size_reads_back", Observed, || {
            let config = Config::vm();
            for bits in [0, 35, 36, max_ipa_size() - 1, max_ipa_size()] {
                assert_eq!(raw::hv_vm_config_set_ipa_size(config.0, bits), raw::SUCCESS);
                assert_eq!(config.ipa_size(), bits);
            }
        }),
        case("config.ipa_size_above_the_maximum", Observed, || {
            let config = Config::vm();
            let before = config.ipa_size();
            for bits in [max_ipa_size() + 1, u32::MAX] {
                assert_eq!(raw::hv_vm_config_set_ipa_size(config.0, bits), raw::UNSUPPORTED);
                assert_eq!(config.ipa_size(), before);
            }
        }),
        case("config.a_fresh_ipa_size_is_the_default", Ours, || {
            assert_eq!(Config::vm().ipa_size(), 36);
        }),
        case("config.ipa_size_bounds_the_map", Header, || {
            let host = raw::Host::new(raw::PAGE);
            let config = Config::vm();
            raw::hv_vm_config_set_ipa_size(config.0, 36);
            let _vm = EmptyVm::new(config.0);
            let map = |ipa| raw::hv_vm_map(host.addr(), ipa, raw::PAGE, raw::RW);
            assert_eq!(map((1 << 36) - raw::PAGE as u64), raw::SUCCESS);
            assert_eq!(map(1 << 36), raw::BAD_ARGUMENT);
        }),
        case("config.a_wider_ipa_maps_higher", Header, || {
            let host = raw::Host::new(raw::PAGE);
            let config = Config::vm();
            raw::hv_vm_config_set_ipa_size(config.0, max_ipa_size());
            let _vm = EmptyVm::new(config.0);
            let top = (1 << max_ipa_size()) - raw::PAGE as u64;
            assert_eq!(raw::hv_vm_map(host.addr(), top, raw::PAGE, raw::RW), raw::SUCCESS);
        }),
        case("config.ipa_size_0_is_the_default", Ours, || {
            let host = raw::Host::new(raw::PAGE);
            let config = Config::vm();
            raw::hv_vm_config_set_ipa_size(config.0, 0);
            let _vm = EmptyVm::new(config.0);
            let map = |ipa| raw::hv_vm_map(host.addr(), ipa, raw::PAGE, raw::RW);
            assert_eq!(map((1 << 36) - raw::PAGE as u64), raw::SUCCESS);
            assert_eq!(map(1 << 36), raw::BAD_ARGUMENT);
        }),
    ]
}

fn el2_cases() -> Vec<Case> {
    let supported = || raw::ask(|v| raw::hv_vm_config_get_el2_supported(v));
    let enabled = |config: &Config| {
        let (code, enabled) = raw::ask(|e| raw::hv_vm_config_get_el2_enabled(config.0, e));
        assert_eq!(code, raw::SUCCESS);
        enabled
    };
    vec![
        case("config.el2_supported_answers", Observed, move || {
            assert_eq!(supported().0, raw::SUCCESS);
        }),
        case("config.el2_is_off_at_first", Observed, move || assert!(!enabled(&Config::vm()))),
        // applevisor: vm.rs, config_el2, whether EL2 is supported or not.
        case("config.el2_reads_back", Observed, move || {
            let config = Config::vm();
            for on in [false, true, false] {
                assert_eq!(raw::hv_vm_config_set_el2_enabled(config.0, on), raw::SUCCESS);
                assert_eq!(enabled(&config), on);
            }
        }),
        case("config.a_vm_with_el2_where_there_is_none", Ours, move || {
            if supported() == (raw::SUCCESS, true) {
                return;
            }
            let config = Config::vm();
            raw::hv_vm_config_set_el2_enabled(config.0, true);
            assert_eq!(raw::hv_vm_create(config.0), raw::UNSUPPORTED);
            assert_eq!(raw::hv_vm_destroy(), raw::NO_DEVICE);
        }),
    ]
}

fn object_cases() -> Vec<Case> {
    vec![
        case("config.release_of_null", Observed, || raw::os_release(DEFAULT)),
        case("config.objects_are_distinct", Header, || {
            let (a, b, c) = (Config::vm(), Config::vm(), Config::vcpu());
            assert!(a.0 != b.0 && b.0 != c.0 && a.0 != c.0);
            assert!([&a, &b, &c].iter().all(|config| !config.0.is_null()));
        }),
        case("config.a_vm_outlives_its_configuration", Header, || {
            let config = Config::vm();
            let _vm = EmptyVm::new(config.0);
            drop(config);
            assert_eq!(raw::hv_vm_create(DEFAULT), raw::BUSY);
        }),
        case("config.null_has_nothing_to_set", Ours, || {
            assert_eq!(raw::hv_vm_config_set_ipa_size(DEFAULT, 36), raw::BAD_ARGUMENT);
            assert_eq!(raw::hv_vm_config_set_el2_enabled(DEFAULT, false), raw::BAD_ARGUMENT);
            let (code, _) = raw::ask(|bits| raw::hv_vm_config_get_ipa_size(DEFAULT, bits));
            assert_eq!(code, raw::BAD_ARGUMENT);
        })
        .not_on_a_mac(),
        case("config.a_released_object_is_refused", Ours, || {
            let stale = Config::vm().0;
            assert_eq!(raw::hv_vm_config_set_ipa_size(stale, 36), raw::BAD_ARGUMENT);
            assert_eq!(raw::hv_vm_create(stale), raw::BAD_ARGUMENT);
            raw::os_release(stale);
        })
        .not_on_a_mac(),
        case("config.a_made_up_object_is_refused", Ours, || {
            for handle in nonsense() {
                assert_eq!(raw::hv_vm_create(handle), raw::BAD_ARGUMENT);
                assert_eq!(raw::hv_vm_config_set_ipa_size(handle, 36), raw::BAD_ARGUMENT);
                raw::os_release(handle);
            }
        })
        .not_on_a_mac(),
        case("config.an_object_of_the_other_kind_is_refused", Ours, || {
            let (vm, vcpu) = (Config::vm(), Config::vcpu());
            assert_eq!(raw::hv_vm_create(vcpu.0), raw::BAD_ARGUMENT);
            let _vm = EmptyVm::new(DEFAULT);
            let mut id = 0;
            let code = raw::hv_vcpu_create(Some(&mut id), Some(&mut std::ptr::null()), vm.0);
            assert_eq!(code, raw::BAD_ARGUMENT);
        })
        .not_on_a_mac(),
    ]
}

fn vcpu_cases() -> Vec<Case> {
    let mut cases = vec![
        case("config.vcpu_with_a_configuration", Observed, || {
            let _vm = EmptyVm::new(DEFAULT);
            let config = Config::vcpu();
            let mut id = u64::MAX;
            let code = raw::hv_vcpu_create(Some(&mut id), Some(&mut std::ptr::null()), config.0);
            assert_eq!(code, raw::SUCCESS);
            assert_eq!(raw::hv_vcpu_destroy(id), raw::SUCCESS);
        }),
        case("config.feature_reg_that_does_not_exist", Ours, || {
            let config = Config::vcpu();
            for reg in [14, u32::MAX] {
                let (code, _) = raw::ask(|v| raw::hv_vcpu_config_get_feature_reg(config.0, reg, v));
                assert_eq!(code, raw::BAD_ARGUMENT);
            }
        }),
        // hv_vcpu_config.h: `uint64_t values[8]`.
        case("config.ccsidr_writes_eight_values", Header, || {
            let config = Config::vcpu();
            let clidr = |v: Option<&mut u64>| raw::hv_vcpu_config_get_feature_reg(config.0, 10, v);
            let (_, clidr) = raw::ask(clidr);
            for kind in [0, 1] {
                let mut values = [u64::MAX; 8];
                let code = raw::hv_vcpu_config_get_ccsidr_el1_sys_reg_values(
                    config.0,
                    kind,
                    Some(&mut values),
                );
                assert_eq!(code, raw::SUCCESS);
                for (level, value) in values.into_iter().enumerate().take(7) {
                    // CLIDR_EL1.Ctype<n>: 1 instruction, 2 data, 3 both, 4 unified.
                    let has = match clidr >> (3 * level) & 0b111 {
                        1 => kind == 1,
                        2 | 4 => kind == 0,
                        3 => true,
                        _ => continue,
                    };
                    assert!(!has || value != 0, "level {level} has no geometry");
                }
                assert_ne!(values[7], u64::MAX, "the eighth value was not written");
            }
        }),
        case("config.ccsidr_of_no_cache_type", Ours, || {
            let config = Config::vcpu();
            let mut values = [0x77; 8];
            let code =
                raw::hv_vcpu_config_get_ccsidr_el1_sys_reg_values(config.0, 2, Some(&mut values));
            assert_eq!((code, values), (raw::BAD_ARGUMENT, [0x77; 8]));
        }),
        case("config.vcpu_shows_its_feature_regs", Header, || {
            // hv_vcpu_config.h: the value is what a vCPU of this configuration presents.
            let config = Config::vcpu();
            let plain = crate::guest::Plain::new();
            // Feature register, hv_sys_reg_t.
            let pairs = [(0, 0xc028), (2, 0xc030), (3, 0xc031), (4, 0xc038), (7, 0xc020)];
            for (feature, id) in pairs {
                let feature =
                    raw::ask(|v| raw::hv_vcpu_config_get_feature_reg(config.0, feature, v));
                let register = raw::ask(|v| raw::hv_vcpu_get_sys_reg(plain.id, id, v));
                assert_eq!(feature, register);
            }
        }),
    ];
    for (reg, name) in FEATURE_REGS.iter().enumerate() {
        cases.push(case(format!("config.feature_reg_{name}"), Observed, move || {
            let config = Config::vcpu();
            let get =
                |v: Option<&mut u64>| raw::hv_vcpu_config_get_feature_reg(config.0, reg as u32, v);
            assert_eq!(raw::ask(get).0, raw::SUCCESS);
        }));
    }
    cases
}

/// `hv_feature_reg_t` up to macOS 15.0, in its order.
const FEATURE_REGS: [&str; 12] = [
    "ID_AA64DFR0_EL1",
    "ID_AA64DFR1_EL1",
    "ID_AA64ISAR0_EL1",
    "ID_AA64ISAR1_EL1",
    "ID_AA64MMFR0_EL1",
    "ID_AA64MMFR1_EL1",
    "ID_AA64MMFR2_EL1",
    "ID_AA64PFR0_EL1",
    "ID_AA64PFR1_EL1",
    "CTR_EL0",
    "CLIDR_EL1",
    "DCZID_EL0",
];

/// A guest that reads `registers` into X0, X1, ...; returns what it read.
fn read_by_guest(registers: &[System], prepare: impl FnOnce(&Guest)) -> Vec<u64> {
    let reads = (0..).zip(registers).map(|(rt, &register)| code::mrs(rt, register));
    let program: Vec<u32> = reads.chain([code::hvc(1)]).collect();
    let guest = Guest::new(&program);
    prepare(&guest);
    guest.run_to_hvc(1);
    (0..registers.len() as u32).map(|register| raw::reg(guest.id(), register)).collect()
}

/// Feature register, and the register that the guest reads.
const SHOWN: [(u32, System); 12] = [
    (0, system(3, 0, 0, 5, 0)),
    (1, system(3, 0, 0, 5, 1)),
    (2, system(3, 0, 0, 6, 0)),
    (3, system(3, 0, 0, 6, 1)),
    (4, system(3, 0, 0, 7, 0)),
    (5, system(3, 0, 0, 7, 1)),
    (6, system(3, 0, 0, 7, 2)),
    (7, system(3, 0, 0, 4, 0)),
    (8, system(3, 0, 0, 4, 1)),
    (9, system(3, 3, 0, 0, 1)),
    (10, system(3, 1, 0, 0, 1)),
    (11, system(3, 3, 0, 0, 7)),
];

const CSSELR_EL1: System = system(3, 2, 0, 0, 0);
const CCSIDR_EL1: System = system(3, 1, 0, 0, 0);
const ID_AA64MMFR0_EL1: System = system(3, 0, 0, 7, 0);

fn feature_reg(reg: u32) -> u64 {
    let config = Config::vcpu();
    let (code, value) = raw::ask(|v| raw::hv_vcpu_config_get_feature_reg(config.0, reg, v));
    assert_eq!(code, raw::SUCCESS, "feature register {reg}");
    value
}

/// What a configuration tells is what the guest finds.
fn shown_cases() -> Vec<Case> {
    let mut cases = vec![
        // hv_vcpu_config.h: the value that the vCPU presents, ID registers and the three others.
        case("config.the_guest_reads_its_feature_regs", Header, || {
            let read = read_by_guest(&SHOWN.map(|(_, register)| register), |_| {});
            for ((reg, _), read) in SHOWN.into_iter().zip(read) {
                assert_eq!(feature_reg(reg), read, "feature register {reg}");
            }
        }),
        // DDI 0487, CSSELR_EL1: Level in bits 3:1, InD in bit 0; CCSIDR_EL1 of a cache that CLIDR_EL1
        // does not name is UNKNOWN.
        case("config.the_guest_reads_its_cache_geometry", Header, || {
            let clidr = feature_reg(10);
            for kind in [0, 1] {
                let mut values = [0; 8];
                let config = Config::vcpu();
                let code = raw::hv_vcpu_config_get_ccsidr_el1_sys_reg_values(
                    config.0,
                    kind,
                    Some(&mut values),
                );
                assert_eq!(code, raw::SUCCESS);
                for (level, value) in (0..7).zip(values) {
                    let there = match clidr >> (3 * level) & 0b111 {
                        1 => kind == 1,
                        2 | 4 => kind == 0,
                        3 => true,
                        _ => false,
                    };
                    let select = |guest: &Guest| {
                        let selected = level << 1 | u64::from(kind);
                        guest.vcpu.set_sys_reg(SysReg::CSSELR_EL1, selected).unwrap();
                    };
                    let read = read_by_guest(&[CSSELR_EL1, CCSIDR_EL1], select);
                    assert!(!there || read[1] == value, "level {level}: {:#x} {value:#x}", read[1]);
                    assert_eq!(read[0], level << 1 | u64::from(kind));
                }
            }
        }),
        // ID_AA64PFR0_EL1.GIC and .EL2: neither without asking for it. PFR1.SME, PFR0.SVE: never.
        case("config.the_default_vcpu_has_no_gic_el2_sve_or_sme", Observed, || {
            let (pfr0, pfr1) = (feature_reg(7), feature_reg(8));
            assert_eq!(pfr0 >> 24 & 0xf, 0, "GIC");
            assert_eq!(pfr0 >> 8 & 0xf, 0, "EL2");
            assert_eq!(pfr0 >> 32 & 0xf, 0, "SVE");
            assert_eq!(pfr1 >> 24 & 0xf, 0, "SME");
        }),
        // ID_AA64MMFR0_EL1: 16 KiB granules at stage 1, whatever stage 2 has.
        case("config.the_guest_has_16k_granules", Observed, || {
            assert_eq!(feature_reg(4) >> 20 & 0xf, 1, "TGran16");
        }),
    ];
    // ID_AA64MMFR0_EL1.PARange for an IPA size: 36 bits by default, as observed; for others the
    // largest that fits is our choice (the manual has codes for 32, 36, 40, 42, 44, 48 and 52).
    for (bits, pa_range) in [(32, 0), (33, 0), (36, 1), (39, 1), (40, 2), (41, 2), (42, 3)] {
        let source = if bits == 36 { Observed } else { Ours };
        let run = move || {
            if bits > max_ipa_size() {
                return;
            }
            let config = Config::vm();
            assert_eq!(raw::hv_vm_config_set_ipa_size(config.0, bits), raw::SUCCESS);
            let _vm = EmptyVm::new(config.0);
            let mut id = 0;
            let code = raw::hv_vcpu_create(Some(&mut id), Some(&mut std::ptr::null()), DEFAULT);
            assert_eq!(code, raw::SUCCESS);
            let (code, value) = raw::ask(|v| raw::hv_vcpu_get_sys_reg(id, 0xc038, v));
            assert_eq!((code, value & 0xf), (raw::SUCCESS, pa_range));
            assert_eq!(raw::hv_vcpu_destroy(id), raw::SUCCESS);
        };
        cases.push(case(format!("config.pa_range_of_{bits}_bits"), source, run));
    }
    cases.push(case("config.the_guest_reads_the_default_pa_range", Observed, || {
        assert_eq!(read_by_guest(&[ID_AA64MMFR0_EL1], |_| {})[0] & 0xf, 1);
    }));
    cases.push(case("config.a_guest_reaches_the_top_of_a_wide_ipa", Header, || {
        let config = Config::vm();
        raw::hv_vm_config_set_ipa_size(config.0, max_ipa_size());
        let host = raw::Host::new(raw::PAGE);
        host.write_code(0, &[code::access(code::LDR_X, 0, 1), code::hvc(1)]);
        host.write(0x100, 0x1234);
        let _vm = EmptyVm::new(config.0);
        let top = (1 << max_ipa_size()) - raw::PAGE as u64;
        let flags = raw::READ | raw::EXEC;
        assert_eq!(raw::hv_vm_map(host.addr(), top, raw::PAGE, flags), raw::SUCCESS);
        let (mut id, mut exit) = (0, std::ptr::null());
        let code = raw::hv_vcpu_create(Some(&mut id), Some(&mut exit), DEFAULT);
        assert_eq!(code, raw::SUCCESS);
        raw::hv_vcpu_set_reg(id, raw::PC, top);
        raw::hv_vcpu_set_reg(id, 1, top + 0x100);
        assert_eq!(raw::hv_vcpu_run(id), raw::SUCCESS);
        assert_eq!(crate::raw_record::read(exit).exception.syndrome, 0x5a00_0001);
        assert_eq!(raw::reg(id, 0), 0x1234);
        assert_eq!(raw::hv_vcpu_destroy(id), raw::SUCCESS);
    }));
    cases
}

#[cfg(not(target_os = "macos"))]
fn granule_cases() -> Vec<Case> {
    /// A VM of 4 KiB granules.
    fn small_granules(ipa_bits: u32) -> Config {
        let config = Config::vm();
        assert_eq!(raw::hv_vm_config_set_ipa_granule(config.0, 0), raw::SUCCESS);
        assert_eq!(raw::hv_vm_config_set_ipa_size(config.0, ipa_bits), raw::SUCCESS);
        config
    }
    vec![
        // kern.hv.ipa_size_4k and _16k of an Apple machine: 40 and 42 bits.
        case("config.a_4k_granule_reaches_40_bits", Ours, || {
            let refused = |bits| raw::hv_vm_create(small_granules(bits).0);
            assert_eq!([refused(41), refused(42)], [raw::UNSUPPORTED; 2]);
            assert_eq!(raw::hv_vm_destroy(), raw::NO_DEVICE);
            let _vm = EmptyVm::new(small_granules(40).0);
        }),
        case("config.a_4k_granule_protects_and_unmaps_4k", Ours, || {
            let host = raw::Host::new(raw::PAGE);
            // str x0, [x1]; hvc #1
            host.write_code(0, &[code::access(code::STR_X, 0, 1), code::hvc(1)]);
            let _vm = EmptyVm::new(small_granules(36).0);
            assert_eq!(raw::hv_vm_map(host.addr(), 0, raw::PAGE, 7), raw::SUCCESS);
            assert_eq!(raw::hv_vm_protect(0x1000, 0x1000, raw::READ), raw::SUCCESS);
            assert_eq!(raw::hv_vm_unmap(0x2000, 0x1000), raw::SUCCESS);
            let (mut id, mut exit) = (0, std::ptr::null());
            let code = raw::hv_vcpu_create(Some(&mut id), Some(&mut exit), DEFAULT);
            assert_eq!(code, raw::SUCCESS);
            let store = |address| {
                raw::hv_vcpu_set_reg(id, raw::PC, 0);
                raw::hv_vcpu_set_reg(id, 1, address);
                assert_eq!(raw::hv_vcpu_run(id), raw::SUCCESS);
                crate::raw_record::read(exit).exception.syndrome & !0b11
            };
            let (done, stored): (u64, u64) = (0x5a00_0000, 0x93c0_8040);
            let refused = |status| stored | status;
            let found = [0xff8, 0x1000, 0x1ff8, 0x2000, 0x2ff8, 0x3000].map(store);
            let (permission, translation) = (refused(0b001100), refused(0b000100));
            let expected = [done, permission, permission, translation, translation, done];
            assert_eq!(found, expected, "{found:x?}");
            assert_eq!(raw::hv_vcpu_destroy(id), raw::SUCCESS);
        }),
        case("config.allocations_are_16k_whatever_the_granule", Header, || {
            let _vm = EmptyVm::new(small_granules(36).0);
            let mut addr = std::ptr::null_mut();
            assert_eq!(raw::hv_vm_allocate(Some(&mut addr), 0x1000, 0), raw::BAD_ARGUMENT);
        }),
        case("config.default_granule_is_16k", Ours, || {
            let (code, granule) = raw::ask(|v| raw::hv_vm_config_get_default_ipa_granule(v));
            assert_eq!((code, granule), (raw::SUCCESS, 1));
        }),
        // applevisor: vm.rs, config_ipa_granule.
        case("config.granule_reads_back", Observed, || {
            let config = Config::vm();
            for granule in [0, 1] {
                assert_eq!(raw::hv_vm_config_set_ipa_granule(config.0, granule), raw::SUCCESS);
                let read = raw::ask(|g| raw::hv_vm_config_get_ipa_granule(config.0, g));
                assert_eq!(read, (raw::SUCCESS, granule));
            }
        }),
        case("config.granule_that_does_not_exist", Ours, || {
            let config = Config::vm();
            assert_eq!(raw::hv_vm_config_set_ipa_granule(config.0, 2), raw::BAD_ARGUMENT);
        }),
        case("config.a_4k_granule_maps_4k", Ours, || {
            let host = raw::Host::new(raw::PAGE);
            let config = Config::vm();
            raw::hv_vm_config_set_ipa_granule(config.0, 0);
            let _vm = EmptyVm::new(config.0);
            let map = |ipa, size| raw::hv_vm_map(host.addr(), ipa, size, raw::RW);
            assert_eq!(map(0x1000, 0x1000), raw::SUCCESS);
            assert_eq!(map(0x2800, 0x1000), raw::BAD_ARGUMENT);
            assert_eq!(raw::hv_vm_unmap(0x1000, 0x1000), raw::SUCCESS);
        }),
    ]
}
