//! STLR and LDAR are ordered among themselves.

use anyvisor_abi::case::Needs;

use super::Feature::{Base, Rcpc};
use super::Verdict::{Allowed, Forbidden};
use super::{Shape, Variant, run, thread};
use crate::case;

static SB: Shape = Shape {
    name: "SB",
    threads: 2,
    outcome: |seen| seen.registers[0][0] == 0 && seen.registers[1][0] == 0,
    variants: &[
        Variant {
            name: "stlr_ldar",
            verdict: Forbidden,
            needs: Base,
            threads: &[
                thread!("stlr {one}, [{x}]", "ldar {a}, [{y}]"),
                thread!("stlr {one}, [{y}]", "ldar {a}, [{x}]"),
            ],
        },
        Variant {
            name: "stlr_ldapr",
            verdict: Allowed,
            needs: Rcpc,
            threads: &[
                thread!("stlr {one}, [{x}]", "ldapr {a}, [{y}]"),
                thread!("stlr {one}, [{y}]", "ldapr {a}, [{x}]"),
            ],
        },
    ],
};

static R: Shape = Shape {
    name: "R",
    threads: 2,
    outcome: |seen| seen.registers[1][0] == 0 && seen.y == 2,
    variants: &[Variant {
        name: "stlrs_ldar",
        verdict: Forbidden,
        needs: Base,
        threads: &[
            thread!("str {one}, [{x}]", "stlr {one}, [{y}]"),
            thread!("stlr {two}, [{y}]", "ldar {a}, [{x}]"),
        ],
    }],
};

case! {
    /// An LDAR is ordered after every STLR before it on the same CPU, also of another address: their
    /// release and acquire are sequentially consistent (RCsc). LDAPR's acquire is not: it may
    /// overtake the STLR.
    ///
    /// ```text
    ///   CPU 0            CPU 1
    ///   STLR 1 -> x      STLR 1 -> y
    ///   LDAR y -> a      LDAR x -> b      a = 0 and b = 0 is forbidden
    ///   LDAPR y -> a     LDAPR x -> b     the same with LDAPR is allowed
    /// ```
    ///
    /// C11's `memory_order_seq_cst` compiles to STLR and LDAR, and to nothing else: a guest's
    /// Dekker lock has no other fence. Hardware does it, and a hypervisor on hardware has no part.
    ///
    /// An emulator gets it wrong by putting a fence before each store-release and one behind each
    /// load-acquire, as release and acquire alone would want it: then there is none between the two,
    /// and on x86 the store is still in the store buffer when the load reads. A full fence has to
    /// stand behind each STLR or before each LDAR.
    "litmus.rcsc": "SB and R: LDAR is never done before an earlier STLR of the same CPU; LDAPR may be";
    reference: "DDI 0487: B2.3 Barrier-ordered-before: [L]; po; [A]; LDAR, LDAPR; SB+rel-acqs, R+rel-acqs";
    needs: Needs::PSCI.vcpus(2);
    fn rcsc() {
        run(&SB);
        run(&R);
    }
}
