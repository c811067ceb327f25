//! What the atomic instructions of FEAT_LSE compute, on one CPU.

use core::arch::asm;

use aarch64_cpu::registers::ID_AA64ISAR0_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::Granule;
use tock_registers::interfaces::Readable;

use crate::access::{El, load, store};
use crate::mmu::DATA;
use crate::mmu::window::Window;
use crate::{case, check_eq, skip};

/// ID_AA64ISAR0_EL1.Atomic.
const ATOMIC_SHIFT: u32 = 20;

/// One instruction at 64 and at 8 bits: operand and address in, the old value out.
struct Operation {
    name: &'static str,
    run: fn(u64, u64) -> u64,
    run_byte: fn(u64, u64) -> u64,
    computes: fn(u64, u64) -> u64,
    computes_byte: fn(u8, u8) -> u8,
}

macro_rules! operation {
    ($name:literal, $computes:expr, $byte:expr) => {
        Operation {
            name: $name,
            run: |operand, va| {
                let old;
                // SAFETY: the address is that of the case's own window.
                unsafe {
                    asm!(".arch_extension lse", concat!($name, " {o}, {old}, [{va}]"),
                        o = in(reg) operand, old = out(reg) old, va = in(reg) va, options(nostack));
                }
                old
            },
            run_byte: |operand, va| {
                let old;
                // SAFETY: as above.
                unsafe {
                    asm!(".arch_extension lse", concat!($name, "b {o:w}, {old:w}, [{va}]"),
                        o = in(reg) operand, old = out(reg) old, va = in(reg) va, options(nostack));
                }
                old
            },
            computes: $computes,
            computes_byte: $byte,
        }
    };
}

static OPERATIONS: [Operation; 9] = [
    operation!("ldadd", |m, o| m.wrapping_add(o), |m, o| m.wrapping_add(o)),
    operation!("ldclr", |m, o| m & !o, |m, o| m & !o),
    operation!("ldeor", |m, o| m ^ o, |m, o| m ^ o),
    operation!("ldset", |m, o| m | o, |m, o| m | o),
    operation!("ldsmax", |m, o| (m as i64).max(o as i64) as u64, |m, o| {
        (m as i8).max(o as i8) as u8
    }),
    operation!("ldsmin", |m, o| (m as i64).min(o as i64) as u64, |m, o| {
        (m as i8).min(o as i8) as u8
    }),
    operation!("ldumax", |m, o| m.max(o), |m, o| m.max(o)),
    operation!("ldumin", |m, o| m.min(o), |m, o| m.min(o)),
    operation!("swp", |_, o| o, |_, o| o),
];

case! {
    /// Nine instructions read a value, compute another and write it back as one. LDCLR clears what
    /// its operand names (and so takes the operand's complement), LDSMAX and LDSMIN compare as
    /// signed numbers, LDUMAX and LDUMIN as unsigned ones, and the size says where the sign is.
    ///
    /// A processor does this by itself. A hypervisor meets them all the same: an emulator of the
    /// instruction set has to compute them, and a monitor that lets atomics through to emulated
    /// memory has to. A wrong LDCLR frees a bitmap's other pages.
    "memory.atomics": "LDADD, LDCLR, LDEOR, LDSET, LDSMAX, LDSMIN, LDUMAX, LDUMIN, SWP: old and new values, 64 and 8 bits";
    reference: "DDI 0487: LDADD, LDCLR, LDEOR, LDSET, LDSMAX, LDSMIN, LDUMAX, LDUMIN, SWP; ID_AA64ISAR0_EL1.Atomic";
    needs: Needs::NONE;
    fn atomics() {
        const VALUES: [u64; 6] = [
            0, 1, 0x7fff_ffff_ffff_ff7f, 0x8000_0000_0000_0080, u64::MAX, 0x0123_4567_89ab_cdef,
        ];
        if ID_AA64ISAR0_EL1.get() >> ATOMIC_SHIFT & 0xf < 2 {
            skip!("ID_AA64ISAR0_EL1.Atomic says no LSE");
        }
        let mut window = Window::open(Granule::K4, 39);
        let page = window.page(0x3000, DATA);
        let pairs = VALUES.into_iter().flat_map(|memory| VALUES.map(|operand| (memory, operand)));
        for (memory, operand) in pairs {
            for operation in &OPERATIONS {
                let name = operation.name;
                store(El::El1, page.va, memory).value();
                check_eq!((operation.run)(operand, page.va), memory, "{} gives the old value", name);
                let new = load(El::El1, page.va).value();
                let wanted = (operation.computes)(memory, operand);
                check_eq!(new, wanted, "{} of {:#x} with {:#x}", name, memory, operand);

                store(El::El1, page.va, memory).value();
                let old = (operation.run_byte)(operand, page.va);
                check_eq!(old, memory & 0xff, "{}b gives the old value", name);
                let new = load(El::El1, page.va).value();
                let wanted = (operation.computes_byte)(memory as u8, operand as u8);
                let wanted = memory & !0xff | u64::from(wanted);
                check_eq!(new, wanted, "{}b of {:#x} with {:#x}", name, memory, operand);
            }
        }
    }
}
