// tidy: table
//! The bugs, a row each, by area.
//!
//! A row's `mistake` is what the line does, in the words of a fault report; the `hint` does not
//! give it away; the `rule` is what the manual has instead, and where. `case` is a case that finds
//! it. Instead `unseen` is the reason why no guest can notice, for one that the suite does not have
//! to catch.

/// What is said of a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// In kebab case, unique.
    pub name: &'static str,
    /// The part of a hypervisor that it belongs to.
    pub area: &'static str,
    /// What is done wrong, one line.
    pub mistake: &'static str,
    /// For who looks for it: where to look, and not what is wrong.
    pub hint: &'static str,
    /// What the manual says, with its reference.
    pub rule: &'static str,
    /// Where the line is, from the workspace's root.
    pub file: &'static str,
    /// The case that is about it, and finds it, where one can.
    pub case: Option<&'static str>,
    /// Why no guest can see it, where that is so.
    pub unseen: Option<&'static str>,
}

macro_rules! bugs {
    ($($area:literal { $($bug:ident $name:literal $file:literal {
        mistake: $mistake:literal,
        hint: $hint:literal,
        rule: $rule:literal $(,
        case: $case:literal)? $(,
        unseen: $unseen:literal)? $(,)?
    })+ })+) => {
        /// A seeded bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Bug {
            $($(#[doc = $mistake] $bug,)+)+
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$($(Self::$bug,)+)+];

            /// What is said of it.
            pub const fn row(self) -> &'static Row {
                match self {
                    $($(Self::$bug => &Row {
                        name: $name,
                        area: $area,
                        mistake: $mistake,
                        hint: $hint,
                        rule: $rule,
                        file: $file,
                        case: bugs!(@text $($case)?),
                        unseen: bugs!(@text $($unseen)?),
                    },)+)+
                }
            }
        }
    };
    (@text) => { None };
    (@text $text:literal) => { Some($text) };
}

bugs! {
    "exceptions" {
        FarNotSet "far-not-set" "host/cpu/src/exception.rs" {
            mistake: "FAR_EL1 keeps its old value when an abort is taken",
            hint: "A handler of a data abort asks two registers: what happened, and where.",
            rule: "FAR_EL1 holds the faulting VA of an Instruction Abort, Data Abort, PC \
                   alignment fault or Watchpoint taken to EL1 (DDI 0487, FAR_EL1)",
            case: "cache.faults",
        }
        BrkReturnsPast "brk-returns-past" "host/cpu/src/interp/system.rs" {
            mistake: "ELR_EL1 of a BRK is the instruction behind it, as if it were an SVC",
            hint: "Some exceptions return to the instruction that caused them, others to the one \
                   behind it.",
            rule: "The preferred return address of a Breakpoint instruction exception is the \
                   address of the BRK itself (DDI 0487 D1.3, preferred exception return address)",
            case: "exception.brk",
        }
        VectorOfSp0 "vector-of-sp-0" "host/cpu/src/exception.rs" {
            mistake: "An exception from EL1 with SP_EL0 is taken to the vectors of SP_EL1",
            hint: "The vector table has four parts of four entries. Which part serves a kernel \
                   that runs on SP_EL0?",
            rule: "From the current level with SP_EL0 the offsets are 0x000 to 0x180, with SP_ELx \
                   0x200 to 0x380 (DDI 0487 D1.3, exception vectors)",
            case: "exception.sp_alignment_el1",
        }
        PanNotSetOnEntry "pan-not-set-on-entry" "host/cpu/src/exception.rs" {
            mistake: "PSTATE.PAN is not set by an exception although SCTLR_EL1.SPAN is 0",
            hint: "Compare PSTATE before and behind the vector, field by field, with what \
                   SCTLR_EL1 asks for.",
            rule: "With SCTLR_EL1.SPAN = 0 PSTATE.PAN is set to 1 on taking an exception to EL1 \
                   (DDI 0487, SCTLR_EL1.SPAN)",
            case: "mmu.span",
        }
        FiqOpenOnEntry "fiq-open-on-entry" "host/cpu/src/exception.rs" {
            mistake: "Taking an exception leaves FIQ unmasked",
            hint: "A handler starts with a PSTATE that hardware makes. Which of its masks are \
                   set?",
            rule: "PSTATE.{D, A, I, F} are all set to 1 on taking an exception to AArch64 (DDI \
                   0487, AArch64.TakeException)",
            case: "exception.entry_masks",
        }
        UaoKeptOnEntry "uao-kept-on-entry" "host/cpu/src/exception.rs" {
            mistake: "PSTATE.UAO stays set when an exception is taken",
            hint: "Compare PSTATE before and behind the vector, field by field.",
            rule: "PSTATE.UAO is set to 0 on taking an exception to AArch64 (DDI 0487, \
                   AArch64.TakeException)",
            case: "exception.uao",
        }
        IllegalReturnUnmarked "illegal-return-unmarked" "host/cpu/src/exception.rs" {
            mistake: "ERET to a state that does not exist stays at its level and forgets \
                      PSTATE.IL",
            hint: "Something must tell the guest that its ERET did not go where SPSR_EL1 said.",
            rule: "An illegal exception return sets PSTATE.IL to 1, and the next instruction \
                   raises an Illegal Execution state exception (DDI 0487 D1.3, illegal exception \
                   returns)",
            case: "exception.illegal_return",
        }
        ExclusiveKept "exclusive-kept" "host/cpu/src/exception.rs" {
            mistake: "The local exclusive monitor is not cleared by an exception return",
            hint: "Two threads on one CPU share an exclusive monitor. What lies between one's \
                   load and the other's store?",
            rule: "ERET clears the local exclusive monitor (DDI 0487 B2.12; \
                   AArch64.ExceptionReturn: ClearExclusiveLocal)",
            case: "memory.exclusives",
        }
        EventLostOnReturn "event-lost-on-return" "host/cpu/src/exception.rs" {
            mistake: "An exception return clears the event register instead of setting it",
            hint: "WFE looks at one bit before it sleeps. Who sets that bit besides SEV?",
            rule: "An exception return sets the event register of the PE (DDI 0487 D1.6.1; \
                   AArch64.ExceptionReturn: SendEventLocal)",
            case: "exception.el0_wfe",
        }
    }
    "syndrome" {
        IssSizeWrong "iss-size-wrong" "host/cpu/src/interp/memory.rs" {
            mistake: "The syndrome of a stage-2 data abort calls a doubleword a word",
            hint: "A monitor emulates an access from the syndrome alone. What does it read there, and \
                   what did the guest write?",
            rule: "ISS.SAS is the size of the access: 0b00 a byte to 0b11 a doubleword (DDI 0487, \
                   ESR_ELx, ISS encoding for Data Aborts)",
            case: "stage2.matrix_16k",
        }
        IssSignLost "iss-sign-lost" "host/cpu/src/interp/memory.rs" {
            mistake: "The syndrome of a stage-2 data abort never asks for sign extension",
            hint: "LDRSB and LDRB are told apart by one bit of the syndrome.",
            rule: "ISS.SSE = 1 says that the loaded value is to be sign-extended (DDI 0487, \
                   ESR_ELx, ISS encoding for Data Aborts)",
            case: "stage2.matrix_16k",
        }
        S1ptwMissing "s-1ptw-missing" "host/cpu/src/interp/memory.rs" {
            mistake: "A stage-2 fault on a stage-1 table walk is reported as one of the access \
                      itself",
            hint: "The IPA of the exit is not where the guest wanted to read. What else lies on \
                   the way to a page?",
            rule: "ISS.S1PTW = 1 for a stage-2 fault on an access made for a stage-1 translation \
                   table walk (DDI 0487, ESR_ELx, ISS encoding for Data Aborts)",
            case: "stage2.walk",
        }
        AtomicAbortsAsWrite "atomic-aborts-as-write" "host/cpu/src/interp/atomic.rs" {
            mistake: "An atomic that could not even read is reported as a failed write",
            hint: "An atomic operation reads and writes. Which of the two does the syndrome \
                   blame, and when?",
            rule: "WnR is 0 for an atomic if a read of the address would also have faulted (DDI \
                   0487, ESR_ELx.WnR)",
            case: "stage2.matrix_16k",
        }
        CmMissing "cm-missing" "host/cpu/src/interp/maintenance.rs" {
            mistake: "A fault of a cache maintenance instruction looks like one of a store",
            hint: "A store that stores nothing is told from a real one by one bit of the \
                   syndrome.",
            rule: "ISS.CM = 1 for a fault from a cache maintenance or address translation \
                   instruction (DDI 0487, ESR_ELx, ISS encoding for Data Aborts)",
            case: "cache.faults",
        }
        TrapRtLost "trap-rt-lost" "host/cpu/src/sysreg/mod.rs" {
            mistake: "The syndrome of a trapped MSR or MRS always names X0",
            hint: "Who emulates an MRS writes the result into a register. Into which?",
            rule: "ISS.Rt is the number of the general-purpose register of a trapped MSR, MRS or \
                   System instruction (DDI 0487, ESR_ELx, EC 0x18)",
            case: "exception.el0_counter",
        }
        PermissionLevelThree "permission-level-three" "host/cpu/src/mmu/mod.rs" {
            mistake: "A permission fault always names level 3, for a block as for a page",
            hint: "A fault says at which level of the tables it was found. Who made a mapping \
                   that is not at the last one?",
            rule: "DFSC 0b0011LL is a Permission fault at level LL, that of the Block or Page \
                   descriptor (DDI 0487, ESR_ELx.DFSC)",
            case: "exception.data_permission",
        }
        AccessFlagAsTranslation "access-flag-as-translation" "host/cpu/src/mmu/walk.rs" {
            mistake: "An access flag fault is reported as a translation fault",
            hint: "A kernel ages its pages by one kind of fault, and fills them in by another.",
            rule: "DFSC 0b0010LL is an Access flag fault, 0b0001LL a Translation fault (DDI 0487, \
                   ESR_ELx.DFSC)",
            case: "exception.access_flag",
        }
        HvcImmediateLost "hvc-immediate-lost" "host/cpu/src/interp/system.rs" {
            mistake: "The syndrome of an HVC has 0 where its immediate should be",
            hint: "HVC carries sixteen bits of its own.",
            rule: "ISS[15:0] of EC 0x16 is the immediate of the HVC (DDI 0487, ESR_ELx, ISS \
                   encoding for HVC)",
            unseen: "The syndrome of an HVC goes to the monitor alone, whose calls are SMCCC's: it \
                     has to ignore the immediate, and nothing comes back to the guest.",
        }
    }
    "permissions" {
        ApBitsSwapped "ap-bits-swapped" "host/cpu/src/mmu/walk.rs" {
            mistake: "AP[2] and AP[1] of a page are swapped: what is read-only is EL0's, and the \
                      other way round",
            hint: "Make a table of AP[2:1] against what EL0 and EL1 may do, and compare one row \
                   after the other.",
            rule: "AP[2] = 1 is read-only, AP[1] = 1 lets EL0 in (DDI 0487 D8.4, stage 1 data \
                   access permissions)",
            case: "bti.landing_pads",
        }
        ApTableIgnored "ap-table-ignored" "host/cpu/src/mmu/walk.rs" {
            mistake: "APTable[1] of the tables above a page does not make it read-only",
            hint: "A page's rights are written in more than one descriptor.",
            rule: "APTable[1] = 1 removes write access from all that a table leads to, whatever \
                   AP says (DDI 0487 D8.4, hierarchical permissions)",
            case: "mmu.hierarchy",
        }
        XnTableIgnored "xn-table-ignored" "host/cpu/src/mmu/walk.rs" {
            mistake: "UXNTable and PXNTable do not count",
            hint: "A page's rights are written in more than one descriptor.",
            rule: "UXNTable = 1 and PXNTable = 1 make all that a table leads to non-executable \
                   (DDI 0487 D8.4, hierarchical permissions)",
            case: "mmu.hierarchy",
        }
        WxnIgnored "wxn-ignored" "host/cpu/src/mmu/walk.rs" {
            mistake: "SCTLR_EL1.WXN does not make writable pages non-executable",
            hint: "Rights do not come from the tables alone: there is a control register with a \
                   say in it.",
            rule: "With SCTLR_EL1.WXN = 1 what is writable is execute-never (DDI 0487, \
                   SCTLR_EL1.WXN)",
            case: "mmu.wxn",
        }
        PanIgnored "pan-ignored" "host/cpu/src/mmu/regime.rs" {
            mistake: "PSTATE.PAN does not keep EL1 from user pages",
            hint: "A kernel shuts itself out of its users' memory, and expects to be shut out.",
            rule: "With PSTATE.PAN = 1 a privileged data access to memory that EL0 may access is \
                   a Permission fault (DDI 0487 D8.4, FEAT_PAN)",
            case: "mmu.pan",
        }
        LdtrPrivileged "ldtr-privileged" "host/cpu/src/interp/memory.rs" {
            mistake: "LDTR and STTR at EL1 are checked as EL1's own accesses",
            hint: "There are loads that a kernel makes in somebody else's name.",
            rule: "LDTR and STTR at EL1 are checked against EL0's permissions, unless PSTATE.UAO \
                   is 1 (DDI 0487 C3.2, unprivileged loads and stores)",
            case: "mmu.pan",
        }
        AccessFlagNotWritten "access-flag-not-written" "host/cpu/src/mmu/walk.rs" {
            mistake: "With TCR_EL1.HA set an access does not set the access flag in memory",
            hint: "Look at the descriptor after the access, not only at the access.",
            rule: "With TCR_EL1.HA = 1 hardware sets AF in the descriptor of a page that is \
                   accessed (DDI 0487 D8.5, hardware updates of the access flag)",
            case: "mmu.hw_access_flag",
        }
        DirtyStateMissed "dirty-state-missed" "host/cpu/src/mmu/mod.rs" {
            mistake: "A page that was read first is written later without being marked as dirty",
            hint: "The order of the first two accesses to a page makes the difference.",
            rule: "With TCR_EL1.HD = 1 and DBM = 1 the first write clears AP[2] in the descriptor \
                   (DDI 0487 D8.5, hardware management of dirty state)",
            case: "mmu.hw_dirty",
        }
        A1Ignored "a-1-ignored" "host/cpu/src/mmu/regime.rs" {
            mistake: "A write of TTBR1_EL1 with TCR_EL1.A1 set does not change the ASID",
            hint: "Two registers have an ASID field. Which one counts is a third register's \
                   business.",
            rule: "TCR_EL1.A1 chooses whether TTBR0_EL1 or TTBR1_EL1 defines the ASID (DDI 0487, \
                   TCR_EL1.A1)",
            case: "mmu.asid",
        }
    }
    "translation" {
        EpdIgnored "epd-ignored" "host/cpu/src/mmu/walk.rs" {
            mistake: "TCR_EL1.EPD0 and EPD1 do not stop walks",
            hint: "A kernel that has no user space yet switches half of the address space off.",
            rule: "With TCR_EL1.EPDn = 1 a TLB miss of that half is a Translation fault at level \
                   0, and no walk is made (DDI 0487, TCR_EL1.EPD0)",
            case: "exception.walks_disabled",
        }
        HpdIgnored "hpd-ignored" "host/cpu/src/mmu/walk.rs" {
            mistake: "TCR_EL1.HPD0 and HPD1 do not disable hierarchical permissions",
            hint: "The tables above a page have a say in its rights, until they are told to be \
                   silent.",
            rule: "With TCR_EL1.HPDn = 1 APTable, UXNTable and PXNTable are ignored (DDI 0487, \
                   TCR_EL1.HPD0; FEAT_HPDS)",
            case: "mmu.hpd",
        }
        HoleTranslated "hole-translated" "host/cpu/src/mmu/regime.rs" {
            mistake: "An address between the two halves is translated as if its upper bits did \
                      not count",
            hint: "TnSZ says how much of the address space a half has. What is beyond it?",
            rule: "An address whose bits above the TnSZ region are not all copies of bit 55 is a \
                   Translation fault at level 0 (DDI 0487 D8.2)",
            case: "exception.between_regions",
        }
        Tg1LikeTg0 "tg-1-like-tg-0" "host/cpu/src/mmu/regime.rs" {
            mistake: "TCR_EL1.TG1 = 01 is taken for 64 KiB, which is what TG0 = 01 means",
            hint: "Both halves choose a granule. Is it written in the same way?",
            rule: "TG0: 00 4 KiB, 01 64 KiB, 10 16 KiB; TG1: 01 16 KiB, 10 4 KiB, 11 64 KiB (DDI \
                   0487, TCR_EL1)",
            case: "mmu.blocks",
        }
        BlockOfLevelOne "block-of-level-one" "host/cpu/src/mmu/walk.rs" {
            mistake: "A block at level 1 is taken for one of level 2's size",
            hint: "A leaf can stand at several levels, and is as large as its level says.",
            rule: "With the 4 KiB granule a Block descriptor at level 1 maps 1 GiB, at level 2 2 \
                   MiB (DDI 0487 D8.3)",
            case: "mmu.blocks",
        }
        AddressSizeUnchecked "address-size-unchecked" "host/cpu/src/mmu/walk.rs" {
            mistake: "An output address beyond TCR_EL1.IPS is not an address size fault",
            hint: "A descriptor can hold an address that the machine was told it does not have.",
            rule: "An output address of a Block or Page descriptor with a bit set above the size \
                   in IPS is an Address size fault at that level (DDI 0487 D8.2, TCR_EL1.IPS)",
            case: "exception.address_size",
        }
        AsidIgnored "asid-ignored" "host/cpu/src/mmu/walk.rs" {
            mistake: "A page with nG = 1 is kept for every ASID",
            hint: "Two processes use one address for two pages. What keeps them apart?",
            rule: "With nG = 1 an entry of a TLB is used for the ASID only with which it was made \
                   (DDI 0487 D8.13)",
            case: "mmu.asid",
        }
        AsidEightBits "asid-eight-bits" "host/cpu/src/mmu/regime.rs" {
            mistake: "The upper byte of an ASID does not count although TCR_EL1.AS is 1",
            hint: "Two processes whose numbers differ by 256 see each other's memory.",
            rule: "With TCR_EL1.AS = 1 the ASID has 16 bits, if ID_AA64MMFR0_EL1.ASIDBits says so \
                   (DDI 0487, TCR_EL1.AS)",
            case: "mmu.asid_wide",
        }
        SecondPageUnchecked "second-page-unchecked" "host/cpu/src/interp/memory.rs" {
            mistake: "An unaligned access over a page's end needs the right to the first page only",
            hint: "Two pages that are neighbours need not have the same rights.",
            rule: "Each byte of an unaligned access is translated and checked for itself (DDI 0487 \
                   B2.5, unaligned data access)",
            case: "mmu.crossing_rights",
        }
        AlignmentUnchecked "alignment-unchecked" "host/cpu/src/mmu/regime.rs" {
            mistake: "SCTLR_EL1.A does not make unaligned accesses fault",
            hint: "Whether an unaligned access is allowed depends on where it goes and on one \
                   control bit.",
            rule: "With SCTLR_EL1.A = 1 a load or store that is not aligned to its element is an \
                   Alignment fault (DDI 0487, SCTLR_EL1.A)",
            case: "mmu.alignment_check",
        }
        DeviceUnalignedWorks "device-unaligned-works" "host/cpu/src/mmu/mod.rs" {
            mistake: "An unaligned access to Device memory is done as if it were Normal",
            hint: "Whether an unaligned access is allowed depends on the memory that it goes to.",
            rule: "An unaligned access to any type of Device memory is an Alignment fault (DDI \
                   0487 B2.8)",
            case: "memory.dc_zva_device",
        }
        SpUnaligned "sp-unaligned" "host/cpu/src/mmu/regime.rs" {
            mistake: "A load through an SP that is not a multiple of 16 is done",
            hint: "One register may not hold just any address when memory is accessed through it.",
            rule: "With SCTLR_EL1.SA or SA0 = 1 an access through an SP that is not 16-byte \
                   aligned is an SP alignment fault, EC 0x26 (DDI 0487 D1.8)",
            case: "exception.sp_alignment_el0",
        }
    }
    "TLB" {
        TlbiNotBroadcast "tlbi-not-broadcast" "host/cpu/src/interp/maintenance.rs" {
            mistake: "TLBI for the Inner Shareable domain drops entries of its own vCPU only",
            hint: "It works on one CPU: what does the other one still believe?",
            rule: "TLBI ...IS applies to all PEs in the same Inner Shareable domain (DDI 0487 \
                   D8.14, C5.5)",
            case: "smp.tlbi_asid",
        }
        TlbiKeepsPieces "tlbi-keeps-pieces" "host/cpu/src/mmu/tlb.rs" {
            mistake: "TLBI by an address in a block drops 4 KiB of it and keeps the rest",
            hint: "A translation is larger than what a TLB keeps it as.",
            rule: "TLBI by VA drops every entry that would be used to translate that VA: one made \
                   from a Block descriptor as a whole (DDI 0487 D8.14)",
            case: "mmu.tlbi_block",
        }
        TlbiAsidKept "tlbi-asid-kept" "host/cpu/src/mmu/tlb.rs" {
            mistake: "TLBI ASIDE1 drops no translation",
            hint: "There are several ways to name what is to be dropped. One of them names \
                   nothing.",
            rule: "TLBI ASIDE1 invalidates the entries of the ASID in its operand that are not \
                   global (DDI 0487 C5.5)",
            case: "mmu.tlbi_forms",
        }
        TlbiRangeShort "tlbi-range-short" "host/cpu/src/mmu/invalidate.rs" {
            mistake: "A TLBI of a range drops a unit too few: NUM is taken for the count",
            hint: "The length of a range is written in a form that cannot say zero.",
            rule: "A range has (NUM + 1) * 2^(5 * SCALE + 1) granules (DDI 0487 C5.5, TLBI RVAE1; \
                   FEAT_TLBIRANGE)",
            case: "mmu.tlbi_range",
        }
        TlbiKeepsTables "tlbi-keeps-tables" "host/cpu/src/mmu/tlb.rs" {
            mistake: "TLBI VAE1 drops the page and keeps what is cached of the tables above it",
            hint: "A TLB may remember more of a walk than its end.",
            rule: "TLBI VAE1 invalidates cached copies of entries of any level; VALE1, those of \
                   the last level only (DDI 0487 C5.5, D8.13)",
            case: "mmu.rebuilt",
        }
        IcNotBroadcast "ic-not-broadcast" "host/cpu/src/interp/maintenance.rs" {
            mistake: "IC IVAU does not reach the instruction caches of other vCPUs",
            hint: "It works on one CPU: which code does the other one still run?",
            rule: "IC IVAU applies to all PEs in the Inner Shareable domain of the PE that \
                   executes it (DDI 0487 D7.5, C5.3)",
            case: "smp.ic_broadcast",
        }
    }
    "address translation instructions" {
        AtIgnoresPan "at-ignores-pan" "host/cpu/src/interp/translate.rs" {
            mistake: "AT S1E1RP and S1E1WP do not look at PSTATE.PAN",
            hint: "There are AT instructions that differ in one letter only.",
            rule: "AT S1E1RP translates as a read by EL1 that PSTATE.PAN applies to; S1E1R \
                   ignores PAN (DDI 0487 C5.4; FEAT_PAN2)",
            case: "mmu.at_pan",
        }
        AtEl0AsEl1 "at-el-0-as-el-1" "host/cpu/src/interp/translate.rs" {
            mistake: "AT S1E0R and S1E0W check the permissions of EL1",
            hint: "An AT asks a question in somebody's name.",
            rule: "AT S1E0R translates with the permissions of a read from EL0 (DDI 0487 C5.4)",
            case: "mmu.address_translate",
        }
        ParAttributesLost "par-attributes-lost" "host/cpu/src/interp/translate.rs" {
            mistake: "PAR_EL1 says Device-nGnRnE for every page",
            hint: "PAR_EL1 holds an address, and more than that.",
            rule: "PAR_EL1.ATTR holds the memory attributes of the translation, in the form of \
                   MAIR_EL1.Attr<n> (DDI 0487, PAR_EL1)",
            case: "mmu.at_success",
        }
    }
    "stage 2" {
        DirtyPageMissed "dirty-page-missed" "host/vm/src/memory.rs" {
            mistake: "A page that is write-protected to see it become dirty stays writable: the \
                      write is let through",
            hint: "A migration copies a page, and watches for those that change after it.",
            rule: "hv_vm_protect sets the permissions of a range: without HV_MEMORY_WRITE a write \
                   exits (Hypervisor.framework, hv_vm_protect; DDI 0487 D8.4, stage 2 data access \
                   permissions)",
            case: "stage2.descriptor_update",
        }
        Stage2FetchUnchecked "stage-2-fetch-unchecked" "host/cpu/src/mmu/mod.rs" {
            mistake: "Code runs from pages that stage 2 does not let be executed",
            hint: "There are three permissions at stage 2, and three kinds of access.",
            rule: "An instruction fetch from memory whose stage-2 XN forbids it is a stage 2 \
                   Permission fault (DDI 0487 D8.4, stage 2 instruction execution permissions)",
            case: "stage2.matrix_16k",
        }
        UpdateIgnoresStage2 "update-ignores-stage-2" "host/cpu/src/mmu/walk.rs" {
            mistake: "Hardware updates of a descriptor write to a page that stage 2 has read-only",
            hint: "Not every write is made by a store.",
            rule: "An update of a stage-1 descriptor by hardware needs write permission at stage \
                   2, else it is a stage 2 Permission fault with S1PTW and WnR set (DDI 0487 \
                   D8.5)",
            case: "stage2.descriptor_update",
        }
        WalkIgnoresStage2 "walk-ignores-stage-2" "host/cpu/src/mmu/walk.rs" {
            mistake: "A table walk reads tables that stage 2 does not let be read",
            hint: "Not every read is made by a load.",
            rule: "A stage-1 walk accesses memory by IPA: stage 2 permissions apply to it (DDI \
                   0487 D8.1; AArch64.S1Walk)",
            case: "stage2.walk_denied",
        }
        ExitFarOfPage "exit-far-of-page" "host/cpu/src/interp/memory.rs" {
            mistake: "The exit's virtual address is that of the page, without the offset in it",
            hint: "An exit has two addresses. Compare both with those of the access.",
            rule: "FAR_EL2 holds the virtual address that faulted, all of its bits; only the IPA in \
                   HPFAR_EL2 is one of a page (DDI 0487, FAR_EL2, HPFAR_EL2)",
            case: "stage2.crossing",
        }
    }
    "MMIO" {
        MmioDecodeSignLost "mmio-decode-sign-lost" "host/monitor/src/mmio_decode.rs" {
            mistake: "A sign-extending load with writeback from a device loads zero-extended",
            hint: "Some accesses the syndrome describes, others have to be decoded.",
            rule: "LDRSB, LDRSH and LDRSW (immediate) sign-extend what they load (DDI 0487 C6.2)",
            case: "stage2.mmio_writeback",
        }
        MmioWritebackLost "mmio-writeback-lost" "host/monitor/src/trap/mmio.rs" {
            mistake: "A load or store with writeback to a device does not change its base \
                      register",
            hint: "An instruction may do two things. Are both done?",
            rule: "A pre-indexed or post-indexed access writes the address back to the base \
                   register (DDI 0487 C1.3, addressing modes)",
            case: "stage2.mmio_writeback",
        }
        MmioPairReversed "mmio-pair-reversed" "host/monitor/src/mmio_decode.rs" {
            mistake: "A pair from or to a device has its two registers in the wrong order",
            hint: "LDP and STP move two registers. Which of them is at the lower address?",
            rule: "Rt is at the address, Rt2 behind it (DDI 0487 C6.2, LDP)",
            case: "stage2.mmio_pair",
        }
        MmioPostAsPre "mmio-post-as-pre" "host/monitor/src/mmio_decode.rs" {
            mistake: "A post-indexed access to a device adds the offset before the access",
            hint: "Writeback comes in two orders.",
            rule: "Post-indexed: the address is the base, and the offset is added to it after the \
                   access (DDI 0487 C1.3, addressing modes)",
            case: "stage2.mmio_writeback",
        }
        MmioXzrIsSp "mmio-xzr-is-sp" "host/monitor/src/trap/mmio.rs" {
            mistake: "A store of XZR to a device stores the stack pointer",
            hint: "Register 31 is two registers.",
            rule: "SRT = 31 is the zero register: a load or store transfers XZR, never SP (DDI \
                   0487 C1.2.5; ESR_ELx.ISS.SRT)",
            case: "gic.all_spis",
        }
        MmioUpperHalfKept "mmio-upper-half-kept" "host/monitor/src/trap/mmio.rs" {
            mistake: "A load from a device changes the lower half of the register only",
            hint: "Compare the whole register with what the device gave.",
            rule: "A write of a W register sets bits 63:32 of the X register to zero (DDI 0487 \
                   C1.2.5)",
            case: "stage2.mmio_load",
        }
    }
    "hypercalls" {
        HvcNotAdvanced "hvc-not-advanced" "host/cpu/src/interp/system.rs" {
            mistake: "After an HVC the PC is still at the HVC",
            hint: "Where does the guest go on after the call?",
            rule: "The preferred return address of an HVC is the instruction behind it (DDI 0487 \
                   D1.3, preferred exception return address)",
            case: "bti.landing_pads",
        }
        SmcAdvanced "smc-advanced" "host/cpu/src/interp/system.rs" {
            mistake: "A trapped SMC leaves with the PC behind it, so that the monitor skips the \
                      next instruction",
            hint: "HVC and SMC differ in who they are for, and in one thing more.",
            rule: "An SMC that HCR_EL2.TSC traps has not been executed: ELR_EL2 is its own \
                   address (DDI 0487, HCR_EL2.TSC)",
            case: "smccc.conduits",
        }
        HypercallClobbers "hypercall-clobbers" "host/monitor/src/trap/hypercall.rs" {
            mistake: "A hypercall leaves its working values in X4",
            hint: "Compare all registers before and after the call.",
            rule: "X4 to X17 keep their values over a call that does not return results there \
                   (DEN 0028, SMCCC 1.1, register use)",
            case: "hypercall.unknown",
        }
        SmcccErrorIsWord "smccc-error-is-word" "host/monitor/src/trap/hypercall.rs" {
            mistake: "An error is returned in W0 with the upper half of X0 zero",
            hint: "Minus one has as many bits as the register that it stands in.",
            rule: "NOT_SUPPORTED is -1, sign-extended to the size of the return register: 64 bits \
                   for an SMC64 or HVC64 call (DEN 0028, return codes)",
            case: "hypercall.psci_cpu",
        }
        FunctionIdWide "function-id-wide" "host/monitor/src/trap/hypercall.rs" {
            mistake: "A call whose X0 has something in its upper half is an unknown one",
            hint: "The identifier stands in a register that is wider than it.",
            rule: "The Function Identifier is W0: bits 63:32 of X0 are ignored (DEN 0028, SMCCC, \
                   function identifiers)",
            case: "smccc.function_is_w0",
        }
    }
    "PSCI" {
        PsciWrongCode "psci-wrong-code" "host/monitor/src/processors.rs" {
            mistake: "CPU_ON of a vCPU that is on returns INVALID_PARAMETERS",
            hint: "There are nine error codes, and each means something else.",
            rule: "CPU_ON of a core that is on returns ALREADY_ON, -4 (DEN 0022, CPU_ON, return \
                   codes)",
            case: "hypercall.psci_cpu",
        }
        Psci32TakesUpper "psci-3-2-takes-upper" "host/monitor/src/trap/psci.rs" {
            mistake: "A 32-bit PSCI call takes its arguments from whole X registers",
            hint: "A function exists in two widths. What is different besides its number?",
            rule: "An SMC32 or HVC32 call has its parameters in W1 to W7 (DEN 0028, SMC32/HVC32 \
                   argument passing)",
            case: "smccc.arguments_are_w",
        }
        SuspendStateUnchecked "suspend-state-unchecked" "host/monitor/src/trap/psci.rs" {
            mistake: "CPU_SUSPEND accepts a power_state with reserved bits set",
            hint: "A call that gets nonsense has to say so.",
            rule: "CPU_SUSPEND returns INVALID_PARAMETERS for a power_state that is not valid; \
                   reserved bits must be zero (DEN 0022, CPU_SUSPEND)",
            case: "psci.suspend_refused",
        }
        FeaturesOfMigrate "features-of-migrate" "host/monitor/src/trap/psci.rs" {
            mistake: "PSCI_FEATURES claims every function in PSCI's range",
            hint: "Ask for what there is, then call it.",
            rule: "PSCI_FEATURES returns NOT_SUPPORTED for a function that is not implemented \
                   (DEN 0022, PSCI_FEATURES)",
            case: "psci.migrate",
        }
        AffinityLevelAccepted "affinity-level-accepted" "host/monitor/src/trap/psci.rs" {
            mistake: "AFFINITY_INFO answers for any lowest affinity level as for level 0",
            hint: "A call that gets nonsense has to say so.",
            rule: "AFFINITY_INFO returns INVALID_PARAMETERS for a lowest_affinity_level that is \
                   not supported: above 0 it need not be from PSCI 1.0 on, above 3 there is none \
                   (DEN 0022, AFFINITY_INFO)",
            case: "hypercall.psci_cpu",
        }
        EntryUnchecked "entry-unchecked" "host/monitor/src/processors.rs" {
            mistake: "CPU_ON starts a vCPU at an address where there is no memory",
            hint: "A call that gets nonsense has to say so.",
            rule: "CPU_ON returns INVALID_ADDRESS if the entry point is known to be invalid (DEN \
                   0022, CPU_ON, return codes)",
            case: "psci.bad_entry",
        }
        CpuOnContextLost "cpu-on-context-lost" "host/monitor/src/trap/psci.rs" {
            mistake: "A vCPU that CPU_ON starts finds 0 in X0 instead of its context",
            hint: "CPU_ON has three arguments, and two of them decide who starts and where.",
            rule: "X0 of the core that is switched on holds the context_id of the call (DEN 0022, \
                   CPU_ON; initial core configuration)",
            case: "event.interrupt",
        }
        CpuOnStateKept "cpu-on-state-kept" "host/monitor/src/cpu.rs" {
            mistake: "A vCPU that was off starts with the system registers that it had before",
            hint: "The first CPU_ON of a vCPU is not the interesting one.",
            rule: "A core that is switched on starts with the MMU and caches off, as after reset \
                   (DEN 0022, initial core configuration)",
            case: "psci.initial_state",
        }
        CpuOnInterruptsOpen "cpu-on-interrupts-open" "host/monitor/src/cpu.rs" {
            mistake: "A vCPU that CPU_ON starts has IRQ unmasked",
            hint: "A CPU starts before its vectors are there.",
            rule: "PSTATE.{D, A, I, F} are set at the entry of a core that is switched on (DEN \
                   0022, initial core configuration)",
            case: "psci.context",
        }
    }
    "virtual interrupts" {
        PendingInterruptKept "pending-interrupt-kept" "host/cpu/src/software.rs" {
            mistake: "A pending IRQ stays pending over an exit, after its source is silent",
            hint: "An interrupt line has a level, and somebody who last said what it is.",
            rule: "hv_vcpu_set_pending_interrupt holds for one run: the framework clears it when \
                   hv_vcpu_run returns (Hypervisor.framework, hv_vcpu_set_pending_interrupt)",
            case: "virq.fiq_nests",
        }
        PulseKept "pulse-kept" "host/monitor/src/lines.rs" {
            mistake: "A pulse on the IRQ line is presented at every entry from then on",
            hint: "One interrupt was sent. Count those that came.",
            rule: "A virtual interrupt that was delivered is no longer pending once its source is \
                   low (DDI 0487 D1.3.6, HCR_EL2.VI follows its source; our INJECT service: \
                   LEVEL_PULSE is one entry)",
            case: "virq.pulse",
        }
        FiqDeliveredAsIrq "fiq-delivered-as-irq" "host/cpu/src/software.rs" {
            mistake: "A pending FIQ is presented to the guest as an IRQ",
            hint: "There are two lines, two masks and two vectors.",
            rule: "A virtual FIQ is taken to the FIQ vector, masked by PSTATE.F (DDI 0487, \
                   HCR_EL2.VF; Hypervisor.framework, hv_interrupt_type_t)",
            case: "virq.fiq_masked",
        }
        FiqIgnoresMask "fiq-ignores-mask" "host/cpu/src/interp/mod.rs" {
            mistake: "A FIQ is taken although PSTATE.F masks it",
            hint: "There are two lines, two masks and two vectors.",
            rule: "PSTATE.F = 1 masks FIQ: it stays pending (DDI 0487 D1.3.6)",
            case: "gic_group.fiq",
        }
        UnmaskUnnoticed "unmask-unnoticed" "host/cpu/src/interp/system.rs" {
            mistake: "An interrupt that waited behind a mask is not looked for when the mask is \
                      taken away",
            hint: "What was pending before is pending still. When does somebody look?",
            rule: "A pending, unmasked interrupt is taken before the first instruction after a \
                   context synchronization event (DDI 0487 D1.3.6, prioritization and recognition \
                   of interrupts)",
            case: "virq.after_eret",
        }
        VtimerLineKept "vtimer-line-kept" "host/monitor/src/trap/vtimer.rs" {
            mistake: "The timer's interrupt line stays high after the guest has silenced the \
                      timer",
            hint: "A level interrupt ends where it began: at its source.",
            rule: "The timer's output is low when ENABLE is 0, IMASK is 1 or the condition is not \
                   met (DDI 0487 D12.2, CNTV_CTL_EL0)",
            case: "virq.vtimer_once",
        }
    }
    "timers" {
        VtimerMaskIgnored "vtimer-mask-ignored" "host/cpu/src/interp/mod.rs" {
            mistake: "The virtual timer's exit comes although it is masked",
            hint: "An exit tells of a level. What keeps it from telling again at once?",
            rule: "VTIMER_ACTIVATED masks the timer until hv_vcpu_set_vtimer_mask takes that back \
                   (Hypervisor.framework, hv_vcpu_set_vtimer_mask)",
            case: "virq.vtimer_once",
        }
        CntvoffSignWrong "cntvoff-sign-wrong" "host/cpu/src/sysreg/timer.rs" {
            mistake: "CNTVCT_EL0 is the physical count plus the offset",
            hint: "Without an offset all is well.",
            rule: "CNTVCT_EL0 = CNTPCT_EL0 - CNTVOFF_EL2 (DDI 0487 D12.2)",
            case: "timer.compare_wrap",
        }
        CntpctOffset "cntpct-offset" "host/cpu/src/sysreg/timer.rs" {
            mistake: "CNTPCT_EL0 shows the virtual count",
            hint: "There are two counters, and an offset between them.",
            rule: "CNTPCT_EL0 is the physical count: CNTVOFF_EL2 does not apply to it (DDI 0487 \
                   D12.2)",
            case: "timer.physical_stays",
        }
        TvalZeroExtended "tval-zero-extended" "host/timer/src/timer.rs" {
            mistake: "A write of TVAL is zero-extended: a negative one lies minutes ahead",
            hint: "TVAL counts down, and does not stop at zero.",
            rule: "A write of TVAL sets CVAL to the count plus SignExtend(TVAL[31:0]) (DDI 0487, \
                   CNTV_TVAL_EL0)",
            case: "timer.tval",
        }
        TimerComparesSigned "timer-compares-signed" "host/timer/src/timer.rs" {
            mistake: "The timer's condition is the sign of a difference: a CVAL near 2^64 has \
                      been met long ago",
            hint: "64 bits are enough for centuries. What if a guest uses all of them?",
            rule: "The condition is CNTVCT - CVAL >= 0 with both as unsigned values: CVAL = 2^64 \
                   - 1 is never met in practice (DDI 0487 D12.2, CNTV_CVAL_EL0)",
            case: "timer.compare_wrap",
        }
        TimerOneTickLate "timer-one-tick-late" "host/timer/src/timer.rs" {
            mistake: "The timer's condition is met one tick after CVAL, not at it",
            hint: "A comparison can be strict or not.",
            rule: "The condition is met when the count reaches CVAL: CNTVCT >= CVAL (DDI 0487 \
                   D12.2, CNTV_CVAL_EL0)",
            unseen: "A guest cannot hold the counter still: between its read of ISTATUS and its \
                     read of the count a tick may pass, and every tick makes both comparisons \
                     agree. It is 42 ns once in the life of a deadline.",
        }
        ImaskIgnored "imask-ignored" "host/timer/src/timer.rs" {
            mistake: "CNTV_CTL_EL0.IMASK does not hold the timer's interrupt back",
            hint: "A timer has two switches, and one of them is not the other's opposite.",
            rule: "With IMASK = 1 the timer's output signal is not asserted (DDI 0487, \
                   CNTV_CTL_EL0.IMASK)",
            case: "timer.imask_holds_back",
        }
        IstatusMasked "istatus-masked" "host/timer/src/timer.rs" {
            mistake: "ISTATUS reads 0 while the timer is masked",
            hint: "A masked timer still has something to say to who asks.",
            rule: "ISTATUS says whether the condition is met and takes no account of IMASK (DDI \
                   0487, CNTV_CTL_EL0.ISTATUS)",
            case: "timer.compare_wrap",
        }
        CvalIn32Bits "cval-in-3-2-bits" "host/timer/src/timer.rs" {
            mistake: "CVAL keeps the lower 32 bits of what is written",
            hint: "Read back what you wrote.",
            rule: "CNTV_CVAL_EL0.CompareValue has 64 bits (DDI 0487, CNTV_CVAL_EL0)",
            case: "gic_timer.each_cpu",
        }
        El0VtenWrongBit "el-0-vten-wrong-bit" "host/cpu/src/sysreg/traps.rs" {
            mistake: "The virtual timer is EL0's if the virtual counter is",
            hint: "CNTKCTL_EL1 gives four things away, each by a bit of its own.",
            rule: "CNTKCTL_EL1.EL0VTEN traps CNTV_CTL, CNTV_CVAL and CNTV_TVAL at EL0; EL0VCTEN, \
                   the counter (DDI 0487, CNTKCTL_EL1)",
            case: "exception.el0_timer",
        }
        EventStreamMissing "event-stream-missing" "host/timer/src/event_stream.rs" {
            mistake: "CNTKCTL_EL1.EVNTEN generates no events",
            hint: "WFE sleeps until an event. Who sends one when nobody is there?",
            rule: "With CNTKCTL_EL1.EVNTEN = 1 transitions of the counter bit EVNTI generate \
                   events (DDI 0487 D12.2, event streams)",
            case: "timer.event_stream",
        }
    }
    "GIC CPU interface" {
        PmrOffByOne "pmr-off-by-one" "host/gic/src/cpu_interface.rs" {
            mistake: "An interrupt of just the mask's priority gets through",
            hint: "A mask has an edge. Which side does it belong to?",
            rule: "Only interrupts with a higher priority (a lower value) than ICC_PMR_EL1 are \
                   signalled (IHI 0069, ICC_PMR_EL1)",
            case: "gic.priority_mask",
        }
        EoiDropsWrongPriority "eoi-drops-wrong-priority" "host/gic/src/cpu_interface.rs" {
            mistake: "EOI drops the lowest active priority, not the highest",
            hint: "With one interrupt at a time all is well.",
            rule: "A write of ICC_EOIR performs the priority drop of the highest active priority \
                   (IHI 0069, ICC_EOIR1_EL1, priority drop)",
            case: "gic_priority.deactivate_any_order",
        }
        BinaryPointIgnored "binary-point-ignored" "host/gic/src/cpu_interface.rs" {
            mistake: "The binary point does not keep interrupts of one group priority from \
                      preempting each other",
            hint: "A priority has two parts, and one register says where the border is.",
            rule: "Only the group priority field, as ICC_BPR<n>_EL1 splits it, decides about \
                   preemption (IHI 0069, ICC_BPR1_EL1)",
            case: "gic_priority.binary_point",
        }
        EoiModeIgnored "eoi-mode-ignored" "host/gic/src/cpu_interface.rs" {
            mistake: "EOI deactivates the interrupt although ICC_CTLR_EL1.EOImode is 1",
            hint: "An interrupt ends in two steps, together or apart.",
            rule: "With EOImode = 1 ICC_EOIR drops the priority only; ICC_DIR deactivates (IHI \
                   0069, ICC_CTLR_EL1.EOImode)",
            case: "gic_priority.deactivate_any_order",
        }
        CbprIgnored "cbpr-ignored" "host/gic/src/cpu_interface.rs" {
            mistake: "ICC_CTLR_EL1.CBPR does not make Group 1 use Group 0's binary point",
            hint: "There are two binary points, and a bit that makes them one.",
            rule: "With CBPR = 1 ICC_BPR0_EL1 splits the priorities of Group 1, too (IHI 0069, \
                   ICC_CTLR_EL1.CBPR)",
            case: "gic_priority.common_binary_point",
        }
        RprIsPmr "rpr-is-pmr" "host/gic/src/cpu_interface.rs" {
            mistake: "ICC_RPR_EL1 of an idle CPU interface shows the mask",
            hint: "A CPU that handles no interrupt has a running priority all the same.",
            rule: "ICC_RPR_EL1 is the highest active priority; 0xff if nothing is active (IHI \
                   0069, ICC_RPR_EL1)",
            case: "gic.acknowledge",
        }
        IarIgnoresGroup "iar-ignores-group" "host/gic/src/registers.rs" {
            mistake: "Either of the two acknowledge registers takes an interrupt of either group",
            hint: "There are two groups, and two registers to acknowledge by.",
            rule: "ICC_IAR0_EL1 returns 1023 if the highest pending interrupt is not of Group 0 \
                   (IHI 0069, ICC_IAR0_EL1)",
            case: "gic_group.fiq",
        }
        DirIgnored "dir-ignored" "host/gic/src/registers.rs" {
            mistake: "ICC_DIR_EL1 deactivates nothing",
            hint: "An interrupt ends in two steps, together or apart.",
            rule: "With EOImode = 1 a write of ICC_DIR_EL1 deactivates the interrupt (IHI 0069, \
                   ICC_DIR_EL1)",
            case: "gic_priority.deactivate_any_order",
        }
        SgiBroadcastHitsSelf "sgi-broadcast-hits-self" "host/gic/src/registers.rs" {
            mistake: "An SGI to all others reaches its sender, too",
            hint: "All but one is not all: who gets what a PE sends to the others?",
            rule: "ICC_SGI1R_EL1.IRM = 1: to all PEs in the system, excluding self (IHI 0069, \
                   ICC_SGI1R_EL1)",
            case: "gic_sgi.to_all_others",
        }
        SgiGroupUnchecked "sgi-group-unchecked" "host/gic/src/registers.rs" {
            mistake: "ICC_SGI0R_EL1 sends SGIs that the target has in Group 1",
            hint: "There are three registers to send by, and two groups to be sent.",
            rule: "ICC_SGI0R_EL1 generates Group 0 SGIs only: one that the target has configured \
                   as Group 1 is not sent (IHI 0069, use of control registers for SGI forwarding)",
            case: "gic_sgi.group0",
        }
    }
    "GIC distributor and redistributors" {
        LevelLatched "level-latched" "host/gic/src/bank.rs" {
            mistake: "A level-sensitive interrupt stays pending after its line has gone down",
            hint: "An interrupt was withdrawn before anybody took it.",
            rule: "A level-sensitive interrupt is pending while its line is asserted, unless \
                   ISPENDR made it so (IHI 0069, interrupt handling state machine)",
            case: "gic_spi.injected",
        }
        EdgeLostWhileActive "edge-lost-while-active" "host/gic/src/bank.rs" {
            mistake: "An SGI or message that comes while the same interrupt is active is lost",
            hint: "The handler is still at the first one when the second one comes.",
            rule: "An edge that arrives while the interrupt is active makes it active and pending \
                   (IHI 0069, interrupt handling state machine)",
            case: "gic_msi.write",
        }
        DisableDropsPending "disable-drops-pending" "host/gic/src/bank.rs" {
            mistake: "Disabling an interrupt takes its pending state away",
            hint: "A driver switches its interrupt off for a moment.",
            rule: "Disabling an interrupt stops it from being forwarded and does not change its \
                   pending state (IHI 0069, GICD_ICENABLER<n>)",
            case: "gic.disabled_states",
        }
        IcfgrLowerBit "icfgr-lower-bit" "host/gic/src/bank.rs" {
            mistake: "GICD_ICFGR takes edge or level from the lower of an interrupt's two bits",
            hint: "Two bits for each interrupt, and one of them is RES0.",
            rule: "Int_config[1], the upper bit of each field, is 1 for edge-triggered (IHI 0069, \
                   GICD_ICFGR<n>)",
            case: "gic.configuration",
        }
        SpiRoutedToFirst "spi-routed-to-first" "host/gic/src/forwarding.rs" {
            mistake: "Every SPI goes to the first PE, wherever GICD_IROUTER sends it",
            hint: "It works on one CPU: who gets a device's interrupts on two?",
            rule: "An SPI goes to the PE whose affinity GICD_IROUTER<n> holds (IHI 0069, \
                   GICD_IROUTER<n>)",
            case: "gic_spi.one_of_n_off",
        }
        WakerIgnored "waker-ignored" "host/gic/src/forwarding.rs" {
            mistake: "A PE whose GICR_WAKER.ProcessorSleep is set gets interrupts all the same",
            hint: "A redistributor starts asleep.",
            rule: "With GICR_WAKER.ProcessorSleep = 1 the redistributor forwards no interrupt to \
                   its PE (IHI 0069, GICR_WAKER)",
            case: "gic.asleep",
        }
        MsiRangeUnchecked "msi-range-unchecked" "host/gic/src/lib.rs" {
            mistake: "A message with an INTID that is not the frame's makes that SPI pending",
            hint: "A frame says which interrupts are its own.",
            rule: "A write of an INTID outside MSI_TYPER's range has no effect (GICv2m, Arm DEN \
                   0029, MSI_SETSPI_NS; IHI 0069 for the SPI)",
            case: "gic_msi.outside",
        }
    }
    "waiting" {
        WfiTrapIgnored "wfi-trap-ignored" "host/cpu/src/sysreg/traps.rs" {
            mistake: "WFI and WFE at EL0 wait although SCTLR_EL1.nTWI and nTWE are 0",
            hint: "A kernel does not let its users put the machine to sleep.",
            rule: "With SCTLR_EL1.nTWI = 0 a WFI at EL0 that would wait traps to EL1, EC 0x01 \
                   (DDI 0487, SCTLR_EL1.nTWI)",
            case: "exception.el0_wfe",
        }
        WfiHonoursMask "wfi-honours-mask" "host/cpu/src/state.rs" {
            mistake: "WFI sleeps on while the interrupt that should wake it is masked",
            hint: "A kernel sleeps with interrupts masked, so that it sees first who woke it.",
            rule: "A pending IRQ or FIQ is a WFI wake-up event whatever PSTATE.I and F are (DDI \
                   0487 D1.6.2)",
            case: "fp.each_exit",
        }
        SevLocal "sev-local" "host/cpu/src/interp/emit.rs" {
            mistake: "SEV sets the event register of its own vCPU only",
            hint: "It works on one CPU: who is still asleep on two?",
            rule: "SEV signals an event to all PEs in the multiprocessor system (DDI 0487 D1.6.1, \
                   C6.2 SEV)",
            case: "event.interrupt",
        }
    }
    "debug" {
        WatchpointFarOff "watchpoint-far-off" "host/cpu/src/debug.rs" {
            mistake: "FAR_EL1 of a watchpoint is the access's first byte, watched or not",
            hint: "A debugger asks which of its variables was touched.",
            rule: "FAR_EL1 holds an address in an aligned block, no larger than DC ZVA's, that \
                   holds a watched byte of the access (DDI 0487 D2.10, determining the memory \
                   location)",
            case: "debug.watchpoint_far",
        }
        WatchpointBasIgnored "watchpoint-bas-ignored" "host/cpu/src/debug.rs" {
            mistake: "A watchpoint watches its whole doubleword, whatever DBGWCR.BAS selects",
            hint: "A watchpoint is finer than the word it stands at.",
            rule: "DBGWCR<n>_EL1.BAS selects the bytes of the word or doubleword that are watched \
                   (DDI 0487 D2.10)",
            case: "debug.watchpoint_bytes",
        }
        BreakpointLevelIgnored "breakpoint-level-ignored" "host/cpu/src/debug.rs" {
            mistake: "Breakpoints and watchpoints match at EL0 and EL1, whatever PMC or PAC says",
            hint: "A debugger of one program does not want to stop the kernel.",
            rule: "DBGBCR<n>_EL1.{HMC, SSC, PMC} say at which Exception levels a breakpoint \
                   matches (DDI 0487 D2.9)",
            case: "debug.breakpoint_off",
        }
        KdeIgnored "kde-ignored" "host/cpu/src/debug.rs" {
            mistake: "Debug exceptions are taken at EL1 although MDSCR_EL1.KDE is 0",
            hint: "A kernel that debugs others is not always ready to be debugged.",
            rule: "With MDSCR_EL1.KDE = 0 breakpoint, watchpoint and step exceptions are disabled \
                   at EL1 (DDI 0487, MDSCR_EL1.KDE)",
            case: "debug.kernel",
        }
        StepIsvLost "step-isv-lost" "host/cpu/src/interp/debugging.rs" {
            mistake: "The syndrome of a step does not say that an instruction was stepped",
            hint: "A step can be over before it has begun.",
            rule: "ISS.ISV = 1 if the EX bit is valid: an instruction was stepped and not skipped \
                   by an exception (DDI 0487 D2.12, ESR_ELx for software step)",
            case: "debug.step",
        }
        LinkIgnored "link-ignored" "host/cpu/src/debug.rs" {
            mistake: "A breakpoint or watchpoint that is linked to a context matches in every \
                      context",
            hint: "Two comparators can work together: what if one does not match?",
            rule: "A linked address comparator matches only if the context breakpoint that LBN \
                   names matches, too (DDI 0487 D2.9)",
            case: "debug.linked",
        }
    }
    "performance monitors" {
        PmuFilterIgnored "pmu-filter-ignored" "host/cpu/src/pmu.rs" {
            mistake: "Counters count at every level, whatever PMEVTYPER.P and U say",
            hint: "Who is to be measured, the program or the kernel below it?",
            rule: "PMEVTYPER<n>_EL0.P = 1 excludes EL1, U = 1 excludes EL0 (DDI 0487, \
                   PMEVTYPER<n>_EL0)",
            case: "pmu.filters",
        }
        PmuChainLost "pmu-chain-lost" "host/cpu/src/pmu.rs" {
            mistake: "An odd counter with event CHAIN does not count the overflows below it",
            hint: "32 bits are few. Two counters make one of 64.",
            rule: "CHAIN counts once for each overflow of the even-numbered counter below (DDI \
                   0487 D13.11, event 0x001E)",
            case: "pmu.chain",
        }
        PmuUserUnchecked "pmu-user-unchecked" "host/cpu/src/sysreg/pmu.rs" {
            mistake: "EL0 may use the performance monitors whatever PMUSERENR_EL0 says",
            hint: "A counter tells one program about another.",
            rule: "With the enabling bits of PMUSERENR_EL0 clear an access from EL0 traps to EL1, \
                   EC 0x18 (DDI 0487, PMUSERENR_EL0)",
            case: "pmu.el0_access",
        }
    }
    "pointer authentication" {
        PacKeyBIsA "pac-key-b-is-a" "host/cpu/src/interp/pauth.rs" {
            mistake: "Key B of instruction addresses is key A",
            hint: "There are five keys: which one signed this pointer?",
            rule: "PACIB and AUTIB use APIBKey_EL1 (DDI 0487 C6.2, D8.8)",
            case: "pauth.forged",
        }
        PacEnableIgnored "pac-enable-ignored" "host/cpu/src/interp/pauth.rs" {
            mistake: "Pointers are signed although SCTLR_EL1 has the key switched off",
            hint: "Each key has a switch of its own in a control register.",
            rule: "With SCTLR_EL1.EnIA = 0 PACIA and AUTIA behave as NOPs (DDI 0487, \
                   SCTLR_EL1.EnIA)",
            case: "bti.landing_pads",
        }
        BtiCAcceptsJump "bti-c-accepts-jump" "host/cpu/src/interp/landing.rs" {
            mistake: "BTI c is a landing pad for BR, too",
            hint: "Three kinds of indirect branch, three kinds of landing pad.",
            rule: "BTI c is compatible with PSTATE.BTYPE 0b01 and 0b10, not with 0b11 (DDI 0487 \
                   C6.2 BTI; D8.4, BTypeCompatible)",
            case: "bti.landing_pads",
        }
    }
    "floating point" {
        FpenHalf "fpen-half" "host/cpu/src/sysreg/traps.rs" {
            mistake: "CPACR_EL1.FPEN = 0b01 does not trap EL0's use of floating point",
            hint: "FPEN has two bits, and four values of which no two do the same for the same \
                   reason.",
            rule: "FPEN = 0b01 traps EL0's accesses to SIMD and floating point, and not EL1's \
                   (DDI 0487, CPACR_EL1.FPEN)",
            case: "exception.fp_trapped_el0_only",
        }
        FpcrLostOnExit "fpcr-lost-on-exit" "host/cpu/src/software.rs" {
            mistake: "FPCR is zero after an exit to the hypervisor",
            hint: "A guest's registers are there before an exit and after it. All of them?",
            rule: "An exception to EL2 and its return change no register of the guest beyond \
                   those that the hypervisor changes (DDI 0487 D1.3)",
            case: "fp.each_cpu",
        }
        SimdUpperLost "simd-upper-lost" "host/cpu/src/software.rs" {
            mistake: "The SIMD registers lose their upper halves in an exit: they were saved as D \
                      registers",
            hint: "A guest's registers are there before an exit and after it. All of each?",
            rule: "V0 to V31 have 128 bits, and an exit changes none of them (DDI 0487 B1.2)",
            case: "fp.each_cpu",
        }
    }
    "memory" {
        ZvaHalfBlock "zva-half-block" "host/cpu/src/interp/maintenance.rs" {
            mistake: "DC ZVA zeroes half of the block that DCZID_EL0 names",
            hint: "A guest reads how much it zeroes, and trusts that.",
            rule: "DC ZVA zeroes the naturally aligned block of 4 << DCZID_EL0.BS bytes that \
                   holds the address (DDI 0487, DCZID_EL0, C5.3)",
            case: "cache.zero_block_faults",
        }
        ZvaBarHidden "zva-bar-hidden" "host/cpu/src/sysreg/cache.rs" {
            mistake: "DCZID_EL0.DZP reads 0 at EL0 although DC ZVA is prohibited there",
            hint: "A program asks first whether it may.",
            rule: "DCZID_EL0.DZP = 1 says that DC ZVA is prohibited, as by SCTLR_EL1.DZE = 0 at \
                   EL0 (DDI 0487, DCZID_EL0.DZP)",
            case: "cache.zero_block_faults",
        }
        ZvaOnDevice "zva-on-device" "host/cpu/src/interp/maintenance.rs" {
            mistake: "DC ZVA zeroes Device memory",
            hint: "Not all memory is for every instruction.",
            rule: "DC ZVA to any type of Device memory is an Alignment fault (DDI 0487 C5.3, DC \
                   ZVA)",
            case: "memory.dc_zva_device",
        }
        UciIgnored "uci-ignored" "host/cpu/src/sysreg/cache.rs" {
            mistake: "EL0 may maintain caches although SCTLR_EL1.UCI or DZE is 0",
            hint: "What a kernel does not give away it wants to hear of.",
            rule: "With SCTLR_EL1.UCI = 0 DC CVAU, CIVAC, CVAC and IC IVAU at EL0 trap to EL1, EC \
                   0x18; with DZE = 0, DC ZVA (DDI 0487, SCTLR_EL1)",
            case: "cache.from_el0",
        }
        LseMaxUnsigned "lse-max-unsigned" "host/cpu/src/interp/atomic.rs" {
            mistake: "LDSMAX compares its operands as unsigned",
            hint: "Minus one is less than one.",
            rule: "LDSMAX stores the larger of the two values as signed numbers (DDI 0487 C6.2, \
                   LDSMAX)",
            case: "memory.atomics",
        }
        LdclrUninverted "ldclr-uninverted" "host/cpu/src/interp/atomic.rs" {
            mistake: "LDCLR keeps the bits that it should clear",
            hint: "An operand says what is to go, or what is to stay.",
            rule: "LDCLR ANDs memory with the complement of the register (DDI 0487 C6.2, LDCLR)",
            case: "memory.atomics",
        }
        StxrIgnoresAddress "stxr-ignores-address" "host/cpu/src/interp/memory.rs" {
            mistake: "A store-exclusive succeeds at another address than the load-exclusive, if \
                      the values agree",
            hint: "A lock was taken that nobody had looked at.",
            rule: "A pair of load-exclusive and store-exclusive is one to the same address (DDI 0487 \
                   B2.12, load-exclusive and store-exclusive instruction usage restrictions)",
            unseen: "For a store-exclusive to another address than the load-exclusive's the manual \
                     lets both happen (CONSTRAINED UNPREDICTABLE: it passes or fails), so no guest \
                     may rely on either.",
        }
    }
    "system registers" {
        IdTrapMissing "id-trap-missing" "host/cpu/src/sysreg/mod.rs" {
            mistake: "EL0's read of an ID register is UNDEFINED although FEAT_IDST is claimed",
            hint: "A kernel emulates ID registers for its programs. How does it learn which one \
                   was read?",
            rule: "With FEAT_IDST a read of the Feature ID space from EL0 traps to EL1 with EC \
                   0x18 (DDI 0487, ID_AA64MMFR2_EL1.IDS)",
            case: "sysreg.el0_access",
        }
        ReadOnlyIgnored "read-only-ignored" "host/cpu/src/sysreg/mod.rs" {
            mistake: "A write of a read-only register is ignored",
            hint: "A register that cannot be written: what does hardware do to who tries?",
            rule: "MSR to a read-only System register is UNDEFINED (DDI 0487 D19.1, accesses to \
                   read-only registers)",
            case: "gic.icc_access",
        }
        UnallocatedReadsZero "unallocated-reads-zero" "host/cpu/src/sysreg/mod.rs" {
            mistake: "Every register that is not there reads as zero",
            hint: "There are encodings that mean nothing. What does nothing do?",
            rule: "Unallocated System register encodings are UNDEFINED, but for the ID space that \
                   reads as zero (DDI 0487 D19.1)",
            case: "exception.higher_registers",
        }
        UmaIgnored "uma-ignored" "host/cpu/src/sysreg/pstate.rs" {
            mistake: "EL0 masks interrupts by DAIFSet although SCTLR_EL1.UMA is 0",
            hint: "A program that switches interrupts off has the machine for itself.",
            rule: "With SCTLR_EL1.UMA = 0 DAIFSet and DAIFClr at EL0 trap to EL1, EC 0x18 (DDI \
                   0487, SCTLR_EL1.UMA)",
            case: "exception.el0_daif",
        }
        OslarUndefined "oslar-undefined" "host/monitor/src/trap/sysreg.rs" {
            mistake: "A write of OSLAR_EL1 or OSDLR_EL1 is UNDEFINED",
            hint: "Every kernel writes it when it boots.",
            rule: "OSLAR_EL1 is write-only at EL1, and always there (DDI 0487, OSLAR_EL1)",
            case: "debug.breakpoint",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    /// The source files of the host's crates, this one left out, from the workspace's root.
    fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, all);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push(path);
            }
        }
    }

    #[test]
    fn names_are_the_variants_in_kebab_case() {
        for &bug in Bug::ALL {
            let mut kebab = String::new();
            for letter in format!("{bug:?}").chars() {
                if (letter.is_ascii_uppercase() || letter.is_ascii_digit()) && !kebab.is_empty() {
                    kebab.push('-');
                }
                kebab.push(letter.to_ascii_lowercase());
            }
            assert_eq!(bug.row().name, kebab);
        }
    }

    #[test]
    fn every_bug_stands_once_and_where_its_row_says() {
        let mut files = Vec::new();
        sources(&root().join("host"), &mut files);
        let own = root().join("host/bugs");
        let mut places: Vec<(Bug, String)> = Vec::new();
        for file in files.iter().filter(|file| !file.starts_with(&own)) {
            let text = std::fs::read_to_string(file).unwrap();
            let path = file.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            for &bug in Bug::ALL {
                let word = |at: usize| {
                    !text[at + bug.marker().len()..].starts_with(|c: char| c.is_alphanumeric())
                };
                for (at, _) in text.match_indices(&bug.marker()) {
                    if word(at) {
                        places.push((bug, path.clone()));
                    }
                }
            }
        }
        for &bug in Bug::ALL {
            let found: Vec<&str> =
                places.iter().filter(|(b, _)| *b == bug).map(|(_, path)| path.as_str()).collect();
            assert_eq!(found, [bug.row().file], "{bug:?}");
        }
    }

    #[test]
    fn rows_say_what_they_are_for() {
        for &bug in Bug::ALL {
            let row = bug.row();
            assert!(!row.mistake.contains('\n') && row.mistake.len() <= 110, "{}", row.name);
            for text in [row.mistake, row.hint, row.rule] {
                assert!(text.len() > 20, "{}: {text:?}", row.name);
            }
            let manuals = ["DDI 0487", "IHI 0069", "DEN 0022", "DEN 0028", "Hypervisor.framework"];
            assert!(manuals.iter().any(|manual| row.rule.contains(manual)), "{}", row.name);
            assert!(!row.hint.contains(row.name), "{}", row.name);
        }
    }
}
