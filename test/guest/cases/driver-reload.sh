# SPDX-License-Identifier: Apache-2.0
# Loads and unloads the driver again and again while the guest works: reload COUNT. One CPU: under
# QEMU's translator, switching tracepoints on two is a lottery that the kernel loses by itself.
. /uc/lib.sh
. /uc/driver-lib.sh

count=$1
plan 3
stop=/tmp/uc-stop
work() {
  while [ ! -e $stop ]; do
    "$@" >/dev/null 2>&1
  done
}
files() {
  mount -t tmpfs tmpfs /mnt
  echo x >/mnt/a
  mv /mnt/a /mnt/b
  rm /mnt/b
  umount /mnt
}
mkdir -p /mnt
work storm exec 20 1 &
work files &
work run-memfd friend &
work many-threads 4 &
ifconfig lo up
work sockets &
work socket-noise 2000 &

cycle=0
while [ $cycle -lt "$count" ]; do
  cycle=$((cycle + 1))
  insmod $driver || break
  # At each stage of its life: fresh, registering, monitored. A new server, because one would
  # soon refuse a guest that registers so often.
  case $((cycle % 4)) in
    1) usleep 20000 ;;
    2) usleep 700000 ;;
    3) [ "$(ask restart) $(ask monitored)" = "yes yes" ] || break ;;
  esac
  rmmod undercroft || break
done
is "every cycle loads and unloads" $cycle "$count"
touch $stop
check "the work ends well" wait
ask restart >/dev/null
check "the driver works afterwards" load_driver
rmmod undercroft
