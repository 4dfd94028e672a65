# SPDX-License-Identifier: Apache-2.0
# Canary: all points good, but a bad exit status.
. /uc/lib.sh
plan 1
ok "a good point"
exit 3
