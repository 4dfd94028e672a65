# SPDX-License-Identifier: Apache-2.0
# A static C program runs, on two CPUs, and does what it says.
. /uc/lib.sh
plan 3
check "forks" storm fork 20 2
check "execs" storm exec 20 2
is "counts opens" "$(storm open 100 2 | cut -d' ' -f3,4)" "operations=200 cpus=2"
