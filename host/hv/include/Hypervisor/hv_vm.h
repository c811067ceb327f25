/* The VM of this process, and its memory. */
#pragma once

#include <Hypervisor/hv_vm_config.h>
#include <Hypervisor/hv_vm_types.h>

HV_BEGIN_DECLS

hv_return_t hv_vm_get_max_vcpu_count(uint32_t *max_vcpu_count);
hv_return_t hv_vm_create(hv_vm_config_t config); /* NULL: the default */
hv_return_t hv_vm_destroy(void);

hv_return_t hv_vm_map(void *addr, hv_ipa_t ipa, size_t size, hv_memory_flags_t flags);
hv_return_t hv_vm_unmap(hv_ipa_t ipa, size_t size);
hv_return_t hv_vm_protect(hv_ipa_t ipa, size_t size, hv_memory_flags_t flags);

HV_END_DECLS
