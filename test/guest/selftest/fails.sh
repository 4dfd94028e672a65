# SPDX-License-Identifier: Apache-2.0
# Canary: one failed point.
. /uc/lib.sh
plan 2
ok "a good point"
is "a bad point" got wanted
