/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Protects the link's thread, and nothing else: user space gets no handle by which it could be
 * ended, suspended or bent. The driver has no process that would need the same.
 */
#include "undercroft.h"

#define REFUSED_ACCESS (THREAD_TERMINATE | THREAD_SUSPEND_RESUME | THREAD_SET_CONTEXT)

static PVOID registration;

_IRQL_requires_max_(PASSIVE_LEVEL)
static OB_PREOP_CALLBACK_STATUS NTAPI on_handle(PVOID context, POB_PRE_OPERATION_INFORMATION info)
{
	(void)context;
	if (info->KernelHandle || !info->Object || info->Object != uc_link_thread())
		return OB_PREOP_SUCCESS;
	if (info->Operation == OB_OPERATION_HANDLE_CREATE)
		info->Parameters->CreateHandleInformation.DesiredAccess &= ~REFUSED_ACCESS;
	else
		info->Parameters->DuplicateHandleInformation.DesiredAccess &= ~REFUSED_ACCESS;
	return OB_PREOP_SUCCESS;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS uc_protect_register(void)
{
	OB_OPERATION_REGISTRATION operation;
	OB_CALLBACK_REGISTRATION callbacks;

	if (!uc_optional.ob_register || !uc_optional.ob_unregister)
		return STATUS_NOT_SUPPORTED;
	memset(&operation, 0, sizeof(operation));
	memset(&callbacks, 0, sizeof(callbacks));
	operation.ObjectType = PsThreadType;
	operation.Operations = OB_OPERATION_HANDLE_CREATE | OB_OPERATION_HANDLE_DUPLICATE;
	operation.PreOperation = on_handle;
	callbacks.Version = OB_FLT_REGISTRATION_VERSION;
	callbacks.OperationRegistrationCount = 1;
	RtlInitUnicodeString(&callbacks.Altitude, UC_ALTITUDE);
	callbacks.OperationRegistration = &operation;
	return uc_optional.ob_register(&callbacks, &registration);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_protect_unregister(void)
{
	uc_optional.ob_unregister(registration);
	registration = NULL;
}
