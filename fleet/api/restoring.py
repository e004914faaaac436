"""Putting an agent back from a backup, here or elsewhere: never beside its old self."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from fleet import load, meter, near, tombs
from fleet.actions import Remove
from fleet.api.backups import Backups
from fleet.backup import check
from fleet.backup.bundle import Opened
from fleet.backup.calls import BackupGuard
from fleet.backup.form import Manifest
from fleet.backup.seal import Sink, unseal
from fleet.backup.shelves import SLACK, renewing
from fleet.backup.store import Found, Restored, Store
from fleet.base.errors import ActionFailed, BadInput, ClawrackError, Refused, Unreachable
from fleet.base.event import Event, Listener, ignore
from fleet.base.names import agent_name
from fleet.base.secret import Secret
from fleet.deploy import secrets_of
from fleet.kinds import kind
from fleet.model import PRACTICE, Agent, Machine, Seen, SeenAgent, Wish, free_page
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
        left, tomb = self._never_two(wanted, told, target, _Sight(wish, seen, troubles), listen)
        listen(Event(kind="begun", subject=f"{target}/{name}", step="step.restore", params={"agent": name}))
        with held(self.port(target), self.hands.holder) as site:
            kept = self._brought(site, name, opened, _Again(wanted.found, keys, opened))
            model = self._way(site, agent)
        self._started(name, msgspec.structs.replace(agent, model=model), wish, listen)
        if left and wanted.as_:
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
        return msgspec.structs.replace(
            held_, kind=told.kind, machine=target, version=told.kind_version, page=page, proven="",
            image=told.image if same else "", ref=told.ref if same else "",
            image_of=told.kind_version if same else "", group=before.group if before else "",
            tags=before.tags if before else (), model=told.model or PRACTICE,
        )  # fmt: skip

    def _never_two(
        self, wanted: Wanted, told: Manifest, target: str, sight: "_Sight", listen: Listener
    ) -> tuple[str, str]:
        """See that the agent's old self does not run and will not; return the machine it was taken off, and the tomb.

        Raises:
            Refused: it runs somewhere; or a machine that may run it does not answer, and nobody says that it is dead.
        """
        here = target if wanted.called == told.agent else ""
        found = {name: one for name, one in sight.selves(told.agent).items() if name != here}
        for machine, one in found.items():
            if one.state == "running" or not one.on_purpose or one.trial:
                raise Refused("backup.lives", where=f"{machine}/{told.agent}", agent=told.agent, machine=machine)
        silent = sight.silent(told)
        if target in silent:
            raise Unreachable("backup.target_silent", where=target, machine=target) from silent[target]
        if silent and not wanted.old_is_dead:
            old = next(iter(silent))
            raise Refused("backup.old_silent", where=old, agent=told.agent, machine=old, name=wanted.name)
        unknown = self._unknown(told, sight.wish)
        if unknown and not wanted.old_is_dead:
            raise Refused("backup.old_unknown", where=told.machine, agent=told.agent, machine=told.machine)
        for machine in found:
            self._one(Remove(machine=machine, agent=told.agent, keep=True, reason="reason.asked"), listen)
        return ", ".join(found), self._buried(told, sight, unknown=unknown, dead=tuple(silent))

    def _unknown(self, told: Manifest, wish: Wish) -> bool:
        """Whether the machine of before is none of the fleet's, and no tombstone waits for it."""
        ids = {machine.id for machine in wish.machines.values()} | {tomb.id for tomb in tombs.load(self.folder)}
        return not told.machine_id or told.machine_id not in ids

    def _buried(self, told: Manifest, sight: "_Sight", *, unknown: bool, dead: tuple[str, ...]) -> str:
        stones: list[tombs.Tomb] = []
        for name in dead:
            machine = sight.wish.machines[name]
            key = self.graves.key_of(name, machine)
            stones.append(tombs.bury(self.folder, name, machine, [told.agent], key, moved=[told.agent]))
        if unknown and (machine := _machine_of(told)):
            stones.append(
                tombs.bury(self.folder, told.machine, machine, [told.agent], told.host_key, moved=[told.agent])
            )
        return ", ".join(stone.stem for stone in stones)

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

    def _started(self, name: str, agent: Agent, wish: Wish, listen: Listener) -> None:
        """Write the file, deploy what it says, and take the file back where that fails."""
        load.save_agent(self.folder, name, agent)
        try:
            part = Wish(machines={agent.machine: wish.machines[agent.machine]}, agents={name: agent})
            self.apply(self.made(self.plan(part), listen), listen)
            self.start(name, listen)
        except ClawrackError as error:
            if not isinstance(error, Unreachable):
                self._as_before(name, wish)
            raise
        if agent.model != PRACTICE:
            with held(self.port(agent.machine), self.hands.holder) as site:
                meter.assign(site, name, agent.model)

    def _as_before(self, name: str, wish: Wish) -> None:
        if name in wish.agents:
            load.save_agent(self.folder, name, wish.agents[name])
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
class _Sight:
    """What was wished and seen when the restore began."""

    wish: Wish
    seen: Seen
    troubles: dict[str, ClawrackError]

    def selves(self, agent: str) -> dict[str, SeenAgent]:
        """Return every machine where an agent of this name is, and what it is there."""
        there = {name: one.agents.get(agent) for name, one in self.seen.machines.items() if one}
        return {name: one for name, one in there.items() if one and (one.release or one.trial or one.container)}

    def silent(self, told: Manifest) -> dict[str, ClawrackError]:
        """Return the machines that may run the agent and do not answer: where it was, and where its file says it is."""
        wished = self.wish.agents.get(told.agent)
        may = {wished.machine} if wished else set[str]()
        may |= {name for name, one in self.wish.machines.items() if told.machine_id and one.id == told.machine_id}
        return {name: self.troubles[name] for name in sorted(may) if name in self.troubles}


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


def _machine_of(told: Manifest) -> Machine | None:
    try:
        return msgspec.convert(told.place | {"id": told.machine_id}, Machine) if told.place else None
    except (msgspec.ValidationError, TypeError):
        return None


def _secrets(content: bytes, where: str) -> dict[str, str]:
    """Return secrets by name.

    Raises:
        BadInput: they are no plain map of texts.
    """
    try:
        return msgspec.json.decode(content, type=dict[str, str])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadInput("backup.not_one", where=where) from error
