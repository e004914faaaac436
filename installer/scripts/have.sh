#!/bin/sh
# Which of the programs are missing: have.sh PROGRAM...   `missing=` with their names, `busy=PID NAME` for who holds apt
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
for path in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock; do
    [ -e "$path" ] || continue
    # shellcheck disable=SC2046,SC2012
    set -- $(ls -i "$path" 2>/dev/null)
    pid=$(awk -v tail=":$1" '$2 != "->" && substr($6, length($6) - length(tail) + 1) == tail {print $5; exit}' /proc/locks)
    [ -n "$pid" ] || continue
    echo "busy=$pid $(cat "/proc/$pid/comm" 2>/dev/null)"
    break
done
