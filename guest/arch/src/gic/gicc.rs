//! GICC: the CPU interface of a GICv2 (IHI 0048, "CPU interface register map"). Each CPU sees its
//! own at the same address.

/// GICC_CTLR.
pub const CTLR: u64 = 0x0000;
/// GICC_CTLR: lets through the group that whoever asks is shown as the first (EnableGrp0, or
/// EnableGrp1 in the non-secure view).
pub const CTLR_ENABLE: u32 = 1 << 0;
/// GICC_CTLR.EnableGrp1.
pub const CTLR_ENABLE_GRP1: u32 = 1 << 1;
/// GICC_CTLR.AckCtl: GICC_IAR and GICC_EOIR serve Group 1 too.
pub const CTLR_ACK_CTL: u32 = 1 << 2;
/// GICC_CTLR.FIQEn: Group 0 is signalled by FIQ.
pub const CTLR_FIQ_EN: u32 = 1 << 3;
/// GICC_CTLR.EOImode: EOIR drops the priority, DIR deactivates. (EOImodeS, in the secure view.)
pub const CTLR_EOI_MODE: u32 = 1 << 9;
/// GICC_PMR.
pub const PMR: u64 = 0x0004;
/// GICC_BPR.
pub const BPR: u64 = 0x0008;
/// GICC_IAR.
pub const IAR: u64 = 0x000c;
/// GICC_EOIR.
pub const EOIR: u64 = 0x0010;
/// GICC_RPR.
pub const RPR: u64 = 0x0014;
/// GICC_HPPIR.
pub const HPPIR: u64 = 0x0018;
/// GICC_ABPR.
pub const ABPR: u64 = 0x001c;
/// GICC_AIAR: acknowledges Group 1.
pub const AIAR: u64 = 0x0020;
/// GICC_AEOIR.
pub const AEOIR: u64 = 0x0024;
/// GICC_AHPPIR.
pub const AHPPIR: u64 = 0x0028;
/// GICC_APR<n>: four of them.
pub const APR: u64 = 0x00d0;
/// GICC_NSAPR<n>: four of them.
pub const NSAPR: u64 = 0x00e0;
/// GICC_IIDR.
pub const IIDR: u64 = 0x00fc;
/// GICC_IIDR.Architecture_version: bits 19:16, 2 for a GICv2.
pub const IIDR_ARCHITECTURE_SHIFT: u32 = 16;
/// GICC_DIR.
pub const DIR: u64 = 0x1000;
