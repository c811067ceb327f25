/* Configurations and saved states are objects, given back by os_release. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/* Ends the life of an object of an hv_*_create function. NULL is ignored. */
void os_release(void *object);

#ifdef __cplusplus
}
#endif
