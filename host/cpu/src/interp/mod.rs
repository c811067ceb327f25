//! The interpreter: blocks of decoded instructions, run one function call an instruction.
//!
//! ```text
//!   run()                     under the shared lock of the stage-2 map (anyvisor_vm::memory)
//!    |
//!    +-> attend()             between blocks, when asked: cancel, map change, timer, interrupts
//!    +-> block.rs             PC -> block: the jump cache, else translate, find or decode
//!    +-> ops                  each a row's `execute` for this `Emit`            (emit.rs)
//!          |                    memory.rs, vector.rs, atomic.rs: loads and stores;
//!          |                    system.rs: everything else
//!          |                    debugging.rs: breakpoints, watchpoints, software step
//!          +-> Err(Stopped)   an exception: taken, on we go; or an exit: out
//! ```
//!
//! Time is read where the guest can see it, and for the timers' sake: while one is set, after 64 to
//! 65,536 instructions, the nearer its deadline the sooner.

#[cfg(test)]
mod agreement;
mod atomic;
mod block;
mod debugging;
#[cfg(test)]
mod domain_tests;
mod emit;
mod landing;
mod maintenance;
#[cfg(test)]
mod mapped;
mod memory;
mod pauth;
#[cfg(test)]
mod programs;
mod system;
#[cfg(test)]
mod tests;
mod translate;
mod vector;

pub use block::CodeCache;

use crate::debug;
use crate::exception::Exception;
use crate::mmu::domain::Member;
use crate::mmu::{Stale, Tlb};
use crate::state::Cpu;
use crate::sysreg::Now;
use anyvisor_arch::esr::{ExceptionClass, Wait};
use anyvisor_arch::pstate::{self, Vector};
use anyvisor_bugs::{Bug, is};
use anyvisor_vm::{Attention, Exit, ExitException, GuestMemory, Stage2};
use block::Op;

/// Where the log crate finds the instruction trace.
pub const TRACE: &str = "anyvisor_cpu::trace";

/// An instruction did not complete; [`Interp::stop`] says why.
#[derive(Clone, Copy, Debug)]
pub struct Stopped;

/// Why an instruction did not complete.
#[derive(Clone, Copy, Debug)]
enum Stop {
    /// Taken at EL1.
    Exception(Exception),
    /// Leaves the guest.
    Exit(Exit),
    /// WFI or WFE, where the engine itself knows what to wait for. The PC is past it.
    Wait(Wait),
}

/// Why a run pauses.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// Something for the caller of the API.
    Exit(Exit),
    /// The guest waits for an interrupt or an event: no vCPU needs to run until there is one.
    Wait(Wait),
}

#[cfg(test)]
impl End {
    /// The exit of a guest that has no GIC.
    fn exit(self) -> Exit {
        match self {
            Self::Exit(exit) => exit,
            Self::Wait(which) => panic!("the guest waits: {which:?}"),
        }
    }
}

/// The most instructions between two looks at the clock.
const MOST_BETWEEN: u64 = 1 << 16;
/// The fewest, when the timer is about to fire.
const FEWEST_BETWEEN: u64 = 64;
/// Instructions that surely run in one tick of the 24 MHz counter, so that a deadline is looked
/// at in time but not much more often.
const INSTRUCTIONS_A_TICK: u64 = 4;

/// One vCPU's execution for as long as the stage-2 map is held.
pub struct Interp<'a> {
    cpu: &'a mut Cpu,
    tlb: &'a mut Tlb,
    map: &'a Stage2,
    now: Now<'a>,
    /// Where control goes after this block.
    next: u64,
    /// This block stands in a guarded page (FEAT_BTI).
    guarded: bool,
    /// Instructions left before [`Interp::attend`].
    left: i64,
    /// What `left` was when [`Cpu::instructions`] was last brought up to date.
    accounted: i64,
    /// What is no longer to be believed of decoded code.
    stale: Stale,
    /// The last reason for a [`Stopped`].
    stop: Stop,
}

/// Why the loop under the map's lock ends.
#[derive(Clone, Copy)]
enum Leave {
    /// Out of the guest: [`Interp::stop`] says why. (It is not carried here: each time that an exit
    /// record is passed on, reading it waits for the writes before.)
    End,
    /// Somebody wants to change the map: let go of it and come back.
    Map,
    /// Debug exceptions were switched on or off: another loop goes on.
    Debug,
}

/// Runs `cpu` until something needs the caller, or it waits.
pub fn run(
    cpu: &mut Cpu,
    tlb: &mut Tlb,
    code: &mut CodeCache,
    memory: &GuestMemory,
    bell: &Attention,
    now: Now,
) -> End {
    // PSTATE may have been set from outside; whoever changes a register that translation depends on
    // has said so by `Cpu::regime_changed`.
    cpu.set_pstate(cpu.pstate);
    let trace = log::log_enabled!(target: TRACE, log::Level::Trace);
    loop {
        let map = memory.enter();
        let mut interp = Interp::new(&mut *cpu, &mut *tlb, &map, now);
        interp.come_in();
        loop {
            let leave = match (trace, debug::active(interp.cpu)) {
                (false, false) => interp.run::<false, false>(code, bell),
                (false, true) => interp.run::<false, true>(code, bell),
                (true, false) => interp.run::<true, false>(code, bell),
                (true, true) => interp.run::<true, true>(code, bell),
            };
            interp.account();
            match leave {
                Leave::End => match interp.stop {
                    Stop::Wait(which) => return End::Wait(which),
                    Stop::Exit(exit) => return End::Exit(exit),
                    // Taken where it was found.
                    Stop::Exception(_) => {}
                },
                Leave::Map => break,
                Leave::Debug => {}
            }
        }
    }
}

/// However the run ends, nobody waits for this vCPU any more.
impl Drop for Interp<'_> {
    fn drop(&mut self) {
        if let Some(member) = &self.tlb.member {
            member.leave();
        }
    }
}

impl<'a> Interp<'a> {
    fn new(cpu: &'a mut Cpu, tlb: &'a mut Tlb, map: &'a Stage2, now: Now<'a>) -> Self {
        let stop = Stop::Exit(Exit::Canceled);
        Self {
            cpu,
            tlb,
            map,
            now,
            next: 0,
            guarded: false,
            left: 0,
            accounted: 0,
            stale: Stale::Words,
            stop,
        }
    }
}

impl Interp<'_> {
    fn run<const TRACE_ON: bool, const DEBUG_ON: bool>(
        &mut self,
        code: &mut CodeCache,
        bell: &Attention,
    ) -> Leave {
        loop {
            if (self.left <= 0 || bell.pending() != 0)
                && let Some(leave) = self.attend(bell)
            {
                return leave;
            }
            if self.stale != Stale::Nothing {
                code.new_epoch(std::mem::take(&mut self.stale));
                self.tlb.forget_fetches();
                if DEBUG_ON != debug::active(self.cpu) {
                    return Leave::Debug;
                }
            }
            let (pc, regime) = (self.cpu.pc, self.cpu.regime.code);
            let done = if DEBUG_ON {
                self.run_debugged::<TRACE_ON>(code, pc)
            } else {
                match code.block(self, pc) {
                    Ok(ops) => loop {
                        self.left -= ops.len() as i64;
                        let done = self.run_block::<TRACE_ON>(pc, ops);
                        if done.is_err() {
                            self.left += self.unfinished() as i64;
                            break done;
                        }
                        if self.next != pc || !self.goes_round(regime, bell) {
                            break done;
                        }
                    },
                    Err(stopped) => Err(stopped),
                }
            };
            match done {
                Ok(()) => self.cpu.pc = self.next,
                Err(Stopped) => {
                    if self.stopped() {
                        return Leave::End;
                    }
                }
            }
        }
    }

    /// Whether a block that branched to itself may do so without a look for it: nothing has
    /// happened that a look would have to know.
    #[inline(always)]
    fn goes_round(&self, regime: u32, bell: &Attention) -> bool {
        self.left > 0
            && bell.pending() == 0
            && self.stale == Stale::Nothing
            && self.cpu.regime.code == regime
            && !self.cpu.pstate.any(pstate::BTYPE)
    }

    /// Takes the exception that stopped an instruction; true if it was none, and the run pauses.
    #[inline(never)]
    fn stopped(&mut self) -> bool {
        if !matches!(self.stop, Stop::Exception(_)) {
            return true;
        }
        // A guest that loops in faults still hears of the time.
        self.left -= 1;
        self.accounted -= 1;
        self.count_so_far(0);
        if log::log_enabled!(target: TRACE, log::Level::Debug) {
            self.trace_exception();
        }
        if let Stop::Exception(exception) = &self.stop {
            self.cpu.take_exception(exception);
        }
        false
    }

    #[cold]
    fn trace_exception(&self) {
        if let Stop::Exception(exception) = &self.stop {
            let at = self.cpu.pc;
            log::debug!(target: TRACE, "  -> {} at {at:#x}", exception.syndrome);
        }
    }

    #[inline(always)]
    fn run_block<const TRACE_ON: bool>(&mut self, pc: u64, ops: &[Op]) -> Result<(), Stopped> {
        self.next = pc.wrapping_add(4 * ops.len() as u64);
        let mut at = pc;
        for op in ops {
            self.cpu.pc = at;
            if TRACE_ON {
                log::trace!(target: TRACE, "{at:#014x}  {:08x}  {}", op.word, crate::text(op.word, at));
            }
            (op.run)(self, op.word)?;
            at = at.wrapping_add(4);
        }
        Ok(())
    }

    /// Before the first guest instruction: from here on other vCPUs wait for this one, and it has
    /// done what they asked for before.
    fn come_in(&mut self) {
        if self.tlb.member.as_ref().is_some_and(Member::enter) {
            self.stale = self.stale.max(self.tlb.take_broadcasts());
        }
    }

    /// Looks up from the guest: what has happened outside, and what time is it?
    fn attend(&mut self, bell: &Attention) -> Option<Leave> {
        // Most often nobody has rung: looking is cheaper than taking.
        let rung = bell.pending();
        if rung & Attention::CANCEL != 0 && bell.take(Attention::CANCEL) != 0 {
            return Some(self.leave(Exit::Canceled));
        }
        if rung & Attention::BROADCAST != 0 {
            self.stale = self.stale.max(self.tlb.take_broadcasts());
        }
        if rung & Attention::MAP != 0 {
            return Some(Leave::Map);
        }
        self.count_so_far(0);
        let deadline = if self.cpu.gic.is_some() {
            if rung & Attention::INTERRUPT != 0 {
                bell.take(Attention::INTERRUPT);
            }
            self.timers_to_gic()
        } else {
            match self.timer_to_caller() {
                Ok(deadline) => deadline,
                Err(fires) => return Some(self.leave(fires)),
            }
        };
        if rung & Attention::EVENT != 0 {
            bell.take(Attention::EVENT);
            self.cpu.event = true;
        }
        let soon = deadline.map(|ticks| ticks.saturating_mul(INSTRUCTIONS_A_TICK));
        let left = soon.map_or(MOST_BETWEEN, |soon| soon.clamp(FEWEST_BETWEEN, MOST_BETWEEN));
        self.set_left(left);
        // Which of them is taken first is IMPLEMENTATION DEFINED (DDI 0487 D1.3.6): SError, FIQ,
        // IRQ here.
        let masks_fiq = if is(Bug::FiqIgnoresMask) { 0 } else { pstate::F };
        if let Some(iss) = self.cpu.serror.filter(|_| !self.cpu.pstate.any(pstate::A)) {
            self.cpu.take_serror(iss);
        } else if self.cpu.fiq_line() && !self.cpu.pstate.any(masks_fiq) {
            self.cpu.take_interrupt(Vector::Fiq);
        } else if self.cpu.irq_line() && !self.cpu.pstate.any(pstate::I) {
            self.cpu.take_interrupt(Vector::Irq);
        }
        None
    }

    fn leave(&mut self, exit: Exit) -> Leave {
        self.stop = Stop::Exit(exit);
        Leave::End
    }

    /// With a GIC the timers' outputs are PPIs. In how many ticks the next of them rises.
    fn timers_to_gic(&mut self) -> Option<u64> {
        if !self.cpu.drives_ppis() {
            return None;
        }
        let now = (self.now)();
        self.cpu.drive_ppis(now);
        self.cpu.next_timer(now)
    }

    /// Without one the virtual timer's output is an exit, which masks it. In how many ticks it
    /// comes.
    fn timer_to_caller(&mut self) -> Result<Option<u64>, Exit> {
        let open = |cpu: &Cpu| is(Bug::VtimerMaskIgnored) || !cpu.vtimer_mask;
        let Some(deadline) = self.cpu.vtimer.deadline().filter(|_| open(self.cpu)) else {
            return Ok(None);
        };
        let count = (self.now)().wrapping_sub(self.cpu.vtimer_offset);
        if self.cpu.vtimer.output(count) {
            self.cpu.vtimer_mask = true;
            return Err(Exit::VtimerActivated);
        }
        Ok(Some(deadline.wrapping_sub(count)))
    }

    /// Asks for [`Interp::attend`] after this block: a line or a mask changed, or a timer.
    fn attend_soon(&mut self) {
        self.set_left(0);
    }

    /// Brings the count of instructions up to date, with the whole block that runs.
    fn account(&mut self) {
        let done = self.accounted.wrapping_sub(self.left);
        self.cpu.instructions = self.cpu.instructions.wrapping_add_signed(done);
        self.accounted = self.left;
    }

    fn set_left(&mut self, left: u64) {
        self.account();
        self.left = left as i64;
        self.accounted = self.left;
    }

    /// Inside a block: this instruction and those after it.
    fn unfinished(&self) -> u64 {
        self.next.wrapping_sub(self.cpu.pc) / 4
    }

    /// Tells the performance monitors of the instructions that were executed, less the last
    /// `ahead`, which are accounted for but did not run yet. To be asked before PSTATE.EL changes,
    /// and before a register of theirs is used.
    fn count_so_far(&mut self, ahead: u64) {
        if self.cpu.processor.pmu {
            self.account();
            let el = self.cpu.pstate.el();
            let retired = self.cpu.instructions.wrapping_sub(ahead);
            self.cpu.pmu.advance(retired, el);
        }
    }

    /// Stops with an exception at EL1.
    #[cold]
    fn raise(&mut self, exception: Exception) -> Stopped {
        self.stop = Stop::Exception(exception);
        Stopped
    }

    /// Stops with an exception of `class` at this instruction, with no further syndrome.
    #[cold]
    fn raise_here(&mut self, class: ExceptionClass, far: Option<u64>) -> Stopped {
        let exception = self.cpu.here(class, far);
        self.raise(exception)
    }

    /// Leaves the guest with an exception for the hypervisor.
    #[cold]
    #[inline(never)]
    fn exit(&mut self, syndrome: u64, virtual_address: u64, physical_address: u64) -> Stopped {
        let exception = ExitException { syndrome, virtual_address, physical_address };
        self.stop = Stop::Exit(Exit::Exception(exception));
        Stopped
    }
}
