#!/bin/sh
# Which of the programs are missing: have.sh PROGRAM...   `missing=` with their names, `busy=PID NAME` for who holds the
# package manager
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
missing=""
for name in "$@"; do
    command -v "$name" >/dev/null 2>&1 || missing="$missing $name"
done
# Where the kernel has AppArmor on, Docker needs its parser
if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ] && ! command -v apparmor_parser >/dev/null 2>&1; then
    missing="$missing apparmor_parser"
fi
echo "missing=${missing# }"
for path in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock \
    /var/lib/rpm/.rpm.lock /usr/lib/sysimage/rpm/.rpm.lock /lib/apk/db/lock /usr/lib/apk/db/lock; do
    [ -e "$path" ] || continue
    # shellcheck disable=SC2046,SC2012
    set -- $(ls -i "$path" 2>/dev/null)
    pid=$(awk -v tail=":$1" '$2 != "->" && substr($6, length($6) - length(tail) + 1) == tail {print $5; exit}' /proc/locks)
    [ -n "$pid" ] || continue
    echo "busy=$pid $(cat "/proc/$pid/comm" 2>/dev/null)"
    break
done
# dnf and zypper write down who they are; pacman leaves a file that says only that somebody is there
for path in /var/cache/dnf/metadata_lock.pid /var/lib/dnf/rpmdb_lock.pid /run/zypp.pid; do
    pid=$(cat "$path" 2>/dev/null)
    [ -n "$pid" ] && [ -d "/proc/$pid" ] && echo "busy=$pid $(cat "/proc/$pid/comm" 2>/dev/null)"
done
[ ! -e /var/lib/pacman/db.lck ] || echo "busy=? pacman"
exit 0
