// tidy: table
//! The table. Columns: name, (op0, op1, CRn, CRm, op2), the lowest EL that reads and that writes,
//! kind, reset value, writable bits, RES1 bits, rules that turn an access away, the API's part.
//!
//! Reset values that the manual calls UNKNOWN are 0 here; SCTLR_EL1's is in [`crate::sctlr`].
//! Encodings: DDI 0487, the register descriptions' "Accessing" tables.

use super::row::{
    Api, Clock, Effect, Feature, Kind, Lowest, MonitorRegister, Row, Rule, TimerRegister, View,
};
use super::{Encoding, registers};
use crate::debug::mdscr;
use crate::gic::Icc::{
    Ap0r, Ap1r, Asgi1r, Bpr0, Bpr1, Ctlr, Dir, Eoir0, Eoir1, Hppir0, Hppir1, Iar0, Iar1, Igrpen0,
    Igrpen1, Pmr, Rpr, Sgi0r, Sgi1r, Sre,
};
use crate::{id, pstate, sctlr, tcr, timer};

use Clock::{Physical, Virtual};
use Effect::{
    CacheGeometry, ClaimClear, ClaimSet, Counter, Debug, FpAccess, OsLock, Pstate, Timer,
    Translation, ZeroBlock,
};
use Feature::{ContextNumber, DebugComparator, Sme};
use Kind::{Behaviour, Constant, Gated, HypervisorTrap, InterruptController, Monitor, Storage};
use MonitorRegister::{
    Control as MonitorControl, Count, CycleFilter, Cycles, EnableClear, EnableSet, Events0,
    Events1, Increment, InterruptClear, InterruptSet, OverflowClear, OverflowSet, Select,
    SelectedCount, SelectedType, Type, User,
};
use TimerRegister::{CompareValue, Control, TimerValue};
use View::{CurrentEl, Daif, Dit, Interrupts, Nzcv, Pan, SpEl0, SpEl1, SpSel, Ssbs, Uao};

/// Every bit.
const ALL: u64 = u64::MAX;
/// A 32-bit register in 64 bits: the upper half is RES0.
const LOW_32: u64 = 0xffff_ffff;
/// Apple's ACTLR_EL1.EnTSO, the one bit that the API's header documents.
const ACTLR_EN_TSO: u64 = 1 << 1;
/// CPACR_EL1.FPEN; ZEN, SMEN and TTA are RES0 without SVE, SME and trace registers.
const CPACR_FPEN: u64 = 0b11 << 20;
/// SMCR_EL1: FA64, EZT0, LEN.
const SMCR_FIELDS: u64 = 1 << 31 | 1 << 30 | 0xf;
/// DISR_EL1: A, IDS and ISS.
const DISR_FIELDS: u64 = 1 << 31 | 0x1ff_ffff;
/// VBAR: 2 KiB aligned.
const VBAR_BASE: u64 = !0x7ff;
/// FPCR: AHP, DN, FZ, RMode, FZ16; the trap enables read 0 (no trapped FP exceptions).
const FPCR_FIELDS: u64 = 0b1_1111 << 22 | 1 << 19;
/// FPSR: QC, IDC, IXC, UFC, OFC, DZC, IOC; NZCV is AArch32's.
const FPSR_FIELDS: u64 = 1 << 27 | 1 << 7 | 0x1f;
/// MDCCINT_EL1: RX, TX.
const MDCCINT_FIELDS: u64 = 0b11 << 29;
/// DBGWVR: a word address. (DBGBVR may hold a context ID, all 32 bits of it.)
const DBGWVR_FIELDS: u64 = !0b11;
/// DBGBCR: E, PMC, HMC, SSC, LBN, BT.
const DBGBCR_FIELDS: u64 = 0xff_e007;
/// DBGBCR.BAS: all ones without AArch32.
const DBGBCR_RES1: u64 = 0xf << 5;
/// DBGWCR: E, PAC, LSC, BAS, HMC, SSC, LBN, WT, MASK.
const DBGWCR_FIELDS: u64 = 0x1f1f_ffff;

#[rustfmt::skip]
registers! {
    // Identification (op1 0, CRn 0). Kind Constant: the API may set them before the first run.
    MIDR_EL1          (3, 0,  0,  0, 0) El1 Never, Constant,                 id::MIDR_EL1,         0,   0, [],    Always;
    MPIDR_EL1         (3, 0,  0,  0, 5) El1 Never, Constant,                 id::MPIDR_EL1,        0,   0, [],    Always;
    REVIDR_EL1        (3, 0,  0,  0, 6) El1 Never, Constant,                 0,                    0,   0, [],    None;
    ID_AA64PFR0_EL1   (3, 0,  0,  4, 0) El1 Never, Constant,                 id::M1.pfr0,          0,   0, [],    Always;
    ID_AA64PFR1_EL1   (3, 0,  0,  4, 1) El1 Never, Constant,                 id::M1.pfr1,          0,   0, [],    Always;
    ID_AA64ZFR0_EL1   (3, 0,  0,  4, 4) El1 Never, Constant,                 0,                    0,   0, [],    Always;
    ID_AA64SMFR0_EL1  (3, 0,  0,  4, 5) El1 Never, Constant,                 0,                    0,   0, [],    Always;
    ID_AA64DFR0_EL1   (3, 0,  0,  5, 0) El1 Never, Constant,                 id::M1.dfr0,          0,   0, [],    Always;
    ID_AA64DFR1_EL1   (3, 0,  0,  5, 1) El1 Never, Constant,                 0,                    0,   0, [],    Always;
    ID_AA64AFR0_EL1   (3, 0,  0,  5, 4) El1 Never, Constant,                 0,                    0,   0, [],    None;
    ID_AA64AFR1_EL1   (3, 0,  0,  5, 5) El1 Never, Constant,                 0,                    0,   0, [],    None;
    ID_AA64ISAR0_EL1  (3, 0,  0,  6, 0) El1 Never, Constant,                 id::M1.isar0,         0,   0, [],    Always;
    ID_AA64ISAR1_EL1  (3, 0,  0,  6, 1) El1 Never, Constant,                 id::M1.isar1,         0,   0, [],    Always;
    ID_AA64ISAR2_EL1  (3, 0,  0,  6, 2) El1 Never, Constant,                 0,                    0,   0, [],    None;
    ID_AA64MMFR0_EL1  (3, 0,  0,  7, 0) El1 Never, Constant,                 id::M1.mmfr0,         0,   0, [],    Always;
    ID_AA64MMFR1_EL1  (3, 0,  0,  7, 1) El1 Never, Constant,                 id::M1.mmfr1,         0,   0, [],    Always;
    ID_AA64MMFR2_EL1  (3, 0,  0,  7, 2) El1 Never, Constant,                 id::M1.mmfr2,         0,   0, [],    Always;
    CCSIDR_EL1        (3, 1,  0,  0, 0) El1 Never, Behaviour(CacheGeometry), 0,                    0,   0, [],    None;
    CLIDR_EL1         (3, 1,  0,  0, 1) El1 Never, Constant,                 id::CLIDR_EL1,        0,   0, [],    None;
    AIDR_EL1          (3, 1,  0,  0, 7) El1 Never, Constant,                 0,                    0,   0, [],    None;
    CSSELR_EL1        (3, 2,  0,  0, 0) El1 El1,   Storage,                  0,                    0xf, 0, [],    Always;
    CTR_EL0           (3, 3,  0,  0, 1) El0 Never, Constant,                 id::CTR_EL0,          0,   0, [Uct], None;
    DCZID_EL0         (3, 3,  0,  0, 7) El0 Never, Behaviour(ZeroBlock),     id::DCZID_EL0,        0,   0, [],    None;

    // Control.
    SCTLR_EL1         (3, 0,  1,  0, 0) El1 El1, Behaviour(Translation), sctlr::RESET, sctlr::WRITABLE, sctlr::RES1, [], Always;
    ACTLR_EL1         (3, 0,  1,  0, 1) El1 El1, Storage,                0,            ACTLR_EN_TSO,    0,           [], Always;
    CPACR_EL1         (3, 0,  1,  0, 2) El1 El1, Behaviour(FpAccess),    0,            CPACR_FPEN,      0,           [], Always;
    SMPRI_EL1         (3, 0,  1,  2, 4) El1 El1, Gated(Sme),             0,            0xf,             0,           [], Sme;
    SMCR_EL1          (3, 0,  1,  2, 6) El1 El1, Gated(Sme),             0,            SMCR_FIELDS,     0,           [], Sme;

    // Translation.
    TTBR0_EL1         (3, 0,  2,  0, 0) El1 El1, Behaviour(Translation), 0, ALL,           0, [], Always;
    TTBR1_EL1         (3, 0,  2,  0, 1) El1 El1, Behaviour(Translation), 0, ALL,           0, [], Always;
    TCR_EL1           (3, 0,  2,  0, 2) El1 El1, Behaviour(Translation), 0, tcr::WRITABLE, 0, [], Always;
    MAIR_EL1          (3, 0, 10,  2, 0) El1 El1, Behaviour(Translation), 0, ALL,           0, [], Always;
    AMAIR_EL1         (3, 0, 10,  3, 0) El1 El1, Storage,                0, ALL,           0, [], Always;
    CONTEXTIDR_EL1    (3, 0, 13,  0, 1) El1 El1, Storage,                0, LOW_32,        0, [], Always;
    PAR_EL1           (3, 0,  7,  4, 0) El1 El1, Storage,                0, ALL,           0, [], Always;

    // Pointer authentication keys.
    APIAKEYLO_EL1     (3, 0,  2,  1, 0) El1 El1, Storage,                      0, ALL, 0, [], Always;
    APIAKEYHI_EL1     (3, 0,  2,  1, 1) El1 El1, Storage,                      0, ALL, 0, [], Always;
    APIBKEYLO_EL1     (3, 0,  2,  1, 2) El1 El1, Storage,                      0, ALL, 0, [], Always;
    APIBKEYHI_EL1     (3, 0,  2,  1, 3) El1 El1, Storage,                      0, ALL, 0, [], Always;
    APDAKEYLO_EL1     (3, 0,  2,  2, 0) El1 El1, Storage,                      0, ALL, 0, [], Always;
    APDAKEYHI_EL1     (3, 0,  2,  2, 1) El1 El1, Storage,                      0, ALL, 0, [], Always;
    APDBKEYLO_EL1     (3, 0,  2,  2, 2) El1 El1, Storage,                      0, ALL, 0, [], Always;
    APDBKEYHI_EL1     (3, 0,  2,  2, 3) El1 El1, Storage,                      0, ALL, 0, [], Always;
    APGAKEYLO_EL1     (3, 0,  2,  3, 0) El1 El1, Storage,                      0, ALL, 0, [], Always;
    APGAKEYHI_EL1     (3, 0,  2,  3, 1) El1 El1, Storage,                      0, ALL, 0, [], Always;

    // Exceptions.
    SPSR_EL1          (3, 0,  4,  0, 0) El1 El1,   Storage,                       0, pstate::SPSR_FIELDS, 0, [], Always;
    ELR_EL1           (3, 0,  4,  0, 1) El1 El1,   Storage,                       0, ALL,                 0, [], Always;
    AFSR0_EL1         (3, 0,  5,  1, 0) El1 El1,   Storage,                       0, ALL,                 0, [], Always;
    AFSR1_EL1         (3, 0,  5,  1, 1) El1 El1,   Storage,                       0, ALL,                 0, [], Always;
    ESR_EL1           (3, 0,  5,  2, 0) El1 El1,   Storage,                       0, LOW_32,              0, [], Always;
    FAR_EL1           (3, 0,  6,  0, 0) El1 El1,   Storage,                       0, ALL,                 0, [], Always;
    VBAR_EL1          (3, 0, 12,  0, 0) El1 El1,   Storage,                       0, VBAR_BASE,           0, [], Always;
    ISR_EL1           (3, 0, 12,  1, 0) El1 Never, Behaviour(Pstate(Interrupts)), 0, 0,                   0, [], None;

    // Errors (FEAT_RAS). There is no error record: ERRIDR_EL1.NUM is 0, and what would select and show
    // one is RES0, which the manual leaves to the implementation.
    ERRIDR_EL1        (3, 0,  5,  3, 0) El1 Never, Constant, 0, 0,          0, [], None;
    ERRSELR_EL1       (3, 0,  5,  3, 1) El1 El1,   Storage,  0, 0,          0, [], None;
    ERXFR_EL1         (3, 0,  5,  4, 0) El1 Never, Constant, 0, 0,          0, [], None;
    ERXCTLR_EL1       (3, 0,  5,  4, 1) El1 El1,   Storage,  0, 0,          0, [], None;
    ERXSTATUS_EL1     (3, 0,  5,  4, 2) El1 El1,   Storage,  0, 0,          0, [], None;
    ERXADDR_EL1       (3, 0,  5,  4, 3) El1 El1,   Storage,  0, 0,          0, [], None;
    ERXMISC0_EL1      (3, 0,  5,  5, 0) El1 El1,   Storage,  0, 0,          0, [], None;
    ERXMISC1_EL1      (3, 0,  5,  5, 1) El1 El1,   Storage,  0, 0,          0, [], None;
    DISR_EL1          (3, 0, 12,  1, 1) El1 El1,   Storage,  0, DISR_FIELDS, 0, [], None;

    // PSTATE and the stack pointers.
    SP_EL0            (3, 0,  4,  1, 0) El1 El1,   Behaviour(Pstate(SpEl0)),     0, ALL,              0, [SpSelected], Always;
    SP_EL1            (3, 4,  4,  1, 0) El2 El2,   Behaviour(Pstate(SpEl1)),     0, ALL,              0, [],           Always;
    SPSel             (3, 0,  4,  2, 0) El1 El1,   Behaviour(Pstate(SpSel)),     0, pstate::SPSEL_SP, 0, [],           None;
    CurrentEL         (3, 0,  4,  2, 2) El1 Never, Behaviour(Pstate(CurrentEl)), 0, 0,                0, [],           None;
    PAN               (3, 0,  4,  2, 3) El1 El1,   Behaviour(Pstate(Pan)),       0, pstate::PAN,      0, [],           None;
    UAO               (3, 0,  4,  2, 4) El1 El1,   Behaviour(Pstate(Uao)),       0, pstate::UAO,      0, [],           None;
    NZCV              (3, 3,  4,  2, 0) El0 El0,   Behaviour(Pstate(Nzcv)),      0, pstate::NZCV,     0, [],           None;
    DAIF              (3, 3,  4,  2, 1) El0 El0,   Behaviour(Pstate(Daif)),      0, pstate::DAIF,     0, [Uma],        None;
    DIT               (3, 3,  4,  2, 5) El0 El0,   Behaviour(Pstate(Dit)),       0, pstate::DIT,      0, [],           None;
    SSBS              (3, 3,  4,  2, 6) El0 El0,   Behaviour(Pstate(Ssbs)),      0, pstate::SSBS,     0, [],           None;
    FPCR              (3, 3,  4,  4, 0) El0 El0,   Storage,                      0, FPCR_FIELDS,      0, [Fpen],       None;
    FPSR              (3, 3,  4,  4, 1) El0 El0,   Storage,                      0, FPSR_FIELDS,      0, [Fpen],       None;

    // Software thread IDs.
    TPIDR_EL1         (3, 0, 13,  0, 4) El1 El1, Storage,              0, ALL, 0, [], Always;
    SCXTNUM_EL1       (3, 0, 13,  0, 7) El1 El1, Gated(ContextNumber), 0, ALL, 0, [], Always;
    TPIDR_EL0         (3, 3, 13,  0, 2) El0 El0, Storage,              0, ALL, 0, [], Always;
    TPIDRRO_EL0       (3, 3, 13,  0, 3) El0 El1, Storage,              0, ALL, 0, [], Always;
    TPIDR2_EL0        (3, 3, 13,  0, 5) El0 El0, Gated(Sme),           0, ALL, 0, [], Sme;
    SCXTNUM_EL0       (3, 3, 13,  0, 7) El0 El0, Gated(ContextNumber), 0, ALL, 0, [], Always;

    // Generic timer. CNTFRQ_EL0 is writable at the highest level only, which a guest does not have.
    // The API has the CNTP registers with a GIC (one account) or with EL2 (another): the first.
    CNTKCTL_EL1       (3, 0, 14,  1, 0) El1 El1,   Storage,                                  0,              timer::cntkctl::WRITABLE, 0, [],                Always;
    CNTFRQ_EL0        (3, 3, 14,  0, 0) El0 Never, Constant,                                 id::CNTFRQ_EL0, 0,                        0, [El0PctenOrVcten], None;
    CNTPCT_EL0        (3, 3, 14,  0, 1) El0 Never, Behaviour(Counter(Physical)),             0,              0,                        0, [El0Pcten],        None;
    CNTVCT_EL0        (3, 3, 14,  0, 2) El0 Never, Behaviour(Counter(Virtual)),              0,              0,                        0, [El0Vcten],        None;
    CNTP_TVAL_EL0     (3, 3, 14,  2, 0) El0 El0,   Behaviour(Timer(Physical, TimerValue)),   0,              LOW_32,                   0, [El0Pten],         Gic;
    CNTP_CTL_EL0      (3, 3, 14,  2, 1) El0 El0,   Behaviour(Timer(Physical, Control)),      0,              timer::ctl::WRITABLE,     0, [El0Pten],         Gic;
    CNTP_CVAL_EL0     (3, 3, 14,  2, 2) El0 El0,   Behaviour(Timer(Physical, CompareValue)), 0,              ALL,                      0, [El0Pten],         Gic;
    CNTV_TVAL_EL0     (3, 3, 14,  3, 0) El0 El0,   Behaviour(Timer(Virtual, TimerValue)),    0,              LOW_32,                   0, [El0Vten],         None;
    CNTV_CTL_EL0      (3, 3, 14,  3, 1) El0 El0,   Behaviour(Timer(Virtual, Control)),       0,              timer::ctl::WRITABLE,     0, [El0Vten],         Always;
    CNTV_CVAL_EL0     (3, 3, 14,  3, 2) El0 El0,   Behaviour(Timer(Virtual, CompareValue)),  0,              ALL,                      0, [El0Vten],         Always;

    // Self-hosted debug. The OS Lock's registers exit; the lock reads as unlocked. Of the debug
    // communication channel the near end is there and nobody at the far end: reads 0, ignores writes.
    OSDTRRX_EL1       (2, 0,  0,  0, 2) El1   El1,   Storage,               0,                     0,              0, [],     None;
    MDCCINT_EL1       (2, 0,  0,  2, 0) El1   El1,   Storage,               0,                     MDCCINT_FIELDS, 0, [],     Always;
    MDSCR_EL1         (2, 0,  0,  2, 2) El1   El1,   Behaviour(Debug),      0,                     mdscr::WRITABLE, 0, [],     Always;
    OSDTRTX_EL1       (2, 0,  0,  3, 2) El1   El1,   Storage,               0,                     0,              0, [],     None;
    OSECCR_EL1        (2, 0,  0,  6, 2) El1   El1,   Storage,               0,                     0,              0, [],     None;
    MDRAR_EL1         (2, 0,  1,  0, 0) El1   Never, Constant,              0,                     0,              0, [],     None;
    OSLAR_EL1         (2, 0,  1,  0, 4) Never El1,   HypervisorTrap,        0,                     0,              0, [],     None;
    OSLSR_EL1         (2, 0,  1,  1, 4) El1   Never, Behaviour(OsLock),     id::OSLSR_EL1,         0,              0, [],     None;
    OSDLR_EL1         (2, 0,  1,  3, 4) El1   El1,   HypervisorTrap,        0,                     0,              0, [],     None;
    DBGPRCR_EL1       (2, 0,  1,  4, 4) El1   El1,   Storage,               0,                     1,              0, [],     None;
    DBGCLAIMSET_EL1   (2, 0,  7,  8, 6) El1   El1,   Behaviour(ClaimSet),   0,                     0xff,           0, [],     None;
    DBGCLAIMCLR_EL1   (2, 0,  7,  9, 6) El1   El1,   Behaviour(ClaimClear), 0,                     0xff,           0, [],     None;
    DBGAUTHSTATUS_EL1 (2, 0,  7, 14, 6) El1   Never, Constant,              id::DBGAUTHSTATUS_EL1, 0,              0, [],     None;
    MDCCSR_EL0        (2, 3,  0,  1, 0) El0   Never, Constant,              0,                     0,              0, [Tdcc], None;
    DBGDTR_EL0        (2, 3,  0,  4, 0) El0   El0,   Storage,               0,                     0,              0, [Tdcc], None;
    DBGDTRRX_EL0      (2, 3,  0,  5, 0) El0   El0,   Storage,               0,                     0,              0, [Tdcc], None;

    // Breakpoints and watchpoints. The API has sixteen of each; the guest has those that
    // ID_AA64DFR0_EL1 counts.
    DBGBVR0_EL1       (2, 0,  0,  0, 4) El1 El1, Behaviour(Debug),       0,           ALL,           0,           [], Always;
    DBGBCR0_EL1       (2, 0,  0,  0, 5) El1 El1, Behaviour(Debug),       DBGBCR_RES1, DBGBCR_FIELDS, DBGBCR_RES1, [], Always;
    DBGWVR0_EL1       (2, 0,  0,  0, 6) El1 El1, Behaviour(Debug),       0,           DBGWVR_FIELDS, 0,           [], Always;
    DBGWCR0_EL1       (2, 0,  0,  0, 7) El1 El1, Behaviour(Debug),       0,           DBGWCR_FIELDS, 0,           [], Always;
    DBGBVR1_EL1       (2, 0,  0,  1, 4) El1 El1, Behaviour(Debug),       0,           ALL,           0,           [], Always;
    DBGBCR1_EL1       (2, 0,  0,  1, 5) El1 El1, Behaviour(Debug),       DBGBCR_RES1, DBGBCR_FIELDS, DBGBCR_RES1, [], Always;
    DBGWVR1_EL1       (2, 0,  0,  1, 6) El1 El1, Behaviour(Debug),       0,           DBGWVR_FIELDS, 0,           [], Always;
    DBGWCR1_EL1       (2, 0,  0,  1, 7) El1 El1, Behaviour(Debug),       0,           DBGWCR_FIELDS, 0,           [], Always;
    DBGBVR2_EL1       (2, 0,  0,  2, 4) El1 El1, Behaviour(Debug),       0,           ALL,           0,           [], Always;
    DBGBCR2_EL1       (2, 0,  0,  2, 5) El1 El1, Behaviour(Debug),       DBGBCR_RES1, DBGBCR_FIELDS, DBGBCR_RES1, [], Always;
    DBGWVR2_EL1       (2, 0,  0,  2, 6) El1 El1, Behaviour(Debug),       0,           DBGWVR_FIELDS, 0,           [], Always;
    DBGWCR2_EL1       (2, 0,  0,  2, 7) El1 El1, Behaviour(Debug),       0,           DBGWCR_FIELDS, 0,           [], Always;
    DBGBVR3_EL1       (2, 0,  0,  3, 4) El1 El1, Behaviour(Debug),       0,           ALL,           0,           [], Always;
    DBGBCR3_EL1       (2, 0,  0,  3, 5) El1 El1, Behaviour(Debug),       DBGBCR_RES1, DBGBCR_FIELDS, DBGBCR_RES1, [], Always;
    DBGWVR3_EL1       (2, 0,  0,  3, 6) El1 El1, Behaviour(Debug),       0,           DBGWVR_FIELDS, 0,           [], Always;
    DBGWCR3_EL1       (2, 0,  0,  3, 7) El1 El1, Behaviour(Debug),       0,           DBGWCR_FIELDS, 0,           [], Always;
    DBGBVR4_EL1       (2, 0,  0,  4, 4) El1 El1, Behaviour(Debug),       0,           ALL,           0,           [], Always;
    DBGBCR4_EL1       (2, 0,  0,  4, 5) El1 El1, Behaviour(Debug),       DBGBCR_RES1, DBGBCR_FIELDS, DBGBCR_RES1, [], Always;
    DBGWVR4_EL1       (2, 0,  0,  4, 6) El1 El1, Gated(DebugComparator), 0,           DBGWVR_FIELDS, 0,           [], Always;
    DBGWCR4_EL1       (2, 0,  0,  4, 7) El1 El1, Gated(DebugComparator), 0,           DBGWCR_FIELDS, 0,           [], Always;
    DBGBVR5_EL1       (2, 0,  0,  5, 4) El1 El1, Behaviour(Debug),       0,           ALL,           0,           [], Always;
    DBGBCR5_EL1       (2, 0,  0,  5, 5) El1 El1, Behaviour(Debug),       DBGBCR_RES1, DBGBCR_FIELDS, DBGBCR_RES1, [], Always;
    DBGWVR5_EL1       (2, 0,  0,  5, 6) El1 El1, Gated(DebugComparator), 0,           DBGWVR_FIELDS, 0,           [], Always;
    DBGWCR5_EL1       (2, 0,  0,  5, 7) El1 El1, Gated(DebugComparator), 0,           DBGWCR_FIELDS, 0,           [], Always;
    DBGBVR6_EL1       (2, 0,  0,  6, 4) El1 El1, Gated(DebugComparator), 0,           ALL,           0,           [], Always;
    DBGBCR6_EL1       (2, 0,  0,  6, 5) El1 El1, Gated(DebugComparator), DBGBCR_RES1, DBGBCR_FIELDS, DBGBCR_RES1, [], Always;
    DBGWVR6_EL1       (2, 0,  0,  6, 6) El1 El1, Gated(DebugComparator), 0,           DBGWVR_FIELDS, 0,           [], Always;
    DBGWCR6_EL1       (2, 0,  0,  6, 7) El1 El1, Gated(DebugComparator), 0,           DBGWCR_FIELDS, 0,           [], Always;
    DBGBVR7_EL1       (2, 0,  0,  7, 4) El1 El1, Gated(DebugComparator), 0,           ALL,           0,           [], Always;
    DBGBCR7_EL1       (2, 0,  0,  7, 5) El1 El1, Gated(DebugComparator), DBGBCR_RES1, DBGBCR_FIELDS, DBGBCR_RES1, [], Always;
    DBGWVR7_EL1       (2, 0,  0,  7, 6) El1 El1, Gated(DebugComparator), 0,           DBGWVR_FIELDS, 0,           [], Always;
    DBGWCR7_EL1       (2, 0,  0,  7, 7) El1 El1, Gated(DebugComparator), 0,           DBGWCR_FIELDS, 0,           [], Always;
    DBGBVR8_EL1       (2, 0,  0,  8, 4) El1 El1, Gated(DebugComparator), 0,           ALL,           0,           [], Always;
    DBGBCR8_EL1       (2, 0,  0,  8, 5) El1 El1, Gated(DebugComparator), DBGBCR_RES1, DBGBCR_FIELDS, DBGBCR_RES1, [], Always;
    DBGWVR8_EL1       (2, 0,  0,  8, 6) El1 El1, Gated(DebugComparator), 0,           DBGWVR_FIELDS, 0,           [], Always;
    DBGWCR8_EL1       (2, 0,  0,  8, 7) El1 El1, Gated(DebugComparator), 0,           DBGWCR_FIELDS, 0,           [], Always;
    DBGBVR9_EL1       (2, 0,  0,  9, 4) El1 El1, Gated(DebugComparator), 0,           ALL,           0,           [], Always;
    DBGBCR9_EL1       (2, 0,  0,  9, 5) El1 El1, Gated(DebugComparator), DBGBCR_RES1, DBGBCR_FIELDS, DBGBCR_RES1, [], Always;
    DBGWVR9_EL1       (2, 0,  0,  9, 6) El1 El1, Gated(DebugComparator), 0,           DBGWVR_FIELDS, 0,           [], Always;
    DBGWCR9_EL1       (2, 0,  0,  9, 7) El1 El1, Gated(DebugComparator), 0,           DBGWCR_FIELDS, 0,           [], Always;
    DBGBVR10_EL1      (2, 0,  0, 10, 4) El1 El1, Gated(DebugComparator), 0,           ALL,           0,           [], Always;
    DBGBCR10_EL1      (2, 0,  0, 10, 5) El1 El1, Gated(DebugComparator), DBGBCR_RES1, DBGBCR_FIELDS, DBGBCR_RES1, [], Always;
    DBGWVR10_EL1      (2, 0,  0, 10, 6) El1 El1, Gated(DebugComparator), 0,           DBGWVR_FIELDS, 0,           [], Always;
    DBGWCR10_EL1      (2, 0,  0, 10, 7) El1 El1, Gated(DebugComparator), 0,           DBGWCR_FIELDS, 0,           [], Always;
    DBGBVR11_EL1      (2, 0,  0, 11, 4) El1 El1, Gated(DebugComparator), 0,           ALL,           0,           [], Always;
    DBGBCR11_EL1      (2, 0,  0, 11, 5) El1 El1, Gated(DebugComparator), DBGBCR_RES1, DBGBCR_FIELDS, DBGBCR_RES1, [], Always;
    DBGWVR11_EL1      (2, 0,  0, 11, 6) El1 El1, Gated(DebugComparator), 0,           DBGWVR_FIELDS, 0,           [], Always;
    DBGWCR11_EL1      (2, 0,  0, 11, 7) El1 El1, Gated(DebugComparator), 0,           DBGWCR_FIELDS, 0,           [], Always;
    DBGBVR12_EL1      (2, 0,  0, 12, 4) El1 El1, Gated(DebugComparator), 0,           ALL,           0,           [], Always;
    DBGBCR12_EL1      (2, 0,  0, 12, 5) El1 El1, Gated(DebugComparator), DBGBCR_RES1, DBGBCR_FIELDS, DBGBCR_RES1, [], Always;
    DBGWVR12_EL1      (2, 0,  0, 12, 6) El1 El1, Gated(DebugComparator), 0,           DBGWVR_FIELDS, 0,           [], Always;
    DBGWCR12_EL1      (2, 0,  0, 12, 7) El1 El1, Gated(DebugComparator), 0,           DBGWCR_FIELDS, 0,           [], Always;
    DBGBVR13_EL1      (2, 0,  0, 13, 4) El1 El1, Gated(DebugComparator), 0,           ALL,           0,           [], Always;
    DBGBCR13_EL1      (2, 0,  0, 13, 5) El1 El1, Gated(DebugComparator), DBGBCR_RES1, DBGBCR_FIELDS, DBGBCR_RES1, [], Always;
    DBGWVR13_EL1      (2, 0,  0, 13, 6) El1 El1, Gated(DebugComparator), 0,           DBGWVR_FIELDS, 0,           [], Always;
    DBGWCR13_EL1      (2, 0,  0, 13, 7) El1 El1, Gated(DebugComparator), 0,           DBGWCR_FIELDS, 0,           [], Always;
    DBGBVR14_EL1      (2, 0,  0, 14, 4) El1 El1, Gated(DebugComparator), 0,           ALL,           0,           [], Always;
    DBGBCR14_EL1      (2, 0,  0, 14, 5) El1 El1, Gated(DebugComparator), DBGBCR_RES1, DBGBCR_FIELDS, DBGBCR_RES1, [], Always;
    DBGWVR14_EL1      (2, 0,  0, 14, 6) El1 El1, Gated(DebugComparator), 0,           DBGWVR_FIELDS, 0,           [], Always;
    DBGWCR14_EL1      (2, 0,  0, 14, 7) El1 El1, Gated(DebugComparator), 0,           DBGWCR_FIELDS, 0,           [], Always;
    DBGBVR15_EL1      (2, 0,  0, 15, 4) El1 El1, Gated(DebugComparator), 0,           ALL,           0,           [], Always;
    DBGBCR15_EL1      (2, 0,  0, 15, 5) El1 El1, Gated(DebugComparator), DBGBCR_RES1, DBGBCR_FIELDS, DBGBCR_RES1, [], Always;
    DBGWVR15_EL1      (2, 0,  0, 15, 6) El1 El1, Gated(DebugComparator), 0,           DBGWVR_FIELDS, 0,           [], Always;
    DBGWCR15_EL1      (2, 0,  0, 15, 7) El1 El1, Gated(DebugComparator), 0,           DBGWCR_FIELDS, 0,           [], Always;

    // Performance monitors. Where ID_AA64DFR0_EL1.PMUVer is 0, Hypervisor.framework exits on them at
    // EL1, and at EL0 they are UNDEFINED here. PMMIR_EL1 is of a later version
    // than the monitors that may be shown: with them it is UNDEFINED.
    PMINTENSET_EL1    (3, 0,  9, 14, 1) El1   El1,   Monitor(InterruptSet), 0, 0, 0, [], None;
    PMINTENCLR_EL1    (3, 0,  9, 14, 2) El1   El1,   Monitor(InterruptClear), 0, 0, 0, [], None;
    PMMIR_EL1         (3, 0,  9, 14, 6) El1   Never, HypervisorTrap, 0, 0, 0, [], None;
    PMCR_EL0          (3, 3,  9, 12, 0) El0   El0,   Monitor(MonitorControl), 0, 0, 0, [], None;
    PMCNTENSET_EL0    (3, 3,  9, 12, 1) El0   El0,   Monitor(EnableSet), 0, 0, 0, [], None;
    PMCNTENCLR_EL0    (3, 3,  9, 12, 2) El0   El0,   Monitor(EnableClear), 0, 0, 0, [], None;
    PMOVSCLR_EL0      (3, 3,  9, 12, 3) El0   El0,   Monitor(OverflowClear), 0, 0, 0, [], None;
    PMSWINC_EL0       (3, 3,  9, 12, 4) Never El0,   Monitor(Increment), 0, 0, 0, [], None;
    PMSELR_EL0        (3, 3,  9, 12, 5) El0   El0,   Monitor(Select), 0, 0, 0, [], None;
    PMCEID0_EL0       (3, 3,  9, 12, 6) El0   Never, Monitor(Events0), 0, 0, 0, [], None;
    PMCEID1_EL0       (3, 3,  9, 12, 7) El0   Never, Monitor(Events1), 0, 0, 0, [], None;
    PMCCNTR_EL0       (3, 3,  9, 13, 0) El0   El0,   Monitor(Cycles), 0, 0, 0, [], None;
    PMXEVTYPER_EL0    (3, 3,  9, 13, 1) El0   El0,   Monitor(SelectedType), 0, 0, 0, [], None;
    PMXEVCNTR_EL0     (3, 3,  9, 13, 2) El0   El0,   Monitor(SelectedCount), 0, 0, 0, [], None;
    PMUSERENR_EL0     (3, 3,  9, 14, 0) El0   El1,   Monitor(User), 0, 0, 0, [], None;
    PMOVSSET_EL0      (3, 3,  9, 14, 3) El0   El0,   Monitor(OverflowSet), 0, 0, 0, [], None;
    PMEVCNTR0_EL0     (3, 3, 14,  8, 0) El0   El0,   Monitor(Count(0)), 0, 0, 0, [], None;
    PMEVCNTR1_EL0     (3, 3, 14,  8, 1) El0   El0,   Monitor(Count(1)), 0, 0, 0, [], None;
    PMEVCNTR2_EL0     (3, 3, 14,  8, 2) El0   El0,   Monitor(Count(2)), 0, 0, 0, [], None;
    PMEVCNTR3_EL0     (3, 3, 14,  8, 3) El0   El0,   Monitor(Count(3)), 0, 0, 0, [], None;
    PMEVCNTR4_EL0     (3, 3, 14,  8, 4) El0   El0,   Monitor(Count(4)), 0, 0, 0, [], None;
    PMEVCNTR5_EL0     (3, 3, 14,  8, 5) El0   El0,   Monitor(Count(5)), 0, 0, 0, [], None;
    PMEVTYPER0_EL0    (3, 3, 14, 12, 0) El0   El0,   Monitor(Type(0)), 0, 0, 0, [], None;
    PMEVTYPER1_EL0    (3, 3, 14, 12, 1) El0   El0,   Monitor(Type(1)), 0, 0, 0, [], None;
    PMEVTYPER2_EL0    (3, 3, 14, 12, 2) El0   El0,   Monitor(Type(2)), 0, 0, 0, [], None;
    PMEVTYPER3_EL0    (3, 3, 14, 12, 3) El0   El0,   Monitor(Type(3)), 0, 0, 0, [], None;
    PMEVTYPER4_EL0    (3, 3, 14, 12, 4) El0   El0,   Monitor(Type(4)), 0, 0, 0, [], None;
    PMEVTYPER5_EL0    (3, 3, 14, 12, 5) El0   El0,   Monitor(Type(5)), 0, 0, 0, [], None;
    PMCCFILTR_EL0     (3, 3, 14, 15, 7) El0   El0,   Monitor(CycleFilter), 0, 0, 0, [], None;

    // The GIC's CPU interface. Without a GIC an access exits.
    ICC_PMR_EL1       (3, 0,  4,  6, 0) El1   El1,   InterruptController(Pmr), 0, 0, 0, [], None;
    ICC_IAR0_EL1      (3, 0, 12,  8, 0) El1   Never, InterruptController(Iar0), 0, 0, 0, [], None;
    ICC_EOIR0_EL1     (3, 0, 12,  8, 1) Never El1,   InterruptController(Eoir0), 0, 0, 0, [], None;
    ICC_HPPIR0_EL1    (3, 0, 12,  8, 2) El1   Never, InterruptController(Hppir0), 0, 0, 0, [], None;
    ICC_BPR0_EL1      (3, 0, 12,  8, 3) El1   El1,   InterruptController(Bpr0), 0, 0, 0, [], None;
    ICC_AP0R0_EL1     (3, 0, 12,  8, 4) El1   El1,   InterruptController(Ap0r(0)), 0, 0, 0, [], None;
    ICC_AP0R1_EL1     (3, 0, 12,  8, 5) El1   El1,   InterruptController(Ap0r(1)), 0, 0, 0, [], None;
    ICC_AP0R2_EL1     (3, 0, 12,  8, 6) El1   El1,   InterruptController(Ap0r(2)), 0, 0, 0, [], None;
    ICC_AP0R3_EL1     (3, 0, 12,  8, 7) El1   El1,   InterruptController(Ap0r(3)), 0, 0, 0, [], None;
    ICC_AP1R0_EL1     (3, 0, 12,  9, 0) El1   El1,   InterruptController(Ap1r(0)), 0, 0, 0, [], None;
    ICC_AP1R1_EL1     (3, 0, 12,  9, 1) El1   El1,   InterruptController(Ap1r(1)), 0, 0, 0, [], None;
    ICC_AP1R2_EL1     (3, 0, 12,  9, 2) El1   El1,   InterruptController(Ap1r(2)), 0, 0, 0, [], None;
    ICC_AP1R3_EL1     (3, 0, 12,  9, 3) El1   El1,   InterruptController(Ap1r(3)), 0, 0, 0, [], None;
    ICC_DIR_EL1       (3, 0, 12, 11, 1) Never El1,   InterruptController(Dir), 0, 0, 0, [], None;
    ICC_RPR_EL1       (3, 0, 12, 11, 3) El1   Never, InterruptController(Rpr), 0, 0, 0, [], None;
    ICC_SGI1R_EL1     (3, 0, 12, 11, 5) Never El1,   InterruptController(Sgi1r), 0, 0, 0, [], None;
    ICC_ASGI1R_EL1    (3, 0, 12, 11, 6) Never El1,   InterruptController(Asgi1r), 0, 0, 0, [], None;
    ICC_SGI0R_EL1     (3, 0, 12, 11, 7) Never El1,   InterruptController(Sgi0r), 0, 0, 0, [], None;
    ICC_IAR1_EL1      (3, 0, 12, 12, 0) El1   Never, InterruptController(Iar1), 0, 0, 0, [], None;
    ICC_EOIR1_EL1     (3, 0, 12, 12, 1) Never El1,   InterruptController(Eoir1), 0, 0, 0, [], None;
    ICC_HPPIR1_EL1    (3, 0, 12, 12, 2) El1   Never, InterruptController(Hppir1), 0, 0, 0, [], None;
    ICC_BPR1_EL1      (3, 0, 12, 12, 3) El1   El1,   InterruptController(Bpr1), 0, 0, 0, [], None;
    ICC_CTLR_EL1      (3, 0, 12, 12, 4) El1   El1,   InterruptController(Ctlr), 0, 0, 0, [], None;
    ICC_SRE_EL1       (3, 0, 12, 12, 5) El1   El1,   InterruptController(Sre), 0, 0, 0, [], None;
    ICC_IGRPEN0_EL1   (3, 0, 12, 12, 6) El1   El1,   InterruptController(Igrpen0), 0, 0, 0, [], None;
    ICC_IGRPEN1_EL1   (3, 0, 12, 12, 7) El1   El1,   InterruptController(Igrpen1), 0, 0, 0, [], None;

    // EL2, as far as the API names it. A guest without EL2 finds them UNDEFINED.
    VPIDR_EL2         (3, 4,  0,  0, 0) El2   El2,   Storage, 0, ALL, 0, [], El2;
    VMPIDR_EL2        (3, 4,  0,  0, 5) El2   El2,   Storage, 0, ALL, 0, [], El2;
    SCTLR_EL2         (3, 4,  1,  0, 0) El2   El2,   Storage, 0, ALL, 0, [], El2;
    HCR_EL2           (3, 4,  1,  1, 0) El2   El2,   Storage, 0, ALL, 0, [], El2;
    MDCR_EL2          (3, 4,  1,  1, 1) El2   El2,   Storage, 0, ALL, 0, [], El2;
    CPTR_EL2          (3, 4,  1,  1, 2) El2   El2,   Storage, 0, ALL, 0, [], El2;
    TTBR0_EL2         (3, 4,  2,  0, 0) El2   El2,   Storage, 0, ALL, 0, [], El2;
    TTBR1_EL2         (3, 4,  2,  0, 1) El2   El2,   Storage, 0, ALL, 0, [], El2;
    TCR_EL2           (3, 4,  2,  0, 2) El2   El2,   Storage, 0, ALL, 0, [], El2;
    VTTBR_EL2         (3, 4,  2,  1, 0) El2   El2,   Storage, 0, ALL, 0, [], El2;
    VTCR_EL2          (3, 4,  2,  1, 2) El2   El2,   Storage, 0, ALL, 0, [], El2;
    SPSR_EL2          (3, 4,  4,  0, 0) El2   El2,   Storage, 0, ALL, 0, [], El2;
    ELR_EL2           (3, 4,  4,  0, 1) El2   El2,   Storage, 0, ALL, 0, [], El2;
    SP_EL2            (3, 6,  4,  1, 0) Never Never, Storage, 0, ALL, 0, [], El2;
    ESR_EL2           (3, 4,  5,  2, 0) El2   El2,   Storage, 0, ALL, 0, [], El2;
    FAR_EL2           (3, 4,  6,  0, 0) El2   El2,   Storage, 0, ALL, 0, [], El2;
    HPFAR_EL2         (3, 4,  6,  0, 4) El2   El2,   Storage, 0, ALL, 0, [], El2;
    MAIR_EL2          (3, 4, 10,  2, 0) El2   El2,   Storage, 0, ALL, 0, [], El2;
    VBAR_EL2          (3, 4, 12,  0, 0) El2   El2,   Storage, 0, ALL, 0, [], El2;
    TPIDR_EL2         (3, 4, 13,  0, 2) El2   El2,   Storage, 0, ALL, 0, [], El2;
    CNTVOFF_EL2       (3, 4, 14,  0, 3) El2   El2,   Storage, 0, ALL, 0, [], El2;
    CNTHCTL_EL2       (3, 4, 14,  1, 0) El2   El2,   Storage, 0, ALL, 0, [], El2;
    CNTHP_TVAL_EL2    (3, 4, 14,  2, 0) El2   El2,   Storage, 0, ALL, 0, [], El2;
    CNTHP_CTL_EL2     (3, 4, 14,  2, 1) El2   El2,   Storage, 0, ALL, 0, [], El2;
    CNTHP_CVAL_EL2    (3, 4, 14,  2, 2) El2   El2,   Storage, 0, ALL, 0, [], El2;
}
