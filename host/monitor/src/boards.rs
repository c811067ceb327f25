//! The boards that a machine can be: the same vCPUs, RAM, GIC and devices, at other addresses.
//!
//! Hypervisors agree on what an arm64 machine is made of, and on nothing else. A guest that takes
//! every address from the FDT runs on all of them; one that knows where QEMU puts its UART runs on
//! one. Each row here has the map and the habits of a hypervisor, from its public sources at the
//! commits that are said there; none of them was run. `virt` is our own (`anyvisor_abi::map`),
//! which is QEMU's:
//!
//! ```text
//!                     RAM          FDT              console              GICD
//!   virt              0x4000_0000  end of RAM       PL011   0x0900_0000  0x0800_0000
//!   kvmtool           0x8000_0000  end of RAM       16550   0x0100_0000  0x3fff_0000
//!   firecracker       0x8000_0000  end of RAM       16550   0x4000_2000  0x3fff_0000
//!   crosvm            0x8000_0000  behind kernel    16550   0x0000_03f8  0x3fff_0000
//!   cloud-hypervisor  0x4000_0000  start of RAM     PL011   0x0900_0000  0x08ff_0000
//! ```
//!
//! Where a board has no MSI frame or no PL031, its FDT has none. The test device and the monitor's
//! firmware are no part of theirs; they stand where nothing of theirs is. Left out: PCI and
//! virtio, which this monitor has on no board, the ITS, and clocks that are no PL031. Where a row
//! differs from its hypervisor in what it does have, its comment says so.

use anyvisor_abi::map;
use clap::ValueEnum;

/// A board, by the name of the hypervisor whose it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Model {
    /// Our own, and QEMU's.
    #[default]
    Virt,
    /// kvmtool's (lkvm).
    Kvmtool,
    /// Firecracker's.
    Firecracker,
    /// crosvm's.
    Crosvm,
    /// Cloud Hypervisor's.
    CloudHypervisor,
}

impl Model {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Virt, Self::Kvmtool, Self::Firecracker, Self::Crosvm, Self::CloudHypervisor];

    /// As it is written.
    pub fn name(self) -> &'static str {
        self.plan().name
    }

    /// What it is like.
    pub const fn plan(self) -> &'static Plan {
        match self {
            Self::Virt => &VIRT,
            Self::Kvmtool => &KVMTOOL,
            Self::Firecracker => &FIRECRACKER,
            Self::Crosvm => &CROSVM,
            Self::CloudHypervisor => &CLOUD_HYPERVISOR,
        }
    }
}

/// Where the FDT stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FdtPlace {
    /// [`map::FDT_SPACE`] before the end of RAM.
    End,
    /// At the start of RAM, before the kernel.
    Start,
    /// Behind the kernel, at the next multiple of [`map::FDT_SPACE`].
    BehindKernel,
}

/// Where the redistributors stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redistributors {
    /// From here on.
    From(u64),
    /// Up to here: how large they are decides where they begin.
    UpTo(u64),
}

/// The kind of UART.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UartKind {
    /// A PL011.
    Pl011,
    /// A 16550A with registers of a byte, one after the other.
    Ns16550,
}

/// A device of a board, as the FDT has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name of its node, without the address.
    pub node: &'static str,
    /// Its first address.
    pub base: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Its interrupt, as an SPI number.
    pub spi: u32,
}

/// Who the FDT says is the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdout {
    /// `stdout-path` is the node's path.
    Path,
    /// `stdout-path` is the alias `serial0`.
    Alias,
    /// Nobody: it is the only UART.
    Unsaid,
}

/// What a board is like.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its name on the command line.
    pub name: &'static str,
    /// `compatible` of the root.
    pub compatible: &'static str,
    /// First address of RAM.
    pub ram: u64,
    /// The name of RAM's node; `None`: `memory@` and its address.
    pub memory_node: Option<&'static str>,
    /// Where a kernel is loaded that does not care, as an offset into RAM.
    pub kernel_offset: u64,
    /// Where the FDT stands.
    pub fdt: FdtPlace,
    /// The distributor.
    pub distributor: u64,
    /// The redistributors.
    pub redistributors: Redistributors,
    /// Whether the FDT has an MSI frame.
    pub messages: bool,
    /// The kind of UART.
    pub uart_kind: UartKind,
    /// The UART.
    pub uart: Place,
    /// Whether the UART's interrupt is described as an edge (bindings: flags 1 instead of 4).
    pub uart_edge: bool,
    /// What `/chosen` says of it.
    pub stdout: Stdout,
    /// The PL031.
    pub rtc: Option<Place>,
    /// The test device.
    pub scratch: u64,
    /// `#address-cells` of `/cpus`.
    pub cpu_cells: u32,
    /// `compatible` of the PSCI node.
    pub psci: &'static [&'static str],
}

impl Plan {
    /// Where the monitor's own code stands: on every board the same, for no guest looks for it.
    pub const FIRMWARE: u64 = map::FIRMWARE_BASE;
}

const VIRT: Plan = Plan {
    name: "virt",
    compatible: "anyvisor,virt",
    ram: map::RAM_BASE,
    memory_node: None,
    kernel_offset: map::KERNEL_OFFSET,
    fdt: FdtPlace::End,
    distributor: map::GICD_BASE,
    redistributors: Redistributors::From(map::GICR_BASE),
    messages: true,
    uart_kind: UartKind::Pl011,
    uart: Place { node: "pl011", base: map::UART_BASE, size: map::UART_SIZE, spi: map::UART_SPI },
    uart_edge: false,
    stdout: Stdout::Path,
    rtc: Some(Place { node: "pl031", base: map::RTC_BASE, size: map::RTC_SIZE, spi: map::RTC_SPI }),
    scratch: map::SCRATCH_BASE,
    cpu_cells: 1,
    psci: &["arm,psci-1.0", "arm,psci-0.2"],
};

/// arm/include/arm-common/kvm-arch.h (commit 9b46ebc5; arm64/ by now), arm/fdt.c (004f7684),
/// hw/serial.c.
///
/// Its FDT is near the end of the first 256 MiB of RAM, if there are more. It has four UARTs, a
/// page and an SPI each; this is the first. Its clock is an MC146818, at 0x0101_0000.
const KVMTOOL: Plan = Plan {
    name: "kvmtool",
    compatible: "linux,dummy-virt",
    ram: 0x8000_0000,
    memory_node: Some("memory"),
    kernel_offset: 0,
    fdt: FdtPlace::End,
    distributor: 0x3fff_0000,
    redistributors: Redistributors::UpTo(0x3fff_0000),
    messages: false,
    uart_kind: UartKind::Ns16550,
    uart: Place { node: "U6_16550A", base: 0x0100_0000, size: 8, spi: 0 },
    uart_edge: false,
    stdout: Stdout::Alias,
    rtc: None,
    scratch: map::SCRATCH_BASE,
    cpu_cells: 1,
    psci: &["arm,psci-0.2", "arm,psci"],
};

/// src/vmm/src/arch/aarch64/layout.rs (commit 1b406775) and fdt.rs (fde4fbb2).
///
/// The SPIs are examples: it hands them out in the order in which it makes its devices, from
/// another number in older releases. Its RTC's node has no interrupt, and its memory's node leaves
/// out the first 2 MiB of RAM. It makes a UART only if the boot arguments have `console=` in them.
const FIRECRACKER: Plan = Plan {
    name: "firecracker",
    compatible: "linux,dummy-virt",
    ram: 0x8000_0000,
    memory_node: Some("memory@ram"),
    kernel_offset: 0x20_0000,
    fdt: FdtPlace::End,
    distributor: 0x3fff_0000,
    redistributors: Redistributors::UpTo(0x3fff_0000),
    messages: false,
    uart_kind: UartKind::Ns16550,
    uart: Place { node: "uart", base: 0x4000_2000, size: 0x1000, spi: 1 },
    uart_edge: true,
    stdout: Stdout::Unsaid,
    rtc: Some(Place { node: "rtc", base: 0x4000_1000, size: 0x1000, spi: 2 }),
    scratch: 0x4100_0000,
    cpu_cells: 2,
    psci: &["arm,psci-0.2"],
};

/// aarch64/src/lib.rs and fdt.rs (commit 04e36b57).
///
/// The FDT is where `--fdt-position=after-payload` puts it; without that, a kernel's is in the last
/// 2 MiB of RAM. It has four UARTs, on SPIs 0 and 2; this is the first. Its clock is a PL030, at
/// 0x2000.
const CROSVM: Plan = Plan {
    name: "crosvm",
    compatible: "linux,dummy-virt",
    ram: 0x8000_0000,
    memory_node: Some("memory"),
    kernel_offset: 0,
    fdt: FdtPlace::BehindKernel,
    distributor: 0x3fff_0000,
    redistributors: Redistributors::UpTo(0x3fff_0000),
    messages: false,
    uart_kind: UartKind::Ns16550,
    uart: Place { node: "U6_16550A", base: 0x3f8, size: 8, spi: 0 },
    uart_edge: true,
    stdout: Stdout::Path,
    rtc: None,
    scratch: 0x3000_0000,
    cpu_cells: 1,
    psci: &["arm,psci-1.0", "arm,psci-0.2"],
};

/// arch/src/aarch64/layout.rs and fdt.rs, in a copy whose commit is not known.
///
/// The SPIs are examples: it hands them out in the order in which it makes its devices. Its ITS is
/// below the redistributors.
const CLOUD_HYPERVISOR: Plan = Plan {
    name: "cloud-hypervisor",
    compatible: "linux,dummy-virt",
    ram: 0x4000_0000,
    memory_node: None,
    kernel_offset: 0x40_0000,
    fdt: FdtPlace::Start,
    distributor: 0x08ff_0000,
    redistributors: Redistributors::UpTo(0x08ff_0000),
    messages: false,
    uart_kind: UartKind::Pl011,
    uart: Place { node: "pl011", base: 0x0900_0000, size: 0x1000, spi: 1 },
    uart_edge: true,
    stdout: Stdout::Unsaid,
    rtc: Some(Place { node: "rtc", base: 0x0901_0000, size: 0x1000, spi: 2 }),
    scratch: map::SCRATCH_BASE,
    cpu_cells: 1,
    psci: &["arm,psci-0.2"],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_are_written_as_they_are_named() {
        assert_eq!(Model::value_variants(), Model::ALL);
        for model in Model::ALL {
            assert_eq!(model.to_possible_value().unwrap().get_name(), model.name());
        }
    }

    #[test]
    fn nothing_of_a_board_overlaps_and_the_kernel_is_aligned() {
        for plan in Model::ALL.map(Model::plan) {
            assert_eq!(plan.kernel_offset % 0x20_0000, 0, "{}: booting.rst", plan.name);
            let mut taken = vec![
                plan.uart.base..plan.uart.base + plan.uart.size,
                plan.scratch..plan.scratch + map::SCRATCH_SIZE,
                Plan::FIRMWARE..Plan::FIRMWARE + map::STAGE2_GRANULE,
                plan.distributor..plan.distributor + 0x1_0000,
            ];
            taken.extend(plan.rtc.map(|rtc| rtc.base..rtc.base + rtc.size));
            taken.sort_by_key(|range| range.start);
            for pair in taken.windows(2) {
                assert!(pair[0].end <= pair[1].start, "{}: {pair:x?}", plan.name);
            }
            assert!(taken.last().unwrap().end <= plan.ram, "{}", plan.name);
        }
    }
}
