"""Rollouts: plans carried out over the fleet, watched, taken up again, taken back."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from fleet import load, rollout_record
from fleet.actions import Deploy, Rollback
from fleet.api.doors import Doors
from fleet.apply import Hands
from fleet.base.disk import replace as write_file
from fleet.base.errors import BadInput, ClawrackError, Refused
from fleet.base.event import Event, Kind, Listener, ignore
from fleet.kinds import check_version, kind
from fleet.machine.guard import Guard
from fleet.machine.port import Port
from fleet.model import Agent, SeenAgent, Wish
from fleet.plan import Plan
from fleet.rollout import Entry, Verdict, agent_of
from fleet.rollout_crew import Crew, Papers
from fleet.rollout_plan import answered, as_of, committed, forward
from fleet.rollout_record import Head, Record
from fleet.rollout_run import Run
from fleet.rollout_view import RolloutView, error_of, view
from fleet.select import narrowed, select


class Touched(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan would touch.

    Attributes:
        agents: how many.
        machines: on how many.
        fleet: how many agents there are.
        sorts: how many of each kind and version, as they are now, ``openclaw 2026.8.2``.
        asks: it is more than the policy lets a plain yes answer for.
    """

    agents: int
    machines: int
    fleet: int
    sorts: dict[str, int]
    asks: bool


class Rolling(Doors):
    """A fleet, rolled out over."""

    def upgrade_plan(self, selectors: Sequence[str], to: str) -> Plan:
        """Return what brings the agents that are meant to a version, and nothing else.

        Raises:
            BadInput: a selector means nobody, or there can be no such version.
            Refused: it is below a kind's floor; or one of them runs a newer version: its state may not be readable for
                an older one.
        """
        wish = self.wish()
        names = select(selectors, wish)
        for of in sorted({wish.agents[name].kind for name in names}):
            check_version(kind(of), to, "--to")
        overlaid = {name: msgspec.structs.replace(wish.agents[name], version=to) for name in names}
        whole = self.plan(msgspec.structs.replace(wish, agents=wish.agents | overlaid), again=True)
        return forward(answered(narrowed(whole, names), names, wish))

    def apply_plan(self, selectors: Sequence[str] = (), fingerprint: str = "", *, again: bool = False) -> Plan:
        """Return what is to be done: all, or what is about the agents that are meant.

        With ``again`` releases that failed before are tried again.

        Raises:
            Refused: a plan was reviewed, and this is another one by now; or an agent runs a newer version than its file
                says.
        """
        whole = self.plan(again=again)
        mine = self._mine(whole, selectors) if selectors else whole
        if fingerprint and fingerprint not in {whole.fingerprint, mine.fingerprint}:
            raise Refused("plan.other", found=mine.fingerprint, wanted=fingerprint)
        return forward(mine)

    def _mine(self, whole: Plan, selectors: Sequence[str]) -> Plan:
        wish = self.wish()
        names = select(selectors, wish)
        return answered(narrowed(whole, names), names, wish)

    def touched(self, todo: Plan) -> Touched:
        """Return what a plan would touch."""
        wish = self.wish()
        subjects = {(name, action.machine) for action in todo.actions if (name := agent_of(action))}
        sorts = Counter(f"{a.kind} {a.version}".strip() for name, _ in subjects if (a := wish.agents.get(name)))
        share = 100 * len(subjects) > wish.policy.asks_above * max(len(wish.agents), 1)
        return Touched(
            agents=len(subjects), machines=len({machine for _, machine in subjects}), fleet=len(wish.agents),
            sorts=dict(sorted(sorts.items())), asks=share and len(subjects) > 1,
        )  # fmt: skip

    def begun_already(self, asked: Sequence[str]) -> RolloutView | None:
        """Return the open rollout that this very command began; None where none is open.

        Raises:
            Refused: another one is open.
        """
        record = rollout_record.unfinished()
        if record is None:
            return None
        if record.head.asked != tuple(asked):
            raise rollout_record.still_open(record)
        return view(record)

    def roll(
        self, todo: Plan, asked: Sequence[str], listen: Listener = ignore, *, of: int = 0, saw: Wish | None = None
    ) -> RolloutView:
        """Carry a plan out as a rollout; `ending` of its number tells how its command ends.

        Args:
            todo: the plan.
            asked: the words of the command.
            listen: hears how it goes.
            of: the number of the rollout that it takes back.
            saw: the fleet's files as they were before it was planned; as they are now where None. What a person
                changes after that is not written over.

        Raises:
            Refused: another rollout is open.
        """
        wish = saw or self.wish()
        if record := rollout_record.unfinished():
            raise rollout_record.still_open(record)
        todo = self.made(todo, listen)
        was = {name: wish.everyone[name] for name in todo.agents if name in wish.everyone}
        head = Head(
            asked=tuple(asked), at=time.time(), plan=todo, policy=wish.policy, fleet=len(wish.agents), was=was, of=of
        )  # fmt: skip
        return self._carry(rollout_record.begin(head), listen)

    def resume(self, number: int | None, listen: Listener = ignore) -> RolloutView:
        """Go on with a rollout that was paused, or whose controller died.

        Raises:
            BadInput: there is none.
            Refused: it is over, or under way.
        """
        record = _named_or_open(number)
        if record.verdict:
            raise Refused("rollout.over", where=f"rollout-{record.number}", **rollout_record.named(record))
        return self._carry(record, listen, again=True)

    def pause(self, number: int | None) -> RolloutView:
        """Begin nothing more; what is under way is waited for by whoever carries it out."""
        record = _open(number)
        try:
            with record.held():
                record.add(Entry(what="paused"))
        except Refused as error:
            if error.key != "disk.locked":
                raise
            record.mark("pause")
        return view(record)

    def abort(self, number: int | None, listen: Listener = ignore) -> RolloutView:
        """End a rollout: what was committed stays, what is on trial goes back."""
        record = _open(number)
        try:
            with record.held():
                record.add(Entry(what="aborted"))
                self._take_back_trials(record, listen)
                record.add(Entry(what="ended", verdict="aborted"))
        except Refused as error:
            if error.key != "disk.locked":
                raise
            record.mark("abort")
        return view(record)

    def rollouts(self) -> list[RolloutView]:
        """Return every rollout that is remembered, the newest first, without their units."""
        records = (rollout_record.read(number) for number in reversed(rollout_record.listed()))
        return [msgspec.structs.replace(view(record), units=()) for record in records]

    def rollout(self, number: int | None = None) -> RolloutView:
        """Return a rollout; without a number the open one, or the last.

        Raises:
            BadInput: there is none.
        """
        return view(_named_or_open(number))

    def ending(self, number: int) -> ClawrackError | None:
        """Return the error with which the command ends that worked on a rollout; None where all went well."""
        return error_of(rollout_record.read(number))

    # --- back ----------------------------------------------------------------------------------------------------

    def rollback_plan(self, names: Sequence[str], to: str = "") -> Plan:
        """Return what brings agents back to a kept release, the one before where none is named.

        Raises:
            Refused: its machine keeps no such release.
            Unreachable: it does not answer.
        """
        wish = self.wish()
        actions, agents = list[Rollback](), dict[str, Agent]()
        for name in select(names, wish):
            agent, machine = self._agent(name)
            told = Guard(self.open(agent.machine, machine)).look()
            kept = [value.split() for key, value in told if key == f"agent.{name}.kept"]
            chosen = next((row for row in kept if row and row[0].startswith(to or row[0])), None)
            if chosen is None:
                known = ", ".join(row[0] for row in kept if row) or "—"
                raise Refused("rollback.not_kept", where=f"{agent.machine}/{name}", agent=name, to=to, known=known)
            now = dict(told).get(f"agent.{name}.release", "")
            agents[name] = as_of(agent, name, chosen)
            actions.append(
                Rollback(machine=agent.machine, agent=name, release=chosen[0], replaces=now, reason="reason.asked")
            )
        return Plan(actions=tuple(actions), agents=agents)

    def rollout_back_plan(self, number: int) -> Plan:
        """Return what takes back all that a rollout has committed; agents that it made, or changed since, stay.

        Raises:
            BadInput: there is none of that number.
        """
        record = rollout_record.read(number)
        deploys = committed(record)
        seen, _ = self.seen(self.wish())
        back: list[Rollback] = []
        agents: dict[str, Agent] = {}
        for action in deploys:
            there = seen.machines.get(action.machine)
            now = there.agents.get(action.agent, SeenAgent(name=action.agent)).release if there else ""
            if now == action.release and action.replaces and action.agent in record.head.was:
                agents[action.agent] = record.head.was[action.agent]
                back.append(
                    Rollback(
                        machine=action.machine,
                        agent=action.agent,
                        release=action.replaces,
                        replaces=now,
                        reason="reason.asked",
                    )
                )
        return Plan(actions=tuple(back), agents=agents)

    # --- carried out ---------------------------------------------------------------------------------------------

    def _carry(self, record: Record, listen: Listener, *, again: bool = False) -> RolloutView:
        with record.held():
            if again:
                record.add(Entry(what="resumed"))
            self._as_planned(record)
            run = Run(record, Crew(self._rolling_hands(record), self._papers(record)), listen)
            _tell(record, listen, "rollout.begun", "begun")
            verdict = run.go()
            self._end(record, verdict)
            _tell(record, listen, f"rollout.{verdict}", _KINDS[verdict])
        return view(record)

    def _end(self, record: Record, verdict: Verdict) -> None:
        open_still = verdict == "paused" or (verdict == "stopped" and view(record).unknown > 0)
        if not open_still:
            record.add(Entry(what="ended", verdict=verdict))

    def _as_planned(self, record: Record) -> None:
        """See that this clawrack makes the same of the agents as the one that planned.

        Raises:
            Refused: it does not: the kind's files changed in between.
        """
        targets = self._rolling_hands(record).targets
        for action in record.head.plan.actions:
            if isinstance(action, Deploy) and targets[action.agent].release != action.release:
                told = rollout_record.named(record)
                raise Refused("rollout.changed", where=action.subject, agent=action.agent, **told)

    def _rolling_hands(self, record: Record) -> Hands:
        wish = self.wish()
        named = {agent_of(action) for action in record.head.plan.actions}
        agents = {name: agent for name, agent in wish.agents.items() if name in named} | record.head.plan.agents
        hands = self._hands(Wish(machines=wish.machines, agents=agents))

        def port(name: str) -> Port:
            return self.open(name, self._machine(name, wish))

        return replace(hands, port=port)

    def _papers(self, record: Record) -> Papers:
        def path(name: str) -> Path:
            return self.folder / "agents" / f"{name}.yaml"

        def read(name: str) -> str | None:
            return path(name).read_text(encoding="utf-8") if path(name).exists() else None

        def put_back(name: str, text: str | None) -> None:
            if text is None:
                path(name).unlink(missing_ok=True)
            else:
                write_file(path(name), text.encode())

        planned, was = record.head.plan.agents, record.head.was
        texts = {name: read(name) for name in planned}
        now = self.wish().everyone  # read after the texts: what changes in between is another text later
        return Papers(
            read,
            lambda name, agent: load.save_agent(self.folder, name, agent),
            put_back,
            lambda name, machine: load.save_machine(self.folder, name, machine),
            {name: {texts[name]} for name in planned if now.get(name) in (was.get(name), planned[name])},
        )

    def _take_back_trials(self, record: Record, listen: Listener) -> None:
        """Take back what a controller that died left on trial; what was committed stays, and so does its file."""
        Run(record, Crew(self._rolling_hands(record), self._papers(record)), listen).take_back()


_KINDS: dict[Verdict, Kind] = {"complete": "done", "stopped": "failed", "paused": "note", "aborted": "note"}


def _tell(record: Record, listen: Listener, step: str, kind: Kind) -> None:
    shown = view(record)
    params = {"number": record.number, "agents": shown.agents, "done": shown.done, "waves": shown.waves}
    listen(Event(kind=kind, subject=f"rollout-{record.number}", step=step, params=params))


def _open(number: int | None) -> Record:
    record = rollout_record.read(number) if number else rollout_record.unfinished()
    if record is None:
        raise BadInput("rollout.none_open")
    if record.verdict:
        raise Refused("rollout.over", where=f"rollout-{record.number}", **rollout_record.named(record))
    return record


def _named_or_open(number: int | None) -> Record:
    if number:
        return rollout_record.read(number)
    record = rollout_record.unfinished()
    numbers = rollout_record.listed()
    if record is None and not numbers:
        raise BadInput("rollout.none_open")
    return record or rollout_record.read(numbers[-1])
