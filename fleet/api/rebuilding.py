"""A fleet whose files were lost, written again from what its machines say."""

import msgspec

from fleet import load, rebuild
from fleet.api.looks import Looks
from fleet.base.event import Event, Listener, ignore
from fleet.kinds import home_of, homes, kind
from fleet.model import Agent, Machine, SeenMachine, Target
from fleet.rebuild import Rebuilt
from fleet.render import configs, target


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
        seen, troubles = self.seen(msgspec.structs.replace(wish, machines=asked, agents={}))
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
        told = rebuild.meter_of(self.open(name, machine), there)
        fresh = {key: value for key, value in told.items() if value and not getattr(machine, key)}
        if fresh:
            load.save_machine(self.folder, name, msgspec.structs.replace(machine, **fresh))

    def _rebuild_agents(
        self, name: str, machine: Machine, there: SeenMachine, known: set[str], listen: Listener
    ) -> list[Rebuilt]:
        port, made = self.open(name, machine), list[Rebuilt]()
        for lost in rebuild.missing(there, known):
            seen = there.agents[lost]
            if seen.kind not in homes() or not seen.release:
                listen(Event(kind="note", subject=f"{name}/{lost}", step="rebuild.left", params={"kind": seen.kind}))
                continue
            found = rebuild.agent(seen, name, rebuild.asked(port, lost), _rendered)
            load.save_agent(self.folder, lost, found)
            same = _rendered(lost, found).release == seen.release
            made.append(Rebuilt(agent=lost, machine=name, kind=seen.kind, version=found.version, same=same))
        return made


def _rendered(name: str, agent: Agent) -> Target:
    return target(name, agent, kind(agent.kind), configs(home_of(agent.kind)))
