/* The saved state of a GIC, without the CPU interfaces' registers. */
#pragma once

#include <Hypervisor/hv_gic_types.h>

HV_BEGIN_DECLS

hv_gic_state_t hv_gic_state_create(void);
hv_return_t hv_gic_state_get_size(hv_gic_state_t state, size_t *gic_state_size);
hv_return_t hv_gic_state_get_data(hv_gic_state_t state, void *gic_state_data);

HV_END_DECLS
