# SPDX-License-Identifier: Apache-2.0
# Canary: a good point, but no plan.
. /uc/lib.sh
ok "a good point"
