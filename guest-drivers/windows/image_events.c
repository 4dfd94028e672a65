/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Programs and libraries that are mapped into processes, and drivers that the kernel loads. The
 * callback runs in the loading thread.
 */
#include "undercroft.h"

_IRQL_requires_max_(PASSIVE_LEVEL)
static void on_driver(PUNICODE_STRING name, PIMAGE_INFO image)
{
	struct uc_module_event body = { image->ImageSize, 0, 0 };
	struct uc_event_header header;
	struct uc_event event;

	uc_identity_current(&header);
	if (!uc_event_begin(&event, UC_PRIORITY, UC_RECORD_MODULE_LOAD, &header, &body,
			    uc_text_bytes(name)))
		return;
	uc_event_text(&event, UC_FIELD_NAME, name);
	uc_event_end(&event);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void on_library(PUNICODE_STRING name, PIMAGE_INFO image)
{
	struct uc_image_load body;
	struct uc_event_header header;
	struct uc_event event;

	memset(&body, 0, sizeof(body));
	body.address = (uint64_t)(ULONG_PTR)image->ImageBase;
	body.size_bytes = image->ImageSize;
	uc_identity_current(&header);
	if (!uc_event_begin(&event, UC_ROUTINE, UC_RECORD_IMAGE_LOAD, &header, &body,
			    uc_text_bytes(name)))
		return;
	uc_event_text(&event, UC_FIELD_PATH, name);
	uc_event_end(&event);
}

/* pid 0: a driver. The name may be missing when there is little memory. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static VOID NTAPI on_image(PUNICODE_STRING name, HANDLE pid, PIMAGE_INFO image)
{
	if (image->SystemModeImage || !pid) {
		if (uc_sensor_is_on(UC_SENSOR_MODULE))
			on_driver(name, image);
	} else if (uc_sensor_is_on(UC_SENSOR_IMAGE)) {
		on_library(name, image);
	}
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS uc_image_register(void)
{
	return PsSetLoadImageNotifyRoutine(on_image);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_image_unregister(void)
{
	PsRemoveLoadImageNotifyRoutine(on_image);
}
