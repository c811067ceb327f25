//! All records as one file again. Of a whole run it is what one machine would have left; where
//! something is missing or does not fit, the parts stay as they came, so that what was wrong
//! with them is found again, and what is missing can still be added.

use super::merge::Report;
use crate::record::{End, Record};

/// JSON lines.
pub fn write(report: &Report) -> String {
    let mut records = Vec::new();
    let parts = &report.parts;
    if report.is_whole() && !parts.is_empty() {
        records.extend(report.hypervisors.iter().cloned().map(Record::Hypervisor));
        let mut seen = std::collections::HashSet::new();
        let lessons = parts.iter().flat_map(|part| &part.lessons).map(|(_, lesson)| lesson);
        let once = lessons.filter(|lesson| seen.insert(&lesson.case));
        records.extend(once.cloned().map(Record::Lesson));
        let runs = report.cases.iter().flat_map(|case| case.runs.iter().flatten());
        records.extend(runs.cloned().map(|run| Record::Case(Box::new(run))));
        let ends = || parts.iter().filter_map(|part| part.end.as_ref()).map(|(_, end)| end);
        records.push(Record::End(End {
            partition: "1/1".into(),
            cases: ends().map(|end| end.cases).sum(),
            // Machines ran side by side.
            time_ns: ends().map(|end| end.time_ns).max().unwrap_or(0),
        }));
    } else {
        for part in parts {
            let part = part.clone();
            records.extend(part.hypervisors.into_iter().map(|(_, h)| Record::Hypervisor(h)));
            records.extend(part.lessons.into_iter().map(|(_, lesson)| Record::Lesson(lesson)));
            records.extend(part.cases.into_iter().map(|(_, run)| Record::Case(Box::new(run))));
            records.extend(part.end.map(|(_, end)| Record::End(end)));
        }
    }
    let mut text = String::new();
    for record in &records {
        match serde_json::to_string(record) {
            Ok(line) => text.push_str(&line),
            // All of it was read from JSON, or is made of strings and numbers.
            Err(error) => unreachable!("a record that is no JSON: {error}"),
        }
        text.push('\n');
    }
    text
}
