//! Which processor the engine shows.

use anyvisor_arch::id::{self, Features, isar1, pfr1};
use anyvisor_arch::sysreg::SysReg;

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
    /// The names by which a user chooses.
    pub const NAMES: [(&'static str, Self); 2] = [("m1", Self::M1), ("m2", Self::M2)];

    /// The model of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|&(_, model)| model)
    }

    /// Its feature registers.
    pub const fn features(self) -> &'static Features {
        match self {
            Self::M1 => &id::M1,
            Self::M2 => &id::M2,
        }
    }

    /// Whether it has a feature: what its ID registers say.
    #[inline(always)]
    pub const fn has(self, feature: Feature) -> bool {
        let features = self.features();
        let field = match feature {
            Feature::Bti => pfr1::BT.get(features.pfr1),
            Feature::Bf16 => isar1::BF16.get(features.isar1),
            Feature::I8mm => isar1::I8MM.get(features.isar1),
        };
        field != 0
    }
}

/// What a vCPU is: a model, and what its user adds to what Hypervisor.framework shows of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Processor {
    /// The model.
    pub model: Model,
    /// Performance monitors. The framework shows none, and its accesses exit.
    pub pmu: bool,
}

impl Processor {
    /// Its feature registers.
    pub const fn features(self) -> Features {
        let features = *self.model.features();
        if self.pmu { features.with_pmu() } else { features }
    }

    /// What an identification register reads as, before a VM's IPA size is known.
    pub const fn id_register(self, register: SysReg) -> u64 {
        match self.features().value(register) {
            Some(value) => value,
            None => register.row().reset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_m2_has_what_an_m1_lacks() {
        for feature in [Feature::Bti, Feature::Bf16, Feature::I8mm] {
            assert!(!Model::M1.has(feature), "{feature:?}");
            assert!(Model::M2.has(feature), "{feature:?}");
        }
    }

    #[test]
    fn names_lead_to_models() {
        assert_eq!(Model::from_name("m1"), Some(Model::M1));
        assert_eq!(Model::from_name("m2"), Some(Model::M2));
        assert_eq!(Model::from_name("M3"), None);
    }

    #[test]
    fn a_pmu_shows_in_dfr0_alone() {
        let plain = Processor::default().features();
        let with = Processor { pmu: true, ..Processor::default() }.features();
        assert_eq!(Features { dfr0: plain.dfr0, ..with }, plain);
        assert_ne!(with.dfr0, plain.dfr0);
    }
}
