//! Loads and stores: the TLB's fast path, and the slow path with everything that can go wrong.
//!
//! ```text
//!   aligned to its size, TLB hit with the right     -> host memory, done
//!   otherwise, in the manual's order:
//!     unaligned where alignment is checked          -> alignment fault
//!     translate (both pages, if it crosses)         -> abort at EL1, or exit
//!     unaligned in Device memory                    -> alignment fault   (inside translate)
//!     bytes, one by one                                single-copy atomic only byte by byte
//! ```
//!
//! FAR and IPA name the first byte that faults: for the second page of a crossing access, that
//! page's first byte.

use super::{Interp, Stopped};
use crate::emit::Access;
use crate::exception::Exception;
use crate::mmu::{self, Abort, Want, rights};
use crate::state::Exclusive;
use anyvisor_arch::esr::{DataAbort, Esr, ExceptionClass, FaultStatus};
use anyvisor_vm::Page;
use std::sync::atomic::Ordering;

/// Host ordering of an access: acquire and release are sequentially consistent among themselves
/// (DDI 0487 B2.3: RCsc), which is more than `Acquire` and `Release` say.
#[inline(always)]
fn ordering(access: Access) -> Ordering {
    if access.ordered { Ordering::SeqCst } else { Ordering::Relaxed }
}

#[inline(always)]
fn load_aligned(page: Page<'_>, va: u64, bytes: u32, order: Ordering) -> u64 {
    let offset = va as usize;
    match bytes {
        1 => page.load_u8(offset, order).into(),
        2 => page.load_u16(offset, order).into(),
        4 => page.load_u32(offset, order).into(),
        _ => page.load_u64(offset, order),
    }
}

#[inline(always)]
fn store_aligned(page: Page<'_>, va: u64, bytes: u32, value: u64, order: Ordering) {
    let offset = va as usize;
    match bytes {
        1 => page.store_u8(offset, value as u8, order),
        2 => page.store_u16(offset, value as u16, order),
        4 => page.store_u32(offset, value as u32, order),
        _ => page.store_u64(offset, value, order),
    }
}

#[inline(always)]
fn aligned(va: u64, bytes: u32) -> bool {
    va & u64::from(bytes - 1) == 0
}

/// Whether an access goes over the end of its 4 KiB page.
fn crosses(va: u64, bytes: u32) -> bool {
    (va & 0xfff) + u64::from(bytes) > 0x1000
}

/// The first byte of the next page.
fn next_page(va: u64) -> u64 {
    (va | 0xfff).wrapping_add(1)
}

impl<'a> Interp<'a> {
    /// The right that a data access needs.
    #[inline(always)]
    fn need(&self, access: Access, want: Want) -> u16 {
        match (want, access.unprivileged) {
            // LDTR and STTR at EL1 are EL0's accesses, which PAN does not stop.
            (Want::Write, true) => rights::W0,
            (_, true) => rights::R0,
            (Want::Write, false) => self.cpu.regime.write,
            (_, false) => self.cpu.regime.read,
        }
    }

    /// The host page of `va`, if the TLB has it with the right.
    #[inline(always)]
    fn page(&self, va: u64, need: u16) -> Option<Page<'a>> {
        self.tlb.lookup(&self.cpu.regime, va, need)?.host.get(self.map)
    }

    /// One load.
    #[inline(always)]
    pub(super) fn load_one(&mut self, access: Access, va: u64) -> Result<u64, Stopped> {
        if aligned(va, access.bytes)
            && let Some(page) = self.page(va, self.need(access, Want::Read))
        {
            return Ok(load_aligned(page, va, access.bytes, ordering(access)));
        }
        self.load_slow(access, va)
    }

    /// One store.
    #[inline(always)]
    pub(super) fn store_one(&mut self, access: Access, va: u64, value: u64) -> Result<(), Stopped> {
        if aligned(va, access.bytes)
            && let Some(page) = self.page(va, self.need(access, Want::Write))
        {
            store_aligned(page, va, access.bytes, value, ordering(access));
            return Ok(());
        }
        self.store_slow(access, va, value)
    }

    /// Two loads side by side.
    #[inline(always)]
    pub(super) fn load_two(&mut self, access: Access, va: u64) -> Result<(u64, u64), Stopped> {
        let bytes = access.bytes;
        if aligned(va, bytes)
            && !crosses(va, 2 * bytes)
            && let Some(page) = self.page(va, self.need(access, Want::Read))
        {
            let second = va + u64::from(bytes);
            let load = |va| load_aligned(page, va, bytes, Ordering::Relaxed);
            return Ok((load(va), load(second)));
        }
        let first = self.load_slow(access, va)?;
        Ok((first, self.load_slow(access, va.wrapping_add(bytes.into()))?))
    }

    /// Two stores side by side. Neither is done if one of them faults.
    #[inline(always)]
    pub(super) fn store_two(
        &mut self,
        access: Access,
        va: u64,
        values: (u64, u64),
    ) -> Result<(), Stopped> {
        let bytes = access.bytes;
        let second = va.wrapping_add(bytes.into());
        if aligned(va, bytes)
            && !crosses(va, 2 * bytes)
            && let Some(page) = self.page(va, self.need(access, Want::Write))
        {
            store_aligned(page, va, bytes, values.0, Ordering::Relaxed);
            store_aligned(page, second, bytes, values.1, Ordering::Relaxed);
            return Ok(());
        }
        self.places(access, va, Want::Write)?;
        self.places(access, second, Want::Write)?;
        self.store_slow(access, va, values.0)?;
        self.store_slow(access, second, values.1)
    }

    #[cold]
    #[inline(never)]
    fn load_slow(&mut self, access: Access, va: u64) -> Result<u64, Stopped> {
        let pages = self.places(access, va, Want::Read)?;
        let bytes = access.bytes;
        if aligned(va, bytes) {
            return Ok(load_aligned(pages.0, va, bytes, ordering(access)));
        }
        let byte = |i: u32| {
            let at = va.wrapping_add(i.into());
            let page = if crosses(va, i + 1) { pages.1 } else { pages.0 };
            u64::from(page.load_u8(at as usize, Ordering::Relaxed))
        };
        Ok((0..bytes).rev().fold(0, |value, i| value << 8 | byte(i)))
    }

    #[cold]
    #[inline(never)]
    fn store_slow(&mut self, access: Access, va: u64, value: u64) -> Result<(), Stopped> {
        let pages = self.places(access, va, Want::Write)?;
        let bytes = access.bytes;
        if aligned(va, bytes) {
            store_aligned(pages.0, va, bytes, value, ordering(access));
            return Ok(());
        }
        for i in 0..bytes {
            let at = va.wrapping_add(i.into());
            let page = if crosses(va, i + 1) { pages.1 } else { pages.0 };
            page.store_u8(at as usize, (value >> (8 * i)) as u8, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The pages of the first and the last byte of an access, all checks done.
    fn places(
        &mut self,
        access: Access,
        va: u64,
        want: Want,
    ) -> Result<(Page<'a>, Page<'a>), Stopped> {
        let aligned = aligned(va, access.bytes);
        // LDAR and STLR want alignment always: without FEAT_LSE2 there is no exception to it.
        if !aligned && (self.cpu.regime.check_alignment || access.ordered) {
            return Err(self.data_abort(Abort::Stage1(FaultStatus::Alignment), access, va, want));
        }
        let (_, first) = self.place(access, va, want, aligned)?;
        if !crosses(va, access.bytes) {
            return Ok((first, first));
        }
        // Only a part of the access lies there: a syndrome that names its size would mislead.
        let rest = Access { iss: 0, ..access };
        let (_, second) = self.place(rest, next_page(va), want, aligned)?;
        Ok((first, second))
    }

    /// Translates one address: its guest physical address and the page behind it.
    fn place(
        &mut self,
        access: Access,
        va: u64,
        want: Want,
        aligned: bool,
    ) -> Result<(u64, Page<'a>), Stopped> {
        let need = self.need(access, want);
        let found = mmu::translate(self.cpu, self.tlb, self.map, va, want, need, aligned);
        let abort = match found {
            Ok(place) => match place.page.get(self.map) {
                Some(page) => return Ok((place.ipa, page)),
                None => Abort::unmapped(place.ipa, false),
            },
            Err(abort) => abort,
        };
        Err(self.data_abort(abort, access, va, want))
    }

    /// LDXR, LDAXR, LDXP, LDAXP: the pair is one access of twice the size.
    pub(super) fn exclusive_load(
        &mut self,
        access: Access,
        pair: bool,
        va: u64,
    ) -> Result<(u64, u64), Stopped> {
        let bytes = access.bytes << u32::from(pair);
        let (ipa, page) = self.exclusive_place(access, bytes, va, Want::Read)?;
        let offset = va as usize;
        let value = match bytes {
            16 => page.load_u128(offset, Ordering::SeqCst),
            _ => load_aligned(page, va, bytes, ordering(access)).into(),
        };
        self.cpu.exclusive = Some(Exclusive { ipa, bytes: bytes as u8, value });
        let low = 8 * access.bytes;
        let mask = u64::MAX >> (64 - low);
        Ok((value as u64 & mask, (value >> low) as u64 & mask))
    }

    /// STXR, STLXR, STXP, STLXP: 0 if stored, 1 if not. The address is checked first, as
    /// `AArch64.ExclusiveMonitorsPass` does; the mark is gone in either case.
    pub(super) fn exclusive_store(
        &mut self,
        access: Access,
        pair: bool,
        va: u64,
        values: (u64, u64),
    ) -> Result<u64, Stopped> {
        let bytes = access.bytes << u32::from(pair);
        let (ipa, page) = self.exclusive_place(access, bytes, va, Want::Write)?;
        let Some(mark) = self.cpu.exclusive.take() else { return Ok(1) };
        if mark.ipa != ipa || u32::from(mark.bytes) != bytes {
            return Ok(1);
        }
        let new = if pair {
            let low = 8 * access.bytes;
            u128::from(values.0) & (u128::MAX >> (128 - low)) | u128::from(values.1) << low
        } else {
            values.0.into()
        };
        let (offset, old) = (va as usize, mark.value);
        let stored = match bytes {
            1 => page.swap_u8(offset, old as u8, new as u8),
            2 => page.swap_u16(offset, old as u16, new as u16),
            4 => page.swap_u32(offset, old as u32, new as u32),
            8 => page.swap_u64(offset, old as u64, new as u64),
            _ => page.swap_u128(offset, old, new),
        };
        Ok(u64::from(!stored))
    }

    /// Exclusives want alignment to their whole size, always.
    fn exclusive_place(
        &mut self,
        access: Access,
        bytes: u32,
        va: u64,
        want: Want,
    ) -> Result<(u64, Page<'a>), Stopped> {
        if !aligned(va, bytes) {
            return Err(self.data_abort(Abort::Stage1(FaultStatus::Alignment), access, va, want));
        }
        let need = self.need(access, want);
        if let Some(entry) = self.tlb.lookup(&self.cpu.regime, va, need)
            && let Some(page) = entry.host.get(self.map)
        {
            return Ok((entry.ipa | va & 0xfff, page));
        }
        self.place(access, va, want, true)
    }

    /// Turns an abort into what is taken at EL1, or leaves with it.
    #[cold]
    pub(super) fn data_abort(
        &mut self,
        abort: Abort,
        access: Access,
        va: u64,
        want: Want,
    ) -> Stopped {
        let write = want == Want::Write;
        match abort {
            // ISV is 0 in every data abort taken to EL1 here.
            Abort::Stage1(status) => {
                let iss = DataAbort::new(status, write).iss();
                self.abort_at_el1(iss, va)
            }
            Abort::Stage2 { status, ipa, on_walk } => {
                // The walk itself is a read, whatever it is done for.
                let iss = DataAbort { on_walk, ..DataAbort::new(status, write && !on_walk) }.iss();
                let valid = if on_walk { 0 } else { u64::from(access.iss) };
                let syndrome = Esr::new(ExceptionClass::DataAbortLower, iss | valid);
                self.exit(syndrome.0, va, ipa)
            }
            Abort::Update { status, ipa } => {
                let iss = DataAbort { on_walk: true, ..DataAbort::new(status, true) }.iss();
                self.exit(Esr::new(ExceptionClass::DataAbortLower, iss).0, va, ipa)
            }
        }
    }

    /// A data abort taken at EL1, from EL0 or EL1.
    pub(super) fn abort_at_el1(&mut self, iss: u64, va: u64) -> Stopped {
        let class = match self.cpu.pstate.el() {
            0 => ExceptionClass::DataAbortLower,
            _ => ExceptionClass::DataAbortSame,
        };
        let return_address = self.cpu.pc;
        self.raise(Exception { syndrome: Esr::new(class, iss), far: Some(va), return_address })
    }
}
