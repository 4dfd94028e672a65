/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mirror and inline mode share: the socket, the loss of an interface, the one copy of a
 * packet into its ring.
 */
#define _GNU_SOURCE
#include "packet-slot.h"

#include <errno.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "packet-key.h"

#define LINK_TYPE_ETHERNET 1u
/* A tag goes between the addresses and the type. */
#define ADDRESSES_BYTES 12u

static void copy_packet(uint8_t *target, const struct uc_seen_packet *packet, uint32_t bytes)
{
	uint8_t tag[UC_VLAN_TAG_BYTES];

	if (packet->tag == 0 || bytes < ADDRESSES_BYTES + UC_VLAN_TAG_BYTES) {
		uc_region_copy(target, packet->bytes, bytes);
		return;
	}
	tag[0] = (uint8_t)(packet->tag >> 24);
	tag[1] = (uint8_t)(packet->tag >> 16);
	tag[2] = (uint8_t)(packet->tag >> 8);
	tag[3] = (uint8_t)packet->tag;
	uc_region_copy(target, packet->bytes, ADDRESSES_BYTES);
	uc_region_copy(target + ADDRESSES_BYTES, tag, sizeof(tag));
	uc_region_copy(target + ADDRESSES_BYTES + sizeof(tag), packet->bytes + ADDRESSES_BYTES,
		       bytes - ADDRESSES_BYTES - (uint32_t)sizeof(tag));
}

void uc_slot_record(struct uc_slot *slot, const struct uc_seen_packet *packet)
{
	const uint32_t tag_bytes =
		packet->tag != 0 && packet->captured_bytes >= ADDRESSES_BYTES ? UC_VLAN_TAG_BYTES : 0;
	const uint32_t there = packet->captured_bytes + tag_bytes;
	const uint32_t captured = there < slot->snap_bytes ? there : slot->snap_bytes;
	struct uc_packet_counts *counts = &slot->counts;
	struct uc_packet head = {
		.realtime_ns = packet->realtime_ns,
		.slot = slot->id,
		.interface_index = (uint32_t)counts->interface_index,
		.original_bytes = packet->original_bytes + tag_bytes,
		.captured_bytes = captured,
		.link_type = LINK_TYPE_ETHERNET,
		.direction = (uint16_t)packet->direction,
		.flags = packet->flags,
	};

	counts->seen++;
	counts->seen_bytes += head.original_bytes;
	uint8_t *target =
		uc_ring_reserve(slot->ring, UC_RECORD_PACKET, (uint32_t)sizeof(head) + captured);
	if (!target) {
		counts->lost_ring++;
		return;
	}
	uc_region_copy(target, &head, sizeof(head));
	copy_packet(target + sizeof(head), packet, captured);
	uc_ring_commit(slot->ring, (uint32_t)sizeof(head) + captured, 0, false);
	counts->kept++;
	counts->kept_bytes += captured;
	if (captured < head.original_bytes)
		counts->shortened++;
}

int uc_slot_socket(const char *name, uint32_t *interface_index, bool *is_ethernet)
{
	const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ifreq request = { 0 };

	if (fd < 0)
		return -errno;
	strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
	if (ioctl(fd, SIOCGIFINDEX, &request) == 0) {
		*interface_index = (uint32_t)request.ifr_ifindex;
		if (ioctl(fd, SIOCGIFHWADDR, &request) == 0) {
			const int family = request.ifr_hwaddr.sa_family;

			*is_ethernet = family == ARPHRD_ETHER || family == ARPHRD_LOOPBACK;
			return fd;
		}
	}
	const int error = errno;

	close(fd);
	return -error;
}

int uc_slot_interface_lost(struct uc_slot *slot)
{
	struct sockaddr_ll bound = { 0 };
	socklen_t length = sizeof(int);
	int error = 0;

	/* Reading the error clears it. Left alone, it would make every wait return at once. It says
	 * no more than that the interface is down. */
	getsockopt(slot->socket, SOL_SOCKET, SO_ERROR, &error, &length);
	/* Nobody tells of a deletion after that, but the socket is no longer bound to the interface. */
	length = sizeof(bound);
	if (getsockname(slot->socket, (struct sockaddr *)&bound, &length) != 0)
		return errno;
	return bound.sll_ifindex == (int)slot->counts.interface_index ? 0 : ENODEV;
}
