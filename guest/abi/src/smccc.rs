//! SMCCC (DEN 0028) and PSCI (DEN 0022) function identifiers and return codes.
//!
//! A function identifier is a 32-bit word in W0:
//!
//! ```text
//! 31    30     29      24 23          16 15            0
//! fast  64-bit owner      zero           function
//! ```

/// `SMCCC_VERSION`: the version of the calling convention.
pub const SMCCC_VERSION: u32 = 0x8000_0000;
/// `SMCCC_ARCH_FEATURES`: whether an architecture-owned function exists.
pub const SMCCC_ARCH_FEATURES: u32 = 0x8000_0001;
/// The value of `SMCCC_VERSION` that the monitor answers: 1.2 (X1 to X17 carry results).
pub const SMCCC_VERSION_1_2: u64 = 0x1_0002;

/// `PSCI_VERSION`.
pub const PSCI_VERSION: u32 = 0x8400_0000;
/// `CPU_SUSPEND`, 32-bit arguments.
pub const PSCI_CPU_SUSPEND_32: u32 = 0x8400_0001;
/// `CPU_SUSPEND`, 64-bit arguments.
pub const PSCI_CPU_SUSPEND_64: u32 = 0xc400_0001;
/// `CPU_OFF`.
pub const PSCI_CPU_OFF: u32 = 0x8400_0002;
/// `CPU_ON`, 32-bit arguments.
pub const PSCI_CPU_ON_32: u32 = 0x8400_0003;
/// `CPU_ON`, 64-bit arguments.
pub const PSCI_CPU_ON_64: u32 = 0xc400_0003;
/// `AFFINITY_INFO`, 32-bit arguments.
pub const PSCI_AFFINITY_INFO_32: u32 = 0x8400_0004;
/// `AFFINITY_INFO`, 64-bit arguments.
pub const PSCI_AFFINITY_INFO_64: u32 = 0xc400_0004;
/// `MIGRATE`, 32-bit arguments.
pub const PSCI_MIGRATE_32: u32 = 0x8400_0005;
/// `MIGRATE`, 64-bit arguments.
pub const PSCI_MIGRATE_64: u32 = 0xc400_0005;
/// `MIGRATE_INFO_TYPE`.
pub const PSCI_MIGRATE_INFO_TYPE: u32 = 0x8400_0006;
/// `SYSTEM_OFF`.
pub const PSCI_SYSTEM_OFF: u32 = 0x8400_0008;
/// `SYSTEM_RESET`.
pub const PSCI_SYSTEM_RESET: u32 = 0x8400_0009;
/// `MIGRATE_INFO_UP_CPU`, 32-bit result.
pub const PSCI_MIGRATE_INFO_UP_CPU_32: u32 = 0x8400_0007;
/// `MIGRATE_INFO_UP_CPU`, 64-bit result.
pub const PSCI_MIGRATE_INFO_UP_CPU_64: u32 = 0xc400_0007;
/// `PSCI_FEATURES`.
pub const PSCI_FEATURES: u32 = 0x8400_000a;
/// The value of `PSCI_VERSION` that the monitor answers: 1.1.
pub const PSCI_VERSION_1_1: u64 = 0x1_0001;

/// `SUCCESS` of both standards.
pub const SUCCESS: i64 = 0;
/// `NOT_SUPPORTED` of both standards; also the answer to an unknown function (SMCCC 5.2).
pub const NOT_SUPPORTED: i64 = -1;
/// PSCI `INVALID_PARAMETERS`; the services use the same value.
pub const INVALID_PARAMETERS: i64 = -2;
/// PSCI `DENIED`.
pub const DENIED: i64 = -3;
/// PSCI `ALREADY_ON`.
pub const ALREADY_ON: i64 = -4;
/// PSCI `ON_PENDING`.
pub const ON_PENDING: i64 = -5;
/// PSCI `INTERNAL_FAILURE`.
pub const INTERNAL_FAILURE: i64 = -6;
/// PSCI `INVALID_ADDRESS`.
pub const INVALID_ADDRESS: i64 = -9;
/// `MIGRATE_INFO_TYPE`: a Trusted OS that needs no migration, or none.
pub const TOS_NOT_PRESENT_MP: i64 = 2;

/// Whether `id` is a fast call that takes and returns 64-bit values (SMC64/HVC64).
pub const fn is_64_bit(id: u32) -> bool {
    id & (1 << 30) != 0
}
