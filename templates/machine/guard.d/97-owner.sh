# --- the owner ----------------------------------------------------------------------------------------------------
# Handing over: the owner's own command comes, the password that the operator knew goes, and last of all the operator's
# key. That is one rename (or the removal of a login made for this): before it the operator has full access, after it
# none. What proves it are new connections from outside, which must be refused; the guard claims nothing.

OWNER=$LIB/owner
OWNER_LIMIT=1048576 # bytes; texts
COMMAND=/usr/local/bin/clawrack-agent
[ "$LIB" = /usr/local/lib/clawrack ] || COMMAND=$LIB/clawrack-agent # where the system's own places do not last

# --- the owner's command ------------------------------------------------------------------------------------------

verb_owner() { # TOKEN SHA256; stdin: tar of `clawrack-agent` and its texts
    is_hex64 "$2" || bad sha256 "$2"
    begin "$1"
    mkdir -p "$RUN"
    TIDY=$RUN/owner.part
    rm -rf "$TIDY"
    mkdir "$TIDY" "$TIDY/tree"
    head -c $((OWNER_LIMIT + 1)) >"$TIDY/tar" || fail disk "no room"
    [ "$(wc -c <"$TIDY/tar")" -le $OWNER_LIMIT ] || bad owner-size "more than $OWNER_LIMIT bytes"
    [ "$(sha256_of "$TIDY/tar")" = "$2" ] || bad stage-cut "what came is not what was sent"
    tar -tf "$TIDY/tar" >"$TIDY/names" || bad stage-names "no tar"
    while IFS= read -r line; do is_file_name "$line" || bad stage-names "$line"; done <"$TIDY/names"
    try stage-tar tar -xf "$TIDY/tar" -C "$TIDY/tree"
    [ -z "$(find "$TIDY/tree" ! -type f ! -type d)" ] || bad stage-names "plain files only"
    [ -f "$TIDY/tree/clawrack-agent" ] || bad stage-names "clawrack-agent is missing"
    owner_place "$TIDY/tree"
    rm -rf "$TIDY"
    TIDY=
    say command "$COMMAND"
}

owner_place() { # TREE
    [ -d "$OWNER" ] || {
        record "dir $OWNER"
        mkdir -p "$OWNER"
        chmod 0755 "$OWNER"
    }
    for owner_file in "$1"/*; do
        [ "${owner_file##*/}" != clawrack-agent ] || continue
        record "file $OWNER/${owner_file##*/}"
        place "$OWNER/${owner_file##*/}" 0644 <"$owner_file"
    done
    failpoint owner-texts
    mkdir -p "${COMMAND%/*}"
    record "file $COMMAND"
    while IFS= read -r line; do
        case $line in
        *@GUARD@*) line="${line%%@GUARD@*}$GUARD${line#*@GUARD@}" ;;
        *@OWNER@*) line="${line%%@OWNER@*}$OWNER${line#*@OWNER@}" ;;
        *@DATA@*) line="${line%%@DATA@*}$DATA${line#*@DATA@}" ;;
        esac
        printf '%s\n' "$line"
    done <"$1/clawrack-agent" | place "$COMMAND" 0755
    rm -f "$RUN/changed"
}

verb_ask() { # NAME; stdin: a message; prints the agent's answer. Nothing is changed: no lease, no lock
    is_name "$1" || bad name "$1"
    prepared
    enter "$1"
    [ -d "$DIR" ] || refuse no-agent "$BOX"
    need_docker
    see_container "$CONT"
    case $STATE in true*) ;; *) refuse not-running "$BOX" ;; esac
    ask_kind=$(dk container inspect --format '{{index .Config.Labels "clawrack.kind"}}' "$CONT") || fail docker "$CONT"
    is_name "$ask_kind" || refuse no-ask "$ask_kind"
    [ -s "$OWNER/kind.$ask_kind" ] || refuse no-ask "$ask_kind"
    ask_program=$(field "$OWNER/kind.$ask_kind" program)
    ask_how=$(field "$OWNER/kind.$ask_kind" how)
    case $ask_program in
    node) set -- node -e "$(cat "$OWNER/ask.js")" "$ask_how" ;;
    python3) set -- python3 -I -c "$(cat "$OWNER/ask.py")" "$ask_how" ;;
    *) refuse no-ask "$ask_kind" ;;
    esac
    ask_user=$(shell_user_of)
    trap - EXIT # the code is the program's
    exec "$DOCKER" exec --interactive --user "$ask_user" "$CONT" "$@"
}

# --- the password that the operator knew --------------------------------------------------------------------------

verb_password() { # TOKEN USER; stdin: the password that the login's owner typed, one line
    owner_login "$2"
    begin "$1"
    command -v chpasswd >/dev/null 2>&1 || fail no-chpasswd "chpasswd is missing"
    IFS= read -r owner_word || [ -n "$owner_word" ] || bad password "nothing came"
    [ -n "$owner_word" ] || bad password "it is empty"
    failpoint password
    owner_said=$(printf '%s:%s\n' "$2" "$owner_word" | chpasswd 2>&1) || fail password "$owner_said"
    owner_word=
    sync
}

owner_login() { # USER: sets OWNER_UID and OWNER_HOME
    case $1 in root) ;; *) is_login "$1" || bad user "$1" ;; esac
    OWNER_UID=
    if command -v getent >/dev/null 2>&1; then
        owner_line=$(getent passwd "$1") || bad user "there is no user $1"
    else
        owner_line=
        while IFS= read -r line; do
            case $line in "$1":*) owner_line=$line ;; esac
        done </etc/passwd
    fi
    IFS=: read -r _ _ OWNER_UID _ _ OWNER_HOME _ <<END
$owner_line
END
    is_number "$OWNER_UID" 0 4294967295 || bad user "there is no user $1"
}

# --- the operator's access ----------------------------------------------------------------------------------------

verb_handover() { # TOKEN USER key|login; stdin: the operator's public key, type and key. The lease ends with it
    owner_login "$2"
    case $3 in key | login) ;; *) bad way "$3" ;; esac
    IFS=' ' read -r key_type key_blob _ || [ -n "${key_blob:-}" ] || bad key "no key came"
    case $key_type in ssh-* | ecdsa-* | sk-*) ;; *) bad key "no public key" ;; esac
    case $key_blob in AAAA*) ;; *) bad key "no public key" ;; esac
    case $key_type$key_blob in *[!A-Za-z0-9+/=@.-]*) bad key "no public key" ;; esac
    begin "$1"
    [ "$3" = key ] || owner_other_way "$2"
    if [ -n "$(key_files "$2")" ]; then say others "$(key_others "$2")"; fi
    owner_made
    harden_handed
    drop "$DATA/lease" # under the lock: nobody comes between, and afterwards we could not
    failpoint handover
    if [ "$3" = login ]; then owner_no_login "$2"; else owner_no_key "$2"; fi
}

harden_handed() { # from now on it is the owner's: they were told that passwords are off, and so they stay, also without us
    [ "$(field "$DATA/harden" stage)" = on ] || return 0
    handed=$(cat "$DATA/harden")
    printf '%s\nhanded=1\n' "$handed" | put "$DATA/harden"
}

harden_leave() { # by uninstall
    if [ -z "$(field "$DATA/harden" handed)" ]; then
        harden_back || :
        return 0
    fi
    unrecord "file $SSHD_DROP_IN"
    if [ -e "$SSHD_DROP_IN" ]; then say passwords "$SSHD_DROP_IN"; else say passwords "$SSHD_CONFIG"; fi
}

owner_made() { # what was put on this machine, for the receipt
    [ ! -r "$DATA/manifest" ] || while IFS= read -r line; do say made "${line#* }"; done <"$DATA/manifest"
    owner_docker=$(field "$DATA/prepare" docker) # noted before it is brought
    say docker "${owner_docker:-before}"
    [ ! -x "$COMMAND" ] || say command "$COMMAND"
    say data "$DATA"
}

key_files() { # USER: the files that sshd may read for this login, those that are there
    {
        SSHD=$(command -v sshd) || SSHD=
        for key_from in localhost,addr=127.0.0.1 $(key_came); do # somebody's `Match Address` may say where else
            SSH_AS=,host=$key_from
            ! sshd_asked "$1" || key_places "$1" "$(told_by_sshd authorizedkeysfile)"
        done
        key_places "$1" ".ssh/authorized_keys .ssh/authorized_keys2"
        [ "$1" != root ] || echo /etc/dropbear/authorized_keys
    } | sort -u | while IFS= read -r path; do
        [ ! -f "$path" ] || printf '%s\n' "$path"
    done
}

key_came() { # from where this connection came, as sshd's -C has it; below sudo nobody says
    # shellcheck disable=SC2086 # four words
    set -- ${SSH_CONNECTION:-}
    [ $# != 4 ] || printf '%s' "$1,addr=$1,laddr=$3,lport=$4"
}

key_places() { # USER PATTERNS
    for pattern in $2; do
        [ "$pattern" = none ] || ssh_expanded "$pattern" "$1" "$OWNER_HOME"
    done
}

key_others() { # USER: how many keys open the login beside the operator's
    key_files "$1" | while IFS= read -r path; do
        while IFS= read -r line || [ -n "$line" ]; do
            key_stands "$line" || continue
            case $line in *"$key_blob"*) ;; *) echo x ;; esac
        done <"$path"
    done | wc -l | tr -d ' '
}

key_stands() { # LINE: is it a key, and no comment?
    key_line=$1
    while :; do
        case $key_line in ' '* | '	'*) key_line=${key_line#?} ;; *) break ;; esac
    done
    case $key_line in '' | '#'*) return 1 ;; *AAAA*) ;; *) return 1 ;; esac
}

# What a person wrote stays byte for byte. A file, or a folder, that was made for our key says so in a line of its own.
KEY_MADE="# clawrack made this file"
KEY_MADE_FOLDER="# clawrack made this folder"

owner_no_key() { # USER
    key_files "$1" >"$RUN/.files"
    while IFS= read -r path; do
        case $(cat "$path") in *"$key_blob"*) key_out "$path" ;; esac
    done <"$RUN/.files"
    rm -f "$RUN/.files"
}

key_out() { # FILE
    key_file=$(readlink -f "$1" 2>/dev/null) || key_file=$1
    key_ours=
    key_left=
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
        "$KEY_MADE") key_ours=${key_ours:-file} ;;
        "$KEY_MADE_FOLDER") key_ours=folder ;;
        *) if key_stands "$line" && [ "${line#*"$key_blob"}" != "$line" ]; then continue; fi
            key_left=1
            printf '%s\n' "$line" || fail handover "$RUN has no room" ;;
        esac
    done <"$key_file" >"$RUN/.keys"
    sync "$RUN/.keys" 2>/dev/null || :
    if [ -n "$key_ours" ] && [ -z "$key_left" ]; then
        rm -f "$key_file" || fail handover "$key_file"
        [ "$key_ours" = file ] || rmdir "${key_file%/*}" 2>/dev/null || :
    else
        with_room rewrite "$key_file" cat "$RUN/.keys" || fail handover "$key_file could not be written"
    fi
    rm -f "$RUN/.keys"
    sync
}

# --- a login that was made only for this --------------------------------------------------------------------------

owner_other_way() { # USER: nobody is locked out of their own device
    [ "$OWNER_UID" -ge 1000 ] || refuse system-login "$1"
    command -v userdel >/dev/null 2>&1 || fail no-userdel "userdel is missing"
    while IFS=: read -r name word _ _ _ _ _ expires _; do
        case $word in '$'*) ;; *) continue ;; esac
        if [ "$name" = "$1" ] || ! has_shell "$name"; then continue; fi
        [ -n "$expires" ] && [ "$expires" -le "$(($(date +%s) / 86400))" ] || return 0
    done </etc/shadow
    refuse only-login "no other login has a password"
}

has_shell() { # USER
    while IFS=: read -r shell_name _ _ _ _ _ shell_path; do
        [ "$shell_name" = "$1" ] || continue
        case $shell_path in */nologin | */false | */sync | '') return 1 ;; esac
        return 0
    done </etc/passwd
    return 1
}

home_is_shared() { # HOME
    homes=0
    while IFS=: read -r _ _ _ _ _ home_of_login _; do
        [ "$home_of_login" != "$1" ] || homes=$((homes + 1))
    done </etc/passwd
    [ "$homes" -gt 1 ]
}

owner_no_login() { # USER, who may be logged in: it is through that login that we were called
    owner_sudoers=$(sudoers_file "$1")
    set -- "$1" -f
    if [ "$OWNER_HOME" = "/home/$1" ] && ! home_is_shared "$OWNER_HOME"; then set -- "$@" -r; else say kept "$OWNER_HOME"; fi
    name=$1
    shift
    owner_said=$(userdel "$@" "$name" 2>&1) || :
    if id "$name" >/dev/null 2>&1; then fail handover "$owner_said"; fi
    rm -f "$owner_sudoers"
    sync
}
