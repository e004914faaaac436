"""The first of the two commands, whole: a bare machine, `./install.sh --yes`, and an agent that has answered."""

import json
from collections.abc import Iterator

import pytest

from fleet.base import places
from tests.rack.install_rig import Site, place
from tests.rack.machine import Build, Machine

WITHIN = 1500.0  # seconds; most of it is spent making the agent's image, where no registry can be reached
# Where tests/unit/test_completion.py sees the shells look.
TAB = (
    "/usr/local/share/bash-completion/completions/clawrack",
    "/usr/local/share/zsh/site-functions/_clawrack",
    "/etc/fish/completions/clawrack.fish",
)
BIRTH = "docker inspect -f '{{.Id}} {{.State.StartedAt}}' clawrack-openclaw clawrack-meter"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A bare machine that shares this box's cache of images."""
    cache = places.cache()
    cache.mkdir(parents=True, exist_ok=True)
    with Machine(Build(binds=(f"{cache}:/root/.cache/clawrack",))) as machine:
        yield place(machine, few=False)


def receipt(out: bytes) -> dict[str, object]:
    return json.loads(out.splitlines()[-1])["receipt"]


def test_one_command_ends_with_an_answer_and_says_how_to_go_on(site: Site) -> None:
    done = site.install("--yes", online=True, timeout=WITHIN)
    shown = done.out.decode()
    report = site.sh("cat ~/.local/state/clawrack/reports/*").text
    assert done.code == 0, shown[-3000:] + done.err.decode()[-3000:] + report
    assert "practice" in shown.lower()
    for line in ("clawrack agent ask openclaw", "clawrack agent stop openclaw", "clawrack agent remove openclaw"):
        assert line in shown
    assert "✗" not in shown


def test_the_same_again_changes_nothing(site: Site) -> None:
    before = site.machine.sh(BIRTH).text
    again = site.install("--yes", "--json", online=True)
    assert (again.code, receipt(again.out)["changed"]) == (0, False), again.err
    assert site.machine.sh(BIRTH).text == before


def test_tab_is_there_for_every_shell(site: Site) -> None:
    for link in TAB:
        assert "'agent ask'" in site.sh(f"cat {link}").text.replace("en:", ""), link


def test_the_agent_answers_in_the_language_of_the_question(site: Site) -> None:
    asked = site.sh("clawrack agent ask openclaw '你是谁' --json", timeout=120)
    assert (asked.code, "练习" in json.loads(asked.out)["answer"]["text"]) == (0, True), asked.err


def test_it_does_not_leave_while_agents_are_here(site: Site) -> None:
    assert site.install("--uninstall").code == 3
    assert site.sh("clawrack machine remove here --erase --yes", timeout=300).code == 0
    assert site.install("--uninstall", "--packages").code == 0
    left = site.machine.sh(
        f"ls -d /opt/clawrack /usr/local/bin/clawrack /var/lib/clawrack /usr/local/lib/clawrack {' '.join(TAB)}",
        check=False,
    )
    assert left.text == ""
