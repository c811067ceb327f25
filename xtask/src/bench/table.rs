//! The rows as a table for people, and as JSON.

use super::guest::Launch;
use super::row::{Row, Rows, Samples, Unit, Verdict};
use crate::command::{Cmd, capture};
use console::style;
use serde_json::{Value, json};

/// What the numbers were taken on.
#[derive(Debug)]
pub struct Machine {
    host: String,
    qemu: Option<String>,
}

impl Machine {
    /// Looks around. Only Linux says what processor it is.
    pub fn look(launch: &Launch) -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model =
            cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let model = model.map_or(std::env::consts::ARCH, |(_, name)| name.trim());
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let version = launch.qemu.as_ref().and_then(|program| {
            let text = capture(Cmd::new("QEMU", program).arg("--version")).ok()?;
            Some(text.lines().next()?.replace("QEMU emulator version", "QEMU"))
        });
        let host = format!("{model}, {count} CPUs, {}", std::env::consts::OS);
        Self { host, qemu: version }
    }
}

/// Prints the table.
pub fn print(machine: &Machine, rows: &Rows) {
    println!("{}", machine.host);
    println!("{}", machine.qemu.as_deref().unwrap_or("no QEMU: its column is empty"));
    println!();
    let header = ["", "anyvisor", "", "QEMU", "", "x faster", "target"];
    print_line(header.map(String::from), "");
    for row in rows.iter() {
        let [ours, ours_spread] = cells(row.unit, &row.ours);
        let [qemu, qemu_spread] = cells(row.unit, &row.qemu);
        let faster = row.times_faster().map_or(String::new(), |times| format!("{times:.2}"));
        let targets: Vec<_> = row.targets.iter().map(|&t| row.describe(t)).collect();
        let verdicts = row.targets.iter().map(|&t| paint(row.verdict(t)));
        let line =
            [row.name.clone(), ours, ours_spread, qemu, qemu_spread, faster, targets.join(", ")];
        print_line(line, &verdicts.collect::<Vec<_>>().join(", "));
    }
    println!();
    explain(rows);
    let verdicts = || rows.iter().flat_map(|row| row.targets.iter().map(|&t| row.verdict(t)));
    let of = |wanted| verdicts().filter(|&v| v == wanted).count();
    println!(
        "targets: {} met, {} missed, {} unknown",
        of(Verdict::Met),
        of(Verdict::Missed),
        of(Verdict::Unknown)
    );
    let disturbed = rows.disturbed.iter().filter(|&&disturbed| disturbed).count();
    if disturbed > 0 {
        println!(
            "{disturbed} of {} runs were disturbed by other work on this host: measure again when \
             it is quiet",
            rows.disturbed.len()
        );
    }
    for note in &rows.notes {
        println!("{note}");
    }
    for complaint in &rows.complaints {
        println!("{} {complaint}", style("wrong:").red().bold());
    }
}

/// What names do not say.
fn explain(rows: &Rows) {
    let texts = [
        ("first-instruction", "process start to a byte that the guest's fifth instruction sent"),
        ("boot", "process start to exit of the kernel that does nothing"),
        ("suite", "anyvisor run: all cases, each in its own VM"),
        ("memory", "of the suite's process: peak of resident memory less resident guest RAM"),
        ("vm", "create and destroy: a VM"),
        ("vm-vcpu", "a VM and a vCPU"),
        ("vm-vcpu-run", "a VM, a page of memory, and a vCPU that runs one instruction"),
        ("exits_hvc", "to the monitor and back: one vCPU; exits_..._2: two at once, together"),
        ("ipi", "SGI to another CPU and the answer; ipi_wfi: both sleep in between"),
        (
            "timer_spin_median",
            "deadline to handler, awake; timer_wfi: asleep; p99: 99th percentile",
        ),
        ("barrier", "64 CPUs meet once, their start and end among the meetings"),
        ("run-again", "cargo xtask run, everything built"),
        ("run-fresh", "cargo xtask run, empty build folder"),
    ];
    for (name, text) in texts {
        if rows.iter().any(|row| row.name == name) {
            println!("{name}: {text}");
        }
    }
    println!(
        "MIPS: million guest instructions a second; k/s: thousand a second; ns: an event; ±: largest less smallest"
    );
}

fn print_line(
    [name, ours, ours_spread, qemu, qemu_spread, faster, target]: [String; 7],
    verdict: &str,
) {
    let line = format!(
        "{name:<18}{ours:>12} {ours_spread:<6}{qemu:>12} {qemu_spread:<6}{faster:>9}  {target:<24}{verdict}"
    );
    println!("{}", line.trim_end());
}

/// A median with its unit, and its spread.
fn cells(unit: Unit, samples: &Samples) -> [String; 2] {
    let Some(median) = samples.median() else { return [String::from("-"), String::new()] };
    let digits = match median {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    let spread = samples.spread().filter(|_| samples.0.len() > 1);
    let spread = spread.map_or(String::new(), |percent| format!("±{percent:.0}%"));
    [format!("{median:.digits$} {}", unit.symbol()), spread]
}

fn paint(verdict: Verdict) -> String {
    let text = verdict.to_string();
    match verdict {
        Verdict::Met => style(text).green(),
        Verdict::Missed => style(text).red().bold(),
        Verdict::Unknown => style(text).yellow(),
    }
    .to_string()
}

/// The same for programs.
pub fn json(machine: &Machine, runs: u32, scale: u32, rows: &Rows) -> Value {
    json!({
        "host": machine.host,
        "qemu": machine.qemu,
        "runs": runs,
        "scale": scale,
        "rows": rows.iter().map(json_row).collect::<Vec<_>>(),
        "runs_judged": rows.disturbed.len(),
        "runs_disturbed": rows.disturbed.iter().filter(|&&disturbed| disturbed).count(),
        "notes": rows.notes,
        "wrong": rows.complaints,
    })
}

fn json_row(row: &Row) -> Value {
    let samples = |samples: &Samples| json!({ "median": samples.median(), "samples": samples.0 });
    let targets = row.targets.iter().map(|&target| {
        let verdict = row.verdict(target).to_string().to_lowercase();
        json!({ "target": row.describe(target), "verdict": verdict })
    });
    json!({
        "name": row.name,
        "unit": row.unit.symbol(),
        "ours": samples(&row.ours),
        "qemu": samples(&row.qemu),
        "times_faster": row.times_faster(),
        "targets": targets.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::guest::Engine;
    use crate::bench::row::Target;

    #[test]
    fn numbers_keep_three_digits() {
        let cell = |v: f64| cells(Unit::Nanoseconds, &Samples(vec![v]))[0].clone();
        assert_eq!(cell(1234.5), "1234 ns");
        assert_eq!(cell(12.34), "12.3 ns");
        assert_eq!(cell(1.234), "1.23 ns");
        assert_eq!(cell(0.1234), "0.123 ns");
        assert_eq!(cells(Unit::Mips, &Samples(vec![]))[0], "-");
        assert_eq!(cells(Unit::Mips, &Samples(vec![90.0, 100.0, 110.0]))[1], "±20%");
    }

    #[test]
    fn a_missed_target_is_in_the_json() {
        let mut rows = Rows::default();
        let row = rows.at("hvc", Unit::Nanoseconds, || vec![Target::AtMost(150.0)]);
        row.add(Engine::Ours, 300.0);
        let machine = Machine { host: "h".into(), qemu: None };
        let value = json(&machine, 1, 100, &rows);
        let target = &value["rows"][0]["targets"][0];
        assert_eq!(
            (&target["target"], &target["verdict"]),
            (&json!("under 150 ns"), &json!("missed"))
        );
    }
}
