/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The state machine of uc_link.h. Every step reads the epoch and the session page once, decides
 * on the copies, and leaves at most one transition behind it.
 */
#include "uc_link.h"

#include "../wire/uc_wire_check.gen.h"

void uc_link_init(struct uc_link *link, void *region, uint64_t region_bytes,
		  const struct uc_link_ops *ops, void *context, const struct uc_hello *hello,
		  uint64_t features_supported)
{
	memset(link, 0, sizeof(*link));
	link->region = region;
	link->region_bytes = region_bytes;
	link->ops = ops;
	link->context = context;
	link->hello = *hello;
	link->features_supported = features_supported & UC_FEATURES_KNOWN;
	link->state = UC_LINK_OFFLINE;
}

static void go_offline(struct uc_link *link, uint64_t retry_ns)
{
	link->ops->park(link->context);
	link->state = UC_LINK_OFFLINE;
	link->retry_ns = retry_ns;
}

static bool hello_allowed(const struct uc_link *link, uint64_t now_ns)
{
	const uint32_t count = link->hello_count;
	uint64_t newest;
	uint64_t oldest;

	if (count == 0)
		return true;
	newest = link->hello_times_ns[(count - 1) % UC_LINK_HELLOS_MAX];
	if (now_ns - newest < UC_LINK_HELLO_GAP_NS)
		return false;
	if (count < UC_LINK_HELLOS_MAX)
		return true;
	oldest = link->hello_times_ns[count % UC_LINK_HELLOS_MAX];
	return now_ns - oldest >= UC_LINK_HELLO_WINDOW_NS;
}

/* Different from every hello that was ever answered in this region, ours or a predecessor's. */
static uint64_t next_hello_seq(const struct uc_link *link, const struct uc_session *session)
{
	uint64_t seq = uc_region_hello_seq(link->region);

	if (session->hello_seq > seq)
		seq = session->hello_seq;
	return seq + 1 != 0 ? seq + 1 : 1;
}

static int read_superblock(struct uc_link *link)
{
	struct uc_hello *hello = &link->hello;
	int error;

	error = uc_region_read(&link->map, link->region, link->region_bytes, link->scratch_page);
	if (error)
		return error;
	hello->features_accepted = link->map.features_offered & link->features_supported;
	if (link->map.features_required & ~hello->features_accepted)
		return -UC_REGION_E_FEATURES;
	return 0;
}

static void try_hello(struct uc_link *link, uint64_t now_ns)
{
	struct uc_hello *hello = &link->hello;
	struct uc_session session;

	if (now_ns < link->retry_ns || !hello_allowed(link, now_ns))
		return;
	link->retry_ns = now_ns + UC_LINK_RETRY_NS;
	link->region_error = read_superblock(link);
	if (link->region_error || !uc_region_read_session(&session, link->region))
		return;

	link->ops->park(link->context);
	hello->hello_seq = next_hello_seq(link, &session);
	hello->protocol = link->map.protocol;
	hello->wire_hash = UC_WIRE_HASH;
	hello->server_epoch = link->map.server_epoch;
	hello->reserved = 0;
	link->ops->stamp(link->context, hello);
	link->hello_times_ns[link->hello_count % UC_LINK_HELLOS_MAX] = now_ns;
	link->hello_count++;
	uc_region_write_hello(link->region, hello);
	link->state = UC_LINK_HELLO_SENT;
}

/* TRUST: an answer counts only when it names this hello, this boot and this server's epoch. */
static bool answers_us(const struct uc_link *link, const struct uc_session *session)
{
	return session->hello_seq == link->hello.hello_seq &&
	       session->server_epoch == link->map.server_epoch &&
	       memcmp(session->boot_id, link->hello.boot_id, sizeof(session->boot_id)) == 0;
}

static bool features_fit(const struct uc_link *link, const struct uc_session *session)
{
	return (session->features & ~link->hello.features_accepted) == 0 &&
	       (link->map.features_required & ~session->features) == 0;
}

static void quarantine(struct uc_link *link, uint64_t now_ns)
{
	const uint64_t twice = link->quarantine_ns * 2;

	link->ops->park(link->context);
	if (twice < UC_LINK_HELLO_GAP_NS)
		link->quarantine_ns = UC_LINK_HELLO_GAP_NS;
	else
		link->quarantine_ns = twice < UC_LINK_QUARANTINE_NS_MAX ? twice :
									  UC_LINK_QUARANTINE_NS_MAX;
	link->retry_ns = now_ns + link->quarantine_ns;
	link->state = UC_LINK_QUARANTINED;
}

static void await_answer(struct uc_link *link, const struct uc_session *session, uint64_t now_ns)
{
	if (!answers_us(link, session))
		return;
	if (session->state == UC_SESSION_QUARANTINED) {
		quarantine(link, now_ns);
	} else if (session->state == UC_SESSION_CLOSED) {
		go_offline(link, now_ns);
	} else if (session->state == UC_SESSION_READY) {
		if (!features_fit(link, session)) {
			link->region_error = -UC_REGION_E_FEATURES;
			return;
		}
		link->session = *session;
		if (link->ops->start(link->context, link) != 0)
			return;
		link->sessions++;
		link->state = UC_LINK_READY;
	}
}

static void keep_session(struct uc_link *link, const struct uc_session *session, uint64_t now_ns)
{
	const bool ours = answers_us(link, session);

	if (ours && session->state == UC_SESSION_READY &&
	    session->session_id == link->session.session_id) {
		link->session = *session;
	} else if (link->state == UC_LINK_LEAVING) {
		uc_link_finish(link);
	} else if (ours && session->state == UC_SESSION_QUARANTINED) {
		quarantine(link, now_ns);
	} else if (ours && session->state == UC_SESSION_QUIESCE) {
		uc_link_quiesce(link);
	} else {
		go_offline(link, now_ns);
	}
}

static void stay_quiet(struct uc_link *link, const struct uc_session *session, uint64_t now_ns)
{
	const bool held =
		session->state == UC_SESSION_READY || session->state == UC_SESSION_QUIESCE;

	if (!answers_us(link, session) || !held)
		go_offline(link, now_ns);
}

static bool epoch_changed(const struct uc_link *link)
{
	return link->state != UC_LINK_OFFLINE &&
	       uc_region_epoch(link->region) != link->map.server_epoch;
}

uint32_t uc_link_poll(struct uc_link *link, uint64_t now_ns)
{
	struct uc_session session;

	if (link->state == UC_LINK_LEFT)
		return UC_LINK_LEFT;
	if (epoch_changed(link)) {
		if (link->state == UC_LINK_LEAVING) {
			uc_link_finish(link);
			return link->state;
		}
		link->quarantine_ns = 0;
		go_offline(link, now_ns);
	}
	if (link->state == UC_LINK_QUARANTINED && now_ns >= link->retry_ns)
		go_offline(link, now_ns);
	if (link->state == UC_LINK_OFFLINE) {
		try_hello(link, now_ns);
		return link->state;
	}
	if (link->state == UC_LINK_QUARANTINED || !uc_region_read_session(&session, link->region))
		return link->state;
	if (link->state == UC_LINK_HELLO_SENT)
		await_answer(link, &session, now_ns);
	else if (link->state == UC_LINK_QUIESCED)
		stay_quiet(link, &session, now_ns);
	else
		keep_session(link, &session, now_ns);
	return link->state;
}

void uc_link_quiesce(struct uc_link *link)
{
	if (link->state != UC_LINK_READY)
		return;
	link->ops->park(link->context);
	link->state = UC_LINK_QUIESCED;
}

void uc_link_leave(struct uc_link *link)
{
	if (link->state == UC_LINK_READY)
		link->state = UC_LINK_LEAVING;
	else
		uc_link_finish(link);
}

void uc_link_finish(struct uc_link *link)
{
	if (link->state == UC_LINK_LEFT)
		return;
	link->ops->park(link->context);
	link->state = UC_LINK_LEFT;
}
