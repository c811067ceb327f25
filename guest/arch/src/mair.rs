//! MAIR_EL1: eight attribute bytes that AttrIndx selects from.

/// Device-nGnRnE: no gathering, no reordering, no early write acknowledgement.
pub const DEVICE_NGNRNE: u8 = 0x00;
/// Device-nGnRE.
pub const DEVICE_NGNRE: u8 = 0x04;
/// Device-nGRE.
pub const DEVICE_NGRE: u8 = 0x08;
/// Device-GRE.
pub const DEVICE_GRE: u8 = 0x0c;
/// Normal memory, inner and outer non-cacheable.
pub const NORMAL_NC: u8 = 0x44;
/// Normal memory, inner and outer write-back, read and write allocate, non-transient.
pub const NORMAL_WB: u8 = 0xff;

/// The attribute byte that AttrIndx `index` (0 to 7) selects.
pub const fn attribute(mair: u64, index: u64) -> u8 {
    (mair >> ((index & 7) * 8)) as u8
}

/// Whether an attribute byte is Device memory: `0b0000dd0x`. Reserved and UNPREDICTABLE values
/// of that shape are Device memory too.
pub const fn is_device(attribute: u8) -> bool {
    attribute & 0xf0 == 0
}

/// MAIR_EL1 with `attributes[i]` for AttrIndx `i`; the rest is Device-nGnRnE.
pub const fn of(attributes: &[u8]) -> u64 {
    let mut mair = 0;
    let mut i = 0;
    while i < attributes.len() && i < 8 {
        mair |= (attributes[i] as u64) << (i * 8);
        i += 1;
    }
    mair
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_stand_where_the_index_looks() {
        let mair = of(&[DEVICE_NGNRE, NORMAL_NC, NORMAL_WB]);
        assert_eq!(mair, 0xff_44_04);
        assert_eq!(attribute(mair, 2), NORMAL_WB);
        assert!(is_device(attribute(mair, 0)) && is_device(attribute(mair, 7)));
        assert!(!is_device(attribute(mair, 1)));
    }
}
