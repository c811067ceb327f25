//! What the hypervisor gave us, read from the FDT once, before the MMU is on.
//!
//! All cells here are plain stores: exclusives (and with them locks) are not promised to work
//! on memory that the MMU, being off, makes Device memory.

use anyvisor_abi::map;
use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::standard::NodeStandard;
use dtoolkit::{Node, Property};

use crate::cell::OneCpu;

/// A piece of the physical address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First byte.
    pub start: u64,
    /// Number of bytes.
    pub size: u64,
}

impl Region {
    /// One past the last byte.
    pub const fn end(self) -> u64 {
        self.start + self.size
    }
}

/// The instruction by which PSCI is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduit {
    /// HVC: somebody is at EL2.
    Hvc,
    /// SMC: somebody is at EL3.
    Smc,
}

/// The parts of a GICv3 that are memory.
#[derive(Clone, Copy, Debug)]
pub struct GicRegions {
    /// The distributor.
    pub distributor: Region,
    /// The redistributors.
    pub redistributors: Region,
    /// A frame of the GICv2m kind, to which messages are written.
    pub messages: Option<Messages>,
}

/// A frame that turns what is written to it into interrupts.
#[derive(Clone, Copy, Debug)]
pub struct Messages {
    /// Its registers.
    pub frame: Region,
    /// INTIDs that the FDT says instead of MSI_TYPER: the first, and how many.
    pub intids: Option<(u32, u32)>,
}

/// The machine, as the FDT tells it.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// RAM (the first region, if there are more).
    pub ram: Region,
    /// The console, a PL011.
    pub uart: Option<Region>,
    /// INTID of the console's interrupt, a level.
    pub uart_interrupt: Option<u32>,
    /// How to call PSCI.
    pub psci: Option<Conduit>,
    /// The GICv3.
    pub gic: Option<GicRegions>,
    /// INTID of the EL1 virtual timer.
    pub virtual_timer: u32,
    /// INTID of the EL1 physical timer.
    pub physical_timer: u32,
    /// The monitor's test device.
    pub scratch: Option<Region>,
    /// The affinities of the CPUs, the first [`Machine::cpu_count`] of them.
    pub affinities: [u64; MOST_CPUS],
    /// How many CPUs the FDT names, [`MOST_CPUS`] at most.
    pub cpu_count: usize,
    /// The boot arguments.
    pub arguments: &'static str,
}

/// CPUs that are remembered.
pub const MOST_CPUS: usize = 64;

impl Machine {
    /// The affinities of the CPUs.
    pub fn cpus(&self) -> &[u64] {
        &self.affinities[..self.cpu_count]
    }
}

static MACHINE: OneCpu<Option<Machine>> = OneCpu::new(None);

/// The machine; from [`init`] on.
pub fn get() -> Machine {
    MACHINE.get().expect("machine::init is the first thing that the kernel does")
}

/// Reads the FDT at physical address `fdt`. Without one that can be read there is no console to
/// complain on: the panic ends in a loop with its address in the registers.
pub fn init(fdt: u64) -> Machine {
    assert!(fdt != 0 && fdt.is_multiple_of(8), "booting.rst: x0 is the FDT's address, 8-aligned");
    // SAFETY: the boot protocol says that x0 is the FDT's address; it stays there, unchanged and
    // outside the image, for as long as we run. The reader checks header and structure.
    let fdt = unsafe { Fdt::from_raw(fdt as *const u8) }.expect("x0 holds the address of an FDT");
    let machine = read(fdt);
    MACHINE.set(Some(machine));
    machine
}

fn read(fdt: Fdt<'static>) -> Machine {
    let compatible = |name| fdt.root().children().find(|node| node.is_compatible(name));
    let gic = compatible("arm,gic-v3").and_then(|node| {
        let (distributor, redistributors) = (region(node, 0)?, region(node, 1)?);
        Some(GicRegions { distributor, redistributors, messages: messages(node) })
    });
    let uart = stdout(fdt).or_else(|| compatible("arm,pl011"));
    let (affinities, cpu_count) = cpus(fdt);
    Machine {
        affinities,
        cpu_count,
        ram: fdt.find_node("/memory").and_then(|n| region(n, 0)).expect("the FDT says /memory"),
        uart: uart.and_then(|node| region(node, 0)),
        uart_interrupt: uart.and_then(|node| interrupt(&node, 0)),
        psci: fdt.find_node("/psci").and_then(|node| conduit(&node)),
        gic,
        virtual_timer: timer_interrupt(fdt, 2).unwrap_or(map::INTID_VTIMER),
        physical_timer: timer_interrupt(fdt, 1).unwrap_or(map::INTID_PTIMER),
        scratch: compatible(map::SCRATCH_COMPATIBLE).and_then(|node| region(node, 0)),
        arguments: text(fdt.find_node("/chosen"), "bootargs").unwrap_or(""),
    }
}

/// The PL011 that /chosen/stdout-path names: a path, or an alias, with options after a colon.
fn stdout(fdt: Fdt<'static>) -> Option<FdtNode<'static>> {
    let name = text(fdt.find_node("/chosen"), "stdout-path")?;
    let name = name.split(':').next()?;
    let path = if name.starts_with('/') { name } else { text(fdt.find_node("/aliases"), name)? };
    fdt.find_node(path).filter(|node| node.is_compatible("arm,pl011"))
}

/// The affinities of the enabled CPUs: the `reg` of each cpu node (the binding arm/cpus).
fn cpus(fdt: Fdt<'static>) -> ([u64; MOST_CPUS], usize) {
    let (mut all, mut count) = ([0; MOST_CPUS], 0);
    let nodes = fdt.find_node("/cpus").into_iter().flat_map(|cpus| cpus.children());
    for cpu in nodes.filter(|node| text(Some(*node), "device_type") == Some("cpu")) {
        let Some(slot) = all.get_mut(count) else { break };
        let affinity = cpu.reg().ok().flatten().and_then(|mut reg| reg.next());
        if let Some(affinity) = affinity.and_then(|reg| reg.address::<u64>().ok()) {
            *slot = affinity;
            count += 1;
        }
    }
    (all, count.max(1))
}

fn conduit(psci: &FdtNode<'static>) -> Option<Conduit> {
    match psci.property("method")?.value_as::<&str>().ok()? {
        "hvc" => Some(Conduit::Hvc),
        "smc" => Some(Conduit::Smc),
        _ => None,
    }
}

/// The MSI frame below the GIC's node (the binding `arm,gic-v2m-frame`).
fn messages(gic: FdtNode<'static>) -> Option<Messages> {
    let node = gic.children().find(|node| node.is_compatible("arm,gic-v2m-frame"))?;
    let word = |name| node.property(name)?.value_as::<u32>().ok();
    let intids = word("arm,msi-base-spi").zip(word("arm,msi-num-spis"));
    Some(Messages { frame: region(node, 0)?, intids })
}

/// The INTID of one of the timer's interrupts: secure physical, physical, virtual, hypervisor
/// (the order of the binding `arm,armv8-timer`).
fn timer_interrupt(fdt: Fdt<'static>, which: usize) -> Option<u32> {
    let timer = fdt.root().children().find(|node| node.is_compatible("arm,armv8-timer"))?;
    interrupt(&timer, which)
}

/// The INTID of a node's interrupt, as the binding `arm,gic-v3` has them: { 0 = SPI or 1 = PPI,
/// number, flags }.
fn interrupt(node: &FdtNode<'static>, which: usize) -> Option<u32> {
    let interrupts = node.property("interrupts")?;
    let cell = |i: usize| {
        let bytes = interrupts.value().get(i * 4..i * 4 + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    let first = match cell(which * 3)? {
        0 => 32,
        1 => 16,
        _ => return None,
    };
    Some(first + cell(which * 3 + 1)?)
}

fn region(node: FdtNode<'static>, index: usize) -> Option<Region> {
    let reg = node.reg().ok()??.nth(index)?;
    Some(Region { start: reg.address::<u64>().ok()?, size: reg.size::<u64>().ok()? })
}

fn text(node: Option<FdtNode<'static>>, name: &str) -> Option<&'static str> {
    node?.properties().find(|p| p.name() == name)?.value_as::<&'static str>().ok()
}
