#compdef clawrack
# clawrack's completion for zsh; printed by `clawrack completion zsh`. Nothing is started for it: what can be typed
# stands in the table, and names are those of the files in the fleet's folder.

_clawrack_table() { # PATH: sets `table`, a line for each thing that may come there
    local language=${CLAWRACK_LANG:-${LC_ALL:-${LC_MESSAGES:-$LANG}}}
    [[ ${(L)language} == zh* ]] && language=zh || language=en
    case $language:$1 in
#-- table --
    *) table='' ;;
    esac
}

_clawrack_option() { # NAME: sets `want` to what its value is, `-` where it takes none
    local row
    want=-
    for row in ${(f)table}; do
        local -a field=("${(@ps:\t:)row}")
        [[ $field[1] == o && $field[2] == $1 ]] && want=$field[3]
    done
    return 0
}

_clawrack_names() { # FOLDER SUFFIX: adds the names of the files there
    local -a names=($1/*$2(N))
    names=(${${names%$2}:t})
    names=(${names:#*[^a-z0-9-]*})
    compadd -a names
}

_clawrack_offer() { # VALUE: adds what may stand there
    local fleet=${CLAWRACK_FLEET:-${XDG_CONFIG_HOME:-$HOME/.config}/clawrack/fleet}
    local -a values
    case $1 in
    agents) _clawrack_names $fleet/agents .yaml ;;
    machines) _clawrack_names $fleet/machines .yaml ;;
    names) _clawrack_offer agents; _clawrack_offer machines ;;
    files) _files ;;
    folders) _files -/ ;;
    kinds* | words*)
        values=(${=1#*:})
        compadd -a values
        [[ $1 != kinds* || -z $CLAWRACK_KINDS ]] || _clawrack_names $CLAWRACK_KINDS /kind.yaml
        ;;
    esac
}

_clawrack_rows() { # ROW: adds the table's rows of that sort, with what they are
    local row
    local -a rows
    for row in ${(f)table}; do
        local -a field=("${(@ps:\t:)row}")
        [[ $field[1] != $1 ]] || rows+=("${field[2]//:/\\:}:$field[4]")
    done
    _describe -V clawrack rows
}

_clawrack_argument() { # NUMBER: sets `want` to what that argument is
    local row number=0
    want=
    for row in ${(f)table}; do
        local -a field=("${(@ps:\t:)row}")
        [[ $field[1] == a* ]] || continue
        [[ $number != $1 && $field[1] != a+ ]] || want=$field[3]
        (( number += 1 ))
    done
    return 0
}

_clawrack() {
    local cur=$words[CURRENT] place='' table want='' word end='' count=0
    _clawrack_table ''
    for word in "${(@)words[2,CURRENT-1]}"; do
        if [[ -n $want ]]; then
            want=
        elif [[ -z $end && $word == -- ]]; then
            end=yes
        elif [[ -z $end && $word == -* ]]; then
            _clawrack_option $word
            [[ $want != - ]] || want=
        elif [[ $'\n'$table == *$'\nc\t'$word$'\t'* ]]; then
            place="${place:+$place }$word"
            _clawrack_table $place
        else
            (( count += 1 ))
        fi
    done
    if [[ -z $want && -z $end && $cur == --*=* ]]; then
        _clawrack_option ${cur%%=*}
        compset -P '*='
    fi
    if [[ -n $want ]]; then
        _clawrack_offer $want
    elif [[ -z $end && $cur == -* ]]; then
        _clawrack_rows o
    elif [[ $'\n'$table == *$'\nc\t'* ]]; then
        _clawrack_rows c
    else
        _clawrack_argument $count
        [[ -z $want ]] || _clawrack_offer $want
        [[ -n $cur || -n $want || -n $end ]] || _clawrack_rows o
    fi
}

if [[ $funcstack[1] == _clawrack ]]; then
    _clawrack "$@"
else
    compdef _clawrack clawrack
fi
