/* Sizes, alignments and interrupt numbers of a GIC: what a configuration must fit. */
#pragma once

#include <Hypervisor/hv_gic_types.h>

HV_BEGIN_DECLS

hv_return_t hv_gic_get_distributor_size(size_t *distributor_size);
hv_return_t hv_gic_get_distributor_base_alignment(size_t *distributor_base_alignment);
hv_return_t hv_gic_get_redistributor_region_size(size_t *redistributor_region_size);
hv_return_t hv_gic_get_redistributor_size(size_t *redistributor_size);
hv_return_t hv_gic_get_redistributor_base_alignment(size_t *redistributor_base_alignment);
hv_return_t hv_gic_get_msi_region_size(size_t *msi_region_size);
hv_return_t hv_gic_get_msi_region_base_alignment(size_t *msi_region_base_alignment);
hv_return_t hv_gic_get_spi_interrupt_range(uint32_t *spi_intid_base, uint32_t *spi_intid_count);
hv_return_t hv_gic_get_intid(hv_gic_intid_t interrupt, uint32_t *intid);

HV_END_DECLS
