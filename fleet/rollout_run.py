"""A rollout carried out: units begun as `fleet.rollout` says, on as many machines at once as the policy allows.

One thread decides and writes the record; each unit has one that works on its machine under the lease. The wish comes
first: agents/NAME.yaml is written right before its agent is touched, and what stood there comes back with the agent.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from fleet.actions import AnyAction, Deploy, PlaceMeter, Rollback
from fleet.apply import perform
from fleet.base.clean import line
from fleet.base.errors import ActionFailed, ClawrackError, OurBug, Refused, Unreachable
from fleet.base.event import Event, Kind, Listener
from fleet.deploy import Bounds
from fleet.machine.guard import Guard
from fleet.model import Agent
from fleet.rollout import Entry, Order, Unit, Verdict, What, agent_of, nexts, states
from fleet.rollout_crew import Crew, interrupts
from fleet.rollout_record import Record
from fleet.rollout_why import evidence
from fleet.site import held

LOOK_EVERY = 2.0  # seconds between two looks at a machine that was cut off
_TICK = 0.3  # seconds between two looks at the marks that others leave


@dataclass
class Run:
    """A rollout under way in this controller."""

    record: Record
    crew: Crew
    listen: Listener
    order: Order = field(init=False)
    live: set[int] = field(default_factory=set[int])
    ended: "queue.SimpleQueue[Entry]" = field(default_factory=queue.SimpleQueue["Entry"])
    halt: threading.Event = field(default_factory=threading.Event)
    interrupted: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.order = self.record.order
        self.wave_of = {unit.number: n for n, wave in enumerate(self.order.waves, 1) for unit in wave}
        self.told_wave = 0
        self.progress = time.monotonic()
        self.hearing = threading.Lock()

    def go(self) -> Verdict:
        """Carry it out until it is over, or rests; Ctrl-C lets it rest, once what is under way has come to its end.

        Raises:
            KeyboardInterrupt: a person insisted; what is on trial goes back by itself.
        """
        with interrupts(self.interrupted):
            return self._go()

    def _go(self) -> Verdict:
        found = states(self.record.entries)
        for unit in self.order.units:
            if found.get(unit.number) == "unknown":
                self._start(unit, self._look_again)
        while True:
            self._heed()
            coming = nexts(self.order, self.record.entries, self.live)
            if coming.verdict:
                return coming.verdict
            for unit in coming.look:
                self._start(unit, self._look_again)
            for unit in coming.begin:
                self._begin(unit)
            self._hear()

    def _heed(self) -> None:
        """Heed the word that another command left, and the time."""
        told = {entry.what for entry in self.record.entries if entry.unit < 0}
        if self.record.marked("abort"):
            self.record.add(Entry(what="aborted"))
            self.halt.set()
        if self.record.marked("pause") or self.interrupted.is_set():
            self.interrupted.clear()
            self._rest()
        late = time.monotonic() - self.progress > self.order.policy.progress_within
        if late and self.live and "stalled" not in told:
            self.record.add(Entry(what="stalled"))

    def _rest(self) -> None:
        self.record.add(Entry(what="paused"))
        self._note("rollout.pausing", units=len(self.live))

    def _begin(self, unit: Unit) -> None:
        self._tell_wave(unit)
        before = self._before(unit.action)
        self.record.add(Entry(what="begun", unit=unit.number, before=before))
        self._start(unit, self._done)

    def _before(self, action: AnyAction) -> str | None:
        return self.crew.papers.read(action.agent) if isinstance(action, (Deploy, Rollback)) else None

    def _start(self, unit: Unit, work: Callable[[Unit], Entry]) -> None:
        self.live.add(unit.number)

        def thread() -> None:
            try:
                entry = work(unit)
            except ClawrackError as error:
                entry = self._wrong("failed", unit, error)
            except Exception as error:  # noqa: BLE001 - a bug of ours must not leave the rollout waiting for ever
                entry = Entry(what="failed", unit=unit.number, why=type(error).__name__, code=OurBug.exit_code)
            self.ended.put(entry)

        threading.Thread(target=thread, daemon=True, name=f"clawrack-unit-{unit.number}").start()

    def _hear(self) -> None:
        try:
            entry = self.ended.get(timeout=_TICK)
        except queue.Empty:
            return
        self.record.add(entry)
        self.live.discard(entry.unit)
        self.progress = time.monotonic()

    def take_back(self) -> None:
        """Take back what a controller that died left on trial; what was committed stays, and so does its file."""
        found = states(self.record.entries)
        for unit in self.order.units:
            if found.get(unit.number) not in {"begun", "unknown"}:
                continue
            try:
                self.record.add(self._taken_back(unit))
            except ClawrackError as error:
                self.record.add(self._wrong("unknown", unit, error))

    def _taken_back(self, unit: Unit) -> Entry:
        found = self._settled(unit)
        if isinstance(found, Entry):
            return found
        action = unit.action
        if isinstance(found, Deploy) and found.resumes:
            with held(self.crew.hands.port(action.machine), self.crew.hands.holder) as site:
                site.guard.revert(site.lease, found.agent)
        self._put_back(unit)
        agent = agent_of(action)
        return self._wrong("failed", unit, ActionFailed("gate.halted", where=action.subject, agent=agent))

    # --- one unit, in a thread of its own ------------------------------------------------------------------------

    def _done(self, unit: Unit) -> Entry:
        try:
            self._act(unit, unit.action)
        except Unreachable:
            return self._look_again(unit)
        except ClawrackError as error:
            return self._failed(unit, error)
        return Entry(what="done", unit=unit.number)

    def _act(self, unit: Unit, action: AnyAction) -> None:
        hands, planned = self.crew.hands, self.record.head.plan
        if isinstance(action, (Deploy, Rollback)) and action.agent in planned.agents:
            self._wish(action, planned.agents[action.agent])
        if isinstance(action, PlaceMeter) and action.machine in planned.machines:
            self.crew.papers.machine(action.machine, planned.machines[action.machine])
        with held(hands.port(action.machine), hands.holder) as site, hands.journal.action(action):
            perform(action, site, hands, self._teller(unit), self._bounds(unit))

    def _wish(self, action: Deploy | Rollback, agent: Agent) -> None:
        """Write the agent's file; where a trial is under way already, what somebody wrote meanwhile waits for it."""
        papers = self.crew.papers
        if not (isinstance(action, Deploy) and action.resumes and papers.edited(action.agent)):
            papers.write(action.agent, agent)

    def _bounds(self, unit: Unit) -> Bounds:
        policy = self.order.policy
        canary = self.order.canary and self.wave_of[unit.number] == 1
        return Bounds(
            within=policy.healthy_within,
            healthy=policy.healthy_for,
            message=policy.canary_message if canary else "none",
            put_back=policy.auto_revert,
            keep=policy.keep_snapshots,
            halt=self.halt,
        )

    def _failed(self, unit: Unit, error: ClawrackError) -> Entry:
        """Keep what tells the cause, and put the agent's file back."""
        action, why = unit.action, _why(error)
        if isinstance(action, Deploy):
            port = self.crew.hands.port(action.machine)
            why = evidence(port, action, self.crew.hands.kinds[action.agent], self.record.folder, why)
        if not (isinstance(action, Rollback) and self._is_back(action)):
            self._put_back(unit)
        return Entry(what="failed", unit=unit.number, why=why, code=error.exit_code)

    def _is_back(self, action: Rollback) -> bool:
        """Tell whether the old release is the agent's, though it is not well; a silent machine may have it."""
        try:
            told = dict(Guard(self.crew.hands.port(action.machine)).look())
        except ClawrackError:
            return True
        return told.get(f"agent.{action.agent}.release") == action.release

    def _put_back(self, unit: Unit) -> None:
        """Write the agent's file as it was before the unit."""
        action = unit.action
        if not isinstance(action, (Deploy, Rollback)):
            return
        begun = [one for one in self.record.entries if one.unit == unit.number and one.what == "begun"]
        if begun:
            self.crew.papers.put_back(action.agent, begun[0].before)

    def _wrong(self, what: What, unit: Unit, error: ClawrackError) -> Entry:
        return Entry(what=what, unit=unit.number, why=_why(error), code=error.exit_code)

    # --- after the wire was cut, or a controller died ------------------------------------------------------------

    def _look_again(self, unit: Unit) -> Entry:
        """Look until the machine answers, and go on from what is there; nothing is repeated blindly."""
        end = time.monotonic() + self.order.policy.healthy_within
        tries = 2
        while True:
            try:
                again = self._settled(unit)
                if isinstance(again, Entry):
                    return again
                tries -= 1
                if tries < 0:
                    return self._failed(unit, Refused("rollout.not_begun", where=unit.action.subject))
                self._act(unit, again)
                return Entry(what="done", unit=unit.number)
            except Unreachable as error:
                wrong: ClawrackError = error
            except Refused as error:
                if error.key != "guard.lease_held":
                    return self._failed(unit, error)
                wrong = error  # what the dead controller had begun there is not over yet
            except ClawrackError as error:
                return self._failed(unit, error)
            if time.monotonic() > end or self.halt.is_set():
                return self._wrong("unknown", unit, wrong)
            time.sleep(LOOK_EVERY)

    def _settled(self, unit: Unit) -> Entry | AnyAction:
        """Return how the unit ended, as its machine tells it; or what remains to be done."""
        action = unit.action
        pairs = Guard(self.crew.hands.port(action.machine)).look()
        told = dict(pairs)
        if not isinstance(action, (Deploy, Rollback)):
            return action  # each of these looks by itself, and does what is done already no second time
        release, trial = (told.get(f"agent.{action.agent}.{key}", "") for key in ("release", "trial"))
        if release == action.release and not trial:  # a trial was well before its commit; what went back may not be yet
            return Entry(what="done", unit=unit.number) if isinstance(action, Deploy) else action
        if isinstance(action, Deploy) and trial == action.release:
            return msgspec.structs.replace(action, resumes=True)
        if (f"agent.{action.agent}.failed", action.release) in pairs:
            return self._failed(unit, ActionFailed("rollout.went_back", where=action.subject, agent=action.agent))
        return action

    # --- what is told --------------------------------------------------------------------------------------------

    def _tell_wave(self, unit: Unit) -> None:
        wave = self.wave_of[unit.number]
        if wave <= self.told_wave or unit.ahead:
            return
        self.told_wave = wave
        units = sum(not one.ahead for one in self.order.waves[wave - 1])
        key = "rollout.canary" if wave == 1 and self.order.canary else "rollout.wave"
        self._note(key, wave=wave, of=len(self.order.waves), units=units)

    def _note(self, step: str, kind: Kind = "note", **params: object) -> None:
        self._say(Event(kind=kind, subject=f"rollout-{self.record.number}", step=step, params=params))

    def _teller(self, unit: Unit) -> Listener:
        wave, number = self.wave_of[unit.number], self.record.number

        def tell(event: Event) -> None:
            told = {**event.params, "wave": wave, "rollout": number}
            self._say(msgspec.structs.replace(event, params=told))

        return tell

    def _say(self, event: Event) -> None:
        with self.hearing:  # many threads, one line after another
            self.listen(event)


def _why(error: ClawrackError) -> str:
    return line(error.part("what") or error.key, 1000)
