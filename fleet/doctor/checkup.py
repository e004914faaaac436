"""What a guard's ``checkup`` says, as typed values: pure. Whatever is missing or makes no sense stays unknown."""

from collections import defaultdict

import msgspec

from fleet.base.clean import number, pairs

_LONGEST = 140_000  # characters: a file of 64 KiB in hexadecimal, and its name


class Disk(msgspec.Struct, frozen=True):
    """A file system: KiB and inodes, in all and free; 0 of inodes where it does not count them."""

    size: int
    free: int
    device: str = ""
    mount: str = ""
    inodes: int = 0
    inodes_free: int = 0


class Mode(msgspec.Struct, frozen=True):
    """Of a file: what it is (``parent``, ``secret`` …), whose box's, mode as ``ls`` says it, owner as ``UID:GID``."""

    what: str
    box: str
    mode: str
    owner: str
    path: str


class Unit(msgspec.Struct, frozen=True):
    """A unit of systemd's: LoadState, UnitFileState, ActiveState."""

    load: str
    file: str
    active: str


class Ended(msgspec.Struct, frozen=True):
    """A container's end, or a kill by the kernel in it (``oom``), at seconds since 1970."""

    at: int
    how: str
    container: str
    code: int | None = None


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's container, or the meter's, and what surrounds it.

    Attributes:
        trial: the release on trial, or empty; ``trial_left`` are the seconds that it has.
        started: as the engine says it (RFC 3339).
        restarts: how often its supervisor has started it again since a person did.
        fails: how often it has failed in a row.
        image_there: whether the engine has its image; None where that is not known.
        archive: sha256 of the archive that its release came in.
        files: of its release, as they lie.
        odd: files that are no plain files, or have strange names.
    """

    release: str = ""
    trial: str = ""
    trial_left: int = 0
    state: str = ""
    exit_code: int | None = None
    oom: bool = False
    started: str = ""
    user: str = ""
    on_purpose: bool = False
    reason: str = ""
    detail: str = ""
    reason_exit: int | None = None
    restarts: int = 0
    fails: int = 0
    image: str = ""
    image_there: bool | None = None
    archive: str = ""
    files: dict[str, bytes] = {}
    odd: tuple[str, ...] = ()


class Held(msgspec.Struct, frozen=True):
    """A lease: who holds it, for how many seconds more, and when it was last renewed (seconds since 1970)."""

    holder: str
    left: int
    renewed: int


class Checkup(msgspec.Struct, frozen=True, kw_only=True):
    """A machine as its guard says it is.

    Attributes:
        now: its clock, seconds since 1970; 0 where it did not say.
        synchronised: whether its clock is kept right; None where that cannot be known, as in a container.
        placed: sha256 of the guard as it was put there; ``brought`` of the archive that it came in.
        by: the version of the clawrack that brought it; empty where that is not noted.
        boxes: by name; the meter is ``meter``.
        hangs: network and container, for everything that runs on our networks.
    """

    installed: bool = False
    now: int = 0
    engine: bool = False
    systemd: bool = False
    firewall: bool = False
    synchronised: bool | None = None
    guard: str = ""
    placed: str = ""
    brought: str = ""
    by: str = ""
    disks: dict[str, Disk] = {}
    modes: tuple[Mode, ...] = ()
    units: dict[str, Unit] = {}
    boxes: dict[str, Box] = {}
    hangs: tuple[tuple[str, str], ...] = ()
    ends: tuple[Ended, ...] = ()
    lease: Held | None = None

    @property
    def meter(self) -> Box | None:
        """The meter, where there is one."""
        found = self.boxes.get("meter")
        return found if found and (found.release or found.state) else None

    @property
    def agents(self) -> dict[str, Box]:
        """The agents."""
        return {name: box for name, box in self.boxes.items() if name != "meter"}


def read(out: bytes) -> Checkup:
    """Return what a guard says."""
    told = _Told(out)
    return Checkup(
        installed=told.one("installed") == "1",
        now=number(told.one("clock.now")) or 0,
        engine=told.one("docker") == "up",
        systemd=told.one("supervisor") == "systemd",
        firewall=told.one("firewall") == "ok",
        synchronised={"yes": True, "no": False}.get(told.one("clock.synchronised")),
        guard=told.one("guard.sha256"),
        placed=told.one("guard.placed"),
        brought=told.one("guard.brought"),
        by=told.one("guard.by"),
        disks={name: disk for name in ("state", "engine") if (disk := _disk(told, name))},
        modes=tuple(Mode(what, box, m, f"{u}:{g}", path) for what, box, m, u, g, path in told.words("mode", 6)),
        units={name: Unit(load, file, active) for name, load, file, active in told.words("unit", 4)},
        boxes={name: _box(told, name) for name in sorted(told.boxes())},
        hangs=tuple((net, container) for net, container in told.words("hangs", 2)),
        ends=tuple(_ended(words) for words in told.words("ended", 3)),
        lease=_lease(told),
    )


class _Told:
    """The ``key=value`` lines, cleaned."""

    def __init__(self, out: bytes) -> None:
        self._values: dict[str, list[str]] = defaultdict(list)
        for key, value in pairs(out, _LONGEST):
            self._values[key].append(value)

    def one(self, key: str) -> str:
        return self._values[key][-1] if key in self._values else ""

    def all(self, key: str) -> list[str]:
        return self._values.get(key, [])

    def words(self, key: str, least: int) -> list[list[str]]:
        """Return each value's words, the last of them with the rest; values that have fewer are left out."""
        split = [value.split(" ", least - 1) for value in self.all(key)]
        return [words for words in split if len(words) == least]

    def boxes(self) -> set[str]:
        found = {key.split(".")[1] for key in self._values if key.startswith("agent.") and key.count(".") > 1}
        return found | ({"meter"} if any(key.startswith("meter.") for key in self._values) else set())


def _disk(told: _Told, name: str) -> Disk | None:
    disks, inodes = told.words(f"disk.{name}", 4), told.words(f"inodes.{name}", 2)
    if not disks:
        return None
    size, free, device, mount = disks[-1]
    many, left = inodes[-1] if inodes else ("", "")
    return Disk(number(size) or 0, number(free) or 0, device, mount, number(many) or 0, number(left) or 0)


def _ended(words: list[str]) -> Ended:
    at, how, rest = words
    container, _, code = rest.partition(" ")
    return Ended(number(at) or 0, how, container, number(code.strip()))


def _lease(told: _Told) -> Held | None:
    left = number(told.one("lease.left")) or 0
    return Held(told.one("lease.holder"), left, number(told.one("lease.renewed")) or 0) if left else None


def _box(told: _Told, name: str) -> Box:
    def of(key: str) -> str:
        return told.one(f"meter.{key}" if name == "meter" else f"agent.{name}.{key}")

    image = next(iter(told.words(f"image.{name}", 2)), None)
    archive = next(iter(told.words(f"files.{name}", 2)), ["", ""])[1]
    return Box(
        release=of("release"),
        trial=of("trial"),
        trial_left=number(of("trial.left")) or 0,
        state=of("state"),
        exit_code=number(of("exit_code")),
        oom=of("oom_killed") == "true",
        started=of("started_at"),
        user=of("user"),
        on_purpose=of("stopped") == "1",
        reason=of("reason"),
        detail=of("reason.detail"),
        reason_exit=number(of("reason.exit")),
        restarts=number(of("restarts")) or 0,
        fails=number(told.one(f"fails.{name}")) or 0,
        image=image[0] if image else of("image"),
        image_there=image[1] == "there" if image else None,
        archive=archive,
        files={path: content for path, content in map(_file, told.words(f"file.{name}", 2)) if path},
        odd=tuple(told.all(f"odd.{name}")),
    )


def _file(words: list[str]) -> tuple[str, bytes]:
    path, content = words
    try:
        return path, bytes.fromhex(content)
    except ValueError:
        return "", b""
