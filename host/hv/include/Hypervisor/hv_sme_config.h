/* The Scalable Matrix Extension: HV_UNSUPPORTED without it. */
#pragma once

#include <Hypervisor/hv_vcpu_types.h>

HV_BEGIN_DECLS

hv_return_t hv_sme_config_get_max_svl_bytes(size_t *value);

HV_END_DECLS
