# --- drift --------------------------------------------------------------------------------------------------------
# What somebody changed past us, as `look` tells it: files of a release that are not as they came, and a container that is
# not as its release made it. Nothing of an agent on trial, or on its way back: what it is changes under our eyes.

settled_box() { # of the current box
    [ ! -e "$DIR/trial" ] && [ ! -e "$DIR/rollback" ] && [ ! -e "$DIR/removing" ]
}

note_sums() { # TREE RELEASE: of the current box, as the release came; beside its files, in the order of their names
    (cd "$1" && sums_of spec config) | while IFS=' ' read -r sum size path; do
        echo "$sum $size $BOX/releases/$2/$path"
    done >"$1/.sums"
}

# Sum, size and path of each file; of what is neither a file nor a folder its path alone.
sums_of() { find "$@" -type f -exec cksum {} + -o ! -type d -print 2>/dev/null | sort; }

# Two lists of sums, each of all agents at once; one by one only where they differ.
look_files() {
    set --
    for name in $(agents); do
        enter "$name"
        release=$(current)
        [ -z "$release" ] || ! settled_box || [ ! -r "$DIR/releases/$release/.sums" ] ||
            set -- "$@" "$name/releases/$release"
    done
    if [ $# = 0 ] || [ "$(sums_noted "$@")" = "$(sums_found "$@")" ]; then return 0; fi
    for one in "$@"; do
        [ "$(sums_noted "$one")" = "$(sums_found "$one")" ] || say "agent.${one%%/*}.drift" config
    done
}

sums_noted() { # NAME/releases/RELEASE…
    cd "$DATA/agents" && for one in "$@"; do cat "$one/.sums"; done | sort
}

sums_found() {
    cd "$DATA/agents" || return 0
    for one in "$@"; do
        set -- "$@" "$one/spec" "$one/config"
        shift
    done
    sums_of "$@"
}

look_box() { # IMAGE MACHINE AGENT RELEASE KIND MEMORY RESTART, as the container of the current box has them
    settled_box || return 0
    spec=$DIR/releases/$(current)/spec
    [ -r "$spec" ] || return 0
    [ "$1" = "$(field "$spec" image)" ] || say "agent.$BOX.drift" image
    [ "$2 $3 $4 $5" = "$MACHINE_ID $BOX $(current) $(field "$spec" kind)" ] || say "agent.$BOX.drift" label
    [ "$6 $7" = "$(field "$spec" memory) no" ] || say "agent.$BOX.drift" limits
}
