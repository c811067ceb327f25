// The vector table (DDI 0487, D1.3 "Exception vectors"): 16 entries of 32 instructions.
//
//   offset   taken from                      synchronous  IRQ    FIQ    SError
//   0x000    this level, using SP_EL0        0            1      2      3
//   0x200    this level, using SP_EL1        4            5      6      7
//   0x400    EL0 in AArch64                  8            9      10     11
//   0x600    EL0 in AArch32                  12           13     14     15
//
// Each entry makes room for a `TrapFrame` on the kernel's stack, saves everything in it, and
// hands it to `exception_entry`, which may change it; what is in it then is what runs next.
// A frame for each entry, so exceptions nest as deep as the stack goes.
//
// The stack may be the very thing that is broken: overflown into its guard page, or misaligned.
// Then the first push would fault, and that exception's first push too, for ever. So each entry
// looks before it pushes. The stack is 64 KiB, aligned to 128: bit 16 of SP is 0 inside, and 1 as
// soon as SP has left it downwards; then the frame goes to a stack of its own. The look needs
// SP in a general-purpose register while there is none free: SP and X0 are added and subtracted
// crosswise, as Linux does it (arch/arm64/kernel/entry.S).

    .section .text.vectors, "ax"

    .macro  entry index
    .balign 0x80
    sub     sp, sp, #{FRAME}
    add     sp, sp, x0              // SP + X0
    sub     x0, sp, x0              // SP
    tbnz    x0, #16, 1f
    sub     x0, sp, x0              // X0
    sub     sp, sp, x0              // SP
    stp     x0, x1, [sp, #{X}]
    mov     x0, #\index
    b       save
1:  sub     x0, sp, x0              // X0
    sub     sp, sp, x0              // SP
    msr     tpidr_el1, x0           // nobody else uses the two thread registers
    add     x0, sp, #{FRAME}
    msr     tpidrro_el0, x0
    adrp    x0, __emergency_stack_top
    sub     sp, x0, #{FRAME}
    mrs     x0, tpidr_el1
    stp     x0, x1, [sp, #{X}]
    mov     x0, #(\index + {OVERFLOW})
    b       save
    .endm

    .balign 0x800
    .global vectors
vectors:
    .irp    index, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    entry   \index
    .endr

    .balign 0x80
save:
    stp     x2, x3, [sp, #{X} + 16]
    stp     x4, x5, [sp, #{X} + 32]
    stp     x6, x7, [sp, #{X} + 48]
    stp     x8, x9, [sp, #{X} + 64]
    stp     x10, x11, [sp, #{X} + 80]
    stp     x12, x13, [sp, #{X} + 96]
    stp     x14, x15, [sp, #{X} + 112]
    stp     x16, x17, [sp, #{X} + 128]
    stp     x18, x19, [sp, #{X} + 144]
    stp     x20, x21, [sp, #{X} + 160]
    stp     x22, x23, [sp, #{X} + 176]
    stp     x24, x25, [sp, #{X} + 192]
    stp     x26, x27, [sp, #{X} + 208]
    stp     x28, x29, [sp, #{X} + 224]
    str     x30, [sp, #{X} + 240]

    // The stack pointer that the interrupted code used: ours before the frame, or SP_EL0.
    and     x2, x0, #0b1100
    add     x1, sp, #{FRAME}
    tst     x0, #{OVERFLOW}
    b.eq    1f
    mrs     x1, tpidrro_el0
1:  cmp     x2, #0b0100
    b.eq    2f
    mrs     x1, sp_el0
2:  str     x1, [sp, #{SP}]

    mrs     x1, elr_el1
    mrs     x2, spsr_el1
    mrs     x3, esr_el1
    mrs     x4, far_el1
    str     x1, [sp, #{ELR}]
    str     x2, [sp, #{SPSR}]
    str     x3, [sp, #{ESR}]
    str     x4, [sp, #{FAR}]
    str     x0, [sp, #{ENTRY}]

    mov     x0, sp
    bl      exception_entry

    ldr     x0, [sp, #{ENTRY}]
    ldr     x1, [sp, #{SP}]
    and     x0, x0, #0b1100
    cmp     x0, #0b0100
    b.eq    3f                      // our own stack pointer comes back by the addition below
    msr     sp_el0, x1
3:  ldr     x1, [sp, #{ELR}]
    ldr     x2, [sp, #{SPSR}]
    msr     elr_el1, x1
    msr     spsr_el1, x2

    ldp     x2, x3, [sp, #{X} + 16]
    ldp     x4, x5, [sp, #{X} + 32]
    ldp     x6, x7, [sp, #{X} + 48]
    ldp     x8, x9, [sp, #{X} + 64]
    ldp     x10, x11, [sp, #{X} + 80]
    ldp     x12, x13, [sp, #{X} + 96]
    ldp     x14, x15, [sp, #{X} + 112]
    ldp     x16, x17, [sp, #{X} + 128]
    ldp     x18, x19, [sp, #{X} + 144]
    ldp     x20, x21, [sp, #{X} + 160]
    ldp     x22, x23, [sp, #{X} + 176]
    ldp     x24, x25, [sp, #{X} + 192]
    ldp     x26, x27, [sp, #{X} + 208]
    ldp     x28, x29, [sp, #{X} + 224]
    ldr     x30, [sp, #{X} + 240]
    ldp     x0, x1, [sp, #{X}]
    add     sp, sp, #{FRAME}
    eret
