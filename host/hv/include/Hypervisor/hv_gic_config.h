/* Where a GIC stands. */
#pragma once

#include <Hypervisor/hv_gic_types.h>

HV_BEGIN_DECLS

hv_gic_config_t hv_gic_config_create(void);
hv_return_t hv_gic_config_set_distributor_base(hv_gic_config_t config,
                                               hv_ipa_t distributor_base_address);
hv_return_t hv_gic_config_set_redistributor_base(hv_gic_config_t config,
                                                 hv_ipa_t redistributor_base_address);
hv_return_t hv_gic_config_set_msi_region_base(hv_gic_config_t config,
                                              hv_ipa_t msi_region_base_address);
hv_return_t hv_gic_config_set_msi_interrupt_range(hv_gic_config_t config,
                                                  uint32_t msi_intid_base,
                                                  uint32_t msi_intid_count);

HV_END_DECLS
