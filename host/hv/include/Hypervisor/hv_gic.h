/*
 * The framework's GICv3. A VM's GIC is created before its first vCPU. Registers of a
 * redistributor and of a CPU interface are accessed by the vCPU's own thread.
 */
#pragma once

#include <Hypervisor/hv_gic_types.h>
#include <Hypervisor/hv_vcpu_types.h>

HV_BEGIN_DECLS

hv_return_t hv_gic_create(hv_gic_config_t gic_config);
hv_return_t hv_gic_reset(void);
hv_return_t hv_gic_set_state(const void *gic_state_data, size_t gic_state_size);

hv_return_t hv_gic_set_spi(uint32_t intid, bool level);
hv_return_t hv_gic_send_msi(hv_ipa_t address, uint32_t intid);

hv_return_t hv_gic_get_distributor_reg(hv_gic_distributor_reg_t reg, uint64_t *value);
hv_return_t hv_gic_set_distributor_reg(hv_gic_distributor_reg_t reg, uint64_t value);
hv_return_t hv_gic_get_redistributor_base(hv_vcpu_t vcpu, hv_ipa_t *redistributor_base_address);
hv_return_t hv_gic_get_redistributor_reg(hv_vcpu_t vcpu, hv_gic_redistributor_reg_t reg,
                                         uint64_t *value);
hv_return_t hv_gic_set_redistributor_reg(hv_vcpu_t vcpu, hv_gic_redistributor_reg_t reg,
                                         uint64_t value);
hv_return_t hv_gic_get_icc_reg(hv_vcpu_t vcpu, hv_gic_icc_reg_t reg, uint64_t *value);
hv_return_t hv_gic_set_icc_reg(hv_vcpu_t vcpu, hv_gic_icc_reg_t reg, uint64_t value);
hv_return_t hv_gic_get_ich_reg(hv_vcpu_t vcpu, hv_gic_ich_reg_t reg, uint64_t *value);
hv_return_t hv_gic_set_ich_reg(hv_vcpu_t vcpu, hv_gic_ich_reg_t reg, uint64_t value);
hv_return_t hv_gic_get_icv_reg(hv_vcpu_t vcpu, hv_gic_icv_reg_t reg, uint64_t *value);
hv_return_t hv_gic_set_icv_reg(hv_vcpu_t vcpu, hv_gic_icv_reg_t reg, uint64_t value);
hv_return_t hv_gic_get_msi_reg(hv_gic_msi_reg_t reg, uint64_t *value);
hv_return_t hv_gic_set_msi_reg(hv_gic_msi_reg_t reg, uint64_t value);

HV_END_DECLS
