//! The ISS of instruction and data aborts.

use crate::field::Field;

const ISV: u64 = 1 << 24;
const SAS: Field = Field::new(23, 22);
const SSE: u64 = 1 << 21;
const SRT: Field = Field::new(20, 16);
const SF: u64 = 1 << 15;
const AR: u64 = 1 << 14;
const FNV: u64 = 1 << 10;
const EA: u64 = 1 << 9;
const CM: u64 = 1 << 8;
const S1PTW: u64 = 1 << 7;
const WNR: u64 = 1 << 6;
const FSC: Field = Field::new(5, 0);

/// DFSC and IFSC: the fault status code. Levels are the lookup level, 0 to 3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultStatus {
    /// The output (or TTBR's) address is larger than the address size; level 0 for TTBR.
    AddressSize(u8),
    /// No valid descriptor, or an address that no region covers.
    Translation(u8),
    /// AF = 0.
    AccessFlag(u8),
    /// The permissions do not allow it.
    Permission(u8),
    /// Synchronous external abort on the access.
    External,
    /// Synchronous external abort on the walk.
    ExternalOnWalk(u8),
    /// Alignment fault.
    Alignment,
    /// Debug exception (the FSC of breakpoints, steps and watchpoints).
    Debug,
    /// More than one TLB entry matches.
    TlbConflict,
    /// An exclusive or atomic access to memory that does not support it.
    UnsupportedExclusive,
    /// Another code.
    Other(u8),
}

impl FaultStatus {
    /// The six bits of the code.
    pub const fn code(self) -> u8 {
        match self {
            Self::AddressSize(level) => level & 3,
            Self::Translation(level) => 0b00_0100 | level & 3,
            Self::AccessFlag(level) => 0b00_1000 | level & 3,
            Self::Permission(level) => 0b00_1100 | level & 3,
            Self::External => 0b01_0000,
            Self::ExternalOnWalk(level) => 0b01_0100 | level & 3,
            Self::Alignment => 0b10_0001,
            Self::Debug => 0b10_0010,
            Self::TlbConflict => 0b11_0000,
            Self::UnsupportedExclusive => 0b11_0101,
            Self::Other(code) => code & 0x3f,
        }
    }

    /// The status of a code (its lower six bits).
    pub const fn from_code(code: u8) -> Self {
        let level = code & 3;
        match code & 0x3f {
            0b00_0000..=0b00_0011 => Self::AddressSize(level),
            0b00_0100..=0b00_0111 => Self::Translation(level),
            0b00_1000..=0b00_1011 => Self::AccessFlag(level),
            0b00_1100..=0b00_1111 => Self::Permission(level),
            0b01_0000 => Self::External,
            0b01_0100..=0b01_0111 => Self::ExternalOnWalk(level),
            0b10_0001 => Self::Alignment,
            0b10_0010 => Self::Debug,
            0b11_0000 => Self::TlbConflict,
            0b11_0101 => Self::UnsupportedExclusive,
            other => Self::Other(other),
        }
    }
}

/// The part of a data abort's ISS that is valid with ISV = 1: how to emulate the access.
///
/// ISV is 1 at EL2 only, for a stage-2 fault of a load or store of a single general-purpose
/// register without writeback (exclusives and pairs excepted too).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// SAS: log2 of the bytes, 0 to 3.
    pub size_log2: u8,
    /// SSE: the loaded value is sign-extended.
    pub sign_extend: bool,
    /// SRT: 0 to 30, 31 for XZR.
    pub register: u8,
    /// SF: the register is 64 bits wide.
    pub register_64: bool,
    /// AR: acquire or release.
    pub ordered: bool,
}

impl Access {
    /// Bytes accessed: 1, 2, 4 or 8.
    pub const fn bytes(self) -> usize {
        1 << self.size_log2
    }

    /// What the register holds after a load that read `value` (the lowest [`Self::bytes`] count).
    pub const fn extend(self, value: u64) -> u64 {
        let unused = 64 - 8 * self.bytes() as u32;
        let zero_extended = (value << unused) >> unused;
        if !self.sign_extend {
            return zero_extended;
        }
        let signed = (((value << unused) as i64) >> unused) as u64;
        if self.register_64 { signed } else { signed as u32 as u64 }
    }
}

/// A data abort's ISS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DataAbort {
    /// DFSC.
    pub status: FaultStatus,
    /// WnR: a write (a cache maintenance or AT instruction also says 1).
    pub write: bool,
    /// S1PTW: a stage-2 fault on the access of a stage-1 walk.
    pub on_walk: bool,
    /// CM: a cache maintenance instruction, other than DC ZVA.
    pub cache_maintenance: bool,
    /// EA: external abort type, IMPLEMENTATION DEFINED.
    pub external: bool,
    /// FnV: FAR is not valid (with an external abort only).
    pub far_not_valid: bool,
    /// How to emulate it, with ISV = 1.
    pub access: Option<Access>,
}

impl DataAbort {
    /// A fault of a plain read or write that says nothing more.
    pub const fn new(status: FaultStatus, write: bool) -> Self {
        Self {
            status,
            write,
            on_walk: false,
            cache_maintenance: false,
            external: false,
            far_not_valid: false,
            access: None,
        }
    }

    /// The ISS.
    pub const fn iss(self) -> u64 {
        let mut iss = FSC.put(self.status.code() as u64);
        iss |= bit(WNR, self.write) | bit(S1PTW, self.on_walk) | bit(CM, self.cache_maintenance);
        iss |= bit(EA, self.external) | bit(FNV, self.far_not_valid);
        if let Some(access) = self.access {
            iss |= ISV | SAS.put(access.size_log2 as u64) | SRT.put(access.register as u64);
            iss |= bit(SSE, access.sign_extend) | bit(SF, access.register_64);
            iss |= bit(AR, access.ordered);
        }
        iss
    }

    /// Reads an ISS.
    pub const fn from_iss(iss: u64) -> Self {
        let access = Access {
            size_log2: SAS.get(iss) as u8,
            sign_extend: iss & SSE != 0,
            register: SRT.get(iss) as u8,
            register_64: iss & SF != 0,
            ordered: iss & AR != 0,
        };
        Self {
            status: FaultStatus::from_code(FSC.get(iss) as u8),
            write: iss & WNR != 0,
            on_walk: iss & S1PTW != 0,
            cache_maintenance: iss & CM != 0,
            external: iss & EA != 0,
            far_not_valid: iss & FNV != 0,
            access: if iss & ISV != 0 { Some(access) } else { None },
        }
    }
}

/// An instruction abort's ISS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InstructionAbort {
    /// IFSC.
    pub status: FaultStatus,
    /// S1PTW: a stage-2 fault on the access of a stage-1 walk.
    pub on_walk: bool,
    /// EA: external abort type, IMPLEMENTATION DEFINED.
    pub external: bool,
    /// FnV: FAR is not valid (with an external abort only).
    pub far_not_valid: bool,
}

impl InstructionAbort {
    /// A fault that says nothing more than its status.
    pub const fn new(status: FaultStatus) -> Self {
        Self { status, on_walk: false, external: false, far_not_valid: false }
    }

    /// The ISS.
    pub const fn iss(self) -> u64 {
        FSC.put(self.status.code() as u64)
            | bit(S1PTW, self.on_walk)
            | bit(EA, self.external)
            | bit(FNV, self.far_not_valid)
    }

    /// Reads an ISS.
    pub const fn from_iss(iss: u64) -> Self {
        Self {
            status: FaultStatus::from_code(FSC.get(iss) as u8),
            on_walk: iss & S1PTW != 0,
            external: iss & EA != 0,
            far_not_valid: iss & FNV != 0,
        }
    }
}

const fn bit(mask: u64, on: bool) -> u64 {
    if on { mask } else { 0 }
}
