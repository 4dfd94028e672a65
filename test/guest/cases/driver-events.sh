# SPDX-License-Identifier: Apache-2.0
# Does one of everything that the driver reports, under names that driver.test.ts looks for.
. /uc/lib.sh
. /uc/driver-lib.sh

plan 6
check "the driver loads and is monitored" load_driver

place=/tmp/uc-events
mkdir $place
cp /bin/storm $place/program
echo "told" >$place/first
mv $place/first $place/second
chmod 600 $place/second
cat $place/second >/dev/null
ls $place >/dev/null
rm $place/second
rmdir_me=$place/folder
mkdir $rmdir_me && rmdir $rmdir_me

$place/program nothing "an argument" last
(cd $place && exec ./program nothing relative)
sh -c 'exit 7' uc-exit-seven
sh -c 'kill -TERM $$' uc-exit-term
many-threads 3 >/dev/null

long=$(head -c 50000 /dev/zero | tr '\0' a)
/bin/busybox true uc-long "$long"

mkdir -p $place/jail/bin
cp /bin/storm $place/jail/bin/inside
chroot $place/jail /bin/inside nothing

mkdir /sys/fs/cgroup/uc-group
sh -c 'echo $$ >/sys/fs/cgroup/uc-group/cgroup.procs; exec /bin/busybox true uc-grouped'

map-executable /bin/busybox
check "another module loads" load_module crc7
check "and unloads" rmmod crc7

mkdir $place/mount $place/bound
mount --bind $place/jail $place/bound
mount -t tmpfs tmpfs $place/mount
# New mounts are looked for once a second.
sleep 2
echo late >$place/mount/late
cat $place/bound/bin/inside >/dev/null
umount $place/mount $place/bound
cat $place/jail/bin/inside >/dev/null

echo text >$place/closed
is "closes after reading can be asked for" "$(ask start 0xff)" done
cat $place/closed >/dev/null
is "and left out again" "$(ask start 0x7f)" done
cat $place/closed >/dev/null

host_say told sha256 "$(sha256sum $place/program | cut -d' ' -f1)"
sleep 1
is "all of it arrives" "$(ask sync)" done
