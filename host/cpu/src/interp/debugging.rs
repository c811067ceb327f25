//! The loop's part of self-hosted debug: looking out, and stopping. What is to be found is said in
//! [`crate::debug`].
//!
//! While no comparator is on and nothing is stepped none of this runs: the loop is another one,
//! and accesses find their pages in the TLB. With breakpoints on, blocks are cut in front of them.
//! With watchpoints on, no access finds its page in the TLB (see `CONTEXT_WATCHED`), so that each
//! passes [`Interp::watch`] on its long way.

use super::{CodeCache, Interp, Stopped};
use crate::debug::{self, Step, Watched};
use crate::emit::Access;
use crate::exception::Exception;
use crate::mmu::Want;
use crate::mmu::regime::CONTEXT_WATCHED;
use anyvisor_arch::esr::{
    DataAbort, Esr, ExceptionClass, FaultStatus, ISS_STEP_EX, ISS_STEP_ISV, InstructionAbort,
};
use anyvisor_arch::pstate::{SS, UAO};
use anyvisor_bugs::{Bug, is};

impl Interp<'_> {
    /// A block up to the next breakpoint; or one instruction, if it is stepped.
    pub(super) fn run_debugged<const TRACE_ON: bool>(
        &mut self,
        code: &mut CodeCache,
        pc: u64,
    ) -> Result<(), Stopped> {
        let before = self.cpu.stepped.take();
        let step = debug::step(self.cpu);
        if step == Step::Pending {
            return Err(self.software_step(before));
        }
        if pc & 3 == 0 && debug::breakpoint(self.cpu, pc) {
            // The fetch's own faults come first; an illegal state, later.
            self.fetch(pc)?;
            return Err(self.breakpoint());
        }
        let ops = code.block(self, pc)?;
        if step == Step::Inactive {
            let count = debug::until_breakpoint(self.cpu, pc, ops.len());
            self.left -= count as i64;
            let done = self.run_block::<TRACE_ON>(pc, &ops[..count]);
            if done.is_err() {
                self.left += self.unfinished() as i64;
            }
            return done;
        }
        self.left -= 1;
        let exclusive = debug::is_load_exclusive(ops[0].word);
        let done = self.run_block::<TRACE_ON>(pc, &ops[..1]);
        match done {
            Ok(()) => {
                self.cpu.pstate.put(SS, false);
                self.cpu.stepped = Some(exclusive);
            }
            Err(Stopped) => {
                self.left += self.unfinished() as i64;
                // SVC completes by its exception; others will be stepped again.
                self.cpu.stepped = (!self.cpu.pstate.any(SS)).then_some(false);
            }
        }
        done
    }

    /// Looks for watchpoints on a data access of `bytes` bytes at `va`, which could be done.
    pub(super) fn watch(
        &mut self,
        access: Access,
        va: u64,
        bytes: u32,
        want: Want,
    ) -> Result<(), Stopped> {
        let unprivileged = access.unprivileged && !self.cpu.pstate.any(UAO);
        let (bytes, write) = (bytes.into(), want == Want::Write);
        self.watch_bytes(Watched { va, bytes, write, unprivileged }, false)
    }

    /// The same for a block of memory: DC ZVA, and DC IVAC, which counts as a store as well.
    pub(super) fn watch_block(
        &mut self,
        start: u64,
        bytes: u64,
        maintenance: bool,
    ) -> Result<(), Stopped> {
        self.watch_bytes(
            Watched { va: start, bytes, write: true, unprivileged: false },
            maintenance,
        )
    }

    fn watch_bytes(&mut self, access: Watched, maintenance: bool) -> Result<(), Stopped> {
        if self.cpu.regime.context & CONTEXT_WATCHED == 0 {
            return Ok(());
        }
        let Some(far) = debug::watchpoint(self.cpu, access) else { return Ok(()) };
        let abort = DataAbort {
            cache_maintenance: maintenance,
            ..DataAbort::new(FaultStatus::Debug, access.write)
        };
        let classes = (ExceptionClass::WatchpointLower, ExceptionClass::WatchpointSame);
        Err(self.debug_exception(classes, abort.iss(), Some(far)))
    }

    #[cold]
    fn breakpoint(&mut self) -> Stopped {
        let classes = (ExceptionClass::BreakpointLower, ExceptionClass::BreakpointSame);
        self.debug_exception(classes, InstructionAbort::new(FaultStatus::Debug).iss(), None)
    }

    /// `AArch64.SoftwareStepException`: what was stepped before it, if anything was.
    #[cold]
    fn software_step(&mut self, stepped: Option<bool>) -> Stopped {
        let valid = match stepped {
            None => 0,
            Some(false) if is(Bug::StepIsvLost) => 0,
            Some(false) => ISS_STEP_ISV,
            Some(true) => ISS_STEP_ISV | ISS_STEP_EX,
        };
        let iss = InstructionAbort::new(FaultStatus::Debug).iss() | valid;
        let classes = (ExceptionClass::StepLower, ExceptionClass::StepSame);
        self.debug_exception(classes, iss, None)
    }

    /// To the hypervisor that asked for them (MDCR_EL2.TDE), or to EL1; `classes` are those of an
    /// exception from a lower level and from the same.
    #[cold]
    fn debug_exception(
        &mut self,
        classes: (ExceptionClass, ExceptionClass),
        iss: u64,
        far: Option<u64>,
    ) -> Stopped {
        if self.cpu.trap_debug_exceptions {
            return self.exit(Esr::new(classes.0, iss).0, far.unwrap_or(0), 0);
        }
        let class = if self.cpu.pstate.el() == 0 { classes.0 } else { classes.1 };
        let return_address = self.cpu.pc;
        self.raise(Exception { syndrome: Esr::new(class, iss), far, return_address })
    }
}
