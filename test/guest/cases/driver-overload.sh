# SPDX-License-Identifier: Apache-2.0
# More than small rings hold while the server does not read: what cannot be kept must be named.
. /uc/lib.sh
. /uc/driver-lib.sh

plan 4
check "the driver loads and is monitored" load_driver
is "the server stops reading" "$(ask hold 4000)" yes
usleep 200000
check "files and programs come in a storm" sh -c "storm create 1000 2 && storm exec 50 2"
is "the rest arrives" "$(ask sync)" done
# The books are compared at the heartbeat.
sleep 1
