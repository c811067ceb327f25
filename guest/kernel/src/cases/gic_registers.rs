//! What the GIC says of itself, and what its registers keep.
//!
//! Each access to GICD and GICR is an exit that the hypervisor emulates: it decodes address, size
//! and direction, and acts on a model. So these cases are about a table of registers: widths (32
//! bits, 64 bits by halves, single bytes), bits that are read-only, RAZ/WI ranges, pairs that set
//! and clear. A guest's driver takes all of it from the manual and asks nobody.

use core::arch::global_asm;

use anyvisor_abi::case::Needs;
use anyvisor_arch::esr::Esr;
use anyvisor_arch::gic::gicr::waker;
use anyvisor_arch::gic::intid::SPIS;
use anyvisor_arch::gic::{bank, gicd, gicr, icc as fields};

use crate::gic::interrupt::{Interrupt, Trigger};
use crate::gic::{self, FREE_SPIS, cpu_interface as icc};
use crate::user::{self, User};
use crate::{case, check_eq, skip, smp, user_code};

case! {
    /// The architecture's version stands at the same place of every frame: PIDR2.ArchRev, at offset
    /// 0xffe8, is 3 for GICv3 and 4 for GICv4.
    ///
    /// The case reads it from the distributor and from each CPU's redistributor.
    ///
    /// ```text
    ///   GICD + 0xffe8      7:4 ArchRev     3 or 4
    ///   GICR + 0xffe8      the same, for each redistributor
    /// ```
    ///
    /// Linux reads both before anything else: "no distributor detected, giving up" is what it
    /// prints when GICD says something else, and it walks the redistributors from one to the next
    /// only as long as each has a PIDR2 that it knows. A hypervisor that emulates the registers
    /// that it has seen a driver use forgets the identification at the end of the frame, because
    /// its own test guest did not look. A read of zero there leaves the guest without any
    /// interrupt, and on most it is the first line of the log that says so.
    "gic.version": "GICD_PIDR2 and each GICR_PIDR2 say GICv3 or GICv4";
    reference: "IHI 0069: GICD_PIDR2.ArchRev, GICR_PIDR2.ArchRev";
    needs: Needs::GIC;
    fn version() {
        let frames = (0..smp::cpu_count()).map(gic::redistributor);
        for frame in frames.chain([gic::distributor()]) {
            let revision = gicd::PIDR2_ARCH_REV.get(frame.read(gicd::PIDR2).into());
            assert!([3, 4].contains(&revision), "ArchRev is {revision}");
        }
    }
}

case! {
    /// GICD_CTLR has the enables of the groups, affinity routing (ARE) and the state of security
    /// (DS). Where a guest has one security state, DS reads as 1, and ARE too where there is no
    /// legacy operation. RWP says that a write is not yet visible everywhere, and has to fall.
    ///
    /// The case writes all four combinations of EnableGrp0 and EnableGrp1 and wants them back, with
    /// ARE and DS 1. It skips if DS is 0, for then this is a Non-secure view with another layout.
    ///
    /// ```text
    ///   31    6   4    1          0
    ///   RWP   DS  ARE  EnableGrp1 EnableGrp0      (DS = 1)
    /// ```
    ///
    /// The same bits have other meanings with two security states (bit 1 is EnableGrp1A for
    /// Non-secure). A hypervisor that copies the host's layout into a guest with DS = 1, or has
    /// DS = 0 and still delivers Group 0, confuses a driver that believes what it reads. RWP that
    /// never falls is an endless loop in Linux's `gic_dist_wait_for_rwp`, ended after a second with
    /// an error.
    "gic.control": "GICD_CTLR keeps EnableGrp0 and EnableGrp1; ARE and DS stay 1, RWP falls";
    reference: "IHI 0069: GICD_CTLR (DS = 1)";
    needs: Needs::GIC;
    fn control() {
        use gicd::ctlr::{ARE, DS, ENABLE_GRP0, ENABLE_GRP1};
        if !gic::is_one_security_state() {
            skip!("GICD_CTLR.DS is 0: this is the Non-secure view of two security states");
        }
        let gicd = gic::distributor();
        for enables in [0, ENABLE_GRP0, ENABLE_GRP1, ENABLE_GRP0 | ENABLE_GRP1] {
            gicd.write(gicd::CTLR, ARE | enables);
            gic::settle(); // for ever, if RWP does not fall
            let seen = gicd.read(gicd::CTLR) & (ARE | DS | ENABLE_GRP0 | ENABLE_GRP1);
            check_eq!(seen.into(), (ARE | DS | enables).into(), "GICD_CTLR");
        }
    }
}

case! {
    /// Each PE has a redistributor whose GICR_TYPER names its affinity and a processor number; the
    /// last one of a contiguous region has Last = 1. A driver finds its own by walking the region
    /// and comparing affinities.
    ///
    /// The case reads TYPER of every CPU's frame as 64 bits and by halves: the affinity is that of
    /// the FDT, numbers are below 64 and differ, and exactly one is Last.
    ///
    /// ```text
    ///   63:32 affinity  23:8 processor number  5 DPGS  4 Last  0 PLPIS
    ///   GICR + 0 --> + 128 KiB --> + 128 KiB --> Last: stop
    /// ```
    ///
    /// The affinity stands packed (Aff3 in 31:24), and not as in MPIDR_EL1, where Aff3 is in 39:32.
    /// A hypervisor that mixes them works until there is a fourth level. Without Last a driver
    /// walks on into what lies behind and faults there; with Last too early, Linux says that it has
    /// no redistributor for a CPU, and does not start it.
    "gic.redistributors": "each CPU has a GICR with its affinity; numbers differ, one is Last";
    reference: "IHI 0069: GICR_TYPER.Affinity_Value, Processor_Number, Last";
    needs: Needs::GIC;
    fn redistributors() {
        use gicr::typer::{AFFINITY_VALUE, LAST, PROCESSOR_NUMBER};
        let (mut numbers, mut last) = (0_u64, 0);
        for cpu in 0..smp::cpu_count() {
            let typer = gic::redistributor(cpu).read64(gicr::TYPER);
            let affinity = smp::affinity(cpu);
            let wanted = affinity >> 32 << 24 | affinity & 0xff_ffff;
            check_eq!(AFFINITY_VALUE.get(typer), wanted, "Affinity_Value of CPU {}", cpu);
            let number = PROCESSOR_NUMBER.get(typer);
            assert!(number < 64 && numbers >> number & 1 == 0, "two PEs have number {number}");
            numbers |= 1 << number;
            last += u64::from(typer & LAST != 0);
            // The same by halves.
            let halves = [0, 4].map(|half| gic::redistributor(cpu).read(gicr::TYPER + half));
            check_eq!(u64::from(halves[1]) << 32 | u64::from(halves[0]), typer, "by halves");
        }
        check_eq!(last, 1, "redistributors that say Last");
    }
}

case! {
    /// The CPU interface is there as system registers: ICC_SRE_EL1.SRE is 1. How many bits of
    /// priority it has is one number everywhere: ICC_CTLR_EL1.PRIbits + 1 bits are kept in
    /// ICC_PMR_EL1, and the binary points have a least value that fits it; a value below is taken
    /// as that.
    ///
    /// The case writes PMR with four values and wants the upper bits back; writes BPR0 and BPR1
    /// with 0 to 7 and wants the value or the minimum.
    ///
    /// ```text
    ///   PRIbits = 4: 5 bits     PMR 0xff --> 0xf8     0x55 --> 0x50
    ///   BPR minimum m           0..m --> m   7 --> 7
    /// ```
    ///
    /// Linux learns from PRIbits how many active-priority registers there are, and by reading PMR
    /// back whether Group 0 is its own. If the distributor's priority registers keep eight bits
    /// while PMR keeps five, an interrupt of 0xa4 and a mask of 0xa4 compare as nobody meant. A
    /// hypervisor must also not promise more bits than the host's list registers have.
    "gic.cpu_interface": "ICC_SRE.SRE is 1; PMR keeps PRIbits + 1 bits; BPR0, BPR1 keep what is not below a minimum";
    reference: "IHI 0069: ICC_SRE_EL1, ICC_CTLR_EL1.PRIbits, ICC_PMR_EL1, ICC_BPR0_EL1, ICC_BPR1_EL1";
    needs: Needs::GIC;
    fn cpu_interface() {
        check_eq!(icc::sre() & fields::sre::SRE, 1, "ICC_SRE_EL1.SRE");
        let bits = icc::priority_bits();
        assert!((4..=8).contains(&bits), "{bits} bits of priority: 16 levels are the least");
        let mask = 0xff & !(0xff >> bits);
        for value in [0, 0xff, 0x55, 0xaa] {
            icc::set_pmr(value);
            check_eq!(icc::pmr(), value & mask, "ICC_PMR_EL1 after {:#x}", value);
        }
        for (name, read, write) in [
            ("BPR0", icc::bpr0 as fn() -> u64, icc::set_bpr0 as fn(u64)),
            ("BPR1", icc::bpr1, icc::set_bpr1),
        ] {
            write(0);
            let least = read();
            assert!(least <= 8 - bits + 1, "ICC_{name}_EL1's least value is {least}");
            for value in 0..8 {
                write(value);
                check_eq!(read(), value.max(least), "ICC_BPR after {:#x}", value);
            }
        }
    }
}

/// Checks a pair of registers of which one sets bits and one clears them.
fn check_set_and_clear(set: u64, clear: u64, intid: u32) {
    let frame = gic::distributor();
    let word = u64::from(intid / 32) * 4;
    let mask = 1 << (intid % 32);
    let both = || {
        let seen = [set, clear].map(|register| frame.read(register + word) & mask);
        check_eq!(seen[0].into(), seen[1].into(), "the bit in both registers");
        seen[0] != 0
    };
    let steps = [(set, mask, true), (set, 0, true), (clear, 0, true), (clear, mask, false)];
    for (register, value, wanted) in steps {
        frame.write(register + word, value);
        assert!(both() == wanted, "after {value:#x} to {register:#x} of INTID {intid}");
    }
}

case! {
    /// Enable, pending and active are each a pair of registers: ones written to ISENABLER, ISPENDR
    /// or ISACTIVER set the state, ones written to ICENABLER, ICPENDR or ICACTIVER clear it, zeroes
    /// change nothing, and both read the state.
    ///
    /// The case does this for eight SPIs and the three pairs: set, write 0 to both, clear, and
    /// compares what the two registers read each time.
    ///
    /// ```text
    ///   ISENABLER <- 0000_0100   bit 2 = 1      both read ...1..
    ///   ICENABLER <- 0000_0000   no change
    ///   ICENABLER <- 0000_0100   bit 2 = 0      both read ...0..
    /// ```
    ///
    /// The design lets two CPUs change neighbouring bits without a lock. An emulation that stores
    /// the written word ("enable = value") switches 31 others off with each write, and one that
    /// reads the clear register as zero is found by drivers that save the state before suspend
    /// through it. As two vCPUs do write at once, the model has to change single bits under its own
    /// lock.
    "gic.set_and_clear": "ISENABLER, ISPENDR, ISACTIVER set by ones, IC... clear by ones; both read the bit";
    reference: "IHI 0069: GICD_ISENABLER, ICENABLER, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER";
    needs: Needs::GIC;
    fn set_and_clear() {
        for intid in FREE_SPIS {
            check_set_and_clear(bank::ISENABLER, bank::ICENABLER, intid);
            check_set_and_clear(bank::ISPENDR, bank::ICPENDR, intid);
            check_set_and_clear(bank::ISACTIVER, bank::ICACTIVER, intid);
        }
    }
}

case! {
    /// Priorities are bytes: each may be written alone, and four lie in a word, of which the lowest
    /// INTID is the lowest byte. Both widths must work, for SPIs in the distributor and for SGIs
    /// and PPIs in the redistributor.
    ///
    /// The case writes four priorities by bytes and reads the word, writes the word and reads four
    /// bytes.
    ///
    /// ```text
    ///   INTID   n+3   n+2   n+1   n
    ///   byte    0x40  0xf0  0x80  0x10      word 0x40f0_8010
    /// ```
    ///
    /// The exit says how wide the access was (SAS). A hypervisor that handles its whole distributor
    /// as 32-bit registers rounds the address down and writes zeroes to the three neighbours:
    /// priority 0 is the most urgent, so those interrupts then preempt everything. It works with
    /// drivers that write words, as Linux mostly does at boot, and breaks with the one that sets a
    /// single priority for an NMI.
    "gic.priority_bytes": "IPRIORITYR by byte and by word are the same four priorities";
    reference: "IHI 0069: GICD_IPRIORITYR, GICR_IPRIORITYR: byte accesses";
    needs: Needs::GIC;
    fn priority_bytes() {
        for intid in [0, FREE_SPIS.start] {
            let four = [0, 1, 2, 3].map(|n| Interrupt::new(intid + n));
            for (interrupt, priority) in four.iter().zip([0x10, 0x80, 0xf0, 0x40]) {
                interrupt.set_priority(priority);
            }
            let frame = match intid {
                0 => gic::redistributor(smp::this_cpu()).plus(gicr::SGI_BASE),
                _ => gic::distributor(),
            };
            let at = bank::IPRIORITYR + u64::from(intid);
            check_eq!(frame.read(at).into(), 0x40f0_8010, "the word of INTID {}", intid);
            frame.write(at, 0x2030_90e0);
            for (interrupt, wanted) in four.iter().zip([0xe0, 0x90, 0x30, 0x20]) {
                check_eq!(interrupt.priority(), wanted, "INTID {}", interrupt.intid);
            }
        }
    }
}

case! {
    /// ICFGR has two bits for each interrupt, of which the upper one says edge (1) or level (0). An
    /// SPI is what it was configured to be; SGIs are edges by nature, and GICR_ICFGR0 ignores
    /// writes.
    ///
    /// The case switches a disabled SPI from edge to level and back, sees that its neighbour has
    /// not changed, reads GICR_ICFGR0 as all edges, writes 0, and reads the same.
    ///
    /// ```text
    ///   GICD_ICFGR<n>   31:30 ... 3:2  1:0      0b10 edge, 0b00 level
    ///   GICR_ICFGR0     0xaaaa_aaaa, read-only
    /// ```
    ///
    /// The trigger decides what pending means: an edge is remembered, a level is the line. A
    /// hypervisor that ignores ICFGR and treats each injection as an edge loses level interrupts;
    /// one that treats all as levels repeats each message. Linux writes ICFGR for each device from
    /// the FDT and reads it back: if it does not stick, it warns, and the driver's request for the
    /// interrupt fails.
    "gic.configuration": "ICFGR keeps level or edge of an SPI; SGIs are edges and stay so";
    reference: "IHI 0069: GICD_ICFGR, GICR_ICFGR0";
    needs: Needs::GIC;
    fn configuration() {
        let spi = Interrupt::new(FREE_SPIS.start);
        spi.disable();
        gic::settle();
        for trigger in [Trigger::Edge, Trigger::Level, Trigger::Edge] {
            spi.set_trigger(trigger);
            assert!(spi.trigger() == trigger, "{:?}, expected {trigger:?}", spi.trigger());
        }
        let neighbour = Interrupt::new(FREE_SPIS.start + 1);
        assert!(neighbour.trigger() == Trigger::Level, "its neighbour has changed");
        let frame = gic::redistributor(smp::this_cpu()).plus(gicr::SGI_BASE);
        check_eq!(frame.read(bank::ICFGR).into(), 0xaaaa_aaaa, "GICR_ICFGR0");
        frame.write(bank::ICFGR, 0);
        check_eq!(frame.read(bank::ICFGR).into(), 0xaaaa_aaaa, "GICR_ICFGR0 after a write of 0");
    }
}

case! {
    /// GICD_IROUTER is a 64-bit register for each SPI: an affinity, and Interrupt_Routing_Mode (bit
    /// 31), with which any CPU may get it. It may be accessed as a whole or by halves.
    ///
    /// The case routes an SPI to each CPU in turn and reads that back, sets IRM, and writes its own
    /// affinity by two 32-bit halves.
    ///
    /// ```text
    ///   63:40  39:32  31   30:24  23:16  15:8  7:0
    ///   0      Aff3   IRM  0      Aff2   Aff1  Aff0
    /// ```
    ///
    /// A hypervisor whose MMIO emulation knows 32-bit registers only drops Aff3 and the upper half,
    /// or, worse, clears the lower when the upper is written. Between the two writes of halves the
    /// route is half old and half new; the model must bear that, and an affinity that names nobody
    /// means that the interrupt waits, and not that index 0 is taken. Linux writes 64 bits when it
    /// sets an interrupt's affinity.
    "gic.router": "GICD_IROUTER keeps an affinity and IRM, by 64 bits and by halves";
    reference: "IHI 0069: GICD_IROUTER<n>";
    needs: Needs::GIC;
    fn router() {
        let spi = Interrupt::new(FREE_SPIS.start);
        let at = gicd::IROUTER + 8 * u64::from(spi.intid);
        let gicd = gic::distributor();
        for cpu in 0..smp::cpu_count() {
            spi.route(smp::affinity(cpu));
            check_eq!(spi.routing(), smp::affinity(cpu), "routed to CPU {}", cpu);
        }
        spi.route_to_any();
        check_eq!(spi.routing() & gicd::irouter::IRM, gicd::irouter::IRM, "IRM");
        let own = smp::own_affinity();
        gicd.write(at + 4, (own >> 32) as u32);
        gicd.write(at, own as u32);
        check_eq!(spi.routing(), own, "written by halves");
        check_eq!(gicd.read(at).into(), own & 0xffff_ffff, "the lower half");
    }
}

case! {
    /// GICD_TYPER.ITLinesNumber says how many INTIDs there are, in blocks of 32. What is not
    /// implemented is RAZ/WI, and the special INTIDs 1020 to 1023 have no state ever.
    ///
    /// The case writes ones to ISENABLER, ISPENDR, ISACTIVER and IGROUPR behind the last INTID,
    /// reads back, cleans up, and wants zero, and that no such interrupt is pending.
    ///
    /// ```text
    ///   ITLinesNumber = N:  INTIDs 0 .. 32 (N + 1) - 1
    ///   behind: writes ignored, reads 0          1020 .. 1023 never
    /// ```
    ///
    /// The index comes from an address that the guest chose. In a hypervisor's model it goes into
    /// an array, and the range in the frame is larger than the array: without a check, this is a
    /// write past its end from the guest, the oldest kind of escape. With a check that panics it is
    /// a way to stop the VM's process. QEMU 7.2 says 32 fewer than it has.
    "gic.past_the_last": "bits of INTIDs past GICD_TYPER.ITLinesNumber read zero and keep nothing";
    reference: "IHI 0069: GICD_TYPER.ITLinesNumber; INTIDs 1020 to 1023; RAZ/WI";
    needs: Needs::GIC;
    fn past_the_last() {
        let first = gic::intids();
        assert!(SPIS.start < first && first <= SPIS.end, "{first} INTIDs");
        let frame = gic::distributor();
        let (word, bits) = (u64::from(first / 32) * 4, u32::MAX << (first % 32));
        for register in [bank::ISENABLER, bank::ISPENDR, bank::ISACTIVER, bank::IGROUPR] {
            frame.write(register + word, bits);
            let seen = frame.read(register + word) & bits;
            frame.write(bank::ICENABLER + word, bits);
            frame.write(bank::ICPENDR + word, bits);
            frame.write(bank::ICACTIVER + word, bits);
            check_eq!(seen.into(), 0, "bits past GICD_TYPER.ITLinesNumber at {:#x}", register + word);
        }
        check_eq!(icc::hppir1(), icc::NONE, "ICC_HPPIR1_EL1");
    }
}

case! {
    /// GICR_WAKER.ProcessorSleep tells a redistributor that its PE goes to sleep; ChildrenAsleep
    /// follows when the interface is quiet. To wake, software clears ProcessorSleep and waits for
    /// ChildrenAsleep to fall. The groups are disabled at the CPU interface first; otherwise the
    /// outcome is UNPREDICTABLE.
    ///
    /// The case puts this CPU's redistributor to sleep, waits for ChildrenAsleep, wakes it, and
    /// waits again.
    ///
    /// ```text
    ///   ProcessorSleep   0   1 . . . . 0
    ///   ChildrenAsleep   0   . . 1 . . . . 0
    /// ```
    ///
    /// At reset both are 1, and each Linux CPU does the waking half when it comes up:
    /// "redistributor failed to wakeup" is what it prints if ChildrenAsleep does not fall. A
    /// hypervisor may do nothing but copy the bit, and that is enough. RAZ/WI satisfies Linux,
    /// though not the manual or this case; a constant 1 satisfies nobody.
    "gic.waker": "GICR_WAKER.ChildrenAsleep follows ProcessorSleep";
    reference: "IHI 0069: GICR_WAKER; power management";
    needs: Needs::GIC;
    fn waker() {
        let frame = gic::redistributor(smp::this_cpu());
        icc::set_igrpen0(0); // before: else it is UNPREDICTABLE
        icc::set_igrpen1(0);
        frame.write(gicr::WAKER, waker::PROCESSOR_SLEEP);
        let sleeps = frame.read(gicr::WAKER) & waker::PROCESSOR_SLEEP != 0;
        assert!(sleeps, "GICR_WAKER.ProcessorSleep does not stay");
        smp::spin_until(|| frame.read(gicr::WAKER) & waker::CHILDREN_ASLEEP != 0);
        frame.write(gicr::WAKER, 0);
        smp::spin_until(|| frame.read(gicr::WAKER) & waker::CHILDREN_ASLEEP == 0);
    }
}

case! {
    /// The CPU interface is the kernel's: its registers do not exist for EL0. `MRS X0,
    /// ICC_IAR1_EL1` and `MSR ICC_EOIR1_EL1, X0` are UNDEFINED there: EC 0 to EL1, ELR_EL1 at the
    /// instruction.
    ///
    /// The case executes both at EL0.
    ///
    /// ```text
    ///   EL0   mrs x0, icc_iar1_el1 --> UNDEFINED, EC 0, EL1
    ///   EL1   mrs x0, icc_iar1_el1 --> ICH_HCR_EL2.TALL1 ? EL2 : done
    /// ```
    ///
    /// A hypervisor that emulates the interface traps these registers (TALL0, TALL1, TC in
    /// ICH_HCR_EL2), and hardware sends it EL1's accesses only. An emulator decodes the register
    /// itself and has to ask for the level in the same place; a GIC that was added to an emulator
    /// late often has its own path around that check. A process that reads IAR would swallow an
    /// interrupt, and the device behind it is silent from then on.
    "gic.from_el0": "MRS ICC_IAR1_EL1 and MSR ICC_EOIR1_EL1 at EL0 are UNDEFINED";
    reference: "IHI 0069: ICC_IAR1_EL1, ICC_EOIR1_EL1: accessibility";
    needs: Needs::GIC;
    fn from_el0() {
        for start in [user_code!(user_iar), user_code!(user_eoir)] {
            let trap = user::run(&mut User::at(start));
            check_eq!(trap.esr.0, Esr::unknown().0, "ESR_EL1");
            check_eq!(trap.elr, start, "ELR_EL1");
        }
    }
}

global_asm!(
    ".pushsection .user.text, \"ax\"",
    "user_iar:  mrs x0, icc_iar1_el1",
    "user_eoir: msr icc_eoir1_el1, x0",
    ".global user_iar, user_eoir",
    ".popsection",
);
