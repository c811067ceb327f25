use super::*;

fn case(name: &str, needs: Needs) -> CaseInfo {
    CaseInfo {
        name: name.into(),
        claim: String::new(),
        reference: String::new(),
        needs,
        lesson: String::new(),
    }
}

/// What is heard of `names` when a console prints `text` and the machine ends.
fn heard(names: &[(&str, Needs)], text: &[u8], why: Option<&str>) -> Ended {
    let cases: Vec<CaseInfo> = names.iter().map(|(name, needs)| case(name, *needs)).collect();
    let wanted: Vec<&CaseInfo> = cases.iter().collect();
    let chatter = ["[firecracker]*".to_string()];
    let mut listener = Listener::new(&wanted, &chatter, 10_000);
    listener.hear(text, Duration::from_millis(30));
    listener.end(why.map(String::from), Duration::from_millis(50))
}

/// The same for three ordinary cases, as "passed", "skipped: reason", "failed: reason".
fn three(text: &str, why: Option<&str>) -> Vec<String> {
    let names = ["a.b", "a.c", "d.e"].map(|name| (name, Needs::NONE));
    let ended = heard(&names, format!("KTAP version 1\n1..3\n{text}").as_bytes(), why);
    assert_eq!(ended.no_report, None);
    told(&ended)
}

fn told(ended: &Ended) -> Vec<String> {
    let told = ended.heard.iter().map(|heard| match heard.verdict {
        Verdict::Passed => "passed".to_string(),
        Verdict::Skipped => format!("skipped: {}", heard.reasons.join("; ")),
        Verdict::Failed => format!("failed: {}", heard.reasons.join("; ")),
    });
    told.collect()
}

#[test]
fn a_whole_report_is_heard_with_each_console_and_figure() {
    let names = ["a.b", "a.c", "d.e"].map(|name| (name, Needs::NONE));
    let text = b"\x1b[2Jfirmware\r\nboot> KTAP version 1\r\n1..3\r\n# figure latency 12 ns\n\
                 ok 1 a.b\n[firecracker] says\n# x is 1\nnot ok 2 a.c # x != y\n\
                 ok 3 d.e # SKIP needs gic\n# 1 failed\n";
    let ended = heard(&names, text, None);
    assert_eq!(told(&ended), ["passed", "failed: x != y", "skipped: needs gic"]);
    assert_eq!(ended.heard[0].figures[0].name, "latency");
    assert_eq!(ended.heard[1].console, "# x is 1\nnot ok 2 a.c # x != y\n");
    assert_eq!(ended.heard[2].console, "ok 3 d.e # SKIP needs gic\n# 1 failed\n");
}

#[test]
fn a_case_takes_the_time_since_the_result_before_it() {
    let cases = ["a.b", "a.c"].map(|name| case(name, Needs::NONE));
    let wanted: Vec<&CaseInfo> = cases.iter().collect();
    let mut listener = Listener::new(&wanted, &[], 10_000);
    let lines = [("KTAP version 1\n", 20), ("1..2\nok 1", 30), (" a.b\n", 37)];
    for (text, at) in lines {
        listener.hear(text.as_bytes(), Duration::from_millis(at));
    }
    let ended = listener.end(None, Duration::from_millis(50));
    let times: Vec<_> = ended.heard.iter().map(|heard| heard.time.as_millis()).collect();
    assert_eq!(times, [7, 13]);
}

#[test]
fn a_machine_that_dies_fails_the_case_that_ran_and_keeps_the_results_before() {
    assert_eq!(
        three("ok 1 a.b\n", Some("it ended with signal 11")),
        ["passed", "failed: it ended with signal 11"]
    );
    assert_eq!(
        three("ok 1 a.b\n", None),
        ["passed", "failed: the machine went off while the case ran"]
    );
    assert_eq!(
        three("Bail out! no vectors\nok 1 a.b\n", None),
        ["failed: the guest gave up: no vectors"]
    );
}

#[test]
fn a_line_cut_in_the_middle_is_no_result() {
    assert_eq!(
        three("ok 1 a.b\nok 2 a.c", None),
        [
            "passed",
            "failed: the console ends in the middle of a line: \"ok 2 a.c\"; the machine went off \
             while the case ran"
        ]
    );
    // The newline is lost: two results in a line are none.
    let told = three("ok 1 a.bok 2 a.c\nok 3 d.e\n", None);
    assert_eq!(told[0], "failed: \"ok 1 a.bok 2 a.c\" instead of the result 1 of a.b");
    assert_eq!(told[1], "failed: no result: the report goes on with \"ok 3 d.e\"");
    assert_eq!(told[2], "passed");
}

#[test]
fn wrong_numbers_and_names_fail_the_case_whose_turn_it_was() {
    let told = three("ok 7 a.b\nok 2 x.y\nok 3 d.e\n", None);
    assert_eq!(told[0], "failed: \"ok 7 a.b\" instead of the result 1 of a.b");
    assert_eq!(told[1], "failed: \"ok 2 x.y\" instead of the result 2 of a.c");
    assert_eq!(told[2], "passed");
    let told = three("ok 1 a.b\nok 2 a.c\nok 3 d.e\nok 4 f.g\n", None);
    assert_eq!(told[2], "failed: after its result: \"ok 4 f.g\" instead of nothing more");
}

#[test]
fn a_result_twice_fails_the_case() {
    let told = three("ok 1 a.b\nok 2 a.c\nok 1 a.b\nok 3 d.e\n", None);
    assert_eq!(told, ["failed: a second result: \"ok 1 a.b\"", "passed", "passed"]);
}

#[test]
fn rubbish_fails_the_case_that_ran_whatever_it_says() {
    let told = three("ok 1 a.b\n\0\x01\nok 2 a.c # SKIP why\nhm\nok 3 d.e\n", None);
    assert_eq!(told[1], "failed: no text: \"\\0\\u{1}\"");
    assert_eq!(told[2], "failed: neither a result nor a diagnostic: \"hm\"");
    let told = three("# figure x\nok 1 a.b\n", None);
    assert!(told[0].starts_with("failed: ") && told[0].contains("figure"), "{told:?}");
}

#[test]
fn a_flood_ends_the_boot() {
    let names = ["a.b", "a.c"].map(|name| (name, Needs::NONE));
    let cases: Vec<CaseInfo> = names.iter().map(|(name, needs)| case(name, *needs)).collect();
    let wanted: Vec<&CaseInfo> = cases.iter().collect();
    let mut listener = Listener::new(&wanted, &[], 10_000);
    listener.hear(b"KTAP version 1\n1..2\nok 1 a.b\n", Duration::ZERO);
    for _ in 0..9 {
        listener.hear(&b"# and so on\n".repeat(80), Duration::ZERO);
        assert!(!listener.is_over());
    }
    listener.hear(&b"# and so on\n".repeat(300), Duration::ZERO);
    assert!(listener.is_over());
    assert_eq!(listener.running().unwrap().name, "a.c");
    let ended = listener.end(None, Duration::ZERO);
    assert_eq!(told(&ended), ["passed", "failed: it flooded the console: more than 10000 bytes"]);
}

#[test]
fn what_is_wrong_after_the_last_result_fails_the_last_case() {
    let all = "ok 1 a.b\nok 2 a.c\nok 3 d.e\n";
    let told = three(all, Some("it ended with exit status: 1"));
    assert_eq!(told[2], "failed: after its result: it ended with exit status: 1");
    let told = three(&format!("{all}KTAP version 1\n1..3\n"), None);
    assert_eq!(told[2], "failed: after its result: the machine started again");
    let told = three(&format!("{all}# half a li"), None);
    assert!(told[2].contains("in the middle of a line"), "{told:?}");
}

#[test]
fn a_plan_that_does_not_add_up_is_no_report() {
    let names = ["a.b", "a.c"].map(|name| (name, Needs::NONE));
    let reason = |text: &str, why| heard(&names, text.as_bytes(), why).no_report.unwrap();
    assert!(reason("KTAP version 1\n1..3\nok 1 a.b\n", None).contains("the plan is 1..3"));
    assert!(reason("KTAP version 1\nok 1 a.b\n", None).contains("no plan behind the version"));
    assert_eq!(reason("KTAP version 1\n", None), "the report has no plan");
    assert!(reason("", None).contains("no line \"KTAP version 1\""));
    assert!(reason("1..2\nok 1 a.b\nok 2 a.c\n", None).contains("no line \"KTAP version 1\""));
    assert_eq!(reason("panic in the firmware\n", Some("silence")), "silence");
}

#[test]
fn a_case_that_ends_the_machine_may_take_its_success_back() {
    let off = [("psci.off", Needs::ENDS_VM)];
    let start = "KTAP version 1\n1..1\n";
    let heard = |text: &str, why| told(&heard(&off, format!("{start}{text}").as_bytes(), why));
    assert_eq!(heard("ok 1 psci.off\n", None), ["passed"]);
    let back = "ok 1 psci.off\n# came back\nnot ok 1 psci.off # it returned\n";
    assert_eq!(heard(back, None), ["failed: it returned"]);
    assert_eq!(heard("ok 1 psci.off\n", Some("it hangs")), ["failed: after its result: it hangs"]);
    // A reset that was meant may start the machine again; any other may not.
    let reset = format!("# resets the machine\nok 1 psci.off\n{start}");
    assert_eq!(heard(&reset, None), ["passed"]);
    assert_eq!(
        heard(&format!("ok 1 psci.off\n{start}"), None),
        ["failed: after its result: the machine started again"]
    );
}
