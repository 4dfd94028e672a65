# SPDX-License-Identifier: Apache-2.0
# Records the same time twice, by the driver and by the kernel's own tracing, between two marker
# programs, and tells the hypervisor host what the kernel saw: truth COUNT.
. /uc/lib.sh
. /uc/driver-lib.sh

count=$1
plan 3
place=/tmp/uc-truth
trace=/sys/kernel/tracing
mkdir $place
for number in 0 1 2 3 4 5 6 7; do echo $number >$place/file$number; done
ln -s /bin/busybox $place/begin
ln -s /bin/busybox $place/end

check "the driver loads and is monitored" load_driver
echo 16384 >$trace/buffer_size_kb
# A file name on the way in, success on the way out; one thread does one open at a time.
echo 'p:uc/ask do_filp_open name=+0(+0(%si)):string' >$trace/kprobe_events
echo 'r:uc/answer do_filp_open file=$retval:s64' >>$trace/kprobe_events
for event in sched/sched_process_exec sched/sched_process_exit uc/ask uc/answer; do
  echo 1 >$trace/events/$event/enable
done

# They are no applets of busybox and fail; what counts is that they were executed.
$place/begin 2>/dev/null
storm exec "$count" 2 >/dev/null
storm open "$count" 2 $place/file0 >/dev/null
for number in 1 2 3 4 5 6 7; do
  cat $place/file$number $place/missing >/dev/null 2>&1
done
$place/end 2>/dev/null

echo 0 >$trace/tracing_on
cat $trace/trace >/tmp/uc-trace
overrun=$(cat $trace/per_cpu/cpu*/stats | awk '/overrun|dropped/ { sum += $NF } END { print sum }')
is "the kernel's own record is whole" "$overrun" 0
awk -f /uc/truth.awk -v place=$place/ /tmp/uc-trace >&8
for event in sched/sched_process_exec sched/sched_process_exit uc/ask uc/answer; do
  echo 0 >$trace/events/$event/enable
done
: >$trace/kprobe_events
is "the driver's record arrives" "$(ask sync)" done
