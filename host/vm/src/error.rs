//! Misuse of the API, with the value that was wrong.

use std::fmt;
use thiserror::Error;

/// `hv_return_t`: the codes of Apple's `hv_error.h` for arm64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum ReturnCode {
    /// The call did what it says.
    Success = 0,
    /// The operation was unsuccessful.
    Error = 0xfae9_4001_u32 as i32,
    /// The owning resource is busy.
    Busy = 0xfae9_4002_u32 as i32,
    /// An argument is wrong.
    BadArgument = 0xfae9_4003_u32 as i32,
    /// The guest's state cannot be run.
    IllegalGuestState = 0xfae9_4004_u32 as i32,
    /// No more of what was asked for.
    NoResources = 0xfae9_4005_u32 as i32,
    /// There is no VM, or no such vCPU.
    NoDevice = 0xfae9_4006_u32 as i32,
    /// The system does not allow it.
    Denied = 0xfae9_4007_u32 as i32,
    /// It is there already. (applevisor calls this value HV_FAULT.)
    Exists = 0xfae9_4008_u32 as i32,
    /// Not supported here.
    Unsupported = 0xfae9_400f_u32 as i32,
}

impl ReturnCode {
    /// The name in Apple's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "HV_SUCCESS",
            Self::Error => "HV_ERROR",
            Self::Busy => "HV_BUSY",
            Self::BadArgument => "HV_BAD_ARGUMENT",
            Self::IllegalGuestState => "HV_ILLEGAL_GUEST_STATE",
            Self::NoResources => "HV_NO_RESOURCES",
            Self::NoDevice => "HV_NO_DEVICE",
            Self::Denied => "HV_DENIED",
            Self::Exists => "HV_EXISTS",
            Self::Unsupported => "HV_UNSUPPORTED",
        }
    }
}

impl fmt::Display for ReturnCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a caller of the API did wrong, or what the host could not give.
///
/// One place, [`HvError::code`], turns it into Apple's number.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HvError {
    /// A VM exists already: there is one in a process.
    #[error("this process has a VM already; destroy it first")]
    VmExists,
    /// No VM was created.
    #[error("there is no VM in this process; create one first")]
    NoVm,
    /// The VM still has vCPUs.
    #[error("the VM still has {0} vCPU(s); destroy them first")]
    VcpusLeft(usize),
    /// A vCPU that does not exist.
    #[error("there is no vCPU {0}")]
    NoVcpu(u64),
    /// Called from a thread that is not the vCPU's.
    #[error("vCPU {0} belongs to another thread: only the thread that created it may use it")]
    WrongThread(u64),
    /// This thread has a vCPU already.
    #[error("this thread has vCPU {0} already: one vCPU a thread")]
    ThreadHasVcpu(u64),
    /// No vCPU slot left.
    #[error("all {0} vCPU slots are in use")]
    NoVcpuSlot(u32),
    /// A pointer that must not be null.
    #[error("{0} is a null pointer")]
    Null(&'static str),
    /// A pointer that is not a live object of the kind.
    #[error("{what} {value:#x} is no live object of that kind")]
    BadObject {
        /// Which argument.
        what: &'static str,
        /// What was passed.
        value: u64,
    },
    /// An enumeration's value that does not exist.
    #[error("{what} has no value {value:#x}")]
    BadEnum {
        /// Which argument.
        what: &'static str,
        /// What was passed.
        value: u64,
    },
    /// An environment variable with a value that means nothing.
    #[error("{name} is {value:?}, which is none of: {choices}")]
    Environment {
        /// Which variable.
        name: &'static str,
        /// What it was set to.
        value: String,
        /// What it may be.
        choices: &'static str,
    },
    /// An address or size that is not a multiple of the stage-2 granule.
    #[error("{what} {value:#x} is not a multiple of {granule:#x}")]
    Misaligned {
        /// Which argument.
        what: &'static str,
        /// What was passed.
        value: u64,
        /// What it must be a multiple of.
        granule: u64,
    },
    /// A size of zero.
    #[error("{0} is zero")]
    Zero(&'static str),
    /// A range that ends past the guest's physical address space, or wraps.
    #[error("IPA {ipa:#x} + {size:#x} is past the {bits}-bit guest physical address space")]
    PastIpa {
        /// Start of the range.
        ipa: u64,
        /// Its size in bytes.
        size: u64,
        /// The VM's IPA size.
        bits: u32,
    },
    /// A host range that wraps.
    #[error("host address {addr:#x} + {size:#x} wraps")]
    HostWraps {
        /// Start of the range.
        addr: u64,
        /// Its size in bytes.
        size: u64,
    },
    /// Unknown permission bits.
    #[error("memory flags {0:#x} have bits outside read, write, execute")]
    BadPerms(u64),
    /// A range that overlaps a mapping.
    #[error("IPA {ipa:#x} + {size:#x} overlaps what is mapped at {at:#x}")]
    Overlap {
        /// Start of the range.
        ipa: u64,
        /// Its size in bytes.
        size: u64,
        /// Start of the mapping in the way.
        at: u64,
    },
    /// A range that is not wholly mapped.
    #[error("IPA {at:#x} is not mapped")]
    NotMapped {
        /// The first address with nothing there.
        at: u64,
    },
    /// An IPA size that the engine does not have.
    #[error("an IPA size of {bits} bits is above the maximum of {max}")]
    IpaSize {
        /// What was asked for.
        bits: u32,
        /// What there is.
        max: u32,
    },
    /// A register that does not exist, or not in this configuration.
    #[error("there is no system register with the ID {0:#06x} here")]
    NoSysReg(u16),
    /// A register that cannot be written.
    #[error("system register {0} is read-only")]
    ReadOnly(&'static str),
    /// A GIC is asked of a VM that has none.
    #[error("this VM has no GIC; create one before its vCPUs")]
    NoGic,
    /// A second GIC.
    #[error("this VM has a GIC already")]
    GicExists,
    /// A GIC for a VM that has vCPUs.
    #[error("the VM has {0} vCPU(s) already; create the GIC before them")]
    VcpusBeforeGic(usize),
    /// The GIC has no MSI frame.
    #[error("this VM's GIC has no MSI frame: its configuration needs a base and a range of INTIDs")]
    NoMessages,
    /// The redistributor of a vCPU that has no place in the affinity hierarchy.
    #[error("vCPU {0} has no affinity yet: set its MPIDR_EL1 before its redistributor is used")]
    NoAffinity(u64),
    /// A region of the GIC that does not end below 2^64.
    #[error("{what} {base:#x} + {size:#x} passes the end of the address space")]
    RegionWraps {
        /// Which argument.
        what: &'static str,
        /// Start of the region.
        base: u64,
        /// Its size in bytes.
        size: u64,
    },
    /// Two regions of the GIC in one place.
    #[error("the {one} at {at:#x} overlaps the {other} at {other_at:#x} (a base not set is 0)")]
    RegionsOverlap {
        /// One of them.
        one: &'static str,
        /// Where it starts.
        at: u64,
        /// The other.
        other: &'static str,
        /// Where that starts.
        other_at: u64,
    },
    /// A range of INTIDs that are not all SPIs.
    #[error("INTIDs {base} + {count} are not all SPIs, which are {first} to {last}")]
    NotSpis {
        /// The lowest of them.
        base: u32,
        /// How many.
        count: u32,
        /// The lowest SPI.
        first: u32,
        /// The highest SPI.
        last: u32,
    },
    /// An SPI that is a message's.
    #[error("SPI {0} belongs to the MSI frame: it has no line, send it as a message")]
    MessageSpi(u32),
    /// A message for an SPI that is not the frame's.
    #[error("INTID {0} is outside of the MSI frame's range")]
    NoMessageSpi(u32),
    /// A message to somewhere else.
    #[error("address {address:#x} is not that of the MSI frame's SETSPI_NS, {register:#x}")]
    MessageAddress {
        /// What was passed.
        address: u64,
        /// Where messages go.
        register: u64,
    },
    /// An offset that `hv_gic_types.h` does not name.
    #[error("the API names no register of the {frame} at offset {offset:#x}")]
    NoGicRegister {
        /// Which frame.
        frame: &'static str,
        /// What was passed.
        offset: u32,
    },
    /// A saved state that cannot be restored.
    #[error("the GIC's saved state cannot be restored: {0}")]
    GicState(String),
    /// PSTATE that hardware would refuse to enter.
    #[error("CPSR {0:#x} cannot be run: {1}")]
    IllegalCpsr(u64, &'static str),
    /// Something that this engine does not have.
    #[error("{0} is not supported by this engine")]
    Unsupported(&'static str),
    /// The host gave no memory.
    #[error("the host gave no {0} bytes of memory")]
    NoMemory(u64),
    /// A range to be mapped that is not memory of this process.
    #[error("there is no memory at {addr:#x} + {size:#x} in this process")]
    NoHostMemory {
        /// Start of the range.
        addr: u64,
        /// Its size in bytes.
        size: u64,
    },
    /// A range to be freed that was not allocated so.
    #[error("{addr:#x} + {size:#x} is no allocation of hv_vm_allocate")]
    NotAllocated {
        /// Start of the range.
        addr: u64,
        /// Its size in bytes.
        size: u64,
    },
    /// A range to be freed that the guest can still reach.
    #[error("{addr:#x} + {size:#x} is still mapped into the guest; unmap it first")]
    StillMapped {
        /// Start of the range.
        addr: u64,
        /// Its size in bytes.
        size: u64,
    },
    /// A call for the thread's vCPU from inside another one, as from a signal handler.
    #[error("this thread is inside a call for its vCPU")]
    VcpuInUse,
    /// A vCPU for a thread that runs its last destructors.
    #[error("this thread is ending: it cannot have a vCPU")]
    ThreadEnds,
    /// A panic that was caught before it could cross into C.
    #[error("the engine panicked, which is a bug in it; do not trust this vCPU's state")]
    Panicked,
    /// The vCPU runs, so it cannot be changed now.
    #[error("vCPU {0} is running")]
    Running(u64),
}

impl HvError {
    /// The code that the C API returns for this error.
    ///
    /// Observed by public programs where they differ from the obvious: a second VM is BUSY, an
    /// unknown vCPU a BAD_ARGUMENT, an unknown register a BAD_ARGUMENT, past the last vCPU slot
    /// NO_RESOURCES; the redistributor of a vCPU whose MPIDR_EL1 was never set is DENIED, a GIC's
    /// configuration that does not hold together a BAD_ARGUMENT. Overlap, unmapped ranges, foreign
    /// threads, a GIC that is not there, twice there or too late are our choice: no observation is
    /// public.
    pub fn code(&self) -> ReturnCode {
        use ReturnCode as R;
        match self {
            Self::VmExists
            | Self::GicExists
            | Self::VcpusLeft(_)
            | Self::VcpusBeforeGic(_)
            | Self::ThreadHasVcpu(_)
            | Self::VcpuInUse
            | Self::StillMapped { .. }
            | Self::Running(_) => R::Busy,
            Self::NoVm => R::NoDevice,
            Self::NoGic | Self::NoMessages => R::NoDevice,
            Self::NoAffinity(_) => R::Denied,
            Self::NoVcpuSlot(_) | Self::NoMemory(_) => R::NoResources,
            Self::IpaSize { .. } | Self::Unsupported(_) => R::Unsupported,
            Self::IllegalCpsr(..) => R::IllegalGuestState,
            Self::Overlap { .. } | Self::NotMapped { .. } | Self::ThreadEnds | Self::Panicked => {
                R::Error
            }
            Self::NoVcpu(_)
            | Self::WrongThread(_)
            | Self::Null(_)
            | Self::BadObject { .. }
            | Self::BadEnum { .. }
            | Self::Environment { .. }
            | Self::Misaligned { .. }
            | Self::Zero(_)
            | Self::PastIpa { .. }
            | Self::HostWraps { .. }
            | Self::BadPerms(_)
            | Self::NoHostMemory { .. }
            | Self::NotAllocated { .. }
            | Self::RegionWraps { .. }
            | Self::RegionsOverlap { .. }
            | Self::NotSpis { .. }
            | Self::MessageSpi(_)
            | Self::NoMessageSpi(_)
            | Self::MessageAddress { .. }
            | Self::NoGicRegister { .. }
            | Self::GicState(_)
            | Self::NoSysReg(_)
            | Self::ReadOnly(_) => R::BadArgument,
        }
    }
}
