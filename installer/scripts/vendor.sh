#!/bin/sh
# A NAS maker's engine: vendor.sh DOCKER     0 where it answers, 20 where the command is not there, else `said=`
set -u
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset DOCKER_HOST DOCKER_CONTEXT
command -v "$1" >/dev/null 2>&1 || exit 20
said=$(timeout 20 "$1" version --format '{{.Server.Version}}' 2>&1) && exit 0
echo "said=$(echo "$said" | tail -n 1)"
exit 1
