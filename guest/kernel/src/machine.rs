//! What the hypervisor gave us, read from the FDT once, before the MMU is on.
//!
//! All cells here are plain stores: exclusives (and with them locks) are not promised to work
//! on memory that the MMU, being off, makes Device memory.

mod console;
pub mod memory;
mod tree;

use core::cell::UnsafeCell;

use anyvisor_abi::map;
use dtoolkit::Node;
use dtoolkit::fdt::Fdt;

use crate::cell::OneCpu;
use memory::Memory;
use tree::{Controller, Place, text};

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

/// The parts of a GIC that are memory.
#[derive(Clone, Copy, Debug)]
pub struct GicRegions {
    /// The distributor.
    pub distributor: Region,
    /// What each CPU has.
    pub cpus: GicCpus,
    /// A frame of the GICv2m kind, to which messages are written.
    pub messages: Option<Messages>,
}

/// The parts of a GIC that are a CPU's own.
#[derive(Clone, Copy, Debug)]
pub enum GicCpus {
    /// A GICv3: redistributors, in one region or several, the first of them for the first CPUs.
    V3 {
        /// The regions.
        redistributors: [Option<Region>; MOST_REGIONS],
        /// From one redistributor to the next, if it is not what GICR_TYPER says.
        stride: Option<u64>,
    },
    /// A GICv2: one CPU interface, which each CPU sees as its own.
    V2(Region),
}

/// Regions of redistributors that are remembered (`#redistributor-regions`).
pub const MOST_REGIONS: usize = 4;

/// A frame that turns what is written to it into interrupts.
#[derive(Clone, Copy, Debug)]
pub struct Messages {
    /// Its registers.
    pub frame: Region,
    /// INTIDs that the FDT says instead of MSI_TYPER: the first, and how many.
    pub intids: Option<(u32, u32)>,
}

/// What can be a console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleKind {
    /// A PL011.
    Pl011,
    /// A 16550, with registers 2^`shift` bytes apart that are `width` bytes wide.
    Ns16550 {
        /// The property `reg-shift`.
        shift: u32,
        /// The property `reg-io-width`.
        width: u32,
    },
    /// A virtio-console behind virtio-mmio.
    Virtio,
}

/// The console.
#[derive(Clone, Copy, Debug)]
pub struct ConsoleDevice {
    /// What it is.
    pub kind: ConsoleKind,
    /// Its registers.
    pub registers: Region,
    /// INTID of its interrupt, a level.
    pub interrupt: Option<u32>,
}

/// The machine, as the FDT tells it.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// RAM: the region that the image stands in.
    pub ram: Region,
    /// The console.
    pub console: Option<ConsoleDevice>,
    /// How to call PSCI.
    pub psci: Option<Conduit>,
    /// The GIC.
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

    /// The console's registers and interrupt, if it is a PL011.
    pub fn pl011(&self) -> Option<ConsoleDevice> {
        self.console.filter(|console| console.kind == ConsoleKind::Pl011)
    }
}

static MACHINE: OneCpu<Option<Machine>> = OneCpu::new(None);
static MEMORY: OneCpu<Option<Memory>> = OneCpu::new(None);

/// The machine; from [`init`] on.
pub fn get() -> Machine {
    MACHINE.get().expect("machine::init is the first thing that the kernel does")
}

/// The memory; from [`init`] on.
pub fn memory() -> Memory {
    MEMORY.get().expect("machine::init is the first thing that the kernel does")
}

/// Reads the FDT at physical address `fdt`. Without one that can be read there is no console to
/// complain on: the panic ends in a loop with its address in the registers.
pub fn init(fdt: u64) -> Machine {
    assert!(fdt != 0 && fdt.is_multiple_of(8), "booting.rst: x0 is the FDT's address, 8-aligned");
    let at = fdt;
    // SAFETY: the boot protocol says that x0 is the FDT's address; it stays there, unchanged and
    // outside the image, for as long as we run. The reader checks header and structure.
    let fdt = unsafe { Fdt::from_raw(fdt as *const u8) }.expect("x0 holds the address of an FDT");
    let memory = Memory::read(fdt, Region { start: at, size: fdt.data().len() as u64 });
    let ram = memory.of_the_image().expect("the FDT has a memory node that holds the image");
    let machine = read(fdt, ram);
    MEMORY.set(Some(memory));
    MACHINE.set(Some(machine));
    machine
}

fn read(fdt: Fdt<'static>, ram: Region) -> Machine {
    let root = Place::root(fdt);
    let controller = root.compatible(&GICS);
    let controls = controller.as_ref().map(Controller::of);
    let interrupt = |place: &Place, which| place.interrupt(controls.as_ref()?, which);
    let timer = root.compatible(&["arm,armv8-timer", "arm,armv7-timer"]);
    let timer_interrupt = |name, usual| {
        let timer = timer.as_ref()?;
        // The binding's order, unless there are names: then some may be missing.
        let named = timer.node.property("interrupt-names").is_some();
        let at = if named { tree::position(&timer.node, "interrupt-names", name)? } else { usual };
        interrupt(timer, at)
    };
    let arguments = fdt.find_node("/chosen").and_then(|node| text(&node, "bootargs"));
    let arguments = keep(arguments.unwrap_or(""));
    let (affinities, cpu_count) = cpus(fdt);
    let console = console::choose(fdt, arguments).map(|(kind, place, registers)| ConsoleDevice {
        kind,
        registers,
        interrupt: interrupt(&place, 0),
    });
    Machine {
        affinities,
        cpu_count,
        ram,
        console,
        psci: root.compatible(&["arm,psci-1.0", "arm,psci-0.2"]).and_then(|node| conduit(&node)),
        gic: controller.as_ref().and_then(gic),
        virtual_timer: timer_interrupt("virt", 2).unwrap_or(map::INTID_VTIMER),
        physical_timer: timer_interrupt("phys", 1).unwrap_or(map::INTID_PTIMER),
        scratch: root.compatible(&[map::SCRATCH_COMPATIBLE]).and_then(|node| node.region(0)),
        arguments,
    }
}

/// Copies the boot arguments into the image: where the FDT stands need not be mapped later. What
/// is too long is cut, as Linux cuts it (COMMAND_LINE_SIZE).
fn keep(arguments: &str) -> &'static str {
    const SIZE: usize = 2048;
    struct Kept(UnsafeCell<[u8; SIZE]>);
    // SAFETY: written once, here, before there is anybody else.
    unsafe impl Sync for Kept {}
    static KEPT: Kept = Kept(UnsafeCell::new([0; SIZE]));
    // SAFETY: as above: this is the only reference that can write.
    let kept = unsafe { &mut *KEPT.0.get() };
    let length = arguments.floor_char_boundary(SIZE);
    kept[..length].copy_from_slice(&arguments.as_bytes()[..length]);
    core::str::from_utf8(&kept[..length]).unwrap_or("")
}

/// What a GIC's node may be called.
const GICS: [&str; 5] =
    ["arm,gic-v3", "arm,gic-400", "arm,cortex-a15-gic", "arm,cortex-a7-gic", "arm,cortex-a9-gic"];

fn gic(place: &Place) -> Option<GicRegions> {
    let distributor = place.region(0)?;
    let messages = messages(place);
    let cpus = if place.is(&GICS[..1]) {
        let count = place.cell("#redistributor-regions").unwrap_or(1) as usize;
        let redistributors = core::array::from_fn(|n| place.region(1 + n).filter(|_| n < count));
        redistributors[0]?;
        let stride =
            tree::number(&place.node, "redistributor-stride").filter(|stride| *stride != 0);
        GicCpus::V3 { redistributors, stride }
    } else {
        GicCpus::V2(place.region(1)?)
    };
    Some(GicRegions { distributor, cpus, messages })
}

/// The affinities of the enabled CPUs: the `reg` of each cpu node (the binding arm/cpus).
fn cpus(fdt: Fdt<'static>) -> ([u64; MOST_CPUS], usize) {
    let (mut all, mut count) = ([0; MOST_CPUS], 0);
    let nodes = Place::of_path(fdt, "/cpus");
    for cpu in nodes.iter().flat_map(Place::children) {
        let kind = text(&cpu.node, "device_type");
        if kind.unwrap_or(cpu.node.name_without_address()) != "cpu" {
            continue;
        }
        let Some(slot) = all.get_mut(count) else { break };
        if let Some(affinity) = tree::number(&cpu.node, "reg") {
            *slot = affinity;
            count += 1;
        }
    }
    (all, count.max(1))
}

fn conduit(psci: &Place) -> Option<Conduit> {
    match text(&psci.node, "method")? {
        "hvc" => Some(Conduit::Hvc),
        "smc" => Some(Conduit::Smc),
        _ => None,
    }
}

/// The MSI frame below the GIC's node (the binding `arm,gic-v2m-frame`).
fn messages(gic: &Place) -> Option<Messages> {
    let place = gic.compatible(&["arm,gic-v2m-frame"])?;
    let intids = place.cell("arm,msi-base-spi").zip(place.cell("arm,msi-num-spis"));
    Some(Messages { frame: place.region(0)?, intids })
}
