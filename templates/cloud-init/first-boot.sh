#!/bin/sh
# A cloud machine prepares itself at its first boot: first-boot.sh LOGIN MANAGER SOURCE NUMBERS FILE... -- PACKAGE...
#   LOGIN     that clawrack will use; empty for the image's own
#   MANAGER   of packages: apt dnf zypper apk pacman
#   SOURCE    as apt.sh and others.sh take it; @RELEASE@ in it becomes the system's number
#   NUMBERS   that are called otherwise there: 3=8,4=9; or -
#   FILE      what an engine makes beside its packages' own files
# What it leaves is what `clawrack setup` would have left by then; whatever goes wrong here, setup does again.
set -u
umask 022
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
here=${0%/*}
notes=/var/lib/clawrack/prepare
login=$1 manager=$2 source=$3 numbers=$4
shift 4
made=""
while [ "$1" != -- ]; do
    made="$made $1"
    shift
done
shift

tell() { echo "clawrack: $*"; }

number() { # the first part of the system's own number, as the source calls it
    own=$(sed -n 's/^VERSION_ID="\{0,1\}\([^".]*\).*/\1/p' /etc/os-release)
    for pair in $(echo "$numbers" | tr ',' ' '); do
        [ "${pair%%=*}" != "$own" ] || own=${pair#*=}
    done
    echo "$own"
}

install() {
    case $manager in
    apt) sh "$here/apt.sh" "$notes" 600 "$source" "$@" ;;
    *) sh "$here/others.sh" "$manager" "$notes" 600 "$(echo "$source" | sed "s/@RELEASE@/$(number)/")" "$@" ;;
    esac
}

prepare() {
    # shellcheck disable=SC2086 # a list of paths
    sh "$here/notes.sh" first "$notes" $made
    if install "$@" && sh "$here/engine.sh" up "$notes" 45; then
        tell "Docker answers"
    else
        tell "Docker is not ready; clawrack setup sees to it"
    fi
}

host_key() { # on the cloud's console and in /var/log/cloud-init-output.log, for a person to compare
    for key in ed25519 ecdsa rsa; do
        file=/etc/ssh/ssh_host_${key}_key.pub
        [ -f "$file" ] || continue
        shown=$(ssh-keygen -lf "$file" | cut -d ' ' -f 2)
        tell "host key ($key) $shown"
        [ "$key" != ed25519 ] || tell "clawrack setup --machine ${login:-LOGIN}@ADDRESS --fingerprint $shown"
    done
}

if command -v "$(echo "$manager" | sed 's/^apt$/apt-get/')" >/dev/null 2>&1; then
    prepare "$@"
else
    tell "no $manager here: Docker is left to clawrack setup"
fi
host_key
rm -rf "$here"
