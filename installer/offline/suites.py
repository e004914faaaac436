"""Where the packages of a release come from, which need not be this computer's own: text in, text out.

The mirror of this computer is kept where it is one for the same distribution; else the distribution's own. A release's
lists are only believed with its distribution's key ring.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from fleet.images.recipe import Architecture
from fleet.images.sources import Source, for_architecture

Origin = Literal["Debian", "Ubuntu"]


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution.

    Attributes:
        releases: codenames, the oldest first.
        ring: its key ring, where Debian and Ubuntu both keep it.
        package: that brings the ring.
        main, security: its own mirrors.
        components: that Docker and the tools are in.
    """

    origin: Origin
    releases: tuple[str, ...]
    ring: str
    package: str
    main: str
    security: str
    components: tuple[str, ...]


DISTRIBUTIONS = (
    Distribution(
        origin="Debian",
        releases=("bullseye", "bookworm", "trixie"),
        ring="/usr/share/keyrings/debian-archive-keyring.gpg",
        package="debian-archive-keyring",
        main="http://deb.debian.org/debian",
        security="http://deb.debian.org/debian-security",
        components=("main",),
    ),
    Distribution(
        origin="Ubuntu",
        releases=("focal", "jammy", "noble"),
        ring="/usr/share/keyrings/ubuntu-archive-keyring.gpg",
        package="ubuntu-keyring",
        main="http://archive.ubuntu.com/ubuntu",
        security="http://security.ubuntu.com/ubuntu",
        components=("main", "universe"),
    ),
)
RELEASES = tuple(name for one in DISTRIBUTIONS for name in one.releases)
_SUITE = re.compile(r"(?P<name>[a-z]+)(?P<kind>-updates|-security|/updates)?")


def of(release: str) -> Distribution:
    """Return the distribution of a release, one of `RELEASES`."""
    return next(one for one in DISTRIBUTIONS if release in one.releases)


def sources(here: Iterable[Source], release: str, architecture: Architecture) -> list[Source]:
    """Return the sources of a release: the release, its updates and its security fixes.

    Args:
        here: this computer's own sources.
        release: codename.
        architecture: Docker's word, which is Debian's too.
    """
    told = of(release)
    mine = list(here)
    main = _mirror(mine, told, frozenset({None, "-updates"})) or told.main
    security = _mirror(mine, told, frozenset({"-security", "/updates"})) or told.security
    rows = ((main, ""), (main, "-updates"), (security, "-security"))
    found = [Source(uri, f"{release}{kind}", told.components, told.ring) for uri, kind in rows]
    return for_architecture(found, architecture)


def _mirror(here: Iterable[Source], told: Distribution, kinds: frozenset[str | None]) -> str:
    """Return this computer's first mirror for suites of these kinds, empty where it has none."""
    for source in here:
        suite = _SUITE.fullmatch(source.suite)
        if suite and suite["name"] in told.releases and suite["kind"] in kinds and "main" in source.components:
            return source.uri
    return ""
