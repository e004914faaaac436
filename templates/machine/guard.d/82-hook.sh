# --- the boot hook: what starts the watcher after a boot -----------------------------------------------------------
# HOOK=FORM:PATH, by the installer's table of makers; nothing where units of systemd's do it.
#   file  PATH is a program of our own, which the system starts with `start` (rc.d, local.d)
#   line  PATH is the system's own script; one line of ours is in it, before an `exit 0` at its end
#   cron  PATH is the system's own table; one line of ours is in it, and whom it finds watched it leaves alone
# The manifest has `file PATH` or `line PATH`. The hook starts DATA/boot.sh, which also puts the guard back where the
# system keeps /usr/local in memory.

HOOK_MARK='# clawrack: starts its guard after a boot'
HOOK_FORM=${HOOK%%:*}
HOOK_PATH=${HOOK#*:}

hook_valid() {
    [ -n "$HOOK" ] || return 0
    case $HOOK in
    file:/* | line:/* | cron:/*) ;;
    *) return 1 ;;
    esac
    case $HOOK_PATH in *[!A-Za-z0-9._/@-]*) return 1 ;; esac
}

install_hook() { # the spare guard first, what starts it then, the hook last
    [ -n "$HOOK" ] || return 0
    mkdir -p "$DATA/spare"
    place "$DATA/spare/guard.sh" 0755 <"$GUARD"
    boot_script | place "$DATA/boot.sh" 0755
    if [ "$HOOK_FORM" = file ]; then
        record "file $HOOK_PATH"
        mkdir -p "${HOOK_PATH%/*}"
        hook_script | place "$HOOK_PATH" 0755
    else
        record "line $HOOK_PATH"
        hook_is_there || hook_write add
    fi
}

boot_script() {
    cat <<END
#!/bin/sh
# Written by clawrack. Started by this system's boot hook.
[ "\${1:-start}" = start ] || exit 0
if [ ! -x $GUARD ]; then
    mkdir -p $LIB && chmod 0755 $LIB && cp -p $DATA/spare/* $LIB/ || exit 1
fi
mkdir -p $RUN && chmod 0700 $RUN
flock -n $RUN/watch.lock true || exit 0
$GUARD watch </dev/null >/dev/null 2>&1 &
END
}

hook_script() { # the volume may come later than the hook
    cat <<END
#!/bin/sh
$HOOK_MARK
[ "\${1:-start}" = start ] || exit 0
{
    waited=0
    until [ -x $DATA/boot.sh ] || [ \$waited -ge 900 ]; do
        sleep 1
        waited=\$((waited + 1))
    done
    exec $DATA/boot.sh
} </dev/null >/dev/null 2>&1 &
END
}

hook_line() {
    case $HOOK_FORM in
    line) echo "(until [ -x $DATA/boot.sh ]; do sleep 5; done; exec $DATA/boot.sh) </dev/null >/dev/null 2>&1 & $HOOK_MARK" ;;
    cron) echo "* * * * * $DATA/boot.sh >/dev/null 2>&1 $HOOK_MARK" ;;
    esac
}

hook_is_there() { # [FILE]
    wanted=$(hook_line)
    set -- "${1:-$HOOK_PATH}"
    [ -r "$1" ] || return 1
    while IFS= read -r line || [ -n "$line" ]; do [ "$line" != "$wanted" ] || return 0; done <"$1"
    return 1
}

# Standard input byte for byte without our line; with `add`, our line in it: at the end, or before an `exit 0` that
# ends the script. A last line without its end stays one, so that taking ours out again gives what was there.
hook_lines() { # add|take
    at=0
    [ "$1" = take ] || at=$(hook_exit_at <"$hook_file")
    nth=0
    break=
    while IFS= read -r line || [ -n "$line" ]; do
        nth=$((nth + 1))
        case $line in *"$HOOK_MARK") continue ;; esac
        [ $nth != "$at" ] || hook_put "$(hook_line)" || return 1
        hook_put "$line" || return 1
    done <"$hook_file"
    [ "$1" = take ] || [ "$at" != 0 ] || hook_put "$(hook_line)" || return 1
    [ -z "$break" ] || [ "$(tail -c 1 "$hook_file" | tr -d '\n' | wc -c)" -ne 0 ] || echo
}

hook_put() { # LINE
    printf '%s%s' "$break" "$1" || return 1
    break='
'
}

hook_exit_at() { # the number of the line with the `exit 0` that ends a script; 0 where none does
    nth=0
    found=0
    while IFS= read -r line || [ -n "$line" ]; do
        nth=$((nth + 1))
        case $line in
        '' | *"$HOOK_MARK") ;;
        'exit 0' | exit) found=$nth ;;
        *) found=0 ;;
        esac
    done
    echo $found
}

hook_whole() { # add|take: written, and then read again: all that is the maker's is there, byte for byte
    hook_lines "$1" || return 1
    [ "$(hook_size "$hook_file")" = "$(hook_size "$rewritten.clawrack")" ] || return 1
    [ "$(hook_theirs "$hook_file" | sha256sum)" = "$(hook_theirs "$rewritten.clawrack" | sha256sum)" ] || return 1
    [ "$1" = take ] || hook_is_there "$rewritten.clawrack"
}

hook_theirs() (hook_file=$1 && hook_lines take) # FILE → without our lines

hook_size() { # FILE → its bytes without our lines; a shell passes over bytes that are 0, and this does not
    hook_bytes=$(wc -c <"$1") || return 1
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in *"$HOOK_MARK") hook_bytes=$((hook_bytes - ${#line} - 1)) ;; esac
    done <"$1"
    echo "$hook_bytes"
}

hook_write() { # add|take: by one rename, owner and mode kept; a link stays one
    hook_file=$(readlink -f "$HOOK_PATH" 2>/dev/null) || hook_file=
    [ -n "$hook_file" ] || hook_file=$HOOK_PATH
    [ -e "$hook_file" ] || refuse hook "$HOOK_PATH is not there"
    rewrite "$hook_file" hook_whole "$1" || fail hook "$HOOK_PATH could not be written"
    CHANGED=1
    hook_told
}

hook_told() { # a table of cron's counts when cron was told
    [ "$HOOK_FORM" = cron ] || return 0
    ! command -v crontab >/dev/null 2>&1 || crontab "$HOOK_PATH" 2>/dev/null || :
}

drop_hook_line() { # PATH, as the manifest has it
    HOOK_PATH=$1
    case $HOOK in cron:*) HOOK_FORM=cron ;; esac
    [ ! -e "$HOOK_PATH" ] || hook_write take
}

hook_ok() { # is the hook as it should be?
    case $HOOK_FORM in
    '') return 0 ;;
    file) [ -x "$HOOK_PATH" ] && [ "$(hook_script | sha256sum)" = "$(sha256sum <"$HOOK_PATH")" ] ;;
    *) hook_is_there ;;
    esac
}
