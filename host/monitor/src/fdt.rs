//! The flattened device tree: how the guest learns what machine it is on.
//!
//! ```text
//! /  aliases  chosen(bootargs, stdout-path)  memory@40000000  cpus/cpu@N  psci(hvc)
//!    timer  apb-pclk  pl011@9000000  pl031@9010000  scratch@b000000
//! ```
//!
//! There is no interrupt controller yet: no node has `interrupts`, and a guest that looks for a
//! GIC finds none. The timer's node is there for its compatible string alone.

use crate::ram::RamRange;
use anyvisor_abi::map;
use vm_fdt::{Error, FdtWriter};

/// The UART's input clock. Its value matters to a driver that computes a divisor; no baud rate
/// is modelled.
const UART_CLOCK_HZ: u32 = 24_000_000;
/// Phandle of the clock that the PrimeCell devices name.
const CLOCK: u32 = 1;

/// Builds the tree for a machine with `vcpus` vCPUs.
///
/// # Errors
/// `bootargs` with a zero byte in it.
pub fn build(ram: RamRange, vcpus: u8, bootargs: &str) -> Result<Vec<u8>, Error> {
    let uart_path = format!("/pl011@{:x}", map::UART_BASE);
    let mut fdt = FdtWriter::new()?;
    let root = fdt.begin_node("")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 2)?;
    fdt.property_string("compatible", "anyvisor,virt")?;
    fdt.property_string("model", "anyvisor,virt")?;

    let aliases = fdt.begin_node("aliases")?;
    fdt.property_string("serial0", &uart_path)?;
    fdt.end_node(aliases)?;

    let chosen = fdt.begin_node("chosen")?;
    fdt.property_string("bootargs", bootargs)?;
    fdt.property_string("stdout-path", &uart_path)?;
    fdt.end_node(chosen)?;

    let memory = fdt.begin_node(&format!("memory@{:x}", ram.base))?;
    fdt.property_string("device_type", "memory")?;
    fdt.property_array_u64("reg", &[ram.base, ram.size])?;
    fdt.end_node(memory)?;

    cpus(&mut fdt, vcpus)?;

    let psci = fdt.begin_node("psci")?;
    let versions = ["arm,psci-1.0", "arm,psci-0.2"].map(String::from);
    fdt.property_string_list("compatible", versions.into())?;
    fdt.property_string("method", "hvc")?;
    fdt.end_node(psci)?;

    let timer = fdt.begin_node("timer")?;
    fdt.property_string("compatible", "arm,armv8-timer")?;
    fdt.property_null("always-on")?;
    fdt.end_node(timer)?;

    let clock = fdt.begin_node("apb-pclk")?;
    fdt.property_string("compatible", "fixed-clock")?;
    fdt.property_u32("#clock-cells", 0)?;
    fdt.property_u32("clock-frequency", UART_CLOCK_HZ)?;
    fdt.property_string("clock-output-names", "clk24mhz")?;
    fdt.property_phandle(CLOCK)?;
    fdt.end_node(clock)?;

    primecell(&mut fdt, "pl011", map::UART_BASE, map::UART_SIZE, &["uartclk", "apb_pclk"])?;
    primecell(&mut fdt, "pl031", map::RTC_BASE, map::RTC_SIZE, &["apb_pclk"])?;

    let scratch = fdt.begin_node(&format!("scratch@{:x}", map::SCRATCH_BASE))?;
    fdt.property_string("compatible", map::SCRATCH_COMPATIBLE)?;
    fdt.property_array_u64("reg", &[map::SCRATCH_BASE, map::SCRATCH_SIZE])?;
    fdt.end_node(scratch)?;

    fdt.end_node(root)?;
    fdt.finish()
}

fn cpus(fdt: &mut FdtWriter, vcpus: u8) -> Result<(), Error> {
    let cpus = fdt.begin_node("cpus")?;
    fdt.property_u32("#address-cells", 1)?;
    fdt.property_u32("#size-cells", 0)?;
    // A cpu node's reg is its affinity fields (the binding arm/cpus), here Aff0 alone.
    for n in 0..vcpus.into() {
        let cpu = fdt.begin_node(&format!("cpu@{n:x}"))?;
        fdt.property_string("device_type", "cpu")?;
        fdt.property_string("compatible", "arm,armv8")?;
        fdt.property_string("enable-method", "psci")?;
        fdt.property_u32("reg", n)?;
        fdt.end_node(cpu)?;
    }
    fdt.end_node(cpus)
}

/// A device of Arm's PrimeCell kind, at `/name@base`.
fn primecell(
    fdt: &mut FdtWriter,
    name: &str,
    base: u64,
    size: u64,
    clocks: &[&str],
) -> Result<(), Error> {
    let node = fdt.begin_node(&format!("{name}@{base:x}"))?;
    let kinds = [format!("arm,{name}"), "arm,primecell".into()];
    fdt.property_string_list("compatible", kinds.into())?;
    fdt.property_array_u64("reg", &[base, size])?;
    fdt.property_string_list("clock-names", clocks.iter().map(|c| (*c).into()).collect())?;
    fdt.property_array_u32("clocks", &vec![CLOCK; clocks.len()])?;
    fdt.end_node(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_has_the_magic_and_fits_into_its_space() {
        let blob = build(RamRange::new(128 << 20), 2, "case=exception.svc_el1").unwrap();
        assert_eq!(blob[..4], [0xd0, 0x0d, 0xfe, 0xed], "big-endian magic");
        let total = u32::from_be_bytes(blob[4..8].try_into().unwrap());
        assert_eq!(total as usize, blob.len());
        assert!(blob.len() < map::FDT_SPACE as usize);
        let has = |text: &[u8]| blob.windows(text.len()).any(|w| w == text);
        for text in [
            &b"case=exception.svc_el1\0"[..],
            b"/pl011@9000000\0",
            b"arm,pl011\0arm,primecell\0",
            b"anyvisor,scratch\0",
            b"cpu@1\0",
            b"memory@40000000\0",
        ] {
            assert!(has(text), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn boot_arguments_with_a_zero_byte_are_refused() {
        assert!(build(RamRange::new(128 << 20), 2, "a\0b").is_err());
    }
}
