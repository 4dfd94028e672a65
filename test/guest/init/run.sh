# SPDX-License-Identifier: Apache-2.0
# Runs the cases named in /uc/cases/list, one "NAME SECONDS COMMAND" a line, and writes their TAP
# to the verdict port (descriptor 9, opened by init). A case fails unless it exits 0, keeps its
# plan, has no failed point, and leaves no complaint of the kernel in the log.

# Texts that only a kernel in trouble prints.
complaints='WARNING: |BUG: |kernel BUG|Oops|Call Trace|general protection|RIP: 0010:|Kernel panic'
complaints="$complaints|soft lockup|hard LOCKUP|rcu.*(stall|detected)|blocked for more than"
complaints="$complaints|refcount_t|use-after-free|UBSAN|KASAN|KCSAN|corruption|field-spanning"
complaints="$complaints|scheduling while atomic|sleeping function|cannot create duplicate"
complaints="$complaints|still has objects|Objects remaining|unreferenced object"

# Prints the complaints since the last call. Reading clears the log, so no line counts twice.
kernel_complaints() {
  dmesg -c >/tmp/uc-log
  grep -q "uc-case: $1\$" /tmp/uc-log || echo "the kernel log has lost its marker: $1"
  grep -E "$complaints" /tmp/uc-log
  if [ -e /sys/kernel/debug/kmemleak ]; then
    echo scan >/sys/kernel/debug/kmemleak
    cat /sys/kernel/debug/kmemleak
    echo clear >/sys/kernel/debug/kmemleak
  fi
}

# A line on the console and in the kernel's log, so that each tells which case was running.
marker() { echo "<4>uc-case: $1" >/dev/kmsg; }

# point NAME PROBLEMS [DIRECTIVE]: one top-level point; it is ok when there are no problems.
point() {
  number=$((number + 1))
  if [ -z "$2" ]; then
    echo "ok $number - $1$3" >&9
    return
  fi
  echo "not ok $number - $1" >&9
  { echo "  ---"; echo "  problems: |"; echo "$2" | sed 's/^/    /'; echo "  ..."; } >&9
}

# Reads one case's output, passes it on as a subtest, and says whether the case held.
judge() {
  points=0 failed=0 planned=none status=none reason=''
  while IFS= read -r line; do
    case $line in
      'ok '*) points=$((points + 1)) ;;
      'not ok '*) points=$((points + 1)) failed=$((failed + 1)) ;;
      1..*) planned=${line#1..} planned=${planned%% *} reason=${line#*# SKIP } ;;
      'uc-exit '*) status=${line#uc-exit } && break ;;
    esac
    printf '    %s\n' "$line" >&9
  done
  {
    [ "$failed" = 0 ] || echo "$failed failed points"
    [ "$planned" != none ] || echo "no plan"
    [ "$planned" = none ] || [ "$planned" = "$points" ] || echo "$points points, planned $planned"
    [ "$status" = 0 ] || [ "$status" = 77 ] || echo "ended with status $status"
    [ "$status" != 77 ] || [ "$planned" = 0 ] || echo "status 77 without skip_case"
    kernel_complaints "$1"
  } >/tmp/uc-problems
  if [ "$status" = 77 ]; then
    echo " # SKIP $reason" >/tmp/uc-directive
  else
    : >/tmp/uc-directive
  fi
}

run_case() {
  marker "$1"
  echo "    # Subtest: $1" >&9
  # The judge stops reading at uc-exit: what a case left running cannot hold it up.
  {
    timeout -s KILL "$2" sh -c "$3" 2>/dev/console </dev/null
    echo "uc-exit $?"
  } | judge "$1"
  point "$1" "$(cat /tmp/uc-problems)" "$(cat /tmp/uc-directive)"
}

number=0
total=$(($(wc -l </uc/cases/list) + 2))
echo "TAP version 14" >&9
echo "1..$total" >&9
marker boot
point boot "$(kernel_complaints boot)"
while read -r name seconds command <&7; do
  run_case "$name" "$seconds" "$command"
done 7</uc/cases/list
marker end
point end "$(kernel_complaints end)"
