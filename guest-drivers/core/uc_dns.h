/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Reads the question out of a datagram to a name server (RFC 1035 section 4.1). Called by sensors
 * of sockets on a private copy of the datagram's beginning. Whoever sent it may have written
 * anything: it reads no byte beyond the copy and writes none beyond the name's room.
 */
#ifndef UC_DNS_H
#define UC_DNS_H

#include "uc_port.h"

#ifdef __cplusplus
extern "C" {
#endif

#define UC_DNS_PORT 53u
/* Header, longest name, type and class: more of a datagram is never looked at. */
#define UC_DNS_DATAGRAM_BYTES 272u
/* Room for any name as text: each byte can take four characters. */
#define UC_DNS_NAME_BYTES 1024u

struct uc_dns_question {
	uint16_t transaction_id;
	uint16_t query_type;
	uint32_t name_bytes;
	/* The copy ended before the question did. */
	bool truncated;
};

/*
 * count bytes are here of a datagram that has datagram_bytes. Writes the name of the first question
 * as text (RFC 4343 section 2.1 escapes, no dot at the end, the root as "."), not ended by a NUL.
 * False: this is no question.
 */
bool uc_dns_read_question(struct uc_dns_question *question, char name[UC_DNS_NAME_BYTES],
			  const uint8_t *datagram, uint32_t count, uint64_t datagram_bytes);

#ifdef __cplusplus
}
#endif

#endif /* UC_DNS_H */
