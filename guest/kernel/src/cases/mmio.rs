//! Accesses to a device that the monitor emulates: every size and form, what the exit says of them,
//! and whether the value arrives.
//!
//! A stage-2 fault describes the access (ISV = 1) if it loads or stores one general-purpose
//! register and does not write back a base. Of the rest (pairs, pre- and post-index) the hypervisor
//! must read the instruction itself.
//!
//! ```text
//!   ESR_EL2  31:26 25 24  23:22 21  20:16 15 14 .. 6   5:0
//!            EC    IL ISV SAS   SSE SRT   SF AR    WnR DFSC
//!   0x24           1  size  sign  Rt    X  LDAR
//! ```
//!
//! The device here is a page of bytes behind exits. Each instruction stands alone in a routine, so
//! its PC is known; base X1, data X7 and X6.

use core::arch::naked_asm;

use anyvisor_abi::case::Needs;
use anyvisor_abi::service::AFTER_HANDLE;
use anyvisor_arch::descriptor::{AF, AP_EL0, Granule, PXN, UXN};
use anyvisor_arch::esr::{Access, DataAbort, ExceptionClass, FaultStatus};

use super::stage2::{ALL_BUT_LEVEL, X7, check_exit};
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
        iss: (abort.iss(), ALL_BUT_LEVEL),
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
    /// A device load of 1, 2, 4 or 8 bytes exits with ISV = 1. SAS has the size (0 to 3), SRT the
    /// register's number, SF whether it is X or W. The hypervisor asks its device, zero-extends the
    /// value, writes the register, and advances PC. A load to W clears the upper half of X.
    ///
    /// The case reads a pattern with LDRB, LDRH, LDR W and LDR X into an X7 that held all ones, and
    /// compares the syndrome and all 64 bits.
    ///
    /// ```text
    ///   ldrb w7, [x1]  SAS 0  -->  X7 = 0x0000_0000_0000_0088
    ///   ldrh w7, [x1]  SAS 1  -->  X7 = 0x0000_0000_0000_8788
    ///   ldr  w7, [x1]  SAS 2  -->  X7 = 0x0000_0000_8586_8788
    /// ```
    ///
    /// The usual mistake is to write only as many bytes into the register as were read, and to
    /// leave the rest as it was. Drivers mostly mask what they read, so that it shows late: a
    /// driver's 64-bit compare of a value that it read as 32 bits then fails, sometimes.
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
    /// A device store exits with WnR = 1. The low bytes of register SRT, as many as SAS says, are
    /// the data. The hypervisor writes these bytes to the device and no others.
    ///
    /// The case stores with STRB, STRH, STR W and STR X over a pattern, and reads the eight bytes
    /// and their neighbours back: only the named bytes may have changed.
    ///
    /// ```text
    ///   X7 = 01 02 03 04 05 06 07 08
    ///   strh w7, [x1]   SAS 1, WnR 1 --> device gets 0x0708, 2 bytes
    /// ```
    ///
    /// A hypervisor that passes the whole register on, with the size lost, writes the neighbouring
    /// device registers too: on a UART or an interrupt controller, whose registers are packed, a
    /// byte write then acknowledges interrupts or changes priorities of three others. One that
    /// rounds every access up to 4 bytes, because "devices are 32-bit", breaks those that tell a
    /// byte write from a word.
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
    /// LDRSB, LDRSH and LDRSW fill the register with the sign of what was read. The syndrome has
    /// SSE = 1, and SF says how far: to 32 bits, with zeros above, for a W register, or to 64 for
    /// X. The device sees a plain read of that size; the extension is the hypervisor's work.
    ///
    /// The case reads negative bytes, halfwords and words in all five forms, and one positive byte.
    ///
    /// ```text
    ///   byte 0x88     ldrsb w7   SSE 1 SF 0   0x0000_0000_ffff_ff88
    ///                 ldrsb x7   SSE 1 SF 1   0xffff_ffff_ffff_ff88
    /// ```
    ///
    /// Sign-extending loads of devices are rare in drivers written in C, but the compiler makes
    /// them where a register is read through a signed type. An emulation that ignores SSE then
    /// turns -1 into 255 (an error code becomes a length), and one that ignores SF leaves ones in
    /// the upper half of a W register, which the next 64-bit addition uses as an address.
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
    /// Register number 31 in a load or store is XZR, not SP. A store of it writes zeros; a load
    /// from a device is done for its side effect, and the value is thrown away. The syndrome has
    /// SRT = 31.
    ///
    /// The case loads a device into XZR, with the exit checked, and stores WZR and XZR over a
    /// pattern: 4 and then 8 bytes must become zero, while X7, at hand with all ones, must not be
    /// what arrives.
    ///
    /// ```text
    ///   str wzr, [x1]   SRT 31 --> 0, 4 bytes
    ///   ldr xzr, [x1]   SRT 31 --> device read, no register written
    /// ```
    ///
    /// Compilers use XZR for each `writel(0, ...)`, so this is no corner. A hypervisor whose
    /// register array has 31 entries reads past its end (in KVM's words, `vcpu_get_reg` must say 0
    /// for 31); one whose array has SP at index 31 writes the guest's stack pointer into the
    /// device, or a device's value into the guest's stack pointer.
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
    /// Addressing with an offset, immediate or by register, does not write the base back, so ISV
    /// stays 1. The hypervisor need not know how the address was made: FAR_EL2 has the sum, and the
    /// IPA belongs to it.
    ///
    /// The case loads with an immediate offset, a negative unscaled one (LDUR) and a register
    /// shifted by 3, and stores with a sign-extended W register as the offset. FAR and IPA must be
    /// those of the sum, and the base X1 unchanged.
    ///
    /// ```text
    ///   ldr x7, [x1, x6, lsl #3]    X1 + (X6 << 3) = FAR
    ///   str x7, [x1, w6, sxtw]      X1 + sext(W6)  = FAR
    /// ```
    ///
    /// Who decodes instructions although ISV is set does needless work, and gets it wrong in the
    /// extensions: UXTW for SXTW is off by 4 GiB. An emulator has to compute the sum first and
    /// report that. FAR without the offset makes all registers of a driver's structure the first
    /// one.
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
    /// LDP and STP transfer two registers. The syndrome has no room for that: ISV = 0, and SAS, SRT
    /// and SF mean nothing. The hypervisor gets only FAR, IPA and WnR, and if it wants to serve the
    /// access it has to fetch the instruction at ELR_EL2 from the guest's memory and decode it.
    ///
    /// The case uses LDP of X and W, LDPSW, STP of X and of W with WZR, with offsets both ways, and
    /// wants ISV = 0 in the exit and the right values in both registers or places.
    ///
    /// ```text
    ///   ldp x7, x6, [x1]   EL2: ISV = 0 --> read the word at ELR_EL2
    ///                      two accesses: IPA, IPA + 8 --> X7, X6; PC += 4
    /// ```
    ///
    /// KVM does not decode: it fails the run with ENOSYS or leaves it to the VMM, so Linux's
    /// drivers must avoid such accesses, and a `memcpy` from a device page is a guest's bug there.
    /// A hypervisor that uses SRT all the same loads register 0. Our monitor decodes; one that does
    /// not should refuse in words.
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
    /// Pre- and post-indexed forms write the base register back. The syndrome cannot say that, so
    /// ISV = 0. The base is written once, after the access; FAR_EL2 is the address that was
    /// accessed: for a pre-index the sum, for a post-index the old base.
    ///
    /// The case loads, stores and moves pairs with pre- and post-index, up and down, and compares
    /// value, device and base.
    ///
    /// ```text
    ///   ldr x7, [x1], #8     access at X1,      then X1 += 8
    ///   ldrsh w7, [x1, #-6]! access at X1 - 6,  X1 = that
    /// ```
    ///
    /// Compilers make such instructions out of a loop over a device's FIFO. A hypervisor that
    /// decodes them and forgets the base reads one register for ever; one that updates it and then
    /// has the instruction run again steps twice. An emulator must update the base only when the
    /// access is done: after a fault that is injected into the guest the base has to be what it
    /// was, or the retry is at the wrong place.
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
    /// LDAR and STLR are one access of one register without writeback, so ISV = 1. AR = 1 says that
    /// the access has acquire or release semantics, which a hypervisor must honour when it carries
    /// the access out for the guest: the access to the device model has to be ordered with the
    /// guest's other memory as the instruction would have been.
    ///
    /// The case loads X7 by LDAR, stores W7 by STLR, and compares the syndrome with AR = 1 and the
    /// values.
    ///
    /// ```text
    ///   stlr w7, [x1]   ISV 1  SAS 2  AR 1  WnR 1
    ///      barrier --> device write            (release)
    ///   ldar x7, [x1]   device read --> barrier (acquire)
    /// ```
    ///
    /// A hypervisor whose exit path contains a full barrier anyway can ignore AR; one that hands
    /// the access to another thread cannot. An emulator that decodes LDAR as an exclusive sets
    /// ISV = 0, because exclusives have no description, and makes a hypervisor refuse what the
    /// manual describes. Linux uses acquire and release on ordinary memory, seldom on devices.
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
    /// A kernel may map a device for EL0. The exit of EL0's access is the same: EC 0x24 means a
    /// data abort from a level below EL2, and does not tell EL0 from EL1. Who wants to know looks
    /// at SPSR_EL2.M.
    ///
    /// The case maps the test device for EL0, loads there with the whole syndrome, FAR and IPA
    /// announced, and wants the value; then stores from EL0 and reads the result at EL1.
    ///
    /// ```text
    ///   EL0   ldr x1, [x0] --+
    ///   EL1   ldr x7, [x1] --+--> stage 2 --> EL2: EC 0x24, served alike
    /// ```
    ///
    /// Stage 1 has decided already that EL0 may, so the hypervisor has no reason to refuse; DPDK
    /// and other user-level drivers work so. Injecting an abort "because it was user mode" breaks
    /// them. If the hypervisor decodes the instruction (ISV = 0) it must read it with EL0's
    /// translation, and be aware that another thread of that process may change the word between
    /// the exit and the reading: it may only trust what it has checked.
    "stage2.mmio_el0": "EL0's accesses to a device page exit and are served like EL1's";
    reference: "DDI 0487: ESR_EL2, EC 0b100100, Data Abort from a lower Exception level";
    needs: Needs::SERVICES;
    fn mmio_el0() {
        let device = scratch();
        let mut window = Window::open(Granule::K4, 39);
        let va = window.base() + 0x9000;
        window.tables.map(va, device, 3, DEVICE | AF | AP_EL0 | UXN | PXN);
        fill(device + 0x900);
        let mut abort = DataAbort::new(FaultStatus::Translation(0), READ);
        abort.access = Some(Access { register: 1, ..X7 }); // EL0's LDR X1, [X0]
        services::expect_exit(Expected {
            ec: ExceptionClass::DataAbortLower as u64,
            iss: (abort.iss(), ALL_BUT_LEVEL),
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
