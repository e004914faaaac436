"""TAB in bash, zsh and fish: the real shells, at a terminal, with no program to be found on the PATH."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from shells import Shell

from clawrack.cli import completion
from clawrack.cli.frame import NOUNS

SHELLS = get_args(completion.Shell)


def test_the_shells_are_here() -> None:
    assert [shell for shell in SHELLS if not shutil.which(shell)] == []


@pytest.fixture(scope="module", params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("home")
    with opened(request.param, home) as made:
        yield made


def opened(name: str, home: Path, **more: str) -> Shell:
    """A shell whose person has a fleet of two machines and three agents, and a wheel at hand."""
    fleet = home / ".config" / "clawrack" / "fleet"
    for file in ("machines/attic", "machines/cellar", "agents/helper", "agents/herald", "agents/quiet"):
        (fleet / file).parent.mkdir(parents=True, exist_ok=True)
        (fleet / f"{file}.yaml").write_text("this: [is not read\n")
    (fleet / "agents" / "not ours; echo owned.yaml").touch()
    (home / "clawrack-0.2.0-py3-none-any.whl").touch()
    (home / "script").write_text(completion.script(name))  # pyright: ignore[reportArgumentType] - one of the three
    return Shell(name, home / "script", home, **more)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("clawrack stTAB", "status"),
        ("clawrack agent restTAB", "agent restart"),
        ("clawrack agent logs qTAB", "agent logs quiet"),
        ("clawrack agent logs --tail 3 qTAB", "agent logs --tail 3 quiet"),
        ("clawrack agent logs qTAB --folTAB", "agent logs quiet --follow"),
        ("clawrack machine show atTAB", "machine show attic"),
        ("clawrack doctor cellTAB", "doctor cellar"),
        ("clawrack doctor quTAB", "doctor quiet"),
        ("clawrack setup --image-source reTAB", "setup --image-source registry"),
        ("clawrack setup --kind openTAB", "setup --kind openclaw"),
        ("clawrack setup --yes --fingTAB", "setup --yes --fingerprint"),
        ("clawrack completion fiTAB", "completion fish"),
        ("clawrack self upgrade clawTAB", "self upgrade clawrack-0.2.0-py3-none-any.whl"),
        ("clawrack setup --image-source=reTAB", "setup --image-source=registry"),
    ],
)
def test_a_line_goes_on(shell: Shell, typed: str, meant: str) -> None:
    assert shell.ran(typed) == meant


def test_names_that_begin_alike_are_listed_and_nothing_else(shell: Shell) -> None:
    shell.press("clawrack agent stop he\t\t")
    shown = shell.sees("herald") + shell.rests()
    assert "helper" in shown
    assert "quiet" not in shown
    assert "owned" not in shown
    for key in ("\x03", "\x15"):  # away with the line
        shell.press(key)
        shell.rests()


def test_a_text_is_nobodys_to_complete(shell: Shell) -> None:
    assert shell.ran("clawrack agent ask quiet hTAB") == "agent ask quiet h"


@pytest.mark.parametrize(("language", "said"), [("en", "Show the whole fleet"), ("zh", "一眼看清整个机群")])
@pytest.mark.parametrize("name", ["zsh", "fish"])
def test_what_a_command_is_stands_beside_it_in_the_language_in_use(
    name: str, language: str, said: str, tmp_path: Path
) -> None:
    with opened(name, tmp_path, CLAWRACK_LANG=language) as shell:
        shell.press("clawrack \t\t")
        shell.sees(said)


@pytest.mark.parametrize("name", SHELLS)
def test_another_folder_and_more_kinds_are_where_the_environment_says(name: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "agents").mkdir(parents=True)
    (tmp_path / "elsewhere" / "agents" / "zebra.yaml").touch()
    (tmp_path / "kinds" / "mine").mkdir(parents=True)
    (tmp_path / "kinds" / "mine" / "kind.yaml").touch()
    more = {"CLAWRACK_FLEET": str(tmp_path / "elsewhere"), "CLAWRACK_KINDS": str(tmp_path / "kinds")}
    with opened(name, tmp_path, **more) as shell:
        assert shell.ran("clawrack agent show TAB") == "agent show zebra"
        assert shell.ran("clawrack setup --kind mTAB") == "setup --kind mine"


PLACES = {
    "bash": ".local/share/bash-completion/completions/clawrack",
    "zsh": ".local/share/zsh/site-functions/_clawrack",
    "fish": ".local/share/fish/vendor_completions.d/clawrack.fish",
}
"""Where install.sh puts the links for a person; tests/rack/test_self_upgrade.py sees that it does."""


@pytest.mark.parametrize("name", SHELLS)
def test_the_shell_finds_the_script_where_install_sh_puts_it_for_a_person(name: str, tmp_path: Path) -> None:
    with opened(name, tmp_path):
        pass
    (tmp_path / PLACES[name]).parent.mkdir(parents=True)
    (tmp_path / PLACES[name]).symlink_to(tmp_path / "script")
    with Shell(name, None, tmp_path) as shell:
        assert shell.ran("clawrack agent logs qTAB") == "agent logs quiet"


def test_the_shells_look_where_install_sh_puts_it_for_everybody() -> None:
    for place, *words in (
        ("/usr/local/share/zsh/site-functions", "zsh", "-f", "-c", "print -l $fpath"),
        ("/etc/fish/completions", "fish", "-c", "string join \\n $fish_complete_path"),
    ):
        assert place in subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "/usr/local/share" in Path("/usr/share/bash-completion/bash_completion").read_text()


@pytest.mark.parametrize("name", SHELLS)
def test_an_empty_fleet_completes_to_nothing_and_says_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with opened(name, tmp_path, CLAWRACK_FLEET=str(tmp_path / "empty")) as shell:
        assert shell.ran("clawrack agent show TABx") == "agent show x"


def test_every_command_for_people_is_in_the_table() -> None:
    table = dict(completion.table())
    assert {row.name for row in table[""] if row.sort == "c"} == set(NOUNS)
    assert "formats" not in {row.name for row in table["self"]}
    assert all(row.value for rows in table.values() for row in rows)


def test_everything_that_can_be_typed_is_described_in_both_languages() -> None:
    rows = [(place, row) for place, found in completion.table() for row in found]
    bare = [(place, row.name) for place, row in rows if not all(completion.said(row, code) for code in ("en", "zh"))]
    assert bare == []


@pytest.mark.parametrize("name", SHELLS)
def test_the_command_prints_the_script(name: str, tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONUTF8": "1"}
    words = [sys.executable, "-m", "clawrack", "completion", name]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    subprocess.run([name, "-n"], input=done.stdout, text=True, check=True)
    assert done.stdout.rstrip() == completion.script(name).rstrip()  # pyright: ignore[reportArgumentType] - likewise


def test_shellcheck_finds_nothing_in_the_script_for_bash(tmp_path: Path) -> None:
    (tmp_path / "script").write_text(completion.script("bash"))
    subprocess.run(["shellcheck", "-s", "bash", str(tmp_path / "script")], check=True)


def test_a_shell_without_a_script_is_named_again() -> None:
    line = [sys.executable, "-m", "clawrack", "completion", "tcsh"]
    env = {"PATH": os.environ["PATH"], "CLAWRACK_LANG": "en", "PYTHONUTF8": "1"}
    done = subprocess.run(line, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, "`tcsh`" in done.stderr) == (2, True)
