/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Frames of the command ring, read by the same rules that the server applies to ours: copy once,
 * check the copy, never read again. Called through uc_command.h. TRUST: a broken frame stops the
 * reader for the session; there is no searching for the next good one.
 */
#include "uc_command.h"

#include "uc_crc32c.h"

#define SEQUENCE_STEP_MAX 0x7fffffffu

static uint64_t align_frame(uint64_t bytes)
{
	return (bytes + (UC_FRAME_ALIGN - 1)) & ~(uint64_t)(UC_FRAME_ALIGN - 1);
}

static void place_reader(struct uc_command_reader *reader, void *region,
			 const struct uc_ring_place *place)
{
	uint8_t *base = (uint8_t *)region;

	reader->bytes = base + place->ring_offset;
	reader->producer_page = base + place->producer_offset;
	reader->consumer_page = base + place->consumer_offset;
	reader->capacity = 1ull << place->capacity_log2;
}

void uc_command_init(struct uc_command_reader *reader, void *region,
		     const struct uc_ring_place *place, void *buffer)
{
	memset(reader, 0, sizeof(*reader));
	reader->buffer = (uint8_t *)buffer;
	reader->payload_bytes_max = place->payload_bytes_max;
	place_reader(reader, region, place);
}

bool uc_command_place(struct uc_command_reader *reader, void *region,
		      const struct uc_ring_place *place)
{
	if (place->payload_bytes_max > reader->payload_bytes_max)
		return false;
	reader->started = false;
	place_reader(reader, region, place);
	return true;
}

void uc_command_start(struct uc_command_reader *reader, uint32_t session_id, uint64_t features,
		      uint64_t server_epoch)
{
	if (server_epoch != reader->window_epoch) {
		memset(reader->window, 0, sizeof(reader->window));
		reader->window_epoch = server_epoch;
		reader->window_next = 0;
	}
	reader->with_crc = (features & UC_FEATURE_CRC32C) != 0;
	reader->session_id = session_id;
	reader->sequence = 0;
	reader->head = 0;
	reader->fault = 0;
	uc_store_u64(reader->consumer_page, 0);
	uc_store_fence();
	reader->started = true;
}

static uint32_t frame_fault(const struct uc_command_reader *reader, const struct uc_frame *frame,
			    uint64_t available)
{
	const uint64_t to_end = reader->capacity - (reader->head & (reader->capacity - 1));
	const uint64_t whole = UC_FRAME_BYTES + align_frame(frame->length);

	if (frame->type == UC_RECORD_INVALID)
		return UC_E_TYPE_ZERO;
	if (frame->type == UC_RECORD_PAD && frame->length != to_end - UC_FRAME_BYTES)
		return UC_E_PAD_PLACE;
	if (frame->length > reader->payload_bytes_max)
		return UC_E_LEN_LIMIT;
	if (whole > available)
		return UC_E_LEN_AVAIL;
	if (whole > to_end)
		return UC_E_CROSS_END;
	if (frame->type == UC_RECORD_PAD) {
		if (frame->flags != 0)
			return UC_E_FLAGS;
		return frame->sequence != 0 ? UC_E_SEQ : 0;
	}
	if (frame->flags & ~UC_FRAME_FLAGS_KNOWN)
		return UC_E_FLAGS;
	return frame->sequence - reader->sequence - 1 >= SEQUENCE_STEP_MAX ? UC_E_SEQ : 0;
}

/* A PAD's payload was never written, so no check covers it. */
static bool check_fits(const struct uc_command_reader *reader, const struct uc_frame *frame)
{
	const uint32_t covered = frame->type == UC_RECORD_PAD ? 0 : frame->length;
	struct uc_frame copy = *frame;
	uint32_t crc;

	if (!reader->with_crc)
		return frame->check ==
		       (reader->session_id ^ (frame->sequence * UC_CHECK_MULTIPLIER));
	copy.check = reader->session_id;
	crc = uc_crc32c_update(UC_CRC32C_START, &copy, sizeof(copy));
	return frame->check == uc_crc32c_end(uc_crc32c_update(crc, reader->buffer, covered));
}

/* Takes one frame out of the ring. 0, or UC_E_*. */
static uint32_t take_frame(struct uc_command_reader *reader, uint64_t tail, struct uc_frame *frame)
{
	const uint8_t *at = reader->bytes + (reader->head & (reader->capacity - 1));
	uint32_t fault;

	uc_region_copy(frame, at, sizeof(*frame));
	fault = frame_fault(reader, frame, tail - reader->head);
	if (fault)
		return fault;
	if (frame->type != UC_RECORD_PAD)
		uc_region_copy(reader->buffer, at + UC_FRAME_BYTES, frame->length);
	if (!check_fits(reader, frame))
		return UC_E_CHECK;
	reader->head += UC_FRAME_BYTES + align_frame(frame->length);
	if (frame->type != UC_RECORD_PAD) {
		reader->commands_missing += frame->sequence - reader->sequence - 1;
		reader->sequence = frame->sequence;
	}
	/* ORDER: the copy is complete before the space is given back; pairs with the server's load
	 * of head. */
	uc_full_fence();
	uc_store_u64(reader->consumer_page, reader->head);
	return 0;
}

static bool body_fits(uint32_t kind, uint32_t body_bytes)
{
	switch (kind) {
	case UC_COMMAND_START_MONITORING:
		return body_bytes == sizeof(struct uc_command_start_monitoring);
	case UC_COMMAND_KILL_PROCESS:
		return body_bytes == sizeof(struct uc_command_kill_process);
	case UC_COMMAND_RULES_BEGIN:
		return body_bytes == sizeof(struct uc_command_rules_begin);
	case UC_COMMAND_RULES_ADD:
		return body_bytes >= sizeof(struct uc_rule);
	case UC_COMMAND_RULES_COMMIT:
		return body_bytes == sizeof(struct uc_command_rules_commit);
	default:
		return body_bytes == 0;
	}
}

static const struct uc_command_result *remembered(const struct uc_command_reader *reader,
						  uint64_t id)
{
	uint32_t i;

	for (i = 0; i < UC_COMMAND_WINDOW; i++) {
		if (reader->window[i].result != 0 && reader->window[i].command_id == id)
			return &reader->window[i];
	}
	return NULL;
}

/* Why a command is not run, or 0 when it is. */
static uint32_t refusal(const struct uc_command *command, uint32_t body_bytes, uint64_t now_ns)
{
	if (command->deadline_ns != 0 && now_ns > command->deadline_ns)
		return UC_RESULT_EXPIRED;
	if (command->flags != 0 || command->kind < UC_COMMAND_PING ||
	    command->kind > UC_COMMAND_QUIESCE)
		return UC_RESULT_UNSUPPORTED;
	return body_fits(command->kind, body_bytes) ? 0 : UC_RESULT_MALFORMED;
}

static void describe(const struct uc_command_reader *reader, uint32_t payload_bytes,
		     uint64_t now_ns, struct uc_command_item *item)
{
	const struct uc_command_result *before;
	struct uc_command command;

	memset(item, 0, sizeof(*item));
	memcpy(&command, reader->buffer, sizeof(command));
	item->id = command.id;
	item->deadline_ns = command.deadline_ns;
	item->kind = command.kind;
	item->body = reader->buffer + sizeof(command);
	item->body_bytes = payload_bytes - (uint32_t)sizeof(command);
	before = remembered(reader, command.id);
	if (before) {
		item->replayed = true;
		item->result = *before;
		return;
	}
	item->result.command_id = command.id;
	item->result.kind = command.kind;
	item->result.result = refusal(&command, item->body_bytes, now_ns);
	item->run = item->result.result == 0;
}

int uc_command_next(struct uc_command_reader *reader, uint64_t now_ns,
		    struct uc_command_item *item)
{
	struct uc_frame frame;
	uint64_t tail;

	if (!reader->started)
		return 0;
	if (reader->fault)
		return -(int)reader->fault;
	tail = uc_load_u64(reader->producer_page);
	if (tail - reader->head > reader->capacity)
		reader->fault = UC_E_TAIL_RANGE;
	else if (tail % UC_FRAME_ALIGN != 0)
		reader->fault = UC_E_TAIL_ALIGN;
	/* Ends: the tail was sampled once and every turn consumes at least a frame. */
	while (!reader->fault && reader->head != tail) {
		reader->fault = take_frame(reader, tail, &frame);
		if (reader->fault || frame.type == UC_RECORD_PAD)
			continue;
		if (frame.type != UC_RECORD_COMMAND || frame.length < sizeof(struct uc_command)) {
			reader->commands_failed++;
			continue;
		}
		describe(reader, frame.length, now_ns, item);
		return 1;
	}
	return -(int)reader->fault;
}

void uc_command_finish(struct uc_command_reader *reader, const struct uc_command_item *item)
{
	if (item->replayed) {
		reader->commands_replayed++;
		return;
	}
	if (item->result.result == UC_RESULT_DONE)
		reader->commands_done++;
	else
		reader->commands_failed++;
	reader->window[reader->window_next % UC_COMMAND_WINDOW] = item->result;
	reader->window_next++;
}

uint64_t uc_command_sensors(const struct uc_command_item *item)
{
	struct uc_command_start_monitoring start;

	memcpy(&start, item->body, sizeof(start));
	return start.sensors;
}

void uc_command_kill(const struct uc_command_item *item, struct uc_command_kill_process *kill)
{
	memcpy(kill, item->body, sizeof(*kill));
}
