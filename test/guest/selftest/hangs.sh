# SPDX-License-Identifier: Apache-2.0
# Canary: outlives its limit.
. /uc/lib.sh
plan 1
ok "a good point"
sleep 1000
