"""A fleet whose files were lost, written again from what its machines say."""

from typing import Any

from msgspec.structs import replace

from fleet import load, rebuild
from fleet.api.looks import Looks
from fleet.base.errors import BadInput, Refused
from fleet.base.event import Event, Listener, ignore
from fleet.kinds import METER, home_of, homes, kind
from fleet.model import Agent, Machine, SeenMachine, Target
from fleet.rebuild import Found, Rebuilt
from fleet.render import configs, target
from fleet.resolve import meter_version
from fleet.versions import well_formed


class Rebuilding(Looks):
    """A fleet, rebuilt."""

    def rebuild(self, names: tuple[str, ...] = (), listen: Listener = ignore) -> list[Rebuilt]:
        """Write the files of agents that run on these machines, or on any, and are in none.

        A machine's own file is completed with what it says of itself. What is in a file stays as it is.

        Raises:
            BadInput: there is no such machine, or a file that is there cannot be read.
            ClawrackError: why the first machine that does not answer does not; the others had their turn.
        """
        wish = self.wish()
        asked = {name: self._machine(name, wish) for name in names or sorted(wish.machines)}
        seen, troubles = self.seen(replace(wish, machines=asked, agents={}))
        made: list[Rebuilt] = []
        for name, machine in asked.items():
            there = seen.machines[name]
            if there is not None:
                self._rebuild_machine(name, machine, there)
                made += self._rebuild_agents(name, machine, there, set(wish.everyone), listen)
        if troubles:
            raise next(iter(troubles.values()))
        return made

    def _rebuild_machine(self, name: str, machine: Machine, there: SeenMachine) -> None:
        told = _believed_meter(rebuild.meter_of(self.open(name, machine), there))
        fresh = {key: value for key, value in told.items() if value and not getattr(machine, key)}
        if fresh:
            load.save_machine(self.folder, name, replace(machine, **fresh))

    def _rebuild_agents(
        self, name: str, machine: Machine, there: SeenMachine, known: set[str], listen: Listener
    ) -> list[Rebuilt]:
        port, made = self.open(name, machine), list[Rebuilt]()
        for lost in rebuild.missing(there, known):
            seen = there.agents[lost]
            if seen.kind not in homes() or not seen.release:
                listen(Event(kind="note", subject=f"{name}/{lost}", step="rebuild.left", params={"kind": seen.kind}))
                continue
            told = _believed(seen.kind, rebuild.asked(port, lost))
            found = rebuild.agent(replace(seen, image=_id(seen.image)), name, told, _rendered)
            load.save_agent(self.folder, lost, found)
            same = _rendered(lost, found).release == seen.release
            made.append(Rebuilt(agent=lost, machine=name, kind=seen.kind, version=found.version, same=same))
        return made


def _rendered(name: str, agent: Agent) -> Target:
    return target(name, agent, kind(agent.kind), configs(home_of(agent.kind)))


def _believed(of: str, told: Found) -> Found:
    """Return what is kept of what a machine tells of an image: a version that can be one, and where a recipe leads."""
    version = told.version if well_formed(told.version) else ""
    return Found(version=version, ref=_ref(of, version, told.ref))


def _believed_meter(told: dict[str, Any]) -> dict[str, Any]:
    ref = str(told["meter_ref"])
    return {**told, "meter": _id(told["meter"]), "meter_ref": _ref(METER, meter_version(ref), ref)}


def _ref(of: str, version: str, ref: str) -> str:
    from fleet.images.recipe import recipe_of  # noqa: PLC0415 - takes long to import, and is rarely needed
    from fleet.images.trusted import trusted_ref  # noqa: PLC0415 - likewise

    try:
        return trusted_ref(ref, recipe_of(of, version)) if version else ""
    except (BadInput, Refused):  # it is a version that the kind does not have any more
        return ""


def _id(image: str) -> str:
    from fleet.images.trusted import trusted_id  # noqa: PLC0415 - see above

    return trusted_id(image)
