# --- checkup ------------------------------------------------------------------------------------------------------
# What a doctor asks: all that `look` tells, and what a person may have changed by hand. Reads, changes nothing. Of a
# secret it tells mode, owner and name, never the content. A part that fails is left out, and the others are told.

verb_checkup() {
    say clock.now "$(date -u +%s)"
    verb_look
    [ -s "$DATA/version" ] || return 0
    engine=
    ! docker_up || engine=up
    for part in guard clock disks modes units lives files; do "check_$part" || :; done
    [ -n "$engine" ] || return 0
    for part in images networks ends; do "check_$part" || :; done
}

check_guard() {
    say guard.sha256 "$(sha256_of "$GUARD")"
    [ -r "$LIB/brought" ] || return 0
    read -r brought placed by _ <"$LIB/brought"
    say guard.by "${by:-}"
    say guard.brought "$brought"
    say guard.placed "$placed"
}

check_clock() { # a container has its host's clock and cannot set it
    if systemd-detect-virt -q -c 2>/dev/null; then
        say clock.synchronised container
    elif command -v timedatectl >/dev/null 2>&1; then
        say clock.synchronised "$(timeout 5 timedatectl show -p NTPSynchronized --value 2>/dev/null)"
    fi
    [ ! -e "$DATA/lease" ] || say lease.renewed "$(date -u -r "$DATA/lease" +%s)"
}

check_disks() {
    check_disk state "$DATA"
    root=
    [ -z "$engine" ] || root=$(DK_LIMIT=10 dk info --format '{{.DockerRootDir}}' 2>/dev/null) || root=
    [ -d "${root:=/var/lib/docker}" ] || return 0
    check_disk engine "$root"
}

check_disk() { # NAME PATH: which file system, then KiB and inodes, in all and free
    df -Pk "$2" 2>/dev/null | {
        read -r _
        read -r device all _ free _ mount
        say "disk.$1" "$all $free $device $mount"
    }
    df -Pi "$2" 2>/dev/null | {
        read -r _
        read -r _ all _ free _
        say "inodes.$1" "$all $free"
    }
}

check_modes() {
    BOX=-
    for path in "$DATA" "$DATA/agents" "$DATA/meter" "$RUN"; do check_mode parent "$path"; done
    for path in "$LIB" "$GUARD"; do check_mode program "$path"; done
    for name in $(agents) meter; do
        enter "$name"
        [ "$name" = meter ] || check_mode parent "$DIR"
        check_mode secrets "$DIR/secrets"
        for path in "$DIR"/secrets/*; do check_mode secret "$path"; done
        check_mode copies "$RUN/$BOX"
        for path in "$RUN/$BOX"/*; do check_mode copy "$path"; done
    done
}

check_mode() { # WHAT PATH: what it is, whose, and mode, user, group and path
    [ -e "$2" ] || [ -L "$2" ] || return 0
    mode_line=$(ls -nd "$2") || return 0
    # shellcheck disable=SC2086 # its words
    set -- "$1" "$2" $mode_line
    say mode "$1 $BOX $3 $5 $6 $2"
}

check_units() {
    has_systemd || {
        check_watch
        return 0
    }
    set -- clawrack-boot.service clawrack-recover.service clawrack-tick.timer clawrack-meter.service
    for name in $(agents); do set -- "$@" "clawrack-agent@$name.service"; done
    for unit in "$@"; do # asked one by one: a unit that is nowhere has no place in a common answer's order
        shown=$(systemctl show -p LoadState,UnitFileState,ActiveState "$unit" 2>/dev/null) || continue
        load='' file='' active=''
        while IFS='=' read -r key value; do
            case $key in LoadState) load=$value ;; UnitFileState) file=$value ;; ActiveState) active=$value ;; esac
        done <<END
$shown
END
        say unit "$unit ${load:--} ${file:--} ${active:--}"
    done
}

check_watch() { # the watcher and its boot hook, in the words of a unit
    if hook_ok; then file=enabled; else file=disabled; fi
    active=inactive
    if [ -e "$RUN/watch.lock" ] && ! flock -n "$RUN/watch.lock" true; then active=active; fi
    say unit "clawrack-watch loaded $file $active"
}

check_lives() { # how often each box has failed in a row
    for name in $(agents) meter; do
        enter "$name"
        fails=$(first_line "$RUN/$BOX.fails")
        [ -z "$fails" ] || say "fails.$name" "$fails"
    done
}

# The files of each agent's release as they lie, in hexadecimal, and the checksum of the archive that they came in.
# Nothing of it is secret: secrets lie elsewhere, and are only referred to.
FILE_LIMIT=65536 # bytes of one file

check_files() {
    for name in $(agents); do
        enter "$name"
        check_release
    done
}

check_release() { # of the current box
    release=$(current)
    [ -n "$release" ] || return 0
    [ -d "$DIR/releases/$release" ] || return 0
    say "files.$BOX" "$release $(first_line "$DIR/releases/$release/.sha256")"
    (cd "$DIR/releases/$release" && check_tree "$BOX") || :
}

verb_files() { # NAME…: what lies there of their current releases; reads, changes nothing
    prepared
    for name in "$@"; do
        is_name "$name" || bad name "$name"
        enter "$name"
        check_release
    done
}

check_tree() { # NAME; in the release's folder
    find spec config ! -type d 2>/dev/null | head -n 50 | while IFS= read -r path; do
        case $path in *[!A-Za-z0-9._/-]*) path=odd ;; esac
        if [ ! -f "$path" ] || [ -L "$path" ] || [ "$(wc -c <"$path")" -gt $FILE_LIMIT ]; then
            say "odd.$1" "$path"
        else
            printf 'file.%s=%s %s\n' "$1" "$path" "$(od -An -v -tx1 "$path" | tr -d ' \n')"
        fi
    done
}

check_images() {
    held=$(dk images -aq --no-trunc 2>/dev/null) || return 0
    for name in $(agents) meter; do
        enter "$name"
        image=$(field "$DIR/releases/$(wanted_release)/spec" image)
        [ -n "$image" ] || continue
        case "$held" in
        *"$image"*) say "image.$name" "$image there" ;;
        *) say "image.$name" "$image missing" ;;
        esac
    done
}

check_networks() { # who runs on our networks
    nets=$(dk network ls -q --filter "label=clawrack.machine=$(first_line "$DATA/id")" 2>/dev/null) || return 0
    [ -n "$nets" ] || return 0
    # shellcheck disable=SC2086 # a list of words
    dk network inspect --format '{{range .Containers}}{{println $.Name .Name}}{{end}}' $nets 2>/dev/null |
        while read -r net container; do [ -z "$container" ] || say hangs "$net $container"; done
}

check_ends() { # who ended within a day, with which code; and whom the kernel stopped for memory. The engine's memory
    now=$(date -u +%s)
    dk events --since $((now - 86400)) --until "$now" --filter type=container --filter event=die --filter event=oom \
        --filter "label=clawrack.machine=$(first_line "$DATA/id")" \
        --format '{{.Time}} {{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}' 2>/dev/null |
        tail -n 200 | while IFS= read -r ended; do say ended "$ended"; done
}

# --- mend ---------------------------------------------------------------------------------------------------------
# What a doctor may put right by itself. Each looks first: `already=1` where nothing had to change. `units` reads a tar of
# the units' files from standard input, for nobody on the machine has them once they are gone.

verb_mend() { # TOKEN firewall|modes|units|engine|config|box [NAME]
    case $2.${3:-} in
    firewall. | modes. | units. | engine.) begin "$1" ;;
    config.* | box.*)
        is_name "${3:-}" || bad name "${3:-}"
        begin_settled "$1" "$3"
        ;;
    *) bad mend "$2" ;;
    esac
    MENDED=
    "mend_$2"
    [ -n "$MENDED" ] || say already 1
}

mend_firewall() {
    ! firewall_ok || return 0
    MENDED=1
    try firewall firewall_assert
    firewall_ok || fail firewall "the chain is still not as it should be"
}

mend_engine() {
    ! docker_up || return 0
    has_systemd || refuse no-systemd "the engine has to be started by hand"
    MENDED=1
    try engine timeout 90 systemctl start docker.service
    docker_up || fail docker "the Docker engine does not answer"
}

mend_units() {
    has_systemd || {
        mend_watch
        return 0
    }
    TIDY=$RUN/mend.$$
    mkdir -p "$TIDY"
    head -c 1048576 >"$TIDY/tar"
    tar -tf "$TIDY/tar" >"$TIDY/names" 2>/dev/null || bad units "no archive"
    while IFS= read -r name; do
        case " $(printf '%s' "$UNIT_NAMES" | tr '\n' ' ') " in *" $name "*) ;; *) bad units "$name" ;; esac
    done <"$TIDY/names"
    try units tar -xf "$TIDY/tar" -C "$TIDY"
    for unit in $UNIT_NAMES; do
        if [ ! -f "$TIDY/$unit" ] || [ -L "$TIDY/$unit" ]; then bad units "$unit"; fi
    done
    install_units "$TIDY"
    mend_boot_units
    for name in $(agents) meter; do
        enter "$name"
        [ -z "$(current)" ] || mend_enabled "$UNIT"
    done
}

mend_watch() { # what stands in the units' place: the boot hook, and the watcher that it starts
    CHANGED=
    [ -z "$HOOK" ] || install_hook
    install_watch
    MENDED=$CHANGED
    [ ! -e "$RUN/changed" ] || MENDED=1
    rm -f "$RUN/changed"
}

mend_boot_units() { # loaded as they now are, enabled, and started
    [ ! -e "$RUN/changed" ] || {
        MENDED=1
        systemctl daemon-reload
        rm -f "$RUN/changed"
    }
    for unit in clawrack-boot.service clawrack-recover.service clawrack-tick.timer; do mend_enabled "$unit"; done
    for unit in clawrack-boot.service clawrack-tick.timer; do
        systemctl is-active -q "$unit" || { MENDED=1 && try start systemctl start "$unit"; }
    done
}

mend_enabled() { # UNIT
    [ "$(systemctl is-enabled "$1" 2>/dev/null)" != enabled ] || return 0
    MENDED=1
    try enable systemctl enable "$1"
}

# Only root reads below DATA; a box's copy of its secrets is the box's own.
mend_modes() {
    for path in "$DATA" "$DATA/agents" "$DATA/meter" "$RUN"; do mend_mode "$path" drwx------ 0700 0:0; done
    for path in "$LIB" "$GUARD"; do mend_program "$path"; done
    for name in $(agents) meter; do
        enter "$name"
        [ "$BOX" = meter ] || mend_mode "$DIR" drwx------ 0700 0:0
        mend_mode "$DIR/secrets" drwx------ 0700 0:0
        for path in "$DIR"/secrets/*; do mend_mode "$path" -rw------- 0600 0:0; done
        box_owner=$(dk container inspect --format '{{.Config.User}}' "$CONT" 2>/dev/null) || box_owner=
        is_owner "$box_owner" || continue
        mend_mode "$RUN/$BOX" drwx------ 0700 "$box_owner"
        for path in "$RUN/$BOX"/*; do mend_mode "$path" -rw------- 0600 "$box_owner"; done
    done
}

mend_mode() { # PATH AS-LS-SAYS-IT MODE OWNER; a link is nobody's of ours and stays
    if [ ! -e "$1" ] || [ -L "$1" ]; then return 0; fi
    mode_line=$(ls -nd "$1")
    case $mode_line in
    "$2"*) ;;
    *) MENDED=1 && try modes chmod "$3" "$1" ;;
    esac
    mend_owner "$1" "$4"
}

mend_program() { # PATH: root's alone to change
    mend_owner "$1" 0:0
    case $(ls -nd "$1") in
    ?????w* | ????????w*) MENDED=1 && try modes chmod go-w "$1" ;;
    esac
}

mend_owner() { # PATH OWNER
    [ "$(owner_of "$1")" != "$2" ] || return 0
    MENDED=1
    try modes chown "$2" "$1"
}

# The release's files as they came: standard input is their archive, and its checksum must be the one noted then. The
# box is stopped first, so that one that was killed in between is seen not to run; a changed spec makes it anew.
mend_config() {
    release_dir=$DIR/releases/$(current)
    receive "$release_dir" "$(first_line "$release_dir/.sha256")" spec+config
    tree=$release_dir.part/tree
    if [ "$(tree_sum "$tree")" != "$(tree_sum "$release_dir")" ]; then
        MENDED=1
        restore_files
    fi
    rm -rf "$release_dir.part"
    TIDY=
}

restore_files() {
    need_docker
    spec_now=$(sha256_of "$release_dir/spec") || spec_now=
    halt_box
    note_unclean
    [ -e "$DIR/stopped" ] || UNDO=start_box
    config_owner=$(dk container inspect --format '{{.Config.User}}' "$CONT" 2>/dev/null) || config_owner=$(box_user)
    rm -rf "$release_dir/config.new"
    mkdir -p "$tree/config"
    mv "$tree/config" "$release_dir/config.new"
    find "$release_dir/config.new" -type d -exec chmod 0500 {} +
    find "$release_dir/config.new" -type f -exec chmod 0400 {} +
    chown -R "$config_owner" "$release_dir/config.new"
    rm -rf "$release_dir/config"
    mv "$release_dir/config.new" "$release_dir/config"
    put "$release_dir/spec" <"$tree/spec"
    sync_tree "$release_dir"
    [ "$spec_now" = "$(sha256_of "$release_dir/spec")" ] || remove_container "$CONT"
    UNDO=
    [ -e "$DIR/stopped" ] || start_box
}

# An agent's container made anew from its release, because it is not what it was made as. What was stopped stays stopped.
mend_box() {
    need_docker
    MENDED=1
    load_spec "$DIR/releases/$(current)/spec"
    dk image inspect "$S_image" >/dev/null 2>&1 || fail image-missing "$S_image"
    halt_box
    note_unclean
    [ -e "$DIR/stopped" ] || UNDO=start_box
    remove_container "$CONT"
    UNDO=
    [ -e "$DIR/stopped" ] || start_box
}

tree_sum() { # FOLDER: of what came in the archive, or lies there now; a link is not the file that it leads to
    (cd "$1" && { find spec config -type f -exec sha256sum {} + && find spec config ! -type d ! -type f; } 2>&1 | sort | sha256sum)
}
