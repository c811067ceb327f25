//! What page descriptors say besides where the page is, remembered as it was last worked out.
//!
//! ```text
//!   descriptor without the output address     \
//!   what the tables above it forbid            }-- the same as lately --> rights, Device, nG, GP
//!   MAIR_EL1, SCTLR_EL1                       /
//! ```
//!
//! Most pages of a guest differ in their address alone, and all else is a function of these four
//! values: of MAIR the attribute that AttrIndx selects, of SCTLR the WXN bit. Since they are
//! compared whole, nothing ever has to be forgotten. A descriptor that hardware is to change
//! (FEAT_HAFDBS) or that faults is never remembered, so TCR_EL1.{HA, HD} do not matter; the output
//! size does not either, because an address bit above it counts as one that differs (see
//! [`Half::attributes`](super::regime::Half)).

use crate::state::Cpu;
use anyvisor_arch::sysreg::SysReg;

/// What a page is like.
#[derive(Clone, Copy, Debug)]
pub struct Attributes {
    /// Who may do what, by stage 1.
    pub rights: u16,
    /// Device memory.
    pub device: bool,
    /// Good for every ASID (nG = 0).
    pub global: bool,
    /// A guarded page (GP).
    pub guarded: bool,
}

/// One answer, and the question.
#[derive(Clone, Copy, Debug)]
struct Known {
    descriptor: u64,
    limits: u64,
    mair: u64,
    control: u64,
    page: Attributes,
}

/// How many are kept; a power of two.
const KEPT: usize = 4;

/// The last answers.
#[derive(Debug)]
pub struct Decoded([Known; KEPT]);

impl Default for Decoded {
    /// None: no descriptor without its address is all ones.
    fn default() -> Self {
        let page = Attributes { rights: 0, device: true, global: false, guarded: false };
        let none = Known { descriptor: u64::MAX, limits: 0, mair: 0, control: 0, page };
        Self([none; KEPT])
    }
}

/// Where the answer for a descriptor is kept: by AttrIndx and AP, mixed with PXN and UXN.
#[inline(always)]
fn slot(descriptor: u64) -> usize {
    (descriptor >> 2 ^ descriptor >> 6 ^ descriptor >> 53) as usize % KEPT
}

impl Decoded {
    /// What the `descriptor` says, without its address, below tables that set `limits`.
    #[inline(always)]
    pub fn find(&self, cpu: &Cpu, descriptor: u64, limits: u64) -> Option<&Attributes> {
        let known = &self.0[slot(descriptor)];
        let same = known.descriptor == descriptor
            && known.limits == limits
            && known.mair == cpu.get(SysReg::MAIR_EL1)
            && known.control == cpu.get(SysReg::SCTLR_EL1);
        same.then_some(&known.page)
    }

    /// Remembers it.
    pub fn keep(&mut self, cpu: &Cpu, descriptor: u64, limits: u64, page: Attributes) {
        let (mair, control) = (cpu.get(SysReg::MAIR_EL1), cpu.get(SysReg::SCTLR_EL1));
        self.0[slot(descriptor)] = Known { descriptor, limits, mair, control, page };
    }
}
