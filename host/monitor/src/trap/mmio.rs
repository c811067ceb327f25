//! Aborts at stage 2: accesses to devices, and accesses that should not have been made.
//!
//! ```text
//!   data abort --+-- by cache maintenance (CM = 1): stepped over
//!                +-- at a device --+-- ISV = 1: the syndrome describes the access
//!                |                 +-- ISV = 0: the instruction at the PC does
//!                +-- elsewhere: RAM without the permission, or nothing there: the machine stops
//! ```

use crate::cpu::Cpu;
use crate::devices::Device;
use crate::expect::Seen;
use crate::mmio_decode::{self, Transfer};
use crate::record::Answer;
use crate::run::Stop;
use crate::walk::{Stage1, WalkError};
use anyvisor_arch::esr::{Access, Esr};
use anyvisor_bugs::{Bug, is};
use applevisor::prelude::{HypervisorError, SysReg};

/// The smallest page: within it, virtual and physical addresses run in parallel.
const PAGE: u64 = 4096;

/// A data abort.
pub fn handle(cpu: &mut Cpu, seen: Seen) -> Result<Answer, Stop> {
    let Some(abort) = Esr(seen.esr).data_abort() else {
        return Err(Stop::Unhandled("a data abort with another syndrome".into()));
    };
    if abort.on_walk {
        return Err(nowhere(cpu, seen, "a stage-1 walk reads a table"));
    }
    if abort.cache_maintenance {
        cpu.advance()?; // what is no RAM has no cache, and RAM's is coherent
        return Ok(Answer::Skipped);
    }
    let Some((device, offset)) = Device::at(cpu.board.range.plan, seen.ipa) else {
        return Err(nowhere(cpu, seen, if abort.write { "a write" } else { "a read" }));
    };
    let answer = match abort.access {
        Some(access) => single(cpu, device, offset, access, abort.write)?,
        None => decoded(cpu, seen)?,
    };
    cpu.advance()?;
    Ok(answer)
}

/// An instruction abort: there is no device to run code from.
pub fn no_instruction(cpu: &Cpu, seen: Seen) -> Stop {
    nowhere(cpu, seen, "an instruction fetch")
}

fn nowhere(cpu: &Cpu, seen: Seen, what: &str) -> Stop {
    let Seen { esr, far, ipa, pc } = seen;
    let ram = cpu.board.range;
    let place = if ram.contains(ipa, 1) {
        "RAM without the permission".into()
    } else {
        format!("neither RAM {ram} nor a device")
    };
    let esr = Esr(esr);
    Stop::Unhandled(format!(
        "{what} at IPA {ipa:#x} (VA {far:#x}, PC {pc:#x}) hits {place}; syndrome {esr}"
    ))
}

/// An access that the syndrome describes.
fn single(
    cpu: &mut Cpu,
    device: Device,
    offset: u64,
    access: Access,
    write: bool,
) -> Result<Answer, HypervisorError> {
    if write {
        let sp = is(Bug::MmioXzrIsSp) && access.register == 31;
        let value = if sp { cpu.vcpu.get_sys_reg(cpu.sp()?)? } else { cpu.x(access.register)? };
        cpu.board.write_device(device, offset, access.bytes(), value);
        return Ok(Answer::Write { device, offset, value });
    }
    let value = access.extend(cpu.board.read_device(device, offset, access.bytes()));
    let kept = if is(Bug::MmioUpperHalfKept) { cpu.x(access.register)? & !0xffff_ffff } else { 0 };
    cpu.set_x(access.register, value | kept)?;
    Ok(Answer::Read { device, offset, value })
}

/// An access that only the instruction describes.
fn decoded(cpu: &mut Cpu, seen: Seen) -> Result<Answer, Stop> {
    let word = fetch(cpu, seen.pc)
        .map_err(|error| refuse(seen, &format!("its instruction cannot be read: {error}")))?
        .ok_or_else(|| refuse(seen, "its instruction is not in RAM"))?;
    let transfer = mmio_decode::decode(word).map_err(|refusal| {
        refuse(seen, &format!("{word:#010x} is {refusal}, which is not emulated"))
    })?;

    let stack = if transfer.base == 31 { Some(cpu.sp()?) } else { None };
    let base = match stack {
        Some(sp) => cpu.vcpu.get_sys_reg(sp)?,
        None => cpu.x(transfer.base)?,
    };
    let first = base.wrapping_add_signed(transfer.offset);
    // The syndrome's addresses are those of the part that faulted, which may be the second one.
    let size = (transfer.bytes * transfer.count) as u64;
    let into = seen.far.wrapping_sub(first);
    if into >= size || first % PAGE + size > PAGE {
        let why = format!("{word:#010x} accesses {size} bytes at VA {first:#x}, over a page's end");
        return Err(refuse(seen, &why));
    }
    let answer = transfer_registers(cpu, &transfer, seen.ipa - into)?;
    let base = base.wrapping_add_signed(transfer.writeback);
    match stack {
        _ if transfer.writeback == 0 || is(Bug::MmioWritebackLost) => {}
        Some(sp) => cpu.vcpu.set_sys_reg(sp, base)?,
        None => cpu.set_x(transfer.base, base)?,
    }
    Ok(answer)
}

/// The parts of a transfer, in the order of their addresses.
fn transfer_registers(cpu: &mut Cpu, transfer: &Transfer, ipa: u64) -> Result<Answer, Stop> {
    let access = |register| Access {
        size_log2: transfer.bytes.trailing_zeros() as u8,
        sign_extend: transfer.sign_extend,
        register,
        register_64: transfer.register_64,
        ordered: false,
    };
    let mut answer = Answer::Skipped;
    for (at, &register) in
        (ipa..).step_by(transfer.bytes).zip(&transfer.registers[..transfer.count])
    {
        // Within a page that a device starts in; a device is whole pages.
        let Some((device, offset)) = Device::at(cpu.board.range.plan, at) else { break };
        answer = single(cpu, device, offset, access(register), !transfer.load)?;
    }
    Ok(answer)
}

fn refuse(seen: Seen, why: &str) -> Stop {
    let Seen { far, ipa, pc, .. } = seen;
    Stop::Unhandled(format!(
        "an access to a device at IPA {ipa:#x} (VA {far:#x}, PC {pc:#x}) that the syndrome does not describe: {why}"
    ))
}

/// The vCPU's stage 1.
pub(crate) fn stage1(cpu: &Cpu) -> Stage1 {
    let register = |reg| cpu.vcpu.get_sys_reg(reg).unwrap_or_default();
    Stage1 {
        sctlr: register(SysReg::SCTLR_EL1),
        tcr: register(SysReg::TCR_EL1),
        ttbr0: register(SysReg::TTBR0_EL1),
        ttbr1: register(SysReg::TTBR1_EL1),
    }
}

/// The instruction word at a virtual address; `None`: not in RAM.
pub(crate) fn fetch(cpu: &Cpu, pc: u64) -> Result<Option<u32>, WalkError> {
    let ram = cpu.board.ram();
    let ipa = stage1(cpu).translate(pc, |at| ram.as_ref()?.read_u64(at))?;
    Ok(ram.as_ref().and_then(|ram| ram.read_u32(ipa)))
}
