# --- what may come in ---------------------------------------------------------------------------------------------

is_number() { # VALUE LOWEST HIGHEST; no sign, no leading zero
    case $1 in
    0) [ "$2" -le 0 ] ;;
    '' | 0* | *[!0-9]* | ?????????????????*) return 1 ;;
    *) [ "$1" -ge "$2" ] && [ "$1" -le "$3" ] ;;
    esac
}

is_hex64() {
    case $1 in *[!0-9a-f]*) return 1 ;; esac
    [ ${#1} = 64 ]
}

is_name() { # an agent's name; `meter` is the meter's, and the others are files of the guard's in RUN, or a network
    case $1 in
    '' | meter | clawrack | boot | changed | firewall | watch | -* | *- | *[!a-z0-9-]*) return 1 ;;
    esac
    [ ${#1} -le 40 ]
}

is_release() {
    case $1 in
    '' | [!a-z0-9]* | *[!a-z0-9._-]* | *..*) return 1 ;;
    esac
    [ ${#1} -le 80 ]
}

is_holder() {
    case $1 in
    '' | [!A-Za-z0-9]* | *[!A-Za-z0-9@._:-]*) return 1 ;;
    esac
    [ ${#1} -le 128 ]
}

is_file_name() {
    case $1 in
    '' | [!A-Za-z0-9_]* | *[!A-Za-z0-9._-]*) return 1 ;;
    esac
    [ ${#1} -le 100 ]
}

is_inner_path() { # an absolute path inside a container, outside of what the kernel and Docker mount there
    case $1 in
    [!/]* | '' | / | */ | *//* | */./* | */../* | */. | */.. | *[!A-Za-z0-9._/-]*) return 1 ;;
    /proc | /proc/* | /sys | /sys/* | /dev | /dev/* | /etc | /etc/passwd | /etc/group) return 1 ;;
    esac
    [ ${#1} -le 200 ]
}

is_owner() { # UID:GID, neither of them 0
    case $1 in *:*:* | [!0-9]*) return 1 ;; *:*) ;; *) return 1 ;; esac
    is_number "${1%%:*}" 1 2147483647 && is_number "${1##*:}" 1 2147483647
}

is_cpus() {
    case $1 in
    *.*.* | .* | *. | '' | *[!0-9.]*) return 1 ;;
    *.???*) return 1 ;;
    esac
    is_number "${1%%.*}" 0 512 && [ "$1" != 0 ] && [ "$1" != 0.0 ] && [ "$1" != 0.00 ]
}

is_tmpfs() { # PATH[:OPTION,…]; options that would loosen the cage are not among them
    is_inner_path "${1%%:*}" || return 1
    case $1 in *:*) tmpfs_left=${1#*:}, ;; *) return 0 ;; esac
    while [ -n "$tmpfs_left" ]; do
        tmpfs_option=${tmpfs_left%%,*}
        tmpfs_left=${tmpfs_left#*,}
        case $tmpfs_option in
        rw | exec | noexec | nosuid | nodev) ;;
        mode=*[!0-7]* | uid=*[!0-9]* | gid=*[!0-9]*) return 1 ;;
        mode=???? | mode=??? | uid=?* | gid=?*) ;;
        size=*[!0-9kmg]*) return 1 ;;
        size=[1-9]*) ;;
        *) return 1 ;;
        esac
    done
}

is_env() {
    case $1 in *=*) ;; *) return 1 ;; esac
    case ${1%%=*} in
    '' | [0-9]* | *[!A-Za-z0-9_]*) return 1 ;;
    esac
}

is_label() { # ours are the guard's to set
    case $1 in
    clawrack.* | =* | [!a-z]*) return 1 ;;
    *=*) ;;
    *) return 1 ;;
    esac
    case ${1%%=*} in *[!a-z0-9._-]*) return 1 ;; esac
}

# --- the spec -----------------------------------------------------------------------------------------------------

# load_spec FILE: checks every line and sets S_KEY for the keys that stand once. The lists (tmpfs, env, arg,
# label, report) are read again from the file by whoever needs them.
# shellcheck disable=SC2034 # two of them are read from the file, when there is no time for all of it
clear_spec() {
    S_kind='' S_image='' S_release='' S_user='' S_memory='' S_pids='' S_cpus='' S_state='' S_config='' S_secrets=''
    S_port='' S_stop_timeout='' S_never_retry='' S_owner_lease='' S_retries='' S_backoff='' S_entrypoint=''
    S_meter_key_sha256='' S_route='' S_ledger=''
}

load_spec() {
    [ -f "$1" ] || bad spec-missing "$1"
    [ "$(wc -c <"$1")" -le 65536 ] || bad spec-size "more than 64 KiB"
    # Newlines part the values; no other control character has any business here.
    [ "$(tr -d '\n\040-\176\200-\377' <"$1" | wc -c)" = 0 ] || bad spec-bytes "control characters"
    clear_spec
    spec_line=0
    while IFS= read -r line || [ -n "$line" ]; do
        spec_line=$((spec_line + 1))
        case $line in
        *=*) spec_pair "${line%%=*}" "${line#*=}" || bad spec "line $spec_line: $line" ;;
        *) bad spec "line $spec_line: $line" ;;
        esac
    done <"$1"
    for key in kind image release user memory pids cpus stop_timeout; do
        eval "value=\$S_$key"
        # shellcheck disable=SC2154 # set by the eval above
        [ -n "$value" ] || bad spec "$key is missing"
    done
    spec_paths_apart || bad spec "state, config and secrets must be three places"
}

spec_pair() { # KEY VALUE; the keys below are the only words that ever reach an eval
    case $1 in
    kind) is_name "$2" || [ "$2" = meter ] ;;
    image) case $2 in sha256:*) is_hex64 "${2#sha256:}" ;; *) false ;; esac ;;
    release) is_release "$2" ;;
    user) is_owner "$2" ;;
    memory) is_number "$2" 6291456 9999999999999 ;;
    pids) is_number "$2" 1 32768 ;;
    cpus) is_cpus "$2" ;;
    state | config | secrets) is_inner_path "$2" ;;
    port) is_number "$2" 1 65535 ;;
    stop_timeout) is_number "$2" 1 900 ;;
    never_retry) is_number "$2" 1 255 ;;
    owner_lease) is_number "$2" 0 900 ;;
    retries) is_number "$2" 0 20 ;;
    backoff) is_number "$2" 0 600 ;;
    entrypoint) is_inner_path "$2" || is_file_name "$2" ;;
    meter_key_sha256) is_hex64 "$2" ;;
    route) is_name "$2" ;;
    ledger) is_number "$2" 1 999 ;;
    tmpfs) is_tmpfs "$2" && return 0 ;;
    env) is_env "$2" && return 0 ;;
    label) is_label "$2" && return 0 ;;
    arg | report | ready) return 0 ;;
    *) return 1 ;;
    esac || return 1
    eval "[ -z \"\$S_$1\" ]" || return 1 # a key that stands twice
    eval "S_$1=\$2"
}

spec_paths_apart() {
    [ "$S_state" != "$S_config" ] || [ -z "$S_state" ] || return 1
    [ "$S_state" != "$S_secrets" ] || [ -z "$S_state" ] || return 1
    [ "$S_config" != "$S_secrets" ] || [ -z "$S_config" ]
}

# --- a release comes in -------------------------------------------------------------------------------------------

# receive FOLDER SHA256 ALLOWED: standard input, a tar, is unpacked into FOLDER, which was not there before.
# Nothing is unpacked before the whole of it has come and every name and type in it has been looked at.
STAGE_LIMIT=33554432 # bytes; a configuration is text

receive() {
    is_hex64 "$2" || bad sha256 "$2"
    TIDY=$1.part
    rm -rf "$1.part"
    mkdir -p "$1.part/tree"
    head -c $((STAGE_LIMIT + 1)) >"$1.part/tar" || fail disk "no room"
    [ "$(wc -c <"$1.part/tar")" -le $STAGE_LIMIT ] || bad stage-size "more than $STAGE_LIMIT bytes"
    [ "$(sha256_of "$1.part/tar")" = "$2" ] || bad stage-cut "what came is not what was sent"
    tar_names_ok "$1.part/tar" "$3" || bad stage-names "only $3, plain files, plain names"
    try stage-tar tar -xf "$1.part/tar" -C "$1.part/tree"
    [ -z "$(find "$1.part/tree" ! -type f ! -type d -o -type f -links +1 -o -name '*[!A-Za-z0-9._-]*')" ] ||
        bad stage-names "links, devices or strange names"
    rm -f "$1.part/tar"
    echo "$2" >"$1.part/tree/.sha256"
}

sha256_of() {
    sum=$(sha256sum <"$1")
    printf '%s' "${sum%% *}"
}

tar_names_ok() { # FILE ALLOWED (spec+config | spec+routes.json)
    tar -tvf "$1" >"$1.list" 2>/dev/null || return 1
    while IFS= read -r line; do
        case $line in
        *' -> '* | *' link to '*) return 1 ;;
        -* | d*) ;;
        *) return 1 ;;
        esac
    done <"$1.list"
    tar -tf "$1" >"$1.names" 2>/dev/null || return 1
    specs=0
    while IFS= read -r line; do
        case $line in ./*) line=${line#./} ;; esac
        case $line in
        '') ;;
        *[!A-Za-z0-9._/-]* | *..* | *//* | /* | -* | */-*) return 1 ;;
        spec) specs=$((specs + 1)) ;;
        config | config/ | config/*) [ "$2" = spec+config ] || return 1 ;;
        routes.json) [ "$2" = spec+routes.json ] || return 1 ;;
        *) return 1 ;;
        esac
    done <"$1.names"
    rm -f "$1.list" "$1.names"
    [ "$specs" = 1 ]
}

# keep_release FOLDER: what was received becomes FOLDER by one rename, the disk knowing its content first.
keep_release() {
    sync_tree "$1.part/tree"
    failpoint stage-synced
    mv "$1.part/tree" "$1"
    sync "${1%/*}"
    rm -rf "$1.part"
    TIDY=
}
