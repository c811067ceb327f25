//! Random use, compared after each step with a model that is as simple as can be.
//!
//! The model has one structure for each interrupt of each PE and computes everything from the list
//! of them; of the state machine it shares nothing but the manual. A run is a seed: what fails is
//! printed with it, and fails again.

use crate::machine::{Machine, SPURIOUS};
use crate::reference::{Operation, Reference};
use anyvisor_arch::gic::bank::{ICACTIVER, ISENABLER, ISPENDR};
use anyvisor_arch::gic::gicd::{self, irouter};
use anyvisor_arch::gic::gicr;
use anyvisor_gic::{Configuration, Frame, Gic, Icc, Lines};

pub const PES: usize = 3;
/// SGIs, PPIs, SPIs with a line, messages; the first and the last of their kinds and their words.
pub const INTIDS: [u32; 14] = [0, 1, 15, 16, 27, 31, 32, 33, 63, 64, 79, 80, 992, 1019];

/// Marsaglia's xorshift: the same numbers everywhere.
pub struct Generator(u64);

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end
    }

    pub fn one_of<T: Copy>(&mut self, these: &[T]) -> T {
        these[self.below(these.len())]
    }
}

/// What a PE can see without changing anything.
const VISIBLE: [Icc; 8] = [
    Icc::Hppir0,
    Icc::Hppir1,
    Icc::Rpr,
    Icc::Ap0r(0),
    Icc::Ap1r(0),
    Icc::Pmr,
    Icc::Bpr0,
    Icc::Bpr1,
];

#[test]
fn every_step_is_what_the_simple_model_says() {
    for seed in 0..60 {
        let mut generator = Generator::new(seed);
        let (mut machine, mut reference) = (Machine::new(PES), Reference::new());
        let mut before = [0; PES].map(|_| Default::default());
        let (mut taken, mut last) = (0, None);
        for step in 0..2000 {
            let operation = Operation::any(&mut generator, last);
            let at = format!("seed {seed}, step {step}, {operation:x?}");
            let read = operation.on_machine(&mut machine);
            assert_eq!(read, reference.step(&operation), "{at}");
            if let Operation::Acknowledge { pe, group } = operation
                && read != SPURIOUS
            {
                (taken, last) = (taken + 1, Some((pe, group, read as u32)));
            }
            let changed = machine.gic.take_changed();
            for (pe, before) in before.iter_mut().enumerate() {
                let lines = machine.lines(pe);
                assert_eq!(lines, reference.lines(pe), "lines of {pe}, {at}");
                let reported = changed >> pe & 1 == 1;
                assert!(reported || lines == *before, "change of {pe} missed, {at}");
                *before = lines;
                for register in VISIBLE {
                    let (is, should) = (machine.get(pe, register), reference.get(pe, register));
                    assert_eq!(is, should, "{register:?} of {pe}, {at}");
                }
            }
            reference.each(|pe, intid, register, should| {
                let is = machine.bit(pe, register, intid);
                assert_eq!(is, should, "{register:#x} of INTID {intid} of {pe}, {at}");
            });
        }
        assert!(taken > 10, "seed {seed} acknowledged only {taken}");
    }
}

#[test]
fn a_state_of_any_moment_comes_back() {
    for seed in 100..110 {
        let mut generator = Generator::new(seed);
        let mut machine = Machine::new(PES);
        for _ in 0..300 {
            Operation::any(&mut generator, None).on_machine(&mut machine);
        }
        let (state, mut other) = (machine.gic.save(), machine.gic.clone());
        for _ in 0..100 {
            Operation::any(&mut generator, None).on_machine(&mut machine);
        }
        other.reset();
        assert_eq!(other.restore(&state), Ok(()), "seed {seed}");
        assert_eq!(other.save(), state, "seed {seed}");
    }
}

#[test]
fn whatever_is_pending_is_delivered_in_the_end() {
    for seed in 200..220 {
        let mut generator = Generator::new(seed);
        let mut machine = Machine::new(PES);
        for _ in 0..500 {
            Operation::any(&mut generator, None).on_machine(&mut machine);
        }
        open_all(&mut machine);
        let each = || {
            INTIDS.iter().flat_map(|&it| (0..if it < 32 { PES } else { 1 }).map(move |pe| (pe, it)))
        };
        let mut waiting: Vec<u32> =
            each().filter(|&(pe, it)| machine.bit(pe, ISPENDR, it)).map(|(_, it)| it).collect();
        let mut delivered = take_all(&mut machine);
        waiting.sort();
        delivered.sort();
        assert_eq!(delivered, waiting, "seed {seed}");
        assert!(!waiting.is_empty(), "seed {seed}");
        assert!(each().all(|(pe, it)| !machine.bit(pe, ISPENDR, it)), "seed {seed}");
    }
}

/// Lets every interrupt in, and lowers the lines.
fn open_all(machine: &mut Machine) {
    machine.set_gicd(gicd::CTLR, 3);
    for pe in 0..PES {
        machine.set_gicr(pe, gicr::WAKER, 0);
        for register in [Icc::Ap0r(0), Icc::Ap1r(0), Icc::Ctlr] {
            machine.set(pe, register, 0);
        }
        for (register, value) in [(Icc::Pmr, 0xff), (Icc::Igrpen0, 1), (Icc::Igrpen1, 1)] {
            machine.set(pe, register, value);
        }
        for intid in INTIDS {
            machine.gic.set_spi(intid, false);
            machine.gic.set_ppi(pe, intid, false);
            machine.priority(pe, intid, 0x80);
            machine.set_bit(pe, ICACTIVER, intid);
            machine.set_bit(pe, ISENABLER, intid);
            if intid >= 32 {
                machine.route(intid, irouter::IRM);
            }
        }
    }
}

/// Takes one interrupt after the other on each PE; their INTIDs.
fn take_all(machine: &mut Machine) -> Vec<u32> {
    let mut delivered = vec![];
    for pe in 0..PES {
        while machine.lines(pe) != Lines::default() {
            let group_1 = machine.lines(pe).irq;
            let (acknowledge, end) =
                if group_1 { (Icc::Iar1, Icc::Eoir1) } else { (Icc::Iar0, Icc::Eoir0) };
            let intid = machine.get(pe, acknowledge);
            assert_ne!(intid, SPURIOUS, "the line of {pe} is up");
            machine.set(pe, end, intid);
            delivered.push(intid as u32);
            assert!(delivered.len() < 1000, "an interrupt comes again and again");
        }
    }
    delivered
}

#[test]
fn no_access_whatever_panics() {
    let mut generator = Generator::new(7);
    let mut gic = Gic::new(Configuration { messages: Some(100..200) });
    let registers =
        [Icc::Iar0, Icc::Iar1, Icc::Eoir0, Icc::Eoir1, Icc::Dir, Icc::Sgi0r, Icc::Sgi1r];
    let more =
        [Icc::Pmr, Icc::Bpr0, Icc::Bpr1, Icc::Ctlr, Icc::Ap0r(0), Icc::Ap1r(9), Icc::Igrpen1];
    let mut accepted = 0;
    for _ in 0..200_000 {
        let (pe, value) = (generator.below(66), generator.next());
        let frame = match generator.below(4) {
            0 | 1 => Frame::Distributor,
            2 => Frame::Redistributor(pe),
            _ => Frame::Messages,
        };
        let bytes = generator.one_of(&[1, 2, 4, 8, 4, 4, 3, 0, 255]);
        let wild = generator.below(20) == 0;
        let offset = if wild { generator.next() } else { generator.below(0x20000) as u64 & !3 };
        match generator.below(12) {
            0..4 => gic.write(frame, offset, bytes, value),
            4..6 => accepted += gic.read(frame, offset, bytes) & 1,
            6 => gic.write_register(pe, generator.one_of(&registers), value),
            7 => gic.write_register(pe, generator.one_of(&more), value),
            8 => accepted += gic.read_register(pe, generator.one_of(&registers)) & 1,
            9 => gic.set_spi(value as u32 & 0x7ff, value >> 32 & 1 == 1),
            10 => gic.set_ppi(pe, value as u32 & 0x3f, value >> 32 & 1 == 1),
            _ => match generator.below(4) {
                0 => gic.connect(pe, value),
                1 => gic.disconnect(pe),
                2 => gic.set_affinity(pe, value),
                _ => gic.send_message(value as u32 & 0x3ff),
            },
        }
        let _ = gic.lines(pe);
    }
    assert!(accepted > 0);
    let state = gic.save();
    assert_eq!(gic.restore(&state), Ok(()));
}
