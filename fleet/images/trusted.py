"""Which word of others on where an image came from is taken. Pure.

A machine's engine and a backup may name any registry of the world. Kept in an agent's file, that name would be what
machines pull from. So only names that the image's own recipe leads to are kept; without one, the image is asked for or
built anew.
"""

import re
from collections.abc import Iterable

from fleet.images.recipe import Recipe
from fleet.images.registry import split

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MADE_FROM = re.compile(r"[0-9a-f]{12}")


def trusted_ref(ref: str, recipe: Recipe) -> str:
    """Return the ref where it is the recipe's: by digest in one of its registries, or our own name; else nothing.

    Args:
        ref: as others say it.
        recipe: of the kind's image, or of the meter's, in the version that the ref is said to be of.
    """
    repository, name = split(ref)
    if "@" in ref:
        return ref if _DIGEST.fullmatch(name) and _official(repository, recipe.registry) else ""
    version, _, made_from = name.rpartition("-")
    mine = repository == f"clawrack/{recipe.name.removeprefix('clawrack-')}" and version == recipe.version
    return ref if mine and _MADE_FROM.fullmatch(made_from) else ""


def _official(repository: str, registry: Iterable[str]) -> bool:
    """Return whether an engine's name of a repository is one of a recipe's; it leaves ``docker.io/`` away."""
    return bool({repository, f"docker.io/{repository}"} & {split(ref)[0] for ref in registry})


def trusted_id(image: str) -> str:
    """Return an image's id where it is one, else nothing."""
    return image if _DIGEST.fullmatch(image) else ""
