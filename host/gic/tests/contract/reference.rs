//! The simple model: one structure for each interrupt, and nothing clever.

use crate::machine::{FIQ, IRQ, MESSAGES, Machine, NONE, SPURIOUS};
use crate::random::{Generator, INTIDS, PES};
use anyvisor_arch::gic::{bank, gicd, gicr, icc, msi};
use anyvisor_gic::{Frame, Icc, Lines};
use std::collections::BTreeSet;

/// A step, with the INTID and the PE that it is about.
#[derive(Debug)]
pub enum Operation {
    /// A bit of a set- or clear-register.
    Bit {
        pe: usize,
        intid: u32,
        register: u64,
    },
    Group {
        pe: usize,
        intid: u32,
        one: bool,
    },
    Edge {
        pe: usize,
        intid: u32,
        edge: bool,
    },
    Priority {
        pe: usize,
        intid: u32,
        priority: u8,
    },
    Route {
        intid: u32,
        value: u64,
    },
    Control {
        value: u64,
    },
    Sleep {
        pe: usize,
        sleep: bool,
    },
    Line {
        pe: usize,
        intid: u32,
        level: bool,
    },
    Message {
        intid: u32,
    },
    Acknowledge {
        pe: usize,
        group: usize,
    },
    End {
        pe: usize,
        group: usize,
        intid: u32,
    },
    Deactivate {
        pe: usize,
        intid: u32,
    },
    Set {
        pe: usize,
        register: Icc,
        value: u64,
    },
    Send {
        pe: usize,
        register: Icc,
        sgi: u32,
        targets: u64,
        others: bool,
    },
}

const SET_AND_CLEAR: [u64; 6] = [
    bank::ISENABLER,
    bank::ICENABLER,
    bank::ISPENDR,
    bank::ICPENDR,
    bank::ISACTIVER,
    bank::ICACTIVER,
];

impl Operation {
    /// Enabling, driving and acknowledging come often, and an end is mostly that of the last
    /// interrupt that was acknowledged (PE, group, INTID): so a run has interrupts to look at.
    pub fn any(g: &mut Generator, last: Option<(usize, usize, u32)>) -> Self {
        let (pe, intid, yes) = (g.below(PES), g.one_of(&INTIDS), g.below(2) == 0);
        let often_1 = usize::from(g.below(4) != 0);
        let last = last.filter(|_| g.below(4) != 0).unwrap_or((pe, often_1, intid));
        match g.below(36) {
            0..3 => Self::Bit { pe, intid, register: g.one_of(&SET_AND_CLEAR) },
            3..6 => {
                Self::Bit { pe, intid, register: g.one_of(&[bank::ISENABLER, bank::ICACTIVER]) }
            }
            6 => Self::Group { pe, intid, one: often_1 == 1 },
            7 => Self::Edge { pe, intid, edge: yes },
            8 | 9 => Self::Priority { pe, intid, priority: g.next() as u8 },
            10 => {
                let value = g.one_of(&[0, 1, 2, 2, 3, gicd::irouter::IRM, gicd::irouter::IRM | 1]);
                Self::Route { intid: g.one_of(&INTIDS[6..]), value }
            }
            11 => Self::Control { value: g.one_of(&[3, 3, 3, 3, 3, 3, 3, 2, 1, 0]) },
            12 => Self::Sleep { pe, sleep: g.below(10) == 0 },
            13..16 => Self::Line { pe, intid, level: yes },
            16 => Self::Message { intid },
            17..22 => Self::Acknowledge { pe, group: usize::from(yes) },
            22..26 => Self::End { pe: last.0, group: last.1, intid: last.2 },
            26 => Self::Deactivate { pe: last.0, intid: last.2 },
            27 => Self::Set {
                pe,
                register: Icc::Pmr,
                value: g.one_of(&[0xff, 0xff, 0xff, 0xff, 0xf0, 0x80, 7]),
            },
            28 => {
                let register = g.one_of(&[Icc::Igrpen0, Icc::Igrpen1, Icc::Ctlr]);
                let value = g.one_of(&[1, 1, 1, 1, 3, 3, 0, 2]);
                Self::Set { pe, register, value }
            }
            29 => {
                let register = g.one_of(&[Icc::Bpr0, Icc::Bpr1]);
                Self::Set { pe, register, value: g.below(10) as u64 }
            }
            30..34 => {
                let register = g.one_of(&[Icc::Ap0r(0), Icc::Ap1r(0)]);
                let value = if g.below(24) != 0 { 0 } else { 1 << g.below(32) };
                Self::Set { pe, register, value }
            }
            _ => {
                let register = g.one_of(&[Icc::Sgi1r, Icc::Sgi1r, Icc::Sgi0r, Icc::Asgi1r]);
                let targets = g.next() >> 9 & 0xff;
                Self::Send { pe, register, sgi: g.one_of(&INTIDS[..3]), targets, others: yes }
            }
        }
    }

    /// As a guest or a device does it; what it read, if it read.
    pub fn on_machine(&self, m: &mut Machine) -> u64 {
        match *self {
            Self::Bit { pe, intid, register } => m.set_bit(pe, register, intid),
            Self::Group { pe, intid, one } => m.group(pe, intid, one),
            Self::Edge { pe, intid, edge } => m.configure(pe, intid, edge),
            Self::Priority { pe, intid, priority } => m.priority(pe, intid, priority),
            Self::Route { intid, value } => m.route(intid, value),
            Self::Control { value } => m.set_gicd(gicd::CTLR, value),
            Self::Sleep { pe, sleep } => m.set_gicr(pe, gicr::WAKER, u64::from(sleep) << 1),
            Self::Line { pe, intid, level } if intid < 32 => m.gic.set_ppi(pe, intid, level),
            Self::Line { intid, level, .. } => m.gic.set_spi(intid, level),
            Self::Message { intid } => {
                m.gic.write(Frame::Messages, msi::SETSPI_NS, 4, intid.into());
            }
            Self::Acknowledge { pe, group: 0 } => return m.get(pe, Icc::Iar0),
            Self::Acknowledge { pe, .. } => return m.get(pe, Icc::Iar1),
            Self::End { pe, group, intid } => {
                m.set(pe, if group == 0 { Icc::Eoir0 } else { Icc::Eoir1 }, intid.into());
            }
            Self::Deactivate { pe, intid } => m.set(pe, Icc::Dir, intid.into()),
            Self::Set { pe, register, value } => m.set(pe, register, value),
            Self::Send { pe, register, sgi, targets, others } => {
                let irm = if others { icc::sgir::IRM } else { 0 };
                m.set(pe, register, icc::sgir::INTID.put(sgi.into()) | irm | targets);
            }
        }
        0
    }
}

#[derive(Clone, Default)]
struct Interrupt {
    intid: u32,
    /// The PE that has it, if it is one's own.
    owner: Option<usize>,
    group: usize,
    enabled: bool,
    latch: bool,
    line: bool,
    active: bool,
    edge: bool,
    priority: u8,
    route: u64,
}

impl Interrupt {
    fn pending(&self) -> bool {
        self.latch || self.line && !self.edge
    }

    fn always_edge(&self) -> bool {
        self.intid < 16 || MESSAGES.contains(&self.intid)
    }
}

#[derive(Clone)]
struct Pe {
    asleep: bool,
    mask: u8,
    points: [u32; 2],
    common: bool,
    split: bool,
    enabled: [bool; 2],
    /// Active group priorities, by group.
    active: [BTreeSet<u8>; 2],
}

impl Pe {
    fn running(&self) -> u8 {
        self.active.iter().flatten().copied().min().unwrap_or(0xff)
    }

    /// Group priority by division: so many sub-priorities make one.
    fn step(&self, group: usize) -> u32 {
        let bits = if group == 1 && !self.common { self.points[1] } else { self.points[0] + 1 };
        1 << bits
    }

    fn takes(&self, i: &Interrupt) -> bool {
        let step = self.step(i.group);
        let running = self.running();
        i.priority < self.mask
            && (running == 0xff || u32::from(i.priority) / step < u32::from(running) / step)
    }
}

pub struct Reference {
    interrupts: Vec<Interrupt>,
    pes: Vec<Pe>,
    enabled: [bool; 2],
}

impl Reference {
    /// Like [`Machine::new`].
    pub fn new() -> Self {
        let mut interrupts = vec![];
        for intid in INTIDS {
            for owner in 0..if intid < 32 { PES } else { 1 } {
                let owner = (intid < 32).then_some(owner);
                let mut interrupt = Interrupt { intid, owner, ..Default::default() };
                interrupt.edge = interrupt.always_edge();
                interrupts.push(interrupt);
            }
        }
        let pe = Pe {
            asleep: false,
            mask: 0xf8,
            points: [2, 3],
            common: false,
            split: false,
            enabled: [true; 2],
            active: Default::default(),
        };
        Self { interrupts, pes: vec![pe; PES], enabled: [true; 2] }
    }

    fn find(&mut self, pe: usize, intid: u32) -> &mut Interrupt {
        let mut all = self.interrupts.iter_mut();
        all.find(|i| i.intid == intid && i.owner.is_none_or(|owner| owner == pe)).unwrap()
    }

    /// The PE that an interrupt would go to.
    fn target(&self, i: &Interrupt) -> Option<usize> {
        let willing = |pe: &&usize| !self.pes[**pe].asleep && self.pes[**pe].enabled[i.group];
        let all: Vec<usize> = (0..PES).collect();
        if let Some(owner) = i.owner {
            return Some(owner).filter(|pe| willing(&pe));
        }
        if i.route >> 31 & 1 == 0 {
            return Some(i.route as usize).filter(|&pe| pe < PES).filter(|pe| willing(&pe));
        }
        let mut willing: Vec<usize> = all.iter().filter(willing).copied().collect();
        willing.sort_by_key(|&pe| (!self.pes[pe].takes(i), 0xff - self.pes[pe].running(), pe));
        willing.first().copied()
    }

    fn highest(&self, pe: usize) -> Option<&Interrupt> {
        let all = self.interrupts.iter();
        all.filter(|i| i.enabled && i.pending() && !i.active && self.enabled[i.group])
            .filter(|i| self.target(i) == Some(pe))
            .min_by_key(|i| (i.priority, i.intid))
    }

    fn signalled(&self, pe: usize) -> Option<&Interrupt> {
        self.highest(pe).filter(|i| self.pes[pe].takes(i))
    }

    pub fn lines(&self, pe: usize) -> Lines {
        match self.signalled(pe).map(|i| i.group) {
            None => NONE,
            Some(0) => FIQ,
            Some(_) => IRQ,
        }
    }

    pub fn get(&self, number: usize, register: Icc) -> u64 {
        let pe = &self.pes[number];
        let highest = |group| {
            let highest = self.highest(number).filter(|i| i.group == group);
            highest.map_or(SPURIOUS, |i| i.intid.into())
        };
        let bits = |group: usize| pe.active[group].iter().fold(0, |bits, p| bits | 1u64 << (p / 8));
        match register {
            Icc::Hppir0 => highest(0),
            Icc::Hppir1 => highest(1),
            Icc::Rpr => pe.running().into(),
            Icc::Ap0r(_) => bits(0),
            Icc::Ap1r(_) => bits(1),
            Icc::Pmr => pe.mask.into(),
            Icc::Bpr0 => pe.points[0].into(),
            Icc::Bpr1 if pe.common => (pe.points[0] + 1).min(7).into(),
            Icc::Bpr1 => pe.points[1].into(),
            other => panic!("{other:?} is not compared"),
        }
    }

    /// Calls back with what each interrupt's bits should read.
    pub fn each(&self, mut check: impl FnMut(usize, u32, u64, bool)) {
        for i in &self.interrupts {
            let pe = i.owner.unwrap_or(0);
            check(pe, i.intid, bank::ISPENDR, i.pending());
            check(pe, i.intid, bank::ICACTIVER, i.active);
            check(pe, i.intid, bank::ISENABLER, i.enabled);
        }
    }

    pub fn step(&mut self, operation: &Operation) -> u64 {
        match *operation {
            Operation::Bit { pe, intid, register } => {
                let i = self.find(pe, intid);
                match register {
                    bank::ISENABLER => i.enabled = true,
                    bank::ICENABLER => i.enabled = false,
                    bank::ISPENDR => i.latch = true,
                    bank::ICPENDR => i.latch = false,
                    bank::ISACTIVER => i.active = true,
                    _ => i.active = false,
                }
            }
            Operation::Group { pe, intid, one } => self.find(pe, intid).group = one.into(),
            Operation::Edge { pe, intid, edge } => {
                let i = self.find(pe, intid);
                i.edge = edge || i.always_edge();
            }
            Operation::Priority { pe, intid, priority } => {
                self.find(pe, intid).priority = priority / 8 * 8;
            }
            Operation::Route { intid, value } => self.find(0, intid).route = value,
            Operation::Control { value } => self.enabled = [value & 1 != 0, value & 2 != 0],
            Operation::Sleep { pe, sleep } => self.pes[pe].asleep = sleep,
            Operation::Line { pe, intid, level } => {
                let i = self.find(pe, intid);
                let is_ppi = (16..32).contains(&intid);
                if is_ppi || intid >= 32 && !MESSAGES.contains(&intid) {
                    let edge = level && !(is_ppi && i.line);
                    i.latch |= edge && i.edge;
                    i.line = level;
                }
            }
            Operation::Message { intid } if MESSAGES.contains(&intid) => {
                self.find(0, intid).latch = true;
            }
            Operation::Message { .. } => {}
            Operation::Acknowledge { pe, group } => return self.acknowledge(pe, group),
            Operation::End { pe, group, intid } => self.end(pe, group, intid),
            Operation::Deactivate { pe, intid } if self.pes[pe].split => {
                self.find(pe, intid).active = false;
            }
            Operation::Deactivate { .. } => {}
            Operation::Set { pe, register, value } => self.set(pe, register, value),
            Operation::Send { pe: sender, register, sgi, targets, others } => {
                for pe in 0..PES {
                    let named = if others { pe != sender } else { targets >> pe & 1 == 1 };
                    let i = self.find(pe, sgi);
                    i.latch |= named && (register == Icc::Sgi1r || i.group == 0);
                }
            }
        }
        0
    }

    fn acknowledge(&mut self, pe: usize, group: usize) -> u64 {
        let Some(i) = self.signalled(pe).filter(|i| i.group == group).cloned() else {
            return SPURIOUS;
        };
        let step = self.pes[pe].step(group);
        let running = u32::from(i.priority) / step * step;
        self.pes[pe].active[group].insert(running as u8);
        let interrupt = self.find(pe, i.intid);
        (interrupt.latch, interrupt.active) = (false, true);
        i.intid.into()
    }

    fn end(&mut self, number: usize, group: usize, intid: u32) {
        let pe = &mut self.pes[number];
        let first = |group: usize| pe.active[group].first().copied();
        let highest = match (first(0), first(1)) {
            (None, None) => return,
            (Some(zero), Some(one)) => usize::from(one < zero),
            (zero, _) => usize::from(zero.is_none()),
        };
        if highest == group {
            pe.active[group].pop_first();
            if !pe.split {
                self.find(number, intid).active = false;
            }
        }
    }

    fn set(&mut self, pe: usize, register: Icc, value: u64) {
        let pe = &mut self.pes[pe];
        let priorities = || (0..32).filter(|n| value >> n & 1 == 1).map(|n| 8 * n).collect();
        match register {
            Icc::Pmr => pe.mask = value as u8 / 8 * 8,
            Icc::Igrpen0 => pe.enabled[0] = value % 2 == 1,
            Icc::Igrpen1 => pe.enabled[1] = value % 2 == 1,
            Icc::Ctlr => (pe.common, pe.split) = (value % 2 == 1, value / 2 % 2 == 1),
            Icc::Bpr0 => pe.points[0] = (value as u32 % 8).max(2),
            Icc::Bpr1 if pe.common => {}
            Icc::Bpr1 => pe.points[1] = (value as u32 % 8).max(3),
            Icc::Ap0r(_) => pe.active[0] = priorities(),
            Icc::Ap1r(_) => pe.active[1] = priorities(),
            other => panic!("{other:?} is not written"),
        }
    }
}
