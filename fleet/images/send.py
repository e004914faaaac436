"""A built image into a machine's engine: what is missing alone, compressed as it lies in the cache, then proven."""

from collections.abc import Callable, Collection, Iterator
from time import monotonic

import docker
from docker.errors import APIError

from fleet.base.clean import line
from fleet.base.errors import Refused, StateDamaged, Unreachable
from fleet.base.event import Listener, ignore
from fleet.base.outcome import AlreadyTrue, Done, Failed, Outcome, Unknown
from fleet.base.words import say
from fleet.images import archive, engine
from fleet.images.archive import Built
from fleet.images.build import Teller
from fleet.images.cache import whole

_TELL_EVERY = 0.2  # seconds
_LABEL = "clawrack.recipe"


def send(client: docker.APIClient, built: Built, listener: Listener = ignore, *, machine: str = "") -> Outcome:
    """Load the image into the engine unless it is there.

    Args:
        client: of the machine's engine.
        built: from `fleet.images.build`.
        listener: hears ``image.step.send`` with bytes moved and bytes in all, then ``image.step.unpack``.
        machine: whose engine it is, for the messages.

    Returns:
        AlreadyTrue (nothing was sent), Done (sent, and seen there by its id), Failed (the engine said no, or it is not
        whole), Unknown (the wire was cut: look again).

    Raises:
        Refused: the engine is of another architecture; nothing was sent.
        StateDamaged: a layer in the cache is not what it was; build again.
        Unreachable: the engine did not answer before anything was sent.
    """
    theirs = engine.architecture(client)
    if theirs != built.architecture:
        params = {"image": built.name, "architecture": built.architecture, "engine": theirs}
        raise Refused("image.wrong_architecture", where=machine, **params)
    if engine.held(client, built.ids):
        return AlreadyTrue()
    if not whole(built):
        raise StateDamaged("image.cache_damaged", where=built.folder)
    tell = Teller(listener, machine or built.name)
    without = _known_layers(client, built)
    outcome = _load(client, built, without, tell)
    if without and isinstance(outcome, Failed):  # a layer may have gone since it was seen
        outcome = _load(client, built, frozenset(), tell)
    return outcome


def _load(client: docker.APIClient, built: Built, without: Collection[str], tell: Teller) -> Outcome:
    """Send once, and ask the engine whether it arrived."""
    try:
        complaint = _complaint(client, built, without, tell)
        there = not complaint and engine.held(client, built.ids)
    except APIError as error:
        return Failed(_sentence(built, engine.reason(error)))
    except (Unreachable, *engine.WIRE) as error:
        return Unknown(_sentence(built, engine.reason(error)))
    return Done() if there else Failed(_sentence(built, complaint or "the engine does not have it"))


def _sentence(built: Built, why: str) -> str:
    what = say("image.not_arrived.what", image=built.name)
    return f"{what}. {say('image.not_arrived.why', reason=why)}"


def _complaint(client: docker.APIClient, built: Built, without: Collection[str], tell: Teller) -> str:
    """Stream the archive and read the engine's answers; return the error among them, if any."""
    began = monotonic()
    total = archive.total(built, without)
    tell.say("begun", "image.step.send", began, 0, total)
    pieces = archive.stream(built, without)
    counted = _counted(pieces, lambda moved: tell.say("progress", "image.step.send", began, moved, total))
    answers = engine.load(client, counted)
    tell.say("done", "image.step.send", began, total, total)
    with tell.step("image.step.unpack") as moved:
        complaint = ""
        for answer in answers:
            complaint = complaint or line(answer.error)
            moved(answer.detail.current, answer.detail.total)
    return complaint


def _counted(pieces: Iterator[bytes], moved: Callable[[int], None]) -> Iterator[bytes]:
    sent, last = 0, monotonic()
    for piece in pieces:
        yield piece
        sent += len(piece)
        if monotonic() - last >= _TELL_EVERY:
            last = monotonic()
            moved(sent)


def _known_layers(client: docker.APIClient, built: Built) -> frozenset[str]:
    """Return the lowest layers that other images of ours brought to the engine.

    Docker's classic store takes an archive without the layers that it holds in the same place of the pile; the
    containerd store wants every one. Source: moby, image/tarexport/load.go.
    """
    wanted = tuple(layer.diff_id for layer in built.layers)
    try:
        found = max((_shared(wanted, pile) for pile in engine.piles(client, _LABEL)), default=0)
    except Unreachable:
        return frozenset()
    return frozenset(wanted[:found])


def _shared(ours: tuple[str, ...], theirs: tuple[str, ...]) -> int:
    """Return how many layers from the lowest up are the same."""
    same = [a == b for a, b in zip(ours, theirs, strict=False)]
    return same.index(False) if False in same else len(same)
