//! Accesses to a device that the monitor emulates: every size and form, what the exit says of
//! them, and whether the value arrives.
//!
//! A stage-2 fault describes the access (ISV = 1) if it loads or stores one general-purpose
//! register and does not write back a base. Of the rest (pairs, pre- and post-index) the
//! hypervisor must read the instruction itself.

use core::arch::naked_asm;

use anyvisor_abi::case::Needs;
use anyvisor_abi::service::AFTER_HANDLE;
use anyvisor_arch::descriptor::{AF, AP_EL0, Granule, PXN, UXN};
use anyvisor_arch::esr::{Access, DataAbort, ExceptionClass, FaultStatus};

use super::stage2::check_exit;
use crate::access::{El, load, store};
use crate::machine;
use crate::mmu::DEVICE;
use crate::mmu::window::Window;
use crate::services::{self, Expected};
use crate::{case, check_eq, skip};

/// X7, X6 and X1 after the instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
struct Registers {
    x7: u64,
    x6: u64,
    x1: u64,
}

/// One instruction that uses X1 as its base and X7 (and X6) as its data.
struct Instruction {
    text: &'static str,
    /// It stands at this function's address: (0, base, where to put the registers, 0, 0, 0, X6,
    /// X7).
    code: unsafe extern "C" fn(u64, u64, *mut Registers, u64, u64, u64, u64, u64),
    write: bool,
    /// What the syndrome says of it; nothing: ISV = 0.
    access: Option<Access>,
}

macro_rules! instruction {
    ($text:literal, $write:expr, $access:expr) => {{
        #[unsafe(naked)]
        unsafe extern "C" fn code(
            _: u64,
            base: u64,
            out: *mut Registers,
            _: u64,
            _: u64,
            _: u64,
            x6: u64,
            x7: u64,
        ) {
            naked_asm!($text, "stp x7, x6, [x2]", "str x1, [x2, #16]", "ret")
        }
        Instruction { text: $text, code, write: $write, access: $access }
    }};
}

const READ: bool = false;
const WRITE: bool = true;

/// What the syndrome says of a plain access of X7 or W7.
const fn plain(size_log2: u8, sign_extend: bool, register_64: bool) -> Option<Access> {
    Some(Access { size_log2, sign_extend, register: 7, register_64, ordered: false })
}

fn scratch() -> u64 {
    match machine::get().scratch {
        Some(region) => region.start,
        None => skip!("the FDT names no device \"anyvisor,scratch\""),
    }
}

/// Runs the instruction with its exit announced, and checks the exit.
fn run(instruction: &Instruction, base: u64, touched: u64, x6: u64, x7: u64) -> Registers {
    let mut abort = DataAbort::new(FaultStatus::Translation(0), instruction.write);
    abort.access = instruction.access;
    services::expect_exit(Expected {
        ec: ExceptionClass::DataAbortLower as u64,
        iss: (abort.iss(), 0x1ff_ffff & !0b11), // the level is the hypervisor's own affair
        far: Some(touched),
        ipa: Some(touched),
        pc: Some(instruction.code as *const () as u64),
        after: AFTER_HANDLE,
    });
    let mut registers = Registers::default();
    // SAFETY: the instruction touches the test device only; the routine keeps AAPCS64.
    unsafe { (instruction.code)(0, base, &mut registers, 0, 0, 0, x6, x7) };
    let seen = services::exit_record();
    assert!(
        seen.verdict == anyvisor_abi::service::VERDICT_MATCH,
        "{}: verdict {} (differs {:#07b}), the exit was {}, FAR {:#x}, IPA {:#x}, PC {:#x}",
        instruction.text,
        seen.verdict,
        seen.differs,
        seen.esr,
        seen.far,
        seen.ipa,
        seen.pc
    );
    registers
}

const PATTERN: u64 = 0x8182_8384_8586_8788;

fn fill(at: u64) {
    store(El::El1, at, PATTERN).value();
    store(El::El1, at + 8, !PATTERN).value();
}

case! {
    /// LDRB, LDRH, LDR W, LDR X: SAS is the size, SRT the register, SF says X or W. What is read
    /// is zero-extended to all 64 bits.
    "stage2.mmio_load": "device loads of 1, 2, 4, 8 bytes: SAS, SRT, SF; the value zero-extended";
    reference: "DDI 0487: ESR_EL2, ISS for a Data Abort (SAS, SRT, SF)";
    needs: Needs::SERVICES;
    fn mmio_load() {
        let at = scratch() + 0x100;
        fill(at);
        let rows = [
            (instruction!("ldrb w7, [x1]", READ, plain(0, false, false)), 0xff),
            (instruction!("ldrh w7, [x1]", READ, plain(1, false, false)), 0xffff),
            (instruction!("ldr w7, [x1]", READ, plain(2, false, false)), 0xffff_ffff),
            (instruction!("ldr x7, [x1]", READ, plain(3, false, true)), u64::MAX),
        ];
        for (instruction, mask) in rows {
            let after = run(&instruction, at, at, 0, u64::MAX);
            check_eq!(after.x7, PATTERN & mask, "X7 after {}", instruction.text);
        }
    }
}

case! {
    /// STRB, STRH, STR W, STR X store the register's low bytes and leave the bytes beside alone.
    "stage2.mmio_store": "device stores of 1, 2, 4, 8 bytes: SAS, SRT, WnR; only those bytes change";
    reference: "DDI 0487: ESR_EL2, ISS for a Data Abort (SAS, SRT, SF, WnR)";
    needs: Needs::SERVICES;
    fn mmio_store() {
        let at = scratch() + 0x200;
        let value = 0x0102_0304_0506_0708;
        let rows = [
            (instruction!("strb w7, [x1]", WRITE, plain(0, false, false)), 0xff),
            (instruction!("strh w7, [x1]", WRITE, plain(1, false, false)), 0xffff),
            (instruction!("str w7, [x1]", WRITE, plain(2, false, false)), 0xffff_ffff),
            (instruction!("str x7, [x1]", WRITE, plain(3, false, true)), u64::MAX),
        ];
        for (instruction, mask) in rows {
            fill(at);
            run(&instruction, at, at, 0, value);
            let wanted = value & mask | PATTERN & !mask;
            check_eq!(load(El::El1, at).value(), wanted, "device after {}", instruction.text);
            check_eq!(load(El::El1, at + 8).value(), !PATTERN, "beside {}", instruction.text);
        }
    }
}

case! {
    /// Sign-extending loads: SSE is set, SF says how far the sign goes (W: to bit 31, and zeros
    /// above).
    "stage2.mmio_sign_extend": "LDRSB, LDRSH, LDRSW from a device: SSE, SF; the sign goes to W or X";
    reference: "DDI 0487: ESR_EL2, ISS for a Data Abort (SSE, SF)";
    needs: Needs::SERVICES;
    fn mmio_sign_extend() {
        let at = scratch() + 0x300;
        fill(at);
        let rows = [
            (instruction!("ldrsb w7, [x1]", READ, plain(0, true, false)), 0xffff_ff88),
            (instruction!("ldrsb x7, [x1]", READ, plain(0, true, true)), 0xffff_ffff_ffff_ff88),
            (instruction!("ldrsh w7, [x1]", READ, plain(1, true, false)), 0xffff_8788),
            (instruction!("ldrsh x7, [x1]", READ, plain(1, true, true)), 0xffff_ffff_ffff_8788),
            (instruction!("ldrsw x7, [x1]", READ, plain(2, true, true)), 0xffff_ffff_8586_8788),
        ];
        for (instruction, wanted) in rows {
            let after = run(&instruction, at, at, 0, 0);
            check_eq!(after.x7, wanted, "X7 after {}", instruction.text);
        }
        // A positive number stays one.
        store(El::El1, at, 0x7f).value();
        let instruction = instruction!("ldrsb x7, [x1]", READ, plain(0, true, true));
        check_eq!(run(&instruction, at, at, 0, 0).x7, 0x7f, "X7 after a positive LDRSB");
    }
}

case! {
    /// Register 31 is XZR in a load or store: a store writes zero, a load only has its effect on
    /// the device. SRT is 31.
    "stage2.mmio_xzr": "STR XZR writes 0 to a device, LDR XZR reads it for nothing: SRT 31";
    reference: "DDI 0487: ESR_EL2, ISS for a Data Abort (SRT = 31)";
    needs: Needs::SERVICES;
    fn mmio_xzr() {
        let at = scratch() + 0x400;
        fill(at);
        let xzr = |register_64| {
            let size_log2 = if register_64 { 3 } else { 2 };
            Some(Access { size_log2, sign_extend: false, register: 31, register_64, ordered: false })
        };
        run(&instruction!("ldr xzr, [x1]", READ, xzr(true)), at, at, 0, 0);
        check_eq!(load(El::El1, at).value(), PATTERN, "device after the load");
        run(&instruction!("str wzr, [x1]", WRITE, xzr(false)), at, at, 0, u64::MAX);
        check_eq!(load(El::El1, at).value(), PATTERN & !0xffff_ffff, "device after STR WZR");
        run(&instruction!("str xzr, [x1]", WRITE, xzr(true)), at, at, 0, u64::MAX);
        check_eq!(load(El::El1, at).value(), 0, "device after STR XZR");
    }
}

case! {
    /// Offsets, immediate and by register, do not write back: ISV stays 1, and FAR has the sum.
    "stage2.mmio_offset": "device accesses with immediate and register offsets: ISV, FAR the sum";
    reference: "DDI 0487: ESR_EL2, ISS for a Data Abort (ISV)";
    needs: Needs::SERVICES;
    fn mmio_offset() {
        let at = scratch() + 0x500;
        fill(at);
        let x = plain(3, false, true);
        let up = instruction!("ldr x7, [x1, #0x40]", READ, x);
        check_eq!(run(&up, at - 0x40, at, 0, 0).x7, PATTERN, "X7 after an immediate offset");
        let down = instruction!("ldur x7, [x1, #-24]", READ, x);
        check_eq!(run(&down, at + 24, at, 0, 0).x7, PATTERN, "X7 after a negative offset");
        let index = instruction!("ldr x7, [x1, x6, lsl #3]", READ, x);
        check_eq!(run(&index, at - 64, at, 8, 0).x7, PATTERN, "X7 after a register offset");
        let after = run(&instruction!("str x7, [x1, w6, sxtw]", WRITE, x), at + 4, at, 0xffff_fffc, 5);
        check_eq!(load(El::El1, at).value(), 5, "device after a sign-extended register offset");
        check_eq!(after.x1, at + 4, "X1, not written back");
    }
}

case! {
    /// LDP and STP transfer two registers, which a syndrome has no room for: ISV = 0, and the
    /// hypervisor decodes the instruction.
    "stage2.mmio_pair": "LDP and STP of a device: ISV = 0, both registers right";
    reference: "DDI 0487: ESR_EL2, ISS for a Data Abort (ISV = 0 for a pair)";
    needs: Needs::SERVICES;
    fn mmio_pair() {
        let at = scratch() + 0x600;
        fill(at);
        let after = run(&instruction!("ldp x7, x6, [x1]", READ, None), at, at, 0, 0);
        check_eq!(after.x7, PATTERN, "X7 after LDP X");
        check_eq!(after.x6, !PATTERN, "X6 after LDP X");
        let after = run(&instruction!("ldp w7, w6, [x1, #8]", READ, None), at - 8, at, 0, u64::MAX);
        check_eq!(after.x7, PATTERN & 0xffff_ffff, "X7 after LDP W");
        check_eq!(after.x6, PATTERN >> 32, "X6 after LDP W");
        let after = run(&instruction!("ldpsw x7, x6, [x1]", READ, None), at, at, 0, 0);
        check_eq!(after.x7, 0xffff_ffff_8586_8788, "X7 after LDPSW");
        check_eq!(after.x6, 0xffff_ffff_8182_8384, "X6 after LDPSW");
        run(&instruction!("stp x7, x6, [x1, #-16]", WRITE, None), at + 16, at, 2, 1);
        check_eq!(load(El::El1, at).value(), 1, "device, first of STP X");
        check_eq!(load(El::El1, at + 8).value(), 2, "device, second of STP X");
        run(&instruction!("stp w7, wzr, [x1]", WRITE, None), at, at, 0, u64::MAX);
        check_eq!(load(El::El1, at).value(), 0xffff_ffff, "device after STP W, WZR");
    }
}

case! {
    /// Pre- and post-index write the base back: ISV = 0. The base is written once, after the
    /// access, and FAR is the address that was accessed.
    "stage2.mmio_writeback": "pre- and post-index device accesses: ISV = 0, value and base right";
    reference: "DDI 0487: ESR_EL2, ISS for a Data Abort (ISV = 0 with writeback)";
    needs: Needs::SERVICES;
    fn mmio_writeback() {
        let at = scratch() + 0x700;
        fill(at);
        let after = run(&instruction!("ldr x7, [x1], #8", READ, None), at, at, 0, 0);
        check_eq!(after.x7, PATTERN, "X7 after a post-index load");
        check_eq!(after.x1, at + 8, "X1 after a post-index load");
        let after = run(&instruction!("ldrsh w7, [x1, #-6]!", READ, None), at + 6, at, 0, 0);
        check_eq!(after.x7, 0xffff_8788, "X7 after a pre-index load");
        check_eq!(after.x1, at, "X1 after a pre-index load");
        let after = run(&instruction!("strb w7, [x1], #-1", WRITE, None), at, at, 0, 0x1ff);
        check_eq!(load(El::El1, at).value(), PATTERN | 0xff, "device after a post-index store");
        check_eq!(after.x1, at - 1, "X1 after a post-index store");
        let after = run(&instruction!("stp x7, x6, [x1, #16]!", WRITE, None), at - 16, at, 4, 3);
        check_eq!(load(El::El1, at).value(), 3, "device, first of a pre-index pair");
        check_eq!(load(El::El1, at + 8).value(), 4, "device, second of a pre-index pair");
        check_eq!(after.x1, at, "X1 after a pre-index pair");
        let after = run(&instruction!("ldp x7, x6, [x1], #-32", READ, None), at, at, 0, 0);
        check_eq!(after.x7 << 8 | after.x6, 0x304, "the pair after a post-index load");
        check_eq!(after.x1, at - 32, "X1 after a post-index pair");
    }
}

case! {
    /// Load-acquire and store-release set AR in the syndrome.
    "stage2.mmio_ordered": "LDAR and STLR of a device: ISV, AR = 1";
    reference: "DDI 0487: ESR_EL2, ISS for a Data Abort (AR)";
    needs: Needs::SERVICES;
    fn mmio_ordered() {
        let at = scratch() + 0x800;
        fill(at);
        let ordered = |size_log2, register_64| {
            Some(Access { size_log2, sign_extend: false, register: 7, register_64, ordered: true })
        };
        let after = run(&instruction!("ldar x7, [x1]", READ, ordered(3, true)), at, at, 0, 0);
        check_eq!(after.x7, PATTERN, "X7 after LDAR");
        run(&instruction!("stlr w7, [x1]", WRITE, ordered(2, false)), at, at, 0, 6);
        check_eq!(load(El::El1, at).value(), PATTERN & !0xffff_ffff | 6, "device after STLR");
    }
}

case! {
    /// A device that the kernel lets EL0 have: the exit is the same, EC 0x24 does not tell EL0
    /// from EL1.
    "stage2.mmio_el0": "EL0's accesses to a device page exit and are served like EL1's";
    reference: "DDI 0487: ESR_EL2, EC 0b100100, Data Abort from a lower Exception level";
    needs: Needs::SERVICES;
    fn mmio_el0() {
        let device = scratch();
        let mut window = Window::open(Granule::K4, 39);
        let va = window.base() + 0x9000;
        window.tables.map(va, device, 3, DEVICE | AF | AP_EL0 | UXN | PXN);
        fill(device + 0x900);
        services::expect_exit(Expected {
            ec: ExceptionClass::DataAbortLower as u64,
            iss: (0, 0),
            far: Some(va + 0x900),
            ipa: Some(device + 0x900),
            pc: None,
            after: AFTER_HANDLE,
        });
        let read = load(El::El0, va + 0x900);
        check_exit();
        check_eq!(read.value(), PATTERN, "what EL0 read");
        store(El::El0, va + 0x908, 9).value();
        check_eq!(load(El::El1, device + 0x908).value(), 9, "what EL0 wrote");
    }
}
