//! `hv_vcpu_config_t`: nothing to set, and what a default vCPU's feature registers read as.

use crate::abi::{hv_return_t, hv_vcpu_config_t};
use crate::answer::answer;
use crate::engine::engine;
use crate::object::{self, Object};
use crate::pointer::Out;
use anyvisor_vm::{FeatureReg, HvError};

/// Refuses what is no live vCPU configuration.
pub(crate) fn check(config: hv_vcpu_config_t) -> Result<(), HvError> {
    let is_one = |object: &mut Object| matches!(object, Object::VcpuConfig).then_some(());
    object::with("config", config, is_one)
}

/// The register with the number `reg` in `hv_feature_reg_t`.
fn feature_reg(reg: u32) -> Result<FeatureReg, HvError> {
    Ok(match reg {
        0 => FeatureReg::Dfr0,
        1 => FeatureReg::Dfr1,
        2 => FeatureReg::Isar0,
        3 => FeatureReg::Isar1,
        4 => FeatureReg::Mmfr0,
        5 => FeatureReg::Mmfr1,
        6 => FeatureReg::Mmfr2,
        7 => FeatureReg::Pfr0,
        8 => FeatureReg::Pfr1,
        9 => FeatureReg::Ctr,
        10 => FeatureReg::Clidr,
        11 => FeatureReg::Dczid,
        12 => FeatureReg::Smfr0,
        13 => FeatureReg::Zfr0,
        _ => return Err(HvError::BadEnum { what: "feature_reg", value: reg.into() }),
    })
}

/// Makes a configuration. Release it with `os_release`.
#[unsafe(no_mangle)]
pub extern "C" fn hv_vcpu_config_create() -> hv_vcpu_config_t {
    object::create(Object::VcpuConfig)
}

/// What a feature register of a vCPU of this configuration reads as.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vcpu_config_get_feature_reg(
    config: hv_vcpu_config_t,
    feature_reg: u32,
    value: *mut u64,
) -> hv_return_t {
    answer("hv_vcpu_config_get_feature_reg", || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new("value", value) }?;
        check(config)?;
        out.put(engine()?.feature_reg(self::feature_reg(feature_reg)?)?);
        Ok(())
    })
}

/// CCSIDR_EL1 for each value of CSSELR_EL1.Level: data or unified caches (`cache_type` 0), or
/// instruction caches (1).
///
/// `values` has room for eight, as the header says (`uint64_t values[8]`). applevisor 1.0.0
/// passes room for one, so its `get_ccsidr_el1_sys_reg_values` writes past its variable, here
/// as on macOS: do not call it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vcpu_config_get_ccsidr_el1_sys_reg_values(
    config: hv_vcpu_config_t,
    cache_type: u32,
    values: *mut u64,
) -> hv_return_t {
    answer("hv_vcpu_config_get_ccsidr_el1_sys_reg_values", || {
        // SAFETY: the caller's promise, for the eight values of the header.
        let out = unsafe { Out::new("values", values.cast::<[u64; 8]>()) }?;
        check(config)?;
        let instruction = match cache_type {
            0 => false,
            1 => true,
            _ => return Err(HvError::BadEnum { what: "cache_type", value: cache_type.into() }),
        };
        out.put(engine()?.ccsidr(instruction));
        Ok(())
    })
}
