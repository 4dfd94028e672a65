/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A rate limiter in one 64-bit word: the moment at which the bucket would be empty of debt. Safe
 * from any CPU and context without a lock. Called by sensors that can flood; what it refuses is
 * counted by uc_ring_drop(UC_LOSS_RATE_LIMITED).
 */
#ifndef UC_LIMIT_H
#define UC_LIMIT_H

#include "uc_port.h"

#ifdef __cplusplus
extern "C" {
#endif

struct uc_limit {
	uint64_t debt_until_ns;
	uint64_t interval_ns;
	uint64_t burst_ns;
};

/* per_second records on average, burst at once. Both at least 1 and at most 1e9. */
void uc_limit_init(struct uc_limit *limit, uint32_t per_second, uint32_t burst);

/* True: one record may pass now. now_ns: any clock that does not run backwards. */
bool uc_limit_take(struct uc_limit *limit, uint64_t now_ns);

#ifdef __cplusplus
}
#endif

#endif /* UC_LIMIT_H */
