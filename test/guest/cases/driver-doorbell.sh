# SPDX-License-Identifier: Apache-2.0
# The driver with a doorbell, doing what the hypervisor host's side (doorbell-side.ts) asks for:
# opens of one file, its own numbers, reloads. Between two requests the guest is quiet.
. /uc/lib.sh
. /uc/driver-lib.sh

plan 4
echo content >/tmp/uc-doorbell

check "the driver loads and is told to monitor" load_driver
refuse "it has a doorbell" grep none $parameters/doorbell

reloads=0
while request=$(ask next); do
  case $request in
    open*) open-files ${request#open } ;;
    stamp*) open-files ${request#stamp } stamps >&8 ;;
    numbers) host_say "told numbers $(cat $parameters/doorbell)" ;;
    reload) rmmod undercroft && load_driver && reloads=$((reloads + 1)) ;;
    *) break ;;
  esac
done
is "it ends when it is told" "$request" end
check "it unloads" rmmod undercroft
diag "$reloads reloads"
