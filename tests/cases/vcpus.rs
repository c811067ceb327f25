//! Guests of several vCPUs, switched on and off in the ways that go wrong: whatever the others
//! are doing, the machine ends, and for the reason that was given.

use crate::elf::{Elf, TempFile};
use crate::guest::{LOOP, WFI, call, movk, movz, print};
use crate::program::{Ended, anyvisor};
use anyvisor_abi::map::affinity;
use anyvisor_abi::smccc::{
    PSCI_AFFINITY_INFO_64, PSCI_CPU_OFF, PSCI_CPU_ON_64, PSCI_SYSTEM_OFF, PSCI_SYSTEM_RESET,
    SMCCC_ARCH_FEATURES, SMCCC_VERSION,
};
use libtest_mimic::{Failed, Trial};

/// Where the image is loaded: the address of `code[0]`.
const BASE: u32 = 0x4020_0000;
/// Words that each vCPU's code may take.
const PART: usize = 64;

/// A kernel whose vCPU `n` starts with `parts[n]`, see [`on`].
fn kernel(parts: &[Vec<u32>]) -> Elf {
    let mut code = vec![LOOP; PART * parts.len()];
    for (n, part) in parts.iter().enumerate() {
        code[PART * n..][..part.len()].copy_from_slice(part);
    }
    Elf::new(&code)
}

/// CPU_ON of vCPU `n`, at its part.
fn on(n: u32) -> Vec<u32> {
    let entry = BASE + n * PART as u32 * 4;
    let affinity = affinity(n.into()) as u32;
    let arguments =
        [movz(1, affinity, 0), movz(2, entry & 0xffff, 0), movk(2, entry >> 16, 1), movz(3, 0, 0)];
    [&arguments[..], &call(PSCI_CPU_ON_64)].concat()
}

/// `cmp x0, #imm; b.ne .`: goes on only if a call answered `imm`.
fn unless_it_is(imm: u32) -> [u32; 2] {
    [0xf100_001f | imm << 10, 0x5400_0001]
}

/// Asks for vCPU `n` until it is not off any more.
fn until_not_off(n: u32) -> Vec<u32> {
    // 1: ...; cmp x0, #1; b.eq 1b
    let ask = [&[movz(1, n, 0), movz(2, 0, 0)][..], &call(PSCI_AFFINITY_INFO_64)].concat();
    let back = -(ask.len() as i32 + 1);
    [&ask[..], &[0xf100_041f, 0x5400_0000 | (back as u32 & 0x7_ffff) << 5]].concat()
}

/// Counts down from `rounds` in X9.
fn delay(rounds: u32) -> [u32; 3] {
    // subs x9, x9, #1; b.ne .-4
    [movz(9, rounds, 0), 0xf100_0529, 0x54ff_ffe1]
}

fn boot(name: &str, parts: &[Vec<u32>], vcpus: &str) -> Result<Ended, String> {
    let file = TempFile::new(name, &kernel(parts).0).map_err(|error| error.to_string())?;
    anyvisor(&["boot", file.path(), "--vcpus", vcpus, "--timeout", "90", "--on-reset", "stop"])
}

fn trial(name: &'static str, test: fn(&str) -> Result<(), Failed>) -> Trial {
    Trial::test(format!("vcpus::{name}"), move || test(name))
}

/// One test for each way.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_secondary_switches_the_machine_off", |name| {
            let parts = [[on(1), vec![WFI, LOOP]].concat(), call(PSCI_SYSTEM_OFF).to_vec()];
            Ok(boot(name, &parts, "2")?.expect(0, "", &[])?)
        }),
        trial("a_secondary_resets_a_busy_machine", |name| {
            let parts = [[on(1), vec![LOOP]].concat(), call(PSCI_SYSTEM_RESET).to_vec()];
            Ok(boot(name, &parts, "2")?.expect(3, "", &[])?)
        }),
        trial("the_machine_ends_around_busy_and_sleeping_ones", |name| {
            let off = call(PSCI_SYSTEM_OFF).to_vec();
            let parts = [[on(1), on(2), off].concat(), vec![LOOP], vec![WFI, 0x17ff_ffff]];
            Ok(boot(name, &parts, "3")?.expect(0, "", &[])?)
        }),
        trial("a_secondary_has_the_same_devices", |name| {
            let parts = [
                [on(1), vec![WFI, LOOP]].concat(),
                [print("from vCPU 1\n"), call(PSCI_SYSTEM_OFF).to_vec()].concat(),
            ];
            let ended = boot(name, &parts, "2")?;
            Ok(ended.expect(0, &ended.stdout, &["from vCPU 1\n"])?)
        }),
        trial("a_secondary_that_goes_astray_is_named", |name| {
            // ldr w0, [x1]
            let parts = [[on(1), vec![WFI, LOOP]].concat(), vec![movz(1, 0x0d00, 1), 0xb940_0020]];
            let ended = boot(name, &parts, "2")?;
            let says = ["vCPU 1: a read at IPA 0xd000000", "vCPU 0:\npc ", "vCPU 1:\npc "];
            Ok(ended.expect(1, &ended.stderr, &says)?)
        }),
        trial("each_of_sixty_four_starts_the_next", |name| {
            let last = [call(PSCI_SYSTEM_OFF).to_vec()];
            let parts: Vec<_> =
                (1..64).map(|next| [on(next), vec![WFI, LOOP]].concat()).chain(last).collect();
            Ok(boot(name, &parts, "64")?.expect(0, "", &[])?)
        }),
        trial("vcpu_0_goes_off_and_is_switched_on_again", |name| {
            // The second time vCPU 0 starts at another's part, with nothing left in X20.
            let back_on = [
                &[movz(1, 0, 0), movz(2, 0x4020, 1), movk(2, 2 * PART as u32 * 4, 0)][..],
                &[movz(3, 9, 0)],
                &call(PSCI_CPU_ON_64),
                &unless_it_is(0),
            ];
            let until_off = [&[movz(1, 0, 0), movz(2, 0, 0)][..], &call(PSCI_AFFINITY_INFO_64)];
            // cmp x0, #1; b.ne to the start
            let until_off = [until_off.concat(), vec![0xf100_041f, 0x54ff_ff41]].concat();
            let parts = [
                [on(1), vec![movz(20, 5, 0)], call(PSCI_CPU_OFF).to_vec()].concat(),
                [until_off, back_on.concat(), vec![LOOP]].concat(),
                // X0 is the context: sub x0, x0, #9; orr x0, x0, x20
                [&[0xd100_2400, 0xaa14_0000][..], &unless_it_is(0), &call(PSCI_SYSTEM_OFF)]
                    .concat(),
            ];
            Ok(boot(name, &parts, "2")?.expect(0, "", &[])?)
        }),
        trial("the_last_to_go_off_ends_the_machine", |name| {
            let parts =
                [[on(1), call(PSCI_CPU_OFF).to_vec()].concat(), call(PSCI_CPU_OFF).to_vec()];
            let ended = boot(name, &parts, "2")?;
            Ok(ended.expect(1, &ended.stderr, &["the guest switched its last vCPU off"])?)
        }),
        trial("each_of_several_restarts_with_the_machine", |name| {
            let parts = [
                [on(1), vec![WFI, LOOP]].concat(),
                [print("."), call(PSCI_SYSTEM_RESET).to_vec()].concat(),
            ];
            let file = TempFile::new(name, &kernel(&parts).0).map_err(|error| error.to_string())?;
            let ended = anyvisor(&["boot", file.path(), "--vcpus", "2", "--restarts", "20"])?;
            Ok(ended.expect(3, &ended.stdout, &["....................."])?)
        }),
        trial("on_and_off_a_thousand_times", |name| {
            // Whoever finds vCPU 2 off switches it on; vCPU 0 counts its successes in X20.
            let again = |code: Vec<u32>| {
                let back = -(code.len() as i32);
                [code, vec![0x1400_0000 | back as u32 & 0x3ff_ffff]].concat()
            };
            let count = [
                on(2),
                vec![0xf100_001f], // cmp x0, #0
                vec![0x9a94_1694], // cinc x20, x20, eq
                vec![0xf10f_a29f], // cmp x20, #1000
                vec![0x54ff_fec1], // b.ne, to on(2)
                call(PSCI_SYSTEM_OFF).to_vec(),
            ];
            let parts = [
                [on(1), vec![movz(20, 0, 0)], count.concat()].concat(),
                again(on(2)),
                call(PSCI_CPU_OFF).to_vec(),
            ];
            Ok(boot(name, &parts, "3")?.expect(0, "", &[])?)
        }),
        trial("the_machine_ends_while_one_starts_another", |name| {
            // vCPU 1 starts vCPU 2, which then never leaves the guest by itself; vCPU 0 ends the
            // machine at about that time, each time a little later.
            for round in 1..100 {
                let end = [until_not_off(2), delay(round * 60).to_vec()].concat();
                let parts = [
                    [on(1), end, call(PSCI_SYSTEM_OFF).to_vec()].concat(),
                    [on(2), vec![LOOP]].concat(),
                    vec![LOOP],
                ];
                boot(name, &parts, "3")?.expect(0, "", &[])?;
            }
            Ok(())
        }),
        trial("all_answer_smccc_alike", |name| {
            let ask = |id: u32| {
                let id = [movz(1, id & 0xffff, 0), movk(1, id >> 16, 1)];
                [&id[..], &call(SMCCC_ARCH_FEATURES), &unless_it_is(0)].concat()
            };
            let asks = [ask(SMCCC_VERSION), ask(SMCCC_ARCH_FEATURES)].concat();
            let parts = [
                [&asks[..], &on(1), &[LOOP]].concat(),
                [&asks[..], &call(PSCI_SYSTEM_OFF)].concat(),
            ];
            Ok(boot(name, &parts, "2")?.expect(0, "", &[])?)
        }),
        trial("what_cannot_be_switched_on", |name| {
            // Each answer is negated to be compared: neg x0, x0.
            let refused = |n: u32, entry_high: u32, entry_low: u32, answer: u32| {
                let arguments =
                    [movz(1, n, 0), movz(2, entry_high, 1), movk(2, entry_low, 0), movz(3, 0, 0)];
                let check = [&[0xcb00_03e0][..], &unless_it_is(answer)].concat();
                [&arguments[..], &call(PSCI_CPU_ON_64), &check].concat()
            };
            let parts = [
                [
                    refused(2, 0x4020, 0, 2), // INVALID_PARAMETERS: there are two
                    refused(0, 0x4020, 0, 4), // ALREADY_ON
                    refused(1, 0x4020, 2, 9), // INVALID_ADDRESS: no instruction's
                ]
                .concat(),
                [
                    refused(1, 0x0900, 0, 9), // a device
                    call(PSCI_SYSTEM_OFF).to_vec(),
                ]
                .concat(),
            ]
            .concat();
            Ok(boot(name, &[parts, vec![], vec![]], "2")?.expect(0, "", &[])?)
        }),
    ]
}
