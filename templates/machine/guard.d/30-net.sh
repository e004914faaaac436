# --- addresses ----------------------------------------------------------------------------------------------------
# The pool is a /20 of our own: 256 networks of 16 addresses. Network 0 is the meter's, 1 to 255 are agents'.
# In each: +1 the machine, +2 the meter, +3 the agent.

to_number() { # A.B.C.D → number
    case $1 in *.*.*.*) ;; *) return 1 ;; esac
    oct=$1.
    number=0
    for _ in 1 2 3 4; do
        is_number "${oct%%.*}" 0 255 || return 1
        number=$((number * 256 + ${oct%%.*}))
        oct=${oct#*.}
    done
    [ -z "$oct" ] && printf '%s' "$number"
}

to_address() { printf '%s.%s.%s.%s' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255)); }

overlap() { # A/BITS B/BITS: do they share an address?
    case $1$2 in */*/*) ;; *) return 1 ;; esac
    one=$(to_number "${1%/*}") && two=$(to_number "${2%/*}") || return 1
    bits=${1#*/}
    [ "${2#*/}" -ge "$bits" ] || bits=${2#*/}
    [ $((one >> (32 - bits))) = $((two >> (32 - bits))) ]
}

# Every IPv4 network this machine knows a way to. A route to half of the world (a VPN's 0.0.0.0/1) says
# nothing about the addresses in it.
used_networks() {
    {
        ip -4 route show table all 2>/dev/null || ip -4 route
        ip -4 addr | while read -r word rest; do
            [ "$word" != inet ] || echo "$rest"
        done
        docker_networks
    } | while read -r one two _; do
        case $one in local | broadcast | unreachable | blackhole | prohibit | throw | multicast) one=$two ;; esac
        case $one in
        *.*.*.*/[0-7]) ;;
        *.*.*.*/*) echo "$one" ;;
        *.*.*.*) echo "$one/32" ;;
        esac
    done | sort -u
}

docker_networks() { # of those that are not up at this moment, too
    ids=$(dk network ls -q 2>/dev/null) || return 0
    # shellcheck disable=SC2086 # a list of words
    [ -z "$ids" ] || dk network inspect --format '{{range .IPAM.Config}}{{println .Subnet}}{{end}}' $ids 2>/dev/null || :
}

# Docker gives itself networks out of 172.16/12 and 192.168/16, and so do homes: we look there last.
pool_candidates() {
    for b in 213 87 154 41 231 119 66 178; do
        for c in 64 128 16 192 240; do echo "10.$b.$c.0/20"; done
    done
    for b in 30 27 23 19; do echo "172.$b.208.0/20"; done
    for c in 208 144 112 80; do echo "192.168.$c.0/20"; done
}

choose_pool() { # → the first candidate that collides with nothing; nothing where all do
    used=$(used_networks)
    for candidate in $(pool_candidates); do
        for net in $used; do
            ! overlap "$candidate" "$net" || continue 2
        done
        printf '%s' "$candidate"
        return 0
    done
}

# --- a network per agent --------------------------------------------------------------------------------------------

subnet_base() { # N → the number of the first address of network N
    pool=$(first_line "$DATA/pool")
    echo $(($(to_number "${pool%/*}") + 16 * $1))
}

subnet_of() { echo "$(to_address "$(subnet_base "$1")")/28"; }
address_in() { to_address $(($(subnet_base "$1") + $2)); } # N OFFSET

allot() { # the current box has a number for as long as its folder lives
    [ ! -s "$DIR/subnet" ] || return 0
    taken=" $(cat "$DATA"/agents/*/subnet 2>/dev/null | tr '\n' ' ') "
    number=1
    while case $taken in *" $number "*) ;; *) false ;; esac do number=$((number + 1)); done
    [ $number -le 255 ] || fail subnets-used "255 agents have a network already"
    echo $number | put "$DIR/subnet"
}

ensure_network() { # the current box's own; made again when Docker lost it
    [ "$BOX" = meter ] || allot
    net_number=$(first_line "$DIR/subnet")
    net_has=$(dk network inspect --format '{{range .IPAM.Config}}{{.Subnet}}{{end}}' "$NET" 2>/dev/null) || net_has=
    [ "$net_has" != "$(subnet_of "$net_number")" ] || return 0
    [ -z "$net_has" ] || fail network-foreign "$NET exists with $net_has"
    failpoint network-create
    try network dk network create --driver bridge --ipv6=false \
        --subnet "$(subnet_of "$net_number")" --gateway "$(address_in "$net_number" 1)" \
        --opt "com.docker.network.bridge.name=cr$net_number" \
        --label "clawrack.machine=$(first_line "$DATA/id")" --label "clawrack.agent=$BOX" "$NET" >/dev/null
}

join_meter() { # the meter comes into the current agent's network, where it is `meter`
    dk container inspect clawrack-meter >/dev/null 2>&1 || return 0
    in_net=$(dk container inspect --format "{{with index .NetworkSettings.Networks \"$NET\"}}in{{end}}" clawrack-meter)
    [ "$in_net" = in ] || connect_meter clawrack-meter
}

connect_meter() { # CONTAINER
    try meter-join dk network connect --alias meter --ip "$(address_in "$(first_line "$DIR/subnet")" 2)" "$NET" "$1"
}

drop_network() {
    dk network inspect "$NET" >/dev/null 2>&1 || return 0
    dk network disconnect -f "$NET" clawrack-meter >/dev/null 2>&1 || :
    try network-remove dk network rm "$NET" >/dev/null
}
