"""A recording: what is written is read again; what is damaged, newer or no recording is a sentence with its place."""

import json
import stat
from pathlib import Path

import pytest

from fleet.base.errors import BadInput
from fleet.views import AgentView, MachineView, UsageRow
from tui.state import record
from tui.state.heard import Doing, Ended, Message, Silent, Told, Trouble, Used, Wished, WishedAgent, WishedMachine
from tui.state.record import Recorder

EVERY: tuple[Message, ...] = (
    Wished(at=100.0, machines=(WishedMachine("m1", "a"),), agents=(WishedAgent("x", "m1", "k", "1", "m"),), beat=5.0),
    Told(
        at=101.5, machine="m1", view=MachineView(name="m1", address="a", state="ok", agents=1),
        agents=(AgentView(name="x", machine="m1", state="running", kind="k", version="1", model="\x1b[31m机"),),
        strays=("s",),
    ),
    Silent(at=102.0, machine="m1", key="ssh.refused", text="no", sort="refused"),
    Used(
        at=103.0, machine="m1", today="2026-01-02",
        rows=(UsageRow(agent="x", machine="m1", day="2026-01-02", model="m", calls=1, input=2, output=3),),
    ),
    Doing(at=104.0, subject="m1/x", action="stop", step="step.stop", params={"name": "x"}),
    Ended(at=105.0, subject="m1/x", action="stop", outcome="done", text="well"),
    Trouble(at=106.25, text="t"),
)  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.jsonl"
    recorder = Recorder(path, 100.0, "2026-01-02T03:04:05Z")
    for message in EVERY:
        recorder.write(message)
    recorder.close()
    return path


def refused(path: Path) -> BadInput:
    with pytest.raises(BadInput) as caught:
        list(record.read(path))
    assert str(caught.value)
    return caught.value


def test_every_message_is_read_as_it_was_written_with_its_time_from_the_start(file: Path) -> None:
    found = list(record.read(file))
    assert [one.at for one in found] == [0.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.25]
    assert [str(one).partition("at=")[2].partition(",")[2] for one in found] == [
        str(one).partition("at=")[2].partition(",")[2] for one in EVERY
    ]


def test_only_its_owner_can_read_it(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_its_head_says_what_it_is(file: Path) -> None:
    head = json.loads(file.read_text().splitlines()[0])
    assert head == {"clawrack": "recording", "v": 1, "began": "2026-01-02T03:04:05Z"}


def test_nothing_in_the_file_is_obeyed_by_a_terminal(file: Path) -> None:
    assert b"\x1b" not in file.read_bytes()


def test_a_file_that_is_there_is_not_written_over(file: Path) -> None:
    with pytest.raises(BadInput) as caught:
        Recorder(file, 0.0, "")
    assert caught.value.key == "recording.exists"
    assert len(list(record.read(file))) == len(EVERY)


def test_a_last_line_that_was_cut_off_ends_the_recording(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])
    assert len(list(record.read(file))) == len(EVERY) - 1


def test_a_damaged_line_is_named(file: Path) -> None:
    lines = file.read_text().splitlines()
    lines[3] = lines[3].replace("machine", "mashine")
    file.write_text("\n".join(lines) + "\n")
    error = refused(file)
    assert (error.key, error.where) == ("recording.damaged", f"{file}:4")


def test_a_newer_recording_is_refused(file: Path) -> None:
    file.write_text(file.read_text().replace('"v":1', '"v":2', 1))
    assert refused(file).key == "recording.newer"


@pytest.mark.parametrize(
    "content", [b"", b"hello\n", b"{}x\n", b'{"clawrack":"poem","v":1}\n', b"\xff" * 9, b"[" * 9999]
)
def test_what_is_no_recording_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert refused(file).key == "recording.none"


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "none").key == "recording.unreadable"


def test_times_that_run_backwards_stand_still(file: Path) -> None:
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], lines[3], lines[2], lines[4]]) + "\n")
    assert [one.at for one in record.read(file)] == [2.0, 2.0, 3.0]


@pytest.mark.parametrize("at", ["1e300", "1e400", "NaN", '"1"'])
def test_a_time_that_never_comes_is_damage(file: Path, at: str) -> None:
    lines = file.read_text().splitlines()
    lines[2] = lines[2].replace('"at":1.5', f'"at":{at}')
    file.write_text("\n".join(lines) + "\n")
    error = refused(file)
    assert (error.key, error.where) == ("recording.damaged", f"{file}:3")


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        Recorder(tmp_path / "no" / "where", 0.0, "")
    assert caught.value.key == "recording.not_written"
