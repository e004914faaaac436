#!/bin/sh
# Install packages from the distribution: apt.sh MANIFEST SECONDS SOURCE PACKAGE...
#   MANIFEST  gets `package=NAME` for each package that was not there before, written before anything is installed
#   SECONDS   to wait for another process that holds dpkg or apt; it is never killed
#   SOURCE    `-` for the machine's own; else ARCHIVE,UPDATES,SUITE,RELEASE,KEYRING,PART+PART: a mirror that a test found
#             good, used for this once; the machine's own sources stay as they are, and are not read. MANIFEST gets
#             `mirror=ARCHIVE`
#             A folder (it begins with /) holds packages that were brought along, and apt's list of them: nothing else is
#             read, no network, and the folder goes in the end. Who put it there compared checksums; no key signs it.
#   PACKAGE   with `?` at the end: only where this release has it
# Ends with 0 done, 20 lists cannot be fetched, 21 no such package, 22 lock held too long, 23 installing failed,
# 24 something that is there would have to go.
# Lines for the controller begin with `clawrack:`.
set -u
umask 022
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none UCF_FORCE_CONFFOLD=1
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
manifest=$1
patience=$2
source=$3
shift 3
work=$(mktemp -d) || exit 23
case $source in /*) from=$source source=- ;; *) from= ;; esac
trap 'strike; rm -rf "$work" ${from:+"$from"}' EXIT
sources="-o Dir::Etc::sourcelist=/etc/apt/sources.list"
own="/etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources"

tell() { echo "clawrack:$*"; }

apt() {
    # shellcheck disable=SC2086
    apt-get -q -o "DPkg::Lock::Timeout=$patience" -o Acquire::Retries=3 -o Acquire::http::Timeout=30 \
        -o APT::Install-Recommends=false -o APT::Keep-Downloaded-Packages=false -o APT::Get::List-Cleanup=false \
        -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold $sources "$@"
}

# patient COMMAND...: again while another process holds the lists or dpkg, which not every apt waits for by itself
patient() {
    end=$(($(date +%s) + patience))
    while :; do
        { "$@"; echo "$?" >"$work/rc"; } 2>&1 | tee "$work/out"
        rc=$(cat "$work/rc")
        [ "$rc" -eq 0 ] && return 0
        grep -qiE 'could not get lock|unable to (acquire|lock)|is locked by another process' "$work/out" || return "$rc"
        if [ "$(date +%s)" -ge "$end" ]; then
            tell lock "$(sed -n 's/.*held by process \([0-9]* ([^)]*)\).*/\1/p' "$work/out" | head -n 1)"
            exit 22
        fi
        sleep 2
    done
}

# One archive alone; what it sends is believed only where the distribution's own key has signed it
only() { # ARCHIVE UPDATES SUITE RELEASE KEYRING PART...
    options=""
    [ ! -f "$5" ] || options="[signed-by=$5] "
    main="deb $options$1 $4" updates="deb $options$2 $3"
    shift 5
    own=$work/chosen.list
    printf '%s\n' "$main $*" "$updates $*" >"$own"
    sources="-o Dir::Etc::sourcelist=$own -o Dir::Etc::sourceparts=-"
}

# What was brought along, and nothing of the machine's own: neither its sources nor its pins
offline() { # FOLDER
    mkdir -p "$work/lists/partial" "$work/archives/partial"
    echo "deb [trusted=yes] file:$1 ./" >"$work/list"
    sources="-o Dir::Etc::sourcelist=$work/list -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists=$work/lists"
    sources="$sources -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Dir::Cache::archives=$work/archives"
    sources="$sources -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null"
    sources="$sources -o APT::Sandbox::User=root"
}

# What a previous run, cut off, may have left
mend() {
    [ -z "$(find /var/lib/dpkg/updates -type f 2>/dev/null)$(dpkg --audit 2>/dev/null)" ] && return 0
    patient dpkg --configure -a --force-confdef --force-confold
    patient apt -y -f install
}

# Lists, then lists without the sources that break them; one broken file may hide the next
refresh() {
    if [ -n "$from" ]; then
        patient apt update && return 0
        blame_mirror
        exit 20
    fi
    if [ "$source" != - ]; then
        patient apt update && return 0
        # a mirror may lack the security updates; the machine's own sources bring them later
        tell broken "- $(tail -n 1 "$own" | cut -d ' ' -f 2-)"
        main=$(head -n 1 "$own") && echo "$main" >"$own"
        patient apt update && return 0
        blame_mirror
        exit 20
    fi
    : >"$work/uris"
    : >"$work/files"
    for _ in 1 2 3 4 5; do
        patient apt update && {
            [ ! -s "$work/broken" ] || sort -u "$work/broken" | sed 's/^/clawrack:broken /'
            return 0
        }
        seen=$(cat "$work/uris" "$work/files" | wc -l)
        blame "$work/out"
        [ "$(cat "$work/uris" "$work/files" | wc -l)" -gt "$seen" ] || break
        sift
    done
    blame_mirror
    exit 20
}

# blame LOG: the addresses and the files that apt complains about, to those that we know of
blame() {
    {
        cat "$work/uris"
        sed -n 's/^Err:[0-9]* \([a-z+]*:[^ ]*\) .*/\1/p' "$1"
        sed -n "s/^E: The repository '\([a-z+]*:[^ ]*\) .*/\1/p" "$1"
        sed -n 's/.*GPG error: \([a-z+]*:[^ ]*\) .*/\1/p' "$1"
    } | sed 's,/*$,,' | sort -u >"$work/more"
    mv "$work/more" "$work/uris"
    {
        cat "$work/files"
        sed -n "s,^E: [^/]*\(/etc/apt/sources[^ :']*\).*,\1,p" "$1"
        # a copy of ours was read in the file's place
        sed -n "s,^E: [^/]*$work/parts/\([^ :']*\).*,/etc/apt/sources.list.d/\1,p" "$1"
    } | sort -u >"$work/more"
    mv "$work/more" "$work/files"
}

# A copy of the sources without the broken ones; the person's own files stay as they are
sift() {
    rm -rf "$work/parts"
    mkdir -p "$work/parts"
    : >"$work/list"
    for file in $own; do
        [ -f "$file" ] || continue
        if grep -qxF "$file" "$work/files"; then
            echo "$file -" >>"$work/broken"
            continue
        fi
        case $file in
            /etc/apt/sources.list) copy=$work/list ;;
            *) copy=$work/parts/${file##*/} ;;
        esac
        cat "$file" >"$copy"
        while IFS= read -r uri; do
            grep -qF "$uri" "$copy" || continue
            echo "$file $uri" >>"$work/broken"
            without "$uri" "$copy"
        done <"$work/uris"
    done
    sources="-o Dir::Etc::sourcelist=$work/list -o Dir::Etc::sourceparts=$work/parts"
}

# without URI FILE: drop the line, or in a .sources file the paragraph, that names the address
without() {
    case $2 in
        *.sources) awk -v RS= -v ORS='\n\n' -v uri="$1" 'index($0, uri) == 0' "$2" >"$work/kept" ;;
        *) awk -v uri="$1" 'index($0, uri) == 0' "$2" >"$work/kept" ;;
    esac
    cat "$work/kept" >"$2"
}

blame_mirror() {
    tell mirror "$(grep -E '^(E|W): ' "$work/out" | head -n 1)"
}

# shellcheck disable=SC2086
candidate() { apt-cache $sources policy "$1" 2>/dev/null | grep -q '^  Candidate: [^(]'; }

# wanted PACKAGE...: those that this release has
wanted() {
    for package in "$@"; do
        name=${package%\?}
        if candidate "$name"; then
            echo "$name"
        elif [ "$name" = "$package" ]; then
            echo "$name" >"$work/missing"
        fi
    done
}

# What will be new here, so that removal knows: a line of a simulation with no [version in place] in it
record() {
    apt -s --no-upgrade install "$@" >"$work/plan" 2>&1 || { cat "$work/plan"; exit 23; }
    gone=$(sed -n 's/^Remv \([^ ]*\).*/\1/p' "$work/plan" | tr '\n' ' ')
    if [ -n "$gone" ]; then
        tell removes "$gone"
        exit 24
    fi
    : >"$work/recorded"
    sed -n 's/^Inst \([^ ]*\) (.*/\1/p' "$work/plan" | while read -r name; do
        grep -qxF "package=$name" "$manifest" 2>/dev/null || echo "package=$name" >>"$manifest"
    done
    sync
}

# What did not come is not ours: somebody else may install it later
# shellcheck disable=SC2016
strike() {
    [ -e "$work/recorded" ] || return 0
    told='${db:Status-Status} package=${Package}\n${db:Status-Status} package=${Package}:${Architecture}\n'
    dpkg-query -W -f "$told" >"$work/have" 2>/dev/null && [ -s "$work/have" ] || return 0
    awk 'NR == FNR {if ($1 != "not-installed" && $1 != "config-files") there[$2]; next} !/^package=/ || $0 in there' \
        "$work/have" "$manifest" >"$work/kept" || return 0
    if cp -p "$manifest" "$manifest.new" && cat "$work/kept" >"$manifest.new" && sync; then
        mv "$manifest.new" "$manifest"
    fi
    rm -f "$manifest.new"
}

[ -z "$from" ] || offline "$from"
mend
# shellcheck disable=SC2046
[ "$source" = - ] || only $(echo "$source" | tr ',+' '  ')
refresh
: >"$work/missing"
packages=$(wanted "$@")
if [ -s "$work/missing" ]; then
    tell missing "$(cat "$work/missing")"
    grep -qE '^(Err:|W: Failed to fetch)' "$work/out" && blame_mirror
    exit 21
fi
# shellcheck disable=SC2086
record $packages
# shellcheck disable=SC2086
patient apt -y --no-upgrade install $packages || exit 23
# Which mirror it was stays known: it is tried first, should packages be needed again
[ "$source" = - ] || echo "mirror=${source%%,*}" >>"$manifest"
exit 0
