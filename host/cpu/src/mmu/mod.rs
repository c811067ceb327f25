//! Address translation: the stage-1 MMU of the EL1&0 regime over the stage-2 map.
//!
//! ```text
//!   VA --tlb.rs--> host page                          the fast path
//!    |
//!    +--refill: the last-level table is known, and the descriptor is like others   (attributes.rs)
//!    |          and if it goes on page by page, so are the next ones               (ahead.rs)
//!    |
//!    +--regime.rs: which table, how wide, on at all
//!    +--tables.rs: the last-level table, if it is known
//!    +--walk.rs:   VA -> IPA, attributes, rights      or a stage-1 fault, or a stage-2 one
//!    +--here:      IPA -> host page and its rights    or a stage-2 fault: an exit
//!
//!   TLBI --invalidate.rs--> tlb.rs, and through domain.rs those of the other vCPUs
//! ```
//!
//! Left out: 52-bit addresses, big-endian table walks, E0PD, the HWU bits of HPDS2. The ID
//! registers say so.

mod ahead;
pub mod attributes;
pub mod domain;
pub mod invalidate;
pub mod regime;
pub mod tables;
pub mod tlb;
pub mod walk;

pub use domain::Domain;
pub use invalidate::{Invalidation, Stale};
pub use regime::Regime;
pub use tlb::Tlb;

use crate::state::Cpu;
use anyvisor_arch::esr::FaultStatus;
use anyvisor_bugs::{Bug, is};
use anyvisor_vm::{Page, Perms, Stage2};
use attributes::Attributes;
use std::fmt;
use tlb::Entry;
use walk::Leaf;

/// Rights to a page, a bit for each way to use it.
pub mod rights {
    /// EL0 reads.
    pub const R0: u16 = 1 << 0;
    /// EL0 writes.
    pub const W0: u16 = 1 << 1;
    /// EL0 executes.
    pub const X0: u16 = 1 << 2;
    /// EL1 reads.
    pub const R1: u16 = 1 << 3;
    /// EL1 writes.
    pub const W1: u16 = 1 << 4;
    /// EL1 executes.
    pub const X1: u16 = 1 << 5;
    /// EL1 reads with PSTATE.PAN set.
    pub const R1_PAN: u16 = 1 << 6;
    /// EL1 writes with PSTATE.PAN set.
    pub const W1_PAN: u16 = 1 << 7;
    /// All ways to read.
    pub const READ: u16 = R0 | R1 | R1_PAN;
    /// All ways to write.
    pub const WRITE: u16 = W0 | W1 | W1_PAN;
    /// All ways to execute.
    pub const EXEC: u16 = X0 | X1;
}

/// What an access wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Data.
    Read,
    /// Data.
    Write,
    /// An instruction.
    Fetch,
    /// Only to know where it is: cache maintenance at EL1 needs a translation, but no right.
    Locate,
    /// The right to write, without writing: DC IVAC.
    Discard,
}

/// Why an access cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// The guest's own affair: a data or instruction abort at EL1.
    Stage1(FaultStatus),
    /// The hypervisor's: an exit.
    Stage2 {
        /// Translation or permission fault.
        status: FaultStatus,
        /// The guest physical address that is not there.
        ipa: u64,
        /// It was a descriptor of the stage-1 table (S1PTW).
        on_walk: bool,
    },
    /// The hypervisor's as well: the access flag or the dirty state of the stage-1 descriptor at
    /// this guest physical address cannot be written (S1PTW, and a write).
    Update {
        /// A permission fault.
        status: FaultStatus,
        /// The descriptor's guest physical address.
        ipa: u64,
    },
}

/// The level that stage-2 faults name. Our stage-2 map has no levels; hardware's most common
/// answer, a page, is given. (Our choice: what Apple's framework reports is not documented.)
pub const STAGE2_LEVEL: u8 = 3;

impl Abort {
    #[inline(always)]
    pub(crate) fn unmapped(ipa: u64, on_walk: bool) -> PackedAbort {
        Self::Stage2 { status: FaultStatus::Translation(STAGE2_LEVEL), ipa, on_walk }.into()
    }

    #[inline(always)]
    fn denied(ipa: u64, on_walk: bool) -> PackedAbort {
        Self::Stage2 { status: FaultStatus::Permission(STAGE2_LEVEL), ipa, on_walk }.into()
    }

    #[inline(always)]
    fn descriptor_update(ipa: u64) -> PackedAbort {
        Self::Update { status: FaultStatus::Permission(STAGE2_LEVEL), ipa }.into()
    }
}

/// An [`Abort`] in one word, in which it travels from the walk to the exception: an enumeration of
/// small fields is written by the byte and copied by the doubleword at each return on the way, and
/// every such copy waits until the bytes have reached the cache.
///
/// ```text
///   63                  16 15     10   9     8  7  6   5          0
///   [ guest physical address ][  0  ][ kind ] S1PTW 0 [ status code ]
/// ```
///
/// 48 bits of address are all that a descriptor without FEAT_LPA has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PackedAbort(u64);

impl PackedAbort {
    const IPA_SHIFT: u32 = 16;
    const KIND_STAGE2: u64 = 1 << 8;
    const KIND_UPDATE: u64 = 2 << 8;
    const ON_WALK: u64 = 1 << 7;
    const CODE: u64 = 0x3f;

    /// What it is.
    #[inline(always)]
    pub fn unpack(self) -> Abort {
        let status = FaultStatus::from_code((self.0 & Self::CODE) as u8);
        let ipa = self.0 >> Self::IPA_SHIFT;
        if self.0 & Self::KIND_STAGE2 != 0 {
            Abort::Stage2 { status, ipa, on_walk: self.0 & Self::ON_WALK != 0 }
        } else if self.0 & Self::KIND_UPDATE != 0 {
            Abort::Update { status, ipa }
        } else {
            Abort::Stage1(status)
        }
    }
}

impl From<Abort> for PackedAbort {
    #[inline(always)]
    fn from(abort: Abort) -> Self {
        let (kind, status, ipa) = match abort {
            Abort::Stage1(status) => (0, status, 0),
            Abort::Stage2 { status, ipa, on_walk } => {
                (Self::KIND_STAGE2 | if on_walk { Self::ON_WALK } else { 0 }, status, ipa)
            }
            Abort::Update { status, ipa } => (Self::KIND_UPDATE, status, ipa),
        };
        Self(ipa << Self::IPA_SHIFT | kind | u64::from(status.code()))
    }
}

impl fmt::Debug for PackedAbort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.unpack().fmt(f)
    }
}

/// What an access wants and may do.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// What it is for.
    pub want: Want,
    /// The right that it needs, a bit of [`rights`].
    pub need: u16,
    /// It is aligned to its size, which Device memory insists on.
    pub aligned: bool,
}

/// Where an access goes.
#[derive(Clone, Copy, Debug)]
pub struct Place<'m> {
    /// Guest physical address.
    pub ipa: u64,
    /// The host page behind it.
    pub page: Page<'m>,
    /// Stage 1 calls it Device memory: unaligned accesses fault.
    pub device: bool,
    /// Stage 1 calls it guarded (FEAT_BTI).
    pub guarded: bool,
}

/// The rights that stage 2 leaves of those of stage 1, by its permissions.
static STAGE2_RIGHTS: [u16; 8] = {
    let mut table = [0; 8];
    let mut perms = 0;
    while perms < 8 {
        if perms & Perms::READ.bits() as usize != 0 {
            table[perms] |= rights::READ;
        }
        if perms & Perms::WRITE.bits() as usize != 0 {
            table[perms] |= rights::WRITE;
        }
        if perms & Perms::EXEC.bits() as usize != 0 {
            table[perms] |= rights::EXEC;
        }
        perms += 1;
    }
    table
};

/// Fills the TLB for `va` if that takes no more than one descriptor, which is like others were:
/// for most misses, and the page is all that is asked for. The access is aligned, and needs the
/// right `need`.
///
/// # Errors
/// The abort of stage 2 if nothing is there; `None` says nothing: [`translate`] knows.
#[inline(always)]
pub fn refill<'m>(
    cpu: &Cpu,
    tlb: &mut Tlb,
    map: &'m Stage2,
    va: u64,
    need: u16,
) -> Result<Page<'m>, Option<PackedAbort>> {
    let regime = &cpu.regime;
    let half = regime.half(va);
    let tables = &mut tlb.tables;
    let (entry, limits) = tables.last_descriptor(half, map, va).ok_or(None)?;
    let like = *tables.decoded.find(cpu, entry & half.attributes, limits).ok_or(None)?;
    if like.rights & need == 0 {
        return Err(None);
    }
    let ipa = entry & half.output | half.offset(va);
    let unmapped = Some(Abort::unmapped(ipa, false));
    let (host, perms) = map.lookup_near(&mut tlb.recent, ipa).ok_or(unmapped)?;
    let mut rights = like.rights & STAGE2_RIGHTS[perms.bits() as usize & 7];
    if rights & need == 0 {
        return Err(None);
    }
    if !regime.tags_alike && walk::for_data_alone(regime, va) {
        rights &= !rights::EXEC;
    }
    let attributes = Attributes { rights, ..like };
    tlb.fill(Entry::new(regime, va, ipa, attributes, half.page_bits(), host));
    if tlb.follow(va) && half.page_bits() == ahead::PAGE_BITS {
        ahead::read_ahead(
            regime,
            tlb,
            map,
            &ahead::Filled { va, descriptor: entry, attributes, perms },
        );
    }
    host.get(map).ok_or(unmapped)
}

/// Translates `va`, checks everything, lets the access leave its mark in the descriptor and fills
/// the TLB.
///
/// # Errors
/// The abort, in the manual's order: translation, access flag, alignment, permission; then
/// stage 2.
#[inline(always)]
pub fn translate<'m>(
    cpu: &Cpu,
    tlb: &mut Tlb,
    map: &'m Stage2,
    va: u64,
    access: Use,
) -> Result<Place<'m>, PackedAbort> {
    let leaf = walk::walk(cpu, &mut tlb.tables, map, va, access.want == Want::Fetch)?;
    settle(cpu, tlb, map, va, access, &leaf)
}

/// The rest of a translation: rights, what hardware writes into the descriptor, stage 2. (A call, so
/// that a walk that ends in a fault saves no registers for it.)
#[inline(never)]
fn settle<'m>(
    cpu: &Cpu,
    tlb: &mut Tlb,
    map: &'m Stage2,
    va: u64,
    access: Use,
    leaf: &Leaf,
) -> Result<Place<'m>, PackedAbort> {
    let Use { want, need, aligned } = access;
    let fetch = want == Want::Fetch;
    // With the MMU off an instruction fetch is Normal memory whatever data accesses are.
    if leaf.device && !fetch && !aligned && !is(Bug::DeviceUnalignedWorks) {
        return Err(Abort::Stage1(FaultStatus::Alignment).into());
    }
    if want != Want::Locate && leaf.rights & need == 0 {
        let level = if is(Bug::PermissionLevelThree) { 3 } else { leaf.level };
        return Err(Abort::Stage1(FaultStatus::Permission(level)).into());
    }
    let dirties = leaf.clean && want == Want::Write;
    if (leaf.unaccessed || dirties)
        && !walk::update(&mut tlb.tables, map, leaf.at, leaf.descriptor, dirties)?
    {
        return again(cpu, tlb, map, va, access);
    }
    // The first write to what stays clean walks again.
    let kept =
        if leaf.clean && !dirties && !is(Bug::DirtyStateMissed) { !rights::WRITE } else { !0 };
    let mut rights = leaf.rights & kept;
    if walk::for_data_alone(&cpu.regime, va) {
        rights &= !rights::EXEC;
    }
    let unmapped = Abort::unmapped(leaf.ipa, false);
    let (host, perms) = map.lookup_near(&mut tlb.recent, leaf.ipa).ok_or(unmapped)?;
    let page = host.get(map).ok_or(unmapped)?;
    let allowed = STAGE2_RIGHTS[perms.bits() as usize & 7];
    let allowed = if is(Bug::Stage2FetchUnchecked) { allowed | rights::EXEC } else { allowed };
    if want != Want::Locate && allowed & need == 0 {
        return Err(Abort::denied(leaf.ipa, false));
    }
    let attributes = Attributes { rights: rights & allowed, ..leaf.attributes() };
    tlb.fill(Entry::new(&cpu.regime, va, leaf.ipa, attributes, leaf.span_bits, host));
    tlb.follow(va);
    Ok(Place { ipa: leaf.ipa, page, device: leaf.device && !fetch, guarded: leaf.guarded() })
}

/// The descriptor has changed since it was read.
#[cold]
fn again<'m>(
    cpu: &Cpu,
    tlb: &mut Tlb,
    map: &'m Stage2,
    va: u64,
    access: Use,
) -> Result<Place<'m>, PackedAbort> {
    translate(cpu, tlb, map, va, access)
}

#[cfg(test)]
mod tests;
