"""Containers that somebody else made: looked at, watched, taken over, given back."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import structs

from fleet import load
from fleet.adopt import look, recognise, signs, watching
from fleet.adopt.container import Container
from fleet.adopt.recognise import Found
from fleet.adopt.watching import Watched
from fleet.api.acts import Acts
from fleet.api.keyring import Keyring
from fleet.base.errors import BadInput, ClawrackError, Refused, Unreachable
from fleet.base.event import Event, Listener, ignore
from fleet.base.event import Kind as EventKind
from fleet.base.names import agent_name
from fleet.base.secret import Secret
from fleet.keys import refuse
from fleet.model import Agent, Wish, free_page
from fleet.providers import Way, ways
from fleet.site import held

_STATE, _ROOM = "watching", 64 << 20


@dataclass(frozen=True)
class Terms:
    """What the person agreed to.

    Attributes:
        key: its provider's key goes to the meter; else the agent practises.
        silent: its messengers fall silent, for its configuration is ours from then on.
    """

    key: bool = False
    silent: bool = False


@dataclass(frozen=True)
class _Key:
    """A key that its provider took."""

    way: Way
    model: str
    secret: Secret


class Adopting(Acts, Keyring):
    """A fleet, with what it may yet take in."""

    def foreign(self, machine: str, named: Sequence[str] = ()) -> list[Found]:
        """Return the agents on a machine that we did not make; nothing is changed, but those that are new are noted.

        Raises:
            BadInput: there is no such machine, or a named container is not there or no agent that we know.
            Unreachable: the machine or its engine does not answer.
        """
        known = {name: one.id for name, one in self.watched().items() if one.machine == machine}
        meant = [known.get(word, word) for word in named]
        return [self._noted(found) for found in look.look(self.port(machine), meant)]

    def watched(self) -> dict[str, Watched]:
        """Return what is known of containers that somebody else made, by name."""
        return watching.load(self.folder)

    def rename_watched(self, old: str, new: str) -> None:
        """Know a watched container by another name.

        Raises:
            BadInput: it is taken, or cannot be an agent's.
        """
        record = watching.find(self.folder, old)
        if agent_name(new) != old:
            self._free(new)
            watching.save(self.folder, new, record)
            watching.forget(self.folder, old)

    def _free(self, name: str) -> None:
        if name in self.wish().agents or name in self.watched():
            raise BadInput("import.name_taken", name=name)

    def _taken(self, name: str, record: Watched) -> bool:
        """Tell whether it is an agent of ours; one that was taken over may have been removed since."""
        return record.state != _STATE and name in self.wish().agents

    def _noted(self, found: Found) -> Found:
        """Return it under the name that it is known by; it gets one where it is new."""
        known = self.watched()
        mine = next((n for n, one in known.items() if (one.machine, one.id) == (found.machine, found.id)), "")
        if mine:
            return structs.replace(found, name=mine, watched=True, taken=self._taken(mine, known[mine]))
        taken = {*known, *self.wish().agents}
        names = itertools.chain([found.name], (f"{found.name[:37]}-{n}" for n in itertools.count(2)))
        found = structs.replace(found, name=next(name for name in names if name not in taken), watched=True)
        watching.note(self.folder, found, agent_name(found.name))
        return found

    def take_over(self, name: str, terms: Terms, listen: Listener = ignore) -> bool:
        """Make a watched container an agent of ours; whether anything had to be done.

        The agent's first trial stops it, proves that, and copies its state; should the trial fail, it runs again.

        Raises:
            BadInput: nothing is known under this name.
            Refused: the person has not agreed to what it takes, or it cannot be done.
            ActionFailed: the agent does not pass its gate; the container runs again.
            Unreachable: the wire was cut; typed again, it goes on. The machine takes it back by itself otherwise.
        """
        record, wish = watching.find(self.folder, name), self.wish()
        port = self.port(record.machine)
        there, found = look.one(port, record.id)
        if record.state == _STATE:
            if name in wish.agents:
                raise BadInput("import.name_taken", name=name)
            check(found, terms)
        key = self._tried(record.machine, there, found, listen) if terms.key else None
        with held(port, self.hands.holder) as site:
            site.guard.adopt(site.lease, name, found.id, found.inside)
        watching.save(self.folder, name, structs.replace(record, state="taken"))
        if name not in wish.agents:
            load.save_agent(self.folder, name, _agent(found, wish))
        changed = self._settled(name, record, listen)
        if key:
            self.set_key(record.machine, key.way, key.model, key.secret, [name])
        return changed

    def _settled(self, name: str, record: Watched, listen: Listener) -> bool:
        """Have the agent run; where that fails, the container runs again and is watched as before."""
        wish = self.wish()
        part = structs.replace(
            wish, machines={record.machine: wish.machines[record.machine]}, agents={name: wish.agents[name]}
        )
        try:
            todo = self.plan(part, again=True)
            self.apply(todo, listen)
        except Unreachable:
            raise
        except ClawrackError:
            self.give_back(name, listen)
            raise
        if todo.unknown:
            raise Unreachable("plan.unknown", where=record.machine, machine=record.machine)
        return bool(todo)

    def give_back(self, name: str, listen: Listener = ignore) -> str:
        """Take the agent off and start what it came from again; return where the agent's state is kept, if it had any.

        Raises:
            BadInput: nothing is known under this name.
            Refused: it was not taken over, or what it came from is gone.
        """
        record, begun = watching.find(self.folder, name), time.monotonic()

        def tell(kind: EventKind) -> None:
            params = {"agent": name, "container": record.container}
            listen(Event(kind=kind, subject=f"{record.machine}/{name}", step="step.give_back", params=params,
                         elapsed=time.monotonic() - begun))  # fmt: skip

        if record.state == _STATE:
            raise Refused("import.not_taken", where=f"{record.machine}/{name}", name=name)
        tell("begun")
        with held(self.port(record.machine), self.hands.holder) as site:
            said = site.guard.unadopt(site.lease, name)
        load.forget_agent(self.folder, name)
        watching.save(self.folder, name, structs.replace(record, state=_STATE))
        tell("done")
        return said.get("kept", "")

    def _tried(self, machine: str, there: Container, found: Found, listen: Listener) -> _Key:
        """Return the first of its keys that its provider takes, asked from the machine before anything is stopped.

        Raises:
            Refused: it holds none that we know.
            BadInput: its provider does not know it.
        """
        port = self.port(machine)
        its = signs.all_signs()[found.kind]
        keys = recognise.held_keys(there, its, look.peek(port, there, found.kind).config)
        if not keys:
            raise Refused("import.no_key", where=machine, name=found.container)
        chosen = ways(keys[0].provider)
        model = chosen[0].provider.model or found.model.rpartition("/")[2]
        checked = self.check_key(machine, chosen, keys[0].key, model)
        refuse(checked, model, "", machine)
        listen(Event(kind="note", subject=machine, step="import.key_good", params={"title": checked.best.way.title}))
        return _Key(checked.best.way, model, keys[0].key)

    def forget_watched(self, machine: str, word: str) -> str:
        """Know no more of a container that is watched, by its name or ours; it goes on as it is. Return our name of it.

        Raises:
            BadInput: nothing is known of it.
            Refused: it was taken over.
        """
        known = {name: one for name, one in self.watched().items() if one.machine == machine}
        name = next((name for name, one in known.items() if word in {name, one.container}), word)
        if self._taken(name, watching.find(self.folder, name)):
            raise Refused("import.is_taken", where=name, name=name)
        watching.forget(self.folder, name)
        return name


def check(found: Found, terms: Terms) -> None:
    """See that it can be taken over, and that the person agreed to what it takes.

    Raises:
        Refused: one of the two is not so.
    """
    where = f"{found.machine}/{found.container}"
    if not found.version:
        raise Refused("import.no_version", where=where, name=found.container)
    if found.channels and not terms.silent:
        raise Refused("import.channels", where=where, name=found.name, machine=found.machine,
                      channels=", ".join(found.channels))  # fmt: skip
    if found.bytes is not None and found.free is not None and found.bytes + _ROOM > found.free:
        raise Refused("import.no_room", where=where, name=found.container, bytes=found.bytes >> 20,
                      free=found.free >> 20)  # fmt: skip


def _agent(found: Found, wish: Wish) -> Agent:
    """Return what it is as an agent of ours: the image that it runs from, which its machine has."""
    return Agent(
        kind=found.kind, machine=found.machine, version=found.version, image=found.image_id, image_of=found.version,
        page=free_page(wish.agents.values()),
    )  # fmt: skip
