/* What every function returns, and the permissions of guest memory. */
#pragma once

#include <Hypervisor/hv_base.h>

/* A mach_error_t: system 0x3e (err_local), subsystem 0xba5, and a number. */
typedef int hv_return_t;
enum {
    HV_SUCCESS = 0,
    HV_ERROR = (int)0xfae94001u,               /* it did not work */
    HV_BUSY = (int)0xfae94002u,                /* what it needs is in use */
    HV_BAD_ARGUMENT = (int)0xfae94003u,        /* an argument is wrong */
    HV_ILLEGAL_GUEST_STATE = (int)0xfae94004u, /* the guest's state cannot be run */
    HV_NO_RESOURCES = (int)0xfae94005u,        /* the host has no more of it */
    HV_NO_DEVICE = (int)0xfae94006u,           /* there is no VM, or no such vCPU */
    HV_DENIED = (int)0xfae94007u,              /* the system does not allow it */
    HV_EXISTS = (int)0xfae94008u,              /* it is there already */
    HV_UNSUPPORTED = (int)0xfae9400fu,         /* not supported here */
};

typedef uint64_t hv_memory_flags_t;
enum {
    HV_MEMORY_READ = 1 << 0,
    HV_MEMORY_WRITE = 1 << 1,
    HV_MEMORY_EXEC = 1 << 2,
};
