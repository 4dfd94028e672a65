# SPDX-License-Identifier: Apache-2.0
# A case that holds, also with everything lib.sh offers.
. /uc/lib.sh
plan 5
ok "a point"
skip "a point that cannot be tried" "because"
refuse "a failing command" false
is "equal texts" one one
check "waiting" wait_for 2 true
diag "a comment"
