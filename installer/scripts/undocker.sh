#!/bin/sh
# Take Docker away again: undocker.sh NOTES...   the notes of notes.sh, and `package=` lines of apt.sh
# Only what we installed, only where nobody else uses it. `clawrack:kept WHY` where it stays, `clawrack:removed` at the end.
# shellcheck disable=SC2086 # $packages is a list of words
set -u
umask 022
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
notes=$1
started=""

kept() {
    [ -z "$started" ] || service stop
    echo "clawrack:kept $*"
    exit 0
}

# removing needs no package source, so a broken one does not matter
apt() { apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=- "$@"; }

value() { sed -n "s/^$1=//p" "$notes"; }

# Nobody is known not to use it until it has said so itself
used() {
    command -v dockerd >/dev/null 2>&1 || [ -e /var/lib/docker ] || return 0 # it never ran
    awake
    none containers ps -aq
    none volumes volume ls -q
    none images images -aq
    none networks network ls -q --filter type=custom
}

none() { # WHAT WORDS...: docker's answer to the words is empty
    what=$1
    shift
    said=$(timeout 60 docker "$@" 2>/dev/null) || kept unknown
    [ -z "$said" ] || kept "$what"
}

awake() { # one that was stopped is started once, to be asked
    timeout 60 docker version >/dev/null 2>&1 && return 0
    # one that runs and does not answer may have work: it is not ours to stop
    grep -qx dockerd /proc/[0-9]*/comm 2>/dev/null || started=1
    service start
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        timeout 60 docker version >/dev/null 2>&1 && return 0
        sleep 3
    done
    kept unknown
}

service() { # start|stop
    if command -v rc-service >/dev/null 2>&1 && [ ! -d /run/systemd/system ]; then
        rc-service docker "$1"
    elif [ "$1" = start ]; then
        systemctl start docker.service
    else
        systemctl stop docker.socket docker.service
    fi >/dev/null 2>&1
}

# The notes say which; machines that were prepared when there was only apt have no such line
others() { # what else would have to go
    case $manager in
        apt) needed ;;
        # rpm: "	NAME is needed by (installed) OTHER-1.0"; pacman: "removing NAME breaks dependency 'NAME' required by OTHER"
        dnf | zypper) rpm -e --test $packages 2>&1 | sed -n 's/.* is needed by (installed) \([^ ]*\).*/\1/p' ;;
        pacman) pacman -R --print $packages 2>&1 | sed -n 's/.* required by \([^ ]*\).*/\1/p' ;;
        apk) apk del -s $packages 2>/dev/null | sed -n 's/^  *\([^ ]*\): \(.*\)/\2/p' | tr ' ' '\n' ;;
    esac | sort -u
}

take() {
    case $manager in
        apt) apt -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 purge $packages ;;
        dnf | zypper) rpm -e $packages ;; # exactly these, where dnf would take what else nobody seems to need
        pacman) pacman -R --noconfirm $packages ;;
        apk) apk --wait 600 del $packages ;;
    esac
}

halt() {
    if command -v rc-service >/dev/null 2>&1 && [ ! -d /run/systemd/system ]; then
        rc-service docker stop
        rc-update -q del docker default
    else
        systemctl stop docker.socket docker.service containerd.service
    fi 2>/dev/null
}

# Its settings: as they were, where nobody changed them after us
daemon() {
    file=/etc/docker/daemon.json
    ours=$(value daemon | tail -n 1)
    [ -n "$ours" ] || return 0
    if [ "$(sha256sum "$file" 2>/dev/null | cut -d ' ' -f 1)" != "$ours" ]; then
        [ ! -e "$file" ] || echo "clawrack:daemon changed"
    elif [ -e "$file.before-clawrack" ]; then
        mv "$file.before-clawrack" "$file"
    else
        rm -f "$file"
    fi
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
manager=$(value manager | tail -n 1)
manager=${manager:-apt}
also=$(others | tr '\n' ' ')
[ -z "$also" ] || kept "needed ${also% }"
halt
unwire
take || exit 23
daemon
for path in $(value file); do
    case $path in
        /etc/yum.repos.d/clawrack-docker-ce.repo | /etc/pki/rpm-gpg/RPM-GPG-KEY-clawrack-docker-ce) rm -f "$path" ;;
    esac
done
for path in $(value absent); do
    case $path in
        /var/lib/docker | /var/lib/containerd | /opt/containerd | /etc/docker | /etc/docker/key.json | /etc/containerd | \
            /etc/cni) rm -rf "$path" ;;
    esac
done
[ "$(value group)" != docker ] || groupdel docker 2>/dev/null
echo "clawrack:removed"
