//! Cache maintenance, run as a guest runs it: a page of code at the very top of the address
//! space, the page of an EL0 program below it, and a hypervisor call at the end.

use super::*;
use crate::state::Pstate;
use anyvisor_arch::descriptor::{AF, AP_EL0, TABLE_OR_PAGE, VALID};
use anyvisor_arch::esr::Esr;
use anyvisor_arch::pstate::{Mode, PAN};
use anyvisor_arch::sysreg::SysReg;
use anyvisor_arch::{sctlr, tcr};
use anyvisor_vm::Perms;
use std::sync::atomic::Ordering;

const RAM: u64 = 0x4000_0000;
const RAM_SIZE: u64 = 0x1_0000;
/// Tables of levels 1 to 3, the code, and the page of EL0, a page each.
const CODE: u64 = RAM + 0x3000;
const USER: u64 = RAM + 0x4000;
/// Where the code stands: the last page there is.
const TOP: u64 = !0xfff;
const USER_VA: u64 = TOP - 0x1000;

const HVC_0: u32 = 0xd400_0002;
const HVC_1: u32 = 0xd400_0022;
const DC_ZVA_X0: u32 = 0xd50b_7420;
const DC_IVAC_X0: u32 = 0xd508_7620;

fn write(map: &Stage2, ipa: u64, value: u64) {
    let page = map.lookup(ipa).unwrap().0.get(map).unwrap();
    page.store_u64(ipa as usize, value, Ordering::Relaxed);
}

fn read(memory: &GuestMemory, ipa: u64) -> u64 {
    let map = memory.enter();
    let page = map.lookup(ipa).unwrap().0.get(&map).unwrap();
    page.load_u64(ipa as usize, Ordering::Relaxed)
}

/// Runs `word` with `x0` at EL1 with PAN set: the immediate of the call that ends it, 0 if it was
/// done and 1 if it took an exception; and then looks at memory.
fn run_one(word: u32, x0: u64, look: impl FnOnce(&GuestMemory)) -> u16 {
    let host = vec![0u8; RAM_SIZE as usize + 0x4000];
    let base = (host.as_ptr() as usize).next_multiple_of(0x4000);
    let memory = GuestMemory::new(36, 0x4000);
    memory.map(base, RAM, RAM_SIZE, Perms::all()).unwrap();
    {
        let map = memory.enter();
        let table = |level: u64, to: u64| write(&map, RAM + 0x1000 * level + 0xff8, to);
        table(0, (RAM + 0x1000) | VALID | TABLE_OR_PAGE);
        table(1, (RAM + 0x2000) | VALID | TABLE_OR_PAGE);
        table(2, CODE | VALID | TABLE_OR_PAGE | AF);
        write(&map, RAM + 0x2ff0, USER | VALID | TABLE_OR_PAGE | AF | AP_EL0);
        write(&map, CODE, u64::from(HVC_0) << 32 | u64::from(word));
        // The vector of a synchronous exception at EL1h.
        write(&map, CODE + 0x200, HVC_1.into());
        write(&map, CODE + 0xfb8, u64::MAX);
        write(&map, CODE + 0xfc0, u64::MAX);
        write(&map, CODE + 0xff8, u64::MAX);
    }
    let mut cpu = Cpu::new(36, 0);
    let control = tcr::T1SZ.put(25) | tcr::tg1(anyvisor_arch::descriptor::Granule::K4);
    cpu.set(SysReg::TCR_EL1, control | tcr::IPS.put(1));
    cpu.set(SysReg::MAIR_EL1, 0xff);
    cpu.set(SysReg::TTBR1_EL1, RAM);
    cpu.set(SysReg::SCTLR_EL1, sctlr::RES1 | sctlr::M);
    cpu.set(SysReg::VBAR_EL1, TOP);
    cpu.pstate = Pstate(Mode::El1h.bits() | pstate::DAIF | PAN);
    cpu.pc = TOP;
    cpu.x[0] = x0;
    let (mut tlb, mut code) = (Tlb::default(), CodeCache::default());
    cpu.regime_changed();
    let exit = run(&mut cpu, &mut tlb, &mut code, &memory, &Attention::default(), &|| 0).exit();
    look(&memory);
    match exit {
        Exit::Exception(exception) => Esr(exception.syndrome).imm16(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_last_block_of_the_address_space_is_zeroed() {
    let end = run_one(DC_ZVA_X0, u64::MAX, |memory| {
        let words = [0xfb8, 0xfc0, 0xff8].map(|offset| read(memory, CODE + offset));
        assert_eq!(words, [u64::MAX, 0, 0]);
    });
    assert_eq!(end, 0);
}

#[test]
fn pan_stops_dc_zva_and_no_other_cache_maintenance() {
    assert_eq!(run_one(DC_IVAC_X0, USER_VA, |_| {}), 0);
    assert_eq!(run_one(DC_ZVA_X0, USER_VA, |_| {}), 1);
}
