# --- one call by another way: a message that shall cost nothing --------------------------------------------------

verb_once() { # TOKEN NAME ROUTE: the agent's very next call goes this way, and that one alone
    is_name "$2" || bad name "$2"
    is_name "$3" || bad route "$3"
    begin "$1" "$2"
    [ "$3" = practice ] || [ -e "$DATA/meter/conf/routes/$3.route" ] || refuse route-absent "$3"
    once_of=$(field "$DIR/trial" release)
    meter_key "${once_of:-$(current)}" # without what an earlier one left
    once_file=$DATA/meter/conf/agents/$BOX.json
    [ -f "$once_file" ] || refuse no-agent "$2 has no key"
    once_said=$(first_line "$once_file")
    put_shared "$once_file" <<END
${once_said%\}}, "once": {"route": "$3", "id": "once-$(boot_id)-$(uptime_ms)"}}
END
}
