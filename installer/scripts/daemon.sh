#!/bin/sh
# Docker's settings take the place of those that are there: daemon.sh NOTES WAS   the new ones: /run/clawrack-job/daemon.json
#   WAS  the sha256 of what is there, as it was read; `-` where nothing is: somebody else's change is not overwritten
# The old are kept beside, and NOTES gets `daemon=SHA256` of the new, so that removal knows whether they are still ours.
# `reason=` and exit 1 where Docker would not take them (it can tell from release 23 on), 2 where they changed meanwhile.
set -u
umask 022
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
notes=$1
was=$2
new=/run/clawrack-job/daemon.json
file=/etc/docker/daemon.json

sum() { sha256sum "$1" | cut -d ' ' -f 1; }

now=-
[ ! -e "$file" ] || now=$(sum "$file")
[ "$now" = "$was" ] || exit 2
if dockerd --help 2>/dev/null | grep -q -e --validate; then
    said=$(dockerd --validate --config-file "$new" 2>&1) || { echo "reason=$(echo "$said" | tail -n 1)"; exit 1; }
fi
mkdir -p /etc/docker
if [ -e "$file" ]; then
    [ -e "$file.before-clawrack" ] || cp -p "$file" "$file.before-clawrack" || exit 1
    cp -p "$file" "$file.new" || exit 1
fi
cat "$new" >"$file.new" || exit 1
echo "daemon=$(sum "$file.new")" >>"$notes"
sync
mv "$file.new" "$file"
rm -f "$new"
sync
