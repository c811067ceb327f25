/* The host's counter: a guest's CNTVCT_EL0 is mach_absolute_time() less the vtimer's offset. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int kern_return_t;
#define KERN_SUCCESS 0

/* A tick of the counter is numer / denom nanoseconds: 125 / 3, which is 24 MHz. */
struct mach_timebase_info {
    uint32_t numer;
    uint32_t denom;
};
typedef struct mach_timebase_info *mach_timebase_info_t;
typedef struct mach_timebase_info mach_timebase_info_data_t;

kern_return_t mach_timebase_info(mach_timebase_info_t info);
uint64_t mach_absolute_time(void);

#ifdef __cplusplus
}
#endif
