//! Edges of rules that other cases state in the middle: the second page of an access, DC ZVA where it
//! is not allowed, the counter that an offset must not move, a timer that tells once.

use core::arch::{asm, global_asm};

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::SCTLR_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::{AF, AP_READ_ONLY, Granule, PXN, UXN};
use anyvisor_arch::esr::FaultStatus;
use anyvisor_arch::sctlr;
use tock_registers::interfaces::{Readable, Writeable};

use super::virq::{ISR_I, pending};
use crate::access::{El, data_abort, load, store};
use crate::mmu::window::Window;
use crate::mmu::{DATA, NORMAL, REGISTERS};
use crate::timer::{PHYSICAL, VIRTUAL};
use crate::trap::{After, try_catch};
use crate::user::{self, User};
use crate::{case, check_eq, services, skip, user_code};

/// DCZID_EL0.DZP: DC ZVA is prohibited.
const DZP: u64 = 1 << 4;

case! {
    /// An unaligned access over the end of a page is checked byte by byte: it needs the right to
    /// both pages. What the first page has been given is not said (the manual lets a part of it be
    /// stored), but no byte of the second page changes.
    ///
    /// ```text
    ///   page, writable  [.....abc] [defgh.....]  page, read-only
    ///                         store ^ faults here: FAR_EL1 is in the second page
    /// ```
    ///
    /// An emulator that looks at the first page's rights alone lets a user write over the end of
    /// his memory, five bytes at a time.
    "mmu.crossing_rights": "a store over a page's end into a read-only page: permission fault there, its bytes as before";
    reference: "DDI 0487: unaligned data access restrictions; FAR_EL1; DFSC 0b001111";
    needs: Needs::NONE;
    fn crossing_rights() {
        let mut window = Window::open(Granule::K4, 39);
        let first = window.page(0x3000, DATA);
        let second = window.page(0x4000, NORMAL | AF | AP_READ_ONLY | PXN | UXN);
        store(El::El1, second.pa, 0x5a5a).value();
        let trap = store(El::El1, first.va + 0xffd, u64::MAX).fault();
        let wanted = data_abort(El::El1, FaultStatus::Permission(3), true);
        check_eq!(trap.esr.0, wanted, "ESR_EL1");
        check_eq!(trap.far & !0xfff, second.va, "the page that FAR_EL1 names");
        check_eq!(load(El::El1, second.pa).value(), 0x5a5a, "the read-only page");
    }
}

case! {
    /// DC ZVA writes a whole block at once, which a device cannot take: on any type of Device
    /// memory it is an Alignment fault, whatever the address, reported as a store's.
    "memory.dc_zva_device": "DC ZVA of Device memory: alignment fault, DFSC 0x21, WnR = 1";
    reference: "DDI 0487: DC ZVA; AArch64.S1Translate, Device memory";
    needs: Needs::NONE;
    fn dc_zva_device() {
        let id: u64;
        // SAFETY: reads an ID register.
        unsafe { asm!("mrs {}, dczid_el0", out(reg) id, options(nomem, nostack)) };
        if id & DZP != 0 {
            skip!("DCZID_EL0.DZP prohibits DC ZVA");
        }
        let mut window = Window::open(Granule::K4, 39);
        let page = window.page(0x3000, REGISTERS);
        // SAFETY: the address is that of the case's own window, and a fault is announced.
        let trap = try_catch(After::Skip, || unsafe {
            asm!("dc zva, {}", in(reg) page.va, options(nostack));
        });
        let trap = trap.expect("DC ZVA of Device memory faults");
        let wanted = data_abort(El::El1, FaultStatus::Alignment, true);
        check_eq!(trap.esr.0, wanted, "ESR_EL1");
        check_eq!(trap.far, page.va, "FAR_EL1");
    }
}

case! {
    /// A C library asks DCZID_EL0 before it uses DC ZVA. DZP says that it may not: also where a
    /// kernel forbids it to EL0 alone, by SCTLR_EL1.DZE = 0. So one register reads differently at
    /// two levels, and a hypervisor that answers from a constant makes programs trap.
    "exception.el0_dczid": "DCZID_EL0 at EL0: DZP follows SCTLR_EL1.DZE, the other bits are EL1's";
    reference: "DDI 0487: DCZID_EL0.DZP; SCTLR_EL1.DZE";
    needs: Needs::NONE;
    fn el0_dczid() {
        let id: u64;
        // SAFETY: reads an ID register.
        unsafe { asm!("mrs {}, dczid_el0", out(reg) id, options(nomem, nostack)) };
        let before = SCTLR_EL1.get();
        for (dze, prohibited) in [(0, DZP), (sctlr::DZE, id & DZP)] {
            SCTLR_EL1.set(before & !sctlr::DZE | dze);
            barrier::isb(barrier::SY);
            let mut user = User::at(user_code!(user_asks_dczid));
            user::run(&mut user);
            SCTLR_EL1.set(before);
            barrier::isb(barrier::SY);
            check_eq!(user.x[0], id & !DZP | prohibited, "DCZID_EL0 with DZE = {:#x}", dze);
        }
    }
}

case! {
    /// CNTVOFF_EL2 is the difference of the two counters, and moves the virtual one alone: a guest
    /// that was stopped for an hour sees CNTVCT_EL0 go on where it was, and CNTPCT_EL0 an hour
    /// later. Here the offset is moved by 2^40 and CNTPCT_EL0 must not follow.
    "timer.physical_stays": "an offset moved by 2^40 leaves CNTPCT_EL0 where it was";
    reference: "DDI 0487: CNTPCT_EL0, CNTVOFF_EL2";
    needs: Needs::SERVICES;
    fn physical_stays() {
        const DIFFERENCE: u64 = 1 << 40;
        let first = (PHYSICAL.counter)();
        let offset = services::set_virtual_offset(0);
        services::set_virtual_offset(offset.wrapping_add(DIFFERENCE));
        let moved = (PHYSICAL.counter)();
        services::set_virtual_offset(offset);
        let last = (PHYSICAL.counter)();
        assert!(
            first <= moved && moved <= last && last - first < DIFFERENCE / 2,
            "CNTPCT_EL0 went from {first:#x} to {moved:#x} to {last:#x}"
        );
    }
}

case! {
    /// Without a GIC the virtual timer tells the hypervisor by an exit, which masks it: what tells
    /// of a level would else tell again before the guest's next instruction. The monitor then holds
    /// the IRQ line up until the timer is silent.
    ///
    /// ```text
    ///   CVAL passed --> exit, timer masked --> IRQ line up ... CTL = 0, an exit --> line down
    /// ```
    ///
    /// A hypervisor that does not mask stops in exits for ever; one that does not look at the timer
    /// again leaves the line up, and the guest takes an interrupt that nobody sent.
    "virq.vtimer_once": "a timer that has fired exits once and raises IRQ; silenced, the line is down after the next exit";
    reference: "hv_vcpu_set_vtimer_mask; DDI 0487: CNTV_CTL_EL0, ISR_EL1.I";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn vtimer_once() {
        let before = services::virtual_timer_exits();
        (VIRTUAL.set_cval)(0);
        (VIRTUAL.set_ctl)(1);
        crate::smp::spin_until(|| pending() & ISR_I != 0);
        for _ in 0..3 {
            services::host_time(); // exits, with the condition still met
        }
        check_eq!(services::virtual_timer_exits() - before, 1, "exits of the timer");
        check_eq!(pending() & ISR_I, ISR_I, "ISR_EL1.I while the condition holds");
        (VIRTUAL.set_ctl)(0);
        services::host_time();
        check_eq!(pending() & ISR_I, 0, "ISR_EL1.I after the timer is off");
    }
}

global_asm!(
    ".pushsection .user.text, \"ax\"",
    ".global user_asks_dczid",
    "user_asks_dczid:",
    "    mrs x0, dczid_el0",
    "    svc #0",
    ".popsection",
);
