//! ESR_ELx: what an exception says of itself. The same layout at EL1 (the guest's) and at EL2 (an
//! exit's syndrome).
//!
//! ```text
//!  31      26 25 24                                    0
//! +----------+--+---------------------------------------+
//! |    EC    |IL|                  ISS                  |
//! +----------+--+---------------------------------------+
//!
//! abort ISS  24 23 22 21 20   16 15 14      10  9  8   7    6  5    0
//!           |ISV| SAS|SSE| SRT  |SF|AR| .. |FnV|EA|CM|S1PTW|WnR| FSC |
//! trapped MSR, MRS, SYS
//!           21 20 19 17 16 14 13  10 9   5 4   1  0
//!           |Op0 | Op2 | Op1 | CRn  | Rt  | CRm  |D|       D: 1 read, 0 write
//! ```

mod abort;
mod class;
mod text;

pub use abort::{Access, DataAbort, FaultStatus, InstructionAbort};
pub use class::ExceptionClass;

use crate::field::Field;
use crate::sysreg::Encoding;

/// The exception class.
pub const EC: Field = Field::new(31, 26);
/// Instruction length: 1 for every A64 instruction, and where the manual says "set to 1".
pub const IL: u64 = 1 << 25;
/// The syndrome of the class.
pub const ISS: Field = Field::new(24, 0);

/// CV = 1, COND = 0b1110: what the ISS of a trapped A64 instruction says of its condition (WFx,
/// FP access).
pub const ISS_COND_ALWAYS: u64 = 1 << 24 | 0xe << 20;
/// The immediate of SVC, HVC, SMC, BRK.
pub const ISS_IMM16: Field = Field::new(15, 0);
/// ISS of a trapped WFx: 0 WFI, 1 WFE.
pub const ISS_TI: Field = Field::new(1, 0);
/// ISS of a software step: EX, the stepped instruction was a load-exclusive, is valid.
pub const ISS_STEP_ISV: u64 = 1 << 24;
/// ISS of a software step: the stepped instruction was a load-exclusive.
pub const ISS_STEP_EX: u64 = 1 << 6;

/// ISS of a trapped system instruction.
mod system {
    use crate::field::Field;
    pub const OP0: Field = Field::new(21, 20);
    pub const OP2: Field = Field::new(19, 17);
    pub const OP1: Field = Field::new(16, 14);
    pub const CRN: Field = Field::new(13, 10);
    pub const RT: Field = Field::new(9, 5);
    pub const CRM: Field = Field::new(4, 1);
    pub const READ: Field = Field::new(0, 0);
}

/// Which of the waiting instructions trapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// WFI.
    Interrupt,
    /// WFE.
    Event,
}

/// A trapped MRS, MSR or SYS instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SystemAccess {
    /// The register or instruction.
    pub encoding: Encoding,
    /// Rt: 0 to 30, 31 for XZR.
    pub rt: u8,
    /// MRS (or SYSL): reads.
    pub read: bool,
}

/// A value of ESR_EL1, ESR_EL2, or of an exit's syndrome.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Esr(pub u64);

impl Esr {
    /// The syndrome of `class` with `iss`; IL = 1, as for all of A64.
    pub const fn new(class: ExceptionClass, iss: u64) -> Self {
        Self(EC.put(class as u64) | IL | ISS.put(iss))
    }

    /// An UNDEFINED instruction, or a trap that says no more.
    pub const fn unknown() -> Self {
        Self::new(ExceptionClass::Unknown, 0)
    }

    /// SVC, HVC, SMC or BRK with its immediate.
    pub const fn immediate(class: ExceptionClass, imm16: u16) -> Self {
        Self::new(class, imm16 as u64)
    }

    /// A trapped WFI or WFE.
    pub const fn wait(which: Wait) -> Self {
        let ti = match which {
            Wait::Interrupt => 0,
            Wait::Event => 1,
        };
        Self::new(ExceptionClass::Wait, ISS_COND_ALWAYS | ISS_TI.put(ti))
    }

    /// An FP or SIMD instruction trapped by CPACR_EL1.FPEN.
    pub const fn fp_access() -> Self {
        Self::new(ExceptionClass::FpAccess, ISS_COND_ALWAYS)
    }

    /// A trapped MRS, MSR (register) or SYS.
    pub const fn system(access: SystemAccess) -> Self {
        let e = access.encoding;
        let iss = system::OP0.put(e.op0() as u64)
            | system::OP2.put(e.op2() as u64)
            | system::OP1.put(e.op1() as u64)
            | system::CRN.put(e.crn() as u64)
            | system::RT.put(access.rt as u64)
            | system::CRM.put(e.crm() as u64)
            | system::READ.put(access.read as u64);
        Self::new(ExceptionClass::System, iss)
    }

    /// The exception class; `Err` carries a value that names none of AArch64's.
    pub const fn class(self) -> Result<ExceptionClass, u8> {
        ExceptionClass::from_code(self.ec())
    }

    /// EC as a number.
    pub const fn ec(self) -> u8 {
        EC.get(self.0) as u8
    }

    /// The ISS.
    pub const fn iss(self) -> u64 {
        ISS.get(self.0)
    }

    /// The immediate, of a class that has one.
    pub const fn imm16(self) -> u16 {
        ISS_IMM16.get(self.0) as u16
    }

    /// The trapped system instruction, if that is the class.
    pub const fn system_access(self) -> Option<SystemAccess> {
        let Ok(ExceptionClass::System) = self.class() else { return None };
        let iss = self.iss();
        let encoding = Encoding::new(
            system::OP0.get(iss) as u16,
            system::OP1.get(iss) as u16,
            system::CRN.get(iss) as u16,
            system::CRM.get(iss) as u16,
            system::OP2.get(iss) as u16,
        );
        let rt = system::RT.get(iss) as u8;
        Some(SystemAccess { encoding, rt, read: system::READ.get(iss) != 0 })
    }

    /// The data abort, if that is the class.
    pub const fn data_abort(self) -> Option<DataAbort> {
        match self.class() {
            Ok(ExceptionClass::DataAbortLower | ExceptionClass::DataAbortSame) => {
                Some(DataAbort::from_iss(self.iss()))
            }
            _ => None,
        }
    }

    /// The instruction abort, if that is the class.
    pub const fn instruction_abort(self) -> Option<InstructionAbort> {
        match self.class() {
            Ok(ExceptionClass::InstructionAbortLower | ExceptionClass::InstructionAbortSame) => {
                Some(InstructionAbort::from_iss(self.iss()))
            }
            _ => None,
        }
    }

    /// The waiting instruction, if that is the class and one of the two of Armv8.0.
    pub const fn waiting(self) -> Option<Wait> {
        match (self.class(), ISS_TI.get(self.0)) {
            (Ok(ExceptionClass::Wait), 0) => Some(Wait::Interrupt),
            (Ok(ExceptionClass::Wait), 1) => Some(Wait::Event),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
