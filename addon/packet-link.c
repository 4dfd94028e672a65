/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question of rtnetlink: RTM_GETLINK of one interface, and in its answer IFLA_STATS64.
 */
#define _GNU_SOURCE
#include "packet-link.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* An answer about one interface is 2 to 4 KiB. */
#define ANSWER_BYTES 16384u

int uc_link_open(void)
{
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? -errno : fd;
}

static int ask(int fd, uint32_t interface_index)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
	} question = {
		.head = { .nlmsg_len = sizeof(question),
			  .nlmsg_type = RTM_GETLINK,
			  .nlmsg_flags = NLM_F_REQUEST },
		.link = { .ifi_family = AF_UNSPEC, .ifi_index = (int)interface_index },
	};

	return send(fd, &question, sizeof(question), 0) == sizeof(question) ? 0 : -errno;
}

int uc_link_tx_dropped(int fd, uint32_t interface_index, uint64_t *dropped)
{
	union {
		struct nlmsghdr head;
		char bytes[ANSWER_BYTES];
	} answer;
	struct rtnl_link_stats64 stats;
	const int error = ask(fd, interface_index);

	if (error != 0)
		return error;
	/* The kernel answers within the call, so this does not wait. */
	const ssize_t bytes = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);
	if (bytes < 0)
		return -errno;
	if (!NLMSG_OK(&answer.head, (uint32_t)bytes) || answer.head.nlmsg_type != RTM_NEWLINK)
		return -ENODEV;
	const struct ifinfomsg *link = NLMSG_DATA(&answer.head);
	struct rtattr *attribute = IFLA_RTA(link);
	int left = (int)IFLA_PAYLOAD(&answer.head);

	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		if (attribute->rta_type != IFLA_STATS64 ||
		    RTA_PAYLOAD(attribute) < sizeof(stats.tx_dropped) * 8)
			continue;
		memset(&stats, 0, sizeof(stats));
		memcpy(&stats, RTA_DATA(attribute),
		       RTA_PAYLOAD(attribute) < sizeof(stats) ? RTA_PAYLOAD(attribute) :
								sizeof(stats));
		*dropped = stats.tx_dropped;
		return 0;
	}
	return -ENODATA;
}
