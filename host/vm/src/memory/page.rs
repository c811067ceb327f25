//! How a page of guest memory is read and written.
//!
//! Other vCPUs and the monitor write the same memory at the same time, as guests do. Every access
//! here is therefore an atomic one, or several. Alignment is that of the guest physical address: a
//! granule is at least 4 KiB on both sides.
//!
//! # Accesses that are not aligned
//!
//! ```text
//!   0       8       16      24
//!   |   [ xxxx ]    |       |      inside 8 or 16 aligned bytes, the container: one access of
//!   |     [ xxxx ]  |       |      that; a store swaps the container until nobody interfered
//!   |       |    [ xxxx ]   |      over a multiple of 16: in aligned pieces
//! ```
//!
//! So what lies inside 16 aligned bytes is single-copy atomic, as FEAT_LSE2 says of a guest's.

use crate::Stage2;
use crate::memory::PAGE_SIZE;
use portable_atomic::AtomicU128;
use std::sync::atomic::{
    AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering,
};

/// A host page as a TLB keeps it: good only for the map that it was looked up in.
#[derive(Clone, Copy, Debug)]
pub struct HostPage {
    /// Where the host has it. Only [`Stage2`] makes pages with another base than 0: out of a region
    /// that the map holds.
    pub(crate) base: usize,
    /// The map's generation then.
    pub(crate) generation: u64,
}

impl HostPage {
    /// A page that no map accepts.
    pub const NONE: Self = Self { base: 0, generation: 0 };

    /// The page, if `map` is still as it was when the page was looked up.
    #[inline(always)]
    pub fn get(self, map: &Stage2) -> Option<Page<'_>> {
        (self.generation == map.generation()).then_some(Page { base: self.base, _map: map })
    }
}

/// A mapped page that can be read and written for as long as the map is held.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    pub(crate) base: usize,
    _map: &'a Stage2,
}

/// Sixteen bytes in one instruction. (`AtomicU128` does the same behind a call, which would cost
/// LDP and STP a fifth of their speed.)
///
/// On a processor with AVX an aligned access of 16 bytes is atomic (Intel SDM volume 3, "Guaranteed
/// Atomic Operations"; AMD APM volume 2, "Access Atomicity"), and like every load and store of x86
/// it has acquire and release semantics; a sequentially consistent store needs a fence besides.
#[cfg(target_arch = "x86_64")]
mod quadword {
    use std::arch::asm;
    use std::arch::x86_64::__m128i;

    /// Whether the processor has AVX.
    #[inline(always)]
    pub fn available() -> bool {
        std::arch::is_x86_feature_detected!("avx")
    }

    /// Reads 16 bytes.
    ///
    /// # Safety
    /// `at` is aligned, valid, and accessed by atomic operations only; AVX is [`available`].
    #[inline(always)]
    pub unsafe fn load(at: usize) -> u128 {
        let value: __m128i;
        // SAFETY: the caller's promise; the instruction reads 16 bytes at `at` and no more. An
        // assembly block that may access memory is as good as an atomic access to the compiler.
        unsafe {
            asm!(
                "vmovdqa {value}, xmmword ptr [{at}]",
                value = out(xmm_reg) value,
                at = in(reg) at,
                options(nostack, preserves_flags),
            );
            std::mem::transmute(value)
        }
    }

    /// Writes 16 bytes.
    ///
    /// # Safety
    /// As of [`load`].
    #[inline(always)]
    pub unsafe fn store(at: usize, value: u128) {
        // SAFETY: as in `load`; both types are 16 bytes of anything.
        unsafe {
            let value: __m128i = std::mem::transmute(value);
            asm!(
                "vmovdqa xmmword ptr [{at}], {value}",
                value = in(xmm_reg) value,
                at = in(reg) at,
                options(nostack, preserves_flags),
            );
        }
    }
}

/// What an atomic read-modify-write makes of memory's value and an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Sum.
    Add,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// The greater, as signed numbers.
    SignedMax,
    /// The lesser, as signed numbers.
    SignedMin,
    /// The greater, as unsigned numbers.
    UnsignedMax,
    /// The lesser, as unsigned numbers.
    UnsignedMin,
    /// The operand.
    Swap,
}

impl Update {
    /// The new value of `bytes` bytes that hold `old`; bits above them do not count.
    fn apply(self, bytes: usize, old: u64, operand: u64) -> u64 {
        let unused = 64 - 8 * bytes as u32;
        let (a, b) = (old << unused, operand << unused);
        let result = match self {
            Self::Add => a.wrapping_add(b),
            Self::And => a & b,
            Self::Or => a | b,
            Self::Xor => a ^ b,
            Self::SignedMax => (a as i64).max(b as i64) as u64,
            Self::SignedMin => (a as i64).min(b as i64) as u64,
            Self::UnsignedMax => a.max(b),
            Self::UnsignedMin => a.min(b),
            Self::Swap => b,
        };
        result >> unused
    }
}

/// Defines aligned loads and stores of one width. `offset` is reduced modulo the page and
/// aligned down: the caller has dealt with alignment and page crossing before.
macro_rules! access {
    ($load:ident, $store:ident, $atomic:ty, $value:ty, $bytes:literal) => {
        /// Reads an aligned little-endian value at `offset` in the page.
        #[inline(always)]
        pub fn $load(self, offset: usize, order: Ordering) -> $value {
            // SAFETY: see `at`.
            let cell = unsafe { &*(self.at(offset, $bytes) as *const $atomic) };
            <$value>::from_le(cell.load(order))
        }

        /// Writes an aligned little-endian value at `offset` in the page.
        #[inline(always)]
        pub fn $store(self, offset: usize, value: $value, order: Ordering) {
            // SAFETY: see `at`.
            let cell = unsafe { &*(self.at(offset, $bytes) as *const $atomic) };
            cell.store(value.to_le(), order);
        }
    };
}

/// Defines the compare-and-swap of one width; `offset` as above.
macro_rules! exchange {
    ($exchange:ident, $atomic:ty, $value:ty, $bytes:literal) => {
        /// Writes `new` if `old` still stands there, which it then returns; else what does. Its
        /// ordering is sequentially consistent, at least as much as any instruction asks for.
        ///
        /// # Errors
        /// The value that stands there instead.
        #[inline(always)]
        pub fn $exchange(self, offset: usize, old: $value, new: $value) -> Result<$value, $value> {
            // SAFETY: see `at`.
            let cell = unsafe { &*(self.at(offset, $bytes) as *const $atomic) };
            let order = Ordering::SeqCst;
            let result = cell.compare_exchange(old.to_le(), new.to_le(), order, order);
            result.map(<$value>::from_le).map_err(<$value>::from_le)
        }
    };
}

/// Defines the read-modify-write of one width; `offset` as above.
macro_rules! update {
    ($update:ident, $atomic:ty, $signed_atomic:ty, $value:ty, $signed:ty, $bytes:literal) => {
        /// Reads, computes and writes as one; returns what was there.
        pub fn $update(self, offset: usize, update: Update, operand: $value) -> $value {
            let at = self.at(offset, $bytes);
            // SAFETY: see `at`. The signed and the unsigned cell are the same memory, accessed
            // with the same width.
            let cell = unsafe { &*(at as *const $atomic) };
            // SAFETY: as above.
            let signed = unsafe { &*(at as *const $signed_atomic) };
            let order = Ordering::SeqCst;
            if cfg!(target_endian = "big") {
                let new = |old| {
                    let (old, operand) = (<$value>::from_le(old).into(), operand.into());
                    Some((update.apply($bytes, old, operand) as $value).to_le())
                };
                let (Ok(old) | Err(old)) = cell.fetch_update(order, order, new);
                return <$value>::from_le(old);
            }
            match update {
                Update::Add => cell.fetch_add(operand, order),
                Update::And => cell.fetch_and(operand, order),
                Update::Or => cell.fetch_or(operand, order),
                Update::Xor => cell.fetch_xor(operand, order),
                Update::SignedMax => signed.fetch_max(operand as $signed, order) as $value,
                Update::SignedMin => signed.fetch_min(operand as $signed, order) as $value,
                Update::UnsignedMax => cell.fetch_max(operand, order),
                Update::UnsignedMin => cell.fetch_min(operand, order),
                Update::Swap => cell.swap(operand, order),
            }
        }
    };
}

/// The low `bytes` bytes (1 to 16).
const fn low_bytes(bytes: usize) -> u128 {
    u128::MAX >> (128 - 8 * bytes)
}

impl Page<'_> {
    /// The address of an aligned cell of `bytes` bytes.
    ///
    /// Dereferencing it as an atomic is sound: the page belongs to a region that the caller of
    /// `map` keeps valid until it is unmapped; the map cannot change while `_map` is borrowed
    /// (the writer needs the exclusive lock); the mask keeps the cell inside the page and the
    /// base is page aligned, so the cell is aligned; all accesses by this process are atomic.
    #[inline(always)]
    fn at(self, offset: usize, bytes: usize) -> usize {
        self.base + (offset & (PAGE_SIZE - bytes))
    }

    access!(load_u8, store_u8, AtomicU8, u8, 1);
    access!(load_u16, store_u16, AtomicU16, u16, 2);
    access!(load_u32, store_u32, AtomicU32, u32, 4);
    access!(load_u64, store_u64, AtomicU64, u64, 8);

    exchange!(exchange_u8, AtomicU8, u8, 1);
    exchange!(exchange_u16, AtomicU16, u16, 2);
    exchange!(exchange_u32, AtomicU32, u32, 4);
    exchange!(exchange_u64, AtomicU64, u64, 8);
    exchange!(exchange_u128, AtomicU128, u128, 16);

    /// Reads 16 aligned bytes as one, little endian.
    #[inline(always)]
    pub fn load_u128(self, offset: usize, order: Ordering) -> u128 {
        let at = self.at(offset, 16);
        #[cfg(target_arch = "x86_64")]
        if quadword::available() {
            // SAFETY: see `at`.
            return u128::from_le(unsafe { quadword::load(at) });
        }
        // SAFETY: see `at`.
        let cell = unsafe { &*(at as *const AtomicU128) };
        u128::from_le(cell.load(order))
    }

    /// Writes 16 aligned bytes as one, little endian.
    #[inline(always)]
    pub fn store_u128(self, offset: usize, value: u128, order: Ordering) {
        let at = self.at(offset, 16);
        #[cfg(target_arch = "x86_64")]
        if order == Ordering::Relaxed && quadword::available() {
            // SAFETY: see `at`.
            return unsafe { quadword::store(at, value.to_le()) };
        }
        // SAFETY: see `at`.
        let cell = unsafe { &*(at as *const AtomicU128) };
        cell.store(value.to_le(), order);
    }

    update!(update_u8, AtomicU8, AtomicI8, u8, i8, 1);
    update!(update_u16, AtomicU16, AtomicI16, u16, i16, 2);
    update!(update_u32, AtomicU32, AtomicI32, u32, i32, 4);
    update!(update_u64, AtomicU64, AtomicI64, u64, i64, 8);

    /// Reads up to 8 bytes at any offset, little endian; as one, if they lie inside 16 aligned
    /// bytes. Bytes past the page's end are those of its start: the caller splits what crosses a
    /// page.
    pub fn load_unaligned(self, offset: usize, bytes: usize, order: Ordering) -> u64 {
        let (in8, in16) = (offset & 7, offset & 15);
        let value = if in8 + bytes <= 8 {
            self.load_u64(offset, order) >> (8 * in8)
        } else if in16 + bytes <= 16 {
            (self.load_u128(offset, order) >> (8 * in16)) as u64
        } else {
            let low = self.load_u64(offset, order) >> (8 * in8);
            low | self.load_u64(offset + 8, order) << (64 - 8 * in8)
        };
        value & low_bytes(bytes) as u64
    }

    /// Writes up to 8 bytes at any offset; as one, if they lie inside 16 aligned bytes. At the
    /// page's end as [`Page::load_unaligned`].
    pub fn store_unaligned(self, offset: usize, bytes: usize, value: u64, order: Ordering) {
        if (offset & 15) + bytes <= 16 {
            self.update_inside(offset, bytes, |_| Some(value.into()));
            return;
        }
        let mut done = 0;
        while done < bytes {
            // The largest aligned piece that starts here.
            let at = offset + done;
            let piece = (1 << (bytes - done).ilog2()).min(1 << at.trailing_zeros());
            let part = value >> (8 * done);
            match piece {
                1 => self.store_u8(at, part as u8, order),
                2 => self.store_u16(at, part as u16, order),
                4 => self.store_u32(at, part as u32, order),
                _ => self.store_u64(at, part, order),
            }
            done += piece;
        }
    }

    /// Reads `bytes` bytes that lie inside 16 aligned bytes, asks `new` what shall stand there,
    /// and writes that, all of it as one; returns what was there. `new` says `None` to leave it.
    pub fn update_inside(
        self,
        offset: usize,
        bytes: usize,
        new: impl Fn(u128) -> Option<u128>,
    ) -> u128 {
        debug_assert!((offset & 15) + bytes <= 16, "inside 16 aligned bytes");
        let mask = low_bytes(bytes);
        let narrow = (offset & 7) + bytes <= 8;
        let shift = 8 * (offset & if narrow { 7 } else { 15 });
        let mut held = match narrow {
            true => self.load_u64(offset, Ordering::Relaxed).into(),
            false => self.load_u128(offset, Ordering::Relaxed),
        };
        loop {
            let old = held >> shift & mask;
            let Some(new) = new(old) else { return old };
            let wanted = held & !(mask << shift) | (new & mask) << shift;
            let done = match narrow {
                true => self
                    .exchange_u64(offset, held as u64, wanted as u64)
                    .map(u128::from)
                    .map_err(u128::from),
                false => self.exchange_u128(offset, held, wanted),
            };
            match done {
                Ok(_) => return old,
                Err(now) => held = now,
            }
        }
    }

    /// A read-modify-write of up to 8 bytes that lie inside 16 aligned bytes.
    pub fn update_unaligned(
        self,
        offset: usize,
        bytes: usize,
        update: Update,
        operand: u64,
    ) -> u64 {
        let new = |old| Some(update.apply(bytes, old as u64, operand).into());
        self.update_inside(offset, bytes, new) as u64
    }

    /// Whether the words at `offset` are `words`: used to believe a decoded block again.
    pub fn words_equal(self, offset: usize, words: impl Iterator<Item = u32>) -> bool {
        words.enumerate().all(|(i, w)| self.load_u32(offset + 4 * i, Ordering::Relaxed) == w)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GuestMemory, Perms};

    const GRANULE: u64 = 0x4000;

    /// A memory of one granule at 0, and what keeps it.
    fn memory() -> (GuestMemory, Vec<u8>) {
        let host = vec![0; 2 * GRANULE as usize];
        let memory = GuestMemory::new(36, GRANULE);
        let base = (host.as_ptr() as usize).next_multiple_of(GRANULE as usize);
        memory.map(base, 0, GRANULE, Perms::all()).unwrap();
        (memory, host)
    }

    #[test]
    fn a_mapped_page_reads_what_was_written() {
        let (memory, _host) = memory();
        let map = memory.enter();
        let (page, perms) = map.lookup(0x1008).unwrap();
        assert_eq!(perms, Perms::all());
        let page = page.get(&map).unwrap();
        page.store_u64(8, 0x1122_3344_5566_7788, Ordering::Relaxed);
        assert_eq!(page.load_u16(10, Ordering::Relaxed), 0x5566);
        assert_eq!(page.load_unaligned(9, 3, Ordering::Relaxed), 0x55_6677);
        let before = 0x1122_3344_5566_7788 << 64;
        assert_eq!(page.exchange_u128(0, before, 5), Ok(before));
        assert_eq!(page.exchange_u128(0, 6, 7), Err(5));
        assert_eq!(page.load_u64(0, Ordering::Relaxed), 5);
    }

    #[test]
    fn accesses_at_any_offset_move_exactly_their_bytes() {
        let (memory, _host) = memory();
        let map = memory.enter();
        let page = map.lookup(0).unwrap().0.get(&map).unwrap();
        let value = 0x8877_6655_4433_2211_u64;
        for offset in 0..40 {
            for bytes in 1..=8 {
                (0..64).for_each(|at| page.store_u8(at, 0xa0, Ordering::Relaxed));
                page.store_unaligned(offset, bytes, value, Ordering::Relaxed);
                for at in 0..64 {
                    let inside = (offset..offset + bytes).contains(&at);
                    let expected = if inside { (value >> (8 * (at - offset))) as u8 } else { 0xa0 };
                    let found = page.load_u8(at, Ordering::Relaxed);
                    assert_eq!(found, expected, "{bytes} bytes at {offset}: byte {at}");
                }
                let found = page.load_unaligned(offset, bytes, Ordering::Relaxed);
                assert_eq!(found, value & low_bytes(bytes) as u64, "{bytes} bytes at {offset}");
            }
        }
    }

    #[test]
    fn aligned_and_unaligned_updates_compute_the_same() {
        let (memory, _host) = memory();
        let map = memory.enter();
        let page = map.lookup(0).unwrap().0.get(&map).unwrap();
        use Update::*;
        let all = [Add, And, Or, Xor, SignedMax, SignedMin, UnsignedMax, UnsignedMin, Swap];
        let values = [0u16, 1, 0x7fff, 0x8000, 0x80ff, 0xffff];
        for update in all {
            for (a, b) in values.iter().flat_map(|a| values.map(|b| (*a, b))) {
                for offset in [3, 7] {
                    page.store_u16(32, a, Ordering::Relaxed);
                    page.store_unaligned(offset, 2, a.into(), Ordering::Relaxed);
                    assert_eq!(page.update_u16(32, update, b), a);
                    assert_eq!(page.update_unaligned(offset, 2, update, b.into()), a.into());
                    let result = page.load_u16(32, Ordering::Relaxed);
                    let other = page.load_unaligned(offset, 2, Ordering::Relaxed);
                    assert_eq!(other, result.into(), "{update:?} {a:#x} {b:#x}");
                }
            }
        }
    }

    /// The two halves of what is written as one are never seen apart, by whatever kind of access
    /// the other thread writes.
    #[test]
    fn stores_inside_16_bytes_are_seen_whole_by_another_thread() {
        let (memory, _host) = memory();
        let torn = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let map = memory.enter();
                let page = map.lookup(0).unwrap().0.get(&map).unwrap();
                for i in 0..200_000u64 {
                    let half = i & 0xffff_ffff;
                    page.store_unaligned(4, 8, half << 32 | half, Ordering::Relaxed);
                    page.update_unaligned(0x17, 2, Update::Add, 0x0101);
                }
            });
            let map = memory.enter();
            let page = map.lookup(0).unwrap().0.get(&map).unwrap();
            let mut torn = 0;
            while !writer.is_finished() {
                let seen = page.load_unaligned(4, 8, Ordering::Relaxed);
                torn += u32::from(seen >> 32 != seen & 0xffff_ffff);
                page.update_unaligned(0x19, 2, Update::Add, 1);
            }
            torn
        });
        assert_eq!(torn, 0);
        let map = memory.enter();
        let page = map.lookup(0).unwrap().0.get(&map).unwrap();
        let sum = page.load_unaligned(0x17, 2, Ordering::Relaxed);
        assert_eq!(sum, (200_000 * 0x0101) & 0xffff, "no update is lost to its neighbour's");
    }
}
