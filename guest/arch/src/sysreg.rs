//! The system registers: one table, from which everything else about them is derived.
//!
//! ```text
//!   table.rs:   name (op0, op1, CRn, CRm, op2)  read write  kind  reset writable RES1 rules  API
//!                 |            |                                   |
//!                 v            v                                   v
//!            enum SysReg   Encoding  = the API's ID            &'static Row
//!            (dense: an    (MRS, MSR, the exit's ISS)          (who may, what happens)
//!            index into
//!            storage)
//! ```
//!
//! The set is what EL0 and EL1 of an M1-like core can name, and the EL2 registers that
//! Hypervisor.framework's API names. A register of a feature that is not there has no row: its
//! encoding is UNDEFINED, or what [`Encoding::unlisted`] says. Left out so far, each with its
//! feature: TCO, the RNDR, LOR, SPE, trace, SVE and MTE registers, and
//! RVBAR_EL1 and RMR_EL1 (they exist where EL1 is the highest level; a guest has EL2 above it,
//! invisible).

mod encoding;
mod lookup;
mod row;
mod table;

pub use encoding::{Encoding, Unlisted};
pub use row::{
    Api, Clock, Effect, Feature, Kind, Lowest, MonitorRegister, Row, Rule, TimerRegister, View,
};
pub use table::SysReg;

/// Turns the table into the enum and the rows.
///
/// One row is one line:
/// `NAME (op0, op1, CRn, CRm, op2) read write, kind, reset, writable, res1, [rules], api;`
macro_rules! registers {
    ($($name:ident ($op0:literal, $op1:literal, $crn:literal, $crm:literal, $op2:literal)
        $read:ident $write:ident, $kind:expr, $reset:expr, $writable:expr, $res1:expr,
        [$($rule:ident),*], $api:ident;)*) => {
        /// A system register, by the manual's name. Dense: `self as usize` indexes an array of
        /// [`SysReg::COUNT`].
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u16)]
        pub enum SysReg {
            $(#[doc = stringify!($name)] $name,)*
        }

        impl SysReg {
            /// Every register, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }

        /// The rows, in the order of the enum.
        pub(super) static ROWS: [Row; SysReg::COUNT] = [$(Row {
            name: stringify!($name),
            encoding: Encoding::new($op0, $op1, $crn, $crm, $op2),
            read: Lowest::$read,
            write: Lowest::$write,
            reset: $reset,
            writable: $writable,
            res1: $res1,
            kind: $kind,
            rules: &[$(Rule::$rule),*],
            api: Api::$api,
        }),*];
    };
}
use registers;

/// MDCR_EL2's ID in Apple's header; its encoding would give 0xe089.
const API_ID_MDCR_EL2: u16 = 0xe019;

impl SysReg {
    /// How many registers there are.
    pub const COUNT: usize = Self::ALL.len();

    /// What the table says of it.
    pub const fn row(self) -> &'static Row {
        &table::ROWS[self as usize]
    }

    /// The manual's name.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// op0, op1, CRn, CRm, op2.
    pub const fn encoding(self) -> Encoding {
        self.row().encoding
    }

    /// The register of an encoding. `None`: see [`Encoding::unlisted`].
    #[inline]
    pub const fn from_encoding(encoding: Encoding) -> Option<Self> {
        lookup::find(encoding)
    }

    /// The register's ID in Hypervisor.framework's `hv_sys_reg_t`, if it has one: the encoding,
    /// but for MDCR_EL2.
    pub const fn api_id(self) -> Option<u16> {
        match (self, self.row().api) {
            (_, Api::None) => None,
            (Self::MDCR_EL2, _) => Some(API_ID_MDCR_EL2),
            _ => Some(self.encoding().0),
        }
    }

    /// The register of an ID of `hv_sys_reg_t`.
    pub fn from_api_id(id: u16) -> Option<Self> {
        let encoding = if id == API_ID_MDCR_EL2 { Self::MDCR_EL2.encoding() } else { Encoding(id) };
        Self::from_encoding(encoding).filter(|r| r.api_id() == Some(id))
    }
}

impl core::fmt::Display for SysReg {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests;
