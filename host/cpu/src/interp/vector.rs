//! Loads and stores of vectors: up to 16 bytes.

use super::memory::aligned;
use super::{Interp, Stopped};
use crate::emit::Access;
use crate::mmu::Want;
use std::sync::atomic::Ordering;

impl Interp<'_> {
    /// One load of a vector register, or a part of it.
    #[inline(always)]
    pub(super) fn load_vector(&mut self, access: Access, va: u64) -> Result<u128, Stopped> {
        if access.bytes < 16 {
            return self.load_one(access, va).map(u128::from);
        }
        if aligned(va, 16)
            && let Some(page) = self.page(va, self.need(access, Want::Read))
        {
            return Ok(page.load_u128(va as usize, Ordering::Relaxed));
        }
        self.load_other(access, va)
    }

    /// One store of a vector register, or a part of it.
    #[inline(always)]
    pub(super) fn store_vector(
        &mut self,
        access: Access,
        va: u64,
        value: u128,
    ) -> Result<(), Stopped> {
        if access.bytes < 16 {
            return self.store_one(access, va, value as u64);
        }
        if aligned(va, 16)
            && let Some(page) = self.page(va, self.need(access, Want::Write))
        {
            page.store_u128(va as usize, value, Ordering::Relaxed);
            return Ok(());
        }
        self.store_other(access, va, value)
    }
}
