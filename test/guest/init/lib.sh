# SPDX-License-Identifier: Apache-2.0
# What guest cases are written with: every case sources this as /uc/lib.sh. A case prints TAP on
# its stdout, diagnostics on stderr (the console), and exits 0, or 77 after skip_case.

uc_point=0

# Says how many points follow. Every case needs one.
plan() { echo "1..$1"; }

ok() { uc_point=$((uc_point + 1)); echo "ok $uc_point - $*"; }

not_ok() { uc_point=$((uc_point + 1)); echo "not ok $uc_point - $*"; }

# One point that could not be tried: skip NAME REASON.
skip() { uc_point=$((uc_point + 1)); echo "ok $uc_point - $1 # SKIP $2"; }

diag() { echo "# $*"; }

# Ends the whole case as not tried: skip_case REASON.
skip_case() { echo "1..0 # SKIP $*"; exit 77; }

# check NAME COMMAND...: the command must succeed.
check() {
  uc_name=$1
  shift
  if "$@" >/tmp/uc-check 2>&1; then
    ok "$uc_name"
  else
    not_ok "$uc_name"
    diag "failed with $?: $*"
    sed 's/^/# /' /tmp/uc-check
  fi
}

# refuse NAME COMMAND...: the command must fail.
refuse() {
  uc_name=$1
  shift
  if "$@" >/tmp/uc-check 2>&1; then
    not_ok "$uc_name"
    diag "must fail, but did not: $*"
  else
    ok "$uc_name"
  fi
}

# is NAME GOT WANTED: two texts must be equal.
is() {
  if [ "$2" = "$3" ]; then
    ok "$1"
  else
    not_ok "$1"
    diag "got:    $2"
    diag "wanted: $3"
  fi
}

# Sends a line to the hypervisor host's side of the test.
host_say() { echo "$*" >&8; }

# Prints the next line the hypervisor host's side sent; fails after host_wait [SECONDS], default 60.
host_wait() {
  read -r -t "${1:-60}" uc_line <&8 || return 1
  echo "$uc_line"
}

# wait_for SECONDS COMMAND...: tries the command ten times a second until it succeeds.
wait_for() {
  uc_tries=$(($1 * 10))
  shift
  until "$@" >/dev/null 2>&1; do
    uc_tries=$((uc_tries - 1))
    [ "$uc_tries" -gt 0 ] || return 1
    usleep 100000
  done
}

# Prints the sysfs directory of the region's PCI device.
region_device() {
  for uc_device in /sys/bus/pci/devices/*; do
    if [ "$(cat "$uc_device/vendor"):$(cat "$uc_device/device")" = 0x1af4:0x1110 ]; then
      echo "$uc_device"
      return 0
    fi
  done
  return 1
}
