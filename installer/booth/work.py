"""What a ticket's child does: see the device, have it matched, agreed and chosen, install, prove, hand over.

Nothing is written on the device before the customer has agreed, and nothing before it is the ticket's own: the host key
first, before even a login is tried; then its hardware's numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, cast

from msgspec import structs

from fleet.base.clean import line
from fleet.base.errors import BadInput, ClawrackError, OurBug, Refused, Unreachable
from fleet.base.event import Event, Listener
from fleet.base.secret import Secret
from fleet.base.words import say
from fleet.machine.hostkey import HostKey
from fleet.machine.target import Target, parse
from fleet.model import PRACTICE, Machine
from installer import lead, reach
from installer.answers import Answers, Source
from installer.booth import device
from installer.booth.codes import device_code
from installer.booth.desk import Agreed, Chose, Ends
from installer.booth.talk import Talk
from installer.booth.ticket import WAY, Cause, Wanted
from installer.model_key import Chooser
from installer.receipt.form import Consent, Receipt
from installer.setup import setup
from installer.wizard.interview import Interview
from installer.wizard.question import NO, YES, Question

CONSENT = 2
"""The version of the text that the customer agrees to: another text, another number."""
_PATIENCE = 3
_PROVING = frozenset({"step.gate", "step.ready", "setup.message"})


class HandOver(Protocol):
    """Takes the operator's access off a device and proves it; returns the receipt as text."""

    def __call__(self, there: "There", told: "Told") -> str:
        """Hand over; the device's last connection of ours is closed by it."""
        ...

    def proven(self, there: "There", listen: Listener) -> str:
        """Return the receipt of a hand-over whose end nobody saw; empty where our key still opens the device."""
        ...


@dataclass(frozen=True, slots=True)
class There:
    """The device that is handed over.

    Attributes:
        name: in the ticket's own fleet.
        machine: as it is reached there: by root, where the login that we came with could not keep its rights.
        login: that we came with.
        password: of the login, where this process learned it.
        key: path of a key of somebody's that opened the login, where no password was known; else empty.
    """

    name: str
    machine: Machine
    login: str
    host_key: HostKey
    password: Secret | None
    key: str


@dataclass(frozen=True, slots=True)
class Told:
    """What the receipt tells besides.

    Attributes:
        receipt: of the setup.
        new_password: of the login, as its owner typed it for the time after; None where SSH shall take none.
    """

    receipt: Receipt
    consent: Consent | None
    new_password: Secret | None
    listen: Listener


@dataclass(frozen=True, slots=True)
class Tools:
    """What the work stands on: the ticket's own controller.

    Attributes:
        setup: the tools of one.
        leave: takes everything of ours off a device.
        stayed: tells whether something of this ticket may be on the device at an address that shows this host key.
        hand_over: the last act.
    """

    setup: lead.Tools
    leave: Callable[[str, Machine, Listener], None]
    stayed: Callable[[Target, HostKey], bool]
    hand_over: HandOver


def work(talk: Talk, tools: Tools) -> Ends:
    """Do what the task says, and return the last word."""
    run = _Work(talk, tools)
    try:
        return run.taken_back() if talk.task.act == "take-back" else run.installed()
    except ClawrackError as error:
        params = {name: line(str(value), 500) for name, value in error.params.items()}
        return Ends("failed", cause_of(error), error.key, line(error.where), params)


def cause_of(error: ClawrackError) -> Cause:
    """Return the sort of an error, as the day sheet counts them."""
    sorts: dict[str, Cause] = {
        "booth.declined": "declined", "booth.another_device": "another-device",
        "hostkey.not_that_one": "another-device", "hostkey.changed": "another-device",
        "ssh.wrong_password": "wrong-password", "sudo.wrong_password": "wrong-password",
        "bootstrap.no_password": "no-password", "sudo.password_needed": "no-password",
        "booth.has_agents": "unfit", "booth.not_cleared": "left-behind",
    }  # fmt: skip
    if error.key in sorts:
        return sorts[error.key]
    if isinstance(error, Unreachable):
        return "unreachable"
    return "unfit" if error.key.startswith(("preflight.", "probe.")) else "failed"


class _Work:
    def __init__(self, talk: Talk, tools: Tools) -> None:
        self._talk = talk
        self._tools = tools
        self._task = talk.task
        self._order = talk.task.order
        self._face = _Remembering(talk)
        self._asks = Interview(self._face)
        self._proving = False

    # ---- the whole way ---------------------------------------------------------------------------------------------

    def installed(self) -> Ends:
        """Take the device all the way."""
        target = parse(self._order.machine)
        shown = device.shown_by(self._task)
        if self._task.parting and (receipt := self._parted(target, shown)):
            return Ends("done", receipt=receipt)
        device.match(self._talk, shown)
        there = self._tools.setup.reach(self._answers(shown), self._asks)
        device.inspect(self._talk, there.port, shown, self._hear)
        self._talk.reached("detected")
        consent = self._agreed(shown)
        self._talk.reached("consented")
        answers = self._chosen(there, shown)
        self._talk.reached("chosen")
        self._talk.reached("installing")  # from here on something of ours may be on the device: it is written down
        receipt = self._set_up(there, answers)
        self._prove()
        self._talk.reached("handing-over")
        machine = self._tools.setup.fleet.wish().machines[there.name]
        found = There(there.name, machine, target.user, shown, self._face.password, self._order.key)
        told = Told(receipt, consent, self._new_password(target), self._hear)
        return Ends("done", receipt=self._tools.hand_over(found, told))

    def _parted(self, target: Target, shown: HostKey) -> str:
        """Return the receipt where a child before this one was stopped after its key had gone."""
        machines = self._tools.setup.fleet.wish().machines
        if not machines:
            return ""
        name, machine = next(iter(machines.items()))
        there = There(name, machine, target.user, shown, None, self._order.key)
        receipt = self._tools.hand_over.proven(there, self._hear)
        way = WAY if self._task.act == "take-back" else WAY[1:]  # that one was parked
        for state in way[:-1] if receipt else ():
            self._talk.reached(state)
        return receipt

    def taken_back(self) -> Ends:
        """Take everything of ours off the device; one that was handed over, and nobody saw it, is done.

        Raises:
            Refused: our key does not open it, though it may have something of ours (``booth.not_cleared``).
        """
        target = parse(self._order.machine)
        shown = device.shown_by(self._task)
        if self._task.parting and (receipt := self._parted(target, shown)):
            return Ends("done", receipt=receipt)
        if not self._tools.stayed(target, shown):
            return Ends("cleared")  # stopped before anything was written there
        try:
            ours = structs.replace(self._answers(shown), key=None)  # another key opening it says nothing of ours
            there = self._tools.setup.reach(ours, Interview(None))
        except Refused as error:
            if error.key != "question.nobody":
                raise
            raise Refused("booth.not_cleared", where=self._order.machine, ticket=self._task.number) from error
        self._tools.leave(there.name, there.machine, self._hear)
        return Ends("cleared")

    # ---- what was told beforehand -----------------------------------------------------------------------------------

    def _answers(self, shown: HostKey) -> Answers:
        return Answers(
            machine=self._order.machine, kind=self._order.kind, fingerprint=shown.fingerprint, yes=True,
            image_source=cast("Source", self._order.image_source),
            key=Path(self._order.key) if self._order.key else None,
            bundle=Path(self._order.bundle) if self._order.bundle else None,
            firewall="keep",
        )  # fmt: skip

    # ---- the customer ----------------------------------------------------------------------------------------------

    def _agreed(self, shown: HostKey) -> Consent:
        """Have the customer agree, in their language; where they did before, that counts."""
        if self._task.consent:
            return self._task.consent
        values = {"machine": self._order.machine, "code": device_code(shown), "kind": self._order.kind}
        access = "access_by_key" if self._order.key else "access"
        page = tuple(say(f"booth.consent.{n}", **values) for n in ("what", access, "data", "undo"))
        options = ((YES, say("booth.consent.yes")), (NO, say("booth.consent.no")))
        text = say("booth.consent", version=CONSENT)
        if self._talk.ask(Wanted(id="consent", text=text, page=page, options=options, default=NO)) != YES:
            raise Refused("booth.declined", where=self._order.machine)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        consent = Consent(version=CONSENT, language=self._order.language, at=at)
        self._talk.say(Agreed(consent))
        return consent

    def _chosen(self, there: reach.Reached, shown: HostKey) -> Answers:
        """Return the answers with the provider and the customer's key, which was tried from their device.

        A key that the device was given before is not asked for again.
        """
        order = self._order
        provider = self._task.model or order.provider
        answers = structs.replace(self._answers(shown), provider=provider, region=order.region, model=order.model)
        if self._keyed(there):
            return structs.replace(answers, provider=PRACTICE)
        chosen = Chooser(answers, self._asks, self._hear).choose(there.name, there.port, new=True)
        self._talk.say(Chose(chosen.way.provider.name if chosen else PRACTICE))
        if chosen is None:
            return structs.replace(answers, provider=PRACTICE)
        name = provider or chosen.way.provider.name
        return structs.replace(answers, provider=name, model=chosen.model, api_key=chosen.key)

    def _keyed(self, there: reach.Reached) -> bool:
        """Return whether a child before this one brought the customer's key to the device already."""
        fleet = self._tools.setup.fleet
        mine = [name for name, agent in fleet.wish().agents.items() if agent.machine == there.name]
        return bool(self._task.touched and mine and fleet.key_of(there.name, mine[0]))

    def _new_password(self, target: Target) -> Secret | None:
        """Return the password that its owner wants for the login from now on, where the operator's side knew one."""
        if self._order.key:
            return None
        text, why = (say(f"booth.new_password{part}", user=target.user) for part in ("", ".why"))
        return self._talk.secret(Wanted(id="new_password", form="secret", text=text, page=(why,)))

    # ---- the installation ------------------------------------------------------------------------------------------

    def _set_up(self, there: reach.Reached, answers: Answers) -> Receipt:
        """Set the device up through the connection that was matched, and no other."""

        def matched(answers: Answers, asks: Interview) -> reach.Reached:
            del answers, asks
            return there

        tools = replace(self._tools.setup, reach=matched)
        receipt = setup(answers, tools, self._hear, self._asks)
        if receipt is None:
            raise OurBug("booth.order", before="installing", after="planned")
        return receipt

    def _hear(self, event: Event) -> None:
        if event.step in _PROVING and event.kind in {"begun", "already"}:
            self._prove()
        self._talk.tell(structs.replace(event, subject=""))

    def _prove(self) -> None:
        if not self._proving and self._task.act == "install":
            self._proving = True
            self._talk.reached("proving")


class _Remembering:
    """A face that keeps the password that was typed, for the proof that it is refused afterwards; in memory only."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._complaints = 0
        self.password: Secret | None = None

    def put(self, question: Question, number: int, before: str) -> str | Secret:
        """Put a question."""
        answer = self._talk.put(question, number, before)
        if question.id == "password" and isinstance(answer, Secret):
            if not answer.reveal():
                raise Refused("bootstrap.no_password", where="")
            self.password = answer
        return answer

    def complain(self, error: BadInput) -> None:
        """Say what is wrong with an answer.

        Raises:
            Refused: no answer was taken for the third time (``booth.not_taken``).
        """
        self._complaints += 1
        if self._complaints >= _PATIENCE:
            raise Refused("booth.not_taken", where=error.where, why=error.part("what"))
        self._talk.complain(error)
