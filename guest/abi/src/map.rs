//! The guest-physical (IPA) memory map: that of the well-known `virt` board, so that other
//! people's guests boot here and our guest boots elsewhere.
//!
//! ```text
//! 0x0800_0000  GICD        64 KiB   distributor
//! 0x0802_0000  GICV2M      4 KiB    MSI frame
//! 0x080a_0000  GICR        128 KiB a vCPU, up to 0x0900_0000
//! 0x0900_0000  PL011       4 KiB    console, SPI 1
//! 0x0901_0000  PL031       4 KiB    clock, SPI 2
//! 0x0a00_0000  virtio-mmio 32 slots of 0x200, SPI 16..47
//! 0x0b00_0000  scratch     4 KiB    test device: registers that remember (monitor only)
//! 0x0c00_0000  firmware    16 KiB   read-only code of the monitor's (monitor only)
//! 0x1000_0000  spill       up to RAM: what of the GIC does not fit above, on a hypervisor whose
//!                                   frames are larger
//! 0x4000_0000  RAM
//!   +0x0020_0000  a position-independent kernel is loaded here (2 MiB aligned: booting.rst)
//!   end - 2 MiB   the FDT
//! ```
//!
//! The guest never uses these constants for devices: it reads the FDT. They are here for the
//! host, which writes the FDT, and for the linker's idea of where RAM starts.

/// GICv3 distributor.
pub const GICD_BASE: u64 = 0x0800_0000;
/// MSI frame of the GICv2m kind.
pub const MSI_BASE: u64 = 0x0802_0000;
/// GICv3 redistributors, one after another.
pub const GICR_BASE: u64 = 0x080a_0000;
/// PL011 console.
pub const UART_BASE: u64 = 0x0900_0000;
/// The console's registers fill this much.
pub const UART_SIZE: u64 = 0x1000;
/// The console's interrupt as an SPI number (INTID is 32 more).
pub const UART_SPI: u32 = 1;
/// PL031 clock.
pub const RTC_BASE: u64 = 0x0901_0000;
/// The clock's registers fill this much.
pub const RTC_SIZE: u64 = 0x1000;
/// The clock's interrupt as an SPI number.
pub const RTC_SPI: u32 = 2;
/// First virtio-mmio slot.
pub const VIRTIO_BASE: u64 = 0x0a00_0000;
/// Distance between virtio-mmio slots.
pub const VIRTIO_STRIDE: u64 = 0x200;
/// Number of virtio-mmio slots.
pub const VIRTIO_SLOTS: u32 = 32;
/// The test device: a page of plain read-write bytes behind MMIO exits.
pub const SCRATCH_BASE: u64 = 0x0b00_0000;
/// The test device's size.
pub const SCRATCH_SIZE: u64 = 0x1000;
/// `compatible` of the test device in the FDT.
pub const SCRATCH_COMPATIBLE: &str = "anyvisor,scratch";

/// The monitor's code for the guest: no device, and not in the FDT.
pub const FIRMWARE_BASE: u64 = 0x0c00_0000;
/// Where frames of the GIC go that do not fit at their own addresses.
pub const SPILL_BASE: u64 = 0x1000_0000;

/// Where RAM starts.
pub const RAM_BASE: u64 = 0x4000_0000;
/// Where a position-independent kernel is loaded, as an offset into RAM. The arm64 boot
/// protocol wants a 2 MiB aligned base.
pub const KERNEL_OFFSET: u64 = 0x20_0000;
/// The FDT stands this far before the end of RAM. The boot protocol caps an FDT at 2 MiB.
pub const FDT_SPACE: u64 = 0x20_0000;
/// Alignment and granule of stage-2 mappings: what Hypervisor.framework asks for.
pub const STAGE2_GRANULE: u64 = 0x4000;

/// INTID of SPI 0, of which devices' numbers count.
pub const FIRST_SPI: u32 = 32;
/// INTID of PPI 0, of which the FDT's numbers count.
pub const FIRST_PPI: u32 = 16;
/// INTID of the EL1 virtual timer (PPI 11).
pub const INTID_VTIMER: u32 = 27;
/// INTID of the EL1 physical timer (PPI 14).
pub const INTID_PTIMER: u32 = 30;
/// INTID of the secure physical timer (PPI 13), which the FDT's binding wants to be named.
pub const INTID_SECURE_TIMER: u32 = 29;
/// INTID of the EL2 physical timer (PPI 10).
pub const INTID_HYP_TIMER: u32 = 26;

/// vCPUs that share an Aff1: a GICv3's target lists (ICC_SGI1R_EL1) have 16 bits of Aff0.
pub const CLUSTER: u64 = 16;

/// The affinity of vCPU `n`, in the fields of MPIDR_EL1: Aff0 is its place in a cluster, Aff1
/// the cluster.
pub const fn affinity(n: u64) -> u64 {
    ((n / CLUSTER) << 8) | (n % CLUSTER)
}
