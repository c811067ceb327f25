//! Structures of SIMD loads and stores: between the order of memory and that of registers.
//!
//! Memory is given in parts of a register's size: `operands[0]` holds its first bytes.

use super::{Fp, Shape, get, put};

/// Register number `imm`: every n-th lane of n parts of memory.
pub fn deinterleave(_: &mut Fp, shape: Shape, parts: &[u128]) -> u128 {
    let count = parts.len() as u32;
    (0..shape.lanes).fold(0, |value, i| {
        let from = i * count + shape.imm;
        let part = parts[(from / shape.lanes) as usize];
        put(value, shape.size, i, get(part, shape.size, from % shape.lanes))
    })
}

/// Part number `imm` of memory: the lanes of n registers in turn.
pub fn interleave(_: &mut Fp, shape: Shape, registers: &[u128]) -> u128 {
    let count = registers.len() as u32;
    (0..shape.lanes).fold(0, |value, i| {
        let to = shape.imm * shape.lanes + i;
        let register = registers[(to % count) as usize];
        put(value, shape.size, i, get(register, shape.size, to / count))
    })
}

/// The first operand with its lane `imm` replaced by the second's lowest.
pub fn replace_lane(_: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
    put(operands[0], shape.size, shape.imm, get(operands[1], shape.size, 0))
}

/// Lane `imm`, alone.
pub fn take_lane(_: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
    get(operands[0], shape.size, shape.imm).into()
}

/// The lowest lane in all lanes.
pub fn replicate_lane(_: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
    let lane = get(operands[0], shape.size, 0);
    (0..shape.lanes).fold(0, |value, i| put(value, shape.size, i, lane))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_registers_go_to_memory_and_back() {
        let registers = [0x03020100, 0x13121110, 0x23222120].map(|low: u128| low | low << 32);
        let shape = Shape::vector(0, 0);
        let fp = &mut Fp::default();
        let parts = [0, 1, 2].map(|k| interleave(fp, shape.with(k), &registers));
        assert_eq!(parts[0], 0x1202_2111_0120_1000);
        let back = [0, 1, 2].map(|k| deinterleave(fp, shape.with(k), &parts));
        assert_eq!(back, registers.map(|r| r & u128::from(u64::MAX)));
    }
}
