"""Who asks the machines: nobody waits for a silent one, the folder is followed, and all of it ends when told to."""

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

import pytest

from clawrack import wire
from fleet import load
from fleet.api import Fleet
from fleet.base.errors import BadInput, Unreachable
from fleet.base.event import Listener
from fleet.model import Agent, Machine, Wish
from fleet.views import Look, MachineView, UsageRow
from tests.unit.wire_lab import Sshd, sshd, start
from tui import watch
from tui.replay import Replay
from tui.state.heard import Message, Silent, Told, Trouble, Used, Wished, WishedMachine
from tui.state.rows import MachineRow
from tui.state.store import Store
from tui.watch import Asks, Watch


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("BEAT", 0.05), ("RAREST", 0.4), ("LEDGER_EVERY", 0.2), ("FOLDER_EVERY", 0.05)):
        monkeypatch.setattr(watch, name, seconds)
    monkeypatch.setattr(watch, "PER_SECOND", 1000)


def looked(name: str) -> Look:
    return Look(MachineView(name=name, address="a", state="ok", agents=0), ())


def answer(name: str, wish: Wish) -> Look:
    assert name in wish.machines
    return looked(name)


def no_ledger(name: str, wish: Wish) -> tuple[UsageRow, ...]:
    del name, wish
    return ()


def of(*names: str) -> Callable[[], Wish]:
    return lambda: Wish(machines={name: Machine(address="a") for name in names})


class Ear:
    """Hears what is put, and when."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[Message] = SimpleQueue()
        self.heard: list[Message] = []

    def listen(self) -> list[Message]:
        while not self.queue.empty():
            self.heard.append(self.queue.get())
        return self.heard

    def until(self, found: Callable[[list[Message]], bool], seconds: float = 10.0) -> list[Message]:
        end = time.monotonic() + seconds
        while not found(self.listen()):
            assert time.monotonic() < end, self.heard
            time.sleep(0.01)
        return self.heard


@contextmanager
def watching(
    wish: Callable[[], Wish],
    look: Callable[[str, Wish], Look] = answer,
    used: Callable[[str, Wish], tuple[UsageRow, ...]] = no_ledger,
    stamp: Callable[[], object] = lambda: 1,
) -> Generator[tuple[Watch, Ear]]:
    ear = Ear()
    made = Watch(Asks(wish=wish, look=look, used=used, stamp=stamp), ear.queue.put)
    made.start()
    try:
        yield made, ear
    finally:
        made.stop()


def count(heard: list[Message], kind: type[Message], machine: str) -> int:
    return sum(isinstance(one, kind) and getattr(one, "machine", "") == machine for one in heard)


def test_machines_that_hang_delay_nobody_else() -> None:
    free = threading.Event()

    def look(name: str, wish: Wish) -> Look:
        if name.startswith("stuck"):
            free.wait(20)
        return answer(name, wish)

    stuck = [f"stuck-{n}" for n in range(30)]
    with watching(of(*stuck, "well", "good"), look) as (_, ear):
        heard = ear.until(lambda heard: min(count(heard, Told, one) for one in ("well", "good")) >= 5)
        assert not any(count(heard, Told, one) for one in stuck)
        free.set()
        ear.until(lambda heard: all(count(heard, Told, one) for one in stuck))


def test_a_machine_that_does_not_answer_is_asked_ever_more_rarely_and_never_given_up() -> None:
    asked: list[float] = []

    def look(name: str, wish: Wish) -> Look:
        if name == "dead":
            asked.append(time.monotonic())
            raise Unreachable("ssh.refused", where="dead", port=22)
        return answer(name, wish)

    with watching(of("dead", "well"), look) as (_, ear):
        heard = ear.until(lambda _: len(asked) >= 7)
    gaps = [after - before for before, after in itertools.pairwise(asked)]
    assert gaps[3] > 2.5 * gaps[0]
    assert gaps[5] < 3 * watch.RAREST
    assert {one.sort for one in heard if isinstance(one, Silent)} == {"refused"}
    assert count(heard, Told, "well") > len(asked)


def test_a_machine_that_answers_again_is_asked_often_again() -> None:
    asked: dict[str, int] = defaultdict(int)

    def look(name: str, wish: Wish) -> Look:
        asked[name] += 1
        if asked[name] < 4:
            raise Unreachable("ssh.refused", where=name, port=22)
        return answer(name, wish)

    with watching(of("box"), look) as (_, ear):
        began = len(ear.until(lambda heard: count(heard, Told, "box") == 1))
        before = time.monotonic()
        ear.until(lambda heard: count(heard, Told, "box") == 4)
        assert began
        assert time.monotonic() - before < 3 * watch.RAREST


def test_stop_ends_everything_in_two_seconds_and_nothing_is_heard_after_it() -> None:
    free = threading.Event()

    def look(name: str, wish: Wish) -> Look:
        if name == "stuck":
            free.wait(20)
        return answer(name, wish)

    with watching(of("stuck", "well"), look) as (made, ear):
        ear.until(lambda heard: count(heard, Told, "well") > 1)
        before = time.monotonic()
        made.stop()
        assert time.monotonic() - before < 2
        heard = len(ear.listen())
        free.set()
        time.sleep(0.2)
        assert len(ear.listen()) == heard
    assert {one.name for one in threading.enumerate() if one.name in {"clawrack-watch", "clawrack-quick"}} == set()


def test_what_surprises_us_at_one_machine_is_told_and_stops_nothing() -> None:
    def look(name: str, wish: Wish) -> Look:
        if name == "odd":
            raise ZeroDivisionError("seven")
        return answer(name, wish)

    with watching(of("odd", "well"), look) as (_, ear):
        heard = ear.until(lambda heard: count(heard, Silent, "odd") > 1 and count(heard, Told, "well") > 1)
    assert next(one.text for one in heard if isinstance(one, Silent)) == "ZeroDivisionError: seven"


def test_an_urged_machine_is_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "BEAT", 30.0)
    with watching(of("box", "other")) as (made, ear):
        ear.until(lambda heard: count(heard, Told, "box") == 1 and count(heard, Told, "other") == 1)
        made.urge("box")
        ear.until(lambda heard: count(heard, Told, "box") == 2, 3)
        assert count(ear.listen(), Told, "other") == 1
        made.urge()
        ear.until(lambda heard: count(heard, Told, "other") == 2, 3)


def test_one_that_is_urged_while_it_is_asked_is_asked_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "BEAT", 30.0)
    begun, free = threading.Event(), threading.Event()

    def look(name: str, wish: Wish) -> Look:
        begun.set()
        free.wait(10)
        return answer(name, wish)

    with watching(of("box"), look) as (made, ear):
        assert begun.wait(5)
        made.urge("box")
        free.set()
        ear.until(lambda heard: count(heard, Told, "box") == 2, 3)


def test_the_ledger_is_asked_more_rarely_than_the_machine() -> None:
    row = UsageRow(agent="a", machine="box", day="2026-01-02", model="m", calls=1, input=2, output=3)
    with watching(of("box"), used=lambda _name, _wish: (row,)) as (_, ear):
        heard = ear.until(lambda heard: count(heard, Used, "box") == 3)
    assert count(heard, Told, "box") > 5
    assert next(one for one in heard if isinstance(one, Used)).rows == (row,)


def test_a_machine_without_a_ledger_is_told_all_the_same() -> None:
    def used(name: str, wish: Wish) -> tuple[UsageRow, ...]:
        raise Unreachable("ssh.refused", where=name, port=len(wish.machines))

    with watching(of("box"), used=used) as (_, ear):
        heard = ear.until(lambda heard: count(heard, Told, "box") > 5)
    assert not any(isinstance(one, Silent | Used) for one in heard)


def test_the_folder_is_followed(tmp_path: Path) -> None:
    load.save_machine(tmp_path, "box", Machine(address="here"))
    with watching(lambda: load.load(tmp_path), stamp=lambda: watch.stamp(tmp_path)) as (_, ear):
        ear.until(lambda heard: count(heard, Told, "box") > 0)
        load.save_machine(tmp_path, "new", Machine(address="10.0.0.9", port=2222))
        load.save_agent(tmp_path, "ant", Agent(kind="openclaw", machine="new", version="1"))
        heard = ear.until(lambda heard: count(heard, Told, "new") > 0)
        last = [one for one in heard if isinstance(one, Wished)][-1]
        assert {one.name: one.address for one in last.machines} == {"box": "here", "new": "10.0.0.9:2222"}
        load.forget_machine(tmp_path, "box", load.load(tmp_path))
        ear.until(lambda heard: len([one for one in heard if isinstance(one, Wished)][-1].machines) == 1)
        told = count(ear.listen(), Told, "box")
        ear.until(lambda heard: count(heard, Told, "new") > 10)
        assert count(ear.listen(), Told, "box") <= told + 1


def test_a_broken_file_is_a_banner_with_its_place_and_the_machines_are_watched_on(tmp_path: Path) -> None:
    load.save_machine(tmp_path, "box", Machine(address="here"))
    broken = tmp_path / "machines" / "second.yaml"
    with watching(lambda: load.load(tmp_path), stamp=lambda: watch.stamp(tmp_path)) as (_, ear):
        ear.until(lambda heard: count(heard, Told, "box") > 0)
        broken.write_text("address: [")
        heard = ear.until(lambda heard: any(isinstance(one, Trouble) and one.text for one in heard))
        assert f"{broken}:1" in next(one.text for one in heard if isinstance(one, Trouble) and one.text)
        told = count(heard, Told, "box")
        ear.until(lambda heard: count(heard, Told, "box") > told + 3)
        broken.unlink()
        ear.until(lambda heard: [one.text for one in heard if isinstance(one, Trouble)][-1] == "")


def test_a_replay_keeps_the_distances_and_says_when_it_is_over() -> None:
    ear = Ear()
    messages = [Wished(at=0.0), Told(at=1.0, machine="m", view=looked("m").machine), Trouble(at=3.0, text="x")]
    made = Replay(messages, ear.queue.put, speed=20.0)
    began = time.monotonic()
    made.start()
    heard = ear.until(lambda heard: len(heard) == 4)
    made.stop()
    assert [round(one.at - heard[0].at, 3) for one in heard[:3]] == [0.0, 0.05, 0.15]
    assert 0.15 <= time.monotonic() - began < 2
    assert isinstance(heard[0], Wished)
    assert heard[0].beat == pytest.approx(0.1)
    assert isinstance(heard[3], Trouble)
    assert heard[3].text


def test_a_replay_of_a_damaged_file_says_where_it_is_damaged() -> None:
    def messages() -> Generator[Message]:
        yield Wished(at=0.0, machines=(WishedMachine("m", "a"),))
        raise BadInput("recording.damaged", where="file:2")

    ear = Ear()
    made = Replay(messages(), ear.queue.put)
    made.start()
    heard = ear.until(lambda heard: len(heard) == 2)
    made.stop()
    assert isinstance(heard[1], Trouble)
    assert heard[1].text.startswith("file:2: ")


FORCED = """\
case "$SSH_ORIGINAL_COMMAND" in
*guard.sh*look*) cat "$(dirname "$0")/look" ;;
*guard.sh*) exit 1 ;;
*) exec sh -c "$SSH_ORIGINAL_COMMAND" ;;
esac
"""
LOOK = "id=m1\ndocker.version=20.10\nfirewall=ok\nagent.ant.state=running\nagent.odd.state=running\n"


def real(folder: Path, server: Sshd) -> Fleet:
    """A fleet of one machine: a real sshd, behind which a guard's answer lies ready."""
    (server.folder / "forced").write_text(FORCED)
    (server.folder / "look").write_text(LOOK)
    load.save_machine(folder, "box", Machine(address=server.address, port=server.port))
    load.save_agent(folder, "ant", Agent(kind="openclaw", machine="box"))
    ports = {"box": server.wire()}

    def leave(name: str, machine: Machine, keep: object, listen: Listener) -> None:
        raise AssertionError((name, machine, keep, listen))

    return Fleet(folder, lambda name, _: ports[name], wire.open_fleet(folder).hands, leave)


def test_a_real_machine_is_seen_lost_and_seen_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    store, ear = Store(), Ear()
    with sshd("127.0.0.1", "ForceCommand sh {folder}/forced") as server:
        made = Watch(watch.of_fleet(real(tmp_path / "fleet", server)), ear.queue.put)
        made.start()
        try:
            ear.until(lambda heard: count(heard, Told, "box") > 0, 20)
            server.stop()
            ear.until(lambda heard: count(heard, Silent, "box") > 1, 20)
            for message in ear.listen():
                store.hear(message)
            box, ant, now = store.rows["box"], store.rows["box/ant"], time.monotonic()
            assert (box.state(now), box.view.state, box.fresh(now)) == ("silent", "ok", "dark")
            assert (ant.state(now), ant.view.state) == ("unknown", "running")
            assert isinstance(box, MachineRow)
            assert (box.strays, box.sort) == (("odd",), "refused")
            server.process = start(server.folder, server.address, server.port, server.key).process
            told = count(ear.listen(), Told, "box")
            ear.until(lambda heard: count(heard, Told, "box") > told, 20)
        finally:
            made.stop()
