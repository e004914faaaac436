"""The guard as a text and as functions: clean for shellcheck, the same in every shell, strict about what comes in."""

import shutil
import subprocess
from pathlib import Path

import pytest

import templates

PARTS = sorted(templates.path("machine", "guard.d").iterdir())
SHELLS = [["dash"], ["busybox", "sh"]]


def assembled(folder: Path) -> Path:
    """The script as a machine gets it: the parts in the place of the line that reads them."""
    head = templates.path("machine", "guard.sh").read_text(encoding="utf-8").partition("#-- parts --")[0]
    whole = folder / "guard.sh"
    parts = "\n".join(part.read_text(encoding="utf-8") for part in PARTS)
    whole.write_text(f'{head}{parts}\nmain "$@"\n', encoding="utf-8")
    return whole


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def shell(request: pytest.FixtureRequest) -> list[str]:
    found: list[str] = request.param
    assert shutil.which(found[0]), f"{found[0]} is needed: apt-get install {found[0]}"
    return found


def ask(shell: list[str], folder: Path, script: str) -> str:
    """Run a script that has the guard's functions."""
    functions = "".join(f". '{PARTS[0].parent}/{part.name}'\n" for part in PARTS)
    head = f"DATA={folder} RUN={folder} LIB={folder} DOCKER=true GUARD_VERSION=1 LC_ALL=C\n"
    done = subprocess.run(
        [*shell, "-c", f"{head}{functions}trap - EXIT\n{script}"], capture_output=True, check=False, timeout=60
    )
    return done.stdout.decode()


def test_shellcheck_finds_nothing(tmp_path: Path) -> None:
    words = ["shellcheck", "--shell=sh", str(assembled(tmp_path))]
    assert shutil.which(words[0]), "shellcheck is needed: apt-get install shellcheck"
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stdout == ""


def test_every_part_and_every_function_is_short() -> None:
    for part in [*PARTS, templates.path("machine", "guard.sh")]:
        lines = part.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 400, part.name
        begun = 0
        for number, line in enumerate(lines):
            if "() {" in line:
                begun = number
            elif line == "}":
                assert number - begun <= 60, f"{part.name}: {lines[begun]}"


def yes(shell: list[str], folder: Path, function: str, values: list[str]) -> list[str]:
    """Those of the values that a function of the guard accepts."""
    script = "".join(f"if {function} {quoted(value)}; then echo y; else echo n; fi\n" for value in values)
    told = ask(shell, folder, script).split()
    return [value for value, answer in zip(values, told, strict=True) if answer == "y"]


def quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


HOSTILE = ["", " ", "-", "--", "$(id)", "`id`", "a;b", "a b", "a\nb", "../x", "a'b", 'a"b', "*", "a\x1b[2J", "ä", "%s"]

RULES = {
    "is_name": (
        ["a", "a-b", "0", "x" * 40, "boots"],
        [
            *HOSTILE,
            *("meter", "clawrack", "boot", "changed", "firewall", "watch"),
            *("-a", "a-", "A", "a_b", "a.b", "x" * 41),
        ],
    ),
    "is_release": (["r1", "2026.9.6-ab", "0f" * 8], [*HOSTILE, "-r", ".r", "r/1", "a..b", "R1", "x" * 81]),
    "is_file_name": (["secrets.json", "_x", "A-1"], [*HOSTILE, ".x", "a/b", "-x"]),
    "is_holder": (["me@desk:1.2_3", "A"], [*HOSTILE[:3], *HOSTILE[4:11], "x" * 129]),
    "is_owner": (["1000:1000", "10001:1"], [*HOSTILE, "0:0", "0:1", "1:0", "1", "1:", ":1", "1:1:1", "01:1", "-1:1"]),
    "is_cpus": (["1", "0.5", "2.25", "12"], [*HOSTILE, "0", "0.0", "0.00", ".5", "1.", "1.234", "1.2.3", "1e3"]),
    "is_inner_path": (
        ["/state", "/home/node/.openclaw", "/a/b-c_d.e"],
        [
            *HOSTILE,
            "/",
            "state",
            "/a/",
            "//a",
            "/a/../b",
            "/a/./b",
            "/..",
            "/proc/x",
            "/sys",
            "/dev/shm",
            "/etc",
            "/a,b",
        ],
    ),
    "is_tmpfs": (
        ["/tmp", "/tmp:mode=1777", "/home/n/.cache:uid=1000,gid=1000,mode=0700", "/x:size=64m,noexec", "/x:exec"],
        [
            *HOSTILE,
            "/tmp:",
            "/tmp:suid",
            "/tmp:dev",
            "/tmp:mode=9",
            "/tmp:size=-1",
            "/tmp:uid=",
            "/tmp:mode=1777,,exec",
        ],
    ),
    "is_env": (["A=", "A_1=b c", "a=b=c"], [*HOSTILE, "A", "=b", "1A=b", "A B=c", "A-B=c"]),
    "is_label": (["version=1", "a.b/c=d"[:3] + "=d"], [*HOSTILE, "clawrack.agent=x", "=x", "A=b", "a b=c", "a"]),
}


@pytest.mark.parametrize("function", RULES)
def test_what_comes_in_is_taken_or_refused_the_same_in_every_shell(
    shell: list[str], tmp_path: Path, function: str
) -> None:
    good, bad = RULES[function]
    assert yes(shell, tmp_path, function, good + bad) == good


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("10.0.0.0/8", "10.213.64.0/20", True),
        ("10.213.64.0/20", "10.213.80.0/20", False),
        ("10.213.64.0/20", "10.213.79.255/32", True),
        ("192.168.0.0/16", "192.168.144.0/20", True),
        ("172.16.0.0/12", "10.0.0.0/8", False),
        ("255.255.255.255/32", "0.0.0.0/8", False),
    ],
)
def test_networks_that_share_an_address_collide(
    shell: list[str], tmp_path: Path, one: str, two: str, *, same: bool
) -> None:
    assert ask(shell, tmp_path, f"overlap {one} {two} && echo y; overlap {two} {one} && echo y") == (
        "y\ny\n" if same else ""
    )


def test_two_hundred_and_fifty_six_networks_fit_the_pool_and_none_overlap(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "pool").write_text("10.213.64.0/20\n")
    script = "n=0; while [ $n -lt 256 ]; do subnet_of $n; n=$((n + 1)); done; address_in 255 3"
    told = ask(shell, tmp_path, script).split()
    assert len(set(told[:-1])) == 256
    assert (told[0], told[255], told[256]) == ("10.213.64.0/28", "10.213.79.240/28", "10.213.79.243")


def test_the_first_free_number_is_given_again(shell: list[str], tmp_path: Path) -> None:
    for name, number in (("a", 1), ("b", 2), ("c", 4)):
        (tmp_path / "agents" / name).mkdir(parents=True)
        (tmp_path / "agents" / name / "subnet").write_text(f"{number}\n")
    (tmp_path / "agents" / "d").mkdir()
    assert ask(shell, tmp_path, "enter d; allot; cat $DIR/subnet") == "3\n"


def test_a_tmpfs_is_of_the_boxs_own_user_and_keeps_its_other_options(shell: list[str], tmp_path: Path) -> None:
    script = "S_user=7:8; own_tmpfs /a; own_tmpfs /a:size=8m; own_tmpfs /h/.b:uid=1000,gid=1000,mode=0700"
    assert ask(shell, tmp_path, script) == "/a/a:size=8m/h/.b:uid=7,gid=8,mode=0700"


def test_starts_are_spread_over_two_seconds_per_agent_and_one_agent_does_not_wait(
    shell: list[str], tmp_path: Path
) -> None:
    (tmp_path / "agents" / "only").mkdir(parents=True)
    assert ask(shell, tmp_path, f"spread_starts; ls {tmp_path}") == "agents\n"
    for number in range(9):
        (tmp_path / "agents" / f"a{number}").mkdir()
    waits = {int(wait) for wait in ask(shell, tmp_path, f"spread_starts; cat {tmp_path}/*.jitter").split()}
    assert max(waits) < 20
    assert len(waits) > 3
    for number in range(100):
        (tmp_path / "agents" / f"b{number}").mkdir()
    assert max(int(wait) for wait in ask(shell, tmp_path, f"spread_starts; cat {tmp_path}/*.jitter").split()) < 30


def test_while_somebody_holds_the_lease_the_machine_around_the_agents_stays_as_it_is(
    shell: list[str], tmp_path: Path
) -> None:
    (tmp_path / "version").write_text("1\n")
    verbs = ("swap 64", "awake", "journal 64", "door 22 60", "door_commit", "door_open", "undo")
    changes = "".join(f"(verb_host {words})\n" for words in verbs)
    told = ask(shell, tmp_path, f"write_lease desk 3 100\n{changes}")
    assert told.count("holder=desk\n") == told.count("reason=held\n") == len(verbs)
    assert not (tmp_path / "manifest").exists()
    assert "reason" not in ask(shell, tmp_path, "verb_host look")


def test_the_way_back_is_walked_with_its_words_when_the_time_is_over(shell: list[str], tmp_path: Path) -> None:
    guard = tmp_path / "guard"
    guard.write_text(f'#!/bin/sh\necho "$*" >{tmp_path}/said\n')
    guard.chmod(0o755)
    script = f"has_systemd() {{ false; }}; GUARD={guard}; try late way_back unit 0 host door_late; sleep 3"
    assert ask(shell, tmp_path, f"{script}; cat {tmp_path}/said") == "host door_late\n"


def test_answers_are_one_line_each_and_hold_no_control_character(shell: list[str], tmp_path: Path) -> None:
    told = ask(shell, tmp_path, "say key \"$(printf 'a\\nb=c\\033[2J\\tgrün')\"")
    assert told == "key=a b=c [2J grün\n"


def test_a_file_is_put_whole_and_nothing_is_left_beside_it(shell: list[str], tmp_path: Path) -> None:
    assert ask(shell, tmp_path, f"echo new | put {tmp_path}/file; cat {tmp_path}/file; ls {tmp_path}") == "new\nfile\n"


def released(folder: Path, *names: str, snapshots: bool = True) -> Path:
    """An agent's folder with these releases, each with its snapshot but the last, which is the current one."""
    home = folder / "agents" / "pet"
    for name in names:
        (home / "releases" / name).mkdir(parents=True)
        (home / "releases" / name / "spec").write_text(f"release={name}\nlabel=version=2026.{name[1:]}\n")
    (home / "snapshots").mkdir()
    for name in names[:-1] if snapshots else ():
        (home / "snapshots" / f"{name}.tar").write_text(name * 100)
        (home / "snapshots" / f"{name}.tar.sha256").write_text("0\n")
    return home


def committed(names: list[str]) -> str:
    """One release after another becomes the current one."""
    steps = [f"echo {new} >$DIR/current; note_history '{old}'\n" for old, new in zip(["", *names], names, strict=False)]
    return f"enter pet\n{''.join(steps)}"


def test_the_latest_releases_stay_and_what_goes_is_told(shell: list[str], tmp_path: Path) -> None:
    names = ["r1", "r2", "r3", "r4"]
    home = released(tmp_path, *names)
    told = ask(shell, tmp_path, f"{committed(names)}kept | cut -d ' ' -f 1,3; prune; echo 1 | put $DIR/keep; prune")
    assert told.split("\n") == ["r3 200", "r2 200", "r1 200", "pruned=r1", "pruned=r2", ""]
    assert sorted(file.name for file in home.joinpath("snapshots").iterdir()) == ["r3.tar", "r3.tar.sha256"]
    assert sorted(file.name for file in home.joinpath("releases").iterdir()) == ["r3", "r4"]


def test_a_release_that_is_had_again_is_the_latest_once_and_its_old_snapshot_is_gone(
    shell: list[str], tmp_path: Path
) -> None:
    home = released(tmp_path, "r1", "r2", "r3")
    (home / "snapshots" / "r3.tar").write_text("left")
    again = "echo r1 >$DIR/current; note_history r3; note_history r3; prune"  # a commit that was cut off is noted once
    told = ask(shell, tmp_path, f"{committed(['r1', 'r2', 'r3'])}{again}; kept | cut -d ' ' -f 1; wc -l <$DIR/history")
    assert told.split() == ["r3", "r2", "3"]
    assert not (home / "snapshots" / "r1.tar").exists()


def test_a_release_without_its_snapshot_is_no_way_back(shell: list[str], tmp_path: Path) -> None:
    released(tmp_path, "r1", "r2", snapshots=False)
    assert ask(shell, tmp_path, f"{committed(['r1', 'r2'])}kept; can_go_back r1 || echo no") == "no\n"


def test_of_failures_the_last_three_stay_whatever_the_clock_says(shell: list[str], tmp_path: Path) -> None:
    failed = tmp_path / "agents" / "pet" / "failed"
    for name, number in (("a", 9), ("b", 12), ("c", 10), ("d", 11), ("e", 2)):
        (failed / name).mkdir(parents=True)
        (failed / name / "number").write_text(f"{number}\n")
    (failed / "torn").mkdir()
    assert ask(shell, tmp_path, "enter pet; failure_last; prune_failures; ls $DIR/failed").split() == ["12", *"bcd"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("true", ""),
        ("echo x >>config/a", "agent.pet.drift=config\n"),
        ("rm config/a", "agent.pet.drift=config\n"),
        ("mkdir -p config/deep && echo x >config/deep/b", "agent.pet.drift=config\n"),
        ("ln -s a config/b", "agent.pet.drift=config\n"),
        ("mv config aside; cp -r aside config; touch spec", ""),
    ],
)
def test_files_that_are_not_as_they_came_are_told_by_their_sums(
    shell: list[str], tmp_path: Path, change: str, told: str
) -> None:
    for name in ("pet", "calm"):
        release = tmp_path / "agents" / name / "releases" / "r1"
        (release / "config").mkdir(parents=True)
        (release / "config" / "a").write_text("{}\n")
        (release / "spec").write_text("release=r1\n")
        release.parent.parent.joinpath("current").write_text("r1\n")
    noted = "for name in pet calm; do enter $name; note_sums $DIR/releases/r1 r1; done\n"
    script = f"{noted}(cd {tmp_path}/agents/pet/releases/r1 && {change})\nlook_files"
    assert ask(shell, tmp_path, script) == told


def test_a_long_answer_is_cut_and_a_plain_one_is_left_as_it_is(shell: list[str], tmp_path: Path) -> None:
    plain = ' !"#$%&()*+,-./09:;<=>?@AZ[]^_`az{|}~'
    script = f"say a {quoted(plain)}; say b '{'x' * 700}'; say c ''"
    assert ask(shell, tmp_path, script) == f"a={plain}\nb={'x' * 600}\nc=\n"


DF = """df() {{ case $1 in
-Pi) printf 'Filesystem Inodes IUsed IFree IUse%% Mounted on\\nroot {total} 0 {nodes} 1%% /\\n' ;;
*) printf 'Filesystem 1024-blocks Used Available Capacity Mounted on\\nroot 9 9 {kib} 1%% /\\n' ;;
esac; }}
"""


def disk(kib: int, nodes: str, total: str = "76800") -> str:
    """From here on the disk has so much room."""
    return DF.format(kib=kib, nodes=nodes, total=total)


def test_what_is_short_is_let_go_part_by_part_and_only_that(shell: list[str], tmp_path: Path) -> None:
    show = "ls $DATA/ballast | wc -l; find $DATA/ballast -path '*nodes.*' | wc -l\n"
    script = f"{disk(200000, '70000')}ballast_fill; {show}{disk(200000, '0')}"
    script += f"ballast_release && ballast_release && {show}{disk(0, '70000')}ballast_release && {show}"
    script += f"{disk(200000, '70000')}ballast_release || echo no; ballast_fill; {show}"
    script += f"{disk(200000, '0')}with_room false || echo gone; {show}ballast_fill; {show}"
    full, none = ["16", str(8 * 65)], ["8", "0"]
    assert ask(shell, tmp_path, script).split() == [
        *full, "14", str(6 * 65), "13", str(6 * 65), "no", *full, "gone", *none, *none,
    ]  # fmt: skip


@pytest.mark.parametrize(("total", "free"), [("0", "0"), ("-", "-"), ("", "")])
def test_a_file_system_that_counts_no_inodes_is_never_short_of_them(
    shell: list[str], tmp_path: Path, total: str, free: str
) -> None:
    assert ask(shell, tmp_path, f"{disk(200000, free, total)}has_nodes && echo enough") == "enough\n"
    assert ask(shell, tmp_path, "df() { return 1; }; has_nodes && echo enough") == "enough\n"


SIZES = {
    "printf": "",
    "stat": 'find() { case "$*" in *-printf*) return 1 ;; esac; command find "$@"; }; ',
    "ls": 'find() { case "$*" in *-printf*) return 1 ;; esac; command find "$@"; }; stat() { return 1; }; ',
}


@pytest.mark.parametrize("tools", SIZES)
def test_names_that_look_like_sizes_do_not_hide_a_file_of_holes(shell: list[str], tmp_path: Path, tools: str) -> None:
    state = tmp_path / "state"
    state.mkdir()
    with (state / "sparse").open("wb") as file:
        file.truncate(600 << 20)
    (state / "0").write_bytes(b"x" * 4096)
    weigh = f"{SIZES[tools]}apparent_kib {state}"
    assert ask(shell, tmp_path, weigh) == str((600 << 10) + 4)
    line = "\na b c d 999999999999999"
    for number in range(950):
        (state / (f"{number}" + line * 10)).touch()
    assert int(ask(shell, tmp_path, weigh)) >= 600 << 10


def test_a_size_beyond_all_numbers_counts_as_the_most(shell: list[str], tmp_path: Path) -> None:
    for said in ("9223372036854775807", "99999999999999999999", "-1", "x"):
        assert int(ask(shell, tmp_path, f"find() {{ echo {said}; }}; apparent_kib {tmp_path}")) > 1 << 39, said


# Docker and the supervisor, as far as a way back asks them; `failed` is a file, so that no folder can be made in it.
NOTHING_KEPT = """
enter {box}; mkdir -p $DIR; echo x >$DIR/failed; set -e
dk() {{ case "$*" in *clawrack.release*) echo new ;; esac; }}
supervisor_stop() {{ echo stopped; }}
supervisor_start() {{ echo started; }}
is_running() {{ false; }}
docker_up() {{ true; }}
new=new old=old was=running snapshot=old touched=1
"""


def test_a_failure_that_cannot_be_noted_keeps_no_bad_release_running(shell: list[str], tmp_path: Path) -> None:
    script = NOTHING_KEPT.format(box="pet")
    script += "need_docker() { :; }; see_container() { STATE=absent; }; restore_snapshot() { echo restored; }\n"
    assert ask(shell, tmp_path, f"{script}revert_state") == "stopped\nrestored\n"


def test_a_failure_that_cannot_be_noted_brings_the_meter_before_back(shell: list[str], tmp_path: Path) -> None:
    script = NOTHING_KEPT.format(box="meter")
    script += "need_docker() { :; }; see_container() { STATE=absent; }; mkdir -p $DIR/releases/old\n"
    script += "meter_prepare() { echo prepared $1; }; meter_swap() { echo swapped $1; }\n"
    assert ask(shell, tmp_path, f"{script}meter_back") == "stopped\nprepared old\nswapped old\nreverted=new\n"


LEASED = "echo 1 >$DATA/version; write_lease desk 7 100\n"


def test_what_came_and_what_was_put_by_goes_when_its_lease_is_over(shell: list[str], tmp_path: Path) -> None:
    for name, holder in (("held", "desk"), ("over", "lap"), ("old", "")):
        copy = tmp_path / "agents" / name / "copy"
        copy.mkdir(parents=True)
        (copy / "release").write_text("r1\n")
        if holder:
            (copy / "holder").write_text(holder)
    dead = subprocess.Popen(["true"])
    dead.wait()
    made = (
        f"mkdir -p $DATA/coming; cd $DATA/coming; mkdir 7.$$ 7.{dead.pid} 7.held 6.held 6.$$; touch state.tar a.part\n"
    )
    show = "(cd $DATA/agents; ls -d */copy); ls $DATA/coming | sed s/$$/PID/\n"
    told = ask(shell, tmp_path, f"{LEASED}{made}drop_copies; coming_clean; {show}")
    assert told.split() == ["held/copy", "7.PID", "7.held"]
    over = "write_lease desk 7 0; drop_copies; coming_clean"
    told = ask(shell, tmp_path, f"{over}; ls $DATA/agents/*; ls -d $DATA/coming || echo none")
    assert told.split()[-1] == "none"
    assert "copy" not in told.split()


def test_two_states_that_come_at_once_have_a_folder_each(shell: list[str], tmp_path: Path) -> None:
    script = f"{LEASED}coming_room 7 1; echo mine >$COMING/state.tar; mine=$COMING\n"
    script += (
        f"sh_other() {{ {' '.join(shell)} -c '. \"$0\"; coming_room 7 1; echo other >$COMING/state.tar' $DATA/all; }}\n"
    )
    head = f"DATA={tmp_path} RUN={tmp_path} LIB={tmp_path} DOCKER=true GUARD_VERSION=1 LC_ALL=C"
    parts = "\n".join(f". {part}" for part in PARTS)
    (tmp_path / "all").write_text(f"{head}\n{parts}\n")
    assert ask(shell, tmp_path, f"{script}sh_other; cat $mine/state.tar; ls $DATA/coming | wc -l") == "mine\n1\n"


def test_what_comes_is_looked_at_again_where_nobody_else_changes_anything(shell: list[str], tmp_path: Path) -> None:
    script = f"{LEASED}coming_room 7 1; mkdir state; tar -cf $COMING/state.tar state\n"
    script += "begin() { echo other >>$COMING/state.tar; }; enter pet; set -e\n"
    told = ask(shell, tmp_path, f'cd {tmp_path}\n{script}bring_in 7 pet "$(sha256_of $COMING/state.tar)"')
    assert "reason=bring-cut" in told
    assert not (tmp_path / "agents" / "pet" / "state").exists()


def test_a_whiteout_is_left_out_of_a_copy_and_stays_in_the_state(shell: list[str], tmp_path: Path) -> None:
    state = tmp_path / "agents" / "pet" / "state"
    (state / "deep").mkdir(parents=True)
    (state / "deep" / "file").write_text("x")
    subprocess.run(["mknod", str(state / "deep" / "gone\nfor ever"), "c", "0", "0"], check=True)
    copy = "enter pet; set -e; mkdir $DIR/copy; copy_state; tar=$DIR/copy/state.tar\n"
    copy += "state_names_ok $tar; tar -tf $tar; ls $DIR/copy"
    told = ask(shell, tmp_path, copy).split()
    assert sorted(told) == sorted(["state/", "state/deep/", "state/deep/file", "release", "state.tar"])
    assert (state / "deep" / "gone\nfor ever").is_char_device()
