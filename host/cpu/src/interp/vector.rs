//! Loads and stores of vectors: up to 16 bytes.

use super::{Interp, Stopped};
use crate::emit::Access;

impl Interp<'_> {
    /// One load of a vector register, or a part of it.
    pub(super) fn load_vector(&mut self, access: Access, va: u64) -> Result<u128, Stopped> {
        if access.bytes < 16 {
            return self.load_one(access, va).map(u128::from);
        }
        let half = Access { bytes: 8, ..access };
        let (low, high) = self.load_two(half, va)?;
        Ok(u128::from(high) << 64 | u128::from(low))
    }

    /// One store of a vector register, or a part of it.
    pub(super) fn store_vector(
        &mut self,
        access: Access,
        va: u64,
        value: u128,
    ) -> Result<(), Stopped> {
        if access.bytes < 16 {
            return self.store_one(access, va, value as u64);
        }
        let half = Access { bytes: 8, ..access };
        self.store_two(half, va, (value as u64, (value >> 64) as u64))
    }
}
