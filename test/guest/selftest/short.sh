# SPDX-License-Identifier: Apache-2.0
# Canary: fewer points than planned.
. /uc/lib.sh
plan 3
ok "a good point"
