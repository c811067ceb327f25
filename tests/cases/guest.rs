//! Guests that hang, crash or lie: the case fails with a report from which one can see why, the
//! run goes on, and the exit status is 1.

use crate::elf::{CASE, Elf, TempFile};
use crate::program::anyvisor;
use libtest_mimic::Trial;

/// What a guest of machine code does, and what is said of it.
struct Row {
    name: &'static str,
    code: Vec<u32>,
    says: &'static [&'static str],
}

/// The console's data register, as the second half of `movz x1, #..., lsl #16`.
const UART: u32 = 0x0900;

// Words as `aarch64-linux-gnu-as` makes them.
const LOOP: u32 = 0x1400_0000; // b .
const HVC: u32 = 0xd400_0002; // hvc #0
const SMC: u32 = 0xd400_0003; // smc #0
const WFI: u32 = 0xd503_207f;
const MSR_VBAR_X1: u32 = 0xd518_c001;
const UDF: u32 = 0x0000_0000;
const BR_X1: u32 = 0xd61f_0020;

/// `movz xD, #imm, lsl #16*hw`
fn movz(d: u32, imm: u32, hw: u32) -> u32 {
    0xd280_0000 | hw << 21 | imm << 5 | d
}

/// `movk xD, #imm, lsl #16*hw`
fn movk(d: u32, imm: u32, hw: u32) -> u32 {
    0xf280_0000 | hw << 21 | imm << 5 | d
}

/// Loads a function identifier to W0 and calls it.
fn call(id: u32) -> [u32; 3] {
    [movz(0, id & 0xffff, 0), movk(0, id >> 16, 1), HVC]
}

/// Prints `text`.
fn print(text: &str) -> Vec<u32> {
    let mut code = vec![movz(1, UART, 1)];
    for byte in text.bytes() {
        code.extend([movz(2, byte.into(), 0), 0x3900_0022]); // strb w2, [x1]
    }
    code
}

const OFF: u32 = 0x8400_0008;
const REPORT: &str = "KTAP version 1\n1..1\n";

fn rows() -> Vec<Row> {
    let then = |parts: &[&[u32]]| parts.concat();
    vec![
        Row {
            name: "loops",
            code: vec![movz(7, 0xbeef, 0), LOOP],
            says: &[
                "the guest did not end in time",
                "pc   0x0000000040200004  0x14000000",
                "x7   0x000000000000beef",
                "1 canceled",
                "canceled -> stopped",
            ],
        },
        Row {
            name: "sleeps",
            code: vec![WFI, LOOP],
            says: &["the guest did not end in time", "1 wait", "trapped WFI or WFE: WFI -> waited"],
        },
        Row {
            name: "jumps_into_nowhere",
            code: vec![movz(1, 5, 2), movk(1, 0x6780, 1), BR_X1],
            says: &[
                "an instruction fetch at IPA",
                "hits neither RAM 0x40000000..0x48000000 nor a device",
                "pc   0x0000000567800000  not in RAM",
                "instruction abort from a lower EL",
            ],
        },
        Row {
            name: "loops_in_faults",
            // The vectors are in RAM that holds zeros (UDF): each fault takes the next one.
            code: vec![movz(1, 0x4021, 1), MSR_VBAR_X1, UDF],
            says: &[
                "the guest did not end in time",
                "pc   0x0000000040210200",
                "cpsr 0x00000000000003c5",
                "vbar_el1  0x0000000040210000",
                "esr_el1: 0x02000000 unknown reason",
            ],
        },
        Row {
            name: "writes_to_its_code",
            code: vec![movz(1, 0x4020, 1), 0xf900_0021, LOOP], // str x1, [x1]
            says: &[
                "a write at IPA 0x40200000",
                "hits RAM without the permission",
                "permission fault",
                "write, 8 bytes, x1",
                "stopped",
            ],
        },
        Row {
            name: "runs_data",
            code: vec![movz(1, 0x4100, 1), BR_X1],
            says: &["an instruction fetch at IPA 0x41000000", "hits RAM without the permission"],
        },
        Row {
            name: "reads_where_nothing_is",
            code: vec![movz(1, 0x0800, 1), 0xb940_0022, LOOP], // ldr w2, [x1]
            says: &["a read at IPA 0x8000000", "nor a device", "read, 4 bytes, w2"],
        },
        Row {
            name: "does_an_exclusive_on_a_device",
            code: vec![movz(1, 0x0b00, 1), 0xc85f_7c20, LOOP], // ldxr x0, [x1]
            says: &[
                "a device at IPA 0xb000000",
                "0xc85f7c20 is a load or store exclusive, which is not emulated",
            ],
        },
        Row {
            name: "calls_a_function_that_is_not_there",
            // x0 = -1 in all 64 bits or it loops: cmn x0, #1; b.ne .
            code: then(&[&call(0x8400_0077), &[0xb100_041f, 0x5400_0001], &call(OFF)]),
            says: &[
                "the guest ended without a result",
                "unknown function (0x84000077) = 0xffffffffffffffff",
                "SYSTEM_OFF",
            ],
        },
        Row {
            name: "calls_by_smc",
            code: then(&[
                &[movz(0, 0, 0), movk(0, 0x8400, 1), SMC],
                &[0x7100_001f, 0x5400_0000],
                &call(OFF),
            ]),
            says: &[
                "the guest ended without a result",
                "SMC #0x0 -> PSCI_VERSION (0x84000000) = 0x10001",
                "SYSTEM_OFF",
            ],
        },
        Row {
            name: "resets",
            code: then(&[&call(0x8400_0009)]),
            says: &["the guest asked for a reset"],
        },
        Row {
            name: "switches_its_vcpu_off",
            code: then(&[&call(0x8400_0002)]),
            says: &["the guest switched its last vCPU off"],
        },
        Row {
            name: "says_not_ok",
            code: then(&[
                &print(&format!("{REPORT}not ok 1 {CASE} # one is not two\n")),
                &call(OFF),
            ]),
            says: &["-> one is not two", "| not ok 1 bad.guest"],
        },
        Row {
            name: "gives_up",
            code: then(&[&print(&format!("{REPORT}Bail out! no MMU\n")), &call(OFF)]),
            says: &["the guest gave up: no MMU"],
        },
        Row {
            name: "says_ok_and_hangs",
            code: then(&[&print(&format!("{REPORT}ok 1 {CASE}\n")), &[LOOP]]),
            says: &["the guest did not end in time", "| ok 1 bad.guest"],
        },
        Row {
            name: "announces_an_exit_that_does_not_come",
            // x1 = EC 0x24, x2, x3 = no ISS, x4..x6 = ANY (movn), x7 = skip
            code: then(&[
                &[
                    movz(1, 0x24, 0),
                    movz(2, 0, 0),
                    movz(3, 0, 0),
                    0x9280_0004,
                    0x9280_0005,
                    0x9280_0006,
                    movz(7, 0, 0),
                ],
                &call(0xc600_0001),
                &print(&format!("{REPORT}ok 1 {CASE}\n")),
                &call(OFF),
            ]),
            // The first print is an exit: it is taken for the announced one, and skipped.
            says: &["the guest ended without a result"],
        },
        Row {
            name: "announces_another_exit",
            code: then(&[
                &print(&format!("{REPORT}ok 1 {CASE}\n")),
                &[
                    movz(1, 0x20, 0),
                    movz(2, 0, 0),
                    movz(3, 0, 0),
                    0x9280_0004,
                    0x9280_0005,
                    0x9280_0006,
                    movz(7, 2, 0),
                ],
                &call(0xc600_0001),
                &print("#\n"),
                &call(OFF),
            ]),
            says: &["expected an exit with EC 0x20; the exit differs in EC: ", "data abort"],
        },
        Row {
            name: "announces_and_forgets",
            code: then(&[
                &print(&format!("{REPORT}ok 1 {CASE}\n")),
                &[
                    movz(1, 0x20, 0),
                    movz(2, 0, 0),
                    movz(3, 0, 0),
                    0x9280_0004,
                    0x9280_0005,
                    0x9280_0006,
                    movz(7, 0, 0),
                ],
                &call(0xc600_0001),
                &call(OFF),
            ]),
            says: &["expected an exit with EC 0x20; none came before the case ended"],
        },
    ]
}

/// One test a row, and one that sees a good guest among bad ones.
pub fn trials() -> Vec<Trial> {
    let trial = |row: Row| {
        Trial::test(format!("guest::{}", row.name), move || {
            let file = TempFile::new(row.name, &Elf::new(&row.code).0)?;
            let ended = anyvisor(&["run", file.path(), "--timeout", "0.5", "--format", "pretty"])?;
            ended.expect(1, &ended.stdout, row.says)?;
            Ok(ended.expect(
                1,
                &ended.stdout,
                &["FAILED bad.guest", "1 cases: 0 passed, 1 failed"],
            )?)
        })
    };
    let mut trials: Vec<Trial> = rows().into_iter().map(trial).collect();
    trials.extend(good());
    trials
}

/// Guests that do what they should, in each format.
fn good() -> Vec<Trial> {
    let passes = || {
        let report = print(&format!("{REPORT}ok 1 {CASE}\n"));
        Elf::new(&[report, call(OFF).to_vec()].concat())
    };
    let format = |format: &'static str, says: &'static [&'static str]| {
        Trial::test(format!("guest::passes_{format}"), move || {
            let file = TempFile::new(format, &passes().0)?;
            let ended = anyvisor(&["run", file.path(), "--format", format])?;
            Ok(ended.expect(0, &ended.stdout, says)?)
        })
    };
    vec![
        format(
            "ktap",
            &["KTAP version 1\n1..1\nok 1 bad.guest\n", "# pass:1 fail:0 skip:0 total:1"],
        ),
        format(
            "pretty",
            &[
                "ok   bad   1 passed",
                "1 cases: 1 passed, 0 failed, 0 skipped",
                "exits: 1 hypercall",
            ],
        ),
        format("json", &["\"name\":\"bad.guest\"", "\"verdict\":\"passed\"", "\"passed\":1"]),
        Trial::test("guest::boots", move || {
            let elf = Elf::new(&[print("hello\n"), call(OFF).to_vec()].concat());
            let file = TempFile::new("boots", &elf.0)?;
            let ended = anyvisor(&["boot", file.path()])?;
            Ok(ended.expect(0, &ended.stdout, &["hello\n"])?)
        }),
        Trial::test("guest::boot_reset", move || {
            let file = TempFile::new("boot_reset", &Elf::new(&call(0x8400_0009)).0)?;
            let ended = anyvisor(&["boot", file.path()])?;
            Ok(ended.expect(3, &ended.stderr, &[])?)
        }),
        Trial::test("guest::skips", move || {
            let report = print(&format!("{REPORT}ok 1 {CASE} # SKIP needs gic\n"));
            let elf = Elf::new(&[report, call(OFF).to_vec()].concat());
            let file = TempFile::new("skips", &elf.0)?;
            let ended = anyvisor(&["run", file.path()])?;
            Ok(ended.expect(0, &ended.stdout, &["skipped bad.guest: needs gic", "1 skipped"])?)
        }),
        Trial::test("guest::traces_exits", move || {
            let file = TempFile::new("traces", &passes().0)?;
            let ended = anyvisor(&["run", file.path(), "--trace", "exits"])?;
            Ok(ended.expect(
                0,
                &ended.stderr,
                &[
                    "#1 pc 0x40200008",
                    "data abort",
                    "-> pl011+0x0 := 0x4b",
                    "stop: the guest switched the machine off",
                ],
            )?)
        }),
        Trial::test("guest::jobs", move || {
            let file = TempFile::new("jobs", &passes().0)?;
            let ended = anyvisor(&["run", file.path(), "--jobs", "4"])?;
            Ok(ended.expect(0, &ended.stdout, &["1 cases: 1 passed"])?)
        }),
    ]
}
