//! Case records: how the kernel's ELF file says which cases it holds.
//!
//! Each case is one [`CaseRecord`] in the section [`SECTION`]. The texts stand inside the record
//! (no pointers), so that a reader of the file needs neither relocations nor a boot. The entry
//! is the only address in it; the host does not use it.

/// The link section that holds the records, one after another.
pub const SECTION: &str = ".cases";
/// First word of each record: "CASE".
pub const MAGIC: u32 = u32::from_le_bytes(*b"CASE");
/// Layout version of the record.
pub const VERSION: u32 = 1;
/// Size of a record in bytes.
pub const RECORD_SIZE: usize = 448;
/// Room for a name, in bytes.
pub const NAME_SIZE: usize = 56;

/// A short text inside a record: UTF-8, padded with zero bytes.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Text<const N: usize>([u8; N]);

impl<const N: usize> Text<N> {
    /// Makes a text at compile time; a text that does not fit is a compile error.
    pub const fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        assert!(bytes.len() <= N, "the text is too long for its field");
        let mut out = [0; N];
        let mut i = 0;
        while i < bytes.len() {
            out[i] = bytes[i];
            i += 1;
        }
        Self(out)
    }

    /// The text, or nothing if the bytes are not UTF-8.
    pub fn get(&self) -> Option<&str> {
        text(&self.0)
    }
}

/// What a case needs of the hypervisor; a case whose needs are not met is skipped, by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct Needs(pub u32);

impl Needs {
    /// Nothing beyond EL1 and RAM.
    pub const NONE: Self = Self(0);
    /// The monitor's services ([`crate::service`]).
    pub const SERVICES: Self = Self(1 << 0);
    /// PSCI over HVC.
    pub const PSCI: Self = Self(1 << 1);
    /// A GICv3.
    pub const GIC: Self = Self(1 << 2);
    /// EL2.
    pub const EL2: Self = Self(1 << 3);
    /// Some way for a timer's interrupt to reach the vCPU: a GIC, or the services.
    pub const TIMER_IRQ: Self = Self(1 << 4);
    /// The case ends the VM: it is left out when all cases run in one boot.
    pub const ENDS_VM: Self = Self(1 << 5);
    /// Interrupt lines that the services drive directly ([`crate::service::INJECT`]): a machine
    /// without a GIC. With [`Needs::GIC`] there is no such machine.
    pub const LINES: Self = Self(1 << 6);
    /// A GIC of any version.
    pub const ANY_GIC: Self = Self(1 << 7);
    /// A GICv2.
    pub const GICV2: Self = Self(1 << 8);
    /// The flags with their names, for people.
    pub const NAMES: [(Self, &'static str); 9] = [
        (Self::SERVICES, "services"),
        (Self::PSCI, "psci"),
        (Self::GIC, "gic"),
        (Self::EL2, "el2"),
        (Self::TIMER_IRQ, "timer-irq"),
        (Self::ENDS_VM, "own-vm"),
        (Self::LINES, "lines"),
        (Self::ANY_GIC, "any-gic"),
        (Self::GICV2, "gicv2"),
    ];

    /// Both sets together.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Needs `n` vCPUs, 1 if never said.
    pub const fn vcpus(self, n: u8) -> Self {
        Self(self.0 & 0x00ff_ffff | (n as u32) << 24)
    }

    /// How many vCPUs.
    pub const fn vcpu_count(self) -> u8 {
        let n = (self.0 >> 24) as u8;
        if n == 0 { 1 } else { n }
    }
}

/// One case, as it stands in the kernel's [`SECTION`].
#[repr(C, align(8))]
pub struct CaseRecord {
    magic: u32,
    version: u32,
    needs: Needs,
    _zero: u32,
    run: fn(),
    name: Text<NAME_SIZE>,
    claim: Text<256>,
    reference: Text<112>,
}

const _: () = {
    if size_of::<usize>() == 8 {
        assert!(size_of::<CaseRecord>() == RECORD_SIZE);
        assert!(core::mem::offset_of!(CaseRecord, needs) == 8);
        assert!(core::mem::offset_of!(CaseRecord, name) == 24);
        assert!(core::mem::offset_of!(CaseRecord, claim) == 80);
        assert!(core::mem::offset_of!(CaseRecord, reference) == 336);
    }
};

impl CaseRecord {
    /// A record: `group.name`, the one-line claim, the manual's reference, the needs, the body.
    pub const fn new(name: &str, claim: &str, reference: &str, needs: Needs, run: fn()) -> Self {
        Self {
            magic: MAGIC,
            version: VERSION,
            needs,
            _zero: 0,
            run,
            name: Text::new(name),
            claim: Text::new(claim),
            reference: Text::new(reference),
        }
    }

    /// `group.name`.
    pub fn name(&self) -> &str {
        self.name.get().unwrap_or("?")
    }

    /// The claim, one line.
    pub fn claim(&self) -> &str {
        self.claim.get().unwrap_or("?")
    }

    /// The manual's reference.
    pub fn reference(&self) -> &str {
        self.reference.get().unwrap_or("?")
    }

    /// What it needs.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// The body.
    pub fn body(&self) -> fn() {
        self.run
    }
}

/// A record as the host reads it out of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaseView<'a> {
    /// `group.name`.
    pub name: &'a str,
    /// The claim, one line.
    pub claim: &'a str,
    /// The manual's reference.
    pub reference: &'a str,
    /// What it needs.
    pub needs: Needs,
}

/// Why a section does not hold case records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseError {
    /// The section's size is not a multiple of [`RECORD_SIZE`].
    Size(usize),
    /// Record `index` starts with this word instead of [`MAGIC`].
    Magic {
        /// Which record.
        index: usize,
        /// What stands there.
        found: u32,
    },
    /// Record `index` has a layout version that this reader does not know.
    Version {
        /// Which record.
        index: usize,
        /// What stands there.
        found: u32,
    },
    /// A text of record `index` is not UTF-8.
    Text {
        /// Which record.
        index: usize,
    },
}

impl core::fmt::Display for CaseError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Size(n) => {
                write!(f, "{n} bytes are no whole number of {RECORD_SIZE}-byte records")
            }
            Self::Magic { index, found } => {
                write!(f, "record {index} starts with {found:#010x}, not {MAGIC:#010x} (\"CASE\")")
            }
            Self::Version { index, found } => {
                write!(f, "record {index} has layout version {found}; this reader knows {VERSION}")
            }
            Self::Text { index } => write!(f, "a text of record {index} is not UTF-8"),
        }
    }
}

impl core::error::Error for CaseError {}

/// Reads the records of a `.cases` section (little-endian, as the guest is).
///
/// # Errors
/// A size, magic, version or text that does not fit, named by the record's index.
pub fn parse(section: &[u8]) -> Result<impl Iterator<Item = CaseView<'_>>, CaseError> {
    if !section.len().is_multiple_of(RECORD_SIZE) {
        return Err(CaseError::Size(section.len()));
    }
    for (index, record) in section.chunks_exact(RECORD_SIZE).enumerate() {
        view(index, record)?;
    }
    let records = section.chunks_exact(RECORD_SIZE).enumerate();
    Ok(records.filter_map(|(index, record)| view(index, record).ok()))
}

fn view(index: usize, record: &[u8]) -> Result<CaseView<'_>, CaseError> {
    let word = |at: usize| {
        u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]])
    };
    if word(0) != MAGIC {
        return Err(CaseError::Magic { index, found: word(0) });
    }
    if word(4) != VERSION {
        return Err(CaseError::Version { index, found: word(4) });
    }
    let field = |from: usize, to: usize| text(&record[from..to]).ok_or(CaseError::Text { index });
    Ok(CaseView {
        needs: Needs(word(8)),
        name: field(24, 80)?,
        claim: field(80, 336)?,
        reference: field(336, 448)?,
    })
}

fn text(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    core::str::from_utf8(&bytes[..end]).ok()
}
