// Boot: from a hypervisor's or boot loader's hands to `kernel_main`.
//
// Entered by the Linux arm64 boot protocol (Documentation/arch/arm64/booting.rst): x0 = physical
// address of the FDT, MMU off, interrupts masked, at EL1 or EL2, the image cleaned to the point
// of coherency. Where it stands in memory is only known at run time, so until the relocation
// loop is through, every address comes from ADRP, which is relative to the PC.

    .section .head.text, "ax"

    .global _head
_head:
    // The Image header, 64 bytes (booting.rst, "Call the kernel image").
    b       start                   // code0: entered at offset 0
    .long   0                       // code1
    .quad   0                       // text_offset from a 2 MiB aligned base
    .quad   __image_size            // how much memory the image takes, .bss and all
    .quad   0b1010                  // flags: little-endian, 4 KiB pages, anywhere in memory
    .quad   0, 0, 0                 // reserved
    .ascii  "ARM\x64"               // magic
    .long   0                       // no PE/COFF header

    .macro  addr reg, symbol
    adrp    \reg, \symbol
    add     \reg, \reg, :lo12:\symbol
    .endm

start:
    mov     x19, x0                 // the FDT, kept over everything below
    msr     daifset, #0xf
    bl      drop_to_el1             // el2.S
    msr     spsel, #1
    ldr     w0, =0x30d00800         // SCTLR_EL1: the RES1 bits of Armv8.0; MMU and caches off
    msr     sctlr_el1, x0
    isb

    // What we write with the MMU off goes around the data cache; a clean line left there by
    // whoever loaded us would hide it once the MMU is on. So empty the cache for all of it.
    addr    x0, __relro_start
    addr    x1, __tables_end
    mrs     x2, ctr_el0
    ubfx    x2, x2, #16, #4         // CTR_EL0.DminLine: log2 of words in a line
    mov     x3, #4
    lsl     x3, x3, x2
2:  dc      civac, x0
    add     x0, x0, x3
    cmp     x0, x1
    b.lo    2b
    dsb     sy

    // Relocate: an ELF64 Rela is r_offset, r_info, r_addend. The image is linked at 0, so
    // where it stands is what to add.
    adrp    x0, _head
    addr    x1, __rela_start
    addr    x2, __rela_end
3:  cmp     x1, x2
    b.hs    4f
    ldp     x3, x4, [x1], #16
    ldr     x5, [x1], #8
    cmp     x4, #1027               // R_AARCH64_RELATIVE: the only one a static PIE has
    b.ne    hang
    add     x5, x5, x0
    str     x5, [x0, x3]
    b       3b

4:  addr    x0, __bss_start
    addr    x1, __bss_end
5:  cmp     x0, x1
    b.hs    6f
    stp     xzr, xzr, [x0], #16
    b       5b

6:  addr    x0, __stack_top
    mov     sp, x0
    addr    x0, vectors
    msr     vbar_el1, x0
    isb
    mov     x29, xzr                // the end of the chain of frames
    mov     x30, xzr
    mov     x0, x19
    bl      kernel_main

// Where PSCI's CPU_ON starts another CPU: X0 is the physical address of a `smp::Mailbox`, the
// MMU is off. What the mailbox says is made so, and its body is called. What the CPU was found in
// is kept in registers until its caches are on.
    .section .text.secondary, "ax"
    .global secondary_start
secondary_start:
    mov     x19, x0
    mrs     x20, CurrentEL
    mrs     x21, daif
    mrs     x22, sctlr_el1
    mrs     x23, spsel
    msr     daifset, #0xf
    bl      drop_to_el1             // el2.S
    msr     spsel, #1
    ldp     x0, x1, [x19, #{TTBR0}]
    msr     ttbr0_el1, x0
    msr     tcr_el1, x1
    ldp     x0, x1, [x19, #{MAIR}]
    msr     mair_el1, x0
    msr     vbar_el1, x1
    isb
    tlbi    vmalle1
    dsb     nsh
    ldp     x0, x1, [x19, #{SCTLR}]
    msr     sctlr_el1, x0
    isb
    mov     sp, x1
    msr     tpidr_el1, x19
    stp     x20, x21, [x19, #{INITIAL}]
    stp     x22, x23, [x19, #{INITIAL} + 16]
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x19
    bl      secondary_main
1:  wfe
    b       1b

// A secondary's vectors: it takes interrupts, and no exception is expected. What came is left in
// the mailbox, whose address TPIDR_EL1 holds, for the first CPU to report.
    .balign 0x800
    .global secondary_vectors
secondary_vectors:
    .irp    index, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    .balign 0x80
    .if     \index == 5            // IRQ at EL1 on its own stack
    stp     x0, x1, [sp, #-176]!
    mov     x1, #0
    b       secondary_save
    .elseif \index == 6            // FIQ
    stp     x0, x1, [sp, #-176]!
    mov     x1, #1
    b       secondary_save
    .else
    mrs     x0, tpidr_el1
    mrs     x1, esr_el1
    mrs     x2, elr_el1
    stp     x1, x2, [x0, #{FAULT}]
    mov     x1, #{FAULTED}
    add     x0, x0, #{STATE}
    stlr    x1, [x0]
    dsb     ish
    sev
1:  wfe
    b       1b
    .endif
    .endr

// Keeps what a function may change (AAPCS64), and ELR and SPSR so that interrupts may nest.
    .balign 0x80
secondary_save:
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x30, [sp, #144]
    mrs     x2, elr_el1
    mrs     x3, spsr_el1
    stp     x2, x3, [sp, #160]
    mrs     x0, tpidr_el1
    bl      secondary_interrupt
    msr     daifset, #0xf
    ldp     x2, x3, [sp, #160]
    msr     elr_el1, x2
    msr     spsr_el1, x3
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x30, [sp, #144]
    ldp     x0, x1, [sp], #176
    eret

    .section .head.text, "ax"
hang:
    wfe
    b       hang
