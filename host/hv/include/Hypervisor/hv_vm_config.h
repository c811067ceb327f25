/* What a VM is made of. */
#pragma once

#include <Hypervisor/hv_vm_types.h>

HV_BEGIN_DECLS

hv_vm_config_t hv_vm_config_create(void);

/* Widths of guest physical addresses, in bits. */
hv_return_t hv_vm_config_get_max_ipa_size(uint32_t *ipa_bit_length);
hv_return_t hv_vm_config_get_default_ipa_size(uint32_t *ipa_bit_length);
hv_return_t hv_vm_config_set_ipa_size(hv_vm_config_t config, uint32_t ipa_bit_length);
hv_return_t hv_vm_config_get_ipa_size(hv_vm_config_t config, uint32_t *ipa_bit_length);

hv_return_t hv_vm_config_get_el2_supported(bool *el2_supported);
hv_return_t hv_vm_config_get_el2_enabled(hv_vm_config_t config, bool *el2_enabled);
hv_return_t hv_vm_config_set_el2_enabled(hv_vm_config_t config, bool el2_enabled);

/* What mappings are multiples of. */
HV_ENUM(hv_ipa_granule, uint32_t,
    HV_IPA_GRANULE_4KB,
    HV_IPA_GRANULE_16KB);

hv_return_t hv_vm_config_get_default_ipa_granule(hv_ipa_granule_t *granule);
hv_return_t hv_vm_config_get_ipa_granule(hv_vm_config_t config, hv_ipa_granule_t *granule);
hv_return_t hv_vm_config_set_ipa_granule(hv_vm_config_t config, hv_ipa_granule_t granule);

HV_END_DECLS
