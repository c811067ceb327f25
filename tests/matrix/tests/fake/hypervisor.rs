//! The hypervisor: no guest, but what one would print. Each case does what its name says.

use anyvisor_abi::case::Needs;
use anyvisor_abi::glob;
use anyvisor_monitor::image::{CaseInfo, cases};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// `WAY ELF APPEND`. The ways are about a boot as a whole:
///
/// ```text
///   plain     none of them
///   silent    prints nothing, for ever
///   absent    prints nothing and ends
///   noisy     a firmware's screen before, words of its own in between
///   plan      a plan of one more than it runs
///   status    ends with 3 after all cases
///   lingers   does not end after all cases
/// ```
pub fn main(words: &[String]) -> ExitCode {
    let [way, elf, append] = words else { return ExitCode::from(2) };
    let file = std::fs::read(elf).expect("the runner says where the kernel is");
    let table = cases(&file).expect("the kernel is the test's own");
    let chosen: Vec<&CaseInfo> = chosen(&table, append);
    let folder = Path::new(elf).parent().expect("a file is in a folder");
    note(&folder.join("boots"), append);
    match &**way {
        "silent" => hang(),
        "absent" => return ExitCode::SUCCESS,
        "noisy" => print(b"\x1b[2J\x1b[H\xff\xfe Firmware\r\n1..3\r\nok 1 x.y\r\nbooting ... "),
        _ => {}
    }
    start(chosen.len() + usize::from(way == "plan"));
    for (number, case) in (1..).zip(chosen) {
        if way == "noisy" {
            print(b"[vmm] a vCPU exited\n");
        }
        run(number, &case.name, folder);
    }
    match &**way {
        "status" => return ExitCode::from(3),
        "lingers" => hang(),
        _ => {}
    }
    ExitCode::SUCCESS
}

/// What the kernel does with its boot arguments.
fn chosen<'a>(table: &'a [CaseInfo], append: &str) -> Vec<&'a CaseInfo> {
    let argument =
        |name: &str| append.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let pattern = argument("case").unwrap_or("*");
    let place = |name: &str| table.iter().position(|case| case.name == name);
    let after = argument("after").map(|name| place(name).expect("after= names a case"));
    let only = argument("only");
    let fits = |(place, case): &(usize, &CaseInfo)| {
        let named = if case.needs.contains(Needs::ENDS_VM) {
            case.name == pattern
        } else {
            glob::matches(pattern, &case.name)
        };
        let digit = |digits: &str| digits.chars().nth(place / 4).and_then(|c| c.to_digit(16));
        let bit = |digits: &str| digit(digits).is_some_and(|digit| digit & 8 >> (place % 4) != 0);
        named && after.is_none_or(|after| *place > after) && only.is_none_or(bit)
    };
    table.iter().enumerate().filter(fits).map(|(_, case)| case).collect()
}

fn start(count: usize) {
    print(format!("KTAP version 1\r\n1..{count}\r\n").as_bytes());
}

fn run(number: usize, name: &str, folder: &Path) {
    let ok = format!("ok {number} {name}\r\n");
    let say = |text: &str| print(text.as_bytes());
    match name.rsplit_once('.').map_or(name, |(_, what)| what) {
        "dies" => std::process::abort(),
        "goes_off" => std::process::exit(0),
        "cut" => {
            say(&ok[..ok.len() - 4]);
            std::process::exit(0);
        }
        "hangs" => hang(),
        "hangs_with_child" => {
            let own = std::env::current_exe().expect("we are a program");
            let mut child = Command::new(own);
            child.args([crate::FAKE, "silent", &folder.join("kernel").display().to_string(), ""]);
            let mut child = child.spawn().expect("we start again");
            note(&folder.join("child"), &child.id().to_string());
            let _ = child.wait(); // it never ends by itself
            hang();
        }
        "drips" => loop {
            say("# and on\n");
            std::thread::sleep(Duration::from_millis(50));
        },
        "floods" => loop {
            say("# and so on, and so on, and so on, and so on, and so on, and so on\n");
        },
        "floods_a_line" => loop {
            print(&[b'x'; 4096]);
        },
        "number" => say(&format!("ok {} {name}\n", number + 7)),
        "name" => say(&format!("ok {number} x.y\n")),
        "lost" => {}
        "twice" => say(&format!("{ok}{ok}")),
        "rubbish" => {
            print(b"\0\x07\xff\n");
            say(&ok);
        }
        "words" => say(&format!("Segmentation fault\n{ok}")),
        "fails" => say(&format!("# x is 1\nnot ok {number} {name} # x is 1, expected 2\n")),
        "skips" => say(&format!("ok {number} {name} # SKIP needs el2\n")),
        "bails" => say("Bail out! no vectors\n"),
        "measures" => say(&format!("# figure latency 12.5 us\n{ok}")),
        "flaky" if note(&folder.join("flaky"), name) == 1 => {
            say(&format!("not ok {number} {name} # not yet\n"));
        }
        "off" => {
            say(&ok);
            std::process::exit(0);
        }
        "off_hangs" => {
            say(&ok);
            hang();
        }
        "off_returns" => say(&format!("{ok}not ok {number} {name} # it returned\n")),
        "off_restarts" => {
            say(&ok);
            again(name);
        }
        "reset" => {
            say(&format!("# resets the machine\n{ok}"));
            again(name);
        }
        _ => say(&ok),
    }
}

/// The machine starts again, and again runs the case.
fn again(name: &str) -> ! {
    loop {
        start(1);
        print(format!("ok 1 {name}\n").as_bytes());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn hang() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

fn print(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
        std::process::exit(1); // nobody listens any more
    }
}

/// Adds a line to a file, and counts its lines.
fn note(file: &PathBuf, line: &str) -> usize {
    let before = std::fs::read_to_string(file).unwrap_or_default();
    let text = format!("{before}{line}\n");
    std::fs::write(file, &text).expect("the test's folder is there");
    text.lines().count()
}
