// From EL2 to EL1: what a guest hypervisor does for its guest, done once for ourselves.
//
// The boot protocol enters a kernel at EL2 where there is one (booting.rst), and PSCI starts the
// other CPUs there as well. The kernel is about EL1. So it gives EL1 the machine and stays out of
// the way:
//
//   HCR_EL2      EL1 is AArch64; no stage 2, no virtual interrupts, no traps
//   CPTR_EL2     FP, SVE, SME are EL1's       MDCR_EL2    debug, PMU, SPE, trace are EL1's
//   CNTHCTL_EL2  the physical timer is EL1's  CNTVOFF_EL2 0: virtual time is physical time
//   ICC_SRE_EL2  the GIC's system registers   ICH_HCR_EL2 0: no virtual CPU interface
//   VBAR_EL2     the vectors below, for what comes all the same
//
// Most controls of EL2 are UNKNOWN out of reset (DDI 0487, "Reset value" of each), so each one is
// written, those of later features only where an ID register says that they are there. In a
// register that is there, bits of features that are not are RES0, and may be written.
//
// A CPU with FEAT_VHE may have HCR_EL2.E2H RES1 (no FEAT_E2H0). Then CPTR_EL2 and CNTHCTL_EL2 have
// other layouts, and the names of EL1's registers mean EL2's here: EL1's own are called _EL12.
//
// Left out: the second set of fine-grained traps (FEAT_FGT2), MPAM's EL2 controls beyond
// MPAM2_EL2, and a GICv5. A trap of theirs arrives as an undefined instruction at EL1.

    .equ    HCR_RW, 1 << 31             // EL1 is AArch64
    .equ    HCR_E2H, 1 << 34
    .equ    HCR_APK, 1 << 40            // pointer authentication: keys, and instructions
    .equ    HCR_API, 1 << 41
    .equ    HCR_FIEN, 1 << 47           // error injection's registers
    .equ    HCR_ENSCXT, 1 << 53         // SCXTNUM_ELx
    .equ    HCR_ATA, 1 << 56            // memory tags
    // HCRX_EL2: LD64B and kin, MOPS, TCR2_EL1, SCTLR2_EL1, D128, GCS, FPMR: all that 0 takes away.
    .equ    HCRX, 1 << 0 | 1 << 1 | 1 << 2 | 1 << 11 | 1 << 14 | 1 << 15 | 1 << 17 | 1 << 22 | 1 << 23
    // Fine-grained traps: bits whose names begin with n trap when they are 0.
    .equ    HFGXTR_N, 0xfff4 << 48      // nACCDATA_EL1, nGCS_EL0 to nAMAIR2_EL1
    .equ    HFGITR_N, 0x0f80 << 48      // nBRBINJ to nGCSEPP
    .equ    HDFGRTR_N, 0x7800 << 48     // nBRBIDR to nPMSNEVFR_EL1
    .equ    HDFGWTR_N, 0x7000 << 48
    .equ    EL1H_MASKED, 0x3c5          // SPSR: EL1h, DAIF masked
    .equ    SCTLR_EL1_OFF, 0x30d00800   // the RES1 bits of Armv8.0; MMU and caches off
    .equ    SCTLR_EL2_OFF, 0x30c50830

// Where the ID register's field of four bits is 0, goes on behind the label.
    .macro  unless  id, field, label
    mrs     x1, \id
    ubfx    x1, x1, #\field, #4
    cbz     x1, \label
    .endm

    .section .head.text, "ax"

// Returns at EL1, from EL1 or EL2, interrupts masked. Changes X0 to X3.
    .global drop_to_el1
drop_to_el1:
    mrs     x0, CurrentEL
    cmp     x0, #(2 << 2)
    b.eq    1f
    ret
1:  ldr     x0, =SCTLR_EL2_OFF
    msr     sctlr_el2, x0
    adrp    x0, el2_vectors
    add     x0, x0, :lo12:el2_vectors
    msr     vbar_el2, x0
    ldr     x0, =(HCR_RW | HCR_APK | HCR_API | HCR_FIEN | HCR_ENSCXT | HCR_ATA)
    msr     hcr_el2, x0
    isb
    mrs     x3, hcr_el2
    and     x3, x3, #HCR_E2H            // not 0: it is RES1
    msr     vttbr_el2, xzr
    msr     hstr_el2, xzr
    mrs     x0, midr_el1                // here these are the PE's own
    msr     vpidr_el2, x0
    mrs     x0, mpidr_el1
    msr     vmpidr_el2, x0

    msr     cntvoff_el2, xzr
    mov     x0, #(3 << 0)               // CNTHCTL_EL2.EL1PCTEN, EL1PCEN
    cbz     x3, 2f
    mov     x0, #(3 << 10)              // with E2H: EL1PCTEN, EL1PTEN
2:  msr     cnthctl_el2, x0

    mov     x0, #(3 << 20)              // with E2H: CPTR_EL2.FPEN, ZEN, SMEN trap nothing
    orr     x0, x0, #(3 << 16)
    orr     x0, x0, #(3 << 24)
    cbnz    x3, 4f
    mov     x0, #0x33ff                 // RES1 without SVE and SME, where TZ and TSM are
    unless  id_aa64pfr0_el1, 32, 3f     // .SVE
    bic     x0, x0, #(1 << 8)           // .TZ
3:  unless  id_aa64pfr1_el1, 24, 4f     // .SME
    bic     x0, x0, #(1 << 12)          // .TSM
4:  msr     cptr_el2, x0
    isb
    mov     x2, #0xf                    // ZCR_EL2.LEN, SMCR_EL2.LEN: as long as there are
    unless  id_aa64pfr0_el1, 32, 5f
    msr     s3_4_c1_c2_0, x2            // ZCR_EL2
5:  unless  id_aa64pfr1_el1, 24, 6f
    orr     x2, x2, #(3 << 30)          // SMCR_EL2.FA64, EZT0
    msr     s3_4_c1_c2_6, x2            // SMCR_EL2

6:  mov     x0, #0                      // MDCR_EL2
    mrs     x1, id_aa64dfr0_el1
    ubfx    x2, x1, #8, #4              // .PMUVer: 0 none, 0xf not Arm's
    sub     x2, x2, #1
    cmp     x2, #0xe
    b.hs    7f
    mrs     x0, pmcr_el0
    ubfx    x0, x0, #11, #5             // .N: all counters, as .HPMN
7:  ubfx    x2, x1, #32, #4             // .PMSVer
    cbz     x2, 8f
    orr     x0, x0, #(3 << 12)          // .E2PB: the profiling buffer is EL1's
8:  ubfx    x2, x1, #44, #4             // .TraceBuffer
    cbz     x2, 9f
    orr     x0, x0, #(3 << 24)          // .E2TB: so is the trace's
9:  msr     mdcr_el2, x0

    unless  id_aa64mmfr1_el1, 40, 10f   // .HCX
    ldr     x0, =HCRX
    msr     s3_4_c1_c2_2, x0            // HCRX_EL2
10: unless  id_aa64mmfr0_el1, 56, 11f   // .FGT
    ldr     x0, =HFGXTR_N
    msr     s3_4_c1_c1_4, x0            // HFGRTR_EL2
    msr     s3_4_c1_c1_5, x0            // HFGWTR_EL2
    ldr     x0, =HFGITR_N
    msr     s3_4_c1_c1_6, x0            // HFGITR_EL2
    ldr     x0, =HDFGRTR_N
    msr     s3_4_c3_c1_4, x0            // HDFGRTR_EL2
    ldr     x0, =HDFGWTR_N
    msr     s3_4_c3_c1_5, x0            // HDFGWTR_EL2
    unless  id_aa64pfr0_el1, 44, 11f    // .AMU
    msr     s3_4_c3_c1_6, xzr           // HAFGRTR_EL2
11: unless  id_aa64pfr0_el1, 40, 12f    // .MPAM
    msr     s3_4_c10_c5_0, xzr          // MPAM2_EL2

12: unless  id_aa64pfr0_el1, 24, 13f    // .GIC: the CPU interface has system registers
    mrs     x0, s3_4_c12_c9_5           // ICC_SRE_EL2
    orr     x0, x0, #(1 << 0)           // .SRE
    orr     x0, x0, #(1 << 3)           // .Enable: EL1 may use ICC_SRE_EL1
    msr     s3_4_c12_c9_5, x0
    isb
    mrs     x0, s3_4_c12_c9_5
    tbz     x0, #0, 13f                 // EL3 says no
    msr     s3_4_c12_c11_0, xzr         // ICH_HCR_EL2
13: ldr     w0, =SCTLR_EL1_OFF          // UNKNOWN out of reset
    cbnz    x3, 14f
    msr     sctlr_el1, x0
    b       15f
14: msr     s3_5_c1_c0_0, x0            // SCTLR_EL12
15: mov     x0, #EL1H_MASKED
    msr     spsr_el2, x0
    msr     elr_el2, x30
    isb
    eret

// What comes from EL1 or EL0 although nothing is to be trapped. HVC asks a hypervisor that is not
// there: the answer is the calling convention's NOT_SUPPORTED (DEN 0028). Anything else is a
// trap that drop_to_el1 does not know of, and EL1 sees an undefined instruction.
    .section .text.el2, "ax"
    .balign 0x800
el2_vectors:
    .irp    index, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    .balign 0x80
    .if     \index == 8                // synchronous, from a lower level in AArch64
    b       el2_synchronous
    .else
    b       .
    .endif
    .endr

// There is no stack here. SP and TPIDR_EL2 keep X1 and X0.
    .balign 0x80
el2_synchronous:
    msr     tpidr_el2, x0
    mrs     x0, esr_el2
    lsr     x0, x0, #26
    cmp     x0, #0x16                   // ESR_EL2.EC: HVC
    b.ne    1f
    mov     x0, #-1
    eret
1:  mov     sp, x1
    mrs     x1, hcr_el2
    tbnz    x1, #34, 2f                 // .E2H
    mrs     x0, elr_el2
    msr     elr_el1, x0
    mov     x0, #(1 << 25)              // ESR: EC 0, IL
    msr     esr_el1, x0
    mrs     x0, spsr_el2
    msr     spsr_el1, x0
    mrs     x1, vbar_el1
    b       3f
2:  mrs     x0, elr_el2
    msr     s3_5_c4_c0_1, x0            // ELR_EL12
    mov     x0, #(1 << 25)
    msr     s3_5_c5_c2_0, x0            // ESR_EL12
    mrs     x0, spsr_el2
    msr     s3_5_c4_c0_0, x0            // SPSR_EL12
    mrs     x1, s3_5_c12_c0_0           // VBAR_EL12
3:  ands    x0, x0, #0xf                // SPSR.M: 0 EL0, 4 EL1 on SP_EL0, 5 EL1
    b.ne    4f
    add     x1, x1, #0x400
4:  tbz     x0, #0, 5f
    add     x1, x1, #0x200
5:  msr     elr_el2, x1
    mov     x0, #EL1H_MASKED
    msr     spsr_el2, x0
    mov     x1, sp
    mrs     x0, tpidr_el2
    eret
