//! A vCPU's registers: general, SIMD and floating-point, system.

use crate::abi::{hv_return_t, hv_simd_fp_uchar16_t, hv_vcpu_t};
use crate::vcpu::{get, set};
use crate::vm;
use anyvisor_arch::sysreg::SysReg;
use anyvisor_vm::{HvError, Reg};

/// The register with the number `reg` in `hv_reg_t`.
fn general(reg: u32) -> Result<Reg, HvError> {
    Ok(match reg {
        0..=30 => Reg::X(reg as u8),
        31 => Reg::Pc,
        32 => Reg::Fpcr,
        33 => Reg::Fpsr,
        34 => Reg::Cpsr,
        _ => return Err(HvError::BadEnum { what: "reg", value: reg.into() }),
    })
}

/// The number of Q0 to Q31.
fn simd(reg: u32) -> Result<u8, HvError> {
    match reg {
        0..=31 => Ok(reg as u8),
        _ => Err(HvError::BadEnum { what: "reg", value: reg.into() }),
    }
}

/// The ID of a system register. The header's type has 16 bits; a C caller may leave anything
/// above them in the argument's register.
fn system(reg: u32) -> u16 {
    reg as u16
}

/// Reads X0 to X30 (0 to 30), PC (31), FPCR (32), FPSR (33) or CPSR (34).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vcpu_get_reg(
    vcpu: hv_vcpu_t,
    reg: u32,
    value: *mut u64,
) -> hv_return_t {
    // SAFETY: the caller's promise.
    unsafe { get("hv_vcpu_get_reg", vcpu, "value", value, |v| Ok(v.reg(general(reg)?))) }
}

/// Writes a register of [`hv_vcpu_get_reg`].
#[unsafe(no_mangle)]
pub extern "C" fn hv_vcpu_set_reg(vcpu: hv_vcpu_t, reg: u32, value: u64) -> hv_return_t {
    set("hv_vcpu_set_reg", vcpu, |v| {
        v.set_reg(general(reg)?, value);
        Ok(())
    })
}

/// Reads Q0 to Q31.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vcpu_get_simd_fp_reg(
    vcpu: hv_vcpu_t,
    reg: u32,
    value: *mut hv_simd_fp_uchar16_t,
) -> hv_return_t {
    // SAFETY: the caller's promise.
    unsafe { get("hv_vcpu_get_simd_fp_reg", vcpu, "value", value, |v| Ok(v.simd_reg(simd(reg)?))) }
}

/// Writes Q0 to Q31, for Rust: the value is a 128-bit integer, passed in two general registers.
///
/// ```text
///   who calls                symbol                                   value
///   applevisor-sys (stable)  hv_vcpu_set_simd_fp_reg                  RDX:RCX     X2, X3
///   C, by our header         anyvisor_vcpu_set_simd_fp_reg_by_vector  XMM0        V0
///                                                                     (x86-64)    (AArch64)
/// ```
///
/// Apple's header has a vector of 16 bytes, and Apple's framework takes it in V0; the binding's
/// `u128` goes elsewhere by every ABI (System V's, AAPCS64). So one symbol cannot serve both: the
/// header gives C's calls another name, and the source of neither program changes.
#[unsafe(no_mangle)]
pub extern "C" fn hv_vcpu_set_simd_fp_reg(
    vcpu: hv_vcpu_t,
    reg: u32,
    value: hv_simd_fp_uchar16_t,
) -> hv_return_t {
    set("hv_vcpu_set_simd_fp_reg", vcpu, |v| {
        v.set_simd_reg(simd(reg)?, value);
        Ok(())
    })
}

/// 16 bytes in a vector register, as C passes `hv_simd_fp_uchar16_t`.
#[cfg(target_arch = "x86_64")]
pub type Vector = core::arch::x86_64::__m128i;
/// 16 bytes in a vector register, as C passes `hv_simd_fp_uchar16_t`.
#[cfg(target_arch = "aarch64")]
pub type Vector = core::arch::aarch64::uint8x16_t;
/// Elsewhere C passes 16 bytes as it passes an integer of that size.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub type Vector = u128;

/// What C calls by the name of [`hv_vcpu_set_simd_fp_reg`]: the value is a vector.
// The lint knows no type of a vector register; both ABIs do, and a test calls this from C.
#[allow(improper_ctypes_definitions)]
#[unsafe(no_mangle)]
pub extern "C" fn anyvisor_vcpu_set_simd_fp_reg_by_vector(
    vcpu: hv_vcpu_t,
    reg: u32,
    value: Vector,
) -> hv_return_t {
    // SAFETY: both are 16 bytes of which every pattern is a value.
    let value = unsafe { std::mem::transmute::<Vector, u128>(value) };
    hv_vcpu_set_simd_fp_reg(vcpu, reg, value)
}

/// Reads a system register by its ID: op0, op1, CRn, CRm, op2 in 16 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vcpu_get_sys_reg(
    vcpu: hv_vcpu_t,
    reg: u32,
    value: *mut u64,
) -> hv_return_t {
    // SAFETY: the caller's promise.
    unsafe { get("hv_vcpu_get_sys_reg", vcpu, "value", value, |v| v.sys_reg(system(reg))) }
}

/// Writes a system register by its ID.
#[unsafe(no_mangle)]
pub extern "C" fn hv_vcpu_set_sys_reg(vcpu: hv_vcpu_t, reg: u32, value: u64) -> hv_return_t {
    set("hv_vcpu_set_sys_reg", vcpu, |v| {
        v.set_sys_reg(system(reg), value)?;
        if SysReg::from_api_id(system(reg)) == Some(SysReg::MPIDR_EL1) {
            vm::affinity_is_set(vcpu);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_one_is_the_program_counter() {
        // Whoever takes a syndrome's Rt = 31 (XZR) for a register number hits PC.
        assert_eq!(general(30), Ok(Reg::X(30)));
        assert_eq!(general(31), Ok(Reg::Pc));
        assert_eq!(general(34), Ok(Reg::Cpsr));
        assert_eq!(general(35), Err(HvError::BadEnum { what: "reg", value: 35 }));
        assert_eq!(simd(32), Err(HvError::BadEnum { what: "reg", value: 32 }));
    }

    #[test]
    fn a_system_register_has_sixteen_bits() {
        assert_eq!(system(0xdead_c080), 0xc080);
    }
}
