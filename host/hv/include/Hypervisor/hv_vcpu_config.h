/* What a vCPU is made of, and what it will look like. */
#pragma once

#include <Hypervisor/hv_vcpu_types.h>

HV_BEGIN_DECLS

HV_ENUM(hv_feature_reg, uint32_t,
    HV_FEATURE_REG_ID_AA64DFR0_EL1,
    HV_FEATURE_REG_ID_AA64DFR1_EL1,
    HV_FEATURE_REG_ID_AA64ISAR0_EL1,
    HV_FEATURE_REG_ID_AA64ISAR1_EL1,
    HV_FEATURE_REG_ID_AA64MMFR0_EL1,
    HV_FEATURE_REG_ID_AA64MMFR1_EL1,
    HV_FEATURE_REG_ID_AA64MMFR2_EL1,
    HV_FEATURE_REG_ID_AA64PFR0_EL1,
    HV_FEATURE_REG_ID_AA64PFR1_EL1,
    HV_FEATURE_REG_CTR_EL0,
    HV_FEATURE_REG_CLIDR_EL1,
    HV_FEATURE_REG_DCZID_EL0,
    HV_FEATURE_REG_ID_AA64SMFR0_EL1,
    HV_FEATURE_REG_ID_AA64ZFR0_EL1);

hv_vcpu_config_t hv_vcpu_config_create(void);
hv_return_t hv_vcpu_config_get_feature_reg(hv_vcpu_config_t config, hv_feature_reg_t feature_reg,
                                           uint64_t *value);
/* CCSIDR_EL1 for each CSSELR_EL1.Level. */
hv_return_t hv_vcpu_config_get_ccsidr_el1_sys_reg_values(hv_vcpu_config_t config,
                                                         hv_cache_type_t cache_type,
                                                         uint64_t values[8]);

HV_END_DECLS
