//! The CPU interface's registers that reach beyond it: acknowledge, end, and sending SGIs.

use crate::distributor::place;
use crate::{Candidate, Gic, Group};
use anyvisor_arch::gic::Icc;
use anyvisor_arch::gic::icc::{INTID, sgir};
use anyvisor_arch::gic::intid::{SPIS, SPURIOUS};
use anyvisor_bugs::{Bug, is};

impl Gic {
    /// MRS of a register of PE `pe`'s CPU interface: reading IAR acknowledges. What is write-only
    /// reads zero, and so does the register of a PE that is not there, but IAR and HPPIR, which
    /// find no interrupt then.
    pub fn read_register(&mut self, pe: usize, register: Icc) -> u64 {
        match register {
            Icc::Iar0 => self.acknowledge(pe, Group::Zero).into(),
            Icc::Iar1 => self.acknowledge(pe, Group::One).into(),
            Icc::Hppir0 => of_group(self.highest_pending(pe), Group::Zero),
            Icc::Hppir1 => of_group(self.highest_pending(pe), Group::One),
            _ => self.pe(pe).map_or(0, |pe| pe.cpu.read(register)),
        }
    }

    /// MSR of a register of PE `pe`'s CPU interface; what is read-only ignores it.
    pub fn write_register(&mut self, pe: usize, register: Icc, value: u64) {
        match register {
            Icc::Eoir0 => self.end(pe, Group::Zero, intid(value)),
            Icc::Eoir1 => self.end(pe, Group::One, intid(value)),
            Icc::Dir => {
                let splits = self.pe(pe).is_some_and(|pe| pe.cpu.splits_end());
                if splits && !is(Bug::DirIgnored) {
                    self.deactivate(pe, intid(value));
                }
            }
            Icc::Sgi0r | Icc::Sgi1r | Icc::Asgi1r => self.send_sgi(pe, register, value),
            _ => {
                if let Some(pe) = self.pe_mut(pe) {
                    pe.cpu.write(register, value);
                }
                self.touch(pe);
            }
        }
    }

    /// ICC_IAR<n>: INTID 1023 if nothing is signalled, or something of the other group is. (1020
    /// to 1022 are for EL3 and for legacy operation.)
    fn acknowledge(&mut self, number: usize, group: Group) -> u32 {
        let Some(candidate) =
            self.signalled(number).filter(|it| it.group == group || is(Bug::IarIgnoresGroup))
        else {
            return SPURIOUS;
        };
        let (n, bit) = place(candidate.intid);
        if let Some(pe) = self.pes[number].as_mut() {
            pe.cpu.activate(&candidate);
            let bank = if n == 0 { &mut pe.bank } else { &mut self.distributor.banks[n] };
            bank.acknowledge(bit);
        }
        self.touch(number);
        candidate.intid
    }

    /// ICC_EOIR<n>.
    fn end(&mut self, number: usize, group: Group, intid: u32) {
        let Some(pe) = self.pe_mut(number) else { return };
        if intid < SPIS.end && pe.cpu.drop_priority(group) {
            if !pe.cpu.splits_end() {
                self.deactivate(number, intid);
            }
            self.touch(number);
        }
    }

    /// An SPI may be deactivated by another PE than the one that acknowledged it.
    fn deactivate(&mut self, number: usize, intid: u32) {
        let (n, bit) = place(intid);
        if n == 0 {
            if let Some(pe) = self.pe_mut(number) {
                pe.bank.deactivate(bit);
            }
            self.touch(number);
        } else if SPIS.contains(&intid) {
            self.distributor.banks[n].deactivate(bit);
            self.touch_spi(intid);
        }
    }

    /// ICC_SGI0R, ICC_SGI1R, ICC_ASGI1R.
    ///
    /// With one security state ICC_SGI0R makes Group 0 SGIs only; ICC_SGI1R either group's, as the
    /// target's GICR_IGROUPR0 has it; and ICC_ASGI1R, there being no other security state, the same
    /// as ICC_SGI0R (IHI 0069, "Use of control registers for SGI forwarding"; Linux's KVM does so
    /// too; QEMU drops a Group 0 SGI sent by ICC_SGI1R). An SGI to a PE that is not there is lost.
    fn send_sgi(&mut self, sender: usize, register: Icc, value: u64) {
        if self.pe(sender).is_none() {
            return;
        }
        let sgi = sgir::INTID.get(value) as usize;
        for number in 0..self.pes.len() {
            let Some(pe) = self.pe_mut(number) else { continue };
            let addressed = if value & sgir::IRM != 0 {
                number != sender || is(Bug::SgiBroadcastHitsSelf)
            } else {
                targets(value, pe.affinity)
            };
            if addressed
                && (register == Icc::Sgi1r
                    || pe.bank.group(sgi) == Group::Zero
                    || is(Bug::SgiGroupUnchecked))
            {
                pe.bank.send(sgi);
                self.touch(number);
            }
        }
    }
}

/// The INTID in a value for ICC_EOIR or ICC_DIR: with ICC_CTLR.IDbits = 0 it has 16 bits, those
/// above are RES0.
fn intid(value: u64) -> u32 {
    INTID.get(value) as u32 & 0xffff
}

/// Whether an SGI register's value names the PE of an affinity (as MPIDR_EL1 has it).
fn targets(value: u64, affinity: u64) -> bool {
    let cluster =
        sgir::AFF3.get(value) << 32 | sgir::AFF2.get(value) << 16 | sgir::AFF1.get(value) << 8;
    let aff0 = affinity & 0xff;
    affinity & !0xff == cluster
        && aff0 / 16 == sgir::RS.get(value)
        && sgir::TARGET_LIST.get(value) >> (aff0 % 16) & 1 == 1
}

fn of_group(candidate: Option<Candidate>, group: Group) -> u64 {
    candidate.filter(|it| it.group == group).map_or(SPURIOUS, |it| it.intid).into()
}
