/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Functions that not every Windows has, or that the import libraries of mingw-w64 do not know:
 * found by name at load. What is missing costs a sensor, never the load.
 */
#include "undercroft.h"

struct uc_optional uc_optional;

_IRQL_requires_max_(PASSIVE_LEVEL)
static PVOID find(const WCHAR *name)
{
	UNICODE_STRING text;

	RtlInitUnicodeString(&text, name);
	return MmGetSystemRoutineAddress(&text);
}

/* Each member has the type that the name is documented with. */
#define RESOLVE(member, name) (uc_optional.member = (__typeof__(uc_optional.member))find(name))

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_optional_resolve(void)
{
	RESOLVE(set_process_notify, L"PsSetCreateProcessNotifyRoutineEx");
	RESOLVE(cm_register, L"CmRegisterCallbackEx");
	RESOLVE(cm_unregister, L"CmUnRegisterCallback");
	RESOLVE(cm_key_name, L"CmCallbackGetKeyObjectIDEx");
	RESOLVE(cm_release_name, L"CmCallbackReleaseKeyObjectIDEx");
	RESOLVE(ob_register, L"ObRegisterCallbacks");
	RESOLVE(ob_unregister, L"ObUnRegisterCallbacks");
	RESOLVE(map_io_space_ex, L"MmMapIoSpaceEx");
	RESOLVE(copy_memory, L"MmCopyMemory");
	RESOLVE(interrupt_time, L"KeQueryInterruptTimePrecise");
	RESOLVE(system_time, L"KeQuerySystemTimePrecise");
	RESOLVE(parent_of, L"PsGetProcessInheritedFromUniqueProcessId");
	RESOLVE(session_of, L"PsGetProcessSessionId");
	RESOLVE(query_system, L"ZwQuerySystemInformation");
	RESOLVE(query_thread, L"ZwQueryInformationThread");
}

_IRQL_requires_max_(APC_LEVEL)
uint32_t uc_copy_from_caller(void *target, const void *source, uint32_t bytes)
{
	SIZE_T copied = 0;

	if (!source || !bytes || !uc_optional.copy_memory)
		return 0;
	/* TRUST: the address is the caller's word; MmCopyMemory fails where it leads nowhere. */
	uc_optional.copy_memory(target, source, bytes, UC_COPY_VIRTUAL, &copied);
	return copied < bytes ? (uint32_t)copied : bytes;
}
