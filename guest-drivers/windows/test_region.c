/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A file in place of the device, for the load test under Wine, which has no such device. Compiled
 * with UC_TEST_REGION only, and never into a driver that is given out: whoever may write the value
 * TestRegion of the service's key could say where records go.
 */
#include "undercroft.h"

#define PATH_BYTES_MAX 512u

static HANDLE file;
static HANDLE section;
static PVOID view;

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS read_path(PUNICODE_STRING registry_path, WCHAR *path, USHORT *bytes)
{
	union {
		KEY_VALUE_PARTIAL_INFORMATION value;
		uint8_t bytes[sizeof(KEY_VALUE_PARTIAL_INFORMATION) + PATH_BYTES_MAX];
	} found;
	OBJECT_ATTRIBUTES attributes;
	UNICODE_STRING name;
	NTSTATUS status;
	ULONG needed;
	HANDLE key;

	InitializeObjectAttributes(&attributes, registry_path,
				   OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
	status = ZwOpenKey(&key, KEY_QUERY_VALUE, &attributes);
	if (!NT_SUCCESS(status))
		return status;
	RtlInitUnicodeString(&name, L"TestRegion");
	status = ZwQueryValueKey(key, &name, KeyValuePartialInformation, &found, sizeof(found),
				 &needed);
	ZwClose(key);
	if (!NT_SUCCESS(status))
		return status;
	memcpy(path, found.value.Data, found.value.DataLength);
	/* Without the NUL at its end. */
	*bytes = (USHORT)(found.value.DataLength - sizeof(WCHAR));
	return STATUS_SUCCESS;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS map_file(WCHAR *path, USHORT bytes, SIZE_T *view_bytes)
{
	OBJECT_ATTRIBUTES attributes;
	UNICODE_STRING name;
	IO_STATUS_BLOCK io;
	NTSTATUS status;

	name.Buffer = path;
	name.Length = name.MaximumLength = bytes;
	InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE,
				   NULL, NULL);
	status = ZwCreateFile(&file, GENERIC_READ | GENERIC_WRITE | SYNCHRONIZE, &attributes, &io,
			      NULL, 0, FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_OPEN,
			      FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
	if (!NT_SUCCESS(status))
		return status;
	InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
	status = ZwCreateSection(&section, SECTION_MAP_READ | SECTION_MAP_WRITE, &attributes, NULL,
				 PAGE_READWRITE, SEC_COMMIT, file);
	if (!NT_SUCCESS(status))
		return status;
	*view_bytes = 0;
	return ZwMapViewOfSection(section, (HANDLE)(LONG_PTR)-1, &view, 0, 0, NULL, view_bytes,
				  ViewShare, 0, PAGE_READWRITE);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS uc_test_region_open(PUNICODE_STRING registry_path, const uint8_t boot_id[16])
{
	WCHAR path[PATH_BYTES_MAX / sizeof(WCHAR)];
	SIZE_T bytes = 0;
	NTSTATUS status;
	USHORT length;

	/* Wine has these by name, but no code for them. */
	uc_optional.parent_of = NULL;
	uc_optional.session_of = NULL;
	status = read_path(registry_path, path, &length);
	if (NT_SUCCESS(status))
		status = map_file(path, length, &bytes);
	if (NT_SUCCESS(status))
		status = uc_link_run(view, bytes, UC_MAP_WRITE_BACK, boot_id);
	if (!NT_SUCCESS(status))
		DbgPrint("undercroft: no test region: 0x%08x\n", (unsigned int)status);
	return status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_test_region_close(void)
{
	uc_link_stop(UC_UNREGISTER_UNLOAD);
	if (view)
		ZwUnmapViewOfSection((HANDLE)(LONG_PTR)-1, view);
	if (section)
		ZwClose(section);
	if (file)
		ZwClose(file);
	view = NULL;
	section = NULL;
	file = NULL;
}

/*
 * Functions that Wine 8 has no code for and would end the thread at: here they know nothing, which
 * the driver must bear anyway. Put in place of the imports, in this build only. (One of them
 * mingw-w64 declares as no import.)
 */
_IRQL_requires_max_(PASSIVE_LEVEL)
static LONGLONG NTAPI no_create_time(PEPROCESS process)
{
	(void)process;
	return 0;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS NTAPI SeLocateProcessImageName(PEPROCESS process, PUNICODE_STRING *name)
{
	(void)process;
	*name = NULL;
	return STATUS_NOT_SUPPORTED;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static PVOID NTAPI no_token(PEPROCESS process)
{
	(void)process;
	return NULL;
}

PVOID uc_wine_create_time __asm__("__imp_PsGetProcessCreateTimeQuadPart") = (PVOID)no_create_time;
PVOID uc_wine_token __asm__("__imp_PsReferencePrimaryToken") = (PVOID)no_token;
