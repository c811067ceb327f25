/* Host memory that is fit to be mapped into a guest. */
#pragma once

#include <Hypervisor/hv_vm_types.h>

HV_BEGIN_DECLS

HV_ENUM(hv_allocate_flags, uint64_t,
    HV_ALLOCATE_DEFAULT = 0);

/* Sizes are multiples of 16 KiB. */
hv_return_t hv_vm_allocate(void **uvap, size_t size, hv_allocate_flags_t flags);
hv_return_t hv_vm_deallocate(void *uva, size_t size);

HV_END_DECLS
