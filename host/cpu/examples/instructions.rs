//! Prints the coverage table: each encoding class of the manual's index of A64 with its rows, or
//! the reason why it has none. `cargo xtask list --instructions` runs it.

use anyvisor_cpu::a64::Row;
use anyvisor_cpu::a64::index::CLASSES;
use std::io::{self, Write};

/// Where names are broken into lines.
const WIDTH: usize = 100;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut group = "";
    for class in CLASSES {
        if class.group != group {
            group = class.group;
            writeln!(out, "\n{group}")?;
        }
        writeln!(out, "  {}", class.name)?;
        for picture in class.pictures {
            writeln!(out, "      {picture}")?;
        }
        let names: Vec<_> = class.rows().map(Row::name).collect();
        for line in lines(&names) {
            writeln!(out, "      {line}")?;
        }
        for reason in class.left_out.into_iter().chain(class.later().map(|later| later.feature)) {
            writeln!(out, "      left out: {reason}")?;
        }
    }
    let with_rows = CLASSES.iter().filter(|class| class.left_out.is_none()).count();
    writeln!(
        out,
        "\n{} rows in {with_rows} of {} encoding classes",
        Row::all().count(),
        CLASSES.len()
    )
}

/// Names, as many on a line as there is room for.
fn lines(names: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for name in names {
        match lines.last_mut() {
            Some(line) if line.len() + name.len() + 2 <= WIDTH => {
                line.push_str(", ");
                line.push_str(name);
            }
            _ => lines.push((*name).to_owned()),
        }
    }
    lines
}
