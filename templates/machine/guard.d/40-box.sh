# --- boxes: the agents, and the meter -----------------------------------------------------------------------------

enter() { # BOX: what the functions below call the current box
    BOX=$1
    CONT=clawrack-$1
    NET=clawrack-$1
    DIR=$DATA/agents/$1
    UNIT=clawrack-agent@$1.service
    [ "$1" != meter ] || {
        DIR=$DATA/meter
        UNIT=clawrack-meter.service
        # Of several networks Docker takes the way out through the one whose name sorts first. This one sorts
        # before every agent's, so that removing an agent cuts no call of another.
        NET=clawrack
    }
}

agents() { # names of all agents
    for folder in "$DATA"/agents/*/; do
        folder=${folder%/}
        [ ! -d "$folder" ] || echo "${folder##*/}"
    done
}

current() { first_line "$DIR/current"; }

wanted_release() { # the release that has to run: the one on trial, else the current one
    if [ "$(field "$DIR/trial" stage)" = running ] || [ "$(field "$DIR/trial" stage)" = waiting ]; then
        field "$DIR/trial" release
    else
        current
    fi
}

dk() { timeout "${DK_LIMIT:-120}" "$DOCKER" "$@"; }

docker_up() { DK_LIMIT=10 dk version --format '{{.Server.Version}}' >/dev/null 2>&1; }

need_docker() { docker_up || fail docker "the Docker engine does not answer"; }

see_container() { # CONTAINER: STATE becomes `running exit-code oom-killed id`, or `absent`
    STATE=$(dk container inspect --format '{{.State.Running}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.Id}}' \
        "$1" 2>&1) || case $STATE in
    *[Nn]"o such"*) STATE=absent ;;
    *) fail docker "$STATE" ;;
    esac
}

is_running() {
    see_container "$CONT"
    case $STATE in true*) ;; *) return 1 ;; esac
}

# --- a container in its cage --------------------------------------------------------------------------------------

# create CONTAINER RELEASE: from the release's spec. What is not in the spec cannot be had; what is written
# here cannot be turned off.
create() {
    release_dir=$DIR/releases/$2
    load_spec "$release_dir/spec"
    S_user=$(box_user)
    cage_name=$1
    dk image inspect "$S_image" >/dev/null 2>&1 || fail image-missing "$S_image"
    mkdir -p "$RUN/$BOX" # what is in it, and whose it is, is settled before each start
    write_names "$release_dir"
    set -- create --pull never --name "$cage_name" --hostname "$BOX" --init --user "$S_user" \
        --cap-drop ALL --security-opt no-new-privileges --read-only --restart no \
        --memory "$S_memory" --memory-swap "$(memory_swap)" --pids-limit "$S_pids" --stop-timeout "$S_stop_timeout" \
        --log-driver json-file --log-opt max-size=10m --log-opt max-file=3 --ipc private \
        --network "$NET" --ip "$(box_address)" \
        --label "clawrack.machine=$(first_line "$DATA/id")" --label "clawrack.agent=$BOX" \
        --label "clawrack.kind=$S_kind" --label "clawrack.release=$2"
    set -- "$@" --mount "type=bind,source=$release_dir/passwd,target=/etc/passwd,readonly" \
        --mount "type=bind,source=$release_dir/group,target=/etc/group,readonly"
    usable_cpus
    [ -z "$CPUS" ] || set -- "$@" --cpus "$CPUS"
    [ -z "$S_port" ] || set -- "$@" --label "clawrack.port=$S_port"
    [ -z "$S_entrypoint" ] || set -- "$@" --entrypoint "$S_entrypoint"
    [ -z "$S_state" ] || set -- "$@" --mount "type=bind,source=$(state_dir),target=$S_state"
    [ -z "$S_config" ] || set -- "$@" --mount "type=bind,source=$(config_dir "$release_dir"),target=$S_config,readonly"
    [ -z "$S_secrets" ] || set -- "$@" --mount "type=bind,source=$RUN/$BOX,target=$S_secrets,readonly"
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
        tmpfs=*) set -- "$@" --tmpfs "$(own_tmpfs "${line#*=}")" ;;
        env=*) set -- "$@" --env "${line#*=}" ;;
        label=*) set -- "$@" --label "${line#*=}" ;;
        esac
    done <"$release_dir/spec"
    set -- "$@" "$S_image"
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in arg=*) set -- "$@" "${line#*=}" ;; esac
    done <"$release_dir/spec"
    try create dk "$@" >/dev/null
}

box_address() {
    if [ "$BOX" = meter ]; then address_in 0 2; else address_in "$(first_line "$DIR/subnet")" 3; fi
}

state_dir() { if [ "$BOX" = meter ]; then printf '%s' "$DIR/ledger"; else printf '%s' "$DIR/state"; fi; }
config_dir() { if [ "$BOX" = meter ]; then printf '%s' "$DIR/conf"; else printf '%s' "$1/config"; fi; }

# The engine refuses more CPUs than there are, and any number where the kernel cannot limit them (some NAS).
usable_cpus() { # CPUS becomes what may be asked for, or nothing
    CPUS=
    engine=$(dk info --format '{{.CPUCfsQuota}} {{.NCPU}}' 2>/dev/null) || fail docker "docker info"
    case $engine in true*) ;; *) return 0 ;; esac
    CPUS=$S_cpus
    [ "${S_cpus%%.*}" -lt "${engine#* }" ] || CPUS=${engine#* }
}

# --- whose it is --------------------------------------------------------------------------------------------------
# Each box runs as a user that nobody else on the machine is. As user 1000 it would be the same as most machines'
# first login, which could then walk into it through /proc/PID/root; two agents of one user share its limits.

UID_BASE=2130000 # plus the number of the agent's network …
UID_METER=2195000 # … or this one: far from people, and from what adduser and subuid give

box_user() { # UID:GID of the current box
    if [ "$BOX" = meter ]; then
        box_uid=$UID_METER
    else
        box_uid=$((UID_BASE + $(first_line "$DIR/subnet")))
    fi
    printf '%s:%s' "$box_uid" "$box_uid"
}

# A program may ask for the name and home of its user, and some end where there is none.
write_names() { # RELEASE_DIR; of the loaded spec and S_user
    home=/
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in env=HOME=/*) home=${line#env=HOME=} ;; esac
    done <"$1/spec"
    case $home in *[!A-Za-z0-9._/-]*) home=/ ;; esac
    printf 'root:x:0:0::/root:/bin/sh\nagent:x:%s::%s:/bin/sh\n' "$S_user" "$home" | put "$1/passwd"
    printf 'root:x:0:\nagent:x:%s:\n' "${S_user#*:}" | put "$1/group"
    chmod 0644 "$1/passwd" "$1/group"
}

own_tmpfs() { # PATH[:OPTION,…]: whatever user and group it names are the box's own
    case $1 in *:*) left_options=${1#*:}, ;; *) left_options= ;; esac
    options=
    while [ -n "$left_options" ]; do
        option=${left_options%%,*}
        left_options=${left_options#*,}
        case $option in
        uid=*) option=uid=${S_user%:*} ;;
        gid=*) option=gid=${S_user#*:} ;;
        esac
        options="$options${options:+,}$option"
    done
    printf '%s' "${1%%:*}${options:+:$options}"
}

# own FOLDER: all of it becomes S_user's, where it is another's: a snapshot's, a release's as it came, or what an
# older guard kept. The folder itself comes last, so that what was cut off is begun again. The box does not run.
own() {
    [ -d "$1" ] || return 0
    [ "$(owner_of "$1")" = "$S_user" ] || find "$1" -depth -exec chown -h "$S_user" {} +
}

owner_of() { # FOLDER → UID:GID
    owner_line=$(ls -nd "$1")
    # shellcheck disable=SC2086 # its words
    set -- $owner_line
    printf '%s:%s' "$3" "$4"
}

own_all() { # RELEASE: what the box may read or write
    own "$(state_dir)"
    [ "$BOX" = meter ] || own "$DIR/releases/$1/config"
}

# --- secrets: on disk only root reads them; the container gets a copy on /run -------------------------------------

tmpfs_dir() {
    mkdir -p "$RUN/$BOX"
    chmod 0700 "$RUN" "$RUN/$BOX"
    chown "$S_user" "$RUN/$BOX"
}

secrets_out() {
    tmpfs_dir
    for secret in "$DIR"/secrets/*; do
        [ -f "$secret" ] || continue
        case $secret in *.new) continue ;; esac
        cat "$secret" >"$RUN/$BOX/.new"
        chmod 0600 "$RUN/$BOX/.new"
        chown "$S_user" "$RUN/$BOX/.new"
        mv -f "$RUN/$BOX/.new" "$RUN/$BOX/${secret##*/}"
    done
}

secrets_back() { # the folder stays: the container's mount names it
    rm -f "${RUN:?}/$BOX"/* "$RUN/$BOX/.new" 2>/dev/null || :
}

# --- stopping, and proving it -------------------------------------------------------------------------------------

# halt_box: asks it to stop, waits, and does not believe it before Docker says so.
halt_box() {
    supervisor_stop # first: where the engine is away, nobody may start the box when it is back
    need_docker
    ! is_running || docker_stop
    see_container "$CONT"
    case $STATE in
    absent) return 0 ;;
    true*) fail not-stopped "$CONT still runs" ;;
    esac
}

# Docker waits as long as the container was created with (`stop_timeout`), then kills. What a failed trial is
# doing is going to be thrown away: it is not waited for that long.
docker_stop() {
    set -- stop
    [ "$(field "$DIR/trial" stage)" != reverting ] || set -- stop -t 10
    DK_LIMIT=960 dk "$@" "$CONT" >/dev/null 2>&1 || dk kill "$CONT" >/dev/null 2>&1 || :
}

# A box that had to be killed leaves a mark: with its `owner_lease` open, its kind refuses a new container on the
# same state for that many seconds (the same container would be let in).
note_unclean() { # of the current box, which has just been halted
    # shellcheck disable=SC2086 # the words of STATE: running, exit code, oom-killed, id
    set -- $STATE
    [ "$1" != absent ] || return 0
    if [ "$3" = false ] && { [ "$2" -lt 128 ] || [ "$2" = 130 ] || [ "$2" = 143 ]; }; then return 0; fi
    lease_s=$(field "$DIR/releases/$(wanted_release)/spec" owner_lease)
    is_number "$lease_s" 1 900 || return 0
    put "$DIR/hold" <<END
boot=$(boot_id)
until=$(($(uptime_s) + lease_s))
seconds=$lease_s
container=$4
END
}

hold_left() { # seconds before a new container may start
    [ -s "$DIR/hold" ] || { echo 0; return 0; }
    if [ "$(field "$DIR/hold" boot)" = "$(boot_id)" ]; then
        hold_s=$(($(field "$DIR/hold" until) - $(uptime_s)))
    else
        hold_s=$(($(field "$DIR/hold" seconds) - $(boot_age)))
    fi
    if [ $hold_s -gt 0 ]; then echo $hold_s; else echo 0; fi
}

remove_container() { # CONTAINER, which does not run
    see_container "$1"
    [ "$STATE" = absent ] || try container-remove dk rm -v "$1" >/dev/null
}

# --- the supervisor: systemd, or `guard watch` --------------------------------------------------------------------

has_systemd() { [ "${SUPERVISOR:-}" != watch ] && [ -d /run/systemd/system ]; }

supervisor_start() { # NOWAIT blocks nothing: at boot, and where the box must wait before it starts
    rm -f "$RUN/$BOX.fails" "$RUN/$BOX.jitter"
    drop "$DIR/reason"
    if has_systemd; then
        systemctl reset-failed "$UNIT" 2>/dev/null || :
        if [ -n "${CLAWRACK_AT_BOOT:-}" ] || [ "$(hold_left)" -gt 0 ]; then
            try start systemctl start --no-block "$UNIT"
        else
            try start systemctl start "$UNIT"
        fi
    else
        watch_start
    fi
}

supervisor_stop() {
    if has_systemd; then
        systemctl stop "$UNIT" 2>/dev/null || :
    else
        watch_stop
    fi
}

enable_box() { ! has_systemd || systemctl enable "$UNIT" 2>/dev/null || fail enable "$UNIT"; }
disable_box() {
    ! has_systemd || systemctl disable "$UNIT" 2>/dev/null || :
    ! has_systemd || systemctl reset-failed "$UNIT" 2>/dev/null || :
}
