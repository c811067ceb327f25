//! Single loads, stores and fetches at EL0 or EL1 that may fault: what the MMU's cases are made
//! of.

use core::arch::{asm, global_asm};

use anyvisor_arch::esr::{DataAbort, Esr, ExceptionClass, FaultStatus, InstructionAbort};

use crate::trap::{After, Trap, try_catch};
use crate::user::{self, User};
use crate::user_code;

/// The exception level of an access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum El {
    /// Unprivileged.
    El0,
    /// The kernel's.
    El1,
}

/// How an access ended.
pub struct Access {
    value: u64,
    trap: Option<Trap>,
}

impl Access {
    /// The value that was read (0 for a store or fetch).
    ///
    /// # Panics
    /// If the access faulted.
    #[track_caller]
    pub fn value(&self) -> u64 {
        if let Some(trap) = &self.trap {
            panic!("an access that is allowed faulted: {} FAR {:#x}", trap.esr, trap.far);
        }
        self.value
    }

    /// The exception that it took.
    ///
    /// # Panics
    /// If there was none.
    #[track_caller]
    pub fn fault(&self) -> Trap {
        match self.trap {
            Some(trap) => trap,
            None => panic!("an access went through (and read {:#x}); expected a fault", self.value),
        }
    }

    /// Whether it went through.
    pub fn is_allowed(&self) -> bool {
        self.trap.is_none()
    }
}

/// Loads eight bytes.
pub fn load(el: El, va: u64) -> Access {
    match el {
        El::El0 => at_el0(User::at(user_code!(user_load)).with(0, va)),
        El::El1 => {
            let mut value = 0;
            // SAFETY: a fault is announced; a load has no effect on memory that Rust uses.
            let trap = try_catch(After::Skip, || unsafe {
                asm!("ldr {v}, [{va}]", v = inout(reg) value, va = in(reg) va, options(nostack));
            });
            Access { value, trap }
        }
    }
}

/// Stores eight bytes; `va` must not be memory that Rust uses.
pub fn store(el: El, va: u64, value: u64) -> Access {
    match el {
        El::El0 => at_el0(User::at(user_code!(user_store)).with(0, va).with(1, value)),
        El::El1 => {
            // SAFETY: a fault is announced; the caller gives an address of its own window.
            let trap = try_catch(After::Skip, || unsafe {
                asm!("str {v}, [{va}]", v = in(reg) value, va = in(reg) va, options(nostack));
            });
            Access { value: 0, trap }
        }
    }
}

/// Calls the code at `va`, which must be a RET.
pub fn fetch(el: El, va: u64) -> Access {
    match el {
        El::El0 => at_el0(User::at(user_code!(user_call)).with(0, va)),
        El::El1 => {
            // SAFETY: what is called returns at once; if it cannot be fetched, the handler
            // returns for it.
            let trap = try_catch(After::Link, || unsafe {
                asm!("blr {va}", va = in(reg) va, out("x30") _, options(nostack));
            });
            Access { value: 0, trap }
        }
    }
}

/// Runs EL0 code that ends with SVC when the access went through.
fn at_el0(mut user: User) -> Access {
    let trap = user::run(&mut user);
    let done = trap.esr.class() == Ok(ExceptionClass::Svc);
    Access { value: user.x[1], trap: (!done).then_some(trap) }
}

global_asm!(
    ".pushsection .user.text, \"ax\"",
    "user_load:  mov x1, #0",
    "            ldr x1, [x0]",
    "            svc #0",
    "user_store: str x1, [x0]",
    "            mov x1, #0",
    "            svc #0",
    "user_call:  mov x1, #0",
    "            blr x0",
    "            svc #0",
    ".global user_load, user_store, user_call",
    ".popsection",
);

/// ESR_EL1 of a data abort taken from `el`. ISV is 0 in it: only aborts taken to EL2 say how to
/// emulate the access.
pub fn data_abort(el: El, status: FaultStatus, write: bool) -> u64 {
    let class = match el {
        El::El0 => ExceptionClass::DataAbortLower,
        El::El1 => ExceptionClass::DataAbortSame,
    };
    Esr::new(class, DataAbort::new(status, write).iss()).0
}

/// ESR_EL1 of an instruction abort taken from `el`.
pub fn instruction_abort(el: El, status: FaultStatus) -> u64 {
    let class = match el {
        El::El0 => ExceptionClass::InstructionAbortLower,
        El::El1 => ExceptionClass::InstructionAbortSame,
    };
    Esr::new(class, InstructionAbort::new(status).iss()).0
}

/// The instruction RET.
pub const RET: u32 = 0xd65f_03c0;

/// Writes an instruction at `pa` (memory of a window) and makes fetches see it.
pub fn write_code(pa: u64, instruction: u32) {
    // SAFETY: memory of the case's own window, at its own address.
    unsafe {
        (pa as *mut u32).write_volatile(instruction);
        asm!(
            "dc cvau, {pa}",
            "dsb ish",
            "ic ivau, {pa}",
            "dsb ish",
            "isb",
            pa = in(reg) pa,
            options(nostack)
        );
    }
}
