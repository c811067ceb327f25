//! GICR: a PE's own interrupts, and whether it sleeps.
//!
//! ```text
//!   RD_base                                   SGI_base
//!   0x0000  CTLR    0                         0x0080  IGROUPR0
//!   0x0004  IIDR    0                         0x0100  ISENABLER0 ... : bank.rs, INTIDs 0 to 31
//!   0x0008  TYPER   affinity, number, Last    0x0400  IPRIORITYR0..7
//!   0x0014  WAKER   ProcessorSleep            0x0c00  ICFGR0  SGIs: edge, read only
//!   0xffe8  PIDR2   ArchRev 3                 0x0c04  ICFGR1  PPIs: software's choice
//! ```
//!
//! After reset the PE sleeps (GICR_WAKER.ProcessorSleep): software wakes it before it gets any
//! interrupt, which waits in the redistributor so long (so IHI 0069; QEMU forwards all the same).
//! ChildrenAsleep follows at once.
//!
//! # Left out
//! All of it reads as zero and ignores writes: LPIs (PLPIS = 0: SETLPIR, CLRLPIR, PROPBASER,
//! PENDBASER, INVLPIR, INVALLR, SYNCR, CTLR.EnableLPIs), the 1-of-N opt-out (DPGS = 0: CTLR.DPG*),
//! STATUSR (optional), IGRPMODR0 and NSACR (DS = 1), extended PPIs, INMIR0. There is no power
//! controller that WakeRequest could go to: an interrupt for a PE that sleeps wakes nobody.

use crate::bank::{self, Bank};
use crate::cpu_interface::CpuInterface;
use crate::identification;
use anyvisor_arch::gic::gicd::irouter::AFFINITY;
use anyvisor_arch::gic::gicr::{self, typer, waker};
use anyvisor_arch::gic::intid::SGIS;

/// SGIs are edges.
const SGI_BITS: u32 = (1 << SGIS.end) - 1;

/// A PE as the GIC sees it.
#[derive(Clone, Debug)]
pub struct Pe {
    /// The affinity fields where MPIDR_EL1 and GICD_IROUTER have them.
    pub affinity: u64,
    /// GICR_WAKER.ProcessorSleep and ChildrenAsleep.
    pub asleep: bool,
    /// SGIs and PPIs.
    pub bank: Bank,
    pub cpu: CpuInterface,
}

impl Pe {
    pub fn new(mpidr: u64) -> Self {
        Self {
            affinity: mpidr & AFFINITY,
            asleep: true,
            bank: Bank::new(u32::MAX, SGI_BITS),
            cpu: CpuInterface::default(),
        }
    }

    /// The redistributor as after reset; the CPU interface stays.
    pub fn reset(&mut self) {
        self.bank.reset();
        self.asleep = true;
    }

    /// `number` is the PE's, and `last` says that no PE has a higher one.
    pub fn read(&self, number: usize, last: bool, offset: u64, bytes: u8) -> u64 {
        if let Some(offset) = offset.checked_sub(gicr::SGI_BASE) {
            return match bank::register(offset, bytes) {
                Some((register, 0)) => self.bank.read(register),
                _ => 0,
            };
        }
        match (offset, bytes) {
            (gicr::TYPER, 4 | 8) => self.typer(number, last) & (u64::MAX >> (64 - 8 * bytes)),
            (TYPER_UPPER, 4) => self.typer(number, last) >> 32,
            (gicr::WAKER, 4) if self.asleep => {
                (waker::PROCESSOR_SLEEP | waker::CHILDREN_ASLEEP).into()
            }
            _ => identification::read(offset, bytes),
        }
    }

    pub fn write(&mut self, offset: u64, bytes: u8, value: u64) {
        if let Some(offset) = offset.checked_sub(gicr::SGI_BASE) {
            if let Some((register, 0)) = bank::register(offset, bytes) {
                self.bank.write(register, value);
            }
        } else if (offset, bytes) == (gicr::WAKER, 4) {
            self.asleep = value as u32 & waker::PROCESSOR_SLEEP != 0;
        }
    }

    fn typer(&self, number: usize, last: bool) -> u64 {
        // Affinity_Value closes the gap between Aff3 and Aff2.
        let affinity = self.affinity >> 8 & 0xff00_0000 | self.affinity & 0x00ff_ffff;
        typer::AFFINITY_VALUE.put(affinity)
            | typer::PROCESSOR_NUMBER.put(number as u64)
            | if last { typer::LAST } else { 0 }
    }
}

/// A 64-bit register can be read by halves.
const TYPER_UPPER: u64 = gicr::TYPER + 4;
