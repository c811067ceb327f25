//! Exits to the monitor, by one vCPU and by two at once: whether they get into each other's way.

use super::kernels::{bench_hvc, bench_load, bench_osdlr};
use super::{Report, Setting, time};
use crate::machine::Conduit;
use crate::println;
use crate::smp::{self, Line, Meeting, Work};

/// What one vCPU does `n` times, with an address for those that want one.
type Exits = fn(n: u64, address: u64);

static MEETING: Meeting = Meeting::new();
static TIMES: Line = Line::new();
static ADDRESS: Line = Line::new();

/// Times `n` exits of one vCPU, and of two at once.
fn both(names: [&'static str; 2], n: u64, address: u64, exits: Exits) {
    let report = |name, events, ticks| {
        Report { name, events, ticks, ..Report::NOTHING }.print();
    };
    let (ticks, _) = time(|| {
        exits(n, address);
        0
    });
    report(names[0], n, ticks);
    if smp::cpu_count() < 2 {
        println!("# {}: left out, there is one CPU", names[1]);
        return;
    }
    extern "C" fn body(exits: u64) {
        // SAFETY: the address of a function of this type, given below.
        let exits = unsafe { core::mem::transmute::<u64, Exits>(exits) };
        let (n, address) = (TIMES.get(), ADDRESS.get());
        MEETING.meet(2);
        exits(n, address);
        MEETING.meet(2);
    }
    MEETING.clear();
    TIMES.clear();
    TIMES.add(n);
    ADDRESS.clear();
    ADDRESS.add(address);
    let work = Work { body, argument: exits as *const () as u64, interrupt: None };
    let started = smp::start_on(smp::other(), work);
    MEETING.meet(2);
    let (ticks, _) = time(|| {
        exits(n, address);
        MEETING.meet(2);
        0
    });
    started.join();
    report(names[1], 2 * n, ticks);
}

/// PSCI_VERSION, which the monitor answers.
pub fn hvc(setting: &Setting) {
    if setting.machine.psci != Some(Conduit::Hvc) {
        println!("# exits_hvc: left out, the FDT does not say that PSCI is called by HVC");
        return;
    }
    both(["exits_hvc", "exits_hvc_2"], setting.times(1_000_000), 0, |n, _| {
        // SAFETY: the FDT says that HVC is served.
        unsafe { bench_hvc(n) };
    });
}

/// A load from the monitor's test device.
pub fn mmio(setting: &Setting) {
    let Some(scratch) = setting.machine.scratch else {
        println!("# exits_mmio: left out, the FDT names no test device");
        return;
    };
    both(["exits_mmio", "exits_mmio_2"], setting.times(1_000_000), scratch.start, |n, at| {
        // SAFETY: a register of the test device, mapped; reading it changes nothing.
        unsafe { bench_load(n, at) };
    });
}

/// MSR OSDLR_EL1 of 0, the lock that stays open: a register that frameworks leave to the monitor.
pub fn sysreg(setting: &Setting) {
    both(["exits_sysreg", "exits_sysreg_2"], setting.times(1_000_000), 0, |n, _| {
        bench_osdlr(n);
    });
}
