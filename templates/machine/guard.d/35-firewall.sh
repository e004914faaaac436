# --- the firewall -------------------------------------------------------------------------------------------------
# Two chains of our own in the mangle table: it is passed before the filter table, where Docker, ufw and
# firewalld put their rules in front of one another, and none of them touches it. Nothing is ever accepted
# here, only dropped or handed back: what others forbid stays forbidden.

METADATA="169.254.0.0/16 100.100.100.200/32 100.96.0.96/32 168.63.129.16/32" # the last is Azure's, with settings in it

firewall_assert() {
    mkdir -p "$RUN"
    (
        flock -w 20 7 || exit 1
        load_chains && hook FORWARD CLAWRACK-FORWARD && hook INPUT CLAWRACK-INPUT || exit 1
        ! has_ipv6 || { load_chains6 && hook6 FORWARD CLAWRACK-FORWARD && hook6 INPUT CLAWRACK-INPUT; }
    ) 7>"$RUN/firewall.lock"
}

# One restore replaces both chains at once: there is no moment without rules.
load_chains() {
    rules=$(firewall_rules)
    printf '%s\n' "$rules" | iptables-restore -w 10 --noflush || return 1
    printf '%s\n' "$rules" | sha256sum >"$RUN/firewall.sum"
}

firewall_rules() {
    pool=$(first_line "$DATA/pool")
    back='-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN'
    echo '*mangle'
    echo ':CLAWRACK-FORWARD - [0:0]'
    echo ':CLAWRACK-INPUT - [0:0]'
    for n in $(numbers); do # an agent and its meter, where the kernel shows us bridged packets
        echo "-A CLAWRACK-FORWARD -s $(subnet_of "$n") -d $(subnet_of "$n") -i cr$n -o cr$n -j RETURN"
    done
    for prefix in 169.254. 168.63.129.16; do resolver_rules CLAWRACK-FORWARD $prefix; done
    for net in $METADATA; do echo "-A CLAWRACK-FORWARD -s $pool -d $net -j DROP"; done
    echo "-A CLAWRACK-FORWARD -s $pool $back"
    echo "-A CLAWRACK-FORWARD -d $pool $back"
    echo "-A CLAWRACK-FORWARD -d $pool -j DROP" # neighbours on the wire, other containers, other agents
    echo "-A CLAWRACK-INPUT -s $pool $back"
    resolver_rules CLAWRACK-INPUT ''
    echo "-A CLAWRACK-INPUT -s $pool -j DROP"
    for bridge in $(bridges); do echo "-A CLAWRACK-INPUT -i $bridge $back"; done
    for bridge in $(bridges); do echo "-A CLAWRACK-INPUT -i $bridge -j DROP"; done
    echo COMMIT
}

# Docker's resolver asks the machine's name servers from inside the container's network. Where such a server
# is the machine itself (a NAS) or a metadata address (a cloud), port 53 of it stays open, and nothing else.
resolver_rules() { # CHAIN PREFIX
    for server in $(name_servers); do
        case $server in
        127.*) ;;
        "$2"*)
            for proto in udp tcp; do
                echo "-A $1 -s $pool -d $server/32 -p $proto -m $proto --dport 53 -j RETURN"
            done
            ;;
        esac
    done
}

name_servers() {
    for file in /etc/resolv.conf /run/systemd/resolve/resolv.conf; do
        [ -r "$file" ] || continue
        while read -r word server _; do
            [ "$word" = nameserver ] && to_number "$server" >/dev/null && echo "$server"
        done <"$file"
    done | sort -u
}

numbers() { # of the networks that are allotted
    echo 0
    cat "$DATA"/agents/*/subnet 2>/dev/null || :
}
bridges() { for n in $(numbers); do echo "cr$n"; done; }

load_chains6() { # no network of ours has IPv6; should a bridge speak it all the same, it gets nowhere
    {
        echo '*mangle'
        echo ':CLAWRACK-FORWARD - [0:0]'
        echo ':CLAWRACK-INPUT - [0:0]'
        for bridge in $(bridges); do
            echo "-A CLAWRACK-FORWARD -i $bridge -j DROP"
            echo "-A CLAWRACK-FORWARD -o $bridge -j DROP"
            echo "-A CLAWRACK-INPUT -i $bridge -j DROP"
        done
        echo COMMIT
    } | ip6tables-restore -w 10 --noflush
}

has_ipv6() {
    [ -e /proc/net/if_inet6 ] && command -v ip6tables-restore >/dev/null 2>&1 &&
        ip6tables -w 10 -t mangle -S >/dev/null 2>&1
}

hook() { hook_in iptables "$@"; }
hook6() { hook_in ip6tables "$@"; }

hook_in() { # TOOL BUILT-IN CHAIN: our chain comes first, and once
    hooked=$("$1" -w 10 -t mangle -S "$2") || return 1
    nth=0
    ours=
    while read -r what _ rule; do
        [ "$what" = -A ] || continue
        nth=$((nth + 1))
        [ "$rule" != "-j $3" ] || ours="$ours $nth"
    done <<END
$hooked
END
    [ "$ours" != " 1" ] || return 0
    "$1" -w 10 -t mangle -I "$2" 1 -j "$3" || return 1
    for _ in $ours; do # the older ones stand behind the new first one
        unhook_last "$1" "$2" "$3"
    done
}

unhook_last() { # TOOL BUILT-IN CHAIN: the last jump goes
    last=0
    nth=0
    listed=$("$1" -w 10 -t mangle -S "$2")
    while read -r what _ rule; do
        [ "$what" = -A ] || continue
        nth=$((nth + 1))
        [ "$rule" != "-j $3" ] || last=$nth
    done <<END
$listed
END
    "$1" -w 10 -t mangle -D "$2" "$last"
}

# Is every rule there that should be? The sum tells of changed wishes (a new name server, say), the count and the
# jumps of somebody who flushed.
firewall_ok() {
    rules=$(firewall_rules)
    [ "$(printf '%s\n' "$rules" | sha256sum)" = "$(cat "$RUN/firewall.sum" 2>/dev/null)" ] || return 1
    hooked=$(iptables -w 10 -t mangle -S 2>/dev/null) || return 1
    for chain in CLAWRACK-FORWARD CLAWRACK-INPUT; do
        case "$hooked" in *"-j $chain"*) ;; *) return 1 ;; esac
        wanted=$(printf '%s\n' "$rules" | grep_count "-A $chain ")
        [ "$(printf '%s\n' "$hooked" | grep_count "-A $chain ")" = "$wanted" ] || return 1
    done
}

grep_count() { # PREFIX: lines of standard input that begin with it
    counted=0
    while IFS= read -r line; do
        case $line in "$1"*) counted=$((counted + 1)) ;; esac
    done
    echo $counted
}

firewall_drop() {
    for tool in iptables ip6tables; do
        command -v $tool >/dev/null 2>&1 || continue
        for pair in FORWARD:CLAWRACK-FORWARD INPUT:CLAWRACK-INPUT; do
            while $tool -w 10 -t mangle -D "${pair%:*}" -j "${pair#*:}" 2>/dev/null; do :; done
            $tool -w 10 -t mangle -F "${pair#*:}" 2>/dev/null || :
            $tool -w 10 -t mangle -X "${pair#*:}" 2>/dev/null || :
        done
    done
}
