//! What to do about an error of the framework: the same code means different things at different
//! steps.

use applevisor::prelude::HypervisorError;
use std::fmt;

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `hv_vm_create`, or with a GIC `hv_gic_create` too.
    CreateVm {
        /// Whether the VM was to have a GIC.
        gic: bool,
    },
    /// `hv_vm_allocate`, `hv_vm_map`.
    MapRam,
    /// Copying into RAM.
    Load,
    /// `hv_vm_protect`.
    Protect,
    /// `hv_vcpu_create`, and the registers of a vCPU that has not run.
    CreateVcpu(u8),
    /// `hv_gic_reset`.
    ResetGic,
    /// `hv_vcpu_run`, and what is asked of a vCPU between two runs.
    Run,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateVm { gic: false } => f.write_str("creating a VM"),
            Self::CreateVm { gic: true } => f.write_str("creating a VM with a GIC"),
            Self::MapRam => f.write_str("mapping RAM"),
            Self::Load => f.write_str("loading the guest"),
            Self::Protect => f.write_str("protecting the image"),
            Self::CreateVcpu(n) => write!(f, "creating vCPU {n}"),
            Self::ResetGic => f.write_str("resetting the GIC"),
            Self::Run => f.write_str("running the guest"),
        }
    }
}

/// An error of the framework, where it came, and what can be done. One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What was being done.
    pub step: Step,
    /// What the framework said.
    pub error: HypervisorError,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, error } = self;
        write!(f, "{step}: {error} ({}): {}", name(*error), remedy(*step, *error))
    }
}

impl std::error::Error for Refused {}

/// The code's name in Apple's headers.
fn name(error: HypervisorError) -> String {
    match error {
        HypervisorError::BadArgument => "HV_BAD_ARGUMENT".into(),
        HypervisorError::Busy => "HV_BUSY".into(),
        HypervisorError::Denied => "HV_DENIED".into(),
        HypervisorError::Error => "HV_ERROR".into(),
        // The binding calls it a fault; the arm64 header says that something exists.
        HypervisorError::Fault => "HV_EXISTS".into(),
        HypervisorError::IllegalState => "HV_ILLEGAL_GUEST_STATE".into(),
        HypervisorError::NoDevice => "HV_NO_DEVICE".into(),
        HypervisorError::NoResources => "HV_NO_RESOURCES".into(),
        HypervisorError::Unsupported => "HV_UNSUPPORTED".into(),
        HypervisorError::Unknown(code) => format!("code {code:#010x}"),
    }
}

const ENTITLEMENT: &str = "sign this program with the entitlement com.apple.security.hypervisor \
                           (cargo xtask run does)";

/// What can be done about an error at a step.
pub fn remedy(step: Step, error: HypervisorError) -> &'static str {
    use HypervisorError as E;
    match (step, error) {
        (_, E::Denied) => ENTITLEMENT,
        (Step::CreateVm { gic: false }, E::Unsupported) => {
            "on macOS: needs Apple silicon, not inside a VM, and a program signed with the \
             entitlement com.apple.security.hypervisor"
        }
        (Step::CreateVm { gic: true }, E::Unsupported) => {
            "this hypervisor has no GIC (macOS has one from 15.0 on): try --gic none; if that is \
             refused too, on macOS: needs Apple silicon, not inside a VM, and a program signed \
             with the entitlement com.apple.security.hypervisor"
        }
        (Step::CreateVm { .. }, E::Busy) => {
            "this process has a VM already, and may have one only: end the other first"
        }
        (Step::CreateVm { gic: true }, E::BadArgument) => {
            "the hypervisor does not take this GIC's addresses or INTIDs: try --gic none, and \
             report it with the name of the system"
        }
        (Step::CreateVm { gic: true }, E::Fault) => {
            "the VM has a GIC already: an error of this program"
        }
        (Step::CreateVm { .. }, E::NoResources) => {
            "the system has as many VMs as it can have, or too little memory: end another one"
        }
        (Step::MapRam, E::NoResources | E::Error) => {
            "the system has too little memory: try a smaller --memory"
        }
        (Step::MapRam, E::BadArgument) => {
            "RAM does not fit under the VM's IPA size (36 bits by default): try a smaller --memory"
        }
        (Step::CreateVcpu(_), E::NoResources) => {
            "the hypervisor has no more vCPUs for this VM: try a smaller --vcpus"
        }
        (Step::CreateVcpu(_), E::Busy) => "the thread has a vCPU already: an error of this program",
        (_, E::IllegalState) => {
            "the guest's PSTATE names a mode that it does not have, or a register that it must \
             not change was changed"
        }
        (_, E::NoResources) => "the system has too little memory, or too many VMs: end others",
        (_, E::NoDevice) => "the VM or its vCPU is gone: an error of this program",
        (_, E::BadArgument) => {
            "the hypervisor does not know what was asked for: an error of this program, or a \
             hypervisor that is older than macOS 15"
        }
        (_, E::Busy) => "what is asked for is in use: an error of this program",
        (_, E::Fault) => "what is asked for exists already: an error of this program",
        (_, E::Unsupported) => "this hypervisor does not have what was asked for",
        (_, E::Error) => {
            "the hypervisor gives no reason: its log may (ANYVISOR_LOG=debug, or Console)"
        }
        (_, E::Unknown(_)) => {
            "the code is none of the documented ones: report it with the system's name"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_code_has_another_remedy_at_another_step() {
        let text = |step, error| Refused { step, error }.to_string();
        let vm = |gic| Step::CreateVm { gic };
        for (step, error, says) in [
            (vm(false), HypervisorError::Busy, "has a VM already"),
            (vm(false), HypervisorError::Denied, "com.apple.security.hypervisor"),
            (vm(false), HypervisorError::Unsupported, "Apple silicon"),
            (vm(true), HypervisorError::Unsupported, "--gic none"),
            (Step::MapRam, HypervisorError::NoResources, "--memory"),
            (Step::CreateVcpu(3), HypervisorError::NoResources, "--vcpus"),
            (Step::Run, HypervisorError::IllegalState, "PSTATE"),
            (Step::Run, HypervisorError::Unknown(7), "code 0x00000007"),
        ] {
            let line = text(step, error);
            assert!(line.contains(says), "{line}");
            assert!(!line.contains('\n'));
        }
        assert!(
            text(Step::CreateVcpu(3), HypervisorError::NoResources)
                .starts_with("creating vCPU 3: ")
        );
        assert!(text(vm(false), HypervisorError::Busy).contains("(HV_BUSY)"));
    }
}
