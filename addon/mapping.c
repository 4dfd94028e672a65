/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Region mappings and sealed memfds. Owner, mode and size of files are checked by lib/native
 * before a descriptor comes here.
 */
#define _GNU_SOURCE
#include "mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sigbus-guard.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int uc_memfd_create(const char *name, uint64_t bytes)
{
	const int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)bytes) != 0 || fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
		const int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

int uc_fd_sealed(int fd)
{
	const int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

int uc_mapping_open(int fd, uint64_t bytes, struct uc_mapping **mapping)
{
	struct uc_mapping *made = calloc(1, sizeof(*made));

	if (!made)
		return -ENOMEM;
	made->bytes = bytes;
	made->holders = 1;
	made->base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int error = made->base == MAP_FAILED ? -errno : 0;
	if (!error) {
		error = uc_sigbus_guard_add(made->base, bytes, &made->failed);
		if (error)
			munmap(made->base, bytes);
	}
	if (error) {
		free(made);
		return error;
	}
	*mapping = made;
	return 0;
}

void uc_mapping_hold(struct uc_mapping *mapping)
{
	atomic_fetch_add_explicit((_Atomic uint32_t *)&mapping->holders, 1, memory_order_relaxed);
}

void uc_mapping_release(struct uc_mapping *mapping)
{
	/* ORDER: acquire and release; every holder's accesses come before the unmapping. */
	if (atomic_fetch_sub_explicit((_Atomic uint32_t *)&mapping->holders, 1,
				      memory_order_acq_rel) != 1)
		return;
	uc_sigbus_guard_remove(mapping->base);
	munmap(mapping->base, mapping->bytes);
	free(mapping);
}
