#!/bin/sh
# Our key opens this login: authorize.sh look|add|remove PUBLIC-KEY-LINE [RIGHTS]
#   look    `there=1` where it does already      add     the line once, at the end      remove  the line, nothing else
# With RIGHTS (`restrict,port-forwarding`) our key may do that much and no more; without, a line of ours that had them
# loses them.
# `path=` the file that sshd reads. What a person wrote there stays byte for byte, but for the final newline it lacked.
# A file or folder that we had to make says so in a comment of its own, so that removal knows.
set -eu
umask 077
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
made="# clawrack made this file"
made_folder="# clawrack made this folder"
verb=$1
key=$2
rights=${3:-}
# type and key, without the comment
bare=$(printf '%s' "$key" | cut -d ' ' -f 1,2)

# Where sshd looks: root may ask it; else what it does unless told otherwise
place() {
    told=""
    if [ "$(id -u)" = 0 ]; then
        told=$(sshd -T -C "user=$(id -un),host=localhost,addr=127.0.0.1" 2>/dev/null |
            sed -n 's/^authorizedkeysfile \([^ ]*\).*/\1/p')
    else # sshd tells root alone; its files mostly tell everybody, and the first value counts
        told=$(cat /etc/ssh/sshd_config.d/*.conf /etc/ssh/sshd_config 2>/dev/null |
            sed -n 's/^[[:space:]]*[Aa]uthorized[Kk]eys[Ff]ile[[:space:]=]*"*\([^ "]*\).*/\1/p' | head -n 1)
    fi
    told=$(printf '%s' "${told:-.ssh/authorized_keys}" | sed "s,%h,$HOME,g;s,%u,$(id -un),g;s,%%,%,g")
    case $told in
        /*) echo "$told" ;;
        none) ;;
        *) echo "$HOME/$told" ;;
    esac
}

there() { [ -f "$file" ] && grep -F -- "$bare" "$file" | grep -qv '^[[:space:]]*#'; }

plain() { grep -F -- "$bare" "$file" | grep -q '^ssh-'; }

add() {
    folder=${file%/*}
    fresh=""
    [ -e "$file" ] || fresh=$made
    [ -d "$folder" ] || fresh=$made_folder
    mkdir -p "$folder"
    # sshd passes over a file that others could write
    case $folder in "$HOME"/*) chmod go-w "$HOME" "$folder" ;; esac
    [ -s "$file" ] && [ "$(tail -c 1 "$file" | tr -d '\n' | wc -c)" -ne 0 ] && echo >>"$file"
    { [ -z "$fresh" ] || echo "$fresh"; printf '%s\n' "${rights:+$rights }$key"; } >>"$file"
    chmod go-w "$file"
    if command -v restorecon >/dev/null 2>&1; then restorecon -F "$folder" "$file" 2>/dev/null || :; fi
    sync
}

# By one rename, and only where what is left is whole: a full disk takes nobody's keys
remove() {
    real=$(readlink -f "$file") # a link stays one
    ours=$(printf '%s' "$bare" | sed 's/[.]/[.]/g')
    folder=""
    if grep -qxF "$made_folder" "$real"; then folder=${file%/*}; fi
    new=$(mktemp "$real.XXXXXX") || unwritten
    trap 'rm -f "$new"' EXIT
    cp -p "$real" "$new" || unwritten # owner and mode
    rc=0
    grep -v -e "$ours" -e "^$made\$" -e "^$made_folder\$" "$real" >"$new" || rc=$?
    gone=$(grep -c -e "$ours" -e "^$made\$" -e "^$made_folder\$" "$real") || unwritten
    # a line that was cut has no end, and does not count
    if [ "$rc" -gt 1 ] || [ "$(wc -l <"$new")" -ne $(($(grep -c '' "$real") - gone)) ]; then unwritten; fi
    sync "$new" || unwritten
    if [ ! -s "$new" ] && grep -qxF -e "$made" -e "$made_folder" "$real"; then
        rm -f "$real" || unwritten
    else
        if command -v restorecon >/dev/null 2>&1; then restorecon -F "$new" 2>/dev/null || :; fi
        mv -f "$new" "$real" || unwritten
    fi
    rm -f "$new"
    [ -z "$folder" ] || rmdir "$folder" 2>/dev/null || :
    sync
}

unwritten() {
    echo "reason=$file could not be written, and is as it was"
    exit 1
}

file=$(place)
if [ -z "$file" ]; then
    echo "reason=sshd reads no authorized keys for this login"
    exit 1
fi
echo "path=$file"
case $verb in
add)
    # a machine that we only passed through is one of ours now
    if [ -z "$rights" ] && there && ! plain; then remove; fi
    if there; then echo there=1; else add; fi
    ;;
remove) if there; then remove; fi ;;
look) if there; then echo there=1; fi ;;
esac
