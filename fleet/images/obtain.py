"""An image onto a machine, one way or the other, and which way it was."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Literal, cast, get_args

import docker

from fleet.base.errors import ActionFailed, Refused, Unreachable
from fleet.base.event import Listener, ignore
from fleet.base.outcome import Failed, Outcome, Unknown
from fleet.images import engine, registry
from fleet.images.archive import Built
from fleet.images.build import Teller, build
from fleet.images.cache import Cache, default_home
from fleet.images.recipe import Architecture, Recipe, recipe_key
from fleet.images.registry import Pinned
from fleet.images.send import send
from fleet.images.trusted import trusted_ref
from fleet.machine.port import Port

How = Literal["there", "pulled", "sent"]
Carry = Callable[[Port, docker.APIClient, Built, Listener], Outcome]
"""Has a built image on a machine; returns and raises as `fleet.images.send.send` does."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that a machine holds.

    Attributes:
        ref: ``REPOSITORY@DIGEST`` from a registry, or ``clawrack/NAME:VERSION-HASH`` where we built it.
        id: the engine's id of it: what is started.
        how: it was there, it was pulled, or it was built here and sent.
        architecture: Docker's word.
    """

    ref: str
    id: str
    how: How
    architecture: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One image wanted on one machine."""

    port: Port
    client: docker.APIClient
    recipe: Recipe
    architecture: str
    cache: Cache
    listener: Listener
    carry: Carry

    def tell(self) -> Teller:
        """Return who says what happens."""
        return Teller(self.listener, self.port.name)


def obtain(  # noqa: PLR0913 - two say what and where, four say how, and those by name
    port: Port,
    recipe: Recipe,
    listener: Listener = ignore,
    *,
    cache: Cache | None = None,
    pinned: str = "",
    official: bool = True,
    build_here: bool = True,
    carry: Carry | None = None,
) -> Image:
    """See to it that the machine holds the image.

    In this order: what is there; the official registry by digest, if the machine reaches it; built on this computer and
    sent. A built image that is gone from the cache is built again, but the packages may have moved on since.

    Args:
        port: the machine.
        recipe: see `fleet.images.recipe.load`.
        listener: hears the steps, and which way is taken.
        cache: of built images; the person's own by default.
        pinned: the `ref` that a release keeps: a digest in one of the recipe's registries, or the name of what was
            built. Then it is this image or none.
        official: whether a registry may be asked at all.
        build_here: whether it may be built on this computer.
        carry: how what was built comes to the machine; sent, where None.

    Raises:
        Refused: there is no image for the machine's architecture, this computer cannot build one, or it may not and no
            registry answers; or what is pinned is in a registry that the recipe does not name.
        ActionFailed: it could not be had, or did not arrive whole.
        Unreachable: no answer, or the wire was cut.
    """
    if "@" in pinned and not trusted_ref(pinned, recipe):
        raise Refused("image.foreign", where=port.name, of=recipe.name, image=pinned)
    client = port.docker()
    theirs, kept = engine.architecture(client), cache or Cache(default_home())
    wanted = _Wanted(port, client, recipe, theirs, kept, listener, carry or _sent)
    found = _there(wanted, pinned)
    if not found and ("@" in pinned or (official and not pinned)):
        found = _official(wanted, pinned, build_here=build_here)
    if not found and not build_here:
        raise Refused("image.no_registry", where=port.name, of=recipe.name)
    return found or _built(wanted, pinned)


def _sent(port: Port, client: docker.APIClient, built: Built, listener: Listener) -> Outcome:
    return send(client, built, listener, machine=port.name)


def _there(wanted: _Wanted, pinned: str) -> Image | None:
    """Return the image if the machine holds it: the pinned one, else the one last built, else the one pulled before."""
    if "@" in pinned:
        return _known(wanted, Pinned(*registry.split(pinned)))
    if pinned:
        seen = engine.inspect(wanted.client, pinned)
        return _said_there(wanted, Image(pinned, seen.id, "there", seen.architecture)) if seen else None
    if wanted.architecture in get_args(Architecture):
        key = recipe_key(wanted.recipe, cast("Architecture", wanted.architecture))
        built = wanted.cache.readable(key)
        found = engine.held(wanted.client, built.ids) if built else ""
        if built and found:
            return _said_there(wanted, Image(built.name, found, "there", wanted.architecture))
    before = engine.inspect(wanted.client, _mark(wanted.recipe))
    refs = (before.repo_digests or ()) if before else ()
    pulled = next((ref for ref in refs if trusted_ref(ref, wanted.recipe)), "")
    return _known(wanted, Pinned(*registry.split(pulled))) if pulled else None


def _known(wanted: _Wanted, pinned: Pinned) -> Image | None:
    if not engine.inspect(wanted.client, pinned.ref):
        return None
    name = registry.verified(wanted.client, pinned, wanted.architecture)
    return _said_there(wanted, Image(pinned.ref, name, "there", wanted.architecture))


def _said_there(wanted: _Wanted, image: Image) -> Image:
    wanted.tell().say("already", "image.step.there", monotonic())
    return image


def _mark(recipe: Recipe) -> str:
    """Return the local name that keeps a pulled image from being swept away as nameless."""
    return f"clawrack/{recipe.name}:{recipe.version}-official"


def _official(wanted: _Wanted, pinned: str, *, build_here: bool) -> Image | None:
    """Pull the official image; None, with a word on it, where that does not work and it may be built."""
    tell = wanted.tell()
    began = monotonic()
    if pinned:
        found = Pinned(*registry.split(pinned))
    elif wanted.recipe.registry:
        with tell.step("image.step.probe"):
            found, refusals = registry.asked(wanted.client, wanted.recipe.registry)
        _say_why(wanted, () if found else refusals, build_here=build_here)
    else:
        return None
    if not found or (found.architectures and wanted.architecture not in found.architectures):
        tell.say("note", "image.step.no_registry", began)
        return None
    tell.say("note", "image.step.resolved", began, ref=found.repository, digest=found.digest)
    try:
        name = registry.pull(wanted.client, found, wanted.listener, machine=wanted.port.name)
    except ActionFailed as error:
        if pinned or not build_here or error.key not in {"image.pull_failed", "image.throttled"}:
            raise
        tell.say("note", "image.step.pull_broke", began, reason=str(error))
        return None
    repository, tag = registry.split(_mark(wanted.recipe))
    engine.tag(wanted.client, name, repository, tag)
    return Image(found.ref, name, "pulled", wanted.architecture)


def _say_why(wanted: _Wanted, refusals: tuple[registry.No, ...], *, build_here: bool) -> None:
    """Tell what registries that gave nothing meant by it, where a person can do something about it.

    Raises:
        Refused: one has had enough of this address for now, and there is no other way.
    """
    for no in refusals:
        if no.why == "throttled" and not build_here:
            raise Refused("image.throttled", where=wanted.port.name, registry=no.registry)
        if no.why == "throttled":
            wanted.tell().say("note", "image.step.throttled", monotonic(), registry=no.registry)
        if no.why == "forbidden":
            wanted.tell().say("note", "image.step.forbidden", monotonic(), registry=no.registry, reason=no.reason)


def _built(wanted: _Wanted, pinned: str) -> Image:
    """Take what was built, or build, and send it."""
    known = get_args(Architecture)
    if wanted.architecture not in known:
        params = {"image": wanted.recipe.name, "engine": wanted.architecture, "known": ", ".join(known)}
        raise Refused("image.no_architecture", where=wanted.port.name, **params)
    kept = next((one for one in wanted.cache.listed() if one.name == pinned), None)
    architecture = cast("Architecture", wanted.architecture)
    built = kept or build(wanted.recipe, architecture, wanted.listener, cache=wanted.cache)
    if pinned and built.name != pinned:
        raise ActionFailed("image.moved_on", where=wanted.port.name, image=pinned, found=built.name)
    outcome = wanted.carry(wanted.port, wanted.client, built, wanted.listener)
    if isinstance(outcome, Unknown):
        raise Unreachable("image.not_arrived", where=wanted.port.name, image=built.name, reason=outcome.reason)
    if isinstance(outcome, Failed):
        raise ActionFailed("image.not_arrived", where=wanted.port.name, image=built.name, reason=outcome.reason)
    return Image(built.name, engine.held(wanted.client, built.ids), "sent", wanted.architecture)
