//! What the vCPUs of a machine share: RAM, the devices, the GIC, the alarm, each other.
//!
//! Locks are taken in this order, and none of them on the way of a hypercall that touches no
//! device: devices, then a vCPU's mailbox or the alarm's; RAM's alone. The framework is called
//! with the devices' lock held for the lines of SPIs only, so that they change in the order in
//! which the devices did; it calls nothing back.

use crate::alarm::{Alarm, Event};
use crate::devices::{Device, Devices, Outputs};
use crate::gic::Gic;
use crate::processors::{Notice, Processors};
use crate::ram::{Perms, Ram, RamRange};
use crate::run::Stop;
use crate::watch::Timeline;
use anyvisor_abi::map;
use anyvisor_abi::service::{LEVEL_HIGH, LEVEL_LOW, LEVEL_PULSE};
use applevisor::prelude::{GicDisabled, HypervisorError, VirtualMachineInstance};
use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

/// How long a line of the console that has no end yet may wait to be seen.
const PATIENCE: Duration = Duration::from_millis(10);

/// What the vCPUs share.
pub struct Board {
    // Fields are dropped in this order: the VM goes last.
    /// The vCPUs.
    pub processors: Processors,
    /// What happens later.
    pub alarm: Alarm,
    devices: Mutex<Devices>,
    /// Taken for writing between two boots only.
    pub(crate) ram: RwLock<Option<Ram>>,
    /// Where RAM is.
    pub range: RamRange,
    /// The GIC, if the machine has one.
    pub gic: Option<Gic>,
    /// The VM.
    pub vm: VirtualMachineInstance<GicDisabled>,
    /// When the machine was made.
    pub started: Instant,
    /// Print a line for each exit.
    pub trace: bool,
    /// What happened, if somebody wants to know.
    pub timeline: Option<Timeline>,
}

impl Board {
    /// A board without RAM.
    pub fn new(
        vm: VirtualMachineInstance<GicDisabled>,
        gic: Option<Gic>,
        range: RamRange,
        vcpus: u8,
        devices: Devices,
        trace: bool,
        timeline: Option<Timeline>,
    ) -> Self {
        Self {
            processors: Processors::new(vm.clone(), range, vcpus),
            alarm: Alarm::default(),
            devices: Mutex::new(devices),
            ram: RwLock::new(None),
            range,
            gic,
            vm,
            started: Instant::now(),
            trace,
            timeline,
        }
    }

    /// The devices. What changes them must [`Board::settle`] them.
    pub fn devices(&self) -> MutexGuard<'_, Devices> {
        // No code that holds the lock can panic half-way through a change.
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// RAM, if it is there: it is not while the machine is being reset.
    pub fn ram(&self) -> RwLockReadGuard<'_, Option<Ram>> {
        self.ram.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes stage-2 permissions of whole granules of RAM.
    ///
    /// # Errors
    /// The framework's; `BadArgument` for what is not in RAM.
    pub fn protect(&self, ipa: u64, size: u64, perms: Perms) -> Result<(), HypervisorError> {
        self.ram().as_ref().ok_or(HypervisorError::BadArgument)?.protect(ipa, size, perms)
    }

    /// Reads `bytes` (1, 2, 4, 8) at `offset` of a device.
    pub fn read_device(&self, device: Device, offset: u64, bytes: usize) -> u64 {
        let mut devices = self.devices();
        let value = devices.read(device, offset, bytes);
        self.settle(&mut devices);
        value
    }

    /// Writes the low `bytes` (1, 2, 4, 8) of `value` at `offset` of a device.
    pub fn write_device(&self, device: Device, offset: u64, bytes: usize, value: u64) {
        let mut devices = self.devices();
        devices.write(device, offset, bytes, value);
        self.settle(&mut devices);
    }

    /// Passes on what the devices put out since it was last asked for.
    fn settle(&self, devices: &mut Devices) {
        let Outputs { uart, rtc, clock, text } = devices.take_outputs();
        if let Some(gic) = &self.gic {
            let plan = self.range.plan;
            let rtc = plan.rtc.zip(Some(rtc)).map(|(place, change)| (place.spi, change));
            for (spi, change) in [Some((plan.uart.spi, uart)), rtc].into_iter().flatten() {
                if let Some(level) = change {
                    self.tell_spi(map::FIRST_SPI + spi, if level { LEVEL_HIGH } else { LEVEL_LOW });
                    gic.set_spi(map::FIRST_SPI + spi, level);
                }
            }
        }
        if let Some(deadline) = clock {
            self.alarm.set_clock(deadline);
        }
        if text {
            self.alarm.set_flush(Instant::now() + PATIENCE);
        }
    }

    /// Does what is due. From the machine's own thread.
    pub fn happen(&self, event: Event) {
        match event {
            // The alarm makes a stop of it before anybody sees it.
            Event::Timeout => self.alarm.stop(Stop::Timeout),
            Event::Notice(number, notice) => {
                if let (Some(timeline), Notice::Cancel) = (&self.timeline, notice) {
                    timeline.injected(Some(number), "cancel: hv_vcpus_exit".into());
                }
                self.processors.notify(number, notice);
            }
            Event::Spi { intid, level } => self.drive_spi(intid, level),
            Event::Message { intid } => self.send_message(intid),
            Event::Input { bytes, taken } => self.input(&bytes, taken),
            Event::Clock => {
                let mut devices = self.devices();
                devices.look_at_the_clock();
                self.settle(&mut devices);
            }
            Event::Flush => self.devices().flush(),
        }
    }

    /// The devices as after power-on, and every line low: a GIC's reset leaves what comes in.
    pub fn reset_devices(&self) {
        let mut devices = self.devices();
        devices.reset();
        self.settle(&mut devices);
        if let Some(gic) = &self.gic {
            let layout = gic.layout();
            layout.spis.clone().filter(|intid| layout.is_line(*intid)).for_each(|intid| {
                gic.set_spi(intid, false);
            });
        }
    }

    /// Writes down that an SPI's line is driven.
    fn tell_spi(&self, intid: u32, level: u64) {
        let Some(timeline) = &self.timeline else { return };
        let level = match level {
            LEVEL_HIGH => "high",
            LEVEL_PULSE => "high and low again",
            _ => "low",
        };
        timeline.injected(None, format!("SPI {intid} {level}"));
    }

    fn input(&self, bytes: &[u8], taken: SyncSender<()>) {
        if let Some(timeline) = &self.timeline {
            timeline.injected(None, format!("{} bytes for the console", bytes.len()));
        }
        {
            let mut devices = self.devices();
            devices.input(bytes, Some(taken));
            self.settle(&mut devices);
        }
        // Without a GIC the UART's line goes nowhere: a guest that polls may sleep in between.
        if self.gic.is_none() {
            for number in 0..self.processors.count() {
                self.processors.notify(number, Notice::Wake);
            }
        }
    }

    /// Whether a case may drive the line of this SPI: there is one, and no device drives it.
    pub fn can_drive_spi(&self, intid: u32) -> bool {
        let plan = self.range.plan;
        let mut devices = [Some(plan.uart), plan.rtc].into_iter().flatten();
        let is_line = self.gic.as_ref().is_some_and(|gic| gic.layout().is_line(intid));
        is_line && devices.all(|device| map::FIRST_SPI + device.spi != intid)
    }

    /// Drives a line that [`Board::can_drive_spi`].
    pub fn drive_spi(&self, intid: u32, level: u64) {
        let Some(gic) = &self.gic else { return };
        self.tell_spi(intid, level);
        if matches!(level, LEVEL_HIGH | LEVEL_PULSE) {
            gic.set_spi(intid, true);
        }
        if matches!(level, LEVEL_LOW | LEVEL_PULSE) {
            gic.set_spi(intid, false);
        }
    }

    /// Whether there are messages.
    pub fn has_messages(&self) -> bool {
        self.gic.as_ref().is_some_and(|gic| !gic.layout().message_intids.is_empty())
    }

    /// Whether there is a message of this INTID.
    pub fn can_send_message(&self, intid: u32) -> bool {
        self.gic.as_ref().is_some_and(|gic| gic.layout().message_intids.contains(&intid))
    }

    /// Sends a message that [`Board::can_send_message`].
    pub fn send_message(&self, intid: u32) {
        if let Some(gic) = &self.gic {
            if let Some(timeline) = &self.timeline {
                timeline.injected(None, format!("message of INTID {intid}"));
            }
            gic.send_message(intid);
        }
    }
}
