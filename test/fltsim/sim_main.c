/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated Windows guest: the driver's own code in a simulated kernel, attached to a region file
 * as its device. Reads the script from standard input; the last line it prints is JSON: what the
 * driver counted, and whether it kept the rules. Exit 0, or 3 when a rule was broken.
 *
 *   fltsim REGION-FILE
 */
#include <stdio.h>

#include "../../guest-drivers/windows/undercroft.h"
#include "sim.h"

static int is_loaded;

NTSTATUS sim_load(void)
{
	UNICODE_STRING path;
	NTSTATUS status;

	sim_text(&path, "\\Registry\\Machine\\System\\CurrentControlSet\\Services\\undercroft");
	status = DriverEntry(&sim_driver, &path);
	sim_text_free(&path);
	is_loaded = NT_SUCCESS(status);
	return status;
}

int sim_is_loaded(void)
{
	return is_loaded;
}

/* As FltMgr does it where there is a filter, and as the I/O manager does it in any case. */
NTSTATUS sim_unload(int mandatory)
{
	NTSTATUS status;

	if (!is_loaded)
		return STATUS_SUCCESS;
	if (sim_filter_is_registered()) {
		status = sim_filter_unload(mandatory);
		if (!NT_SUCCESS(status))
			return status;
	}
	sim_driver.DriverUnload(&sim_driver);
	is_loaded = 0;
	return STATUS_SUCCESS;
}

static uint32_t report(uint64_t attempted)
{
	const uint32_t broken = sim_imbalance() + sim_violations();

	printf("{\"attempted\":%llu,\"violations\":%u}\n", (unsigned long long)attempted, broken);
	fflush(stdout);
	return broken;
}

int main(int count, char **arguments)
{
	uint64_t attempted;

	if (count != 2) {
		fprintf(stderr, "usage: fltsim REGION-FILE < SCRIPT\n");
		return 2;
	}
	sim_processes_init();
	sim_device_use(arguments[1]);
	sim_script();
	sim_become(4, 5, 0);
	sim_device("remove");
	attempted = uc_counter_load(&uc_sequence.last);
	sim_unload(1);
	return report(attempted) ? 3 : 0;
}
