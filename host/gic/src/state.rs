//! Saving and restoring what the distributor and the redistributors hold.
//!
//! ```text
//!   offset  bytes            little-endian
//!   0       8                "GICstate"
//!   8       4                version: 1
//!   12      4                bytes in all, these included
//!   16      4 + 4            the MSI frame's first INTID and the one after its last (0, 0: no frame)
//!   24      4                how many PEs
//!   28      4                GICD_CTLR: the enables
//!   32      31 * 56          INTIDs 32 to 1023 by 32: six words (group, enabled, latch, line,
//!                            active, edge: bit n is INTID 32 * i + n) and 32 priorities
//!   1768    988 * 8          GICD_IROUTER32 to 1019
//!   9672    PEs * (16 + 56)  number, GICR_WAKER.ProcessorSleep, affinity (8); INTIDs 0 to 31 as above
//! ```
//!
//! The CPU interfaces are not in it: whoever saves a VM saves their registers (ICC) one by one, with
//! the other system registers of each vCPU. Lines are: an SPI's is driven from outside, and not
//! driven again because a state was restored. A PPI's driver (a timer) drives it anew.
//!
//! It can be restored to a GIC with the same MSI frame that has, under the same numbers and with
//! the same affinities, the PEs that were saved. A PE that was not saved is reset, but for its CPU
//! interface and its lines.

use crate::bank::{Bank, State};
use crate::distributor::CTLR_WRITABLE;
use crate::{Gic, MOST_PES};
use anyvisor_arch::gic::gicd::irouter::{AFFINITY, IRM};
use anyvisor_arch::gic::intid::SPIS;
use std::ops::Range;

const MAGIC: [u8; 8] = *b"GICstate";
const VERSION: u32 = 1;
/// The words of a bank's state, and its priorities.
const BANK: usize = 6 * 4 + 32;
const HEADER: usize = 32;
const DISTRIBUTOR: usize = 31 * BANK + (SPIS.end - SPIS.start) as usize * 8;
const PE: usize = 16 + BANK;
// The picture above.
const _: () = assert!(HEADER + 31 * BANK == 1768 && HEADER + DISTRIBUTOR == 9672 && PE == 16 + 56);

/// Saved state that cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// It ends too early.
    #[error("the saved state has {0} bytes, which is too short")]
    Short(usize),
    /// It does not begin as a saved state does.
    #[error("the saved state begins with {0:02x?}, which is not a GIC's")]
    Magic([u8; 8]),
    /// It is of a version that is not known.
    #[error("the saved state is of version {0}; this is version {VERSION}")]
    Version(u32),
    /// It has not the length that its contents ask for.
    #[error("the saved state has {actual} bytes and should have {expected}")]
    Length {
        /// By its header and the number of its PEs.
        expected: usize,
        /// As it was given.
        actual: usize,
    },
    /// Its MSI frame is another.
    #[error("the saved state has messages {0:?}, this GIC has not")]
    Messages(Range<u32>),
    /// It has a PE that is not there.
    #[error("the saved state has PE {0}, which this GIC has not, or has it twice")]
    Pe(u32),
    /// It has a PE with another affinity than here.
    #[error("the saved state has PE {pe} with affinity {affinity:#x}, here it has another")]
    Affinity {
        /// The PE's number.
        pe: u32,
        /// As GICD_IROUTER would have it.
        affinity: u64,
    },
    /// It has a value that no GIC can have there.
    #[error("the saved state has {value:#x} at {offset}, which cannot be")]
    Value {
        /// From the beginning of the saved state.
        offset: usize,
        /// What is there, or the first word of it.
        value: u64,
    },
}

impl Gic {
    /// The state of distributor and redistributors, not of the CPU interfaces.
    pub fn save(&self) -> Vec<u8> {
        let pes = self.connected().count();
        let length = HEADER + DISTRIBUTOR + pes * PE;
        let mut out = Vec::with_capacity(length);
        out.extend(MAGIC);
        let header = [
            VERSION,
            length as u32,
            self.messages.start,
            self.messages.end,
            pes as u32,
            self.distributor.ctlr,
        ];
        out.extend(header.iter().flat_map(|word| word.to_le_bytes()));
        for bank in &self.distributor.banks[1..] {
            put_bank(&mut out, &bank.state);
        }
        for route in &self.distributor.routes[SPIS.start as usize..] {
            out.extend(route.to_le_bytes());
        }
        for (number, pe) in self.connected() {
            out.extend((number as u32).to_le_bytes());
            out.extend(u32::from(pe.asleep).to_le_bytes());
            out.extend(pe.affinity.to_le_bytes());
            put_bank(&mut out, &pe.bank.state);
        }
        out
    }

    /// Puts back what [`Gic::save`] gave.
    ///
    /// # Errors
    /// State that is no such thing, or is of another kind of GIC: nothing has changed then.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        let mut from = Reader { bytes: state, at: 0 };
        let magic = from.take()?;
        if magic != MAGIC {
            return Err(RestoreError::Magic(magic));
        }
        let version = from.word()?;
        if version != VERSION {
            return Err(RestoreError::Version(version));
        }
        let length = from.word()? as usize;
        let messages = from.word()?..from.word()?;
        if messages != self.messages {
            return Err(RestoreError::Messages(messages));
        }
        let pes = from.word()?;
        let expected = HEADER + DISTRIBUTOR + (pes as usize).min(MOST_PES + 1) * PE;
        if state.len() < expected {
            return Err(RestoreError::Short(state.len()));
        }
        if expected != state.len() || expected != length {
            return Err(RestoreError::Length { expected, actual: state.len() });
        }
        // What is wrong from here on is found before `self` is touched: the new state is made
        // beside the old one.
        let mut new = self.clone();
        new.distributor.ctlr = from.masked_word(CTLR_WRITABLE)?;
        for bank in &mut new.distributor.banks[1..] {
            from.bank(bank)?;
        }
        for route in &mut new.distributor.routes[SPIS.start as usize..] {
            *route = from.masked(AFFINITY | IRM)?;
        }
        for pe in new.pes.iter_mut().flatten() {
            pe.reset();
        }
        let mut least = 0;
        for _ in 0..pes {
            let number = from.word()?;
            let asleep = from.masked_word(1)? != 0;
            let affinity = from.masked(AFFINITY)?;
            // They stand in ascending order, so none comes twice.
            let pe = (number >= least).then(|| new.pe_mut(number as usize)).flatten();
            let pe = pe.ok_or(RestoreError::Pe(number))?;
            if pe.affinity != affinity {
                return Err(RestoreError::Affinity { pe: number, affinity });
            }
            least = number + 1;
            pe.asleep = asleep;
            from.bank(&mut pe.bank)?;
        }
        *self = new;
        self.touch_all();
        Ok(())
    }
}

fn put_bank(out: &mut Vec<u8>, state: &State) {
    let State { group, enabled, latch, line, active, edge, priority } = state;
    let words = [group, enabled, latch, line, active, edge];
    out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    out.extend(priority);
}

/// Reads from the front; an allegation until each value is checked.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], RestoreError> {
        let bytes = self.bytes[self.at..].first_chunk::<N>();
        let bytes = *bytes.ok_or(RestoreError::Short(self.bytes.len()))?;
        self.at += N;
        Ok(bytes)
    }

    fn word(&mut self) -> Result<u32, RestoreError> {
        self.take().map(u32::from_le_bytes)
    }

    fn masked_word(&mut self, mask: u32) -> Result<u32, RestoreError> {
        let offset = self.at;
        let value = self.word()?;
        checked(value & !mask == 0, offset, value.into())?;
        Ok(value)
    }

    fn masked(&mut self, mask: u64) -> Result<u64, RestoreError> {
        let offset = self.at;
        let value = self.take().map(u64::from_le_bytes)?;
        checked(value & !mask == 0, offset, value)?;
        Ok(value)
    }

    fn bank(&mut self, bank: &mut Bank) -> Result<(), RestoreError> {
        let offset = self.at;
        let state = State {
            group: self.word()?,
            enabled: self.word()?,
            latch: self.word()?,
            line: self.word()?,
            active: self.word()?,
            edge: self.word()?,
            priority: self.take()?,
        };
        checked(bank.admits(&state), offset, state.group.into())?;
        bank.state = state;
        Ok(())
    }
}

fn checked(holds: bool, offset: usize, value: u64) -> Result<(), RestoreError> {
    if holds { Ok(()) } else { Err(RestoreError::Value { offset, value }) }
}
