# SPDX-License-Identifier: Apache-2.0
# Canary: powers the guest off before the remaining cases.
. /uc/lib.sh
plan 1
ok "a good point"
poweroff -f
