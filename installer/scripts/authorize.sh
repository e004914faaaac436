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

remove() {
    grep -qxF "$made_folder" "$file" && ours=folder || ours=""
    grep -vF -- "$bare" "$file" | grep -vxF -e "$made" -e "$made_folder" >"$file.clawrack" || :
    if [ ! -s "$file.clawrack" ] && grep -qxF -e "$made" -e "$made_folder" "$file"; then
        rm -f "$file"
    else
        cat "$file.clawrack" >"$file" # in place: owner, mode and links stay
    fi
    rm -f "$file.clawrack"
    [ -z "$ours" ] || rmdir "${file%/*}" 2>/dev/null || :
    sync
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
