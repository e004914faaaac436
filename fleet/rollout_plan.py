"""Plans of rollouts: what they may not do, what one has committed, and what an agent was with an earlier release."""

from collections.abc import Iterable

import msgspec

from fleet import rollout_record, versions
from fleet.actions import Deploy, Rollback
from fleet.base.errors import Refused
from fleet.model import Agent, Wish
from fleet.plan import Plan
from fleet.rollout_record import Record


def answered(todo: Plan, names: Iterable[str], wish: Wish) -> Plan:
    """Return a part of a plan with the silent machines that matter for it: those of its agents."""
    homes = {wish.agents[name].machine for name in names}
    return msgspec.structs.replace(todo, unknown=tuple(name for name in todo.unknown if name in homes))


def forward(todo: Plan) -> Plan:
    """Return the plan.

    Raises:
        Refused: it would bring an agent to an older version than runs, which may not be able to read its state.
    """
    for action in todo.actions:
        if (
            isinstance(action, Deploy)
            and action.runs
            and action.version
            and versions.older(action.version, action.runs)
        ):
            told = {"agent": action.agent, "version": action.runs, "to": action.version}
            raise Refused("upgrade.older", where=action.subject, **told)
    return todo


def committed(record: Record) -> list[Deploy]:
    """Return what a rollout has committed."""
    last = {entry.unit: entry.what for entry in record.entries if entry.unit >= 0}
    done = [action for n, action in enumerate(record.head.plan.actions) if last.get(n) == "done"]
    return [action for action in done if isinstance(action, Deploy)]


def as_of(agent: Agent, name: str, kept: list[str]) -> Agent:
    """Return an agent as it was with a kept release; ``kept`` is what its machine says of that.

    What this controller does not remember is found out by the next plan: which image that version has.
    """
    release, version = kept[0], kept[3] if len(kept) > 3 else ""  # noqa: PLR2004 - RELEASE SINCE BYTES VERSION
    then = _remembered(name, release)
    if then is None:
        return msgspec.structs.replace(agent, version=version or agent.version, image="", image_of="", ref="")
    return msgspec.structs.replace(
        agent, version=then.version, image=then.image, image_of=then.image_of, ref=then.ref, page=then.page
    )


def _remembered(name: str, release: str) -> Agent | None:
    for number in reversed(rollout_record.listed()):
        head = rollout_record.read(number).head
        for action in head.plan.actions:
            if isinstance(action, (Deploy, Rollback)) and action.agent == name:
                if action.release == release and name in head.plan.agents:
                    return head.plan.agents[name]
                if action.replaces == release and name in head.was:
                    return head.was[name]
    return None
