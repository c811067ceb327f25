//! The vCPU's interrupt lines, as there is no interrupt controller between them and their
//! sources.
//!
//! ```text
//!   INJECT high/low ---> held --+
//!   INJECT pulse ------> pulse -+--> level --> set_pending_interrupt at each entry
//!   vtimer's exit -----> timer -+    (IRQ only)
//! ```
//!
//! The framework forgets a pending interrupt when a run returns. A line that is level sensitive
//! is therefore presented again at every entry, until its source lowers it.

use anyvisor_abi::service::{LEVEL_HIGH, LEVEL_PULSE, LINE_FIQ, LINE_IRQ};
use anyvisor_bugs::{Bug, is};
use applevisor::prelude::{HypervisorError, InterruptType, Vcpu};

/// Apple's IRQ.
///
/// The C header says IRQ = 0 and FIQ = 1; the binding's enum (applevisor-sys 1.0.0) has the names
/// the other way round, and passes the number. This is the one place that knows.
pub const IRQ: InterruptType = InterruptType::FIQ;
/// Apple's FIQ; see [`IRQ`].
pub const FIQ: InterruptType = InterruptType::IRQ;

/// The lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    irq: Line,
    fiq: Line,
    timer: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Line {
    held: bool,
    pulse: bool,
}

impl Lines {
    /// Drives a line by the numbers of the INJECT service; false if they name none.
    pub fn drive(&mut self, line: u64, level: u64) -> bool {
        let line = match line {
            LINE_IRQ => &mut self.irq,
            LINE_FIQ => &mut self.fiq,
            _ => return false,
        };
        match level {
            LEVEL_PULSE => line.pulse = true,
            LEVEL_HIGH => line.held = true,
            _ => *line = Line::default(),
        }
        true
    }

    /// The virtual timer's output.
    pub fn set_timer(&mut self, high: bool) {
        self.timer = high;
    }

    /// Whether the virtual timer's output is high.
    pub fn timer(&self) -> bool {
        self.timer
    }

    /// Whether any line is high: WFI does not wait.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }

    /// The levels of IRQ and FIQ.
    pub fn levels(&self) -> (bool, bool) {
        (self.irq.held || self.irq.pulse || self.timer, self.fiq.held || self.fiq.pulse)
    }

    /// What is new since the lines were as `before`, in words.
    pub fn changes(self, before: Self) -> Vec<String> {
        let mut changes = Vec::new();
        for (name, line, before) in [("IRQ", self.irq, before.irq), ("FIQ", self.fiq, before.fiq)] {
            match (before.held, line.held) {
                (false, true) => changes.push(format!("{name} line high")),
                (true, false) => changes.push(format!("{name} line low")),
                _ => {}
            }
            if line.pulse && !before.pulse {
                changes.push(format!("{name} line high for one entry"));
            }
        }
        match (before.timer, self.timer) {
            (false, true) => changes.push("IRQ line high: the virtual timer".into()),
            (true, false) => changes.push("IRQ line low: the virtual timer is silent".into()),
            _ => {}
        }
        changes
    }

    /// Presents the lines to a vCPU that is about to run. A pulse is over after that.
    ///
    /// # Errors
    /// The framework's.
    #[inline]
    pub fn present(&mut self, vcpu: &Vcpu) -> Result<(), HypervisorError> {
        if !self.any() {
            return Ok(()); // low is what the framework left
        }
        let (irq, fiq) = self.levels();
        if irq {
            vcpu.set_pending_interrupt(IRQ, true)?;
        }
        if fiq {
            vcpu.set_pending_interrupt(FIQ, true)?;
        }
        self.irq.pulse = self.irq.pulse && is(Bug::PulseKept);
        self.fiq.pulse = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyvisor_abi::service::LEVEL_LOW;

    #[test]
    fn the_binding_still_has_the_interrupt_types_swapped() {
        // Fails when the binding is mended: then `IRQ` and `FIQ` above are to be swapped back.
        assert_eq!(InterruptType::FIQ as u32, 0, "Apple's header: HV_INTERRUPT_TYPE_IRQ = 0");
        assert_eq!(InterruptType::IRQ as u32, 1, "Apple's header: HV_INTERRUPT_TYPE_FIQ = 1");
        assert_eq!((IRQ as u32, FIQ as u32), (0, 1));
    }

    #[test]
    fn changes_are_told_by_source() {
        let before = Lines::default();
        let mut lines = before;
        assert!(lines.changes(before).is_empty());
        lines.drive(LINE_IRQ, LEVEL_HIGH);
        lines.drive(LINE_FIQ, LEVEL_PULSE);
        lines.set_timer(true);
        let changes =
            ["IRQ line high", "FIQ line high for one entry", "IRQ line high: the virtual timer"];
        assert_eq!(lines.changes(before), changes);
        let fallen = ["IRQ line low", "IRQ line low: the virtual timer is silent"];
        assert_eq!(before.changes(lines), fallen, "a pulse ends by itself");
    }

    #[test]
    fn a_line_is_the_or_of_its_sources() {
        let mut lines = Lines::default();
        assert!(!lines.any());
        assert!(lines.drive(LINE_IRQ, LEVEL_HIGH));
        lines.set_timer(true);
        assert_eq!(lines.levels(), (true, false));
        lines.drive(LINE_IRQ, LEVEL_LOW);
        assert_eq!(lines.levels(), (true, false), "the timer still holds it");
        lines.set_timer(false);
        assert_eq!(lines.levels(), (false, false));
        lines.drive(LINE_FIQ, LEVEL_PULSE);
        assert_eq!(lines.levels(), (false, true));
        lines.drive(LINE_FIQ, LEVEL_LOW);
        assert!(!lines.any());
        assert!(!lines.drive(2, LEVEL_HIGH), "there is no third line");
    }
}
