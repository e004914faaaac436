#!/bin/sh
# clawrack's guard: every change on a machine goes through this script, and nothing else changes anything.
#
# Each verb prints `key=value` lines on standard output and ends with
#   0 done (`already=1` where nothing had to change)   2 bad input   3 refused   5 failed
# Every other code than 0 comes with `reason=WORD` and mostly `detail=TEXT`.
#
#   tools                                which tools the machine lacks: `missing=…`, or `ok=1`
#   install                              folders, identity, pool, units, firewall; `id= pool= version=`
#   sudoer USER                          USER may run the guard and `docker system dial-stdio`, nothing else
#   uninstall keep|erase [TOKEN]         everything of ours gone; TOKEN is needed while a lease is held.
#                                        keep: the agents' state stays in DATA/kept/NAME
#   lease HOLDER SECONDS                 `token=N version=N`; refused: `reason=held holder= left=` or `reason=busy`
#   renew TOKEN SECONDS                  `left=`
#   release TOKEN                        the lease ends now
#   stage TOKEN NAME RELEASE SHA256      stdin: tar of `spec` and `config/…`, whose sha256 is SHA256
#   secrets TOKEN NAME FILE BYTES        stdin: BYTES bytes, kept as secrets/FILE; NAME may be `meter`
#   reveal NAME FILE                     prints secrets/FILE as it is, and nothing else; `reason=absent`
#   forget TOKEN NAME FILE               secrets/FILE is removed
#   image TOKEN ID                       this image was brought by us: gone when no release names it any more
#   trial TOKEN NAME RELEASE SECONDS     old stopped, state snapshot, new started. Reverts by itself after SECONDS
#                                        unless committed. `container= address= wait= snapshot_bytes= snapshot_ms=`
#   commit TOKEN NAME RELEASE            the trial is the agent now. Refused after its deadline (`reason=late`) and
#                                        where the agent does not run (`reason=not-running`)
#   revert TOKEN NAME                    the trial ends: state and release as before it
#   start|stop|restart TOKEN NAME        stop leaves a mark: the agent does not come back by itself
#   remove TOKEN NAME keep|erase         the agent is gone; keep: its state stays in DATA/kept/NAME (`kept=`)
#   meter TOKEN RELEASE SHA256           stdin: tar of `spec` and `routes.json`; the meter is (re)placed.
#                                        New routes alone need no new container.
#   look                                 everything there is
#   checkup                              look, and what a doctor asks: modes, units, clock, disks, files as they lie
#   mend TOKEN WHAT [NAME]               puts firewall, modes or engine right; `units`, stdin: a tar of them; `config NAME`,
#                                        stdin: the release's tar, with the checksum noted: its files again, and a restart
#   usage                                the meter's own report, JSON
#   journal LINES                        the journal's last lines of our units and the engine's, as they are
#   shell NAME MARK [COMMAND…]           a shell, or the command, in the agent's container, as its user; MARK on stderr
#                                        when it begins; `reason=not-running`, `reason=no-shell`
#   boot | tick | run BOX | halt BOX | watch     for the units; `watch` where there is no systemd
#
# The reasons, the crash gaps and the firewall are told in docs/guard.md.
set -eu
umask 077
LC_ALL=C
export LC_ALL
unset IFS DOCKER_CONTEXT DOCKER_CONTENT_TRUST DOCKER_DEFAULT_PLATFORM DOCKER_TLS_VERIFY

# Where things are. `install` writes what it was told (CLAWRACK_DATA …) into the installed copy: a NAS differs.
GUARD_VERSION=1
DATA=${CLAWRACK_DATA:-/var/lib/clawrack}
LIB=${CLAWRACK_LIB:-/usr/local/lib/clawrack}
RUN=${CLAWRACK_RUN:-/run/clawrack}
DOCKER=${CLAWRACK_DOCKER:-docker}
SOCKET=${CLAWRACK_SOCKET:-/var/run/docker.sock}
UNITS=${CLAWRACK_UNITS:-/etc/systemd/system}
SUDOERS=${CLAWRACK_SUDOERS:-/etc/sudoers.d}
#-- settings end --

PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root
DOCKER_HOST=unix://$SOCKET
DOCKER_CONFIG=$RUN/.docker # absent on purpose: nobody's ~/.docker may add proxies or plugins to what we create
export PATH HOME DOCKER_HOST DOCKER_CONFIG

main() {
    [ $# -ge 1 ] || bad verb-missing "guard.sh VERB …"
    verb=$1
    shift
    case $verb in
    tools | install | look | checkup | usage | boot | tick | watch) arity $# 0 0 ;;
    run | halt | sudoer | release | journal) arity $# 1 1 ;;
    uninstall) arity $# 1 2 ;;
    mend) arity $# 2 3 ;;
    lease | renew | reveal | image | start | stop | restart | revert) arity $# 2 2 ;;
    commit | remove | meter | forget) arity $# 3 3 ;;
    stage | secrets | trial) arity $# 4 4 ;;
    shell) arity $# 2 1000 ;;
    *) bad verb-unknown "$verb" ;;
    esac
    [ "$(id -u)" = 0 ] || refuse not-root "the guard is root's"
    [ "$verb" = tools ] || need_tools
    "verb_$verb" "$@"
}

arity() {
    if [ "$1" -lt "$2" ] || [ "$1" -gt "$3" ]; then
        bad words "$verb takes $2 to $3 words, not $1"
    fi
}

#-- parts --
for part in "${0%/*}"/guard.d/*.sh; do
    # shellcheck source=/dev/null
    . "$part"
done
main "$@"
