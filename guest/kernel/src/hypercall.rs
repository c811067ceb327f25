//! Calls to whoever runs us (SMCCC, DEN 0028), by the instruction that the FDT says.

use anyvisor_abi::{service, smccc as id};
use smccc::{Call, Hvc, Smc};

use crate::cell::OneCpu;
use crate::machine::{Conduit, Machine};
use crate::trap::{self, After};

static CONDUIT: OneCpu<Option<Conduit>> = OneCpu::new(None);
static SERVICES: OneCpu<bool> = OneCpu::new(false);

/// Learns the conduit, and whether the monitor's services are there.
pub fn init(machine: Machine) {
    CONDUIT.set(machine.psci);
    // The services are HVC only. A hypervisor that knows the calling convention answers -1 to an
    // owner that it does not have; one that does not may make HVC undefined.
    if machine.psci == Some(Conduit::Hvc) {
        let mut uid = [0; 4];
        let refused = trap::try_catch(After::Skip, || {
            uid.copy_from_slice(&Hvc::call32(service::CALL_UID, [0; 7])[..4]);
        });
        SERVICES.set(refused.is_none() && uid == service::UID);
    }
}

/// Whether PSCI can be called.
pub fn has_psci() -> bool {
    CONDUIT.get().is_some()
}

/// Whether the monitor's services are there.
pub fn has_services() -> bool {
    SERVICES.get()
}

/// Makes a call with 64-bit arguments in X1 and up; returns X0 and up.
///
/// # Panics
/// Without a conduit.
pub fn call(function: u32, arguments: &[u64]) -> [u64; 18] {
    let mut all = [0; 17];
    all[..arguments.len()].copy_from_slice(arguments);
    match CONDUIT.get().expect("the FDT says no PSCI method, so there is no conduit") {
        Conduit::Hvc => Hvc::call64(function, all),
        Conduit::Smc => Smc::call64(function, all),
    }
}

/// Makes a call with 32-bit arguments in W1 and up; returns W0 as the signed number that it is.
pub fn call32(function: u32, argument: u32) -> i32 {
    let arguments = [argument, 0, 0, 0, 0, 0, 0];
    let result = match CONDUIT.get().expect("the FDT says no PSCI method, so there is no conduit") {
        Conduit::Hvc => Hvc::call32(function, arguments),
        Conduit::Smc => Smc::call32(function, arguments),
    };
    result[0].cast_signed()
}

/// Ends the VM. Where nobody can be asked to, waits forever.
pub fn system_off() -> ! {
    if has_psci() {
        call32(id::PSCI_SYSTEM_OFF, 0);
    }
    loop {
        aarch64_cpu::asm::wfe();
    }
}
