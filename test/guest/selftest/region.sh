# SPDX-License-Identifier: Apache-2.0
# The region is there, has its size and place (high or low), and is one memory on both sides.
. /uc/lib.sh
plan 4
device=$(region_device)
check "the PCI device is there" [ -n "$device" ]
[ "$1" = high ] && above=1 || above=0
# Third line of this file: BAR 2 as "start end flags".
set -- $(sed -n 3p "$device/resource")
is "the region has its size" $(($2 - $1 + 1)) $((32 << 20))
is "the region lies where it was asked to" $(($1 >> 32 > 0)) "$above"
echo 1 >"$device/enable"
host_say "address $1"
devmem $(($1 + 4096)) 32 0x55430001
host_say wrote
host_wait >/dev/null
is "the hypervisor host's word arrived" "$(devmem $(($1 + 8192)) 32)" 0x55430002
