#!/bin/sh
# What is this machine? Read-only, one round trip, under three seconds, no root: `sh -s [judge] [net] < probe.sh`.
# dash, bash and busybox ash. Prints `key=value` lines between two markers, so that a login banner before them and
# a run cut short are noticed. Values are at most 300 bytes, on one line, without NULs. Files are read, never sourced.
#   judge         also says what it takes to tell whether an agent would run here
#   net           also fetches one index file from the first package mirror, into a file of its own that it removes
#   PROBE_IMDS=1  also asks the metadata service of the cloud that the firmware names; no other address, no proxy
probe() {
    set -f
    judge="" net="" imds=$PROBE_IMDS
    for word in "$@"; do
        case $word in judge) judge=1 ;; net) net=1 ;; imds) imds=1 ;; esac
    done
    export LC_ALL=C LANG=C
    PATH="${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    export PATH
    limit=""
    timeout 3 true 2>/dev/null && limit="timeout 3"
    echo "clawrack-probe-begin 1"
    [ -n "$net" ] && start_net
    kernel; system; firmware; virtual; markers; appliances; memory_cpu; disks; laptop
    tools; engine; rights; packages; network; cloud
    [ -n "$judge" ] && judging
    [ -n "$net" ] && end_net
    echo "clawrack-probe-end"
}

# say KEY VALUE...: one line, white space squeezed, nothing where there is no value
say() {
    key=$1
    shift
    # shellcheck disable=SC2048,SC2086
    set -- $*
    [ "$#" -eq 0 ] || printf '%s=%s\n' "$key" "$*"
}

# first KEY FILE: the first line of a file
first() {
    [ -r "$2" ] && [ ! -d "$2" ] || return 0
    line=""
    IFS= read -r line <"$2" || :
    say "$1" "$line"
}

# whole KEY FILE: the first 300 bytes of a file, NULs as spaces
whole() { [ -r "$2" ] && [ ! -d "$2" ] && say "$1" "$(head -c 300 "$2" | tr '\000' ' ')"; }

# may COMMAND...: run what may hang or be absent
may() { $limit "$@" </dev/null; }

have() { command -v "$1" >/dev/null 2>&1; }

kernel() {
    say uname_s "$(uname -s)"
    say uname_r "$(uname -r)"
    say uname_m "$(uname -m)"
    say uname_v "$(uname -v)"
    first hostname /proc/sys/kernel/hostname
    uid=$(id -u)
    user=$(id -un)
    say uid "$uid"
    say user "$user"
    say groups "$(id -Gn)"
    have getconf && say bits "$(getconf LONG_BIT)"
    say shell "$SHELL"
    say home "$HOME"
    first proc_version /proc/version
    whole cmdline /proc/cmdline
    first boot /proc/sys/kernel/random/boot_id
    say epoch "$(date +%s)"
    say tz "$(date +%Z)"
}

system() {
    # os-release is read as data: sourcing it would run it
    for file in /etc/os-release /usr/lib/os-release; do
        [ -r "$file" ] && break
    done
    if [ -r "$file" ]; then
        while IFS= read -r line || [ -n "$line" ]; do
            name=${line%%=*}
            case $name in
                ID|ID_LIKE|VERSION_ID|VERSION_CODENAME|UBUNTU_CODENAME|DEBIAN_CODENAME|PRETTY_NAME|VARIANT_ID|\
                OS_VERSION|OS_IS_BETA|MODEL|BOARD|MANUFACTURER) ;;
                *) continue ;;
            esac
            value=${line#*=}
            value=${value#[\"\']}
            say "os.$name" "${value%[\"\']}"
        done <"$file"
    fi
    first debian_version /etc/debian_version
    first pid1 /proc/1/comm
    [ -e /run/reboot-required ] && say reboot_required 1
    [ -e /var/run/reboot-required ] && say reboot_required 1
}

firmware() {
    for name in sys_vendor product_name product_version product_family product_serial product_uuid board_vendor \
        board_name chassis_type chassis_vendor chassis_asset_tag bios_vendor bios_version; do
        first "dmi.$name" "/sys/class/dmi/id/$name"
    done
    for root in /proc/device-tree /sys/firmware/devicetree/base; do
        [ -e "$root/model" ] || continue
        whole dt.model "$root/model"
        whole dt.compatible "$root/compatible"
        break
    done
    first hv.uuid /sys/hypervisor/uuid
    first hv.type /sys/hypervisor/type
}

virtual() {
    if have systemd-detect-virt; then
        say sdv "$(may systemd-detect-virt)"
        say sdv_vm "$(may systemd-detect-virt --vm)"
        say sdv_ct "$(may systemd-detect-virt --container)"
    fi
    if [ -r /proc/1/environ ]; then
        say pid1_container "$(tr '\000' '\n' </proc/1/environ | sed -n 's/^container=//p' | head -n 1)"
    fi
    first run_ct /run/systemd/container
    first cgroup1 /proc/1/cgroup
    first cg2 /sys/fs/cgroup/cgroup.controllers
    say cg1_mem "$(sed -n 's/^memory[[:space:]]*[0-9]*[[:space:]]*[0-9]*[[:space:]]*//p' /proc/cgroups)"
}

markers() {
    for path in /.dockerenv /run/.containerenv /dev/lxd/sock /dev/incus/sock /proc/vz /proc/bc /proc/lve /mnt/wsl \
        /proc/sys/fs/binfmt_misc/WSLInterop /proc/sys/fs/binfmt_misc/WSLInterop-late /proc/xen/capabilities \
        /usr/syno /etc.defaults/VERSION /proc/sys/kernel/syno_hw_version \
        /etc/config/uLinux.conf /etc/config/qpkg.conf /etc/version_info /etc/unraid-version \
        /usr/local/bin/freenas-debug /usr/bin/midclt /usr/trim /usr/trim/bin/appcenter-cli \
        /usr/trim/bin/system_startup.sh /usr/sbin/gots /ugreen /etc/casaos/gateway.ini /usr/bin/casaos \
        /usr/bin/pveversion /etc/pve/.version /etc/openwrt_release /usr/bin/ubnt-device-info \
        /opt/google/cros-containers/bin/garcon /etc/rpi-issue /boot/dietpi/.version /etc/armbian-release \
        /etc/tlinux-release /etc/opencloudos-release /etc/anolis-release /etc/alinux-release \
        /etc/openEuler-release /etc/hce-release /etc/kylin-release /etc/alpine-release /etc/arch-release \
        /etc/NIXOS /etc/redhat-release /sys/module/apparmor /usr/local/lib/clawrack/guard.sh \
        /dev/net/tun /dev/kvm /lib/modules; do
        [ -e "$path" ] && say "has.$path" 1
    done
    # a package that was removed leaves its configuration, and only these two lists of its files
    lists=/var/lib/dpkg/info/openmediavault
    [ -e /etc/openmediavault/config.xml ] && { [ ! -e "$lists.list" ] || [ -e "$lists.md5sums" ]; } &&
        say has./etc/openmediavault/config.xml 1
    return 0
}

appliances() {
    if [ -r /etc.defaults/VERSION ]; then
        for name in os_name majorversion minorversion productversion buildnumber smallfixnumber; do
            say "dsm.$name" "$(sed -n "s/^$name=\"\{0,1\}\([^\"]*\).*/\1/p" /etc.defaults/VERSION | head -n 1)"
        done
        first dsm.hw /proc/sys/kernel/syno_hw_version
    fi
    first unraid.version /etc/unraid-version
    [ -e /usr/bin/midclt ] && first truenas.version /etc/version
    if [ -x /sbin/getcfg ]; then
        for name in Model Version Number; do
            say "qnap.$name" "$(may /sbin/getcfg System "$name" -f /etc/config/uLinux.conf)"
        done
        say qnap.zfs "$(grep -c zfs /proc/filesystems)"
    fi
}

# Where a NAS keeps people's own, where its engine is, and what it starts after a boot
places() {
    set +f
    for path in /volume[0-9]/docker /volume[0-9] /share/Container /share/CACHEDEV[0-9]_DATA /share/ZFS*_DATA \
        /mnt/cache/appdata /mnt/user/appdata /vol[0-9]/1000/docker /vol[0-9] /DATA/AppData /DATA; do
        [ -d "$path" ] && place "$path"
    done
    for path in /usr/local/bin/docker /var/packages/ContainerManager/target/usr/bin/docker \
        /var/packages/Docker/target/usr/bin/docker /share/*/.qpkg/container-station/bin/docker \
        /volume[0-9]/@appstore/com.ugreen.docker/bin/docker; do
        [ -x "$path" ] || continue
        say vendor.docker "$path"
        break
    done
    set -f
    for path in /etc/local.d /etc/rc.local /etc/rc.d/rc.local; do
        [ -x "$path" ] && say "hook.$path" 1
    done
    return 0
}

# place PATH: where it really is, mode, owner and group; and its disk
place() {
    where=$(readlink -f "$1")
    # shellcheck disable=SC2046
    set -- "$1" $(ls -ldn "$where/.")
    say "place.$1" "$where $2 $4 $5"
    disk "$where"
}

memory_cpu() {
    say ncpu "$(grep -c '^processor' /proc/cpuinfo)"
    say cpu_model "$(sed -n 's/^\(model name\|Model\|Hardware\)[[:space:]]*: //p' /proc/cpuinfo | head -n 1)"
    # only the flags that decide something, so that 300 bytes are enough
    flags=" $(sed -n 's/^\(flags\|Features\)[[:space:]]*: //p' /proc/cpuinfo | head -n 1) "
    found=""
    for flag in lm cx16 lahf_lm popcnt pni ssse3 sse4_1 sse4_2 avx avx2 bmi1 bmi2 f16c fma abm movbe hypervisor \
        vmx svm asimd aes crc32 atomics; do
        case $flags in *" $flag "*) found="$found $flag" ;; esac
    done
    say cpu_flags "$found"
    while IFS=': ' read -r name value _; do
        case $name in MemTotal|MemAvailable|SwapTotal|SwapFree) say "mem.$name" "$value" ;; esac
    done </proc/meminfo
}

disks() {
    for path in / /var/lib /var/lib/docker /var/lib/clawrack /usr/local /run /tmp /boot /home \
        /volume1 /share /mnt/user /vol1 /DATA; do
        [ -d "$path" ] && disk "$path"
    done
    have zpool && say zfs_pools "$(may zpool list -H -o name)"
    # The newest of several mounts on one place counts
    say rootfs "$(awk '$2 == "/" {kind = $3} END {print kind}' /proc/mounts)"
    say tmp_opts "$(awk '$2 == "/tmp" {opts = $4} END {print opts}' /proc/mounts)"
}

# disk PATH: device, size and room in KiB, where it is mounted, whether it is read-only
disk() {
    # shellcheck disable=SC2046
    set -- "$1" $(may df -Pk "$1" | tail -n 1)
    [ "$#" -ge 7 ] || return 0
    state=$(awk -v at="$7" '$2 == at {opts = "," $4 ","} END {print (opts ~ /,ro,/) ? "ro" : "rw"}' /proc/mounts)
    say "df.$1" "$2 $3 $5 $7 $state"
}

laptop() {
    set +f
    for path in /sys/class/power_supply/*; do
        [ -r "$path/type" ] || continue
        IFS= read -r kind <"$path/type" || :
        [ "$kind" = Battery ] || continue
        # a mouse has a battery too
        scope=""
        [ -r "$path/scope" ] && IFS= read -r scope <"$path/scope"
        [ "$scope" = Device ] || say battery "${path##*/}"
    done
    for path in /proc/acpi/button/lid/*; do
        [ -e "$path" ] && say lid "${path##*/}"
    done
    set -f
    [ -r /sys/block/sda/queue/rotational ] && first rotational_root /sys/block/sda/queue/rotational
    return 0
}

tools() {
    for name in apt-get dpkg dnf yum zypper apk pacman opkg systemctl systemd-run service openrc docker dockerd podman \
        containerd iptables nft ip flock sha256sum tar gzip zstd setsid timeout curl wget sudo visudo sshd python3 \
        snap apparmor_parser tailscale ufw firewall-cmd; do
        say "bin.$name" "$(command -v "$name" 2>/dev/null)"
    done
}

engine() {
    for path in /var/run/docker.sock /run/docker.sock; do
        [ -S "$path" ] || continue
        say docker.sock "$path"
        [ -w "$path" ] && say docker.sock_w 1
        break
    done
    say docker.link "$(readlink "$(command -v docker 2>/dev/null)" 2>/dev/null)"
    have docker || return 0
    info=$(may docker info --format '{{.ServerVersion}} {{.OSType}}/{{.Architecture}} {{.Driver}} {{.CgroupDriver}} '\
'{{.CgroupVersion}}|{{.DockerRootDir}}|{{range .SecurityOptions}}{{.}} {{end}}' 2>/dev/null)
    case $info in [0-9]*\|/*\|*) ;; *) return 0 ;; esac
    say docker.info "${info%%|*}"
    info=${info#*|}
    say docker.root "${info%%|*}"
    security=${info#*|}
    say docker.compose "$(may docker compose version --short 2>/dev/null)"
    [ -d "${info%%|*}" ] && disk "${info%%|*}"
    return 0
}

rights() {
    if [ "$uid" = 0 ]; then
        say sudo root
    elif ! have sudo; then
        say sudo none
    elif may sudo -n true; then
        say sudo nopasswd
    else
        say sudo password
    fi
}

packages() {
    # Who holds dpkg or apt: /proc/locks names processes by the inode of the file (world-readable; no fuser needed)
    for path in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock; do
        [ -e "$path" ] || continue
        # shellcheck disable=SC2046
        set -- $(ls -i "$path" 2>/dev/null)
        holder=$(awk -v tail=":$1" '$2 != "->" && substr($6, length($6) - length(tail) + 1) == tail {print $5; exit}' \
            /proc/locks 2>/dev/null)
        [ -n "$holder" ] || continue
        comm=""
        [ -r "/proc/$holder/comm" ] && IFS= read -r comm <"/proc/$holder/comm"
        say apt_busy "$holder ${comm:-?} $path"
        break
    done
    return 0
}

network() {
    if have ip; then
        gw=$(may ip -4 route show default 2>/dev/null | head -n 1)
        say gw "$gw"
        say ip4 "$(may ip -4 -o addr show scope global 2>/dev/null | awk '{printf "%s ", $4}')"
        dev=${gw##* dev }
        first mac "/sys/class/net/${dev%% *}/address"
    fi
    # names only: the values carry passwords
    say proxy "$(env | sed -n 's/^\([A-Za-z]*_[Pp][Rr][Oo][Xx][Yy]\)=.*/\1/p' | tr '\n' ' ')"
    say ssh_conn "$SSH_CONNECTION"
    have sshd && say sshd_ver "$(may sshd -V 2>&1 | head -n 1)"
    return 0
}

cloud() {
    [ -r /run/cloud-init/instance-data.json ] && say cloud.id "$(may cloud-id 2>/dev/null)"
    [ -r /run/cloud-init/cloud.cfg ] && whole cloud.ds /run/cloud-init/cloud.cfg
    [ "$imds" = 1 ] && metadata
    return 0
}

# Only the service of the cloud that the firmware names, or at an address that no other cloud uses, is asked. Two of
# those addresses lie in the range that Tailscale uses: a machine in such a network is not asked.
metadata() {
    vendor=$(cat /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/chassis_asset_tag)
    shared=$(ip -4 route show table all | grep -c tailscale)
    case $vendor in
        *Tencent*|Smdbmds*) fetch imds.tencent http://metadata.tencentyun.com/latest/meta-data/instance-id ;;
        *Huawei*|*HUAWEI*) fetch imds.huawei http://169.254.169.254/openstack/latest/meta_data.json ;;
        *Alibaba*) [ "$shared" = 0 ] && fetch imds.aliyun http://100.100.100.200/latest/meta-data/instance-id ;;
        *Amazon*|*Google*|*Microsoft*|*DigitalOcean*|*Hetzner*|*Vultr*|*Linode*|*Akamai*|*Scaleway*|*OracleCloud*) ;;
        *) [ "$shared" = 0 ] && grep -qw hypervisor /proc/cpuinfo &&
            fetch imds.volcengine http://100.96.0.96/latest/instance_id ;;
    esac
}

# fetch KEY ADDRESS: what it answers within a second
fetch() {
    if have curl; then
        say "$1" "$(curl -fsS -m 1 --noproxy '*' "$2" | head -c 200)"
    elif have wget; then
        say "$1" "$(http_proxy='' wget -q -T 1 -O - "$2" | head -c 200)"
    fi
}

# What the judging needs to know and recognising does not
judging() {
    first machine_id /etc/machine-id
    have dpkg && say dpkg_arch "$(may dpkg --print-architecture)"
    [ -d /run/systemd/system ] && say systemd 1
    for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
        first cg_limit "$file" | sed 's/=max$/=none/'
    done
    say cap_bounding "$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)"
    first uid_map /proc/self/uid_map
    say uid_1000 "$(sed -n 's/^\([^:]*\):[^:]*:1000:.*/\1/p' /etc/passwd | head -n 1)"
    say fs_errors "$(cat_errors)"
    say swap_on "$(awk 'NR == 2 {print $1}' /proc/swaps)"
    case $(readlink -f /etc/systemd/system/sleep.target) in /dev/null) say sleep_off 1 ;; esac
    say listening "$(awk 'FNR > 1 && $4 == "0A" {sub(/.*:/, "", $2); print $2}' /proc/net/tcp /proc/net/tcp6 |
        sort -u | while read -r port; do printf '%d ' "0x$port"; done)"
    judge_engine; judge_network; places; judge_host; identity
    if [ -r /usr/trim/bin/system_startup.sh ]; then
        say fnos.startup_end "$(tail -n 3 /usr/trim/bin/system_startup.sh | tr '\n' ';')"
        [ -e /sys/module/snd_pcap ] || [ -n "$(find /lib/modules -maxdepth 6 -name snd_pcap.ko | head -n 1)" ] &&
            say fnos.snd_pcap 1
    fi
    return 0
}

# ext4 counts the errors it has met on a disk, and anybody may read the number
cat_errors() {
    set +f
    for file in /sys/fs/ext4/*/errors_count; do
        count=0
        [ -r "$file" ] && IFS= read -r count <"$file"
        disk=${file%/*}
        [ "$count" = 0 ] || printf '%s:%s ' "${disk##*/}" "$count"
    done
    set -f
}

judge_engine() {
    [ -S "/run/user/$uid/docker.sock" ] && say docker.rootless 1
    say docker.security "$security"
    first docker.pid /var/run/docker.pid
    # names only: the values carry passwords
    have docker && have systemctl && say docker.proxy "$(may systemctl show docker -p Environment | tr ' =' '\n\n' |
        sed -n 's/^"\{0,1\}\([A-Za-z]*_[Pp][Rr][Oo][Xx][Yy]\)$/\1/p' | tr '\n' ' ')"
    if [ -r /etc/docker/daemon.json ]; then
        say docker.config 1
        say docker.userns "$(sed -n 's/.*"userns-remap"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' \
            /etc/docker/daemon.json | head -n 1)"
        say docker.data "$(sed -n 's/.*"data-root"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' \
            /etc/docker/daemon.json | head -n 1)"
    fi
}

# What preparing may change: where swap would lie, what may send it to sleep, how far its journal may grow
judge_host() {
    for path in /var/lib/clawrack /var/lib /; do
        [ -d "$path" ] || continue
        # shellcheck disable=SC2046
        set -- $(may df -P "$path" | tail -n 1)
        say data_fs "$(awk -v at="$6" '$2 == at {kind = $3} END {print kind}' /proc/mounts)"
        case $1 in /dev/mmcblk*) disk=${1#/dev/}; first mmc "/sys/block/${disk%p[0-9]*}/device/type" ;; esac
        break
    done
    [ -L /etc/systemd/system/display-manager.service ] && say screen 1
    [ -d /var/log/journal ] && say journal_kept 1
    set +f
    say journal_max "$(sed -n 's/^[[:space:]]*SystemMaxUse=//p' /etc/systemd/journald.conf \
        /etc/systemd/journald.conf.d/*.conf | tail -n 1)"
    set -f
    found=""
    [ "$(sed -n 's/^ENABLED=//p' /etc/ufw/ufw.conf)" = yes ] && found=" ufw"
    if have systemctl; then
        for name in firewalld nftables; do may systemctl -q is-active "$name" && found="$found $name"; done
    fi
    say firewall "$found"
    # a chain of their own that forwards nothing stands before and behind all that Docker allows
    case $found in *nftables*)
        tr '\n' ' ' </etc/nftables.conf | grep -q 'hook forward[^}]*policy drop' && say forward drop ;;
    esac
}

judge_network() {
    have ip && say routes "$(may ip -4 route show table all |
        awk '$1 ~ /^[0-9.]+\/[0-9]+$/ && $0 !~ / dev (docker0|br-)/ && !seen[$1]++ {printf "%s ", $1}')"
    have apt-config && say apt_proxy "$(may apt-config dump |
        sed -n 's/^\(Acquire::[a-z]*::Proxy[A-Za-z-]*\) "..*/\1/p' | tr '\n' ' ')"
}

# Hashes, so that the machine is known again and its numbers stay its own. Some are readable by root alone.
identity() {
    have sha256sum || return 0
    for name in product_uuid product_serial board_serial chassis_serial; do
        [ -r "/sys/class/dmi/id/$name" ] && hashed "$name" "$(cat "/sys/class/dmi/id/$name")"
    done
    [ -r /proc/device-tree/serial-number ] && hashed dt_serial "$(tr -d '\000' </proc/device-tree/serial-number)"
    set +f
    for path in /sys/class/net/*; do
        # cards that are really there; what is made by software has no device
        [ -e "$path/device" ] && [ -r "$path/address" ] && hashed "mac.${path##*/}" "$(cat "$path/address")"
    done
    set -f
}

# hashed NAME VALUE
hashed() {
    # what makers who number nothing leave on thousands of boards
    case $2 in
        ''|*[!\ -~]*|00:00:00*|0000*|0123456789*|03000200-0400*|00020003-0004*|[Ff][Ff][Ff][Ff]*) return 0 ;;
        *[Dd]efault*|*O.E.M*|[Nn]one|[Nn]ot\ *|[Tt]o\ be*) return 0 ;;
    esac
    say "id.$1" "$(printf 'clawrack %s' "$2" | sha256sum | cut -c 1-16)"
}

# The first package mirror by the real operation, while the rest of the probe runs
start_net() {
    have apt-get && [ -x /usr/lib/apt/apt-helper ] || return 0
    netdir=$(mktemp -d 2>/dev/null) || return 0
    (
        uri=$(apt-get update --print-uris 2>/dev/null | sed -n "s/^'\([^']*InRelease\)'.*/\1/p" | head -n 1)
        if [ -z "$uri" ]; then
            echo "no-sources" >"$netdir/said"
        elif $limit /usr/lib/apt/apt-helper -o Acquire::Retries=0 -o Acquire::http::Timeout=2 \
            -o Acquire::https::Timeout=2 download-file "$uri" "$netdir/file" >"$netdir/log" 2>&1; then
            echo "ok $uri" >"$netdir/said"
        else
            echo "failed $uri $(grep -E '^(E|W|Err)' "$netdir/log" | tail -n 1)" >"$netdir/said"
        fi
    ) </dev/null >/dev/null 2>&1 &
    netjob=$!
}

end_net() {
    [ -n "$netdir" ] || return 0
    wait "$netjob" 2>/dev/null
    first net_apt "$netdir/said"
    rm -rf "$netdir"
}

probe "$@" 2>/dev/null | tr -d '\000' | cut -b 1-340
