"""Providers' keys on the machines of a fleet: given, proven, told, taken away."""

from collections.abc import Sequence

from msgspec import structs

from fleet import keys, load, meter
from fleet.api.looks import Looks
from fleet.base.errors import BadInput
from fleet.base.secret import Secret
from fleet.deploy import secrets_of
from fleet.keys import Checked, Verdict
from fleet.kinds import kind
from fleet.machine.guard import Guard
from fleet.machine.many import many
from fleet.meter import Route, Routes
from fleet.model import PRACTICE
from fleet.providers import CUSTOM, Way, ways
from fleet.site import Site, held
from fleet.views import Keys, KeyView


class Keyring(Looks):
    """A fleet, with its keys."""

    def check_key(self, machine: str, tried: tuple[Way, ...], key: Secret, model: str) -> Checked:
        """Return what a provider says of a key, asked from a machine; see `fleet.keys.check`."""
        return keys.check(self.port(machine), tried, key, model)

    def set_key(
        self, machine: str, way: Way, model: str, key: Secret, agents: Sequence[str] | None = None
    ) -> tuple[KeyView, bool]:
        """Give a machine's meter a key that was checked, send agents' calls that way, and prove it by one token.

        Args:
            machine: of the fleet.
            way: the address that took the key.
            model: that is used from now on.
            key: of the provider.
            agents: whose calls go this way; those that practise or go this way already, where None.

        Returns:
            What is now, and whether anything had to be changed. An agent without a working key goes on as before.

        Raises:
            BadInput: there is no such machine, or no such agent on it.
            Refused: the machine has no meter, or one that is too old.
            ActionFailed: the meter's own call was refused, or the machine said no.
            Unreachable: the machine, or the provider from it, cannot be reached.
        """
        port = self.port(machine)
        meter.check_passes_calls_on(port)
        route, mark = way.provider.name, keys.fingerprint(key)
        with held(port, self.hands.holder) as site:
            before = meter.routes(site.guard)
            moved = self._moved(machine, before, route, agents)
            changed = meter.give(site, way, model, key, mark)
            changed = any([changed, *(meter.assign(site, agent, route) for agent in moved)])
            proven = self._proven(site, way, moved) if changed and moved else None
            if proven not in {None, "ok", "throttled"}:
                for agent in moved:
                    meter.assign(site, agent, before.agents[agent])
                raise keys.failure(keys.Tried(way, proven or "trouble"), model, machine, [way.title])
            after = meter.routes(site.guard)
        for agent in moved:
            self._note(agent, route)
        view = _view(machine, route, after.routes[route], after)
        return structs.replace(view, proven=None if proven is None else proven == "ok"), changed

    def _moved(self, machine: str, there: Routes, route: str, agents: Sequence[str] | None) -> list[str]:
        """Return the agents that are to go this way."""
        if agents is None:
            return [name for name, now in there.agents.items() if now in {PRACTICE, route}]
        for name in agents:
            if name not in there.agents:
                raise BadInput("keys.not_there", agent=name, machine=machine)
        return list(agents)

    def _proven(self, site: Site, way: Way, agents: list[str]) -> Verdict:
        """Return what one call through the meter comes to, in the name of the first agent."""
        wished = self.wish().agents
        name = next((agent for agent in agents if agent in wished), "")
        if not name:
            return "ok"  # agents of somebody else's files: their secrets are not ours to read
        which = kind(wished[name].kind)
        known = secrets_of(site.guard, name, which)
        key = next((known[value] for value, source in which.secrets.values.items() if source == "meter"), "")
        return keys.proven(lambda: meter.one_token(site.port, name, key, way.provider.least))

    def _note(self, agent: str, route: str) -> None:
        """Keep in the folder which way an agent's calls go."""
        known = self.wish().agents
        if agent in known and known[agent].model != route:
            load.save_agent(self.folder, agent, structs.replace(known[agent], model=route))

    def keys(self) -> Keys:
        """Return the keys of every machine, and which machines did not tell."""
        machines = self.wish().machines
        told = many(lambda name: meter.routes(Guard(self.open(name, machines[name]))), list(machines))
        found = list(zip(machines, told, strict=True))
        rows = [
            _view(name, route, shown, answer)
            for name, answer in found
            if isinstance(answer, Routes)
            for route, shown in answer.routes.items()
        ]
        return Keys(tuple(rows), tuple(name for name, answer in found if not isinstance(answer, Routes)))

    def key_of(self, machine: str, agent: str) -> KeyView | None:
        """Return what may be shown of the key that an agent's calls go by; None where it practises."""
        if self._agent(agent)[0].model == PRACTICE:
            return None
        there = meter.routes(Guard(self.port(machine)))
        route = there.agents.get(agent, PRACTICE)
        return _view(machine, route, there.routes[route], there) if route in there.routes else None

    def remove_key(self, machine: str, typed: str) -> bool:
        """Take a provider's key off a machine; agents that used it practise again. Whether there was one.

        Raises:
            BadInput: there is no such machine or provider.
            Unreachable: the machine does not answer.
        """
        route = CUSTOM if typed == CUSTOM else ways(typed)[0].provider.name
        with held(self.port(machine), self.hands.holder) as site:
            there = meter.routes(site.guard)
            using = [name for name, now in there.agents.items() if now == route]
            for agent in using:
                meter.assign(site, agent, PRACTICE)
            gone = site.guard.unroute(site.lease, route)
        for agent in using:
            self._note(agent, PRACTICE)
        return gone


def _view(machine: str, route: str, shown: Route, there: Routes) -> KeyView:
    return KeyView(
        provider=route,
        machine=machine,
        title=shown.title,
        region=shown.region,
        model=shown.model,
        vendor=shown.vendor,
        country=shown.country,
        address=shown.base,
        fingerprint=shown.fingerprint,
        agents=tuple(sorted(name for name, now in there.agents.items() if now == route)),
    )
