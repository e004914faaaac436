#!/bin/sh
# Take Docker away again: undocker.sh NOTES...   the notes of notes.sh, and `package=` lines of apt.sh
# Only what we installed, only where nobody else uses it. `clawrack:kept WHY` where it stays, `clawrack:removed` at the end.
set -u
umask 022
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
notes=$1

kept() {
    echo "clawrack:kept $*"
    exit 0
}

# removing needs no package source, so a broken one does not matter
apt() { apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=- "$@"; }

value() { sed -n "s/^$1=//p" "$notes"; }

used() {
    docker version >/dev/null 2>&1 || return 0
    [ -z "$(docker ps -aq)" ] || kept containers
    [ -z "$(docker volume ls -q)" ] || kept volumes
    [ -z "$(docker images -aq)" ] || kept images
    [ -z "$(docker network ls -q --filter type=custom)" ] || kept networks
}

# apt removes what depends on a package with it: then somebody else needs it
needed() {
    # shellcheck disable=SC2086
    apt -s purge $packages 2>/dev/null | sed -n 's/^\(Remv\|Purg\) \([^ ]*\).*/\2/p' | sort -u |
        while read -r name; do
            case " $packages " in *" $name "*) ;; *) echo "$name" ;; esac
        done
}

# What the engine left in the kernel; a reboot would take it too
unwire() {
    command -v iptables-save >/dev/null 2>&1 || return 0
    for table in nat filter; do
        iptables -w -t "$table" -S 2>/dev/null | grep -E 'DOCKER|docker0' | grep -xE -e '-A [A-Za-z0-9 ./:!,-]+' |
            while read -r _ rule; do
                # shellcheck disable=SC2086
                iptables -w -t "$table" -D $rule 2>/dev/null
            done
        for chain in $(iptables -w -t "$table" -S 2>/dev/null | sed -n 's/^-N \(DOCKER.*\)/\1/p'); do
            iptables -w -t "$table" -F "$chain"
        done
        for chain in $(iptables -w -t "$table" -S 2>/dev/null | sed -n 's/^-N \(DOCKER.*\)/\1/p'); do
            iptables -w -t "$table" -X "$chain"
        done
    done
    # without an iptables before us nobody had set a policy
    case " $packages " in *" iptables "*) iptables -w -P FORWARD ACCEPT ;; esac
    ip link delete docker0 2>/dev/null
    [ "$(value forward)" != 0 ] || echo 0 >/proc/sys/net/ipv4/ip_forward
}

[ "$(value docker)" = ours ] || kept before
packages=$(value package | tr '\n' ' ')
packages=${packages% }
[ -n "$packages" ] || kept before
used
others=$(needed | tr '\n' ' ')
[ -z "$others" ] || kept "needed ${others% }"
systemctl stop docker.socket docker.service containerd.service 2>/dev/null
unwire
# shellcheck disable=SC2086
apt -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 purge $packages || exit 23
for path in $(value absent); do
    case $path in
        /var/lib/docker | /var/lib/containerd | /opt/containerd | /etc/docker | /etc/docker/key.json | /etc/containerd | \
            /etc/cni) rm -rf "$path" ;;
    esac
done
[ "$(value group)" != docker ] || groupdel docker 2>/dev/null
echo "clawrack:removed"
