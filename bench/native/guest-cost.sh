# SPDX-License-Identifier: Apache-2.0
# The rounds of guest-cost.c in one guest, told to the hypervisor host's side line by line.
# auditd comes last: a kernel that has audited once keeps an audit context in every later task.
. /uc/lib.sh

driver=/lib/undercroft.ko
rounds=$1
file=/tmp/uc-cost
echo data >$file

# What is done once for each program and file, such as its hash, is done before the counting.
measure() {
  guest-cost warm 8 32 $file >/dev/null
  sleep 3
  host_say "told $(guest-cost "$1" 200 2000 $file)"
}

# ask WORDS...: has the hypervisor host's side do something and prints its answer.
ask() {
  host_say "$@"
  host_wait 900
}

plan $((2 * rounds + 2))
for round in $(seq "$rounds"); do
  measure bare
  insmod $driver
  is "monitoring is on" "$(ask monitored)" yes
  measure events
  is "rules are in force" "$(ask rules)" done
  measure verdicts
  rmmod undercroft
done

mkdir -p /tmp/audit /var/run
auditd -s enable
check "auditd runs" wait_for 20 test -s /var/run/auditd.pid
auditctl -b 65536 >/dev/null
check "its rules load" auditctl -R /etc/audit/coverage.rules
for round in $(seq "$rounds"); do
  measure auditd
  sleep 2
done
diag "$(auditctl -s | tr '\n' ' ')"
diag "audit log: $(cat /tmp/audit/* | wc -c) bytes"
