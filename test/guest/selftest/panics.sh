# SPDX-License-Identifier: Apache-2.0
# Canary: the kernel dies inside the case.
. /uc/lib.sh
plan 1
ok "a good point"
echo c >/proc/sysrq-trigger
