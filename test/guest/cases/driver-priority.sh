# SPDX-License-Identifier: Apache-2.0
# Canary: with the priority that newer kernels silently ignore, the self-test must notice, and the
# driver must not offer verdicts.
. /uc/lib.sh
. /uc/driver-lib.sh

plan 2
check "the driver loads" insmod $driver normal_priority=1
is "and offers no verdicts" $(($(cat $parameters/capabilities) >> 33 & 3)) 0
rmmod undercroft
