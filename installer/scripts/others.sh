#!/bin/sh
# Install packages where there is no apt: others.sh MANAGER MANIFEST SECONDS SOURCE PACKAGE...
#   MANAGER   dnf zypper apk pacman
#   MANIFEST  gets `package=NAME` for each package that was not there before, `file=PATH` for each file of ours, and
#             `mirror=ADDRESS` of Docker's repository
#   SECONDS   to wait for another process that holds the package manager; it is never killed
#   SOURCE    `-` for the system's own; else BASE,RELEASE,KEY: Docker's repository for rpm, below BASE, and the fingerprint
#             that its key must have, whichever mirror it comes from
#   PACKAGE   with `?` at the end: only where this release has it
# Ends with 0 done, 20 lists cannot be fetched, 21 no such package, 22 lock held too long, 23 installing failed,
# 25 the repository's key is another one. Lines for the controller begin with `clawrack:`.
# Not yet seen on such systems: tried with dnf 4.14, zypper 1.14 and pacman 6.0 themselves, on Debian with repositories of a
# few empty packages; apk by its documentation alone. Transcripts: tests/engines.
set -u
umask 022
export LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
manager=$1
manifest=$2
patience=$3
source=$4
shift 4
repo=/etc/yum.repos.d/clawrack-docker-ce.repo
key=/etc/pki/rpm-gpg/RPM-GPG-KEY-clawrack-docker-ce
export ZYPP_LOCK_TIMEOUT="$patience"
work=$(mktemp -d) || exit 23
trap '[ -z "$recorded" ] || settle; rm -rf "$work"' EXIT
off=""
recorded=""

tell() { echo "clawrack:$*"; }

note() { grep -qxF "$1" "$manifest" 2>/dev/null || echo "$1" >>"$manifest"; }

# patient COMMAND...: again while another process holds the lists or the packages
patient() {
    end=$(($(date +%s) + patience))
    while :; do
        { "$@"; echo "$?" >"$work/rc"; } 2>&1 | tee "$work/out"
        rc=$(cat "$work/rc")
        [ "$rc" -eq 0 ] && return 0
        grep -qiE 'unable to lock database|is locked by the application|waiting for process with pid' "$work/out" ||
            return "$rc"
        if [ "$(date +%s)" -ge "$end" ]; then
            tell lock "$(sed -n 's/.*pid \([0-9][0-9]*\)\( ([^)]*)\)*.*/\1\2/p' "$work/out" | head -n 1)"
            exit 22
        fi
        sleep 2
    done
}

# shellcheck disable=SC2086
list() { # what the lists are fetched with
    case $manager in
        dnf) timeout "$patience" dnf -y $off makecache ;;
        zypper) zypper --non-interactive refresh ;;
        apk) apk --wait "$patience" update ;;
        pacman) [ -n "$(find /var/lib/pacman/sync -name '*.db' 2>/dev/null)" ] || pacman -Sy --noconfirm ;;
    esac
}

# Lists, then lists without the repositories that break them
refresh() {
    for _ in 1 2 3 4 5; do
        before=$off
        # dnf may be set to go on by itself without what it cannot fetch: it is named all the same, and not tried again
        patient list && { [ "$manager" != dnf ] || blame; return 0; }
        blame
        [ "$manager" = dnf ] && [ "$off" != "$before" ] && continue
        # zypper and apk go on by themselves without what they could not fetch
        [ "$manager" = apk ] && return 0
        grep -q '^Some of the repositories have not been refreshed' "$work/out" && return 0
        break
    done
    tell mirror "$(grep -iE '^ *(error|warning|curl error|status code)|404|cannot|could not' "$work/out" | tail -n 1)"
    exit 20
}

# Which repositories, and the files that name them
blame() {
    {
        sed -n "s/.*metadata for repo\(sitory\)* ['\"]\([^'\"]*\)['\"].*/\2/p" "$work/out"
        sed -n "s/^Skipping repository '\([^']*\)'.*/\1/p" "$work/out"
        sed -n 's/^WARNING: \(fetching\|updating and opening\) \([^ ]*\): .*/\2/p' "$work/out"
    } | sort -u >"$work/bad"
    while IFS= read -r name; do
        [ "$name" != clawrack-docker-ce ] || continue
        file=$(grep -lF -e "[$name]" -e "name=$name" -e "${name%/*/APKINDEX*}" /etc/yum.repos.d/*.repo /etc/zypp/repos.d/*.repo \
            /etc/apk/repositories 2>/dev/null | head -n 1)
        tell broken "${file:--} $name"
        case $name in *[!A-Za-z0-9._:-]*) ;; *) off="$off --disablerepo=$name" ;; esac
    done <"$work/bad"
}

all() { # every package that is there
    case $manager in
        # the keys of repositories are packages of one name: told apart, or all of them would go with ours
        dnf | zypper)
            rpm -qa --qf '%{NAME} %{NAME}-%{VERSION}-%{RELEASE}\n' |
                awk '{print $1 == "gpg-pubkey" ? $2 : $1}' ;;
        apk) apk info -q ;;
        pacman) pacman -Qq ;;
    esac | sort -u
}

# shellcheck disable=SC2086
has() { # the repositories have such a package
    case $manager in
        dnf) dnf -q $off repoquery --qf '%{name}\n' "$1" 2>/dev/null | grep -qxF "$1" ;;
        zypper) # 106: found, but for a repository that was passed over; 104: not found
            zypper --non-interactive --no-refresh search --match-exact "$1" >/dev/null 2>&1
            case $? in 0 | 106) ;; *) return 1 ;; esac ;;
        apk) apk search -e -q "$1" 2>/dev/null | grep -qxF "$1" ;;
        pacman) pacman -Si "$1" >/dev/null 2>&1 ;;
    esac
}

# shellcheck disable=SC2086
add() {
    case $manager in
        dnf) dnf -y $off --setopt=install_weak_deps=False install "$@" ;;
        zypper) zypper --non-interactive --no-refresh install --no-recommends "$@" ;;
        apk) apk --wait "$patience" add "$@" ;;
        pacman) pacman -S --needed --noconfirm --noprogressbar "$@" ;;
    esac
}

# shellcheck disable=SC2086
plan() { # what add would do; nothing is done
    case $manager in
        dnf) dnf $off --setopt=install_weak_deps=False --assumeno install "$@" ;;
        zypper) zypper --non-interactive --no-refresh install --dry-run --no-recommends "$@" ;;
        apk) apk --wait "$patience" add -s "$@" ;;
        pacman) pacman -S --needed --noconfirm --print --print-format %n "$@" ;;
    esac
}

planned() { # the names in what plan said, and perhaps some that are there: those do not count
    case $manager in
        dnf) awk '/^Installing/ {on = 1; next} /^[^ ]/ || !NF {on = 0} on && /^ [^ ]/ {print $1}' ;;
        zypper) awk '/^The following/ {on = / NEW packages? /} /^  / && on {for (n = 1; n <= NF; n++) print $n} !NF {on = 0}' ;;
        apk) sed -n 's/^([0-9]*\/[0-9]*) Installing \([^ ]*\) .*/\1/p' ;;
        pacman) grep -xE '[A-Za-z0-9@._+-]+' ;;
    esac <"$work/out"
}

# What will be new here by our own transaction, written down before it begins: so removal knows, also after a power cut,
# and never takes what somebody else installed
record() {
    patient plan "$@" || : # the no that dnf was told is no success; any other refusal comes again
    all >"$work/before" # the person may have been at it while we waited
    recorded=1
    { planned; printf '%s\n' "$@"; } | sort -u | grep -vxF -f "$work/before" >"$work/new"
    while read -r name; do note "package=$name"; done <"$work/new"
    sync
}

# What did not come is not ours: somebody else may install it later. Docker's key comes without being planned
settle() {
    recorded=""
    all >"$work/now"
    strike "$work/now"
    [ "$source" != - ] || return 0
    short=$(printf %s "${source##*,}" | tail -c 8 | tr A-F a-f)
    grep "^gpg-pubkey-[0-9a-f]*$short-" "$work/now" | grep -vxF -f "$work/before" >"$work/new"
    while read -r name; do note "package=$name"; done <"$work/new"
}

# strike LIST: the notes without packages that are not in it
strike() {
    [ -s "$1" ] && [ -e "$manifest" ] || return 0
    awk 'NR == FNR {there["package=" $0]; next} !/^package=/ || $0 in there' "$1" "$manifest" >"$work/kept" || return 0
    if cp -p "$manifest" "$manifest.new" && cat "$work/kept" >"$manifest.new" && sync; then
        mv "$manifest.new" "$manifest"
    fi
    rm -f "$manifest.new"
}

# Docker's repository, believed only with Docker's own key
repository() { # BASE RELEASE KEY
    command -v gpg >/dev/null 2>&1 || { tell key no-gpg; exit 25; }
    curl -fsSL -m 60 -o "$work/key" "$1/gpg" || { tell mirror "curl: $1/gpg"; exit 20; }
    found=$(gpg --batch --show-keys --with-colons "$work/key" 2>/dev/null |
        awk -F: '$1 == "pub" {own = 1} $1 == "fpr" && own {print $10; own = 0}' | tr '\n' ' ')
    [ "${found% }" = "$3" ] || { tell key "${found:-none}"; exit 25; }
    for file in "$key" "$repo"; do
        [ -e "$file" ] || note "file=$file"
        mkdir -p "${file%/*}"
    done
    cp "$work/key" "$key"
    # shellcheck disable=SC2016
    printf '%s\n' '[clawrack-docker-ce]' 'name=Docker CE, put here by clawrack' "baseurl=$1/$2/\$basearch/stable" \
        enabled=1 gpgcheck=1 "gpgkey=file://$key" >"$repo"
}

# wanted PACKAGE...: those that are not there yet, and that this release has
wanted() {
    for package in "$@"; do
        name=${package%\?}
        grep -qxF "$name" "$work/before" && continue
        if has "$name"; then
            echo "$name"
        elif [ "$name" = "$package" ]; then
            echo "$name" >"$work/missing"
        fi
    done
}

note "manager=$manager"
rm -f "$manifest.before" # of an earlier release: it called ours whatever came after it
all >"$work/before"
strike "$work/before"
# shellcheck disable=SC2046
[ "$source" = - ] || repository $(echo "$source" | tr ',' ' ')
refresh
: >"$work/missing"
packages=$(wanted "$@")
if [ -s "$work/missing" ]; then
    tell missing "$(cat "$work/missing")"
    exit 21
fi
rc=0
if [ -n "$packages" ]; then
    # shellcheck disable=SC2086
    record $packages
    # shellcheck disable=SC2086
    patient add $packages || rc=$?
    settle
fi
# zypper's 100 to 107 say that it went well, and something besides
case $manager.$rc in *.0 | zypper.10[0-7]) ;; *)
    [ "$manager" != pacman ] || ! grep -qE 'returned error: 404|Maximum file size' "$work/out" || tell stale 1
    exit 23 ;;
esac
[ "$source" = - ] || { base=${source%%,*} && note "mirror=${base%/*}"; }
sync
exit 0
