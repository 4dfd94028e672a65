#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Ordinary work in a Debian guest for false-positives.ts, which puts MINUTES and PACKAGES before it:
# packages, a build, accounts, cron, log rotation, services, logins. Nothing here is an attack.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
export DEBIAN_FRONTEND=noninteractive
end=$((SECONDS + MINUTES * 60))
left() { [ $SECONDS -lt $end ]; }
done_with() { echo "$SECONDS s: $*"; }

cat > /etc/cron.d/ordinary <<'CRON'
* * * * * root find /var/log -name '*.log' -size +1k | xargs -r wc -c > /var/tmp/logsizes
* * * * * nobody cd / && run-parts --report --test /etc/cron.hourly
*/2 * * * * root [ -x /usr/sbin/logrotate ] && /usr/sbin/logrotate -f /etc/logrotate.conf
CRON

build() {
  while left; do
    rm -rf /var/tmp/build && mkdir -p /var/tmp/build && cd /var/tmp/build || return
    tar xzf /usr/src/hello_*.orig.tar.gz && cd hello-* || return
    ./configure --prefix=/usr/local > /dev/null 2>&1 && make > /dev/null 2>&1 &&
      make install > /dev/null 2>&1 && done_with "hello built: $(/usr/local/bin/hello)"
    printf 'int main(void) { return 0; }\n' > /tmp/nothing.c
    gcc -O2 -o /tmp/nothing /tmp/nothing.c && strip /tmp/nothing && /tmp/nothing
  done
}

packages() {
  # One after the other, then all at once, as people and as tools do.
  for package in $PACKAGES; do
    left || return
    apt-get install -y --no-download --no-install-recommends "$package" > /dev/null 2>&1
    done_with "$package installed: $?"
  done
  while left; do
    apt-get remove -y --purge $PACKAGES > /dev/null 2>&1
    apt-get autoremove -y --purge > /dev/null 2>&1
    done_with "all removed: $?"
    left || return
    apt-get install -y --no-download --no-install-recommends $PACKAGES > /dev/null 2>&1
    done_with "all installed: $?"
  done
}

people() {
  while left; do
    id alice > /dev/null 2>&1 || useradd -m -s /bin/bash -c 'Alice' alice
    echo 'alice:a long pass phrase' | chpasswd
    usermod -aG adm alice
    su - alice -c 'mkdir -p .ssh notes && echo text > notes/one && tar czf notes.tgz notes &&
      ls -la; id; crontab -l; date; grep -r text notes; rm -rf notes' > /dev/null 2>&1
    script -qc 'login -f alice' /dev/null <<< 'whoami; uptime; exit' > /dev/null 2>&1
    su - alice -c 'echo "5 4 * * * true" | crontab -; crontab -r'
    command -v sudo > /dev/null && sudo -u alice true
    command -v git > /dev/null && su - alice -c 'rm -rf r; git init -q r; cd r &&
      echo a > a; git add a; git -c user.name=a -c user.email=a@b commit -qm a;
      git log; git gc -q' > /dev/null 2>&1
    command -v python3 > /dev/null && python3 -c 'import os; os.system("true")'
    userdel -r alice > /dev/null 2>&1
    sleep 5
  done
}

upkeep() {
  while left; do
    systemctl restart rsyslog cron
    systemctl status > /dev/null
    systemctl list-timers > /dev/null
    systemd-tmpfiles --clean
    systemctl start logrotate.service dpkg-db-backup.service systemd-tmpfiles-clean.service
    journalctl -n 20 --no-pager > /dev/null
    ps aux > /dev/null; ss -ltn > /dev/null; ip address > /dev/null; df -h > /dev/null
    free > /dev/null; mount > /dev/null; uname -a > /dev/null; dmesg | tail > /dev/null
    dpkg --verify > /dev/null; ldconfig; sysctl -a > /dev/null 2>&1
    command -v curl > /dev/null && curl -s http://127.0.0.1/ > /dev/null
    run-parts /etc/cron.daily > /dev/null 2>&1
    tar czf /var/tmp/etc.tgz -C / etc && rm /var/tmp/etc.tgz
    logger "an ordinary line"
    done_with "a round of upkeep"
    sleep 5
  done
}

done_with "begins, for $MINUTES minutes"
build & packages & people & upkeep &
sleep $((MINUTES * 60))
kill $(jobs -p)
wait
done_with "ends"
