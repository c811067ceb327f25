//! TLB maintenance: what the TLBI instructions name (DDI 0487 C5.5).
//!
//! ```text
//!           63    48 47  46 45   44 43   39 38 37 36                    0
//!  by VA   [  ASID ][  TTL        ][             VA[55:12]               ]
//!  range   [  ASID ][ TG  ][SCALE ][  NUM ][TTL ][       BaseADDR        ]
//!
//!  range: from BaseADDR * granule, (NUM + 1) << (5 * SCALE + 1) granules
//! ```
//!
//! What is dropped may always be more than what was asked for, so TTL (a hint at the level of
//! the leaf) is not looked at, and an operation by address is one for every ASID.

use anyvisor_arch::descriptor::Granule;
use anyvisor_arch::field::Field;
use anyvisor_arch::sysreg::Encoding;
use anyvisor_bugs::{Bug, is};

/// What a maintenance instruction drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// Every translation (VMALLE1).
    All,
    /// Those of an ASID that are not global (ASIDE1).
    Asid(u32),
    /// Those of addresses: VAE1, VAAE1, VALE1, VAALE1 and their ranges.
    Addresses {
        /// The first.
        start: u64,
        /// How many bytes; 0 names the one translation of `start`.
        bytes: u64,
        /// Only the leaf has changed, no table on the way to it.
        last_level: bool,
    },
    /// No translation: decoded code (IC).
    Code,
}

/// What is no longer to be believed of decoded code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stale {
    /// Nothing has changed.
    #[default]
    Nothing,
    /// The way to it: addresses translate differently.
    Translations,
    /// The code itself, and the way to it.
    Words,
}

const TG: Field = Field::new(47, 46);
const SCALE: Field = Field::new(45, 44);
const NUM: Field = Field::new(43, 39);
const BASE_ADDR: Field = Field::new(36, 0);

impl Invalidation {
    /// The TLBI instruction of a SYS encoding (op1 = 0, CRn = 8) with its operand, and whether it
    /// is for all PEs of the shareability domain. `asid` is the operand's. `None`: no such
    /// instruction. `Some((None, _))`: it names nothing.
    ///
    /// ```text
    ///   CRm   1  OS      2  IS range     5  OS range     3  IS     6  range     7
    ///   op2   0  VMALLE1    1  VAE1      2  ASIDE1       3  VAAE1     5  VALE1     7  VAALE1
    /// ```
    pub fn decode(encoding: Encoding, value: u64, asid: u32) -> Option<(Option<Self>, bool)> {
        if (encoding.op1(), encoding.crn()) != (0, 8) {
            return None;
        }
        let (ranges, broadcast) = match encoding.crm() {
            1 | 3 => (false, true),
            7 => (false, false),
            2 | 5 => (true, true),
            6 => (true, false),
            _ => return None,
        };
        let last_level = encoding.op2() & 4 != 0;
        let what = match (ranges, encoding.op2()) {
            (false, 0) => Some(Self::All),
            (false, 2) => Some(Self::Asid(asid)),
            (false, 1 | 3 | 5 | 7) => {
                Some(Self::Addresses { start: value << 12, bytes: 0, last_level })
            }
            (true, 1 | 3 | 5 | 7) => Self::range(value, last_level),
            _ => return None,
        };
        Some((what, broadcast))
    }

    /// The manual's `TLBIRange`: nothing if TG is reserved.
    fn range(value: u64, last_level: bool) -> Option<Self> {
        let granule = match TG.get(value) {
            0b01 => Granule::K4,
            0b10 => Granule::K16,
            0b11 => Granule::K64,
            _ => return None,
        };
        // BaseADDR is signed: its highest bit stands for those above it.
        let base = (BASE_ADDR.get(value) << (63 - 36)) as i64 >> (63 - 36);
        let num = if is(Bug::TlbiRangeShort) { NUM.get(value) } else { NUM.get(value) + 1 };
        let granules = num << (5 * SCALE.get(value) + 1);
        Some(Self::Addresses {
            start: (base as u64) << granule.page_bits(),
            bytes: granules << granule.page_bits(),
            last_level,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlbi(crm: u16, op2: u16, value: u64) -> Option<(Option<Invalidation>, bool)> {
        Invalidation::decode(Encoding::new(1, 0, 8, crm, op2), value, 0x1234)
    }

    #[test]
    fn every_instruction_has_its_place() {
        let count = |crm| (0..8).filter(|&op2| tlbi(crm, op2, 0).is_some()).count();
        let counts: Vec<usize> = (0..16).map(count).collect();
        assert_eq!(counts, [0, 6, 4, 6, 0, 4, 4, 6, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(tlbi(3, 0, 0), Some((Some(Invalidation::All), true)));
        assert_eq!(tlbi(7, 2, 0), Some((Some(Invalidation::Asid(0x1234)), false)));
        let leaf = Invalidation::Addresses { start: 0x5000, bytes: 0, last_level: true };
        assert_eq!(tlbi(1, 7, 5), Some((Some(leaf), true)));
    }

    #[test]
    fn ranges_follow_the_manual_s_formula() {
        let operand = |tg: u64, scale: u64, num: u64, base: u64| {
            TG.put(tg) | SCALE.put(scale) | NUM.put(num) | BASE_ADDR.put(base)
        };
        let range = |operand| match tlbi(6, 1, operand) {
            Some((Some(Invalidation::Addresses { start, bytes, .. }), false)) => (start, bytes),
            other => panic!("{other:?}"),
        };
        assert_eq!(range(operand(1, 0, 0, 0x12)), (0x12000, 0x2000));
        assert_eq!(range(operand(1, 0, 31, 0)), (0, 64 << 12));
        assert_eq!(range(operand(2, 1, 1, 3)), (3 << 14, 128 << 14));
        let top = (1 << 37) - 1;
        assert_eq!(range(operand(3, 3, 31, top)), (!0xffff, 0x20_0000 << 16));
        assert_eq!(tlbi(6, 1, operand(0, 0, 0, 0)), Some((None, false)), "TG is reserved");
    }
}
