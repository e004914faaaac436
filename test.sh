#!/bin/sh
# Tests everything, on a bare Debian or Ubuntu, as root or with sudo; what it needs and does not find, it installs.
#
#   ./test.sh             everything: well over half an hour on two cores, longer the first time
#   ./test.sh --fast      without real machines: seconds to minutes, no root
#   ./test.sh --soak      and the long sweeps
#   ./test.sh -k WORD …   any other words are for pytest, which then runs alone with them
#
# Packages come from wherever apt, pip and npm are set up to get them. Test machines live on a Docker engine of our own
# (tests/rack/engine.py), kept with its images in ${XDG_CACHE_HOME:-~/.cache}/clawrack-tests; other engines are not touched.
# `.venv/bin/python tests/rack/engine.py stop` stops it by hand. With CI=true it is stopped at the end, unless in use.

set -eu
cd "$(dirname "$0")"

fast='' soak=''
while [ $# -gt 0 ]; do
    case $1 in
        --fast) fast=yes ;;
        --soak) soak=yes ;;
        -h | --help) sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) break ;;
    esac
    shift
done

# Real agents are large, and clocks of booths count time: these do not run beside other machines.
ALONE='tests/rack/test_images_openclaw.py tests/rack/test_install_sh_whole.py tests/rack/test_the_thread.py
    tests/rack/test_agent_open.py tests/rack/test_booth.py tests/rack/test_offline.py tests/rack/test_openclaw_upgrade.py'
LIMIT=3600 # seconds for one part

say() { printf '%s\n' "$*"; }

die() {
    printf '✗ %s\n' "$*" >&2
    exit 1
}

become_root() {
    [ "$(id -u)" != 0 ] && [ -z "$fast" ] || return 0
    command -v sudo >/dev/null || die 'The test machines need root, and there is no sudo. Without them: ./test.sh --fast'
    say 'The test machines need root: starting again with sudo.'
    exec sudo --preserve-env "$(pwd)/test.sh" ${soak:+--soak} "$@"
}

# ---- what the system must have ---------------------------------------------------------------------------------------

lacking() { # the packages whose commands are not there
    wanted='git:git ssh:openssh-client ssh-keyscan:openssh-client sshd:openssh-server busybox:busybox shellcheck:shellcheck
        dpkg-deb:dpkg ip:iproute2 pgrep:procps xz:xz-utils zsh:zsh fish:fish tmux:tmux'
    [ -n "$fast" ] || wanted="$wanted dockerd:docker.io containerd:containerd runc:runc debootstrap:debootstrap
        iptables:iptables mkfs.ext4:e2fsprogs nsenter:util-linux mount:mount"
    for pair in $wanted; do
        command -v "${pair%%:*}" >/dev/null || say "${pair#*:}"
    done
    # Debian's own Python cannot make an environment without the second one.
    python=$(newest_python)
    if [ -z "$python" ] || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        say python3
        say python3-venv
    fi
    [ -e /etc/ssl/certs/ca-certificates.crt ] || say ca-certificates
    # Ubuntu has a browser as a snap alone; there a Chrome from elsewhere will do, and without one its test says so.
    [ -n "$fast" ] || command -v chromium >/dev/null || command -v google-chrome >/dev/null ||
        grep -q '^ID=ubuntu' /etc/os-release || say chromium
    [ -e /usr/share/bash-completion/bash_completion ] || say bash-completion
}

newest_python() { # the newest Python from 3.11 on
    for name in python3.14 python3.13 python3.12 python3.11 python3; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return 0
        fi
    done
}

install_packages() {
    missing=$(lacking | sort -u | tr '\n' ' ')
    [ -n "${missing% }" ] || return 0
    command -v apt-get >/dev/null || die "These are missing here, and only apt is known to this script: $missing"
    [ "$(id -u)" = 0 ] || die "Missing: $missing. As root: apt-get install $missing"
    say "Installing: $missing"
    # Nothing that comes with a package is started: neither its Docker engine nor its sshd is what we test with.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
    fi
    apt-get -qq update || say 'apt could not read all its sources; going on with what it knows.'
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends $missing >/dev/null
    [ ! -e /usr/sbin/policy-rc.d ] || rm -f /usr/sbin/policy-rc.d
    trap - EXIT
    keep_from_starting
}

keep_from_starting() { # nor shall they be started at the next boot, which nobody has asked for
    [ -d /run/systemd/system ] || return 0
    case $missing in *docker.io*) systemctl -q disable docker.service docker.socket containerd.service || true ;; esac
    case $missing in *openssh-server*) systemctl -q disable ssh.service || true ;; esac
}

pip() { # WORDS OF INSTALL…
    .venv/bin/python -m pip install -q "$@" >.artefacts/pip.log 2>&1 || {
        cat .artefacts/pip.log >&2
        die 'pip could not install the pinned packages.'
    }
}

make_venv() {
    [ -n "$(newest_python)" ] || die 'There is no Python 3.11 or newer here, and the system has none to install.'
    locks=$(cat requirements.lock requirements-build.lock requirements-dev.lock pyproject.toml | sha256sum | cut -c1-64)
    [ "$(cat .venv/made-from 2>/dev/null)" != "$locks" ] || return 0
    if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        "$(newest_python)" -m venv --clear .venv
    fi
    say 'Installing the pinned Python packages into .venv'
    .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null
    set -- -r requirements.lock -r requirements-build.lock -r requirements-dev.lock
    pip --require-hashes "$@"
    pip --no-deps --no-build-isolation -e .
    printf '%s\n' "$locks" >.venv/made-from
}

# ---- the parts -------------------------------------------------------------------------------------------------------

passed=0 failed=0 minutes=''

timed() { # NAME SECONDS-AT-BEGIN
    took=$(($(date +%s) - $2))
    minutes="$minutes
$(printf '%8d:%02d  %s' $((took / 60)) $((took % 60)) "$1")"
}

check() { # NAME COMMAND…: one check, passed or failed
    name=$1 begin=$(date +%s)
    shift
    say "── $name"
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    timed "$name" "$begin"
}

tests() { # NAME WORDS OF PYTEST…
    name=$1 begin=$(date +%s) code=0
    shift
    say "── $name"
    rm -f ".artefacts/$name.xml"
    timeout -k 30 "$LIMIT" .venv/bin/python -m pytest --junitxml ".artefacts/$name.xml" "$@" || code=$?
    # shellcheck disable=SC2046 # two numbers
    set -- $(.venv/bin/python - ".artefacts/$name.xml" "$code" <<'PY'
import sys
from pathlib import Path
from xml.etree import ElementTree

file, code = Path(sys.argv[1]), int(sys.argv[2])
rows = list(ElementTree.parse(file).getroot()) if file.exists() else []
bad = sum(int(row.get(key, 0)) for row in rows for key in ("failures", "errors"))
good = sum(int(row.get("tests", 0)) - int(row.get("skipped", 0)) for row in rows) - bad
print(max(good, 0), bad or (code not in (0, 5)) * 1)
PY
)
    passed=$((passed + $1)) failed=$((failed + $2))
    timed "$name" "$begin"
}

# What only computes goes beside what mostly waits: at a lower priority, its words afterwards.
beside() { # COMMAND…
    rm -f .artefacts/beside.*
    # shellcheck disable=SC2030 # it counts for itself; `joined` adds it up
    (
        passed=0 failed=0 minutes=''
        renice -n 5 -p "$(exec sh -c 'echo $PPID')" >/dev/null
        "$@"
        printf '%s\n' "$minutes" | sed '/./s/$/ (beside)/' >.artefacts/beside.minutes
        echo "$passed $failed" >.artefacts/beside.sums
    ) >.artefacts/beside.log 2>&1 &
    beside=$!
    trap 'kill "$beside" 2>/dev/null; exit 130' INT TERM
}

joined() {
    say '── what ran beside it'
    wait "$beside" || :
    trap - INT TERM
    cat .artefacts/beside.log
    [ -s .artefacts/beside.sums ] || die 'What ran beside it did not come to its end.'
    read -r good bad <.artefacts/beside.sums
    # shellcheck disable=SC2031 # see `beside`
    passed=$((passed + good)) failed=$((failed + bad)) minutes="$minutes$(cat .artefacts/beside.minutes)"
}

static() {
    check ruff .venv/bin/ruff check -q .
    check format .venv/bin/ruff format -q --check .
    check pyright .venv/bin/pyright
    check layers .venv/bin/lint-imports
}

quick() { # all that needs no machine, but the meter, which counts time
    static
    tests unit tests/unit -n 2
    tests screens tests/screens -n 2
    for part in plan detect properties; do
        [ -z "$(find "tests/$part" -name 'test_*.py' 2>/dev/null)" ] || tests "$part" "tests/$part"
    done
}

everything() {
    tests meter tests/meter
    if [ -n "$fast" ]; then
        quick
        say 'Left out: the test machines (tests/rack), because of --fast.'
        return
    fi
    leave=''
    for file in $ALONE; do
        leave="$leave --ignore $file"
    done
    beside quick
    # shellcheck disable=SC2086 # lists of words
    tests alone $ALONE
    joined
    # Machines wait more than they compute, and each test file has machines of its own; conftest.py says which are first.
    # shellcheck disable=SC2086
    tests rack tests/rack -n 3 --dist loadfile --no-loadscope-reorder $leave
}

leave_engine() {
    [ "${CI:-}" = true ] && [ -z "$fast" ] || return 0
    .venv/bin/python tests/rack/engine.py stop-if-idle
}

become_root "$@"
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
CLAWRACK_SOAK=$soak
export PATH CLAWRACK_SOAK
install_packages
mkdir -p .artefacts
make_venv
PATH=$(pwd)/.venv/bin:$PATH
if [ $# -gt 0 ]; then tests asked "$@"; else everything; fi
leave_engine
say "
minutes per part$minutes
$passed passed, $failed failed"
[ "$failed" = 0 ]
