"""Setting machines up."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.base import places
from fleet.base.event import Listener
from fleet.machine.local import LocalPort
from fleet.machine.port import Port
from fleet.model import HERE
from fleet.site import held

if TYPE_CHECKING:
    from installer.add import Added
    from installer.answers import Answers
    from installer.facts import Facts
    from installer.lead import Tools
    from installer.reach import Reached
    from installer.receipt.form import Receipt
    from installer.several import Result
    from installer.wizard.draft import Draft
    from installer.wizard.interview import Interview
from clawrack.wire.fleet import open_fleet
from clawrack.wire.identity import controller
from clawrack.wire.images import ahead_of, bundle_at, obtained
from clawrack.wire.ports import identity


def draft() -> "Draft":
    """Return where a setup's answers are kept that was broken off."""
    from installer.wizard.draft import Draft  # noqa: PLC0415 - only one command needs it

    return Draft(places.state() / "setup.json")


def probed(port: Port) -> tuple[str, Mapping[str, str]]:
    """Return what may be shown of a machine's facts, and all of them."""
    from installer import facts  # noqa: PLC0415 - only one command needs it

    found = facts.look(port)
    return facts.scrubbed(found), found.values


def setup(answers: "Answers", listen: Listener, asks: "Interview") -> "Receipt | None":
    """Carry a setup out with the usual tools; see `installer.setup.setup`."""
    from installer import setup as flow  # noqa: PLC0415 - only one command needs it

    return flow.setup(answers, setup_tools(), listen, asks)


def add_machine(answers: "Answers", listen: Listener, asks: "Interview") -> "Added | None":
    """Make a machine ready without an agent; see `installer.setup.add`."""
    from installer import setup as flow  # noqa: PLC0415 - only one command needs it

    return flow.add(answers, setup_tools(), listen, asks)


def look_at(answers: "Answers", asks: "Interview", *, imds: bool = False) -> "Facts":
    """Return the facts of the machine of the answers; nothing is written, there or here."""
    from installer import reach  # noqa: PLC0415 - only one command needs it
    from installer.facts import look  # noqa: PLC0415 - likewise

    if answers.machine == HERE:
        return look(LocalPort(HERE), imds=imds)
    there = reach.reach(answers, asks, open_fleet().wish(), identity())
    try:
        return look(there.port, imds=imds)
    finally:
        there.port.close()


def setup_several(told: "list[Answers]", listen: Listener) -> "list[Result]":
    """Carry many setups out; see `installer.several.several`."""
    from installer.several import several  # noqa: PLC0415 - only one command needs it

    return several(told, setup_tools(), listen)


def setup_tools() -> "Tools":
    """Return what a setup needs from outside."""
    from installer import lead, reach  # noqa: PLC0415 - only one command needs it

    fleet = open_fleet()

    def image(port: Port, of: str, source: str | Path, told: Listener) -> tuple[str, str]:
        if isinstance(source, Path):
            found = bundle_at(source).take(port, of, told)
        else:
            found = obtained(port, of, told, official=source != "build", build_here=source != "registry")
        if found.how != "there" or found.ref.startswith("clawrack/"):  # ours, though a killed run did not say so
            with held(port, controller()) as site:
                site.guard.image(site.lease, found.id)
        return found.id, found.ref

    def reached(given: "Answers", person: "Interview") -> "Reached":
        return reach.reach(given, person, fleet.wish(), identity())

    return lead.Tools(
        fleet=fleet, journals=places.state() / "machines", reach=reached, image=image, ahead=ahead_of, bundle=bundle_at
    )
