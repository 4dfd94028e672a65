/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the socket sensor's files share: addresses as a process gave them and as a socket has them,
 * and the record that they make. Included by socket_*.c only.
 */
#ifndef UC_SOCKETS_H
#define UC_SOCKETS_H

#include <linux/kprobes.h>
#include <linux/socket.h>
#include <net/sock.h>
#include "../core/uc_dns.h"
#include "undercroft.h"

/* family is UC_ADDRESS_*, or 0 where there is none. */
struct uc_socket_address {
	u8 bytes[16];
	u16 port;
	u16 family;
};

/* One UDP send in progress. */
struct uc_datagram {
	struct sock *sk;
	struct uc_socket_address remote;
	bool is_first;
	u32 question_bytes;
	u64 bytes;
	u8 question[UC_DNS_DATAGRAM_BYTES];
};

/* ---- socket_record.c -------------------------------------------------------------------- */

void uc_socket_set_ipv4(struct uc_socket_address *address, __be32 bytes, u16 port);
/* Reads what the kernel has copied from the process, as far as it goes. */
void uc_socket_address_read(struct uc_socket_address *address, const void *name, int name_bytes);
void uc_socket_local(struct uc_socket_address *address, const struct sock *sk);
void uc_socket_remote(struct uc_socket_address *address, const struct sock *sk);
/* The kernel's number of the socket: made on first use, never used again. */
u64 uc_socket_cookie(struct sock *sk);
/* remote: NULL where there is no peer. result: what the call returned. */
void uc_socket_body(struct uc_socket_event *body, struct sock *sk,
		    const struct uc_socket_address *local,
		    const struct uc_socket_address *remote, long result);

/* True where IPv4 is spoken over a socket of the other family. */
bool uc_socket_is_mapped(const struct uc_socket_address *address);

/* ---- socket_datagrams.c ----------------------------------------------------------------- */

int uc_before_datagram(struct kretprobe_instance *call, struct pt_regs *regs);
int uc_before_datagram6(struct kretprobe_instance *call, struct pt_regs *regs);
int uc_after_datagram(struct kretprobe_instance *call, struct pt_regs *regs);
/* Forgets which peers have been told. */
void uc_datagrams_forget(void);

#endif /* UC_SOCKETS_H */
