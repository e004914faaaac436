#!/bin/sh
# Docker answers: engine.sh look | up MANIFEST SECONDS     exit 0 where it answers, else `reason=` lines
#   look    as root, or as a login whose sudo allows `docker system dial-stdio`
set -u
umask 077
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset DOCKER_HOST DOCKER_CONTEXT

answers() {
    if [ "$(id -u)" = 0 ]; then
        timeout 5 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
    else
        printf 'GET /_ping HTTP/1.0\r\n\r\n' |
            timeout 5 sudo -n -- "$(command -v docker)" system dial-stdio 2>/dev/null | grep -q '^OK'
    fi
}

# Whoever enabled it is told apart from us, so that removal can disable it again
enabled() {
    if [ ! -d /run/systemd/system ]; then
        command -v rc-update >/dev/null 2>&1 || return 0
        rc-update show 2>/dev/null | grep -qE '^ *docker ' && return 0
        grep -qx enabled=docker.openrc "$1" 2>/dev/null || echo enabled=docker.openrc >>"$1"
        rc-update -q add docker default
        return 0
    fi
    [ "$(systemctl is-enabled docker.service 2>/dev/null)" = disabled ] || return 0
    grep -qx enabled=docker.service "$1" 2>/dev/null || echo enabled=docker.service >>"$1"
    systemctl --quiet enable docker.service
}

# What the engine itself says of its settings, before it is started with them; releases before 23 cannot tell
valid() {
    [ -f /etc/docker/daemon.json ] && dockerd --help 2>/dev/null | grep -q -e --validate || return 0
    said=$(dockerd --validate --config-file /etc/docker/daemon.json 2>&1) && return 0
    echo "reason=$(echo "$said" | tail -n 1)"
    exit 1
}

up() {
    enabled "$1"
    valid
    if [ -d /run/systemd/system ]; then
        systemctl reset-failed docker.service docker.socket 2>/dev/null
        said=$(systemctl start docker.service 2>&1) || { why "$said"; exit 1; }
    elif command -v rc-service >/dev/null 2>&1; then
        said=$(rc-service docker start 2>&1) || { why "$said"; exit 1; }
    else
        said=$(service docker start 2>&1) || { why "$said"; exit 1; }
    fi
    left=$2
    until answers; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || { why ""; exit 1; }
        sleep 1
    done
}

# The engine's own last words, the telling ones where there are any
why() {
    log=$(journalctl --no-pager -q -u docker.service -b -n 60 -o cat 2>/dev/null || tail -n 60 /var/log/docker.log 2>/dev/null)
    told=$(echo "$log" | grep -iE 'level=fatal|failed to start daemon|unable to|error initializing|invalid' | tail -n 1)
    echo "${told:-${log:-$1}}" | tail -n 3 | sed 's/^/reason=/'
}

if [ "$1" = up ]; then
    answers || up "$2" "$3"
fi
answers
