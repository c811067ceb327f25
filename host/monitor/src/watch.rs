//! Writing down what happens in a case, as [`Event`]s. Nobody does unless it was asked for: then
//! the exit loop is another instance of the same function (`run.rs`), and the ordinary one knows
//! nothing of this file.
//!
//! ```text
//!   a vCPU's thread                                     the machine's thread
//!   ---------------                                     --------------------
//!   told(lines)      a line rose or fell                happen: an SPI, a message, a cancel
//!   enter, exit
//!   look(exit)  -->  PC, word, callers: as they are     settle: a device's line
//!   (the answer)     before the answer changes them
//!   tell(answer)     the event; a line of the console
//!        |                                                     |
//!        +------------------> Timeline: one lock, bounded <----+
//! ```
//!
//! A guest that prints makes two exits a byte; they are counted, and become one event when their
//! line has ended.
//!
//! The timeline's lock is the last one taken: nothing is called under it.

use crate::console::{Console, tell};
use crate::cpu::Cpu;
use crate::expect::{Expected, Seen};
use crate::image::Image;
use crate::lines::Lines;
use crate::processors::Start;
use crate::ram::Perms;
use crate::record::{Answer, Kind};
use crate::run::Leave;
use crate::timeline::{Announced, Event};
use crate::trap::{hypercall, mmio};
use crate::walk::Stage1;
use anyvisor_arch::esr::{Esr, ExceptionClass};
use anyvisor_arch::pstate::{Mode, Spsr};
use applevisor::prelude::{ExitReason, Reg, SysReg};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// An event that is no exit: something given to the guest.
const INJECT: &str = "inject";
/// An event that is no exit: on, off, reset, stop.
const POWER: &str = "power";
/// A line that the guest printed.
const CONSOLE: &str = "console";
/// Events that are missing.
const DROPPED: &str = "dropped";
/// The length of an HVC, which the PC has passed when it exits.
const INSTRUCTION: u64 = 4;
/// Frame records are followed no deeper.
const MOST_CALLERS: usize = 32;

/// What happened so far.
#[derive(Debug)]
pub struct Timeline {
    started: Instant,
    segments: Vec<Linked>,
    room: usize,
    kept: Mutex<Kept>,
}

/// A part of the image that the file has.
#[derive(Clone, Copy, Debug)]
struct Linked {
    ipa: u64,
    size: u64,
    address: u64,
    executable: bool,
}

#[derive(Debug, Default)]
struct Kept {
    /// The first events: half of the room.
    first: Vec<Event>,
    /// The last ones: the other half.
    last: VecDeque<Event>,
    /// How many had to go from `last`.
    dropped: u64,
    /// How many bytes of the console's text have become events.
    told: usize,
    /// Console accesses since the last event of the console.
    accesses: u64,
}

impl Timeline {
    /// A timeline with room for so many events, two at least, of a machine that starts now.
    pub fn new(room: usize, image: &Image<'_>) -> Self {
        let segments = image.segments.iter().map(|segment| Linked {
            ipa: segment.ipa,
            size: segment.data.len() as u64,
            address: segment.linked,
            executable: segment.perms.contains(Perms::EXEC),
        });
        Self {
            started: Instant::now(),
            segments: segments.collect(),
            room: room.max(2),
            kept: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // No code that holds the lock can panic half-way through a change.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where what stands at `ipa` stands in the file.
    fn linked(&self, ipa: u64) -> Option<(u64, bool)> {
        self.segments.iter().find_map(|segment| {
            let within = ipa.checked_sub(segment.ipa).filter(|at| *at < segment.size)?;
            Some((segment.address.wrapping_add(within), segment.executable))
        })
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    /// Something was given to a vCPU, or to the machine (`None`).
    pub fn injected(&self, vcpu: Option<u8>, what: String) {
        self.happened(INJECT, vcpu, what);
    }

    /// A vCPU, or the machine (`None`), went on or off.
    pub fn power(&self, vcpu: Option<u8>, what: String) {
        self.happened(POWER, vcpu, what);
    }

    fn happened(&self, kind: &str, vcpu: Option<u8>, what: String) {
        self.push(Event {
            time_ns: self.now(),
            vcpu: vcpu.unwrap_or_default().into(),
            shared: vcpu.is_none(),
            kind: kind.into(),
            what,
            ..Event::default()
        });
    }

    fn push(&self, event: Event) {
        self.lock().push(event, self.room);
    }

    /// The guest accessed the console, and may have ended lines.
    fn printed(&self, access: Event, console: &Console) {
        let mut kept = self.lock();
        kept.accesses += 1;
        let text = console.since(kept.told);
        let Some(end) = text.iter().rposition(|&byte| byte == b'\n') else { return };
        kept.print(&text[..=end], &access, self.room);
    }

    /// All of it, in the order of time, when nothing happens any more. `console`: for what was
    /// printed without an end of line.
    pub fn take(&self, console: &Console) -> Vec<Event> {
        let mut kept = self.lock();
        let rest = console.since(kept.told);
        if !rest.is_empty() {
            let end = Event { time_ns: self.now(), ..Event::default() };
            kept.print(rest, &end, self.room);
        }
        let mut events = std::mem::take(&mut kept.first);
        if kept.dropped > 0 {
            events.push(Event {
                time_ns: events.last().map_or(0, |event| event.time_ns),
                kind: DROPPED.into(),
                what: format!("{} events are left out: there was no room", kept.dropped),
                before: kept.dropped,
                shared: true,
                ..Event::default()
            });
        }
        events.extend(kept.last.drain(..));
        events.sort_by_key(|event| event.time_ns); // those of the same time stay in their order
        events
    }
}

impl Kept {
    fn push(&mut self, event: Event, room: usize) {
        if self.first.len() < room / 2 {
            self.first.push(event);
            return;
        }
        if self.last.len() >= room - room / 2 {
            self.last.pop_front();
            self.dropped += 1;
        }
        self.last.push_back(event);
    }

    /// Makes an event of each line of `text`; all accesses so far are the first one's.
    fn print(&mut self, text: &[u8], access: &Event, room: usize) {
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            let what = String::from_utf8_lossy(line).trim_end_matches(['\r', '\n']).to_string();
            let before = std::mem::take(&mut self.accesses).saturating_sub(1);
            let kind = CONSOLE.into();
            self.push(Event { kind, what, before, ..access.clone() }, room);
        }
        self.told += text.len();
    }
}

/// What was seen of an exit before it was answered.
pub struct Glimpse {
    at: Instant,
    event: Event,
    expected: Option<Expected>,
}

impl Cpu {
    /// Writes down which lines changed since the last entry.
    #[cold]
    pub(crate) fn tell_lines(&mut self) {
        let Some(timeline) = &self.board.timeline else { return };
        for change in self.lines.changes(self.lines_told) {
            timeline.injected(Some(self.number), change);
        }
    }

    /// Remembers the lines as they were presented; a pulse is over then.
    pub(crate) fn lines_are_told(&mut self) {
        self.lines_told = self.lines;
    }

    /// Looks at an exit, while the vCPU still is as it left the guest.
    #[cold]
    pub(crate) fn look(&self, reason: ExitReason, seen: Seen) -> Option<Glimpse> {
        let at = Instant::now();
        let timeline = self.board.timeline.as_ref()?;
        let class = (reason == ExitReason::EXCEPTION).then(|| Esr(seen.esr).class());
        let past = matches!(class, Some(Ok(ExceptionClass::Hvc)));
        let pc = if past { seen.pc.wrapping_sub(INSTRUCTION) } else { seen.pc };
        let is_call = past || matches!(class, Some(Ok(ExceptionClass::Smc)));
        let view = View::of(self, timeline);
        let mode = Spsr(self.vcpu.get_reg(Reg::CPSR).unwrap_or_default()).mode();
        Some(Glimpse {
            at,
            event: Event {
                time_ns: at.saturating_duration_since(timeline.started).as_nanos() as u64,
                vcpu: self.number.into(),
                kind: Kind::of(reason, seen.esr).name().into(),
                pc: Some(pc),
                word: mmio::fetch(self, pc).ok().flatten(),
                what: self.what(reason, seen, is_call),
                el: mode.map(|mode| u8::from(mode != Mode::El0t)),
                offset: view.linked(pc).map(|(address, _)| address),
                callers: self.callers(&view, mode),
                ..Event::default()
            },
            expected: self.expect.announced().filter(|_| class.is_some() && !is_call),
        })
    }

    /// The exit in words.
    fn what(&self, reason: ExitReason, seen: Seen, is_call: bool) -> String {
        match reason {
            ExitReason::CANCELED => return "cancelled".into(),
            ExitReason::VTIMER_ACTIVATED => return "the virtual timer's condition is met".into(),
            ExitReason::UNKNOWN => return "no reason given".into(),
            ExitReason::EXCEPTION => {}
        }
        let esr = Esr(seen.esr);
        if is_call {
            let id = self.x(0).unwrap_or_default() as u32;
            let arguments = (1..=hypercall::arguments(id))
                .map(|n| format!(", x{n} = {:#x}", self.x(n).unwrap_or_default()));
            let arguments: String = arguments.collect();
            return format!("{esr}: {} ({id:#010x}){arguments}", hypercall::name(id));
        }
        if esr.data_abort().is_some() || esr.instruction_abort().is_some() {
            return format!("{esr}, FAR {:#x}, IPA {:#x}", seen.far, seen.ipa);
        }
        esr.to_string()
    }

    /// Who called whom, by the frame records (AAPCS64: X29 points at the innermost, a pair of the
    /// caller's X29 and the return address). At EL0 the kernel's innermost one is at SP_EL1, where
    /// the kernel left it when it entered EL0.
    fn callers(&self, view: &View<'_>, mode: Option<Mode>) -> Vec<u64> {
        let record = match mode {
            Some(Mode::El0t) => self.vcpu.get_sys_reg(SysReg::SP_EL1),
            _ => self.vcpu.get_reg(Reg::X29),
        };
        let mut record = record.unwrap_or_default();
        let mut callers = Vec::new();
        while callers.len() < MOST_CALLERS && record % 8 == 0 {
            let (Some(next), Some(back)) = (view.read(record), view.read(record.wrapping_add(8)))
            else {
                break;
            };
            match view.linked(back.wrapping_sub(INSTRUCTION)) {
                Some((address, true)) => callers.push(address),
                _ => break, // no code of the kernel's: this was no frame record
            }
            if next <= record {
                break; // stacks grow downwards: an outer record is above
            }
            record = next;
        }
        callers
    }

    /// Writes down an exit with its answer.
    #[cold]
    pub(crate) fn tell(&mut self, glimpse: Option<Glimpse>, answer: &Result<Answer, Leave>) {
        if self.board.trace
            && let Some(entry) = self.record.last().next_back()
        {
            let (time, cpu) = (self.board.started.elapsed(), self.number);
            tell!("{time:>12?} vCPU {cpu} #{} {}", entry.number, entry.exit);
        }
        let (Some(timeline), Some(glimpse)) = (&self.board.timeline, glimpse) else { return };
        let mut event = glimpse.event;
        event.took_ns = glimpse.at.elapsed().as_nanos() as u64;
        if matches!(answer, Ok(answer) if answer.prints()) {
            timeline.printed(event, &self.board.devices().console);
            return;
        }
        event.answer = match answer {
            Ok(answer) => answer.to_string(),
            Err(leave) => leave.to_string(),
        };
        event.announced = glimpse.expected.map(|expected| Announced {
            fields: expected.to_string(),
            differs: self.expect.differing().map(String::from).collect(),
        });
        timeline.push(event);
    }

    /// Writes down that the vCPU starts.
    pub(crate) fn tell_start(&mut self, start: Start) {
        self.lines_told = Lines::default();
        let Some(timeline) = &self.board.timeline else { return };
        let Start { entry, context } = start;
        timeline.power(Some(self.number), format!("on: PC = {entry:#x}, X0 = {context:#x}"));
    }

    /// Writes down why the vCPU left the guest.
    pub(crate) fn tell_leave(&self, left: &Leave) {
        if let Some(timeline) = &self.board.timeline {
            timeline.power(Some(self.number), format!("off: {left}"));
        }
    }
}

/// The guest's memory by virtual addresses, as it is now.
struct View<'a> {
    cpu: &'a Cpu,
    timeline: &'a Timeline,
    stage1: Stage1,
}

impl<'a> View<'a> {
    fn of(cpu: &'a Cpu, timeline: &'a Timeline) -> Self {
        Self { cpu, timeline, stage1: mmio::stage1(cpu) }
    }

    fn ipa(&self, va: u64) -> Option<u64> {
        let ram = self.cpu.board.ram();
        self.stage1.translate(va, |at| ram.as_ref()?.read_u64(at)).ok()
    }

    fn read(&self, va: u64) -> Option<u64> {
        let ipa = self.ipa(va)?;
        self.cpu.board.ram().as_ref()?.read_u64(ipa)
    }

    fn linked(&self, va: u64) -> Option<(u64, bool)> {
        self.timeline.linked(self.ipa(va)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(room: usize) -> Timeline {
        Timeline::new(room, &Image { segments: Vec::new(), entry: 0 })
    }

    fn events(timeline: &Timeline) -> Vec<(String, String, u64)> {
        let events = timeline.take(&Console::capture());
        events.into_iter().map(|event| (event.kind, event.what, event.before)).collect()
    }

    #[test]
    fn beyond_the_room_the_first_and_the_last_stay_and_the_gap_is_told() {
        let full = timeline(4);
        (0..4).for_each(|n| full.injected(None, n.to_string()));
        assert!(events(&full).iter().all(|(kind, ..)| kind == INJECT), "there was room");

        let over = timeline(4);
        (0..10).for_each(|n| over.injected(None, n.to_string()));
        let all = events(&over);
        let whats: Vec<&str> = all.iter().map(|(_, what, _)| &**what).collect();
        assert_eq!(
            whats,
            ["0", "1", "6 events are left out: there was no room", "8", "9"],
            "the head, the gap, the tail"
        );
        assert_eq!((&*all[2].0, all[2].2), (DROPPED, 6));
    }

    #[test]
    fn what_a_guest_prints_is_an_event_a_line_with_its_accesses_counted() {
        let timeline = timeline(100);
        let mut console = Console::capture();
        for byte in b"one\ntw" {
            console.put(&[*byte]);
            timeline.printed(Event::default(), &console);
        }
        timeline.injected(Some(1), "between".into());
        console.put(b"o\n");
        timeline.printed(Event { time_ns: u64::MAX - 1, ..Event::default() }, &console);
        console.put(b"three");
        let all = timeline.take(&console);
        let all: Vec<_> = all.iter().map(|e| (&*e.kind, &*e.what, e.before)).collect();
        assert!(all.contains(&(CONSOLE, "one", 3)), "{all:?}");
        assert!(all.contains(&(CONSOLE, "two", 2)), "{all:?}");
        assert!(all.contains(&(CONSOLE, "three", 0)), "{all:?}");
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn events_of_several_threads_are_put_in_the_order_of_time() {
        let timeline = timeline(100);
        let at = |time_ns| Event { time_ns, kind: INJECT.into(), ..Event::default() };
        [30, 10, 20].into_iter().for_each(|time| timeline.push(at(time)));
        let times: Vec<u64> =
            timeline.take(&Console::capture()).iter().map(|event| event.time_ns).collect();
        assert_eq!(times, [10, 20, 30]);
    }
}
