// The shortest handlers that do their work, for timing exceptions alone: the kernel's own
// (vectors.S) save and restore everything. What is not expected here goes there.

    .section .text.bench.vectors, "ax"

    .macro  slow offset
    .balign 0x80
    b       vectors + \offset
    .endm

    .balign 0x800
    .global bench_vectors
bench_vectors:
    .irp    offset, 0x000, 0x080, 0x100, 0x180
    slow    \offset
    .endr

    .balign 0x80                    // 0x200: synchronous, from EL1: SVC returns, data abort skips
    mrs     x9, esr_el1
    tbnz    x9, #31, 1f             // of ESR_EL1.EC 0x15 and 0x25 only the latter has bit 5
    eret
1:  mrs     x9, elr_el1
    add     x9, x9, #4
    msr     elr_el1, x9
    eret

    .irp    offset, 0x280, 0x300, 0x380
    slow    \offset
    .endr

    .balign 0x80                    // 0x400: synchronous, from EL0: SVC #0 returns, SVC #1 leaves
    mrs     x9, esr_el1
    tbnz    x9, #0, 2f
    eret
2:  ldp     x29, x30, [sp], #16     // as the end of bench_user
    ret

    .irp    offset, 0x480, 0x500, 0x580, 0x600, 0x680, 0x700, 0x780
    slow    \offset
    .endr

    // x0 = rounds, x1 = EL0's code. Returns from the handler of its SVC #1.
    .global bench_user
bench_user:
    stp     x29, x30, [sp, #-16]!
    msr     elr_el1, x1
    mov     x2, #0x3c0              // SPSR_EL1: EL0t, DAIF masked
    msr     spsr_el1, x2
    eret

    .section .user.text, "ax"
    .balign 64
    .global bench_user_loop         // 6 a round, with the handler
bench_user_loop:
    svc     #0
    subs    x0, x0, #1
    b.ne    bench_user_loop
    svc     #1
