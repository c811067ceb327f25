//! The GIC as software names it: GICv3 with one security state and affinity routing.
//!
//! * [`Icc`] and [`icc`]: the CPU interface, by system registers;
//! * [`gicd`]: the distributor; [`gicr`]: a redistributor; [`bank`]: the registers that both have,
//!   at the same offsets;
//! * [`gicc`]: the CPU interface of a GICv2, which is memory;
//! * [`msi`]: the frame that turns a device's write into an SPI;
//! * [`intid`]: which number is what kind of interrupt.
//!
//! Reference: Arm IHI 0069 (GICv3 and GICv4), and IHI 0048 (GICv2), by register and field.

pub mod bank;
pub mod gicc;
pub mod gicd;
pub mod gicr;
pub mod icc;
pub mod intid;
pub mod msi;

/// A system register of the CPU interface; the table of system registers gives its encoding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum Icc {
    Pmr,
    Iar0,
    Eoir0,
    Hppir0,
    Bpr0,
    /// ICC_AP0R<n>_EL1.
    Ap0r(u8),
    /// ICC_AP1R<n>_EL1.
    Ap1r(u8),
    Dir,
    Rpr,
    Sgi1r,
    Asgi1r,
    Sgi0r,
    Iar1,
    Eoir1,
    Hppir1,
    Bpr1,
    Ctlr,
    Sre,
    Igrpen0,
    Igrpen1,
}
