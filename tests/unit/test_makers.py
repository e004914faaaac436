"""The table of NAS makers, what a machine's facts make of it, and the boot hook as the guard writes it."""

from pathlib import Path

import pytest

from fleet.base.words import catalogue
from installer.detect import detect
from installer.facts import Facts
from installer.makers import DATA, Ground, Hook, called, ground, makers, root_only, vendor
from installer.steps import STEPS, steps_of
from tests.unit.test_guard_script import SHELLS, ask

DSM = {"uname_s": "Linux", "has./usr/syno": "1", "dsm.majorversion": "7"}
VOLUME = {"place./volume1": "/volume1 drwxr-xr-x 0 0"}
QTS = {"uname_s": "Linux", "has./etc/config/uLinux.conf": "1"}
UNRAID = {"uname_s": "Linux", "has./etc/unraid-version": "1", "unraid.version": 'version="7.1.4"'}
FNOS = {"uname_s": "Linux", "os.ID": "debian", "has./usr/trim/bin/appcenter-cli": "1", "systemd": "1"}
DEBIAN = {"uname_s": "Linux", "os.ID": "debian", "os.VERSION_ID": "12", "debian_version": "12.1", "bin.dpkg": "/d"}


def stands(*parts: dict[str, str]) -> Ground:
    facts = Facts({key: value for part in parts for key, value in part.items()})
    return ground(facts, detect(facts))


def test_the_table_has_each_maker_with_a_source_and_says_that_nobody_has_seen_it() -> None:
    names = {"dsm", "qts", "quts_hero", "unraid", "truenas", "fnos", "ugos", "zimaos", "omv", "proxmox_ve"}
    assert makers().keys() == names
    for maker in makers().values():
        assert maker.source
        assert maker.never
        assert not maker.seen


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_row_has_the_sentence_that_its_owner_needs(language: str) -> None:
    texts = catalogue(language)
    for maker in makers().values():
        key = {"here": f"nas.engine.{maker.name}", "vm": f"nas.vm.{maker.name}"}.get(maker.way)
        assert key is None or {f"{key}.{part}" for part in ("what", "why", "next")} <= texts.keys()


def test_a_row_whose_engine_we_use_says_where_our_folder_and_its_docker_may_be() -> None:
    for maker in makers().values():
        if maker.way == "here":
            assert maker.data
            assert maker.docker
            assert (maker.supervisor == "watch") == (maker.hook is not None)


def test_a_machine_that_is_no_nas_is_as_it_always_was() -> None:
    there = stands(DEBIAN, {"systemd": "1"})
    assert (there, there.settings) == (Ground(), ())
    assert steps_of(Facts({**DEBIAN, "systemd": "1"})) == STEPS


@pytest.mark.parametrize(
    ("mode", "place"),
    [
        ("drwxr-xr-x 0 0", "/volume1/docker/clawrack"),
        ("drwxrwxrwx 0 0", "/volume1/@clawrack"),
        ("drwxrwxr-x 0 100", "/volume1/@clawrack"),
        ("drwxr-xr-x+ 0 0", "/volume1/@clawrack"),  # an access list says what the mode does not
        ("drwxr-xr-x 1026 100", "/volume1/@clawrack"),
    ],
)
def test_our_folder_lies_where_root_alone_may_move_it(mode: str, place: str) -> None:
    there = stands(DSM, VOLUME, {"place./volume1/docker": f"/volume1/docker {mode}"})
    assert (there.data, there.open) == (place, False)


def test_where_every_place_is_open_the_best_is_taken_and_told() -> None:
    there = stands(UNRAID, {"place./mnt/user/appdata": "/mnt/user/appdata drwxrwxrwx 99 100"})
    assert (there.data, there.open) == ("/mnt/user/appdata/clawrack", True)


def test_a_share_that_is_a_link_is_resolved() -> None:
    there = stands(QTS, {"place./share/Container": "/share/CACHEDEV1_DATA/Container drwxr-xr-x 0 0"})
    assert there.data == "/share/CACHEDEV1_DATA/Container/clawrack"


def test_a_login_s_own_folder_is_passed_over_on_fnos_and_its_systemd_is_used() -> None:
    there = stands(
        FNOS,
        {"place./vol1/1000/docker": "/vol1/1000/docker drwxr-xr-x 1000 1001", "place./vol1": "/vol1 drwxr-xr-x 0 0"},
    )
    assert (there.data, there.watch, there.hook) == ("/vol1/@clawrack", False, None)


def test_what_the_guard_is_told_on_a_synology() -> None:
    assert stands(DSM, VOLUME, {"vendor.docker": "/usr/local/bin/docker"}).settings == (
        "CLAWRACK_DATA=/volume1/@clawrack",
        "CLAWRACK_DOCKER=/usr/local/bin/docker",
        "CLAWRACK_SUPERVISOR=watch",
        "CLAWRACK_HOOK=file:/usr/local/etc/rc.d/clawrack.sh",
    )


def test_an_engine_of_nobody_s_path_is_not_believed() -> None:
    assert not stands(DSM, VOLUME, {"vendor.docker": "/tmp/docker"}).docker


@pytest.mark.parametrize("told", ["", "x", "/volume1", "/volume1 drwxr-xr-x", "volume1 drwxr-xr-x 0 0"])
def test_half_an_answer_is_no_place(told: str) -> None:
    assert not stands(DSM, {"place./volume1": told}).data


def test_without_systemd_an_unknown_debian_is_started_by_what_every_old_system_has() -> None:
    bare = {**DEBIAN, "pid1": "init"}
    assert stands(bare).hook is None
    assert stands(bare, {"hook./etc/rc.local": "1"}).hook == Hook("line", "/etc/rc.local")
    openrc = stands(bare, {"hook./etc/rc.local": "1", "hook./etc/local.d": "1"})
    assert (openrc.hook, openrc.watch, openrc.data) == (Hook("file", "/etc/local.d/clawrack.start"), True, DATA)


@pytest.mark.parametrize(
    ("facts", "rights", "wanted"),
    [
        (DSM, {"sudo": "password", "uid": "1026"}, True),
        (DSM, {"sudo": "root", "uid": "0"}, False),
        (FNOS, {"sudo": "password", "uid": "1000"}, False),
        (DEBIAN, {"sudo": "password", "uid": "1000"}, False),
    ],
)
def test_our_key_opens_root_only_where_a_sudo_rule_would_be_lost(
    facts: dict[str, str], rights: dict[str, str], *, wanted: bool
) -> None:
    found = Facts({**facts, **rights})
    assert root_only(found, detect(found)) is wanted
    assert not root_only(found.of_root(), detect(found))


def test_on_a_nas_nothing_is_done_but_by_the_guard_itself() -> None:
    names = {step.name for step in steps_of(Facts(DSM))}
    assert names == {"step.vendor", "step.guard", "step.root_key"}
    assert {step.name for step in steps_of(Facts(FNOS))} == {"step.vendor", "step.guard", "step.sudo"}
    assert vendor(detect(Facts(DEBIAN))) is None


def test_a_nas_is_called_by_its_makers_name_though_it_says_that_it_is_debian() -> None:
    assert called(Facts({**DSM, "dsm.productversion": "7.2.2"})) == "Synology DSM 7.2.2"
    assert called(Facts({**FNOS, "os.PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)"})) == "fnOS 飞牛"
    assert called(Facts({**DEBIAN, "os.PRETTY_NAME": "Debian GNU/Linux 12"})) == "Debian GNU/Linux 12"


SCRIPTS = [
    "#!/bin/sh\n# theirs  \n\n",
    "/bin/true &\nexit 0\n\n",
    "/bin/true\nexit 0",
    "",
    "one line without its end",
    "exit 0\nnot the end\n",
    "a\\nb 'q' \"d\" $(id) `id` %s\n",
    "\n\n",
]


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def shell(request: pytest.FixtureRequest) -> list[str]:
    found: list[str] = request.param
    return found


@pytest.mark.parametrize("form", ["line", "cron"])
def test_a_line_of_ours_comes_into_a_makers_file_once_and_goes_without_a_trace(
    shell: list[str], tmp_path: Path, form: str
) -> None:
    for number, text in enumerate(SCRIPTS):
        theirs = tmp_path / f"go{number}"
        theirs.write_text(text)
        theirs.chmod(0o640)
        begin = f"HOOK={form}:{theirs} HOOK_FORM={form} HOOK_PATH={theirs} CHANGED=\ncrontab() {{ :; }}\n"
        ask(shell, tmp_path, f"{begin}hook_write add; hook_write add")
        with_ours = theirs.read_text()
        assert with_ours.count("boot.sh") == (2 if form == "line" else 1), with_ours
        last = with_ours.strip().splitlines()[-1]
        assert ("boot.sh" in last) is not text.strip().endswith("exit 0")
        assert ask(shell, tmp_path, f"{begin}hook_is_there && echo there").strip() == "there"
        ask(shell, tmp_path, f"{begin}hook_write take")
        assert theirs.read_text() == text
        assert theirs.stat().st_mode & 0o777 == 0o640


FULL = "#!/bin/sh\n" + "# a maker's line\n" * 255 + "# end\n"


@pytest.mark.parametrize(
    ("text", "blocks"),
    [(FULL * 2, 0), (FULL * 2, 1), (FULL * 2, 8), (FULL[-4096:], 8), ("a\0b\nexit 0\n", 1000)],
    ids=["no byte", "one block", "half", "all but our line", "what a shell cannot read"],
)
def test_a_makers_file_that_cannot_be_written_whole_stays_and_it_is_told(
    shell: list[str], tmp_path: Path, text: str, blocks: int
) -> None:
    theirs = tmp_path / "go"
    theirs.write_text(text)
    begin = f"HOOK=line:{theirs} HOOK_FORM=line HOOK_PATH={theirs} CHANGED=\n"
    told = ask(shell, tmp_path, f"{begin}trap '' XFSZ; ulimit -f {blocks}; hook_write add; echo went on")
    assert theirs.read_text() == text
    assert "reason=hook" in told
    assert "went on" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["go"]


HOOKS = {
    "": "y",
    "file:/usr/local/etc/rc.d/clawrack.sh": "y",
    "cron:/etc/config/crontab": "y",
    "file:relative": "n",
    "pipe:/etc/x": "n",
    "line:/etc/$(id)": "n",
    "line:/etc/a b": "n",
}


def test_a_hook_that_is_no_path_is_refused(shell: list[str], tmp_path: Path) -> None:
    for hook, answer in HOOKS.items():
        script = f"HOOK='{hook}' HOOK_PATH='{hook.partition(':')[2]}'\nif hook_valid; then echo y; else echo n; fi"
        assert ask(shell, tmp_path, script).strip() == answer, hook


def test_what_the_hook_starts_is_a_whole_script(shell: list[str], tmp_path: Path) -> None:
    for name in ("boot_script", "hook_script"):
        made = tmp_path / f"{name}.sh"
        made.write_text(ask(shell, tmp_path, f"GUARD=/g LIB=/l DATA=/d RUN=/r; {name}"))
        assert ask(shell, tmp_path, f"sh -n {made} && echo whole").strip() == "whole"
        assert '[ "${1:-start}" = start ] || exit 0' in made.read_text()


def test_a_run_folder_that_outlived_a_boot_is_not_believed(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "boot").write_text("another-kernel.abc\n5\n")
    for stale in ("pet.want", "pet.halting"):
        (tmp_path / stale).touch()
    kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    first = ask(shell, tmp_path, "boot_id")
    assert first.startswith(f"{kernel}.")
    assert ask(shell, tmp_path, "boot_id") == first
    assert not list(tmp_path.glob("pet.*"))
