//! Random sequences of accesses to the GIC: distributor, redistributor, CPU interface.
//!
//! The state stays from case to case, the same on both machines, so a sequence is as long as all
//! cases together. Interrupts are masked; ISR_EL1 shows after each access but the first whether one
//! would be taken. Lines of devices are low: what is pending was made so by a register or an SGI.
//!
//! ```text
//!   access i:   address in x(2i), value in and out x(2i + 1); then MRS x(20 + i), ISR_EL1
//!   at the end: RPR, HPPIR0, HPPIR1, the active priorities of Group 1 in x24 and on
//! ```

use super::cases::{access, quiet};
use super::layout::GIC;
use super::record::Case;
use crate::random::Random;
use anyvisor_arch::sysreg::SysReg;

/// Accesses of a case.
const ACCESSES: u32 = 4;
/// Where the address of GICR_WAKER is.
const WAKER: u32 = 30;
/// Where the address of GICR_IGROUPR0 is, and its value.
const GROUPS: u32 = 10;
/// Where 1 is.
const ON: u32 = 29;
/// Where ISR_EL1 goes.
const LINES: u32 = 20;

/// The interrupts that are used: SGIs, PPIs that nothing drives, SPIs without a device. Few, so
/// that they meet.
const INTIDS: [u32; 12] = [0, 1, 2, 7, 15, 18, 21, 160, 161, 175, 191, 250];
/// The SGIs that ICC_SGI1R sends; ICC_SGI0R sends the others.
const SGIS_OF_GROUP_1: u64 = 0xff00;
/// Of them all from here on are the distributor's.
const FIRST_SPI: u32 = 32;

/// Priorities of five bits: how many there are is IMPLEMENTATION DEFINED, and the oracle's distributor
/// keeps more than its CPU interface compares.
const PRIORITY: u64 = 0xf8f8_f8f8;

const GICD_CTLR: u64 = 0;
/// Of the redistributor, seen from the distributor.
const GICR_WAKER: u64 = 0xa_0014;
const IGROUPR: u64 = 0x80;
const IROUTER: u64 = 0x6000;
const IPRIORITYR: u64 = 0x400;
const ICFGR: u64 = 0xc00;
/// One bit an interrupt: IGROUPR, ISENABLER, ICENABLER, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER.
const BITMAPS: [u64; 7] = [IGROUPR, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380];
/// The redistributor's SGI_base, seen from the distributor.
const SGI_BASE: u64 = 0xb_0000;

const LDR: [u32; 4] = [0x3940_0000, 0x7940_0000, 0xb940_0000, 0xf940_0000];
const STR: [u32; 4] = [0x3900_0000, 0x7900_0000, 0xb900_0000, 0xf900_0000];

/// A random case.
pub fn case(random: &mut Random) -> Case {
    // The redistributor is woken, again and again: the oracle's forwards while it sleeps. And the
    // SGIs of ICC_SGI1R are of Group 1: others the oracle drops. And the CPU interface has both
    // groups on: with one of them off the oracle keeps its pending interrupt in front of the other
    // group's (IHI 0069, ICC_IGRPEN<n>_EL1: only an interrupt of an enabled group is signalled).
    let mut words = vec![
        STR[2] | WAKER << 5 | 31,
        STR[2] | GROUPS << 5 | (GROUPS + 1),
        access(SysReg::ICC_IGRPEN0_EL1, ON, false),
        access(SysReg::ICC_IGRPEN1_EL1, ON, false),
    ];
    let mut x = [0; 31];
    x[ON as usize] = 1;
    x[WAKER as usize] = GIC + GICR_WAKER;
    x[GROUPS as usize] = GIC + SGI_BASE + IGROUPR;
    x[GROUPS as usize + 1] = random.bits() & 0xffff_ffff | SGIS_OF_GROUP_1;
    let mut acknowledged = None;
    for i in 0..ACCESSES {
        let (address, value) = (2 * i, 2 * i + 1);
        let word = if random.one_in(2) {
            let (offset, size, new) = frame(random);
            x[address as usize] = GIC + offset;
            x[value as usize] = new;
            let base = if random.one_in(3) { LDR } else { STR };
            base[size] | address << 5 | value
        } else {
            let (register, read, new) = interface(random);
            x[value as usize] = new;
            let ends = matches!(
                register,
                SysReg::ICC_EOIR0_EL1 | SysReg::ICC_EOIR1_EL1 | SysReg::ICC_DIR_EL1
            );
            // What was acknowledged in this case is ended, more often than not.
            let of = acknowledged.filter(|_| ends && !random.one_in(4)).unwrap_or(value);
            if matches!(register, SysReg::ICC_IAR0_EL1 | SysReg::ICC_IAR1_EL1) {
                acknowledged = Some(value);
            }
            access(register, of, read)
        };
        words.push(word);
        if i > 0 {
            words.push(access(SysReg::ISR_EL1, LINES + i, true));
        }
    }
    let shown = [
        SysReg::ICC_RPR_EL1,
        SysReg::ICC_HPPIR0_EL1,
        SysReg::ICC_HPPIR1_EL1,
        SysReg::ICC_AP1R0_EL1,
    ];
    words.extend(shown.iter().zip(LINES + ACCESSES..).map(|(r, rt)| access(*r, rt, true)));
    Case { x, ..quiet(random, &words) }
}

/// A register of a frame: its offset from the distributor, log2 of the size, a value.
fn frame(random: &mut Random) -> (u64, usize, u64) {
    let intid = random.pick(&INTIDS);
    let frame = if intid < FIRST_SPI { SGI_BASE } else { 0 };
    let n = u64::from(intid);
    let bit = 1 << (n % 32);
    match random.below(16) {
        // Both groups are on, most of the time.
        0 => (GICD_CTLR, 2, if random.one_in(3) { random.below(4) } else { 3 }),
        1 if intid >= FIRST_SPI => {
            // To this PE, to another that is not there, to any.
            let route = random.pick(&[0, 0, 0, 1, 1 << 31]);
            (IROUTER + 8 * n, 3, route)
        }
        2 | 3 => (frame + IPRIORITYR + n, 0, random.bits() & PRIORITY & 0xff),
        4 => (frame + IPRIORITYR + (n & !3), 2, random.bits() & PRIORITY),
        5 => (frame + ICFGR + n / 16 * 4, 2, random.bits() & 0xffff_ffff),
        _ => {
            let map = random.pick(&BITMAPS);
            let used = INTIDS.iter().filter(|other| **other / 32 == intid / 32);
            let all = used.fold(0u64, |all, other| all | 1 << (other % 32));
            let keep = if map == IGROUPR && frame != 0 { SGIS_OF_GROUP_1 } else { 0 };
            let set = if random.one_in(3) { random.bits() & all } else { bit };
            (frame + map + n / 32 * 4, 2, set | keep)
        }
    }
}

/// A register of the CPU interface: whether it is read, and a value to write.
fn interface(random: &mut Random) -> (SysReg, bool, u64) {
    let intid = u64::from(random.pick(&INTIDS));
    // To this PE alone, or to none; to all others with IRM, of whom there are none.
    let sgi = random.below(8) << 24 | random.pick(&[1, 1, 1, 0, 2]) | (random.below(8) / 7) << 40;
    let either = |read: SysReg, value: u64, random: &mut Random| (read, random.one_in(3), value);
    match random.below(16) {
        0 => either(SysReg::ICC_PMR_EL1, random.pick(&[0xff, 0xff, 0xf8, 0x80, 0x40, 0]), random),
        1 => either(SysReg::ICC_BPR0_EL1, random.below(8), random),
        2 => either(SysReg::ICC_BPR1_EL1, random.below(8), random),
        // CBPR, EOImode, PMHE.
        3 => either(SysReg::ICC_CTLR_EL1, random.pick(&[0, 0, 0, 1, 2, 3]), random),
        4..=7 => (SysReg::ICC_IAR1_EL1, true, 0),
        8 => (SysReg::ICC_IAR0_EL1, true, 0),
        9 | 10 => (SysReg::ICC_EOIR1_EL1, false, intid),
        11 => (SysReg::ICC_EOIR0_EL1, false, intid),
        12 => (SysReg::ICC_DIR_EL1, false, intid),
        13 => (SysReg::ICC_SGI1R_EL1, false, sgi | 8 << 24),
        14 => (SysReg::ICC_SGI0R_EL1, false, sgi),
        _ if random.one_in(4) => either(SysReg::ICC_AP1R0_EL1, 0, random),
        _ if random.one_in(3) => either(SysReg::ICC_AP0R0_EL1, 0, random),
        _ => either(SysReg::ICC_SRE_EL1, random.below(8), random),
    }
}
