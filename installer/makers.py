"""What is a NAS maker's own, and where we stand on it.

A table, and what one machine's facts make of it; pure but for reading the table, once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from fleet.base.yaml import parse
from installer.detect import Verdict, detect
from installer.facts import Facts

_TABLE = Path(__file__).with_name("makers.yaml")
DATA = "/var/lib/clawrack"
"""Where the guard keeps all it has, on a machine that has no place of its own for such."""
_PLACED, _HOOKED = "place.", "hook."
_FIELDS = 4  # of a place: where it really is, mode, owner, group


class Hook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What starts the guard's watcher after a boot; the guard's 82-hook.sh tells the forms."""

    form: Literal["file", "line", "cron"]
    path: str

    @property
    def word(self) -> str:
        """The hook as the guard is told it."""
        return f"{self.form}:{self.path}"


class Maker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the table; the table's head tells what the fields are."""

    name: str
    title: str
    way: Literal["here", "distribution", "vm"]
    engine: str
    supervisor: Literal["systemd", "watch"]
    login: Literal["sudoers", "root"]
    never: tuple[str, ...]
    source: str
    docker: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    hook: Hook | None = None
    seen: bool = False


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    makers: tuple[Maker, ...]


# What systems without systemd start after a boot, whoever made them: OpenRC's folder, and the old script of all.
_GENERIC = (
    ("/etc/local.d", Hook("file", "/etc/local.d/clawrack.start")),
    ("/etc/rc.local", Hook("line", "/etc/rc.local")),
    ("/etc/rc.d/rc.local", Hook("line", "/etc/rc.d/rc.local")),
)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where the guard stands on one machine.

    Attributes:
        data: its folder; empty where the maker has no place for it on this machine.
        docker: the engine's command; empty where it is not there.
        watch: whether its watcher stands in systemd's place.
        hook: what starts the watcher after a boot; None for units of systemd's, or where there is none.
        open: whether others than root may write where the folder lies.
    """

    data: str = DATA
    docker: str = "docker"
    watch: bool = False
    hook: Hook | None = None
    open: bool = False

    @property
    def settings(self) -> tuple[str, ...]:
        """What the guard is told at its installation, as ``NAME=VALUE``; nothing on a usual machine."""
        told = {
            "CLAWRACK_DATA": "" if self.data == DATA else self.data,
            "CLAWRACK_DOCKER": "" if self.docker == "docker" else self.docker,
            "CLAWRACK_SUPERVISOR": "watch" if self.watch else "",
            "CLAWRACK_HOOK": self.hook.word if self.hook else "",
        }
        return tuple(f"{name}={value}" for name, value in told.items() if value)


@cache
def makers() -> dict[str, Maker]:
    """Return the table, by the names that ``detect`` gives.

    Raises:
        BadInput: the table is not as it should be.
    """
    table = parse(_TABLE.read_bytes(), _Table, str(_TABLE))
    return {maker.name: maker for maker in table.makers}


def maker_of(verdict: Verdict) -> Maker | None:
    """Return the maker of a machine; None for what is no NAS."""
    return makers().get(verdict.os.value)


def vendor(verdict: Verdict) -> Maker | None:
    """Return the maker of a machine whose maker's own engine we use; None for all others."""
    maker = maker_of(verdict)
    return maker if maker and maker.way == "here" else None


def ground(facts: Facts, verdict: Verdict) -> Ground:
    """Return where the guard stands on a machine."""
    maker = vendor(verdict)
    if maker is None:
        bare = not systemd(facts)
        return Ground(watch=bare, hook=_generic(facts) if bare else None)
    data, exposed = _data(maker, facts)
    watch = maker.supervisor == "watch" or not systemd(facts)
    hook = maker.hook or (_generic(facts) if watch else None)
    return Ground(data, _docker(maker, facts), watch=watch, hook=hook, open=exposed)


def systemd(facts: Facts) -> bool:
    """Return whether systemd runs there; a probe without the judging part says so by its first process alone."""
    return bool(facts.get("systemd")) or facts.get("pid1") in {"", "systemd"}


def called(facts: Facts) -> str:
    """Return what a person would call the system: a NAS by its maker's name, though it may say that it is Debian."""
    maker = maker_of(detect(facts))
    if maker is None:
        return facts.get("os.PRETTY_NAME") or facts.get("uname_s")
    told = (facts.get(key) for key in ("dsm.productversion", "qnap.Version", "os.OS_VERSION"))
    return f"{maker.title} {next(filter(None, told), '')}".strip()


def root_only(facts: Facts, verdict: Verdict) -> bool:
    """Return whether our key has to open root there, for the login that we came by is another."""
    maker = vendor(verdict)
    return bool(maker and maker.login == "root" and facts.get("sudo") != "root" and facts.get("uid") != "0")


def _generic(facts: Facts) -> Hook | None:
    return next((hook for path, hook in _GENERIC if facts.said(f"{_HOOKED}{path}")), None)


def _docker(maker: Maker, facts: Facts) -> str:
    """Return the engine's command: as the probe found it, else where the maker puts it."""
    if facts.tool("docker"):
        return facts.tool("docker")
    told = facts.get("vendor.docker")
    return told if told.startswith("/") and any(fnmatchcase(told, pattern) for pattern in maker.docker) else ""


def _data(maker: Maker, facts: Facts) -> tuple[str, bool]:
    """Return our folder, and whether others than root could replace it."""
    there = [place for pattern in maker.data for place in _places(pattern, facts)]
    return next((place for place in there if not place[1]), there[0] if there else ("", False))


def _places(pattern: str, facts: Facts) -> Iterator[tuple[str, bool]]:
    """Yield our folder by a pattern, resolved, for each parent that the probe saw, and whether that is open."""
    above, _, name = pattern.rpartition("/")
    for key in sorted(facts.values):
        path = key.removeprefix(_PLACED)
        if path != key and path.count("/") == above.count("/") and fnmatchcase(path, above):
            told = facts.get(key).split(" ")
            if len(told) >= _FIELDS and told[0].startswith("/"):
                yield f"{told[0]}/{name}", _open(told[1], told[2])


def _open(mode: str, owner: str) -> bool:
    """Tell by mode and owner whether others may rename what lies in a folder; an access list (+) may allow it."""
    return owner != "0" or mode[5:6] == "w" or mode[8:9] == "w" or mode.endswith("+")
