"""Drift: a machine is not as it was left by us. Told in the plan, with what follows from it by rule: pure.

Nothing that is found changed is passed over, and nothing is done twice: what an action puts right is told beside it;
what might be two copies of one agent, or somebody's decision, is left alone, with what a person may type.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Literal

import msgspec

from fleet.model import Machine, Seen, SeenAgent, SeenMachine, Wish

Then = Literal["mended", "replaced", "left", "held"]
"""It is put right by an action; goes with a new release; stays as it is; nothing is done before a person says more."""

CONFIG = "config"
BOX = frozenset({"image", "label", "limits"})
"""What a guard says of an agent's files, and of its container (docs/guard.md)."""


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was left.

    Attributes:
        machine: where.
        what: a key of the words, ``drift.…``, filled with the fields and ``params``.
        then: what follows.
        agent: whose, or empty.
    """

    machine: str
    what: str
    then: Then
    agent: str = ""
    params: dict[str, str] = {}

    @property
    def weighs(self) -> bool:
        """Whether a plan decided upon it; what is somebody else's may come and go."""
        return self.what not in {"drift.other", "drift.unnamed", "drift.stray", "drift.beyond"}


def of_machine(name: str, machine: Machine, there: SeenMachine, twins: Mapping[str, str]) -> Drift | None:
    """Return why nothing may be done on a machine, or None."""
    if name in twins:
        return Drift(machine=name, what="drift.twin", then="held", params={"other": twins[name]})
    if machine.id and there.id != machine.id:
        return Drift(machine=name, what="drift.other_id", then="held", params={"id": there.id or "-"})
    if not there.engine:
        return Drift(machine=name, what="drift.engine", then="held")
    return None


def around(name: str, there: SeenMachine, wish: Wish, unplaced: Collection[str]) -> Iterator[Drift]:
    """Yield what is on a machine beside what the fleet has there: it is left alone."""
    for agent in sorted(name for name in there.agents if name not in wish.agents):
        if agent not in unplaced:
            what = "drift.beyond" if agent in wish.beyond else "drift.stray"
            yield Drift(machine=name, agent=agent, what=what, then="left")
    for what, found in (("drift.unnamed", there.unnamed), ("drift.other", there.others)):
        if found:
            yield Drift(machine=name, what=what, then="left", params={"names": ", ".join(sorted(found))})


def of_agent(machine: str, seen: SeenAgent, *, same: bool) -> Iterator[Drift]:
    """Yield what was changed of an agent; ``same`` where its release stays, so that it is put back."""
    held = same and bool(seen.reason)
    then: Then = "held" if held else "mended" if same else "replaced"
    for word in sorted({*seen.drift} & {CONFIG, *BOX}):
        yield Drift(machine=machine, agent=seen.name, what=f"drift.{word}", then=then)


def homes(seen: Seen) -> dict[str, list[str]]:
    """Return the machines on which each agent is or was, by its name."""
    found: dict[str, list[str]] = {}
    for name, there in sorted(seen.machines.items()):
        for agent in there.agents if there else ():
            found.setdefault(agent, []).append(name)
    return found


def settled(seen: SeenAgent) -> bool:
    """Tell whether an agent is proven not to run, and does not come back by itself."""
    return not seen.trial and (seen.on_purpose or not seen.release) and seen.state not in {"running", "restarting"}


def twice(seen: Seen) -> dict[str, str]:
    """Return the machines that carry another one's id, each with the other: one disk was copied."""
    by_id: dict[str, list[str]] = {}
    for name, there in sorted(seen.machines.items()):
        if there and there.id:
            by_id.setdefault(there.id, []).append(name)
    return {name: next(n for n in names if n != name) for names in by_id.values() if len(names) > 1 for name in names}
