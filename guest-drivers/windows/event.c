/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * One record on its way: built in nonpaged memory where paged names may still be touched, then
 * handed to emit.c as a whole. Most records fit a block of a lookaside list.
 */
#include "undercroft.h"

#define BLOCK_BYTES 2048u

static NPAGED_LOOKASIDE_LIST blocks;

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_event_init(void)
{
	ExInitializeNPagedLookasideList(&blocks, NULL, NULL, POOL_NX_ALLOCATION, BLOCK_BYTES,
					UC_POOL_TAG, 0);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_event_exit(void)
{
	ExDeleteNPagedLookasideList(&blocks);
}

_IRQL_requires_max_(APC_LEVEL)
static void release(struct uc_event *event)
{
	if (event->pooled)
		ExFreePoolWithTag(event->buffer, UC_POOL_TAG);
	else
		ExFreeToNPagedLookasideList(&blocks, event->buffer);
}

_IRQL_requires_max_(APC_LEVEL)
bool uc_event_begin(struct uc_event *event, enum uc_urgency urgency, uint16_t type,
		    const struct uc_event_header *header, const void *body, uint32_t field_bytes)
{
	const uint32_t payload_max = uc_emit_payload_max();
	uint32_t bytes = (uint32_t)sizeof(*header) + uc_body_bytes(type);

	bytes += field_bytes < payload_max ? field_bytes : payload_max;
	if (bytes > payload_max)
		bytes = payload_max;
	event->type = type;
	event->urgency = urgency;
	event->pooled = bytes > BLOCK_BYTES;
	if (event->pooled)
		event->buffer = ExAllocatePoolWithTag(NonPagedPoolNx, bytes, UC_POOL_TAG);
	else
		event->buffer = ExAllocateFromNPagedLookasideList(&blocks);
	if (!event->buffer) {
		uc_emit_lose(type, UC_LOSS_ENCODE_ERROR);
		return false;
	}
	if (uc_record_begin_buffer(&event->record, event->buffer, bytes, type, header, body))
		return true;
	release(event);
	uc_emit_lose(type, UC_LOSS_ENCODE_ERROR);
	return false;
}

_IRQL_requires_max_(APC_LEVEL)
uint32_t uc_text_bytes(PCUNICODE_STRING text)
{
	if (!text || !text->Buffer || !text->Length)
		return 0;
	return uc_field_bytes(uc_utf8_bytes(text->Buffer, text->Length / sizeof(WCHAR)));
}

_IRQL_requires_max_(APC_LEVEL)
void uc_event_text(struct uc_event *event, uint16_t field, PCUNICODE_STRING text)
{
	uint32_t units;
	uint32_t wanted;
	uint32_t room;
	uint8_t *target;

	if (!text || !text->Buffer || !text->Length)
		return;
	units = text->Length / sizeof(WCHAR);
	wanted = uc_utf8_bytes(text->Buffer, units);
	target = uc_record_field_reserve(&event->record, field, wanted, &room);
	if (target)
		uc_record_field_commit(&event->record,
				       uc_utf8_from(text->Buffer, units, target, room),
				       room < wanted);
}

_IRQL_requires_max_(APC_LEVEL)
void uc_event_bytes(struct uc_event *event, uint16_t field, const void *bytes, uint32_t count)
{
	if (count)
		uc_record_field(&event->record, field, bytes, count, false);
}

_IRQL_requires_max_(APC_LEVEL)
void uc_event_end(struct uc_event *event)
{
	uint16_t flags;
	const uint32_t bytes = uc_record_end_buffer(&event->record, &flags);

	uc_emit(event->urgency, event->type, flags, event->buffer, bytes);
	release(event);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
bool uc_event_plain(enum uc_urgency urgency, uint16_t type, const void *body)
{
	struct uc_event_header header;
	struct uc_event event;
	uint16_t flags;
	uint32_t bytes;
	bool written;

	uc_identity_current(&header);
	if (!uc_event_begin(&event, urgency, type, &header, body, 0))
		return false;
	bytes = uc_record_end_buffer(&event.record, &flags);
	written = uc_emit(urgency, type, flags, event.buffer, bytes);
	release(&event);
	return written;
}
