//! What the browser made of the page, beside the records.

use crate::made::HOSTILE;
use crate::{COLUMNS, Setting, Test, made, same};
use anyvisor_matrix::record::{CaseRun, Record};
use anyvisor_matrix::report::status::Status;
use anyvisor_matrix::report::text::{line, visible};
use anyvisor_monitor::timeline::Event;
use scraper::{ElementRef, Html, Selector};
use std::collections::HashSet;

/// By what they claim.
pub const TESTS: &[(&str, Test)] = &[
    ("the_table_says_what_the_records_say", the_table),
    ("a_panel_says_what_the_records_say", the_panels),
    ("a_timeline_has_each_event_in_its_lane_and_order", timelines),
    ("a_plot_is_to_scale", plots),
    ("each_link_has_its_place_and_no_place_has_two", links),
];

fn all<'a>(within: ElementRef<'a>, selector: &str) -> Vec<ElementRef<'a>> {
    within.select(&Selector::parse(selector).expect("a selector")).collect()
}

fn text(of: ElementRef) -> String {
    of.text().collect()
}

fn run<'a>(records: &'a [Record], case: &str, hypervisor: &str) -> Option<&'a CaseRun> {
    records.iter().find_map(|record| match record {
        Record::Case(run) if run.case == case && run.hypervisor == hypervisor => Some(&**run),
        _ => None,
    })
}

fn the_table(setting: &mut Setting) -> Result<(), String> {
    setting.open("")?;
    let dom = Html::parse_document(&setting.browser.dom()?);
    let rows = all(dom.root_element(), "#matrix tr[data-case]");
    let names: Vec<_> = rows.iter().filter_map(|row| row.attr("data-case")).collect();
    same("cases", &names, &made::names(crate::CASES).iter().map(String::as_str).collect())?;
    let heads = all(dom.root_element(), "#matrix thead th[data-hypervisor]");
    let ids: Vec<_> = made::hypervisors(COLUMNS).into_iter().map(|h| h.id).collect();
    same("columns", &heads.into_iter().map(text).collect(), &ids)?;
    for (row, name) in rows.iter().zip(&names) {
        let head = all(*row, "th[scope=row]");
        same("claim", &text(head[0]), &format!("{name}{}", made::lesson(name).claim))?;
        let cells = all(*row, "td");
        same("cells", &cells.len(), &COLUMNS)?;
        for (cell, id) in cells.iter().zip(&ids) {
            let status = Status::of(run(&setting.records, name, id));
            let what = format!("{name} on {id}");
            same(&what, &cell.attr("data-verdict"), &Some(status.word()))?;
            same(&what, &text(*cell), &status.name().to_owned())?;
            let shape = all(*cell, "use")[0].attr("href").unwrap_or_default().to_owned();
            same(&what, &shape, &format!("#shape-{}", status.word()))?;
        }
    }
    let sums = all(dom.root_element(), "#matrix .sums td");
    for (cell, id) in sums.iter().zip(&ids) {
        for status in Status::ALL {
            let n =
                names.iter().filter(|name| Status::of(run(&setting.records, name, id)) == status);
            let sum = all(*cell, &format!(".sum.{}", status.word()));
            let must = match n.count() {
                0 => None,
                n => Some(format!("{n} {}", status.name())),
            };
            same(id, &sum.first().map(|sum| text(*sum)), &must)?;
        }
    }
    Ok(())
}

fn the_panels(setting: &mut Setting) -> Result<(), String> {
    setting.open("")?;
    let dom = Html::parse_document(&setting.browser.dom()?);
    let mut seen = 0;
    for article in all(dom.root_element(), "#panel article") {
        let name = article.attr("data-case").unwrap_or_default();
        let lesson = made::lesson(name);
        same(name, &text(all(article, "h2")[0]), &name.to_owned())?;
        same(name, &text(all(article, "p.claim")[0]), &lesson.claim)?;
        same(name, &text(all(article, "dd")[0]), &lesson.reference)?;
        let needs: Vec<String> = all(article, "dd code").into_iter().map(text).collect();
        same(name, &needs, &lesson.needs)?;
        let picture = text(all(article, ".lesson pre")[0]);
        same(name, &picture, &"  EL0 --svc--> EL1\n     <--eret--\n".to_owned())?;
        same(name, &text(all(article, ".lesson em")[0]), &"much".to_owned())?;
        for section in all(article, "section.on") {
            let id = section.attr("data-hypervisor").unwrap_or_default();
            let run = run(&setting.records, name, id).ok_or(format!("no {name} on {id}"))?;
            let what = format!("{name} on {id}");
            let badge = text(all(section, "h3 .badge")[0]);
            same(&what, &badge, &Status::of(Some(run)).name().to_owned())?;
            let reasons: Vec<String> = all(section, ".reasons li").into_iter().map(text).collect();
            same(&what, &reasons, &run.reasons.iter().map(|reason| line(reason)).collect())?;
            same(&what, &text(all(section, ".console pre")[0]), &visible(&run.console))?;
            let autopsy = all(section, ".autopsy pre").first().map(|pre| text(*pre));
            let must = Some(visible(&run.autopsy)).filter(|text| !text.is_empty());
            same(&what, &autopsy, &must)?;
            let known = all(section, "p.known").first().map(|p| text(*p));
            let must = run.known.as_ref().map(|known| format!("Known difference: {known}"));
            same(&what, &known, &must)?;
            seen += 1;
        }
    }
    let cases = setting.records.iter().filter(|record| matches!(record, Record::Case(_))).count();
    same("runs", &seen, &cases)?;
    if !visible(HOSTILE).contains("</script><script>") {
        return Err("the records hold nothing that could harm".into());
    }
    Ok(())
}

fn timelines(setting: &mut Setting) -> Result<(), String> {
    let name = "gic.case_1";
    setting.open(&format!("#case={name}&at=software"))?;
    let events = &run(&setting.records, name, "software").ok_or("no run")?.events.clone();
    // As drawn: the middle of each mark, in the window's units.
    let drawn = setting.browser.eval(&format!(
        "[...document.querySelectorAll('article[data-case=\"{name}\"] .mark')].map((mark) => {{\
            const box = mark.getBoundingClientRect();\
            const x = box.width > 4 && mark.matches('.exit') ? box.x : box.x + box.width / 2;\
            return [Number(mark.dataset.event), x, box.y + box.height / 2,\
                    mark.querySelector('title').textContent, mark.getAttribute('class')];\
         }})"
    ))?;
    let drawn = drawn.as_array().ok_or("no marks")?;
    same("marks", &drawn.len(), &events.len())?;
    let number = |mark: usize, field: usize| drawn[mark][field].as_f64().unwrap_or(f64::NAN);
    let last = events.len() - 1;
    let scale =
        (number(last, 1) - number(0, 1)) / (events[last].time_ns - events[0].time_ns) as f64;
    for (i, event) in events.iter().enumerate() {
        same("the mark's event", &(number(i, 0) as usize), &i)?;
        // An inject's and a line's marks are drawn with a tenth of a unit; so is the time's place.
        let must = number(0, 1) + (event.time_ns - events[0].time_ns) as f64 * scale;
        if (number(i, 1) - must).abs() > 2.0 {
            return Err(format!("event {i} stands at {} and not at {must}", number(i, 1)));
        }
        let owner = |event: &Event| (event.shared, event.vcpu * u32::from(!event.shared));
        let lane = events.iter().position(|other| owner(other) == owner(event)).unwrap_or(i);
        if (number(i, 2) - number(lane, 2)).abs() > 4.0 {
            return Err(format!("event {i} is not in the lane of vCPU {}", event.vcpu));
        }
        let title = drawn[i][3].as_str().unwrap_or_default();
        for part in [&event.kind, &event.what, &event.answer] {
            if !title.contains(part.as_str()) {
                return Err(format!("{part} is not in {title}"));
            }
        }
        let folded = title.contains(&format!("(after {} more", event.before));
        same("folded", &folded, &(event.before > 0))?;
        let wrong = event.announced.as_ref().is_some_and(|announced| !announced.differs.is_empty());
        let class = drawn[i][4].as_str().unwrap_or_default();
        same("marked", &class.contains("wrong"), &wrong)?;
        same("said", &title.ends_with("not as announced: ISS"), &wrong)?;
    }
    if number(1, 2) - number(0, 2) < 10.0 || number(0, 2) - number(3, 2) < 10.0 {
        return Err("vCPUs, or a vCPU and the machine, share a lane".into());
    }
    let widths = setting.browser.eval(&format!(
        "[4, 6].map((i) => document.querySelector('article[data-case=\"{name}\"] \
          .mark[data-event=\"' + i + '\"] rect').getBoundingClientRect().width)"
    ))?;
    let width = |i: usize| widths[i].as_f64().unwrap_or(f64::NAN);
    let must = events[4].took_ns as f64 * scale;
    if (width(0) - must).abs() > 1.0 || width(1) > 4.0 {
        return Err(format!("the exits' widths are {widths}, the first must be {must}"));
    }
    let dom = Html::parse_document(&setting.browser.dom()?);
    let rows = all(dom.root_element(), &format!("article[data-case=\"{name}\"] .events tbody tr"));
    same("rows", &rows.len(), &events.len())?;
    for (row, event) in rows.iter().zip(events) {
        let cells: Vec<String> = all(*row, "td").into_iter().map(text).collect();
        let owner = if event.shared { "machine".into() } else { format!("vCPU {}", event.vcpu) };
        same("where", &cells[1], &owner)?;
        let source = event.source.last().map(|place| {
            format!(" {}, {}:{}{}", place.function, place.file, place.line, place.text.trim())
        });
        let pc = event.pc.map_or(String::new(), |pc| format!("{pc:#x}"));
        same("guest", &cells[3], &(pc + &source.unwrap_or_default()))?;
        same("what", &cells[4].starts_with(&event.what), &true)?;
        let announced = event.announced.is_some();
        same("announced", &cells[4].contains("announced: EC 0x24"), &announced)?;
        same("answer", &cells[5].starts_with(&event.answer), &true)?;
        same("took", &cells[5].ends_with("took 5 us"), &(event.took_ns == 5_000))?;
    }
    // A mark leads to its row.
    setting.browser.eval(&format!(
        "document.querySelector('article[data-case=\"{name}\"] .mark[data-event=\"3\"]')\
         .dispatchEvent(new MouseEvent('click', {{ bubbles: true }}))"
    ))?;
    let chosen = setting.words(
        "[...document.querySelectorAll('.events tr.chosen')].filter((tr) => tr.checkVisibility())\
         .map((tr) => tr.dataset.event)",
    )?;
    same("the chosen row", &chosen, &vec!["3".to_owned()])
}

fn plots(setting: &mut Setting) -> Result<(), String> {
    let name = "abort.case_5";
    setting.open(&format!("#case={name}"))?;
    for (figure, logarithmic) in [("latency.p50", false), ("latency.max", true), ("drift", false)] {
        let drawn = setting.browser.eval(&format!(
            "[...document.querySelectorAll('article[data-case=\"{name}\"] \
              figure[data-figure=\"{figure}\"] g')].map((g) => {{\
                const box = g.querySelector('.bar').getBoundingClientRect();\
                return [g.dataset.hypervisor, Number(g.dataset.value), box.left, box.right];\
             }})"
        ))?;
        let drawn = drawn.as_array().ok_or("no plot")?;
        let ids = made::hypervisors(COLUMNS).into_iter().map(|hypervisor| hypervisor.id);
        let values: Vec<(String, f64)> = ids
            .filter_map(|id| {
                let figures = &run(&setting.records, name, &id)?.figures;
                Some((id, figures.iter().find(|f| f.name == figure)?.value))
            })
            .collect();
        let shown = |i: usize| {
            let value = drawn[i][1].as_f64().unwrap_or(f64::NAN);
            (drawn[i][0].as_str().unwrap_or_default().to_owned(), value)
        };
        same(figure, &(0..drawn.len()).map(shown).collect(), &values)?;
        let side = |i: usize, side: usize| drawn[i][side].as_f64().unwrap_or(f64::NAN);
        let place = |i: usize| match logarithmic {
            true => (side(i, 2) + side(i, 3)) / 2.0,
            false if values[i].1 < 0.0 => side(i, 2),
            false => side(i, 3),
        };
        let value = |i: usize| if logarithmic { values[i].1.log10() } else { values[i].1 };
        let (a, z) = (0, values.len() - 1);
        let scale = (place(z) - place(a)) / (value(z) - value(a));
        for (i, (id, _)) in values.iter().enumerate() {
            let must = place(a) + (value(i) - value(a)) * scale;
            if scale.is_nan() || scale <= 0.0 || (place(i) - must).abs() > 2.0 {
                return Err(format!("{figure} of {id} is at {}, not {must}", place(i)));
            }
        }
    }
    Ok(())
}

fn links(setting: &mut Setting) -> Result<(), String> {
    // As it is written: with a script the places are the script's.
    let dom = Html::parse_document(&crate::page(&setting.records));
    let mut places = HashSet::new();
    for id in all(dom.root_element(), "[id]").iter().filter_map(|element| element.attr("id")) {
        if !places.insert(id) {
            return Err(format!("{id} is in the page twice"));
        }
    }
    let links = all(dom.root_element(), "[href]");
    for href in links.iter().filter_map(|link| link.attr("href")) {
        if !href.strip_prefix('#').is_some_and(|place| places.contains(place)) {
            return Err(format!("{href} leads nowhere, or out of the page"));
        }
    }
    if links.len() < crate::CASES * COLUMNS {
        return Err(format!("there are only {} links", links.len()));
    }
    Ok(())
}
