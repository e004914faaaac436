# --- the host -----------------------------------------------------------------------------------------------------
# What agents need of the machine around them: a clock that is right, swap where memory is short, no sleep, a journal
# that ends, and, where a person asked for it, a firewall. None of it needs Docker, and the clock not even the guard to
# be installed: it is set before anything is downloaded. The manifest gets a line before each change; `host_back`
# takes it back.

SWAPFILE=$DATA/swapfile
SWAP_SPARE=1048576 # KiB that stay free beside it
CLOCK_OFF=120      # seconds
LOGIND_D=/etc/systemd/logind.conf.d
JOURNALD_D=/etc/systemd/journald.conf.d
SLEEPS="sleep.target suspend.target hibernate.target hybrid-sleep.target suspend-then-hibernate.target"

verb_host() { # WHAT [VALUE…]
    case $1.$# in
    look.1) host_look && return 0 ;;
    door_late.1) host_door_late && return 0 ;; # no lock: whoever is locked out must not wait for a change's end
    clock.2 | swap.2 | awake.1 | journal.2 | undo.1) ;;
    door.3 | door.4 | door_commit.1 | door_open.1) ;;
    *) bad host "$*" ;;
    esac
    mkdir -p "$DATA" "$RUN"
    chmod 0700 "$DATA" "$RUN"
    exec 9>>"$DATA/lock"
    flock -w 30 9 || refuse busy "another change is under way"
    [ "$1" = clock ] || free_or_ours '' # no token comes with it: nobody's lease may stand
    what=$1
    shift
    "host_$what" "$@"
}

host_look() { # reads, changes nothing
    swap_state=off
    [ ! -s "$DATA/noswap" ] || swap_state="refused $(first_line "$DATA/noswap")"
    ! swap_is_on || swap_state=on
    say swap "$swap_state"
    awake=yes
    for unit in $SLEEPS; do is_masked "$unit" || is_theirs "$unit" || awake=no; done
    [ -s "$LOGIND_D/50-clawrack.conf" ] || awake=no
    say awake "$awake"
    [ ! -s "$JOURNALD_D/50-clawrack.conf" ] || say journal yes
    door_look
}

host_back() { # WHAT [VALUE]: takes back what the manifest's line `host WHAT VALUE` announced
    case $1 in
    swap) swap_drop ;;
    ntp) timedatectl set-ntp false 2>/dev/null || : ;;
    "mask "*) ! is_masked "${1#* }" || rm -f "$UNITS/${1#* }" ;;
    journald) systemctl restart systemd-journald.service 2>/dev/null || : ;;
    logind) logind_reads ;;
    door) door_drop ;;
    esac </dev/null
}

host_undo() { # of a machine that never got as far as a guard; elsewhere `uninstall` does it
    [ ! -s "$DATA/version" ] || refuse installed "uninstall takes it back"
    [ ! -r "$DATA/manifest" ] || uninstall_files
    rm -f "$DATA/lock"
    rmdir "$DATA" 2>/dev/null || :
}

# Where agents live: root's alone, and on a disk that keeps it so. A folder that somebody made before us, or a link to
# a larger disk, is taken as it is.
host_ground() { # in `install`, once the folders are there
    case $(filesystem_of "$DATA") in
    tmpfs | ramfs | rootfs | squashfs) refuse ground-memory "$DATA" ;;
    vfat | msdos | exfat | ntfs | ntfs3 | fuseblk | 9p | cifs | smb3 | nfs | nfs4 | fuse.*) refuse ground-owners "$DATA" ;;
    esac
    for folder in "$DATA" "$DATA/agents" "$DATA/meter" "$DATA/images"; do
        [ "$(owner_of "$folder/.")" = 0:0 ] || try modes chown 0:0 "$folder/."
    done
}

host_boot() { # at each boot
    [ ! -e "$SWAPFILE" ] || swap_is_on || swapon "$SWAPFILE" 2>/dev/null || :
    rm -f "$DATA/door.trial" # nobody has proven that one
    ! door_wanted || door_load || :
}

unrecord() { # LINE: out of the manifest
    [ -r "$DATA/manifest" ] || return 0
    others=$(while IFS= read -r line; do [ "$line" = "$1" ] || printf '%s\n' "$line"; done <"$DATA/manifest")
    printf '%s\n' "$others" | put "$DATA/manifest"
}

conf() { # FOLDER: standard input becomes our drop-in there
    [ -d "$1" ] || {
        record "dir $1"
        mkdir -p "$1"
    }
    record "file $1/50-clawrack.conf"
    place "$1/50-clawrack.conf" 0644
    rm -f "$RUN/changed"
}

in_container() { systemd-detect-virt -q -c 2>/dev/null || [ -e /.dockerenv ]; }

# --- the clock ----------------------------------------------------------------------------------------------------

host_clock() { # EPOCH, as the controller has it
    is_number "$1" 1577836800 4102444800 || bad epoch "$1"
    clock_told=$1
    clock_heard=$(uptime_s)
    if ! clock_off; then
        say already 1
        return 0
    fi
    ! in_container || refuse clock-container "it is set on the computer that this container runs on"
    [ "$(clock_asks NTPSynchronized)" != yes ] || refuse clock-kept "a time server keeps it"
    clock_by_ntp
    ! clock_off || clock_by_hand
    say set "$(date -u +%s)"
}

clock_true() { echo $((clock_told + $(uptime_s) - clock_heard)); }

clock_off() {
    off_s=$(($(date -u +%s) - $(clock_true)))
    [ "${off_s#-}" -gt $CLOCK_OFF ]
}

clock_asks() { # PROPERTY
    ! command -v timedatectl >/dev/null 2>&1 || timeout 5 timedatectl show -p "$1" --value 2>/dev/null || :
}

clock_by_ntp() {
    [ "$(clock_asks CanNTP)" = yes ] || return 0
    [ "$(clock_asks NTP)" = yes ] || {
        record "host ntp"
        timeout 10 timedatectl set-ntp true 2>/dev/null || {
            unrecord "host ntp"
            return 0
        }
    }
    for _ in 1 2 3 4 5; do
        clock_off || return 0
        sleep 1
    done
}

clock_by_hand() {
    clock_said=$(date -u -s "@$(clock_true)" 2>&1 >/dev/null) || fail clock "$clock_said"
    ! command -v hwclock >/dev/null 2>&1 || timeout 10 hwclock --systohc 2>/dev/null || :
}

# --- swap ---------------------------------------------------------------------------------------------------------

host_swap() { # MIB
    is_number "$1" 16 16384 || bad mib "$1"
    if swap_is_on; then
        say already 1
        return 0
    fi
    filesystem=$(filesystem_of "$DATA")
    case $filesystem in
    ext[234] | xfs) ;;
    *) swap_not swap-place "$DATA is on $filesystem" ;;
    esac
    [ "$(free_kib_of "$DATA")" -ge $(($1 * 1024 + SWAP_SPARE)) ] || swap_not swap-room "$1 MiB, and 1 GiB beside it"
    swap_failed=
    record "host swap"
    UNDO=swap_drop
    failpoint host-swap
    swap_make "$1" || swap_failed=1
    if [ -n "$swap_failed" ]; then
        swap_drop
        swap_not swap-kernel "$swap_said"
    fi
    UNDO=
    rm -f "$DATA/noswap"
    say swap on
}

swap_make() { # MIB; what went wrong is in swap_said
    rm -f "$SWAPFILE"
    swap_said=$(umask 077 && { fallocate -l "${1}M" "$SWAPFILE" 2>/dev/null || head -c "$(($1 * 1048576))" /dev/zero >"$SWAPFILE"; } 2>&1) || return 1
    chmod 0600 "$SWAPFILE"
    sync "$SWAPFILE"
    swap_said=$({ mkswap "$SWAPFILE" >/dev/null && swapon "$SWAPFILE"; } 2>&1) || return 1
}

swap_not() { # REASON DETAIL: kept, so that the next run need not try again what cannot be
    unrecord "host swap"
    printf '%s\n' "$1" | put "$DATA/noswap"
    refuse "$@"
}

swap_is_on() { # a container sees its host's list, in which another's may have the same name
    [ -e "$SWAPFILE" ] || return 1
    while read -r swap_path _; do
        [ "$swap_path" != "$SWAPFILE" ] || return 0
    done </proc/swaps
    return 1
}

swap_drop() {
    ! swap_is_on || swapoff "$SWAPFILE" 2>/dev/null || say stays "$SWAPFILE" # in use until the next boot
    rm -f "$SWAPFILE"
}

# What an agent may use of memory and swap together: as much again as its memory, where there is swap of ours.
memory_swap() {
    if swap_is_on; then echo $((S_memory * 2)); else echo "$S_memory"; fi
}

filesystem_of() { # PATH → ext4, xfs …; the last of several mounts on one place counts
    mounted_at=$(df -P "$1" | { read -r _ && read -r _ _ _ _ _ mount && printf '%s' "$mount"; })
    mounted_as=
    while read -r _ mount filesystem _; do
        [ "$mount" != "$mounted_at" ] || mounted_as=$filesystem
    done </proc/mounts
    printf '%s' "$mounted_as"
}

# --- no sleep -----------------------------------------------------------------------------------------------------

host_awake() {
    has_systemd || refuse no-systemd "nobody here puts it to sleep that we know"
    MENDED=
    record "host logind"
    for unit in $SLEEPS; do keep_from "$unit"; done
    conf "$LOGIND_D" <<END
# Written by clawrack: agents live here. Goes with it (clawrack machine remove).
[Login]
HandleLidSwitch=ignore
HandleLidSwitchExternalPower=ignore
HandleLidSwitchDocked=ignore
IdleAction=ignore
END
    systemctl daemon-reload
    logind_reads
}

keep_from() { # UNIT; one that somebody masked or wrote is theirs and stays
    ! is_masked "$1" || return 0
    if is_theirs "$1"; then
        say own "$UNITS/$1"
        return 0
    fi
    record "host mask $1"
    ln -s /dev/null "$UNITS/$1"
}

is_masked() { [ "$(readlink "$UNITS/$1" 2>/dev/null)" = /dev/null ]; } # UNIT

is_theirs() { ! is_masked "$1" && { [ -e "$UNITS/$1" ] || [ -L "$UNITS/$1" ]; }; } # UNIT

logind_reads() { ! has_systemd || systemctl kill -s HUP systemd-logind.service 2>/dev/null || :; }

# --- the journal --------------------------------------------------------------------------------------------------

# Nothing that is there is thrown away: a journal that is larger already may stay as large as it is.
host_journal() { # MIB
    is_number "$1" 64 4096 || bad mib "$1"
    has_systemd || refuse no-systemd "nobody keeps a journal here"
    most=$1
    has_now=$(du -sm /var/log/journal 2>/dev/null) || has_now=0
    has_now=${has_now%%[!0-9]*}
    [ "${has_now:-0}" -le "$most" ] || most=$((has_now + 64))
    record "host journald"
    conf "$JOURNALD_D" <<END
# Written by clawrack: the journal leaves room for agents. Goes with it (clawrack machine remove).
[Journal]
SystemMaxUse=${most}M
END
    try journal systemctl restart systemd-journald.service
    say most "$most"
}
