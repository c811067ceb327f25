//! The GIC's registers, of the frames and of the CPU interfaces.
//!
//! `hv_gic_types.h` names the registers of a frame by their offsets, and has not all that IHI 0069
//! has: what it leaves out (GICR_WAKER, say) is the guest's alone. A read or write does what the
//! guest's would in one access of the register's width; of the 64-bit value a 32-bit register takes
//! the low half.
//!
//! The header's enumerations have 16 bits, but that of the redistributor, which has 32.

use crate::abi::{hv_ipa_t, hv_return_t, hv_vcpu_t};
use crate::answer::answer;
use crate::pointer::Out;
use crate::vcpu::{get, set};
use crate::vm::{self, Gic};
use anyvisor_arch::gic::{bank, gicd, gicr, msi};
use anyvisor_arch::sysreg::{Encoding, Lowest, SysReg};
use anyvisor_vm::HvError;

/// Registers of one kind that follow each other: the first one's offset, how many, bytes of each.
type Array = (u32, u32, u32);

const fn one(offset: u64, bytes: u32) -> Array {
    many(offset, 1, bytes)
}

const fn many(offset: u64, count: u32, bytes: u32) -> Array {
    (offset as u32, count, bytes)
}

/// A register of SGI_base.
const fn private(offset: u64) -> Array {
    one(gicr::SGI_BASE + offset, 4)
}

/// `hv_gic_distributor_reg_t`.
const DISTRIBUTOR: &[Array] = &[
    one(gicd::CTLR, 4),
    one(gicd::TYPER, 4),
    many(bank::IGROUPR, 32, 4),
    many(bank::ISENABLER, 32, 4),
    many(bank::ICENABLER, 32, 4),
    many(bank::ISPENDR, 32, 4),
    many(bank::ICPENDR, 32, 4),
    many(bank::ISACTIVER, 32, 4),
    many(bank::ICACTIVER, 32, 4),
    many(bank::IPRIORITYR, 255, 4), // up to INTID 1019
    many(bank::ICFGR, 64, 4),
    many(gicd::IROUTER + 8 * 32, 988, 8), // from INTID 32
    one(gicd::PIDR2, 4),
];

/// `hv_gic_redistributor_reg_t`.
const REDISTRIBUTOR: &[Array] = &[
    one(gicr::TYPER, 8),
    one(gicr::PIDR2, 4),
    private(bank::IGROUPR),
    private(bank::ISENABLER),
    private(bank::ICENABLER),
    private(bank::ISPENDR),
    private(bank::ICPENDR),
    private(bank::ISACTIVER),
    private(bank::ICACTIVER),
    many(gicr::SGI_BASE + bank::IPRIORITYR, 8, 4),
    many(gicr::SGI_BASE + bank::ICFGR, 2, 4),
];

/// `hv_gic_msi_reg_t`.
const MESSAGES: &[Array] = &[one(msi::TYPER, 4), one(msi::SETSPI_NS, 4)];

/// `hv_gic_icc_reg_t` without ICC_SRE_EL2, and all of `hv_gic_icv_reg_t`: an ICV register has the
/// encoding of the ICC register that it stands in for.
const CPU_INTERFACE: [SysReg; 10] = [
    SysReg::ICC_PMR_EL1,
    SysReg::ICC_BPR0_EL1,
    SysReg::ICC_AP0R0_EL1,
    SysReg::ICC_AP1R0_EL1,
    SysReg::ICC_RPR_EL1,
    SysReg::ICC_BPR1_EL1,
    SysReg::ICC_CTLR_EL1,
    SysReg::ICC_SRE_EL1,
    SysReg::ICC_IGRPEN0_EL1,
    SysReg::ICC_IGRPEN1_EL1,
];

const ICC_SRE_EL2: u16 = 0xe64d;

/// `hv_gic_ich_reg_t`: AP0R0, AP1R0, HCR, VTR, MISR, EISR, ELRSR, VMCR, and LR0 to 15.
fn is_ich(reg: u16) -> bool {
    matches!(
        reg,
        0xe640 | 0xe648 | 0xe658 | 0xe659 | 0xe65a | 0xe65b | 0xe65d | 0xe65f | 0xe660..=0xe66f
    )
}

const NO_EL2: HvError = HvError::Unsupported("EL2 in a VM");

/// A value of a 16-bit enumeration; a C caller may leave anything above it in the argument's
/// register.
pub(super) fn narrow(value: u32) -> u16 {
    value as u16
}

/// Refuses an offset that the header does not name.
fn check(frame: &'static str, registers: &[Array], offset: u32) -> Result<(), HvError> {
    let named = registers.iter().any(|&(first, count, bytes)| {
        offset.checked_sub(first).is_some_and(|o| o.is_multiple_of(bytes) && o / bytes < count)
    });
    if named { Ok(()) } else { Err(HvError::NoGicRegister { frame, offset }) }
}

fn distributor(reg: u32) -> Result<u32, HvError> {
    let offset = narrow(reg).into();
    check("distributor", DISTRIBUTOR, offset).map(|()| offset)
}

fn redistributor(reg: u32) -> Result<u32, HvError> {
    check("redistributor", REDISTRIBUTOR, reg).map(|()| reg)
}

/// The GIC and the offset of one of the registers of its MSI frame.
fn messages(reg: u32) -> Result<(Gic, u32), HvError> {
    let offset = narrow(reg).into();
    check("MSI frame", MESSAGES, offset)?;
    let gic = vm::gic()?;
    if gic.config.messages.is_none() {
        return Err(HvError::NoMessages);
    }
    Ok((gic, offset))
}

fn no_such(value: u16) -> HvError {
    HvError::BadEnum { what: "reg", value: value.into() }
}

/// The register of `hv_gic_icc_reg_t`.
fn cpu_interface(reg: u32) -> Result<SysReg, HvError> {
    match narrow(reg) {
        ICC_SRE_EL2 => Err(NO_EL2),
        reg => SysReg::from_encoding(Encoding(reg))
            .filter(|register| CPU_INTERFACE.contains(register))
            .ok_or(no_such(reg)),
    }
}

/// Why a register of `hv_gic_ich_reg_t` cannot be had.
fn hypervisor_control(reg: u32) -> HvError {
    match narrow(reg) {
        reg if is_ich(reg) => NO_EL2,
        reg => no_such(reg),
    }
}

/// Why a register of `hv_gic_icv_reg_t` cannot be had.
fn virtual_interface(reg: u32) -> HvError {
    match narrow(reg) {
        reg if CPU_INTERFACE.iter().any(|register| register.encoding().0 == reg) => NO_EL2,
        reg => no_such(reg),
    }
}

/// Reads a register of the distributor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_gic_get_distributor_reg(reg: u32, value: *mut u64) -> hv_return_t {
    answer("hv_gic_get_distributor_reg", || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new("value", value) }?;
        let offset = distributor(reg)?;
        out.put(vm::gic()?.controller.distributor_register(offset));
        Ok(())
    })
}

/// Writes a register of the distributor.
#[unsafe(no_mangle)]
pub extern "C" fn hv_gic_set_distributor_reg(reg: u32, value: u64) -> hv_return_t {
    answer("hv_gic_set_distributor_reg", || {
        let offset = distributor(reg)?;
        vm::gic()?.controller.set_distributor_register(offset, value);
        Ok(())
    })
}

/// Reads a register of the MSI frame. SETSPI_NS is write-only and reads as 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_gic_get_msi_reg(reg: u32, value: *mut u64) -> hv_return_t {
    answer("hv_gic_get_msi_reg", || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new("value", value) }?;
        let (gic, offset) = messages(reg)?;
        out.put(gic.controller.message_register(offset));
        Ok(())
    })
}

/// Writes a register of the MSI frame: an INTID that is not the frame's changes nothing.
#[unsafe(no_mangle)]
pub extern "C" fn hv_gic_set_msi_reg(reg: u32, value: u64) -> hv_return_t {
    answer("hv_gic_set_msi_reg", || {
        let (gic, offset) = messages(reg)?;
        gic.controller.set_message_register(offset, value);
        Ok(())
    })
}

/// The guest physical address of a vCPU's redistributor, once its MPIDR_EL1 was set.
///
/// Any thread may ask: unlike the functions for registers, the header does not want the owner.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_gic_get_redistributor_base(
    vcpu: hv_vcpu_t,
    redistributor_base_address: *mut hv_ipa_t,
) -> hv_return_t {
    answer("hv_gic_get_redistributor_base", || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new("redistributor_base_address", redistributor_base_address) }?;
        let size = super::parameters::geometry()?.redistributor.0;
        out.put(vm::gic_of(vcpu)?.config.redistributors + vcpu * size);
        Ok(())
    })
}

/// Reads a register of a vCPU's redistributor, once its MPIDR_EL1 was set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_gic_get_redistributor_reg(
    vcpu: hv_vcpu_t,
    reg: u32,
    value: *mut u64,
) -> hv_return_t {
    // SAFETY: the caller's promise.
    unsafe {
        get("hv_gic_get_redistributor_reg", vcpu, "value", value, |v| {
            let offset = redistributor(reg)?;
            vm::gic_of(vcpu)?;
            v.redistributor_register(offset)
        })
    }
}

/// Writes a register of a vCPU's redistributor, once its MPIDR_EL1 was set.
#[unsafe(no_mangle)]
pub extern "C" fn hv_gic_set_redistributor_reg(
    vcpu: hv_vcpu_t,
    reg: u32,
    value: u64,
) -> hv_return_t {
    set("hv_gic_set_redistributor_reg", vcpu, |v| {
        let offset = redistributor(reg)?;
        vm::gic_of(vcpu)?;
        v.set_redistributor_register(offset, value)
    })
}

/// Reads a register of a vCPU's CPU interface.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_gic_get_icc_reg(
    vcpu: hv_vcpu_t,
    reg: u32,
    value: *mut u64,
) -> hv_return_t {
    // SAFETY: the caller's promise.
    unsafe {
        get("hv_gic_get_icc_reg", vcpu, "value", value, |v| {
            v.cpu_interface_register(cpu_interface(reg)?.encoding().0)
        })
    }
}

/// Writes a register of a vCPU's CPU interface; not ICC_RPR_EL1, which follows from the others.
#[unsafe(no_mangle)]
pub extern "C" fn hv_gic_set_icc_reg(vcpu: hv_vcpu_t, reg: u32, value: u64) -> hv_return_t {
    set("hv_gic_set_icc_reg", vcpu, |v| {
        let register = cpu_interface(reg)?;
        if register.row().write == Lowest::Never {
            return Err(HvError::ReadOnly(register.name()));
        }
        v.set_cpu_interface_register(register.encoding().0, value)
    })
}

/// Reads a register of the hypervisor control interface: there is no EL2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_gic_get_ich_reg(
    vcpu: hv_vcpu_t,
    reg: u32,
    value: *mut u64,
) -> hv_return_t {
    // SAFETY: the caller's promise.
    unsafe { get("hv_gic_get_ich_reg", vcpu, "value", value, |_| Err(hypervisor_control(reg))) }
}

/// Writes a register of the hypervisor control interface: there is no EL2.
#[unsafe(no_mangle)]
pub extern "C" fn hv_gic_set_ich_reg(vcpu: hv_vcpu_t, reg: u32, _value: u64) -> hv_return_t {
    set("hv_gic_set_ich_reg", vcpu, |_| Err(hypervisor_control(reg)))
}

/// Reads a register of the virtual CPU interface, which a guest's guest uses: there is no EL2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_gic_get_icv_reg(
    vcpu: hv_vcpu_t,
    reg: u32,
    value: *mut u64,
) -> hv_return_t {
    // SAFETY: the caller's promise.
    unsafe { get("hv_gic_get_icv_reg", vcpu, "value", value, |_| Err(virtual_interface(reg))) }
}

/// Writes a register of the virtual CPU interface: there is no EL2.
#[unsafe(no_mangle)]
pub extern "C" fn hv_gic_set_icv_reg(vcpu: hv_vcpu_t, reg: u32, _value: u64) -> hv_return_t {
    set("hv_gic_set_icv_reg", vcpu, |_| Err(virtual_interface(reg)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_registers_are_as_many_as_it_has() {
        let count = |registers: &[Array]| registers.iter().map(|&(_, count, _)| count).sum::<u32>();
        assert_eq!(count(DISTRIBUTOR), 1534);
        assert_eq!(count(REDISTRIBUTOR), 19);
        assert_eq!(count(MESSAGES), 2);
        assert_eq!((0..=u16::MAX).filter(|&reg| is_ich(reg)).count(), 24);
        let found = |registers: &[Array], end: u32| {
            (0..end).filter(|&offset| check("frame", registers, offset).is_ok()).count()
        };
        assert_eq!(found(DISTRIBUTOR, 0x1_0000), 1534);
        assert_eq!(found(REDISTRIBUTOR, 0x2_0000), 19);
    }

    #[test]
    fn an_array_ends_where_it_ends() {
        for offset in [0x0000, 0x7f8, 0x6100, 0x7fd8, 0xffe8] {
            assert_eq!(distributor(offset), Ok(offset));
        }
        // IIDR, IPRIORITYR255, ICFGR64, IROUTER31, the middle of IROUTER32, IROUTER1020, PIDR3.
        for offset in [0x0008, 0x0001, 0x7fc, 0xd00, 0x60f8, 0x6104, 0x7fe0, 0xffec] {
            let error = HvError::NoGicRegister { frame: "distributor", offset };
            assert_eq!(distributor(offset), Err(error));
        }
    }

    #[test]
    fn el2_is_what_is_missing_of_the_registers_that_the_header_has() {
        assert_eq!(cpu_interface(0xc230), Ok(SysReg::ICC_PMR_EL1));
        assert_eq!(cpu_interface(0xe64d), Err(NO_EL2));
        assert_eq!(cpu_interface(0xc660), Err(no_such(0xc660))); // IAR1: a read acknowledges
        assert_eq!(hypervisor_control(0xe66f), NO_EL2);
        assert_eq!(hypervisor_control(0xe65c), no_such(0xe65c));
        assert_eq!(virtual_interface(0xc667), NO_EL2);
        assert_eq!(virtual_interface(0xe64d), no_such(0xe64d));
    }

    #[test]
    fn what_c_leaves_above_sixteen_bits_does_not_count() {
        assert_eq!(distributor(0xdead_0080), Ok(0x80));
        assert_eq!(redistributor(0x1_0080), Ok(0x1_0080));
        let error = HvError::NoGicRegister { frame: "redistributor", offset: 0xdead_0080 };
        assert_eq!(redistributor(0xdead_0080), Err(error));
    }
}
