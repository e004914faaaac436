"""What earlier versions wrote is read on; what a newer one wrote is refused in a sentence, and left as it is."""

import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet import journal, load, observe
from fleet.actions import Stop
from fleet.base import formats
from fleet.base.clean import pairs
from fleet.base.errors import BadInput, Refused
from fleet.base.words import LANGUAGES, catalogue
from fleet.images.archive import Built
from fleet.images.cache import Cache
from fleet.kinds import home_of, kind
from fleet.machine.guard import Guard
from fleet.machine.pins import Pins
from fleet.machine.port import Ran
from fleet.machine.target import Target
from fleet.model import Seen, SeenMachine, Wish
from fleet.plan import Plan, plan
from fleet.render import configs, target
from installer.journal import Journal as MachineJournal
from installer.steps.guard import numbers

ROOT = Path(__file__).parents[2]
SAMPLES = sorted(path for path in (ROOT / "tests" / "samples").glob("v*") if path.is_dir())
every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)


def seen_of(sample: Path) -> SeenMachine:
    return observe.read(pairs((sample / "machine-state" / "look.txt").read_bytes()))


def planned(sample: Path, wish: Wish) -> Plan:
    targets = {n: target(n, a, kind(a.kind), configs(home_of(a.kind))) for n, a in wish.agents.items()}
    return plan(wish, Seen(machines=dict.fromkeys(wish.machines, seen_of(sample))), targets)


@every_sample
def test_an_older_fleet_needs_nothing_done_by_this_clawrack(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAWRACK_KINDS", str(sample / "kinds"))
    kind.cache_clear()
    wish = load.load(sample / "fleet")
    made = planned(sample, wish)
    assert (sorted(wish.agents), made.actions, made.strays) == (["helper", "quiet"], (), ())


@every_sample
def test_an_older_journal_is_read_and_nothing_in_it_is_unfinished(sample: Path) -> None:
    entries = journal.read(sample / "journal" / "journal.jsonl")
    assert [entry.action.agent for entry in entries if isinstance(entry.action, Stop)] == ["quiet"]
    assert journal.unfinished(entries) == []


@every_sample
def test_an_older_journal_of_a_machine_is_gone_on_with(sample: Path, tmp_path: Path) -> None:
    (file,) = (sample / "machines-journal").glob("*.jsonl")
    (tmp_path / file.name).write_bytes(file.read_bytes())
    with MachineJournal(tmp_path, file.stem) as kept:
        assert kept.interrupted() == ""
        kept.write("step.next", "begun")
        assert kept.interrupted() == "step.next"


@every_sample
def test_the_hosts_of_an_older_version_are_known(sample: Path) -> None:
    wish = load.load(sample / "fleet")
    pins = Pins(sample / "hosts" / "hosts.json")
    for name, machine in wish.machines.items():
        assert pins.key_of(name, Target(machine.address, machine.port, machine.user)) is not None


@every_sample
def test_the_meter_goes_on_with_an_older_ledger(sample: Path, tmp_path: Path) -> None:
    with tarfile.open(sample / "ledger" / "ledger.tar.xz") as tar:
        tar.extractall(tmp_path, filter="data")
    script = (
        "import sys; from pathlib import Path; from meter.ledger import *; from meter.clock import WallClock\n"
        "ledger = Ledger(Path(sys.argv[1]), WallClock())\n"
        "import json; print(json.dumps(ledger._db.execute("
        "'SELECT agent, calls, input, output FROM usage ORDER BY agent').fetchall()))"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "ledger" / "ledger.sqlite")]
    told = subprocess.run(words, cwd=ROOT / "templates" / "meter", capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    said = json.loads((sample / "ledger" / "usage.json").read_text())["usage"]
    keys = ("agent", "calls", "input_tokens", "output_tokens")
    assert json.loads(told.stdout) == [[row[key] for key in keys] for row in said]


@every_sample
def test_nothing_of_the_box_that_made_it_is_in_a_sample(sample: Path) -> None:
    held = [path.read_bytes() for path in sample.rglob("*") if path.is_file() and path.suffix != ".xz"]
    for archive in sample.rglob("*.tar.xz"):
        with tarfile.open(archive) as tar:
            files = (tar.extractfile(member) for member in tar if member.isfile())
            held += [(file or io.BytesIO()).read() for file in files]
    assert [word for word in (b"/work", b"/tmp/", b"PRIVATE KEY") if any(word in text for text in held)] == []


def newer(tmp_path: Path) -> dict[str, tuple[Path, Callable[[], object]]]:
    """For each format that lies on this computer: a file of a newer one, and what would read it."""
    folder, fleet_file = tmp_path / "fleet", tmp_path / "fleet.d"
    cache, hosts = tmp_path / "images", tmp_path / "hosts.json"
    written = {
        folder / "machines" / "m.yaml": "format: 2\nby: 9.1.0\naddress: here\nunheard: of\n",
        fleet_file / "fleet.yaml": "unheard: of\nversion: 2\n",
        tmp_path / "agents.d" / "agents" / "a.yaml": "kind: tinykind\nmachine: m\nformat: 2\n",
        tmp_path / "journal.jsonl": '{"v":1,"at":1,"run":"r","n":1,"what":"done"}\n{"v":2,"by":"9.1.0","odd":[]}\n',
        tmp_path / "m.jsonl": '{"version":2,"odd":[]}\n',
        hosts: '{"version":2,"pins":{},"odd":1}',
        cache / "abc" / "image.json": '{"format":2,"odd":1}',
    }
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def act() -> None:
        with journal.Journal(tmp_path / "journal.jsonl", "r").action(Stop(machine="m", agent="a", reason="")):
            pytest.fail("it was done")

    def prepare() -> None:
        with MachineJournal(tmp_path, "m"):
            pytest.fail("it was prepared")

    return {
        "machine": (folder / "machines" / "m.yaml", lambda: load.load(folder)),
        "fleet": (fleet_file / "fleet.yaml", lambda: load.load(fleet_file)),
        "agent": (tmp_path / "agents.d" / "agents" / "a.yaml", lambda: load.load(tmp_path / "agents.d")),
        "journal": (tmp_path / "journal.jsonl", act),
        "machine-journal": (tmp_path / "m.jsonl", prepare),
        "hosts": (hosts, lambda: Pins(hosts).forget("m")),
        "image": (cache / "abc" / "image.json", lambda: Cache(cache).get("abc")),
    }


@pytest.mark.parametrize("name", ["machine", "fleet", "agent", "journal", "machine-journal", "hosts", "image"])
def test_what_a_newer_clawrack_wrote_is_refused_and_left_as_it_is(name: str, tmp_path: Path) -> None:
    path, read = newer(tmp_path)[name]
    before = path.read_bytes()
    with pytest.raises(Refused) as caught:
        read()
    assert caught.value.key in {"format.newer", "format.newer_by"}
    assert str(path) in str(caught.value)
    assert "format 2" in str(caught.value)
    assert caught.value.part("next").startswith("clawrack self upgrade")
    assert path.read_bytes() == before


def test_a_newer_line_of_the_journal_names_its_writer(tmp_path: Path) -> None:
    path, _ = newer(tmp_path)["journal"]
    with pytest.raises(Refused) as caught:
        journal.read(path)
    assert "clawrack 9.1.0 wrote this" in str(caught.value)
    assert caught.value.where == f"{path}:2"


def test_a_mistake_of_the_persons_is_no_newer_format(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("version: 1\nunheard: of\n")
    with pytest.raises(BadInput):
        load.load(tmp_path)


def test_an_unreadable_file_says_no_format(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 8)
    assert formats.in_yaml(tmp_path / "absent", "version") == formats.Said()
    assert formats.in_yaml(tmp_path / "binary", "version") == formats.Said()
    assert formats.in_last_line(tmp_path / "absent", "v") == formats.Said()
    assert formats.in_last_line(tmp_path / "binary", "v") == formats.Said()
    assert formats.in_json(b'{"v": "2"}', "v") == formats.Said()


class Newer:
    """The port of a machine whose guard was brought by a newer clawrack, and what it was asked."""

    name = "m"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def run(self, argv: tuple[str, ...], **told: object) -> Ran:
        del told
        self.asked.append(argv[1])
        return Ran(0, b"token=7\nversion=2\nsomething=new\n", b"")


@pytest.mark.parametrize("verb", ["look", "lease"])
def test_a_machine_whose_guard_is_newer_is_refused_and_its_lease_given_back(verb: str) -> None:
    port = Newer()
    guard = Guard(port)  # pyright: ignore[reportArgumentType] - a port of one method is enough here
    with pytest.raises(Refused) as caught:
        _ = guard.look() if verb == "look" else guard.lease("me", 60)
    assert (caught.value.key, caught.value.where) == ("format.newer", "m")
    assert port.asked in (["look"], ["lease", "release"])


def test_programs_that_import_nothing_of_ours_know_the_same_formats() -> None:
    said = {
        "machine-state": re.search(r"^GUARD_VERSION=(\d+)", text("machine/guard.sh"), re.MULTILINE),
        "ledger": re.search(r"^FORMAT = (\d+)", text("meter/meter/ledger.py"), re.MULTILINE),
        "routes": re.search(r"^VERSION = (\d+)", text("meter/meter/config.py"), re.MULTILINE),
    }
    assert {name: int(found[1]) for name, found in said.items() if found} == {n: formats.FORMATS[n] for n in said}
    assert Built.__struct_defaults__[0] == formats.FORMATS["image"]


def text(path: str) -> str:
    return (ROOT / "templates" / path).read_text()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_format_has_a_name_for_people(language: str) -> None:
    assert [name for name in formats.FORMATS if f"format.name.{name}" not in catalogue(language)] == []


def test_the_table_for_people_has_every_format_with_its_number() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", (ROOT / "docs" / "formats.md").read_text(), re.MULTILINE)
    assert {name: int(number) for name, number in rows} == formats.FORMATS


@pytest.mark.parametrize(
    ("by", "ours", "newer"),
    [("0.2.0", "0.1.0", True), ("0.10.0", "0.9.1", True), ("0.1.0", "0.1.0", False), ("0.1", "0.1.0", False)],
)
def test_which_of_two_versions_is_newer_goes_by_numbers(by: str, ours: str, *, newer: bool) -> None:
    assert (numbers(by) > numbers(ours)) is newer


@pytest.mark.parametrize("by", ["", "new", "9.9.9; reboot", "9" * 4000, "٩.0"])
def test_what_is_no_version_is_newer_than_none(by: str) -> None:
    assert not numbers(by) > numbers("0.0.1")
