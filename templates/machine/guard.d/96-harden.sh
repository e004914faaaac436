# --- sshd, hardened so that nobody is locked out ------------------------------------------------------------------
# Password logins go off; nothing is ever loosened. DATA/harden says how far it has come:
#   writing   sshd's files may hold our lines, and sshd has not read them
#   armed     sshd was told to read them; `harden TOKEN commit` is waited for until the deadline
#   on        a new connection by key alone has proven itself, and it was committed
# Before its commit it goes back by itself: by a timer of its own, by the tick, after a power cut by the first tick.
# sshd takes the first value that it finds, so our lines stand first: in a file that sorts first, or at the top.

SSHD_CONFIG=/etc/ssh/sshd_config
SSHD_DROP_IN=/etc/ssh/sshd_config.d/00-clawrack.conf
SSHD_BEGIN='# clawrack begin: password logins are off; guard.sh soften now takes this back'
SSHD_END='# clawrack end'
HARDEN_BACK=clawrack-soften # the way back's unit

verb_harden() { # TOKEN arm USER ADDRESS HERE PORT KEY SECONDS | TOKEN commit
    case $2.$# in
    arm.8) harden_arm "$@" ;;
    commit.2) harden_commit "$1" ;;
    *) bad words "harden TOKEN arm USER ADDRESS HERE PORT KEY SECONDS, or harden TOKEN commit" ;;
    esac
}

harden_arm() { # TOKEN arm USER ADDRESS HERE PORT KEY SECONDS; see guard.sh
    is_login "$3" || [ "$3" = root ] || bad user "$3"
    case $4,$5 in ,* | *, | *[!0-9A-Za-z.:%,]* | *,*,*) bad address "$4 $5" ;; esac # no comma gets into sshd's -C
    is_number "$6" 1 65535 || bad port "$6"
    case $7 in '' | *[!A-Za-z0-9+/=]*) bad key "not the middle word of a public key" ;; esac
    is_number "$8" 5 3600 || bad seconds "$8"
    begin "$1"
    HARDEN_USER=$3 HARDEN_HERE=$5 HARDEN_PORT=$6 HARDEN_KEY=$7
    SSH_AS=",host=$4,addr=$4,laddr=$5,lport=$6"
    harden_may
    if sshd_closed && [ "$(field "$DATA/harden" stage)" = on ]; then
        say already 1
        return 0
    fi
    UNDO=harden_back
    [ -e "$DATA/harden" ] || write_harden writing "$8" # else sshd may have read ours: one that died had got so far
    try harden-timer way_back "$HARDEN_BACK" "$8" soften due
    failpoint harden-timed
    harden_write
    failpoint harden-written
    lets_us_in
    harden_kept
    write_harden armed "$8"
    failpoint harden-armed
    try harden-reload sshd_reload
    UNDO=
    failpoint harden-reloaded
    say left "$8"
}

# harden_may: what is refused before anything is written, because somebody else owns sshd here, or because what is
# configured already (and sshd may not have read yet) would keep us out as soon as it is read.
harden_may() {
    ssh_owner=$(sshd_vendor)
    [ -z "$ssh_owner" ] || refuse harden-vendor "$ssh_owner"
    SSHD=$(command -v sshd) || refuse harden-no-sshd "sshd is not OpenSSH's, or not there"
    [ -f "$SSHD_CONFIG" ] || refuse harden-no-sshd "$SSHD_CONFIG is not there"
    lets_us_in
}

sshd_vendor() { # the appliance whose own pages own sshd, or nothing
    for mark in dsm:/usr/syno qts:/etc/config/uLinux.conf qts:/etc/config/qpkg.conf unraid:/etc/unraid-version \
        truenas:/usr/local/bin/freenas-debug truenas:/usr/bin/midclt fnos:/usr/trim ugos:/ugreen; do
        if [ -e "${mark#*:}" ]; then
            printf '%s' "${mark%%:*}"
            return 0
        fi
    done
    case $(field /etc/os-release ID) in *zimaos*) printf zimaos ;; esac
}

write_harden() { # STAGE SECONDS
    put "$DATA/harden" <<END
stage=$1
user=$HARDEN_USER
boot=$(boot_id)
until=$(($(uptime_s) + $2))
END
}

harden_commit() { # TOKEN
    begin "$1"
    case $(field "$DATA/harden" stage) in
    on)
        say already 1
        return 0
        ;;
    armed) ;;
    *) refuse harden-late "it has gone back" ;;
    esac
    still "$(field "$DATA/harden" boot)" "$(field "$DATA/harden" until)" || refuse harden-late "its time was over"
    HARDEN_USER=$(field "$DATA/harden" user)
    failpoint harden-commit
    write_harden on 0
    way_back_off "$HARDEN_BACK"
}

# --- what sshd makes of its files ---------------------------------------------------------------------------------

sshd_asked() { # USER: SSH_TOLD becomes what counts for that login, from where we come
    SSH_TOLD=$("$SSHD" -T -C "user=$1$SSH_AS" 2>&1) && return 0
    case $SSH_TOLD in
    *"rivilege separation directory"*) # where a socket starts sshd, nobody may have made it yet
        mkdir -p /run/sshd && chmod 0755 /run/sshd
        SSH_TOLD=$("$SSHD" -T -C "user=$1$SSH_AS" 2>&1) && return 0
        ;;
    esac
    return 1
}

told_by_sshd() { # KEY → its values, one a line
    while read -r told_key told_value; do
        [ "$told_key" != "$1" ] || printf '%s\n' "$told_value"
    done <<END
$SSH_TOLD
END
}

sshd_closed() { # does it take no password from the login that was asked about?
    [ "$(told_by_sshd passwordauthentication)" = no ] || return 1
    [ "$(told_by_sshd kbdinteractiveauthentication)" = no ] || return 1
    [ "$(told_by_sshd challengeresponseauthentication)" != yes ] # before OpenSSH 8.7 a switch of its own
}

# lets_us_in: our login, by our key, from where it comes, as the files say now.
lets_us_in() {
    sshd_asked "$HARDEN_USER" || refuse harden-config "$SSH_TOLD"
    [ "$(told_by_sshd pubkeyauthentication)" = yes ] || refuse harden-locks-out "pubkeyauthentication"
    case " $(told_by_sshd authenticationmethods) " in
    '  ' | ' any ' | *' publickey '*) ;;
    *) refuse harden-locks-out "authenticationmethods" ;;
    esac
    if [ "$HARDEN_USER" = root ]; then
        case $(told_by_sshd permitrootlogin) in no | forced*) refuse harden-locks-out "permitrootlogin" ;; esac
    fi
    [ "$(told_by_sshd usepam)" != no ] || ! is_locked || refuse harden-locks-out "usepam no, and the account is locked"
    listens_where_we_came || refuse harden-locks-out "port, listenaddress"
    lets_login_in
    knows_our_key || refuse harden-locks-out "authorizedkeysfile"
}

is_locked() {
    while IFS=: read -r shadow_name shadow_word _; do
        [ "$shadow_name" != "$HARDEN_USER" ] || case $shadow_word in '!'* | '*LK*'*) return 0 ;; esac
    done </etc/shadow
    return 1
}

listens_where_we_came() {
    ! sshd_by_socket || return 0 # the socket listens, whatever sshd's files say
    told_by_sshd listenaddress | while read -r listens; do
        case $listens in "0.0.0.0:$HARDEN_PORT" | "[::]:$HARDEN_PORT" | "$HARDEN_HERE:$HARDEN_PORT" | "[$HARDEN_HERE]:$HARDEN_PORT") echo 1 ;; esac
    done | read -r _
}

lets_login_in() {
    groups=$(id -Gn "$HARDEN_USER")
    ! is_listed denyusers "$HARDEN_USER" || refuse harden-locks-out denyusers
    ! is_listed denygroups "$groups" || refuse harden-locks-out denygroups
    [ -z "$(told_by_sshd allowusers)" ] || is_listed allowusers "$HARDEN_USER" || refuse harden-locks-out allowusers
    [ -z "$(told_by_sshd allowgroups)" ] || is_listed allowgroups "$groups" || refuse harden-locks-out allowgroups
}

# is_listed KEY NAMES: is one of the names in sshd's list? A pattern with a host part, or with !, is not judged here:
# it counts as a denial where it denies, and as nothing where it allows.
is_listed() {
    set -f
    for pattern in $(told_by_sshd "$1"); do
        for one in $2; do
            case $pattern in
            '!'*) continue ;;
            *@*) case $1 in deny*) pattern=${pattern%%@*} ;; *) continue ;; esac ;;
            esac
            # shellcheck disable=SC2254 # a pattern: sshd's * and ? are the shell's
            case $one in $pattern)
                set +f
                return 0
                ;;
            esac
        done
    done
    set +f
    return 1
}

knows_our_key() { # in one of the files where sshd will look, or where it asks a program of somebody's
    case $(told_by_sshd authorizedkeyscommand) in '' | none) ;; *) return 0 ;; esac
    ssh_home=
    eval "ssh_home=~$HARDEN_USER" # is_login: a name that stands for itself
    set -f
    for keys in $(told_by_sshd authorizedkeysfile); do
        keys=$(ssh_expanded "$keys" "$HARDEN_USER" "$ssh_home")
        [ -r "$keys" ] || continue
        while IFS= read -r line || [ -n "$line" ]; do
            case $line in
            '#'*) ;;
            *" $HARDEN_KEY" | *" $HARDEN_KEY "*)
                set +f
                return 0
                ;;
            esac
        done <"$keys"
    done
    set +f
    return 1
}

ssh_expanded() { # PATH USER HOME → where it is: with sshd's %h, %u, %U and %%, and from the home on
    ssh_rest=$1
    ssh_path=
    while [ "${ssh_rest#*%}" != "$ssh_rest" ]; do
        ssh_path=$ssh_path${ssh_rest%%\%*}
        ssh_rest=${ssh_rest#*%}
        case $ssh_rest in
        h*) ssh_path=$ssh_path$3 ;;
        u*) ssh_path=$ssh_path$2 ;;
        U*) ssh_path=$ssh_path$(id -u "$2") ;;
        *) ssh_path=$ssh_path% ;;
        esac
        ssh_rest=${ssh_rest#?}
    done
    ssh_path=$ssh_path$ssh_rest
    case $ssh_path in /*) ;; *) ssh_path=$3/$ssh_path ;; esac
    printf '%s\n' "$ssh_path"
}

# --- our lines ----------------------------------------------------------------------------------------------------

# harden_write: a file of our own where sshd reads it first, else our lines at the top of sshd's own.
harden_write() {
    harden_lines=$(harden_wanted)
    if [ -d "${SSHD_DROP_IN%/*}" ]; then
        record "file $SSHD_DROP_IN"
        # Somebody's `Match` later on would win over a plain line; the first `Match` that fits wins over it.
        printf '%s\n%s\nMatch all\n%s\n%s\n' "$SSHD_BEGIN" "$harden_lines" "$(passwords_off)" "$SSHD_END" |
            place "$SSHD_DROP_IN" 0644
        rm -f "$RUN/changed"
        ! sshd_takes_it || return 0
        drop "$SSHD_DROP_IN"
    fi
    [ ! -L "$SSHD_CONFIG" ] || refuse harden-not-effective "$SSHD_CONFIG is a link"
    sshd_top "$SSHD_BEGIN
$harden_lines
$SSHD_END" || fail disk "$SSHD_SAID"
    sshd_takes_it || refuse harden-not-effective "$SSHD_SAID"
}

sshd_takes_it() {
    SSHD_SAID=$("$SSHD" -t 2>&1) || return 1
    sshd_asked "$HARDEN_USER" && sshd_closed
}

passwords_off() {
    echo 'PasswordAuthentication no'
    echo 'KbdInteractiveAuthentication no'
}

# harden_wanted: nothing that is stricter already is written down, for ours would come first and loosen it.
harden_wanted() {
    passwords_off
    [ -z "$(told_by_sshd challengeresponseauthentication)" ] || echo 'ChallengeResponseAuthentication no'
    tries=$(told_by_sshd maxauthtries)
    ! is_number "$tries" 5 1000 || echo 'MaxAuthTries 4'
    [ "$(told_by_sshd x11forwarding)" != yes ] || echo 'X11Forwarding no'
    ! sshd_asked root || [ "$(told_by_sshd permitrootlogin)" != yes ] || echo 'PermitRootLogin without-password'
}

sshd_top() { # LINES: sshd's own file, ours at its top and nowhere else; none: only without ours
    SSHD_SAID="$SSHD_CONFIG could not be written"
    with_room rewrite "$SSHD_CONFIG" sshd_below "$1"
}

sshd_below() { # LINES, and then what others wrote
    [ -z "$1" ] || printf '%s\n' "$1" || return 1
    sshd_others
}

# sshd's own file without our lines. Where somebody deleted our last line, only what we can have written is ours.
sshd_others() {
    ours=
    ended=$(sshd_ended)
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
        '# clawrack begin'*) ours=1 ;;
        "$SSHD_END") ours= ;;
        *) if [ -n "$ours" ] && { [ -n "$ended" ] || could_be_ours "$line"; }; then continue; fi
            [ -n "$ended" ] || ours=
            printf '%s\n' "$line" || return 1 ;;
        esac
    done <"$SSHD_CONFIG"
}

sshd_ended() {
    while IFS= read -r line || [ -n "$line" ]; do
        [ "$line" != "$SSHD_END" ] || echo 1
    done <"$SSHD_CONFIG"
}

could_be_ours() { # LINE
    case $1 in
    'PasswordAuthentication no' | 'KbdInteractiveAuthentication no' | 'ChallengeResponseAuthentication no') ;;
    'MaxAuthTries 4' | 'X11Forwarding no' | 'PermitRootLogin without-password') ;;
    *) return 1 ;;
    esac
}

holds_ours() {
    while IFS= read -r line; do
        case $line in '# clawrack begin'*) return 0 ;; esac
    done <"$SSHD_CONFIG"
    return 1
}

harden_kept() { # names logins that may still come by password, for a `Match` of somebody's says so
    kept_names=
    while IFS=: read -r kept_name _ kept_uid _ _ _ kept_shell; do
        case $kept_shell in */nologin | */false | */sync) continue ;; esac
        [ "$kept_uid" = 0 ] || is_number "$kept_uid" 1000 59999 || continue
        ! sshd_asked "$kept_name" || sshd_closed || kept_names="$kept_names $kept_name"
    done </etc/passwd
    say kept "${kept_names# }"
}

# --- sshd reads its files; nobody's session ends ------------------------------------------------------------------

sshd_by_socket() { # does a socket of systemd's listen for it?
    has_systemd || return 1
    systemctl is-active -q ssh.socket 2>/dev/null || systemctl is-active -q sshd.socket 2>/dev/null
}

sshd_reload() {
    if has_systemd; then
        for unit in ssh.service sshd.service; do
            ! systemctl is-active -q "$unit" 2>/dev/null || { systemctl reload "$unit" && return 0; }
        done
        ! sshd_by_socket || return 0 # each connection starts one that reads them anew
    fi
    sshd_pid=$(first_line /run/sshd.pid)
    [ -n "$sshd_pid" ] || sshd_pid=$(first_line /var/run/sshd.pid)
    is_number "${sshd_pid:-x}" 2 99999999 || { echo "nobody knows which process sshd is" && return 1; }
    case $(tr '\0' ' ' <"/proc/$sshd_pid/cmdline") in *sshd*) ;; *) echo "process $sshd_pid is not sshd" && return 1 ;; esac
    kill -HUP "$sshd_pid"
}

# --- taken back ---------------------------------------------------------------------------------------------------

verb_soften() { # due | now [TOKEN]
    prepared
    lock 30
    case $1.$# in
    due.1) harden_due ;;
    now.1 | now.2)
        free_or_ours "${2:-}"
        [ -e "$DATA/harden" ] || say already 1
        harden_back || fail harden-config "$SSHD_SAID"
        ;;
    *) bad words "soften due, or soften now [TOKEN]" ;;
    esac
}

harden_due() { # of the tick too: what was not committed in time, or not in this boot, goes back
    case $(field "$DATA/harden" stage) in writing | armed) ;; *) return 0 ;; esac
    ! still "$(field "$DATA/harden" boot)" "$(field "$DATA/harden" until)" || return 0
    harden_back || : # the next tick tries again
}

# harden_back: every step may be done twice. What others wrote meanwhile stays. Where sshd could not read its files any
# more, telling it to would be its end: ours are out of them, and it stays as it is.
harden_back() {
    UNDO=
    [ -e "$DATA/harden" ] || return 0
    SSHD=$(command -v sshd) || SSHD=sshd
    drop "$SSHD_DROP_IN"
    rm -f "$SSHD_DROP_IN.new" "$SSHD_CONFIG.clawrack"
    ! holds_ours || sshd_top '' || return 1
    failpoint harden-taken-back
    case $(field "$DATA/harden" stage) in armed | on)
        SSHD_SAID=$("$SSHD" -t 2>&1) || return 1
        try harden-reload sshd_reload
        ;;
    esac
    way_back_off "$HARDEN_BACK"
    drop "$DATA/harden"
    say softened 1
}

verb_hardening() { # reads
    say stage "$(field "$DATA/harden" stage)"
    say user "$(field "$DATA/harden" user)"
    [ ! -e "$SSHD_DROP_IN" ] || say file "$SSHD_DROP_IN"
    [ -e "$SSHD_DROP_IN" ] || [ ! -r "$SSHD_CONFIG" ] || ! holds_ours || say file "$SSHD_CONFIG"
}
