"""Putting an agent back from a backup, here or elsewhere: never beside its old self."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from fleet import load, meter, near, tombs
from fleet.actions import Remove
from fleet.api.backups import Backups
from fleet.api.selves import Case, Sight, as_if_new, image_of, is_of, machine_of, old_selves, origin_of
from fleet.backup import check
from fleet.backup.bundle import Opened
from fleet.backup.calls import BackupGuard
from fleet.backup.form import Manifest
from fleet.backup.seal import Sink, unseal
from fleet.backup.shelves import SLACK, renewing
from fleet.backup.store import Found, Restored, Store
from fleet.base.errors import ActionFailed, BadInput, ClawrackError, Unreachable
from fleet.base.event import Event, Listener, ignore
from fleet.base.names import agent_name
from fleet.base.secret import Secret
from fleet.deciding import decide
from fleet.deploy import secrets_of
from fleet.kinds import kind
from fleet.model import PRACTICE, Agent, Seen, Wish, free_page
from fleet.plan import Plan
from fleet.site import Site, held


@dataclass(frozen=True)
class Wanted:
    """What is to be put back, and how.

    Attributes:
        name: of the agent in the backup.
        found: the backup.
        machine: where to; empty for where it was.
        as_: its name from now on; empty for the one it had.
        old_is_dead: a person says that its old machine will not run it again.
    """

    name: str
    found: Found
    machine: str = ""
    as_: str = ""
    old_is_dead: bool = False

    @property
    def called(self) -> str:
        """Its name from now on."""
        return self.as_ or self.name


class Restoring(Backups):
    """A fleet, put back."""

    def restore(self, wanted: Wanted, store: Store, keys: Sequence[Secret], listen: Listener = ignore) -> Restored:
        """Put an agent back: its state, its secrets, what ran; a new key for the meter.

        The whole backup is read and judged before anything is changed. Where the agent is there and is to be replaced,
        it is stopped, and its state of before is kept on the machine.

        Raises:
            BadInput: it is no backup of ours, of another agent, or for a machine that is not in the fleet.
            Refused: none of the keys opens it; it could do harm; its old self runs, or nobody knows whether it does.
            StateDamaged: it is not whole.
            ActionFailed: there is no room, or it does not become ready; the folder says what it said before.
        """
        del store
        opened = check.check(wanted.found.open, keys, wanted.found.name, sha256=wanted.found.sha256)
        told, wish = opened.manifest, self.wish()
        if told.agent != wanted.name:
            raise BadInput("backup.other_agent", where=wanted.found.name, agent=told.agent, name=wanted.name)
        name = agent_name(wanted.called)
        target = self._to(wanted, told, wish)
        agent = self._wished(told, name, target, wish)
        seen, troubles = self.seen(wish)
        case = Case(told, name, target, old_is_dead=wanted.old_is_dead)
        left, tomb = self._never_two(case, Sight(wish, seen, troubles), listen)
        listen(Event(kind="begun", subject=f"{target}/{name}", step="step.restore", params={"agent": name}))
        with held(self.port(target), self.hands.holder) as site:
            kept = self._brought(site, name, opened, _Again(wanted.found, keys, opened))
            model = self._way(site, agent)
        self._started(name, msgspec.structs.replace(agent, model=model), _Before(wish, kept), listen)
        if name != told.agent:  # it is called that from now on
            load.forget_agent(self.folder, told.agent)
        listen(Event(kind="done", subject=f"{target}/{name}", step="step.restore", params={"agent": name}))
        at = f"{datetime.fromtimestamp(told.state.at, UTC):%Y-%m-%dT%H:%M:%SZ}"
        return Restored(agent=name, machine=target, backup=told.id, at=at, kept=kept, left=left, tomb=tomb, model=model)

    def _to(self, wanted: Wanted, told: Manifest, wish: Wish) -> str:
        """Return the machine that it goes to: the one that was named, or where it was."""
        if wanted.machine:
            if wanted.machine not in wish.machines:
                raise near.no_machine(wanted.machine, wish)
            return wanted.machine
        by_id = [name for name, machine in wish.machines.items() if told.machine_id and machine.id == told.machine_id]
        lives = wish.agents[wanted.called].machine if wanted.called in wish.agents else ""
        found = lives or next(iter(by_id), "")
        if not found:
            known = ", ".join(sorted(wish.machines)) or "-"
            raise BadInput("backup.which_machine", agent=wanted.called, machine=told.machine, known=known)
        return found

    def _wished(self, told: Manifest, name: str, target: str, wish: Wish) -> Agent:
        """Return the agent's file as it will be."""
        try:
            held_ = msgspec.convert(told.file, Agent)
        except msgspec.ValidationError as error:
            raise BadInput("backup.not_one", where=told.id) from error
        kind(told.kind)
        before = wish.agents.get(name)
        others = [agent for other, agent in wish.agents.items() if other != name]
        page = held_.page if held_.page_port not in {agent.page_port for agent in others} else free_page(others)
        same = wish.machines[target].architecture in {"", told.architecture} or not told.architecture
        image, ref = image_of(told) if same else ("", "")
        return msgspec.structs.replace(
            held_, kind=told.kind, machine=target, version=told.kind_version, page=page, proven="",
            image=image, ref=ref, image_of=told.kind_version if image else "", group=before.group if before else "",
            tags=before.tags if before else (), model=told.model or PRACTICE, origin=origin_of(told),
        )  # fmt: skip

    def _never_two(self, case: Case, sight: Sight, listen: Listener) -> tuple[str, str]:
        """See that no old self of the agent runs or will; return the machines it was taken off, and the tombs.

        Raises:
            Refused: one runs somewhere; or a machine that may run it does not answer, and nobody says that it is dead.
        """
        stones = tombs.load(self.folder)
        found = old_selves(case, sight, stones)
        for machine, name in found:
            self._one(Remove(machine=machine, agent=name, keep=True, reason="reason.asked"), listen)
        return ", ".join(dict.fromkeys(machine for machine, _ in found)), self._buried(case, sight, stones)

    def _buried(self, case: Case, sight: Sight, stones: Sequence[tombs.Tomb]) -> str:
        """Have a tombstone for every machine that may come back say that the agent has moved; return them."""
        told, made = case.told, list[tombs.Tomb]()
        for name in sight.silent(case):
            machine = sight.wish.machines[name]
            mine = {told.agent} | {agent for agent in (case.called,) if sight.lives(agent) == name}
            made.append(tombs.bury(self.folder, name, machine, mine, self.graves.key_of(name, machine), moved=mine))
        if sight.gone(told):  # what stands on a stone was seen by us; what a backup says of its machine was not
            places = [(one.name, one.machine, one.host_key) for one in stones if is_of(told, one)]
            machine = machine_of(told)
            for at in places or ([(told.machine, machine, told.host_key)] if machine else []):
                made.append(tombs.bury(self.folder, at[0], at[1], [told.agent], at[2], moved=[told.agent]))
        return ", ".join(stone.stem for stone in made)

    def _brought(self, site: Site, name: str, opened: Opened, again: "_Again") -> str:
        """Bring state and secrets; return where the state of before is kept."""
        guard, told = BackupGuard(site.port), opened.manifest
        there = dict(guard.look())
        free = int(there.get("disk_free", "0") or "0")
        if free < opened.rules.room + told.state.bytes + SLACK:
            needed = (opened.rules.room + told.state.bytes + SLACK) >> 20
            raise ActionFailed("backup.no_room", where=site.name, needed=needed, free=free >> 20)
        if there.get(f"agent.{name}.release"):
            guard.stop(site.lease, name)

        def give(push: Sink) -> None:
            again.feed(renewing(site, push))

        said = guard.bring(site.lease, name, told.state.bytes, told.state.sha256, opened.rules.room)(give)
        site.renew()
        if told.secrets and opened.secrets not in {b"", b"{}"}:
            which = kind(told.kind)  # its key at the meter is of this place: it stays, or is made anew
            known = secrets_of(guard, name, which) | _secrets(opened.secrets, told.id)
            guard.secrets(site.lease, name, which.secrets.file, msgspec.json.encode(known, order="sorted"))
        return said.get("kept", "")

    def _way(self, site: Site, agent: Agent) -> str:
        """Return the way its calls go there: its own, or practice where the machine's meter has no key for that."""
        try:
            known = meter.routes(site.guard).routes
        except ClawrackError:
            return PRACTICE
        return agent.model if agent.model in known else PRACTICE

    def _started(self, name: str, agent: Agent, before: "_Before", listen: Listener) -> None:
        """Write the file, deploy what it says, and take the file back where that fails.

        Raises:
            ActionFailed: likewise; where it stood over another state the agent is stopped, and where that is is told.
        """
        load.save_agent(self.folder, name, agent)
        try:
            part = Wish(machines={agent.machine: before.wish.machines[agent.machine]}, agents={name: agent})
            self.apply(self._planned_anew(name, part), listen)
            self.start(name, listen)
        except Unreachable:
            raise
        except ClawrackError as error:
            self._as_before(name, before.wish)
            self._halted(name, agent.machine)
            if before.kept:
                told = {"agent": name, "machine": agent.machine, "path": before.kept}
                reason, kept = error.part("what"), before.kept.rpartition("/")[2]
                raise ActionFailed(
                    "backup.not_ready", where=f"{agent.machine}/{name}", reason=reason, kept=kept, **told
                ) from error
            raise
        if agent.model != PRACTICE:
            with held(self.port(agent.machine), self.hands.holder) as site:
                meter.assign(site, name, agent.model)

    def _planned_anew(self, name: str, part: Wish) -> Plan:
        """Return the plan for an agent whose state was just replaced: the release of that state, on trial.

        It was stopped for it, and what failed or was meant before was with another state: neither holds it back.
        """
        seen, troubles = self.seen(part, images=True)
        machines = {at: one and as_if_new(name, one) for at, one in seen.machines.items()}
        return decide(part, Seen(machines=machines), self.knows, troubles, again=True).plan

    def _halted(self, name: str, machine: str) -> None:
        """Stop an agent that did not become ready with its state: another release would run on that."""
        with held(self.port(machine), self.hands.holder) as site:
            if dict(site.guard.look()).get(f"agent.{name}.release"):
                site.guard.stop(site.lease, name)

    def _as_before(self, name: str, wish: Wish) -> None:
        if name in wish.everyone:
            load.save_agent(self.folder, name, wish.everyone[name])
        else:
            load.forget_agent(self.folder, name)

    def kept_states(self, machine: str, agent: str) -> list[str]:
        """Return the states that a machine keeps of agents of this name that were removed, the newest last."""
        names = BackupGuard(self.port(machine)).kept()
        mine = [name for name in names if name == agent or name.partition(".")[0] == agent]
        return sorted(mine, key=lambda name: int(name.partition(".")[2] or "1"))

    def restore_kept(self, name: str, kept: str = "", listen: Listener = ignore) -> Restored:
        """Give an agent the state that its machine kept when one of its name was removed.

        The agent is stopped for it and its present state is kept in its turn; the one that was kept goes once the agent
        is ready with it.

        Raises:
            BadInput: nothing, or nothing of that name, is kept there.
        """
        agent, _ = self._agent(name)
        found = self.kept_states(agent.machine, name)
        chosen = kept or (found[-1] if found else "")
        if chosen not in found:
            raise BadInput("backup.none_kept", where=agent.machine, agent=name, known=", ".join(found) or "-")
        with held(self.port(agent.machine), self.hands.holder) as site:
            guard = BackupGuard(site.port)
            guard.stop(site.lease, name)
            guard.unkeep(site.lease, name, chosen)
        self.start(name, listen)
        with held(self.port(agent.machine), self.hands.holder) as site:
            BackupGuard(site.port).unkept(site.lease, chosen)
        return Restored(agent=name, machine=agent.machine, backup=chosen, model=agent.model)


@dataclass(frozen=True)
class _Before:
    """What was before: the fleet as its files said, and where on its machine the agent's state is kept, or empty."""

    wish: Wish
    kept: str


@dataclass(frozen=True)
class _Again:
    """A backup that was judged, to be read once more."""

    found: Found
    keys: Sequence[Secret]
    before: Opened

    def feed(self, to: Sink) -> None:
        """Hand its state on; it is judged again, for a file may change."""
        opened = Opened(self.found.name, self.before.rules.room, state=to)
        with self.found.open() as source:
            unseal(source, opened.feed, self.keys, self.found.name)
        opened.end()


def _secrets(content: bytes, where: str) -> dict[str, str]:
    """Return secrets by name.

    Raises:
        BadInput: they are no plain map of texts.
    """
    try:
        return msgspec.json.decode(content, type=dict[str, str])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadInput("backup.not_one", where=where) from error
