//! Which processor the engine shows.

/// A processor that Hypervisor.framework runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Model {
    /// Apple M1: Armv8.4 and what it takes from 8.5.
    #[default]
    M1,
    /// Apple M2: an M1 with BTI, BF16 and I8MM.
    M2,
}

/// A feature that not every model has. (What all of them have is not asked for.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// FEAT_BTI: branch target identification.
    Bti,
    /// FEAT_BF16: BFloat16 instructions.
    Bf16,
    /// FEAT_I8MM: 8-bit integer matrix multiplication.
    I8mm,
}

impl Model {
    /// Whether it has a feature.
    pub const fn has(self, feature: Feature) -> bool {
        match feature {
            Feature::Bti | Feature::Bf16 | Feature::I8mm => matches!(self, Self::M2),
        }
    }
}
