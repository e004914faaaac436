# clawrack's completion for bash; printed by `clawrack completion bash`. Nothing is started for it: what can be typed
# stands in the table, and names are those of the files in the fleet's folder.

_clawrack_table() { # PATH: sets `table`, a line for each thing that may come there
    case $1 in
#-- table --
    *) table='' ;;
    esac
}

_clawrack_option() { # NAME: sets `want` to what its value is, `-` where it takes none
    local row name value
    want=-
    while IFS=$'\t' read -r row name value; do
        [[ $row == o && $name == "$1" ]] && want=$value
    done <<<"$table"
}

_clawrack_names() { # FOLDER SUFFIX: adds the names of the files there
    local file
    for file in "$1"/*"$2"; do
        [[ -e $file ]] || continue
        file=${file%"$2"} file=${file##*/}
        [[ $file == *[!a-z0-9-]* || $file != "$cur"* ]] || COMPREPLY+=("$file")
    done
}

_clawrack_offer() { # VALUE: adds what may stand there
    local fleet=${CLAWRACK_FLEET:-${XDG_CONFIG_HOME:-$HOME/.config}/clawrack/fleet} word
    case $1 in
    agents) _clawrack_names "$fleet/agents" .yaml ;;
    machines) _clawrack_names "$fleet/machines" .yaml ;;
    names) _clawrack_offer agents; _clawrack_offer machines ;;
    files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    folders) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    kinds* | words*)
        for word in ${1#*:}; do [[ $word != "$cur"* ]] || COMPREPLY+=("$word"); done
        [[ $1 != kinds* || -z ${CLAWRACK_KINDS:-} ]] || _clawrack_names "$CLAWRACK_KINDS" /kind.yaml
        ;;
    esac
}

_clawrack_rows() { # ROW: adds the names of the table's rows of that sort
    local row name value
    while IFS=$'\t' read -r row name value; do
        [[ $row != "$1" || $name != "$cur"* ]] || COMPREPLY+=("$name")
    done <<<"$table"
}

_clawrack_argument() { # NUMBER: sets `want` to what that argument is
    local row name value number=0
    want=
    while IFS=$'\t' read -r row name value; do
        [[ $row == a* ]] || continue
        [[ $number != "$1" && $row != a+ ]] || want=$value
        number=$((number + 1))
    done <<<"$table"
}

_clawrack() {
    local cur=${COMP_WORDS[COMP_CWORD]} path='' table want='' word end='' count=0
    COMPREPLY=()
    _clawrack_table ''
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        if [[ -n $want ]]; then
            [[ $word == = ]] || want=
        elif [[ -z $end && $word == -- ]]; then
            end=yes
        elif [[ -z $end && $word == -* ]]; then
            _clawrack_option "$word"
            [[ $want != - ]] || want=
        elif [[ $'\n'$table == *$'\nc\t'"$word"$'\t'* ]]; then
            path="${path:+$path }$word"
            _clawrack_table "$path"
        else
            count=$((count + 1))
        fi
    done
    [[ $cur != = ]] || cur=
    if [[ -n $want ]]; then
        _clawrack_offer "$want"
    elif [[ -z $end && $cur == -* ]]; then
        _clawrack_rows o
    elif [[ $'\n'$table == *$'\nc\t'* ]]; then
        _clawrack_rows c
    else
        _clawrack_argument "$count"
        _clawrack_offer "$want"
        [[ -n $cur || -n $want || -n $end ]] || _clawrack_rows o
    fi
}

complete -F _clawrack clawrack
