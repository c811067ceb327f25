//! RAM, and what of it is not ours.
//!
//! The FDT says in any number of nodes where RAM is (`device_type = "memory"`), in
//! `/reserved-memory` and in its memory reservation block what is taken, and in `/chosen` where
//! the initial RAM disk stands. The kernel writes to its own image only: all its tables, stacks
//! and pages are in it, and the header's `image_size` says so. So whoever loads it keeps the rest
//! away ([`Memory::intruder`] is who does not), and all that is left to do is not to map what
//! says `no-map` (Devicetree Specification, `/reserved-memory`).

use dtoolkit::Node;
use dtoolkit::fdt::Fdt;

use super::Region;
use super::tree::{Place, number, text};
use crate::image;

/// Regions that are remembered, of each kind.
const MOST: usize = 16;

/// A few regions.
#[derive(Clone, Copy, Debug)]
pub struct Regions {
    all: [Region; MOST],
    count: usize,
}

impl Regions {
    const NONE: Self = Self { all: [Region { start: 0, size: 0 }; MOST], count: 0 };

    /// Adds one that is not empty. One too many is forgotten.
    fn add(&mut self, region: Region) {
        if region.size > 0
            && let Some(slot) = self.all.get_mut(self.count)
        {
            *slot = region;
            self.count += 1;
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Region> + Clone {
        self.all.into_iter().take(self.count)
    }
}

/// The memory, as the FDT tells it.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// RAM.
    pub ram: Regions,
    /// What must not be mapped.
    pub unmapped: Regions,
    /// Who stands in the image's memory, if somebody does.
    pub intruder: Option<&'static str>,
}

impl Memory {
    /// Reads the FDT, which itself stands at `fdt_at`.
    pub fn read(fdt: Fdt<'static>, fdt_at: Region) -> Self {
        let mut memory = Self { ram: Regions::NONE, unmapped: Regions::NONE, intruder: None };
        let root = Place::root(fdt);
        for place in root.children().filter(is_memory) {
            (0..).map_while(|index| place.region(index)).for_each(|part| memory.ram.add(part));
        }
        memory.look(fdt_at, "the FDT");
        for reservation in fdt.memory_reservations() {
            let region = Region { start: reservation.address(), size: reservation.size() };
            memory.look(region, "a memory reservation of the FDT");
        }
        let reserved = Place::of_path(fdt, "/reserved-memory");
        for place in reserved.iter().flat_map(Place::children) {
            for part in (0..).map_while(|index| place.region(index)) {
                memory.look(part, "a child of /reserved-memory");
                if place.node.property("no-map").is_some() {
                    memory.unmapped.add(part);
                }
            }
        }
        if let Some(chosen) = fdt.find_node("/chosen") {
            let [start, end] =
                ["linux,initrd-start", "linux,initrd-end"].map(|name| number(&chosen, name));
            if let (Some(start), Some(end)) = (start, end) {
                memory.look(
                    Region { start, size: end.saturating_sub(start) },
                    "the initial RAM disk",
                );
            }
        }
        memory
    }

    /// The region that holds the image.
    pub fn of_the_image(&self) -> Option<Region> {
        let image = image::whole();
        self.ram.iter().find(|ram| ram.start <= image.start && image.end <= ram.end())
    }

    fn look(&mut self, region: Region, what: &'static str) {
        let image = image::whole();
        if region.size > 0 && region.start < image.end && image.start < region.end() {
            self.intruder = Some(what);
        }
    }
}

/// `device_type` makes a memory node; its name does where a writer has left that out.
fn is_memory(place: &Place) -> bool {
    match text(&place.node, "device_type") {
        Some(kind) => kind == "memory",
        None => place.node.name_without_address() == "memory",
    }
}
