//! The page's address is its state: filters and the open case.

use crate::{COLUMNS, Setting, Test, made, same};
use anyvisor_matrix::record::Record;
use anyvisor_matrix::report::status::Status;
use std::collections::BTreeSet;

/// By what they claim.
pub const TESTS: &[(&str, Test)] = &[
    ("an_address_says_which_cases_are_shown", addresses),
    ("the_form_writes_the_address", form),
    ("a_case_is_opened_by_its_address", panel),
    ("the_keyboard_alone_is_enough", keyboard),
    ("an_address_that_makes_no_sense_does_no_harm", nonsense),
];

/// What a set of filters shows, found without the page.
struct Filter<'a> {
    text: &'a [&'a str],
    group: &'a str,
    verdicts: &'a [&'a str],
    hypervisors: &'a [&'a str],
}

const ANY: Filter = Filter { text: &[], group: "", verdicts: &[], hypervisors: &[] };

impl Filter<'_> {
    fn shows(&self, records: &[Record]) -> Vec<String> {
        let fits = |name: &String| {
            let lesson = made::lesson(name);
            let words = format!("{name} {} {} {}", lesson.claim, lesson.reference, lesson.text);
            let words = words.to_lowercase();
            let seen: Vec<&str> = made::hypervisors(COLUMNS)
                .iter()
                .filter(|h| self.hypervisors.is_empty() || self.hypervisors.contains(&&*h.id))
                .map(|h| {
                    let run = records.iter().find_map(|record| match record {
                        Record::Case(run) if run.case == *name && run.hypervisor == h.id => {
                            Some(&**run)
                        }
                        _ => None,
                    });
                    Status::of(run).word()
                })
                .collect();
            let different: BTreeSet<_> = seen.iter().filter(|word| **word != "missing").collect();
            let verdict = |word: &&str| match *word {
                "differs" => different.len() > 1,
                word => seen.contains(&word),
            };
            self.text.iter().all(|word| words.contains(word))
                && (self.group.is_empty() || name.split('.').next() == Some(self.group))
                && (self.verdicts.is_empty() || self.verdicts.iter().any(verdict))
        };
        made::names(crate::CASES).into_iter().filter(fits).collect()
    }
}

fn addresses(setting: &mut Setting) -> Result<(), String> {
    let cases = [
        ("", ANY),
        ("#text=case_7", Filter { text: &["case_7"], ..ANY }),
        ("#text=NEEDLEgic_case_3", Filter { text: &["needlegic_case_3"], ..ANY }),
        ("#text=gic+case_1", Filter { text: &["gic", "case_1"], ..ANY }),
        ("#text=nothing-has-this", Filter { text: &["nothing-has-this"], ..ANY }),
        ("#group=gic", Filter { group: "gic", ..ANY }),
        ("#verdict=failed", Filter { verdicts: &["failed"], ..ANY }),
        ("#verdict=known&verdict=stale", Filter { verdicts: &["known", "stale"], ..ANY }),
        ("#verdict=missing", Filter { verdicts: &["missing"], ..ANY }),
        ("#verdict=differs&group=smp", Filter { verdicts: &["differs"], group: "smp", ..ANY }),
        (
            "#hypervisor=hvf&verdict=failed",
            Filter { hypervisors: &["hvf"], verdicts: &["failed"], ..ANY },
        ),
        (
            "#text=case&group=mmu&verdict=flaky&verdict=skipped&hypervisor=software&hypervisor=hvf",
            Filter {
                text: &["case"],
                group: "mmu",
                verdicts: &["flaky", "skipped"],
                hypervisors: &["software", "hvf"],
            },
        ),
    ];
    let mut sizes = BTreeSet::new();
    for (hash, filter) in cases {
        setting.open(hash)?;
        let must = filter.shows(&setting.records);
        same(hash, &setting.shown()?, &must)?;
        let columns = setting.words(
            "[...document.querySelectorAll('#matrix thead th[data-hypervisor]')]\
             .filter((th) => th.checkVisibility()).map((th) => th.textContent)",
        )?;
        let all = made::hypervisors(COLUMNS).into_iter().map(|h| h.id);
        let asked = |id: &String| {
            filter.hypervisors.is_empty() || filter.hypervisors.contains(&id.as_str())
        };
        same(hash, &columns, &all.filter(asked).collect())?;
        let says = setting.browser.eval("document.getElementById('shown').textContent")?;
        same(
            hash,
            &says.as_str(),
            &Some(format!("{} of {} cases", must.len(), crate::CASES).as_str()),
        )?;
        let nothing =
            setting.browser.eval("document.getElementById('nothing').checkVisibility()")?;
        same(hash, &nothing.as_bool(), &Some(must.is_empty()))?;
        sizes.insert(must.len());
    }
    if sizes.len() < 6 {
        return Err(format!("the filters hardly differ: {sizes:?}"));
    }
    // The same by a change of the address in the open page.
    setting.open("")?;
    setting.browser.eval("location.hash = '#group=psci'")?;
    setting.browser.settle()?;
    same("later", &setting.shown()?, &Filter { group: "psci", ..ANY }.shows(&setting.records))
}

fn form(setting: &mut Setting) -> Result<(), String> {
    setting.open("#case=smp.case_1")?;
    setting.browser.eval("document.getElementById('text').focus()")?;
    setting.browser.call("Input.insertText", serde_json::json!({ "text": "case_2" }))?;
    setting.browser.eval("document.querySelector('input[value=failed]').click()")?;
    setting.browser.eval("document.querySelector('input[value=\"qemu-tcg-max\"]').click()")?;
    setting.browser.settle()?;
    let filter =
        Filter { text: &["case_2"], verdicts: &["failed"], hypervisors: &["qemu-tcg-max"], ..ANY };
    let must = filter.shows(&setting.records);
    same("by the form", &setting.shown()?, &must)?;
    same("the panel stays", &setting.opened()?, &vec!["smp.case_1".to_owned()])?;
    let hash = setting.browser.eval("location.hash")?;
    let hash = hash.as_str().ok_or("no hash")?.to_owned();
    setting.open(&hash)?;
    same("by its address", &setting.shown()?, &must)?;
    let filled = setting.words(
        "[document.getElementById('text').value, \
          ...[...document.querySelectorAll('#filters :checked')].map((box) => box.value)]",
    )?;
    same(
        "the form",
        &filled,
        &["case_2", "", "failed", "qemu-tcg-max"].map(str::to_owned).to_vec(),
    )?;
    setting.browser.eval("document.querySelector('#filters button').click()")?;
    setting.browser.settle()?;
    same("after the reset", &setting.shown()?, &made::names(crate::CASES))?;
    setting.browser.eval("history.back()")?;
    setting.browser.settle()?;
    // Going back is the browser's own task; the page follows it.
    setting.browser.eval(
        "new Promise((done) => { const wait = () => location.hash.includes('case_2') ? done() \
         : setTimeout(wait, 5); wait(); })",
    )?;
    setting.browser.settle()?;
    same("after going back", &setting.shown()?, &must)
}

fn panel(setting: &mut Setting) -> Result<(), String> {
    setting.open("")?;
    same("at first", &setting.opened()?, &vec![])?;
    setting.open("#case=timer.case_4&at=hvf&group=timer")?;
    same("opened", &setting.opened()?, &vec!["timer.case_4".to_owned()])?;
    same("and filtered", &setting.shown()?.len(), &10)?;
    let chosen = setting.words(
        "[...document.querySelectorAll('.on.chosen, td.chosen')].map((e) => e.dataset.hypervisor)",
    )?;
    same("chosen", &chosen, &vec!["hvf".to_owned(), "hvf".to_owned()])?;
    let seen = setting.browser.eval(
        "(() => { const box = document.querySelector('.on.chosen').getBoundingClientRect(); \
         return box.top >= 0 && box.top < innerHeight; })()",
    )?;
    same("it is in view", &seen.as_bool(), &Some(true))?;
    let scrolled = setting.browser.eval("scrollY")?;
    same("the table stays where it was", &scrolled.as_f64(), &Some(0.0))?;
    setting.browser.eval("document.getElementById('close').click()")?;
    setting.browser.settle()?;
    same("closed", &setting.opened()?, &vec![])?;
    same("still filtered", &setting.shown()?.len(), &10)?;
    let click = "document.querySelector('tr[data-case=\"timer.case_0\"] td a').click()";
    setting.browser.eval(click)?;
    setting.browser.settle()?;
    same("by a click", &setting.opened()?, &vec!["timer.case_0".to_owned()])?;
    let hash = setting.browser.eval("location.hash")?;
    same("address", &hash.as_str(), &Some("#group=timer&case=timer.case_0&at=software"))
}

fn keyboard(setting: &mut Setting) -> Result<(), String> {
    setting.open("#group=abort")?;
    let focus = |setting: &mut Setting| {
        setting.browser.eval(
            "(() => { const at = document.activeElement; return at.closest('tr')?.dataset.case \
             + ' ' + (at.closest('td')?.dataset.hypervisor || at.closest('th')?.scope); })()",
        )
    };
    // Tab alone comes to the first case, past the filters, and not by way of hundreds of cells.
    let mut presses = 0;
    while focus(setting)?.as_str() != Some("abort.case_0 row") {
        presses += 1;
        if presses > 40 {
            return Err("Tab does not reach the table".into());
        }
        setting.browser.key("Tab")?;
    }
    setting.browser.key("Tab")?;
    same("Tab", &focus(setting)?.as_str(), &Some("abort.case_1 row"))?;
    for (key, place) in [
        ("ArrowRight", "abort.case_1 software"),
        ("ArrowRight", "abort.case_1 qemu-tcg-max"),
        ("ArrowDown", "abort.case_2 qemu-tcg-max"),
        ("ArrowLeft", "abort.case_2 software"),
        ("ArrowUp", "abort.case_1 software"),
        ("ArrowLeft", "abort.case_1 row"),
        ("ArrowUp", "abort.case_0 row"),
        ("ArrowUp", "abort.case_0 row"),
    ] {
        setting.browser.key(key)?;
        same(key, &focus(setting)?.as_str(), &Some(place))?;
    }
    setting.browser.key("ArrowRight")?;
    setting.browser.key("Enter")?;
    same("Enter", &setting.opened()?, &vec!["abort.case_0".to_owned()])?;
    let inside = "document.getElementById('panel').contains(document.activeElement)";
    same("focus goes there", &setting.browser.eval(inside)?.as_bool(), &Some(true))?;
    setting.browser.key("Escape")?;
    same("Escape", &setting.opened()?, &vec![])?;
    same("focus comes back", &focus(setting)?.as_str(), &Some("abort.case_0 software"))
}

fn nonsense(setting: &mut Setting) -> Result<(), String> {
    for hash in [
        "#case=no.such&at=nobody",
        "#%",
        "#%ff%00",
        "#group=nobodys&hypervisor=nobody",
        "#verdict=<script>alert(1)</script>",
        "#case=abort.case_0&at=\"];alert(1)//",
        "#text=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E",
        "#matrix",
    ] {
        setting.open(hash)?;
        same(hash, &setting.browser.complaints(), &vec![])?;
        let alive = setting.browser.eval("document.getElementById('shown').textContent")?;
        let alive = alive.as_str().unwrap_or_default().to_owned();
        if !alive.ends_with(&format!("of {} cases", crate::CASES)) {
            return Err(format!("{hash}: the page says {alive:?}"));
        }
    }
    Ok(())
}
