# clawrack's completion for fish; printed by `clawrack completion fish`. Nothing is started for it: what can be typed
# stands in the table, and names are those of the files in the fleet's folder.

function __clawrack_table --argument-names place # a line for each thing that may come there
    set -l language "$CLAWRACK_LANG"
    for told in "$LC_ALL" "$LC_MESSAGES" "$LANG"
        test -n "$language"; or set language $told
    end
    string match -qi 'zh*' -- "$language"; and set language zh; or set language en
    switch "$language:$place"
#-- table --
    end
end

function __clawrack_names --argument-names folder suffix
    for file in $folder/*$suffix
        set -l name (string replace -- $suffix '' $file | string replace -r '.*/' '')
        string match -qr '^[a-z0-9-]+$' -- $name; and echo $name
    end
end

function __clawrack_files # fish's own starts `ls`
    set -l typed (commandline -ct)
    set -l from (string unescape -- $typed | string replace -r '^~(?=/|$)' $HOME)
    for file in "$from"*
        test -d $file; and set file $file/
        string replace -- "$from" (string unescape -- "$typed") $file
    end
end

function __clawrack_offer --argument-names value
    set -l config $XDG_CONFIG_HOME
    test -n "$config"; or set config $HOME/.config
    set -l fleet $CLAWRACK_FLEET
    test -n "$fleet"; or set fleet $config/clawrack/fleet
    switch $value
        case agents
            __clawrack_names $fleet/agents .yaml
        case machines
            __clawrack_names $fleet/machines .yaml
        case names
            __clawrack_offer agents
            __clawrack_offer machines
        case files
            __clawrack_files
        case folders
            __clawrack_files | string match '*/'
        case 'kinds:*' 'words:*'
            string split ' ' -- (string replace -r '^[a-z]+:' '' -- $value)
            if string match -q 'kinds:*' -- $value; and test -n "$CLAWRACK_KINDS"
                __clawrack_names $CLAWRACK_KINDS /kind.yaml
            end
    end
end

function __clawrack_complete
    set -l typed (commandline -opc)
    set -l cur (commandline -ct)
    set -l place ''
    set -l rows (__clawrack_table '')
    set -l want ''
    set -l end ''
    set -l count 0
    for word in $typed[2..]
        if test -n "$want"
            set want ''
        else if test -z "$end" -a "$word" = --
            set end yes
        else if test -z "$end"; and string match -q -- '-*' $word
            set want (__clawrack_value $word $rows)
        else if string match -q -- "c"\t$word\t'*' $rows
            set place (string trim -- "$place $word")
            set rows (__clawrack_table $place)
        else
            set count (math $count + 1)
        end
    end
    if test -n "$want"
        __clawrack_offer $want
    else if test -z "$end"; and string match -q -- '--*=*' $cur
        set -l option (string split -m 1 = -- $cur)[1]
        for value in (__clawrack_offer (__clawrack_value $option $rows))
            echo $option=$value
        end
    else if test -z "$end"; and string match -q -- '-*' $cur
        __clawrack_rows o $rows
    else if string match -q -- "c"\t'*' $rows
        __clawrack_rows c $rows
    else
        set want (__clawrack_argument $count $rows)
        __clawrack_offer $want
        test -n "$cur" -o -n "$want" -o -n "$end"; or __clawrack_rows o $rows
    end
end

function __clawrack_value # OPTION ROWS…: what its value is; nothing where it takes none
    for row in (string match -- "o"\t$argv[1]\t'*' $argv[2..])
        set -l field (string split \t -- $row)
        test $field[3] = -; or echo $field[3]
    end
end

function __clawrack_rows # SORT ROWS…: their names and what they are
    for row in (string match -- $argv[1]\t'*' $argv[2..])
        set -l field (string split \t -- $row)
        printf '%s\t%s\n' $field[2] $field[4]
    end
end

function __clawrack_argument # NUMBER ROWS…: what that argument is
    set -l number 0
    for row in (string match -r -- '^a.*' $argv[2..])
        set -l field (string split \t -- $row)
        if test $number = $argv[1] -o $field[1] = a+
            echo $field[3]
            return
        end
        set number (math $number + 1)
    end
end

complete -c clawrack -e
complete -c clawrack -f -a '(__clawrack_complete)'
