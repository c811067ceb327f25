//! Guest memory: the stage-2 map, and how host memory behind it is read and written.
//!
//! # Who may touch the map when
//!
//! ```text
//!   vCPU thread                         any thread
//!   -----------                         ----------
//!   enter():  shared lock               map / unmap / protect:
//!   runs the guest under it               ring every vCPU's bell (MAP)
//!   bell MAP at a block's end:            exclusive lock: waits for all vCPUs
//!     leave and enter again  <--------    bell off, change, generation += 1
//! ```
//!
//! A vCPU runs its guest under a shared lock on the map. So when `unmap` returns, no vCPU can
//! touch the host range any more, and its owner may free it: that is what makes the rest sound.
//!
//! # Host pages that outlive a lock
//!
//! A TLB keeps translations over many runs. What it keeps is a [`HostPage`]: an address with the
//! map's generation at the time. [`HostPage::get`] gives the page back as something that can be
//! read only for a [`Stage2`] of the same generation, which no change has touched since.
//! Generations are unique in the process, so a page of one VM is nothing in another.
//!
//! How a page is read and written is in `memory/page.rs`.

#[allow(unsafe_code)]
pub mod page;

use crate::sync::{Mutex, RwLock, RwLockReadGuard};
use crate::{Attention, HostPage, HvError};
use anyvisor_bugs::{Bug, is};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, Weak};

bitflags::bitflags! {
    /// Stage-2 permissions, with the bits of `hv_memory_flags_t`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Perms: u64 {
        /// Readable.
        const READ = 1;
        /// Writable.
        const WRITE = 2;
        /// Executable.
        const EXEC = 4;
    }
}

/// What the map is read in: the smallest page of any granule.
pub const PAGE_SIZE: usize = 4096;

/// One mapped range. Ranges are sorted by `ipa` and never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Region {
    ipa: u64,
    size: u64,
    host: usize,
    perms: Perms,
}

impl Region {
    fn end(&self) -> u64 {
        self.ipa + self.size
    }

    /// The 4 KiB page that holds `ipa`, which lies in the region.
    #[inline(always)]
    fn page(&self, ipa: u64, generation: u64) -> (HostPage, Perms) {
        let offset = (ipa - self.ipa) as usize & !(PAGE_SIZE - 1);
        (HostPage { base: self.host + offset, generation }, self.perms)
    }

    /// The part of this region inside `[from, to)`, if any.
    fn cut(&self, from: u64, to: u64) -> Option<Region> {
        let (start, end) = (self.ipa.max(from), self.end().min(to));
        (start < end).then(|| Region {
            ipa: start,
            size: end - start,
            host: self.host + (start - self.ipa) as usize,
            perms: self.perms,
        })
    }
}

/// The stage-2 map of a VM at one moment: guest physical pages and the host memory behind them.
#[derive(Debug)]
pub struct Stage2 {
    regions: Vec<Region>,
    generation: u64,
    ipa_bits: u32,
    granule: u64,
}

/// The region that the last lookup found, good for as long as the map is as it was then.
#[derive(Clone, Copy, Debug)]
pub struct Recent {
    region: Region,
    generation: u64,
}

impl Default for Recent {
    /// None, of no map.
    fn default() -> Self {
        Self { region: Region { ipa: 0, size: 0, host: 0, perms: Perms::empty() }, generation: 0 }
    }
}

/// Source of generations: unique in the process, never 0.
static GENERATION: AtomicU64 = AtomicU64::new(1);

fn next_generation() -> u64 {
    GENERATION.fetch_add(1, Ordering::Relaxed)
}

impl Stage2 {
    /// Changes whenever the map does.
    #[inline(always)]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Width of a guest physical address in bits.
    pub fn ipa_bits(&self) -> u32 {
        self.ipa_bits
    }

    /// The host page behind the 4 KiB page that holds `ipa`, and its permissions.
    pub fn lookup(&self, ipa: u64) -> Option<(HostPage, Perms)> {
        self.region(ipa).map(|region| region.page(ipa, self.generation))
    }

    /// As [`Stage2::lookup`], for one who mostly asks for the same region again.
    #[inline(always)]
    pub fn lookup_near(&self, recent: &mut Recent, ipa: u64) -> Option<(HostPage, Perms)> {
        let near = recent.generation == self.generation
            && ipa.wrapping_sub(recent.region.ipa) < recent.region.size;
        if !near {
            *recent = Recent { region: *self.region(ipa)?, generation: self.generation };
        }
        Some(recent.region.page(ipa, self.generation))
    }

    /// The region that holds `ipa`.
    fn region(&self, ipa: u64) -> Option<&Region> {
        let after = self.regions.partition_point(|r| r.ipa <= ipa);
        self.regions[..after].last().filter(|r| ipa < r.end())
    }

    fn check(&self, ipa: u64, size: u64) -> Result<u64, HvError> {
        if size == 0 {
            return Err(HvError::Zero("size"));
        }
        for (what, value) in [("ipa", ipa), ("size", size)] {
            if value & (self.granule - 1) != 0 {
                return Err(HvError::Misaligned { what, value, granule: self.granule });
            }
        }
        match ipa.checked_add(size) {
            Some(end) if end <= 1 << self.ipa_bits => Ok(end),
            _ => Err(HvError::PastIpa { ipa, size, bits: self.ipa_bits }),
        }
    }

    /// Refuses a range with a hole in it.
    fn check_mapped(&self, ipa: u64, end: u64) -> Result<(), HvError> {
        let mut at = ipa;
        for region in self.regions.iter().filter_map(|r| r.cut(ipa, end)) {
            if region.ipa != at {
                break;
            }
            at = region.end();
        }
        if at == end { Ok(()) } else { Err(HvError::NotMapped { at }) }
    }

    /// Replaces what stands in `[ipa, end)` by what `keep` makes of it.
    fn replace(&mut self, ipa: u64, end: u64, keep: impl Fn(Region) -> Option<Region>) {
        let mut regions = Vec::with_capacity(self.regions.len() + 2);
        for region in &self.regions {
            regions.extend(region.cut(0, ipa));
            regions.extend(region.cut(ipa, end).and_then(&keep));
            regions.extend(region.cut(end, u64::MAX));
        }
        self.regions = regions;
    }
}

/// A VM's memory: the map, and the bells of those who run under it.
#[derive(Debug)]
pub struct GuestMemory {
    map: RwLock<Stage2>,
    /// The vCPUs to ring before the map can change. The lock is held over the whole change, so
    /// that one writer's "bell off" never silences another's.
    bells: Mutex<Vec<Weak<Attention>>>,
}

impl GuestMemory {
    /// An empty map.
    pub fn new(ipa_bits: u32, granule: u64) -> Self {
        let map = Stage2 { regions: Vec::new(), generation: next_generation(), ipa_bits, granule };
        Self { map: RwLock::new(map), bells: Mutex::default() }
    }

    /// Adds a vCPU to those who are asked to step aside before a change.
    pub fn attend(&self, bell: &Arc<Attention>) {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.retain(|b| b.strong_count() > 0);
        bells.push(Arc::downgrade(bell));
    }

    /// Takes the shared lock under which a guest runs.
    pub fn enter(&self) -> RwLockReadGuard<'_, Stage2> {
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Maps `size` bytes of host memory at `host` to `ipa`.
    ///
    /// # Errors
    /// Alignment, range, overlap.
    pub fn map(&self, host: usize, ipa: u64, size: u64, perms: Perms) -> Result<(), HvError> {
        self.change(|map| {
            let end = map.check(ipa, size)?;
            if host as u64 & (map.granule - 1) != 0 {
                let granule = map.granule;
                return Err(HvError::Misaligned { what: "addr", value: host as u64, granule });
            }
            if host.checked_add(size as usize).is_none() {
                return Err(HvError::HostWraps { addr: host as u64, size });
            }
            if let Some(other) = map.regions.iter().find_map(|r| r.cut(ipa, end)) {
                return Err(HvError::Overlap { ipa, size, at: other.ipa });
            }
            let at = map.regions.partition_point(|r| r.ipa < ipa);
            map.regions.insert(at, Region { ipa, size, host, perms });
            Ok(())
        })
    }

    /// Takes a mapped range away. When it returns, no vCPU touches the host range any more.
    ///
    /// # Errors
    /// Alignment, range, a hole in it.
    pub fn unmap(&self, ipa: u64, size: u64) -> Result<(), HvError> {
        self.change(|map| {
            let end = map.check(ipa, size)?;
            map.check_mapped(ipa, end)?;
            map.replace(ipa, end, |_| None);
            Ok(())
        })
    }

    /// Changes the permissions of a mapped range.
    ///
    /// # Errors
    /// Alignment, range, a hole in it.
    pub fn protect(&self, ipa: u64, size: u64, perms: Perms) -> Result<(), HvError> {
        self.change(|map| {
            let end = map.check(ipa, size)?;
            map.check_mapped(ipa, end)?;
            let more = if is(Bug::DirtyPageMissed) { Perms::WRITE } else { Perms::empty() };
            map.replace(ipa, end, |r| Some(Region { perms: perms | r.perms & more, ..r }));
            Ok(())
        })
    }

    /// Whether any of `size` bytes of host memory at `host` is mapped.
    pub fn uses_host_memory(&self, host: usize, size: u64) -> bool {
        let end = (host as u64).saturating_add(size);
        let overlaps = |r: &Region| (r.host as u64) < end && (host as u64) < r.host as u64 + r.size;
        self.enter().regions.iter().any(overlaps)
    }

    fn change<T>(&self, f: impl FnOnce(&mut Stage2) -> Result<T, HvError>) -> Result<T, HvError> {
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        let each =
            |f: &dyn Fn(&Attention)| bells.iter().filter_map(Weak::upgrade).for_each(|b| f(&b));
        each(&|bell| bell.ring(Attention::MAP));
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        each(&|bell| {
            bell.take(Attention::MAP);
        });
        let result = f(&mut map)?;
        map.generation = next_generation();
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRANULE: u64 = 0x4000;

    struct Block(Vec<u8>);

    impl Block {
        fn new(granules: usize) -> Self {
            Self(vec![0; (granules + 1) * GRANULE as usize])
        }

        fn addr(&self) -> usize {
            (self.0.as_ptr() as usize).next_multiple_of(GRANULE as usize)
        }
    }

    fn memory() -> GuestMemory {
        GuestMemory::new(36, GRANULE)
    }

    #[test]
    fn a_page_is_refused_after_any_change_of_the_map() {
        let (memory, block) = (memory(), Block::new(2));
        memory.map(block.addr(), 0, GRANULE, Perms::all()).unwrap();
        let page = memory.enter().lookup(0).unwrap().0;
        assert!(page.get(&memory.enter()).is_some());
        memory.protect(0, GRANULE, Perms::READ).unwrap();
        assert!(page.get(&memory.enter()).is_none());
    }

    #[test]
    fn a_recent_region_is_believed_for_one_map_only() {
        let (memory, block) = (memory(), Block::new(2));
        memory.map(block.addr(), GRANULE, 2 * GRANULE, Perms::all()).unwrap();
        let mut recent = Recent::default();
        let mut look = |memory: &GuestMemory, ipa| {
            let map = memory.enter();
            let (near, plain) = (map.lookup_near(&mut recent, ipa), map.lookup(ipa));
            let what = |found: Option<(HostPage, Perms)>| found.map(|(page, p)| (page.base, p));
            assert_eq!(what(near), what(plain), "{ipa:#x}");
            plain.map(|(_, perms)| perms)
        };
        for ipa in [0, GRANULE, GRANULE + 0x1008, 3 * GRANULE - 1, 3 * GRANULE, GRANULE] {
            look(&memory, ipa);
        }
        memory.protect(GRANULE, GRANULE, Perms::READ).unwrap();
        assert_eq!(look(&memory, GRANULE), Some(Perms::READ));
        memory.unmap(GRANULE, GRANULE).unwrap();
        assert_eq!(look(&memory, GRANULE), None);
        assert_eq!(look(&memory, 2 * GRANULE), Some(Perms::all()));
    }

    #[test]
    fn unmapping_the_middle_leaves_both_ends() {
        let (memory, block) = (memory(), Block::new(3));
        memory.map(block.addr(), 0, 3 * GRANULE, Perms::READ).unwrap();
        memory.unmap(GRANULE, GRANULE).unwrap();
        let map = memory.enter();
        assert!(map.lookup(GRANULE - 1).is_some());
        assert!(map.lookup(GRANULE).is_none());
        assert!(map.lookup(2 * GRANULE - 1).is_none());
        let (page, _) = map.lookup(2 * GRANULE).unwrap();
        assert_eq!(page.base, block.addr() + 2 * GRANULE as usize);
    }

    #[test]
    fn host_memory_is_in_use_while_any_of_it_is_mapped() {
        let (memory, block) = (memory(), Block::new(3));
        let (start, granule) = (block.addr(), GRANULE as usize);
        memory.map(start + granule, 0, GRANULE, Perms::READ).unwrap();
        assert!(memory.uses_host_memory(start, 3 * GRANULE));
        assert!(memory.uses_host_memory(start + granule, 1));
        assert!(!memory.uses_host_memory(start, GRANULE));
        assert!(memory.uses_host_memory(start, u64::MAX), "past the end of the address space");
        assert!(!memory.uses_host_memory(start + 2 * granule, GRANULE));
        memory.unmap(0, GRANULE).unwrap();
        assert!(!memory.uses_host_memory(start, 3 * GRANULE));
    }

    #[test]
    fn bad_ranges_are_named() {
        let (memory, block) = (memory(), Block::new(2));
        let map = |ipa, size| memory.map(block.addr(), ipa, size, Perms::all());
        assert!(matches!(map(1, GRANULE), Err(HvError::Misaligned { what: "ipa", value: 1, .. })));
        assert!(matches!(map(0, 5), Err(HvError::Misaligned { what: "size", value: 5, .. })));
        assert!(matches!(map(0, 0), Err(HvError::Zero("size"))));
        assert!(matches!(map(1 << 36, GRANULE), Err(HvError::PastIpa { .. })));
        assert!(matches!(
            map(0u64.wrapping_sub(GRANULE), 2 * GRANULE),
            Err(HvError::PastIpa { .. })
        ));
        map(0, GRANULE).unwrap();
        assert!(matches!(map(0, 2 * GRANULE), Err(HvError::Overlap { at: 0, .. })));
        assert_eq!(memory.unmap(0, 2 * GRANULE), Err(HvError::NotMapped { at: GRANULE }));
        assert_eq!(
            memory.protect(GRANULE, GRANULE, Perms::READ),
            Err(HvError::NotMapped { at: GRANULE })
        );
    }

    #[test]
    fn a_writer_waits_for_a_runner_and_rings_its_bell() {
        let memory = Arc::new(memory());
        let bell = Arc::new(Attention::default());
        memory.attend(&bell);
        let guard = memory.enter();
        let before = guard.generation();
        let writer = std::thread::spawn({
            let (memory, block) = (memory.clone(), Block::new(1));
            move || {
                memory.map(block.addr(), 0, GRANULE, Perms::all()).unwrap();
                memory.unmap(0, GRANULE).unwrap();
            }
        });
        while bell.pending() & Attention::MAP == 0 {
            std::thread::yield_now();
        }
        assert_eq!(guard.generation(), before);
        drop(guard);
        writer.join().unwrap();
        assert_eq!(bell.pending(), 0);
        assert_ne!(memory.enter().generation(), before);
    }
}
