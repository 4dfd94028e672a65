# SPDX-License-Identifier: Apache-2.0
# A program does a known list of things with sockets, once with the sensor on and once with it off,
# and the driver unloads under calls that are still in progress.
. /uc/lib.sh
. /uc/driver-lib.sh

plan 9
ifconfig lo up
# How many of the sensor's probes patch their functions now.
armed() { grep -E '(inet|udp|sock)' /sys/kernel/debug/kprobes/list | grep -vc DISABLED; }
check "the driver loads and is monitored" load_driver
is "its probes are set" "$(armed)" 9
check "a program uses sockets" sh -c 'sockets >/tmp/uc-told'
cat /tmp/uc-told >&8
is "without the sensor" "$(ask start 0x77)" done
is "nothing is patched" "$(armed)" 0
check "the program runs again" sh -c 'sockets >/tmp/uc-untold'
is "with it again" "$(ask start 0x7f)" done
sockets block &
blocked=$!
sleep 1
host_say told blocked $blocked
check "the driver unloads under a connect and an accept" rmmod undercroft
kill $blocked
wait $blocked
is "both end as ever" $? 143
