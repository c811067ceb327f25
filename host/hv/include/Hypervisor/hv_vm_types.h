/* Types of a VM. */
#pragma once

#include <Hypervisor/hv_base.h>
#include <arm64/hv/hv_kern_types.h>
#include <os/object.h>

/* A configuration for hv_vm_create. */
typedef struct hv_vm_config_s *hv_vm_config_t;

/* A guest physical address. */
typedef uint64_t hv_ipa_t;
