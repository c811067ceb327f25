//! What address translation derives from the control registers, kept until one of them changes.

use super::rights::{R0, R1, R1_PAN, W0, W1, W1_PAN, X0, X1};
use crate::debug;
use crate::state::{Cpu, Pstate};
use crate::sysreg::id::pa_range;
use anyvisor_arch::descriptor::{self, Granule};
use anyvisor_arch::id::PA_BITS;
use anyvisor_arch::sysreg::SysReg;
use anyvisor_arch::{pstate, sctlr, tcr};
use anyvisor_bugs::{Bug, is};

/// The EL1&0 translation regime as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Regime {
    /// SCTLR_EL1.M.
    pub enabled: bool,
    /// What TLB entries of address-space-specific pages must match: the ASID, and whether the
    /// MMU is on.
    pub context: u32,
    /// The right that a data read needs now.
    pub read: u16,
    /// The right that a data write needs now.
    pub write: u16,
    /// The right that an instruction fetch needs now.
    pub fetch: u16,
    /// What may make other code of the same PC: the context, and the right that a fetch needs.
    /// And PSTATE.IL, which makes any code an exception.
    pub code: u32,
    /// SCTLR_EL1.A: every unaligned access faults.
    pub check_alignment: bool,
    /// SCTLR_EL1.nAA: acquire and release may be unaligned anywhere.
    pub unaligned_ordered: bool,
    /// SCTLR_EL1.SA or SA0 for the current level: SP must be 16-byte aligned as a base.
    pub check_sp: bool,
    /// TCR_EL1.TBI0 and TBI1: the top byte of a data address is ignored.
    pub tbi: [bool; 2],
    /// TBI without TBID: the top byte of an instruction's address is ignored as well.
    pub tbi_code: [bool; 2],
    /// The halves of the address space: TTBR0's and TTBR1's.
    pub halves: [Half; 2],
    /// The output size: TCR_EL1.IPS, but never more than the machine has (`AArch64.PAMax`).
    pub output_bits: u32,
    /// TCR_EL1.HA: hardware sets the access flag.
    pub sets_access: bool,
    /// TCR_EL1.HD: hardware marks what is written as dirty.
    pub sets_dirty: bool,
    /// No tag makes an address one of data alone: TCR_EL1.TBIDn has no effect.
    pub tags_alike: bool,
}

/// One half of the address space, as its TTBR and its part of TCR_EL1 say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Half {
    /// TTBR, whole: a name for the tables that tells address spaces apart.
    pub ttbr: u64,
    /// The address of the first table.
    pub table: u64,
    /// The granule.
    pub granule: Granule,
    /// Address bits within a page.
    page_bits: u32,
    /// The bits that tables and pages resolve.
    inside: u64,
    /// The bits above them that are copies of bit 55, in addresses of data and of instructions.
    above: [u64; 2],
    /// The bits of TTBR that are the first table's address.
    base: u64,
    /// Address bits that a table of the last level resolves, with those of its pages: no more than
    /// the half has, so that a walk that finds its table need not ask whether the half has `va`.
    pub region_bits: u32,
    /// The bits of a byte offset into a table of the last level.
    last_index: u64,
    /// The bits of a page descriptor that are the page's address, as far as the output size goes.
    pub output: u64,
    /// The other ones, as far as they say anything: not those for software's own use, nor the
    /// Contiguous bit.
    pub attributes: u64,
    /// Where the walk starts.
    pub start_level: u8,
    /// TCR_EL1.EPDn: no walks.
    pub disabled: bool,
    /// TCR_EL1.HPDn: what tables say of rights is ignored.
    pub ignores_limits: bool,
}

impl Default for Half {
    /// The half of a TCR and a TTBR that are 0.
    fn default() -> Self {
        Self::of(0, Granule::K4, 0, [64; 2], PA_BITS[0])
    }
}

impl Half {
    /// How many bits of an address it resolves.
    pub fn va_bits(&self) -> u32 {
        64 - self.inside.leading_zeros()
    }

    /// The half of `ttbr` with a TnSZ. `top` is how many bits of an address count, of data and
    /// of instructions, `output_bits` how many of a page's.
    fn of(ttbr: u64, granule: Granule, size: u64, top: [u32; 2], output_bits: u32) -> Self {
        // Out of range TnSZ: IMPLEMENTATION DEFINED; treated as the nearest limit.
        let va_bits = 64 - size.clamp(tcr::TXSZ_MIN, tcr::txsz_max(granule)) as u32;
        let align = granule.start_table_size(va_bits) - 1;
        let base = tcr::TTBR_BADDR.mask() & !align;
        let inside = (1 << va_bits) - 1;
        let page_bits = granule.page_bits();
        let output = descriptor::ADDRESS.mask() & ((1 << output_bits) - 1) & !(granule.size() - 1);
        Self {
            ttbr,
            table: ttbr & base,
            base,
            granule,
            page_bits,
            inside,
            above: top.map(|top| u64::MAX >> (64 - top) & !inside),
            region_bits: granule.level_shift(2).min(va_bits),
            last_index: (inside >> page_bits & ((1 << (page_bits - 3)) - 1)) << 3,
            output,
            attributes: !(output | descriptor::SOFTWARE.mask() | descriptor::CONTIGUOUS),
            start_level: granule.start_level(va_bits),
            disabled: false,
            ignores_limits: false,
        }
    }

    /// Whether `va` lies in it: the bits that count above the region are copies of bit 55.
    #[inline(always)]
    pub fn contains(&self, va: u64, fetch: bool) -> bool {
        let sign = ((va << 8) as i64 >> 63) as u64;
        (va ^ sign) & self.above[usize::from(fetch)] == 0 || is(Bug::HoleTranslated)
    }

    /// The lowest address bit that `level` resolves.
    #[inline(always)]
    pub fn level_shift(&self, level: u8) -> u32 {
        self.page_bits + u32::from(3 - level) * (self.page_bits - 3)
    }

    /// The address of the entry for `va` in a `table` of `level`. The start level's table may be
    /// shorter than a granule: no bit above the region counts.
    #[inline(always)]
    pub fn entry(&self, table: u64, va: u64, level: u8) -> u64 {
        let index = (va & self.inside) >> self.level_shift(level);
        table + 8 * (index & ((1 << (self.page_bits - 3)) - 1))
    }

    /// The address of the entry for `va` in a table of the last level.
    #[inline(always)]
    pub fn last_entry(&self, table: u64, va: u64) -> u64 {
        table + (va >> (self.page_bits - 3) & self.last_index)
    }

    /// The part of `va` within a page.
    #[inline(always)]
    pub fn offset(&self, va: u64) -> u64 {
        va & ((1 << self.page_bits) - 1)
    }

    /// Address bits within a page.
    #[inline(always)]
    pub fn page_bits(&self) -> u32 {
        self.page_bits
    }
}

/// The bit of [`Regime::context`] that says that the MMU is on.
pub const CONTEXT_ON: u32 = 1 << 16;
/// The bit of [`Regime::context`] that says that data accesses are watched. No entry of a TLB has
/// it, so that each access takes the long way.
pub const CONTEXT_WATCHED: u32 = 1 << 17;
/// Where [`Regime::code`] has the right, above the context.
const CODE_SHIFT: u32 = 18;
/// The bit of [`Regime::code`] that says that PSTATE.IL is set.
const CODE_ILLEGAL: u32 = 31;
/// The bits of [`Regime::context`] that hold the ASID.
pub const CONTEXT_ASID: u32 = 0xffff;

/// The ASID in `value`'s bits 63:48 as TCR_EL1.AS sizes it: that of a TTBR or a TLBI operand.
pub fn asid(tcr: u64, value: u64) -> u32 {
    let mask = if tcr & tcr::AS != 0 && !is(Bug::AsidEightBits) { 0xffff } else { 0xff };
    (value >> 48) as u32 & mask
}

/// What TCR_EL1.TG1 says.
#[inline(always)]
fn granule1(tcr: u64) -> Granule {
    let other = is(Bug::Tg1LikeTg0) && tcr::granule1(tcr) == Granule::K16;
    if other { Granule::K64 } else { tcr::granule1(tcr) }
}

impl Regime {
    /// Derives it from `cpu`'s registers.
    pub fn of(cpu: &Cpu) -> Self {
        let control = cpu.get(SysReg::SCTLR_EL1);
        let tcr = cpu.get(SysReg::TCR_EL1);
        let has = |bit| tcr & bit != 0;
        let ttbr = [cpu.get(SysReg::TTBR0_EL1), cpu.get(SysReg::TTBR1_EL1)];
        let enabled = control & sctlr::M != 0;
        let tbi = [has(tcr::TBI0), has(tcr::TBI1)];
        let size = [tcr::T0SZ.get(tcr), tcr::T1SZ.get(tcr)];
        let ips = tcr::IPS.get(tcr) as usize;
        let tbi_code = [tbi[0] && !has(tcr::TBID0), tbi[1] && !has(tcr::TBID1)];
        let tops =
            |half: usize| [tbi[half], tbi_code[half]].map(|ignored| if ignored { 56 } else { 64 });
        let output_bits =
            PA_BITS[ips.min(PA_BITS.len() - 1)].min(PA_BITS[pa_range(cpu.ipa_bits) as usize]);
        let mut regime = Self {
            enabled,
            context: asid(tcr, ttbr[usize::from(has(tcr::A1))])
                | if enabled { CONTEXT_ON } else { 0 }
                | if debug::watching(cpu) { CONTEXT_WATCHED } else { 0 },
            check_alignment: control & sctlr::A != 0 && !is(Bug::AlignmentUnchecked),
            unaligned_ordered: control & sctlr::N_AA != 0,
            tbi,
            tbi_code,
            halves: [
                Half {
                    disabled: has(tcr::EPD0),
                    ignores_limits: has(tcr::HPD0),
                    ..Half::of(ttbr[0], tcr::granule0(tcr), size[0], tops(0), output_bits)
                },
                Half {
                    disabled: has(tcr::EPD1),
                    ignores_limits: has(tcr::HPD1),
                    ..Half::of(ttbr[1], granule1(tcr), size[1], tops(1), output_bits)
                },
            ],
            output_bits,
            sets_access: has(tcr::HA),
            sets_dirty: has(tcr::HA) && has(tcr::HD),
            tags_alike: tbi == tbi_code,
            ..Self::default()
        };
        regime.enter(cpu.pstate, control);
        regime
    }

    /// Another TTBR, 0 or 1, and nothing else: what a guest does whenever it changes to another
    /// address space. `tcr` is TCR_EL1.
    pub fn switch(&mut self, which: usize, ttbr: u64, tcr: u64) {
        let half = &mut self.halves[which];
        half.ttbr = ttbr;
        half.table = ttbr & half.base;
        if usize::from(tcr & tcr::A1 != 0 && !is(Bug::A1Ignored)) == which {
            self.context = self.context & !CONTEXT_ASID | asid(tcr, ttbr);
            self.code = self.code & !CONTEXT_ASID | self.context & CONTEXT_ASID;
        }
    }

    /// What the exception level and PSTATE.PAN decide: all that an exception changes. `control`
    /// is SCTLR_EL1.
    #[inline]
    pub fn enter(&mut self, pstate: Pstate, control: u64) {
        const NEEDS: [(u16, u16, u16); 4] =
            [(R0, W0, X0), (R0, W0, X0), (R1, W1, X1), (R1_PAN, W1_PAN, X1)];
        let el1 = usize::from(pstate.el() != 0);
        let pan = usize::from(pstate.any(pstate::PAN) && !is(Bug::PanIgnored));
        (self.read, self.write, self.fetch) = NEEDS[2 * el1 + pan];
        let illegal = (pstate.0 >> pstate::IL.trailing_zeros() & 1) as u32;
        self.code = self.context | u32::from(self.fetch) << CODE_SHIFT | illegal << CODE_ILLEGAL;
        let sp_bit = if pstate.el() == 0 { sctlr::SA0 } else { sctlr::SA };
        self.check_sp = control & sp_bit != 0 && !is(Bug::SpUnaligned);
    }

    /// The half that `va` belongs to by its bit 55.
    #[inline(always)]
    pub fn half(&self, va: u64) -> &Half {
        &self.halves[(va >> 55 & 1) as usize]
    }

    /// How many bits of `va` count, as an address of data or of an instruction.
    #[inline(always)]
    pub fn top(&self, va: u64, fetch: bool) -> u32 {
        let ignored = if fetch { &self.tbi_code } else { &self.tbi };
        if ignored[(va >> 55 & 1) as usize] { 56 } else { 64 }
    }

    /// The address that a branch to `target` reaches: without its tag (`AArch64.BranchAddr`).
    #[inline(always)]
    pub fn branch_address(&self, target: u64) -> u64 {
        let half = (target >> 55 & 1) as usize;
        if self.tbi_code[half] { ((target << 8) as i64 >> 8) as u64 } else { target }
    }
}
