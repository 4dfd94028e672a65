/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inline mode: guest's tap <-> packet socket <-> verdict <-> uplink, a tap of our own in the
 * guest's bridge. Frames keep their virtio-net header, so that large segments and open checksums
 * pass as they are. The kernel's own path is closed by the tables that lib/redirector keeps.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "packet-link.h"
#include "packet-slot.h"

#define HEADER_BYTES ((uint32_t)sizeof(struct virtio_net_hdr))
#define ADDRESSES_BYTES 12u
#define RECEIVE_BYTES (16 << 20)
#define SEND_BYTES (4 << 20)

/* A frame in scratch memory: the virtio-net header, then the link layer. */
struct frame {
	uint8_t *at;
	uint32_t bytes;
	/* As it was, before scratch memory cut it. */
	uint32_t original_bytes;
};

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) == 0 ? 0 : -errno;
}

static int set_guest_options(struct uc_slot *slot)
{
	static const struct {
		int level, option, value;
	} options[] = {
		{ SOL_PACKET, PACKET_VNET_HDR, 1 },
		{ SOL_PACKET, PACKET_AUXDATA, 1 },
		{ SOL_PACKET, PACKET_IGNORE_OUTGOING, 1 },
		{ SOL_PACKET, PACKET_QDISC_BYPASS, 1 },
		{ SOL_SOCKET, SO_MARK, (int)UC_PACKET_MARK },
		{ SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES },
		{ SOL_SOCKET, SO_SNDBUFFORCE, SEND_BYTES },
	};
	const int index = (int)slot->counts.interface_index;
	const struct packet_mreq promiscuous = { .mr_ifindex = index,
						 .mr_type = PACKET_MR_PROMISC };
	const struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = index,
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const int error = set_option(slot->socket, options[i].level, options[i].option,
					     options[i].value);

		if (error != 0)
			return error;
	}
	if (setsockopt(slot->socket, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous,
		       sizeof(promiscuous)) != 0 ||
	    bind(slot->socket, (const struct sockaddr *)&address, sizeof(address)) != 0)
		return -errno;
	return 0;
}

/* Makes the uplink; it goes with its descriptor. */
static int open_uplink(struct uc_slot *slot, const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL };
	int header_bytes = (int)HEADER_BYTES;
	const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	slot->bridge.uplink = fd;
	strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
	if (ioctl(fd, TUNSETIFF, &request) != 0 ||
	    ioctl(fd, TUNSETVNETHDRSZ, &header_bytes) != 0 ||
	    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) != 0)
		return -errno;
	return 0;
}

/* A frame that the guest's interface takes must fit the uplink, and the other way round. */
static int match_uplink(struct uc_slot *slot, const char *name, const char *uplink)
{
	struct ifreq request = { 0 };

	strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
	if (ioctl(slot->socket, SIOCGIFMTU, &request) != 0)
		return -errno;
	memset(request.ifr_name, 0, sizeof(request.ifr_name));
	strncpy(request.ifr_name, uplink, sizeof(request.ifr_name) - 1);
	if (ioctl(slot->socket, SIOCSIFMTU, &request) != 0 ||
	    ioctl(slot->socket, SIOCGIFINDEX, &request) != 0)
		return -errno;
	slot->bridge.uplink_index = (uint32_t)request.ifr_ifindex;
	slot->bridge.netlink = uc_link_open();
	return slot->bridge.netlink < 0 ? slot->bridge.netlink : 0;
}

int uc_inline_open(struct uc_slot *slot, const char *name, const char *uplink)
{
	uint32_t index = 0;
	bool is_ethernet = false;

	slot->bridge.uplink = -1;
	slot->bridge.netlink = -1;
	slot->socket = uc_slot_socket(name, &index, &is_ethernet);
	if (slot->socket < 0)
		return slot->socket;
	slot->counts.interface_index = index;
	int error = is_ethernet ? open_uplink(slot, uplink) : -EINVAL;
	if (error == 0)
		error = match_uplink(slot, name, uplink);
	if (error == 0)
		error = set_guest_options(slot);
	if (error != 0)
		uc_inline_close(slot);
	return error;
}

void uc_inline_close(struct uc_slot *slot)
{
	int *const all[] = { &slot->socket, &slot->bridge.uplink, &slot->bridge.netlink };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (*all[i] >= 0)
			close(*all[i]);
		*all[i] = -1;
	}
	uc_verdict_free(slot->bridge.rules);
	slot->bridge.rules = NULL;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now = { 0 };

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Puts the tag back that the kernel took out of a frame. Scratch memory has room in front. */
static void restore_tag(struct frame *frame, const struct tpacket_auxdata *data)
{
	struct virtio_net_hdr header;
	const uint16_t type = data->tp_status & TP_STATUS_VLAN_TPID_VALID ? data->tp_vlan_tpid :
									     ETH_P_8021Q;
	const uint16_t words[2] = { htons(type), htons(data->tp_vlan_tci) };

	if (!(data->tp_status & TP_STATUS_VLAN_VALID) ||
	    frame->bytes < HEADER_BYTES + ADDRESSES_BYTES)
		return;
	memcpy(&header, frame->at, sizeof(header));
	if (header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		header.csum_start += UC_VLAN_TAG_BYTES;
	if (header.hdr_len != 0)
		header.hdr_len += UC_VLAN_TAG_BYTES;
	frame->at -= UC_VLAN_TAG_BYTES;
	frame->bytes += UC_VLAN_TAG_BYTES;
	frame->original_bytes += UC_VLAN_TAG_BYTES;
	memcpy(frame->at, &header, sizeof(header));
	memmove(frame->at + HEADER_BYTES, frame->at + HEADER_BYTES + UC_VLAN_TAG_BYTES,
		ADDRESSES_BYTES);
	memcpy(frame->at + HEADER_BYTES + ADDRESSES_BYTES, words, sizeof(words));
}

static void read_auxdata(struct frame *frame, struct msghdr *message)
{
	struct cmsghdr *item = CMSG_FIRSTHDR(message);
	struct tpacket_auxdata data;

	for (; item; item = CMSG_NXTHDR(message, item)) {
		if (item->cmsg_level != SOL_PACKET || item->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&data, CMSG_DATA(item), sizeof(data));
		frame->original_bytes = data.tp_len;
		restore_tag(frame, &data);
	}
}

/* 1 with a frame, 0 when there is none, -errno. */
static int receive_from_guest(struct uc_slot *slot, uint8_t *scratch, struct frame *frame)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	frame->at = scratch + UC_VLAN_TAG_BYTES;
	struct iovec part = { frame->at, UC_SCRATCH_BYTES - UC_VLAN_TAG_BYTES };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	const ssize_t bytes = recvmsg(slot->socket, &message, MSG_DONTWAIT);

	if (bytes < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	frame->bytes = (uint32_t)bytes;
	frame->original_bytes = frame->bytes < HEADER_BYTES ? 0 : frame->bytes - HEADER_BYTES;
	read_auxdata(frame, &message);
	return 1;
}

static int receive_from_uplink(struct uc_slot *slot, uint8_t *scratch, struct frame *frame)
{
	const ssize_t bytes = read(slot->bridge.uplink, scratch, UC_SCRATCH_BYTES);

	if (bytes < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	*frame = (struct frame){ scratch, (uint32_t)bytes, (uint32_t)bytes };
	if (frame->bytes >= HEADER_BYTES)
		frame->original_bytes -= HEADER_BYTES;
	return 1;
}

static bool send_on(struct uc_slot *slot, const struct frame *frame, bool from_guest)
{
	/* Never part of a frame. */
	if (frame->bytes < frame->original_bytes + HEADER_BYTES)
		return false;
	const ssize_t sent = from_guest ?
				     write(slot->bridge.uplink, frame->at, frame->bytes) :
				     send(slot->socket, frame->at, frame->bytes, MSG_DONTWAIT);

	return sent == (ssize_t)frame->bytes;
}

/* The bytes after the header are the guest's or its peer's; the header is the kernel's. */
static void handle(struct uc_slot *slot, const struct frame *frame, bool from_guest,
		   uint64_t boottime_ns)
{
	struct virtio_net_hdr header;
	struct uc_packet_key key;
	struct uc_seen_packet seen = {
		.bytes = frame->at + HEADER_BYTES,
		.captured_bytes = frame->bytes - HEADER_BYTES,
		.original_bytes = frame->original_bytes,
		.realtime_ns = clock_ns(CLOCK_REALTIME),
		.direction = from_guest ? UC_PACKET_FROM_GUEST : UC_PACKET_TO_GUEST,
	};
	bool pass = true;

	memcpy(&header, frame->at, sizeof(header));
	if (header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		seen.flags |= UC_PACKET_CHECKSUM_PARTIAL;
	if (slot->bridge.rules) {
		uc_packet_key_read(&key, seen.bytes, seen.captured_bytes, from_guest);
		pass = uc_verdict_pass(slot->bridge.rules, &key, boottime_ns);
	}
	if (!pass) {
		seen.flags |= UC_PACKET_DROPPED;
		slot->counts.dropped++;
	} else if (send_on(slot, frame, from_guest)) {
		slot->counts.forwarded++;
	}
	uc_slot_record(slot, &seen);
}

/* A positive errno when the descriptor will bring nothing more. */
static int turn_of_side(struct uc_slot *slot, uint8_t *scratch, bool from_guest)
{
	const uint64_t now = slot->bridge.rules ? clock_ns(CLOCK_BOOTTIME) : 0;
	uint32_t bytes = 0;

	for (uint32_t i = 0; i < UC_TURN_PACKETS && bytes < UC_TURN_BYTES / 2; i++) {
		struct frame frame = { NULL, 0, 0 };
		const int got = from_guest ? receive_from_guest(slot, scratch, &frame) :
					     receive_from_uplink(slot, scratch, &frame);

		if (got == 0)
			return 0;
		if (got == -EBADFD)
			return EBADFD;
		if (got == -ENETDOWN || got == -ENXIO)
			return 0;
		if (got < 0 || frame.bytes < HEADER_BYTES) {
			/* A frame that has no virtio-net form; the kernel threw it away. */
			slot->counts.seen++;
			slot->counts.lost_kernel++;
			continue;
		}
		handle(slot, &frame, from_guest, now);
		bytes += frame.bytes;
	}
	slot->active = true;
	return 0;
}

int uc_inline_turn(struct uc_slot *slot, uint8_t *scratch)
{
	slot->active = false;
	turn_of_side(slot, scratch, true);
	return turn_of_side(slot, scratch, false);
}

void uc_inline_stop(struct uc_slot *slot)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog program = { 1, &nothing };

	setsockopt(slot->socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

void uc_inline_count_lost(struct uc_slot *slot)
{
	struct tpacket_stats stats = { 0 };
	socklen_t length = sizeof(stats);
	uint64_t lost = 0;
	uint64_t refused = 0;

	if (getsockopt(slot->socket, SOL_PACKET, PACKET_STATISTICS, &stats, &length) == 0)
		lost = stats.tp_drops;
	if (uc_link_tx_dropped(slot->bridge.netlink, slot->bridge.uplink_index, &refused) == 0 &&
	    refused > slot->bridge.uplink_dropped) {
		lost += refused - slot->bridge.uplink_dropped;
		slot->bridge.uplink_dropped = refused;
	}
	slot->counts.seen += lost;
	slot->counts.lost_kernel += lost;
}
