//! Messages: what a device writes to the MSI frame becomes an SPI (GICv2m, DEN 0029).

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
    /// The frame says which SPIs it makes.
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
    /// A write of an INTID is an edge of that SPI.
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
    /// The frame has no power over other interrupts.
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
    /// A device's own write, by the hypervisor's hand; it can be routed as any SPI.
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
