//! AT: asking the MMU where an address goes, without going there.
//!
//! ```text
//!   at s1e1r, x0 --> walk of stage 1 --> PAR_EL1
//!     success   F 0   PA 47:12   ATTR 63:56   SH 8:7   bit 11 = 1
//!     failure   F 1   FST 6:1    S 9          PTW 8    bit 11 = 1
//! ```
//!
//! PAR_EL1 is one register of the vCPU, written by AT and read by MRS, with anything between them.
//! A hypervisor that uses AT itself (KVM does, to find an IPA that HPFAR_EL2 does not have) saves
//! the guest's PAR_EL1 around it.

use core::arch::asm;

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::PAR_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::{AF, AP_EL0, AP_READ_ONLY, Granule, PXN, UXN};
use anyvisor_arch::esr::FaultStatus;
use tock_registers::interfaces::Readable;

use crate::mmu::window::Window;
use crate::mmu::{DATA, NORMAL, REGISTERS};
use crate::{case, check_eq, mmu};

/// PAR_EL1.F: the translation failed.
const F: u64 = 1;
/// PAR_EL1.PA: bits 47:12.
const PA: u64 = 0xffff_ffff_f000;

macro_rules! at {
    ($name:ident, $operation:literal) => {
        fn $name(va: u64) -> u64 {
            // SAFETY: an AT writes PAR_EL1 and nothing else.
            unsafe { asm!(concat!("at ", $operation, ", {}"), in(reg) va, options(nostack)) };
            barrier::isb(barrier::SY);
            PAR_EL1.get()
        }
    };
}
at!(s1e1r, "s1e1r");
at!(s1e1w, "s1e1w");
at!(s1e0r, "s1e0r");
at!(s1e0w, "s1e0w");

/// PAR_EL1 of a failed translation: F, FST in bits 6:1, RES1 bit 11; S = 0.
fn failed(status: FaultStatus) -> u64 {
    F | u64::from(status.code()) << 1 | 1 << 11
}

case! {
    /// A translation that succeeds gives more than an address: PAR_EL1.PA the page, ATTR its memory
    /// type as in MAIR_EL1, SH its shareability. Bit 11 is RES1. For Device memory SH reads as
    /// 0b10, outer shareable, whatever the descriptor says.
    ///
    /// The case asks for a page of Normal memory (write-back, inner shareable) as a read and as a
    /// write, and for one of Device-nGnRnE. QEMU 7.2 fails at SH of the device.
    ///
    /// ```text
    ///   Normal WB     ATTR 0xff   SH 0b11
    ///   nGnRnE        ATTR 0x00   SH 0b10
    /// ```
    ///
    /// The address that AT S1E1R gives is an IPA, even though it stands in a field named PA: stage
    /// 2 comes after. An emulator must fill in attributes that it has otherwise no use for; with
    /// ATTR 0 everywhere, software that asks by AT whether a buffer is cacheable decides that all
    /// of its memory is a device.
    "mmu.at_success": "AT S1E1R of a page and of a device: PAR_EL1 has PA, ATTR and SH";
    reference: "DDI 0487: PAR_EL1, F = 0: PA, ATTR, SH (PAREncodeShareability), bit 11 RES1";
    needs: Needs::NONE;
    fn at_success() {
        let mut window = Window::open(Granule::K4, 39);
        let page = window.page(0x6000, DATA);
        for par in [s1e1r(page.va + 0x123), s1e1w(page.va + 0xff8)] {
            check_eq!(par & F, 0, "PAR_EL1.F");
            check_eq!(par & PA, page.pa, "PAR_EL1.PA");
            check_eq!(par >> 56, 0xff, "PAR_EL1.ATTR of Normal, write-back");
            check_eq!(par >> 7 & 0b11, 0b11, "PAR_EL1.SH");
            check_eq!(par >> 11 & 1, 1, "PAR_EL1, bit 11");
        }
        let device = window.page(0x9000, REGISTERS);
        let par = s1e1r(device.va);
        check_eq!(par & (F | PA), device.pa, "PAR_EL1.PA of a device");
        check_eq!(par >> 56, 0, "PAR_EL1.ATTR of Device-nGnRnE");
        check_eq!(par >> 7 & 0b11, 0b10, "PAR_EL1.SH of a device");
    }
}

case! {
    /// An AT that fails takes no exception: PAR_EL1 has F = 1, and FST is the fault status of the
    /// abort that such an access would take. S = 0 says that it was stage 1.
    ///
    /// The case asks for nothing (translation, level 3), for a kernel's page as EL0, for a
    /// read-only page as a write (permission), for a page with AF = 0 (access flag), and in a
    /// region whose walks are disabled (translation, level 0), and compares all of PAR_EL1. Reads
    /// of the read-only page must succeed.
    ///
    /// ```text
    ///   at s1e0w, ro page --> PAR = F | 0b001111 << 1 | 1 << 11
    /// ```
    ///
    /// If a stage-1 walk faults at stage 2, AT does trap to the hypervisor, which has to bring the
    /// table's page back and let it run again. An emulator that implements AT by an access gets
    /// exceptions where the guest expects none, or sets AF and dirty bits of pages that nobody
    /// touched. Linux asks in its fault handler: an exception there is fatal.
    "mmu.at_fault": "AT of what may not be accessed: PAR_EL1.F = 1 with the fault's status";
    reference: "DDI 0487: PAR_EL1, F = 1: FST, S; AT S1E1R, S1E1W, S1E0R, S1E0W";
    needs: Needs::NONE;
    fn at_fault() {
        let mut window = Window::open(Granule::K4, 39);
        let kernel = window.page(0x1000, DATA);
        let read_only = window.page(0x2000, NORMAL | AF | AP_READ_ONLY | AP_EL0 | UXN | PXN);
        let untouched = window.page(0x3000, DATA & !AF);
        let nothing = window.base() + 0x4000;
        let permission = failed(FaultStatus::Permission(3));
        check_eq!(s1e1r(nothing), failed(FaultStatus::Translation(3)), "S1E1R of nothing");
        check_eq!(s1e0w(nothing), failed(FaultStatus::Translation(3)), "S1E0W of nothing");
        check_eq!(s1e0r(kernel.va), permission, "S1E0R of the kernel's page");
        check_eq!(s1e1w(read_only.va), permission, "S1E1W of a read-only page");
        check_eq!(s1e0w(read_only.va), permission, "S1E0W of a read-only page");
        check_eq!(s1e0r(read_only.va) & (F | PA), read_only.pa, "S1E0R of a read-only page");
        check_eq!(s1e1r(read_only.va) & (F | PA), read_only.pa, "S1E1R of a read-only page");
        let wanted = failed(FaultStatus::AccessFlag(3));
        check_eq!(s1e1r(untouched.va), wanted, "S1E1R with AF = 0");
        drop(window);
        // TTBR1 is off: nothing is translated there.
        let wanted = failed(FaultStatus::Translation(0));
        check_eq!(s1e1r(kernel.va), wanted, "S1E1R with TCR_EL1.EPD1 = 1");
        mmu::reset();
    }
}
