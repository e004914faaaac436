#!/bin/sh
# Long work, detached, so that a cut wire does not kill it and a second run finds it again.
#   job.sh start NAME ARGS...   run /run/clawrack-job/NAME/script with the arguments, unless it is running
#   job.sh wait NAME SECONDS    at most so long until it ends; `state=running|ended|gone`, `rc=`, `line=` (its last)
#   job.sh clear NAME           forget an ended one
# After an end that is not 0: `log=` for each of the last lines.
set -u
umask 077
export LC_ALL=C
verb=$1
name=$2
shift 2
dir=/run/clawrack-job/$name
unit=clawrack-job-$name

ended() { [ -f "$dir/rc" ]; }

running() {
    ended && return 1
    if [ -d /run/systemd/system ]; then
        case $(systemctl is-active "$unit.service" 2>/dev/null) in active | activating | deactivating) return 0 ;; esac
        return 1
    fi
    [ -f "$dir/pid" ] && kill -0 "$(cat "$dir/pid")" 2>/dev/null
}

start() {
    if running; then
        echo state=running
        return 0
    fi
    rm -f "$dir/rc" "$dir/log" "$dir/pid"
    cat >"$dir/run" <<'END'
dir=$1
shift
echo $$ >"$dir/pid"
sh "$dir/script" "$@" >"$dir/log" 2>&1 </dev/null
echo $? >"$dir/rc.new"
mv "$dir/rc.new" "$dir/rc"
END
    if [ -d /run/systemd/system ]; then
        systemctl reset-failed "$unit.service" 2>/dev/null
        systemd-run --quiet --collect --unit="$unit" /bin/sh "$dir/run" "$dir" "$@" || return 1
    else
        setsid sh "$dir/run" "$dir" "$@" </dev/null >/dev/null 2>&1 &
        while [ ! -f "$dir/pid" ]; do sleep 1; done
    fi
    echo state=started
}

state() {
    if ended; then
        echo state=ended
        echo "rc=$(cat "$dir/rc")"
    elif running; then
        echo state=running
    elif ended; then # it ended between the two looks
        echo state=ended
        echo "rc=$(cat "$dir/rc")"
    else
        echo state=gone
    fi
}

wait_for() {
    tenths=$(($1 * 10))
    while [ "$tenths" -gt 0 ] && running; do
        sleep 0.1 2>/dev/null || { sleep 1; tenths=$((tenths - 9)); }
        tenths=$((tenths - 1))
    done
    state
    [ -f "$dir/log" ] || return 0
    echo "line=$(tail -c 2000 "$dir/log" | tr '\r' '\n' | grep -v '^[[:space:]]*$' | tail -n 1)"
    grep '^clawrack:' "$dir/log" | sed 's/^clawrack:/told=/'
    ended && [ "$(cat "$dir/rc")" != 0 ] && tail -c 6000 "$dir/log" | tr '\r' '\n' | grep -v '^[[:space:]]*$' |
        tail -n 40 | sed 's/^/log=/'
    return 0
}

case $verb in
start) start "$@" ;;
wait) wait_for "$@" ;;
clear) running || rm -rf "$dir" ;;
esac
