// The loops that the benchmarks time. In assembly, so that how many instructions a round takes
// is known, and the same whatever the compiler. x0 = rounds; the number behind a name is the
// instructions of one round.

    .section .text.bench, "ax"

    .macro  fn name
    .balign 64
    .global bench_\name
bench_\name:
    .endm

    fn alu                          // 20, no memory, every result used
    mov     x2, #0x1234
    mov     x3, #0x5678
    mov     x4, #0x9abc
    mov     x9, #0xdef1
1:  add     x2, x2, x3
    eor     x4, x4, x2, lsl #3
    sub     x3, x3, x4
    ror     x5, x2, #17
    and     x6, x5, x4
    orr     x7, x6, x3
    mul     x8, x7, x9
    add     x2, x8, x2, lsr #7
    madd    x9, x3, x5, x9
    ubfx    x10, x9, #5, #23
    bic     x11, x10, x2
    add     w12, w11, w10
    lsl     x13, x12, x10
    sxtw    x14, w13
    eon     x3, x3, x14
    umulh   x15, x9, x2
    add     x4, x4, x15
    clz     x16, x4
    subs    x0, x0, #1
    b.ne    1b
    eor     x0, x2, x4
    add     x0, x0, x16
    ret

    fn flags                        // 15 to 17: NZCV heavy, branches that depend on data
    mov     x2, #0x1111
    ldr     x3, =0x9e3779b97f4a7c15
    mov     x4, #3
    mov     x5, #0x77
    mov     x8, #0
    mov     x9, #0
1:  adds    x2, x2, x3
    adcs    x4, x4, x5
    cset    x6, cs
    subs    x7, x4, x2
    csel    x5, x7, x5, hi
    cmp     x7, x3
    ccmp    x6, #0, #4, ne
    csinc   x5, x5, x6, eq
    tst     x2, #0x10
    b.eq    2f
    add     x8, x8, #1
2:  cmn     x8, x4
    cinc    x9, x9, mi
    tbz     x9, #3, 3f
    eor     x5, x5, x9
3:  subs    x0, x0, #1
    b.ne    1b
    eor     x0, x5, x9
    ret
    .ltorg

    fn call                         // 15: three calls, one inside another
    stp     x29, x30, [sp, #-16]!
    mov     x1, #1
1:  bl      2f
    add     x1, x1, #3
    bl      3f
    subs    x0, x0, #1
    b.ne    1b
    mov     x0, x1
    ldp     x29, x30, [sp], #16
    ret
    .balign 32
2:  stp     x29, x30, [sp, #-16]!
    add     x1, x1, #1
    bl      3f
    eor     x1, x1, x0
    ldp     x29, x30, [sp], #16
    ret
    .balign 32
3:  add     x1, x1, x1, lsl #1
    ret

    fn ind                          // 12: one BR through a table of eight
    adr     x5, 9f
    ldr     x2, =6364136223846793005
    mov     x1, #1
    mov     x6, #0
1:  madd    x1, x1, x2, x2
    lsr     x3, x1, #61
    ldrsw   x4, [x5, x3, lsl #2]
    add     x4, x4, x5
    br      x4
    .irp    k, 1, 2, 3, 4, 5, 6, 7, 8
.Lind\k:
    add     x6, x6, #\k
    eor     x6, x6, x1
    add     x7, x7, #1
    eor     x8, x8, x6
    b       8f
    .endr
8:  subs    x0, x0, #1
    b.ne    1b
    mov     x0, x6
    ret
    .ltorg
    .balign 4
9:  .irp    k, 1, 2, 3, 4, 5, 6, 7, 8
    .word   .Lind\k - 9b
    .endr

    fn ldst                         // 16, ten of them accesses of 1 to 16 bytes; x1 = 4 KiB buffer
    mov     x2, #0
1:  and     x3, x2, #0x7f8
    ldr     x4, [x1, x3]
    add     x5, x1, x3
    ldp     x6, x7, [x5, #16]
    ldrb    w8, [x5, #40]
    ldr     w9, [x5, #44]
    add     x4, x4, x6
    str     x4, [x5, #64]
    stp     x7, x4, [x5, #80]
    strh    w8, [x5, #100]
    ldrsw   x10, [x5, #104]
    ldr     x11, [x5, #112]
    str     w9, [x5, #120]
    add     x2, x2, #24
    subs    x0, x0, #1
    b.ne    1b
    ret

    fn hvc                          // 4: PSCI_VERSION; SMCCC lets x4 up keep their values
    mov     x4, x0
    ldr     w5, =0x84000000
1:  mov     w0, w5
    hvc     #0
    subs    x4, x4, #1
    b.ne    1b
    ret
    .ltorg

    fn svc                          // 6 with the handler
1:  svc     #0
    subs    x0, x0, #1
    b.ne    1b
    ret

    fn load                         // 3; x1 = address (a fault adds its handler's)
1:  ldr     w2, [x1]
    subs    x0, x0, #1
    b.ne    1b
    ret

    fn store                        // 3; x1 = address, w2 = value
1:  str     w2, [x1]
    subs    x0, x0, #1
    b.ne    1b
    ret

    fn ldxr                         // 6: an atomic increment; x1 = address
1:  ldaxr   x2, [x1]
    add     x2, x2, #1
    stlxr   w3, x2, [x1]
    cbnz    w3, 1b
    subs    x0, x0, #1
    b.ne    1b
    mov     x0, x2
    ret

    fn sysreg                       // 4, two of them accesses
1:  mrs     x2, tpidr_el1
    msr     tpidr_el1, x2
    subs    x0, x0, #1
    b.ne    1b
    ret

    fn osdlr                        // 3
1:  msr     osdlr_el1, xzr
    subs    x0, x0, #1
    b.ne    1b
    ret

    fn cntvct                       // 3
1:  mrs     x2, cntvct_el0
    subs    x0, x0, #1
    b.ne    1b
    ret

    fn touch                        // 4; x1 = first page
1:  ldr     x2, [x1]
    add     x1, x1, #4096
    subs    x0, x0, #1
    b.ne    1b
    ret

    fn tlbi_va                      // 6; x1 = address, x2 = its page as TLBI takes it
1:  tlbi    vaae1is, x2
    dsb     ish
    isb
    ldr     x3, [x1]
    subs    x0, x0, #1
    b.ne    1b
    ret

    .macro  touch16                 // 66; x1 = first page
    mov     x3, x1
    mov     x4, #16
9:  ldr     x5, [x3]
    add     x3, x3, #4096
    subs    x4, x4, #1
    b.ne    9b
    .endm

    fn tlbi_all16                   // 71
1:  tlbi    vmalle1is
    dsb     ish
    isb
    touch16
    subs    x0, x0, #1
    b.ne    1b
    ret

    fn asid16                       // 71; x2 = TTBR0_EL1 with ASID 1
1:  eor     x2, x2, #(3 << 48)      // 1 <-> 2
    msr     ttbr0_el1, x2
    isb
    touch16
    subs    x0, x0, #1
    b.ne    1b
    ret

    fn selfmod                      // 15; x1 = code as it is written, x2 = as it is fetched
    stp     x29, x30, [sp, #-16]!
    mov     x3, #0                  // which round
    mov     x4, #0                  // the sum of what the code returned
    mov     x6, x0
    mov     w7, #0x52800000         // MOVZ W0, #0
    ldr     w8, =0xd65f03c0         // RET
    str     w8, [x1, #4]
1:  and     w5, w3, #0xffff
    orr     w5, w7, w5, lsl #5      // MOVZ W0, #round
    str     w5, [x1]
    dc      cvau, x1
    dsb     ish
    ic      ivau, x2
    dsb     ish
    isb
    blr     x2                      // 2 there
    add     x4, x4, x0
    add     x3, x3, #1
    cmp     x3, x6
    b.lo    1b
    mov     x0, x4
    ldp     x29, x30, [sp], #16
    ret
    .ltorg
