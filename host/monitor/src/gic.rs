//! The machine's GIC: where its frames stand, which INTIDs are messages, and its inputs.
//!
//! ```text
//!   devices' lines --- set_spi -----+
//!   INJECT_SPI ----------^          +--> the framework's GIC --> IRQ, FIQ of each vCPU
//!   INJECT_MSI ------- send_msi ----+          ^
//!                                              +--- the timers' PPIs, by the framework itself
//! ```
//!
//! How large the frames are, and how they must be aligned, is the framework's to say. They go
//! where the memory map wants them; what does not fit there goes to [`map::SPILL_BASE`] and up,
//! and the guest learns it from the FDT. (Sizes of Apple's: 64 KiB, 32 MiB and 64 KiB have been
//! seen; 32 MiB of redistributors do not fit below the UART.)

use crate::boards::{Plan, Redistributors};
use anyvisor_abi::map;
use applevisor::prelude::{
    GicConfig, GicEnabled, GicMsiReg, HypervisorError, VirtualMachine, VirtualMachineConfig,
    VirtualMachineInstance,
};
use std::ops::Range;

/// INTIDs for messages: whole words of the distributor's bitmaps.
const MESSAGES: u32 = 64;
/// A guest's driver for the MSI frame may know no INTID above this (GICv2m, of 1020 INTIDs).
const LAST_MESSAGE: u32 = 1019;

/// Part of the guest's physical address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its first address.
    pub base: u64,
    /// Its size in bytes.
    pub size: u64,
}

impl Frame {
    fn end(self) -> u64 {
        self.base.saturating_add(self.size)
    }

    fn overlaps(self, other: Self) -> bool {
        self.base < other.end() && other.base < self.end()
    }
}

/// What a frame must be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Its size in bytes.
    pub size: u64,
    /// What its address is a multiple of.
    pub alignment: u64,
}

/// What the framework says of its GIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// The distributor.
    pub distributor: Shape,
    /// The redistributors of all vCPUs that there can be.
    pub redistributors: Shape,
    /// The MSI frame.
    pub messages: Shape,
    /// The INTIDs of SPIs.
    pub spis: Range<u32>,
}

impl Geometry {
    /// Asks the framework. There need be no VM.
    ///
    /// # Errors
    /// The framework's: `Unsupported` if it has no GIC.
    pub fn of_the_framework() -> Result<Self, HypervisorError> {
        let shape = |size: usize, alignment: usize| Shape {
            size: size as u64,
            alignment: (alignment as u64).max(1),
        };
        let (first, count) = GicConfig::get_spi_interrupt_range()?;
        Ok(Self {
            distributor: shape(
                GicConfig::get_distributor_size()?,
                GicConfig::get_distributor_base_alignment()?,
            ),
            redistributors: shape(
                GicConfig::get_redistributor_region_size()?,
                GicConfig::get_redistributor_base_alignment()?,
            ),
            messages: shape(
                GicConfig::get_msi_region_size()?,
                GicConfig::get_msi_region_base_alignment()?,
            ),
            spis: first..first.saturating_add(count),
        })
    }
}

/// Where the GIC stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The distributor.
    pub distributor: Frame,
    /// The redistributors.
    pub redistributors: Frame,
    /// The MSI frame.
    pub messages: Frame,
    /// The INTIDs that messages may name.
    pub message_intids: Range<u32>,
    /// The INTIDs of SPIs, messages included.
    pub spis: Range<u32>,
    /// Whether the guest is told of the MSI frame.
    pub has_messages: bool,
}

impl Layout {
    /// Finds a place for each frame; `None` if there is too little below RAM.
    pub fn place(plan: &Plan, geometry: &Geometry) -> Option<Self> {
        let device = |base, size| Frame { base, size };
        let mut taken = vec![
            device(plan.uart.base, plan.uart.size),
            Frame {
                base: map::VIRTIO_BASE,
                size: map::VIRTIO_STRIDE * u64::from(map::VIRTIO_SLOTS),
            },
            device(plan.scratch, map::SCRATCH_SIZE),
            device(Plan::FIRMWARE, map::STAGE2_GRANULE),
        ];
        taken.extend(plan.rtc.map(|rtc| device(rtc.base, rtc.size)));
        let mut put = |wanted: u64, shape: Shape| {
            let frame = place(wanted, shape, &taken, plan.ram)?;
            taken.push(frame);
            Some(frame)
        };
        let redistributors = match plan.redistributors {
            Redistributors::From(base) => base,
            Redistributors::UpTo(end) => {
                let Shape { size, alignment } = geometry.redistributors;
                end.saturating_sub(size) / alignment * alignment
            }
        };
        Some(Self {
            distributor: put(plan.distributor, geometry.distributor)?,
            redistributors: put(redistributors, geometry.redistributors)?,
            messages: put(map::MSI_BASE, geometry.messages)?,
            message_intids: messages(&geometry.spis),
            has_messages: plan.messages,
            spis: geometry.spis.clone(),
        })
    }

    /// Whether a device or a case may drive this SPI's line.
    pub fn is_line(&self, intid: u32) -> bool {
        self.spis.contains(&intid) && !self.message_intids.contains(&intid)
    }
}

/// A place for a frame: at `wanted`, or else the lowest one from [`map::SPILL_BASE`] on.
fn place(wanted: u64, shape: Shape, taken: &[Frame], ram: u64) -> Option<Frame> {
    let free = |base: u64| {
        let frame = Frame { base, size: shape.size };
        let below_ram = frame.end() <= ram;
        let clear = taken.iter().all(|other| !frame.overlaps(*other));
        (base.is_multiple_of(shape.alignment) && below_ram && clear).then_some(frame)
    };
    // A frame that starts where another ends is as low as it can be.
    let mut others: Vec<u64> = taken.iter().map(|frame| frame.end()).collect();
    others.sort_unstable();
    let spill = others.into_iter().filter(|end| *end > map::SPILL_BASE);
    let places = std::iter::once(map::SPILL_BASE).chain(spill);
    let mut places = places.filter_map(|base| base.checked_next_multiple_of(shape.alignment));
    free(wanted).or_else(|| places.find_map(free))
}

/// The INTIDs for messages: the last whole words of the SPIs, as devices' numbers are low ones.
fn messages(spis: &Range<u32>) -> Range<u32> {
    let end = spis.end.min(LAST_MESSAGE) / 32 * 32;
    end.saturating_sub(MESSAGES).max(spis.start)..end.max(spis.start)
}

/// The GIC of a VM.
#[derive(Debug)]
pub struct Gic {
    vm: VirtualMachineInstance<GicEnabled>,
    layout: Layout,
}

impl Gic {
    /// Makes a VM that has one.
    ///
    /// # Errors
    /// The framework's; `NoResources` if there is no place for the frames.
    pub fn with_vm(plan: &Plan) -> Result<Self, HypervisorError> {
        let layout = Layout::place(plan, &Geometry::of_the_framework()?);
        let layout = layout.ok_or(HypervisorError::NoResources)?;
        let mut config = GicConfig::new();
        config.set_distributor_base(layout.distributor.base)?;
        config.set_redistributor_base(layout.redistributors.base)?;
        if !layout.message_intids.is_empty() {
            config.set_msi_region_base(layout.messages.base)?;
            let count = layout.message_intids.len() as u32;
            config.set_msi_interrupt_range(layout.message_intids.start, count)?;
        }
        let vm = VirtualMachine::with_gic(VirtualMachineConfig::new(), config)?;
        Ok(Self { vm, layout })
    }

    /// The VM, for those who need not know of its GIC.
    pub fn vm(&self) -> VirtualMachineInstance<applevisor::prelude::GicDisabled> {
        self.vm.clone().into()
    }

    /// Where it stands.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Drives the line of an SPI: one that [`Layout::is_line`].
    pub fn set_spi(&self, intid: u32, level: bool) {
        if let Err(error) = self.vm.gic_set_spi(intid, level) {
            log::error!("the line of SPI {intid} could not be driven: {error}");
        }
    }

    /// Sends a message: one of [`Layout::message_intids`].
    pub fn send_message(&self, intid: u32) {
        let address = self.layout.messages.base + GicMsiReg::SET_SPI_NSR as u64;
        if let Err(error) = self.vm.gic_send_msi(address, intid) {
            log::error!("message {intid} could not be sent: {error}");
        }
    }

    /// Puts distributor and redistributors back to where they were at the start.
    ///
    /// # Errors
    /// The framework's.
    pub fn reset(&self) -> Result<(), HypervisorError> {
        self.vm.gic_reset()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards::Model;

    const KIB64: Shape = Shape { size: 0x1_0000, alignment: 0x1_0000 };

    fn geometry(distributor: u64, redistributors: u64, messages: u64) -> Geometry {
        Geometry {
            distributor: Shape { size: distributor, ..KIB64 },
            redistributors: Shape { size: redistributors, ..KIB64 },
            messages: Shape { size: messages, ..KIB64 },
            spis: 32..1020,
        }
    }

    #[test]
    fn frames_that_fit_stand_where_the_map_says() {
        let layout =
            Layout::place(Model::Virt.plan(), &geometry(0x1_0000, 64 << 17, 0x1000)).unwrap();
        assert_eq!(layout.distributor.base, map::GICD_BASE);
        assert_eq!(layout.messages.base, map::MSI_BASE);
        assert_eq!(layout.redistributors, Frame { base: map::GICR_BASE, size: 64 << 17 });
        assert!(layout.redistributors.end() <= map::UART_BASE);
    }

    #[test]
    fn frames_that_do_not_fit_stand_between_the_devices_and_ram_without_overlap() {
        let layout =
            Layout::place(Model::Virt.plan(), &geometry(0x1_0000, 32 << 20, 0x1_0000)).unwrap();
        assert_eq!(layout.distributor.base, map::GICD_BASE);
        assert_eq!(layout.redistributors.base, map::SPILL_BASE);
        let layout =
            Layout::place(Model::Virt.plan(), &geometry(16 << 20, 32 << 20, 16 << 20)).unwrap();
        let frames = [layout.distributor, layout.messages, layout.redistributors];
        for (n, frame) in frames.iter().enumerate() {
            assert!(frame.base >= map::GICD_BASE && frame.end() <= map::RAM_BASE, "{frame:x?}");
            assert!(frames[n + 1..].iter().all(|other| !frame.overlaps(*other)), "{frames:x?}");
        }
    }

    #[test]
    fn frames_that_fit_nowhere_have_no_place() {
        assert_eq!(Layout::place(Model::Virt.plan(), &geometry(0x1_0000, 1 << 40, 0x1000)), None);
        assert_eq!(Layout::place(Model::Virt.plan(), &geometry(u64::MAX, 1 << 20, 0x1000)), None);
        let aligned = Shape { size: 0x1000, alignment: 1 << 40 };
        assert_eq!(place(map::MSI_BASE, aligned, &[], map::RAM_BASE), None);
    }

    #[test]
    fn messages_are_the_last_whole_words_of_the_spis() {
        assert_eq!(messages(&(32..1020)), 928..992);
        assert_eq!(messages(&(32..256)), 192..256);
        assert_eq!(messages(&(32..64)), 32..64);
        assert!(messages(&(32..40)).is_empty());
        let layout =
            Layout::place(Model::Virt.plan(), &geometry(0x1_0000, 64 << 17, 0x1000)).unwrap();
        assert!(layout.is_line(33) && layout.is_line(1019));
        assert!(!layout.is_line(928) && !layout.is_line(31) && !layout.is_line(1020));
    }
}
