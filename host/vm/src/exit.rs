//! Why a vCPU stopped running.

/// The reason for the return of `run`: `hv_vcpu_exit_t` as a Rust value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// `hv_vcpus_exit` was called for this vCPU, during the run or before it.
    Canceled,
    /// The guest did something that the caller must handle.
    Exception(ExitException),
    /// The virtual timer's output rose. The timer is masked from here on (no further exit of
    /// this kind) until the caller unmasks it.
    VtimerActivated,
}

/// What an exception to EL2 would have left in ESR_EL2, FAR_EL2 and HPFAR_EL2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ExitException {
    /// ESR_EL2: EC in bits 31:26, IL in bit 25, ISS in bits 24:0.
    pub syndrome: u64,
    /// FAR_EL2: the virtual address of an abort.
    pub virtual_address: u64,
    /// The intermediate physical address of an abort, with the offset inside the page.
    pub physical_address: u64,
}
