# --- the door -----------------------------------------------------------------------------------------------------
# A small firewall for what comes from outside, only where a person asked for it: SSH stays open, what was begun from
# here is answered, everything else is dropped. It is on trial until a second connection has proven that the machine
# can still be reached; else it opens again by itself: a timer, and the next boot. It stays open wherever sshd is told
# to listen, also when that changes later. Ports that Docker publishes for others do not pass here.

DOOR_BACK=clawrack-door # the way back's unit

host_door() { # PORT SECONDS [ADDRESS OF THIS MACHINE THAT OUR CONNECTION CAME TO]
    is_number "$1" 1 65535 || bad port "$1"
    is_number "$2" 10 600 || bad seconds "$2"
    ! came_by_tunnel "${3:-}" || refuse door-tunnel "$tunnel"
    record "host door"
    put "$DATA/door.trial" <<END
port=$1
boot=$(boot_id)
until=$(($(uptime_s) + $2))
END
    try door way_back "$DOOR_BACK" "$2" host door_late # before the door moves
    failpoint door-armed
    door_load || { door_open_again && fail door "the rules could not be loaded"; }
}

# Whoever comes through a tunnel that ends here proves nothing by a second connection: the tunnel is under way already,
# and would be shut out when it begins anew. Ethernet that is no tap is type 1, as is what containers have.
came_by_tunnel() { # ADDRESS, or nothing where it is not known
    [ -n "$1" ] || return 1
    tunnel=$(ip -o addr show 2>/dev/null | while read -r _ link _ address _; do
        [ "${address%/*}" != "$1" ] || echo "${link%@*}"
    done | head -n 1)
    case $tunnel in '' | lo) return 1 ;; esac
    [ "$(cat "/sys/class/net/$tunnel/type" 2>/dev/null)" != 1 ] || [ -e "/sys/class/net/$tunnel/tun_flags" ]
}

host_door_commit() { # it was proven
    [ -s "$DATA/door.trial" ] || refuse late "the trial is over"
    still "$(field "$DATA/door.trial" boot)" "$(field "$DATA/door.trial" until)" || refuse late "the trial is over"
    mv -f "$DATA/door.trial" "$DATA/door"
    sync "$DATA"
    way_back_off "$DOOR_BACK"
}

host_door_open() {
    door_drop
    unrecord "host door"
}

host_door_late() { # by the timer that was armed
    [ -s "$DATA/door.trial" ] || return 0
    ! still "$(field "$DATA/door.trial" boot)" "$(field "$DATA/door.trial" until)" || return 0
    door_open_again
}

door_open_again() { # the trial ends: what was proven before counts again, or nothing
    rm -f "$DATA/door.trial"
    if door_wanted; then door_load; else door_drop; fi
}

door_wanted() { [ -s "$DATA/door.trial" ] || [ -s "$DATA/door" ]; }

door_port() {
    for file in "$DATA/door.trial" "$DATA/door"; do
        if [ -s "$file" ]; then
            field "$file" port
            return 0
        fi
    done
}

door_ports() {
    {
        door_port
        echo
        sshd -T 2>/dev/null | while read -r key value _; do [ "$key" != port ] || echo "$value"; done
    } | sort -u | while read -r port; do ! is_number "$port" 1 65535 || echo "$port"; done
}

door_look() {
    [ ! -s "$DATA/door.trial" ] || say door trial
    [ ! -s "$DATA/door" ] || say door "$(field "$DATA/door" port)"
}

door_load() {
    mkdir -p "$RUN"
    : >"$RUN/door.loaded"
    door_rules icmp 68 | iptables-restore -w 10 --noflush || return 1
    door_hook iptables || return 1
    has_ipv6 || return 0
    door_rules ipv6-icmp 546 | ip6tables-restore -w 10 --noflush && door_hook ip6tables
}

door_rules() { # ICMP DHCP: the protocol of pings and neighbours, and the port on which an address is given
    echo '*mangle'
    echo ':CLAWRACK-DOOR - [0:0]'
    for own in lo docker0 br-+ cr+; do echo "-A CLAWRACK-DOOR -i $own -j RETURN"; done
    echo '-A CLAWRACK-DOOR -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN'
    echo "-A CLAWRACK-DOOR -p $1 -j RETURN"
    for port in $(door_ports); do echo "-A CLAWRACK-DOOR -p tcp -m tcp --dport $port -j RETURN"; done
    echo "-A CLAWRACK-DOOR -p udp -m udp --dport $2 -j RETURN"
    echo '-A CLAWRACK-DOOR -j DROP'
    echo COMMIT
}

door_hook() { # TOOL: behind the guard's own chain, and once
    "$1" -w 10 -t mangle -C INPUT -j CLAWRACK-DOOR 2>/dev/null || "$1" -w 10 -t mangle -A INPUT -j CLAWRACK-DOOR
}

door_tick() { # somebody flushed, or the timer never came
    host_door_late
    door_wanted || return 0
    if iptables -w 10 -t mangle -C INPUT -j CLAWRACK-DOOR 2>/dev/null && [ -e "$RUN/door.loaded" ] &&
        [ -z "$(find /etc/ssh -newer "$RUN/door.loaded" 2>/dev/null)" ]; then
        return 0
    fi
    door_load || :
}

door_drop() {
    rm -f "$DATA/door.trial" "$DATA/door"
    way_back_off "$DOOR_BACK"
    for tool in iptables ip6tables; do
        command -v $tool >/dev/null 2>&1 || continue
        while $tool -w 10 -t mangle -D INPUT -j CLAWRACK-DOOR 2>/dev/null; do :; done
        $tool -w 10 -t mangle -F CLAWRACK-DOOR 2>/dev/null || :
        $tool -w 10 -t mangle -X CLAWRACK-DOOR 2>/dev/null || :
    done
}
