//! The expectation service: a case announces its next exit, and the monitor compares.
//!
//! ```text
//!            EXPECT_EXIT            an exit that is no hypercall
//!   none ------------------> armed ------------------------------> checked
//!     ^                        |  EXPECT_EXIT: unmet, a complaint     |
//!     +------ EXIT_RECORD -----+------------- EXIT_RECORD ------------+
//! ```
//!
//! A case may read VERDICT_NONE back and be content: it has looked. A mismatch, and an
//! expectation that nobody looked at again, is a complaint: it fails the case from outside,
//! whatever the guest itself says.

use anyvisor_abi::service::{ANY, VERDICT_MATCH, VERDICT_MISMATCH, VERDICT_NONE};
use anyvisor_arch::esr::Esr;
use std::fmt;

/// What an exit looked like from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Seen {
    /// The syndrome.
    pub esr: u64,
    /// The virtual address.
    pub far: u64,
    /// The intermediate physical address.
    pub ipa: u64,
    /// The program counter.
    pub pc: u64,
}

/// What a case announced. [`ANY`] means that a field is not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Exception class.
    pub ec: u64,
    /// Instruction-specific syndrome.
    pub iss: u64,
    /// The bits of it that count.
    pub iss_mask: u64,
    /// Virtual address.
    pub far: u64,
    /// Intermediate physical address.
    pub ipa: u64,
    /// Program counter.
    pub pc: u64,
    /// How to go on: AFTER_SKIP, ...
    pub after: u64,
}

/// Fields that differed, with the bits of EXIT_RECORD's X6.
mod field {
    pub const EC: u64 = 1 << 0;
    pub const ISS: u64 = 1 << 1;
    pub const FAR: u64 = 1 << 2;
    pub const IPA: u64 = 1 << 3;
    pub const PC: u64 = 1 << 4;
    pub const NAMES: [(u64, &str); 5] =
        [(EC, "EC"), (ISS, "ISS"), (FAR, "FAR"), (IPA, "IPA"), (PC, "PC")];
}

impl Expected {
    /// The fields in which `seen` differs.
    fn differences(&self, seen: &Seen) -> u64 {
        let esr = Esr(seen.esr);
        let differs = |wanted: u64, found: u64, bit: u64| {
            if wanted == ANY || wanted == found { 0 } else { bit }
        };
        let iss = if (esr.iss() ^ self.iss) & self.iss_mask == 0 { 0 } else { field::ISS };
        differs(self.ec, u64::from(esr.ec()), field::EC)
            | iss
            | differs(self.far, seen.far, field::FAR)
            | differs(self.ipa, seen.ipa, field::IPA)
            | differs(self.pc, seen.pc, field::PC)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, value) in
            [("EC", self.ec), ("FAR", self.far), ("IPA", self.ipa), ("PC", self.pc)]
        {
            if value != ANY {
                write!(f, "{separator}{name} {value:#x}")?;
                separator = ", ";
            }
        }
        if self.iss_mask != 0 {
            write!(f, "{separator}ISS {:#x} in bits {:#x}", self.iss, self.iss_mask)?;
        }
        Ok(())
    }
}

/// The fields' names.
fn names(differences: u64) -> impl Iterator<Item = &'static str> {
    let set = field::NAMES.iter().filter(move |(bit, _)| differences & bit != 0);
    set.map(|(_, name)| *name)
}

/// What was recorded of the last announced exit: EXIT_RECORD's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Verdict {
    /// The exit.
    pub seen: Seen,
    /// VERDICT_NONE, ...
    pub verdict: u64,
    /// The fields that differed.
    pub differences: u64,
}

/// How the announced exit is to be handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It was not announced, or was another one.
    Handle,
    /// As announced: do what the case asked for (AFTER_SKIP, ...).
    After(u64),
}

/// A guest that announces without end fills no more than this.
const MOST_COMPLAINTS: usize = 16;

/// The service's state.
#[derive(Debug, Default)]
pub struct Expectations {
    armed: Option<Expected>,
    record: Verdict,
    complaints: Vec<String>,
}

impl Expectations {
    /// Whether an exit must be shown to [`Expectations::check`]: the fast path's question.
    #[inline]
    pub fn armed(&self) -> bool {
        self.armed.is_some()
    }

    /// What is announced.
    pub fn announced(&self) -> Option<Expected> {
        self.armed
    }

    /// The names of the fields in which the last checked exit differed.
    pub fn differing(&self) -> impl Iterator<Item = &'static str> {
        names(self.record.differences)
    }

    /// EXPECT_EXIT.
    pub fn arm(&mut self, expected: Expected) {
        self.complain_unmet("before the next one was announced");
        self.armed = Some(expected);
        self.record = Verdict::default();
    }

    /// The vCPU starts anew: what was announced in its last life does not come any more.
    pub fn drop_unmet(&mut self) {
        self.complain_unmet("before its vCPU was switched off");
    }

    /// EXIT_RECORD.
    pub fn take(&mut self) -> Verdict {
        self.armed = None;
        std::mem::take(&mut self.record)
    }

    /// An exit that is no hypercall came.
    pub fn check(&mut self, seen: Seen) -> Next {
        let Some(expected) = self.armed.take() else { return Next::Handle };
        let differences = expected.differences(&seen);
        let verdict = if differences == 0 { VERDICT_MATCH } else { VERDICT_MISMATCH };
        self.record = Verdict { seen, verdict, differences };
        if differences == 0 {
            return Next::After(expected.after);
        }
        let names: Vec<_> = names(differences).collect();
        self.complain(format!(
            "expected an exit with {expected}; the exit differs in {}: {}, FAR {:#x}, IPA {:#x}, PC {:#x}",
            names.join(", "),
            Esr(seen.esr),
            seen.far,
            seen.ipa,
            seen.pc
        ));
        Next::Handle
    }

    /// The VM has ended: what the monitor has to say against the case.
    pub fn complaints(&mut self) -> Vec<String> {
        self.complain_unmet("before the case ended");
        std::mem::take(&mut self.complaints)
    }

    fn complain_unmet(&mut self, when: &str) {
        if let Some(expected) = self.armed.take() {
            self.complain(format!("expected an exit with {expected}; none came {when}"));
        }
    }

    fn complain(&mut self, complaint: String) {
        if self.complaints.len() < MOST_COMPLAINTS {
            self.complaints.push(complaint);
        }
    }
}

const _: () = assert!(VERDICT_NONE == 0, "Verdict::default() says that no exit came");

#[cfg(test)]
mod tests {
    use super::*;
    use anyvisor_abi::service::AFTER_SKIP;

    const WRITE: Expected = Expected {
        ec: 0x24,
        iss: 1 << 6,
        iss_mask: 1 << 6,
        far: 0x1000,
        ipa: ANY,
        pc: ANY,
        after: AFTER_SKIP,
    };
    const SEEN: Seen = Seen { esr: 0x24 << 26 | 1 << 6 | 0xf, far: 0x1000, ipa: 7, pc: 8 };

    #[test]
    fn an_exit_that_agrees_is_a_match_and_no_complaint() {
        let mut all = Expectations::default();
        all.arm(WRITE);
        assert!(all.armed());
        assert_eq!(all.check(SEEN), Next::After(AFTER_SKIP));
        assert!(!all.armed());
        let verdict = all.take();
        assert_eq!((verdict.verdict, verdict.differences), (VERDICT_MATCH, 0));
        assert_eq!(verdict.seen, SEEN);
        assert_eq!(all.take().verdict, VERDICT_NONE, "reading clears");
        assert!(all.complaints().is_empty());
    }

    #[test]
    fn every_field_that_differs_is_named() {
        let mut all = Expectations::default();
        all.arm(Expected { ipa: 6, pc: 9, ..WRITE });
        let other = Seen { esr: 0x20 << 26, far: 0, ..SEEN };
        assert_eq!(all.check(other), Next::Handle);
        let verdict = all.take();
        assert_eq!((verdict.verdict, verdict.differences), (VERDICT_MISMATCH, 0b11111));
        let complaints = all.complaints();
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].contains("EC, ISS, FAR, IPA, PC"), "{complaints:?}");
    }

    #[test]
    fn an_expectation_that_nobody_looked_at_is_a_complaint() {
        let mut all = Expectations::default();
        all.arm(WRITE);
        all.arm(WRITE);
        assert_eq!(all.complaints().len(), 2, "replaced, and left at the end");
        all.arm(WRITE);
        assert_eq!(all.take().verdict, VERDICT_NONE);
        assert!(all.complaints().is_empty(), "the case has looked");
    }
}
