# --- journal ------------------------------------------------------------------------------------------------------
# The last lines that our units, and the engine's, left in the journal; without systemd, the watcher's own. Reads,
# changes nothing.

verb_journal() { # LINES
    is_number "$1" 1 2000 || bad number "$1"
    has_systemd || {
        [ ! -d "$DATA" ] || tail -q -n "$1" "$DATA/watch.log.1" "$DATA/watch.log" 2>/dev/null | tail -n "$1" || :
        return 0
    }
    timeout 20 journalctl --no-pager --no-hostname -q -o short-iso -n "$1" -u 'clawrack-*' -u docker.service
}
