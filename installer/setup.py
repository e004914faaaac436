"""From a bare machine to an agent that answers: reach it, judge it, prepare it, deploy, say hello.

Each part looks before it acts, so the whole can be killed anywhere and run again: it carries on, and on a finished
machine it changes nothing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from fleet import load, observe
from fleet.base.errors import ClawrackError, Refused, Unreachable
from fleet.base.event import Event, Listener
from fleet.base.event import Kind as EventKind
from fleet.base.names import agent_name, machine_name, machine_tag
from fleet.base.words import say
from fleet.kinds import kind
from fleet.meter import outdated
from fleet.model import Agent, Machine, Wish, free_page
from fleet.views import KeyView
from installer import again
from installer.add import Added, strays_of
from installer.answers import Answers
from installer.detect import detect
from installer.detect.doubts import said
from installer.facts import Facts
from installer.lead import Lead, Looked, Tools, part
from installer.makers import root_only
from installer.model_key import Chosen
from installer.provision import prepare
from installer.reach import Reached
from installer.receipt.form import Receipt
from installer.rootkey import ROOT
from installer.wizard.interview import Interview

if TYPE_CHECKING:
    from installer.offline.bundle import Bundle


def setup(answers: Answers, tools: Tools, listen: Listener, asks: Interview) -> Receipt | None:
    """Carry the setup out; None where only a plan was asked for.

    Raises:
        ClawrackError: what stopped it; running it again carries on.
    """
    kind(answers.kind)  # a mistyped kind or name is told before anything is touched
    check_names(answers)
    lead = Lead(answers, tools, listen, asks)
    looked = lead.whole()
    if answers.plan:
        lead.foretold(looked, listen)
        return None
    return carry_out(answers, tools, listen, looked)


def check_names(answers: Answers) -> None:
    """See that what a person calls things can be a name.

    Raises:
        BadInput: it cannot.
    """
    if answers.name:
        agent_name(answers.name)
    if answers.machine_name:
        machine_name(answers.machine_name)
    for tag in filter(None, answers.tags.split(",")):
        machine_tag(tag.strip())


def carry_out(answers: Answers, tools: Tools, listen: Listener, looked: Looked) -> Receipt:
    """Do what a lead led to.

    Raises:
        ClawrackError: what stopped it; running it again carries on.
    """
    return _Run(answers, tools, listen).carried_out(looked)


def add(answers: Answers, tools: Tools, listen: Listener, asks: Interview) -> Added | None:
    """Make a machine ready without an agent; None where only a plan was asked for.

    Raises:
        ClawrackError: what stopped it; running it again carries on.
    """
    check_names(answers)
    lead = Lead(answers, tools, listen, asks)
    looked = lead.whole()
    if answers.plan:
        lead.foretold(looked, listen)
        return None
    return make_ready(answers, tools, listen, looked)


def make_ready(answers: Answers, tools: Tools, listen: Listener, looked: Looked) -> Added:
    """Do what a lead led to, where the machine alone is wanted.

    Raises:
        ClawrackError: what stopped it; running it again carries on.
    """
    return _Run(answers, tools, listen).added(looked)


@dataclass(frozen=True)
class _Run:
    """One setup under way."""

    answers: Answers
    tools: Tools
    listen: Listener

    def carried_out(self, looked: Looked) -> Receipt:
        """Do it all."""
        brought = self.brought(looked)
        looked = self.stayed(looked)
        changed = bool(self.prepared(looked.there, looked, brought))
        receipt = self.deployed(self.written(looked), looked.agent, changed=changed)
        if looked.new:
            self.given_back(receipt.machine, receipt.agent)
        receipt = self.keyed(receipt, looked.key)
        if self.answers.harden:
            self.hardened(receipt.machine)
        return receipt

    def given_back(self, machine: str, agent: str) -> None:
        """Give a new agent the state that one of its name left there, where a person wants that; else say so."""
        kept = self.tools.fleet.kept_states(machine, agent)
        if kept and self.answers.restore_kept:
            self.tools.fleet.restore_kept(agent, listen=self.listen)
        elif kept:
            params = {"agent": agent, "machine": machine, "kept": ", ".join(kept)}
            self.listen(Event(kind="note", subject=f"{machine}/{agent}", step="backup.kept_there", params=params))

    def added(self, looked: Looked) -> Added:
        """Make the machine ready, and nothing more."""
        brought = self.brought(looked)
        looked = self.stayed(looked)
        changed = bool(self.prepared(looked.there, looked, brought))
        there, known = looked.there, self.tools.fleet.wish()
        changed |= self._write_machine(there, looked.facts)
        if self.answers.harden:
            self.hardened(there.name)
        strays = strays_of(there.port, set(known.agents))
        return Added(machine=there.name, address=there.machine.address, changed=changed, strays=strays)

    def hardened(self, machine: str) -> None:
        """Switch password logins off; where the machine's maker owns sshd, a person is told where to click."""
        try:
            self.tools.fleet.harden_machine(machine, self.listen)
        except Refused as error:
            if error.key != "harden.vendor":
                raise
            self.listen(Event(kind="note", subject=machine, step="harden.by_hand", params={"steps": error.part("why")}))

    def stayed(self, looked: Looked) -> Looked:
        """Have our key open the machine from now on: the login, or root where the login's rights would not last."""
        there = looked.there
        if not there.become_root or not root_only(looked.facts, detect(looked.facts)):
            return replace(looked, there=replace(there, port=there.stay(self.listen)))
        machine = structs.replace(there.machine, user=ROOT)
        there = replace(there, machine=machine, port=there.become_root(self.listen))
        return replace(looked, there=there, facts=looked.facts.of_root())

    def prepared(self, there: Reached, looked: Looked, brought: "Bundle | None") -> list[str]:
        """Make the machine ready; return what that took."""
        journals, wanted = self.tools.journals, looked.firewall
        return prepare(there.port, looked.facts, journals, self.listen, brought=brought, firewall=wanted)

    def brought(self, looked: Looked) -> "Bundle | None":
        """Return the bundle, all of it that the machine will need verified before anything is changed there."""
        if not self.answers.bundle:
            return None
        found = self.tools.bundle(self.answers.bundle)
        if looked.new:
            found.bring(looked.facts, self.answers.kind, self.listen)
        return found

    def source(self, usual: str) -> str | Path:
        """Return where images come from."""
        return self.answers.bundle or usual

    def written(self, looked: Looked) -> Wish:
        """Write the machine's and the agent's files, images resolved; return the wish for this machine alone."""
        there, agent = looked.there, looked.agent
        self._write_machine(there, looked.facts)
        if agent not in self.tools.fleet.wish().agents:
            which = kind(self.answers.kind)
            image, ref = self.tools.image(there.port, which.name, self.source(self.answers.image_source), self.listen)
            page = free_page(self.tools.fleet.wish().agents.values())
            made = Agent(kind=which.name, machine=there.name, version=which.version, image=image, ref=ref, page=page)
            load.save_agent(self.tools.fleet.folder, agent, made)
        return part(self.tools.fleet.wish(), there.name)

    def _write_machine(self, there: Reached, facts: Facts) -> bool:
        """Write the machine's file; whether it had to be."""
        machines = self.tools.fleet.wish().machines
        seen, before = observe.look(there.port), machines.get(there.name)
        twin = next((name for name, m in machines.items() if m.id == seen.id and name != there.name), "")
        if twin:
            raise Refused("setup.same_machine", where=there.name, machine=twin)
        meter, ref = (before.meter, before.meter_ref) if before else (seen.meter_image, "")
        if not meter or (outdated(ref) and not self.answers.bundle):
            meter, ref = self.tools.image(there.port, "meter", self.source("build"), self.listen)
        found = {"id": seen.id, "architecture": seen.architecture, "meter": meter, "meter_ref": ref}
        kept = again.kept(facts) or (before.hardware_ids if before else ())
        machine = structs.replace(there.machine, **found, **said(facts), hardware_ids=kept, **self._marks(before))
        if machine != before:
            load.save_machine(self.tools.fleet.folder, there.name, machine)
        return machine != before

    def _marks(self, before: Machine | None) -> dict[str, Any]:
        """Return what a person marked the machine with: the tags that are told, else those it had."""
        told = tuple(tag.strip() for tag in self.answers.tags.split(",") if tag.strip())
        return {"tags": told or (before.tags if before else ()), "drained": bool(before and before.drained)}

    def deployed(self, wish: Wish, agent: str, *, changed: bool) -> Receipt:
        """Bring the machine to its wish; a fresh agent is said hello to, another one is only looked at."""
        fleet = self.tools.fleet
        todo = fleet.plan(wish)
        if todo.unknown:
            raise Unreachable("plan.unknown", where=todo.unknown[0], machine=todo.unknown[0])
        fleet.apply(todo, self.listen)
        receipt = _receipt(wish, agent, changed=changed or bool(todo))
        self._ready(receipt)
        release = fleet.agent(agent).release
        if wish.agents[agent].proven == release:
            return receipt
        receipt = self._greeted(receipt)
        load.save_agent(fleet.folder, agent, structs.replace(wish.agents[agent], proven=release))
        return receipt

    def keyed(self, receipt: Receipt, key: Chosen | None) -> Receipt:
        """Give the machine the provider's key, prove it by one token, and tell whose model answers from now on."""
        if key is None:
            return self._of(receipt, self.tools.fleet.key_of(receipt.machine, receipt.agent))
        tell = self._teller(receipt, "step.model_key")
        begun = time.monotonic()
        tell("begun", 0)
        try:
            view, changed = self.tools.fleet.set_key(receipt.machine, key.way, key.model, key.key, (receipt.agent,))
        except ClawrackError as error:
            tell("unknown" if isinstance(error, Unreachable) else "failed", time.monotonic() - begun)
            raise
        tell("done" if changed else "already", time.monotonic() - begun)
        return self._of(structs.replace(receipt, changed=receipt.changed or changed), view)

    def _of(self, receipt: Receipt, view: KeyView | None) -> Receipt:
        if view is None:
            return receipt
        return structs.replace(receipt, model=view.model, vendor=view.vendor, country=view.country)

    def _greeted(self, receipt: Receipt) -> Receipt:
        question, tell = say("setup.hello"), self._teller(receipt, "setup.message")
        tell("begun", 0)
        answer = self.tools.fleet.ask(receipt.agent, question)
        tell("done", answer.seconds)
        told = {"question": question, "answer": answer.text, "seconds": round(answer.seconds, 1), "changed": True}
        return structs.replace(receipt, **told)

    def _ready(self, receipt: Receipt) -> None:
        self.tools.fleet.ready(receipt.agent)
        self._teller(receipt, "step.gate")("already", 0)

    def _teller(self, receipt: Receipt, step: str) -> Callable[[EventKind, float], None]:
        subject, params = f"{receipt.machine}/{receipt.agent}", {"agent": receipt.agent}
        return lambda kind, elapsed: self.listen(
            Event(kind=kind, subject=subject, step=step, params=params, elapsed=elapsed)
        )


def _receipt(wish: Wish, agent: str, *, changed: bool) -> Receipt:
    found = wish.agents[agent]
    return Receipt(
        agent=agent,
        kind=found.kind,
        version=found.version,
        machine=found.machine,
        address=wish.machines[found.machine].address,
        model=found.model,
        changed=changed,
        talk=f'clawrack agent ask {agent} "…"',
        stop=f"clawrack agent stop {agent}",
        remove=f"clawrack agent remove {agent}",
        leave=f"clawrack machine remove {found.machine}",
        image=found.ref or found.image,
    )
