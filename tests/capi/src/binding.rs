//! Faults of applevisor 1.0.0 that its users must go around. A case here fails when the binding
//! is mended: then the way around can go, too.

use crate::case::{Case, Source, case};
use crate::code::{self, access, br, hvc};
use crate::guest::{Guest, NOTHING};
use crate::raw;
use applevisor::prelude::*;

/// Whether the guest can read, write and execute a page that `Memory::map` mapped with `perms`.
fn effect_of(perms: MemPerms) -> [bool; 3] {
    [access(code::LDR_X, 0, 1), access(code::STR_X, 0, 1), br(1)].map(|instruction| {
        let guest = Guest::new(&[instruction, hvc(1)]);
        let mut page = guest.vm.memory_create(PAGE_SIZE).unwrap();
        page.map(NOTHING, MemPerms::ReadWriteExec).unwrap();
        page.write_u32(NOTHING, hvc(1)).unwrap();
        page.unmap().unwrap();
        page.map(NOTHING, perms).unwrap();
        guest.set(Reg::X1, NOTHING);
        // What would be stored is what stands there.
        guest.set(Reg::X0, hvc(1).into());
        guest.run_to_exception().syndrome == 0x5a00_0001
    })
}

pub fn cases() -> Vec<Case> {
    vec![
        // Apple's header has IRQ 0, FIQ 1.
        case("binding.irq_is_fiq", Source::Header, || {
            let guest = Guest::new(&[]);
            guest.vcpu.set_pending_interrupt(InterruptType::IRQ, true).unwrap();
            let pending =
                |line| raw::ask(|p| raw::hv_vcpu_get_pending_interrupt(guest.id(), line, p)).1;
            assert!(pending(raw::FIQ) && !pending(raw::IRQ), "InterruptType is mended");
        }),
        // `Memory::map` passes the variant's position (`perms as u64`) for HV_MEMORY_* bits: the
        // two differ for these two.
        case("binding.map_read_write_gives_execute_only", Source::Ours, || {
            let effect = effect_of(MemPerms::ReadWrite);
            assert_eq!(effect, [false, false, true], "Memory::map is mended");
        })
        .not_on_a_mac(),
        case("binding.map_exec_gives_read_write", Source::Ours, || {
            let effect = effect_of(MemPerms::Exec);
            assert_eq!(effect, [true, true, false], "Memory::map is mended");
        })
        .not_on_a_mac(),
        case("binding.map_is_right_for_the_others", Source::Header, || {
            assert_eq!(effect_of(MemPerms::Read), [true, false, false]);
            assert_eq!(effect_of(MemPerms::ReadExec), [true, false, true]);
            assert_eq!(effect_of(MemPerms::ReadWriteExec), [true, true, true]);
            assert_eq!(effect_of(MemPerms::None), [false, false, false]);
        })
        .not_on_a_mac(),
        // `Memory::protect` passes it likewise.
        case("binding.protect_read_write_gives_execute_only", Source::Ours, || {
            let guest = Guest::new(&[access(code::STR_X, 0, 1), hvc(1)]);
            let mut page = guest.vm.memory_create(PAGE_SIZE).unwrap();
            page.map(NOTHING, MemPerms::Read).unwrap();
            page.protect(MemPerms::ReadWrite).unwrap();
            guest.set(Reg::X1, NOTHING);
            let syndrome = guest.run_to_exception().syndrome;
            assert_eq!(syndrome & !0b11, 0x93c0_804c, "Memory::protect is mended");
        })
        .not_on_a_mac(),
        // Apple's header for arm64 calls it HV_EXISTS; HV_FAULT is the one for x86.
        case("binding.exists_is_called_fault", Source::Header, || {
            assert_eq!(applevisor_sys::hv_error_t::HV_FAULT as u32, 0xfae9_4008);
        }),
        // Its encoding (3, 4, 1, 1, 1) makes 0xe089, and so does the header of macOS 26.
        case("binding.mdcr_el2_has_another_id", Source::Header, || {
            assert_eq!(SysReg::MDCR_EL2 as u32, 0xe019, "hv_sys_reg_t is mended");
        }),
    ]
}
