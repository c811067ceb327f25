//! The functions up to macOS 15.0.

use super::Row;
use crate::gic::place::{Config, SETSPI};
use crate::raw::gic::*;
use crate::raw::{
    BAD_ARGUMENT as BAD, BUSY, DEFAULT, ERROR, Handle, Host, NO_DEVICE as NONE, PAGE, RW,
    SUCCESS as OK, UNSUPPORTED as NOT, *,
};
use applevisor_sys::{
    hv_gic_distributor_reg_t as Gicd, hv_gic_icc_reg_t as Icc, hv_gic_ich_reg_t as Ich,
    hv_gic_icv_reg_t as Icv, hv_gic_msi_reg_t as Gicm, hv_gic_redistributor_reg_t as Gicr,
};

const IPA: u64 = 0x4000_0000;
/// What does not depend on the state.
const ALWAYS: [i32; 5] = [OK; 5];
/// What needs the vCPU, and nothing else.
const OF_A_VCPU: [i32; 5] = [BAD, BAD, OK, BAD, OK];
/// What needs the GIC, and nothing else.
const OF_A_GIC: [i32; 5] = [NONE, NONE, NONE, NONE, OK];

/// Whether an object was made; it is released.
fn made(object: Handle) -> i32 {
    let code = if object.is_null() { ERROR } else { OK };
    os_release(object);
    code
}

fn with(object: Handle, call: impl FnOnce(Handle) -> i32) -> i32 {
    let code = call(object);
    os_release(object);
    code
}

fn vm_config(call: impl FnOnce(Handle) -> i32) -> i32 {
    with(hv_vm_config_create(), call)
}

fn vcpu_config(call: impl FnOnce(Handle) -> i32) -> i32 {
    with(hv_vcpu_config_create(), call)
}

fn gic_config(call: impl FnOnce(Handle) -> i32) -> i32 {
    with(hv_gic_config_create(), call)
}

/// A state of the GIC and its code; `missing` if there is no GIC to have one.
fn gic_state(call: impl FnOnce(Handle) -> i32) -> i32 {
    let state = hv_gic_state_create();
    if state.is_null() { NONE } else { with(state, call) }
}

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    // Objects and what the machine can do: no VM is needed, and none is in the way.
    ("os_release", |_| { os_release(DEFAULT); OK }, ALWAYS),
    ("hv_vm_config_create", |_| made(hv_vm_config_create()), ALWAYS),
    ("hv_vm_config_get_max_ipa_size", |_| hv_vm_config_get_max_ipa_size(Some(&mut 0)), ALWAYS),
    ("hv_vm_config_get_default_ipa_size", |_| hv_vm_config_get_default_ipa_size(Some(&mut 0)), ALWAYS),
    ("hv_vm_config_set_ipa_size", |_| vm_config(|c| hv_vm_config_set_ipa_size(c, 36)), ALWAYS),
    ("hv_vm_config_get_ipa_size", |_| vm_config(|c| hv_vm_config_get_ipa_size(c, Some(&mut 0))), ALWAYS),
    ("hv_vm_config_get_el2_supported", |_| hv_vm_config_get_el2_supported(Some(&mut false)), ALWAYS),
    ("hv_vm_config_get_el2_enabled", |_| vm_config(|c| hv_vm_config_get_el2_enabled(c, Some(&mut false))), ALWAYS),
    ("hv_vm_config_set_el2_enabled", |_| vm_config(|c| hv_vm_config_set_el2_enabled(c, false)), ALWAYS),
    ("hv_vm_get_max_vcpu_count", |_| hv_vm_get_max_vcpu_count(Some(&mut 0)), ALWAYS),
    ("hv_vcpu_config_create", |_| made(hv_vcpu_config_create()), ALWAYS),
    ("hv_vcpu_config_get_feature_reg", |_| vcpu_config(|c| hv_vcpu_config_get_feature_reg(c, 0, Some(&mut 0))), ALWAYS),
    ("hv_vcpu_config_get_ccsidr_el1_sys_reg_values", |_| vcpu_config(|c| hv_vcpu_config_get_ccsidr_el1_sys_reg_values(c, 0, Some(&mut [0; 8]))), ALWAYS),

    // The VM and its memory.
    ("hv_vm_create", |_| hv_vm_create(DEFAULT), [OK, BUSY, BUSY, BUSY, BUSY]),
    ("hv_vm_destroy", |_| hv_vm_destroy(), [NONE, OK, BUSY, OK, BUSY]),
    ("hv_vm_allocate", |_| { drop(Host::new(PAGE)); OK }, ALWAYS),
    ("hv_vm_deallocate", |_| {
        let mut addr = std::ptr::null_mut();
        assert_eq!(hv_vm_allocate(Some(&mut addr), PAGE, 0), OK);
        hv_vm_deallocate(addr, PAGE)
    }, ALWAYS),
    ("hv_vm_map", |_| {
        let host = Host::new(PAGE);
        let code = hv_vm_map(host.addr(), IPA, PAGE, RW);
        hv_vm_unmap(IPA, PAGE);
        code
    }, [NONE, OK, OK, OK, OK]),
    ("hv_vm_unmap", |_| hv_vm_unmap(IPA, PAGE), [NONE, ERROR, ERROR, ERROR, ERROR]),
    ("hv_vm_protect", |_| hv_vm_protect(IPA, PAGE, RW), [NONE, ERROR, ERROR, ERROR, ERROR]),

    // vCPUs.
    ("hv_vcpu_create", |_| {
        let mut id = 0;
        let code = hv_vcpu_create(Some(&mut id), Some(&mut std::ptr::null()), DEFAULT);
        if code == OK { assert_eq!(hv_vcpu_destroy(id), OK); }
        code
    }, [NONE, OK, BUSY, OK, BUSY]),
    ("hv_vcpu_destroy", |v| hv_vcpu_destroy(v), OF_A_VCPU),
    ("hv_vcpu_run", |v| { hv_vcpus_exit(&v, 1); hv_vcpu_run(v) }, OF_A_VCPU),
    ("hv_vcpus_exit", |v| hv_vcpus_exit(&v, 1), OF_A_VCPU),
    ("hv_vcpu_get_exec_time", |v| hv_vcpu_get_exec_time(v, Some(&mut 0)), OF_A_VCPU),
    ("hv_vcpu_get_reg", |v| hv_vcpu_get_reg(v, 0, &mut 0), OF_A_VCPU),
    ("hv_vcpu_set_reg", |v| hv_vcpu_set_reg(v, 0, 0), OF_A_VCPU),
    ("hv_vcpu_get_simd_fp_reg", |v| hv_vcpu_get_simd_fp_reg(v, 0, Some(&mut 0)), OF_A_VCPU),
    ("hv_vcpu_set_simd_fp_reg", |v| hv_vcpu_set_simd_fp_reg(v, 0, 0), OF_A_VCPU),
    ("hv_vcpu_get_sys_reg", |v| hv_vcpu_get_sys_reg(v, 0xc684, Some(&mut 0)), OF_A_VCPU),
    ("hv_vcpu_set_sys_reg", |v| hv_vcpu_set_sys_reg(v, 0xc684, 0), OF_A_VCPU),
    ("hv_vcpu_get_pending_interrupt", |v| hv_vcpu_get_pending_interrupt(v, IRQ, Some(&mut false)), OF_A_VCPU),
    ("hv_vcpu_set_pending_interrupt", |v| hv_vcpu_set_pending_interrupt(v, IRQ, false), OF_A_VCPU),
    ("hv_vcpu_get_trap_debug_exceptions", |v| hv_vcpu_get_trap_debug_exceptions(v, Some(&mut false)), OF_A_VCPU),
    ("hv_vcpu_set_trap_debug_exceptions", |v| hv_vcpu_set_trap_debug_exceptions(v, false), OF_A_VCPU),
    ("hv_vcpu_get_trap_debug_reg_accesses", |v| hv_vcpu_get_trap_debug_reg_accesses(v, Some(&mut false)), OF_A_VCPU),
    ("hv_vcpu_set_trap_debug_reg_accesses", |v| hv_vcpu_set_trap_debug_reg_accesses(v, false), OF_A_VCPU),
    ("hv_vcpu_get_vtimer_mask", |v| hv_vcpu_get_vtimer_mask(v, Some(&mut false)), OF_A_VCPU),
    ("hv_vcpu_set_vtimer_mask", |v| hv_vcpu_set_vtimer_mask(v, false), OF_A_VCPU),
    ("hv_vcpu_get_vtimer_offset", |v| hv_vcpu_get_vtimer_offset(v, Some(&mut 0)), OF_A_VCPU),
    ("hv_vcpu_set_vtimer_offset", |v| hv_vcpu_set_vtimer_offset(v, 0), OF_A_VCPU),
];

#[rustfmt::skip]
pub const GIC: &[Row] = &[
    ("hv_gic_config_create", |_| made(hv_gic_config_create()), ALWAYS),
    ("hv_gic_config_set_distributor_base", |_| gic_config(|c| hv_gic_config_set_distributor_base(c, 0x800_0000)), ALWAYS),
    ("hv_gic_config_set_redistributor_base", |_| gic_config(|c| hv_gic_config_set_redistributor_base(c, 0x80a_0000)), ALWAYS),
    ("hv_gic_config_set_msi_region_base", |_| gic_config(|c| hv_gic_config_set_msi_region_base(c, 0x802_0000)), ALWAYS),
    ("hv_gic_config_set_msi_interrupt_range", |_| gic_config(|c| hv_gic_config_set_msi_interrupt_range(c, 64, 64)), ALWAYS),
    ("hv_gic_get_distributor_size", |_| hv_gic_get_distributor_size(Some(&mut 0)), ALWAYS),
    ("hv_gic_get_distributor_base_alignment", |_| hv_gic_get_distributor_base_alignment(Some(&mut 0)), ALWAYS),
    ("hv_gic_get_redistributor_region_size", |_| hv_gic_get_redistributor_region_size(Some(&mut 0)), ALWAYS),
    ("hv_gic_get_redistributor_size", |_| hv_gic_get_redistributor_size(Some(&mut 0)), ALWAYS),
    ("hv_gic_get_redistributor_base_alignment", |_| hv_gic_get_redistributor_base_alignment(Some(&mut 0)), ALWAYS),
    ("hv_gic_get_msi_region_size", |_| hv_gic_get_msi_region_size(Some(&mut 0)), ALWAYS),
    ("hv_gic_get_msi_region_base_alignment", |_| hv_gic_get_msi_region_base_alignment(Some(&mut 0)), ALWAYS),
    ("hv_gic_get_spi_interrupt_range", |_| hv_gic_get_spi_interrupt_range(Some(&mut 0), Some(&mut 0)), ALWAYS),
    ("hv_gic_get_intid", |_| hv_gic_get_intid(27, Some(&mut 0)), ALWAYS),

    // After the VM, before its first vCPU, once (hv_gic.h).
    ("hv_gic_create", |_| hv_gic_create(Config::with_messages().0), [NONE, OK, BUSY, OK, BUSY]),
    ("hv_gic_set_spi", |_| hv_gic_set_spi(32, false), OF_A_GIC),
    ("hv_gic_send_msi", |_| hv_gic_send_msi(SETSPI, 64), OF_A_GIC),
    ("hv_gic_reset", |_| hv_gic_reset(), OF_A_GIC),
    ("hv_gic_get_distributor_reg", |_| hv_gic_get_distributor_reg(Gicd::CTLR as u32, Some(&mut 0)), OF_A_GIC),
    ("hv_gic_set_distributor_reg", |_| hv_gic_set_distributor_reg(Gicd::CTLR as u32, 0), OF_A_GIC),
    ("hv_gic_get_msi_reg", |_| hv_gic_get_msi_reg(Gicm::TYPER as u32, Some(&mut 0)), OF_A_GIC),
    ("hv_gic_set_msi_reg", |_| hv_gic_set_msi_reg(Gicm::TYPER as u32, 0), OF_A_GIC),
    ("hv_gic_get_redistributor_base", |v| hv_gic_get_redistributor_base(v, Some(&mut 0)), [NONE, BAD, NONE, BAD, OK]),
    ("hv_gic_get_redistributor_reg", |v| hv_gic_get_redistributor_reg(v, Gicr::TYPER as u32, Some(&mut 0)), [BAD, BAD, NONE, BAD, OK]),
    ("hv_gic_set_redistributor_reg", |v| hv_gic_set_redistributor_reg(v, Gicr::TYPER as u32, 0), [BAD, BAD, NONE, BAD, OK]),
    ("hv_gic_get_icc_reg", |v| hv_gic_get_icc_reg(v, Icc::PMR_EL1 as u32, Some(&mut 0)), [BAD, BAD, NONE, BAD, OK]),
    ("hv_gic_set_icc_reg", |v| hv_gic_set_icc_reg(v, Icc::PMR_EL1 as u32, 0), [BAD, BAD, NONE, BAD, OK]),
    ("hv_gic_get_ich_reg", |v| hv_gic_get_ich_reg(v, Ich::HCR_EL2 as u32, Some(&mut 0)), [BAD, BAD, NOT, BAD, NOT]),
    ("hv_gic_set_ich_reg", |v| hv_gic_set_ich_reg(v, Ich::HCR_EL2 as u32, 0), [BAD, BAD, NOT, BAD, NOT]),
    ("hv_gic_get_icv_reg", |v| hv_gic_get_icv_reg(v, Icv::PMR_EL1 as u32, Some(&mut 0)), [BAD, BAD, NOT, BAD, NOT]),
    ("hv_gic_set_icv_reg", |v| hv_gic_set_icv_reg(v, Icv::PMR_EL1 as u32, 0), [BAD, BAD, NOT, BAD, NOT]),
    ("hv_gic_state_create", |_| gic_state(|_| OK), OF_A_GIC),
    ("hv_gic_state_get_size", |_| gic_state(|s| hv_gic_state_get_size(s, Some(&mut 0))), OF_A_GIC),
    ("hv_gic_state_get_data", |_| gic_state(|s| state_data(s).map_or_else(|code| code, |_| OK)), OF_A_GIC),
    ("hv_gic_set_state", |_| gic_state(|s| set_state(&state_data(s).unwrap_or_default())), OF_A_GIC),
];
