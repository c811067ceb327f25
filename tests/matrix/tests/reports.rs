//! Reading, merging and writing: what files of records say, and what is said of bad ones.

mod made;

use anyvisor_matrix::record::{CaseRun, Record};
use anyvisor_matrix::report::merge::{Report, merge};
use anyvisor_matrix::report::problem::Problem;
use anyvisor_matrix::report::status::Status;
use anyvisor_matrix::report::{html, jsonl, junit, pretty, read};
use made::{HOSTILE, lines, records};

fn report(files: &[(&str, &str)]) -> Report {
    let (mut parts, mut problems) = (vec![], vec![]);
    for (name, text) in files {
        let found = read::read(name, text.as_bytes()).expect("memory can be read");
        parts.extend(found.parts);
        problems.extend(found.problems);
    }
    merge(parts, problems)
}

fn third(i: usize) -> String {
    lines(&records(30, 2, &format!("{i}/3"), |case| case % 3 == i - 1))
}

fn cases(records: &[Record]) -> impl Iterator<Item = &CaseRun> {
    records.iter().filter_map(|record| match record {
        Record::Case(run) => Some(&**run),
        _ => None,
    })
}

#[test]
fn partitions_make_the_run_that_one_machine_would_have_made() {
    let whole = lines(&records(30, 2, "1/1", |_| true));
    let one = report(&[("all", &whole)]);
    let merged = report(&[("b", &third(2)), ("a", &third(1)), ("c", &third(3))]);
    assert!(one.problems.is_empty() && merged.problems.is_empty(), "{:?}", merged.problems);
    for (name, write) in [
        ("junit", junit::write as fn(&Report) -> String),
        ("html", html::write),
        ("pretty", pretty::write),
        ("jsonl", jsonl::write),
    ] {
        assert!(write(&one) == write(&merged), "{name} of the merged run differs");
    }
    // What was merged is read again as it is.
    let again = report(&[("merged", &jsonl::write(&merged))]);
    assert!(again.problems.is_empty() && jsonl::write(&again) == jsonl::write(&merged));
}

#[test]
fn a_missing_partition_is_named_and_can_be_added_later() {
    let partial = report(&[("a", &third(1)), ("c", &third(3))]);
    let missing = |hypervisor: &str| Problem::Missing {
        hypervisor: hypervisor.into(),
        missing: vec![2],
        of: 3,
    };
    assert_eq!(partial.problems, [missing("software"), missing("qemu-tcg-max")]);
    assert!(partial.problems.iter().all(Problem::is_a_missing_part));
    assert!(partial.problems[0].to_string().contains("of 3 partitions 2 is missing"));
    let kept = jsonl::write(&partial);
    assert_eq!(report(&[("kept", &kept)]).problems, partial.problems);
    assert!(report(&[("kept", &kept), ("b", &third(2))]).problems.is_empty());
}

#[test]
fn each_report_says_that_a_partition_is_missing() {
    let partial = report(&[("a", &third(1)), ("c", &third(3))]);
    let says = partial.problems[0].to_string();
    let document = junit::write(&partial);
    let document = roxmltree::Document::parse(&document).expect("XML");
    let errors: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("error"))
        .filter_map(|node| node.attribute("message"))
        .collect();
    assert_eq!(errors.len(), 2);
    assert_eq!(errors[0], says);
    let page = scraper::Html::parse_document(&html::write(&partial));
    let selector = scraper::Selector::parse("#problems li").expect("a selector");
    let said: Vec<String> = page.select(&selector).map(|li| li.text().collect()).collect();
    assert_eq!(said.len(), 2);
    assert_eq!(said[0], says);
}

#[test]
fn a_partition_that_is_given_twice_is_named() {
    let (a, b, c) = (third(1), third(2), third(3));
    let report = report(&[("a", &a), ("b", &b), ("c", &c), ("a again", &a)]);
    assert_eq!(report.problems.len(), 2, "{:?}", report.problems);
    for (problem, hypervisor) in report.problems.iter().zip(["qemu-tcg-max", "software"]) {
        assert!(
            matches!(problem, Problem::Twice { hypervisor: h, a, b, cases }
                if h == hypervisor && a == "a" && b == "a again" && cases.len() >= 8),
            "{problem:?}"
        );
        assert!(!problem.is_a_missing_part());
    }
}

#[test]
fn partitions_of_different_divisions_are_named() {
    let half = lines(&records(30, 1, "1/2", |case| case % 2 == 0));
    let third = lines(&records(30, 1, "hash:2/3", |case| case % 3 == 1));
    let problems = report(&[("half", &half), ("third", &third)]).problems;
    let mixed = problems.iter().find(|p| matches!(p, Problem::Mixed { .. })).expect("named");
    assert_eq!(
        mixed.to_string(),
        "software: partitions that do not belong together: half: 1/2, third: hash:2/3"
    );
}

#[test]
fn two_different_results_of_a_case_are_named_and_the_worse_counts() {
    let good = records(30, 1, "1/1", |_| true);
    let mut bad = good.clone();
    let passed =
        |r: &&mut Record| matches!(r, Record::Case(run) if Status::of(Some(run)) == Status::Passed);
    let Some(Record::Case(run)) = bad.iter_mut().find(passed) else { panic!("one passed") };
    run.verdict = anyvisor_monitor::suite::Verdict::Failed;
    let name = run.case.clone();
    for files in [[("good", &good), ("bad", &bad)], [("bad", &bad), ("good", &good)]] {
        let texts = files.map(|(name, records)| (name, lines(records)));
        let report = report(&[(texts[0].0, &texts[0].1), (texts[1].0, &texts[1].1)]);
        let told = |p: &&Problem| matches!(p, Problem::Disagree { case, .. } if *case == name);
        let told = report.problems.iter().find(told).expect("named").to_string();
        assert!(
            told.contains("good:") && told.contains("bad:") && told.contains("failed"),
            "{told}"
        );
        let case = report.cases.iter().find(|case| case.name == name).expect("it is there");
        assert_eq!(case.status(0), Status::Failed);
        assert!(report.has_failed());
    }
}

#[test]
fn a_cut_last_line_is_named_and_the_lines_before_it_count() {
    let whole = lines(&records(30, 1, "1/1", |_| true));
    let rows = whole.lines().count();
    let cut = &whole[..whole.trim_end().rfind('\n').expect("lines") + 20];
    let report = report(&[("cut", cut)]);
    let [Problem::Cut(at), Problem::NoEnd { cases, .. }] = &report.problems[..] else {
        panic!("{:?}", report.problems)
    };
    assert_eq!((at.file.as_str(), at.line, *cases), ("cut", rows, 30));
    assert_eq!(report.cases.len(), 30);
}

#[test]
fn every_cut_of_a_file_is_noticed() {
    let whole = lines(&records(3, 1, "1/1", |_| true));
    let step = 37;
    for end in (0..whole.trim_end().len()).step_by(step) {
        let end = (end..).find(|&end| whole.is_char_boundary(end)).expect("an end");
        let report = report(&[("cut", &whole[..end])]);
        assert!(!report.problems.is_empty(), "cut at {end}");
    }
}

#[test]
fn a_foreign_line_is_named_and_the_others_count() {
    let mut text = lines(&records(5, 1, "1/1", |_| true));
    let at = text.find('\n').expect("a line") + 1;
    text.insert_str(
        at,
        "Segmentation fault \u{1b}[31m\n{\"record\":\"weather\",\"sun\":1}\n[1,2]\n",
    );
    let report = report(&[("f", &text)]);
    let lines = report.problems.iter().map(|problem| match problem {
        Problem::Foreign { at, .. } => at.line,
        other => panic!("{other:?}"),
    });
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines, [2, 3, 4]);
    assert_eq!(report.cases.len(), 5);
}

#[test]
fn rubbish_is_named_and_nothing_panics() {
    for bytes in [&b""[..], b"\n\n", b"\0\xff\xfe\n", b"{", b"{}\n", b"\"x\"\n", &[0xc3; 9000]] {
        let found = read::read("rubbish", bytes).expect("memory can be read");
        assert!(!found.problems.is_empty(), "{bytes:?}");
        let report = merge(found.parts, found.problems);
        assert!(junit::write(&report).contains("records"));
        assert!(html::write(&report).contains("Not to be relied on"));
    }
}

#[test]
fn an_end_that_counts_otherwise_is_named() {
    let mut all = records(5, 1, "1/1", |_| true);
    all.retain(|record| !matches!(record, Record::Case(run) if run.case.ends_with("_2")));
    let report = report(&[("f", &lines(&all))]);
    assert!(
        matches!(report.problems[..], [Problem::Count { planned: 5, found: 4, .. }]),
        "{:?}",
        report.problems
    );
}

#[test]
fn another_kernel_and_another_hypervisor_of_the_same_name_are_named() {
    let first = records(4, 1, "1/2", |case| case < 2);
    let mut second = records(4, 1, "2/2", |case| case >= 2);
    for record in &mut second {
        match record {
            Record::Hypervisor(hypervisor) => hypervisor.version = "8.0".into(),
            Record::Lesson(lesson) => lesson.claim.push('!'),
            _ => {}
        }
    }
    let problems = report(&[("a", &lines(&first)), ("b", &lines(&second))]).problems;
    assert!(
        matches!(&problems[..], [Problem::OtherHypervisor { .. }, Problem::OtherKernel { .. }]),
        "{problems:?}"
    );
}

#[test]
fn a_case_of_an_unknown_hypervisor_is_shown_and_named() {
    let mut all = records(4, 1, "1/1", |_| true);
    all.retain(|record| !matches!(record, Record::Hypervisor(_)));
    let report = report(&[("f", &lines(&all))]);
    assert!(matches!(&report.problems[..], [Problem::Unknown { id, .. }] if id == "software"));
    assert_eq!(report.cases.len(), 4);
}

#[test]
fn a_partition_that_is_none_is_named() {
    for text in ["", "1", "0/2", "3/2", "1/0", "a/b", "1/4294967296", "1/4000000000"] {
        let report = report(&[("f", &lines(&records(2, 1, text, |_| true)))]);
        assert!(
            report
                .problems
                .iter()
                .any(|p| matches!(p, Problem::Partition { text: t, .. } if t == text)),
            "{text}: {:?}",
            report.problems
        );
    }
}

#[test]
fn junit_says_what_the_records_say() {
    let all = records(60, 3, "1/1", |_| true);
    let text = junit::write(&report(&[("f", &lines(&all))]));
    let document = roxmltree::Document::parse(&text).expect("XML");
    let mut seen = 0;
    for suite in document.root_element().children().filter(|node| node.has_tag_name("testsuite")) {
        let id = suite.attribute("name").expect("a name");
        let of = |status| {
            cases(&all)
                .filter(|run| run.hypervisor == id && Status::of(Some(run)) == status)
                .count()
        };
        let number = |name| suite.attribute(name).and_then(|n| n.parse().ok()).unwrap_or(0);
        assert_eq!(number("failures"), of(Status::Failed));
        let skipped = suite.descendants().filter(|node| node.has_tag_name("skipped")).count();
        assert_eq!(skipped, of(Status::Skipped) + of(Status::Known));
        for test in suite.children().filter(|node| node.has_tag_name("testcase")) {
            let name = format!(
                "{}.{}",
                test.attribute("classname").expect("a group"),
                test.attribute("name").expect("a name")
            );
            let run =
                cases(&all).find(|run| run.case == name && run.hypervisor == id).expect("a record");
            let child = |tag| test.children().find(|node| node.has_tag_name(tag));
            let message = |tag| child(tag).and_then(|node| node.attribute("message"));
            match Status::of(Some(run)) {
                Status::Failed => assert_eq!(message("failure"), Some(run.reasons[0].as_str())),
                Status::Skipped => assert_eq!(message("skipped"), Some(run.reasons[0].as_str())),
                Status::Known => {
                    let known = run.known.as_deref().expect("an explanation");
                    assert_eq!(
                        message("skipped"),
                        Some(format!("known difference: {known}").as_str())
                    );
                }
                Status::Flaky => {
                    let earlier = test.children().filter(|node| node.has_tag_name("flakyFailure"));
                    assert_eq!(earlier.count() as u32, run.attempts - 1);
                }
                _ => assert!(child("failure").is_none() && child("skipped").is_none(), "{name}"),
            }
            for figure in &run.figures {
                let value = format!("{} {}", figure.value, figure.unit);
                let there = test.descendants().any(|node| {
                    node.attribute("name") == Some(figure.name.as_str())
                        && node.attribute("value") == Some(value.as_str())
                });
                assert!(there, "{name}: {figure:?}");
            }
            let console = child("system-out").and_then(|node| node.text()).expect("a console");
            assert!(console.contains("</script><img src=http://host.test/b"), "{console}");
            let allowed = |c: char| c >= ' ' || c == '\n' || c == '\t';
            assert!(console.chars().all(allowed), "{console:?}");
            seen += 1;
        }
    }
    assert_eq!(seen, cases(&all).count());
}

#[test]
fn a_summary_has_no_control_characters_and_names_what_failed() {
    let all = records(30, 2, "1/1", |_| true);
    let text = pretty::write(&report(&[("f", &lines(&all))]));
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    for run in cases(&all).filter(|run| Status::of(Some(run)) == Status::Failed) {
        let line = format!("FAIL {} on {}\n", run.case, run.hypervisor);
        assert!(text.contains(&line), "{line} in {text}");
    }
    assert!(HOSTILE.contains('\u{1b}') && text.contains("\u{241b}[2J"), "{text}");
}
