/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SIGBUS handler and the table of mappings it may repair. A signal handler is the process's,
 * so this is the addon's only process-wide state; all Workers share it without a lock.
 */
#define _GNU_SOURCE
#include "sigbus-guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

struct place {
	/* 0 free, else the mapping's first address; stored last, cleared first. */
	_Atomic uintptr_t base;
	_Atomic uint64_t bytes;
	_Atomic(uint32_t *) failed;
};

/* Marks a place whose other fields are being written. No mapping begins there. */
#define CLAIMED 1u

static struct place places[UC_GUARDED_MAPPINGS_MAX];
static struct sigaction previous;
static pthread_once_t installed = PTHREAD_ONCE_INIT;
static int install_error;

static int repair(uintptr_t address)
{
	for (unsigned int i = 0; i < UC_GUARDED_MAPPINGS_MAX; i++) {
		/* ORDER: acquire; pairs with the release store in uc_sigbus_guard_add. */
		const uintptr_t base = atomic_load_explicit(&places[i].base, memory_order_acquire);
		const uint64_t bytes = atomic_load_explicit(&places[i].bytes, memory_order_relaxed);

		if (base <= CLAIMED || address < base || address - base >= bytes)
			continue;
		uint32_t *failed = atomic_load_explicit(&places[i].failed, memory_order_relaxed);
		/* ORDER: before the pages turn to zeros, so that no reader takes those for data. */
		atomic_store_explicit((_Atomic uint32_t *)failed, 1, memory_order_release);
		return mmap((void *)base, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
			    0) != MAP_FAILED;
	}
	return 0;
}

static void on_sigbus(int signal, siginfo_t *info, void *context)
{
	const int saved_errno = errno;
	const int repaired = info->si_code > 0 && repair((uintptr_t)info->si_addr);

	errno = saved_errno;
	if (repaired)
		return;
	if (previous.sa_flags & SA_SIGINFO) {
		previous.sa_sigaction(signal, info, context);
	} else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
		previous.sa_handler(signal);
	} else {
		/* Back to the default: the access faults again and ends the process as it would have. */
		struct sigaction standard = { .sa_handler = SIG_DFL };
		sigaction(SIGBUS, &standard, NULL);
		if (info->si_code <= 0)
			raise(SIGBUS);
	}
}

static void install(void)
{
	struct sigaction action = { .sa_sigaction = on_sigbus,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

	sigemptyset(&action.sa_mask);
	if (sigaction(SIGBUS, &action, &previous) != 0)
		install_error = errno;
}

int uc_sigbus_guard_add(void *base, uint64_t bytes, uint32_t *failed)
{
	pthread_once(&installed, install);
	if (install_error)
		return -install_error;
	for (unsigned int i = 0; i < UC_GUARDED_MAPPINGS_MAX; i++) {
		uintptr_t free_place = 0;

		if (!atomic_compare_exchange_strong(&places[i].base, &free_place, CLAIMED))
			continue;
		atomic_store_explicit(&places[i].bytes, bytes, memory_order_relaxed);
		atomic_store_explicit(&places[i].failed, failed, memory_order_relaxed);
		/* ORDER: release; pairs with the acquire load in repair(). */
		atomic_store_explicit(&places[i].base, (uintptr_t)base, memory_order_release);
		return 0;
	}
	return -ENOSPC;
}

void uc_sigbus_guard_remove(void *base)
{
	for (unsigned int i = 0; i < UC_GUARDED_MAPPINGS_MAX; i++) {
		uintptr_t mine = (uintptr_t)base;

		if (atomic_compare_exchange_strong(&places[i].base, &mine, 0))
			return;
	}
}
