//! `anyvisor explain`: what an instruction word says.
//!
//! All of it is read from the engine's table of instructions, so it is what the software engine
//! does with the word. It is there on macOS as well: the table needs no hypervisor.

use crate::cli::Explain;
use crate::console::say;
use anyvisor_cpu::a64::{About, Part, index};
use anyvisor_cpu::ir::record;
use anyvisor_cpu::model::{Feature, Model};
use std::process::ExitCode;

/// Explains each word.
pub fn explain(args: &Explain) -> ExitCode {
    let mut pc = args.pc;
    for (i, word) in args.words.iter().enumerate() {
        if i > 0 {
            say!("");
        }
        say!("{}", text(*word, pc).trim_end());
        pc = pc.wrapping_add(4);
    }
    ExitCode::SUCCESS
}

/// All that is to be said of `word` at `pc`.
fn text(word: u32, pc: u64) -> String {
    let assembly = anyvisor_cpu::text(word, pc).replace('\t', " ");
    let mut out = format!("{word:#010x}  {assembly}\n\n");
    let class = index::class_of(word).map(|class| format!("{}: {}", class.group, class.name));
    out += &format!("class  {}\n", class.as_deref().unwrap_or("none in the manual's index"));
    match About::of(word) {
        Some(about) => describe(&mut out, &about),
        None => {
            let reason = index::reason(word).map(|reason| format!(": {reason}"));
            let reason = reason.unwrap_or_default();
            out += &format!("row    none, the word is UNDEFINED{reason}\n");
        }
    }
    let steps = record([word]).steps;
    let legend =
        if steps.iter().any(|step| step.op.may_stop()) { " (?: may stop here)" } else { "" };
    out += &format!("\nmeaning at {pc:#x}{legend}:\n");
    for step in &steps {
        out += &format!("  {}\n", step.text(pc));
    }
    if steps.is_empty() {
        out += "  nothing\n";
    }
    out
}

fn describe(out: &mut String, about: &About) {
    let About { name, note, parts, reserved, feature } = about;
    *out += &format!("row    {name}: {note}\n\n{}", picture(parts));
    let fields: Vec<_> = parts.iter().filter_map(named).collect();
    if !fields.is_empty() {
        *out += "\n";
    }
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, part) in fields {
        *out += &match part.value {
            value @ 0..=9 => format!("  {name:width$}  {value}\n"),
            value => format!("  {name:width$}  {value} ({value:#x})\n"),
        };
    }
    if let Some(feature) = feature {
        *out += &format!("\nneeds {}: UNDEFINED on {}\n", name_of(*feature), without(*feature));
    }
    if *reserved {
        *out +=
            &format!("\nUNDEFINED: the row {name} has no meaning for these values of its fields\n");
    }
}

/// A field that matters.
fn named(part: &Part) -> Option<(&'static str, &Part)> {
    part.field.filter(|name| *name != "-").map(|name| (name, part))
}

/// The manual's drawing: where each part stands, its bits, its name.
fn picture(parts: &[Part]) -> String {
    let place = |part: &Part| match part.high - part.low {
        0 => part.high.to_string(),
        _ => format!("{}:{}", part.high, part.low),
    };
    let bits = |part: &Part| {
        let width = (1 + part.high - part.low) as usize;
        format!("{:0width$b}", part.value)
    };
    let name = |part: &Part| part.field.unwrap_or("").to_string();
    let rows: [&dyn Fn(&Part) -> String; 3] = [&place, &bits, &name];
    let mut out = String::new();
    for row in rows {
        let cell = |part| {
            let width = rows.iter().map(|row| row(part).len()).max().unwrap_or(0);
            format!("{:^width$}", row(part))
        };
        let cells: Vec<_> = parts.iter().map(cell).collect();
        out += &format!("  |{}|\n", cells.join("|"));
    }
    out
}

/// The manual's name of a feature.
fn name_of(feature: Feature) -> String {
    format!("FEAT_{}", format!("{feature:?}").to_uppercase())
}

/// The models without it.
fn without(feature: Feature) -> String {
    let models = [Model::M1, Model::M2].into_iter().filter(|model| !model.has(feature));
    models.map(|model| format!("{model:?}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_is_drawn_named_and_told() {
        let expected = "\
0xf8408c20  ldr x0, [x1, #8]!

class  Loads and Stores: Load/store register (immediate pre-indexed)
row    LoadStoreImm9: LDR, STR and kin: unscaled (LDUR), post-indexed, unprivileged (LDTR), pre-indexed.

  |31:30|29:24 |23:22|21|  20:12  |11:10| 9:5 | 4:0 |
  | 11  |111000| 01  |0 |000001000| 11  |00001|00000|
  |size |      | opc |  |  imm9   |mode | rn  | rt  |

  size  3
  opc   1
  imm9  8
  mode  3
  rn    1
  rt    0

meaning at 0x1000 (?: may stop here):
  %0 = base x1 ?
  %1 = add.x %0, 0x8
  %2 = load.8 [%1] ?
  set_reg.x x0, %2
  set_reg_sp.x x1, %1
";
        assert_eq!(text(0xf840_8c20, 0x1000), expected);
    }

    #[test]
    fn a_branch_knows_where_it_stands() {
        let found = text(0x9400_0004, 0x1000);
        assert!(found.starts_with("0x94000004  bl 0x1010\n"), "{found}");
        assert!(found.contains("set_reg.x x30, @0x1004\n  branch @0x1010\n"), "{found}");
    }

    #[test]
    fn what_is_undefined_says_why() {
        // UDF; an SVE word; and ORR (shifted register) of 32 bits with a shift by 32.
        let found = text(0, 0);
        assert!(found.contains("class  A64: Reserved\nrow    none"), "{found}");
        let found = text(0x0420_0000, 0);
        assert!(found.contains("UNDEFINED: FEAT_SVE"), "{found}");
        let found = text(0x2a00_8000, 0);
        assert!(found.contains("imm6   32 (0x20)"), "{found}");
        assert!(found.contains("UNDEFINED: the row LogicalShifted"), "{found}");
        assert!(found.contains("call Undefined ?"), "{found}");
    }

    #[test]
    fn nop_does_nothing() {
        assert!(text(0xd503_201f, 0).ends_with("meaning at 0x0:\n  nothing\n"));
    }

    #[test]
    fn features_have_the_manuals_names() {
        assert_eq!(name_of(Feature::I8mm), "FEAT_I8MM");
        assert_eq!(without(Feature::Bti), "M1");
    }
}
