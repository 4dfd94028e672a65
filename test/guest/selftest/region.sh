# SPDX-License-Identifier: Apache-2.0
# The region is there, has its size, and is the same memory on both sides.
. /uc/lib.sh
plan 4
device=$(region_device)
check "the PCI device is there" [ -n "$device" ]
# Third line of this file: BAR 2 as "start end flags".
set -- $(sed -n 3p "$device/resource")
is "the region has its size" $(($2 - $1 + 1)) $((32 << 20))
is "the region lies above 4 GiB" $(($1 >> 32 > 0)) 1
echo 1 >"$device/enable"
host_say "address $1"
devmem $(($1 + 4096)) 32 0x55430001
host_say wrote
host_wait >/dev/null
is "the hypervisor host's word arrived" "$(devmem $(($1 + 8192)) 32)" 0x55430002
