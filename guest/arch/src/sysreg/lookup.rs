//! From an encoding to its register, in two steps, as a page table does it.
//!
//! ```text
//!   15 14 13 11 10   7 6    3 2   0
//!  |  op0 | op1 | CRn | CRm  | op2 |
//!   |<-- GROUP: 8 -->|<- ENTRY: 7 >|         op0's upper bit is 1 for every register
//!          |                |
//!          v                v
//!    GROUPS[256]  ->  ENTRIES[group][128]  ->  SysReg
//! ```
//!
//! An interpreter asks at every MRS and MSR, so this is two loads; the tables are built at
//! compile time, and two rows with one encoding do not compile.

use super::{Encoding, SysReg};

const GROUP_BITS: u32 = 8;
const ENTRY_BITS: u32 = 7;

/// How many values of op0:op1:CRn have a register.
const GROUP_COUNT: usize = {
    let mut seen = [false; 1 << GROUP_BITS];
    let mut count = 0;
    let mut i = 0;
    while i < SysReg::COUNT {
        let group = group(SysReg::ALL[i].encoding());
        if !seen[group] {
            seen[group] = true;
            count += 1;
        }
        i += 1;
    }
    count
};

/// For each op0:op1:CRn the index of its entries, plus one; 0: no register there.
static GROUPS: [u8; 1 << GROUP_BITS] = TABLES.0;
/// For each group and CRm:op2 the register.
static ENTRIES: [[Option<SysReg>; 1 << ENTRY_BITS]; GROUP_COUNT] = TABLES.1;

type Tables = ([u8; 1 << GROUP_BITS], [[Option<SysReg>; 1 << ENTRY_BITS]; GROUP_COUNT]);

const TABLES: Tables = {
    assert!(GROUP_COUNT < u8::MAX as usize);
    let mut groups = [0_u8; 1 << GROUP_BITS];
    let mut entries = [[None; 1 << ENTRY_BITS]; GROUP_COUNT];
    let mut used = 0_u8;
    let mut i = 0;
    while i < SysReg::COUNT {
        let register = SysReg::ALL[i];
        let encoding = register.encoding();
        assert!(encoding.op0() >= 2, "op0 of a register is 2 or 3");
        let group = group(encoding);
        if groups[group] == 0 {
            used += 1;
            groups[group] = used;
        }
        let entry = &mut entries[groups[group] as usize - 1][entry(encoding)];
        assert!(entry.is_none(), "two rows have one encoding");
        *entry = Some(register);
        i += 1;
    }
    (groups, entries)
};

const fn group(encoding: Encoding) -> usize {
    (encoding.0 >> ENTRY_BITS) as usize & ((1 << GROUP_BITS) - 1)
}

const fn entry(encoding: Encoding) -> usize {
    encoding.0 as usize & ((1 << ENTRY_BITS) - 1)
}

/// The register of an encoding.
#[inline]
pub(super) const fn find(encoding: Encoding) -> Option<SysReg> {
    if encoding.op0() < 2 {
        return None;
    }
    match GROUPS[group(encoding)] {
        0 => None,
        index => ENTRIES[index as usize - 1][entry(encoding)],
    }
}
