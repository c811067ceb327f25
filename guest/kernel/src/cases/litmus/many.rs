//! More than two CPUs, and accesses of several sizes.

use anyvisor_abi::case::Needs;

use super::Feature::{Base, Lse, Rcpc};
use super::Verdict::{Allowed, Forbidden};
use super::{Shape, Variant, run, thread};
use crate::case;

static IRIW: Shape = Shape {
    name: "IRIW",
    threads: 4,
    outcome: |seen| seen.registers[2] == [1, 0] && seen.registers[3] == [1, 0],
    variants: &[
        Variant {
            name: "po",
            verdict: Allowed,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]"),
                thread!("str {one}, [{y}]"),
                thread!("ldr {a}, [{x}]", "ldr {b}, [{y}]"),
                thread!("ldr {a}, [{y}]", "ldr {b}, [{x}]"),
            ],
        },
        Variant {
            name: "addrs",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]"),
                thread!("str {one}, [{y}]"),
                thread!("ldr {a}, [{x}]", "eor {t}, {a}, {a}", "ldr {b}, [{y}, {t}]"),
                thread!("ldr {a}, [{y}]", "eor {t}, {a}, {a}", "ldr {b}, [{x}, {t}]"),
            ],
        },
        Variant {
            name: "dmbs",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]"),
                thread!("str {one}, [{y}]"),
                thread!("ldr {a}, [{x}]", "dmb ish", "ldr {b}, [{y}]"),
                thread!("ldr {a}, [{y}]", "dmb ish", "ldr {b}, [{x}]"),
            ],
        },
        Variant {
            name: "acquires",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]"),
                thread!("str {one}, [{y}]"),
                thread!("ldar {a}, [{x}]", "ldr {b}, [{y}]"),
                thread!("ldar {a}, [{y}]", "ldr {b}, [{x}]"),
            ],
        },
        Variant {
            name: "ldaprs",
            verdict: Forbidden,
            needs: Rcpc,
            threads: &[
                thread!("str {one}, [{x}]"),
                thread!("str {one}, [{y}]"),
                thread!("ldapr {a}, [{x}]", "ldr {b}, [{y}]"),
                thread!("ldapr {a}, [{y}]", "ldr {b}, [{x}]"),
            ],
        },
    ],
};

case! {
    /// Independent reads of independent writes: two CPUs write, two others watch. The watchers may
    /// not disagree on which write came first.
    ///
    /// ```text
    ///   CPU 0      CPU 1      CPU 2          CPU 3
    ///   W x = 1    W y = 1    R x -> a = 1   R y -> c = 1
    ///                         R y -> b = 0   R x -> d = 0      x first, says 2; y first, says 3
    /// ```
    ///
    /// Armv8 is other-multi-copy atomic: what one CPU sees of another's write, all others see. So
    /// once each watcher's two reads are in order (an address, DMB LD, an acquire) they agree.
    /// POWER is not like that, nor was Armv7 on paper.
    ///
    /// A hypervisor gets here when vCPUs do not share one memory in the strict sense: a guest whose
    /// vCPUs run on several machines (a distributed hypervisor), a copy per NUMA node, a per-vCPU
    /// shadow of a page.
    "litmus.iriw": "IRIW: with ordered reads two watchers never disagree on which of two writes came first";
    reference: "DDI 0487: B2.3 Other-multi-copy atomicity; the litmus tests IRIW, IRIW+addrs, IRIW+dmbs";
    needs: Needs::PSCI.vcpus(4);
    fn iriw() {
        run(&IRIW);
    }
}

static WRC: Shape = Shape {
    name: "WRC",
    threads: 3,
    outcome: |seen| seen.registers[1][0] == 1 && seen.registers[2] == [1, 0],
    variants: &[
        Variant {
            name: "po",
            verdict: Allowed,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]"),
                thread!("ldr {a}, [{x}]", "str {one}, [{y}]"),
                thread!("ldr {a}, [{y}]", "ldr {b}, [{x}]"),
            ],
        },
        Variant {
            name: "data_addr",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]"),
                thread!(
                    "ldr {a}, [{x}]",
                    "eor {t}, {a}, {a}",
                    "add {t}, {t}, #1",
                    "str {t}, [{y}]"
                ),
                thread!("ldr {a}, [{y}]", "eor {t}, {a}, {a}", "ldr {b}, [{x}, {t}]"),
            ],
        },
        Variant {
            name: "stlr_ldar",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]"),
                thread!("ldr {a}, [{x}]", "stlr {one}, [{y}]"),
                thread!("ldar {a}, [{y}]", "ldr {b}, [{x}]"),
            ],
        },
        Variant {
            name: "ldadd_dmbs",
            verdict: Forbidden,
            needs: Lse,
            threads: &[
                thread!("stadd {one}, [{x}]"),
                thread!("ldr {a}, [{x}]", "dmb ish", "stadd {one}, [{y}]"),
                thread!("ldr {a}, [{y}]", "dmb ish", "ldr {b}, [{x}]"),
            ],
        },
    ],
};

case! {
    /// Write to read causality: the second CPU passes on what it saw of the first, and the third,
    /// which sees that, sees the first as well.
    ///
    /// ```text
    ///   CPU 0       CPU 1          CPU 2
    ///   W x = 1     R x -> a = 1   R y -> b = 1
    ///               W y = 1        R x -> c = 0 ?
    /// ```
    ///
    /// Cumulative order: the second CPU's release covers what it has observed, not only what it
    /// wrote itself. Reference counts and RCU stand on this.
    ///
    /// The hypervisor is often CPU 1: it sees a guest's doorbell (x), and tells another vCPU by a
    /// flag or an interrupt (y). A fence that orders its own stores only is not enough.
    "litmus.wrc": "WRC: who sees a message that was passed on sees the first message too";
    reference: "DDI 0487: B2.3 Other-multi-copy atomicity, Ordered-before; WRC, WRC+data+addr, WRC+popl+poap";
    needs: Needs::PSCI.vcpus(3);
    fn wrc() {
        run(&WRC);
    }
}

/// A doubleword whose halves differ belongs to two stores.
const fn is_torn(value: u64) -> bool {
    value >> 32 != value & 0xffff_ffff
}

static TEARING: Shape = Shape {
    name: "tearing",
    threads: 2,
    outcome: |seen| seen.registers.iter().flatten().any(|&value| is_torn(value)) || is_torn(seen.x),
    variants: &[
        Variant {
            name: "doublewords",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("mov {t}, #-1", "str {t}, [{x}]", "str xzr, [{x}]", "str {t}, [{x}]"),
                thread!("ldr {a}, [{x}]", "ldr {b}, [{x}]"),
            ],
        },
        // Each register of a pair is an access of its own, and whole.
        Variant {
            name: "pairs",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("mov {t}, #-1", "stp {t}, {t}, [{x}]", "stp xzr, xzr, [{x}]"),
                thread!("ldp {a}, {b}, [{x}]"),
            ],
        },
        Variant {
            name: "exclusives",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("mov {t}, #-1", "str {t}, [{x}]", "str xzr, [{x}]", "str {t}, [{x}]"),
                thread!("ldxr {a}, [{x}]", "clrex", "ldaxr {b}, [{x}]", "clrex"),
            ],
        },
        Variant {
            name: "words",
            verdict: Allowed,
            needs: Base,
            threads: &[
                thread!("mov {t}, #-1", "str {t:w}, [{x}]", "str {t:w}, [{x}, #4]"),
                thread!("ldr {a}, [{x}]", "ldr {b}, [{x}]"),
            ],
        },
    ],
};

/// Bytes go from 0 to ones and never back: a later read of the same bytes has at least those.
static MIXED: Shape = Shape {
    name: "mixed",
    threads: 2,
    outcome: |seen| seen.registers[1][0] != 0 && seen.registers[1][1] == 0,
    variants: &[
        Variant {
            name: "doubleword_then_word",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("mov {t}, #-1", "str {t}, [{x}]"),
                thread!("ldr {a}, [{x}]", "ldr {b:w}, [{x}, #4]"),
            ],
        },
        Variant {
            name: "byte_then_doubleword",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("mov {t}, #-1", "str {t}, [{x}]"),
                thread!("ldrb {a:w}, [{x}, #7]", "ldr {b}, [{x}]"),
            ],
        },
        Variant {
            name: "words_dmb.st_words_dmb.ld",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {one:w}, [{x}]", "dmb ishst", "strb {one:w}, [{x}, #7]"),
                thread!("ldr {a:w}, [{x}, #4]", "dmb ishld", "ldrh {b:w}, [{x}]"),
            ],
        },
    ],
};

case! {
    /// An aligned access of up to eight bytes is one access: nobody sees half of it. Accesses of
    /// different sizes to the same bytes are coherent byte by byte.
    ///
    /// ```text
    ///   CPU 0                  CPU 1
    ///   STR all ones, zero     LDR           ffffffff00000000 ?  never
    ///   STP two of them        LDP           each half whole; the two need not agree
    ///   STR W, STR W           LDR X         half of it is allowed: these are two stores
    /// ```
    ///
    /// Device drivers and page tables stand on this: a descriptor of eight bytes is written while
    /// another CPU's table walker reads it. A hypervisor breaks it where it makes an access for the
    /// guest by memcpy (which may go byte by byte), splits an unaligned one wrongly, or emulates an
    /// LDP by one access of 16 bytes that its host does not make in one. An emulator on a 32-bit
    /// host has to lock.
    "litmus.sizes": "no aligned 8-byte access is torn; accesses of other sizes are coherent byte by byte";
    reference: "DDI 0487: B2.2 Single-copy atomicity; LDP, STP; B2.3 mixed-size accesses";
    needs: Needs::PSCI.vcpus(2);
    fn sizes() {
        run(&TEARING);
        run(&MIXED);
    }
}
