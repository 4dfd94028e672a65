# SPDX-License-Identifier: Apache-2.0
# Works on while the server writes noise over the region, and registers with the next server.
. /uc/lib.sh
. /uc/driver-lib.sh

plan 5
check "the driver loads and is monitored" load_driver
stop=/tmp/uc-stop
while [ ! -e $stop ]; do
  storm exec 10 2 && storm create 50 2 || touch /tmp/uc-failed
done >/dev/null 2>&1 &
is "the server goes mad and is replaced" "$(ask chaos 1500)" yes
touch $stop
wait
refuse "the guest's work never failed" test -e /tmp/uc-failed
is "the driver registers with the next server" "$(ask monitored)" yes
check "and unloads" rmmod undercroft
