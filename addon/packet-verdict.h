/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of one slot, made once from their bytes and read only afterwards, and the verdict of
 * them about a packet. Called by packet-engine.c (make, free) and packet-inline.c (judge). No
 * allocation and no unbounded work a packet: one bucket of a hash table and a short list.
 */
#ifndef UC_ADDON_PACKET_VERDICT_H
#define UC_ADDON_PACKET_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "packet-key.h"

/* Rules that name one remote address are found by hash, all others are tried one by one. */
#define UC_VERDICT_RULES_MAX 65536u
#define UC_VERDICT_LISTED_MAX 1024u

struct uc_verdict_table;

/*
 * Reads `bytes` of struct uc_block_rule, skips those of other slots. 0; -EINVAL where a rule
 * contradicts itself or bytes are left over, -E2BIG with too many rules, -ENOMEM. No rules at all
 * make a table of NULL, which lets everything pass.
 */
int uc_verdict_make(struct uc_verdict_table **table, uint32_t slot, const uint8_t *rules,
		    uint64_t bytes);
void uc_verdict_free(struct uc_verdict_table *table);

/* Whether the packet may pass. ALLOW goes over DROP, DROP over ISOLATE. */
bool uc_verdict_pass(const struct uc_verdict_table *table, const struct uc_packet_key *key,
		     uint64_t boottime_ns);

#endif /* UC_ADDON_PACKET_VERDICT_H */
