"""Who an agent of a backup is: its old selves, whatever they are called now, and what of its image is believed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from fleet import tombs
from fleet.backup.form import Manifest
from fleet.base.errors import ClawrackError, Refused, Unreachable
from fleet.model import Machine, Seen, SeenAgent, SeenMachine, Wish


@dataclass(frozen=True)
class Case:
    """What is put back (as its backup tells), its name from now on, where to, and whether its old machine is dead."""

    told: Manifest
    called: str
    target: str
    old_is_dead: bool = False


@dataclass(frozen=True)
class Sight:
    """What was wished and seen when the restore began."""

    wish: Wish
    seen: Seen
    troubles: dict[str, ClawrackError]

    def selves(self, agent: str) -> dict[str, SeenAgent]:
        """Return every machine where an agent of this name is, and what it is there."""
        there = {name: one.agents.get(agent) for name, one in self.seen.machines.items() if one}
        return {name: one for name, one in there.items() if one and (one.release or one.trial or one.container)}

    def lives(self, agent: str) -> str:
        """Return the machine where an agent's file says that it is, or nothing."""
        return self.wish.everyone[agent].machine if agent in self.wish.everyone else ""

    def gone(self, told: Manifest) -> bool:
        """Tell whether the machine of before is none of the fleet's."""
        return not told.machine_id or told.machine_id not in {one.id for one in self.wish.machines.values()}

    def silent(self, case: Case) -> dict[str, ClawrackError]:
        """Return the machines that may run it and do not answer: where it was, and where its files say it is."""
        told, may = case.told, {self.lives(case.told.agent), self.lives(case.called)}
        may |= {name for name, one in self.wish.machines.items() if told.machine_id and one.id == told.machine_id}
        return {name: self.troubles[name] for name in sorted(may) if name in self.troubles}


def old_selves(case: Case, sight: Sight, stones: Iterable[tombs.Tomb]) -> list[tuple[str, str]]:
    """Return machine and name of all that was the agent, or has its new name, but what it is put back over.

    Raises:
        Refused: one of them is not stopped on purpose; it lives on under a third name; or nobody knows whether it
            runs, and nobody says that its old machine is dead.
        Unreachable: the machine that it goes to does not answer.
    """
    told = case.told
    for other in other_names(told, case.called, sight.wish):
        raise Refused("backup.lives_as", where=other, agent=told.agent, other=other)
    found = {(at, name): one for name in (told.agent, case.called) for at, one in sight.selves(name).items()}
    found.pop((case.target, case.called), None)
    for (machine, name), one in found.items():
        if one.state == "running" or not one.on_purpose or one.trial:
            raise Refused("backup.lives", where=f"{machine}/{name}", agent=name, machine=machine)
    _known_dead(case, sight, stones)
    return list(found)


def _known_dead(case: Case, sight: Sight, stones: Iterable[tombs.Tomb]) -> None:
    """See that no machine may run it of which nobody knows, but where a person says that it is dead."""
    told, silent = case.told, sight.silent(case)
    if case.target in silent:
        raise Unreachable("backup.target_silent", where=case.target, machine=case.target) from silent[case.target]
    if case.old_is_dead:
        return
    for old in silent:
        raise Refused("backup.old_silent", where=old, agent=told.agent, machine=old, name=told.agent)
    if sight.gone(told) and not any(is_of(told, stone) and told.agent in stone.agents for stone in stones):
        raise Refused("backup.old_unknown", where=told.machine, agent=told.agent, machine=told.machine)


def origin_of(told: Manifest) -> str:
    """Return whose state a backup's began with: through every restore it stays what it was at the first."""
    before = told.file.get("origin", "")
    return before if isinstance(before, str) and before else f"{told.machine_id or told.machine}/{told.agent}"


def other_names(told: Manifest, called: str, wish: Wish) -> Iterator[str]:
    """Yield the agents that the backup's state lives on in already, under other names than its own and the new one."""
    origin = origin_of(told)
    for name, agent in sorted(wish.everyone.items()):
        if agent.origin == origin and name not in {told.agent, called}:
            yield name


def is_of(told: Manifest, stone: tombs.Tomb) -> bool:
    """Tell whether a tombstone is of the backup's machine."""
    return bool(told.machine_id) and stone.id == told.machine_id


def machine_of(told: Manifest) -> Machine | None:
    """Return how the backup's machine was reached, where it says it as a file of ours would."""
    try:
        return msgspec.convert(told.place | {"id": told.machine_id}, Machine) if told.place else None
    except (msgspec.ValidationError, TypeError):
        return None


def as_if_new(agent: str, there: SeenMachine) -> SeenMachine:
    """Return a machine on which nobody has stopped the agent on purpose, nor has the supervisor given it up."""
    found = there.agents.get(agent)
    if found is None:
        return there
    open_ = msgspec.structs.replace(found, on_purpose=False, reason="")
    return msgspec.structs.replace(there, agents=there.agents | {agent: open_})


def image_of(told: Manifest) -> tuple[str, str]:
    """Return the image and the ref of a backup, where they may be believed; else both are empty, and found anew.

    Whoever knows the recovery key's public half can write a backup. So the image is ours, which is taken by its name
    and proven by its id, or of a repository that the kind's own recipe names.

    Raises:
        BadInput: there is no such kind, or that is no version.
        Refused: the version is below the kind's floor.
    """
    from fleet.images.recipe import recipe_of  # noqa: PLC0415 - takes long to import
    from fleet.images.trusted import trusted_ref  # noqa: PLC0415 - likewise

    good = trusted_ref(told.ref, recipe_of(told.kind, told.kind_version))
    return (told.image, good) if good else ("", "")
