# --- install ------------------------------------------------------------------------------------------------------
# DATA/manifest has a line for each thing outside of DATA, written before the thing itself is.

GUARD=$LIB/guard.sh
UNIT_NAMES="clawrack-boot.service clawrack-recover.service clawrack-meter.service clawrack-agent@.service
 clawrack-tick.service clawrack-tick.timer"

verb_install() {
    CHANGED=
    for path in "$DATA" "$LIB" "$RUN" "$UNITS"; do
        case $path in [!/]* | *[!A-Za-z0-9._/@-]*) bad path "$path" ;; esac
    done
    case $SUPERVISOR in '' | watch) ;; *) bad supervisor "$SUPERVISOR" ;; esac
    hook_valid || bad hook "$HOOK"
    [ ! -s "$DATA/version" ] || prepared
    install_data
    [ ! -d "${0%/*}/guard.d" ] || install_guard "${0%/*}"
    [ ! -d "${0%/*}/units" ] || ! has_systemd || install_units "${0%/*}/units"
    has_systemd || install_hook
    boot_id >/dev/null
    if ! firewall_ok; then
        CHANGED=1
        try firewall firewall_assert
    fi
    install_up
    [ -n "$CHANGED" ] || say already 1
    say id "$(first_line "$DATA/id")"
    say pool "$(first_line "$DATA/pool")"
    say version "$GUARD_VERSION"
    say data "$DATA"
}

install_data() {
    mkdir -p "$DATA/agents" "$DATA/meter" "$DATA/images" "$RUN"
    host_ground
    chmod 0700 "$DATA" "$DATA/agents" "$DATA/meter" "$RUN"
    exec 9>>"$DATA/lock"
    flock -w 30 9 || refuse busy "another change is under way"
    [ -s "$DATA/id" ] || printf '%s\n' "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" | put "$DATA/id"
    failpoint install-id
    [ -s "$DATA/token" ] || echo 0 | put "$DATA/token"
    if [ ! -s "$DATA/pool" ]; then
        pool=$(choose_pool)
        [ -n "$pool" ] || fail no-pool "every private network collides with one of this machine's"
        echo "$pool" | put "$DATA/pool"
    fi
    failpoint install-pool
    ballast_fill
    [ "$(first_line "$DATA/version")" = "$GUARD_VERSION" ] || {
        CHANGED=1
        echo "$GUARD_VERSION" | put "$DATA/version"
    }
}

record() { # LINE: into the manifest, once
    if [ -r "$DATA/manifest" ]; then
        while IFS= read -r line; do [ "$line" != "$1" ] || return 0; done <"$DATA/manifest"
    fi
    {
        [ ! -r "$DATA/manifest" ] || cat "$DATA/manifest"
        echo "$1"
    } | put "$DATA/manifest"
}

install_guard() { # TREE: one file made of many, so that it changes by one rename and is read whole
    [ -d "$LIB" ] || {
        record "dir $LIB"
        mkdir -p "$LIB"
        chmod 0755 "$LIB"
    }
    record "file $GUARD"
    assemble "$1" | place "$GUARD" 0755
    failpoint install-guard
}

assemble() {
    while IFS= read -r line; do
        case $line in
        '#-- parts --') break ;;
        DATA=* | LIB=* | RUN=* | DOCKER=* | SOCKET=* | UNITS=* | SUDOERS=* | SUPERVISOR=* | HOOK=*)
            eval "printf \"%s='%s'\\n\" ${line%%=*} \"\$${line%%=*}\""
            ;;
        *) printf '%s\n' "$line" ;;
        esac
    done <"$1/guard.sh"
    cat "$1"/guard.d/*.sh
    echo
    echo 'main "$@"'
}

place() { # FILE MODE: standard input becomes FILE where it is not that already
    cat >"$1.new"
    chmod "$2" "$1.new"
    if [ -f "$1" ] && [ "$(sha256_of "$1")" = "$(sha256_of "$1.new")" ]; then
        rm -f "$1.new"
        return 0
    fi
    sync "$1.new"
    mv -f "$1.new" "$1"
    sync "${1%/*}"
    : >"$RUN/changed" # a pipe's end cannot set a variable
}

install_units() { # FOLDER
    for unit in $UNIT_NAMES; do
        record "file $UNITS/$unit"
        while IFS= read -r line; do
            case $line in
            *@GUARD@*) line="${line%%@GUARD@*}$GUARD${line#*@GUARD@}" ;;
            *@DATA@*) line="${line%%@DATA@*}$DATA${line#*@DATA@}" ;;
            esac
            printf '%s\n' "$line"
        done <"$1/$unit" | place "$UNITS/$unit" 0644
    done
    failpoint install-units
}

install_up() {
    if [ -e "$RUN/changed" ]; then
        CHANGED=1
        ! has_systemd || systemctl daemon-reload
        rm -f "$RUN/changed"
    fi
    has_systemd || {
        install_watch
        return 0
    }
    for unit in clawrack-boot.service clawrack-recover.service clawrack-tick.timer; do
        systemctl is-enabled -q "$unit" 2>/dev/null || try enable systemctl enable "$unit"
    done
    systemctl is-active -q clawrack-boot.service || try start systemctl start clawrack-boot.service
    systemctl is-active -q clawrack-tick.timer || try start systemctl start clawrack-tick.timer
}

# --- a user with sudo ---------------------------------------------------------------------------------------------

verb_sudoer() { # USER
    is_login "$1" || bad user "$1"
    id "$1" >/dev/null 2>&1 || bad user "there is no user $1"
    prepared
    command -v visudo >/dev/null 2>&1 || fail no-sudo "visudo is missing"
    docker_path=$(command -v "$DOCKER")
    drop_in=$(sudoers_file "$1")
    record "file $drop_in"
    sudo_rule "$1" "$docker_path" | put "$DATA/sudoers.check"
    try sudoers visudo -cqf "$DATA/sudoers.check"
    place "$drop_in" 0440 <"$DATA/sudoers.check"
    rm -f "$DATA/sudoers.check" "$RUN/changed"
}

is_login() { # a user's name that stands for itself between quotes: john.doe, ANNA, svc_1
    case $1 in '' | root | [!A-Za-z_]* | *[!A-Za-z0-9_.-]*) return 1 ;; esac
    [ ${#1} -le 64 ]
}

# sudo reads no file whose name holds a dot, and no login's name holds a plus. Of two rules for a login the last counts,
# and files are read in the order of their names: ours after one that asks that login for its password.
sudoers_file() { # USER
    sudoers_name=
    sudoers_rest=$1
    while [ "${sudoers_rest#*.}" != "$sudoers_rest" ]; do
        sudoers_name=$sudoers_name${sudoers_rest%%.*}+
        sudoers_rest=${sudoers_rest#*.}
    done
    printf '%s' "$SUDOERS/zz-clawrack-$sudoers_name$sudoers_rest"
}

# Quoted: without quotes a name in capitals would be an alias, and ALL everybody.
sudo_rule() { # USER DOCKER
    cat <<END
# Written by clawrack. This is as good as root: whoever may change the guard's agents may change the machine.
Defaults:"$1" !requiretty
"$1" ALL=(root) NOPASSWD: $GUARD, $2 system dial-stdio
END
}

# --- uninstall ----------------------------------------------------------------------------------------------------

verb_uninstall() { # keep|erase [TOKEN]
    is_fate "$1" || bad fate "$1"
    if [ ! -s "$DATA/version" ]; then
        say already 1
        return 0
    fi
    lock 30
    free_or_ours "${2:-}"
    need_docker
    for name in $(agents); do
        enter "$name"
        rm -f "$DIR/trial"
        remove_box "$1"
    done
    uninstall_meter "$1"
    failpoint uninstall-boxes
    uninstall_strays
    harden_leave
    uninstall_units
    firewall_drop
    failpoint uninstall-firewall
    uninstall_files
    [ ! -d "$DATA/kept" ] || say kept "$DATA/kept"
}

free_or_ours() { # TOKEN, or nothing
    left=$(lease_left)
    [ "$left" -gt 0 ] || return 0
    [ -z "$1" ] || { holds "$1" && return 0; }
    say holder "$(field "$DATA/lease" holder)"
    say left "$left"
    refuse held "a controller is at work"
}

uninstall_meter() { # keep|erase
    enter meter
    halt_box
    disable_box
    remove_container "$CONT"
    remove_container "$CONT.next"
    drop_network
    if [ "$1" = keep ] && [ -d "$DIR/ledger" ]; then
        with_room mkdir -p "$DATA/kept" || fail disk "no room"
        rm -rf "$DATA/kept/.ledger"
        mv "$DIR/ledger" "$DATA/kept/ledger.$(first_line "$DATA/id")"
    fi
    rm -rf "$DIR"
    drop_images all
}

uninstall_strays() { # whatever else carries this machine's label
    label=clawrack.machine=$(first_line "$DATA/id")
    for stray in $(dk ps -aq --filter "label=$label"); do dk rm -fv "$stray" >/dev/null 2>&1 || :; done
    for stray in $(dk network ls -q --filter "label=$label"); do dk network rm "$stray" >/dev/null 2>&1 || :; done
}

uninstall_units() {
    if has_systemd; then
        systemctl disable --now clawrack-tick.timer clawrack-boot.service clawrack-recover.service 2>/dev/null || :
    fi
}

uninstall_files() { # the manifest in reverse; the version goes before the guard, so that a second run can end it
    manifest=
    while IFS= read -r line; do
        manifest="$line
$manifest"
    done <"$DATA/manifest"
    printf '%s' "$manifest" | while read -r what path; do
        case $what in
        file) rm -f "$path" ;;
        dir) rmdir "$path" 2>/dev/null || : ;;
        host) host_back "$path" ;;
        line) drop_hook_line "$path" ;;
        esac
    done
    ! has_systemd || {
        systemctl daemon-reload
        systemctl reset-failed 'clawrack-*' 2>/dev/null || :
    }
    for entry in "$DATA"/* "$DATA"/.[!.]*; do
        case $entry in */kept | */lost+found) ;; *) rm -rf "$entry" ;; esac
    done
    [ -d "$DATA/kept" ] || rmdir "$DATA" 2>/dev/null || : # a file system of its own stays, empty
    rm -rf "$RUN"
}
