# SPDX-License-Identifier: Apache-2.0
# Makes the three ways out of one guest ready and hands the control port to guest-send, which the
# hypervisor host's side then drives: guest-transport.sh GUEST_ADDRESS PEER_ADDRESS TCP_PORT.
. /uc/lib.sh
plan 4
check "the modules load" sh -e /uc/load-virtio
device=$(region_device)
check "the region's device works" sh -c "echo 1 >$device/enable"
ip link set lo up
ip address add "$1/24" dev eth0
ip link set eth0 up
check "the peer answers" wait_for 10 ping -c 1 -W 1 "$2"
check "the serial port is there" wait_for 10 sh -c 'ls /dev/vport*p1'
host_say ready
guest-send "$device/resource2" /dev/vport*p1 "$2" "$3" <&8 >&8
