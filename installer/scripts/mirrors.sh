#!/bin/sh
# Try mirrors from this machine, all at once, changing nothing: mirrors.sh SECONDS PATH MARK URL...
#   PATH  is fetched below each URL, by the tool that will fetch packages: apt's own where there is apt
#   MARK  a line of what comes begins with it, or holds it: else it is something else
# `mirror=URL STATUS right|wrong HUNDREDTHS` for each; status 0 where no answer came in time.
set -u
umask 077
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
seconds=$1
path=$2
mark=$3
shift 3
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

now() {
    read -r up _ </proc/uptime
    echo "${up%.*}${up#*.}"
}

# fetch URL FILE: prints the status
fetch() {
    if [ -x /usr/lib/apt/apt-helper ]; then
        if timeout "$seconds" /usr/lib/apt/apt-helper -o Acquire::Retries=0 -o "Acquire::http::Timeout=$seconds" \
            -o "Acquire::https::Timeout=$seconds" download-file "$1" "$2" >"$2.log" 2>&1; then
            echo 200
        else
            sed -n 's/^E: Failed to fetch [^ ]*  *\([1-5][0-9][0-9]\) .*/\1/p' "$2.log" | head -n 1
        fi
    elif command -v curl >/dev/null 2>&1; then
        curl -sL -m "$seconds" --max-filesize 4000000 -o "$2" -w '%{http_code}' "$1" 2>/dev/null
    else
        timeout "$seconds" wget -q -O "$2" "$1" >/dev/null 2>&1 && echo 200
    fi
}

# try NUMBER URL
try() {
    began=$(now)
    status=$(fetch "$2/$path" "$work/$1")
    took=$(($(now) - began))
    right=wrong
    [ -f "$work/$1" ] && head -c 4000000 "$work/$1" | grep -qF -e "$mark" && right=right
    case $status in [1-5][0-9][0-9]) ;; *) status=0 ;; esac
    echo "mirror=$2 $status $right $took" >"$work/$1.said"
}

number=0
for url in "$@"; do
    number=$((number + 1))
    try "$number" "$url" </dev/null &
done
wait
cat "$work"/*.said
