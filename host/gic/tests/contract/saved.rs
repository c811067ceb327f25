//! Save and restore.

use crate::machine::{IRQ, MESSAGES, Machine};
use anyvisor_arch::gic::gicr;
use anyvisor_gic::{Configuration, Gic, Icc, RestoreError};

/// Something of everything that is saved.
fn busy() -> Machine {
    let mut m = Machine::new(2);
    m.configure(0, 40, true);
    m.enable(0, 40, 0x80);
    m.gic.set_spi(40, true);
    m.enable(1, 900, 0x40);
    m.gic.set_spi(900, true);
    m.route(900, 1);
    m.get(1, Icc::Iar1);
    m.enable(1, 27, 0x18);
    m.gic.set_ppi(1, 27, true);
    m.set_gicr(0, gicr::WAKER, 2);
    m
}

#[test]
fn a_state_comes_back_in_another_gic() {
    let state = busy().gic.save();
    let mut other = Machine::new(2);
    other.gic.take_changed();
    assert_eq!(other.gic.restore(&state), Ok(()));
    assert_eq!(other.gic.save(), state);
    assert_eq!(other.lines(1), IRQ, "27; 900 is active");
    assert_eq!(other.get(1, Icc::Iar1), 27);
    assert_eq!(other.gic.take_changed() & 0b11, 0b11);
}

#[test]
fn the_cpu_interface_is_not_part_of_it() {
    let mut m = busy();
    let state = m.gic.save();
    m.set(0, Icc::Pmr, 0x40);
    m.set(1, Icc::Ap1r(0), 1 << 3);
    assert_eq!(m.gic.save(), state);
    assert_eq!(m.gic.restore(&state), Ok(()));
    assert_eq!((m.get(0, Icc::Pmr), m.get(1, Icc::Rpr)), (0x40, 0x18));
}

#[test]
fn a_pe_that_was_not_saved_is_reset_but_for_its_cpu_interface() {
    let state = Machine::new(1).gic.save();
    let mut m = busy();
    assert_eq!(m.gic.restore(&state), Ok(()));
    assert_eq!(m.gicr(1, gicr::SGI_BASE + 0x100), 0);
    assert_eq!(m.gicr(1, gicr::WAKER), 6);
    assert_eq!(m.get(1, Icc::Pmr), 0xf8);
}

#[test]
fn every_byte_but_free_ones_is_looked_at_and_a_refusal_changes_nothing() {
    let state = busy().gic.save();
    let mut m = Machine::new(2);
    let before = m.gic.save();
    let mut refused = 0;
    for at in 0..state.len() {
        for flip in [0x01, 0x80] {
            let mut bad = state.clone();
            bad[at] ^= flip;
            match m.gic.restore(&bad) {
                // What was taken is what was given.
                Ok(()) => assert_eq!(m.gic.save(), bad),
                Err(_) => refused += 1,
            }
            m.gic.restore(&before).expect("the GIC's own state");
            assert_eq!(m.gic.save(), before);
        }
    }
    assert!(refused > 988, "each route and priority has reserved bits: {refused}");
}

#[test]
fn a_state_of_any_other_length_is_refused() {
    let mut state = busy().gic.save();
    let mut m = Machine::new(2);
    for length in 0..state.len() {
        let refused = m.gic.restore(&state[..length]);
        assert_eq!(refused, Err(RestoreError::Short(length)));
    }
    state.push(0);
    let (actual, expected) = (state.len(), state.len() - 1);
    assert_eq!(m.gic.restore(&state), Err(RestoreError::Length { expected, actual }));
}

#[test]
fn what_is_wrong_is_named() {
    let state = busy().gic.save();
    let mut m = Machine::new(2);
    let mut with = |at: usize, byte: u8| {
        let mut bad = state.clone();
        bad[at] = byte;
        m.gic.restore(&bad)
    };
    assert_ne!(state[0], 0);
    assert!(matches!(with(0, 0), Err(RestoreError::Magic(_))));
    assert_eq!(with(8, 2), Err(RestoreError::Version(2)));
    assert_eq!(with(16, 65), Err(RestoreError::Messages(65..MESSAGES.end)));
    assert_eq!(with(24, 255), Err(RestoreError::Short(state.len())));
    assert_eq!(with(28, 7), Err(RestoreError::Value { offset: 28, value: 7 }));
    let first_pe = state.len() - 2 * 72;
    assert_eq!(with(first_pe, 9), Err(RestoreError::Pe(9)));
    assert_eq!(with(first_pe, 1), Err(RestoreError::Affinity { pe: 1, affinity: 0 }));
    assert_eq!(with(first_pe + 8, 5), Err(RestoreError::Affinity { pe: 0, affinity: 5 }));
    assert_eq!(with(first_pe + 72, 0), Err(RestoreError::Pe(0)), "it was there already");
}

#[test]
fn another_message_range_is_another_gic() {
    let state = Machine::reset(0).gic.save();
    let mut gic = Gic::new(Configuration { messages: None });
    assert_eq!(gic.restore(&state), Err(RestoreError::Messages(MESSAGES)));
}
