/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers of Ethernet (IEEE 802.3, 802.1Q), IPv4 (RFC 791), IPv6 with extension headers (RFC 8200)
 * as far as rules at the tap need them. TRUST: every byte is a guest's or its peer's.
 */
#include "packet-key.h"

#include <string.h>

#include "../guest-drivers/wire/uc_wire.h"

#define ETHERTYPE_IPV4 0x0800u
#define ETHERTYPE_ARP 0x0806u
#define ETHERTYPE_IPV6 0x86ddu
#define ETHERTYPE_VLAN 0x8100u
#define ETHERTYPE_SERVICE_VLAN 0x88a8u
/* Tags beyond these make the frame one that no address rule speaks of. */
#define VLAN_TAGS_MAX 4u

#define IPV4_BYTES 20u
#define IPV6_BYTES 40u
#define IPV6_HEADERS_MAX 16u

#define PROTOCOL_HOP_BY_HOP 0u
#define PROTOCOL_TCP 6u
#define PROTOCOL_UDP 17u
#define PROTOCOL_ROUTING 43u
#define PROTOCOL_FRAGMENT 44u
#define PROTOCOL_AUTHENTICATION 51u
#define PROTOCOL_ICMPV6 58u
#define PROTOCOL_DESTINATION 60u
#define PROTOCOL_MOBILITY 135u
#define PROTOCOL_HIP 139u
#define PROTOCOL_SHIM6 140u

#define ICMPV6_ROUTER_SOLICITATION 133u
#define ICMPV6_NEIGHBOUR_ADVERTISEMENT 136u
#define HOP_LIMIT_ON_LINK 255u

struct span {
	const uint8_t *at;
	uint32_t bytes;
};

static uint16_t read_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static struct span after(struct span span, uint32_t bytes)
{
	const uint32_t step = bytes < span.bytes ? bytes : span.bytes;

	return (struct span){ span.at + step, span.bytes - step };
}

static void set_addresses(struct uc_packet_key *key, const uint8_t *source,
			  const uint8_t *destination, uint32_t bytes, bool from_guest)
{
	memcpy(key->remote, from_guest ? destination : source, bytes);
	memcpy(key->local, from_guest ? source : destination, bytes);
}

static void read_ports(struct uc_packet_key *key, struct span payload, bool from_guest)
{
	if (key->protocol != PROTOCOL_TCP && key->protocol != PROTOCOL_UDP)
		return;
	if (payload.bytes < 4) {
		key->ports = UC_PORTS_HIDDEN;
		return;
	}
	key->ports = UC_PORTS_KNOWN;
	key->remote_port = read_u16(payload.at + (from_guest ? 2 : 0));
	key->local_port = read_u16(payload.at + (from_guest ? 0 : 2));
}

static void read_ipv4(struct uc_packet_key *key, struct span packet, bool from_guest)
{
	if (packet.bytes < IPV4_BYTES || packet.at[0] >> 4 != 4)
		return;
	const uint32_t header_bytes = (packet.at[0] & 15u) * 4;

	key->kind = UC_KEY_IP;
	key->family = UC_ADDRESS_IPV4;
	key->protocol = packet.at[9];
	set_addresses(key, packet.at + 12, packet.at + 16, 4, from_guest);
	if ((read_u16(packet.at + 6) & 0x1fffu) != 0)
		key->ports = UC_PORTS_ELSEWHERE;
	else if (header_bytes < IPV4_BYTES)
		key->ports = UC_PORTS_HIDDEN;
	else
		read_ports(key, after(packet, header_bytes), from_guest);
}

/* Length of an extension header, or 0 where the protocol is none. */
static uint32_t extension_bytes(uint16_t protocol, struct span header)
{
	switch (protocol) {
	case PROTOCOL_HOP_BY_HOP:
	case PROTOCOL_ROUTING:
	case PROTOCOL_DESTINATION:
	case PROTOCOL_MOBILITY:
	case PROTOCOL_HIP:
	case PROTOCOL_SHIM6:
		return (header.at[1] + 1u) * 8;
	case PROTOCOL_AUTHENTICATION:
		return (header.at[1] + 2u) * 4;
	case PROTOCOL_FRAGMENT:
		return 8;
	default:
		return 0;
	}
}

static bool is_extension(uint16_t protocol)
{
	static const uint8_t any[2];

	return extension_bytes(protocol, (struct span){ any, sizeof(any) }) != 0;
}

static void hide(struct uc_packet_key *key)
{
	key->protocol = UC_PROTOCOL_HIDDEN;
	key->ports = UC_PORTS_HIDDEN;
}

static void read_ipv6(struct uc_packet_key *key, struct span packet, bool from_guest)
{
	if (packet.bytes < IPV6_BYTES || packet.at[0] >> 4 != 6)
		return;
	const uint8_t hop_limit = packet.at[7];
	struct span rest = after(packet, IPV6_BYTES);
	uint32_t headers = 0;

	key->kind = UC_KEY_IP;
	key->family = UC_ADDRESS_IPV6;
	key->protocol = packet.at[6];
	set_addresses(key, packet.at + 8, packet.at + 24, 16, from_guest);
	while (is_extension(key->protocol)) {
		if (++headers > IPV6_HEADERS_MAX || rest.bytes < 8) {
			hide(key);
			return;
		}
		const bool later = key->protocol == PROTOCOL_FRAGMENT &&
				   (read_u16(rest.at + 2) & 0xfff8u) != 0;
		const uint32_t bytes = extension_bytes(key->protocol, rest);

		key->protocol = rest.at[0];
		rest = after(rest, bytes);
		if (later) {
			/* What follows is the middle of a payload; the protocol named here is that of
			 * the fragmentable part, which may begin with extension headers again. */
			key->ports = UC_PORTS_ELSEWHERE;
			if (is_extension(key->protocol))
				key->protocol = UC_PROTOCOL_HIDDEN;
			return;
		}
	}
	read_ports(key, rest, from_guest);
	if (key->protocol == PROTOCOL_ICMPV6 && headers == 0 && hop_limit == HOP_LIMIT_ON_LINK &&
	    rest.bytes >= 1 && rest.at[0] >= ICMPV6_ROUTER_SOLICITATION &&
	    rest.at[0] <= ICMPV6_NEIGHBOUR_ADVERTISEMENT)
		key->kind = UC_KEY_NEIGHBOUR;
}

void uc_packet_key_read(struct uc_packet_key *key, const uint8_t *frame, uint32_t bytes,
			bool from_guest)
{
	struct span rest = { frame, bytes };
	uint32_t tags = 0;

	memset(key, 0, sizeof(*key));
	if (bytes < UC_ETHERNET_BYTES)
		return;
	uint16_t type = read_u16(frame + 12);

	rest = after(rest, UC_ETHERNET_BYTES);
	while (type == ETHERTYPE_VLAN || type == ETHERTYPE_SERVICE_VLAN) {
		if (++tags > VLAN_TAGS_MAX || rest.bytes < UC_VLAN_TAG_BYTES)
			return;
		type = read_u16(rest.at + 2);
		rest = after(rest, UC_VLAN_TAG_BYTES);
	}
	if (type == ETHERTYPE_IPV4)
		read_ipv4(key, rest, from_guest);
	else if (type == ETHERTYPE_IPV6)
		read_ipv6(key, rest, from_guest);
	else if (type == ETHERTYPE_ARP)
		key->kind = UC_KEY_ARP;
}
