//! The two sides in turn, in the order of time.
//!
//! ```text
//!    113.0 us  EL1  stp w1, w2, [x0]       guest/kernel/src/cases/stage2.rs:212   the guest
//!                   access::store_pair(SCRATCH, 1, 2);
//!              ->   data abort from a lower EL: ...          the exit
//!              ==   as announced: EC 0x24, ...               what the case had said of it
//!              <-   scratch+0x608 := 0x2                     the hypervisor's answer
//!    120.4 us  **   IRQ line high                            what it injects
//!    131.9 us  |    ok 1 stage2.mmio_pair                    what the guest prints
//! ```
//!
//! Exits that the kernel makes around the case (its boot, its clean-up, its end) are counted and not
//! shown: their calls lead to the kernel's main function and through no case.

use super::Explanation;
use super::terminal::{Role, Terminal, plain, wrap};
use anyvisor_monitor::suite::Verdict;
use anyvisor_monitor::timeline::{Event, Place};

/// Width of the time.
const TIME: usize = 12;
/// Width of the level, or of a sign.
const SIGN: usize = 5;
/// Width of an instruction, where a place follows.
const INSTRUCTION: usize = 30;
/// Where the cases are.
const CASES: &str = "guest/kernel/src/cases/";
/// The outermost function of the kernel on its first CPU, and the one that takes its place at the
/// end (a tail call).
const OUTERMOST: [&str; 2] = ["kernel_main", "system_off"];

/// Whether an event is an exit, and none of the case's own.
fn is_around(event: &Event) -> bool {
    let is_exit = event.pc.is_some() && event.kind != "console";
    let outermost = event.source.last().map(|place| place.function.rsplit("::").next());
    let complete = outermost.flatten().is_some_and(|name| OUTERMOST.contains(&name));
    is_exit && complete && !event.source.iter().any(|place| place.file.starts_with(CASES))
}

/// All that happened.
pub fn text(explanation: &Explanation, terminal: &Terminal, all: bool) -> String {
    let events = &explanation.outcome.events;
    let first = events.first().map_or(0, |event| event.time_ns);
    let several = events.iter().any(|event| event.vcpu > 0);
    let mut page = Page { out: String::new(), terminal, first, several, all };
    let mut around = 0;
    for event in events {
        if !all && is_around(event) {
            around += 1;
            continue;
        }
        page.outside(std::mem::take(&mut around));
        page.event(event);
    }
    page.outside(around);
    if events.is_empty() {
        page.out += "The monitor told nothing.\n";
    } else if !events
        .iter()
        .any(|event| event.pc.is_some() && event.kind != "console" && !is_around(event))
    {
        page.note(
            "The case made no exit of its own: what it is about happens inside the guest, and the \
             hypervisor is not asked.",
        );
    }
    page.out
}

struct Page<'a> {
    out: String,
    terminal: &'a Terminal,
    /// Times count from here.
    first: u64,
    /// Of several vCPUs: each line says whose it is.
    several: bool,
    all: bool,
}

impl Page<'_> {
    fn event(&mut self, event: &Event) {
        match &*event.kind {
            "console" => self.line(event, "|", Role::Strong, &event.what),
            "inject" => self.line(event, "**", Role::Host, &event.what),
            "power" => self.line(event, "++", Role::Faint, &event.what),
            "dropped" => self.line(event, "..", Role::Bad, &event.what),
            _ => self.exit(event),
        }
    }

    fn exit(&mut self, event: &Event) {
        let level = event.el.map_or(String::new(), |el| format!("EL{el}"));
        let instruction = match (event.word, event.pc) {
            (Some(word), Some(pc)) => anyvisor_cpu::text(word, pc).replace('\t', " "),
            (None, Some(pc)) => format!("at {pc:#x}, which cannot be read"),
            _ => String::new(),
        };
        let place = event.place();
        let at = place.map_or(String::new(), |place| format!("{}:{}", place.file, place.line));
        let padded = format!("{:INSTRUCTION$}", plain(&instruction));
        self.out += &format!(
            "{}{level:SIGN$}{}  {}\n",
            self.when(event),
            self.terminal.show(Role::Code, &padded),
            self.terminal.show(Role::Faint, &plain(&at))
        );
        if let Some(Place { text, .. }) = place
            && !text.is_empty()
        {
            self.below("", Role::Strong, text);
        }
        // A function of the case's file did it: where the case itself called that.
        let body = event.source.iter().rfind(|place| place.file.starts_with(CASES));
        if let Some(Place { file, line, text, .. }) = body
            && place.is_some_and(|place| (&place.file, place.line) != (file, *line))
        {
            self.below("", Role::Faint, &format!("for {file}:{line}: {text}"));
        }
        if self.all && !event.source.is_empty() {
            let calls: Vec<&str> = event.source.iter().map(|place| &*place.function).collect();
            self.below("", Role::Faint, &format!("in {}", calls.join(" < ")));
        }
        self.below("->", Role::Host, &event.what);
        if let Some(announced) = &event.announced {
            let fields = &announced.fields;
            if announced.differs.is_empty() {
                self.below("==", Role::Good, &format!("as the case announced it: {fields}"));
            } else {
                let differs = announced.differs.join(", ");
                let text = format!("the case announced {fields}: the exit differs in {differs}");
                self.below("!!", Role::Bad, &text);
            }
        }
        let answer = match event.took_ns {
            took @ 1_000_000.. => format!("{}, after {}", event.answer, time(took)),
            _ => event.answer.clone(),
        };
        self.below("<-", Role::Host, &answer);
    }

    /// The time, and whose it is.
    fn when(&self, event: &Event) -> String {
        let time = format!("{:>TIME$}  ", time(event.time_ns.saturating_sub(self.first)));
        let whose = match (self.several, event.shared) {
            (false, _) => String::new(),
            (true, true) => format!("{:8}", "machine"),
            (true, false) => format!("{:8}", format!("vCPU {}", event.vcpu)),
        };
        self.terminal.show(Role::Faint, &format!("{time}{whose}"))
    }

    /// Columns before a text that belongs to the line above.
    fn margin(&self) -> usize {
        TIME + 2 + if self.several { 8 } else { 0 }
    }

    fn line(&mut self, event: &Event, sign: &str, role: Role, text: &str) {
        let when = self.when(event);
        self.block(&when, sign, role, text);
    }

    fn below(&mut self, sign: &str, role: Role, text: &str) {
        let when = " ".repeat(self.margin());
        self.block(&when, sign, role, text);
    }

    fn block(&mut self, before: &str, sign: &str, role: Role, text: &str) {
        let margin = self.margin();
        let width = self.terminal.width.saturating_sub(margin + SIGN);
        let mut before = format!("{before}{sign:SIGN$}");
        for line in wrap(&plain(text), width) {
            self.out += format!("{before}{}", self.terminal.show(role, &line)).trim_end();
            self.out.push('\n');
            before = " ".repeat(margin + SIGN);
        }
    }

    fn note(&mut self, text: &str) {
        self.out += "\n";
        for line in wrap(text, self.terminal.width) {
            self.out += &format!("{line}\n");
        }
    }

    fn outside(&mut self, count: usize) {
        if count > 0 {
            let s = if count == 1 { "" } else { "s" };
            let text = format!("({count} exit{s} of the kernel around the case; --all shows them)");
            self.below("", Role::Faint, &text);
        }
    }
}

/// A time for people.
fn time(nanoseconds: u64) -> String {
    let value = nanoseconds as f64;
    match nanoseconds {
        0..1_000_000 => format!("{:.1} us", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.3} ms", value / 1e6),
        _ => format!("{:.3} s", value / 1e9),
    }
}

/// How it ended, and, of a case that failed, what each side says.
pub fn verdict(explanation: &Explanation, terminal: &Terminal) -> String {
    let outcome = &explanation.outcome;
    let (role, word) = match outcome.verdict {
        Verdict::Passed => (Role::Good, "passed"),
        Verdict::Failed => (Role::Bad, "failed"),
        Verdict::Skipped => (Role::Faint, "skipped"),
    };
    let exits = format!("exits: {}", outcome.exits);
    let mut out = format!("\n{} {}  ({exits})\n", terminal.show(role, word), plain(&outcome.name));
    let mut say = |who: &str, text: &str| {
        for (i, line) in wrap(&plain(text), terminal.width - 18).into_iter().enumerate() {
            let who = if i == 0 { who } else { "" };
            out += &format!("  {who:16}{line}\n");
        }
    };
    if outcome.verdict != Verdict::Failed {
        outcome.reasons.iter().for_each(|reason| say("because", reason));
        return out;
    }
    // The guest's result is the last line that is one; a reason that stands there is the guest's.
    let is_result = |line: &&str| line.starts_with("ok ") || line.starts_with("not ok ");
    let result = outcome.console.lines().rfind(is_result);
    say("the guest", result.unwrap_or("no result"));
    if let Some(Place { file, line, text, .. }) = &explanation.failed_at {
        say("", &format!("at {file}:{line}: {text}"));
    }
    let said = |reason: &&String| result.is_none_or(|line| !line.contains(reason.as_str()));
    let mut others = outcome.reasons.iter().filter(said).peekable();
    if others.peek().is_none() {
        say("the hypervisor", "saw nothing against it: every exit that was announced came so");
    }
    others.for_each(|reason| say("the hypervisor", reason));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Lesson;
    use anyvisor_monitor::suite::Outcome;
    use anyvisor_monitor::timeline::Announced;

    const HVC_0: u32 = 0xd400_0002;

    fn exit(time_us: u64, vcpu: u32, functions: &[(&str, &str)]) -> Event {
        let place = |(function, file): &(&str, &str)| Place {
            function: (*function).into(),
            file: (*file).into(),
            line: 7,
            text: "go();".into(),
        };
        Event {
            time_ns: time_us * 1000,
            vcpu,
            kind: "hypercall".into(),
            pc: Some(0x4020_0000),
            word: Some(HVC_0),
            el: Some(1),
            what: "HVC".into(),
            answer: "0".into(),
            source: functions.iter().map(place).collect(),
            ..Event::default()
        }
    }

    fn explanation(verdict: Verdict, events: Vec<Event>) -> Explanation {
        let outcome = serde_json::json!({
            "name": "a.b", "claim": "", "reference": "", "verdict": verdict,
            "reasons": [], "console": "", "autopsy": "", "exits": {}, "time_ns": 0,
        });
        let mut outcome: Outcome = serde_json::from_value(outcome).unwrap();
        outcome.events = events;
        let lesson = Lesson {
            case: "a.b".into(),
            claim: String::new(),
            reference: String::new(),
            needs: Vec::new(),
            text: String::new(),
        };
        Explanation { lesson, command: Vec::new(), outcome, failed_at: None }
    }

    const OF_CASE: [(&str, &str); 3] = [
        ("hypercall::call", "guest/kernel/src/hypercall.rs"),
        ("cases::a::b", "guest/kernel/src/cases/a.rs"),
        ("kernel_main", "guest/kernel/src/lib.rs"),
    ];
    const OF_BOOT: [(&str, &str); 2] =
        [("init", "guest/kernel/src/gic.rs"), ("kernel_main", "guest/kernel/src/lib.rs")];

    #[test]
    fn the_line_of_the_case_is_shown_and_what_is_around_it_is_counted() {
        let all = explanation(Verdict::Passed, vec![exit(1, 0, &OF_BOOT), exit(3, 0, &OF_CASE)]);
        let shown = text(&all, &Terminal::plain(), false);
        assert_eq!(
            shown,
            "                   (1 exit of the kernel around the case; --all shows them)\n\
             \x20     2.0 us  EL1  hvc #0x0                        guest/kernel/src/cases/a.rs:7\n\
             \x20                  go();\n\
             \x20             ->   HVC\n\
             \x20             <-   0\n"
        );
        let shown = text(&all, &Terminal::plain(), true);
        assert!(shown.contains("guest/kernel/src/gic.rs:7"), "{shown}");
        assert!(shown.contains("in hypercall::call < cases::a::b < kernel_main"), "{shown}");
    }

    #[test]
    fn an_exit_of_which_nothing_is_known_is_shown() {
        let unknown = Event { word: None, ..exit(0, 0, &[]) };
        let shown = text(&explanation(Verdict::Passed, vec![unknown]), &Terminal::plain(), false);
        assert!(shown.contains("at 0x40200000, which cannot be read"), "{shown}");
    }

    #[test]
    fn a_case_without_exits_of_its_own_is_said_to_have_none() {
        let events = vec![exit(0, 0, &OF_BOOT)];
        let shown = text(&explanation(Verdict::Passed, events), &Terminal::plain(), false);
        assert!(shown.contains("made no exit of its own"), "{shown}");
    }

    #[test]
    fn of_several_vcpus_each_line_says_whose_it_is() {
        let shared = Event {
            shared: true,
            kind: "inject".into(),
            what: "SPI 40 high".into(),
            ..Event::default()
        };
        let events = vec![exit(0, 0, &OF_CASE), exit(1, 1, &OF_CASE), shared];
        let shown = text(&explanation(Verdict::Passed, events), &Terminal::plain(), false);
        for wanted in ["0.0 us  vCPU 0  EL1", "1.0 us  vCPU 1  EL1", "machine **   SPI 40 high"] {
            assert!(shown.contains(wanted), "{wanted:?} in\n{shown}");
        }
    }

    #[test]
    fn where_both_sides_disagree_it_is_shown_at_the_exit_and_at_the_end() {
        let mut event = exit(0, 0, &OF_CASE);
        event.announced = Some(Announced { fields: "FAR 0x1".into(), differs: vec!["FAR".into()] });
        let mut failed = explanation(Verdict::Failed, vec![event]);
        failed.outcome.console = "not ok 1 a.b # x is 1\n".into();
        failed.outcome.reasons = vec!["x is 1".into(), "FAR differs".into()];
        let place =
            Place { file: "f.rs".into(), line: 3, text: "assert!(x)".into(), ..Place::default() };
        failed.failed_at = Some(place);
        let shown = failed.run_text(&Terminal::plain(), false);
        assert!(
            shown.contains("!!   the case announced FAR 0x1: the exit differs in FAR"),
            "{shown}"
        );
        assert!(shown.contains("failed a.b"), "{shown}");
        assert!(shown.contains("the guest       not ok 1 a.b # x is 1\n"), "{shown}");
        assert!(shown.contains("at f.rs:3: assert!(x)\n"), "{shown}");
        assert!(shown.contains("the hypervisor  FAR differs\n"), "{shown}");
    }

    #[test]
    fn what_is_missing_is_said() {
        let gap = Event {
            kind: "dropped".into(),
            what: "6 events are left out".into(),
            ..Event::default()
        };
        let shown = text(&explanation(Verdict::Passed, vec![gap]), &Terminal::plain(), false);
        assert!(shown.contains("..   6 events are left out"), "{shown}");
    }
}
