//! What is not there yet: the framework's GIC, and SME. Every function exists and says so.

#[cfg(target_os = "macos")]
pub fn cases() -> Vec<crate::case::Case> {
    Vec::new()
}

#[cfg(not(target_os = "macos"))]
pub use unsupported::cases;

#[cfg(not(target_os = "macos"))]
mod unsupported {
    use crate::case::{Case, Source, case};
    use crate::guest::Plain;
    use crate::raw::{self, Handle};
    use std::ffi::c_void;
    use std::ptr::{null, null_mut};

    type Call = fn() -> i32;

    /// Declares functions, and lists them as calls with null and zero for arguments.
    macro_rules! unsupported {
        ($list:ident: $(fn $name:ident($($argument:ident: $type:ty),*);)*) => {
            unsafe extern "C" {
                $(safe fn $name($($argument: $type),*) -> i32;)*
            }
            const $list: &[(&str, Call)] =
                &[$((stringify!($name), || $name($($argument::value()),*))),*];
        };
    }

    /// Arguments by name: each module gives the value.
    macro_rules! arguments {
        ($($name:ident: $type:ty = $value:expr;)*) => {$(
            mod $name {
                #[allow(unused_imports)]
                use super::*;
                pub fn value() -> $type { $value }
            }
        )*};
    }

    arguments! {
        object: Handle = null_mut();
        ipa: u64 = 0x800_0000;
        vcpu: u64 = 0;
        number: u32 = 32;
        count: u32 = 8;
        level: bool = true;
        value: u64 = 0;
        out: *mut u64 = null_mut();
        out_size: *mut usize = null_mut();
        out_number: *mut u32 = null_mut();
        out_count: *mut u32 = null_mut();
        bytes: *mut u8 = null_mut();
        in_bytes: *const u8 = null();
        blob: *mut c_void = null_mut();
        in_blob: *const c_void = null();
        size: usize = 0;
    }

    unsupported! { GIC:
        fn hv_gic_config_set_distributor_base(object: Handle, ipa: u64);
        fn hv_gic_config_set_redistributor_base(object: Handle, ipa: u64);
        fn hv_gic_config_set_msi_region_base(object: Handle, ipa: u64);
        fn hv_gic_config_set_msi_interrupt_range(object: Handle, number: u32, count: u32);
        fn hv_gic_create(object: Handle);
        fn hv_gic_set_spi(number: u32, level: bool);
        fn hv_gic_send_msi(ipa: u64, number: u32);
        fn hv_gic_get_distributor_reg(number: u32, out: *mut u64);
        fn hv_gic_set_distributor_reg(number: u32, value: u64);
        fn hv_gic_get_redistributor_base(vcpu: u64, out: *mut u64);
        fn hv_gic_get_redistributor_reg(vcpu: u64, number: u32, out: *mut u64);
        fn hv_gic_set_redistributor_reg(vcpu: u64, number: u32, value: u64);
        fn hv_gic_get_icc_reg(vcpu: u64, number: u32, out: *mut u64);
        fn hv_gic_set_icc_reg(vcpu: u64, number: u32, value: u64);
        fn hv_gic_get_ich_reg(vcpu: u64, number: u32, out: *mut u64);
        fn hv_gic_set_ich_reg(vcpu: u64, number: u32, value: u64);
        fn hv_gic_get_icv_reg(vcpu: u64, number: u32, out: *mut u64);
        fn hv_gic_set_icv_reg(vcpu: u64, number: u32, value: u64);
        fn hv_gic_get_msi_reg(number: u32, out: *mut u64);
        fn hv_gic_set_msi_reg(number: u32, value: u64);
        fn hv_gic_set_state(in_blob: *const c_void, size: usize);
        fn hv_gic_reset();
        fn hv_gic_get_distributor_size(out_size: *mut usize);
        fn hv_gic_get_distributor_base_alignment(out_size: *mut usize);
        fn hv_gic_get_redistributor_region_size(out_size: *mut usize);
        fn hv_gic_get_redistributor_size(out_size: *mut usize);
        fn hv_gic_get_redistributor_base_alignment(out_size: *mut usize);
        fn hv_gic_get_msi_region_size(out_size: *mut usize);
        fn hv_gic_get_msi_region_base_alignment(out_size: *mut usize);
        fn hv_gic_get_spi_interrupt_range(out_number: *mut u32, out_count: *mut u32);
        fn hv_gic_get_intid(number: u32, out_number: *mut u32);
        fn hv_gic_state_get_size(object: Handle, out_size: *mut usize);
        fn hv_gic_state_get_data(object: Handle, blob: *mut c_void);
    }

    unsupported! { SME:
        fn hv_sme_config_get_max_svl_bytes(out_size: *mut usize);
        fn hv_vcpu_get_sme_state(vcpu: u64, blob: *mut c_void);
        fn hv_vcpu_set_sme_state(vcpu: u64, in_blob: *const c_void);
        fn hv_vcpu_get_sme_z_reg(vcpu: u64, number: u32, bytes: *mut u8, size: usize);
        fn hv_vcpu_set_sme_z_reg(vcpu: u64, number: u32, in_bytes: *const u8, size: usize);
        fn hv_vcpu_get_sme_p_reg(vcpu: u64, number: u32, bytes: *mut u8, size: usize);
        fn hv_vcpu_set_sme_p_reg(vcpu: u64, number: u32, in_bytes: *const u8, size: usize);
        fn hv_vcpu_get_sme_za_reg(vcpu: u64, bytes: *mut u8, size: usize);
        fn hv_vcpu_set_sme_za_reg(vcpu: u64, in_bytes: *const u8, size: usize);
        fn hv_vcpu_get_sme_zt0_reg(vcpu: u64, bytes: *mut u8);
        fn hv_vcpu_set_sme_zt0_reg(vcpu: u64, in_bytes: *const u8);
    }

    unsafe extern "C" {
        safe fn hv_gic_config_create() -> Handle;
        safe fn hv_gic_state_create() -> Handle;
    }

    pub fn cases() -> Vec<Case> {
        let mut cases = vec![case("absent.gic_objects_are_null", Source::Ours, || {
            assert!(hv_gic_config_create().is_null());
            assert!(hv_gic_state_create().is_null());
        })];
        // "Returns HV_UNSUPPORTED if SME is not supported" (hv_vcpu.h, hv_sme_config.h).
        for (source, calls) in [(Source::Ours, GIC), (Source::Header, SME)] {
            cases.extend(calls.iter().map(|&(name, call)| {
                case(format!("absent.{name}"), source, move || {
                    let _plain = Plain::new();
                    assert_eq!(call(), raw::UNSUPPORTED);
                })
            }));
        }
        cases
    }
}
