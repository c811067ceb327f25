/*
 * Hypervisor.framework's C API for arm64, as libHypervisor provides it off the Mac.
 *
 *     cc -I .../host/hv/include program.c -L .../target/release -lHypervisor
 *
 * A program written for the framework includes the same names on a Mac and here, and is compiled
 * without a change. The headers are our own; names, numbers and types are Apple's (those of
 * macOS 26), and a test compares every one of them with the applevisor-sys binding.
 *
 * What a function does, and what it answers when it refuses, is told beside its definition: the
 * documentation of the crate anyvisor-hv, module by module. ANYVISOR_LOG=warn tells a running
 * program why a call was refused.
 */
#pragma once

#include <Hypervisor/hv_base.h>
#include <Hypervisor/hv_gic.h>
#include <Hypervisor/hv_gic_config.h>
#include <Hypervisor/hv_gic_parameters.h>
#include <Hypervisor/hv_gic_state.h>
#include <Hypervisor/hv_gic_types.h>
#include <Hypervisor/hv_sme_config.h>
#include <Hypervisor/hv_vcpu.h>
#include <Hypervisor/hv_vcpu_config.h>
#include <Hypervisor/hv_vcpu_types.h>
#include <Hypervisor/hv_vm.h>
#include <Hypervisor/hv_vm_allocate.h>
#include <Hypervisor/hv_vm_config.h>
#include <Hypervisor/hv_vm_types.h>
#include <arm64/hv/hv_kern_types.h>
#include <os/object.h>
