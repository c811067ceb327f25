//! Anything that can be done to a GIC, in any order. After each step:
//!
//! * what is read has not changed by being read, as far as a saved state tells;
//! * the lines of a PE that `take_changed` does not name are what they were;
//! * a PE past the last has no lines;
//! * a saved state is taken back, and is the same then; of any other bytes none is taken in part.

use crate::Input;
use anyvisor_gic::{Configuration, Frame, Gic, Icc, Lines, MOST_PES};

/// The registers of a CPU interface.
const REGISTERS: [Icc; 22] = [
    Icc::Pmr,
    Icc::Iar0,
    Icc::Eoir0,
    Icc::Hppir0,
    Icc::Bpr0,
    Icc::Ap0r(0),
    Icc::Ap0r(3),
    Icc::Ap1r(0),
    Icc::Ap1r(3),
    Icc::Dir,
    Icc::Rpr,
    Icc::Sgi1r,
    Icc::Asgi1r,
    Icc::Sgi0r,
    Icc::Iar1,
    Icc::Eoir1,
    Icc::Hppir1,
    Icc::Bpr1,
    Icc::Ctlr,
    Icc::Sre,
    Icc::Igrpen0,
    Icc::Igrpen1,
];

/// What the PEs show.
type Shown = [Lines; MOST_PES];

/// Does what `bytes` say.
///
/// # Panics
/// If something does not hold.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let messages = input.flag().then(|| input.number(2) as u32..input.number(2) as u32);
    let mut gic = Gic::new(Configuration { messages });
    // Mostly a few PEs that are there, so that interrupts find somebody.
    for pe in 0..usize::from(input.byte() % 4) {
        gic.connect(pe, pe as u64);
    }
    gic.take_changed();
    let mut shown: Shown = std::array::from_fn(|pe| gic.lines(pe));
    while let Some(step) = input.step(32) {
        take(step, &mut gic, &mut input);
        let changed = gic.take_changed();
        for (pe, before) in shown.iter_mut().enumerate() {
            let now = gic.lines(pe);
            assert!(now == *before || changed >> pe & 1 == 1, "step {step}: PE {pe} shows {now:?}");
            *before = now;
        }
        assert_eq!(gic.lines(MOST_PES), Lines::default(), "a PE past the last");
    }
    let state = gic.save();
    assert_eq!(gic.restore(&state), Ok(()));
    assert_eq!(gic.save(), state);
}

fn take(step: u8, gic: &mut Gic, input: &mut Input<'_>) {
    let pe = usize::from(input.byte() % 8) * if input.byte() == 0 { 37 } else { 1 };
    match step {
        0..=9 => {
            let (frame, offset, width) = place(pe, input);
            gic.write(frame, offset, width, input.value());
        }
        10..=13 => {
            let (frame, offset, width) = place(pe, input);
            let before = gic.save();
            gic.read(frame, offset, width);
            assert!(gic.save() == before, "reading {frame:?} at {offset:#x} changed it");
        }
        14..=18 => gic.write_register(pe, input.choose(&REGISTERS), input.value()),
        19..=21 => {
            gic.read_register(pe, input.choose(&REGISTERS));
        }
        22 | 23 => gic.set_spi(input.number(2) as u32 % 1200, input.flag()),
        24 | 25 => gic.set_ppi(pe, u32::from(input.byte() % 40), input.flag()),
        26 => gic.send_message(input.number(2) as u32 % 1200),
        27 => gic.connect(pe, input.value()),
        28 => gic.disconnect(pe),
        29 => gic.set_affinity(pe, input.value()),
        30 => gic.reset(),
        _ => {
            let mut state = gic.save();
            let before = state.clone();
            for _ in 0..input.byte() % 4 {
                let at = input.number(2) as usize % state.len();
                state[at] ^= input.byte();
            }
            state.truncate(state.len() - usize::from(input.byte() % 4 / 3));
            if gic.restore(&state).is_err() {
                assert!(gic.save() == before, "a state that is refused was taken in part");
            }
        }
    }
}

/// Somewhere in a frame: mostly where registers are, sometimes anywhere, with any width.
fn place(pe: usize, input: &mut Input<'_>) -> (Frame, u64, u8) {
    let frame = match input.byte() % 8 {
        0..=3 => Frame::Distributor,
        4..=6 => Frame::Redistributor(pe),
        _ => Frame::Messages,
    };
    let page = input.choose(&[0, 0, 0, 0x6000, 0x1_0000, 0x1_0000, 0xf000]);
    let within = input.number(2);
    let (offset, width) = match input.byte() {
        0 => (input.value(), input.byte()),
        n if n % 4 == 0 => (page + within % 0x2000 / 8 * 8, 8),
        n if n % 4 == 1 => (page + within % 0x2000, 1),
        _ => (page + within % 0x1000 / 4 * 4, 4),
    };
    (frame, offset, width)
}
