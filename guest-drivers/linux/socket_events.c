// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What processes, and the kernel's own threads, do with IP sockets: connect, accept, bind, listen,
 * and opening sockets below TCP and UDP. From kprobes and return probes that only look and have no
 * post_handler (README.md says why these and not others). They stand ready from load on but patch
 * nothing until the sensor is turned on.
 */
#include <linux/kprobes.h>
#include <linux/net.h>
#include <linux/ptrace.h>
#include <net/inet_sock.h>
#include "sockets.h"

/*
 * Calls in progress that can be followed at once, each about 150 bytes; a call beyond that is not
 * seen and counts as lost. A blocking connect lasts as long as the network takes.
 */
#define CONNECTS_MAX 1024
#define DATAGRAMS_MAX 128
#define SHORT_CALLS_MAX 64

/* One call in progress: what it was given, since a failing call may leave nothing of it. */
struct call {
	struct socket *socket;
	struct uc_socket_address given;
};

/* f(struct socket *socket, struct sockaddr *name, int name_bytes, ..) */
static void note_call(struct call *call, struct pt_regs *regs)
{
	const void *name = (const void *)regs_get_kernel_argument(regs, 1);

	call->socket = (struct socket *)regs_get_kernel_argument(regs, 0);
	uc_socket_address_read(&call->given, name, (int)regs_get_kernel_argument(regs, 2));
}

static void report(u16 type, struct socket *socket, const struct uc_socket_address *local,
		   const struct uc_socket_address *remote, long result)
{
	struct uc_socket_event body;

	uc_socket_body(&body, socket->sk, local, remote, result);
	uc_emit_plain(UC_ROUTINE, type, &body);
}

/* int __inet_stream_connect(struct socket *, struct sockaddr *, int, int flags, int is_sendmsg),
 * int inet_dgram_connect(struct socket *, struct sockaddr *, int, int flags). Without an address of
 * a known family it is a disconnect, or a connect that was told when it began. */
static int before_connect(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct call *call = (struct call *)instance->data;

	if (!uc_sensor_is_on(UC_SENSOR_SOCKET) || !uc_emit_may_run(UC_RECORD_SOCKET_CONNECT))
		return 1;
	note_call(call, regs);
	return call->given.family == 0;
}

static int after_connect(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	const struct call *call = (const struct call *)instance->data;
	long result = (int)regs_return_value(regs);
	struct uc_socket_address local;

	/* Asking again how a connect is getting on is no news. */
	if (!uc_sensor_is_on(UC_SENSOR_SOCKET) || result == -EALREADY || result == -EISCONN)
		return 0;
	uc_socket_local(&local, call->socket->sk);
	report(UC_RECORD_SOCKET_CONNECT, call->socket, &local, &call->given, result);
	return 0;
}

/* int inet_bind(struct socket *, struct sockaddr *, int), and inet6_bind() */
static int before_bind(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	if (!uc_sensor_is_on(UC_SENSOR_SOCKET) || !uc_emit_may_run(UC_RECORD_SOCKET_BIND))
		return 1;
	note_call((struct call *)instance->data, regs);
	return 0;
}

static int after_bind(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	const struct call *call = (const struct call *)instance->data;
	long result = (int)regs_return_value(regs);
	struct uc_socket_address local = call->given;

	if (!uc_sensor_is_on(UC_SENSOR_SOCKET))
		return 0;
	/* The port that the kernel chose, if it was left to it. */
	if (result == 0 || local.family == 0)
		uc_socket_local(&local, call->socket->sk);
	report(UC_RECORD_SOCKET_BIND, call->socket, &local, NULL, result);
	return 0;
}

/* int inet_listen(struct socket *, int backlog) */
static int before_listen(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct call *call = (struct call *)instance->data;

	if (!uc_sensor_is_on(UC_SENSOR_SOCKET) || !uc_emit_may_run(UC_RECORD_SOCKET_LISTEN))
		return 1;
	call->socket = (struct socket *)regs_get_kernel_argument(regs, 0);
	return 0;
}

static int after_listen(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	const struct call *call = (const struct call *)instance->data;
	struct uc_socket_address local;

	if (!uc_sensor_is_on(UC_SENSOR_SOCKET))
		return 0;
	uc_socket_local(&local, call->socket->sk);
	report(UC_RECORD_SOCKET_LISTEN, call->socket, &local, NULL, (int)regs_return_value(regs));
	return 0;
}

/* void security_sock_graft(struct sock *sk, struct socket *parent): the last step of an accept,
 * in the accepting process, after any waiting. */
static int on_accept(struct kprobe *probe, struct pt_regs *regs)
{
	struct sock *sk = (struct sock *)regs_get_kernel_argument(regs, 0);
	struct uc_socket_address local, remote;
	struct uc_socket_event body;

	if (!uc_sensor_is_on(UC_SENSOR_SOCKET))
		return 0;
	if ((sk->sk_family != AF_INET && sk->sk_family != AF_INET6) ||
	    !uc_emit_may_run(UC_RECORD_SOCKET_ACCEPT))
		return 0;
	uc_socket_local(&local, sk);
	uc_socket_remote(&remote, sk);
	uc_socket_body(&body, sk, &local, &remote, 0);
	uc_emit_plain(UC_ROUTINE, UC_RECORD_SOCKET_ACCEPT, &body);
	return 0;
}

static bool is_raw(int family, int type)
{
	if (family == AF_INET || family == AF_INET6)
		return type == SOCK_RAW;
	return family == AF_PACKET || family == AF_XDP;
}

/* int security_socket_post_create(struct socket *, int family, int type, int protocol, int kern):
 * the socket is there. Those that the kernel makes for itself answer for no one. */
static int on_create(struct kprobe *probe, struct pt_regs *regs)
{
	const struct socket *socket = (const struct socket *)regs_get_kernel_argument(regs, 0);
	int family = (int)regs_get_kernel_argument(regs, 1);
	int protocol = (int)regs_get_kernel_argument(regs, 3);
	struct uc_socket_event body = {};

	if (likely(!is_raw(family, (int)regs_get_kernel_argument(regs, 2))))
		return 0;
	if (!uc_sensor_is_on(UC_SENSOR_SOCKET) || (int)regs_get_kernel_argument(regs, 4) ||
	    !socket->sk || !uc_emit_may_run(UC_RECORD_SOCKET_RAW))
		return 0;
	body.socket_cookie = uc_socket_cookie(socket->sk);
	body.protocol = family == AF_PACKET ? ntohs((__force __be16)protocol) : protocol;
	body.network_namespace = sock_net(socket->sk)->ns.inum;
	uc_emit_plain(UC_ROUTINE, UC_RECORD_SOCKET_RAW, &body);
	return 0;
}

#define CALL(function, before, after, bytes, calls_max)                        \
	{                                                                      \
		.kp.symbol_name = function, .entry_handler = before,           \
		.handler = after, .data_size = bytes, .maxactive = calls_max,  \
	}

static struct kprobe entries[] = {
	{ .symbol_name = "security_sock_graft", .pre_handler = on_accept },
	{ .symbol_name = "security_socket_post_create", .pre_handler = on_create },
};

static struct kretprobe calls[] = {
	CALL("__inet_stream_connect", before_connect, after_connect, sizeof(struct call),
	     CONNECTS_MAX),
	CALL("inet_dgram_connect", before_connect, after_connect, sizeof(struct call),
	     SHORT_CALLS_MAX),
	CALL("inet_bind", before_bind, after_bind, sizeof(struct call), SHORT_CALLS_MAX),
	CALL("inet_listen", before_listen, after_listen, sizeof(struct call), SHORT_CALLS_MAX),
	CALL("udp_sendmsg", uc_before_datagram, uc_after_datagram, sizeof(struct uc_datagram),
	     DATAGRAMS_MAX),
	/* These two may be missing where the kernel has no IPv6. */
	CALL("inet6_bind", before_bind, after_bind, sizeof(struct call), SHORT_CALLS_MAX),
	CALL("udpv6_sendmsg", uc_before_datagram6, uc_after_datagram, sizeof(struct uc_datagram),
	     DATAGRAMS_MAX),
};

#define CALLS_REQUIRED (ARRAY_SIZE(calls) - 2)

/* How many of each are registered. */
static size_t entry_count;
static size_t call_count;

void uc_socket_unregister(void)
{
	while (call_count)
		unregister_kretprobe(&calls[--call_count]);
	while (entry_count)
		unregister_kprobe(&entries[--entry_count]);
}

static int register_entries(void)
{
	int error = 0;

	for (; entry_count < ARRAY_SIZE(entries); entry_count++) {
		entries[entry_count].flags = KPROBE_FLAG_DISABLED;
		error = register_kprobe(&entries[entry_count]);
		if (error)
			break;
	}
	return error;
}

static int register_calls(void)
{
	int error = 0;

	for (; call_count < ARRAY_SIZE(calls); call_count++) {
		calls[call_count].kp.flags = KPROBE_FLAG_DISABLED;
		error = register_kretprobe(&calls[call_count]);
		if (error)
			break;
	}
	return call_count < CALLS_REQUIRED ? error : 0;
}

int uc_socket_register(void)
{
	int error = register_entries();

	if (!error)
		error = register_calls();
	if (error)
		uc_socket_unregister();
	return error;
}

void uc_socket_stop(void)
{
	size_t i;

	for (i = 0; i < call_count; i++)
		disable_kretprobe(&calls[i]);
	for (i = 0; i < entry_count; i++)
		disable_kprobe(&entries[i]);
}

int uc_socket_start(void)
{
	int error = 0;
	size_t i;

	uc_datagrams_forget();
	for (i = 0; i < entry_count && !error; i++)
		error = enable_kprobe(&entries[i]);
	for (i = 0; i < call_count && !error; i++)
		error = enable_kretprobe(&calls[i]);
	if (error)
		uc_socket_stop();
	return error;
}

/* The kernel counts for each probe how often it could not follow a call. */
void uc_socket_count_missed(void)
{
	static unsigned long told;
	unsigned long missed = 0;
	size_t i;

	for (i = 0; i < call_count; i++)
		missed += READ_ONCE(calls[i].nmissed) + READ_ONCE(calls[i].kp.nmissed);
	for (i = 0; i < entry_count; i++)
		missed += READ_ONCE(entries[i].nmissed);
	for (; told < missed; told++)
		uc_emit_count_reentry(UC_RECORD_SOCKET_CONNECT);
}
