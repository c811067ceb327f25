//! Instructions that talk to the system: exceptions, waits, system registers.

use super::{Interp, Stop, Stopped};
use crate::debug;
use crate::emit::{Call, Pointer, PstateField};
use crate::exception::Exception;
use crate::mmu::Stale;
use crate::sysreg::{self, Refusal};
use anyvisor_arch::esr::{Esr, ExceptionClass, Wait};
use anyvisor_arch::sysreg::{Encoding, SysReg};
use anyvisor_bugs::{Bug, is};

impl Interp<'_> {
    /// A call: an exception, a wait or an exception return. (Inlined: a row calls one of them.)
    #[inline(always)]
    pub(super) fn do_call(&mut self, call: Call) -> Result<(), Stopped> {
        let el0 = self.cpu.pstate.el() == 0;
        match call {
            Call::Svc(imm) => {
                debug::advance(self.cpu);
                // It is executed, though it ends in an exception.
                self.left -= 1;
                Err(self.immediate(ExceptionClass::Svc, imm, 4))
            }
            // BRK goes to EL1, or to the hypervisor that asked for debug exceptions
            // (MDCR_EL2.TDE); either way PC stays at the instruction.
            Call::Brk(imm) if self.cpu.trap_debug_exceptions => {
                Err(self.exit(Esr::immediate(ExceptionClass::Brk, imm as u16).0, 0, 0))
            }
            Call::Brk(imm) if is(Bug::BrkReturnsPast) => {
                Err(self.immediate(ExceptionClass::Brk, imm, 4))
            }
            Call::Brk(imm) => Err(self.immediate(ExceptionClass::Brk, imm, 0)),
            Call::Hvc(_) | Call::Smc(_) | Call::Eret | Call::EretAuthenticated(_) if el0 => {
                Err(self.undefined())
            }
            Call::Hvc(imm) => {
                debug::advance(self.cpu);
                if !is(Bug::HvcNotAdvanced) {
                    self.cpu.pc = self.cpu.pc.wrapping_add(4);
                }
                let imm = if is(Bug::HvcImmediateLost) { 0 } else { imm };
                Err(self.exit(Esr::immediate(ExceptionClass::Hvc, imm as u16).0, 0, 0))
            }
            Call::Smc(imm) => {
                if is(Bug::SmcAdvanced) {
                    self.cpu.pc = self.cpu.pc.wrapping_add(4);
                }
                Err(self.exit(Esr::immediate(ExceptionClass::Smc, imm as u16).0, 0, 0))
            }
            Call::Eret | Call::EretAuthenticated(_) => {
                // The return itself counts where it comes from.
                self.count_so_far(self.unfinished().saturating_sub(1));
                let mut target = self.cpu.get(SysReg::ELR_EL1);
                if let Call::EretAuthenticated(key) = call {
                    let sp = self.cpu.sp[self.cpu.pstate.sp_index()];
                    target = self.authenticate_pointer(Pointer::Authenticate(key), target, sp);
                }
                self.cpu.exception_return(target);
                self.next = self.cpu.pc;
                self.masks_changed();
                Ok(())
            }
            Call::Wfi => self.wait(Wait::Interrupt),
            Call::Wfe => self.wait(Wait::Event),
            Call::Undefined => Err(self.undefined()),
        }
    }

    fn immediate(&mut self, class: ExceptionClass, imm: u32, after: u64) -> Stopped {
        let return_address = self.cpu.pc.wrapping_add(after);
        let syndrome = Esr::immediate(class, imm as u16);
        self.raise(Exception { syndrome, far: None, return_address })
    }

    /// The manual's `Undefined()`: EC 0.
    #[cold]
    pub(super) fn undefined(&mut self) -> Stopped {
        log::debug!(target: super::TRACE, "  UNDEFINED at {:#x}", self.cpu.pc);
        self.raise_here(ExceptionClass::Unknown, None)
    }

    /// A system register said no.
    #[cold]
    pub(super) fn refused(&mut self, refusal: Refusal) -> Stopped {
        match refusal {
            Refusal::Undefined => self.undefined(),
            Refusal::Trap(syndrome) => {
                let return_address = self.cpu.pc;
                self.raise(Exception { syndrome, far: None, return_address })
            }
            Refusal::Exit(syndrome) => self.exit(syndrome.0, 0, 0),
        }
    }

    /// WFI and WFE: nothing if there is something to wake for; else a trap to EL1, or an exit
    /// with PC at the instruction, where the hypervisor decides how long to sleep.
    ///
    /// With a GIC of ours only we know when an interrupt comes, so the vCPU waits here and no exit
    /// tells of it. (Apple's documents leave it open; a public measurement of its framework saw the
    /// same.)
    fn wait(&mut self, which: Wait) -> Result<(), Stopped> {
        let interrupt = self.cpu.wakes(which);
        let wake = match which {
            Wait::Interrupt => interrupt || self.vtimer_fires(),
            Wait::Event => std::mem::take(&mut self.cpu.event) || interrupt,
        };
        if wake {
            self.attend_soon();
            return Ok(());
        }
        if let Err(refusal) = sysreg::traps::wait(self.cpu, which) {
            return Err(self.refused(refusal));
        }
        if self.cpu.gic.is_none() {
            return Err(self.exit(Esr::wait(which).0, 0, 0));
        }
        // It is executed, though the block ends here.
        debug::advance(self.cpu);
        self.cpu.pc = self.cpu.pc.wrapping_add(4);
        self.stop = Stop::Wait(which);
        Err(Stopped)
    }

    /// Whether the virtual timer's exit is due.
    fn vtimer_fires(&self) -> bool {
        self.cpu.gic.is_none()
            && !self.cpu.vtimer_mask
            && self.cpu.vtimer.deadline().is_some()
            && self.cpu.vtimer.output((self.now)().wrapping_sub(self.cpu.vtimer_offset))
    }

    /// MRS.
    #[inline(never)]
    pub(super) fn read_register(&mut self, encoding: Encoding, rt: u32) -> Result<u64, Stopped> {
        self.count_so_far(self.unfinished());
        sysreg::read(self.cpu, encoding, rt, self.now).map_err(|r| self.refused(r))
    }

    /// MSR (register).
    #[inline(never)]
    pub(super) fn write_register(
        &mut self,
        encoding: Encoding,
        rt: u32,
        value: u64,
    ) -> Result<(), Stopped> {
        let register = sysreg::writable(self.cpu, encoding, rt).map_err(|r| self.refused(r))?;
        // It happens, so it counts, and as the monitors were set before.
        self.count_so_far(self.unfinished().saturating_sub(1));
        if let Some(register) = register {
            sysreg::put(self.cpu, register, value, self.now);
        }
        if std::mem::take(&mut self.cpu.tlb_stale) {
            self.tlb.flush_all();
            self.stale = self.stale.max(Stale::Translations);
        }
        // A timer's register, or a performance monitor's: a handler silences its device before it
        // ends the interrupt, so the line follows at once.
        if matches!(encoding.crn(), 9 | 14) {
            if self.cpu.gic.is_some() {
                self.cpu.drive_ppis((self.now)());
            }
            self.attend_soon();
        }
        // The debug registers decide how code is run from here on.
        if encoding.op0() == 2 {
            self.stale = self.stale.max(Stale::Translations);
        }
        self.masks_changed();
        Ok(())
    }

    /// MSR (immediate).
    pub(super) fn write_pstate_field(
        &mut self,
        field: PstateField,
        imm: u32,
    ) -> Result<(), Stopped> {
        sysreg::pstate::write_immediate(self.cpu, field, imm).map_err(|r| self.refused(r))?;
        self.masks_changed();
        Ok(())
    }

    /// A waiting interrupt may be let in now.
    fn masks_changed(&mut self) {
        if self.cpu.interrupt_pending() && !is(Bug::UnmaskUnnoticed) {
            self.attend_soon();
        }
    }
}
