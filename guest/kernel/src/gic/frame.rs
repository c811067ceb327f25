//! Registers of the GIC that are memory.

use core::arch::asm;

/// A frame of registers, mapped at its own address as Device memory.
///
/// An access is a plain LDR or STR: a hypervisor is told by the syndrome which register is meant
/// only if the instruction does not write back its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame(u64);

macro_rules! access {
    ($($read:ident, $write:ident: $type:ty, $width:literal, $suffix:literal;)*) => {
        $(
            /// Reads a register of this size.
            pub fn $read(self, offset: u64) -> $type {
                let value: $type;
                // SAFETY: the frame is mapped, and `offset` is a register's: no memory of Rust's.
                unsafe {
                    asm!(
                        concat!("ldr", $suffix, " {value", $width, "}, [{at}]"),
                        "dsb sy",
                        value = out(reg) value,
                        at = in(reg) self.0 + offset,
                        options(nostack)
                    );
                }
                value
            }

            /// Writes a register of this size; it is done when this returns.
            pub fn $write(self, offset: u64, value: $type) {
                // SAFETY: as above.
                unsafe {
                    asm!(
                        "dsb sy",
                        concat!("str", $suffix, " {value", $width, "}, [{at}]"),
                        "dsb sy",
                        value = in(reg) value,
                        at = in(reg) self.0 + offset,
                        options(nostack)
                    );
                }
            }
        )*
    };
}

impl Frame {
    /// The frame at `base`, which the FDT names and `mmu::init` has mapped.
    pub const fn at(base: u64) -> Self {
        Self(base)
    }

    /// Where it is.
    pub const fn address(self) -> u64 {
        self.0
    }

    /// The frame `offset` further.
    pub const fn plus(self, offset: u64) -> Self {
        Self(self.0 + offset)
    }

    access! {
        read8, write8: u32, ":w", "b";
        read, write: u32, ":w", "";
        read64, write64: u64, "", "";
    }
}
