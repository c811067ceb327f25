//! The functions since macOS 15.2: the granule, and SME on a machine that has none.

use super::Row;
use crate::raw::{SUCCESS as OK, UNSUPPORTED as NOT, *};
use std::ptr::{from_mut, null, null_mut};

/// "Returns HV_UNSUPPORTED if SME is not supported" (hv_vcpu.h, hv_sme_config.h).
const NEVER: [i32; 5] = [NOT; 5];

fn vm_config(call: impl FnOnce(Handle) -> i32) -> i32 {
    let config = hv_vm_config_create();
    let code = call(config);
    os_release(config);
    code
}

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("hv_vm_config_get_default_ipa_granule", |_| hv_vm_config_get_default_ipa_granule(Some(&mut 0)), [OK; 5]),
    ("hv_vm_config_get_ipa_granule", |_| vm_config(|c| hv_vm_config_get_ipa_granule(c, Some(&mut 0))), [OK; 5]),
    ("hv_vm_config_set_ipa_granule", |_| vm_config(|c| hv_vm_config_set_ipa_granule(c, 1)), [OK; 5]),
    ("hv_sme_config_get_max_svl_bytes", |_| hv_sme_config_get_max_svl_bytes(from_mut(&mut 0)), NEVER),
    ("hv_vcpu_get_sme_state", |v| hv_vcpu_get_sme_state(v, null_mut()), NEVER),
    ("hv_vcpu_set_sme_state", |v| hv_vcpu_set_sme_state(v, null()), NEVER),
    ("hv_vcpu_get_sme_z_reg", |v| hv_vcpu_get_sme_z_reg(v, 0, null_mut(), 0), NEVER),
    ("hv_vcpu_set_sme_z_reg", |v| hv_vcpu_set_sme_z_reg(v, 0, null(), 0), NEVER),
    ("hv_vcpu_get_sme_p_reg", |v| hv_vcpu_get_sme_p_reg(v, 0, null_mut(), 0), NEVER),
    ("hv_vcpu_set_sme_p_reg", |v| hv_vcpu_set_sme_p_reg(v, 0, null(), 0), NEVER),
    ("hv_vcpu_get_sme_za_reg", |v| hv_vcpu_get_sme_za_reg(v, null_mut(), 0), NEVER),
    ("hv_vcpu_set_sme_za_reg", |v| hv_vcpu_set_sme_za_reg(v, null(), 0), NEVER),
    ("hv_vcpu_get_sme_zt0_reg", |v| hv_vcpu_get_sme_zt0_reg(v, null_mut()), NEVER),
    ("hv_vcpu_set_sme_zt0_reg", |v| hv_vcpu_set_sme_zt0_reg(v, null()), NEVER),
];
