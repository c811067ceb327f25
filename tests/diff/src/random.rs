//! Random numbers that can be had again, and random values that find edges.

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
pub struct Random(u64);

impl Random {
    /// The sequence of `seed` for `name`.
    pub fn new(seed: u64, name: &str) -> Self {
        // FNV-1a.
        let hash = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed, hash))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// 0 to `n` - 1.
    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of `items`.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }

    /// A value of a register: mostly one at which something changes.
    pub fn value(&mut self) -> u64 {
        let sign = if self.one_in(2) { u64::MAX } else { 0 };
        match self.below(8) {
            0 => sign,
            // Small, or small and negative.
            1 => self.below(80) ^ sign,
            // One bit, or all but one; a run of bits.
            2 => 1 << self.below(64) ^ sign,
            3 => (u64::MAX >> self.below(64)) ^ sign,
            // The largest and smallest 32-bit and 64-bit numbers, and their neighbours.
            4 => {
                let edges = [1u64 << 63, 1 << 31, 0xffff_ffff_8000_0000, 1 << 32, 1 << 16, 1 << 8];
                self.pick(&edges).wrapping_add(self.below(3)).wrapping_sub(1)
            }
            // A random word with nothing, or with garbage, above it.
            5 => self.bits() >> 32 | sign << 32,
            _ => self.bits(),
        }
    }

    /// A value of a vector register: lanes of one size, each mostly one at which something
    /// changes, for integers or for FP numbers; sometimes all of them the same.
    pub fn vector(&mut self) -> u128 {
        let bits = 8 << self.below(4);
        let (same, fp) = (self.one_in(4), bits >= 16 && !self.one_in(3));
        let mut lane = 0;
        (0..128 / bits).fold(0, |vector, i| {
            if i == 0 || !same {
                lane = if fp { self.fp(bits) } else { self.value() >> self.pick(&[0, 64 - bits]) };
            }
            vector << bits | u128::from(lane & (u64::MAX >> (64 - bits)))
        })
    }

    /// An FP number of 16, 32 or 64 bits.
    pub fn fp(&mut self, bits: u32) -> u64 {
        let fraction = match bits {
            16 => 10,
            32 => 23,
            _ => 52,
        };
        let sign = self.below(2) << (bits - 1);
        let exponents = (1 << (bits - 1 - fraction)) - 1;
        let bias = exponents >> 1;
        let few = self.below(4);
        let pattern = match self.below(16) {
            // Zero; the least denormals and the greatest; the least normal numbers.
            0 | 1 => 0,
            2 => 1 + few,
            3 => (1 << fraction) - 2 + few,
            4 => self.bits() >> self.below(64) & ((1 << fraction) - 1),
            // Infinity; a quiet NaN; a signalling one.
            5 => exponents << fraction,
            6 => exponents << fraction | 1 << (fraction - 1) | self.bits() >> (65 - fraction),
            7 => exponents << fraction | (1 + few) << self.below(u64::from(fraction) - 3),
            // The greatest numbers.
            8 => (exponents << fraction) - 1 - few,
            // Near one: what adds up to something short.
            9 | 10 => (bias - 1 + few) << fraction | self.pick(&[0, 0, 1, 1 << (fraction - 1)]),
            // An integer, or a half more; near where conversions saturate.
            11 => {
                let power = self.below(66.min(exponents - bias));
                (bias + power) << fraction | self.bits() >> (64 - fraction) & !self.pick(&[0, 1])
            }
            // Exponents near each other; any number.
            12 | 13 => {
                let exponent = (bias - 4 + self.below(9)) << fraction;
                exponent | self.bits() >> (64 - fraction)
            }
            _ => self.bits(),
        };
        sign | pattern & (u64::MAX >> (65 - bits))
    }
}
