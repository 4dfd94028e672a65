# SPDX-License-Identifier: Apache-2.0
# Takes the driver out while the guest works; afterwards nothing of it may be left.
. /uc/lib.sh
. /uc/driver-lib.sh

plan 3
storm exec 200 2 >/dev/null &
work=$!
check "the driver unloads under load" rmmod undercroft
wait $work
is "the work went on" $? 0
refuse "nothing is left of it" grep -q undercroft /proc/modules
