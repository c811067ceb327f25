//! The system registers by their table: who may name which one, in which direction, and what
//! encodings are nobody's.
//!
//! The table is `anyvisor_arch::sysreg`. It says for each register the lowest Exception level that
//! reads and that writes it, and what control bits of EL1 turn EL0 away. Each case goes through
//! all of it and makes the instructions at run time (`probe.rs`).
//!
//! ```text
//!   MRS, MSR at     the level may not           a control of EL1 says no     a control of EL2 says no
//!     EL0           UNDEFINED: EC 0 to EL1      EC 0x18 to EL1, ISS names it  an exit
//!     EL1           UNDEFINED: EC 0 to EL1                                    an exit
//! ```
//!
//! Hardware does all of that by itself. A hypervisor comes in where it has an access trapped
//! (HCR_EL2.TID3, TVM, TTRF, MDCR_EL2.TPM, ...): then it has to give the answers of the first two
//! columns itself, for every encoding that the trap covers.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::CPACR_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_arch::esr::{Esr, SystemAccess};
use anyvisor_arch::field::Field;
use anyvisor_arch::id::{isar1, mmfr1, mmfr2, pfr0, pfr1};
use anyvisor_arch::sysreg::{Encoding, Feature, Kind, Lowest, Row, SysReg};
use tock_registers::interfaces::Writeable;

use crate::access::El;
use crate::case;
use crate::probe::{Ended, Probe};

/// What the ID registers say of a register: it is there, it is not, or the manual leaves it open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Here,
    Absent,
    Open,
}

/// The probe, and the feature registers.
struct Machine {
    probe: Probe,
    pfr0: u64,
    pfr1: u64,
    isar1: u64,
    isar2: u64,
    mmfr1: u64,
    mmfr2: u64,
}

impl Machine {
    fn open() -> Self {
        let probe = Probe::open();
        let id = |register: SysReg| probe.read(El::El1, register.encoding()).done(register)[0];
        let [pfr0, pfr1] = [SysReg::ID_AA64PFR0_EL1, SysReg::ID_AA64PFR1_EL1].map(id);
        let [isar1, isar2] = [SysReg::ID_AA64ISAR1_EL1, SysReg::ID_AA64ISAR2_EL1].map(id);
        let [mmfr1, mmfr2] = [SysReg::ID_AA64MMFR1_EL1, SysReg::ID_AA64MMFR2_EL1].map(id);
        // FPEN; SMEN where SME is (elsewhere RES0).
        let smen = if pfr1::SME.get(pfr1) != 0 { 0b11 << 24 } else { 0 };
        CPACR_EL1.set(0b11 << 20 | smen);
        barrier::isb(barrier::SY);
        Self { probe, pfr0, pfr1, isar1, isar2, mmfr1, mmfr2 }
    }

    fn presence(&self, register: SysReg) -> Presence {
        use SysReg::{
            CCSIDR_EL1, DISR_EL1, DIT, ERRIDR_EL1, ERRSELR_EL1, FPCR, FPSR, ID_AA64AFR0_EL1, PAN,
            SSBS, UAO,
        };
        const APA3: Field = Field::new(15, 12);
        const CSV2_FRAC: Field = Field::new(35, 32);
        let when = |yes: bool| if yes { Presence::Here } else { Presence::Absent };
        let row = register.row();
        let auth = [isar1::APA, isar1::API].iter().any(|field| field.get(self.isar1) != 0)
            || APA3.get(self.isar2) != 0;
        match register {
            PAN => when(mmfr1::PAN.get(self.mmfr1) != 0),
            UAO => when(mmfr2::UAO.get(self.mmfr2) != 0),
            DIT => when(pfr0::DIT.get(self.pfr0) != 0),
            SSBS => when(pfr1::SSBS.get(self.pfr1) >= 2),
            FPCR | FPSR => when(pfr0::FP.get(self.pfr0) != pfr0::NO_FP),
            // With ERRIDR_EL1.NUM = 0 the others may be UNDEFINED or RES0.
            ERRSELR_EL1 => Presence::Open,
            ERRIDR_EL1 | DISR_EL1 => when(pfr0::RAS.get(self.pfr0) != 0),
            _ if row.name.starts_with("ERX") => Presence::Open,
            _ if row.name.contains("KEY") => when(auth),
            // What CSSELR_EL1 selects may be no cache: the group cache asks.
            CCSIDR_EL1 => Presence::Open,
            ID_AA64AFR0_EL1 => Presence::Here,
            _ => match row.kind {
                Kind::Gated(Feature::Sme) => when(pfr1::SME.get(self.pfr1) != 0),
                Kind::Gated(Feature::ContextNumber) => {
                    when(pfr0::CSV2.get(self.pfr0) >= 2 || CSV2_FRAC.get(self.pfr1) >= 2)
                }
                // Each a group of its own: debug, gic, pmu.
                Kind::HypervisorTrap | Kind::InterruptController(_) | Kind::Monitor(_) => {
                    Presence::Open
                }
                _ if row.encoding.op0() == 2 => Presence::Open,
                _ => Presence::Here,
            },
        }
    }

    /// A read, or a write of what was read.
    fn access(&self, el: El, register: SysReg, read: bool, value: u64) -> Ended {
        let encoding = register.encoding();
        if read { self.probe.read(el, encoding) } else { self.probe.write(el, encoding, value) }
    }
}

/// The lowest level for one direction.
const fn lowest(row: &Row, read: bool) -> Lowest {
    if read { row.read } else { row.write }
}

case! {
    /// Every register of the table that EL1 may read is read at EL1, and every one that EL1 may
    /// write is written, with the value that was just read. Both must go through; a register of a
    /// feature that the ID registers do not claim (SMCR_EL1, SCXTNUM_EL1, the keys, PAN, UAO, ...)
    /// must be UNDEFINED instead. What the manual leaves open, and the GIC's, debug's and PMU's
    /// registers, which have groups of their own, are left out.
    ///
    /// ```text
    ///   EL1   MRS X0, TCR_EL1     hardware's own, or HCR_EL2.TRVM: an exit, emulated
    ///         MSR TCR_EL1, X0     hardware's own, or HCR_EL2.TVM
    /// ```
    ///
    /// Where a hypervisor traps a group of registers, it emulates them one by one from a table of
    /// its own, and a register that its author forgot is UNDEFINED in the guest. AFSR1_EL1,
    /// AMAIR_EL1 and CONTEXTIDR_EL1 are in HCR_EL2.TVM's group, REVIDR_EL1 and AIDR_EL1 in TID1's:
    /// rarely used, easily forgotten, and read by every kernel at boot.
    "sysreg.el1_access": "each register of EL1 and EL0 is read and written at EL1, or UNDEFINED if unclaimed";
    reference: "DDI 0487: the registers' accessibility tables; HCR_EL2.TVM, TRVM, TID1 to TID4";
    needs: Needs::NONE;
    fn el1_access() {
        let machine = Machine::open();
        for &register in SysReg::ALL {
            let (row, presence) = (register.row(), machine.presence(register));
            if presence == Presence::Open {
                continue;
            }
            let mut value = 0;
            for read in [true, false].into_iter().filter(|read| lowest(row, *read).allows(1)) {
                let ended = machine.access(El::El1, register, read, value);
                let what = format_args!("{} of {register}", if read { "MRS" } else { "MSR" });
                match presence {
                    Presence::Absent => ended.undefined(what),
                    _ => value = ended.done(what)[0],
                }
            }
        }
    }
}

case! {
    /// The directions that do not exist. An ID register, a counter, ISR_EL1 or CurrentEL cannot be
    /// written: MSR to them is UNDEFINED, EC 0, not ignored. An end-of-interrupt register cannot
    /// be read. And what belongs to EL2 (VBAR_EL2, HCR_EL2, also SP_EL1 by its name) is UNDEFINED
    /// at EL1 in both directions: that is how a kernel learns that it is not at EL2.
    ///
    /// ```text
    ///   EL1   MSR MIDR_EL1, X0     no such encoding          -> EC 0x00 to EL1
    ///   EL1   MRS X0, HCR_EL2      PSTATE.EL is too low      -> EC 0x00 to EL1
    /// ```
    ///
    /// A hypervisor that traps reads of a register gets the writes of the same encoding as exits,
    /// too, on some implementations, and there the mistake is made: the handler looks up the
    /// encoding, forgets the direction bit of the syndrome, and takes the write for a read. The
    /// guest then gets a register changed that it never named, or a write is swallowed that had to
    /// be UNDEFINED.
    "sysreg.one_way": "MSR to what is read-only, MRS of what is write-only, and EL2's at EL1: UNDEFINED";
    reference: "DDI 0487: the registers' accessibility tables; ESR_EL2, ISS for MSR, MRS: Direction";
    needs: Needs::NONE;
    fn one_way() {
        let machine = Machine::open();
        for &register in SysReg::ALL {
            // Where EL1 is the highest level that is implemented it may set the frequency.
            let open = matches!(register, SysReg::CNTFRQ_EL0)
                // Without a GIC, or PMU, the encoding may be the hypervisor's to refuse; EL2's
                // registers are nobody's but EL2's.
                || matches!(register.row().kind, Kind::InterruptController(_) | Kind::Monitor(_));
            if open {
                continue;
            }
            for read in [true, false] {
                if lowest(register.row(), read).allows(1) {
                    continue;
                }
                let direction = if read { "MRS" } else { "MSR" };
                let ended = machine.access(El::El1, register, read, 0);
                ended.undefined(format_args!("{direction} of {register}"));
            }
        }
    }
}

/// What EL0's access to a register comes to.
enum Verdict {
    Done,
    Undefined,
    /// EC 0x18, the access in the ISS.
    Trapped,
    /// Left out here.
    Open,
}

/// By the table, with all of EL1's controls against EL0 (SCTLR_EL1.UCT, UMA; CNTKCTL_EL1 = 0) but
/// CPACR_EL1's.
fn at_el0(machine: &Machine, register: SysReg, read: bool) -> Verdict {
    let row = register.row();
    let claims_idst = mmfr2::IDS.get(machine.mmfr2) != 0;
    if !lowest(row, read).allows(0) {
        let id_space = read && row.encoding.is_feature_id();
        return if id_space && claims_idst { Verdict::Trapped } else { Verdict::Undefined };
    }
    match machine.presence(register) {
        Presence::Open => Verdict::Open,
        Presence::Absent => Verdict::Undefined,
        // SCTLR_EL1.TSCXT is set, EnTP2 is clear.
        Presence::Here if matches!(row.kind, Kind::Gated(_)) => Verdict::Trapped,
        Presence::Here => {
            let fp = matches!(register, SysReg::FPCR | SysReg::FPSR);
            let free = fp || row.rules.is_empty();
            // SP_EL0 and kin have rules for EL1 only, and are not EL0's at all.
            if free { Verdict::Done } else { Verdict::Trapped }
        }
    }
}

case! {
    /// Every register of the table at EL0, in both directions, with each of EL1's controls set
    /// against EL0. Three answers are right, and the table says which: TPIDR_EL0, NZCV, FPCR and a
    /// few more go through; CTR_EL0, DAIF and the timers are EL1's to give, and trap to it with
    /// EC 0x18 and the encoding, Rt and direction in the ISS; everything else is UNDEFINED, EC 0.
    /// With FEAT_IDST (ID_AA64MMFR2_EL1.IDS) a read in the ID space is EC 0x18 as well, so that a
    /// kernel can emulate it without reading the instruction.
    ///
    /// ```text
    ///   EL0   MRS X0, ID_AA64PFR0_EL1   IDS = 0: EC 0x00      IDS = 1: EC 0x18, ISS 0x300009
    ///   EL1   Linux emulates it for its programs, in both ways
    /// ```
    ///
    /// The exception goes to EL1 although a hypervisor may have the register trapped: the rule for
    /// EL0 has priority over the trap to EL2. A hypervisor that gets such an exit all the same (or
    /// injects one) and forgets from where it came lets EL0 read and write what is the kernel's.
    "sysreg.el0_access": "each register at EL0: goes through, EC 0x18 with its encoding, or UNDEFINED, as the table says";
    reference: "DDI 0487: the registers' accessibility tables; FEAT_IDST; priority of traps";
    needs: Needs::NONE;
    fn el0_access() {
        let machine = Machine::open();
        for &register in SysReg::ALL {
            for read in [true, false] {
                let verdict = at_el0(&machine, register, read);
                if matches!(verdict, Verdict::Open) {
                    continue;
                }
                let direction = if read { "MRS" } else { "MSR" };
                let ended = machine.access(El::El0, register, read, 0);
                let what = format_args!("{direction} of {register} at EL0");
                match verdict {
                    Verdict::Done => _ = ended.done(what),
                    Verdict::Undefined => ended.undefined(what),
                    Verdict::Trapped => {
                        let access = SystemAccess { encoding: register.encoding(), rt: 0, read };
                        let (seen, wanted) = (ended.trap.esr, Esr::system(access));
                        assert!(seen == wanted, "{what} took {seen}, expected {wanted}");
                    }
                    Verdict::Open => {}
                }
            }
        }
    }
}

/// Whether an encoding is the implementer's (CRn 11 and 15), and so nobody's to predict.
const fn is_implementation_defined(crn: u16) -> bool {
    matches!(crn, 11 | 15)
}

/// All encodings of op0 = 3 with this op1 and CRn.
fn encodings(op1: u16, crn: u16) -> impl Iterator<Item = Encoding> {
    (0..128).map(move |n| Encoding::new(3, op1, crn, n >> 3, n & 7))
}

case! {
    /// All encodings of op1 = 4, 5 and 6 (some five thousand) are read at EL1. They name the
    /// registers of EL2, the EL12 and EL02 names by which a host at EL2 reaches its guest's, and
    /// those of EL3. At EL1 each of them is UNDEFINED, whether a register is behind it or not.
    /// CRn 11 and 15 are IMPLEMENTATION DEFINED and are left out.
    ///
    /// ```text
    ///   op1   0 EL1   1 caches   2 CSSELR   3 EL0   4 EL2   5 EL12   6 EL3   7 secure timer
    /// ```
    ///
    /// What could go wrong, since hardware does it? HCR_EL2.NV makes these very accesses exits,
    /// for nested virtualization, and a hypervisor that leaves it on for a guest without EL2, or
    /// decodes the exit by CRn, CRm and op2 alone, hands out EL1's register for EL2's encoding. A
    /// software CPU whose table of registers has a row too many does the same.
    "sysreg.higher": "all encodings with op1 4, 5 and 6 (EL2, EL12, EL3) are UNDEFINED at EL1";
    reference: "DDI 0487: op0, op1 and the Exception level of a System register; HCR_EL2.NV";
    needs: Needs::NONE;
    fn higher() {
        let probe = Probe::open();
        for op1 in 4..=6 {
            for crn in (0..16).filter(|crn| !is_implementation_defined(*crn)) {
                for encoding in encodings(op1, crn) {
                    let ended = probe.read(El::El1, encoding);
                    ended.undefined(format_args!("MRS of {encoding}"));
                }
            }
        }
    }
}

case! {
    /// Encodings where the architecture has no register: op1 = 1 and op1 = 2 beyond the cache
    /// registers, op1 = 7 beyond the secure timer, and CRn 3 and 8 of op1 = 0. An MRS or MSR of
    /// them is UNDEFINED at EL1: EC 0, not an exit that somebody may ignore, and not a zero.
    ///
    /// ```text
    ///   S3_0_C3_C0_0     unallocated                       EC 0x00
    ///   S3_0_C0_C7_7     unallocated, in the ID space      reads zero (sysreg.id_space)
    ///   S3_0_C15_C0_0    IMPLEMENTATION DEFINED            anything; not asked here
    /// ```
    ///
    /// A hypervisor whose handler for trapped registers ends in "ignore what I do not know" (a
    /// common way to get a new guest to boot) makes registers out of nothing: a guest that looks
    /// for a feature by trying its register takes the silence for a yes.
    "sysreg.unallocated": "encodings of op0 3 that name nothing are UNDEFINED, MRS and MSR";
    reference: "DDI 0487: AArch64 System register encoding space, unallocated encodings";
    needs: Needs::NONE;
    fn unallocated() {
        let probe = Probe::open();
        let all = (0..16).filter(|crn| !is_implementation_defined(*crn));
        // The cache registers are (3, 1, 0, 0, n) and (3, 2, 0, 0, 0).
        let caches = all.clone().filter(|crn| *crn != 0);
        let spaces = (caches.clone().map(|crn| (1, crn)))
            .chain(caches.map(|crn| (2, crn)))
            .chain(all.map(|crn| (7, crn)))
            .chain([(0, 3), (0, 8)]);
        for (op1, crn) in spaces {
            let named = |e: &Encoding| op1 == 7 && crn == 14 && e.crm() == 2; // CNTPS_*
            for encoding in encodings(op1, crn).filter(|e| !named(e)) {
                let ended = probe.read(El::El1, encoding);
                ended.undefined(format_args!("MRS of {encoding}"));
                if encoding.op2() == 0 {
                    let ended = probe.write(El::El1, encoding, 0);
                    ended.undefined(format_args!("MSR of {encoding}"));
                }
            }
        }
    }
}
