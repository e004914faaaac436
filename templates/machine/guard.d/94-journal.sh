# --- journal ------------------------------------------------------------------------------------------------------
# The last lines that our units, and the engine's, left in the journal. Reads, changes nothing.

verb_journal() { # LINES
    is_number "$1" 1 2000 || bad number "$1"
    has_systemd || refuse no-systemd "nobody keeps a journal here"
    timeout 20 journalctl --no-pager --no-hostname -q -o short-iso -n "$1" -u 'clawrack-*' -u docker.service
}
