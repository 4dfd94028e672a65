/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verdicts of one rule table about the frames that come on the standard input, as '+' and '-'.
 * Each frame lies alone in memory of its own size, so that the address sanitizer sees every read
 * beyond it. Built and run by packet-verdict.test.ts.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../addon/packet-verdict.h"

struct input {
	uint64_t now_ns;
	uint32_t slot;
	uint32_t rules_bytes;
};

struct frame_head {
	uint32_t bytes;
	uint32_t from_guest;
};

static uint8_t *read_bytes(uint32_t bytes)
{
	uint8_t *made = malloc(bytes);

	if ((!made && bytes > 0) || fread(made, 1, bytes, stdin) != bytes)
		exit(2);
	return made;
}

int main(void)
{
	struct uc_verdict_table *table = NULL;
	struct input input;
	struct frame_head head;

	if (fread(&input, sizeof(input), 1, stdin) != 1)
		return 2;
	uint8_t *rules = read_bytes(input.rules_bytes);
	const int error = uc_verdict_make(&table, input.slot, rules, input.rules_bytes);

	free(rules);
	printf("%d ", error);
	while (error == 0 && fread(&head, sizeof(head), 1, stdin) == 1) {
		uint8_t *frame = read_bytes(head.bytes);
		struct uc_packet_key key;

		uc_packet_key_read(&key, frame, head.bytes, head.from_guest != 0);
		putchar(uc_verdict_pass(table, &key, input.now_ns) ? '+' : '-');
		free(frame);
	}
	uc_verdict_free(table);
	return 0;
}
