#!/bin/sh
# clawrack's guard: every change on a machine goes through this script, and nothing else changes anything.
#
# Each verb prints `key=value` lines on standard output and ends with
#   0 done (`already=1` where nothing had to change)   2 bad input   3 refused   5 failed
# Every other code than 0 comes with `reason=WORD` and mostly `detail=TEXT`.
#
#   tools                                which tools the machine lacks: `missing=…`, or `ok=1`
#   install                              folders, identity, pool, units or boot hook, firewall; `id= pool= version= data=`
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
#   commit TOKEN NAME RELEASE [KEEP]     the trial is the agent now. Refused after its deadline (`reason=late`) and
#                                        where the agent does not run (`reason=not-running`). Of the releases before
#                                        it KEEP stay with their snapshots (2 where nobody said); `pruned=` the others
#   keep TOKEN NAME KEEP                 so many stay from now on; `pruned=`
#   rollback TOKEN NAME RELEASE          back to a release that is kept: stopped, its state kept, image, configuration
#                                        and state of the release in its place, started. Committed at once, and never
#                                        itself taken back. `from= container= address= wait= snapshot_bytes= snapshot_ms=`;
#                                        `reason=not-kept`
#   failure NAME RELEASE                 a trial that failed (the last 3 are kept): how it ended, `inspect=BYTES log=BYTES`,
#                                        an empty line, then the engine's inspection and the end of what it wrote
#   revert TOKEN NAME                    the trial ends: state and release as before it
#   start|stop|restart TOKEN NAME        stop leaves a mark: the agent does not come back by itself
#   remove TOKEN NAME keep|erase         the agent is gone; keep: its state stays in DATA/kept/NAME (`kept=`)
#   weigh NAME                           `bytes=` that its state takes, `free=` bytes beside it
#   copy TOKEN NAME now|last             the agent's state is put by: as it is (a running agent stops for it, and is started
#                                        again at once), or its newest snapshot. `release= bytes= sha256= at= down_ms=`
#   save NAME state|release              what `copy` put by, on standard output: a tar of `state/…`, or of `spec` and `config/…`
#   saved TOKEN NAME                     it was fetched
#   bring TOKEN NAME BYTES SHA256 ROOM   stdin: a tar of `state/…` that takes ROOM bytes unpacked, for an agent that is not
#                                        here yet, or is stopped: then the state that was there is kept (`kept=`)
#   unkeep TOKEN NAME KEPT               the same from DATA/kept/KEPT, which stays until `unkept TOKEN KEPT`
#   hold TOKEN ID MOST                   stdin: a backup of at most MOST bytes, to rest here: `bytes= sha256=`; it counts
#                                        once `held TOKEN ID SHA256` says that it is whole. `unhold TOKEN ID`: gone
#   holdings | hand ID                   the backups that rest here, `backup.ID=BYTES`; one of them on standard output
#   foreign CONTAINER DEST               what taking over a container of somebody else's would copy: `bytes= free=`
#   adopt TOKEN NAME CONTAINER DEST      NAME's first trial takes this container over: it is stopped, proven, and its state
#                                        at DEST copied; what takes the trial back starts it again. `name= policy=`
#   unadopt TOKEN NAME                   NAME goes, its state is kept (`kept=`); what it came from runs again (`back=`)
#   meter TOKEN RELEASE SHA256           stdin: tar of `spec` and `routes.json`; the meter is (re)placed.
#                                        New routes alone need no new container.
#                                        The one before is back where the new one is not ready (`meter-not-ready`,
#                                        `meter-ended`; `failure meter RELEASE`); `meter-older` does not know the ledger
#   route TOKEN NAME BYTES               stdin: BYTES bytes, a route to a provider with its real key (three lines, see
#                                        docs/guard.md); counts from the next call on, and nothing is restarted
#   unroute TOKEN NAME                   the route and its key are gone; `reason=route-used` where an agent uses it
#   assign TOKEN AGENT ROUTE             the agent's calls go this way from now on; `reason=route-absent`
#   once TOKEN AGENT ROUTE               its very next call goes this way, and that one alone; `reason=route-absent`
#   routes                               what may be shown of each route, and each agent's; never a key
#   look                                 everything there is
#   files NAME…                          what lies there of those agents' releases, in hexadecimal; never a secret
#   checkup                              look, and what a doctor asks: modes, units, clock, disks, files as they lie
#   mend TOKEN WHAT [NAME]               puts firewall, modes or engine right; `units`, stdin: a tar of them; `config NAME`,
#                                        stdin: the release's tar, with the checksum noted: its files again, and a restart;
#                                        `box NAME`: its container made anew from its release
#   usage                                the meter's own report, JSON
#   journal LINES                        the journal's last lines of our units and the engine's, as they are; or the watcher's
#   shell NAME MARK [COMMAND…]           a shell, or the command, in the agent's container, as its user; MARK on stderr
#                                        when it begins; `reason=not-running`, `reason=no-shell`
#   dial ADDRESS PORT MARK               a connection to a box of ours by standard input and output; MARK on stderr when it
#                                        stands; `reason=no-answer`
#   harden TOKEN arm USER ADDRESS HERE PORT KEY SECONDS
#                                        password logins go off, for USER who comes from ADDRESS to HERE:PORT by KEY (the
#                                        middle word of its line); back by itself after SECONDS unless committed. `left=`,
#                                        `kept=LOGINS` that somebody's `Match` keeps. `reason=harden-vendor`: a NAS'
#   harden TOKEN commit                  a new connection has proven itself. Refused after its deadline (`harden-late`)
#   soften now [TOKEN]                   password logins are as they were; TOKEN is needed while a lease is held
#   soften due                           for the timer: only what was not committed in time
#   anew TOKEN keys|no-keys              this machine is a copy: its agents are taken off (their state is kept), and it gets
#                                        an id of its own, and with `keys` host keys. `removed= id=`
#   hardening                            `stage=writing|armed|on`, `user=`, `file=`
#   owner TOKEN SHA256                   stdin: a tar of the owner's command and its texts: `command=` where it is now
#   ask NAME                             stdin: a message; prints the agent's answer, for the owner's command
#   password TOKEN USER                  stdin: the password that USER's owner typed, in place of the one there was
#   handover TOKEN USER key|login        stdin: the operator's public key. It opens USER no more; `login`: USER is gone.
#                                        The lease ends. `others=` keys that still open it, `made=` `docker=` `command=`
#   host WHAT [VALUE…]                   the machine around the agents; each is told in the manifest first, and taken back
#                                        by `uninstall`. `clock EPOCH`, `swap MIB`, `awake`, `journal MIB`; `door PORT SECONDS`
#                                        on trial, `door_commit` once it was proven, `door_open`; `look`; `undo` before `install`.
#                                        Refused while a lease is held (`held`), but for `clock` and `look`
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
SUPERVISOR=${CLAWRACK_SUPERVISOR:-} # `watch`: not systemd, though it may be there
HOOK=${CLAWRACK_HOOK:-}             # FORM:PATH of what starts the watcher after a boot (82-hook)
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
    tools | install | look | checkup | usage | boot | tick | watch | hardening | routes) arity $# 0 0 ;;
    run | halt | sudoer | release | journal | ask) arity $# 1 1 ;;
    uninstall | soften) arity $# 1 2 ;;
    harden) arity $# 2 8 ;;
    mend) arity $# 2 3 ;;
    anew | lease | renew | reveal | image | owner | password | start | stop | restart | revert | unroute) arity $# 2 2 ;;
    failure) arity $# 2 2 ;;
    commit) arity $# 3 4 ;;
    dial | remove | meter | forget | handover | route | assign | once | rollback | keep) arity $# 3 3 ;;
    stage | secrets | trial) arity $# 4 4 ;;
    holdings) arity $# 0 0 ;;
    foreign | unadopt) arity $# 2 2 ;;
    adopt) arity $# 4 4 ;;
    hand | weigh) arity $# 1 1 ;;
    save | saved | unkept | unhold) arity $# 2 2 ;;
    copy | unkeep | hold | held) arity $# 3 3 ;;
    bring) arity $# 5 5 ;;
    host) arity $# 1 4 ;;
    shell) arity $# 2 1000 ;;
    files) arity $# 1 1000 ;;
    *) bad verb-unknown "$verb" ;;
    esac
    [ "$(id -u)" = 0 ] || refuse not-root "the guard is root's"
    case $verb in tools | host | soften | hardening) ;; *) need_tools ;; esac # a way back lacks for nothing
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
