# SPDX-License-Identifier: Apache-2.0
# Canary: all points good, but the kernel complained.
. /uc/lib.sh
plan 1
echo "<4>WARNING: CPU: 0 PID: 1 at nowhere.c:1 selftest" >/dev/kmsg
ok "a good point"
