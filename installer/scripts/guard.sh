#!/bin/sh
# The guard's files: guard.sh look | install SHA256 VERSION [CLAWRACK_NAME=VALUE…]
#   look     `by=VERSION` of the clawrack that brought it last, and `brought=SHA256` of what it brought, where what
#            it became is still there, root's alone to change
#   install  check what was brought (/run/clawrack-job/guard.tar), unpack it, let it install itself, note it; told once:
#            a guard that is there already keeps its own settings, whatever is said
set -u
umask 022
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
lib=/usr/local/lib/clawrack
note=$lib/brought
tar=/run/clawrack-job/guard.tar
work=/run/clawrack-job/guard

sum() { sha256sum "$1" 2>/dev/null | cut -d ' ' -f 1; }

look() {
    [ -f "$note" ] && [ -x "$lib/guard.sh" ] || return 0
    read -r brought placed by <"$note"
    echo "by=$by"
    [ "$placed" = "$(sum "$lib/guard.sh")" ] || return 0
    [ -z "$(find "$lib" ! -type l \( ! -user root -o -perm /022 \) | head -n 1)" ] || return 0
    echo "brought=$brought"
}

# setting NAME: of the guard that is there; the values are plain words
setting() { sed -n "s|^$1='\([A-Za-z0-9._/:@-]*\)'\$|\1|p" "$lib/guard.sh" 2>/dev/null | head -n 1; }

settings() {
    for name in DATA DOCKER SUPERVISOR HOOK; do
        value=$(setting "$name")
        [ -z "$value" ] || echo "CLAWRACK_$name=$value"
    done
}

install() {
    digest=$1
    version=$2
    shift 2
    [ "$(sum "$tar")" = "$digest" ] || { echo "reason=it arrived damaged"; exit 1; }
    rm -rf "$work"
    mkdir -p "$work" || exit 1
    tar -xf "$tar" -C "$work" || exit 1
    env "$@" $(settings) sh "$work/guard.sh" install || exit 1
    data=$(setting DATA)
    # the guard's own list of what goes with it
    grep -qxF "file $note" "$data/manifest" || echo "file $note" >>"$data/manifest"
    chown -R root:root "$lib" && chmod -R go-w "$lib" || exit 1
    echo "$digest $(sum "$lib/guard.sh") $version" >"$note.new" && mv "$note.new" "$note"
    [ ! -d "$data/spare" ] || cp -p "$note" "$data/spare/brought"
    rm -rf "$work" "$tar"
    sync
}

case $1 in
look) look ;;
install)
    shift
    install "$@"
    ;;
esac
