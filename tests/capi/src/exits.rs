//! What a run reports: syndrome (ESR_EL2), address (FAR_EL2), IPA, and where PC is.
//!
//! ```text
//!   ESR_EL2   31    26 25 24                    0     DDI 0487, ESR_EL2
//!            [   EC   |IL|         ISS           ]
//! ```
//!
//! An abort's status code says at which level of the stage-2 tables the walk ended. That depends
//! on tables that the API does not show, so the level is left out of comparisons.

use crate::case::{Case, Source, case};
use crate::code::{self, System, access, br, brk, hvc, ldp, ldr_post, movz, mrs, msr, smc};
use crate::guest::{CODE, DATA, EL1H_MASKED, Guest, NOTHING, VECTORS};
use crate::raw::{self, PAGE};
use applevisor::prelude::*;

use Source::{Header, Observed, Ours};

/// A data abort from a lower EL, IL set.
const DATA_ABORT: u64 = 0x9200_0000;
/// An instruction abort from a lower EL, IL set.
const INSTRUCTION_ABORT: u64 = 0x8200_0000;
/// A trapped MRS or MSR, IL set.
const SYSTEM_ACCESS: u64 = 0x6200_0000;
/// DFSC and IFSC without their level.
const TRANSLATION: u64 = 0b000100;
const PERMISSION: u64 = 0b001100;
const LEVEL: u64 = 0b11;
/// ISS of a data abort: the access was a write.
const WNR: u64 = 1 << 6;

/// Runs to an abort and checks all of it but the level.
fn expect_abort(guest: &Guest, syndrome: u64, address: u64) {
    let exit = guest.run_to_exception();
    let found = (exit.syndrome & !LEVEL, exit.virtual_address, exit.physical_address);
    assert_eq!(found, (syndrome, address, address), "{found:x?} is not {syndrome:x} {address:x}");
}

/// The ISS of a load or store that a single register explains.
struct Valid {
    /// log2 of the bytes.
    size: u64,
    sign_extend: bool,
    /// The register: number and width.
    register: u64,
    is_64: bool,
}

impl Valid {
    fn iss(&self) -> u64 {
        let flag = u64::from;
        1 << 24
            | self.size << 22
            | flag(self.sign_extend) << 21
            | self.register << 16
            | flag(self.is_64) << 15
    }
}

/// Name, instruction, log2 of its bytes, sign extension, 64-bit register, store.
const ACCESSES: &[(&str, u32, u64, bool, bool, bool)] = &[
    ("ldrb", code::LDRB, 0, false, false, false),
    ("ldrh", code::LDRH, 1, false, false, false),
    ("ldr_w", code::LDR_W, 2, false, false, false),
    ("ldr_x", code::LDR_X, 3, false, true, false),
    ("ldrsb_w", code::LDRSB_W, 0, true, false, false),
    ("ldrsb_x", code::LDRSB_X, 0, true, true, false),
    ("ldrsh_w", code::LDRSH_W, 1, true, false, false),
    ("ldrsh_x", code::LDRSH_X, 1, true, true, false),
    ("ldrsw", code::LDRSW, 2, true, true, false),
    ("strb", code::STRB, 0, false, false, true),
    ("strh", code::STRH, 1, false, false, true),
    ("str_w", code::STR_W, 2, false, false, true),
    ("str_x", code::STR_X, 3, false, true, true),
];

/// Name, register, whether MRS (read) or MSR, who leaves it to the caller.
const SYSTEM_ACCESSES: &[(&str, System, bool)] = &[
    ("pmcr_el0_read", code::PMCR_EL0, true),
    ("pmcr_el0_write", code::PMCR_EL0, false),
    ("pmccntr_el0_read", code::PMCCNTR_EL0, true),
    ("oslar_el1_write", code::OSLAR_EL1, false),
    ("osdlr_el1_write", code::OSDLR_EL1, false),
    ("icc_iar1_el1_read", code::ICC_IAR1_EL1, true),
    ("icc_sgi1r_el1_write", code::ICC_SGI1R_EL1, false),
];

/// The ISS of a trapped MRS or MSR.
fn system_iss(s: System, rt: u64, read: bool) -> u64 {
    let field = u64::from;
    field(s.op0) << 20
        | field(s.op2) << 17
        | field(s.op1) << 14
        | field(s.crn) << 10
        | rt << 5
        | field(s.crm) << 1
        | u64::from(read)
}

pub fn cases() -> Vec<Case> {
    let mut cases = call_cases();
    cases.extend(wait_cases());
    cases.extend(debug_cases());
    cases.extend(abort_cases());
    cases.extend(access_cases());
    cases.extend(system_cases());
    cases.extend(run_cases());
    cases
}

fn call_cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [0, 1, 0x1234, 0xffff]
        .into_iter()
        .map(|imm| {
            case(format!("exits.hvc_{imm:#x}"), Observed, move || {
                let guest = Guest::new(&[hvc(imm)]);
                assert_eq!(guest.run_to_exception().syndrome, 0x5a00_0000 | u64::from(imm));
                assert_eq!(guest.pc(), CODE + 4, "PC is past an HVC");
            })
        })
        .collect();
    cases.extend([0, 0xffff].map(|imm| {
        case(format!("exits.smc_{imm:#x}"), Observed, move || {
            let guest = Guest::new(&[smc(imm)]);
            assert_eq!(guest.run_to_exception().syndrome, 0x5e00_0000 | u64::from(imm));
            assert_eq!(guest.pc(), CODE, "PC is at an SMC");
        })
    }));
    cases.push(case("exits.hvc_goes_on_behind_it", Observed, || {
        let guest = Guest::new(&[hvc(1), movz(0, 7), hvc(2)]);
        guest.run_to_hvc(1);
        guest.run_to_hvc(2);
        assert_eq!(guest.get(Reg::X0), 7);
    }));
    cases.push(case("exits.smc_again_until_pc_moves", Observed, || {
        let guest = Guest::new(&[smc(3), hvc(1)]);
        for _ in 0..2 {
            assert_eq!(guest.run_to_exception().syndrome, 0x5e00_0003);
        }
        guest.set(Reg::PC, CODE + 4);
        guest.run_to_hvc(1);
    }));
    cases
}

fn wait_cases() -> Vec<Case> {
    // EC 0x01; ISS.CV and COND = 0b1110 as for every A64 instruction; TI 0 for WFI, 1 for WFE.
    let check = |instruction, syndrome| {
        let guest = Guest::new(&[instruction, hvc(1)]);
        let exit = guest.run_to_exception();
        assert_eq!(exit.syndrome, syndrome, "{:#x}", exit.syndrome);
        assert_eq!(guest.pc(), CODE);
        guest.set(Reg::PC, CODE + 4);
        guest.run_to_hvc(1);
    };
    vec![
        case("exits.wfi", Observed, move || check(code::WFI, 0x07e0_0000)),
        case("exits.wfe", Observed, move || check(code::WFE, 0x07e0_0001)),
        case("exits.nop_does_not", Header, || {
            Guest::new(&[code::NOP, code::ISB, hvc(1)]).run_to_hvc(1);
        }),
    ]
}

fn debug_cases() -> Vec<Case> {
    vec![
        case("exits.brk_when_trapped", Observed, || {
            let guest = Guest::new(&[brk(0x123)]);
            guest.vcpu.set_trap_debug_exceptions(true).unwrap();
            assert_eq!(guest.run_to_exception().syndrome, 0xf200_0123);
            assert_eq!(guest.pc(), CODE);
        }),
        case("exits.brk_goes_to_the_guest_otherwise", Observed, || {
            let guest = Guest::new(&[brk(0x123)]);
            // Slot 4 of the vectors: synchronous, from the current EL with SP_EL1.
            guest.run_to_hvc(0x104);
            assert_eq!(guest.vcpu.get_sys_reg(SysReg::ESR_EL1), Ok(0xf200_0123));
            assert_eq!(guest.vcpu.get_sys_reg(SysReg::ELR_EL1), Ok(CODE));
            assert_eq!(guest.vcpu.get_sys_reg(SysReg::SPSR_EL1), Ok(EL1H_MASKED));
            assert_eq!(guest.pc(), VECTORS + 0x204);
        }),
        case("exits.undefined_goes_to_the_guest", Header, || {
            let guest = Guest::new(&[0]); // udf #0
            guest.run_to_hvc(0x104);
            assert_eq!(guest.vcpu.get_sys_reg(SysReg::ESR_EL1), Ok(0x0200_0000));
            assert_eq!(guest.vcpu.get_sys_reg(SysReg::ELR_EL1), Ok(CODE));
        }),
        case("exits.svc_goes_to_the_guest", Header, || {
            let guest = Guest::new(&[0xd400_0001 | 0x55 << 5]);
            guest.run_to_hvc(0x104);
            assert_eq!(guest.vcpu.get_sys_reg(SysReg::ESR_EL1), Ok(0x5600_0055));
            assert_eq!(guest.vcpu.get_sys_reg(SysReg::ELR_EL1), Ok(CODE + 4));
        }),
        case("exits.debug_traps_read_back", Observed, || {
            let guest = Guest::new(&[]);
            for on in [true, false] {
                guest.vcpu.set_trap_debug_exceptions(on).unwrap();
                guest.vcpu.set_trap_debug_reg_accesses(!on).unwrap();
                assert_eq!(guest.vcpu.get_trap_debug_exceptions(), Ok(on));
                assert_eq!(guest.vcpu.get_trap_debug_reg_accesses(), Ok(!on));
            }
        }),
        case("exits.debug_traps_are_off_at_first", Ours, || {
            let guest = Guest::new(&[]);
            assert_eq!(guest.vcpu.get_trap_debug_exceptions(), Ok(false));
            assert_eq!(guest.vcpu.get_trap_debug_reg_accesses(), Ok(false));
        }),
        // hv_vcpu.h: DBGBCR, DBGBVR, DBGWCR, DBGWVR and MDSCR_EL1.
        case("exits.debug_registers_when_trapped", Header, || {
            for register in [code::MDSCR_EL1, code::DBGBVR0_EL1] {
                for read in [true, false] {
                    let access = if read { mrs(6, register) } else { msr(register, 6) };
                    let guest = Guest::new(&[access]);
                    guest.vcpu.set_trap_debug_reg_accesses(true).unwrap();
                    let syndrome = guest.run_to_exception().syndrome;
                    assert_eq!(syndrome, SYSTEM_ACCESS | system_iss(register, 6, read));
                    assert_eq!(guest.pc(), CODE);
                }
            }
        }),
        case("exits.debug_registers_not_otherwise", Header, || {
            let guest = Guest::new(&[mrs(6, code::MDSCR_EL1), mrs(6, code::DBGBVR0_EL1), hvc(1)]);
            guest.run_to_hvc(1);
        }),
        // A debugger's three tools: MDSCR_EL1.SS with CPSR.SS, and MDE with a comparator. To EL2
        // the exceptions are from a lower level, whatever PSTATE.D masks.
        case("exits.debug_step", Observed, || {
            let guest = Guest::new(&[code::NOP, code::NOP, hvc(1)]);
            guest.vcpu.set_trap_debug_exceptions(true).unwrap();
            guest.vcpu.set_sys_reg(SysReg::MDSCR_EL1, 1).unwrap();
            for n in 1..=2 {
                guest.set(Reg::CPSR, EL1H_MASKED | 1 << 21);
                let syndrome = guest.run_to_exception().syndrome;
                assert_eq!((syndrome >> 26, syndrome & 0x3f), (0x32, 0x22), "{syndrome:#x}");
                assert_eq!(guest.pc(), CODE + 4 * n);
            }
            guest.vcpu.set_sys_reg(SysReg::MDSCR_EL1, 0).unwrap();
            guest.run_to_hvc(1);
        }),
        case("exits.debug_breakpoint", Observed, || {
            let guest = Guest::new(&[code::NOP, code::NOP, hvc(1)]);
            guest.vcpu.set_trap_debug_exceptions(true).unwrap();
            guest.vcpu.set_sys_reg(SysReg::DBGBVR0_EL1, CODE + 4).unwrap();
            guest.vcpu.set_sys_reg(SysReg::DBGBCR0_EL1, 1 | 3 << 1 | 0xf << 5).unwrap();
            guest.vcpu.set_sys_reg(SysReg::MDSCR_EL1, 1 << 15).unwrap();
            let syndrome = guest.run_to_exception().syndrome;
            assert_eq!((syndrome >> 26, syndrome & 0x3f), (0x30, 0x22), "{syndrome:#x}");
            assert_eq!(guest.pc(), CODE + 4);
            guest.vcpu.set_sys_reg(SysReg::DBGBCR0_EL1, 0).unwrap();
            guest.run_to_hvc(1);
        }),
        case("exits.debug_watchpoint", Observed, || {
            let guest = Guest::new(&[access(code::STR_X, 0, 1), hvc(1)]);
            guest.set(Reg::X1, DATA + 8);
            guest.vcpu.set_trap_debug_exceptions(true).unwrap();
            guest.vcpu.set_sys_reg(SysReg::DBGWVR0_EL1, DATA + 8).unwrap();
            guest.vcpu.set_sys_reg(SysReg::DBGWCR0_EL1, 1 | 3 << 1 | 2 << 3 | 0xff << 5).unwrap();
            guest.vcpu.set_sys_reg(SysReg::MDSCR_EL1, 1 << 15).unwrap();
            let exit = guest.run_to_exception();
            assert_eq!((exit.syndrome >> 26, exit.syndrome & 0x7f), (0x34, 0x62));
            assert_eq!((guest.pc(), exit.virtual_address), (CODE, DATA + 8));
            guest.vcpu.set_sys_reg(SysReg::MDSCR_EL1, 0).unwrap();
            guest.run_to_hvc(1);
        }),
    ]
}

fn abort_cases() -> Vec<Case> {
    let load = access(code::LDR_X, 0, 1);
    let store = access(code::STR_X, 0, 1);
    let valid_x0 = Valid { size: 3, sign_extend: false, register: 0, is_64: true }.iss();
    let protected = move |instruction, flags, address| {
        let guest = Guest::new(&[instruction, hvc(1)]);
        assert_eq!(raw::hv_vm_protect(DATA, PAGE, flags), raw::SUCCESS);
        guest.set(Reg::X1, address);
        guest
    };
    vec![
        case("exits.fetch_from_nothing", Observed, || {
            let guest = Guest::new(&[]);
            guest.set(Reg::PC, NOTHING + 0x40);
            expect_abort(&guest, INSTRUCTION_ABORT | TRANSLATION, NOTHING + 0x40);
            assert_eq!(guest.pc(), NOTHING + 0x40);
        }),
        case("exits.branch_to_nothing", Observed, || {
            let guest = Guest::new(&[br(1)]);
            guest.set(Reg::X1, NOTHING);
            expect_abort(&guest, INSTRUCTION_ABORT | TRANSLATION, NOTHING);
            assert_eq!(guest.pc(), NOTHING);
        }),
        case("exits.fetch_from_a_page_without_execute", Observed, || {
            let guest = Guest::new(&[br(1)]);
            guest.set(Reg::X1, DATA + 0x10);
            expect_abort(&guest, INSTRUCTION_ABORT | PERMISSION, DATA + 0x10);
        }),
        case("exits.fetch_past_the_ipa_space", Ours, || {
            let guest = Guest::new(&[]);
            guest.set(Reg::PC, 1 << 40);
            // An address size fault of stage 1 with the MMU off (PARange), taken to EL1.
            guest.run_to_hvc(0x104);
            assert_eq!(guest.vcpu.get_sys_reg(SysReg::ESR_EL1), Ok(0x8600_0000));
            assert_eq!(guest.vcpu.get_sys_reg(SysReg::FAR_EL1), Ok(1 << 40));
        }),
        case("exits.store_to_a_read_only_page", Observed, move || {
            let guest = protected(store, raw::READ, DATA + 0x20);
            guest.set(Reg::X0, 0x1234);
            expect_abort(&guest, DATA_ABORT | valid_x0 | WNR | PERMISSION, DATA + 0x20);
            assert_eq!(guest.pc(), CODE);
            assert_eq!(guest.data.read(0x20), 0, "the store went through");
        }),
        case("exits.load_from_a_read_only_page_does_not", Observed, move || {
            let guest = protected(load, raw::READ, DATA + 0x20);
            guest.data.write(0x20, 0x5678);
            guest.run_to_hvc(1);
            assert_eq!(guest.get(Reg::X0), 0x5678);
        }),
        case("exits.load_from_a_page_without_read", Ours, move || {
            let guest = protected(load, raw::EXEC, DATA + 8);
            expect_abort(&guest, DATA_ABORT | valid_x0 | PERMISSION, DATA + 8);
        }),
        case("exits.load_from_a_page_without_anything", Ours, move || {
            let guest = protected(load, 0, DATA);
            expect_abort(&guest, DATA_ABORT | valid_x0 | PERMISSION, DATA);
        }),
        case("exits.store_goes_on_after_protect", Observed, move || {
            let guest = protected(store, raw::READ, DATA);
            guest.set(Reg::X0, 0x77);
            expect_abort(&guest, DATA_ABORT | valid_x0 | WNR | PERMISSION, DATA);
            assert_eq!(raw::hv_vm_protect(DATA, PAGE, raw::RW), raw::SUCCESS);
            guest.run_to_hvc(1);
            assert_eq!(guest.data.read(0), 0x77);
        }),
        case("exits.protect_of_one_page_leaves_the_next", Observed, move || {
            let guest = Guest::new(&[store, hvc(1)]);
            let more = raw::Host::new(2 * PAGE);
            let base = NOTHING + PAGE as u64;
            assert_eq!(raw::hv_vm_map(more.addr(), base, 2 * PAGE, raw::RW), raw::SUCCESS);
            assert_eq!(raw::hv_vm_protect(base, PAGE, raw::READ), raw::SUCCESS);
            guest.set(Reg::X0, 0x99);
            guest.set(Reg::X1, base + PAGE as u64);
            guest.run_to_hvc(1);
            assert_eq!(more.read(PAGE), 0x99);
            guest.set(Reg::PC, CODE);
            guest.set(Reg::X1, base);
            expect_abort(&guest, DATA_ABORT | valid_x0 | WNR | PERMISSION, base);
            assert_eq!(raw::hv_vm_unmap(base, 2 * PAGE), raw::SUCCESS);
        }),
    ]
}

fn access_cases() -> Vec<Case> {
    let mut cases: Vec<Case> = ACCESSES
        .iter()
        .map(|&(name, base, size, sign_extend, is_64, is_store)| {
            case(format!("exits.mmio_{name}"), Observed, move || {
                let guest = Guest::new(&[access(base, 5, 1)]);
                let address = NOTHING + 0x18;
                guest.set(Reg::X1, address);
                let valid = Valid { size, sign_extend, register: 5, is_64 };
                let wnr = if is_store { WNR } else { 0 };
                expect_abort(&guest, DATA_ABORT | valid.iss() | wnr | TRANSLATION, address);
                assert_eq!(guest.pc(), CODE);
            })
        })
        .collect();
    cases.push(case("exits.mmio_store_of_zero_names_xzr", Header, || {
        let guest = Guest::new(&[access(code::STR_W, 31, 1)]);
        guest.set(Reg::X1, NOTHING);
        let valid = Valid { size: 2, sign_extend: false, register: 31, is_64: false };
        expect_abort(&guest, DATA_ABORT | valid.iss() | WNR | TRANSLATION, NOTHING);
    }));
    // ISV is 0 for pairs and for write-back: nothing but the address is told.
    cases.push(case("exits.mmio_pair_has_no_syndrome", Header, || {
        let guest = Guest::new(&[ldp(4, 5, 1)]);
        guest.set(Reg::X1, NOTHING);
        expect_abort(&guest, DATA_ABORT | TRANSLATION, NOTHING);
    }));
    cases.push(case("exits.mmio_post_index_has_no_syndrome", Header, || {
        let guest = Guest::new(&[ldr_post(4, 1)]);
        guest.set(Reg::X1, NOTHING + 8);
        expect_abort(&guest, DATA_ABORT | TRANSLATION, NOTHING + 8);
        assert_eq!(guest.get(Reg::X1), NOTHING + 8, "written back although it aborted");
    }));
    cases.push(case("exits.mmio_is_emulated_by_the_caller", Observed, || {
        let guest = Guest::new(&[access(code::LDR_W, 5, 1), hvc(1)]);
        guest.set(Reg::X1, NOTHING);
        guest.run_to_exception();
        guest.set(Reg::X5, 0xabcd);
        guest.set(Reg::PC, guest.pc() + 4);
        guest.run_to_hvc(1);
        assert_eq!(guest.get(Reg::X5), 0xabcd);
    }));
    cases
}

fn system_cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SYSTEM_ACCESSES
        .iter()
        .map(|&(name, register, read)| {
            case(format!("exits.{name}"), Observed, move || {
                let instruction = if read { mrs(9, register) } else { msr(register, 9) };
                let guest = Guest::new(&[instruction, hvc(1)]);
                let syndrome = guest.run_to_exception().syndrome;
                let expected = SYSTEM_ACCESS | system_iss(register, 9, read);
                assert_eq!(syndrome, expected, "{syndrome:#x} is not {expected:#x}");
                assert_eq!(guest.pc(), CODE);
                guest.set(Reg::PC, CODE + 4);
                guest.run_to_hvc(1);
            })
        })
        .collect();
    cases.push(case("exits.msr_of_xzr_names_31", Header, || {
        let guest = Guest::new(&[msr(code::PMCR_EL0, 31)]);
        let syndrome = guest.run_to_exception().syndrome;
        assert_eq!(syndrome, SYSTEM_ACCESS | system_iss(code::PMCR_EL0, 31, false));
    }));
    cases.push(case("exits.id_registers_do_not", Observed, || {
        let guest = Guest::new(&[mrs(3, code::system(3, 0, 0, 7, 0)), hvc(1)]);
        guest.run_to_hvc(1);
        let api = guest.vcpu.get_sys_reg(SysReg::ID_AA64MMFR0_EL1);
        assert_eq!(api, Ok(guest.get(Reg::X3)));
    }));
    cases
}

fn run_cases() -> Vec<Case> {
    vec![
        // The binding's tests set PC alone.
        case("exits.a_fresh_vcpu_runs_with_pc_alone", Observed, || {
            let guest = Guest::new(&[hvc(1)]);
            guest.run_to_hvc(1);
            assert_eq!(guest.get(Reg::CPSR), EL1H_MASKED);
        }),
        case("exits.illegal_state", Header, || {
            // EL2h, EL3h, EL1 with a reserved bit of M, AArch32 (DDI 0487, SPSR_EL2.M).
            for cpsr in [0x3c9, 0x3cd, 0x3c6, 0x1d3] {
                let guest = Guest::new(&[hvc(1)]);
                guest.set(Reg::CPSR, cpsr);
                assert_eq!(guest.vcpu.run(), Err(HypervisorError::IllegalState), "{cpsr:#x}");
                guest.set(Reg::CPSR, EL1H_MASKED);
                guest.run_to_hvc(1);
            }
        }),
        case("exits.el0_runs_too", Header, || {
            // svc #9 at EL0: slot 8, synchronous from a lower EL.
            let guest = Guest::new(&[0xd400_0001 | 9 << 5]);
            guest.set(Reg::CPSR, 0x3c0);
            guest.run_to_hvc(0x108);
            assert_eq!(guest.vcpu.get_sys_reg(SysReg::ESR_EL1), Ok(0x5600_0009));
            assert_eq!(guest.vcpu.get_sys_reg(SysReg::SPSR_EL1), Ok(0x3c0));
        }),
        case("exits.execution_time_grows", Header, || {
            // A loop of 0xffff rounds, as in the binding's test: add, cmp, b.ls.
            let guest = Guest::new(&[code::increment(0), 0xeb01_001f, 0x54ff_ffc9, hvc(1)]);
            guest.set(Reg::X1, 0xffff);
            let before = guest.vcpu.get_exec_time().unwrap();
            guest.run_to_hvc(1);
            let first = guest.vcpu.get_exec_time().unwrap();
            assert!(first > before, "{first} is not more than {before}");
            guest.set(Reg::PC, CODE);
            guest.set(Reg::X0, 0);
            guest.run_to_hvc(1);
            assert!(guest.vcpu.get_exec_time().unwrap() > first);
        }),
        case("exits.execution_time_is_not_the_caller_s", Header, || {
            let guest = Guest::new(&[hvc(1)]);
            guest.run_to_hvc(1);
            let before = guest.vcpu.get_exec_time().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
            let grown = guest.vcpu.get_exec_time().unwrap().abs_diff(before);
            // In nanoseconds or in ticks: nothing like 20 ms. (Not nothing at all, where the
            // framework calibrates its clock meanwhile.)
            assert!(grown < 200_000, "{grown}");
        }),
        case("exits.code_written_between_runs_is_run", Ours, || {
            let guest = Guest::new(&[hvc(1), hvc(2)]);
            guest.run_to_hvc(1);
            guest.code.write_code(0, &[hvc(5)]);
            guest.code.write_code(4, &[hvc(6)]);
            guest.run_to_hvc(6);
            guest.set(Reg::PC, CODE);
            guest.run_to_hvc(5);
        })
        .not_on_a_mac(), // there the host must clean its caches first
    ]
}
