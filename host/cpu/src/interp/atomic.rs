//! Atomic memory operations.

use super::{Interp, Stopped};
use crate::emit::{Access, Atomic};

impl Interp<'_> {
    /// Reads, computes and writes as one.
    pub(super) fn atomic_update(
        &mut self,
        _operation: Atomic,
        _access: Access,
        _va: u64,
        _value: u64,
    ) -> Result<u64, Stopped> {
        Err(self.undefined())
    }

    /// Writes `new` if memory holds `expected`, as one.
    pub(super) fn swap_if_equal(
        &mut self,
        _access: Access,
        _pair: bool,
        _va: u64,
        _expected: (u64, u64),
        _new: (u64, u64),
    ) -> Result<(u64, u64), Stopped> {
        Err(self.undefined())
    }
}
