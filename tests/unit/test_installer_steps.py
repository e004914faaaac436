"""Steps, journal and the run through them, on a machine that is a dictionary."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fleet.base.errors import ActionFailed, Refused, WireCut
from fleet.base.event import Event
from fleet.machine.local import LocalPort
from installer.facts import Facts
from installer.journal import Journal
from installer.provision import carry_out
from installer.steps import STEPS, Machine, Removal, Say, Tell
from installer.steps.step import Always


@dataclass
class Switch(Always):
    """A step that switches something on; may break at a point."""

    name: str
    world: set[str]
    breaks: str = ""
    calls: list[str] = field(default_factory=list[str])

    def check(self, machine: Machine) -> bool:  # noqa: ARG002 - the form of a step
        self.calls.append("check")
        return self.name in self.world

    def apply(self, machine: Machine, say: Say) -> None:  # noqa: ARG002
        self.calls.append("apply")
        if self.breaks == "before":
            raise WireCut("step.script", where=machine.name, script="x", code=1, reason="-")
        if self.breaks != "nothing":
            self.world.add(self.name)
        if self.breaks == "after":
            raise ActionFailed("step.script", where=machine.name, script="x", code=1, reason="-")

    def verify(self, machine: Machine) -> bool:  # noqa: ARG002
        return self.name in self.world

    def undo(self, machine: Machine, removal: Removal, tell: Tell) -> None:  # noqa: ARG002
        self.world.discard(self.name)


@pytest.fixture
def machine() -> Machine:
    return Machine(LocalPort("m1"), Facts({}))


def kinds(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.step, event.kind) for event in events]


def test_a_second_run_changes_nothing(machine: Machine, tmp_path: Path) -> None:
    world: set[str] = set()
    steps = [Switch("a", world), Switch("b", world)]
    assert carry_out(machine, steps, tmp_path, lambda _: None) == ["a", "b"]
    events: list[Event] = []
    assert carry_out(machine, steps, tmp_path, events.append) == []
    assert kinds(events) == [("a", "already"), ("b", "already")]
    assert [step.calls.count("apply") for step in steps] == [1, 1]


@pytest.mark.parametrize(("breaks", "kind"), [("before", "unknown"), ("after", "failed"), ("nothing", "failed")])
def test_a_run_that_broke_is_told_and_the_next_carries_on(
    machine: Machine, tmp_path: Path, breaks: str, kind: str
) -> None:
    world: set[str] = set()
    events: list[Event] = []
    with pytest.raises((ActionFailed, WireCut)):
        carry_out(machine, [Switch("a", world), Switch("b", world, breaks)], tmp_path, events.append)
    assert kinds(events)[-1] == ("b", kind)
    again = [Switch("a", world), Switch("b", world), Switch("c", world)]
    carry_out(machine, again, tmp_path, lambda _: None)
    assert again[0].calls == ["check"]
    assert world == {"a", "b", "c"}


def test_a_run_killed_in_a_step_is_noticed_by_the_next(machine: Machine, tmp_path: Path) -> None:
    with Journal(tmp_path, "m1") as journal:
        journal.write("a", "begun")
        journal.write("a", "done")
        journal.write("b", "begun")
    events: list[Event] = []
    carry_out(machine, [Switch("b", {"b"})], tmp_path, events.append)
    assert (events[0].step, events[0].params) == ("prepare.resumed", {"step": "b"})


def test_a_torn_line_spoils_neither_what_was_nor_what_comes(tmp_path: Path) -> None:
    with Journal(tmp_path, "m1") as journal:
        journal.write("a", "begun")
        path = journal.path
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    with Journal(tmp_path, "m1") as journal:
        assert journal.interrupted() == "a"
        journal.write("a", "done")
        assert journal.interrupted() == ""


def test_two_runs_on_one_machine_are_refused_and_on_two_are_not(tmp_path: Path) -> None:
    with Journal(tmp_path, "m1"):
        with pytest.raises(Refused) as caught, Journal(tmp_path, "m1"):
            pass
        assert caught.value.key == "prepare.busy"
        with Journal(tmp_path, "m2"):
            pass


def test_the_journal_is_its_owners_alone_and_its_name_is_harmless(tmp_path: Path) -> None:
    folder = tmp_path / "journals"
    with Journal(folder, "../../etc/passwd") as journal:
        assert journal.path.parent == folder
        assert journal.path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    code = "import os, sys; from pathlib import Path; from installer.journal import Journal\n"
    code += "j = Journal(Path(sys.argv[1]), 'm1').__enter__(); j.write('a', 'begun'); os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=Path.cwd(), check=False)
    assert done.returncode == -9
    with Journal(tmp_path, "m1") as journal:
        assert journal.interrupted() == "a"


SCRIPT = Path(__file__).parents[2] / "installer/scripts/authorize.sh"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEexampleexampleexampleexampleexampleexamp clawrack-test"
SHELLS = [["dash"], ["bash"], ["busybox", "ash"]]


def authorize(shell: list[str], home: Path, verb: str) -> str:
    # a user that sshd is not asked about: root's place may be set elsewhere on this computer
    lower = ["setpriv", f"--reuid={65534}", "--clear-groups", "env", f"HOME={home}"] if os.getuid() == 0 else ["env"]
    words = [*lower, f"HOME={home}", *shell, "-s", "--", verb, KEY]
    done = subprocess.run(words, input=SCRIPT.read_bytes(), capture_output=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


@pytest.fixture
def home() -> Iterator[Path]:
    # not under pytest's own folder, which only its owner may enter
    with tempfile.TemporaryDirectory() as outer:
        Path(outer).chmod(0o755)
        place = Path(outer) / "home"
        place.mkdir()
        if os.getuid() == 0:
            os.chown(place, 65534, -1)
        yield place


@pytest.mark.parametrize("shell", SHELLS, ids=lambda words: words[-1])
def test_our_key_is_added_once_and_removed_without_a_trace(shell: list[str], home: Path) -> None:
    for _ in range(2):
        authorize(shell, home, "add")
    file = home / ".ssh/authorized_keys"
    assert file.read_text().count(KEY) == 1
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert "there=1" in authorize(shell, home, "look")
    authorize(shell, home, "remove")
    assert "there" not in authorize(shell, home, "look")
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS, ids=lambda words: words[-1])
@pytest.mark.parametrize("ending", ["\n", ""], ids=["newline", "no newline"])
def test_what_a_person_wrote_stays(shell: list[str], home: Path, ending: str) -> None:
    theirs = f'# mine\nfrom="10.0.0.1" ssh-rsa AAAA{ending and "A"} me@laptop'
    file = home / ".ssh/authorized_keys"
    file.parent.mkdir()
    file.write_text(theirs + ending)
    if os.getuid() == 0:
        for path in (file.parent, file):
            os.chown(path, 65534, -1)
    authorize(shell, home, "add")
    assert file.read_text() == f"{theirs}\n{KEY}\n"
    authorize(shell, home, "remove")
    assert file.read_text() == f"{theirs}\n"


def test_every_step_has_its_words() -> None:
    from fleet.base.words import LANGUAGES, catalogue  # noqa: PLC0415

    for language in LANGUAGES:
        assert {key for step in STEPS for key in (step.name, f"{step.name}.would")} <= catalogue(language).keys()
