//! Exits that nobody asked for: debug exceptions come only with `trap_debug_exceptions` on, which
//! nothing does yet, and the classes that no configuration of ours lets through.

use crate::expect::Seen;
use crate::run::Stop;
use anyvisor_arch::esr::Esr;

/// Stops the machine with what it was.
pub fn nobody_asked(seen: Seen) -> Stop {
    Stop::Unhandled(format!("an exit that nobody asked for: {}", Esr(seen.esr)))
}
