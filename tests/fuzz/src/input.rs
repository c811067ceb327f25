//! Bytes as numbers, for as long as there are any.

/// What is left of an input.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next step of a sequence, as a number below `kinds` (256 at most); `None` at the end.
    pub fn step(&mut self, kinds: u8) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first % kinds)
    }

    /// The next `count` bytes, or as many as there are.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A number of `count` (up to 8) bytes; zeros stand for those that are missing.
    pub fn number(&mut self, count: usize) -> u64 {
        self.bytes(count).iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        self.number(1) as u8
    }

    /// Yes or no.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// One of `of`, which is not empty.
    pub fn choose<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::from(self.byte()) % of.len()]
    }

    /// Any number of 64 bits, but mostly small ones, single bits, and what is next to them.
    pub fn value(&mut self) -> u64 {
        let kind = self.byte();
        let small = self.number(1);
        match kind % 8 {
            0..=2 => small,
            3 => 1 << (small & 63),
            4 => (1u64 << (small & 63)).wrapping_sub(1),
            5 => u64::MAX - small,
            6 => self.number(4),
            _ => self.number(8),
        }
    }
}

/// `length` bytes that look random, the same ones for the same seed (SplitMix64: Steele, Lea,
/// Flood, "Fast splittable pseudorandom number generators", 2014).
pub fn seeded(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) as u8
    };
    (0..length).map(|_| next()).collect()
}
