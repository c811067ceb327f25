//! Every function of applevisor-sys 1.0.0 exists: this file does not link otherwise. (Two of
//! them may share an address: a linker folds functions with equal code.)

use crate::case::{Case, Source, case};
use applevisor_sys::*;
use std::hint::black_box;

/// The names and addresses of functions.
macro_rules! addresses {
    ($($name:ident,)*) => { vec![$((stringify!($name), $name as *const () as usize)),*] };
}

type Functions = Vec<(&'static str, usize)>;

/// Up to macOS 15.0.
fn up_to_macos_15() -> Functions {
    addresses![
        os_release,
        hv_vm_config_create,
        hv_vm_create,
        hv_vm_destroy,
        hv_vm_allocate,
        hv_vm_deallocate,
        hv_vm_config_get_max_ipa_size,
        hv_vm_config_get_default_ipa_size,
        hv_vm_config_set_ipa_size,
        hv_vm_config_get_ipa_size,
        hv_vm_config_get_el2_supported,
        hv_vm_config_get_el2_enabled,
        hv_vm_config_set_el2_enabled,
        hv_vcpu_config_create,
        hv_vcpu_config_get_feature_reg,
        hv_vcpu_config_get_ccsidr_el1_sys_reg_values,
        hv_vm_get_max_vcpu_count,
        hv_vcpu_create,
        hv_vcpu_destroy,
        hv_vcpu_run,
        hv_vcpus_exit,
        hv_vcpu_get_pending_interrupt,
        hv_vcpu_set_pending_interrupt,
        hv_vcpu_get_exec_time,
        hv_vcpu_get_reg,
        hv_vcpu_set_reg,
        hv_vcpu_get_simd_fp_reg,
        hv_vcpu_set_simd_fp_reg,
        hv_vcpu_get_sys_reg,
        hv_vcpu_set_sys_reg,
        hv_vcpu_get_trap_debug_exceptions,
        hv_vcpu_set_trap_debug_exceptions,
        hv_vcpu_get_trap_debug_reg_accesses,
        hv_vcpu_set_trap_debug_reg_accesses,
        hv_vm_map,
        hv_vm_unmap,
        hv_vm_protect,
        hv_vcpu_get_vtimer_mask,
        hv_vcpu_set_vtimer_mask,
        hv_vcpu_get_vtimer_offset,
        hv_vcpu_set_vtimer_offset,
        hv_gic_config_create,
        hv_gic_config_set_distributor_base,
        hv_gic_config_set_redistributor_base,
        hv_gic_config_set_msi_region_base,
        hv_gic_config_set_msi_interrupt_range,
        hv_gic_create,
        hv_gic_set_spi,
        hv_gic_send_msi,
        hv_gic_get_distributor_reg,
        hv_gic_set_distributor_reg,
        hv_gic_get_redistributor_base,
        hv_gic_get_redistributor_reg,
        hv_gic_set_redistributor_reg,
        hv_gic_get_icc_reg,
        hv_gic_set_icc_reg,
        hv_gic_get_ich_reg,
        hv_gic_set_ich_reg,
        hv_gic_get_icv_reg,
        hv_gic_set_icv_reg,
        hv_gic_get_msi_reg,
        hv_gic_set_msi_reg,
        hv_gic_set_state,
        hv_gic_reset,
        hv_gic_get_distributor_size,
        hv_gic_get_distributor_base_alignment,
        hv_gic_get_redistributor_region_size,
        hv_gic_get_redistributor_size,
        hv_gic_get_redistributor_base_alignment,
        hv_gic_get_msi_region_size,
        hv_gic_get_msi_region_base_alignment,
        hv_gic_get_spi_interrupt_range,
        hv_gic_get_intid,
        hv_gic_state_create,
        hv_gic_state_get_size,
        hv_gic_state_get_data,
    ]
}

/// Since macOS 15.2: SME and the IPA granule.
#[cfg(not(target_os = "macos"))]
fn since_macos_15_2() -> Functions {
    addresses![
        hv_vm_config_get_default_ipa_granule,
        hv_vm_config_get_ipa_granule,
        hv_vm_config_set_ipa_granule,
        hv_sme_config_get_max_svl_bytes,
        hv_vcpu_get_sme_state,
        hv_vcpu_set_sme_state,
        hv_vcpu_get_sme_z_reg,
        hv_vcpu_set_sme_z_reg,
        hv_vcpu_get_sme_p_reg,
        hv_vcpu_set_sme_p_reg,
        hv_vcpu_get_sme_za_reg,
        hv_vcpu_set_sme_za_reg,
        hv_vcpu_get_sme_zt0_reg,
        hv_vcpu_set_sme_zt0_reg,
    ]
}

#[cfg(target_os = "macos")]
fn since_macos_15_2() -> Functions {
    Vec::new()
}

/// How many functions there are behind the addresses.
fn count(functions: Functions) -> usize {
    functions.into_iter().filter(|&(_, address)| black_box(address) != 0).count()
}

/// The names of all of them that this system has.
pub fn names() -> Vec<&'static str> {
    let functions = [up_to_macos_15(), since_macos_15_2()].into_iter().flatten();
    functions.map(|(name, _)| name).collect()
}

pub fn cases() -> Vec<Case> {
    vec![
        case("symbols.all_up_to_macos_15", Source::Header, || {
            assert_eq!(count(up_to_macos_15()), 76);
        }),
        case("symbols.all_90", Source::Header, || {
            assert_eq!(count(up_to_macos_15()) + count(since_macos_15_2()), 90);
        })
        .not_on_a_mac(),
    ]
}
