# SPDX-License-Identifier: Apache-2.0
# Refuses opens and execs by pushed rules, kills by command, and leaves the rest alone.
. /uc/lib.sh
. /uc/driver-lib.sh

plan 25
place=/tmp/uc-verdicts
mkdir -p $place/jail
echo secret >$place/secret
echo public >$place/public
cp /bin/storm $place/evil
cp /bin/storm $place/good
echo key >$place/some.key
echo other >$place/jail/secret
cp /bin/busybox $place/jail/sh
cp /bin/storm $place/hashed
echo other >>$place/hashed
hash=$(sha256sum $place/hashed | cut -d' ' -f1)

capabilities=$(($(cat $parameters/capabilities)))
is "verdicts were tried and work" $((capabilities >> 32 & 7)) 7

rules="[$(deny open path $place/secret),$(deny exec path $place/evil)]"
is "rules arrive" "$(ask rules "$rules")" done
refuse "a listed file does not open" cat $place/secret
check "another file opens" cat $place/public
refuse "a listed program does not run" $place/evil nothing
check "another program runs" $place/good nothing
mkdir $place/link
ln -s $place/secret $place/link/name
refuse "a symbolic link is no way round" cat $place/link/name
echo '#!'$place/evil >$place/script
chmod +x $place/script
refuse "nor is a script with that interpreter" $place/script

check "a chroot reads its own file" chroot $place/jail /sh -c 'read line </secret'
is "rules for a chroot arrive" "$(ask rules "[$(deny open path $place/jail/secret)]")" done
check "the old rules are gone" cat $place/secret
refuse "a chroot is no way round" chroot $place/jail /sh -c 'read line </secret'

is "rules by suffix and name arrive" \
  "$(ask rules "[$(deny open path-suffix .key),$(deny exec name evil)]")" done
refuse "a suffix is refused" cat $place/some.key
refuse "a name is refused" $place/evil nothing

check "a program runs until its hash is listed" $place/hashed nothing
sleep 1
is "rules by hash arrive" "$(ask rules "[$(deny exec sha256 "$hash")]")" done
refuse "a listed hash does not run again" $place/hashed nothing

rules="[$(deny exec path-prefix /memfd:uc-)]"
is "rules for what no mark covers arrive" "$(ask rules "$rules")" done
is "a listed memfd is killed at once" "$(run-memfd uc-evil)" "signal 9"
is "another memfd runs" "$(run-memfd friend)" "exit 0"

is "an empty table arrives" "$(ask rules "[]")" done
check "and refuses nothing" $place/evil nothing

sleep 1000 &
victim=$!
ask executed $victim >/dev/null
answers="$(ask kill $victim start) $(ask kill $victim generation) $(ask kill 1) $(ask kill 2)"
is "a wrong identity kills nobody" "$answers" "not-found not-found refused refused"
ask kill $victim >/dev/null
wait $victim
is "the right one kills" $? 137
