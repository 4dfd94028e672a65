# SPDX-License-Identifier: Apache-2.0
# A program does a known list of things with sockets, once with the sensor on and once with it off,
# and the driver unloads under calls that are still in progress.
. /uc/lib.sh
. /uc/driver-lib.sh

plan 15
ifconfig lo up
# How many of the sensor's probes patch their functions now.
armed() { grep -E '(inet|udp|sock)' /sys/kernel/debug/kprobes/list | grep -vc DISABLED; }
# Another tool's probe on one of the functions, set before ours and gone before ours.
trace=/sys/kernel/tracing
echo 'r:uc/other inet_bind result=$retval' >$trace/kprobe_events
echo 1 >$trace/events/uc/other/enable
check "the driver loads and is monitored" load_driver
check "a program uses sockets" sh -c 'sockets >/tmp/uc-told'
cat /tmp/uc-told >&8
is "the other tool saw every bind" "$(grep -c 'other:' $trace/trace)" \
  "$(grep -c '^told socket bind [0-9]* 4' /tmp/uc-told)"
echo 0 >$trace/events/uc/other/enable
: >$trace/kprobe_events
is "only our probes are left" "$(armed)" 9
is "without the sensor" "$(ask start 0x77)" done
is "nothing is patched" "$(armed)" 0
check "the program runs again" sh -c 'sockets >/tmp/uc-untold'
is "with it again" "$(ask start 0x7f)" done

# A network disk that nobody serves: one of the kernel's own threads tries to reach it.
for module in crc32c_generic libcrc32c libceph rbd; do load_module $module; done
refuse "a network disk is not there" sh -c \
  'echo "127.0.0.1:6789 name=admin,mount_timeout=1 pool image -" >/sys/bus/rbd/add_single_major'

wait-in-connect 8 >/dev/null &
blocked=$!
host_say told other $blocked
sleep 1
check "the driver unloads under connects and an accept" rmmod undercroft
kill $blocked
wait $blocked
is "all end as ever" $? 143
check "sockets work without the driver" sh -c 'sockets >/tmp/uc-untold'

# More connects at once than can be followed.
ask restart >/dev/null
check "the driver loads again" load_driver
wait-in-connect 1100 >/tmp/uc-crowd &
blocked=$!
host_say told other $blocked
check "a crowd waits" wait_for 20 grep -q waiting /tmp/uc-crowd
cat /tmp/uc-crowd >&8
kill $blocked
wait $blocked
# Losses without a ring are told at the heartbeat.
sleep 1
is "all of it arrives" "$(ask sync)" done
