/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the simulator needs of the system it runs on: Linux, or Windows as Wine plays it. No type of
 * either appears here, because the driver's sources bring types of the same names.
 */
#ifndef UC_SIM_PLATFORM_H
#define UC_SIM_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) && defined(_WIN32)
#define SIM_THREAD_LOCAL __thread
#else
#define SIM_THREAD_LOCAL _Thread_local
#endif

/* A thread's end is waited for by platform_join(). Both abort on failure. */
void *platform_thread(void (*routine)(void *context), void *context);
void platform_join(void *thread);
_Noreturn void platform_thread_exit(void);
void platform_sleep_ms(uint32_t ms);
/* Monotonic; and since 1970. */
uint64_t platform_now_ns(void);
uint64_t platform_realtime_ns(void);
/* Shared and writable; NULL when there is no such file. */
void *platform_map(const char *path, uint64_t *bytes);
void platform_unmap(void *memory, uint64_t bytes);

#endif /* UC_SIM_PLATFORM_H */
