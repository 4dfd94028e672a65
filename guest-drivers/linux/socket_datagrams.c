// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * UDP: the first datagram of a socket to each peer that it is not connected to, and questions to
 * name servers. Called by the probes of socket_events.c around the kernel's own sending; most
 * datagrams end in uc_before_datagram() after one look-up.
 */
#include <linux/siphash.h>
#include <linux/udp.h>
#include <linux/uio.h>
#include <net/inet_sock.h>
#include "../core/uc_dns.h"
#include "sockets.h"

#define PEERS_LOG2 12

/*
 * Keyed digests of (socket, peer) that have been told, each in the one slot that its digest names.
 * A peer is told again once another pair has taken its slot, and after monitoring was off; with the
 * key unknown outside, nobody can choose a pair that passes for another. Two CPUs that meet in a
 * slot cost or save one record.
 */
static u64 peers[1 << PEERS_LOG2];
static siphash_key_t peers_key;

void uc_datagrams_forget(void)
{
	get_random_bytes(&peers_key, sizeof(peers_key));
	memset(peers, 0, sizeof(peers));
}

static bool peer_is_news(struct sock *sk, const struct uc_socket_address *remote)
{
	u64 low, high, digest;

	memcpy(&low, remote->bytes, sizeof(low));
	memcpy(&high, remote->bytes + sizeof(low), sizeof(high));
	digest = siphash_4u64(uc_socket_cookie(sk), low, high,
			      (u64)remote->family << 16 | remote->port, &peers_key);
	if (READ_ONCE(peers[digest & (ARRAY_SIZE(peers) - 1)]) == digest)
		return false;
	WRITE_ONCE(peers[digest & (ARRAY_SIZE(peers) - 1)], digest);
	return true;
}

static bool is_peer_of(const struct sock *sk, const struct uc_socket_address *remote)
{
	const struct inet_sock *inet = inet_sk(sk);

	if (sk->sk_state != TCP_ESTABLISHED || ntohs(inet->inet_dport) != remote->port)
		return false;
	if (remote->family == UC_ADDRESS_IPV4)
		return !memcmp(&inet->inet_daddr, remote->bytes, sizeof(inet->inet_daddr));
#if IS_ENABLED(CONFIG_IPV6)
	return !memcmp(&sk->sk_v6_daddr, remote->bytes, sizeof(remote->bytes));
#else
	return false;
#endif
}

/*
 * Reads ahead of the kernel's own copy, from a copy of the iterator. Memory of the process that is
 * not there right now is not waited for: what is missing is told as cut.
 */
static void copy_question(struct uc_datagram *datagram, const struct msghdr *message)
{
	struct iov_iter from = message->msg_iter;
	size_t wanted = min(iov_iter_count(&from), sizeof(datagram->question));

	pagefault_disable();
	datagram->question_bytes = copy_from_iter(datagram->question, wanted, &from);
	pagefault_enable();
}

/* Zero: uc_after_datagram() is wanted. */
static int look_at(struct uc_datagram *datagram, struct sock *sk, const struct msghdr *message,
		   u64 bytes, bool is_named)
{
	bool is_question = datagram->remote.port == UC_DNS_PORT;

	datagram->is_first = is_named && !is_peer_of(sk, &datagram->remote) &&
			     peer_is_news(sk, &datagram->remote);
	if (likely(!datagram->is_first && !is_question))
		return 1;
	datagram->sk = sk;
	datagram->bytes = bytes;
	/* The rest follows in calls that are not looked at: a question all the same, if cut. */
	if (message->msg_flags & MSG_MORE)
		datagram->bytes = max_t(u64, bytes, UC_DNS_DATAGRAM_BYTES);
	datagram->question_bytes = 0;
	if (is_question)
		copy_question(datagram, message);
	return 0;
}

/* More of a datagram that was begun by an earlier call, or an event that cannot be told here. */
static bool is_beside_the_point(struct sock *sk)
{
	return !uc_sensor_is_on(UC_SENSOR_SOCKET) || READ_ONCE(udp_sk(sk)->pending) ||
	       !uc_emit_may_run(UC_RECORD_SOCKET_SEND);
}

/* int udp_sendmsg(struct sock *sk, struct msghdr *msg, size_t len) */
int uc_before_datagram(struct kretprobe_instance *call, struct pt_regs *regs)
{
	struct uc_datagram *datagram = (struct uc_datagram *)call->data;
	struct sock *sk = (struct sock *)regs_get_kernel_argument(regs, 0);
	const struct msghdr *message = (const struct msghdr *)regs_get_kernel_argument(regs, 1);
	u64 bytes = regs_get_kernel_argument(regs, 2);
	const struct sockaddr_in *name = message->msg_name;

	if (is_beside_the_point(sk))
		return 1;
	if (!name) {
		uc_socket_remote(&datagram->remote, sk);
		return look_at(datagram, sk, message, bytes, false);
	}
	/* Here, and only here, no family stands for IPv4. */
	if (message->msg_namelen < (int)sizeof(*name) ||
	    (name->sin_family != AF_INET && name->sin_family != AF_UNSPEC))
		return 1;
	uc_socket_set_ipv4(&datagram->remote, name->sin_addr.s_addr, ntohs(name->sin_port));
	return look_at(datagram, sk, message, bytes, true);
}

/* int udpv6_sendmsg(struct sock *sk, struct msghdr *msg, size_t len). What goes out by IPv4 is
 * passed on to udp_sendmsg(), and is looked at there. */
int uc_before_datagram6(struct kretprobe_instance *call, struct pt_regs *regs)
{
	struct uc_datagram *datagram = (struct uc_datagram *)call->data;
	struct sock *sk = (struct sock *)regs_get_kernel_argument(regs, 0);
	const struct msghdr *message = (const struct msghdr *)regs_get_kernel_argument(regs, 1);
	u64 bytes = regs_get_kernel_argument(regs, 2);
	const struct sockaddr *name = message->msg_name;
	bool is_named = name && (message->msg_namelen < (int)sizeof(name->sa_family) ||
				 name->sa_family != AF_UNSPEC);

	if (is_beside_the_point(sk))
		return 1;
	if (is_named)
		uc_socket_address_read(&datagram->remote, name, message->msg_namelen);
	else
		uc_socket_remote(&datagram->remote, sk);
	if (datagram->remote.family != UC_ADDRESS_IPV6 || uc_socket_is_mapped(&datagram->remote))
		return 1;
	return look_at(datagram, sk, message, bytes, is_named);
}

static void report_question(const struct uc_datagram *datagram, struct uc_socket_event *body)
{
	struct uc_scratch *scratch = uc_scratch_get();
	struct uc_text name = { .bytes = scratch->path };
	struct uc_dns_question question;
	struct uc_event_header header;
	struct uc_emit emit;

	BUILD_BUG_ON(sizeof(scratch->path) < UC_DNS_NAME_BYTES);
	if (uc_dns_read_question(&question, scratch->path, datagram->question,
				 datagram->question_bytes, datagram->bytes)) {
		name.length = question.name_bytes;
		name.truncated = question.truncated;
		body->query_type = question.query_type;
		body->transaction_id = question.transaction_id;
		uc_identity_fill(&header, current);
		if (uc_emit_begin(&emit, UC_ROUTINE, UC_RECORD_DNS_QUERY, &header, body,
				  uc_text_bytes(&name))) {
			uc_emit_text(&emit, UC_FIELD_NAME, &name);
			uc_emit_end(&emit);
		}
	}
	uc_scratch_put();
}

int uc_after_datagram(struct kretprobe_instance *call, struct pt_regs *regs)
{
	const struct uc_datagram *datagram = (const struct uc_datagram *)call->data;
	long result = (int)regs_return_value(regs);
	struct uc_socket_address local;
	struct uc_socket_event body;

	if (!uc_sensor_is_on(UC_SENSOR_SOCKET))
		return 0;
	uc_socket_local(&local, datagram->sk);
	uc_socket_body(&body, datagram->sk, &local, &datagram->remote, result);
	if (datagram->is_first)
		uc_emit_plain(UC_ROUTINE, UC_RECORD_SOCKET_SEND, &body);
	/* What was refused has not been asked. */
	if (datagram->remote.port == UC_DNS_PORT && result >= 0)
		report_question(datagram, &body);
	return 0;
}
