"""The kinds of route that this meter knows."""

from collections.abc import Callable, Mapping

from .ask import Style
from .practice import Practice
from .provider import Provider
from .routes import Kinds, Route
from .upstream import Upstream

UPSTREAM = Upstream()
"""All routes share one pool of connections."""


def _of(style: Style) -> Callable[[Mapping[str, object]], Route]:
    def make(entry: Mapping[str, object]) -> Route:
        return Provider(style, entry, UPSTREAM)

    return make


KINDS: Kinds = {"practice": Practice, "openai": _of("openai"), "anthropic": _of("anthropic")}
