# SPDX-License-Identifier: Apache-2.0
# Canary: a case that says nothing.
. /uc/lib.sh
true
