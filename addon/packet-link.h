/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel counts of an interface itself, by routing netlink, which sees the namespace of
 * its socket whatever is mounted. Called by packet-inline.c.
 */
#ifndef UC_ADDON_PACKET_LINK_H
#define UC_ADDON_PACKET_LINK_H

#include <stdint.h>

/* A netlink socket, or -errno. */
int uc_link_open(void);

/* Frames that the interface's own queue had no room for, since it was made. 0 or -errno. */
int uc_link_tx_dropped(int fd, uint32_t interface_index, uint64_t *dropped);

#endif /* UC_ADDON_PACKET_LINK_H */
