"""What is done to a fleet, and asked of its agents."""

import time
from typing import TYPE_CHECKING, cast

from msgspec import structs

from fleet import apply as applying
from fleet import folder, load, talk, tombs
from fleet.actions import AnyAction, Remove, Restart, Start, Stop
from fleet.api.looks import Looks
from fleet.base.errors import ActionFailed, ClawrackError, Refused, Unreachable
from fleet.base.event import Event, Kind, Listener, ignore
from fleet.base.outcome import AlreadyTrue, Done, Outcome
from fleet.deploy import door, secrets_of, wait
from fleet.leaving import Leaving, Password, nobody
from fleet.machine.guard import Guard
from fleet.machine.target import hops_of
from fleet.model import Machine, Wish
from fleet.plan import Plan
from fleet.site import held
from fleet.talk import Answer
from fleet.views import AgentView

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleet.machine.harden import Hardened


class Acts(Looks):
    """A fleet, worked on."""

    def apply(self, todo: Plan, listen: Listener = ignore) -> None:
        """Carry a plan out; what it decided is written into the folder first.

        Raises:
            ClawrackError: the first thing that went wrong.
        """
        todo, wish = self.made(todo, listen), self.wish()
        for name, machine in todo.machines.items():
            if name in wish.machines and machine != wish.machines[name]:
                load.save_machine(self.folder, name, machine)
        for name, agent in todo.agents.items():
            if name in wish.agents and agent != wish.agents[name]:
                load.save_agent(self.folder, name, agent)
        hands = self._hands(structs.replace(wish, agents=wish.agents | todo.agents))
        applying.apply(todo, hands, listen)

    def ask(self, name: str, message: str, wait: float | None = None) -> Answer:
        """Send one message through an agent and return its answer; ``wait`` are the seconds that it may take.

        Raises:
            ActionFailed: it or its machine's engine does not run, or it or its model gave no answer.
        """
        port, who = self._who(name)
        try:
            found = door(port, name, who.kind, secrets_of(Guard(port), name, who.kind))
        except (ActionFailed, Unreachable):
            self._now(name)  # with the engine down that is what is told
            raise
        if not found.address:
            raise ActionFailed("ask.stopped", where=f"{port.name}/{name}", agent=name)
        return talk.ask(port, found, who, message, wait)

    def ready(self, name: str, listen: Listener = ignore) -> None:
        """Wait until the agent passes its gate.

        Raises:
            ActionFailed: it does not, in its time; or it was stopped or given up, and nobody starts it; or the engine
                of its machine does not answer.
        """
        begun = time.monotonic()
        port, who = self._who(name)

        def tell(kind: Kind) -> None:
            elapsed = time.monotonic() - begun
            subject = f"{port.name}/{name}"
            listen(Event(kind=kind, subject=subject, step="step.ready", params={"agent": name}, elapsed=elapsed))

        tell("begun")
        try:
            self._on(name)
            wait(port, Guard(port), who)
        except ClawrackError as error:
            tell("unknown" if isinstance(error, Unreachable) else "failed")
            raise
        tell("done")

    def _now(self, name: str) -> AgentView:
        """Return the agent as its machine says it is.

        Raises:
            ActionFailed: the engine there does not answer, so nobody knows.
        """
        machine = self._agent(name)[0].machine
        there = self.look(machine)
        if there.machine.state == "no-engine":
            raise ActionFailed("engine.down", where=machine, machine=machine)
        return next(found for found in there.agents if found.name == name)

    def _on(self, name: str) -> None:
        """See that the agent runs, or that somebody starts it."""
        now = self._now(name)
        if now.state in {"stopped", "absent"}:
            raise ActionFailed("ask.stopped", where=f"{now.machine}/{name}", agent=name)
        if now.state == "gave-up":
            raise ActionFailed("ask.gave_up", where=f"{now.machine}/{name}", agent=name, reason=now.reason)

    def start(self, name: str, listen: Listener = ignore) -> Outcome:
        """Start an agent and wait until it is ready."""
        self._now(name)
        outcome = self._one(Start(machine=self._agent(name)[0].machine, agent=name, reason="reason.asked"), listen)
        self.ready(name, listen)
        return outcome

    def stop(self, name: str, listen: Listener = ignore) -> Outcome:
        """Stop an agent on purpose: it stays stopped after a reboot too."""
        return self._one(Stop(machine=self._agent(name)[0].machine, agent=name, reason="reason.asked"), listen)

    def restart(self, name: str, listen: Listener = ignore) -> Outcome:
        """Stop and start an agent, and wait until it is ready; one that cannot be started again is not stopped."""
        self._now(name)
        outcome = self._one(Restart(machine=self._agent(name)[0].machine, agent=name, reason="reason.asked"), listen)
        self.ready(name, listen)
        return outcome

    def _one(self, action: AnyAction, listen: Listener) -> Outcome:
        changed: list[bool] = []

        def hear(event: object) -> None:
            changed.append(getattr(event, "kind", "") == "done")
            cast("Callable[[object], None]", listen)(event)

        applying.apply(Plan(actions=(action,)), self._hands(self.wish()), hear)
        return Done() if any(changed) else AlreadyTrue()

    def harden_machine(self, name: str, listen: Listener = ignore) -> "Hardened":
        """Switch password logins off on a machine, for good; see `fleet.machine.harden.harden`.

        Raises:
            BadInput: there is no such machine.
            Refused: it is this computer, its maker owns sshd there, or it would lock us out.
        """
        from fleet.machine.harden import harden  # noqa: PLC0415 - paramiko takes 70 ms; few commands need it

        port, begun = self.port(name), time.monotonic()
        listen(Event(kind="begun", subject=name, step="step.harden"))
        with held(port, self.hands.holder) as site:
            done = harden(site.guard, site.lease, port)
        kind = "done" if done.changed else "already"
        listen(Event(kind=kind, subject=name, step="step.harden", elapsed=time.monotonic() - begun))
        for login in done.kept:
            listen(Event(kind="note", subject=name, step="harden.kept", params={"login": login}))
        return done

    def soften_machine(self, name: str) -> bool:
        """Let a machine take passwords again as it did before us; return whether anything had to be done.

        Raises:
            BadInput: there is no such machine.
        """
        with held(self.port(name), self.hands.holder) as site:
            return site.guard.soften(site.lease)

    def remove_agent(self, name: str, *, keep_state: bool, listen: Listener = ignore) -> None:
        """Take an agent off its machine and out of the folder; its state stays on the machine where asked.

        Raises:
            BadInput: there is no such agent.
            Refused: it is a member of a group, which says how many there are.
        """
        wish = self.wish()
        folder.no_member(self.folder, name, wish)
        if name in wish.agents and not wish.agents[name].machine:  # it is nowhere but in its file
            load.forget_agent(self.folder, name)
            return
        agent, _ = self._agent(name)
        self._one(Remove(machine=agent.machine, agent=name, keep=keep_state, reason="reason.asked"), listen)
        load.forget_agent(self.folder, name)

    def remove_machine(
        self,
        name: str,
        *,
        keep_state: bool,
        listen: Listener = ignore,
        docker: bool = False,
        password: Password = nobody,
    ) -> None:
        """Take everything of ours off a machine, and the machine and its agents out of the folder.

        With ``docker`` it goes too, where it came with us and nobody else uses it; ``password`` is asked for a login
        that is not root.

        Raises:
            BadInput: there is no such machine.
            Refused: others are reached through it; a person has to say first which of two machines it is.
            Unreachable: it does not answer; it stays in the folder.
        """
        wish = self.wish()
        machine = self._machine(name, wish)
        _not_needed(name, machine, wish)
        try:
            self.leave(name, machine, Leaving(keep_state, docker, password), listen)
        except Unreachable as error:
            if tombs.seems_dead(error):
                raise Unreachable("leave.silent", where=name, machine=name, reason=error.part("what")) from error
            raise
        load.forget_machine(self.folder, name, wish)

    def forget_machine(self, name: str) -> tombs.Tomb:
        """Take a machine that is dead for good, and its agents, out of the folder; a tombstone waits for its return.

        Raises:
            BadInput: there is no such machine.
            Refused: it answers.
        """
        wish = self.wish()
        machine = self._machine(name, wish)
        if tombs.answers(self.open(name, machine)):
            raise Refused("tomb.answers", where=name, machine=name)
        agents = [agent for agent, found in wish.everyone.items() if found.machine == name]
        tomb = tombs.bury(self.folder, name, machine, agents, self.graves.key_of(name, machine))
        load.forget_machine(self.folder, name, wish)
        self.graves.drop(name)
        return tomb

    def remove_returned(self, name: str, *, keep_state: bool, listen: Listener = ignore) -> tombs.Tomb:
        """Take what came back with a machine off it: all of ours, or where it is in the fleet again, the old agents.

        Raises:
            BadInput: no machine of that name was forgotten.
            Unreachable: it does not answer; the tombstone stays.
        """
        tomb = tombs.find(self.folder, name)
        wish = self.wish()
        seen, _ = self.seen(wish)
        again = next((n for n, there in seen.machines.items() if there and tomb.id and there.id == tomb.id), "")
        if again:
            old = [agent for found in tombs.within([tomb], wish, seen) for agent in found.agents]
            for agent in old:
                self._one(Remove(machine=again, agent=agent, keep=keep_state, reason="reason.asked"), listen)
        else:
            self.graves.trust(tomb)
            self.leave(tomb.stem, tomb.machine, Leaving(keep_state), listen)
        tombs.dig_up(self.folder, tomb)
        return tomb


def _not_needed(name: str, machine: Machine, wish: Wish) -> None:
    """See that no other machine is reached through one that is about to be left."""
    for other, found in wish.machines.items():
        hops = {(hop.address, hop.port) for hop in hops_of(found.jump)}
        if other != name and (machine.address, machine.port) in hops:
            raise Refused("jump.needed", where=name, machine=name, other=other)
