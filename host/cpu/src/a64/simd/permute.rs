//! Advanced SIMD table lookup, permute, extract.

use super::operand::{binary, no_vector, same, vector};
use crate::a64::rows;
use crate::vector::{Shape, function, functions, permute};

rows! {
    /// TBL, TBX: a table of `len` + 1 registers, V31 before V0.
    TableLookup "0q001110000mmmmm0llx00nnnnnddddd" { q = q, rm = m, len = l, extend = x, rn = n, rd = d }
        text |i, pc| {
            let name = ["tbl", "tbx"][i.extend as usize];
            let table = match i.rn + i.len {
                last @ ..32 if i.len >= 2 => format!("v{}.16b-v{last}.16b", i.rn),
                last => {
                    let all: Vec<_> = (i.rn..=last).map(|n| vector(0, 1, n % 32)).collect();
                    all.join(", ")
                }
            };
            format!("{name}\t{}, {{{table}}}, {}", vector(0, i.q, i.rd), vector(0, i.q, i.rm))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let (old, indices) = (e.v(i.rd), e.v(i.rm));
            let [a, b, c, d] = std::array::from_fn(|part| e.v((i.rn + part as u32) % 32));
            let operands = &[old, indices, a, b, c, d][..3 + i.len as usize];
            let shape = Shape::vector(0, i.q);
            let result = match i.extend {
                0 => e.vector(function!(permute::tbl), shape, &operands[1..]),
                _ => e.vector(function!(permute::tbx), shape, operands),
            };
            e.set_v(i.rd, result);
            Ok(())
        }

    /// UZP1, UZP2, TRN1, TRN2, ZIP1, ZIP2.
    Permute "0q001110ss0mmmmm0xkk10nnnnnddddd"
        { q = q, esize = s, rm = m, second = x, kind = k, rn = n, rd = d }
        unless |i| i.kind == 0 || no_vector(i.esize, i.q),
        text |i, pc| {
            let names = [["uzp1", "uzp2"], ["trn1", "trn2"], ["zip1", "zip2"]];
            let name = names[i.kind as usize - 1][i.second as usize];
            same(name, i.esize, i.q, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let function = match i.kind {
                1 => functions!(permute::{uzp1, uzp2}),
                2 => functions!(permute::{trn1, trn2}),
                _ => functions!(permute::{zip1, zip2}),
            };
            let shape = Shape::vector(i.esize, i.q);
            binary(e, function[i.second as usize], shape, i.rd, i.rn, i.rm)
        }

    /// EXT.
    Extract "0q101110000mmmmm0iiii0nnnnnddddd" { q = q, rm = m, imm4 = i, rn = n, rd = d }
        unless |i| i.q == 0 && i.imm4 >= 8,
        text |i, pc| { same("ext", 0, i.q, [i.rd, i.rn, i.rm]) + &format!(", #{}", i.imm4) }
        execute |i, e| {
            let shape = Shape::vector(0, i.q).with(i.imm4);
            binary(e, function!(permute::ext), shape, i.rd, i.rn, i.rm)
        }
}
