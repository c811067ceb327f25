//! Pointer authentication with the keys and controls of this vCPU. (HCR_EL2.{APK, API} of a
//! hypervisor are 1: nothing traps.)

use super::Interp;
use crate::emit::{Key, Pointer};
use crate::pauth::{KeyValue, Layout, compute_pac};
use anyvisor_arch::sctlr;
use anyvisor_arch::sysreg::SysReg;
use anyvisor_bugs::{Bug, is};

/// Bit 55 of an address says its half.
fn upper(address: u64) -> bool {
    address >> 55 & 1 == 1
}

impl Interp<'_> {
    /// What a [`Pointer`] operation makes of `value`.
    pub(super) fn authenticate_pointer(&self, what: Pointer, value: u64, modifier: u64) -> u64 {
        match what {
            Pointer::Add(key) => match self.key(key) {
                Some(material) => self.add_code(key, material, value, modifier),
                None => value,
            },
            Pointer::Authenticate(key) => match self.key(key) {
                Some(material) => {
                    // The key's number in its pair, and its inverse.
                    let error = if matches!(key, Key::IA | Key::DA) { 0b01 } else { 0b10 };
                    let layout = self.layout(upper(value), value, is_data(key));
                    layout.authenticate(value, modifier, material, error)
                }
                None => value,
            },
            Pointer::Strip { data } => self.layout(upper(value), value, data).strip(value),
            Pointer::Generic => {
                let key = self.value_of(SysReg::APGAKEYHI_EL1, SysReg::APGAKEYLO_EL1);
                compute_pac(value, modifier, key) & !0xffff_ffff
            }
        }
    }

    /// `AddPAC`. Which half the pointer is of: by bit 55 if either half ignores the top byte, else
    /// by bit 63.
    fn add_code(&self, key: Key, material: KeyValue, value: u64, modifier: u64) -> u64 {
        let upper = match self.ignored(is_data(key)) {
            [false, false] => value >> 63 == 1,
            _ => upper(value),
        };
        self.layout(upper, value, is_data(key)).add(value, modifier, material, upper)
    }

    /// Which halves ignore the top byte of addresses of data or instructions.
    fn ignored(&self, data: bool) -> [bool; 2] {
        if data { self.cpu.regime.tbi } else { self.cpu.regime.tbi_code }
    }

    /// Where the code stands in a pointer to the upper or lower half. (Whether its top byte is
    /// ignored is always a matter of its bit 55: `EffectiveTBI`.)
    fn layout(&self, half: bool, pointer: u64, data: bool) -> Layout {
        Layout {
            tagged: self.ignored(data)[usize::from(upper(pointer))],
            bottom: self.cpu.regime.halves[usize::from(half)].va_bits(),
        }
    }

    /// A key, if SCTLR_EL1 enables it: for EL0 and EL1 alike.
    fn key(&self, key: Key) -> Option<KeyValue> {
        let (enable, high, low) = match key {
            Key::IA => (sctlr::EN_IA, SysReg::APIAKEYHI_EL1, SysReg::APIAKEYLO_EL1),
            Key::IB if is(Bug::PacKeyBIsA) => {
                (sctlr::EN_IB, SysReg::APIAKEYHI_EL1, SysReg::APIAKEYLO_EL1)
            }
            Key::IB => (sctlr::EN_IB, SysReg::APIBKEYHI_EL1, SysReg::APIBKEYLO_EL1),
            Key::DA => (sctlr::EN_DA, SysReg::APDAKEYHI_EL1, SysReg::APDAKEYLO_EL1),
            Key::DB => (sctlr::EN_DB, SysReg::APDBKEYHI_EL1, SysReg::APDBKEYLO_EL1),
        };
        let enabled = self.cpu.get(SysReg::SCTLR_EL1) & enable != 0 || is(Bug::PacEnableIgnored);
        enabled.then(|| self.value_of(high, low))
    }

    fn value_of(&self, high: SysReg, low: SysReg) -> KeyValue {
        KeyValue { high: self.cpu.get(high), low: self.cpu.get(low) }
    }
}

/// Whether a key is for data.
fn is_data(key: Key) -> bool {
    matches!(key, Key::DA | Key::DB)
}
