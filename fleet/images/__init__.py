"""Images: built here from package registries alone, kept by what went into them, sent to machines and proven there.

    recipe = load(templates.path("kinds", "openclaw", "image.yaml"))        # or version="2026.9.5"
    built = build(recipe, "amd64", listener)                                # Built: name, ids, layers, size, folder
    outcome = send(port.docker(), built, listener, machine=port.name)       # Done | AlreadyTrue | Failed | Unknown
    image = obtain(port, recipe, listener)                                  # Image(ref, id, how, architecture)

`obtain` is what an upgrade or a first installation calls: it takes what is there, else the official registry if a probe
from the machine reaches it, else builds and sends; ``how`` is ``there``, ``pulled`` or ``sent``. Start ``image.id``,
keep ``image.ref``: given as ``pinned`` it asks for no tag again. `Cache` lists and prunes what lies on this computer.

How an image comes to be:

    recipe.py → sources.py, apt.py → debs.py → tree.py ← system.py      tree.py → layer.py (squeeze.py) → archive.py
                node.py (pip, npm) ────────────↗                        build.py: all of it, into cache.py

docs/decisions/0006-images-without-docker.md says why. Sent by send.py, pulled by registry.py, through engine.py.
"""

from fleet.images.archive import Built
from fleet.images.build import build
from fleet.images.cache import Cache, default_home
from fleet.images.obtain import Image, obtain
from fleet.images.recipe import Recipe, load
from fleet.images.send import send

__all__ = ["Built", "Cache", "Image", "Recipe", "build", "default_home", "load", "obtain", "send"]
