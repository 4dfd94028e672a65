# SPDX-License-Identifier: Apache-2.0
# Records the same time twice, by the driver and by the bpftrace script that is shipped for guests,
# between its two marker programs, and tells the hypervisor host what the script counted.
. /uc/lib.sh
. /uc/driver-lib.sh

plan 4
ifconfig lo up
mkdir /tmp/uc-marks
ln -s /bin/busybox /tmp/uc-marks/uc-truth-begin
ln -s /bin/busybox /tmp/uc-marks/uc-truth-end

check "the driver loads and is monitored" load_driver
bpftrace /uc/guest-truth.bt >/tmp/uc-counted 2>/tmp/uc-trouble &
tracer=$!
check "the script counts" wait_for 60 grep -q 'waiting for' /tmp/uc-counted
cat /tmp/uc-trouble >&2

# They are no applets of busybox and fail; what counts is that they were executed.
/tmp/uc-marks/uc-truth-begin 2>/dev/null
storm exec 100 >/dev/null
storm open 200 1 /etc/passwd >/dev/null
cat /tmp/missing /dev/null /proc/uptime >/dev/null 2>&1
for try in 1 2 3 4 5; do nc -w 1 127.0.0.1 9 </dev/null >/dev/null 2>&1; done
/tmp/uc-marks/uc-truth-end 2>/dev/null

wait $tracer
is "the script ends well" $? 0
cat /tmp/uc-counted >&2
# Lines such as "@exec: 114" and "@open[tmpfs]: 20".
sed -n 's/^@\([a-z]*\): \([0-9]*\)$/told counted \1 \2/p' /tmp/uc-counted >&8
sed -n 's/^@open\[\([a-z0-9]*\)\]: \([0-9]*\)$/told counted \1 \2/p' /tmp/uc-counted >&8
is "the driver's record arrives" "$(ask sync)" done
