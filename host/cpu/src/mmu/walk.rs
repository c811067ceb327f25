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

use super::rights::{R0, R1, R1_PAN, W0, W1, W1_PAN, X0, X1};
use super::{Abort, rights};
use crate::state::Cpu;
use crate::sysreg::id::pa_range;
use anyvisor_arch::descriptor::{self, Descriptor, Granule};
use anyvisor_arch::esr::FaultStatus;
use anyvisor_arch::id::PA_BITS;
use anyvisor_arch::sysreg::SysReg;
use anyvisor_arch::{mair, sctlr, tcr};
use anyvisor_vm::{Perms, Stage2};
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
}

/// One half of the address space.
struct Half {
    ttbr: u64,
    granule: Granule,
    va_bits: u32,
    disabled: bool,
}

impl Half {
    /// The half that `va` lies in. Nothing if the bits above the region are not copies of bit
    /// 55: such an address belongs to neither.
    fn of(cpu: &Cpu, va: u64) -> Option<Self> {
        let control = cpu.get(SysReg::TCR_EL1);
        let upper = va >> 55 & 1 == 1;
        let (size, granule, disabled, ttbr) = if upper {
            let disabled = control & tcr::EPD1 != 0;
            (tcr::T1SZ.get(control), tcr::granule1(control), disabled, SysReg::TTBR1_EL1)
        } else {
            let disabled = control & tcr::EPD0 != 0;
            (tcr::T0SZ.get(control), tcr::granule0(control), disabled, SysReg::TTBR0_EL1)
        };
        // Out of range TnSZ: IMPLEMENTATION DEFINED; treated as the nearest limit.
        let va_bits = 64 - size.clamp(tcr::TXSZ_MIN, tcr::TXSZ_MAX) as u32;
        let top = if cpu.regime.tbi[usize::from(upper)] { 56 } else { 64 };
        let above = va << (64 - top) >> (64 - top) >> va_bits;
        let expected = if upper { u64::MAX << (64 - top) >> (64 - top) >> va_bits } else { 0 };
        (above == expected).then(|| Self { ttbr: cpu.get(ttbr), granule, va_bits, disabled })
    }
}

/// The output size: TCR_EL1.IPS, but never more than the machine has (`AArch64.PAMax`).
fn output_bits(cpu: &Cpu) -> u32 {
    let ips = tcr::IPS.get(cpu.get(SysReg::TCR_EL1)) as usize;
    PA_BITS[ips.min(PA_BITS.len() - 1)].min(PA_BITS[pa_range(cpu.ipa_bits) as usize])
}

/// Finds the leaf for `va`.
///
/// # Errors
/// Translation, address size and access flag faults of stage 1; stage-2 faults on a descriptor.
pub fn walk(cpu: &Cpu, map: &Stage2, va: u64) -> Result<Leaf, Abort> {
    if !cpu.regime.enabled {
        return flat(cpu, va);
    }
    let fault = |status| Err(Abort::Stage1(status));
    let Some(half) = Half::of(cpu, va).filter(|h| !h.disabled) else {
        return fault(FaultStatus::Translation(0));
    };
    let granule = half.granule;
    let out_bits = output_bits(cpu);
    let too_big = |address: u64| address >> out_bits != 0;
    let mut level = granule.start_level(half.va_bits);
    let align = granule.start_table_size(half.va_bits) - 1;
    let mut table = tcr::TTBR_BADDR.mask() & half.ttbr & !align;
    if too_big(table) {
        return fault(FaultStatus::AddressSize(0));
    }
    let mut limits = 0;
    loop {
        let at = table + 8 * granule.index(va, level, half.va_bits);
        let entry = read_descriptor(map, at)?;
        match granule.decode(entry, level) {
            Descriptor::Invalid => return fault(FaultStatus::Translation(level)),
            Descriptor::Table(next) | Descriptor::Leaf(next) if too_big(next) => {
                return fault(FaultStatus::AddressSize(level));
            }
            Descriptor::Table(next) => {
                limits |= entry;
                table = next;
                level += 1;
            }
            Descriptor::Leaf(base) => {
                if entry & descriptor::AF == 0 {
                    return fault(FaultStatus::AccessFlag(level));
                }
                let span_bits = granule.level_shift(level);
                let attribute =
                    mair::attribute(cpu.get(SysReg::MAIR_EL1), descriptor::ATTR_INDX.get(entry));
                return Ok(Leaf {
                    ipa: base | va & ((1 << span_bits) - 1),
                    rights: leaf_rights(entry, limits, cpu.get(SysReg::SCTLR_EL1)),
                    attribute,
                    shareability: descriptor::SH.get(entry),
                    device: mair::is_device(attribute),
                    global: entry & descriptor::NG == 0,
                    level,
                    span_bits,
                });
            }
        }
    }
}

/// The MMU is off: VA is IPA, data is Device memory (`AArch64.S1DisabledOutput`).
fn flat(cpu: &Cpu, va: u64) -> Result<Leaf, Abort> {
    let half = (va >> 55 & 1) as usize;
    let ipa = if cpu.regime.tbi[half] { va << 8 >> 8 } else { va };
    if ipa >> cpu.ipa_bits != 0 {
        return Err(Abort::Stage1(FaultStatus::AddressSize(0)));
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
    })
}

fn read_descriptor(map: &Stage2, at: u64) -> Result<u64, Abort> {
    let (page, perms) = map.lookup(at).ok_or(Abort::unmapped(at, true))?;
    if !perms.contains(Perms::READ) {
        return Err(Abort::denied(at, true));
    }
    let page = page.get(map).ok_or(Abort::unmapped(at, true))?;
    Ok(page.load_u64(at as usize, Ordering::Acquire))
}

/// Rights of a leaf: AP, UXN, PXN; the limits of the tables above it; SCTLR_EL1.WXN.
/// (`AArch64.S1DirectBasePermissions`.)
fn leaf_rights(leaf: u64, tables: u64, control: u64) -> u16 {
    let el0 = leaf & descriptor::AP_EL0 != 0 && tables & descriptor::AP_TABLE_NO_EL0 == 0;
    let read_only =
        leaf & descriptor::AP_READ_ONLY != 0 || tables & descriptor::AP_TABLE_READ_ONLY != 0;
    let uxn = leaf & descriptor::UXN != 0 || tables & descriptor::UXN_TABLE != 0;
    let pxn = leaf & descriptor::PXN != 0 || tables & descriptor::PXN_TABLE != 0;
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
    if control & sctlr::WXN != 0 {
        if r & W0 != 0 {
            r &= !X0;
        }
        if r & W1 != 0 {
            r &= !X1;
        }
    }
    r
}
