//! The virtual timer: its exit, its mask, its offset.

use crate::case::{Case, Source, case};
use crate::code::{self, LOOP, hvc, movz, mrs, msr};
use crate::guest::{CODE, Guest, Plain};
use crate::raw;
use applevisor::prelude::*;

use Source::{Header, Observed, Ours};

/// CNTV_CTL: ENABLE, IMASK, ISTATUS.
const ENABLE: u64 = 1;
const IMASK: u64 = 2;
const ISTATUS: u64 = 4;

/// A guest that loops; the timer's condition is met already, its output masked in the guest.
fn due() -> Guest {
    let guest = Guest::new(&[LOOP]);
    guest.vcpu.set_sys_reg(SysReg::CNTV_CVAL_EL0, 0).unwrap();
    guest.vcpu.set_sys_reg(SysReg::CNTV_CTL_EL0, ENABLE).unwrap();
    guest
}

fn mask(vcpu: u64) -> bool {
    let (code, masked) = raw::ask(|m| raw::hv_vcpu_get_vtimer_mask(vcpu, m));
    assert_eq!(code, raw::SUCCESS);
    masked
}

/// Reads CNTVCT_EL0 in the guest.
fn guest_count(guest: &Guest) -> u64 {
    guest.set(Reg::PC, CODE);
    guest.run_to_hvc(1);
    guest.get(Reg::X0)
}

fn counting() -> Guest {
    Guest::new(&[mrs(0, code::CNTVCT_EL0), hvc(1)])
}

pub fn cases() -> Vec<Case> {
    vec![
        case("timer.mask_reads_back", Observed, || {
            let plain = Plain::new();
            for masked in [true, false] {
                assert_eq!(raw::hv_vcpu_set_vtimer_mask(plain.id, masked), raw::SUCCESS);
                assert_eq!(mask(plain.id), masked);
            }
        }),
        case("timer.mask_is_clear_at_first", Ours, || assert!(!mask(Plain::new().id))),
        case("timer.offset_reads_back", Observed, || {
            let plain = Plain::new();
            for offset in [0xdead_beef_dead_beef, 0, u64::MAX] {
                assert_eq!(raw::hv_vcpu_set_vtimer_offset(plain.id, offset), raw::SUCCESS);
                let read = raw::ask(|o| raw::hv_vcpu_get_vtimer_offset(plain.id, o));
                assert_eq!(read, (raw::SUCCESS, offset));
            }
        }),
        // hv_vcpu.h: CNTVCT_EL0 = mach_absolute_time() - vtimer_offset.
        case("timer.offset_moves_the_count", Header, || {
            let guest = counting();
            guest.vcpu.set_vtimer_offset(0).unwrap();
            let plain = guest_count(&guest);
            guest.vcpu.set_vtimer_offset(plain).unwrap();
            let moved = guest_count(&guest);
            // Ten seconds of 24 MHz.
            assert!(moved < 240_000_000, "{moved}");
            guest.vcpu.set_vtimer_offset(1u64.wrapping_neg()).unwrap();
            assert!(guest_count(&guest) > plain);
        }),
        case("timer.the_count_is_the_host_s_less_the_offset", Header, || {
            let guest = counting();
            for offset in [0, 1 << 20, 1u64.wrapping_neg()] {
                guest.vcpu.set_vtimer_offset(offset).unwrap();
                let before = raw::mach_absolute_time();
                let count = guest_count(&guest).wrapping_add(offset);
                let after = raw::mach_absolute_time();
                assert!((before..=after).contains(&count), "{before} {count} {after}");
            }
        }),
        case("timer.the_count_goes_on", Header, || {
            let guest = counting();
            let first = guest_count(&guest);
            std::thread::sleep(std::time::Duration::from_millis(10));
            let ticks = guest_count(&guest) - first;
            // 10 ms of 24 MHz are 240,000: a little less for two clocks' difference; at most ten
            // seconds.
            assert!((235_000..240_000_000).contains(&ticks), "{ticks}");
        }),
        case("timer.exits_when_due", Header, || {
            let guest = due();
            assert_eq!(guest.run().reason, ExitReason::VTIMER_ACTIVATED);
            let ctl = guest.vcpu.get_sys_reg(SysReg::CNTV_CTL_EL0).unwrap();
            assert_eq!(ctl, ENABLE | ISTATUS);
        }),
        // hv_vcpu_types.h: "This exit automatically sets the VTimer mask."
        case("timer.its_exit_sets_the_mask", Header, || {
            let guest = due();
            assert_eq!(guest.run().reason, ExitReason::VTIMER_ACTIVATED);
            assert!(mask(guest.id()));
        }),
        case("timer.no_second_exit_while_masked", Header, || {
            let guest = due();
            assert_eq!(guest.run().reason, ExitReason::VTIMER_ACTIVATED);
            guest.code.write_code(0x100, &[movz(0, 5), hvc(3)]);
            guest.set(Reg::PC, CODE + 0x100);
            guest.run_to_hvc(3);
        }),
        case("timer.exits_again_when_unmasked", Header, || {
            let guest = due();
            for _ in 0..3 {
                assert_eq!(guest.run().reason, ExitReason::VTIMER_ACTIVATED);
                guest.vcpu.set_vtimer_mask(false).unwrap();
            }
        }),
        case("timer.masked_by_the_caller_does_not_exit", Header, || {
            let guest = due();
            guest.code.write_code(0x100, &[movz(0, 5), hvc(3)]);
            guest.set(Reg::PC, CODE + 0x100);
            guest.vcpu.set_vtimer_mask(true).unwrap();
            guest.run_to_hvc(3);
        }),
        case("timer.masked_by_the_guest_does_not_exit", Header, || {
            let guest = due();
            guest.vcpu.set_sys_reg(SysReg::CNTV_CTL_EL0, ENABLE | IMASK).unwrap();
            guest.code.write_code(0x100, &[movz(0, 5), hvc(3)]);
            guest.set(Reg::PC, CODE + 0x100);
            guest.run_to_hvc(3);
            let ctl = guest.vcpu.get_sys_reg(SysReg::CNTV_CTL_EL0).unwrap();
            assert_eq!(ctl, ENABLE | IMASK | ISTATUS);
        }),
        case("timer.disabled_does_not_exit", Header, || {
            let guest = due();
            guest.vcpu.set_sys_reg(SysReg::CNTV_CTL_EL0, 0).unwrap();
            guest.code.write_code(0x100, &[movz(0, 5), hvc(3)]);
            guest.set(Reg::PC, CODE + 0x100);
            guest.run_to_hvc(3);
        }),
        case("timer.exits_at_its_time", Header, || {
            // The guest asks for 2 ms from now and loops.
            let code = [
                mrs(0, code::CNTVCT_EL0),
                0x8b02_0000, // add x0, x0, x2
                msr(code::CNTV_CVAL_EL0, 0),
                movz(3, 1),
                msr(code::CNTV_CTL_EL0, 3),
                LOOP,
            ];
            let guest = Guest::new(&code);
            guest.set(Reg::X2, 48_000);
            assert_eq!(guest.run().reason, ExitReason::VTIMER_ACTIVATED);
            let asked = guest.get(Reg::X0);
            guest.code.write_code(0x100, &[mrs(5, code::CNTVCT_EL0), hvc(1)]);
            guest.set(Reg::PC, CODE + 0x100);
            guest.run_to_hvc(1);
            let now = guest.get(Reg::X5);
            assert!(now >= asked, "too soon: {now} is before {asked}");
            assert!(now < asked + 24_000_000, "a second too late: {now}, asked for {asked}");
        }),
        case("timer.wakes_a_guest_that_only_loops", Header, || {
            // Set by the caller, 1 ms ahead; no instruction of the guest touches the timer.
            let guest = counting();
            let now = guest_count(&guest);
            guest.code.write_code(0x100, &[LOOP]);
            guest.set(Reg::PC, CODE + 0x100);
            guest.vcpu.set_sys_reg(SysReg::CNTV_CVAL_EL0, now + 24_000).unwrap();
            guest.vcpu.set_sys_reg(SysReg::CNTV_CTL_EL0, ENABLE).unwrap();
            assert_eq!(guest.run().reason, ExitReason::VTIMER_ACTIVATED);
            assert_eq!(guest.pc(), CODE + 0x100);
        }),
    ]
}
