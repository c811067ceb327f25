//! A vCPU and its GIC, through the engine's traits: who wakes whom.

use crate::Software;
use crate::model::Processor;
use crate::software::Stopwatch;
use anyvisor_arch::pstate::{DAIF, Mode};
use anyvisor_arch::sysreg::SysReg;
use anyvisor_vm::{
    Engine, Exit, GicConfig, InterruptController, Perms, Reg, Vcpu, VcpuConfig, Vm, VmConfig,
};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const RAM: u64 = 0x4000_0000;
const RAM_SIZE: usize = 0x4000;
const GICD: u64 = 0x800_0000;
const GICR: u64 = 0x80a_0000;
const MESSAGES: u64 = 0x802_0000;
/// Group 1 of all SPIs and on; an SPI, a PPI.
const SPI: u32 = 40;
const VIRTUAL_TIMER: u32 = 27;
const PHYSICAL_TIMER: u32 = 30;

const WFI: u32 = 0xd503_207f;
const WFE: u32 = 0xd503_205f;
const SEV: u32 = 0xd503_209f;
const HVC: u32 = 0xd400_0002;
const ISB: u32 = 0xd503_3fdf;

/// 24 MHz by the host's clock.
fn clock() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64 * 3 / 125
}

fn engine() -> Software {
    let stopwatch = Stopwatch { read: clock, nanoseconds: |ticks| ticks * 125 / 3 };
    Software { clock, stopwatch, processor: Processor::default() }
}

/// A VM with a GIC, and memory that outlives it.
struct Bench {
    vm: Arc<dyn Vm>,
    gic: Arc<dyn InterruptController>,
    _ram: Arc<[AtomicU64]>,
}

impl Bench {
    fn new(code: &[u32]) -> Self {
        Self::of(engine(), code)
    }

    fn of(engine: Software, code: &[u32]) -> Self {
        let vm = engine.create_vm(&VmConfig { ipa_bits: 36, granule: 0x4000 }).unwrap();
        let messages = Some((MESSAGES, 64..96));
        let config = GicConfig { distributor: GICD, redistributors: GICR, messages };
        let gic = vm.create_gic(&config).unwrap();
        let ram: Arc<[AtomicU64]> = (0..2 * RAM_SIZE / 8).map(|_| AtomicU64::new(0)).collect();
        let first = ram.as_ptr().align_offset(RAM_SIZE);
        for (to, pair) in ram[first..].iter().zip(code.chunks(2)) {
            let high = pair.get(1).copied().unwrap_or(0);
            to.store(u64::from(high) << 32 | u64::from(pair[0]), Ordering::Relaxed);
        }
        let host = ram[first..].as_ptr() as usize;
        vm.map(host, RAM, RAM_SIZE as u64, Perms::all()).unwrap();
        // GICD_CTLR: both groups; IGROUPR1, ISENABLER1.
        gic.set_distributor_register(0, 3);
        gic.set_distributor_register(0x84, u64::from(u32::MAX));
        gic.set_distributor_register(0x104, 1 << (SPI - 32));
        Self { vm, gic, _ram: ram }
    }

    /// A vCPU at the start of the code, ready for interrupts of Group 1.
    fn vcpu(&self, id: u64) -> Box<dyn Vcpu> {
        let mut vcpu = self.vm.create_vcpu(id, &VcpuConfig { ipa_bits: 36 }).unwrap();
        vcpu.set_reg(Reg::Pc, RAM);
        vcpu.set_reg(Reg::Cpsr, DAIF | Mode::El1h.bits());
        for (register, value) in [(SysReg::ICC_PMR_EL1, 0xff), (SysReg::ICC_IGRPEN1_EL1, 1)] {
            vcpu.set_cpu_interface_register(register.encoding().0, value).unwrap();
        }
        // GICR_WAKER, IGROUPR0, ISENABLER0: everything.
        for (offset, value) in [(0x14, 0), (0x1_0080, 0xffff_ffff), (0x1_0100, 0xffff_ffff)] {
            vcpu.set_redistributor_register(offset, value).unwrap();
        }
        vcpu
    }
}

/// The immediate of the HVC that a run ends with.
fn hvc(vcpu: &mut dyn Vcpu) -> u64 {
    match vcpu.run().unwrap() {
        Exit::Exception(exit) if exit.syndrome >> 26 == 0x16 => exit.syndrome & 0xffff,
        other => panic!("{other:?} at {:#x}", vcpu.reg(Reg::Pc)),
    }
}

/// A thread that runs a vCPU to its HVC; told when it is about to.
fn running(
    bench: &Arc<Bench>,
    id: u64,
    before: impl FnOnce(&mut dyn Vcpu) + Send + 'static,
) -> (JoinHandle<()>, Receiver<()>, Arc<AtomicBool>) {
    let (bench, done) = (bench.clone(), Arc::new(AtomicBool::new(false)));
    let (tell, told): (Sender<()>, _) = mpsc::channel();
    let ended = done.clone();
    let thread = thread::spawn(move || {
        let mut vcpu = bench.vcpu(id);
        before(&mut *vcpu);
        tell.send(()).unwrap();
        assert_eq!(hvc(&mut *vcpu), 0);
        ended.store(true, Ordering::SeqCst);
    });
    (thread, told, done)
}

/// Long enough for a vCPU to fall asleep; if it has not, the test is only a weaker one.
fn a_while() {
    thread::sleep(Duration::from_millis(20));
}

#[test]
fn an_spi_wakes_a_masked_wfi_and_nothing_else_does() {
    let bench = Arc::new(Bench::new(&[WFI, HVC]));
    let (thread, ready, done) = running(&bench, 0, |_| {});
    ready.recv().unwrap();
    a_while();
    bench.gic.set_spi(SPI + 1, true);
    a_while();
    assert!(!done.load(Ordering::SeqCst), "that one is not enabled");
    bench.gic.set_spi(SPI, true);
    thread.join().unwrap();
}

#[test]
fn a_message_wakes_a_wfi() {
    let bench = Arc::new(Bench::new(&[WFI, HVC]));
    // ISENABLER2: INTID 64.
    bench.gic.set_distributor_register(0x88, u64::from(u32::MAX));
    bench.gic.set_distributor_register(0x108, 1);
    let (thread, ready, _) = running(&bench, 0, |_| {});
    ready.recv().unwrap();
    bench.gic.send_message(64);
    thread.join().unwrap();
}

#[test]
fn the_timers_wake_a_wfi_by_their_ppis() {
    for (physical, intid) in [(false, VIRTUAL_TIMER), (true, PHYSICAL_TIMER)] {
        let bench = Bench::new(&[WFI, HVC]);
        let mut vcpu = bench.vcpu(0);
        let (control, compare) = match physical {
            false => (SysReg::CNTV_CTL_EL0, SysReg::CNTV_CVAL_EL0),
            true => (SysReg::CNTP_CTL_EL0, SysReg::CNTP_CVAL_EL0),
        };
        let deadline = clock() + 24_000; // a millisecond
        vcpu.set_sys_reg(compare.api_id().unwrap(), deadline).unwrap();
        vcpu.set_sys_reg(control.api_id().unwrap(), 1).unwrap();
        assert_eq!(hvc(&mut *vcpu), 0);
        assert!(clock() >= deadline);
        // GICR_ISPENDR0.
        assert_eq!(vcpu.redistributor_register(0x1_0200).unwrap(), 1 << intid);
        assert!(!vcpu.vtimer_mask(), "no exit of the timer's own");
    }
}

#[test]
fn a_cancel_ends_a_wfi() {
    let bench = Arc::new(Bench::new(&[WFI, HVC]));
    let mut vcpu = bench.vcpu(0);
    // A cancel that comes before the wait is kept: then there was none.
    while vcpu.reg(Reg::Pc) == RAM {
        let canceller = vcpu.canceller();
        let thread = thread::spawn(move || {
            a_while();
            canceller.cancel();
        });
        assert_eq!(vcpu.run().unwrap(), Exit::Canceled);
        thread.join().unwrap();
    }
    assert_eq!(vcpu.reg(Reg::Pc), RAM + 4, "the wait is over: it need not be waited again");
}

#[test]
fn an_sgi_wakes_the_other_vcpu() {
    // MSR ICC_SGI1R_EL1, X0; ISB; HVC #0; and from 0x10 on: WFI; HVC #0
    let bench = Arc::new(Bench::new(&[0xd518_cba0, ISB, HVC, 0, WFI, HVC]));
    let (thread, ready, _) = running(&bench, 1, |vcpu| vcpu.set_reg(Reg::Pc, RAM + 0x10));
    ready.recv().unwrap();
    let mut first = bench.vcpu(0);
    // SGI 3 to affinity 0.0.0.1.
    first.set_reg(Reg::X(0), 3 << 24 | 1 << 1);
    assert_eq!(hvc(&mut *first), 0);
    thread.join().unwrap();
}

#[test]
fn an_event_wakes_a_wfe_and_is_used_up_by_it() {
    // SEV; HVC #0; and from 8 on: WFE; HVC #0; WFE; HVC #0
    let bench = Arc::new(Bench::new(&[SEV, HVC, WFE, HVC, WFE, HVC]));
    let (start, ended) = (Arc::new(Barrier::new(2)), Arc::new(AtomicBool::new(false)));
    let (theirs, their_start, their_end) = (bench.clone(), start.clone(), ended.clone());
    let sleeper = thread::spawn(move || {
        let mut vcpu = theirs.vcpu(1);
        vcpu.set_reg(Reg::Pc, RAM + 8);
        their_start.wait();
        assert_eq!(hvc(&mut *vcpu), 0);
        their_start.wait();
        assert_eq!(hvc(&mut *vcpu), 0);
        their_end.store(true, Ordering::SeqCst);
    });
    let mut first = bench.vcpu(0);
    start.wait();
    a_while();
    assert_eq!(hvc(&mut *first), 0);
    start.wait();
    a_while();
    assert!(!ended.load(Ordering::SeqCst), "the first event was for the first wait");
    first.set_reg(Reg::Pc, RAM);
    assert_eq!(hvc(&mut *first), 0);
    sleeper.join().unwrap();
}

#[test]
fn an_event_that_came_before_is_kept() {
    let bench = Bench::new(&[SEV, HVC, WFE, HVC]);
    let mut first = bench.vcpu(0);
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let mut second = bench.vcpu(1);
            second.set_reg(Reg::Pc, RAM + 8);
            assert_eq!(hvc(&mut *second), 0);
        });
        // Early or late: the event ends the wait.
        while !waits.is_finished() {
            first.set_reg(Reg::Pc, RAM);
            assert_eq!(hvc(&mut *first), 0);
        }
    });
}

#[test]
fn the_event_stream_wakes_a_wfe() {
    let bench = Bench::new(&[WFE, HVC]);
    let mut vcpu = bench.vcpu(0);
    // EVNTEN, bit 7 of the count: every 10 us.
    vcpu.set_sys_reg(SysReg::CNTKCTL_EL1.api_id().unwrap(), 1 << 2 | 7 << 4).unwrap();
    assert_eq!(hvc(&mut *vcpu), 0);
}

#[test]
fn a_timer_that_the_guest_silences_is_no_longer_pending() {
    // MSR CNTV_CTL_EL0, X0; LDR W1, [X2]: GICR_ISPENDR0 at once; HVC #0
    let bench = Bench::new(&[0xd51b_e320, 0xb940_0041, HVC]);
    let mut vcpu = bench.vcpu(0);
    vcpu.set_sys_reg(SysReg::CNTV_CVAL_EL0.api_id().unwrap(), 0).unwrap();
    vcpu.set_sys_reg(SysReg::CNTV_CTL_EL0.api_id().unwrap(), 1).unwrap();
    assert_eq!(vcpu.redistributor_register(0x1_0200).unwrap(), 1 << VIRTUAL_TIMER);
    vcpu.set_reg(Reg::X(0), 0);
    vcpu.set_reg(Reg::X(2), GICR + 0x1_0200);
    assert_eq!(hvc(&mut *vcpu), 0);
    assert_eq!(vcpu.reg(Reg::X(1)), 0);
}

#[test]
fn frames_answer_single_accesses_and_the_rest_exits() {
    // LDR W1, [X0]; HVC #0; LDP W1, W2, [X0]
    let bench = Bench::new(&[0xb940_0001, HVC, 0x2940_0801]);
    let mut vcpu = bench.vcpu(0);
    vcpu.set_reg(Reg::X(0), GICD);
    assert_eq!(hvc(&mut *vcpu), 0);
    // GICD_CTLR: both groups, ARE, DS.
    assert_eq!(vcpu.reg(Reg::X(1)) & 0x53, 0x53);
    let Exit::Exception(exit) = vcpu.run().unwrap() else { panic!() };
    assert_eq!((exit.syndrome >> 26, exit.physical_address), (0x24, GICD));
    assert_eq!(exit.syndrome >> 24 & 1, 0, "a pair has no valid syndrome");
}

#[test]
fn pfr0_names_the_gic_where_there_is_one() {
    let bench = Arc::new(Bench::new(&[HVC]));
    let vcpu = bench.vcpu(0);
    let pfr0 = vcpu.sys_reg(SysReg::ID_AA64PFR0_EL1.api_id().unwrap()).unwrap();
    assert_eq!(pfr0 >> 24 & 0xf, 1);
    drop(vcpu);
    let vm = engine().create_vm(&VmConfig { ipa_bits: 36, granule: 0x4000 }).unwrap();
    let without = vm.create_vcpu(0, &VcpuConfig { ipa_bits: 36 }).unwrap();
    let pfr0 = without.sys_reg(SysReg::ID_AA64PFR0_EL1.api_id().unwrap()).unwrap();
    assert_eq!(pfr0 >> 24 & 0xf, 0);
}

#[test]
fn active_priority_registers_that_five_bits_do_not_need_are_undefined() {
    // MRS X0, ICC_AP0R0_EL1; MRS X0, ICC_AP0R1_EL1; HVC #0. At the vector: HVC #1
    let mut code = vec![0xd538_c880, 0xd538_c8a0, HVC];
    code.resize((0x800 + 0x200) / 4, HVC);
    code.push(HVC | 1 << 5);
    let bench = Bench::new(&code);
    let mut vcpu = bench.vcpu(0);
    vcpu.set_sys_reg(SysReg::VBAR_EL1.api_id().unwrap(), RAM + 0x800).unwrap();
    assert_eq!(hvc(&mut *vcpu), 1);
    let elr = vcpu.sys_reg(SysReg::ELR_EL1.api_id().unwrap()).unwrap();
    let esr = vcpu.sys_reg(SysReg::ESR_EL1.api_id().unwrap()).unwrap();
    assert_eq!((elr, esr >> 26), (RAM + 4, 0), "the second MRS, EC 0");
    let absent = SysReg::ICC_AP1R3_EL1.encoding().0;
    assert!(vcpu.cpu_interface_register(absent).is_err());
    assert!(vcpu.cpu_interface_register(SysReg::ICC_AP1R0_EL1.encoding().0).is_ok());
}

#[test]
fn a_restored_state_has_the_timers_as_they_are() {
    let bench = Bench::new(&[WFI, HVC]);
    let mut vcpu = bench.vcpu(0);
    let (control, compare) = (SysReg::CNTV_CTL_EL0, SysReg::CNTV_CVAL_EL0);
    let pending = |vcpu: &mut dyn Vcpu| vcpu.redistributor_register(0x1_0200).unwrap();
    let low = bench.gic.save();
    vcpu.set_sys_reg(compare.api_id().unwrap(), 0).unwrap();
    vcpu.set_sys_reg(control.api_id().unwrap(), 1).unwrap();
    assert_eq!(pending(&mut *vcpu), 1 << VIRTUAL_TIMER);
    let high = bench.gic.save();
    // Saved with the output low, restored with it high: the timer goes off all the same.
    bench.gic.restore(&low).unwrap();
    assert_eq!(hvc(&mut *vcpu), 0);
    assert_eq!(pending(&mut *vcpu), 1 << VIRTUAL_TIMER);
    // Saved with it high, restored with it low.
    vcpu.set_sys_reg(control.api_id().unwrap(), 0).unwrap();
    assert_eq!(pending(&mut *vcpu), 0);
    bench.gic.restore(&high).unwrap();
    assert_eq!(pending(&mut *vcpu), 0);
}

#[test]
fn a_masked_interrupt_ends_wfi_and_not_wfe() {
    let bench = Arc::new(Bench::new(&[WFE, HVC]));
    bench.gic.set_spi(SPI, true);
    let (thread, ready, done) = running(&bench, 0, |_| {});
    ready.recv().unwrap();
    a_while();
    assert!(!done.load(Ordering::SeqCst), "PSTATE.I is set");
    // An event does.
    let mut other = bench.vcpu(1);
    let code = [SEV, HVC];
    let page = Arc::new([const { AtomicU64::new(0) }; 2 * RAM_SIZE / 8]);
    let first = page.as_ptr().align_offset(RAM_SIZE);
    page[first].store(u64::from(code[1]) << 32 | u64::from(code[0]), Ordering::Relaxed);
    let place = RAM + RAM_SIZE as u64;
    bench.vm.map(page[first..].as_ptr() as usize, place, RAM_SIZE as u64, Perms::all()).unwrap();
    other.set_reg(Reg::Pc, place);
    assert_eq!(hvc(&mut *other), 0);
    thread.join().unwrap();
    drop(other);
    bench.vm.unmap(place, RAM_SIZE as u64).unwrap();
}

#[test]
fn a_wfi_that_waits_is_one_instruction() {
    // MSR PMCNTENSET_EL0, X2; MSR PMCR_EL0, X0; ISB; WFI; MRS X1, PMCCNTR_EL0; HVC #0
    let code = [0xd51b_9c22, 0xd51b_9c00, ISB, WFI, 0xd53b_9d01, HVC];
    let stopwatch = Stopwatch { read: clock, nanoseconds: |ticks| ticks * 125 / 3 };
    let processor = Processor { pmu: true, ..Processor::default() };
    let count = |pending| {
        let bench = Bench::of(Software { clock, stopwatch, processor }, &code);
        let mut vcpu = bench.vcpu(0);
        // The cycle counter; PMCR_EL0.E and C.
        vcpu.set_reg(Reg::X(2), 1 << 31);
        vcpu.set_reg(Reg::X(0), 0b101);
        bench.gic.set_spi(SPI, pending);
        if !pending {
            vcpu.set_sys_reg(SysReg::CNTV_CVAL_EL0.api_id().unwrap(), clock() + 24_000).unwrap();
            vcpu.set_sys_reg(SysReg::CNTV_CTL_EL0.api_id().unwrap(), 1).unwrap();
        }
        assert_eq!(hvc(&mut *vcpu), 0);
        vcpu.reg(Reg::X(1))
    };
    let counted = count(true);
    assert!(counted > 0);
    assert_eq!(count(false), counted);
}
