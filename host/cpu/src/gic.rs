//! The VM's interrupt controller and its vCPUs: the model of `anyvisor_gic` behind one lock.
//!
//! ```text
//!   vCPU a's thread            SharedGic                     vCPU b's thread
//!   ---------------            ---------                     ---------------
//!   MSR ICC_SGI1R_EL1 -------> model, locked
//!                              whose lines have changed?
//!                                b's: stores them, rings --> between two blocks, or asleep:
//!                                                            reads its lines, takes the interrupt
//! ```
//!
//! Whatever changes the model comes through [`SharedGic::change`]: accesses to the frames (by the
//! guest, where no memory is mapped, and by the API), the CPU interfaces' registers, the timers'
//! and the monitors' outputs, SPIs and messages. The lines of each vCPU stand in one word that its
//! thread reads without the lock.
//!
//! A timer's output is looked at by its vCPU alone: when it enters the guest, at the deadline, when
//! the guest writes a register of the timer, and when the API asks for the redistributor.

#[cfg(test)]
mod tests;

use crate::state::Cpu;
use anyvisor_arch::gic::intid::{SPIS, ppi};
use anyvisor_arch::gic::{Icc, gicd, gicr};
use anyvisor_arch::sysreg::SysReg;
use anyvisor_gic::{Configuration, Frame, Gic, Lines, MOST_PES, RestoreError};
use anyvisor_timer::{EventStream, Timer};
use anyvisor_vm::{Attention, GicConfig, GicGeometry, HvError, InterruptController};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The PPIs that the PE itself drives.
const DRIVEN: [u32; 3] =
    [ppi::PERFORMANCE_MONITOR, ppi::EL1_VIRTUAL_TIMER, ppi::EL1_PHYSICAL_TIMER];

/// As measured of Apple's framework, which has as many as 64 vCPUs there too. What lies past the
/// last one's frames is not the GIC's.
const REDISTRIBUTOR_REGION: u64 = 32 << 20;
/// GICv2m's frame has 4 KiB; with 64 KiB no page of a guest holds anything else beside it.
const MESSAGES_BYTES: u64 = 0x1_0000;

/// The sizes of our GIC.
pub fn geometry(vcpus: u32) -> GicGeometry {
    GicGeometry {
        distributor: (gicd::SIZE, gicr::FRAME),
        redistributor: (gicr::SIZE, gicr::FRAME),
        redistributor_region: REDISTRIBUTOR_REGION.max(gicr::SIZE * u64::from(vcpus)),
        messages: (MESSAGES_BYTES, gicr::FRAME),
        spis: SPIS,
    }
}

/// A VM's GIC.
#[derive(Debug)]
pub struct SharedGic {
    place: GicConfig,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    model: Gic,
    inputs: [Option<Input>; MOST_PES],
}

/// A vCPU's interrupt inputs.
#[derive(Debug)]
struct Input {
    lines: Arc<AtomicU8>,
    bell: Arc<Attention>,
    /// How the PE drives [`DRIVEN`].
    driven: [bool; 3],
}

const IRQ: u8 = 1 << 0;
const FIQ: u8 = 1 << 1;

fn word(lines: Lines) -> u8 {
    (if lines.irq { IRQ } else { 0 }) | if lines.fiq { FIQ } else { 0 }
}

impl SharedGic {
    /// A GIC after reset.
    pub fn new(config: &GicConfig) -> Self {
        let messages = config.messages.as_ref().map(|(_, range)| range.clone());
        let model = Gic::new(Configuration { messages });
        let inputs = std::array::from_fn(|_| None);
        Self { place: config.clone(), inner: Mutex::new(Inner { model, inputs }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the model, and tells those whose lines have changed.
    fn change<R>(&self, work: impl FnOnce(&mut Gic) -> R) -> R {
        self.change_inner(|inner| work(&mut inner.model))
    }

    fn change_inner<R>(&self, work: impl FnOnce(&mut Inner) -> R) -> R {
        let mut inner = self.lock();
        let result = work(&mut inner);
        let mut changed = inner.model.take_changed();
        while changed != 0 {
            let pe = changed.trailing_zeros() as usize;
            changed &= changed - 1;
            let Some(input) = &inner.inputs[pe] else { continue };
            let now = word(inner.model.lines(pe));
            if input.lines.swap(now, Ordering::AcqRel) != now {
                input.bell.ring(Attention::INTERRUPT);
            }
        }
        result
    }

    /// Connects vCPU `pe`, which hears `bell`.
    pub fn connect(self: &Arc<Self>, pe: usize, mpidr: u64, bell: &Arc<Attention>) -> CpuInterface {
        let lines = Arc::new(AtomicU8::new(0));
        self.lock().inputs[pe] =
            Some(Input { lines: lines.clone(), bell: bell.clone(), driven: [false; 3] });
        self.change(|gic| gic.connect(pe, mpidr));
        CpuInterface { shared: self.clone(), pe, lines, driven: [false; 3] }
    }

    /// The frame at a guest physical address, and the offset in it.
    fn frame(&self, ipa: u64) -> Option<(Frame, u64)> {
        let within = |base: u64, bytes: u64| ipa.checked_sub(base).filter(|&offset| offset < bytes);
        if let Some(offset) = within(self.place.distributor, gicd::SIZE) {
            return Some((Frame::Distributor, offset));
        }
        let region = gicr::SIZE * MOST_PES as u64;
        if let Some(offset) = within(self.place.redistributors, region) {
            let pe = (offset / gicr::SIZE) as usize;
            return Some((Frame::Redistributor(pe), offset % gicr::SIZE));
        }
        let messages = self.place.messages.as_ref()?.0;
        within(messages, MESSAGES_BYTES).map(|offset| (Frame::Messages, offset))
    }
}

impl InterruptController for SharedGic {
    fn set_spi(&self, intid: u32, level: bool) {
        self.change(|gic| gic.set_spi(intid, level));
    }

    fn send_message(&self, intid: u32) {
        self.change(|gic| gic.send_message(intid));
    }

    fn distributor_register(&self, offset: u32) -> u64 {
        self.change(|gic| gic.read(Frame::Distributor, offset.into(), distributor_width(offset)))
    }

    fn set_distributor_register(&self, offset: u32, value: u64) {
        let bytes = distributor_width(offset);
        self.change(|gic| gic.write(Frame::Distributor, offset.into(), bytes, value));
    }

    fn message_register(&self, offset: u32) -> u64 {
        self.change(|gic| gic.read(Frame::Messages, offset.into(), 4))
    }

    fn set_message_register(&self, offset: u32, value: u64) {
        self.change(|gic| gic.write(Frame::Messages, offset.into(), 4, value));
    }

    fn reset(&self) {
        self.change(Gic::reset);
    }

    fn save(&self) -> Vec<u8> {
        self.lock().model.save()
    }

    fn restore(&self, state: &[u8]) -> Result<(), HvError> {
        let restored = self.change_inner(|inner| {
            inner.model.restore(state)?;
            // The saved state has lines as they were when it was saved; these are as they are.
            for (pe, input) in inner.inputs.iter().enumerate() {
                let Some(input) = input else { continue };
                for (intid, level) in DRIVEN.into_iter().zip(input.driven) {
                    inner.model.set_ppi(pe, intid, level);
                }
            }
            Ok(())
        });
        restored.map_err(|error: RestoreError| HvError::GicState(error.to_string()))
    }
}

/// GICD_IROUTER is the one array of 64-bit registers.
fn distributor_width(offset: u32) -> u8 {
    if (gicd::IROUTER..gicd::IROUTER_END).contains(&offset.into()) { 8 } else { 4 }
}

/// GICR_TYPER is 64 bits wide.
fn redistributor_width(offset: u32) -> u8 {
    if u64::from(offset) == gicr::TYPER { 8 } else { 4 }
}

/// One vCPU's end of the GIC: its CPU interface, its redistributor, and the lines between them.
#[derive(Debug)]
pub struct CpuInterface {
    shared: Arc<SharedGic>,
    pe: usize,
    lines: Arc<AtomicU8>,
    /// The same as [`Input::driven`], to be compared without the lock.
    driven: [bool; 3],
}

impl Drop for CpuInterface {
    fn drop(&mut self) {
        self.shared.lock().inputs[self.pe] = None;
        self.shared.change(|gic| gic.disconnect(self.pe));
    }
}

impl CpuInterface {
    /// Whether the IRQ line is up.
    pub fn irq(&self) -> bool {
        self.lines.load(Ordering::Acquire) & IRQ != 0
    }

    /// Whether the FIQ line is up.
    pub fn fiq(&self) -> bool {
        self.lines.load(Ordering::Acquire) & FIQ != 0
    }

    /// MRS of one of its registers.
    pub fn read(&self, register: Icc) -> u64 {
        self.shared.change(|gic| gic.read_register(self.pe, register))
    }

    /// MSR of one of its registers.
    pub fn write(&self, register: Icc, value: u64) {
        self.shared.change(|gic| gic.write_register(self.pe, register, value));
    }

    /// MPIDR_EL1 has changed.
    pub fn set_affinity(&self, mpidr: u64) {
        self.shared.change(|gic| gic.set_affinity(self.pe, mpidr));
    }

    /// Whether one of the GIC's frames stands at a guest physical address.
    pub fn claims(&self, ipa: u64) -> bool {
        self.shared.frame(ipa).is_some()
    }

    /// A guest's load from a frame.
    pub fn load(&self, ipa: u64, bytes: u32) -> u64 {
        let Some((frame, offset)) = self.shared.frame(ipa) else { return 0 };
        self.shared.change(|gic| gic.read(frame, offset, bytes as u8))
    }

    /// A guest's store to a frame.
    pub fn store(&self, ipa: u64, bytes: u32, value: u64) {
        let Some((frame, offset)) = self.shared.frame(ipa) else { return };
        self.shared.change(|gic| gic.write(frame, offset, bytes as u8, value));
    }

    /// A register of its redistributor.
    pub fn redistributor_register(&self, offset: u32) -> u64 {
        let (frame, bytes) = (Frame::Redistributor(self.pe), redistributor_width(offset));
        self.shared.change(|gic| gic.read(frame, offset.into(), bytes))
    }

    /// Writes a register of its redistributor.
    pub fn set_redistributor_register(&self, offset: u32, value: u64) {
        let (frame, bytes) = (Frame::Redistributor(self.pe), redistributor_width(offset));
        self.shared.change(|gic| gic.write(frame, offset.into(), bytes, value));
    }

    fn drive(&mut self, levels: [bool; 3]) {
        if levels == self.driven {
            return;
        }
        self.driven = levels;
        self.shared.change_inner(|inner| {
            let Some(input) = &mut inner.inputs[self.pe] else { return };
            let before = std::mem::replace(&mut input.driven, levels);
            for (intid, (level, before)) in DRIVEN.into_iter().zip(levels.into_iter().zip(before)) {
                if level != before {
                    inner.model.set_ppi(self.pe, intid, level);
                }
            }
        });
    }
}

impl Cpu {
    /// The IRQ line: the GIC's, or what the API's user has set.
    #[inline(always)]
    pub fn irq_line(&self) -> bool {
        self.irq || self.gic.as_ref().is_some_and(CpuInterface::irq)
    }

    /// The FIQ line.
    #[inline(always)]
    pub fn fiq_line(&self) -> bool {
        self.fiq || self.gic.as_ref().is_some_and(CpuInterface::fiq)
    }

    /// Whether the PE's own devices drive a PPI, or will in time.
    pub fn drives_ppis(&self) -> bool {
        self.vtimer.deadline().is_some()
            || self.ptimer.deadline().is_some()
            || self.pmu.interrupts()
            || self.gic.as_ref().is_some_and(|gic| gic.driven != [false; 3])
    }

    /// Drives the PPIs of the PE's own devices as they are at host count `now`.
    pub fn drive_ppis(&mut self, now: u64) {
        let count = now.wrapping_sub(self.vtimer_offset);
        let levels = [self.pmu.interrupts(), self.vtimer.output(count), self.ptimer.output(now)];
        if let Some(gic) = &mut self.gic {
            gic.drive(levels);
        }
    }

    /// In how many ticks from host count `now` the event stream sends its next event, if it is on
    /// (CNTKCTL_EL1).
    pub fn next_event(&self, now: u64) -> Option<u64> {
        let stream = EventStream::of(self.get(SysReg::CNTKCTL_EL1))?;
        let count = now.wrapping_sub(self.vtimer_offset);
        Some(stream.next(count).wrapping_sub(count))
    }

    /// In how many ticks from host count `now` the first of the timers will raise its output, of
    /// those that have not.
    pub fn next_timer(&self, now: u64) -> Option<u64> {
        let timers = [(&self.vtimer, now.wrapping_sub(self.vtimer_offset)), (&self.ptimer, now)];
        let ticks = |(timer, count): (&Timer, u64)| {
            let left = timer.deadline()?.checked_sub(count)?;
            (left > 0).then_some(left)
        };
        timers.into_iter().filter_map(ticks).min()
    }
}
