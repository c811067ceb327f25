//! Records that a run could leave, made up: of every verdict, with texts that would act if they
//! could, with figures and events. The same ones every time.

use anyvisor_matrix::record::{CaseRun, End, Hypervisor, Lesson, Record};
use anyvisor_monitor::suite::Verdict;
use anyvisor_monitor::timeline::{Event, Figure};
use serde_json::json;

/// What a guest that means harm prints. Each page that shows it must show it as text.
pub const HOSTILE: &str = "</pre></script><script>window.harmed=1;fetch('http://host.test/a')\
    </script><img src=http://host.test/b onerror=window.harmed=2><style>@import \
    'http://host.test/c'</style> \u{1b}[2J\u{1b}]0;title\u{7} \u{202e}live ]]> &amp; \"'`";

/// Columns: only the first tells of its exits.
pub fn hypervisors(n: usize) -> Vec<Hypervisor> {
    let names = ["software", "qemu-tcg-max", "qemu-tcg-a72", "hvf"];
    let hypervisor = |i: usize| Hypervisor {
        id: names.get(i).map_or_else(|| format!("other-{i}.x"), |&name| name.to_owned()),
        name: format!("Hypervisor <{i}> & Sons"),
        version: format!("7.{i} <b>\"bold\"</b>"),
        command: vec!["prog".into(), "-cpu".into(), format!("max,x='{i}'")],
        vcpus: 4,
    };
    (0..n).map(hypervisor).collect()
}

/// Names in groups of ten.
pub fn names(n: usize) -> Vec<String> {
    let groups = ["abort", "gic", "gic_sgi", "mmu", "psci", "smp", "timer"];
    let name = |i: usize| match groups.get(i / 10) {
        Some(group) => format!("{group}.case_{}", i % 10),
        None => format!("more{}.case_{}", i / 10, i % 10),
    };
    (0..n).map(name).collect()
}

/// What the case teaches.
pub fn lesson(name: &str) -> Lesson {
    Lesson {
        case: name.to_owned(),
        claim: format!("{name} sees what <it> must & no more"),
        reference: format!("DDI 0487: {name} \"quoted\""),
        needs: if name.ends_with('3') { vec!["two-cpus".into(), "gic".into()] } else { vec![] },
        text: format!(
            "The manual promises *much* of `{name}`.\n\nA word that only stands here: needle{}.\n\n\
             ```text\n  EL0 --svc--> EL1\n     <--eret--\n```\n\n{HOSTILE}\n",
            name.replace('.', "_")
        ),
    }
}

/// How case `i` went on hypervisor `j`: of all sorts.
pub fn case(i: usize, j: usize, name: &str, hypervisor: &str) -> Option<CaseRun> {
    let (verdict, known, attempts) = match (i * 7 + j * 3) % 23 {
        4 => (Verdict::Failed, None, 1),
        9 => (Verdict::Failed, Some("it says <otherwise>: DDI 0487, R_ABCDE"), 1),
        11 => (Verdict::Skipped, None, 1),
        13 => (Verdict::Passed, None, 3),
        17 => (Verdict::Passed, Some("no longer so"), 1),
        19 if j > 0 => return None,
        _ => (Verdict::Passed, None, 1),
    };
    let reasons = match verdict {
        Verdict::Passed => vec![],
        Verdict::Skipped => vec!["ID_AA64PFR1_EL1.BT says no BTI".to_owned()],
        Verdict::Failed => vec![format!("x{i} is {j} and not 1"), HOSTILE.to_owned()],
    };
    let result = if verdict == Verdict::Failed { "not ok" } else { "ok" };
    let figures = if i.is_multiple_of(5) { figures(i, j) } else { vec![] };
    Some(CaseRun {
        hypervisor: hypervisor.to_owned(),
        case: name.to_owned(),
        verdict,
        reasons,
        known: known.map(str::to_owned),
        attempts,
        time_ns: 1_000_000 * (i as u64 + 1) + j as u64,
        console: format!("KTAP version 1\r\n1..1\r\n# {HOSTILE}\r\n{result} 1 {name}\r\n"),
        autopsy: if verdict == Verdict::Failed {
            format!("pc 0x40080000 {HOSTILE}")
        } else {
            String::new()
        },
        figures,
        events: if j == 0 { events(i) } else { vec![] },
    })
}

fn figures(i: usize, j: usize) -> Vec<Figure> {
    let figure =
        |name: &str, value, unit: &str| Figure { name: name.into(), value, unit: unit.into() };
    vec![
        figure("latency.p50", 100.0 * (j + 1) as f64 + i as f64, "ns"),
        figure("latency.max", 10f64.powi(2 + j as i32), "ns"),
        figure("drift", j as f64 * 1.5 - 1.0, "ppm"),
    ]
}

/// Exits of two vCPUs, some events of the monitor's own.
fn events(i: usize) -> Vec<Event> {
    let event = |k: usize| {
        let kind = ["hypercall", "console", "data-abort", "inject", "system-register", "power"];
        let value = json!({
            "time_ns": 40_000 + 1_700 * k as u64 * (1 + i as u64 % 3),
            "vcpu": k % 2,
            "kind": kind[k % kind.len()],
            "pc": if k.is_multiple_of(3) { None } else { Some(0x4008_0000u64 + 4 * k as u64) },
            "word": 0xd400_0002u32,
            "what": format!("what {k} <x>"),
            "answer": format!("answer {k}"),
            "before": if kind[k % kind.len()] == "console" { 40 } else { 0 },
            "took_ns": if k % 6 == 4 { 5_000 } else { 0 },
            "shared": k % 6 == 3,
            "announced": if k % 6 == 2 {
                json!({ "fields": "EC 0x24", "differs": if k > 6 { vec!["ISS"] } else { vec![] } })
            } else {
                json!(null)
            },
            "source": if k.is_multiple_of(6) {
                json!([{ "function": "put<T>", "file": "guest/kernel/src/console.rs", "line": 7 },
                    { "function": "case_<x>", "file": "guest/kernel/src/cases/abort.rs",
                      "line": 70 + k, "text": "    hvc::<5>(1 & 2);" }])
            } else {
                json!([])
            },
        });
        serde_json::from_value(value).expect("an event as it is written")
    };
    (0..12 + i % 4).map(event).collect()
}

/// All records of a run, for the cases that `chosen` takes.
pub fn records(
    cases: usize,
    columns: usize,
    partition: &str,
    chosen: impl Fn(usize) -> bool,
) -> Vec<Record> {
    let (hypervisors, names) = (hypervisors(columns), names(cases));
    let mut records: Vec<Record> = hypervisors.iter().cloned().map(Record::Hypervisor).collect();
    records.extend(names.iter().map(|name| Record::Lesson(lesson(name))));
    let mut count = 0;
    for (i, name) in names.iter().enumerate().filter(|(i, _)| chosen(*i)) {
        for (j, hypervisor) in hypervisors.iter().enumerate() {
            if let Some(run) = case(i, j, name, &hypervisor.id) {
                records.push(Record::Case(Box::new(run)));
                count += 1;
            }
        }
    }
    records.push(Record::End(End {
        partition: partition.into(),
        cases: count,
        time_ns: 5_000_000_000,
    }));
    records
}

/// As a file has them.
pub fn lines(records: &[Record]) -> String {
    let line = |record| serde_json::to_string(record).expect("JSON") + "\n";
    records.iter().map(line).collect()
}
