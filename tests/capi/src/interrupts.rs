//! The virtual IRQ and FIQ lines.
//!
//! The guest's vectors say which one it took: IRQ is slot 5 (`hvc #0x105`), FIQ slot 6.

use crate::case::{Case, Source, case};
use crate::code::{FIQ_ON, IRQ_ON, NOP, hvc, increment};
use crate::guest::{CODE, Guest, Plain};
use crate::raw::{self, FIQ, IRQ};
use applevisor::prelude::*;

use Source::{Header, Observed, Ours};

const TOOK_IRQ: u64 = 0x105;
const TOOK_FIQ: u64 = 0x106;

fn set(vcpu: u64, line: u32, pending: bool) {
    assert_eq!(raw::hv_vcpu_set_pending_interrupt(vcpu, line, pending), raw::SUCCESS);
}

fn get(vcpu: u64, line: u32) -> bool {
    let (code, pending) = raw::ask(|p| raw::hv_vcpu_get_pending_interrupt(vcpu, line, p));
    assert_eq!(code, raw::SUCCESS);
    pending
}

pub fn cases() -> Vec<Case> {
    vec![
        case("interrupts.nothing_pends_at_first", Header, || {
            let plain = Plain::new();
            assert!(!get(plain.id, IRQ) && !get(plain.id, FIQ));
        }),
        case("interrupts.lines_read_back", Observed, || {
            let plain = Plain::new();
            for line in [IRQ, FIQ] {
                for pending in [true, false] {
                    set(plain.id, line, pending);
                    assert_eq!(get(plain.id, line), pending);
                }
            }
        }),
        case("interrupts.lines_do_not_share", Header, || {
            let plain = Plain::new();
            set(plain.id, IRQ, true);
            assert!(!get(plain.id, FIQ));
            set(plain.id, FIQ, true);
            set(plain.id, IRQ, false);
            assert!(!get(plain.id, IRQ) && get(plain.id, FIQ));
        }),
        case("interrupts.no_such_line", Observed, || {
            let plain = Plain::new();
            let (code, _) = raw::ask(|p| raw::hv_vcpu_get_pending_interrupt(plain.id, 2, p));
            assert_eq!(code, raw::BAD_ARGUMENT);
            let code = raw::hv_vcpu_set_pending_interrupt(plain.id, 2, true);
            assert_eq!(code, raw::BAD_ARGUMENT);
        }),
        // hv_vcpu_types.h: HV_INTERRUPT_TYPE_IRQ is 0, HV_INTERRUPT_TYPE_FIQ 1.
        case("interrupts.line_0_is_taken_as_an_irq", Header, || {
            let guest = Guest::new(&[IRQ_ON, FIQ_ON, NOP, hvc(1)]);
            set(guest.id(), IRQ, true);
            guest.run_to_hvc(TOOK_IRQ);
        }),
        case("interrupts.line_1_is_taken_as_an_fiq", Header, || {
            let guest = Guest::new(&[IRQ_ON, FIQ_ON, NOP, hvc(1)]);
            set(guest.id(), FIQ, true);
            guest.run_to_hvc(TOOK_FIQ);
        }),
        case("interrupts.taken_before_the_next_instruction", Header, || {
            let guest = Guest::new(&[hvc(1)]);
            guest.set(Reg::CPSR, 0x345); // I clear
            set(guest.id(), IRQ, true);
            guest.run_to_hvc(TOOK_IRQ);
            assert_eq!(guest.vcpu.get_sys_reg(SysReg::ELR_EL1), Ok(CODE));
            assert_eq!(guest.vcpu.get_sys_reg(SysReg::SPSR_EL1), Ok(0x345));
        }),
        case("interrupts.masked_ones_wait", Header, || {
            let guest = Guest::new(&[hvc(1)]);
            set(guest.id(), IRQ, true);
            set(guest.id(), FIQ, true);
            guest.run_to_hvc(1);
        }),
        case("interrupts.each_mask_is_its_own", Header, || {
            let guest = Guest::new(&[IRQ_ON, NOP, hvc(1)]);
            set(guest.id(), FIQ, true);
            guest.run_to_hvc(1);
            drop(guest);
            let guest = Guest::new(&[FIQ_ON, NOP, hvc(1)]);
            set(guest.id(), IRQ, true);
            guest.run_to_hvc(1);
        }),
        // hv_vcpu.h: pending interrupts are "automatically cleared after hv_vcpu_run returns".
        case("interrupts.cleared_when_a_run_returns", Header, || {
            let guest = Guest::new(&[hvc(1), IRQ_ON, FIQ_ON, NOP, hvc(2)]);
            set(guest.id(), IRQ, true);
            set(guest.id(), FIQ, true);
            guest.run_to_hvc(1);
            assert!(!get(guest.id(), IRQ) && !get(guest.id(), FIQ));
            guest.run_to_hvc(2);
        }),
        case("interrupts.cleared_by_a_canceled_run", Ours, || {
            let guest = Guest::new(&[IRQ_ON, NOP, hvc(1)]);
            set(guest.id(), IRQ, true);
            raw::hv_vcpus_exit(&guest.id(), 1);
            assert_eq!(guest.run().reason, ExitReason::CANCELED);
            assert!(!get(guest.id(), IRQ));
        }),
        case("interrupts.the_line_stays_up_within_a_run", Header, || {
            let guest = Guest::new(&[IRQ_ON, NOP, hvc(1)]);
            // The handler counts and unmasks: the line is still up, so it is taken again. The
            // third time it leaves.
            let handler = [
                increment(1),
                0xf100_0c3f, // cmp x1, #3
                0x5400_0060, // b.eq to the hvc
                IRQ_ON,
                NOP,
                hvc(2),
            ];
            guest.vectors.write_code(5 * 0x80, &handler);
            set(guest.id(), IRQ, true);
            guest.run_to_hvc(2);
            assert_eq!(guest.get(Reg::X1), 3);
        }),
    ]
}
