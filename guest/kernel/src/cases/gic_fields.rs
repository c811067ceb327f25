//! What must not be there, and what must agree: reserved registers, registers of other modes,
//! fields that are said twice.

use core::arch::{asm, global_asm};

use aarch64_cpu::registers::ID_AA64PFR0_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_arch::esr::Esr;
use anyvisor_arch::gic::intid::SPIS;
use anyvisor_arch::gic::{bank, gicd, gicr, icc as fields};
use anyvisor_arch::id::pfr0;
use tock_registers::interfaces::Readable;

use super::gic::{check_quiet, check_state, end, take};
use crate::gic::cpu_interface as icc;
use crate::gic::frame::Frame;
use crate::gic::interrupt::{Group, Interrupt, State};
use crate::gic::{self, DEFAULT_PRIORITY, FREE_SPIS};
use crate::trap::{After, try_catch};
use crate::user::{self, User};
use crate::{case, check_eq, skip, smp, user_code};

/// Reads as zero, keeps nothing that is written, and faults for neither.
#[track_caller]
fn check_reserved(frame: Frame, offset: u64, what: &str) {
    check_eq!(frame.read(offset).into(), 0, "{} at {:#x}", what, offset);
    frame.write(offset, u32::MAX);
    check_eq!(frame.read(offset).into(), 0, "{} at {:#x} after a write of ones", what, offset);
}

case! {
    /// Every word that IHI 0069 calls reserved, in the distributor and in each redistributor: reads
    /// zero, ignores writes, and takes no fault.
    ///
    /// ```text
    ///   GICD      0060..007c                   RD_base   0080..009c  00c8..00fc
    ///   SGI_base  0000..007c
    /// ```
    ///
    /// A driver that probes (is this a GICv4.1? has it an error register?) reads such words. In
    /// hardware the GIC answers. In a VM each access is a data abort to EL2 with the IPA of the
    /// frame, and the hypervisor's device model has to know every offset, also those that have no
    /// name. The model that ends in `panic!("unknown GICD register")`, or gives the guest an
    /// external abort, works with the one guest that it was written for.
    "gic.reserved": "reserved words of GICD and of each GICR read zero, ignore writes, and do not fault";
    reference: "IHI 0069: the distributor's and redistributors' register maps: Reserved, RES0";
    needs: Needs::GIC;
    fn reserved() {
        let words = |from: u64, to: u64| (from..=to).step_by(4);
        for offset in words(0x60, 0x7c) {
            check_reserved(gic::distributor(), offset, "GICD");
        }
        for cpu in 0..smp::cpu_count() {
            let frame = gic::redistributor(cpu);
            for offset in words(0x80, 0x9c).chain(words(0xc8, 0xfc)) {
                check_reserved(frame, offset, "GICR");
            }
            for offset in words(0, 0x7c) {
                check_reserved(frame.plus(gicr::SGI_BASE), offset, "SGI_base");
            }
        }
    }
}

case! {
    /// With affinity routing the registers that GICv2 had for the same things are not there: targets
    /// by CPU number, SGIs by a write to the distributor, SGIs pending by source.
    ///
    /// ```text
    ///   GICD_ITARGETSR<n>   0800  -> GICD_IROUTER<n>            reads 0, ignores writes
    ///   GICD_SGIR           0f00  -> ICC_SGI1R_EL1              sends nothing
    ///   GICD_CPENDSGIR<n>   0f10  -> GICR_ICPENDR0              reads 0, ignores writes
    ///   GICD_SPENDSGIR<n>   0f20  -> GICR_ISPENDR0              likewise
    ///   GICD_...<0>         0080 ..  the words of SGIs and PPIs -> GICR
    /// ```
    ///
    /// A hypervisor that serves GICv2 and GICv3 guests from one model leaves them in. Then a GICv3
    /// guest that zeroes the whole frame, or writes 1 to each enable, changes state twice: by the
    /// distributor's word 0 and by the redistributor's, which need not be the same CPU's.
    "gic.legacy_registers": "ARE = 1: ITARGETSR, SGIR, CPENDSGIR, SPENDSGIR and GICD's words of SGIs and PPIs are RAZ/WI";
    reference: "IHI 0069: GICD_ITARGETSR<n>, GICD_SGIR, GICD_CPENDSGIR<n>, GICD_ISENABLER<0>: affinity routing enabled";
    needs: Needs::GIC;
    fn legacy_registers() {
        let gicd = gic::distributor();
        for offset in (0xf10..0xf30).step_by(4) {
            check_reserved(gicd, offset, "CPENDSGIR or SPENDSGIR");
        }
        for intid in (0..SPIS.start).chain(FREE_SPIS).step_by(4) {
            check_reserved(gicd, gicd::ITARGETSR + u64::from(intid), "GICD_ITARGETSR");
        }
        let sgi = Interrupt::new(6).prepare(Group::One, DEFAULT_PRIORITY);
        // GICD_SGIR.TargetListFilter: to a list, to all others, to itself.
        for filter in [0xff << 16, 0b01 << 24, 0b10 << 24] {
            gicd.write(gicd::SGIR, filter | sgi.intid);
            check_quiet();
            check_state(sgi, State::INACTIVE);
        }
        // The first 32 INTIDs are each PE's own: here they are enabled at the redistributor.
        for register in [bank::ISENABLER, bank::ISPENDR, bank::ISACTIVER, bank::IGROUPR] {
            check_reserved(gicd, register, "the distributor's word 0");
        }
        for register in [bank::IPRIORITYR, bank::ICFGR, bank::ICFGR + 4] {
            check_reserved(gicd, register, "the distributor's words of SGIs and PPIs");
        }
        assert!(sgi.is_enabled(), "the redistributor's enable has changed");
        check_quiet();
    }
}

case! {
    /// With one security state nothing is Secure: the registers that say who may touch a Secure
    /// interrupt, and which groups are Secure, have no bits.
    ///
    /// ```text
    ///   GICD_CTLR.DS = 1    IGRPMODR<n>  0d00   RAZ/WI      group = IGROUPR alone: 0 FIQ, 1 IRQ
    ///                       NSACR<n>     0e00   RAZ/WI
    /// ```
    ///
    /// A guest has one security state, whatever the machine below has. A hypervisor that passes the
    /// words through to storage lets the guest build a Group 1 Secure interrupt, which then is in
    /// no group that the guest can acknowledge.
    "gic.security_registers": "DS = 1: IGRPMODR and NSACR of GICD and GICR read zero and ignore writes";
    reference: "IHI 0069: GICD_IGRPMODR<n>, GICD_NSACR<n>, GICR_IGRPMODR0, GICR_NSACR: GICD_CTLR.DS == 1";
    needs: Needs::GIC;
    fn security_registers() {
        if !gic::is_one_security_state() {
            skip!("GICD_CTLR.DS is 0: this is the Non-secure view of two security states");
        }
        let gicd = gic::distributor();
        for word in 1..u64::from(gic::intids().div_ceil(32)) {
            check_reserved(gicd, bank::IGRPMODR + 4 * word, "GICD_IGRPMODR");
            for half in 0..2 {
                check_reserved(gicd, bank::NSACR + 8 * word + 4 * half, "GICD_NSACR");
            }
        }
        for cpu in 0..smp::cpu_count() {
            let frame = gic::redistributor(cpu).plus(gicr::SGI_BASE);
            check_reserved(frame, bank::IGRPMODR, "GICR_IGRPMODR0");
            check_reserved(frame, bank::NSACR, "GICR_NSACR");
        }
    }
}

case! {
    /// Of a PPI's two configuration bits one is RES0 and the other says edge or level, where it can
    /// be chosen at all. The timers' are levels.
    ///
    /// ```text
    ///   GICR_ICFGR1   31 30 | ... | 23 22 | ... | 1  0       INTID 31 ... 27 ... 16
    ///                  e  0 |     |  e  0 |     | e  0       e = 1: edge
    /// ```
    ///
    /// Whether software may change it is the implementation's choice, for each PPI. A hypervisor
    /// that lets a guest make the timer's PPI an edge has to treat the timer as an edge then: it
    /// comes once at the deadline, and again only after the output was low. Most would go on to
    /// present the level.
    "gic.ppi_configuration": "GICR_ICFGR1: bit 0 of each PPI stays 0, bit 1 keeps what it was given or what it was; timers are levels";
    reference: "IHI 0069: GICR_ICFGR1; DDI 0487: the timer's output is a level";
    needs: Needs::GIC;
    fn ppi_configuration() {
        let machine = crate::machine::get();
        let frame = gic::redistributor(smp::this_cpu()).plus(gicr::SGI_BASE);
        let at = bank::ICFGR + 4;
        let before = frame.read(at);
        for timer in [machine.virtual_timer, machine.physical_timer] {
            check_eq!(u64::from(before >> (timer % 16 * 2) & 0b11), 0, "configuration of INTID {}", timer);
        }
        // They are all disabled: to change it otherwise is UNPREDICTABLE.
        frame.write(at, u32::MAX);
        let ones = frame.read(at);
        frame.write(at, 0);
        let zeroes = frame.read(at);
        frame.write(at, before);
        check_eq!(frame.read(at).into(), before.into(), "GICR_ICFGR1 put back");
        const CHOICE: u32 = 0xaaaa_aaaa;
        check_eq!((ones & !CHOICE).into(), 0, "the RES0 bits after a write of ones");
        check_eq!((zeroes & !CHOICE).into(), 0, "the RES0 bits after a write of zero");
        // A bit that does not follow one write does not follow the other either.
        let fixed = ones & CHOICE & zeroes | !ones & !zeroes & CHOICE;
        check_eq!((before & fixed).into(), (ones & fixed).into(), "what cannot be chosen");
    }
}

case! {
    /// Each PE has its own 32 INTIDs: what one sets of them no other sees.
    ///
    /// ```text
    ///   RD 0 SGI_base    RD 1 SGI_base   ...      INTID 3 of CPU 0 and INTID 3 of CPU 1 are two
    ///   priority 10      priority 30              interrupts, with two priorities, two enables
    /// ```
    ///
    /// Any CPU may reach any redistributor (they are memory), which is how a kernel prepares a CPU
    /// that is still off. A hypervisor that models the frame by "the vCPU that made the access"
    /// instead of by the address, as GICv2's banked registers would want it, works until a guest
    /// does that.
    "gic.banked": "SGIs and PPIs of each redistributor are their own: priority, enable, group, pending, by whichever CPU";
    reference: "IHI 0069: GICR_IPRIORITYR<n>, GICR_ISENABLER0, GICR_IGROUPR0, GICR_ISPENDR0; private interrupts";
    needs: Needs::GIC.vcpus(2);
    fn banked() {
        const INTIDS: [u32; 3] = [3, 12, 24];
        let step = 1 << (8 - icc::priority_bits());
        let priority = |cpu: usize, n: usize| (1 + cpu as u64 * 3 + n as u64) * step % 0x100;
        let cpus = || 0..smp::cpu_count();
        let is_on = |cpu: usize, n: usize| (cpu + n).is_multiple_of(2);
        for cpu in cpus() {
            for (n, intid) in INTIDS.into_iter().enumerate() {
                let one = Interrupt::of(cpu, intid);
                one.set_priority(priority(cpu, n));
                if is_on(cpu, n) {
                    one.enable();
                    one.set_group(Group::Zero);
                } else {
                    one.disable();
                    one.set_group(Group::One);
                }
            }
        }
        for cpu in cpus() {
            let groups = gic::redistributor(cpu).plus(gicr::SGI_BASE).read(bank::IGROUPR);
            for (n, intid) in INTIDS.into_iter().enumerate() {
                let one = Interrupt::of(cpu, intid);
                check_eq!(one.priority(), priority(cpu, n), "priority of INTID {} of CPU {}", intid, cpu);
                assert!(one.is_enabled() == is_on(cpu, n), "enable of INTID {intid} of CPU {cpu}");
                if gic::is_one_security_state() {
                    let group = groups >> intid & 1 == 0;
                    assert!(group == is_on(cpu, n), "group of INTID {intid} of CPU {cpu}");
                }
                one.disable();
                one.set_group(Group::One);
                one.set_priority(DEFAULT_PRIORITY);
            }
            // Pending at one, and at no other.
            let sgi = Interrupt::of(cpu, INTIDS[0]);
            sgi.set_pending();
            for other in cpus() {
                let pending = Interrupt::of(other, INTIDS[0]).is_pending();
                assert!(pending == (other == cpu), "CPU {other}: pending is {pending}, set at CPU {cpu}");
            }
            sgi.clear_pending();
        }
    }
}

case! {
    /// One fact, said in several places: what the distributor, the redistributors, the CPU interface
    /// and the CPU's ID register say of the GIC must agree.
    ///
    /// ```text
    ///   GICD_TYPER.SecurityExtn = 0   if GICD_CTLR.DS = 1
    ///   GICD_TYPER.A3V = ICC_CTLR_EL1.A3V   and without it every Aff3 is 0
    ///   GICD_TYPER.RSS, ICC_CTLR_EL1.RSS    without them every Aff0 is below 16
    ///   GICD_TYPER.LPIS = 0           no GICR_TYPER.PLPIS
    ///   GICD_TYPER.IDbits + 1         enough for ITLinesNumber, and ICC_CTLR_EL1.IDbits for it
    ///   ID_AA64PFR0_EL1.GIC >= 1      since the system registers are there
    /// ```
    ///
    /// A hypervisor that puts its own distributor before a CPU interface in hardware has these from
    /// two sources. A guest that believes the distributor (16 bits of INTID, no RSS) and a CPU
    /// interface that cannot do it lose SGIs to CPUs 16 and up, with no error anywhere.
    "gic.typer": "GICD_TYPER, GICR_TYPER, ICC_CTLR_EL1 and ID_AA64PFR0_EL1 agree on lines, bits, affinities, LPIs";
    reference: "IHI 0069: GICD_TYPER, GICR_TYPER, ICC_CTLR_EL1.A3V, IDbits, RSS; DDI 0487: ID_AA64PFR0_EL1.GIC";
    needs: Needs::GIC;
    fn typer() {
        let typer = u64::from(gic::distributor().read(gicd::TYPER));
        let control = icc::ctlr();
        if gic::is_one_security_state() {
            check_eq!(typer & gicd::typer::SECURITY_EXTN, 0, "GICD_TYPER.SecurityExtn with DS = 1");
        }
        let [a3v, rss] = [gicd::typer::A3V, gicd::typer::RSS].map(|bit| typer & bit != 0);
        if a3v {
            assert!(control & fields::ctlr::A3V != 0, "GICD_TYPER.A3V, and ICC_CTLR_EL1 has none");
        }
        let mut lpis = false;
        for cpu in 0..smp::cpu_count() {
            let affinity = smp::affinity(cpu);
            assert!(a3v || affinity >> 32 == 0, "CPU {cpu} has Aff3, and A3V is 0");
            assert!(rss || affinity & 0xff < 16, "CPU {cpu} has Aff0 16 or above, and RSS is 0");
            let redistributor = gic::redistributor(cpu).read64(gicr::TYPER);
            lpis |= redistributor & gicr::typer::PLPIS != 0;
        }
        assert!(!lpis || typer & gicd::typer::LPIS != 0, "a GICR has LPIs, and GICD_TYPER.LPIS is 0");
        let bits = gicd::typer::ID_BITS.get(typer) + 1;
        let interface_bits = match fields::ctlr::ID_BITS.get(control) {
            0 => 16,
            1 => 24,
            other => panic!("ICC_CTLR_EL1.IDbits is {other}, which is reserved"),
        };
        assert!(u64::from(gic::intids()) <= 1 << bits, "{bits} bits for {} INTIDs", gic::intids());
        assert!(bits <= interface_bits, "INTIDs of {bits} bits, and the CPU interface has {interface_bits}");
        let claimed = pfr0::GIC.get(ID_AA64PFR0_EL1.get());
        assert!(claimed != 0, "ID_AA64PFR0_EL1.GIC is 0, and ICC registers work");
    }
}

case! {
    /// Every SPI that the distributor says it has, one after the other, the devices' too: pended by
    /// software, signalled with its own INTID, active, ended.
    ///
    /// ```text
    ///   for INTID in 32 .. 32 * (ITLinesNumber + 1), 1020 at the most
    ///     inactive -> ISPENDR -> pending -> IAR = INTID -> active -> EOIR -> inactive
    /// ```
    ///
    /// Bits of 32 interrupts share a word, and a hypervisor's arrays share indices: one wrong shift
    /// or an array one word too short shows at one INTID only, which is no device's today.
    "gic.all_spis": "each SPI up to ITLinesNumber: pended by hand, acknowledged by its own INTID, ended";
    reference: "IHI 0069: GICD_TYPER.ITLinesNumber; GICD_ISPENDR<n>, ICC_IAR1_EL1";
    needs: Needs::GIC;
    fn all_spis() {
        let gicd = gic::distributor();
        for intid in SPIS.start..gic::intids() {
            let spi = Interrupt::new(intid);
            let routing = spi.routing();
            spi.route(smp::own_affinity());
            spi.set_group(Group::One);
            spi.set_priority(DEFAULT_PRIORITY);
            spi.enable();
            gic::settle();
            spi.set_pending();
            take(spi);
            check_state(spi, State::ACTIVE);
            end(spi);
            check_state(spi, State::INACTIVE);
            spi.disable();
            gicd.write64(gicd::IROUTER + 8 * u64::from(intid), routing);
        }
        gic::settle();
        check_quiet();
    }
}

case! {
    /// Fields of the CPU interface's registers after a write of ones: those that can be written
    /// are ones, those that are read-only are what they were. (What a RES0 bit reads as after a
    /// write the architecture leaves open, so nobody asks.)
    ///
    /// ```text
    ///   ICC_PMR_EL1      bits 7:0, of them PRIbits + 1     ICC_IGRPEN<n>_EL1   bit 0
    ///   ICC_BPR<n>_EL1   bits 2:0                          ICC_CTLR_EL1        CBPR, EOImode, PMHE
    ///                    ICC_CTLR_EL1's PRIbits, IDbits, SEIS, A3V, RSS, ExtRange: read only
    /// ```
    ///
    /// A guest that reads-modifies-writes ICC_CTLR_EL1 writes its read-only fields back; one that
    /// was written for a larger GIC writes more bits of PMR than there are, and reads back how many
    /// stayed: that is how priority bits are probed. Storage that keeps all 64 bits tells it that
    /// there are 256 priorities.
    "gic.icc_fields": "ICC_PMR, BPR0, BPR1, CTLR, IGRPEN0, IGRPEN1 written with ones: their fields are ones, read-only ones stay";
    reference: "IHI 0069: ICC_PMR_EL1, ICC_BPR<n>_EL1, ICC_CTLR_EL1, ICC_IGRPEN<n>_EL1";
    needs: Needs::GIC;
    fn icc_fields() {
        macro_rules! ones {
            ($register:literal) => {{
                let value: u64;
                // SAFETY: a register of the CPU interface, with all interrupts masked by PSTATE; it
                // gets back what it held.
                unsafe {
                    asm!(
                        concat!("mrs {before}, ", $register),
                        concat!("msr ", $register, ", {ones}"),
                        "isb",
                        concat!("mrs {value}, ", $register),
                        concat!("msr ", $register, ", {before}"),
                        "isb",
                        before = out(reg) _,
                        ones = in(reg) u64::MAX,
                        value = out(reg) value,
                        options(nostack)
                    );
                }
                value
            }};
        }
        check_eq!(ones!("icc_igrpen1_el1") & 1, 1, "ICC_IGRPEN1_EL1.Enable");
        check_eq!(ones!("icc_bpr1_el1") & 7, 7, "ICC_BPR1_EL1.BinaryPoint");
        if gic::is_one_security_state() {
            check_eq!(ones!("icc_igrpen0_el1") & 1, 1, "ICC_IGRPEN0_EL1.Enable");
            check_eq!(ones!("icc_bpr0_el1") & 7, 7, "ICC_BPR0_EL1.BinaryPoint");
        }
        use fields::ctlr::{A3V, CBPR, EOI_MODE, EXT_RANGE, ID_BITS, PMHE, PRI_BITS, RSS, SEIS};
        let before = icc::ctlr();
        let after = ones!("icc_ctlr_el1");
        let read_only = PRI_BITS.mask() | ID_BITS.mask() | SEIS | A3V | RSS | EXT_RANGE;
        check_eq!(after & read_only, before & read_only, "read-only fields of ICC_CTLR_EL1");
        check_eq!(after & EOI_MODE, EOI_MODE, "ICC_CTLR_EL1.EOImode");
        let writable = CBPR | EOI_MODE | PMHE;
        check_eq!(icc::ctlr() & writable, before & writable, "ICC_CTLR_EL1 put back");
        let unimplemented = 0xff >> icc::priority_bits();
        check_eq!(ones!("icc_pmr_el1") & 0xff, 0xff & !unimplemented, "ICC_PMR_EL1.Priority");
    }
}

case! {
    /// Who may do what with the CPU interface: EL0 nothing, EL1 not the wrong direction. A register
    /// that only reads is UNDEFINED to MSR, one that only writes is UNDEFINED to MRS.
    ///
    /// ```text
    ///   EL1   MRS ICC_EOIR1_EL1   UNDEFINED: EC 0, at the instruction
    ///   EL1   MSR ICC_IAR1_EL1    UNDEFINED
    ///   EL0   any of 27           UNDEFINED, and nothing is acknowledged
    /// ```
    ///
    /// UNDEFINED at EL1 is no trap to EL2. A hypervisor that traps the whole group (ICH_HCR_EL2.TALL1,
    /// or by having no vGIC) gets an exit only for accesses that are defined for the level; where it
    /// decodes by itself it must send the rest back as EC 0, with ELR at the instruction.
    "gic.icc_access": "27 accesses of ICC registers at EL0, and the wrong direction at EL1, are UNDEFINED";
    reference: "IHI 0069: accessibility of ICC_*_EL1; DDI 0487: UNDEFINED, EC 0";
    needs: Needs::GIC;
    fn icc_access() {
        macro_rules! undefined {
            ($($instruction:literal),+ $(,)?) => {$({
                // SAFETY: an exception is announced; the instruction must not do anything.
                let trap = try_catch(After::Skip, || unsafe {
                    asm!($instruction, inout("x0") 1023_u64 => _, options(nostack));
                });
                match trap {
                    Some(trap) => check_eq!(trap.esr.0, Esr::unknown().0, "ESR_EL1 of {}", $instruction),
                    None => panic!("{} is not UNDEFINED", $instruction),
                }
            })+};
        }
        undefined!(
            "mrs x0, S3_0_C12_C12_1", // ICC_EOIR1_EL1
            "mrs x0, S3_0_C12_C8_1",  // ICC_EOIR0_EL1
            "mrs x0, S3_0_C12_C11_1", // ICC_DIR_EL1
            "mrs x0, S3_0_C12_C11_5", // ICC_SGI1R_EL1
            "mrs x0, S3_0_C12_C11_7", // ICC_SGI0R_EL1
            "msr S3_0_C12_C12_0, x0", // ICC_IAR1_EL1
            "msr S3_0_C12_C8_0, x0",  // ICC_IAR0_EL1
            "msr S3_0_C12_C12_2, x0", // ICC_HPPIR1_EL1
            "msr S3_0_C12_C8_2, x0",  // ICC_HPPIR0_EL1
            "msr S3_0_C12_C11_3, x0", // ICC_RPR_EL1
        );
        let sgi = Interrupt::new(2).prepare(Group::One, DEFAULT_PRIORITY);
        sgi.set_pending(); // so that an access that is let through would show
        const INSTRUCTIONS: u64 = 27;
        for n in 0..INSTRUCTIONS {
            let at = user_code!(user_icc) + 4 * n;
            let trap = user::run(&mut User::at(at));
            check_eq!(trap.esr.0, Esr::unknown().0, "ESR_EL1 of access {}", n);
            check_eq!(trap.elr, at, "ELR_EL1 of access {}", n);
        }
        check_state(sgi, State::PENDING);
        take(sgi);
        end(sgi);
    }
}

global_asm!(
    ".pushsection .user.text, \"ax\"",
    ".global user_icc",
    "user_icc:",
    ".irp name, pmr, bpr0, bpr1, ctlr, sre, igrpen0, igrpen1, ap0r0, ap1r0, rpr, iar0, iar1, hppir0, hppir1",
    "mrs x0, icc_\\name\\()_el1",
    ".endr",
    ".irp name, pmr, bpr0, bpr1, ctlr, sre, igrpen0, igrpen1, eoir0, eoir1, dir, sgi0r, sgi1r, asgi1r",
    "msr icc_\\name\\()_el1, x0",
    ".endr",
    ".popsection",
);
