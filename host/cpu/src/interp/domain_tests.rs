//! Maintenance that one vCPU does and another has to hear of, on threads that run side by side.
//!
//! ```text
//!   guest, on a thread of its own            here
//!   -----------------------------            ----
//!   1: tlbi vaae1is, x3; dsb ish             the page behind x0 becomes another, TLBI, DSB;
//!      ldr x1, [x0]; non-zero? hvc #1        then what it was before gets a mark
//!      ldr x4, [x5]; isb; blr x6             the function at x6 becomes another, IC, DSB;
//!      less than x4? hvc #2                  then the count at x5 says so
//!      says how often; b 1b
//! ```
//!
//! And a third thread changes the stage-2 map all the time, for which all have to step aside.

use super::*;
use crate::mmu::{Domain, Invalidation};
use crate::state::Pstate;
use anyvisor_arch::descriptor::{AF, AP_READ_ONLY, Granule, TABLE_OR_PAGE, VALID};
use anyvisor_arch::esr::Esr;
use anyvisor_arch::pstate::Mode;
use anyvisor_arch::sysreg::SysReg;
use anyvisor_arch::{sctlr, tcr};
use anyvisor_vm::Perms;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::{Duration, Instant};

const RAM: u64 = 0x4000_0000;
const RAM_SIZE: u64 = 0x1_0000;
/// The level 3 table; its first entries map the pages behind it.
const TABLE: u64 = RAM;
const CODE: u64 = RAM + 0x1000;
const FUNCTION: u64 = RAM + 0x2000;
const COUNT: u64 = RAM + 0x3000;
/// The two pages that take turns.
const TURNS: [u64; 2] = [RAM + 0x4000, RAM + 0x5000];
/// VA of the page that is now this one, now that; others are at their offset in RAM.
const WATCHED: u64 = 0x8000;
const ROUNDS: u64 = 300;

const PROGRAM: [u32; 14] = [
    0xd508_8363, // 1: tlbi vaae1is, x3
    0xd503_3b9f, //    dsb ish
    0xf940_0001, //    ldr x1, [x0]
    0xb500_0121, //    cbnz x1, 2f
    0xf940_00a4, //    ldr x4, [x5]
    0xd503_3fdf, //    isb
    0xd63f_00c0, //    blr x6
    0xeb04_003f, //    cmp x1, x4
    0x5400_00a3, //    b.lo 3f
    0x9100_0442, //    add x2, x2, #1
    0xf900_00e2, //    str x2, [x7]
    0x17ff_fff5, //    b 1b
    0xd400_0022, // 2: hvc #1
    0xd400_0042, // 3: hvc #2
];

/// MOVZ X1, #n.
fn movz_x1(n: u64) -> u64 {
    0xd280_0001 | (n & 0xffff) << 5
}

const RET: u64 = 0xd65f_03c0;
const PAGE: u64 = VALID | TABLE_OR_PAGE | AF;

fn write(map: &Stage2, ipa: u64, value: u64) {
    let page = map.lookup(ipa).unwrap().0.get(map).unwrap();
    page.store_u64(ipa as usize, value, Ordering::SeqCst);
}

fn read(map: &Stage2, ipa: u64) -> u64 {
    let page = map.lookup(ipa).unwrap().0.get(map).unwrap();
    page.load_u64(ipa as usize, Ordering::SeqCst)
}

/// Where a guest says how often.
fn progress(which: usize) -> u64 {
    COUNT + 8 * (which as u64 + 1)
}

fn guest_cpu(which: usize) -> Cpu {
    let mut cpu = Cpu::new(36, 0);
    // One table: a region of 16 bits.
    let control = tcr::T0SZ.put(48) | tcr::tg0(Granule::K4) | tcr::IPS.put(1);
    cpu.set(SysReg::TCR_EL1, control);
    cpu.set(SysReg::MAIR_EL1, 0xff);
    cpu.set(SysReg::TTBR0_EL1, TABLE);
    cpu.set(SysReg::SCTLR_EL1, sctlr::RES1 | sctlr::M);
    cpu.pstate = Pstate(Mode::El1h.bits() | pstate::DAIF);
    cpu.pc = CODE - RAM;
    // What it invalidates itself is another page than what it watches.
    (cpu.x[0], cpu.x[3]) = (WATCHED, (COUNT - RAM) >> 12);
    (cpu.x[5], cpu.x[6], cpu.x[7]) = (COUNT - RAM, FUNCTION - RAM, progress(which) - RAM);
    cpu
}

#[test]
fn maintenance_of_one_vcpu_is_done_in_all_when_dsb_completes() {
    let host = vec![0u8; RAM_SIZE as usize + 0x8000];
    let base = (host.as_ptr() as usize).next_multiple_of(0x4000);
    let memory = GuestMemory::new(36, 0x4000);
    memory.map(base, RAM, RAM_SIZE, Perms::all()).unwrap();
    {
        let map = memory.enter();
        for page in [CODE, FUNCTION] {
            write(&map, TABLE + (page - RAM) / 512, page | PAGE | AP_READ_ONLY);
        }
        write(&map, TABLE + (COUNT - RAM) / 512, COUNT | PAGE);
        write(&map, TABLE + WATCHED / 512, TURNS[0] | PAGE);
        for (i, pair) in PROGRAM.chunks(2).enumerate() {
            write(&map, CODE + 8 * i as u64, u64::from(pair[0]) | u64::from(pair[1]) << 32);
        }
        write(&map, FUNCTION, movz_x1(0) | RET << 32);
    }
    let domain = Arc::new(Domain::default());
    let bells = [0; 3].map(|_| Arc::new(Attention::default()));
    bells.iter().for_each(|bell| memory.attend(bell));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let guest = |which: usize| {
            let (memory, bell) = (&memory, &bells[which]);
            let mut tlb = Tlb::of(domain.join(bell));
            move || {
                let mut cpu = guest_cpu(which);
                cpu.regime_changed();
                run(&mut cpu, &mut tlb, &mut CodeCache::default(), memory, bell, &|| 0)
            }
        };
        let guests = [scope.spawn(guest(0)), scope.spawn(guest(1))];
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                memory.map(base, RAM + 0x10_0000, 0x4000, Perms::all()).unwrap();
                std::thread::sleep(Duration::from_millis(2));
                memory.unmap(RAM + 0x10_0000, 0x4000).unwrap();
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let mut tlb = Tlb::of(domain.join(&bells[2]));
        let mut tell = |what| {
            fence(Ordering::SeqCst);
            tlb.member.as_mut().unwrap().broadcast(what);
            tlb.wait_for_others();
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        // Each guest goes round, so that it has seen what is to be invalidated.
        let go_round = || {
            let look = |which| read(&memory.enter(), progress(which));
            let before = [look(0), look(1)];
            while (0..2).any(|which| look(which) < before[which] + 2) && Instant::now() < deadline {
                std::thread::yield_now();
            }
        };
        for round in 1..=ROUNDS {
            go_round();
            let (new, old) = (TURNS[round as usize & 1], TURNS[(round as usize + 1) & 1]);
            write(&memory.enter(), new, 0);
            write(&memory.enter(), TABLE + WATCHED / 512, new | PAGE);
            tell(Invalidation::Addresses { start: WATCHED, bytes: 0, last_level: true });
            write(&memory.enter(), old, round);
            write(&memory.enter(), FUNCTION, movz_x1(round) | RET << 32);
            tell(Invalidation::Code);
            write(&memory.enter(), COUNT, round);
        }
        bells.iter().for_each(|bell| bell.ring(Attention::CANCEL));
        let exits = guests.map(|guest| guest.join().unwrap());
        over.store(true, Ordering::SeqCst);
        let seen = exits.map(|end| match end.exit() {
            Exit::Exception(exception) => Esr(exception.syndrome).imm16(),
            _ => 0,
        });
        assert_eq!(seen, [0, 0], "1: a translation, 2: code that was invalidated");
        assert!(Instant::now() < deadline, "somebody is stuck");
    });
}

/// Four vCPUs that tell each other of maintenance without end, each of which now and then exits
/// and changes the map itself: nobody waits for somebody who waits for it.
#[test]
fn waits_of_several_vcpus_and_changes_of_the_map_do_not_lock_each_other_out() {
    const WAITERS: u64 = 4;
    const EXITS: u64 = 1000;
    let code: [u32; 8] = [
        0xd280_0281, //    movz x1, #20
        0xd508_831f, // 1: tlbi vmalle1is
        0xd503_3b9f, //    dsb ish
        0xd508_711f, //    ic ialluis
        0xd503_3b9f, //    dsb ish
        0xf100_0421, //    subs x1, x1, #1
        0x54ff_ff61, //    b.ne 1b
        0xd400_0002, //    hvc #0
    ];
    let host = vec![0u8; 0xc000];
    let base = (host.as_ptr() as usize).next_multiple_of(0x4000);
    let memory = GuestMemory::new(36, 0x4000);
    memory.map(base, RAM, 0x4000, Perms::all()).unwrap();
    for (i, pair) in code.chunks(2).enumerate() {
        let both = u64::from(pair[0]) | u64::from(pair[1]) << 32;
        write(&memory.enter(), RAM + 8 * i as u64, both);
    }
    let domain = Arc::new(Domain::default());
    std::thread::scope(|scope| {
        for which in 0..WAITERS {
            let bell = Arc::new(Attention::default());
            memory.attend(&bell);
            let mut tlb = Tlb::of(domain.join(&bell));
            let memory = &memory;
            scope.spawn(move || {
                let mut cpu = Cpu::new(36, 0);
                let mut code = CodeCache::default();
                let own = RAM + 0x10_0000 * (which + 1);
                for _ in 0..EXITS {
                    cpu.pc = RAM;
                    let exit = run(&mut cpu, &mut tlb, &mut code, memory, &bell, &|| 0).exit();
                    assert!(matches!(exit, Exit::Exception(_)), "{exit:?}");
                    memory.map(base, own, 0x4000, Perms::all()).unwrap();
                    memory.unmap(own, 0x4000).unwrap();
                }
            });
        }
    });
}
