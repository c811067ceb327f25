//! Messages: what a device writes to the MSI frame becomes an SPI (GICv2m, DEN 0029).
//!
//! ```text
//!   device: write of an INTID to MSI_SETSPI_NS (frame + 0x40)
//!      --> the SPI of that number: an edge, pending --> IROUTER
//!   MSI_TYPER (frame + 0x08): 25:16 first INTID, 9:0 how many
//! ```
//!
//! It is how PCI devices interrupt a guest where there is no ITS. A device model in the hypervisor
//! does not write but calls the same routine (`hv_gic_send_msi`).

use anyvisor_abi::case::Needs;
use anyvisor_arch::gic::intid::SPIS;
use anyvisor_arch::gic::msi;

use super::gic::{check_quiet, check_state, end, take};
use crate::gic::frame::Frame;
use crate::gic::interrupt::{Group, Interrupt, State, Trigger};
use crate::gic::{self, DEFAULT_PRIORITY};
use crate::services::inject_message;
use crate::{case, check_eq, machine, skip, smp};

/// The frame, its first INTID and how many it has.
fn frame() -> (Frame, u32, u32) {
    let Some(messages) = machine::get().gic.and_then(|gic| gic.messages) else {
        skip!("the FDT names no arm,gic-v2m-frame");
    };
    let frame = Frame::at(messages.frame.start);
    let typer = u64::from(frame.read(msi::TYPER));
    let by_frame = (msi::TYPER_BASE.get(typer) as u32, msi::TYPER_COUNT.get(typer) as u32);
    let (first, count) = messages.intids.unwrap_or(by_frame);
    (frame, first, count)
}

/// A message's interrupt, ready to be taken by this CPU.
fn ready(intid: u32) -> Interrupt {
    Interrupt::new(intid).prepare(Group::One, DEFAULT_PRIORITY)
}

case! {
    /// The frame says which SPIs it makes: MSI_TYPER has the first INTID and how many. They must be
    /// SPIs that the distributor has, and must agree with what the FDT says of them.
    ///
    /// The case reads MSI_TYPER, compares the range with 32 as the least and GICD_TYPER's INTIDs as
    /// the end, and with the FDT's `arm,msi-base-spi` and `arm,msi-num-spis`, if given.
    ///
    /// ```text
    ///   25:16 base   9:0 number      32 <= base, base + number <= INTIDs
    /// ```
    ///
    /// Linux allocates message numbers from that range and hands them to devices. If the range
    /// covers lines of ordinary devices, such as the console's SPI, a network card's message
    /// arrives at the console's driver. A hypervisor writes the range in three places: the
    /// register, the FDT, the GIC's configuration; one constant should feed all. INTID and SPI
    /// number differ by 32, and to mix them is the usual slip.
    "gic_msi.typer": "MSI_TYPER's range lies within the SPIs that the distributor has";
    reference: "DEN 0029: GICv2m, MSI_TYPER";
    needs: Needs::GIC;
    fn typer() {
        let (frame, first, count) = frame();
        assert!(count > 0 && first >= SPIS.start, "{count} INTIDs from {first}");
        assert!(first + count <= gic::intids(), "{count} INTIDs from {first} of {}", gic::intids());
        let typer = u64::from(frame.read(msi::TYPER));
        check_eq!(msi::TYPER_BASE.get(typer), first.into(), "MSI_TYPER's base and the FDT's");
        check_eq!(msi::TYPER_COUNT.get(typer), count.into(), "MSI_TYPER's number and the FDT's");
    }
}

case! {
    /// A write of an INTID to MSI_SETSPI_NS is an edge of that SPI: pending, once. A write while it
    /// is active makes it active and pending.
    ///
    /// The case does it with the first and the last INTID of the range, twice each: write, take,
    /// write again, active and pending, end, take, end. ICFGR must say edge for both.
    ///
    /// ```text
    ///   str w0, [frame, #0x40]   w0 = INTID --> edge --> pending
    /// ```
    ///
    /// Any CPU may write there, which makes it easy to test; in life it is a device's DMA, and for
    /// a VMM an irqfd or a call. The last number is tried because "less than" and "at most" are
    /// confused there. A hypervisor that sets the line high and never lowers it has one message per
    /// SPI and then silence, as an edge needs a fall; one that treats it as a level delivers for
    /// ever.
    "gic_msi.write": "SETSPI_NS of the first and the last INTID makes it pending, once each time";
    reference: "DEN 0029: GICv2m, MSI_SETSPI_NS";
    needs: Needs::GIC;
    fn write() {
        let (frame, first, count) = frame();
        for intid in [first, first + count - 1] {
            let spi = ready(intid);
            assert!(spi.trigger() == Trigger::Edge, "a message is an edge");
            for _ in 0..2 {
                frame.write(msi::SETSPI_NS, intid);
                take(spi);
                frame.write(msi::SETSPI_NS, intid);
                check_state(spi, State::ACTIVE_AND_PENDING);
                end(spi);
                take(spi);
                end(spi);
                check_state(spi, State::INACTIVE);
                check_quiet();
            }
        }
    }
}

case! {
    /// The frame has no power over other interrupts: a value outside its range is ignored.
    ///
    /// The case writes an SPI that is not a message's, the numbers directly below and above the
    /// range, 1023 and 0, each enabled here where it exists, and wants nothing signalled.
    ///
    /// ```text
    ///   base - 1 | base ... base + n - 1 | base + n
    ///   ignored  | an edge               | ignored      0, 1023: ignored
    /// ```
    ///
    /// The value comes from the guest, or from a device that the guest has programmed: the vector
    /// table of a PCI device is the guest's memory. A hypervisor that passes it unchecked to "make
    /// SPI n pending" lets a device raise any interrupt of the machine, and with 0 an SGI, which no
    /// device may; with a large number it writes behind an array. For a device that is passed
    /// through to a guest, this check, in hardware or not, is what isolates others from it.
    "gic_msi.outside": "SETSPI_NS of an INTID outside the frame's range changes nothing";
    reference: "DEN 0029: GICv2m, MSI_SETSPI_NS: values outside the range are ignored";
    needs: Needs::GIC;
    fn outside() {
        let (frame, first, count) = frame();
        for intid in [gic::FREE_SPIS.start, first - 1, first + count, 1023, 0] {
            if (SPIS.start..gic::intids()).contains(&intid) {
                ready(intid);
            }
            frame.write(msi::SETSPI_NS, intid);
            check_quiet();
        }
    }
}

case! {
    /// A message that comes from outside, by the hypervisor's own hand, is an interrupt like any
    /// other: taken now, and from WFI.
    ///
    /// The case has the monitor send one, takes it; has one sent after a millisecond, sleeps by WFI
    /// until it is signalled, and takes that.
    ///
    /// ```text
    ///   VMM thread   hv_gic_send_msi(addr, INTID) --> edge --> vCPU woken
    ///   guest        wfi ............................ IAR = INTID
    /// ```
    ///
    /// It is the busiest path of a VMM: each completed disk request and each packet ends in it. The
    /// sender is a thread that is no vCPU's, the target may be in the guest, in an exit, or asleep,
    /// and each has to be right. A message that is lost is a request that never completes; Linux's
    /// block layer notices after thirty seconds. To hold a lock of the target vCPU here while it
    /// runs in the guest would stop the sender for as long.
    "gic_msi.sent": "a message that the monitor sends is taken, now and from WFI";
    reference: "DEN 0029: GICv2m; hv_gic_send_msi";
    needs: Needs::GIC.and(Needs::SERVICES);
    fn sent() {
        let (_, first, _) = frame();
        let spi = ready(first);
        inject_message(spi.intid, 0);
        take(spi);
        end(spi);
        check_quiet();
        inject_message(spi.intid, 1_000_000);
        smp::sleep_until(|| gic::cpu_interface::signalled() != 0);
        take(spi);
        end(spi);
    }
}
