//! Guests that hang, crash or lie: the case fails with a report from which one can see why, the
//! run goes on, and the exit status is 1.

use crate::elf::{CASE, Elf, TempFile};
use crate::engine::ONE_VM;
use crate::program::{anyvisor, anyvisor_with};
use anyvisor_abi::service::{AFTER_HANDLE, AFTER_SKIP, CANCEL, EXPECT_EXIT};
use anyvisor_abi::smccc::{PSCI_CPU_OFF, PSCI_SYSTEM_OFF, PSCI_SYSTEM_RESET};
use anyvisor_monitor::boards::Model;
use anyvisor_monitor::gic::{Frame, Geometry, Layout};
use anyvisor_monitor::image::{Image, cases};
use anyvisor_monitor::ram::RamRange;
use anyvisor_monitor::suite::Suite;
use libtest_mimic::{Failed, Trial};
use std::sync::PoisonError;
use std::time::Duration;

/// What a guest of machine code does, and what is said of it.
struct Row {
    name: &'static str,
    code: Vec<u32>,
    says: &'static [&'static str],
}

/// Rows of guests that run on a machine without a GIC: their names start so.
const BARE: &str = "bare_";

/// The console's data register, as the second half of `movz x1, #..., lsl #16`.
const UART: u32 = 0x0900;

// Words as `aarch64-linux-gnu-as` makes them.
pub const LOOP: u32 = 0x1400_0000; // b .
pub const HVC: u32 = 0xd400_0002; // hvc #0
const SMC: u32 = 0xd400_0003; // smc #0
pub const WFI: u32 = 0xd503_207f;
const WFE: u32 = 0xd503_205f;
const MSR_VBAR_X1: u32 = 0xd518_c001;
const UDF: u32 = 0x0000_0000;
const BR_X1: u32 = 0xd61f_0020;

/// `movz xD, #imm, lsl #16*hw`
pub fn movz(d: u32, imm: u32, hw: u32) -> u32 {
    0xd280_0000 | hw << 21 | imm << 5 | d
}

/// `movk xD, #imm, lsl #16*hw`
pub fn movk(d: u32, imm: u32, hw: u32) -> u32 {
    0xf280_0000 | hw << 21 | imm << 5 | d
}

/// Loads a function identifier to W0 and calls it.
pub fn call(id: u32) -> [u32; 3] {
    [movz(0, id & 0xffff, 0), movk(0, id >> 16, 1), HVC]
}

/// Prints `text`.
pub fn print(text: &str) -> Vec<u32> {
    let mut code = vec![movz(1, UART, 1)];
    for byte in text.bytes() {
        code.extend([movz(2, byte.into(), 0), 0x3900_0022]); // strb w2, [x1]
    }
    code
}

/// Announces an exit of class `ec`, all other fields any, and says what then (EXPECT_EXIT).
fn announce(ec: u32, after: u64) -> Vec<u32> {
    // x4, x5, x6 = ANY: movn xD, #0
    let any = [0x9280_0004, 0x9280_0005, 0x9280_0006];
    let rest = [movz(1, ec, 0), movz(2, 0, 0), movz(3, 0, 0), movz(7, after as u32, 0)];
    [&rest[..], &any, &call(EXPECT_EXIT)].concat()
}

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
            // 1: add x7, x7, #1; wfi; b 1b: it waits in the framework, and once.
            code: vec![0x9100_04e7, WFI, 0x17ff_fffe],
            says: &["the guest did not end in time", "x7   0x0000000000000001", "1 canceled"],
        },
        Row {
            name: "bare_sleeps",
            code: vec![WFI, LOOP],
            says: &["the guest did not end in time", "1 wait", "trapped WFI or WFE: WFI -> waited"],
        },
        Row {
            name: "bare_waits_for_events_without_end",
            code: vec![WFE, 0x17ff_ffff], // b .-4
            says: &["the guest did not end in time", "wait", "trapped WFI or WFE: WFE -> waited"],
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
            code: vec![movz(1, 0x0d00, 1), 0xb940_0022, LOOP], // ldr w2, [x1]
            says: &["a read at IPA 0xd000000", "nor a device", "read, 4 bytes, w2"],
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
            code: then(&[&call(0x8400_0077), &[0xb100_041f, 0x5400_0001], &call(PSCI_SYSTEM_OFF)]),
            says: &[
                "the guest ended without a result",
                "unknown function (0x84000077) = 0xffffffffffffffff",
                "SYSTEM_OFF",
            ],
        },
        Row {
            name: "calls_without_end",
            // The identifier is in X0 and is replaced by the result: unknown from then on.
            code: then(&[&call(0xc600_0005), &[0x17ff_ffff]]), // b .-4
            says: &["the guest did not end in time", "unknown function", "canceled -> stopped"],
        },
        Row {
            name: "orders_events_without_end",
            // 1: CANCEL after 2^48 ns; cmn x0, #3 (DENIED); b.ne 1b; udf, without vectors.
            // One of the 4096 places is the timeout's.
            code: then(&[&[movz(1, 1, 3)], &call(CANCEL), &[0xb100_0c1f, 0x54ff_ff61, UDF]]),
            says: &[
                "an instruction fetch at IPA 0x200",
                "4096 hypercall",
                "CANCEL (0xc6000006) = 0xfffffffffffffffd",
            ],
        },
        Row {
            name: "calls_by_smc",
            code: then(&[
                &[movz(0, 0, 0), movk(0, 0x8400, 1), SMC],
                &[0x7100_001f, 0x5400_0000],
                &call(PSCI_SYSTEM_OFF),
            ]),
            says: &[
                "the guest ended without a result",
                "SMC #0x0 -> PSCI_VERSION (0x84000000) = 0x10001",
                "SYSTEM_OFF",
            ],
        },
        Row {
            name: "resets",
            code: then(&[&call(PSCI_SYSTEM_RESET)]),
            says: &["the guest asked for a reset"],
        },
        Row {
            name: "switches_its_vcpu_off",
            code: then(&[&call(PSCI_CPU_OFF)]),
            says: &["the guest switched its last vCPU off"],
        },
        Row {
            name: "says_not_ok",
            code: then(&[
                &print(&format!("{REPORT}not ok 1 {CASE} # one is not two\n")),
                &call(PSCI_SYSTEM_OFF),
            ]),
            says: &["-> one is not two", "| not ok 1 bad.guest"],
        },
        Row {
            name: "gives_up",
            code: then(&[&print(&format!("{REPORT}Bail out! no MMU\n")), &call(PSCI_SYSTEM_OFF)]),
            says: &["the guest gave up: no MMU"],
        },
        Row {
            name: "says_ok_and_hangs",
            code: then(&[&print(&format!("{REPORT}ok 1 {CASE}\n")), &[LOOP]]),
            says: &["the guest did not end in time", "| ok 1 bad.guest"],
        },
        Row {
            name: "skips_an_access_to_its_console",
            code: then(&[
                &announce(0x24, AFTER_SKIP),
                &print(&format!("{REPORT}ok 1 {CASE}\n")),
                &call(PSCI_SYSTEM_OFF),
            ]),
            // The first byte of the report is the announced exit: it never gets out.
            says: &["the guest ended without a result", "| TAP version 1"],
        },
        Row {
            name: "announces_another_exit",
            code: then(&[
                &print(&format!("{REPORT}ok 1 {CASE}\n")),
                &announce(0x20, AFTER_HANDLE),
                &print("#\n"),
                &call(PSCI_SYSTEM_OFF),
            ]),
            says: &["expected an exit with EC 0x20; the exit differs in EC: ", "data abort"],
        },
        Row {
            name: "announces_and_forgets",
            code: then(&[
                &print(&format!("{REPORT}ok 1 {CASE}\n")),
                &announce(0x20, AFTER_SKIP),
                &call(PSCI_SYSTEM_OFF),
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
            let run = ["run", file.path(), "--timeout", "0.5", "--format", "pretty"];
            let gic: &[&str] = if row.name.starts_with(BARE) { &["--gic", "none"] } else { &[] };
            let ended = anyvisor(&[&run, gic].concat())?;
            ended.expect(1, &ended.stdout, row.says)?;
            Ok(ended.expect(
                1,
                &ended.stdout,
                &["FAILED bad.guest", "1 case: 0 passed, 1 failed"],
            )?)
        })
    };
    let mut trials: Vec<Trial> = rows().into_iter().map(trial).collect();
    trials.extend(good());
    trials.push(Trial::test("guest::random_words", random_words));
    trials
}

/// Code at the start of the image whose vectors, at 2 KiB, step over whatever faulted; what is
/// appended runs next, with X1 and X2 at the scratch device and the console.
fn with_skipping_vectors() -> Vec<u32> {
    // mrs x9, elr_el1; add x9, x9, #4; msr elr_el1, x9; eret
    const SKIP: [u32; 4] = [0xd538_4029, 0x9100_1129, 0xd518_4029, 0xd69f_03e0];
    let vectors = 0x800 / 4;
    let mut code = vec![0; 2 * vectors];
    let start = [movz(1, 0x4020, 1), movk(1, 0x800, 0), MSR_VBAR_X1];
    code[..3].copy_from_slice(&start);
    code[3] = 0x1400_0000 | (2 * vectors as u32 - 3); // b, to the end of the vectors
    for vector in 0..16 {
        let at = vectors + vector * 0x80 / 4;
        code[at..at + SKIP.len()].copy_from_slice(&SKIP);
    }
    code.extend([movz(1, 0x0b00, 1), movz(2, UART, 1)]);
    code
}

/// Guests of random words, some of them calls and accesses to devices: whatever they do, they
/// end in a verdict, and never in an error of the framework or a panic.
fn random_words() -> Result<(), Failed> {
    let _turn = ONE_VM.lock().unwrap_or_else(PoisonError::into_inner);
    let mut seed = 1_u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 32) as u32
    };
    for round in 0..300 {
        let mut code = with_skipping_vectors();
        for _ in 0..200 {
            let word = next();
            match next() % 8 {
                0 | 1 => code.extend(call(0xc600_0000 | word >> 8 & 0xf)),
                2 => code.extend(call([0x8400_0000, 0xc400_0000][round % 2] | word >> 8 & 0x1f)),
                3 => code.push(movz(word >> 8 & 7, word >> 16, word >> 12 & 3)),
                // Loads and stores of one register or a pair, in every mode, of a device.
                4 | 5 => {
                    code.extend([movz(1, 0x0b00, 1), word & 0x81ff_fc1f | 0x2800_0000 | 1 << 5])
                }
                6 => code.extend([movz(2, UART, 1), word & 0xc1ff_fc1f | 0x3800_0000 | 2 << 5]),
                _ => code.push(word),
            }
        }
        let elf = Elf::new(&code);
        let ram = RamRange::new(16 << 20);
        let image = Image::elf(&elf.0, ram)?;
        let case = cases(&elf.0)?.remove(0);
        let gic = Some(round % 4 < 2);
        let timeout = Duration::from_millis(10);
        let suite = Suite { image: &image, ram, timeout, gic, trace: false, events: None };
        let reasons = suite.run(&case)?.reasons;
        // An error of the framework has its name in the report, which no guest can print.
        if let Some(refused) = reasons.iter().find(|reason| reason.contains("(HV_")) {
            return Err(format!("guest {round}: {refused}").into());
        }
    }
    Ok(())
}

/// Guests that do what they should, in each format.
fn good() -> Vec<Trial> {
    let passes = || {
        let report = print(&format!("{REPORT}ok 1 {CASE}\n"));
        Elf::new(&[report, call(PSCI_SYSTEM_OFF).to_vec()].concat())
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
            &["ok   bad   1 passed", "1 case: 1 passed, 0 failed, 0 skipped", "exits: 1 hypercall"],
        ),
        format("json", &["\"name\":\"bad.guest\"", "\"verdict\":\"passed\"", "\"passed\":1"]),
        Trial::test("guest::boots", move || {
            let elf = Elf::new(&[print("hello\n"), call(PSCI_SYSTEM_OFF).to_vec()].concat());
            let file = TempFile::new("boots", &elf.0)?;
            let ended = anyvisor(&["boot", file.path()])?;
            Ok(ended.expect(0, &ended.stdout, &["hello\n"])?)
        }),
        Trial::test("guest::reads_the_console", move || {
            // 1: ldr w3, [x1, #0x18]; tbnz w3, #4, 1b; ldrb w2, [x1]; strb w2, [x1];
            // cmp w2, #'\n'; b.ne 1b
            let echo =
                [0xb940_1823, 0x3727_ffe3, 0x3940_0022, 0x3900_0022, 0x7100_285f, 0x54ff_ff61];
            let elf = Elf::new(
                &[vec![movz(1, UART, 1)], echo.to_vec(), call(PSCI_SYSTEM_OFF).to_vec()].concat(),
            );
            let file = TempFile::new("echo", &elf.0)?;
            let text = "more than the sixteen bytes that a FIFO holds\n";
            let ended = anyvisor_with(&["boot", file.path(), "--timeout", "20"], text.as_bytes())?;
            Ok(ended.expect(0, &ended.stdout, &[text])?)
        }),
        Trial::test("guest::sleeps_until_the_console_has_input", move || {
            // The UART's interrupt, by its SPI and the GIC, wakes a WFI that has IRQs masked.
            let Some(layout) = Layout::place(Model::Virt.plan(), &Geometry::of_the_framework()?)
            else {
                return Err("there is no place for the GIC".into());
            };
            let high = |frame: Frame| (frame.base >> 16) as u32;
            let start = [
                movz(1, high(layout.distributor), 1),
                0x5280_0263, // mov w3, #0x13
                0xb900_0023, // str w3, [x1]         GICD_CTLR: affinity routing, both groups
                0x5280_0043, // mov w3, #2
                0xb900_8423, // str w3, [x1, #0x84]  GICD_IGROUPR1: INTID 33 in Group 1
                0xb901_0423, // str w3, [x1, #0x104] GICD_ISENABLER1
                movz(2, high(layout.redistributors), 1),
                0xb900_145f, // str wzr, [x2, #0x14] GICR_WAKER: awake
                movz(3, 0xff, 0),
                0xd518_4603, // msr icc_pmr_el1, x3
                movz(3, 1, 0),
                0xd518_cce3, // msr icc_igrpen1_el1, x3
                0xd503_3fdf, // isb
                movz(1, UART, 1),
                0x5280_0a03, // mov w3, #0x50
                0xb900_3823, // str w3, [x1, #0x38]  UARTIMSC: RX, RT
            ];
            let wait = [
                0xd538_c103, // 1: mrs x3, isr_el1
                0x3738_0063, // tbnz w3, #7, 2f      an IRQ is pending
                WFI,
                0x17ff_fffd, // b 1b
                0xb940_1823, // 2: ldr w3, [x1, #0x18]
                0x3727_ff63, // tbnz w3, #4, 1b      UARTFR.RXFE
                0x3940_0022, // ldrb w2, [x1]
                0x3900_0022, // strb w2, [x1]
                0x7100_285f, // cmp w2, #'\n'
                0x54ff_ff61, // b.ne 2b
            ];
            let elf = Elf::new(&[&start[..], &wait, &call(PSCI_SYSTEM_OFF)].concat());
            let file = TempFile::new("input_interrupt", &elf.0)?;
            let text = "more than the sixteen bytes that a FIFO holds\n";
            let ended = anyvisor_with(&["boot", file.path(), "--timeout", "20"], text.as_bytes())?;
            Ok(ended.expect(0, &ended.stdout, &[text])?)
        }),
        Trial::test("guest::boot_reset", move || {
            let file = TempFile::new("boot_reset", &Elf::new(&call(PSCI_SYSTEM_RESET)).0)?;
            let ended = anyvisor(&["boot", file.path(), "--on-reset", "stop"])?;
            Ok(ended.expect(3, &ended.stderr, &[])?)
        }),
        Trial::test("guest::boot_restarts", move || {
            // RAM is new each time: a word of it is printed as a digit, and made another.
            let count = [
                movz(4, 0x4100, 1),
                0xb940_0082, // ldr w2, [x4]
                0x1100_c042, // add w2, w2, #'0'
                movz(1, UART, 1),
                0x3900_0022, // strb w2, [x1]
                0xb900_0081, // str w1, [x4]
            ];
            let elf = Elf::new(&[&count[..], &call(PSCI_SYSTEM_RESET)].concat());
            let file = TempFile::new("boot_restarts", &elf.0)?;
            for gic in ["v3", "none"] {
                let ended = anyvisor(&["boot", file.path(), "--gic", gic, "--restarts", "7"])?;
                ended.expect(3, &ended.stderr, &["asked for a reset again, after 7 restarts"])?;
                if ended.stdout != "00000000" {
                    return Err(format!("{gic}: it printed {:?}", ended.stdout).into());
                }
            }
            Ok(())
        }),
        Trial::test("guest::summary", move || {
            let elf = Elf::new(&[print("hello\n"), call(PSCI_SYSTEM_OFF).to_vec()].concat());
            let file = TempFile::new("summary", &elf.0)?;
            let classes = "user-initiated,background";
            let ended = anyvisor(&["boot", file.path(), "--vcpus", "2", "--qos", classes])?;
            // The second one never ran.
            ended.expect(
                0,
                &ended.stderr,
                &["vCPU 0, user-initiated: ", " s in the guest; exits: 1 hypercall"],
            )?;
            if ended.stderr.contains("vCPU 1") {
                return Err(ended.stderr.into());
            }
            Ok(())
        }),
        Trial::test("guest::skips", move || {
            let report = print(&format!("{REPORT}ok 1 {CASE} # SKIP needs gic\n"));
            let elf = Elf::new(&[report, call(PSCI_SYSTEM_OFF).to_vec()].concat());
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
                    "-> uart+0x0 := 0x4b",
                    "stop: the guest switched the machine off",
                ],
            )?)
        }),
        Trial::test("guest::jobs", move || {
            let file = TempFile::new("jobs", &passes().0)?;
            let ended = anyvisor(&["run", file.path(), "--jobs", "4"])?;
            Ok(ended.expect(0, &ended.stdout, &["1 case: 1 passed"])?)
        }),
    ]
}
