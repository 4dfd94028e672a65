/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Token bucket kept as a moment in time: each record that passes pushes debt_until by one
 * interval, and a record passes while the debt is smaller than the burst. Called through
 * uc_limit.h; must not touch anything but the limiter.
 */
#include "uc_limit.h"

#define NS_PER_SECOND 1000000000u

static uint32_t clamp_rate(uint32_t value)
{
	if (value < 1)
		return 1;
	return value < NS_PER_SECOND ? value : NS_PER_SECOND;
}

void uc_limit_init(struct uc_limit *limit, uint32_t per_second, uint32_t burst)
{
	const uint32_t interval_ns = NS_PER_SECOND / clamp_rate(per_second);

	limit->debt_until_ns = 0;
	limit->interval_ns = interval_ns;
	limit->burst_ns = (uint64_t)interval_ns * clamp_rate(burst);
}

bool uc_limit_take(struct uc_limit *limit, uint64_t now_ns)
{
	uint64_t debt_until_ns = uc_counter_load(&limit->debt_until_ns);
	uint64_t next_ns;

	/* Ends: a failed exchange means that another CPU took a token, and tokens are finite. */
	do {
		next_ns = (debt_until_ns > now_ns ? debt_until_ns : now_ns) + limit->interval_ns;
		if (next_ns - now_ns > limit->burst_ns)
			return false;
	} while (!uc_atomic_compare_exchange_u64(&limit->debt_until_ns, &debt_until_ns, next_ns));
	return true;
}
