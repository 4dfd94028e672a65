# SPDX-License-Identifier: Apache-2.0
# What the driver's cases share; sourced after /uc/lib.sh. The server's side is server-side.ts.

driver=/lib/undercroft.ko
parameters=/sys/module/undercroft/parameters

# ask WORDS...: has the hypervisor host's side do something and prints its answer.
ask() {
  host_say "$@"
  host_wait 90
}

# Loads the driver and waits until the server has started monitoring.
load_driver() {
  insmod $driver "$@" && [ "$(ask monitored)" = yes ]
}

deny() { printf '{"operations":["%s"],"match":"%s","pattern":"%s","verdict":"deny"}' "$@"; }

# load_module NAME: a module of the guest's kernel that lies in /uc.
load_module() {
  [ -e "/uc/$1.ko" ] || unxz "/uc/$1.ko.xz"
  insmod "/uc/$1.ko"
}
