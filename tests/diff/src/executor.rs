//! The program that QEMU's user mode runs: an ELF file of 106 instructions, made here, so that no
//! cross compiler is needed.
//!
//! It is one signal handler. A case ends with a signal in any event (SIGTRAP by the BRK after
//! it, SIGILL, SIGSEGV, SIGBUS), the kernel's signal frame then holds every register of the
//! case, and a return from the handler loads every register of the next: so no register of the
//! test is ever in the executor's way.
//!
//! ```text
//!   signal --> handler: context, window --> record
//!                next record, or: write all records, read code and records of the next batch
//!                context, window <-- record
//!              rt_sigreturn --> the case's instruction
//! ```
//!
//! A record, in and out: the signal; the kernel's `struct sigcontext` with the first record of
//! its reserved part; the window's middle and end.
//!
//! ```text
//!   sigcontext   0 fault_address   8 regs[31]   256 sp   264 pc   272 pstate   280 (padding)
//!              288 fpsimd_context: 288 magic, size   296 fpsr, fpcr   304 vregs[32]   816
//! ```

use crate::case::{Case, End, Outcome, State};
use crate::machine::{
    BATCH, CODE, END, END_BYTES, EXECUTOR, MIDDLE, MIDDLE_BYTES, PAGE, RECORDS, WINDOW,
    WINDOW_PAGES, WINDOW_WORDS, slot,
};
use anyvisor_arch::pstate::NZCV;

/// Doublewords of `struct sigcontext` up to the end of its `struct fpsimd_context`.
const CONTEXT_WORDS: usize = VREGS + 64;
/// The doublewords of it that are set and compared.
const REGS: usize = 1;
const SP: usize = 32;
const PC: usize = 33;
const PSTATE: usize = 34;
const FPSIMD_HEAD: usize = 36;
const FPSR_FPCR: usize = 37;
const VREGS: usize = 38;
/// The head of `struct fpsimd_context`: FPSIMD_MAGIC, and its size in the upper half.
const FPSIMD: u64 = 528 << 32 | 0x4650_8001;
/// Doublewords of a record.
const RECORD_WORDS: usize = 1 + CONTEXT_WORDS + WINDOW_WORDS;
/// Bytes of a batch's records.
pub const RECORDS_BYTES: usize = 8 * RECORD_WORDS * BATCH;
/// Where the executor keeps the address of the current record: 0 before the first batch.
const CURRENT: u64 = RECORDS + RECORDS_BYTES as u64;
/// The signal stack: CURRENT's doubleword and padding come before it.
const STACK: u64 = CURRENT + 16;
const STACK_BYTES: u64 = 0x1_0000;
/// SA_SIGINFO | SA_ONSTACK.
const ACTION_FLAGS: u64 = 0x0800_0004;

/// What the literal loads of [`WORDS`] find behind them, in this order.
const LITERALS: [u64; 13] = [
    STACK,
    STACK_BYTES,
    ACTION_FLAGS,
    CURRENT,
    8 * CONTEXT_WORDS as u64,
    MIDDLE,
    MIDDLE_BYTES,
    END,
    END_BYTES,
    RECORDS,
    RECORDS_BYTES as u64,
    CODE,
    PAGE,
];

/// The instructions. The handler gets x0: signal, x2: `ucontext`, whose `sigcontext` is at 176.
#[rustfmt::skip]
const WORDS: [u32; 106] = [
    0x5800_0d40, // ldr x0, STACK
    0x5800_0d61, // ldr x1, STACK_BYTES
    0xd100_83ff, // sub sp, sp, #32
    0xa900_7fe0, // stp x0, xzr, [sp]
    0xf900_0be1, // str x1, [sp, #16]
    0x9100_03e0, // mov x0, sp
    0xd280_0001, // mov x1, #0
    0xd280_1088, // mov x8, #132 (sigaltstack)
    0xd400_0001, // svc #0
    0x1000_0200, // adr x0, handler
    0x5800_0c81, // ldr x1, FLAGS
    0xa900_07e0, // stp x0, x1, [sp]
    0xa901_7fff, // stp xzr, xzr, [sp, #16]
    0xd281_1613, // mov x19, #0x8b0
    // each:
    0xdac0_0260, // rbit x0, x19
    0xdac0_1000, // clz x0, x0
    0xd100_0661, // sub x1, x19, #1
    0x8a01_0273, // and x19, x19, x1
    0x9100_03e1, // mov x1, sp
    0xd280_0002, // mov x2, #0
    0xd280_0103, // mov x3, #8
    0xd280_10c8, // mov x8, #134 (rt_sigaction)
    0xd400_0001, // svc #0
    0xb5ff_fef3, // cbnz x19, each
    0xd420_0000, // brk #0
    // handler:
    0x9102_c054, // add x20, x2, #176
    0x5800_0ad5, // ldr x21, CURRENT
    0xf940_02b6, // ldr x22, [x21]
    0xb400_02f6, // cbz x22, refill
    0xf900_02c0, // str x0, [x22]
    0x9100_22c0, // add x0, x22, #8
    0xaa14_03e1, // mov x1, x20
    0x5800_0a42, // ldr x2, CONTEXT_BYTES
    0x9400_0037, // bl copy
    0x5800_0a41, // ldr x1, MIDDLE
    0x5800_0a62, // ldr x2, MIDDLE_BYTES
    0x9400_0034, // bl copy
    0x5800_0a61, // ldr x1, END
    0x5800_0a82, // ldr x2, END_BYTES
    0x9400_0031, // bl copy
    0xaa00_03f6, // mov x22, x0
    0x5800_0a60, // ldr x0, RECORDS
    0x5800_0a81, // ldr x1, RECORDS_BYTES
    0x8b01_0000, // add x0, x0, x1
    0xeb00_02df, // cmp x22, x0
    0x5400_03c1, // b.ne run
    0xd280_0020, // mov x0, #1
    0xd280_0808, // mov x8, #64 (write)
    0x5800_0981, // ldr x1, RECORDS
    0x5800_09a2, // ldr x2, RECORDS_BYTES
    0x9400_002b, // bl transfer
    // refill:
    0xd280_0000, // mov x0, #0
    0xd280_07e8, // mov x8, #63 (read)
    0x5800_0961, // ldr x1, CODE
    0x5800_0982, // ldr x2, CODE_BYTES
    0x9400_0026, // bl transfer
    0x5800_0881, // ldr x1, RECORDS
    0x5800_08a2, // ldr x2, RECORDS_BYTES
    0x9400_0023, // bl transfer
    0x5800_0836, // ldr x22, RECORDS
    0x5800_0880, // ldr x0, CODE
    0x5800_08a1, // ldr x1, CODE_BYTES
    0x8b00_0021, // add x1, x1, x0
    // clean:
    0xd50b_7b20, // dc cvau, x0
    0x9100_4000, // add x0, x0, #16
    0xeb01_001f, // cmp x0, x1
    0x54ff_ffa1, // b.ne clean
    0xd503_3b9f, // dsb ish
    0x5800_0780, // ldr x0, CODE
    // invalidate:
    0xd50b_7520, // ic ivau, x0
    0x9100_4000, // add x0, x0, #16
    0xeb01_001f, // cmp x0, x1
    0x54ff_ffa1, // b.ne invalidate
    0xd503_3b9f, // dsb ish
    0xd503_3fdf, // isb
    // run:
    0xf900_02b6, // str x22, [x21]
    0x9100_22c1, // add x1, x22, #8
    0xaa14_03e0, // mov x0, x20
    0x5800_0482, // ldr x2, CONTEXT_BYTES
    0x9400_0009, // bl copy
    0x5800_0480, // ldr x0, MIDDLE
    0x5800_04a2, // ldr x2, MIDDLE_BYTES
    0x9400_0006, // bl copy
    0x5800_04a0, // ldr x0, END
    0x5800_04c2, // ldr x2, END_BYTES
    0x9400_0003, // bl copy
    0xd280_1168, // mov x8, #139 (rt_sigreturn)
    0xd400_0001, // svc #0
    // copy:
    0xf840_8423, // ldr x3, [x1], #8
    0xf800_8403, // str x3, [x0], #8
    0xf100_2042, // subs x2, x2, #8
    0x54ff_ffa1, // b.ne copy
    0xd65f_03c0, // ret
    // transfer:
    0xaa00_03e4, // mov x4, x0
    // more:
    0xaa04_03e0, // mov x0, x4
    0xd400_0001, // svc #0
    0xf100_001f, // cmp x0, #0
    0x5400_00cd, // b.le quit
    0x8b00_0021, // add x1, x1, x0
    0xeb00_0042, // subs x2, x2, x0
    0x54ff_ff41, // b.ne more
    0xaa04_03e0, // mov x0, x4
    0xd65f_03c0, // ret
    // quit:
    0xd280_0000, // mov x0, #0
    0xd280_0bc8, // mov x8, #94 (exit_group)
    0xd400_0001, // svc #0
];

/// A loadable segment: where, which bytes of the file, how long, and the flags of `p_flags`.
struct Segment<'a> {
    address: u64,
    contents: &'a [u8],
    bytes: u64,
    flags: u32,
}

const EXECUTE: u32 = 1;
const WRITE: u32 = 2;
const READ: u32 = 4;

/// The executor as a static ELF file: headers in the first page, then what has contents.
pub fn elf() -> Vec<u8> {
    let literals = LITERALS.iter().flat_map(|literal| literal.to_le_bytes());
    let text: Vec<u8> = WORDS.iter().flat_map(|w| w.to_le_bytes()).chain(literals).collect();
    let data = |address, bytes, flags| Segment { address, contents: &[], bytes, flags };
    let segments = [
        Segment {
            address: EXECUTOR,
            contents: &text,
            bytes: text.len() as u64,
            flags: READ | EXECUTE,
        },
        data(CODE, PAGE, READ | WRITE | EXECUTE),
        data(WINDOW, WINDOW_PAGES * PAGE, READ | WRITE),
        data(RECORDS, STACK + STACK_BYTES - RECORDS, READ | WRITE),
    ];
    // e_ident: 64-bit, little endian; ET_EXEC, EM_AARCH64; headers of 64 and 56 bytes.
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    for half in [2, 183u16] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes());
    for word in [EXECUTOR, 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for half in [64, 56, segments.len() as u16, 64, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    let mut contents = Vec::new();
    for segment in &segments {
        let offset = if segment.contents.is_empty() { 0 } else { PAGE + contents.len() as u64 };
        contents.extend_from_slice(segment.contents);
        file.extend(1u32.to_le_bytes()); // PT_LOAD
        file.extend(segment.flags.to_le_bytes());
        let length = segment.contents.len() as u64;
        for word in [offset, segment.address, segment.address, length, segment.bytes, PAGE] {
            file.extend(word.to_le_bytes());
        }
    }
    file.resize(PAGE as usize, 0);
    file.extend(contents);
    file
}

/// What the executor reads for a batch. Slots that no case takes hold BRK.
pub fn encode(cases: &[Case], code: &[u32]) -> Vec<u8> {
    let mut bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    for index in 0..BATCH {
        let mut record = [0; RECORD_WORDS];
        let (context, window) = record[1..].split_at_mut(CONTEXT_WORDS);
        context[FPSIMD_HEAD] = FPSIMD;
        match cases.get(index) {
            None => context[PC] = slot(index),
            Some(Case { state, .. }) => {
                context[REGS..SP].copy_from_slice(&state.x);
                context[SP] = state.sp;
                context[PC] = state.pc;
                context[PSTATE] = state.nzcv;
                context[FPSR_FPCR] = u64::from(state.fpcr) << 32 | u64::from(state.fpsr);
                for (halves, v) in context[VREGS..].chunks_exact_mut(2).zip(state.v) {
                    halves.copy_from_slice(&[v as u64, (v >> 64) as u64]);
                }
                window.copy_from_slice(&state.window);
            }
        }
        bytes.extend(record.iter().flat_map(|word| word.to_le_bytes()));
    }
    bytes
}

/// What the executor says about `count` cases.
pub fn decode(bytes: &[u8], count: usize) -> Vec<Outcome> {
    bytes.chunks_exact(8 * RECORD_WORDS).take(count).map(outcome).collect()
}

fn outcome(bytes: &[u8]) -> Outcome {
    let mut record = [0; RECORD_WORDS];
    for (word, bytes) in record.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    let (context, window) = record[1..].split_at(CONTEXT_WORDS);
    let mut state = State {
        x: [0; 31],
        sp: context[SP],
        pc: context[PC],
        nzcv: context[PSTATE] & NZCV,
        v: [0; 32],
        fpcr: (context[FPSR_FPCR] >> 32) as u32,
        fpsr: context[FPSR_FPCR] as u32,
        window: [0; WINDOW_WORDS],
    };
    state.x.copy_from_slice(&context[REGS..SP]);
    for (v, halves) in state.v.iter_mut().zip(context[VREGS..].chunks_exact(2)) {
        *v = u128::from(halves[1]) << 64 | u128::from(halves[0]);
    }
    state.window.copy_from_slice(window);
    // Signals of Linux.
    let end = match record[0] {
        4 => End::Undefined,
        5 => End::Breakpoint,
        7 => End::Misaligned,
        11 => End::Abort(context[0]),
        signal => End::Other(signal),
    };
    // What the kernel says that it has saved is what was read.
    let end = if context[FPSIMD_HEAD] == FPSIMD { end } else { End::Other(context[FPSIMD_HEAD]) };
    Outcome { end, state }
}
