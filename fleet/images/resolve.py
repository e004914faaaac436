"""Which image a version is, before it is on its machine: what a plan needs to name a release.

An image's id is not the same on every engine: the classic store calls it by its configuration, containerd's by its
manifest. An image of ours is known by both beforehand. A registry's only once an engine has pulled it; then, and only
then, the machine that was asked has it when this is done.
"""

from typing import Literal, cast, get_args

import docker

from fleet.base.errors import Refused
from fleet.base.event import Listener, ignore
from fleet.images import engine, registry
from fleet.images.archive import Built
from fleet.images.build import build
from fleet.images.cache import Cache, default_home
from fleet.images.obtain import Image, obtain
from fleet.images.recipe import Architecture, Recipe, recipe_key
from fleet.machine.port import Port

Store = Literal["classic", "containerd"]


def resolve(
    port: Port, recipe: Recipe, listener: Listener = ignore, *, cache: Cache | None = None, official: bool = True
) -> Image:
    """Return the image that a machine would be given: the one in the cache, there, in a registry, or built here now.

    Args:
        port: the machine; nothing is sent to it, and nothing is pulled where the image can be named without.
        recipe: with the version that is wanted.
        listener: hears the steps.
        cache: of built images; the person's own by default.
        official: whether a registry may be asked.

    Raises:
        BadInput: there is no such version.
        Refused: there is no image for the machine's architecture, or this computer cannot build one.
        ActionFailed: it could not be had.
        Unreachable: the machine's engine does not answer.
    """
    kept, client = cache or Cache(default_home()), port.docker()
    architecture = engine.architecture(client)
    known = architecture in get_args(Architecture)
    built = kept.readable(recipe_key(recipe, cast("Architecture", architecture))) if known else None
    if built is None:
        found = _there(port, recipe, kept) or (_pulled(port, recipe, listener, kept, client) if official else None)
        if found:
            return found
        if not known:
            params = {"image": recipe.name, "engine": architecture, "known": ", ".join(get_args(Architecture))}
            raise Refused("image.no_architecture", where=port.name, **params)
        built = build(recipe, cast("Architecture", architecture), listener, cache=kept)
    return Image(built.name, id_in(built, store(client)), "there", architecture)


def store(client: docker.APIClient) -> Store:
    """Return how an engine keeps images.

    Raises:
        Unreachable: it does not answer.
    """
    return "containerd" if engine.snapshots(client) else "classic"


def id_in(built: Built, kept: Store) -> str:
    """Return the id that an image of ours has in a store."""
    return built.manifest_id if kept == "containerd" else built.config_id


def _there(port: Port, recipe: Recipe, cache: Cache) -> Image | None:
    try:
        return obtain(port, recipe, cache=cache, official=False, build_here=False)
    except Refused:
        return None


def _pulled(port: Port, recipe: Recipe, listener: Listener, cache: Cache, client: docker.APIClient) -> Image | None:
    if not registry.probe(client, recipe.registry):
        return None
    return obtain(port, recipe, listener, cache=cache, build_here=False)
