//! Offsets and bits (IHI 0069, "Distributor register descriptions", "Redistributor register
//! descriptions").

pub const FIRST_PPI: u32 = 16;
pub const FIRST_SPI: u32 = 32;

pub const GICD_CTLR: u64 = 0x0000;
pub const GICD_TYPER: u64 = 0x0004;
pub const GICD_IIDR: u64 = 0x0008;
pub const IGROUPR: u64 = 0x0080;
pub const ISENABLER: u64 = 0x0100;
pub const ICENABLER: u64 = 0x0180;
pub const ISPENDR: u64 = 0x0200;
pub const ICPENDR: u64 = 0x0280;
pub const ISACTIVER: u64 = 0x0300;
pub const ICACTIVER: u64 = 0x0380;
pub const IPRIORITYR: u64 = 0x0400;
pub const ICFGR: u64 = 0x0c00;
pub const IROUTER: u64 = 0x6000;
pub const PIDR2: u64 = 0xffe8;

pub const GICR_CTLR: u64 = 0x0000;
pub const GICR_TYPER: u64 = 0x0008;
pub const GICR_WAKER: u64 = 0x0014;
/// From RD_base to SGI_base.
pub const SGI_BASE: u64 = 0x1_0000;
/// From one redistributor to the next: RD_base and SGI_base.
pub const STRIDE: u64 = 0x2_0000;

/// GICD_CTLR.EnableGrp0.
pub const ENABLE_GROUP0: u32 = 1 << 0;
/// GICD_CTLR.EnableGrp1, with one security state.
pub const ENABLE_GROUP1: u32 = 1 << 1;
/// GICD_CTLR.ARE: affinity routing.
pub const ARE: u32 = 1 << 4;
/// GICD_CTLR.DS: one security state.
pub const DS: u32 = 1 << 6;
/// GICD_CTLR.RWP: a write to it or to an enable is on its way.
pub const GICD_RWP: u32 = 1 << 31;
/// GICR_CTLR.RWP.
pub const GICR_RWP: u32 = 1 << 3;
/// GICD_IROUTER.Interrupt_Routing_Mode.
pub const ANY_PE: u64 = 1 << 31;
/// GICR_TYPER.Last.
pub const LAST: u64 = 1 << 4;
/// GICR_WAKER.ProcessorSleep.
pub const PROCESSOR_SLEEP: u32 = 1 << 1;
/// GICR_WAKER.ChildrenAsleep.
pub const CHILDREN_ASLEEP: u32 = 1 << 2;
