#!/bin/sh
# What was there before us, so that removal leaves it: notes.sh first FILE PATH... | show FILE... | clear
#   first   before anything changes: `docker=before|ours`, `absent=PATH` for each path that is not there
#   show    the lines of the first of the files that is there
#   clear   the traces of jobs that have ended
set -eu
umask 077
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
verb=$1
shift

# Again until something of ours has come: what a person did after a setup that failed was before us, too
first() {
    file=$1
    shift
    mkdir -p "${file%/*}"
    if grep -qE '^(package|daemon)=' "$file" 2>/dev/null; then
        ours_still "$file" || put "$file" kept_docker "$file"
    else
        put "$file" measured "$file" "$@"
    fi
}

measured() { # FILE PATH...
    echo version=1
    if command -v dockerd >/dev/null 2>&1; then echo docker=before; else echo docker=ours; fi
    echo "forward=$(cat /proc/sys/net/ipv4/ip_forward)"
    grep -q '^docker:' /etc/group || echo group=docker
    noted=$1
    shift
    for path in "$@"; do
        [ -e "$path" ] || echo "absent=$path"
    done
    [ ! -s "$noted" ] || sed -E '/^(version|docker|forward|group|absent)=/d' "$noted"
}

kept_docker() { sed 's/^docker=ours$/docker=before/' "$1"; }

# Is the engine that is there, if there is one, of a package that we noted?
ours_still() { # FILE
    engine=$(command -v dockerd) || return 0
    owner=$(owner_of "$(readlink -f "$engine")" 2>/dev/null) || owner=""
    while IFS= read -r line; do
        name=${line#package=}
        [ "$name" != "$line" ] || continue
        # apk's answer has the version behind the name
        case $owner in "$name" | "$name"[-=][0-9]*) return 0 ;; esac
    done <"$1"
    return 1
}

owner_of() { # PATH → the package that it is of
    if command -v dpkg-query >/dev/null 2>&1; then
        dpkg-query -S "$1" | sed -n 's/:.*//p' | head -n 1
    elif command -v rpm >/dev/null 2>&1; then
        rpm -qf --qf '%{NAME}\n' "$1"
    elif command -v apk >/dev/null 2>&1; then
        apk info -q -W "$1"
    elif command -v pacman >/dev/null 2>&1; then
        pacman -Qqo "$1"
    fi
}

put() { # FILE COMMAND...
    new=$1.new
    shift
    "$@" >"$new"
    sync
    mv "$new" "${new%.new}"
    sync
}

show() {
    for file in "$@"; do
        [ -f "$file" ] || continue
        cat "$file"
        return 0
    done
}

clear_jobs() {
    for rc in /run/clawrack-job/*/rc; do
        [ ! -f "$rc" ] || rm -rf "${rc%/*}"
    done
    rmdir /run/clawrack-job 2>/dev/null || :
}

case $verb in
first) first "$@" ;;
show) show "$@" ;;
clear) clear_jobs ;;
esac
