"""What is wrong with a fleet, and what can be mended."""

from typing import TYPE_CHECKING

from fleet import apply as applying
from fleet.actions import AnyAction
from fleet.api.looks import Looks
from fleet.base.errors import BadInput
from fleet.base.event import Event, Listener, ignore
from fleet.model import Wish

if TYPE_CHECKING:
    from fleet.doctor.ask import Patient
    from fleet.doctor.finding import Diagnosis
    from fleet.doctor.mend import Act
    from fleet.doctor.rounds import Agrees, Rounds
    from fleet.site import Site


class Health(Looks):
    """A fleet, examined."""

    def doctor(
        self, machine: str = "", agent: str = "", *, agrees: "Agrees | None" = None, listen: Listener = ignore
    ) -> "Diagnosis":
        """Return what is wrong with a machine, an agent, or the whole fleet.

        With ``agrees``, which says yes or no to what restarts an agent, what may be mended is, and looked at again.

        Raises:
            BadInput: there is no such machine or agent.
        """
        rounds = self._rounds(machine, agent, listen)
        return rounds.mend(agrees) if agrees else rounds.look()

    def _rounds(self, machine: str, agent: str, listen: Listener) -> "Rounds":
        from fleet.doctor import ports  # noqa: PLC0415 - the other commands do without
        from fleet.doctor.rounds import Rounds  # noqa: PLC0415 - likewise

        wish = self.wish()
        machine = self._agent(agent)[0].machine if agent else machine
        if machine and machine not in wish.machines:
            raise BadInput("fleet.no_machine", machine=machine)
        hands = self._hands(wish)
        names = [machine] if machine else sorted(wish.machines)
        mine = {n: (a, hands.kinds[n]) for n, a in wish.agents.items() if a.machine in names and agent in ("", n)}
        patients = [self._patient(name, wish, hands) for name in names]
        return Rounds(patients, self._act(hands, listen), agent, lambda: ports.taken(mine))

    def _patient(self, name: str, wish: Wish, hands: applying.Hands) -> "Patient":
        from fleet.doctor.ask import Patient  # noqa: PLC0415 - see _rounds

        machine = wish.machines[name]
        mine = {n: (a, hands.kinds[n], hands.targets[n]) for n, a in wish.agents.items() if a.machine == name}
        return Patient(name, machine, self._opener(name, machine), self.carried(), hands.holder, mine)

    def _act(self, hands: applying.Hands, listen: Listener) -> "Act":
        def act(site: "Site", action: AnyAction) -> bool:
            changed: list[bool] = []

            def hear(event: Event) -> None:
                changed.append(event.kind == "done" and event.step == action.step)
                listen(event)

            with hands.journal.action(action):
                applying.perform(action, site, hands, hear)
            return any(changed)

        return act
