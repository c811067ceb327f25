//! A syndrome for people: `0x96000046 data abort from the same EL: translation fault at level 2,
//! write`.

use super::{DataAbort, Esr, ExceptionClass, FaultStatus, InstructionAbort, SystemAccess, Wait};
use crate::sysreg::SysReg;
use core::fmt;

impl fmt::Display for Esr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = match self.class() {
            Ok(class) => class,
            Err(code) => {
                return write!(f, "{:#010x} EC {code:#04x}, ISS {:#x}", self.0, self.iss());
            }
        };
        write!(f, "{:#010x} {}", self.0, class.text())?;
        match class {
            ExceptionClass::Svc
            | ExceptionClass::Hvc
            | ExceptionClass::Smc
            | ExceptionClass::Brk => write!(f, " #{:#x}", self.imm16()),
            ExceptionClass::Wait => match self.waiting() {
                Some(Wait::Interrupt) => f.write_str(": WFI"),
                Some(Wait::Event) => f.write_str(": WFE"),
                None => write!(f, ", ISS {:#x}", self.iss()),
            },
            ExceptionClass::System => match self.system_access() {
                Some(access) => write!(f, ": {access}"),
                None => Ok(()),
            },
            ExceptionClass::DataAbortLower | ExceptionClass::DataAbortSame => {
                write!(f, ": {}", DataAbort::from_iss(self.iss()))
            }
            ExceptionClass::InstructionAbortLower | ExceptionClass::InstructionAbortSame => {
                write!(f, ": {}", InstructionAbort::from_iss(self.iss()))
            }
            ExceptionClass::Unknown
            | ExceptionClass::FpAccess
            | ExceptionClass::IllegalState
            | ExceptionClass::PcAlignment
            | ExceptionClass::SpAlignment => Ok(()),
            _ => write!(f, ", ISS {:#x}", self.iss()),
        }
    }
}

impl fmt::Debug for Esr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for FaultStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressSize(level) => write!(f, "address size fault at level {level}"),
            Self::Translation(level) => write!(f, "translation fault at level {level}"),
            Self::AccessFlag(level) => write!(f, "access flag fault at level {level}"),
            Self::Permission(level) => write!(f, "permission fault at level {level}"),
            Self::External => f.write_str("external abort"),
            Self::ExternalOnWalk(level) => write!(f, "external abort on the walk, level {level}"),
            Self::Alignment => f.write_str("alignment fault"),
            Self::Debug => f.write_str("debug exception"),
            Self::TlbConflict => f.write_str("TLB conflict"),
            Self::UnsupportedExclusive => f.write_str("unsupported exclusive or atomic access"),
            Self::Other(code) => write!(f, "fault status {code:#04x}"),
        }
    }
}

impl fmt::Display for DataAbort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.status, if self.write { "write" } else { "read" })?;
        if self.cache_maintenance {
            f.write_str(", cache maintenance")?;
        }
        if self.on_walk {
            f.write_str(", on a stage-1 walk")?;
        }
        if let Some(access) = self.access {
            let prefix = if access.register_64 { 'x' } else { 'w' };
            write!(f, ", {} bytes, ", access.bytes())?;
            match access.register {
                31 => write!(f, "{prefix}zr")?,
                n => write!(f, "{prefix}{n}")?,
            }
            if access.sign_extend {
                f.write_str(" sign-extended")?;
            }
        }
        if self.far_not_valid { f.write_str(", FAR not valid") } else { Ok(()) }
    }
}

impl fmt::Display for InstructionAbort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if self.on_walk {
            f.write_str(", on a stage-1 walk")?;
        }
        if self.far_not_valid { f.write_str(", FAR not valid") } else { Ok(()) }
    }
}

/// As it is written in assembly: `mrs x3, PMCR_EL0`.
impl fmt::Display for SystemAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Register(u8);
        impl fmt::Display for Register {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if self.0 == 31 { f.write_str("xzr") } else { write!(f, "x{}", self.0) }
            }
        }
        struct Named(SystemAccess);
        impl fmt::Display for Named {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match SysReg::from_encoding(self.0.encoding) {
                    Some(register) => f.write_str(register.name()),
                    None => write!(f, "{}", self.0.encoding),
                }
            }
        }
        if self.read {
            write!(f, "mrs {}, {}", Register(self.rt), Named(*self))
        } else {
            write!(f, "msr {}, {}", Named(*self), Register(self.rt))
        }
    }
}
