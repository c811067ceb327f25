//! Which console: by the boot arguments, by the FDT's word, or what there is.

use dtoolkit::fdt::Fdt;

use super::tree::{Place, text};
use super::{ConsoleKind, Region};
use crate::console::virtio;

/// A console that was found, and where.
type Found = (ConsoleKind, Place, Region);

/// Chooses the console.
///
/// 1. `console=` in the boot arguments, by Linux's names (admin-guide/serial-console.rst): the
///    last one of a kind and number that is there;
/// 2. `/chosen/stdout-path`: a path or an alias, with options behind a colon;
/// 3. a PL011, a 16550 or a virtio-console, whichever there is, in this order.
pub fn choose(fdt: Fdt<'static>, arguments: &str) -> Option<Found> {
    let root = Place::root(fdt);
    let words = arguments.split_ascii_whitespace();
    let named = words.filter_map(|word| word.strip_prefix("console="));
    named
        .filter_map(|name| by_name(&root, name))
        .next_back()
        .or_else(|| of(&stdout(fdt)?))
        .or_else(|| NAMES.iter().find_map(|(_, wanted)| nth(&root, *wanted, 0)))
}

/// Whether a kind is looked for.
type Wanted = fn(ConsoleKind) -> bool;

/// Linux's names of consoles.
const NAMES: [(&str, Wanted); 3] = [
    ("ttyAMA", |kind| matches!(kind, ConsoleKind::Pl011)),
    ("ttyS", |kind| matches!(kind, ConsoleKind::Ns16550 { .. })),
    ("hvc", |kind| matches!(kind, ConsoleKind::Virtio)),
];

/// The console of a name: kind and number, options behind a comma.
fn by_name(root: &Place, name: &str) -> Option<Found> {
    let name = name.split(',').next()?;
    NAMES.iter().find_map(|(prefix, wanted)| {
        let number = name.strip_prefix(prefix)?.parse().ok()?;
        nth(root, *wanted, number)
    })
}

/// The console number `n` of those that are wanted, in the order of the tree.
fn nth(root: &Place, wanted: Wanted, mut n: usize) -> Option<Found> {
    root.find(&mut |place| {
        let found = of(place).filter(|(kind, ..)| wanted(*kind))?;
        if n == 0 {
            return Some(found);
        }
        n -= 1;
        None
    })
}

/// The node that /chosen/stdout-path names.
fn stdout(fdt: Fdt<'static>) -> Option<Place> {
    let chosen = fdt.find_node("/chosen")?;
    let name = text(&chosen, "stdout-path").or_else(|| text(&chosen, "linux,stdout-path"))?;
    let name = name.split(':').next()?;
    let aliases = || fdt.find_node("/aliases");
    let path = if name.starts_with('/') { name } else { text(&aliases()?, name)? };
    Place::of_path(fdt, path)
}

/// What of a console a node is, if it is one.
fn of(place: &Place) -> Option<Found> {
    let kind = if place.is(&["arm,pl011"]) {
        ConsoleKind::Pl011
    } else if place.is(&["ns16550a", "ns16550", "ns8250"]) {
        let shift = place.cell("reg-shift").unwrap_or(0);
        let width = place.cell("reg-io-width").unwrap_or(1);
        if shift > 4 || !matches!(width, 1 | 4) {
            return None;
        }
        ConsoleKind::Ns16550 { shift, width }
    } else if place.is(&["virtio,mmio"]) {
        ConsoleKind::Virtio
    } else {
        return None;
    };
    let registers = place.region(0)?;
    // Only the device knows what it is.
    let is = kind != ConsoleKind::Virtio || virtio::is_console(registers);
    is.then_some((kind, *place, registers))
}
