//! The shapes whose outcome stands in registers alone: MP, SB and LB.

use anyvisor_abi::case::Needs;

use super::Feature::{Base, Lse, Rcpc};
use super::Verdict::{Allowed, Forbidden};
use super::{Shape, Variant, run, thread};
use crate::case;

static MP: Shape = Shape {
    name: "MP",
    threads: 2,
    outcome: |seen| seen.registers[1] == [1, 0],
    variants: &[
        Variant {
            name: "po",
            verdict: Allowed,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "str {one}, [{y}]"),
                thread!("ldr {a}, [{y}]", "ldr {b}, [{x}]"),
            ],
        },
        Variant {
            name: "dmbs",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "dmb ish", "str {one}, [{y}]"),
                thread!("ldr {a}, [{y}]", "dmb ish", "ldr {b}, [{x}]"),
            ],
        },
        Variant {
            name: "dmb.st_dmb.ld",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "dmb ishst", "str {one}, [{y}]"),
                thread!("ldr {a}, [{y}]", "dmb ishld", "ldr {b}, [{x}]"),
            ],
        },
        // DMB LD orders loads against what follows: of two stores it says nothing.
        Variant {
            name: "dmb.lds",
            verdict: Allowed,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "dmb ishld", "str {one}, [{y}]"),
                thread!("ldr {a}, [{y}]", "dmb ishld", "ldr {b}, [{x}]"),
            ],
        },
        Variant {
            name: "stlr_ldar",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "stlr {one}, [{y}]"),
                thread!("ldar {a}, [{y}]", "ldr {b}, [{x}]"),
            ],
        },
        Variant {
            name: "stlr_ldapr",
            verdict: Forbidden,
            needs: Rcpc,
            threads: &[
                thread!("str {one}, [{x}]", "stlr {one}, [{y}]"),
                thread!("ldapr {a}, [{y}]", "ldr {b}, [{x}]"),
            ],
        },
        Variant {
            name: "swpl_ldadda",
            verdict: Forbidden,
            needs: Lse,
            threads: &[
                thread!("str {one}, [{x}]", "swpl {one}, {a}, [{y}]"),
                thread!("ldadda xzr, {a}, [{y}]", "ldr {b}, [{x}]"),
            ],
        },
        Variant {
            name: "casl_casa",
            verdict: Forbidden,
            needs: Lse,
            threads: &[
                thread!("str {one}, [{x}]", "mov {t}, xzr", "casl {t}, {one}, [{y}]"),
                thread!("mov {a}, {two}", "casa {a}, {two}, [{y}]", "ldr {b}, [{x}]"),
            ],
        },
        // An address that depends on what was read cannot be accessed before it was read.
        Variant {
            name: "dmb_addr",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "dmb ish", "str {one}, [{y}]"),
                thread!("ldr {a}, [{y}]", "eor {t}, {a}, {a}", "ldr {b}, [{x}, {t}]"),
            ],
        },
        // A branch that depends on it holds back stores only: loads may be speculated past it ...
        Variant {
            name: "dmb_ctrl",
            verdict: Allowed,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "dmb ish", "str {one}, [{y}]"),
                thread!("ldr {a}, [{y}]", "cbnz {a}, 2f", "2: ldr {b}, [{x}]"),
            ],
        },
        // ... unless an ISB stands between.
        Variant {
            name: "dmb_ctrlisb",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "dmb ish", "str {one}, [{y}]"),
                thread!("ldr {a}, [{y}]", "cbnz {a}, 2f", "2: isb", "ldr {b}, [{x}]"),
            ],
        },
    ],
};

case! {
    /// Message passing: one CPU writes data (x) and then a flag (y), another reads the flag and
    /// then the data. Who sees the flag and not the data has seen the forbidden outcome.
    ///
    /// ```text
    ///   CPU 0          CPU 1
    ///   W x = 1        R y -> a
    ///   W y = 1        R x -> b        a = 1 and b = 0 ?
    ///
    ///   W x=1 --po--> W y=1 --rf--> R y=1 --po--> R x=0 --fr--> W x=1     a cycle: somebody is
    ///                                                                     out of order
    /// ```
    ///
    /// Plain accesses promise nothing. Order needs both sides: on the writer's DMB, DMB ST or a
    /// release (STLR, SWPL, CASL), on the reader's DMB, DMB LD, an acquire (LDAR, LDAPR, LDADDA,
    /// CASA) or a dependency; of dependencies an address is enough, a branch only with an ISB.
    ///
    /// At EL1 this is every lock and every ring of virtio. The hypervisor is itself one of the two
    /// CPUs wherever it shares memory with a guest: a device thread that reads `avail->idx` and then
    /// the ring needs the same acquire. An emulator must turn these instructions into ones of its
    /// host that are at least as strong, and must not treat LDADDA as LDADD because the data come
    /// out right. A compiler within it that reorders two guest stores breaks it as well.
    "litmus.mp": "MP: with DMB, release and acquire, LSE, or a dependency nobody sees the flag without the data";
    reference: "DDI 0487: B2.3 Barrier-ordered-before, Dependency-ordered-before; MP+dmbs, MP+popl+poap, MP+dmb+addr";
    needs: Needs::PSCI.vcpus(2);
    fn message_passing() {
        run(&MP);
    }
}

static SB: Shape = Shape {
    name: "SB",
    threads: 2,
    outcome: |seen| seen.registers[0][0] == 0 && seen.registers[1][0] == 0,
    variants: &[
        Variant {
            name: "po",
            verdict: Allowed,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "ldr {a}, [{y}]"),
                thread!("str {one}, [{y}]", "ldr {a}, [{x}]"),
            ],
        },
        Variant {
            name: "dmbs",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "dmb ish", "ldr {a}, [{y}]"),
                thread!("str {one}, [{y}]", "dmb ish", "ldr {a}, [{x}]"),
            ],
        },
        Variant {
            name: "dsbs",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "dsb ish", "ldr {a}, [{y}]"),
                thread!("str {one}, [{y}]", "dsb ish", "ldr {a}, [{x}]"),
            ],
        },
        Variant {
            name: "dmb.sts",
            verdict: Allowed,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "dmb ishst", "ldr {a}, [{y}]"),
                thread!("str {one}, [{y}]", "dmb ishst", "ldr {a}, [{x}]"),
            ],
        },
        Variant {
            name: "dmb.lds",
            verdict: Allowed,
            needs: Base,
            threads: &[
                thread!("str {one}, [{x}]", "dmb ishld", "ldr {a}, [{y}]"),
                thread!("str {one}, [{y}]", "dmb ishld", "ldr {a}, [{x}]"),
            ],
        },
        // An atomic that is both acquire and release, between the two, orders them like a DMB.
        Variant {
            name: "swpal_between",
            verdict: Forbidden,
            needs: Lse,
            threads: &[
                thread!(
                    "str {one}, [{x}]",
                    "add {t}, {x}, #16",
                    "swpal {two}, {b}, [{t}]",
                    "ldr {a}, [{y}]"
                ),
                thread!(
                    "str {one}, [{y}]",
                    "add {t}, {y}, #16",
                    "swpal {two}, {b}, [{t}]",
                    "ldr {a}, [{x}]"
                ),
            ],
        },
    ],
};

case! {
    /// Store buffering: each of two CPUs writes its own location and then reads the other's. If both
    /// read the old value, both reads overtook the writes before them.
    ///
    /// ```text
    ///   CPU 0          CPU 1
    ///   W x = 1        W y = 1
    ///   R y -> a       R x -> b        a = 0 and b = 0 ?
    /// ```
    ///
    /// This is the one reordering that x86 does, too: a store waits in the CPU's store buffer while
    /// the load behind it already reads. Dekker's lock, "set my flag, look at yours", and every
    /// "publish, then check whether to notify" (virtio's used_event) stand on its absence. DMB ISH and
    /// DSB forbid it; DMB ST and DMB LD do not. (STLR and LDAR do: `litmus.rcsc`.)
    ///
    /// An emulator may not drop a DMB because its host is "strongly ordered": this order no host
    /// gives for nothing. The hypervisor itself is on one side of it with each queue whose
    /// notifications it suppresses: write the flag that says "do not kick me", full barrier, look at
    /// the ring once more.
    "litmus.sb": "SB: with DMB or DSB, or SWPAL between, never do both CPUs read the old value";
    reference: "DDI 0487: B2.3 Barrier-ordered-before: DMB, atomics with acquire and release; SB, SB+dmbs";
    needs: Needs::PSCI.vcpus(2);
    fn store_buffering() {
        run(&SB);
    }
}

static LB: Shape = Shape {
    name: "LB",
    threads: 2,
    outcome: |seen| seen.registers[0][0] == 1 && seen.registers[1][0] == 1,
    variants: &[
        Variant {
            name: "po",
            verdict: Allowed,
            needs: Base,
            threads: &[
                thread!("ldr {a}, [{x}]", "str {one}, [{y}]"),
                thread!("ldr {a}, [{y}]", "str {one}, [{x}]"),
            ],
        },
        Variant {
            name: "dmbs",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("ldr {a}, [{x}]", "dmb ish", "str {one}, [{y}]"),
                thread!("ldr {a}, [{y}]", "dmb ish", "str {one}, [{x}]"),
            ],
        },
        Variant {
            name: "dmb.lds",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("ldr {a}, [{x}]", "dmb ishld", "str {one}, [{y}]"),
                thread!("ldr {a}, [{y}]", "dmb ishld", "str {one}, [{x}]"),
            ],
        },
        Variant {
            name: "ldar",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("ldar {a}, [{x}]", "str {one}, [{y}]"),
                thread!("ldar {a}, [{y}]", "str {one}, [{x}]"),
            ],
        },
        Variant {
            name: "stlr",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("ldr {a}, [{x}]", "stlr {one}, [{y}]"),
                thread!("ldr {a}, [{y}]", "stlr {one}, [{x}]"),
            ],
        },
        Variant {
            name: "datas",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!(
                    "ldr {a}, [{x}]",
                    "eor {t}, {a}, {a}",
                    "add {t}, {t}, #1",
                    "str {t}, [{y}]"
                ),
                thread!(
                    "ldr {a}, [{y}]",
                    "eor {t}, {a}, {a}",
                    "add {t}, {t}, #1",
                    "str {t}, [{x}]"
                ),
            ],
        },
        Variant {
            name: "addrs",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("ldr {a}, [{x}]", "eor {t}, {a}, {a}", "str {one}, [{y}, {t}]"),
                thread!("ldr {a}, [{y}]", "eor {t}, {a}, {a}", "str {one}, [{x}, {t}]"),
            ],
        },
        Variant {
            name: "ctrls",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("ldr {a}, [{x}]", "cbnz {a}, 2f", "2: str {one}, [{y}]"),
                thread!("ldr {a}, [{y}]", "cbnz {a}, 2f", "2: str {one}, [{x}]"),
            ],
        },
    ],
};

case! {
    /// Load buffering: each of two CPUs reads one location and then writes the other. If both read
    /// what the other writes later, both writes overtook the reads before them.
    ///
    /// ```text
    ///   CPU 0          CPU 1
    ///   R x -> a       R y -> b
    ///   W y = 1        W x = 1         a = 1 and b = 1 ?
    /// ```
    ///
    /// Plain accesses allow it, and Arm's cores do it. Any dependency forbids it: a store whose
    /// data, whose address or whose mere execution depends on what was read is not made visible
    /// before the read is done. So a value cannot come out of thin air.
    ///
    /// EL1 and the hypervisor have no part in it. An emulator or a binary translator has: the EOR
    /// of a register with itself is zero whatever was read, and an optimizer that folds it takes
    /// the dependency away with it. It must keep the order that the dependency was there for.
    "litmus.lb": "LB: with a dependency, DMB, LDAR or STLR no two CPUs read what the other one writes later";
    reference: "DDI 0487: B2.3 Dependency-ordered-before: data, address, control to a store; LB, LB+datas, LB+ctrls";
    needs: Needs::PSCI.vcpus(2);
    fn load_buffering() {
        run(&LB);
    }
}
