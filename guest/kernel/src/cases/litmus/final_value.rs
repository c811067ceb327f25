//! The shapes whose outcome has to do with which of two stores came last: S, R and 2+2W.

use anyvisor_abi::case::Needs;

use super::Feature::{Base, Lse};
use super::Verdict::{Allowed, Forbidden};
use super::{Shape, Variant, run, thread};
use crate::case;

static S: Shape = Shape {
    name: "S",
    threads: 2,
    outcome: |seen| seen.registers[1][0] == 1 && seen.x == 2,
    variants: &[
        Variant {
            name: "po",
            verdict: Allowed,
            needs: Base,
            threads: &[
                thread!("str {two}, [{x}]", "str {one}, [{y}]"),
                thread!("ldr {a}, [{y}]", "str {one}, [{x}]"),
            ],
        },
        Variant {
            name: "dmbs",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {two}, [{x}]", "dmb ish", "str {one}, [{y}]"),
                thread!("ldr {a}, [{y}]", "dmb ish", "str {one}, [{x}]"),
            ],
        },
        Variant {
            name: "dmb.st_data",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {two}, [{x}]", "dmb ishst", "str {one}, [{y}]"),
                thread!(
                    "ldr {a}, [{y}]",
                    "eor {t}, {a}, {a}",
                    "add {t}, {t}, #1",
                    "str {t}, [{x}]"
                ),
            ],
        },
        Variant {
            name: "stlr_ctrl",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {two}, [{x}]", "stlr {one}, [{y}]"),
                thread!("ldr {a}, [{y}]", "cbnz {a}, 2f", "2: str {one}, [{x}]"),
            ],
        },
        Variant {
            name: "stlr_ldar",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {two}, [{x}]", "stlr {one}, [{y}]"),
                thread!("ldar {a}, [{y}]", "str {one}, [{x}]"),
            ],
        },
        Variant {
            name: "swpl_ldar",
            verdict: Forbidden,
            needs: Lse,
            threads: &[
                thread!("str {two}, [{x}]", "swpl {one}, {t}, [{y}]"),
                thread!("ldar {a}, [{y}]", "str {one}, [{x}]"),
            ],
        },
    ],
};

case! {
    /// S: who has seen the flag writes the data anew. The new value may not be lost to the old one,
    /// which was written before the flag.
    ///
    /// ```text
    ///   CPU 0          CPU 1
    ///   W x = 2        R y -> a
    ///   W y = 1        W x = 1         a = 1, and x = 2 in the end ?
    /// ```
    ///
    /// A lock's owner writes the data, hands the lock over, and the next owner writes them again:
    /// if this went wrong the second owner's update would vanish. A release on one side and an
    /// acquire, a DMB or a dependency into the store on the other forbid it.
    ///
    /// For a hypervisor the same holds of pages that it writes for a guest: a device model that
    /// writes a buffer after it raised the interrupt (the flag) may write over what the guest has
    /// put there since.
    "litmus.s": "S: what is written by who saw the flag is not overwritten by what came before the flag";
    reference: "DDI 0487: B2.3 Ordered-before, Coherence order; the litmus tests S, S+dmbs, S+dmb.st+data, S+popl+poap";
    needs: Needs::PSCI.vcpus(2);
    fn s() {
        run(&S);
    }
}

static R: Shape = Shape {
    name: "R",
    threads: 2,
    outcome: |seen| seen.registers[1][0] == 0 && seen.y == 2,
    variants: &[
        Variant {
            name: "po",
            verdict: Allowed,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "str {one}, [{y}]"),
                thread!("str {two}, [{y}]", "ldr {a}, [{x}]"),
            ],
        },
        Variant {
            name: "dmb.sts",
            verdict: Allowed,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "dmb ishst", "str {one}, [{y}]"),
                thread!("str {two}, [{y}]", "dmb ishst", "ldr {a}, [{x}]"),
            ],
        },
        Variant {
            name: "dmbs",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "dmb ish", "str {one}, [{y}]"),
                thread!("str {two}, [{y}]", "dmb ish", "ldr {a}, [{x}]"),
            ],
        },
        Variant {
            name: "dmb.st_dmb",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "dmb ishst", "str {one}, [{y}]"),
                thread!("str {two}, [{y}]", "dmb ish", "ldr {a}, [{x}]"),
            ],
        },
    ],
};

case! {
    /// R: two CPUs write the same location; who wrote it last must see what the other wrote before.
    ///
    /// ```text
    ///   CPU 0          CPU 1
    ///   W x = 1        W y = 2
    ///   W y = 1        R x -> a        y = 2 in the end, and a = 0 ?
    /// ```
    ///
    /// If y is 2 in the end, CPU 1's write came after CPU 0's, and what CPU 0 did before that is
    /// over: x is 1. DMB on both sides says so (DMB ST is enough for CPU 0, not for CPU 1, whose
    /// second access is a load). STLR on both and LDAR say it, too: `litmus.rcsc`.
    ///
    /// On x86 the order of CPU 1 is the store buffer's again (see `litmus.sb`): an emulator that
    /// treats its DMB as nothing lets it through.
    "litmus.r": "R: with DMB the later of two writers sees what the earlier wrote before";
    reference: "DDI 0487: B2.3 Ordered-before, Coherence order; the litmus tests R, R+dmbs, R+dmb.sts";
    needs: Needs::PSCI.vcpus(2);
    fn r() {
        run(&R);
    }
}

static TWO_PLUS_TWO_W: Shape = Shape {
    name: "2_2W",
    threads: 2,
    outcome: |seen| seen.x == 1 && seen.y == 1,
    variants: &[
        Variant {
            name: "po",
            verdict: Allowed,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "str {two}, [{y}]"),
                thread!("str {one}, [{y}]", "str {two}, [{x}]"),
            ],
        },
        Variant {
            name: "dmb.sts",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "dmb ishst", "str {two}, [{y}]"),
                thread!("str {one}, [{y}]", "dmb ishst", "str {two}, [{x}]"),
            ],
        },
        Variant {
            name: "dmbs",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "dmb ish", "str {two}, [{y}]"),
                thread!("str {one}, [{y}]", "dmb ish", "str {two}, [{x}]"),
            ],
        },
        Variant {
            name: "stlrs",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "stlr {two}, [{y}]"),
                thread!("str {one}, [{y}]", "stlr {two}, [{x}]"),
            ],
        },
    ],
};

case! {
    /// 2+2W: two CPUs write two locations in opposite order. Not both first writes can be the last
    /// ones.
    ///
    /// ```text
    ///   CPU 0          CPU 1
    ///   W x = 1        W y = 1
    ///   W y = 2        W x = 2         x = 1 and y = 1 in the end ?
    /// ```
    ///
    /// Only stores, so DMB ST on both sides is enough, and STLR for the second store of each.
    /// Plain stores may be seen in any order.
    ///
    /// Whoever moves a guest's memory while it runs (migration, a compressor) is a third writer: a
    /// page that it copies while a vCPU writes may be put back with an old value after a new one
    /// was seen, and then even this fails.
    "litmus.two_plus_two_w": "2+2W: with DMB ST, DMB or STLR not both first writes of two CPUs are the last ones";
    reference: "DDI 0487: B2.3 Ordered-before, Coherence order; the litmus tests 2+2W, 2+2W+dmb.sts";
    needs: Needs::PSCI.vcpus(2);
    fn two_plus_two_w() {
        run(&TWO_PLUS_TWO_W);
    }
}
