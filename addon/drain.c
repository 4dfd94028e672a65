/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One drain call: sample the tail once, copy one span, parse the copy, store the head once.
 * The hostile-guest rules that each check enforces are listed in docs/wire-format.md.
 * Must not read a shared byte twice, trust a position, or loop without consuming a frame.
 */
#include "drain.h"

#include "crc32c.h"
#include "shared-memory.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/*
 * `npm run fuzz` first builds a drain that lets a frame end one unit behind its span, and fails
 * when the fuzzer does not find that.
 */
#ifdef UC_FUZZ_CANARY
#define SPAN_SLACK UC_FRAME_ALIGN
#else
#define SPAN_SLACK 0
#endif

/* A sequence is newer when it lies within half the number space ahead of the last one. */
#define SEQUENCE_STEP_MAX 0x7fffffffu

/* The sixteen bytes of a frame, read from the private copy. */
struct frame {
	uint32_t length;
	uint16_t type;
	uint16_t flags;
	uint32_t sequence;
	uint32_t check;
};

/* A private copy of [position, position + bytes) of the ring, and how far parsing came. */
struct span {
	uint64_t bytes;
	/* To the end of the ring and to the sampled tail, both counted from the span's start. */
	uint64_t to_end;
	uint64_t to_tail;
	uint64_t at;
	uint64_t payload_bytes;
	uint64_t missing;
	uint32_t count;
};

static inline uint64_t align_frame(uint64_t bytes)
{
	return (bytes + (UC_FRAME_ALIGN - 1)) & ~(uint64_t)(UC_FRAME_ALIGN - 1);
}

static inline struct frame read_frame(const uint8_t *at)
{
	struct frame frame;

	memcpy(&frame, at, sizeof(frame));
	return frame;
}

static inline uint32_t plain_check(uint32_t session_id, uint32_t sequence)
{
	return session_id ^ (sequence * UC_CHECK_MULTIPLIER);
}

int uc_placement_valid(const struct uc_placement *placement, uint64_t region_bytes)
{
	const uint64_t page = UC_PAGE_BYTES;

	if (placement->capacity_log2 < UC_RING_CAPACITY_LOG2_MIN ||
	    placement->capacity_log2 > UC_RING_CAPACITY_LOG2_MAX)
		return 0;
	const uint64_t capacity = 1ull << placement->capacity_log2;
	if ((placement->ring_offset | placement->producer_offset | placement->consumer_offset) %
	    page)
		return 0;
	return region_bytes >= capacity && region_bytes >= page &&
	       placement->ring_offset <= region_bytes - capacity &&
	       placement->producer_offset <= region_bytes - page &&
	       placement->consumer_offset <= region_bytes - page;
}

int uc_consumer_init(struct uc_consumer *consumer, const struct uc_consumer_config *config)
{
	const uint32_t batch = config->batch_bytes;

	if (!uc_placement_valid(&config->placement, config->region_bytes))
		return -1;
	const uint64_t capacity = 1ull << config->placement.capacity_log2;
	uint64_t limit = config->record_bytes_max;
	if (limit > UC_RECORD_BYTES_MAX)
		limit = UC_RECORD_BYTES_MAX;
	if (limit > capacity / 8)
		limit = capacity / 8;
	if (limit == 0 || batch == 0 || (batch & (batch - 1)) != 0 ||
	    batch < UC_FRAME_BYTES + align_frame(limit) || config->records_max == 0)
		return -1;

	memset(consumer, 0, sizeof(*consumer));
	consumer->config = *config;
	uint8_t *region = config->region;
	consumer->ring = region + config->placement.ring_offset;
	consumer->tail_word = (const uint64_t *)(region + config->placement.producer_offset);
	consumer->head_word = (uint64_t *)(region + config->placement.consumer_offset);
	consumer->capacity = capacity;
	consumer->record_bytes_max = (uint32_t)limit;
	return 0;
}

static void latch_fault(struct uc_consumer *consumer, uint32_t fault)
{
	consumer->fault = fault;
	consumer->config.stats[UC_CONSUMER_FAULTS]++;
}

void uc_consumer_start_session(struct uc_consumer *consumer, uint32_t session_id,
			       uint32_t previous_session_id, uint64_t features, uint64_t head)
{
	uint64_t *stats = consumer->config.stats;

	consumer->session_id = session_id;
	consumer->previous_session_id = previous_session_id;
	consumer->crc = (features & UC_FEATURE_CRC32C) != 0;
	consumer->head = head;
	consumer->last_sequence = 0;
	consumer->resumed = head != 0;
	consumer->fault = 0;
	consumer->evidence_bytes = 0;
	consumer->started = 1;
	stats[UC_CONSUMER_HEAD] = head;
	stats[UC_CONSUMER_LAST_SEQUENCE] = 0;
	/* TRUST: a head to resume at may come from the shared page, which the guest can write. */
	if (head % UC_FRAME_ALIGN != 0)
		latch_fault(consumer, UC_E_HEAD_RANGE);
	else
		uc_shared_store(consumer->head_word, head);
}

static int check_fits(const struct uc_consumer *consumer, const uint8_t *at,
		      const struct frame *frame, uint32_t session_id)
{
	if (!consumer->crc)
		return frame->check == plain_check(session_id, frame->sequence);
	/* What a PAD skips was never written by the producer, so no check covers it. */
	const uint32_t bytes = frame->type == UC_RECORD_PAD ? 0 : frame->length;
	return frame->check == uc_frame_crc(at, session_id, at + UC_FRAME_BYTES, bytes);
}

static uint32_t check_fault(const struct uc_consumer *consumer, const uint8_t *at,
			    const struct frame *frame)
{
	if (check_fits(consumer, at, frame, consumer->session_id))
		return 0;
	if (check_fits(consumer, at, frame, consumer->previous_session_id))
		return UC_E_SESSION;
	return UC_E_CHECK;
}

static uint32_t pad_fault(const struct uc_consumer *consumer, const struct span *span,
			  const uint8_t *at, const struct frame *frame)
{
	if (frame->length != span->to_end - span->at - UC_FRAME_BYTES ||
	    frame->length > consumer->record_bytes_max)
		return UC_E_PAD_PLACE;
	if (UC_FRAME_BYTES + (uint64_t)frame->length > span->to_tail - span->at)
		return UC_E_LEN_AVAIL;
	if (frame->flags != 0)
		return UC_E_FLAGS;
	if (frame->sequence != 0)
		return UC_E_SEQ;
	return check_fault(consumer, at, frame);
}

/* Which rule the frame breaks; 0 when none, or when it only passes the end of the span. */
static uint32_t frame_fault(const struct uc_consumer *consumer, const struct span *span,
			    const uint8_t *at, const struct frame *frame, uint32_t last_sequence)
{
	const uint64_t need = UC_FRAME_BYTES + align_frame(frame->length);

	if (frame->type == UC_RECORD_INVALID)
		return UC_E_TYPE_ZERO;
	if (frame->type == UC_RECORD_PAD)
		return pad_fault(consumer, span, at, frame);
	if (frame->length > consumer->record_bytes_max)
		return UC_E_LEN_LIMIT;
	if (need > span->to_tail - span->at)
		return UC_E_LEN_AVAIL;
	if (need > span->to_end - span->at)
		return UC_E_CROSS_END;
	if (need > span->bytes - span->at)
		return 0;
	if ((frame->flags & ~UC_FRAME_FLAGS_KNOWN) != 0)
		return UC_E_FLAGS;
	const uint32_t fault = check_fault(consumer, at, frame);
	if (fault)
		return fault;
	return frame->sequence - last_sequence - 1 >= SEQUENCE_STEP_MAX ? UC_E_SEQ : 0;
}

static void keep_evidence(struct uc_consumer *consumer, const struct span *span, const uint8_t *at)
{
	uint64_t bytes = span->bytes - span->at;

	if (bytes > UC_EVIDENCE_BYTES_MAX)
		bytes = UC_EVIDENCE_BYTES_MAX;
	memcpy(consumer->evidence, at, bytes);
	consumer->evidence_bytes = (uint32_t)bytes;
}

static void count_lost(struct uc_consumer *consumer, const uint8_t *payload, uint32_t length)
{
	uint64_t *stats = consumer->config.stats;
	uint64_t count;

	stats[UC_CONSUMER_LOST_FRAMES]++;
	if (length < sizeof(struct uc_lost))
		return;
	memcpy(&count, payload + 8, sizeof(count));
	/* TRUST: a claim; saturate, so that no claim can wrap the sum. */
	const uint64_t room = UINT64_MAX - stats[UC_CONSUMER_NAMED];
	stats[UC_CONSUMER_NAMED] += count < room ? count : room;
}

/* A frame that the fast path refused: a breach, a PAD, or one that passes the span's end. */
static void take_odd_frame(struct uc_consumer *consumer, struct span *span, const uint8_t *at,
			   const struct frame *frame, uint32_t last_sequence)
{
	const uint32_t fault = frame_fault(consumer, span, at, frame, last_sequence);

	if (fault) {
		keep_evidence(consumer, span, at);
		latch_fault(consumer, fault);
	} else if (frame->type == UC_RECORD_PAD) {
		consumer->config.stats[UC_CONSUMER_PADS]++;
		span->at += UC_FRAME_BYTES + (uint64_t)frame->length;
	}
}

/* A resumed session takes its first sequence as it comes. */
static uint32_t first_last_sequence(const struct uc_consumer *consumer)
{
	if (!consumer->resumed)
		return consumer->last_sequence;
	return read_frame(consumer->config.batch).sequence - 1;
}

/*
 * Parses the private copy. TRUST: `at` is masked by the batch's own size wherever memory is
 * indexed, because a mispredicted length check would otherwise steer a speculative read.
 */
static inline __attribute__((always_inline)) void
parse_span(struct uc_consumer *consumer, struct span *span, int with_crc)
{
	const uint8_t *batch = consumer->config.batch;
	const uint32_t mask = consumer->config.batch_bytes - UC_FRAME_ALIGN;
	const uint32_t limit = consumer->record_bytes_max;
	const uint32_t session_id = consumer->session_id;
	const uint32_t records_max = consumer->config.records_max;
	uint32_t *record = consumer->config.records;
	uint32_t last = first_last_sequence(consumer);

	while (span->at < span->bytes && span->count < records_max) {
		const uint8_t *at = batch + (span->at & mask);
		const struct frame frame = read_frame(at);
		const uint64_t need = UC_FRAME_BYTES + align_frame(frame.length);
		const uint32_t skipped = frame.sequence - last - 1;

		if (unlikely((uint16_t)(frame.type - 1) >= UC_RECORD_PAD - 1 ||
			     frame.length > limit || need > span->bytes - span->at + SPAN_SLACK ||
			     (frame.flags & ~UC_FRAME_FLAGS_KNOWN) != 0 ||
			     skipped >= SEQUENCE_STEP_MAX ||
			     (with_crc ? !check_fits(consumer, at, &frame, session_id) :
					 frame.check != plain_check(session_id, frame.sequence)))) {
			take_odd_frame(consumer, span, at, &frame, last);
			break;
		}
		if (unlikely(frame.type == UC_RECORD_LOST))
			count_lost(consumer, batch + ((span->at + UC_FRAME_BYTES) & mask),
				   frame.length);
		record[0] = (uint32_t)span->at + UC_FRAME_BYTES;
		record[1] = frame.length;
		record[2] = frame.type | (uint32_t)frame.flags << 16;
		record[3] = frame.sequence;
		record += UC_RECORD_STRIDE;
		span->count++;
		span->at += need;
		span->payload_bytes += frame.length;
		span->missing += skipped;
		last = frame.sequence;
	}
	if (span->count > 0) {
		consumer->last_sequence = last;
		consumer->resumed = 0;
	}
}

/* Copies the next contiguous span, at most a batch long, or finds the mapping gone. */
static int copy_span(struct uc_consumer *consumer, struct span *span, uint64_t tail)
{
	const uint64_t position = consumer->head & (consumer->capacity - 1);

	memset(span, 0, sizeof(*span));
	span->to_tail = tail - consumer->head;
	span->to_end = consumer->capacity - position;
	span->bytes = span->to_tail < span->to_end ? span->to_tail : span->to_end;
	if (span->bytes > consumer->config.batch_bytes)
		span->bytes = consumer->config.batch_bytes;
	uc_shared_copy_out(consumer->config.batch, consumer->ring + position, span->bytes);
	if (uc_region_failed(consumer->config.region_failed)) {
		latch_fault(consumer, UC_E_MAPPING);
		return -1;
	}
	return 0;
}

static uint32_t tail_fault(const struct uc_consumer *consumer, uint64_t tail)
{
	if (uc_region_failed(consumer->config.region_failed))
		return UC_E_MAPPING;
	if (tail - consumer->head > consumer->capacity)
		return UC_E_TAIL_RANGE;
	if (tail % UC_FRAME_ALIGN != 0)
		return UC_E_TAIL_ALIGN;
	return 0;
}

static void tally_span(const struct uc_consumer *consumer, const struct span *span)
{
	uint64_t *stats = consumer->config.stats;

	stats[UC_CONSUMER_DELIVERED] += span->count;
	stats[UC_CONSUMER_BYTES] += span->payload_bytes;
	stats[UC_CONSUMER_MISSING] += span->missing;
	stats[UC_CONSUMER_HEAD] = consumer->head;
	stats[UC_CONSUMER_LAST_SEQUENCE] = consumer->last_sequence;
}

int32_t uc_consumer_drain(struct uc_consumer *consumer)
{
	const uint64_t head_before = consumer->head;
	struct span span;

	if (consumer->fault)
		return -(int32_t)consumer->fault;
	if (!consumer->started)
		return 0;
	const uint64_t tail = uc_shared_load(consumer->tail_word);
	const uint32_t fault = tail_fault(consumer, tail);
	if (fault) {
		latch_fault(consumer, fault);
		return -(int32_t)fault;
	}
	/* A span that held nothing but a PAD is followed by the ring's start: 0 must mean empty. */
	span.count = 0;
	while (span.count == 0 && consumer->head != tail && !consumer->fault) {
		if (copy_span(consumer, &span, tail))
			break;
		if (consumer->crc)
			parse_span(consumer, &span, 1);
		else
			parse_span(consumer, &span, 0);
		consumer->head += span.at;
		tally_span(consumer, &span);
	}
	if (consumer->head != head_before)
		uc_shared_store(consumer->head_word, consumer->head);
	if (span.count == 0 && consumer->fault)
		return -(int32_t)consumer->fault;
	return (int32_t)span.count;
}
