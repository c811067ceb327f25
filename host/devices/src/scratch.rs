//! The scratch device: bytes that remember what was written to them, and nothing else.
//!
//! A test can aim an access of any size and kind at it and see what the hypervisor made of the
//! access. The bytes are little-endian memory; there are no registers and no interrupt.

/// How many bytes there are.
pub const SIZE: usize = 4096;

/// The device.
#[derive(Clone, Debug)]
pub struct Scratch {
    bytes: Box<[u8; SIZE]>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { bytes: Box::new([0; SIZE]) }
    }
}

impl Scratch {
    /// Reads `size` bytes (1 to 8) at `offset`, zero-extended. Bytes outside the device read 0.
    pub fn read(&self, offset: u64, size: usize) -> u64 {
        let byte = |i| self.index(offset, i).map_or(0, |at| self.bytes[at]);
        (0..size.min(8)).map(|i| u64::from(byte(i)) << (8 * i)).fold(0, |a, b| a | b)
    }

    /// Writes the low `size` bytes (1 to 8) of `value` at `offset`. Bytes outside the device are
    /// dropped.
    pub fn write(&mut self, offset: u64, size: usize, value: u64) {
        for i in 0..size.min(8) {
            if let Some(at) = self.index(offset, i) {
                self.bytes[at] = (value >> (8 * i)) as u8;
            }
        }
    }

    fn index(&self, offset: u64, i: usize) -> Option<usize> {
        let at = usize::try_from(offset).ok()?.checked_add(i)?;
        (at < SIZE).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_remember_in_little_endian_order_at_every_size_and_offset() {
        let mut page = Scratch::default();
        page.write(5, 8, 0x8877_6655_4433_2211);
        assert_eq!(page.read(5, 8), 0x8877_6655_4433_2211);
        assert_eq!(page.read(5, 1), 0x11);
        assert_eq!(page.read(6, 2), 0x3322);
        assert_eq!(page.read(9, 4), 0x8877_6655);
        assert_eq!(page.read(4, 1), 0, "the neighbours keep their values");
        assert_eq!(page.read(13, 1), 0);
        page.write(6, 1, 0xffff_ffff_ffff_ffaa);
        assert_eq!(page.read(5, 4), 0x4433_aa11, "only the low byte is written");
    }

    #[test]
    fn an_access_over_the_end_touches_only_what_is_there() {
        let mut page = Scratch::default();
        page.write(4092, 8, u64::MAX);
        assert_eq!(page.read(4092, 8), 0xffff_ffff);
        page.write(u64::MAX, 8, u64::MAX);
        assert_eq!(page.read(u64::MAX, 8), 0);
        assert_eq!(page.read(0, 8), 0);
    }
}
