//! One lane for all of them: the second operand of instructions "by element".

use super::{Fp, Shape, get, map};

/// Every lane is lane `shape.imm` of the operand.
pub fn broadcast(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let lane = get(v[0], shape.size, shape.imm);
    map(shape, 0, |_| lane)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_fills_the_register() {
        let value = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100;
        let fp = &mut Fp::default();
        let shape = Shape::vector(2, 0).with(3);
        assert_eq!(broadcast(fp, shape, &[value]), 0x0f0e_0d0c_0f0e_0d0c);
    }
}
