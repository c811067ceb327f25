//! What is not there: SME. Every function exists and says so.

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
    use crate::raw;
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
        vcpu: u64 = 0;
        number: u32 = 32;
        out_size: *mut usize = null_mut();
        bytes: *mut u8 = null_mut();
        in_bytes: *const u8 = null();
        blob: *mut c_void = null_mut();
        in_blob: *const c_void = null();
        size: usize = 0;
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

    pub fn cases() -> Vec<Case> {
        // "Returns HV_UNSUPPORTED if SME is not supported" (hv_vcpu.h, hv_sme_config.h).
        SME.iter()
            .map(|&(name, call)| {
                case(format!("absent.{name}"), Source::Header, move || {
                    let _plain = Plain::new();
                    assert_eq!(call(), raw::UNSUPPORTED);
                })
            })
            .collect()
    }
}
