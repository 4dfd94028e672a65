/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mirror mode: TPACKET_V3 on an interface, promiscuous, both directions. The kernel fills blocks
 * of memory that it shares with us; each packet is copied once, from there into the packet ring.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "packet-slot.h"

/* The kernel wants some frame size, of which version 3 makes no use. */
#define FRAME_BYTES 2048u
#define RING_BYTES ((size_t)UC_BLOCK_BYTES * UC_BLOCK_COUNT)
#define NS_PER_SECOND 1000000000ull

static int set_option(int fd, int option, const void *value, socklen_t bytes)
{
	return setsockopt(fd, SOL_PACKET, option, value, bytes) == 0 ? 0 : -errno;
}

/* One instruction, which makes the kernel copy no more of a packet than this. */
static int set_snap(int fd, uint32_t bytes)
{
	struct sock_filter keep = BPF_STMT(BPF_RET | BPF_K, bytes);
	const struct sock_fprog program = { 1, &keep };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0 ?
		       0 :
		       -errno;
}

static int map_ring(struct uc_slot *slot)
{
	const int version = TPACKET_V3;
	const struct tpacket_req3 request = {
		.tp_block_size = UC_BLOCK_BYTES,
		.tp_block_nr = UC_BLOCK_COUNT,
		.tp_frame_size = FRAME_BYTES,
		.tp_frame_nr = (unsigned int)(RING_BYTES / FRAME_BYTES),
		.tp_retire_blk_tov = UC_BLOCK_RETIRE_MS,
	};
	int error = set_option(slot->socket, PACKET_VERSION, &version, sizeof(version));

	if (error == 0)
		error = set_option(slot->socket, PACKET_RX_RING, &request, sizeof(request));
	if (error != 0)
		return error;
	void *blocks =
		mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, slot->socket, 0);
	if (blocks == MAP_FAILED)
		return -errno;
	slot->mirror.blocks = blocks;
	return 0;
}

static int listen_on(struct uc_slot *slot)
{
	const int index = (int)slot->counts.interface_index;
	const struct packet_mreq promiscuous = { .mr_ifindex = index,
						 .mr_type = PACKET_MR_PROMISC };
	const struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = index,
	};
	int error = set_option(slot->socket, PACKET_ADD_MEMBERSHIP, &promiscuous,
			       sizeof(promiscuous));

	if (error == 0 &&
	    bind(slot->socket, (const struct sockaddr *)&address, sizeof(address)) != 0)
		error = -errno;
	return error;
}

int uc_mirror_open(struct uc_slot *slot, const char *name)
{
	uint32_t index = 0;
	bool is_ethernet = false;

	slot->socket = uc_slot_socket(name, &index, &is_ethernet);
	if (slot->socket < 0)
		return slot->socket;
	slot->counts.interface_index = index;
	int error = is_ethernet ? set_snap(slot->socket, slot->snap_bytes) : -EINVAL;
	if (error == 0)
		error = map_ring(slot);
	if (error == 0)
		error = listen_on(slot);
	if (error != 0)
		uc_mirror_close(slot);
	return error;
}

void uc_mirror_close(struct uc_slot *slot)
{
	if (slot->mirror.blocks)
		munmap(slot->mirror.blocks, RING_BYTES);
	slot->mirror.blocks = NULL;
	if (slot->socket >= 0)
		close(slot->socket);
	slot->socket = -1;
}

static void record(struct uc_slot *slot, const struct tpacket3_hdr *packet)
{
	const uint8_t *start = (const uint8_t *)packet;
	struct sockaddr_ll address;
	struct uc_seen_packet seen = {
		.bytes = start + packet->tp_mac,
		.captured_bytes = packet->tp_snaplen,
		.original_bytes = packet->tp_len,
		.realtime_ns = packet->tp_sec * NS_PER_SECOND + packet->tp_nsec,
		.direction = UC_PACKET_FROM_GUEST,
	};

	memcpy(&address, start + TPACKET_ALIGN(sizeof(*packet)), sizeof(address));
	if (address.sll_pkttype == PACKET_OUTGOING)
		seen.direction = UC_PACKET_TO_GUEST;
	if (packet->tp_status & TP_STATUS_CSUMNOTREADY)
		seen.flags = UC_PACKET_CHECKSUM_PARTIAL;
	if (packet->tp_status & TP_STATUS_VLAN_VALID) {
		const uint32_t type = packet->tp_status & TP_STATUS_VLAN_TPID_VALID ?
					      packet->hv1.tp_vlan_tpid :
					      ETH_P_8021Q;

		seen.tag = type << 16 | (packet->hv1.tp_vlan_tci & 0xffffu);
	}
	uc_slot_record(slot, &seen);
}

static struct tpacket_block_desc *current_block(const struct uc_slot *slot)
{
	uint8_t *at = slot->mirror.blocks + (size_t)slot->mirror.block * UC_BLOCK_BYTES;

	return (struct tpacket_block_desc *)at;
}

/* ORDER: acquire; pairs with the kernel's barrier before it hands the block over. */
static bool enter_block(struct uc_slot *slot)
{
	const struct tpacket_block_desc *block = current_block(slot);
	const uint32_t status = __atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE);

	if (!(status & TP_STATUS_USER))
		return false;
	slot->mirror.left = block->hdr.bh1.num_pkts;
	slot->mirror.offset = block->hdr.bh1.offset_to_first_pkt;
	return true;
}

/* ORDER: release; all reads of the block come before the kernel may fill it again. */
static void leave_block(struct uc_slot *slot)
{
	__atomic_store_n(&current_block(slot)->hdr.bh1.block_status, TP_STATUS_KERNEL,
			 __ATOMIC_RELEASE);
	slot->mirror.block = (slot->mirror.block + 1) % UC_BLOCK_COUNT;
	slot->mirror.offset = 0;
}

void uc_mirror_turn(struct uc_slot *slot)
{
	struct uc_slot_mirror *mirror = &slot->mirror;
	uint32_t bytes = 0;

	slot->active = true;
	while (bytes < UC_TURN_BYTES) {
		if (mirror->offset == 0 && !enter_block(slot)) {
			slot->active = false;
			return;
		}
		if (mirror->left == 0) {
			leave_block(slot);
			continue;
		}
		const struct tpacket3_hdr *packet =
			(const struct tpacket3_hdr *)((const uint8_t *)current_block(slot) +
						      mirror->offset);

		record(slot, packet);
		bytes += (uint32_t)sizeof(*packet) + packet->tp_snaplen;
		mirror->offset += packet->tp_next_offset;
		mirror->left--;
	}
}

void uc_mirror_stop(struct uc_slot *slot)
{
	/* What a filter refuses, the kernel counts nowhere: the counts end here. */
	set_snap(slot->socket, 0);
}

void uc_mirror_count_lost(struct uc_slot *slot)
{
	struct tpacket_stats_v3 stats = { 0 };
	socklen_t length = sizeof(stats);

	/* Reading sets them to zero. tp_packets has the lost ones in it. */
	if (getsockopt(slot->socket, SOL_PACKET, PACKET_STATISTICS, &stats, &length) != 0)
		return;
	slot->counts.seen += stats.tp_drops;
	slot->counts.lost_kernel += stats.tp_drops;
}
