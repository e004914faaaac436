"""Which mirror is used. Pure: measurements in, the order in which they are tried out."""

from collections.abc import Iterable
from dataclasses import dataclass

from installer.mirrors import Mirror

_MUCH = 3.0
_NOTHING = 0.5  # seconds that nobody notices


@dataclass(frozen=True, slots=True)
class Measured:
    """What one test of one mirror, on the machine, came to.

    Attributes:
        mirror: which.
        code: the status of HTTP; 0 where no answer came in time.
        right: whether what came is what was asked for: a page of a portal, or of another release, is not.
        seconds: that it took.
    """

    mirror: Mirror
    code: int
    right: bool
    seconds: float

    @property
    def alive(self) -> bool:
        """Whether it can be used."""
        return self.right and self.code == 200  # noqa: PLR2004 - HTTP


def ranked(measured: Iterable[Measured], *, cloud: str = "", kept: str = "") -> tuple[Mirror, ...]:
    """Return the mirrors that work, the one to use first.

    The twin inside of the machine's own cloud comes first: its traffic is free. Then the one that is in use already,
    unless another is several times as fast; then the others by the time that they took. What does not work is left out.

    Args:
        measured: the tests; of equals, the earlier is preferred.
        cloud: in which the machine stands, as its firmware says.
        kept: the address of the one that the machine uses, or that was chosen for it before.
    """
    alive = [one for one in measured if one.alive and one.mirror.cloud in {"", cloud}]
    quickest = min((one.seconds for one in alive), default=0.0)
    enough = quickest * _MUCH + _NOTHING

    def order(one: Measured) -> tuple[bool, bool, float]:
        inside = bool(one.mirror.cloud)
        stays = bool(kept) and same(one.mirror.url, kept) and one.seconds <= enough
        return not inside, not stays, one.seconds

    return tuple(one.mirror for one in sorted(alive, key=order))


def same(one: str, other: str) -> bool:
    """Return whether two addresses are of one mirror."""
    return one.rstrip("/") == other.rstrip("/")


def told(measured: Iterable[Measured], most: int = 4) -> str:
    """Return in a few words what each test came to, for a person: ``HOST: 404, HOST: no answer, …``."""
    rows = [f"{one.mirror.url.split('/')[2]}: {_fate(one)}" for one in measured]
    return ", ".join(rows[:most]) + (", …" if len(rows) > most else "") or "-"


def _fate(one: Measured) -> str:
    if not one.code:
        return "—"
    return str(one.code) if not one.right and one.code != 200 else "ok" if one.alive else "≠"  # noqa: PLR2004 - HTTP
