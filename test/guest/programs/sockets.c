// SPDX-License-Identifier: Apache-2.0
// Does a known list of things with sockets and prints one `told socket ..` line for each that the
// driver has to report, in the words of driver-sockets.test.ts.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct sockaddr_storage Name;

static void fail(const char *what)
{
	fprintf(stderr, "sockets: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int must(int result, const char *what)
{
	if (result < 0)
		fail(what);
	return result;
}

static Name name_of(const char *address, uint16_t port)
{
	Name name = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&name;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&name;

	if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
	} else if (inet_pton(AF_INET6, address, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
	}
	return name;
}

static socklen_t bytes_of(const Name *name)
{
	return name->ss_family == AF_INET ? sizeof(struct sockaddr_in) :
					    sizeof(struct sockaddr_in6);
}

static Name local_of(int fd)
{
	Name name = { 0 };
	socklen_t bytes = sizeof(name);

	must(getsockname(fd, (struct sockaddr *)&name, &bytes), "getsockname");
	return name;
}

static uint16_t port_of(const Name *name)
{
	return ntohs(((const struct sockaddr_in *)name)->sin_port);
}

/* The family that packets have. */
static int family_of(const Name *name)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)name;

	if (name->ss_family == AF_INET || IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return 4;
	return 6;
}

static const char *text_of(const Name *name, int family, char text[64])
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)name;

	if (name->ss_family == AF_INET)
		return inet_ntop(AF_INET, &((const struct sockaddr_in *)name)->sin_addr, text, 64);
	if (family == 6)
		return inet_ntop(AF_INET6, &in6->sin6_addr, text, 64);
	return inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, text, 64);
}

static unsigned long long cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t bytes = sizeof(cookie);

	must(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &bytes), "SO_COOKIE");
	return cookie;
}

static int option_of(int fd, int option)
{
	int value = 0;
	socklen_t bytes = sizeof(value);

	must(getsockopt(fd, SOL_SOCKET, option, &value, &bytes), "getsockopt");
	return value;
}

/* remote may be NULL. What follows the common part is up to the kind. */
static void tell(const char *kind, int fd, const Name *local, const Name *remote, const char *rest)
{
	const int family = family_of(remote ? remote : local);
	char here[64], there[64] = "";

	text_of(local, family, here);
	if (remote)
		text_of(remote, family, there);
	else
		strcpy(there, family == 4 ? "0.0.0.0" : "::");
	printf("told socket %s %llu %d %d %s %u %s %u %s\n", kind, cookie_of(fd), family,
	       option_of(fd, SO_PROTOCOL), here, port_of(local), there,
	       remote ? port_of(remote) : 0, rest);
}

static void tell_result(const char *kind, int fd, const Name *local, const Name *remote, int error)
{
	char rest[16];

	snprintf(rest, sizeof(rest), "%d", error);
	tell(kind, fd, local, remote, rest);
}

static int open_socket(int family, int type)
{
	return must(socket(family, type | SOCK_CLOEXEC, 0), "socket");
}

static void do_bind(int fd, const char *address, uint16_t port, int error)
{
	const Name asked = name_of(address, port);
	Name local = asked;

	if (bind(fd, (const struct sockaddr *)&asked, bytes_of(&asked)) == 0 ? error != 0 :
									       errno != error)
		fail(address);
	if (error == 0)
		local = local_of(fd);
	tell_result("bind", fd, &local, NULL, error);
}

static void do_listen(int fd, int error)
{
	Name local;

	if (listen(fd, 4) == 0 ? error != 0 : errno != error)
		fail("listen");
	local = local_of(fd);
	tell_result("listen", fd, &local, NULL, error);
}

static void do_connect(int fd, const Name *remote, int error)
{
	Name local;

	if (connect(fd, (const struct sockaddr *)remote, bytes_of(remote)) == 0 ? error != 0 :
										  errno != error)
		fail("connect");
	if (error == EISCONN)
		return;
	local = local_of(fd);
	tell_result("connect", fd, &local, remote, error);
}

static void do_accept(int listener)
{
	Name remote = { 0 }, local;
	socklen_t bytes = sizeof(remote);
	int fd = must(accept(listener, (struct sockaddr *)&remote, &bytes), "accept");

	local = local_of(fd);
	tell_result("accept", fd, &local, &remote, 0);
	close(fd);
}

static void *connect_later(void *remote)
{
	const Name *name = remote;
	int fd = open_socket(name->ss_family, SOCK_STREAM);

	usleep(100000);
	do_connect(fd, name, 0);
	/* Open until the accept has asked who it was. */
	usleep(100000);
	close(fd);
	return NULL;
}

/* A connect by another name; a connect undone is none. */
static void do_fast_open(const Name *remote, int listener)
{
	const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	int fd = open_socket(remote->ss_family, SOCK_STREAM);
	Name local;

	must((int)sendto(fd, "a", 1, MSG_FASTOPEN, (const struct sockaddr *)remote,
			 bytes_of(remote)),
	     "sendto");
	local = local_of(fd);
	tell_result("connect", fd, &local, remote, 0);
	do_accept(listener);
	must(connect(fd, &nowhere, sizeof(nowhere)), "disconnect");
	close(fd);
}

static void do_tcp(const char *address, const char *wildcard)
{
	Name server = name_of(address, 0), nobody = name_of(address, 1), anywhere;
	int listener = open_socket(server.ss_family, SOCK_STREAM);
	int client = open_socket(server.ss_family, SOCK_STREAM);
	int slow = open_socket(server.ss_family, SOCK_STREAM | SOCK_NONBLOCK);
	int refused = open_socket(server.ss_family, SOCK_STREAM);
	struct pollfd ready = { slow, POLLOUT, 0 };
	pthread_t thread;

	do_bind(listener, address, 0, 0);
	do_listen(listener, 0);
	server = local_of(listener);
	do_connect(client, &server, 0);
	do_accept(listener);
	do_listen(client, EINVAL);
	do_connect(slow, &server, EINPROGRESS);
	poll(&ready, 1, 10000);
	do_connect(slow, &server, 0);
	do_connect(slow, &server, EISCONN);
	do_accept(listener);
	do_connect(refused, &nobody, ECONNREFUSED);
	close(refused);
	refused = open_socket(server.ss_family, SOCK_STREAM);
	do_bind(refused, address, port_of(&server), EADDRINUSE);
	pthread_create(&thread, NULL, connect_later, &server);
	do_accept(listener);
	pthread_join(thread, NULL);
	close(listener);
	listener = open_socket(server.ss_family, SOCK_STREAM);
	do_bind(listener, wildcard, 0, 0);
	anywhere = local_of(listener);
	do_listen(listener, 0);
	/* Over IPv4 in any case. */
	server = name_of("127.0.0.1", port_of(&anywhere));
	close(client);
	client = open_socket(AF_INET, SOCK_STREAM);
	do_connect(client, &server, 0);
	do_accept(listener);
	close(client);
	do_fast_open(&server, listener);
	close(slow);
	close(refused);
	close(listener);
}

static void do_send(int fd, const void *bytes, size_t count, const Name *remote, bool is_first,
		    int error)
{
	Name local;

	if (sendto(fd, bytes, count, 0, (const struct sockaddr *)remote, bytes_of(remote)) >= 0 ?
		    error != 0 :
		    errno != error)
		fail("sendto");
	local = local_of(fd);
	if (is_first)
		tell_result("send", fd, &local, remote, error);
}

static void do_datagrams(const char *address)
{
	const Name self = name_of(address, 0);
	int fd = open_socket(self.ss_family, SOCK_DGRAM);
	int connected = open_socket(self.ss_family, SOCK_DGRAM);
	Name one = name_of(address, 4001), other = name_of(address, 4002);
	const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	do_bind(fd, address, 4001, 0);
	do_send(fd, "a", 1, &one, true, 0);
	do_send(fd, "b", 1, &other, true, 0);
	do_send(fd, "c", 1, &one, false, 0);
	do_send(fd, "", 0, &other, false, 0);
	do_connect(connected, &one, 0);
	must(send(connected, "d", 1, 0), "send");
	do_send(connected, "e", 1, &one, false, 0);
	do_send(connected, "f", 1, &other, true, 0);
	must(connect(connected, &nowhere, sizeof(nowhere)), "disconnect");
	close(connected);
	close(fd);
}

static uint8_t question[512];

static size_t make_question(uint16_t transaction, uint8_t flags, const char *labels, uint16_t type)
{
	uint8_t *at = question + 12;
	size_t bytes;

	memset(question, 0, sizeof(question));
	question[0] = (uint8_t)(transaction >> 8);
	question[1] = (uint8_t)transaction;
	question[2] = flags;
	question[5] = 1;
	while (*labels) {
		bytes = strcspn(labels, "/");
		*at++ = (uint8_t)bytes;
		memcpy(at, labels, bytes);
		at += bytes;
		labels += bytes + (labels[bytes] == '/');
	}
	at++;
	*at++ = (uint8_t)(type >> 8);
	*at++ = (uint8_t)type;
	at += 1;
	*at++ = 1;
	return (size_t)(at - question);
}

static void tell_question(int fd, const Name *remote, const char *name, int type, int transaction,
			  bool is_cut)
{
	const Name local = local_of(fd);
	char rest[128];

	snprintf(rest, sizeof(rest), "%s %d %d %s", name, type, transaction,
		 is_cut ? "cut" : "whole");
	tell("dns", fd, &local, remote, rest);
}

/* In three pieces, and twice in one call. */
static void ask_in_pieces(int fd, Name *server)
{
	size_t bytes = make_question(0x0102, 1, "pieces/example", 16);
	struct iovec pieces[] = { { question, 13 },
				  { question + 13, 5 },
				  { question + 18, bytes - 18 } };
	struct mmsghdr messages[2] = { 0 };
	int i;

	for (i = 0; i < 2; i++) {
		messages[i].msg_hdr.msg_name = server;
		messages[i].msg_hdr.msg_namelen = bytes_of(server);
		messages[i].msg_hdr.msg_iov = pieces;
		messages[i].msg_hdr.msg_iovlen = 3;
	}
	if (sendmmsg(fd, messages, 2, 0) != 2)
		fail("sendmmsg");
	for (i = 0; i < 2; i++)
		tell_question(fd, server, "pieces.example", 16, 0x0102, false);
}

/* From a page that is in the file and not yet in our memory: sent all the same. */
static void ask_from_absent_memory(int fd, const Name *server)
{
	int file = must(open("/tmp/uc-question", O_RDWR | O_CREAT | O_TRUNC, 0600), "open");
	size_t bytes = make_question(7, 1, "absent/example", 1);
	void *page;

	must((int)write(file, question, bytes), "write");
	page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
	must(page == MAP_FAILED ? -1 : 0, "mmap");
	do_send(fd, page, bytes, server, false, 0);
	tell_question(fd, server, "-", 0, 0, true);
	close(file);
}

static void do_questions(const char *address)
{
	Name server = name_of(address, 53);
	int listener = open_socket(server.ss_family, SOCK_DGRAM);
	int fd = open_socket(server.ss_family, SOCK_DGRAM);
	int connected = open_socket(server.ss_family, SOCK_DGRAM);
	size_t bytes;

	do_bind(listener, address, 53, 0);
	bytes = make_question(0xbeef, 1, "www/example/com", 28);
	do_send(fd, question, bytes, &server, true, 0);
	tell_question(fd, &server, "www.example.com", 28, 0xbeef, false);
	ask_in_pieces(fd, &server);
	ask_from_absent_memory(fd, &server);
	do_connect(connected, &server, 0);
	bytes = make_question(1, 0, "", 2);
	must((int)send(connected, question, bytes, 0), "send");
	tell_question(connected, &server, ".", 2, 1, false);
	/* In two calls, of which only the first is looked at. */
	bytes = make_question(9, 1, "more/example", 1);
	must((int)send(connected, question, 5, MSG_MORE), "send");
	tell_question(connected, &server, "-", 0, 0, true);
	must((int)send(connected, question + 5, bytes - 5, 0), "send");
	/* An answer, something else, and what could not be sent are no questions. */
	bytes = make_question(2, 0x80, "answer/example", 1);
	do_send(fd, question, bytes, &server, false, 0);
	do_send(fd, "noise", 5, &server, false, 0);
	if (send(connected, NULL, 64, 0) != -1 || errno != EFAULT)
		fail("send of nothing");
	close(connected);
	close(fd);
	close(listener);
}

/* To the kernel an IPv4 address without a family is one with it, for sending alone. */
static void do_without_family(void)
{
	Name remote = name_of("127.0.0.1", 4003), nameless = remote;
	int fd = open_socket(AF_INET, SOCK_DGRAM);
	Name local;

	nameless.ss_family = AF_UNSPEC;
	must((int)sendto(fd, "a", 1, 0, (const struct sockaddr *)&nameless, bytes_of(&remote)),
	     "sendto");
	local = local_of(fd);
	tell_result("send", fd, &local, &remote, 0);
	close(fd);
}

/* IPv4 over sockets of the other family. */
static void do_mapped(void)
{
	Name server = name_of("::ffff:127.0.0.1", 53), plain = name_of("127.0.0.1", 53);
	int fd = open_socket(AF_INET6, SOCK_DGRAM);
	int connected = open_socket(AF_INET6, SOCK_DGRAM);
	size_t bytes = make_question(3, 1, "mapped/example", 1);

	do_send(fd, question, bytes, &server, true, 0);
	tell_question(fd, &server, "mapped.example", 1, 3, false);
	do_send(fd, question, bytes, &plain, false, 0);
	tell_question(fd, &plain, "mapped.example", 1, 3, false);
	do_connect(connected, &server, 0);
	must((int)send(connected, question, bytes, 0), "send");
	tell_question(connected, &server, "mapped.example", 1, 3, false);
	close(connected);
	close(fd);
}

static void do_unreachable(void)
{
	Name far = name_of("192.0.2.1", 4000);
	int stream = open_socket(AF_INET, SOCK_STREAM);
	int datagram = open_socket(AF_INET, SOCK_DGRAM);

	do_bind(stream, "192.0.2.1", 80, EADDRNOTAVAIL);
	do_connect(stream, &far, ENETUNREACH);
	do_send(datagram, "a", 1, &far, true, ENETUNREACH);
	close(stream);
	close(datagram);
}

static void tell_raw(int fd, int protocol)
{
	printf("told socket raw %llu 0 %d  0  0 0\n", cookie_of(fd), protocol);
	close(fd);
}

static void do_raw(void)
{
	tell_raw(must(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), "raw"), IPPROTO_ICMP);
	tell_raw(must(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), "raw"), IPPROTO_ICMPV6);
	tell_raw(must(socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ARP)), "packet"), ETH_P_ARP);
	if (socket(AF_INET, SOCK_RAW, 0) >= 0)
		fail("a raw socket of no protocol");
}

/* Nothing of this is of the network. */
static void do_local(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "/tmp/uc-socket" };
	int server = open_socket(AF_UNIX, SOCK_STREAM);
	int client = open_socket(AF_UNIX, SOCK_STREAM);

	unlink(name.sun_path);
	must(bind(server, (struct sockaddr *)&name, sizeof(name)), "bind");
	must(listen(server, 1), "listen");
	must(connect(client, (struct sockaddr *)&name, sizeof(name)), "connect");
	close(must(accept(server, NULL, NULL), "accept"));
	close(must(socket(AF_NETLINK, SOCK_RAW, 0), "netlink"));
	close(client);
	close(server);
}

int main(void)
{
	struct stat namespace;

	must(stat("/proc/self/ns/net", &namespace), "/proc/self/ns/net");
	printf("told namespace %lu\ntold pid %d\n", (unsigned long)namespace.st_ino, getpid());
	do_tcp("127.0.0.1", "0.0.0.0");
	do_tcp("::1", "::");
	do_datagrams("127.0.0.1");
	do_datagrams("::1");
	do_questions("127.0.0.1");
	do_questions("::1");
	do_mapped();
	do_without_family();
	do_unreachable();
	do_raw();
	do_local();
	return 0;
}
