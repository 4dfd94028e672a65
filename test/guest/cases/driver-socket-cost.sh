# SPDX-License-Identifier: Apache-2.0
# Counts what socket calls cost with the sensor off and on, in a guest whose clock counts
# instructions.
. /uc/lib.sh
. /uc/driver-lib.sh

plan 5
ifconfig lo up
check "the driver loads and is monitored" load_driver
is "monitoring without sockets" "$(ask start 0x77)" done
socket-cost warm >/dev/null
sleep 1
check "calls are counted" sh -c 'socket-cost off >/tmp/uc-costs'
is "monitoring with sockets" "$(ask start 0x7f)" done
sleep 1
check "calls are counted again" sh -c 'socket-cost on >>/tmp/uc-costs'
rmmod undercroft
socket-cost bare >>/tmp/uc-costs
cat /tmp/uc-costs >&8
