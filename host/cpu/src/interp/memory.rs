//! Loads and stores: the TLB's fast path, and the slow path with everything that can go wrong.
//!
//! ```text
//!   aligned to its size, TLB hit with the right     -> host memory, done
//!   otherwise, in the manual's order:
//!     unaligned where that faults                   -> alignment fault
//!     translate (both pages, if it crosses)         -> abort at EL1, or exit
//!     unaligned in Device memory                    -> alignment fault   (inside translate)
//!     as one inside 16 aligned bytes                   FEAT_LSE2
//!     else in pieces                                   single-copy atomic only byte by byte
//! ```
//!
//! Which unaligned accesses fault (`AArch64.UnalignedAccessFaults` with FEAT_LSE2):
//!
//! ```text
//!   SCTLR_EL1.A = 1                                  all
//!   exclusives, atomics: not inside 16 aligned bytes yes
//!   acquire, release:    not inside 16 aligned bytes if SCTLR_EL1.nAA = 0
//!   all others                                       none
//! ```
//!
//! FAR and IPA name the first byte that faults: for the second page of a crossing access, that
//! page's first byte.
//!
//! Our choice where the manual leaves one (CONSTRAINED UNPREDICTABLE): an unaligned exclusive,
//! atomic or ordered access to Normal memory that is not Write-Back behaves as if it were.

use super::{Interp, Stopped};
use crate::emit::Access;
use crate::exception::Exception;
use crate::mmu::regime::CONTEXT_WATCHED;
use crate::mmu::{self, Abort, PackedAbort, Use, Want, rights};
use crate::state::Exclusive;
use anyvisor_arch::esr::{DataAbort, Esr, ExceptionClass, FaultStatus};
use anyvisor_arch::pstate::UAO;
use anyvisor_bugs::{Bug, is};
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

/// Up to 16 bytes at any place in one page.
fn load_any(page: Page<'_>, va: u64, bytes: u32, order: Ordering) -> u128 {
    let offset = va as usize;
    match bytes {
        16 if aligned(va, 16) => page.load_u128(offset, order),
        0..=8 => page.load_unaligned(offset, bytes as usize, order).into(),
        _ => {
            let low = page.load_unaligned(offset, 8, order);
            let high = page.load_unaligned(offset + 8, bytes as usize - 8, order);
            u128::from(high) << 64 | u128::from(low)
        }
    }
}

/// Up to 16 bytes to any place in one page.
fn store_any(page: Page<'_>, va: u64, bytes: u32, value: u128, order: Ordering) {
    let offset = va as usize;
    match bytes {
        16 if aligned(va, 16) => page.store_u128(offset, value, order),
        1 | 2 | 4 | 8 if aligned(va, bytes) => store_aligned(page, va, bytes, value as u64, order),
        0..=8 => page.store_unaligned(offset, bytes as usize, value as u64, order),
        _ => {
            store_any(page, va, 8, value, order);
            store_any(page, va + 8, bytes - 8, value >> 64, order);
        }
    }
}

/// Writes `new` if the `bytes` bytes at `va` hold `old`, as one; returns what was there. They are
/// aligned, or inside 16 aligned bytes.
pub(super) fn compare_exchange(page: Page<'_>, va: u64, bytes: u32, old: u128, new: u128) -> u128 {
    fn found<T: Into<u128>>(result: Result<T, T>) -> u128 {
        match result {
            Ok(value) | Err(value) => value.into(),
        }
    }
    let offset = va as usize;
    match bytes {
        _ if !aligned(va, bytes) => {
            page.update_inside(offset, bytes as usize, |now| (now == old).then_some(new))
        }
        1 => found(page.exchange_u8(offset, old as u8, new as u8)),
        2 => found(page.exchange_u16(offset, old as u16, new as u16)),
        4 => found(page.exchange_u32(offset, old as u32, new as u32)),
        8 => found(page.exchange_u64(offset, old as u64, new as u64)),
        _ => found(page.exchange_u128(offset, old, new)),
    }
}

/// Two values of `bytes` bytes side by side as one; what is above them does not count.
#[inline(always)]
pub(super) fn join(bytes: u32, values: (u64, u64)) -> u128 {
    let mask = u64::MAX >> (64 - 8 * bytes);
    u128::from(values.0 & mask) | u128::from(values.1 & mask) << (8 * bytes)
}

/// The two values of `bytes` bytes that stand side by side.
#[inline(always)]
pub(super) fn split(bytes: u32, value: u128) -> (u64, u64) {
    let mask = u64::MAX >> (64 - 8 * bytes);
    (value as u64 & mask, (value >> (8 * bytes)) as u64 & mask)
}

#[inline(always)]
pub(super) fn aligned(va: u64, bytes: u32) -> bool {
    va & u64::from(bytes - 1) == 0
}

/// The manual's `AllInAlignedQuantity` of 16 bytes.
fn inside_16(va: u64, bytes: u32) -> bool {
    (va & 15) + u64::from(bytes) <= 16
}

/// Whether an access goes over the end of its 4 KiB page.
#[inline(always)]
fn crosses(va: u64, bytes: u32) -> bool {
    (va & 0xfff) + u64::from(bytes) > 0x1000
}

/// The first byte of the next page.
fn next_page(va: u64) -> u64 {
    (va | 0xfff).wrapping_add(1)
}

/// Where an access goes.
enum Reached<'a> {
    /// To memory.
    Memory(Page<'a>),
    /// To a frame of the GIC, at this guest physical address.
    Gic(u64),
}

impl<'a> Interp<'a> {
    /// The right that a data access needs.
    #[inline(always)]
    pub(super) fn need(&self, access: Access, want: Want) -> u16 {
        // With PSTATE.UAO set LDTR and STTR are like LDR and STR.
        let unprivileged = access.unprivileged && !self.cpu.pstate.any(UAO);
        let unprivileged = unprivileged && !is(Bug::LdtrPrivileged);
        match (want, unprivileged) {
            // LDTR and STTR at EL1 are EL0's accesses, which PAN does not stop.
            (Want::Write, true) => rights::W0,
            (_, true) => rights::R0,
            (Want::Write, false) => self.cpu.regime.write,
            (_, false) => self.cpu.regime.read,
        }
    }

    /// The host page of `va`, if the TLB has it with the right.
    #[inline(always)]
    pub(super) fn page(&self, va: u64, need: u16) -> Option<Page<'a>> {
        self.tlb.lookup(&self.cpu.regime, va, need)?.host.get(self.map)
    }

    /// One load.
    #[inline(always)]
    pub(super) fn load_one(&mut self, access: Access, va: u64) -> Result<u64, Stopped> {
        if !aligned(va, access.bytes) {
            return self.load_other(access, va).map(|value| value as u64);
        }
        match self.page(va, self.need(access, Want::Read)) {
            Some(page) => Ok(load_aligned(page, va, access.bytes, ordering(access))),
            None => self.load_walked(access, va),
        }
    }

    /// One store.
    #[inline(always)]
    pub(super) fn store_one(&mut self, access: Access, va: u64, value: u64) -> Result<(), Stopped> {
        if !aligned(va, access.bytes) {
            return self.store_other(access, va, value.into());
        }
        match self.page(va, self.need(access, Want::Write)) {
            Some(page) => {
                store_aligned(page, va, access.bytes, value, ordering(access));
                Ok(())
            }
            None => self.store_walked(access, va, value),
        }
    }

    /// Two loads side by side: one access, with the alignment of each.
    #[inline(always)]
    pub(super) fn load_two(&mut self, access: Access, va: u64) -> Result<(u64, u64), Stopped> {
        let bytes = access.bytes;
        if aligned(va, bytes)
            && !crosses(va, 2 * bytes)
            && let Some(page) = self.page(va, self.need(access, Want::Read))
        {
            let order = Ordering::Relaxed;
            return Ok(match (bytes, aligned(va, 2 * bytes)) {
                (4, true) => split(4, page.load_u64(va as usize, order).into()),
                (4, false) => split(4, page.load_unaligned(va as usize, 8, order).into()),
                (_, true) => split(8, page.load_u128(va as usize, order)),
                _ => (page.load_u64(va as usize, order), page.load_u64(va as usize + 8, order)),
            });
        }
        let both = Access { bytes: 2 * bytes, align: bytes, ..access };
        Ok(split(bytes, self.load_other(both, va)?))
    }

    /// Two stores side by side: one access, with the alignment of each. Neither is done if one of
    /// them faults.
    #[inline(always)]
    pub(super) fn store_two(
        &mut self,
        access: Access,
        va: u64,
        values: (u64, u64),
    ) -> Result<(), Stopped> {
        let bytes = access.bytes;
        if aligned(va, bytes)
            && !crosses(va, 2 * bytes)
            && let Some(page) = self.page(va, self.need(access, Want::Write))
        {
            let (order, at) = (Ordering::Relaxed, va as usize);
            match (bytes, aligned(va, 2 * bytes)) {
                (4, true) => page.store_u64(at, join(4, values) as u64, order),
                (4, false) => page.store_unaligned(at, 8, join(4, values) as u64, order),
                (_, true) => page.store_u128(at, join(8, values), order),
                _ => {
                    page.store_u64(at, values.0, order);
                    page.store_u64(at + 8, values.1, order);
                }
            }
            return Ok(());
        }
        let both = Access { bytes: 2 * bytes, align: bytes, ..access };
        self.store_other(both, va, join(bytes, values))
    }

    /// A load of up to 16 bytes for which there is no short way.
    #[inline(never)]
    pub(super) fn load_other(&mut self, access: Access, va: u64) -> Result<u128, Stopped> {
        let (bytes, order) = (access.bytes, ordering(access));
        if let Some(page) = self.page_of_unaligned(access, va, Want::Read) {
            return Ok(load_any(page, va, bytes, order));
        }
        let pages = self.places(access, va, Want::Read)?;
        if !crosses(va, bytes) {
            return Ok(load_any(pages.0, va, bytes, order));
        }
        let first = 0x1000 - (va & 0xfff) as u32;
        let low = load_any(pages.0, va, first, order);
        Ok(low | load_any(pages.1, 0, bytes - first, order) << (8 * first))
    }

    /// A store of up to 16 bytes for which there is no short way.
    #[inline(never)]
    pub(super) fn store_other(
        &mut self,
        access: Access,
        va: u64,
        value: u128,
    ) -> Result<(), Stopped> {
        let (bytes, order) = (access.bytes, ordering(access));
        if let Some(page) = self.page_of_unaligned(access, va, Want::Write) {
            store_any(page, va, bytes, value, order);
            return Ok(());
        }
        let pages = self.places(access, va, Want::Write)?;
        if crosses(va, bytes) {
            let first = 0x1000 - (va & 0xfff) as u32;
            store_any(pages.0, va, first, value, order);
            store_any(pages.1, 0, bytes - first, value >> (8 * first), order);
        } else {
            store_any(pages.0, va, bytes, value, order);
        }
        Ok(())
    }

    /// An aligned load from a page that the TLB has not. (A call at the very end, so that a load
    /// from one that it has saves no registers.)
    #[inline(never)]
    fn load_walked(&mut self, access: Access, va: u64) -> Result<u64, Stopped> {
        match self.walked(access, va, Want::Read)? {
            Reached::Memory(page) => Ok(load_aligned(page, va, access.bytes, ordering(access))),
            Reached::Gic(ipa) => {
                Ok(self.cpu.gic.as_ref().map_or(0, |gic| gic.load(ipa, access.bytes)))
            }
        }
    }

    /// An aligned store to a page that the TLB has not.
    #[inline(never)]
    fn store_walked(&mut self, access: Access, va: u64, value: u64) -> Result<(), Stopped> {
        match self.walked(access, va, Want::Write)? {
            Reached::Memory(page) => {
                store_aligned(page, va, access.bytes, value, ordering(access));
            }
            Reached::Gic(ipa) => {
                if let Some(gic) = &self.cpu.gic {
                    gic.store(ipa, access.bytes, value);
                }
                self.attend_soon();
            }
        }
        Ok(())
    }

    /// Where an aligned access goes.
    #[inline(always)]
    fn walked(&mut self, access: Access, va: u64, want: Want) -> Result<Reached<'a>, Stopped> {
        if self.cpu.regime.context & CONTEXT_WATCHED != 0 {
            return self.translated(access, va, want);
        }
        let need = self.need(access, want);
        match mmu::refill(self.cpu, self.tlb, self.map, va, need) {
            Ok(page) => Ok(Reached::Memory(page)),
            Err(Some(abort)) => self.gic_or_abort(abort, access, va, want),
            Err(None) => self.translated(access, va, want),
        }
    }

    #[inline(never)]
    fn translated(&mut self, access: Access, va: u64, want: Want) -> Result<Reached<'a>, Stopped> {
        let reached = match self.find(access, va, want, true) {
            Ok((_, page)) => Reached::Memory(page),
            Err(abort) => self.gic_or_abort(abort, access, va, want)?,
        };
        self.watch(access, va, access.bytes, want)?;
        Ok(reached)
    }

    /// What an access that found no memory is: the GIC's, or the end of the instruction.
    fn gic_or_abort(
        &mut self,
        abort: PackedAbort,
        access: Access,
        va: u64,
        want: Want,
    ) -> Result<Reached<'a>, Stopped> {
        match self.gic_frame(abort) {
            Some(ipa) => Ok(Reached::Gic(ipa)),
            None => Err(self.data_abort(abort, access, va, want)),
        }
    }

    /// The guest physical address of an access to the GIC, where stage 2 has nothing. Only single
    /// aligned loads and stores get there: a pair, a vector of 16 bytes, an exclusive or an atomic
    /// access exits like any other access to nothing. (IHI 0069, "GIC memory-mapped register
    /// access": 8 to 64 bits.)
    fn gic_frame(&self, abort: PackedAbort) -> Option<u64> {
        let gic = self.cpu.gic.as_ref()?;
        match abort.unpack() {
            Abort::Stage2 { status: FaultStatus::Translation(_), ipa, on_walk: false } => {
                gic.claims(ipa).then_some(ipa)
            }
            _ => None,
        }
    }

    /// The page of an access in one page that the TLB has, if being unaligned is no matter there.
    fn page_of_unaligned(&self, access: Access, va: u64, want: Want) -> Option<Page<'a>> {
        if crosses(va, access.bytes) {
            return None;
        }
        let entry = self.tlb.lookup(&self.cpu.regime, va, self.need(access, want))?;
        let unaligned = !aligned(va, access.align);
        if unaligned && (entry.device || self.unaligned_faults(access, va, access.bytes, false)) {
            return None;
        }
        entry.host.get(self.map)
    }

    /// `AArch64.UnalignedAccessFaults`: whether an access of `bytes` bytes in all that is not
    /// aligned faults wherever it goes. `atomic`: exclusives and atomic operations.
    fn unaligned_faults(&self, access: Access, va: u64, bytes: u32, atomic: bool) -> bool {
        let regime = &self.cpu.regime;
        let strict = atomic || access.ordered && !regime.unaligned_ordered;
        regime.check_alignment || strict && !inside_16(va, bytes)
    }

    /// The pages of the first and the last byte of an access, all checks done.
    fn places(
        &mut self,
        access: Access,
        va: u64,
        want: Want,
    ) -> Result<(Page<'a>, Page<'a>), Stopped> {
        let aligned = aligned(va, access.align);
        if !aligned && self.unaligned_faults(access, va, access.bytes, false) {
            return Err(self.data_abort(
                Abort::Stage1(FaultStatus::Alignment).into(),
                access,
                va,
                want,
            ));
        }
        let (_, first) = self.place(access, va, want, aligned)?;
        if !crosses(va, access.bytes) {
            self.watch(access, va, access.bytes, want)?;
            return Ok((first, first));
        }
        // Only a part of the access lies there: a syndrome that names its size would mislead.
        let rest = Access { iss: 0, ..access };
        let asked = if is(Bug::SecondPageUnchecked) { Want::Locate } else { want };
        let (_, second) = self.place(rest, next_page(va), asked, aligned)?;
        self.watch(access, va, access.bytes, want)?;
        Ok((first, second))
    }

    /// Translates one address: its guest physical address and the page behind it.
    #[inline(always)]
    fn place(
        &mut self,
        access: Access,
        va: u64,
        want: Want,
        aligned: bool,
    ) -> Result<(u64, Page<'a>), Stopped> {
        let found = self.find(access, va, want, aligned);
        found.map_err(|abort| self.data_abort(abort, access, va, want))
    }

    /// The same, and what is in the way of it.
    #[inline(always)]
    fn find(
        &mut self,
        access: Access,
        va: u64,
        want: Want,
        aligned: bool,
    ) -> Result<(u64, Page<'a>), PackedAbort> {
        let asked = Use { want, need: self.need(access, want), aligned };
        let place = mmu::translate(self.cpu, self.tlb, self.map, va, asked)?;
        Ok((place.ipa, place.page))
    }

    /// LDXR, LDAXR, LDXP, LDAXP: the pair is one access of twice the size.
    pub(super) fn exclusive_load(
        &mut self,
        access: Access,
        pair: bool,
        va: u64,
    ) -> Result<(u64, u64), Stopped> {
        let bytes = access.bytes << u32::from(pair);
        let (ipa, page) = self.whole_place(access, bytes, va, Want::Read)?;
        let value = load_any(page, va, bytes, Ordering::SeqCst);
        self.cpu.exclusive = Some(Exclusive { ipa, bytes: bytes as u8, value });
        Ok(split(access.bytes, value))
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
        let (ipa, page) = self.whole_place(access, bytes, va, Want::Write)?;
        let Some(mark) = self.cpu.exclusive.take() else { return Ok(1) };
        if mark.ipa != ipa && !is(Bug::StxrIgnoresAddress) || u32::from(mark.bytes) != bytes {
            return Ok(1);
        }
        let new = if pair { join(access.bytes, values) } else { values.0.into() };
        let found = compare_exchange(page, va, bytes, mark.value, new);
        Ok(u64::from(found != mark.value))
    }

    /// The place of an exclusive or an atomic operation: aligned to its whole size (`bytes`), or
    /// inside 16 aligned bytes; so it never crosses a page.
    pub(super) fn whole_place(
        &mut self,
        access: Access,
        bytes: u32,
        va: u64,
        want: Want,
    ) -> Result<(u64, Page<'a>), Stopped> {
        let aligned = aligned(va, bytes);
        if !aligned && self.unaligned_faults(access, va, bytes, true) {
            return Err(self.data_abort(
                Abort::Stage1(FaultStatus::Alignment).into(),
                access,
                va,
                want,
            ));
        }
        let need = self.need(access, want);
        if let Some(entry) = self.tlb.lookup(&self.cpu.regime, va, need)
            && (aligned || !entry.device)
            && let Some(page) = entry.host.get(self.map)
        {
            return Ok((entry.ipa | va & 0xfff, page));
        }
        let place = self.place(access, va, want, aligned)?;
        self.watch(access, va, bytes, want)?;
        Ok(place)
    }

    /// Turns an abort into what is taken at EL1, or leaves with it.
    #[cold]
    pub(super) fn data_abort(
        &mut self,
        abort: PackedAbort,
        access: Access,
        va: u64,
        want: Want,
    ) -> Stopped {
        match abort.unpack() {
            // ISV is 0 in every data abort taken to EL1 here.
            Abort::Stage1(status) => {
                let iss = DataAbort::new(status, want == Want::Write).iss();
                self.abort_at_el1(iss, va)
            }
            Abort::Stage2 { status, ipa, on_walk } => {
                // The walk itself is a read, whatever it is done for.
                let write = want == Want::Write && !on_walk;
                let on_walk = on_walk && !is(Bug::S1ptwMissing);
                let iss = DataAbort { on_walk, ..DataAbort::new(status, write) }.iss();
                let valid = if on_walk { 0 } else { u64::from(access.iss) };
                let wide = is(Bug::IssSizeWrong) && valid >> 22 & 0b11 == 0b11;
                let valid = if wide { valid & !(1 << 22) } else { valid };
                let valid = if is(Bug::IssSignLost) { valid & !(1 << 21) } else { valid };
                let va = if is(Bug::ExitFarOfPage) { va & !0xfff } else { va };
                self.exit(Esr::new(ExceptionClass::DataAbortLower, iss | valid).0, va, ipa)
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
