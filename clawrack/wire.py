"""Where the parts are put together: the one constructor of adapters."""

import dataclasses
import getpass
import hashlib
import secrets
import socket
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import templates
from fleet import twins
from fleet.actions import PlaceImage
from fleet.api import Fleet
from fleet.apply import Hands
from fleet.base import places
from fleet.base.disk import locked, replace
from fleet.base.errors import ActionFailed, ClawrackError, Refused
from fleet.base.event import Event, Listener
from fleet.journal import Journal
from fleet.kinds import home_of
from fleet.leaving import Leaving
from fleet.load import default_folder
from fleet.machine.local import LocalPort
from fleet.machine.port import Port
from fleet.machine.target import Target
from fleet.model import HERE, Machine
from fleet.site import held
from fleet.tombs import Keeper, Tomb

if TYPE_CHECKING:
    from fleet.base.secret import Secret
    from fleet.images.obtain import Image
    from fleet.machine.jump import Gates
    from fleet.machine.keys import ControllerKey
    from fleet.machine.pins import Pins
    from installer.answers import Answers, Receipt
    from installer.booth.keep import Keep
    from installer.booth.talk import Talk
    from installer.booth.work import Ground
    from installer.facts import Facts
    from installer.handover import Parting
    from installer.lead import Tools
    from installer.offline.bundle import Bundle
    from installer.reach import Doors, Reached
    from installer.several import Result
    from installer.wizard.draft import Draft
    from installer.wizard.interview import Interview


@cache
def controller() -> str:
    """Return the id of this controller, made at first use: the host's name and eight hexadecimal digits."""
    path = places.state() / "controller"
    if not path.exists():
        host = "".join(char for char in socket.gethostname().lower() if char.isalnum() or char == "-")[:30]
        replace(path, f"{host or 'controller'}-{secrets.token_hex(4)}\n".encode())
    return path.read_text(encoding="utf-8").strip()


def controller_key() -> "ControllerKey":
    """Return the key with which this controller logs in everywhere, made at first use."""
    from fleet.machine import keys  # noqa: PLC0415 - see _port

    return keys.ensure(places.state() / "key", controller())


def pins() -> "Pins":
    """Return the host keys that a person has vouched for."""
    from fleet.machine.pins import Pins  # noqa: PLC0415 - see _port

    return Pins(places.state() / "hosts.json")


class Ports:
    """The ports of a fleet's machines: one for each, kept open.

    Args:
        folder: the fleet's; a machine that another one seems to be a copy of is not opened.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[tuple[str, Machine], Port] = {}

    def __call__(self, name: str, machine: Machine) -> Port:
        """Return the port of a machine; nothing is connected before it is used.

        Raises:
            Refused: a person has to say first which of two machines it is.
        """
        twins.check(self._folder, name, machine)
        port = self._open.get((name, machine))
        if port is None:
            port = self._open[name, machine] = _port(name, machine)
        return port


def _port(name: str, machine: Machine) -> Port:
    if machine.local:
        return LocalPort(name)
    from fleet.machine.login import KeyLogin  # noqa: PLC0415 - paramiko takes 70 ms; a fleet of one does without
    from fleet.machine.ssh import SshPort  # noqa: PLC0415 - likewise

    target = target_of(machine)
    return SshPort(name, target, KeyLogin(controller_key()), pins().key_of(name, target))


@cache
def gates() -> "Gates":
    """Return the jump hosts, by our key; each is connected to once."""
    from fleet.machine.jump import Gates  # noqa: PLC0415 - see _port
    from fleet.machine.login import KeyLogin  # noqa: PLC0415 - likewise

    return Gates(lambda: KeyLogin(controller_key()), lambda name, target: pins().key_of(name, target))


def target_of(machine: "Machine | Tomb") -> Target:
    """Return how a machine is reached, through its jump hosts where it has any."""
    if not machine.jump:
        return Target(machine.address, machine.port, machine.user)
    return gates().target(machine.address, machine.port, machine.user, machine.jump)


def doors() -> "Doors":
    """Return what opens machines."""
    from installer.reach import Doors  # noqa: PLC0415 - see _port

    return Doors(controller_key(), pins(), gates())


def open_fleet(folder: Path | None = None) -> Fleet:
    """Return the fleet of the folder, or of the usual one.

    Raises:
        ActionFailed: our own folder cannot be written.
    """
    folder = folder or default_folder()
    return _fleet(folder, Ports(folder))


def _fleet(folder: Path, ports: Ports) -> Fleet:
    journal = Journal(places.state() / "journal.jsonl", run=secrets.token_hex(6))
    hands = Hands(port=_nowhere, images=_place_image, journal=journal, holder=controller())
    return Fleet(folder=folder, open=ports, hands=hands, leave=_leave, graves=_graves(), carried=_carried)


def _graves() -> Keeper:
    """Return what reaches machines that were given up."""

    def key_of(name: str, machine: Machine) -> str:
        if machine.local:
            return ""
        found = pins().key_of(name, target_of(machine))
        return str(found) if found else ""

    def trust(tomb: Tomb) -> None:
        from fleet.machine import hostkey  # noqa: PLC0415 - see _port
        from fleet.machine.pins import Unknown, refusal  # noqa: PLC0415 - likewise

        if not tomb.host_key:
            return
        known, key = pins(), hostkey.parse(tomb.host_key)
        target = target_of(tomb)
        verdict = known.judge(tomb.stem, target, key)
        if isinstance(verdict, Unknown):
            known.pin(tomb.stem, target, key)
        elif error := refusal(
            verdict, target, key
        ):  # a tombstone is from the folder: it takes no other machine's place
            raise error

    return Keeper(key_of, lambda name: pins().forget(name), trust, _visit)


def _visit(tomb: Tomb) -> Port:
    """Return a port to the machine of a tombstone, by the key that stands on it."""
    from fleet.machine import hostkey  # noqa: PLC0415 - see _port
    from fleet.machine.login import KeyLogin  # noqa: PLC0415 - likewise
    from fleet.machine.ssh import SshPort  # noqa: PLC0415 - likewise

    target = target_of(tomb)
    key = hostkey.parse(tomb.host_key) if tomb.host_key else None
    return SshPort(tomb.stem, target, KeyLogin(controller_key()), key)


@cache
def _carried() -> str:
    """Return the sha256 of the guard's archive that we carry; a machine notes that of the one that it was brought."""
    from installer.steps.guard import packed  # noqa: PLC0415 - only the doctor compares them

    return hashlib.sha256(packed()).hexdigest()


def _leave(name: str, machine: Machine, leaving: Leaving, listen: Listener) -> None:
    """Take everything of ours off a machine; our key goes last, and then its host key is nobody's business any more.

    A mark on this computer says that it was begun: run again after it was cut off, it knows why it is not let in.
    """
    mark = places.state() / "leaving" / name
    begun = mark.exists()
    replace(mark, b"")
    try:
        _unprepare(_risen(name, machine, leaving), None if machine.local else controller_key(), leaving, listen)
    except ClawrackError as error:
        if not begun or error.key not in {"ssh.key_refused", "sudo.password_needed"}:
            raise
        if error.key == "sudo.password_needed":  # the guard and its right are gone already; our key is not
            from installer.bootstrap import withdraw  # noqa: PLC0415 - only one command needs it

            withdraw(_port(name, machine), controller_key())
    if not machine.local:
        pins().forget(name)
    _leave_gates(name, machine, listen)
    mark.unlink(missing_ok=True)


def _leave_gates(name: str, machine: Machine, listen: Listener) -> None:
    """Take our key off the jump hosts that nobody else of the fleet is behind, the last of them first."""
    if not machine.jump:
        return
    from fleet.machine.jump import pin_name  # noqa: PLC0415 - see _port
    from fleet.machine.target import way  # noqa: PLC0415 - likewise
    from installer.bootstrap import withdraw  # noqa: PLC0415 - only one command needs it

    others = {other: found for other, found in open_fleet().wish().machines.items() if other != name}
    needed = {str(hop) for found in others.values() for hop in way(found.jump)}
    ours = {str(target_of(found)) for found in others.values()}
    hops = way(machine.jump)
    for n in range(len(hops), 0, -1):
        hop = hops[n - 1]
        if str(hop) in needed | ours:
            continue
        try:
            withdraw(gates().port(hops[:n]), controller_key())
        except ClawrackError as error:
            told = {"gate": str(hop), "why": str(error)}
            listen(Event(kind="note", subject=name, step="jump.key_stays", params=told))
        else:
            pins().forget(pin_name(hop))


def hand_over(name: str, parting: "Parting", known: "Secret | None", login: str, listen: Listener) -> "Receipt":
    """Hand a machine of the fleet over to its owner, and forget it here; see `installer.handover.whole`.

    Args:
        name: of the machine.
        parting: what becomes of the password.
        known: the password that is known here, for the proof that it is refused.
        login: which it opens; empty where that is the key's.
        listen: told of everything.
    """
    from installer.handover import Operator, whole  # noqa: PLC0415 - only one command needs it
    from installer.handover.traces import Traces  # noqa: PLC0415 - likewise

    fleet = open_fleet()

    def operator(name: str, machine: Machine) -> Operator:
        target = target_of(machine)
        host_key = pins().key_of(name, target)
        if host_key is None:
            raise Refused("handover.not_ours", where=name, machine=name)
        return Operator(holder=controller(), host_key=host_key, password=known, login=login)

    traces = Traces(fleet.folder, places.state(), pins())
    return whole.handed_over(name, parting, whole.Hands(fleet.wish(), _port, operator, fleet.key_of, traces), listen)


def _unprepare(port: Port, key: "ControllerKey | None", leaving: Leaving, listen: Listener) -> None:
    from installer.unprepare import Removal, unprepare  # noqa: PLC0415 - only one command needs it

    removal = Removal("keep" if leaving.keep else "erase", docker=leaving.docker, key=key)
    try:
        with held(port, controller()) as site:
            unprepare(port, dataclasses.replace(removal, lease=site.lease), listen)
    except Refused as error:
        if error.key != "guard.absent":
            raise
        unprepare(port, removal, listen)  # half prepared, or half removed already


def _risen(name: str, machine: Machine, leaving: Leaving) -> Port:
    """Return a machine's port; where Docker goes, one that becomes root by the login's password where it must."""
    port = _port(name, machine)
    if not leaving.docker or (not machine.local and machine.user == "root"):
        return port
    from installer.rising import RisingPort, here  # noqa: PLC0415 - only one command needs it

    if isinstance(port, LocalPort):
        return here(port, lambda: leaving.password(getpass.getuser(), name))
    from fleet.machine.login import KeyLogin  # noqa: PLC0415 - see _port
    from fleet.machine.ssh import SshPort  # noqa: PLC0415 - likewise

    target = target_of(machine)
    login, pinned = KeyLogin(controller_key()), pins().key_of(name, target)
    return RisingPort(
        port,
        lambda: leaving.password(machine.user, name),
        lambda password: SshPort(name, target, login, pinned, sudo_password=password),
    )


def _nowhere(name: str) -> Port:
    raise LookupError(name)


def _place_image(port: Port, wanted: PlaceImage, listen: Listener) -> bool:
    """Have exactly this image on the machine, and nothing that merely has its name."""
    image = _obtain(port, wanted.of, listen, pinned=wanted.ref, official=False)
    if image.id != wanted.image:
        raise ActionFailed("image.other", where=port.name, of=wanted.of, wanted=wanted.image, found=image.id)
    return image.how != "there"


def _obtain(  # noqa: PLR0913 - how an image is had has so many sides, and they go by name
    port: Port, of: str, listen: Listener, *, pinned: str = "", official: bool = True, build_here: bool = True
) -> "Image":
    from fleet.images.obtain import obtain  # noqa: PLC0415 - takes long to import, and is rarely needed
    from fleet.images.recipe import load as recipe  # noqa: PLC0415 - likewise

    home = templates.path("meter") if of == "meter" else home_of(of)
    return obtain(port, recipe(home / "image.yaml"), listen, pinned=pinned, official=official, build_here=build_here)


@cache
def _bundle(path: Path) -> "Bundle":
    from installer.offline import bundle  # noqa: PLC0415 - only one command needs it

    return bundle.opened(path)


def _from_cache(port: Port, of: str, listen: Listener) -> "Image":
    """Have an image on a machine that a bundle has put into the cache."""
    from fleet.images import Cache, default_home  # noqa: PLC0415 - see _obtain
    from installer.offline import bundle, gather  # noqa: PLC0415 - only one command needs it

    return bundle.take(port, gather.recipe_of(of), Cache(default_home()), listen)


def claim(name: str, at: str, listen: Listener, *, gone: bool) -> None:
    """Say which of two machines is the fleet's own; see `installer.claim.claim`."""
    from installer.claim import Hands, claim  # noqa: PLC0415 - only one command needs it

    fleet = open_fleet()
    claim(name, at, Hands(fleet, doors(), controller(), listen), gone=gone)


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

    return flow.setup(answers, _tools(), listen, asks)


def look_at(answers: "Answers", asks: "Interview", *, imds: bool = False) -> "Facts":
    """Return the facts of the machine of the answers; nothing is written, there or here."""
    from installer import reach  # noqa: PLC0415 - only one command needs it
    from installer.facts import look  # noqa: PLC0415 - likewise

    if answers.machine == HERE:
        return look(LocalPort(HERE), imds=imds)
    there = reach.reach(answers, asks, open_fleet().wish(), doors())
    try:
        return look(there.port, imds=imds)
    finally:
        there.port.close()


def setup_several(told: "list[Answers]", listen: Listener) -> "list[Result]":
    """Carry many setups out; see `installer.several.several`."""
    from installer.several import several  # noqa: PLC0415 - only one command needs it

    return several(told, _tools(), listen)


def _tools() -> "Tools":
    from installer import lead, reach  # noqa: PLC0415 - only one command needs it

    fleet = open_fleet()

    def image(port: Port, of: str, source: str, told: Listener) -> tuple[str, str]:
        if source == "bundle":
            found = _from_cache(port, of, told)
        else:
            found = _obtain(port, of, told, official=source != "build", build_here=source != "registry")
        if found.how != "there" or found.ref.startswith("clawrack/"):  # ours, though a killed run did not say so
            with held(port, controller()) as site:
                site.guard.image(site.lease, found.id)
        return found.id, found.ref

    def reached(given: "Answers", person: "Interview") -> "Reached":
        return reach.reach(given, person, fleet.wish(), doors())

    return lead.Tools(
        fleet=fleet, journals=places.state() / "machines", reach=reached, image=image, ahead=_ahead, bundle=_bundle
    )


@cache
def _ahead(architecture: str, kind: str, source: str) -> None:
    """Begin to build what a setup will need, the meter first: it is small, and is needed first."""
    from fleet.images.ahead import ahead  # noqa: PLC0415 - takes long to import, and is rarely needed

    homes = [templates.path("meter"), *([] if source == "registry" else [home_of(kind)])]
    ahead([home / "image.yaml" for home in homes], architecture, certainly=source == "build")


@contextmanager
def booth() -> "Generator[Keep]":
    """Yield the memory of the booth, which one desk at a time has.

    Raises:
        Refused: another desk is open.
    """
    from installer.booth import keep  # noqa: PLC0415 - only one command needs it

    with locked(places.state() / "booth" / "lock"):
        yield keep.usual()


def booth_ground(talk: "Talk") -> "Ground":
    """Return what a ticket's process stands on: a controller of its own, in the folders that it was started with."""
    from clawrack.cli.terminal import wrap  # noqa: PLC0415 - only one command needs it
    from installer.booth import parting, work  # noqa: PLC0415 - likewise

    def leave(name: str, machine: Machine, listen: Listener) -> None:
        _leave(name, machine, Leaving(keep=False, docker=machine.user == "root"), listen)

    def port(name: str, machine: Machine) -> Port:
        return _port(name, machine)

    noted = places.state() / "receipt.json"
    return work.Ground(_tools(), leave, parting.Parting(controller(), port, wrap, talk.task.order.language, noted))
