//! `hv_vm_config_t`: what a VM is made of.

use crate::abi::{hv_return_t, hv_vm_config_t};
use crate::answer::answer;
use crate::engine::engine;
use crate::object::{self, Object};
use crate::pointer::Out;
use anyvisor_vm::{HvError, VmConfig};

/// The IPA size of a VM that does not say otherwise, in bits (64 GiB): what Apple's framework
/// answers on every machine seen so far.
const DEFAULT_IPA_BITS: u32 = 36;

/// `hv_ipa_granule_t`: the granule of stage-2 mappings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Granule {
    Kib4 = 0,
    Kib16 = 1,
}

/// The granule of a VM that does not say otherwise: before macOS 26 maps are multiples of
/// 16 KiB, and no public source tells of another default since.
const DEFAULT_GRANULE: Granule = Granule::Kib16;

impl Granule {
    fn bytes(self) -> u64 {
        match self {
            Self::Kib4 => 4 << 10,
            Self::Kib16 => 16 << 10,
        }
    }

    /// The widest IPA that tables of this granule reach, in bits: `kern.hv.ipa_size_4k` and
    /// `kern.hv.ipa_size_16k` of an Apple machine. The API tells the wider one only
    /// (`hv_vm_config_get_max_ipa_size`), so a VM that has both is refused when it is created: our
    /// choice of the moment, and of `HV_UNSUPPORTED`, as for any IPA that is too wide.
    fn max_ipa_bits(self) -> u32 {
        match self {
            Self::Kib4 => 40,
            Self::Kib16 => 42,
        }
    }

    fn from_abi(value: u32) -> Result<Self, HvError> {
        match value {
            0 => Ok(Self::Kib4),
            1 => Ok(Self::Kib16),
            _ => Err(HvError::BadEnum { what: "granule", value: value.into() }),
        }
    }
}

/// The content of a configuration object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// In bits; 0 stands for the default.
    ipa_bits: u32,
    granule: Granule,
    el2: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { ipa_bits: default_ipa_bits(), granule: DEFAULT_GRANULE, el2: false }
    }
}

impl Settings {
    /// What the engine is asked for.
    pub(crate) fn vm_config(&self) -> Result<VmConfig, HvError> {
        if self.el2 {
            return Err(HvError::Unsupported("EL2 in a VM"));
        }
        let ipa_bits = if self.ipa_bits == 0 { default_ipa_bits() } else { self.ipa_bits };
        let max = self.granule.max_ipa_bits();
        if ipa_bits > max {
            return Err(HvError::IpaSize { bits: ipa_bits, max });
        }
        Ok(VmConfig { ipa_bits, granule: self.granule.bytes() })
    }

    fn set_ipa_bits(&mut self, bits: u32) -> Result<(), HvError> {
        let max = engine()?.max_ipa_bits();
        if bits > max {
            return Err(HvError::IpaSize { bits, max });
        }
        self.ipa_bits = bits;
        Ok(())
    }
}

/// Without an engine there is no VM either: `hv_vm_create` says why.
fn default_ipa_bits() -> u32 {
    engine().map_or(DEFAULT_IPA_BITS, |engine| DEFAULT_IPA_BITS.min(engine.max_ipa_bits()))
}

/// The settings that a handle stands for; the defaults for null, as `hv_vm_create` has it.
pub(crate) fn settings_or_default(config: hv_vm_config_t) -> Result<Settings, HvError> {
    if config.is_null() { Ok(Settings::default()) } else { with(config, |s| Ok(*s)) }
}

fn with<R>(
    config: hv_vm_config_t,
    work: impl FnOnce(&mut Settings) -> Result<R, HvError>,
) -> Result<R, HvError> {
    object::with("config", config, |object| match object {
        Object::VmConfig(settings) => Some(work(settings)),
        _ => None,
    })?
}

/// Makes a configuration with default values. Release it with `os_release`.
#[unsafe(no_mangle)]
pub extern "C" fn hv_vm_config_create() -> hv_vm_config_t {
    object::create(Object::VmConfig(Settings::default()))
}

/// The widest IPA that a VM can have, in bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vm_config_get_max_ipa_size(ipa_bit_length: *mut u32) -> hv_return_t {
    answer("hv_vm_config_get_max_ipa_size", || {
        // SAFETY: the caller's promise.
        unsafe { Out::new("ipa_bit_length", ipa_bit_length) }?.put(engine()?.max_ipa_bits());
        Ok(())
    })
}

/// The IPA size of a VM that does not set one, in bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vm_config_get_default_ipa_size(
    ipa_bit_length: *mut u32,
) -> hv_return_t {
    answer("hv_vm_config_get_default_ipa_size", || {
        // SAFETY: the caller's promise.
        unsafe { Out::new("ipa_bit_length", ipa_bit_length) }?.put(default_ipa_bits());
        Ok(())
    })
}

/// Sets the IPA size in bits; 0 stands for the default.
#[unsafe(no_mangle)]
pub extern "C" fn hv_vm_config_set_ipa_size(
    config: hv_vm_config_t,
    ipa_bit_length: u32,
) -> hv_return_t {
    answer("hv_vm_config_set_ipa_size", || with(config, |s| s.set_ipa_bits(ipa_bit_length)))
}

/// The IPA size that was set, in bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vm_config_get_ipa_size(
    config: hv_vm_config_t,
    ipa_bit_length: *mut u32,
) -> hv_return_t {
    answer("hv_vm_config_get_ipa_size", || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new("ipa_bit_length", ipa_bit_length) }?;
        out.put(with(config, |s| Ok(s.ipa_bits))?);
        Ok(())
    })
}

/// Whether a VM can have EL2: not here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vm_config_get_el2_supported(el2_supported: *mut bool) -> hv_return_t {
    answer("hv_vm_config_get_el2_supported", || {
        // SAFETY: the caller's promise.
        unsafe { Out::new("el2_supported", el2_supported) }?.put(false);
        Ok(())
    })
}

/// Whether EL2 was asked for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vm_config_get_el2_enabled(
    config: hv_vm_config_t,
    el2_enabled: *mut bool,
) -> hv_return_t {
    answer("hv_vm_config_get_el2_enabled", || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new("el2_enabled", el2_enabled) }?;
        out.put(with(config, |s| Ok(s.el2))?);
        Ok(())
    })
}

/// Asks for EL2. The configuration takes it; `hv_vm_create` refuses it.
#[unsafe(no_mangle)]
pub extern "C" fn hv_vm_config_set_el2_enabled(
    config: hv_vm_config_t,
    el2_enabled: bool,
) -> hv_return_t {
    answer("hv_vm_config_set_el2_enabled", || {
        with(config, |s| {
            s.el2 = el2_enabled;
            Ok(())
        })
    })
}

/// The granule of a VM that does not set one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vm_config_get_default_ipa_granule(granule: *mut u32) -> hv_return_t {
    answer("hv_vm_config_get_default_ipa_granule", || {
        // SAFETY: the caller's promise.
        unsafe { Out::new("granule", granule) }?.put(DEFAULT_GRANULE as u32);
        Ok(())
    })
}

/// The granule that was set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vm_config_get_ipa_granule(
    config: hv_vm_config_t,
    granule: *mut u32,
) -> hv_return_t {
    answer("hv_vm_config_get_ipa_granule", || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new("granule", granule) }?;
        out.put(with(config, |s| Ok(s.granule as u32))?);
        Ok(())
    })
}

/// Sets the granule: 0 for 4 KiB, 1 for 16 KiB.
#[unsafe(no_mangle)]
pub extern "C" fn hv_vm_config_set_ipa_granule(
    config: hv_vm_config_t,
    granule: u32,
) -> hv_return_t {
    answer("hv_vm_config_set_ipa_granule", || {
        let granule = Granule::from_abi(granule)?;
        with(config, |s| {
            s.granule = granule;
            Ok(())
        })
    })
}
