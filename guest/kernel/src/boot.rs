//! The boot code, which is assembly: see `boot.S`.

core::arch::global_asm!(include_str!("boot.S"), options(raw));
