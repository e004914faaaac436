"""What a ticket's child does with a device that is not as it should be: agents on it, our key refused."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from msgspec import structs

from fleet.base.errors import Refused
from fleet.machine.hostkey import HostKey
from fleet.model import Machine, Wish
from installer import reach
from installer.booth import desk, device, work
from installer.booth.desk import Ends, Reached, Said, gone, hear
from installer.booth.order import Order, Task
from installer.booth.ticket import State
from installer.facts import Facts
from tests.unit.tickets import KEY, at

if TYPE_CHECKING:
    from fleet.base.event import Event, Listener
    from fleet.machine.port import Port
    from installer.answers import Answers
    from installer.booth.talk import Talk
    from installer.booth.work import HandOver, There
    from installer.lead import Tools
    from installer.wizard.interview import Interview

ORDER = Order(machine="root@10.0.0.1", device=KEY.fingerprint, kind="openclaw")


class Spoken:
    """The pipe of a child whose desk writes down whatever it says."""

    def __init__(self, **told: Any) -> None:
        self.task = Task(number=1, order=ORDER, **told)
        self.ticket = at("new")
        if self.task.act == "take-back":
            parked = gone(at("handing-over" if self.task.parting else "installing"), None, "", 2.0)
            self.ticket = desk.cleared(parked, 3.0)

    def say(self, said: Said) -> None:
        self.ticket = hear(self.ticket, said, 4.0)

    def reached(self, state: State) -> None:
        self.say(Reached(state))

    def tell(self, event: "Event") -> None:
        pass


class Ended:
    """The last act of a child before, of which the receipt is all that is left; empty where the key still opens."""

    def __init__(self, receipt: str) -> None:
        self._receipt = receipt

    def proven(self, there: "There", listen: "Listener") -> str:
        del there, listen
        return self._receipt


def worked(spoken: Spoken, monkeypatch: pytest.MonkeyPatch, *, stayed: bool = True, receipt: str = "") -> Ends:
    """What comes of a task at a device that our key does not open, and on which somebody's agents are."""

    def reached(answers: "Answers", asks: "Interview") -> reach.Reached:
        if asks.silent and not answers.key:
            raise Refused("question.nobody")
        return reach.Reached(
            "nas", Machine(address="10.0.0.1"), cast("Port", SimpleNamespace(name="nas")), lambda _: cast("Port", None)
        )

    fleet = SimpleNamespace(wish=lambda: Wish(machines={"nas": Machine(address="10.0.0.1")}))
    tools = cast("Tools", SimpleNamespace(reach=reached, fleet=fleet))
    facts = Facts({"has./usr/local/lib/clawrack/guard.sh": "1", "uid": "0", "os.ID": "debian"})

    def fetch(target: object) -> HostKey:
        del target
        return KEY

    def seen(port: object) -> Facts:
        del port
        return facts

    def leave(name: str, machine: Machine, listen: "Listener") -> None:
        del name, machine, listen
        pytest.fail("nothing of ours was there to be taken off")

    monkeypatch.setattr("fleet.machine.hostkey.fetch", fetch)
    monkeypatch.setattr(device, "look", seen)
    given = work.Tools(tools, leave, lambda _, __: stayed, cast("HandOver", Ended(receipt)))
    return work.work(cast("Talk", spoken), given)


def test_a_device_that_has_agents_is_refused_before_anybody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = Spoken()
    last = worked(spoken, monkeypatch)
    assert (last.fate, last.cause, last.key) == ("failed", "unfit", "booth.has_agents")
    assert (spoken.ticket.touched, gone(spoken.ticket, last, "", 5.0).state) == (False, "failed")


@pytest.mark.parametrize("key", ["", "/somebody/s/key"])
@pytest.mark.parametrize("parting", [False, True])
def test_a_device_that_our_key_does_not_open_is_not_called_cleared(
    key: str, parting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken = Spoken(act="take-back", touched=True, parting=parting)
    spoken.task = structs.replace(spoken.task, order=structs.replace(spoken.task.order, key=key))
    last = worked(spoken, monkeypatch)
    assert (last.fate, last.cause, last.key) == ("failed", "left-behind", "booth.not_cleared")
    over = gone(spoken.ticket, last, "", 5.0)
    assert (over.state, over.cause) == ("parked", "left-behind")


def test_a_device_to_which_nothing_was_written_is_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    assert worked(Spoken(act="take-back", touched=True), monkeypatch, stayed=False).fate == "cleared"


def test_a_hand_over_whose_end_nobody_saw_is_done_also_where_its_ticket_was_to_be_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoken = Spoken(act="take-back", touched=True, parting=True)
    last = worked(spoken, monkeypatch, receipt="the key was refused")
    over = gone(spoken.ticket, last, "", 5.0)
    assert (over.state, over.cause, over.receipt) == ("done", "", "the key was refused")
