"""Would clawrack work here? Pure: facts and needs in, problems out, before anything is downloaded or changed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, collapse_addresses
from typing import Literal

from fleet.base.errors import Refused
from installer.detect import Verdict, detect
from installer.detect.architecture import wide
from installer.facts import Facts

Severity = Literal["stop", "wait", "warn"]
_ORDER: tuple[Severity, ...] = ("stop", "wait", "warn")
_OLDEST = {"debian": 11, "ubuntu": 20}
_CLOCK_WARN = 120
_CLOCK_STOP = 3600
_NET_ADMIN = 1 << 12
_SYS_ADMIN = 1 << 21
_KIB = 1024
_MIB = 1 << 20
_WHOLE_MAP = "0 0 4294967295"
POOLS = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))
"""Where subnets for agents may come from."""


@dataclass(frozen=True, slots=True)
class Need:
    """What is going to be put on the machine.

    Attributes:
        memory: bytes of memory that the machine must have in all.
        data: bytes of room where agents keep their state.
        engine: bytes of room where Docker keeps images.
        architectures: those that there is an image for, in Docker's names; empty where any will do.
    """

    memory: int = 0
    data: int = 0
    engine: int = 0
    architectures: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing in the way.

    Attributes:
        severity: ``stop`` cannot go on; ``wait`` passes by itself; ``warn`` goes on.
        key: names ``KEY.what``, ``KEY.why`` and ``KEY.next`` (what to type) in the words.
        params: the values of their placeholders.
    """

    severity: Severity
    key: str
    params: Mapping[str, object] = field(default_factory=dict[str, object])


def judge(facts: Facts, need: Need) -> list[Problem]:
    """Return everything in the way, the worst first."""
    verdict = detect(facts)
    found = [problem for check in _CHECKS for problem in check(facts, verdict, need)]
    return sorted(found, key=lambda problem: _ORDER.index(problem.severity))


def refuse(problems: list[Problem], where: str) -> None:
    """Stop where one of the problems says so.

    Raises:
        Refused: with the first problem that cannot be passed.
    """
    for problem in problems:
        if problem.severity == "stop":
            raise Refused(problem.key, where=where, **problem.params)


Problems = Iterator[Problem]


def _system(facts: Facts, verdict: Verdict, _need: Need) -> Problems:
    """Only Debian and Ubuntu, not too old, with systemd."""
    told = facts.get("os.PRETTY_NAME") or facts.get("os.ID") or facts.get("uname_s") or "?"
    if verdict.os.value not in _OLDEST or not verdict.os.sure:
        yield Problem("stop", "preflight.system", {"system": told, "family": verdict.os.value})
        return
    release = verdict.version.value.partition(".")[0]
    if release.isdigit() and int(release) < _OLDEST[verdict.os.value]:
        yield Problem("stop", "preflight.version", {"system": told})
    if not facts.get("systemd"):
        yield Problem("stop", "preflight.no_systemd", {"pid1": facts.get("pid1") or "?"})


def _architecture(_facts: Facts, verdict: Verdict, need: Need) -> Problems:
    """64 bits, and one that there is an image for."""
    name = verdict.architecture.value
    if not wide(name):
        yield Problem("stop", "preflight.bits", {"architecture": name})
    elif need.architectures and name not in need.architectures:
        have = ", ".join(sorted(need.architectures))
        yield Problem("stop", "preflight.architecture", {"architecture": name, "have": have})


def _memory(facts: Facts, _verdict: Verdict, need: Need) -> Problems:
    """Memory of the machine, or of the container that it is."""
    total = facts.number("mem.MemTotal")
    if total is None:
        return
    limit = facts.number("cg_limit")
    there = min(total * _KIB, limit) if limit else total * _KIB
    if there < need.memory:
        yield Problem("stop", "preflight.memory", {"have": there // _MIB, "need": need.memory // _MIB})


def _disks(facts: Facts, _verdict: Verdict, need: Need) -> Problems:
    """Room for state and for images, added up where both are on one file system."""
    data = _disk(facts, ("/var/lib/clawrack", "/var/lib"))
    root = facts.get("docker.root") or facts.get("docker.data")
    engine = _disk(facts, (root, "/var/lib/docker", "/var/lib"))
    same = data is not None and engine is not None and data.mount == engine.mount
    wants = [(data, need.data + need.engine)] if same else [(data, need.data), (engine, need.engine)]
    for disk, bytes_needed in wants:
        if disk is None:
            continue
        if disk.read_only:
            yield Problem("stop", "preflight.read_only", {"path": disk.mount})
        elif disk.room < bytes_needed:
            mib = {"path": disk.mount, "have": disk.room // _MIB, "need": bytes_needed // _MIB}
            yield Problem("stop", "preflight.disk", mib)
    guard = _disk(facts, ("/usr/local", "/"))
    if guard and guard.read_only:
        yield Problem("stop", "preflight.read_only", {"path": "/usr/local"})


@dataclass(frozen=True, slots=True)
class _Disk:
    """The file system under a path: bytes of room, and where it is mounted."""

    room: int
    mount: str
    read_only: bool


def _disk(facts: Facts, paths: tuple[str, ...]) -> _Disk | None:
    """Return the file system under the first of the paths that the probe saw (``device sizeK roomK mount rw``)."""
    for path in paths:
        parts = facts.get(f"df.{path}").split(" ")
        if path and len(parts) == 5 and parts[2].isdigit():  # noqa: PLR2004 - the five columns above
            return _Disk(int(parts[2]) * _KIB, parts[3], parts[4] == "ro")
    return None


def _rights(facts: Facts, _verdict: Verdict, _need: Need) -> Problems:
    """Root, or a way to it."""
    if facts.get("sudo") not in {"root", "nopasswd", "password"}:
        yield Problem("stop", "preflight.no_root", {"user": facts.get("user") or "?"})


def _engine(facts: Facts, _verdict: Verdict, _need: Need) -> Problems:
    """No engine of a sort that the cage does not hold in."""
    security = facts.get("docker.security")
    if "name=rootless" in security or (facts.get("docker.rootless") and not facts.get("docker.sock")):
        yield Problem("stop", "preflight.rootless", {"user": facts.get("user") or "?"})
    if "name=userns" in security or facts.get("docker.userns"):
        yield Problem("stop", "preflight.userns", {"value": facts.get("docker.userns") or "userns-remap"})
    if "/snap/" in facts.get("docker.link") or facts.tool("docker").startswith("/snap/"):
        yield Problem("stop", "preflight.snap", {})


def _container(facts: Facts, verdict: Verdict, _need: Need) -> Problems:
    """A container can carry Docker only with the capabilities for it."""
    if verdict.container.value in {"none", "wsl"}:
        return
    try:
        bounding = int(facts.get("cap_bounding") or "0", 16)
    except ValueError:
        bounding = 0
    needed = _NET_ADMIN | _SYS_ADMIN
    params: dict[str, object] = {"container": verdict.container.value}
    if bounding & needed != needed:
        yield Problem("stop", "preflight.caged", params)
    elif facts.get("uid_map") not in {"", _WHOLE_MAP}:
        yield Problem("warn", "preflight.unprivileged", params)


def _packages(facts: Facts, _verdict: Verdict, _need: Need) -> Problems:
    """Who holds the package manager, and does the mirror answer."""
    busy = facts.get("apt_busy").split(" ")
    if len(busy) >= 2:  # noqa: PLR2004 - process id and name
        yield Problem("wait", "preflight.apt_busy", {"pid": busy[0], "process": busy[1]})
    mirror = facts.get("net_apt")
    if mirror.startswith("no-sources"):
        yield Problem("stop", "preflight.no_sources", {})
    elif mirror.startswith("failed "):
        _, address, *said = mirror.split(" ")
        yield Problem("stop", "preflight.mirror", {"address": address, "said": " ".join(said) or "-"})


def _clock(facts: Facts, _verdict: Verdict, _need: Need) -> Problems:
    """A clock that is far off breaks certificates and package lists."""
    there = facts.number("epoch")
    if there is None or not facts.asked_at:
        return
    off = round(abs(there - facts.asked_at))
    if off > _CLOCK_WARN:
        yield Problem("stop" if off > _CLOCK_STOP else "warn", "preflight.clock", {"seconds": off})


def _subnets(facts: Facts, _verdict: Verdict, _need: Need) -> Problems:
    """Room among the private addresses for subnets that collide with nothing."""
    routes = list(collapse_addresses(route for text in facts.get("routes").split() for route in _network(text)))
    if routes and all(any(pool.subnet_of(route) for route in routes) for pool in POOLS):
        yield Problem("stop", "preflight.subnets", {"routes": ", ".join(map(str, routes))})


def _network(text: str) -> Iterator[IPv4Network]:
    """Yield the network that a text names, if it names one."""
    try:
        yield IPv4Network(text, strict=False)
    except ValueError:
        return


_CHECKS: tuple[Callable[[Facts, Verdict, Need], Problems], ...] = (
    _system,
    _rights,
    _architecture,
    _engine,
    _container,
    _memory,
    _disks,
    _clock,
    _packages,
    _subnets,
)
