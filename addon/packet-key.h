/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rule at the tap can ask of an Ethernet frame: peers, protocol, ports. Reads headers only,
 * with no state. Called by packet-inline.c. Must not trust a length that a frame states.
 */
#ifndef UC_ADDON_PACKET_KEY_H
#define UC_ADDON_PACKET_KEY_H

#include <stdbool.h>
#include <stdint.h>

#define UC_ETHERNET_BYTES 14u
#define UC_VLAN_TAG_BYTES 4u

/* What kind of frame: IP that a rule's addresses apply to, address resolution, anything else. */
#define UC_KEY_OTHER 0u
#define UC_KEY_IP 1u
#define UC_KEY_ARP 2u
/* ICMPv6 neighbour discovery: IP as well, and what IPv6 has in place of ARP. */
#define UC_KEY_NEIGHBOUR 3u

/* Whether remote_port and local_port tell something. */
#define UC_PORTS_NONE 0u
#define UC_PORTS_KNOWN 1u
/* A later fragment: it does no harm without the first one, which shows its ports. */
#define UC_PORTS_ELSEWHERE 2u
/* Cut off, or behind headers that could not be followed: perhaps on purpose. */
#define UC_PORTS_HIDDEN 3u

/* protocol of a chain of IPv6 headers that could not be followed to its end. */
#define UC_PROTOCOL_HIDDEN 0xffffu

/* IPv4 addresses lie in the first four bytes, the rest zero, as on the wire. */
struct uc_packet_key {
	uint8_t remote[16];
	uint8_t local[16];
	uint16_t kind;
	uint16_t family;
	uint16_t protocol;
	uint16_t ports;
	uint16_t remote_port;
	uint16_t local_port;
};

/* from_guest: the frame's source is the guest, so its destination is the remote side. */
void uc_packet_key_read(struct uc_packet_key *key, const uint8_t *frame, uint32_t bytes,
			bool from_guest);

#endif /* UC_ADDON_PACKET_KEY_H */
