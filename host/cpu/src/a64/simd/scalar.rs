//! Advanced SIMD scalar three same, two-register miscellaneous, three different and pairwise,
//! integer: lanes of a vector of one. The functions are those of the vector forms.

use super::operand::{binary, same_scalar, scalar, unary};
use super::three_different::{doubling_accumulate, doubling_product, long_name};
use super::three_same::{
    add_sub, compare_equal, compare_greater, multiply_high, multiply_high_accumulate, no_doubling,
    saturating_add, shift_register, ternary,
};
use super::two_register::{
    absolute, compare_zero, compare_zero_name, less_than_zero, narrow, narrow_saturating,
    saturating_absolute, saturating_accumulate,
};
use crate::a64::rows;
use crate::vector::{Shape, function, pairwise};

rows! {
    /// SQADD, UQADD, SQSUB, UQSUB (scalar).
    ScalarSaturatingAdd "01u11110ss1mmmmm00o011nnnnnddddd"
        { unsigned = u, esize = s, rm = m, subtract = o, rn = n, rd = d }
        text |i, pc| {
            let function = saturating_add(i.subtract, i.unsigned);
            same_scalar(function.name, i.esize, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let function = saturating_add(i.subtract, i.unsigned);
            binary(e, function, Shape::scalar(i.esize), i.rd, i.rn, i.rm)
        }

    /// CMGT, CMHI, CMGE, CMHS (register, scalar).
    ScalarCompareGreater "01u11110111mmmmm0011o1nnnnnddddd"
        { unsigned = u, rm = m, equal = o, rn = n, rd = d }
        text |i, pc| {
            same_scalar(compare_greater(i.equal, i.unsigned).name, 3, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            binary(e, compare_greater(i.equal, i.unsigned), Shape::scalar(3), i.rd, i.rn, i.rm)
        }

    /// SSHL, USHL, SQSHL, UQSHL, SRSHL, URSHL, SQRSHL, UQRSHL (register, scalar): those that do
    /// not saturate (kind is even) of doublewords only.
    ScalarShiftRegister "01u11110ss1mmmmm010kk1nnnnnddddd"
        { unsigned = u, esize = s, rm = m, kind = k, rn = n, rd = d }
        unless |i| i.kind & 1 == 0 && i.esize != 3,
        text |i, pc| {
            same_scalar(shift_register(i.kind, i.unsigned).name, i.esize, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let function = shift_register(i.kind, i.unsigned);
            binary(e, function, Shape::scalar(i.esize), i.rd, i.rn, i.rm)
        }

    /// ADD, SUB (scalar).
    ScalarAddSub "01o11110111mmmmm100001nnnnnddddd" { subtract = o, rm = m, rn = n, rd = d }
        text |i, pc| { same_scalar(add_sub(i.subtract).name, 3, [i.rd, i.rn, i.rm]) }
        execute |i, e| { binary(e, add_sub(i.subtract), Shape::scalar(3), i.rd, i.rn, i.rm) }

    /// CMTST, CMEQ (register, scalar).
    ScalarCompareEqual "01o11110111mmmmm100011nnnnnddddd" { equal = o, rm = m, rn = n, rd = d }
        text |i, pc| { same_scalar(compare_equal(i.equal).name, 3, [i.rd, i.rn, i.rm]) }
        execute |i, e| { binary(e, compare_equal(i.equal), Shape::scalar(3), i.rd, i.rn, i.rm) }

    /// SQDMULH, SQRDMULH (scalar).
    ScalarMultiplyHigh "01r11110ss1mmmmm101101nnnnnddddd"
        { round = r, esize = s, rm = m, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| { same_scalar(multiply_high(i.round).name, i.esize, [i.rd, i.rn, i.rm]) }
        execute |i, e| {
            binary(e, multiply_high(i.round), Shape::scalar(i.esize), i.rd, i.rn, i.rm)
        }

    /// SQRDMLAH, SQRDMLSH (scalar; FEAT_RDM).
    ScalarMultiplyHighAccumulate "01111110ss0mmmmm1000o1nnnnnddddd"
        { esize = s, rm = m, subtract = o, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| {
            let name = multiply_high_accumulate(i.subtract).name;
            same_scalar(name, i.esize, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let function = multiply_high_accumulate(i.subtract);
            ternary(e, function, Shape::scalar(i.esize), [i.rd, i.rn, i.rm])
        }

    /// SQDMLAL, SQDMLSL (scalar).
    ScalarDoublingAccumulate "01011110ss1mmmmm10o100nnnnnddddd"
        { esize = s, rm = m, subtract = o, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| {
            let name = ["sqdmlal", "sqdmlsl"][i.subtract as usize];
            long_name(name, i.esize, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            e.fp_enabled()?;
            let (shape, a, b) = (Shape::scalar(i.esize + 1), e.v(i.rn), e.v(i.rm));
            let result = doubling_accumulate(e, shape, i.subtract, [a, b], i.rd);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SQDMULL (scalar).
    ScalarDoublingProduct "01011110ss1mmmmm110100nnnnnddddd"
        { esize = s, rm = m, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| { long_name("sqdmull", i.esize, [i.rd, i.rn, i.rm]) }
        execute |i, e| {
            e.fp_enabled()?;
            let (shape, a, b) = (Shape::scalar(i.esize + 1), e.v(i.rn), e.v(i.rm));
            let result = doubling_product(e, shape, [a, b]);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SUQADD, USQADD (scalar).
    ScalarSaturatingAccumulate "01u11110ss100000001110nnnnnddddd"
        { unsigned = u, esize = s, rn = n, rd = d }
        text |i, pc| {
            same_scalar(saturating_accumulate(i.unsigned).name, i.esize, [i.rd, i.rn])
        }
        execute |i, e| {
            let function = saturating_accumulate(i.unsigned);
            binary(e, function, Shape::scalar(i.esize), i.rd, i.rn, i.rd)
        }

    /// SQABS, SQNEG (scalar).
    ScalarSaturatingAbsolute "01o11110ss100000011110nnnnnddddd"
        { negate = o, esize = s, rn = n, rd = d }
        text |i, pc| { same_scalar(saturating_absolute(i.negate).name, i.esize, [i.rd, i.rn]) }
        execute |i, e| {
            unary(e, saturating_absolute(i.negate), Shape::scalar(i.esize), i.rd, i.rn)
        }

    /// CMGT, CMGE, CMEQ, CMLE (zero, scalar).
    ScalarCompareZero "01u1111011100000100o10nnnnnddddd"
        { unsigned = u, equal = o, rn = n, rd = d }
        text |i, pc| {
            same_scalar(compare_zero_name(i.equal, i.unsigned), 3, [i.rd, i.rn]) + ", #0"
        }
        execute |i, e| { compare_zero(e, Shape::scalar(3), i.equal, i.unsigned, [i.rd, i.rn]) }

    /// CMLT (zero, scalar).
    ScalarLessThanZero "0101111011100000101010nnnnnddddd" { rn = n, rd = d }
        text |i, pc| { same_scalar("cmlt", 3, [i.rd, i.rn]) + ", #0" }
        execute |i, e| { less_than_zero(e, Shape::scalar(3), [i.rd, i.rn]) }

    /// ABS, NEG (scalar).
    ScalarAbsolute "01o1111011100000101110nnnnnddddd" { negate = o, rn = n, rd = d }
        text |i, pc| { same_scalar(absolute(i.negate).name, 3, [i.rd, i.rn]) }
        execute |i, e| { unary(e, absolute(i.negate), Shape::scalar(3), i.rd, i.rn) }

    /// SQXTUN (scalar).
    ScalarNarrowToUnsigned "01111110ss100001001010nnnnnddddd" { esize = s, rn = n, rd = d }
        unless |i| i.esize == 3,
        text |i, pc| {
            format!("sqxtun\t{}, {}", scalar(i.esize, i.rd), scalar(i.esize + 1, i.rn))
        }
        execute |i, e| { unary(e, narrow(1), Shape::scalar(i.esize), i.rd, i.rn) }

    /// SQXTN, UQXTN (scalar).
    ScalarNarrowSaturating "01u11110ss100001010010nnnnnddddd"
        { unsigned = u, esize = s, rn = n, rd = d }
        unless |i| i.esize == 3,
        text |i, pc| {
            let name = narrow_saturating(i.unsigned).name;
            format!("{name}\t{}, {}", scalar(i.esize, i.rd), scalar(i.esize + 1, i.rn))
        }
        execute |i, e| {
            unary(e, narrow_saturating(i.unsigned), Shape::scalar(i.esize), i.rd, i.rn)
        }

    /// ADDP (scalar).
    ScalarAddPairwise "0101111011110001101110nnnnnddddd" { rn = n, rd = d }
        text |i, pc| { format!("addp\t{}, v{}.2d", scalar(3, i.rd), i.rn) }
        execute |i, e| {
            unary(e, function!(pairwise::addv), Shape::vector(3, 1), i.rd, i.rn)
        }
}
