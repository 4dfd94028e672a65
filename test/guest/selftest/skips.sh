# SPDX-License-Identifier: Apache-2.0
# A case that cannot be tried here.
. /uc/lib.sh
skip_case "nothing to try"
