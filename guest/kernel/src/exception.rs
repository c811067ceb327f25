//! Exceptions arrive here: what the vectors saved, and who is asked about it.

use core::fmt;
use core::mem::offset_of;

use anyvisor_arch::esr::Esr;
use anyvisor_arch::pstate::{Spsr, Vector};

use crate::{interrupt, trap};

core::arch::global_asm!(
    include_str!("vectors.S"),
    FRAME = const size_of::<TrapFrame>(),
    X = const offset_of!(TrapFrame, x),
    SP = const offset_of!(TrapFrame, sp),
    ELR = const offset_of!(TrapFrame, elr),
    SPSR = const offset_of!(TrapFrame, spsr),
    ESR = const offset_of!(TrapFrame, esr),
    FAR = const offset_of!(TrapFrame, far),
    ENTRY = const offset_of!(TrapFrame, entry),
    OVERFLOW = const Entry::OVERFLOW,
);

/// Everything that `vectors.S` saves, and restores from here.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct TrapFrame {
    /// X0 to X30.
    pub x: [u64; 31],
    /// The stack pointer that the interrupted code used.
    pub sp: u64,
    /// Where to return to.
    pub elr: u64,
    /// PSTATE to return to.
    pub spsr: u64,
    /// Why we are here (stale when the vector is that of an interrupt).
    pub esr: Esr,
    /// The faulting address, where ESR says that there is one.
    pub far: u64,
    /// Through which of the 16 vectors.
    pub entry: Entry,
    _pad: u64,
}

// The assembly pushes whole frames on a stack that must stay 16-byte aligned (SCTLR_EL1.SA),
// stores registers in pairs, and reaches all of it by a 9-bit scaled offset.
const _: () = {
    assert!(size_of::<TrapFrame>() == 304);
    assert!(size_of::<TrapFrame>().is_multiple_of(16));
    assert!(offset_of!(TrapFrame, x) == 0);
};

/// One of the 16 entries of the vector table, by its number, and whether the kernel's stack was
/// found broken there.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Entry(u64);

impl Entry {
    /// Added to the number when the frame had to go to the emergency stack.
    const OVERFLOW: u64 = 1 << 4;

    /// Whether the stack pointer had left the kernel's stack: an overflow, or a wild SP.
    pub const fn is_overflow(self) -> bool {
        self.0 & Self::OVERFLOW != 0
    }

    /// Its offset from VBAR_EL1, to compare with [`anyvisor_arch::pstate::vector_offset`].
    pub const fn offset(self) -> u64 {
        (self.0 & 0xf) * 0x80
    }

    /// What it is for.
    pub const fn kind(self) -> Vector {
        match self.0 & 3 {
            0 => Vector::Synchronous,
            1 => Vector::Irq,
            2 => Vector::Fiq,
            _ => Vector::SError,
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = ["EL1 using SP_EL0", "EL1", "EL0", "EL0 in AArch32"][self.0 as usize >> 2 & 3];
        write!(f, "vector {:#05x} ({:?} from {from})", self.offset(), self.kind())
    }
}

impl fmt::Display for TrapFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.entry)?;
        writeln!(f, "ESR  {}", self.esr)?;
        writeln!(f, "FAR  {:016x}  ELR  {:016x}", self.far, self.elr)?;
        let image = crate::image::whole();
        if image.contains(&self.elr) {
            writeln!(f, "ELR is image + {:#x} (for addr2line)", self.elr - image.start)?;
        }
        writeln!(f, "SP   {:016x}  SPSR {:?}", self.sp, Spsr(self.spsr))?;
        for (row, four) in self.x.chunks(4).enumerate() {
            write!(f, "x{:<2}", row * 4)?;
            for x in four {
                write!(f, " {x:016x}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// One line about a frame.
struct Summary<'a>(&'a TrapFrame);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frame = self.0;
        match frame.entry.kind() {
            Vector::Synchronous => {
                write!(f, "{}, FAR {:#x}, ELR {:#x}", frame.esr, frame.far, frame.elr)
            }
            Vector::SError => write!(f, "an SError: {}, ELR {:#x}", frame.esr, frame.elr),
            interrupt => write!(f, "an interrupt ({interrupt:?}), ELR {:#x}", frame.elr),
        }
    }
}

/// Called by `vectors.S`, on the kernel's stack, all interrupts masked. What `frame` holds when
/// this returns is what runs next.
#[unsafe(no_mangle)]
extern "C" fn exception_entry(frame: &mut TrapFrame) {
    if frame.entry.is_overflow() {
        panic!("the kernel's stack overflowed\n{frame}");
    }
    let known = match frame.entry.kind() {
        Vector::Synchronous => trap::offer(frame),
        Vector::Irq | Vector::Fiq => interrupt::offer(frame),
        Vector::SError => false,
    };
    if !known {
        panic!("nobody announced {}\n{frame}", Summary(frame));
    }
}
