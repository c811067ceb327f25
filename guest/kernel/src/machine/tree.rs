//! The device tree as a map of the machine: which nodes there are, and where in the physical
//! address space each one stands.
//!
//! A node's `reg` is an address on the bus that its parent is. Each bus on the way to the root
//! says by `ranges` how its addresses look one level up (Devicetree Specification, `ranges`):
//!
//! ```text
//!   /                      #address-cells 2                      physical addresses
//!     soc                  ranges <0x0  0x0 0x40000000  0x1000>  0x0 here is 0x40000000 there
//!       serial@100         reg <0x100 0x8>                       so: 0x40000100
//! ```
//!
//! `ranges` that is empty changes nothing; a bus without it has nothing that a CPU can reach.
//! A node whose `status` is something else than okay is not there, and nothing below it is.
//!
//! Left out: addresses of three cells (PCI's).

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::standard::NodeStandard;
use dtoolkit::{Node, Property};

use super::Region;

/// Levels of nodes that are looked at: no machine has that many.
const DEEPEST: usize = 8;

/// A node, and the way to it.
#[derive(Clone, Copy)]
pub struct Place {
    /// The node itself.
    pub node: FdtNode<'static>,
    /// The nodes above it, the root first.
    above: [Option<FdtNode<'static>>; DEEPEST],
    depth: usize,
}

impl Place {
    /// The root of the tree.
    pub fn root(fdt: Fdt<'static>) -> Self {
        Self { node: fdt.root(), above: [None; DEEPEST], depth: 0 }
    }

    /// The node of this path, if it and all above it are there.
    pub fn of_path(fdt: Fdt<'static>, path: &str) -> Option<Self> {
        let mut names = path.strip_prefix('/')?.split('/').filter(|name| !name.is_empty());
        names.try_fold(Self::root(fdt), |at, name| at.below(at.node.child(name)?))
    }

    /// A child of this node; `None` if it is switched off, or too deep.
    fn below(&self, node: FdtNode<'static>) -> Option<Self> {
        let mut at = *self;
        *at.above.get_mut(self.depth)? = Some(self.node);
        is_okay(&node).then_some(Self { node, depth: self.depth + 1, ..at })
    }

    /// The children of this node that are there.
    pub fn children(&self) -> impl Iterator<Item = Self> {
        self.node.children().filter_map(|node| self.below(node))
    }

    /// The first node below this one, in the order of the tree, of which `visit` says something.
    pub fn find<R>(&self, visit: &mut dyn FnMut(&Self) -> Option<R>) -> Option<R> {
        self.children().find_map(|child| visit(&child).or_else(|| child.find(visit)))
    }

    /// The first node below this one that is compatible with one of `kinds`.
    pub fn compatible(&self, kinds: &[&str]) -> Option<Self> {
        self.find(&mut |place| place.is(kinds).then_some(*place))
    }

    /// Whether any of its `compatible` strings is one of `kinds`.
    pub fn is(&self, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| self.node.is_compatible(kind))
    }

    /// The part `index` of its `reg`, as physical addresses.
    pub fn region(&self, index: usize) -> Option<Region> {
        let reg = self.node.reg().ok()??.nth(index)?;
        let (start, size) = (reg.address::<u64>().ok()?, reg.size::<u64>().ok()?);
        // The root is no bus of another.
        let mut buses = self.above.get(1..self.depth)?.iter().rev().flatten();
        let start = buses.try_fold(start, |at, bus| to_parent(bus, at))?;
        start.checked_add(size).map(|_| Region { start, size })
    }

    /// A property of one cell.
    pub fn cell(&self, name: &str) -> Option<u32> {
        cell(&self.node, name)
    }

    /// A property of the node itself, or of the nearest above that has it, of one cell.
    fn inherited(&self, name: &str) -> Option<u32> {
        let above = self.above.get(..self.depth)?.iter().rev().flatten();
        self.cell(name).or_else(|| above.into_iter().find_map(|node| cell(node, name)))
    }

    /// The INTID of the node's interrupt number `which` at the controller whose node has this
    /// phandle and `#interrupt-cells`, as the bindings arm,gic and arm,gic-v3 have them:
    /// { 0 = SPI or 1 = PPI, number, flags, ... }.
    pub fn interrupt(&self, controller: &Controller, which: usize) -> Option<u32> {
        let cells = controller.cells;
        let at = if let Some(extended) = self.node.property("interrupts-extended") {
            // A phandle before each, all of this controller: another's have other lengths.
            let first = which * (cells + 1);
            let all = 0..=which;
            let phandle = |n: usize| word(extended.value(), n * (cells + 1));
            let ours =
                all.clone().all(|n| phandle(n).is_some() && phandle(n) == controller.phandle);
            return ours.then(|| intid(extended.value(), first + 1)).flatten();
        } else {
            self.node.property("interrupts")?
        };
        let parent = self.inherited("interrupt-parent");
        let ours = parent.is_none() || controller.phandle.is_none() || parent == controller.phandle;
        ours.then(|| intid(at.value(), which * cells)).flatten()
    }
}

/// An interrupt controller, as others name it.
#[derive(Clone, Copy, Debug)]
pub struct Controller {
    phandle: Option<u32>,
    cells: usize,
}

impl Controller {
    /// The controller of this node.
    pub fn of(place: &Place) -> Self {
        let cells = place.cell("#interrupt-cells").unwrap_or(3) as usize;
        Self { phandle: place.cell("phandle"), cells }
    }
}

/// The string of a property.
pub fn text(node: &FdtNode<'static>, name: &str) -> Option<&'static str> {
    node.properties().find(|p| p.name() == name)?.value_as::<&'static str>().ok()
}

/// The place of a string in a property that is a list of them.
pub fn position(node: &FdtNode<'static>, name: &str, wanted: &str) -> Option<usize> {
    let property = node.property(name)?;
    property.value().split(|byte| *byte == 0).position(|item| item == wanted.as_bytes())
}

/// A number of one or two cells.
pub fn number(node: &FdtNode<'static>, name: &str) -> Option<u64> {
    let value = node.property(name)?;
    let (high, low) = (word(value.value(), 0)?, word(value.value(), 1));
    Some(low.map_or(high.into(), |low| u64::from(high) << 32 | u64::from(low)))
}

/// An address of a bus's children, as its parent knows it.
fn to_parent(bus: &FdtNode<'static>, address: u64) -> Option<u64> {
    let mut ranges = bus.ranges().ok()??.peekable();
    if ranges.peek().is_none() {
        return Some(address);
    }
    ranges.find_map(|range| {
        let offset = address.checked_sub(range.child_bus_address::<u64>().ok()?)?;
        let fits = offset < range.length::<u64>().ok()?;
        fits.then_some(range.parent_bus_address::<u64>().ok()?.checked_add(offset)?)
    })
}

fn is_okay(node: &FdtNode<'static>) -> bool {
    match node.property("status") {
        None => true,
        Some(status) => matches!(status.value_as::<&str>(), Ok("okay" | "ok")),
    }
}

fn cell(node: &FdtNode<'static>, name: &str) -> Option<u32> {
    word(node.property(name)?.value(), 0)
}

/// Word `index` of a property, big-endian as all of them are.
fn word(value: &[u8], index: usize) -> Option<u32> {
    let bytes = value.get(index * 4..index * 4 + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn intid(value: &[u8], at: usize) -> Option<u32> {
    let first: u32 = match word(value, at)? {
        0 => 32,
        1 => 16,
        _ => return None, // GICv3.1's extended ranges
    };
    first.checked_add(word(value, at + 1)?)
}
