//! The flattened device tree: how the guest learns what machine it is on.
//!
//! ```text
//! /  aliases  chosen(bootargs, stdout-path)  memory@40000000  cpus/cpu@N  psci(hvc)
//!    timer  apb-pclk  pl011@9000000  pl031@9010000  scratch@b000000
//!    intc@8000000/v2m@8020000     with a GIC; then timer, pl011 and pl031 have `interrupts`
//! ```
//!
//! Without a GIC no node has `interrupts`, and a guest that looks for a GIC finds none. The
//! timer's node is there for its compatible string alone.

use crate::boards::{Place, Stdout, UartKind};
use crate::gic::Layout;
use crate::processors::mpidr;
use crate::ram::RamRange;
use anyvisor_abi::map;
use vm_fdt::{Error, FdtWriter};

/// The UART's input clock. Its value matters to a driver that computes a divisor; no baud rate
/// is modelled.
const UART_CLOCK_HZ: u32 = 24_000_000;
/// The 16550's, as in a PC.
const NS16550_CLOCK_HZ: u32 = 1_843_200;
/// Phandle of the clock that the PrimeCell devices name.
const CLOCK: u32 = 1;
/// Phandle of the interrupt controller.
const INTC: u32 = 2;
/// Phandle of its MSI frame.
const MSI: u32 = 3;

/// An interrupt of the binding arm,gic-v3: kind, number among its kind, flags.
const SPI: u32 = 0;
const PPI: u32 = 1;
/// Level-sensitive, active high.
const LEVEL_HIGH: u32 = 4;
/// A rising edge.
const EDGE_RISING: u32 = 1;

/// What the tree is about.
#[derive(Clone, Copy, Debug)]
pub struct Platform<'a> {
    /// RAM.
    pub ram: RamRange,
    /// How many vCPUs.
    pub vcpus: u8,
    /// The kernel's command line.
    pub bootargs: &'a str,
    /// The GIC, if there is one.
    pub gic: Option<&'a Layout>,
}

/// Builds the tree.
///
/// # Errors
/// Boot arguments with a zero byte in them.
pub fn build(platform: &Platform<'_>) -> Result<Vec<u8>, Error> {
    let Platform { ram, vcpus, bootargs, gic } = *platform;
    let plan = ram.plan;
    let uart_path = format!("/{}@{:x}", plan.uart.node, plan.uart.base);
    let mut fdt = FdtWriter::new()?;
    let root = fdt.begin_node("")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 2)?;
    fdt.property_string("compatible", plan.compatible)?;
    fdt.property_string("model", &format!("anyvisor,{}", plan.name))?;
    if gic.is_some() {
        fdt.property_u32("interrupt-parent", INTC)?;
    }

    if plan.stdout != Stdout::Unsaid {
        let aliases = fdt.begin_node("aliases")?;
        fdt.property_string("serial0", &uart_path)?;
        fdt.end_node(aliases)?;
    }

    let chosen = fdt.begin_node("chosen")?;
    fdt.property_string("bootargs", bootargs)?;
    match plan.stdout {
        Stdout::Path => fdt.property_string("stdout-path", &uart_path)?,
        Stdout::Alias => fdt.property_string("stdout-path", "serial0")?,
        Stdout::Unsaid => {}
    }
    fdt.end_node(chosen)?;

    let memory = match plan.memory_node {
        Some(name) => fdt.begin_node(name)?,
        None => fdt.begin_node(&format!("memory@{:x}", ram.base))?,
    };
    fdt.property_string("device_type", "memory")?;
    fdt.property_array_u64("reg", &[ram.base, ram.size])?;
    fdt.end_node(memory)?;

    cpus(&mut fdt, vcpus, plan.cpu_cells)?;

    let psci = fdt.begin_node("psci")?;
    let versions = plan.psci.iter().map(|version| (*version).into()).collect();
    fdt.property_string_list("compatible", versions)?;
    fdt.property_string("method", "hvc")?;
    fdt.end_node(psci)?;

    let timer = fdt.begin_node("timer")?;
    fdt.property_string("compatible", "arm,armv8-timer")?;
    fdt.property_null("always-on")?;
    if gic.is_some() {
        // The binding's order; there are no timers but the last but one and the second, yet a
        // driver counts on the place.
        let timers =
            [map::INTID_SECURE_TIMER, map::INTID_PTIMER, map::INTID_VTIMER, map::INTID_HYP_TIMER];
        let cells: Vec<u32> =
            timers.iter().flat_map(|intid| [PPI, intid - map::FIRST_PPI, LEVEL_HIGH]).collect();
        fdt.property_array_u32("interrupts", &cells)?;
    }
    fdt.end_node(timer)?;

    if let Some(layout) = gic {
        intc(&mut fdt, layout)?;
    }

    let clock = fdt.begin_node("apb-pclk")?;
    fdt.property_string("compatible", "fixed-clock")?;
    fdt.property_u32("#clock-cells", 0)?;
    fdt.property_u32("clock-frequency", UART_CLOCK_HZ)?;
    fdt.property_string("clock-output-names", "clk24mhz")?;
    fdt.property_phandle(CLOCK)?;
    fdt.end_node(clock)?;

    let flags = if plan.uart_edge { EDGE_RISING } else { LEVEL_HIGH };
    let interrupt = gic.map(|_| [SPI, plan.uart.spi, flags]);
    match plan.uart_kind {
        UartKind::Pl011 => {
            let clocks: &[&str] = &["uartclk", "apb_pclk"];
            primecell(&mut fdt, &Primecell { kind: "pl011", place: plan.uart, clocks, interrupt })?;
        }
        UartKind::Ns16550 => ns16550(&mut fdt, plan.uart, interrupt)?,
    }
    if let Some(place) = plan.rtc {
        let interrupt = gic.map(|_| [SPI, place.spi, LEVEL_HIGH]);
        let clocks = &["apb_pclk"];
        primecell(&mut fdt, &Primecell { kind: "pl031", place, clocks, interrupt })?;
    }

    let scratch = fdt.begin_node(&format!("scratch@{:x}", plan.scratch))?;
    fdt.property_string("compatible", map::SCRATCH_COMPATIBLE)?;
    fdt.property_array_u64("reg", &[plan.scratch, map::SCRATCH_SIZE])?;
    fdt.end_node(scratch)?;

    fdt.end_node(root)?;
    fdt.finish()
}

fn cpus(fdt: &mut FdtWriter, vcpus: u8, cells: u32) -> Result<(), Error> {
    let cpus = fdt.begin_node("cpus")?;
    fdt.property_u32("#address-cells", cells)?;
    fdt.property_u32("#size-cells", 0)?;
    // A cpu node's reg is its affinity fields (the binding arm/cpus), here Aff1 and Aff0.
    for n in 0..vcpus {
        let affinity = mpidr(n) as u32 & 0xff_ffff;
        let cpu = fdt.begin_node(&format!("cpu@{affinity:x}"))?;
        fdt.property_string("device_type", "cpu")?;
        fdt.property_string("compatible", "arm,armv8")?;
        fdt.property_string("enable-method", "psci")?;
        match cells {
            1 => fdt.property_u32("reg", affinity)?,
            _ => fdt.property_u64("reg", affinity.into())?,
        }
        fdt.end_node(cpu)?;
    }
    fdt.end_node(cpus)
}

/// The GIC, and in it its MSI frame (the bindings arm,gic-v3 and arm,gic-v2m-frame).
fn intc(fdt: &mut FdtWriter, layout: &Layout) -> Result<(), Error> {
    let Layout { distributor, redistributors, messages, message_intids, .. } = layout;
    let intc = fdt.begin_node(&format!("intc@{:x}", distributor.base))?;
    fdt.property_string("compatible", "arm,gic-v3")?;
    fdt.property_null("interrupt-controller")?;
    fdt.property_u32("#interrupt-cells", 3)?;
    let frames = [distributor, redistributors].map(|frame| [frame.base, frame.size]);
    fdt.property_array_u64("reg", frames.as_flattened())?;
    fdt.property_u32("#redistributor-regions", 1)?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 2)?;
    fdt.property_null("ranges")?;
    fdt.property_phandle(INTC)?;
    if layout.has_messages && !message_intids.is_empty() {
        let frame = fdt.begin_node(&format!("v2m@{:x}", messages.base))?;
        fdt.property_string("compatible", "arm,gic-v2m-frame")?;
        fdt.property_null("msi-controller")?;
        fdt.property_array_u64("reg", &[messages.base, messages.size])?;
        // Which INTIDs, the frame itself says (MSI_TYPER).
        fdt.property_phandle(MSI)?;
        fdt.end_node(frame)?;
    }
    fdt.end_node(intc)
}

/// A device of Arm's PrimeCell kind.
struct Primecell<'a> {
    kind: &'a str,
    place: Place,
    /// The names of its clocks.
    clocks: &'a [&'a str],
    /// Its interrupt's cells.
    interrupt: Option<[u32; 3]>,
}

fn primecell(fdt: &mut FdtWriter, device: &Primecell<'_>) -> Result<(), Error> {
    let Primecell { kind, place, clocks, interrupt } = device;
    let node = fdt.begin_node(&format!("{}@{:x}", place.node, place.base))?;
    let kinds = [format!("arm,{kind}"), "arm,primecell".into()];
    fdt.property_string_list("compatible", kinds.into())?;
    fdt.property_array_u64("reg", &[place.base, place.size])?;
    if let Some(cells) = interrupt {
        fdt.property_array_u32("interrupts", cells)?;
    }
    fdt.property_string_list("clock-names", clocks.iter().map(|c| (*c).into()).collect())?;
    fdt.property_array_u32("clocks", &vec![CLOCK; clocks.len()])?;
    fdt.end_node(node)
}

/// A 16550 (the binding 8250); `reg-shift` and `reg-io-width` are what they are if not said.
fn ns16550(fdt: &mut FdtWriter, place: Place, interrupt: Option<[u32; 3]>) -> Result<(), Error> {
    let node = fdt.begin_node(&format!("{}@{:x}", place.node, place.base))?;
    fdt.property_string("compatible", "ns16550a")?;
    fdt.property_array_u64("reg", &[place.base, place.size])?;
    if let Some(cells) = interrupt {
        fdt.property_array_u32("interrupts", &cells)?;
    }
    fdt.property_u32("clock-frequency", NS16550_CLOCK_HZ)?;
    fdt.end_node(node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards::Model;
    use crate::gic::{Geometry, Shape};

    fn platform(bootargs: &str) -> Platform<'_> {
        Platform { ram: RamRange::new(128 << 20), vcpus: 20, bootargs, gic: None }
    }

    fn layout() -> Layout {
        let shape = |size| Shape { size, alignment: 0x1_0000 };
        let geometry = Geometry {
            distributor: shape(0x1_0000),
            redistributors: shape(64 << 17),
            messages: shape(0x1000),
            spis: 32..1020,
        };
        Layout::place(Model::Virt.plan(), &geometry).unwrap()
    }

    fn has(blob: &[u8], bytes: &[u8]) -> bool {
        blob.windows(bytes.len()).any(|window| window == bytes)
    }

    #[test]
    fn the_tree_has_the_magic_and_fits_into_its_space() {
        let blob = build(&platform("case=exception.svc_el1")).unwrap();
        assert_eq!(blob[..4], [0xd0, 0x0d, 0xfe, 0xed], "big-endian magic");
        let total = u32::from_be_bytes(blob[4..8].try_into().unwrap());
        assert_eq!(total as usize, blob.len());
        assert!(blob.len() < map::FDT_SPACE as usize);
        for text in [
            &b"case=exception.svc_el1\0"[..],
            b"/pl011@9000000\0",
            b"arm,pl011\0arm,primecell\0",
            b"anyvisor,scratch\0",
            b"cpu@f\0",
            b"cpu@103\0",
            b"memory@40000000\0",
        ] {
            assert!(has(&blob, text), "{}", String::from_utf8_lossy(text));
        }
        assert!(!has(&blob, b"arm,gic-v3\0") && !has(&blob, b"interrupt"));
    }

    #[test]
    fn with_a_gic_the_tree_has_it_and_everybodys_interrupts() {
        let layout = layout();
        let blob = build(&Platform { gic: Some(&layout), ..platform("") }).unwrap();
        let words = |words: &[u32]| words.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<_>>();
        for bytes in [
            b"intc@8000000\0".to_vec(),
            b"v2m@8020000\0".to_vec(),
            b"arm,gic-v2m-frame\0".to_vec(),
            words(&[1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4]), // the timers
            words(&[0, 1, 4]),                                // the UART
            words(&[0, 2, 4]),                                // the clock
            words(&[0, 0x0800_0000, 0, 0x1_0000, 0, 0x080a_0000, 0, 0x80_0000]),
        ] {
            assert!(has(&blob, &bytes), "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn boot_arguments_with_a_zero_byte_are_refused() {
        assert!(build(&platform("a\0b")).is_err());
    }
}
