//! The recorder, the listing and the replay. (That evaluation is right is shown in
//! `interp/agreement.rs`.)

use super::*;
use crate::a64::Row;
use crate::emit::Emit;
use crate::vector::Fp;

/// LDR X0, \[X1, #8\]!; SUBS W2, W0, #1; B.NE back to the first; NOP.
const WORDS: [u32; 4] = [0xf840_8c20, 0x7100_0402, 0x54ff_ffc1, 0xd503_201f];

/// A second recorder, as the client that a block is replayed onto.
impl Machine for Recorder {
    fn begin(&mut self, pc: u64) {
        self.at = (pc / 4) as u32;
    }
}

fn again(block: &Block) -> Block {
    let mut recorder = Recorder::default();
    recorder.block.words.clone_from(&block.words);
    let Ok(()) = replay(block, 0, &mut recorder);
    recorder.finish()
}

#[test]
fn a_block_is_recorded_up_to_its_end_and_printed() {
    let block = record(WORDS);
    let expected = "\
0x1000  ldr x0, [x1, #8]!
    %0 = base x1 ?
    %1 = add.x %0, 0x8
    %2 = load.8 [%1] ?
    set_reg.x x0, %2
    set_reg_sp.x x1, %1
0x1004  subs w2, w0, #0x1
    %3 = reg_sp.w w0
    %4 = subs.w %3, 0x1
    set_reg.w w2, %4
0x1008  b.ne 0x1000
    branch_cond.ne @0x1000
";
    assert_eq!(Listing { block: &block, pc: 0x1000 }.to_string(), expected);
    assert_eq!((block.words.len(), block.values, block.vectors), (3, 5, 0));
}

#[test]
fn an_address_is_relative_to_the_block_until_it_is_printed() {
    // NOP does not begin a block here: it ends one. CLREX does not. BL to its next but one.
    let block = record([0xd503_3f5f, 0x9400_0002]);
    let branch = &block.steps[2];
    assert_eq!((branch.index, &branch.op), (1, &Op::Branch { target: V::Pc(12) }));
    assert_eq!(branch.text(0xffff_ffff_ffff_fff8), "branch @0x4");
}

#[test]
fn vectors_have_numbers_of_their_own() {
    fn double(_: &mut Fp, _: Shape, operands: &[u128]) -> u128 {
        operands[0] << 1
    }
    let function = Function { name: "double", call: double };
    let mut recorder = Recorder::default();
    recorder.block.words.push(0);
    let a = recorder.v(3);
    let one = recorder.q_imm(1);
    let b = recorder.vector(function, Shape::vector(2, 1).with(5), &[a, one]);
    let low = recorder.q_half(b, false);
    recorder.set_reg(Size::X, 31, low);
    let block = recorder.finish();
    let texts: Vec<_> = block.steps.iter().map(|step| step.text(0)).collect();
    let expected =
        ["%q0 = v v3", "%q1 = double.4x32.0x5 %q0, 0x1", "%0 = q_half %q1", "set_reg.x xzr, %0"];
    assert_eq!(texts, expected);
    assert_eq!((block.values, block.vectors), (1, 2));
    assert_eq!(again(&block), block);
}

#[test]
fn what_a_function_is_told_besides_is_printed_for_people() {
    let texts = [
        // FCVTZS X0, S1, #5; SCVTF V0.4S, V1.4S; FRINTN D0, D1; XAR V4.2D, V7.2D, V5.2D, #15
        (0x9e18_ec20, "%q1 = fcvts.1x64.from32.fraction5.zero %q0"),
        (0x4e21_d820, "%q1 = scvtf.4x32.from32.fpcr %q0"),
        (0x1e64_4020, "%q1 = frint.1x64.even %q0"),
        (0xce85_3ce4, "%q2 = xar.2x64.0xf %q0, %q1"),
    ];
    for (word, text) in texts {
        let steps = record([word]).steps;
        assert!(steps.iter().any(|step| step.text(0) == text), "{}", crate::text(word, 0));
    }
}

/// Nothing is lost and nothing moved when a block is said again; and each number is used only
/// after it was given, or `replay` would panic.
#[test]
fn a_replayed_block_is_the_same_block() {
    for row in Row::all() {
        for free in [0, !0, 0x5555_5555, 0xaaaa_aaaa, 0x0f1e_2d3c, 0x8421_8421] {
            let block = record([row.pattern().value | free & !row.pattern().mask]);
            assert_eq!(again(&block), block, "{}", row.name());
        }
    }
    let block = record(WORDS);
    assert_eq!(again(&block), block);
}

/// What the head of this module promises to a compiler.
#[test]
fn rows_keep_the_rules_of_the_vocabulary() {
    for row in Row::all() {
        for free in [0, !0, 0x5555_5555, 0xaaaa_aaaa, 0x0f1e_2d3c, 0x8421_8421] {
            let word = row.pattern().value | free & !row.pattern().mask;
            let text = || format!("{}: {}", row.name(), Listing { block: &record([word]), pc: 0 });
            let steps = record([word]).steps;
            let writes = |op: &Op| {
                let flags = matches!(op.name(), "adds" | "subs" | "adcs" | "ands" | "compare_if");
                flags || op.name().starts_with("set_")
            };
            let branches = |op: &Op| {
                let name = op.name();
                name.starts_with("branch") || matches!(op, Op::System { .. })
            };
            if let Some(first) = steps.iter().position(|step| writes(&step.op)) {
                assert!(!steps[first..].iter().any(|step| step.op.may_stop()), "{}", text());
            }
            let rest = steps.split_last().map_or(&[][..], |(_, rest)| rest);
            assert!(!rest.iter().any(|step| branches(&step.op)), "{}", text());
            if steps.iter().any(|step| branches(&step.op)) {
                assert!(Row::of(word).ends_block(), "{}", text());
            }
        }
    }
}
