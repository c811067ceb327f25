//! Command lines with places to fill.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// What can be filled in.
const PLACES: [&str; 4] = ["{image}", "{elf}", "{append}", "{config}"];

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    program: OsString,
    words: Vec<String>,
}

/// What stands in a boot's places.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The kernel as a flat Image.
    pub image: &'a Path,
    /// The kernel as an ELF file.
    pub elf: &'a Path,
    /// The boot arguments.
    pub append: &'a str,
    /// The file that was written for this boot.
    pub config: &'a Path,
}

/// A command line that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No words at all.
    #[error("--command is empty: write the program and its arguments")]
    Empty,
    /// A quote that does not end.
    #[error("--command {0:?}: a quote has no end")]
    Quote(String),
    /// Without it no case can be chosen, or there is nothing to boot.
    #[error("--command {command:?} has no {place}: the runner must say {what}")]
    Lacks {
        /// What was written.
        command: String,
        /// What it must have.
        place: &'static str,
        /// What for.
        what: &'static str,
    },
    /// A place in braces that there is not.
    #[error("--command has {0}; places are {{image}}, {{elf}} and {{append}}")]
    Unknown(String),
}

impl Template {
    /// A command line as a person writes it for a shell. Nothing but quotes has a meaning.
    ///
    /// # Errors
    /// It has no program, no kernel, no place for boot arguments, or an unknown place.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let words = shlex::split(text).ok_or_else(|| TemplateError::Quote(text.into()))?;
        let Some((program, words)) = words.split_first() else { return Err(TemplateError::Empty) };
        let has = |place: &str| words.iter().any(|word| word.contains(place));
        let lacks = |place, what| TemplateError::Lacks { command: text.into(), place, what };
        if !has("{image}") && !has("{elf}") {
            return Err(lacks("{image}", "which kernel to boot"));
        }
        if !has("{append}") {
            return Err(lacks("{append}", "which cases to run"));
        }
        if let Some(place) = words.iter().find_map(|word| unknown(word)) {
            return Err(TemplateError::Unknown(place));
        }
        Ok(Self { program: program.into(), words: words.to_vec() })
    }

    /// The command line of a row of the table: words between blanks.
    pub fn of_row(program: &Path, arguments: &str) -> Self {
        let words = arguments.split_ascii_whitespace().map(String::from).collect();
        Self { program: program.into(), words }
    }

    /// Its words, nothing filled in.
    pub fn words(&self) -> Vec<String> {
        let program = self.program.to_string_lossy().into_owned();
        std::iter::once(program).chain(self.words.iter().cloned()).collect()
    }

    /// The command with its places filled. A word stays one, whatever is filled into it.
    pub fn command(&self, places: Places<'_>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.words.iter().map(|word| fill(word, places, |text| text.into())));
        command
    }

    /// A configuration file with its places filled, as strings of JSON.
    pub fn json(text: &str, places: Places<'_>) -> String {
        let escaped = |text: &str| {
            let quoted = serde_json::Value::from(text).to_string();
            quoted[1..quoted.len() - 1].to_string()
        };
        fill(text, places, escaped)
    }
}

/// Fills in from left to right: what was filled in is not looked at again.
fn fill(text: &str, places: Places<'_>, written: impl Fn(&str) -> String) -> String {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((at, place)) = next_place(rest) {
        filled += &rest[..at];
        filled += &written(&match place {
            "{image}" => places.image.to_string_lossy(),
            "{elf}" => places.elf.to_string_lossy(),
            "{append}" => places.append.into(),
            _ => places.config.to_string_lossy(),
        });
        rest = &rest[at + place.len()..];
    }
    filled + rest
}

fn next_place(text: &str) -> Option<(usize, &'static str)> {
    PLACES.iter().filter_map(|place| Some((text.find(place)?, *place))).min()
}

/// Something in braces, all lower-case letters, that is no place for `--command`.
fn unknown(word: &str) -> Option<String> {
    word.split('{').skip(1).find_map(|rest| {
        let (name, _) = rest.split_once('}')?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
        (is_name && !["image", "elf", "append"].contains(&name)).then(|| format!("{{{name}}}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places<'static> {
        Places {
            image: Path::new("/k/{append}.img"),
            elf: Path::new("/k/kernel"),
            append: "case=a.* \"x\"",
            config: Path::new("/t/vm.json"),
        }
    }

    fn words(command: &Command) -> Vec<String> {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn places_are_filled_and_a_word_stays_one() {
        let template = Template::parse("vmm --log 'a b' -k={image} --args {append}").unwrap();
        assert_eq!(
            words(&template.command(places())),
            ["vmm", "--log", "a b", "-k=/k/{append}.img", "--args", "case=a.* \"x\""]
        );
        let row = Template::of_row(Path::new("/bin/v"), "  -c {config}  {elf} ");
        assert_eq!(words(&row.command(places())), ["/bin/v", "-c", "/t/vm.json", "/k/kernel"]);
    }

    #[test]
    fn a_configuration_file_is_json_whatever_is_filled_in() {
        let text = Template::json(r#"{"args": "{append} x", "k": "{elf}"}"#, places());
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["args"], "case=a.* \"x\" x");
        assert_eq!(value["k"], "/k/kernel");
    }

    #[test]
    fn a_command_that_cannot_work_is_refused() {
        assert_eq!(Template::parse("  "), Err(TemplateError::Empty));
        assert!(matches!(Template::parse("vmm '{image} {append}"), Err(TemplateError::Quote(_))));
        for (text, lacking) in [("vmm {append}", "{image}"), ("vmm {image}", "{append}")] {
            match Template::parse(text) {
                Err(TemplateError::Lacks { place, .. }) => assert_eq!(place, lacking),
                other => panic!("{other:?}"),
            }
        }
        let error = Template::parse("vmm {image} {append} {memory}").unwrap_err();
        assert_eq!(error, TemplateError::Unknown("{memory}".into()));
        assert!(Template::parse("vmm {image} {append} '{\"json\":{}}'").is_ok());
    }
}
