//! What stage 2 refuses, to the bit: which accesses each permission lets through, and the syndrome
//! of those that it does not.
//!
//! ```text
//!   ISS of a data abort    24  23:22  21  20:16  15 14 .. 8   7     6   5:0
//!   (DDI 0487, ESR_EL2)   ISV   SAS  SSE   SRT   SF AR    CM S1PTW WnR  DFSC
//!                              valid with ISV only
//! ```
//!
//! The level in DFSC is left out of comparisons, except in one case that says which it is here.

use crate::case::{Case, Source, case};
use crate::code::{self, access, br, hvc, ldp, mrs};
use crate::guest::{CODE, DATA, Guest, NOTHING, VECTORS};
use crate::raw::{self, Host, PAGE};
use applevisor::prelude::*;

use Source::{Header, Ours};

const DATA_ABORT: u64 = 0x9200_0000;
const INSTRUCTION_ABORT: u64 = 0x8200_0000;
const LEVEL: u64 = 0b11;
const TRANSLATION: u64 = 0b000100;
const PERMISSION: u64 = 0b001100;
const ISV: u64 = 1 << 24;
const AR: u64 = 1 << 14;
const CM: u64 = 1 << 8;
const S1PTW: u64 = 1 << 7;
const WNR: u64 = 1 << 6;
/// ISV with SAS of 8 bytes, SRT = X0 and SF.
const X0_VALID: u64 = ISV | 0b11 << 22 | 1 << 15;

const LOAD: u32 = access(code::LDR_X, 0, 1);
const STORE: u32 = access(code::STR_X, 0, 1);
/// Accesses at `[x1]`.
const LDAR: u32 = 0xc8df_fc20; // ldar x0, [x1]
const STLR: u32 = 0xc89f_fc20; // stlr x0, [x1]
const LDXR: u32 = 0xc85f_7c20; // ldxr x0, [x1]
const STXR: u32 = 0xc803_7c20; // stxr w3, x0, [x1]
const LDADD: u32 = 0xf820_0022; // ldadd x0, x2, [x1]
const CAS: u32 = 0xc8a0_7c22; // cas x0, x2, [x1]
const STP: u32 = 0xa900_0820; // stp x0, x2, [x1]
const LDR_Q: u32 = 0x3dc0_0020; // ldr q0, [x1]
const STR_Q: u32 = 0x3d80_0020; // str q0, [x1]
const STR_POST: u32 = 0xf800_8420; // str x0, [x1], #8
const DC_ZVA: u32 = 0xd50b_7421; // dc zva, x1
const DC_CIVAC: u32 = 0xd50b_7e21; // dc civac, x1
const PRFM: u32 = 0xf980_0020; // prfm pldl1keep, [x1]

// Translation tables of 4 KiB granules for 39 bits:
//
//   TABLES  [1]  block 0x4000_0000, as it is
//           [2]  -> a table at NOTHING, which a case maps or does not
const TABLES: u64 = VECTORS + 0x1000;
const VA: u64 = 0x8060_1238;
/// The descriptor of [`VA`] in the second table.
const DESCRIPTOR: u64 = NOTHING + 8 * 3;
const TABLE: u64 = 0b11;
const BLOCK: u64 = 0b01 | 1 << 10; // AF
/// T0SZ 25, EPD1, IPS 36 bits.
const TCR: u64 = 25 | 1 << 23 | 1 << 32;

/// Turns the MMU on.
fn translate(guest: &Guest) {
    let tables = (TABLES - VECTORS) as usize;
    guest.vectors.write(tables + 8, CODE | BLOCK);
    guest.vectors.write(tables + 8 * 2, NOTHING | TABLE);
    let sctlr = guest.vcpu.get_sys_reg(SysReg::SCTLR_EL1).unwrap();
    for (register, value) in [
        (SysReg::MAIR_EL1, 0xff), // Normal, Write-Back
        (SysReg::TCR_EL1, TCR),
        (SysReg::TTBR0_EL1, TABLES),
        (SysReg::SCTLR_EL1, sctlr | 1),
    ] {
        guest.vcpu.set_sys_reg(register, value).unwrap();
    }
}

/// A guest about to do `instruction` at `address`, with the data page's permissions being `flags`.
/// Memory is Normal: with the MMU off it is Device memory, where DC ZVA and an unaligned access are
/// alignment faults.
fn guest(instruction: u32, flags: u64, address: u64) -> Guest {
    let guest = Guest::new(&[instruction, hvc(1)]);
    translate(&guest);
    guest.data.write_code(0, &[hvc(1)]);
    guest.vcpu.set_sys_reg(SysReg::CPACR_EL1, 3 << 20).unwrap();
    assert_eq!(raw::hv_vm_protect(DATA, PAGE, flags), raw::SUCCESS);
    guest.set(Reg::X1, address);
    guest
}

/// The syndrome, without the level, that `instruction` exits with; `None`: it goes through.
fn refused(instruction: u32, flags: u64, address: u64) -> Option<u64> {
    let exit = guest(instruction, flags, address).run_to_exception();
    if exit.syndrome == 0x5a00_0001 {
        return None;
    }
    let page = exit.physical_address & !(PAGE as u64 - 1);
    assert_eq!((exit.virtual_address, page), (address, address & !(PAGE as u64 - 1)));
    Some(exit.syndrome & !LEVEL)
}

/// Name, instruction, permission that it needs, ISS of its refusal without DFSC.
type Row = (&'static str, u32, u64, u64);

/// Loads and stores, as ESR_EL2 tells of them. ISV is for loads and stores of one general
/// register, also with acquire and release, but neither exclusive nor with write-back; an access
/// that reads and writes has WnR 0 if reading alone would have faulted.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("ldr",       LOAD,      raw::READ,  X0_VALID),
    ("ldar",      LDAR,      raw::READ,  X0_VALID | AR),
    ("ldxr",      LDXR,      raw::READ,  0),
    ("ldp",       ldp(4, 5, 1), raw::READ, 0),
    ("ldr_q",     LDR_Q,     raw::READ,  0),
    ("str",       STORE,     raw::WRITE, X0_VALID | WNR),
    ("stlr",      STLR,      raw::WRITE, X0_VALID | AR | WNR),
    ("stp",       STP,       raw::WRITE, WNR),
    ("str_q",     STR_Q,     raw::WRITE, WNR),
    ("str_post",  STR_POST,  raw::WRITE, WNR),
    // DC ZVA is a store, and no cache maintenance: CM stays 0.
    ("dc_zva",    DC_ZVA,    raw::WRITE, WNR),
];

pub fn cases() -> Vec<Case> {
    let mut cases = permission_cases();
    cases.extend(atomic_cases());
    cases.extend(maintenance_cases());
    cases.extend(crossing_cases());
    cases.extend(walk_cases());
    cases
}

fn permission_cases() -> Vec<Case> {
    let mut cases: Vec<Case> = ROWS
        .iter()
        .map(|&(name, instruction, need, iss)| {
            case(format!("permissions.{name}"), Header, move || {
                for flags in 0..8 {
                    let expected = (flags & need == 0).then_some(DATA_ABORT | iss | PERMISSION);
                    let found = refused(instruction, flags, DATA + 0x40);
                    assert_eq!(found, expected, "flags {flags}: {found:x?}, not {expected:x?}");
                }
            })
        })
        .collect();
    // DDI 0487 has execution depend on read permission nowhere but in the choice of tables; and
    // a Mac must say what its tables are.
    cases.push(case("permissions.fetch", Ours, || {
        for flags in 0..8 {
            let expected = (flags & raw::EXEC == 0).then_some(INSTRUCTION_ABORT | PERMISSION);
            assert_eq!(refused(br(1), flags, DATA), expected, "flags {flags}");
        }
    }));
    // The stage-2 map has no levels here; hardware's most common one is told.
    cases.push(
        case("permissions.level_is_3", Ours, || {
            for (instruction, address) in [(STORE, DATA), (STORE, NOTHING), (br(1), NOTHING)] {
                let exit = guest(instruction, raw::READ, address).run_to_exception();
                assert_eq!(exit.syndrome & LEVEL, 3, "{:#x}", exit.syndrome);
            }
        })
        .not_on_a_mac(),
    );
    cases.push(case("permissions.a_prefetch_never_exits", Header, || {
        assert_eq!(refused(PRFM, 0, DATA), None);
        assert_eq!(refused(PRFM, 0, NOTHING), None);
    }));
    cases
}

fn atomic_cases() -> Vec<Case> {
    let abort = |iss| Some(DATA_ABORT | iss | PERMISSION);
    vec![
        case("permissions.ldadd", Header, move || {
            let at = |flags| refused(LDADD, flags, DATA);
            assert_eq!([at(0), at(raw::READ), at(raw::RW)], [abort(0), abort(WNR), None]);
        }),
        case("permissions.cas", Header, move || {
            let at = |flags| refused(CAS, flags, DATA);
            assert_eq!([at(0), at(raw::READ), at(raw::RW)], [abort(0), abort(WNR), None]);
        }),
        // The pair LDXR, STXR: the store is refused, and is done when the guest runs again from
        // LDXR on. (The way out clears the monitor.)
        case("permissions.store_exclusive", Header, move || {
            let guest = guest(LDXR, raw::READ, DATA);
            guest.code.write_code(0, &[LDXR, code::increment(0), STXR, hvc(2)]);
            let exit = guest.run_to_exception();
            assert_eq!(exit.syndrome & !LEVEL, DATA_ABORT | WNR | PERMISSION);
            assert_eq!(guest.pc(), CODE + 8);
            assert_eq!(raw::hv_vm_protect(DATA, PAGE, raw::RW), raw::SUCCESS);
            let before = guest.data.read(0);
            guest.set(Reg::PC, CODE);
            guest.run_to_hvc(2);
            assert_eq!((guest.get(Reg::X3), guest.data.read(0)), (0, before + 1));
        }),
        // A refused access changes nothing: not memory, not the base register, not the target.
        case("permissions.a_refused_access_changes_nothing", Header, || {
            for (instruction, flags) in [(STR_POST, raw::READ), (LDADD, raw::READ), (LOAD, 0)] {
                let guest = guest(instruction, flags, DATA + 8);
                guest.data.write(8, 0x1111);
                guest.set(Reg::X0, 0x2222);
                guest.set(Reg::X2, 0x3333);
                assert_ne!(guest.run_to_exception().syndrome, 0x5a00_0001);
                assert_eq!(guest.data.read(8), 0x1111);
                let registers = [Reg::X0, Reg::X1, Reg::X2].map(|register| guest.get(register));
                assert_eq!(registers, [0x2222, DATA + 8, 0x3333]);
                assert_eq!(guest.pc(), CODE);
            }
        }),
    ]
}

fn maintenance_cases() -> Vec<Case> {
    vec![
        // ESR_EL2, CM: cache maintenance; WnR is 1 with it, whatever the instruction needs.
        case("permissions.cache_maintenance_says_so", Header, || {
            let expected = Some(DATA_ABORT | CM | WNR | TRANSLATION);
            assert_eq!(refused(DC_CIVAC, raw::RW, NOTHING + 0x40), expected);
            assert_eq!(refused(DC_CIVAC, raw::RW, DATA + 0x40), None);
        }),
        case("permissions.zeroing_nowhere_is_a_store", Header, || {
            let expected = Some(DATA_ABORT | WNR | TRANSLATION);
            assert_eq!(refused(DC_ZVA, raw::RW, NOTHING + 0x40), expected);
        }),
    ]
}

fn crossing_cases() -> Vec<Case> {
    // 8 bytes of which the last four are in a page that is not mapped.
    let crossing = |instruction| {
        let guest = guest(instruction, raw::RW, NOTHING - 4);
        let exit = guest.run_to_exception();
        assert_eq!(exit.syndrome >> 26, 0x24, "{exit:x?}");
        assert_eq!(exit.syndrome & 0b111100, TRANSLATION);
        // HPFAR_EL2 has the page that faulted, FAR_EL2 an address of the access in it.
        assert_eq!(exit.physical_address & !(PAGE as u64 - 1), NOTHING);
        assert!((NOTHING..NOTHING + 4).contains(&exit.virtual_address), "{exit:x?}");
        assert_eq!(guest.pc(), CODE);
        guest
    };
    vec![
        case("permissions.a_load_across_pages_names_the_page_that_faults", Header, move || {
            crossing(LOAD);
        }),
        case("permissions.a_store_across_pages_names_the_page_that_faults", Header, move || {
            crossing(STORE);
        }),
        // The manual lets the first part be written; ours is all or nothing.
        case("permissions.a_store_across_pages_is_whole", Ours, move || {
            let guest = crossing(STORE);
            let end = guest.data.read(PAGE - 8);
            assert_eq!(end, 0, "half of the store was done");
            let more = Host::new(PAGE);
            assert_eq!(raw::hv_vm_map(more.addr(), NOTHING, PAGE, raw::RW), raw::SUCCESS);
            guest.set(Reg::X0, 0x1122_3344_5566_7788);
            guest.run_to_hvc(1);
            let (low, high) = (guest.data.read(PAGE - 8) >> 32, more.read(0) & 0xffff_ffff);
            assert_eq!((low, high), (0x5566_7788, 0x1122_3344));
            assert_eq!(raw::hv_vm_unmap(NOTHING, PAGE), raw::SUCCESS);
        }),
    ]
}

/// A guest with those tables, about to do `instruction` at [`VA`].
fn translated(instruction: u32) -> Guest {
    let guest = Guest::new(&[instruction, hvc(1)]);
    translate(&guest);
    guest.set(Reg::X1, VA);
    guest
}

/// Runs to an abort on the walk: which class and status, FAR and the descriptor's page.
fn expect_on_walk(guest: &Guest, class: u64, status: u64) {
    let exit = guest.run_to_exception();
    // WnR is the access's on some hardware, and 0 on other; HPFAR_EL2 has no more than a page.
    let found = exit.syndrome & !(LEVEL | WNR);
    assert_eq!(found, class | S1PTW | status, "{:#x}", exit.syndrome);
    assert_eq!((exit.virtual_address, exit.physical_address & !0xfff), (VA, NOTHING));
}

fn walk_cases() -> Vec<Case> {
    let kinds = [("load", LOAD), ("store", STORE), ("fetch", br(1))];
    let class = |name| if name == "fetch" { INSTRUCTION_ABORT } else { DATA_ABORT };
    let mut cases = Vec::new();
    for (name, instruction) in kinds {
        cases.push(case(format!("permissions.{name}_whose_table_is_nowhere"), Header, move || {
            let guest = translated(instruction);
            // ISV is 0: not the access faulted, but the walk for it.
            expect_on_walk(&guest, class(name), TRANSLATION);
            // With a table there, the guest goes on where it stood.
            let table = Host::new(PAGE);
            table.write((DESCRIPTOR - NOTHING) as usize, DATA & !0x1f_ffff | BLOCK);
            assert_eq!(raw::hv_vm_map(table.addr(), NOTHING, PAGE, raw::READ), raw::SUCCESS);
            let exit = guest.run_to_exception();
            // VA is 0x1238 bytes into the code page, which is zero: a load, a refused store to a
            // page without write permission, and an undefined instruction.
            match name {
                "load" => assert_eq!((exit.syndrome, guest.get(Reg::X0)), (0x5a00_0001, 0)),
                "store" => {
                    assert_eq!(exit.syndrome & !LEVEL, DATA_ABORT | X0_VALID | WNR | PERMISSION);
                    assert_eq!((exit.virtual_address, exit.physical_address), (VA, CODE + 0x1238));
                }
                _ => {
                    assert_eq!(exit.syndrome, 0x5a00_0104, "slot 4 of the vectors");
                    assert_eq!(guest.vcpu.get_sys_reg(SysReg::ELR_EL1), Ok(VA));
                }
            }
            assert_eq!(raw::hv_vm_unmap(NOTHING, PAGE), raw::SUCCESS);
        }));
        cases.push(case(
            format!("permissions.{name}_whose_table_is_unreadable"),
            Ours,
            move || {
                let guest = translated(instruction);
                let table = Host::new(PAGE);
                assert_eq!(raw::hv_vm_map(table.addr(), NOTHING, PAGE, raw::WRITE), raw::SUCCESS);
                expect_on_walk(&guest, class(name), PERMISSION);
                assert_eq!(raw::hv_vm_unmap(NOTHING, PAGE), raw::SUCCESS);
            },
        ));
    }
    cases.push(case("permissions.a_cached_translation_dies_with_its_page", Header, || {
        let guest = translated(LOAD);
        let table = Host::new(PAGE);
        table.write((DESCRIPTOR - NOTHING) as usize, CODE & !0x1f_ffff | BLOCK);
        assert_eq!(raw::hv_vm_map(table.addr(), NOTHING, PAGE, raw::READ), raw::SUCCESS);
        guest.run_to_hvc(1);
        assert_eq!(raw::hv_vm_unmap(CODE, PAGE), raw::SUCCESS);
        let exit = guest.run_to_exception();
        assert_eq!(exit.syndrome & !LEVEL, INSTRUCTION_ABORT | TRANSLATION);
        assert_eq!((exit.virtual_address, exit.physical_address), (CODE + 8, CODE + 8));
        let flags = raw::READ | raw::EXEC;
        assert_eq!(raw::hv_vm_map(guest.code.addr(), CODE, PAGE, flags), raw::SUCCESS);
        guest.set(Reg::PC, CODE);
        guest.run_to_hvc(1);
        assert_eq!(raw::hv_vm_unmap(NOTHING, PAGE), raw::SUCCESS);
    }));
    cases.push(case("permissions.the_mmu_s_registers_do_not_exit", Header, || {
        let guest = translated(mrs(5, code::system(3, 0, 2, 0, 2)));
        guest.run_to_hvc(1);
        assert_eq!(guest.get(Reg::X5), TCR);
    }));
    cases
}
