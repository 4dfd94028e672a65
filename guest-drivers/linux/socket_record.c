// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * From sockets and addresses to the body of a socket record. Called by the socket sensor's probes
 * while the calling process holds the socket; it takes no lock, so an address that another thread
 * changes meanwhile is told as either.
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ipv6.h>
#include <linux/sock_diag.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include "sockets.h"

/* Restarts after a signal are the kernel's own affair; a process sees this instead. */
#define RESTART_FIRST 512
#define RESTART_LAST 516

void uc_socket_set_ipv4(struct uc_socket_address *address, __be32 bytes, u16 port)
{
	memset(address, 0, sizeof(*address));
	memcpy(address->bytes, &bytes, sizeof(bytes));
	address->port = port;
	address->family = UC_ADDRESS_IPV4;
}

static void set_ipv6(struct uc_socket_address *address, const struct in6_addr *bytes, u16 port)
{
	memcpy(address->bytes, bytes, sizeof(address->bytes));
	address->port = port;
	address->family = UC_ADDRESS_IPV6;
}

void uc_socket_address_read(struct uc_socket_address *address, const void *name, int name_bytes)
{
	const struct sockaddr_in *in = name;
	const struct sockaddr_in6 *in6 = name;

	memset(address, 0, sizeof(*address));
	if (!name || name_bytes < (int)sizeof(in->sin_family))
		return;
	if (in->sin_family == AF_INET && name_bytes >= (int)sizeof(*in))
		uc_socket_set_ipv4(address, in->sin_addr.s_addr, ntohs(in->sin_port));
	else if (in->sin_family == AF_INET6 && name_bytes >= SIN6_LEN_RFC2133)
		set_ipv6(address, &in6->sin6_addr, ntohs(in6->sin6_port));
}

/* As getsockname() tells it: before a peer is known, the address of the bind. */
void uc_socket_local(struct uc_socket_address *address, const struct sock *sk)
{
	const struct inet_sock *inet = inet_sk(sk);
	u16 port = ntohs(READ_ONCE(inet->inet_sport));

#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6) {
		const struct in6_addr *bytes = &sk->sk_v6_rcv_saddr;

		if (ipv6_addr_any(bytes) && inet6_sk(sk))
			bytes = &inet6_sk(sk)->saddr;
		set_ipv6(address, bytes, port);
		return;
	}
#endif
	uc_socket_set_ipv4(address, inet->inet_rcv_saddr ? inet->inet_rcv_saddr : inet->inet_saddr, port);
}

void uc_socket_remote(struct uc_socket_address *address, const struct sock *sk)
{
	u16 port = ntohs(READ_ONCE(inet_sk(sk)->inet_dport));

#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6) {
		set_ipv6(address, &sk->sk_v6_daddr, port);
		return;
	}
#endif
	uc_socket_set_ipv4(address, inet_sk(sk)->inet_daddr, port);
}

bool uc_socket_is_mapped(const struct uc_socket_address *address)
{
	return address->family == UC_ADDRESS_IPV6 &&
	       ipv6_addr_v4mapped((const struct in6_addr *)address->bytes);
}

/* Packets will be of IPv4, so the record is: what is on the wire has to be found by it. */
static void unmap(struct uc_socket_address *address)
{
	if (!uc_socket_is_mapped(address))
		return;
	memmove(address->bytes, address->bytes + 12, 4);
	memset(address->bytes + 4, 0, 12);
	address->family = UC_ADDRESS_IPV4;
}

u64 uc_socket_cookie(struct sock *sk)
{
	u64 cookie = atomic64_read(&sk->sk_cookie);
	u32 halves[2];

	if (likely(cookie))
		return cookie;
	/* The generator itself is not exported; what saves its result in halves is. */
	sock_diag_save_cookie(sk, halves);
	return halves[0] | (u64)halves[1] << 32;
}

static u32 error_number(long result)
{
	if (result >= 0)
		return 0;
	return -result >= RESTART_FIRST && -result <= RESTART_LAST ? EINTR : -result;
}

void uc_socket_body(struct uc_socket_event *body, struct sock *sk,
		    const struct uc_socket_address *local,
		    const struct uc_socket_address *remote, long result)
{
	struct uc_socket_address here = *local;
	struct uc_socket_address there = {};

	if (remote)
		there = *remote;
	unmap(&here);
	unmap(&there);
	memset(body, 0, sizeof(*body));
	body->family = there.family ? there.family : here.family;
	body->socket_cookie = uc_socket_cookie(sk);
	/* Not bound yet, a socket of both families has an IPv6 zero here. */
	if (here.family == body->family)
		memcpy(body->local_address, here.bytes, sizeof(body->local_address));
	memcpy(body->remote_address, there.bytes, sizeof(body->remote_address));
	body->local_port = here.port;
	body->remote_port = there.port;
	body->protocol = sk->sk_protocol;
	body->network_namespace = sock_net(sk)->ns.inum;
	body->result = error_number(result);
}
