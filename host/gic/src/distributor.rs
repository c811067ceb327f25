//! GICD: the SPIs, and where they go.
//!
//! ```text
//!   0x0000  CTLR        EnableGrp0, EnableGrp1; ARE and DS read as one
//!   0x0004  TYPER       988 SPIs, 1-of-N, no message registers, one security state, no LPIs
//!   0x0008  IIDR        0: an implementer that is none
//!   0x0080  ...         by interrupt: bank.rs
//!   0x6100  IROUTER32   64 bits, also by halves
//!   0xffe8  PIDR2       ArchRev 3
//!   0xfff0  CIDR0..3
//! ```
//!
//! # Left out
//! All of it reads as zero and ignores writes, as the manual has it for what is not implemented or
//! not used with affinity routing: TYPER2 and STATUSR (both optional); SETSPI, CLRSPI (MBIS = 0:
//! messages have a frame of their own); what INTIDs 0 to 31 have in a redistributor instead, and
//! ITARGETSR, SGIR, CPENDSGIR, SPENDSGIR (ARE = 1); IGRPMODR, NSACR (DS = 1); the registers with E
//! (extended SPIs) and INMIR. CTLR.E1NWF is RAZ/WI: a PE that sleeps is not woken for a 1-of-N
//! interrupt. CTLR.RWP is 0: a write is over when it has been made.

use crate::bank::{self, Bank, Groups};
use crate::identification;
use anyvisor_arch::gic::gicd::{self, ctlr, irouter, typer};
use anyvisor_arch::gic::intid::SPIS;
use std::ops::Range;

/// INTIDs 0 to 1023, by 32.
pub const BANKS: usize = 32;
/// 1020 to 1023 are special: the last bank has 28 interrupts.
const LAST_BANK: u32 = 0x0fff_ffff;
/// What of GICD_CTLR can be changed.
pub const CTLR_WRITABLE: u32 = ctlr::ENABLE_GRP0 | ctlr::ENABLE_GRP1;

/// The distributor.
#[derive(Clone, Debug)]
pub struct Distributor {
    /// The bits of [`CTLR_WRITABLE`].
    pub ctlr: u32,
    /// By INTID / 32; the first has no interrupt, its 32 are each PE's own.
    pub banks: Vec<Bank>,
    /// GICD_IROUTER by INTID; the first 32 stay 0.
    pub routes: Vec<u64>,
}

impl Distributor {
    pub fn new(messages: &Range<u32>) -> Self {
        let banks = (0..BANKS as u32).map(|n| {
            let implemented = match n {
                0 => 0,
                31 => LAST_BANK,
                _ => u32::MAX,
            };
            // GICv2m: a message is an edge; ICFGR says so and cannot be made to say otherwise.
            let edge = (0..32)
                .filter(|bit| messages.contains(&(32 * n + bit)))
                .fold(0, |edge, bit| edge | 1 << bit);
            Bank::new(implemented, edge & implemented)
        });
        Self { ctlr: 0, banks: banks.collect(), routes: vec![0; SPIS.end as usize] }
    }

    pub fn reset(&mut self) {
        self.ctlr = 0;
        self.banks.iter_mut().for_each(Bank::reset);
        self.routes.fill(0);
    }

    /// The groups that GICD_CTLR enables.
    pub fn groups(&self) -> Groups {
        Groups { zero: self.ctlr & ctlr::ENABLE_GRP0 != 0, one: self.ctlr & ctlr::ENABLE_GRP1 != 0 }
    }

    pub fn read(&self, offset: u64, bytes: u8) -> u64 {
        if let Some((register, n)) = bank::register(offset, bytes) {
            return self.bank(n).map_or(0, |bank| bank.read(register));
        }
        if let Some((intid, shift)) = route(offset, bytes) {
            return self.routes[intid] >> shift & mask(bytes);
        }
        match (offset, bytes) {
            (gicd::CTLR, 4) => u64::from(self.ctlr | ctlr::ARE | ctlr::DS),
            (gicd::TYPER, 4) => {
                // ITLinesNumber: 32 * (31 + 1) - 1 is 1023, of which the last four are special.
                // IDbits: an INTID has 10 bits, less one.
                typer::IT_LINES_NUMBER.put(BANKS as u64 - 1)
                    | typer::ID_BITS.put(9)
                    | typer::A3V
                    | typer::RSS
            }
            _ => identification::read(offset, bytes),
        }
    }

    pub fn write(&mut self, offset: u64, bytes: u8, value: u64) -> Changed {
        if let Some((register, n)) = bank::register(offset, bytes) {
            if n != 0 {
                return Changed::Spis { bank: n, bits: self.banks[n].write(register, value) };
            }
        } else if let Some((intid, shift)) = route(offset, bytes) {
            let written = mask(bytes) << shift & (irouter::AFFINITY | irouter::IRM);
            self.routes[intid] = self.routes[intid] & !written | value << shift & written;
            return Changed::Everything;
        } else if (offset, bytes) == (gicd::CTLR, 4) {
            self.ctlr = value as u32 & CTLR_WRITABLE;
            return Changed::Everything;
        }
        Changed::Nothing
    }

    /// Bank 0's registers are RES0 here with affinity routing.
    fn bank(&self, n: usize) -> Option<&Bank> {
        if n == 0 { None } else { self.banks.get(n) }
    }
}

/// What a write has changed.
pub enum Changed {
    Nothing,
    /// Of some SPIs of a bank, something but their routes.
    Spis {
        bank: usize,
        bits: u32,
    },
    /// Perhaps what any PE gets.
    Everything,
}

/// The SPI whose GICD_IROUTER holds the bytes at `offset`, and by how many bits they are up.
fn route(offset: u64, bytes: u8) -> Option<(usize, u32)> {
    let first = gicd::IROUTER + 8 * u64::from(SPIS.start);
    let in_range = (first..gicd::IROUTER_END).contains(&offset);
    if !in_range || !matches!(bytes, 4 | 8) || !offset.is_multiple_of(bytes.into()) {
        return None;
    }
    Some((((offset - gicd::IROUTER) / 8) as usize, 8 * (offset % 8) as u32))
}

fn mask(bytes: u8) -> u64 {
    u64::MAX >> (64 - 8 * u32::from(bytes))
}

/// The bank and the bit in it of an INTID.
pub fn place(intid: u32) -> (usize, usize) {
    ((intid / 32) as usize, (intid % 32) as usize)
}
