/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles, references by handle, and the functions that the driver finds by name.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

#define HANDLES_MAX 256

static void *handles[HANDLES_MAX];

/* ---- Handles and objects ----------------------------------------------------------------- */

HANDLE sim_handle(void *object)
{
	void *expected;
	int i;

	for (i = 0; i < HANDLES_MAX; i++) {
		expected = NULL;
		if (__atomic_compare_exchange_n(&handles[i], &expected, object, 0, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST)) {
			sim_take(SIM_HANDLE);
			return (HANDLE)(ULONG_PTR)(4 * (i + 1));
		}
	}
	abort();
}

void *sim_handle_object(HANDLE handle)
{
	const ULONG_PTR index = (ULONG_PTR)handle / 4 - 1;

	if (index >= HANDLES_MAX || !handles[index]) {
		sim_violation("a handle that is none");
		return NULL;
	}
	return handles[index];
}

NTSTATUS ZwClose(HANDLE handle)
{
	SIM_IRQL(PASSIVE_LEVEL);
	if (sim_handle_object(handle)) {
		handles[(ULONG_PTR)handle / 4 - 1] = NULL;
		sim_give(SIM_HANDLE);
	}
	return STATUS_SUCCESS;
}

NTSTATUS ObReferenceObjectByHandle(HANDLE handle, ACCESS_MASK access, POBJECT_TYPE type,
				   KPROCESSOR_MODE mode, PVOID *object, PVOID information)
{
	struct sim_header *header = sim_handle_object(handle);

	(void)access;
	(void)type;
	(void)mode;
	(void)information;
	SIM_IRQL(PASSIVE_LEVEL);
	if (sim_fails(SIM_FAIL_OPEN))
		return STATUS_INSUFFICIENT_RESOURCES;
	__atomic_fetch_add(&header->references, 1, __ATOMIC_SEQ_CST);
	sim_take(SIM_THREAD_REFERENCE);
	*object = header;
	return STATUS_SUCCESS;
}

/* ---- Functions by name ------------------------------------------------------------------- */

static const struct {
	const char *name;
	void *function;
} routines[] = {
	{ "PsSetCreateProcessNotifyRoutineEx", (void *)sim_set_process_notify },
	{ "CmRegisterCallbackEx", (void *)sim_cm_register },
	{ "CmUnRegisterCallback", (void *)sim_cm_unregister },
	{ "CmCallbackGetKeyObjectIDEx", (void *)sim_cm_key_name },
	{ "CmCallbackReleaseKeyObjectIDEx", (void *)sim_cm_release_name },
	{ "ObRegisterCallbacks", (void *)sim_ob_register },
	{ "ObUnRegisterCallbacks", (void *)sim_ob_unregister },
	{ "MmMapIoSpaceEx", (void *)sim_map_io_space_ex },
	{ "MmCopyMemory", (void *)sim_copy_memory },
	{ "KeQueryInterruptTimePrecise", (void *)sim_interrupt_time },
	{ "KeQuerySystemTimePrecise", (void *)KeQuerySystemTime },
	{ "PsGetProcessInheritedFromUniqueProcessId", (void *)sim_parent_of },
	{ "PsGetProcessSessionId", (void *)sim_session_of },
	{ "ZwQuerySystemInformation", (void *)sim_query_system },
	{ "ZwQueryInformationThread", (void *)sim_query_thread },
};

PVOID MmGetSystemRoutineAddress(PUNICODE_STRING name)
{
	const char *missing = getenv("UC_SIM_MISSING");
	size_t i;
	int j;

	SIM_IRQL(PASSIVE_LEVEL);
	for (i = 0; i < sizeof(routines) / sizeof(routines[0]); i++) {
		for (j = 0; j < name->Length / 2 && routines[i].name[j] == (char)name->Buffer[j];)
			j++;
		if (j != name->Length / 2 || routines[i].name[j])
			continue;
		/* An older Windows: a list of names that it does not have. */
		return missing && strstr(missing, routines[i].name) ? NULL : routines[i].function;
	}
	sim_violation("a function was asked for that nobody knows");
	return NULL;
}

ULONG DbgPrint(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	return 0;
}

ULONG RtlRandomEx(PULONG seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed ^ (ULONG)platform_now_ns();
}

NTSTATUS RtlGetVersion(RTL_OSVERSIONINFOW *version)
{
	version->dwMajorVersion = 10;
	version->dwMinorVersion = 0;
	version->dwBuildNumber = 19045;
	return STATUS_SUCCESS;
}
