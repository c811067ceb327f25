use super::*;

fn hypervisor(id: &str) -> Hypervisor {
    Hypervisor {
        id: id.into(),
        name: format!("The {id}"),
        version: "1.0".into(),
        command: Vec::new(),
        vcpus: 1,
    }
}

fn run(hypervisor: &str, case: &str, verdict: Verdict, reason: &str) -> CaseRun {
    CaseRun {
        hypervisor: hypervisor.into(),
        case: case.into(),
        verdict,
        reasons: (!reason.is_empty()).then(|| reason.into()).into_iter().collect(),
        known: None,
        attempts: 1,
        time_ns: 0,
        console: String::new(),
        autopsy: String::new(),
        figures: Vec::new(),
        events: Vec::new(),
    }
}

fn shown(runs: &[CaseRun], brief: bool) -> String {
    let hypervisors = ["soft", "other"].map(hypervisor);
    let cases = ["a.b", "a.c", "d.e", "d.f"];
    let stale = [("a.b".to_string(), "soft".to_string(), "why".to_string())];
    let shown = Shown { hypervisors: &hypervisors, cases: &cases, runs, stale: &stale, brief };
    console::strip_ansi_codes(&shown.lines().join("\n")).into_owned()
}

fn runs() -> Vec<CaseRun> {
    use Verdict::{Failed, Passed, Skipped};
    let known = CaseRun {
        known: Some("it is so (DDI 0487)".into()),
        ..run("other", "a.c", Failed, "x is 1")
    };
    let flaky = CaseRun { attempts: 2, ..run("soft", "d.f", Passed, "") };
    let failed = CaseRun {
        console: "# one\nnot ok 3 d.e # y \u{1b}[2J\n".into(),
        ..run("other", "d.e", Failed, "y \u{1b}[2J")
    };
    vec![
        run("soft", "a.b", Passed, ""),
        run("other", "a.b", Passed, ""),
        run("soft", "a.c", Skipped, "needs gic"),
        known,
        run("soft", "d.e", Skipped, "needs gic"),
        failed,
        flaky,
    ]
}

#[test]
fn the_table_has_a_cell_for_each_case_and_hypervisor_and_a_legend() {
    let text = shown(&runs(), false);
    let wanted = "\
A  soft   The soft   1.0
B  other  The other  1.0

          A        B
a.b       ok       ok
a.c       skip 1   known 2
d.e       skip 1   FAIL 3
d.f       flaky 4  -

ok        1        1
flaky     1        0
FAIL      0        1
known     0        1
skip      2        0
not run   0        1

skip 1     needs gic
known 2    it is so (DDI 0487)
FAIL 3     y \u{fffd}[2J
flaky 4    passed at attempt 2

FAIL d.e on other
  -> y \u{fffd}[2J
  | # one
  | not ok 3 d.e # y \u{fffd}[2J
stale: a.b passed on soft, but is known to differ: why";
    assert_eq!(text, wanted);
}

#[test]
fn briefly_what_passed_everywhere_is_only_counted() {
    let text = shown(&runs(), true);
    assert!(!text.contains("\na.b ") && text.contains("\na.c "), "{text}");
    assert!(text.contains("\nok        1        1\n"), "{text}");
}

#[test]
fn columns_have_letters() {
    assert_eq!([0, 25, 26, 51, 52].map(letter), ["A", "Z", "AA", "AZ", "BA"]);
}
