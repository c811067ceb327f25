//! `hv_gic_config_t`: where the GIC stands in the guest's physical address space.
//!
//! A base that is not set is 0. No document says so, but it explains what a public test suite saw
//! Apple's framework do: a configuration with nothing set is refused (both regions at 0 overlap),
//! one with either base set is taken.
//!
//! Each base is checked for what can be known of it alone: alignment, and that its region ends
//! below 2^64. That regions lie apart and within the guest's physical address space is looked at
//! by `hv_gic_create`.

use super::parameters::geometry;
use crate::abi::{hv_gic_config_t, hv_ipa_t, hv_return_t};
use crate::answer::answer;
use crate::object::{self, Object};
use anyvisor_vm::{GicConfig, GicGeometry, HvError};
use std::ops::Range;

/// The content of a configuration object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    distributor: u64,
    redistributors: u64,
    messages: Option<u64>,
    message_intids: Option<Range<u32>>,
}

impl Settings {
    /// What the engine is asked for, in a VM with `ipa_bits` of guest physical addresses.
    pub(super) fn place(
        &self,
        geometry: &GicGeometry,
        ipa_bits: u32,
    ) -> Result<GicConfig, HvError> {
        // "GIC MSI support is only provided if both an MSI region base address is configured and
        // an MSI interrupt range is set" (hv_gic.h).
        let messages = self.messages.zip(self.message_intids.clone());
        let mut regions = vec![
            ("distributor", self.distributor, geometry.distributor.0),
            ("redistributors", self.redistributors, geometry.redistributor_region),
        ];
        if let Some((base, _)) = messages {
            regions.push(("MSI frame", base, geometry.messages.0));
        }
        for (i, &(one, at, size)) in regions.iter().enumerate() {
            for &(other, other_at, other_size) in &regions[..i] {
                if at < other_at + other_size && other_at < at + size {
                    return Err(HvError::RegionsOverlap { one, at, other, other_at });
                }
            }
        }
        for (_, ipa, size) in regions {
            if ipa + size > 1 << ipa_bits {
                return Err(HvError::PastIpa { ipa, size, bits: ipa_bits });
            }
        }
        Ok(GicConfig {
            distributor: self.distributor,
            redistributors: self.redistributors,
            messages,
        })
    }
}

/// The settings of a handle, which must not be null: there is no GIC without a configuration.
pub(super) fn settings(config: hv_gic_config_t) -> Result<Settings, HvError> {
    with(config, |settings| Ok(settings.clone()))
}

fn with<R>(
    config: hv_gic_config_t,
    work: impl FnOnce(&mut Settings) -> Result<R, HvError>,
) -> Result<R, HvError> {
    object::with("config", config, |object| match object {
        Object::GicConfig(settings) => Some(work(settings)),
        _ => None,
    })?
}

/// Refuses the base of a region that is misaligned or does not end below 2^64.
fn check_base(what: &'static str, base: u64, size: u64, alignment: u64) -> Result<(), HvError> {
    if !base.is_multiple_of(alignment) {
        return Err(HvError::Misaligned { what, value: base, granule: alignment });
    }
    match base.checked_add(size) {
        Some(_) => Ok(()),
        None => Err(HvError::RegionWraps { what, base, size }),
    }
}

/// Refuses `count` INTIDs from `base` on that are not all SPIs.
pub(super) fn check_spis(geometry: &GicGeometry, base: u32, count: u32) -> Result<(), HvError> {
    let Range { start: first, end } = geometry.spis;
    match base.checked_add(count) {
        Some(past) if base >= first && past <= end => Ok(()),
        _ => Err(HvError::NotSpis { base, count, first, last: end - 1 }),
    }
}

/// Makes a configuration with nothing set. Release it with `os_release`. Null if the engine has
/// no GIC.
///
/// The header wants a VM first; a public test suite does without.
#[unsafe(no_mangle)]
pub extern "C" fn hv_gic_config_create() -> hv_gic_config_t {
    let mut config = std::ptr::null_mut();
    let _: hv_return_t = answer("hv_gic_config_create", || {
        geometry()?;
        config = object::create(Object::GicConfig(Settings::default()));
        Ok(())
    });
    config
}

/// Sets the guest physical address of the distributor.
#[unsafe(no_mangle)]
pub extern "C" fn hv_gic_config_set_distributor_base(
    config: hv_gic_config_t,
    distributor_base_address: hv_ipa_t,
) -> hv_return_t {
    answer("hv_gic_config_set_distributor_base", || {
        let (size, alignment) = geometry()?.distributor;
        check_base("distributor_base_address", distributor_base_address, size, alignment)?;
        with(config, |settings| {
            settings.distributor = distributor_base_address;
            Ok(())
        })
    })
}

/// Sets the guest physical address of the redistributor of vCPU 0; those of all vCPUs that the VM
/// can have follow it.
#[unsafe(no_mangle)]
pub extern "C" fn hv_gic_config_set_redistributor_base(
    config: hv_gic_config_t,
    redistributor_base_address: hv_ipa_t,
) -> hv_return_t {
    answer("hv_gic_config_set_redistributor_base", || {
        let geometry = geometry()?;
        let (size, alignment) = (geometry.redistributor_region, geometry.redistributor.1);
        check_base("redistributor_base_address", redistributor_base_address, size, alignment)?;
        with(config, |settings| {
            settings.redistributors = redistributor_base_address;
            Ok(())
        })
    })
}

/// Sets the guest physical address of the MSI frame. The GIC has one if
/// [`hv_gic_config_set_msi_interrupt_range`] is called as well.
#[unsafe(no_mangle)]
pub extern "C" fn hv_gic_config_set_msi_region_base(
    config: hv_gic_config_t,
    msi_region_base_address: hv_ipa_t,
) -> hv_return_t {
    answer("hv_gic_config_set_msi_region_base", || {
        let (size, alignment) = geometry()?.messages;
        check_base("msi_region_base_address", msi_region_base_address, size, alignment)?;
        with(config, |settings| {
            settings.messages = Some(msi_region_base_address);
            Ok(())
        })
    })
}

/// Sets which SPIs are the messages': `msi_intid_count` of them, not none, from `msi_intid_base`.
#[unsafe(no_mangle)]
pub extern "C" fn hv_gic_config_set_msi_interrupt_range(
    config: hv_gic_config_t,
    msi_intid_base: u32,
    msi_intid_count: u32,
) -> hv_return_t {
    answer("hv_gic_config_set_msi_interrupt_range", || {
        if msi_intid_count == 0 {
            return Err(HvError::Zero("msi_intid_count"));
        }
        check_spis(&geometry()?, msi_intid_base, msi_intid_count)?;
        with(config, |settings| {
            settings.message_intids = Some(msi_intid_base..msi_intid_base + msi_intid_count);
            Ok(())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GEOMETRY: GicGeometry = GicGeometry {
        distributor: (0x1_0000, 0x1_0000),
        redistributor: (0x2_0000, 0x1_0000),
        redistributor_region: 0x80_0000,
        messages: (0x1_0000, 0x1_0000),
        spis: 32..1020,
    };

    fn place(distributor: u64, redistributors: u64, messages: Option<u64>) -> Result<(), HvError> {
        let settings =
            Settings { distributor, redistributors, messages, message_intids: Some(64..128) };
        settings.place(&GEOMETRY, 36).map(drop)
    }

    #[test]
    fn regions_may_touch_but_not_overlap() {
        let overlap =
            |one, at, other, other_at| Err(HvError::RegionsOverlap { one, at, other, other_at });
        assert_eq!(place(0x1_0000, 0x2_0000, Some(0)), Ok(()));
        assert_eq!(place(0x80_0000, 0, Some(0x81_0000)), Ok(()));
        assert_eq!(
            place(0x1_0000, 0x1_0000, None),
            overlap("redistributors", 0x1_0000, "distributor", 0x1_0000)
        );
        assert_eq!(
            place(0x7f_0000, 0, None),
            overlap("redistributors", 0, "distributor", 0x7f_0000)
        );
        assert_eq!(place(0, 0x1_0000, Some(0)), overlap("MSI frame", 0, "distributor", 0));
        assert_eq!(
            place(0, 0x1_0000, Some(0x80_0000)),
            overlap("MSI frame", 0x80_0000, "redistributors", 0x1_0000)
        );
    }

    #[test]
    fn the_last_region_may_end_with_the_address_space() {
        let end = 1u64 << 36;
        assert_eq!(place(end - 0x1_0000, 0, None), Ok(()));
        let past = place(end, 0, None);
        assert_eq!(past, Err(HvError::PastIpa { ipa: end, size: 0x1_0000, bits: 36 }));
        let past = place(0, end - 0x7f_0000, None);
        assert_eq!(past, Err(HvError::PastIpa { ipa: end - 0x7f_0000, size: 0x80_0000, bits: 36 }));
    }

    #[test]
    fn half_a_message_frame_is_none() {
        let mut settings = Settings { redistributors: 0x2_0000, ..Settings::default() };
        settings.messages = Some(0);
        assert_eq!(settings.place(&GEOMETRY, 36).unwrap().messages, None);
        settings.messages = None;
        settings.message_intids = Some(64..128);
        assert_eq!(settings.place(&GEOMETRY, 36).unwrap().messages, None);
    }

    #[test]
    fn bases_are_aligned_and_end_below_the_last_address() {
        let check = |base| check_base("base", base, 0x2_0000, 0x1_0000);
        assert_eq!(check(0), Ok(()));
        assert_eq!(check(0x1_0000), Ok(()));
        assert_eq!(check(u64::MAX - 0x2_ffff), Ok(()));
        assert!(matches!(check(0x8000), Err(HvError::Misaligned { .. })));
        // The region that would end with the last address is refused, as was observed.
        assert!(matches!(check(u64::MAX - 0x1_ffff), Err(HvError::RegionWraps { .. })));
        assert!(matches!(check(u64::MAX - 0xffff), Err(HvError::RegionWraps { .. })));
    }

    #[test]
    fn intids_are_spis() {
        for (base, count) in [(32, 1), (32, 988), (1019, 1)] {
            assert_eq!(check_spis(&GEOMETRY, base, count), Ok(()), "{base} + {count}");
        }
        for (base, count) in
            [(31, 1), (1020, 1), (32, 989), (33, 988), (0, u32::MAX), (u32::MAX, 2)]
        {
            let error = HvError::NotSpis { base, count, first: 32, last: 1019 };
            assert_eq!(check_spis(&GEOMETRY, base, count), Err(error));
        }
    }
}
