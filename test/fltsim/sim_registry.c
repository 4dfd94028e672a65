/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration manager's callbacks, and the one key that the driver keeps for itself. Values'
 * data is user memory: poisoned until MmCopyMemory comes for it.
 */
#include <stdlib.h>

#include "sim.h"

static PEX_CALLBACK_FUNCTION on_registry;
static const int64_t our_cookie = 0x1d0fdeadbeef;

/* A key object, as far as a callback sees one. */
struct key {
	const char *path;
};

/* The driver's volatile key; it lives as long as the simulated boot. */
static uint8_t boot_value[16];
static int has_boot_value;

NTSTATUS sim_cm_register(PEX_CALLBACK_FUNCTION routine, PCUNICODE_STRING altitude, PVOID driver,
			 PVOID context, PLARGE_INTEGER cookie, PVOID reserved)
{
	(void)context;
	(void)reserved;
	SIM_IRQL(APC_LEVEL);
	if (!altitude->Length || driver != &sim_driver)
		return STATUS_INVALID_PARAMETER;
	on_registry = routine;
	cookie->QuadPart = our_cookie;
	sim_take(SIM_CALLBACK);
	return STATUS_SUCCESS;
}

NTSTATUS sim_cm_unregister(LARGE_INTEGER cookie)
{
	SIM_IRQL(APC_LEVEL);
	if (cookie.QuadPart != our_cookie)
		sim_violation("registry callbacks removed with a wrong cookie");
	on_registry = NULL;
	sim_give(SIM_CALLBACK);
	return STATUS_SUCCESS;
}

NTSTATUS sim_cm_key_name(PLARGE_INTEGER cookie, PVOID object, PULONG_PTR id, PCUNICODE_STRING *name,
			 ULONG flags)
{
	const struct key *key = object;
	UNICODE_STRING *made;

	(void)id;
	SIM_IRQL(APC_LEVEL);
	if (cookie->QuadPart != our_cookie || flags)
		sim_violation("a key's name asked for wrongly");
	if (!key->path || sim_fails(SIM_FAIL_KEY_NAME))
		return STATUS_INVALID_PARAMETER;
	made = malloc(sizeof(*made));
	if (!made)
		abort();
	sim_text(made, key->path);
	sim_take(SIM_KEY_NAME);
	*name = made;
	return STATUS_SUCCESS;
}

void sim_cm_release_name(PCUNICODE_STRING name)
{
	UNICODE_STRING *made = (UNICODE_STRING *)name;

	sim_text_free(made);
	free(made);
	sim_give(SIM_KEY_NAME);
}

static void call(REG_NOTIFY_CLASS what, PVOID information)
{
	const KIRQL irql = KeGetCurrentIrql();

	if (!on_registry)
		return;
	if (!NT_SUCCESS(on_registry(NULL, (PVOID)(ULONG_PTR)what, information)))
		sim_violation("a registry callback refused, which this driver never does");
	if (KeGetCurrentIrql() != irql)
		sim_violation("a registry callback came back at another IRQL");
}

static void after(REG_NOTIFY_CLASS what, struct key *key, PVOID pre, PVOID call_context,
		  NTSTATUS status)
{
	REG_POST_OPERATION_INFORMATION post = { .Object = key,
						.Status = status,
						.PreInformation = pre,
						.ReturnStatus = status,
						.CallContext = call_context };

	call(what, &post);
}

static void create(struct key *key, const struct sim_key_plan *plan, int is_new, NTSTATUS status)
{
	const ULONG wanted = is_new ? REG_CREATED_NEW_KEY : REG_OPENED_EXISTING_KEY;
	REG_CREATE_KEY_INFORMATION info = { 0 };
	struct key none = { NULL };

	(void)plan;
	info.Disposition = sim_user(&wanted, sizeof(wanted));
	call(RegNtPreCreateKeyEx, &info);
	after(RegNtPostCreateKeyEx, NT_SUCCESS(status) ? key : &none, &info, NULL, status);
	sim_user_free(info.Disposition);
}

static void set_value(struct key *key, const struct sim_key_plan *plan, NTSTATUS status)
{
	REG_SET_VALUE_KEY_INFORMATION info = { .Object = key, .Type = plan->type };
	UNICODE_STRING name;

	sim_text(&name, plan->name);
	info.ValueName = &name;
	info.DataSize = plan->data_bytes;
	info.Data = plan->data_bytes ? sim_user(plan->data, plan->data_bytes) : NULL;
	call((REG_NOTIFY_CLASS)1, &info);
	after(RegNtPostSetValueKey, key, &info, info.CallContext, status);
	if (info.Data)
		sim_user_free(info.Data);
	sim_text_free(&name);
}

static void with_value_name(struct key *key, const struct sim_key_plan *plan, NTSTATUS status)
{
	REG_DELETE_VALUE_KEY_INFORMATION remove = { .Object = key };
	REG_QUERY_VALUE_KEY_INFORMATION query = { .Object = key };
	UNICODE_STRING name;

	sim_text(&name, plan->name);
	remove.ValueName = query.ValueName = &name;
	if (!strcmp(plan->operation, "unset")) {
		call((REG_NOTIFY_CLASS)2, &remove);
		after(RegNtPostDeleteValueKey, key, &remove, remove.CallContext, status);
	} else {
		call((REG_NOTIFY_CLASS)8, &query);
		after(RegNtPostQueryValueKey, key, &query, query.CallContext, status);
	}
	sim_text_free(&name);
}

static void rename_key(struct key *key, const struct sim_key_plan *plan, NTSTATUS status)
{
	REG_RENAME_KEY_INFORMATION info = { .Object = key };
	UNICODE_STRING name;

	sim_text(&name, plan->name);
	info.NewName = &name;
	call(RegNtPreRenameKey, &info);
	/* The object answers to the new name from here on. */
	key->path = "\\REGISTRY\\MACHINE\\RENAMED";
	after(RegNtPostRenameKey, key, &info, info.CallContext, status);
	sim_text_free(&name);
}

static void delete_key(struct key *key, NTSTATUS status)
{
	REG_DELETE_KEY_INFORMATION info = { .Object = key };

	call(RegNtPreDeleteKey, &info);
	/* A deleted key has no name. */
	key->path = NULL;
	after(RegNtPostDeleteKey, key, &info, info.CallContext, status);
}

void sim_key(const struct sim_key_plan *plan)
{
	const NTSTATUS status = plan->fails ? STATUS_ACCESS_DENIED : STATUS_SUCCESS;
	REG_KEY_HANDLE_CLOSE_INFORMATION close = { 0 };
	const char *what = plan->operation;
	struct key key = { plan->key };

	if (!strcmp(what, "create"))
		create(&key, plan, 1, status);
	else if (!strcmp(what, "createopen"))
		create(&key, plan, 0, status);
	else if (!strcmp(what, "open"))
		after(RegNtPostOpenKeyEx, &key, NULL, NULL, status);
	else if (!strcmp(what, "set"))
		set_value(&key, plan, status);
	else if (!strcmp(what, "unset") || !strcmp(what, "read"))
		with_value_name(&key, plan, status);
	else if (!strcmp(what, "enumerate"))
		after(RegNtPostEnumerateKey, &key, NULL, NULL, status);
	else if (!strcmp(what, "rename"))
		rename_key(&key, plan, status);
	else if (!strcmp(what, "delete"))
		delete_key(&key, status);
	else if (!strcmp(what, "other"))
		after((REG_NOTIFY_CLASS)33, &key, NULL, NULL, status);
	if (strcmp(what, "close"))
		return;
	close.Object = &key;
	call(RegNtPreKeyHandleClose, &close);
}

/* ---- The driver's own key -------------------------------------------------------------------- */

NTSTATUS ZwOpenKey(HANDLE *key, ACCESS_MASK access, POBJECT_ATTRIBUTES attributes)
{
	(void)access;
	SIM_IRQL(PASSIVE_LEVEL);
	if (!(attributes->Attributes & OBJ_KERNEL_HANDLE))
		sim_violation("a handle that user space could use");
	if (sim_fails(SIM_FAIL_OPEN))
		return STATUS_ACCESS_DENIED;
	*key = sim_handle(&on_registry);
	return STATUS_SUCCESS;
}

NTSTATUS ZwCreateKey(HANDLE *key, ACCESS_MASK access, POBJECT_ATTRIBUTES attributes, ULONG index,
		     PUNICODE_STRING class, ULONG options, PULONG disposition)
{
	(void)index;
	(void)class;
	(void)disposition;
	if (options != REG_OPTION_VOLATILE)
		sim_violation("a key that outlives the boot");
	return ZwOpenKey(key, access, attributes);
}

NTSTATUS ZwQueryValueKey(HANDLE key, PUNICODE_STRING name, int what, PVOID target, ULONG bytes,
			 PULONG needed)
{
	KEY_VALUE_PARTIAL_INFORMATION *value = target;

	(void)key;
	(void)name;
	(void)what;
	SIM_IRQL(PASSIVE_LEVEL);
	*needed = offsetof(KEY_VALUE_PARTIAL_INFORMATION, Data) + sizeof(boot_value);
	if (!has_boot_value || bytes < *needed)
		return STATUS_OBJECT_NAME_NOT_FOUND;
	value->Type = REG_BINARY;
	value->DataLength = sizeof(boot_value);
	memcpy(value->Data, boot_value, sizeof(boot_value));
	return STATUS_SUCCESS;
}

NTSTATUS ZwSetValueKey(HANDLE key, PUNICODE_STRING name, ULONG index, ULONG type, PVOID data,
		       ULONG bytes)
{
	(void)key;
	(void)name;
	(void)index;
	if (type != REG_BINARY || bytes != sizeof(boot_value))
		return STATUS_INVALID_PARAMETER;
	memcpy(boot_value, data, bytes);
	has_boot_value = 1;
	return STATUS_SUCCESS;
}
