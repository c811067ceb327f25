//! Atomic memory operations and compare-and-swap (FEAT_LSE) as atomics of the host.
//!
//! They are sequentially consistent whatever the instruction asks for: on most hosts an atomic
//! update costs the same in any order.
//!
//! An atomic operation needs both rights, to read and to write, whether or not it changes memory.
//! DDI 0487, ESR_ELx.WnR: an abort is one of a write only if a read would not have had it.

use super::memory::{aligned, compare_exchange, join, split};
use super::{Interp, Stopped};
use crate::emit::{Access, Atomic};
use crate::mmu::Want;
use anyvisor_bugs::{Bug, is};
use anyvisor_vm::{Page, Update};

impl<'a> Interp<'a> {
    /// Reads, computes and writes as one.
    pub(super) fn atomic_update(
        &mut self,
        operation: Atomic,
        access: Access,
        va: u64,
        value: u64,
    ) -> Result<u64, Stopped> {
        let (update, operand) = match operation {
            Atomic::Add => (Update::Add, value),
            Atomic::Clear => (Update::And, if is(Bug::LdclrUninverted) { value } else { !value }),
            Atomic::Xor => (Update::Xor, value),
            Atomic::Set => (Update::Or, value),
            Atomic::SignedMax => (
                if is(Bug::LseMaxUnsigned) { Update::UnsignedMax } else { Update::SignedMax },
                value,
            ),
            Atomic::SignedMin => (Update::SignedMin, value),
            Atomic::UnsignedMax => (Update::UnsignedMax, value),
            Atomic::UnsignedMin => (Update::UnsignedMin, value),
            Atomic::Swap => (Update::Swap, value),
        };
        let bytes = access.bytes;
        let page = self.atomic_page(access, bytes, va)?;
        let offset = va as usize;
        Ok(match bytes {
            _ if !aligned(va, bytes) => {
                page.update_unaligned(offset, bytes as usize, update, operand)
            }
            1 => page.update_u8(offset, update, operand as u8).into(),
            2 => page.update_u16(offset, update, operand as u16).into(),
            4 => page.update_u32(offset, update, operand as u32).into(),
            _ => page.update_u64(offset, update, operand),
        })
    }

    /// Writes `new` if memory holds `expected`, as one.
    pub(super) fn swap_if_equal(
        &mut self,
        access: Access,
        pair: bool,
        va: u64,
        expected: (u64, u64),
        new: (u64, u64),
    ) -> Result<(u64, u64), Stopped> {
        let bytes = access.bytes << u32::from(pair);
        let page = self.atomic_page(access, bytes, va)?;
        let whole = |values: (u64, u64)| match pair {
            true => join(access.bytes, values),
            false => u128::from(values.0) & (u128::MAX >> (128 - 8 * bytes)),
        };
        let found = compare_exchange(page, va, bytes, whole(expected), whole(new));
        Ok(split(access.bytes, found))
    }

    /// The page of an atomic operation, all checks done.
    fn atomic_page(&mut self, access: Access, bytes: u32, va: u64) -> Result<Page<'a>, Stopped> {
        if !is(Bug::AtomicAbortsAsWrite) {
            self.whole_place(access, bytes, va, Want::Read)?;
        }
        Ok(self.whole_place(access, bytes, va, Want::Write)?.1)
    }
}
