//! The stage-1 table walk of VMSAv8-64 (DDI 0487 D8; `AArch64.S1Walk`).
//!
//! ```text
//!   VA   63      56 55 54         va_bits            page_bits        0
//!        [tag, TBI] s  [ all = s ][ index | index | ...  ][  offset   ]
//!                   |                 |
//!                   +-> TTBR0 (0)     +-> descriptor at each level:
//!                       TTBR1 (1)         Invalid -> translation fault
//!                                         Table   -> next level, limits gathered
//!                                         Leaf    -> access flag, rights, IPA
//! ```
//!
//! A walk only reads. What hardware changes in a descriptor (FEAT_HAFDBS) it does once the access
//! is known to be allowed, and only for an access that happens:
//!
//! ```text
//!   TCR_EL1.HA       AF = 0: no fault, AF <- 1 by any access
//!   HA and HD        DBM = 1: writable whatever AP[2] says; AP[2] <- 0 by the first write
//! ```
//!
//! The Contiguous bit changes nothing: each page of a run is translated by its own descriptor.

use super::attributes::Attributes;
use super::regime::{Half, Regime};
use super::rights::{R0, R1, R1_PAN, W0, W1, W1_PAN, X0, X1};
use super::tables::{Table, Tables, Way};
use super::{Abort, PackedAbort, rights};
use crate::state::Cpu;
use anyvisor_arch::descriptor::{self, Descriptor};
use anyvisor_arch::esr::FaultStatus;
use anyvisor_arch::sysreg::SysReg;
use anyvisor_arch::{mair, sctlr};
use anyvisor_bugs::{Bug, is};
use anyvisor_vm::{Perms, Recent, Stage2};
use std::sync::atomic::Ordering;

/// What a walk found for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Guest physical address of the byte.
    pub ipa: u64,
    /// Who may do what, by stage 1.
    pub rights: u16,
    /// The attribute that MAIR_EL1 gives it.
    pub attribute: u8,
    /// The SH field.
    pub shareability: u64,
    /// Device memory.
    pub device: bool,
    /// Good for every ASID (nG = 0).
    pub global: bool,
    /// The level of the leaf, for a permission fault.
    pub level: u8,
    /// The block or page is 2^`span_bits` bytes.
    pub span_bits: u32,
    /// The descriptor.
    pub descriptor: u64,
    /// Guest physical address of the descriptor.
    pub at: u64,
    /// Its access flag is clear, and hardware is to set it.
    pub unaccessed: bool,
    /// It is writable and not marked as dirty: hardware is to do so at the first write.
    pub clean: bool,
}

impl Leaf {
    /// A guarded page, where indirect branches need landing pads.
    pub fn guarded(&self) -> bool {
        self.descriptor & descriptor::GP != 0
    }

    /// All of it that a TLB keeps besides the address.
    pub fn attributes(&self) -> Attributes {
        let (rights, device, global) = (self.rights, self.device, self.global);
        Attributes { rights, device, global, guarded: self.guarded() }
    }
}

/// Finds the leaf for `va`, for a fetch or for data.
///
/// # Errors
/// Translation, address size and access flag faults of stage 1; stage-2 faults on a descriptor.
#[inline(always)]
pub fn walk(
    cpu: &Cpu,
    tables: &mut Tables,
    map: &Stage2,
    va: u64,
    fetch: bool,
) -> Result<Leaf, PackedAbort> {
    let regime = &cpu.regime;
    if !regime.enabled {
        return flat(cpu, va, fetch);
    }
    let half = regime.half(va);
    let found = find(regime, half, tables, map, va, fetch)?;
    leaf(cpu, half, tables, va, &found)
}

/// Finds the descriptor for `va` in its `half`, from the last-level table if that is known, else
/// from the first one.
#[inline(always)]
fn find(
    regime: &Regime,
    half: &Half,
    tables: &mut Tables,
    map: &Stage2,
    va: u64,
    fetch: bool,
) -> Result<Found, PackedAbort> {
    // Whether such an address may be translated was asked when the table was reached; with TBID
    // the answer for an instruction may be another.
    if regime.tags_alike || half.contains(va, fetch) {
        let known = tables.find(half, map, va).map(|table| (table.address, table.limits));
        if let Some((address, limits)) = known {
            let at = half.last_entry(address, va);
            let entry = read_descriptor(map, &mut tables.recent, at)?;
            return Ok(Found { entry, at, level: 3, limits });
        }
    }
    descend(regime, half, tables, map, va, fetch)
}

/// Where the tables end: a descriptor that is not one of a table, or is of the last level.
struct Found {
    entry: u64,
    /// Its guest physical address.
    at: u64,
    level: u8,
    /// What the tables above it forbid.
    limits: u64,
}

/// Goes down the tables from the first one.
#[inline(never)]
fn descend(
    regime: &Regime,
    half: &Half,
    tables: &mut Tables,
    map: &Stage2,
    va: u64,
    fetch: bool,
) -> Result<Found, PackedAbort> {
    let fault = |status| Err(Abort::Stage1(status).into());
    if half.disabled && !is(Bug::EpdIgnored) || !half.contains(va, fetch) {
        return fault(FaultStatus::Translation(0));
    }
    let too_big = |address: u64| address >> regime.output_bits != 0;
    let (mut level, mut table, mut limits) = (half.start_level, half.table, 0);
    if too_big(table) {
        return fault(FaultStatus::AddressSize(0));
    }
    let kept = if half.ignores_limits && !is(Bug::HpdIgnored) { 0 } else { LIMITS };
    let mut way = Way::default();
    while level < 3 {
        let at = half.entry(table, va, level);
        let entry = read_descriptor(map, &mut tables.recent, at)?;
        way.push(at, entry);
        table = match half.granule.decode(entry, level) {
            Descriptor::Table(next) => next,
            Descriptor::Leaf(_) => return Ok(Found { entry, at, level, limits }),
            Descriptor::Invalid => return fault(FaultStatus::Translation(level)),
        };
        if too_big(table) {
            return fault(FaultStatus::AddressSize(level));
        }
        limits |= entry & kept;
        level += 1;
    }
    // A first table that is the last one may serve less than a whole region of a table: an address
    // outside would find it. It is at hand anyway.
    if half.start_level < 3 {
        tables.keep(half, va, Table { address: table, limits, way });
    }
    let at = half.last_entry(table, va);
    let entry = read_descriptor(map, &mut tables.recent, at)?;
    Ok(Found { entry, at, level, limits })
}

/// What a descriptor says of `va`. Remembered if it is all that there is to say: not what hardware
/// changes, or may.
///
/// # Errors
/// Translation, address size and access flag faults.
#[inline(never)]
fn leaf(
    cpu: &Cpu,
    half: &Half,
    tables: &mut Tables,
    va: u64,
    found: &Found,
) -> Result<Leaf, PackedAbort> {
    let regime = &cpu.regime;
    let fault = |status| Err(Abort::Stage1(status).into());
    let Found { entry, at, level, limits } = *found;
    let Descriptor::Leaf(base) = half.granule.decode(entry, level) else {
        return fault(FaultStatus::Translation(level));
    };
    if base >> regime.output_bits != 0 && !is(Bug::AddressSizeUnchecked) {
        return fault(FaultStatus::AddressSize(level));
    }
    let unaccessed = entry & descriptor::AF == 0;
    if unaccessed && !regime.sets_access && is(Bug::AccessFlagAsTranslation) {
        return fault(FaultStatus::Translation(level));
    }
    if unaccessed && !regime.sets_access {
        return fault(FaultStatus::AccessFlag(level));
    }
    let unaccessed = unaccessed && !is(Bug::AccessFlagNotWritten);
    let dirty_bit = regime.sets_dirty && entry & descriptor::DBM != 0;
    let span_bits =
        half.level_shift(if is(Bug::BlockOfLevelOne) && level == 1 { 2 } else { level });
    let attribute = mair::attribute(cpu.get(SysReg::MAIR_EL1), descriptor::ATTR_INDX.get(entry));
    let leaf = Leaf {
        ipa: base | va & ((1 << span_bits) - 1),
        rights: leaf_rights(entry, limits, dirty_bit, cpu.get(SysReg::SCTLR_EL1)),
        attribute,
        shareability: descriptor::SH.get(entry),
        device: mair::is_device(attribute),
        global: entry & descriptor::NG == 0 || is(Bug::AsidIgnored),
        level,
        span_bits,
        descriptor: entry,
        at,
        unaccessed,
        clean: dirty_bit && entry & descriptor::AP_READ_ONLY != 0,
    };
    if level == 3 && !unaccessed && !dirty_bit {
        tables.decoded.keep(cpu, entry & half.attributes, limits, leaf.attributes());
    }
    Ok(leaf)
}

/// The MMU is off: VA is IPA, data is Device memory (`AArch64.S1DisabledOutput`).
///
/// # Errors
/// An address size fault.
fn flat(cpu: &Cpu, va: u64, fetch: bool) -> Result<Leaf, PackedAbort> {
    let unused = 64 - cpu.regime.top(va, fetch);
    let ipa = va << unused >> unused;
    if ipa >> cpu.ipa_bits != 0 {
        return Err(Abort::Stage1(FaultStatus::AddressSize(0)).into());
    }
    let all = rights::READ | rights::WRITE | rights::EXEC;
    Ok(Leaf {
        ipa,
        rights: all,
        attribute: mair::DEVICE_NGNRNE,
        shareability: 0,
        device: true,
        global: true,
        level: 0,
        span_bits: 12,
        descriptor: 0,
        at: 0,
        unaccessed: false,
        clean: false,
    })
}

/// Reads a descriptor at a guest physical address.
///
/// # Errors
/// Stage 2 has nothing there, or does not let it be read.
#[inline(always)]
pub fn read_descriptor(map: &Stage2, recent: &mut Recent, at: u64) -> Result<u64, PackedAbort> {
    let (page, perms) = map.lookup_near(recent, at).ok_or(Abort::unmapped(at, true))?;
    if !perms.contains(Perms::READ) && !is(Bug::WalkIgnoresStage2) {
        return Err(Abort::denied(at, true));
    }
    let page = page.get(map).ok_or(Abort::unmapped(at, true))?;
    Ok(page.load_u64(at as usize, Ordering::Acquire))
}

/// Brings the descriptor `old` at `at` up to date for an access: the access flag, and if it
/// `dirties` the dirty state (the end of `AArch64.S1Translate`; `AArch64.MemSwapTableDesc`).
/// False: it is another descriptor by now, and the walk is to be done again.
///
/// # Errors
/// Stage 2 lets nobody write the descriptor.
#[cold]
pub fn update(
    tables: &mut Tables,
    map: &Stage2,
    at: u64,
    old: u64,
    dirties: bool,
) -> Result<bool, PackedAbort> {
    let cleared = if dirties { descriptor::AP_READ_ONLY } else { 0 };
    let new = (old | descriptor::AF) & !cleared;
    let unmapped = Abort::unmapped(at, true);
    let (page, perms) = map.lookup_near(&mut tables.recent, at).ok_or(unmapped)?;
    if !perms.contains(Perms::WRITE) && !is(Bug::UpdateIgnoresStage2) {
        return Err(Abort::descriptor_update(at));
    }
    let page = page.get(map).ok_or(unmapped)?;
    Ok(page.exchange_u64(at as usize, old, new).is_ok())
}

/// Rights of a leaf: AP, UXN, PXN; the `limits` of the tables above it; SCTLR_EL1.WXN.
/// With a `dirty_bit` AP\[2\] is not a right but a state.
#[inline(always)]
fn leaf_rights(leaf: u64, limits: u64, dirty_bit: bool, control: u64) -> u16 {
    let mut ap = leaf >> AP_SHIFT & if dirty_bit { 0b01 } else { 0b11 };
    if is(Bug::ApBitsSwapped) {
        ap = ap >> 1 | ap << 1 & 0b10;
    }
    let mut xn = leaf >> XN_SHIFT & 0b11;
    if limits & LIMITS != 0 {
        if limits & descriptor::AP_TABLE_NO_EL0 != 0 {
            ap &= !0b01;
        }
        if limits & descriptor::AP_TABLE_READ_ONLY != 0 && !is(Bug::ApTableIgnored) {
            ap |= 0b10;
        }
        xn |= if is(Bug::XnTableIgnored) { 0 } else { limits >> XN_TABLE_SHIFT & 0b11 };
    }
    let wxn = u64::from(control & sctlr::WXN != 0 && !is(Bug::WxnIgnored));
    RIGHTS[(wxn << 4 | xn << 2 | ap) as usize & 31]
}

/// AP\[1\] and AP\[2\]; PXN and UXN; PXNTable and UXNTable: each two bits side by side.
const AP_SHIFT: u32 = descriptor::AP_EL0.trailing_zeros();
const XN_SHIFT: u32 = descriptor::PXN.trailing_zeros();
const XN_TABLE_SHIFT: u32 = descriptor::PXN_TABLE.trailing_zeros();
const _: () = assert!(
    descriptor::AP_READ_ONLY == descriptor::AP_EL0 << 1
        && descriptor::UXN == descriptor::PXN << 1
        && descriptor::UXN_TABLE == descriptor::PXN_TABLE << 1
);
const LIMITS: u64 = descriptor::AP_TABLE_NO_EL0
    | descriptor::AP_TABLE_READ_ONLY
    | descriptor::PXN_TABLE
    | descriptor::UXN_TABLE;

/// [`direct_rights`] of AP\[1\], AP\[2\], PXN, UXN and WXN.
static RIGHTS: [u16; 32] = {
    let mut rights = [0; 32];
    let mut i = 0;
    while i < 32 {
        rights[i] = direct_rights(i & 1 != 0, i & 2 != 0, i & 4 != 0, i & 8 != 0, i & 16 != 0);
        i += 1;
    }
    rights
};

/// `AArch64.S1DirectBasePermissions`.
const fn direct_rights(el0: bool, read_only: bool, pxn: bool, uxn: bool, wxn: bool) -> u16 {
    let mut r = R1;
    if !read_only {
        r |= W1;
    }
    if el0 {
        r |= if read_only { R0 } else { R0 | W0 };
    } else {
        r |= R1_PAN | if read_only { 0 } else { W1_PAN };
    }
    // What EL0 can write, EL1 never executes.
    if !pxn && r & W0 == 0 {
        r |= X1;
    }
    // EL0 may execute what it cannot read: UXN alone decides.
    if !uxn {
        r |= X0;
    }
    if wxn && r & W0 != 0 {
        r &= !X0;
    }
    if wxn && r & W1 != 0 {
        r &= !X1;
    }
    r
}

/// Whether an address with this tag can only be one of data (TCR_EL1.TBIDn): a TLB keeps no right
/// to execute for it.
#[inline(always)]
pub fn for_data_alone(regime: &Regime, va: u64) -> bool {
    let half = (va >> 55 & 1) as usize;
    regime.tbi[half] && !regime.tbi_code[half] && (va as i64) << 8 >> 8 != va as i64
}
