# --- look ---------------------------------------------------------------------------------------------------------
# Reads, changes nothing, waits for nobody. Three questions to Docker, one to systemd, the rest is on the disk.

verb_look() {
    say version "$GUARD_VERSION"
    if [ ! -s "$DATA/version" ]; then
        say installed 0
        return 0
    fi
    say installed 1
    look_machine
    look_lease
    look_docker
    look_units
    for name in $(agents); do
        enter "$name"
        look_agent "agent.$name"
    done
    look_files
    enter meter
    say meter.release "$(current)"
    [ ! -s "$DIR/replacing" ] || say meter.replacing "$(first_line "$DIR/replacing")"
    for entry in "$DIR"/failed/*; do [ ! -e "$entry" ] || say meter.failed "${entry##*/}"; done
    look_reason meter
}

look_machine() {
    say id "$(first_line "$DATA/id")"
    say pool "$(first_line "$DATA/pool")"
    say boot "$(boot_id)"
    say uptime "$(uptime_s)"
    say token "$(first_line "$DATA/token")"
    say memory "$(memory_bytes)"
    say disk_free "$(($(free_kib_of "$DATA") * 1024))"
    if firewall_ok; then say firewall ok; else say firewall missing; fi
    say data "$DATA"
    look_supervisor
    [ ! -d "$DATA/kept" ] || for entry in "$DATA"/kept/*; do say kept "${entry##*/}"; done
}

memory_bytes() { # all that the machine has
    while read -r word kib _; do
        [ "$word" != MemTotal: ] || { echo $((kib * 1024)) && return 0; }
    done </proc/meminfo
}

look_supervisor() {
    if has_systemd; then
        say supervisor systemd
        return 0
    fi
    say supervisor watch
    if [ -e "$RUN/watch.lock" ] && ! flock -n "$RUN/watch.lock" true; then say watch up; else say watch down; fi
    if hook_ok; then say hook ok; else say hook missing; fi
}

look_lease() {
    left=$(lease_left)
    say lease.left "$left"
    [ "$left" = 0 ] || say lease.holder "$(field "$DATA/lease" holder)"
}

look_docker() {
    if ! engine=$(DK_LIMIT=10 dk version --format '{{.Server.Version}} {{.Server.Os}}/{{.Server.Arch}}' 2>/dev/null); then
        say docker down
        return 0
    fi
    say docker up
    say docker.version "${engine% *}"
    say docker.platform "${engine#* }"
    MACHINE_ID=$(first_line "$DATA/id")
    ids=
    others=0
    while IFS=' ' read -r id one state image label; do
        one=${one%%,*}
        if [ "$label" = "$MACHINE_ID" ] || is_agents_container "$one"; then
            ids="$ids $id"
        elif is_hex64 "$id"; then
            others=$((others + 1))
            [ $others -gt $OTHERS_TOLD ] || say other "$one $image $state"
        fi
    done <<END
$(dk ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.State}} {{.Image}} {{.Label "clawrack.machine"}}' 2>/dev/null || :)
END
    say others "$others"
    [ -n "$ids" ] || return 0
    # shellcheck disable=SC2086 # a list of words
    dk container inspect --format "$LOOK_FORMAT" $ids 2>/dev/null | while IFS= read -r one; do
        one=${one#/}
        look_container "${one%%|*}" "${one#*|}"
    done
}

OTHERS_TOLD=20 # containers of somebody else's, by name
LOOK_FORMAT='{{.Name}}|{{urlquery (index .Config.Labels "clawrack.agent")}}|{{.Id}}|{{.Image}}|{{urlquery (index .Config.Labels "clawrack.release")}}|{{.State.Status}}|{{.State.ExitCode}}|{{.State.OOMKilled}}|{{.State.StartedAt}}|{{.State.FinishedAt}}|{{.Config.User}}|{{urlquery (index .Config.Labels "clawrack.kind")}}|{{urlquery (index .Config.Labels "clawrack.machine")}}|{{.HostConfig.Memory}}|{{.HostConfig.RestartPolicy.Name}}|'

is_agents_container() { # CONTAINER: its name is that of an agent here, whatever it says of itself
    case $1 in clawrack-*) is_name "${1#clawrack-}" && [ -d "$DATA/agents/${1#clawrack-}" ] ;; *) false ;; esac
}

look_container() { # NAME FIELDS, each ended by a bar; a label of somebody else's making may be missing, or escaped
    look_name=$1
    look_left=$2
    set --
    while case $look_left in *'|'*) ;; *) false ;; esac do
        set -- "$@" "${look_left%%|*}"
        look_left=${look_left#*|}
    done
    [ $# = 14 ] || return 0
    look_at=stray.$look_name
    case $look_name in
    clawrack-meter) look_at=meter ;;
    clawrack-*.next) ! is_agents_container "${look_name%.next}" || return 0 ;; # of a trial that is being prepared
    *) ! is_agents_container "$look_name" || look_at=agent.${look_name#clawrack-} ;;
    esac
    say "$look_at.container" "$2"
    say "$look_at.image" "$3"
    say "$look_at.running_release" "$4"
    say "$look_at.state" "$5"
    say "$look_at.exit_code" "$6"
    say "$look_at.oom_killed" "$7"
    say "$look_at.started_at" "$8"
    say "$look_at.finished_at" "$9"
    say "$look_at.user" "${10}"
    say "$look_at.kind" "${11}"
    case $look_at in agent.*)
        enter "${look_at#agent.}"
        look_box "$3" "${12}" "$1" "$4" "${11}" "${13}" "${14}"
        ;;
    esac
}

look_units() {
    has_systemd || return 0
    set -- clawrack-boot.service clawrack-tick.timer clawrack-meter.service
    for name in $(agents); do set -- "$@" "clawrack-agent@$name.service"; done
    shown=$(systemctl show -p Id,ActiveState,SubState,NRestarts "$@" 2>/dev/null) || return 0
    unit=
    while IFS='=' read -r key value; do
        case $key in
        Id) unit=$value ;;
        ActiveState) active=$value ;;
        SubState) sub=$value ;;
        NRestarts) restarts=$value ;;
        '') look_unit ;;
        esac
    done <<END
$shown
END
    look_unit
}

look_unit() {
    [ -n "$unit" ] || return 0
    case $unit in
    clawrack-agent@*) unit=${unit#clawrack-agent@} unit=agent.${unit%.service}.unit ;;
    clawrack-meter.service) unit=meter.unit ;;
    *) unit=unit.$unit ;;
    esac
    say "$unit" "${active:-}/${sub:-}"
    case $unit in *.unit) say "${unit%.unit}.restarts" "${restarts:-0}" ;; esac
    unit=
    restarts=
}

look_agent() { # PREFIX
    look_release=$(current)
    say "$1.release" "$look_release"
    [ -z "$look_release" ] || say "$1.version" "$(version_of "$look_release")"
    say "$1.stopped" "$([ -e "$DIR/stopped" ] && echo 1 || echo 0)"
    if [ -s "$DIR/subnet" ]; then
        net_number=$(first_line "$DIR/subnet")
        say "$1.subnet" "$(subnet_of "$net_number")"
        say "$1.address" "$(box_address)"
        say "$1.bridge" "cr$net_number"
    fi
    look_trial "$1"
    look_adopt "$1"
    look_kept "$1"
    look_reason "$1"
    for entry in "$DIR"/releases/*/spec; do
        [ ! -e "$entry" ] || { entry=${entry%/spec} && say "$1.staged" "${entry##*/}"; }
    done
    for entry in "$DIR"/snapshots/*.tar; do
        [ ! -e "$entry" ] || { entry=${entry##*/} && say "$1.snapshot" "${entry%.tar}"; }
    done
    for entry in "$DIR"/failed/*; do [ ! -e "$entry" ] || say "$1.failed" "${entry##*/}"; done
    for entry in "$DIR"/secrets/*; do [ ! -e "$entry" ] || say "$1.secret" "${entry##*/}"; done
    running=$(field "$DIR/releases/$(wanted_release)/spec" port)
    [ -z "$running" ] || say "$1.port" "$running"
    [ "$(hold_left)" = 0 ] || say "$1.hold" "$(hold_left)"
}

look_kept() { # PREFIX: what one can go back to, the latest first, and of each since when, bytes and version
    [ ! -e "$DIR/rollback" ] || say "$1.rollback" "$(field "$DIR/rollback" release)"
    [ -r "$DIR/history" ] || return 0
    say "$1.upgraded" "$(history_since "$(current)")"
    while read -r look_release look_rest; do
        [ -n "$look_release" ] || continue
        say "$1.kept" "$look_release"
        say "$1.kept.$look_release" "$look_rest $(version_of "$look_release")"
    done <<END
$(kept)
END
}

version_of() { # RELEASE: as its label says it
    [ -r "$DIR/releases/$1/spec" ] || return 0
    while IFS= read -r line; do
        case $line in label=version=*) printf '%s' "${line#label=version=}" ;; esac
    done <"$DIR/releases/$1/spec"
}

look_trial() {
    [ -e "$DIR/trial" ] || return 0
    say "$1.trial" "$(field "$DIR/trial" release)"
    say "$1.trial.stage" "$(field "$DIR/trial" stage)"
    trial_until=$(field "$DIR/trial" until)
    if still "$(field "$DIR/trial" boot)" "$trial_until"; then
        say "$1.trial.left" $((trial_until - $(uptime_s)))
    else
        say "$1.trial.left" 0
    fi
}

look_reason() {
    [ -e "$DIR/reason" ] || return 0
    say "$1.reason" "$(field "$DIR/reason" reason)"
    for key in exit starts detail release; do
        say "$1.reason.$key" "$(field "$DIR/reason" $key)"
    done
}
