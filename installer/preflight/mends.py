"""What preparing changes on the machine itself, and what it leaves. Pure: facts and their verdict in, a choice out.

Steps and judging ask the same questions here, so that what is told beforehand is what is done.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address

from installer.detect import Verdict
from installer.facts import Facts
from installer.preflight.problem import KIB, MIB

COMFORT = 4 << 30
"""Bytes of memory below which swap is made; from what agents were seen to take at their largest moments."""
SWAP = 2 << 30
ENOUGH_SWAP = 1 << 30
CLOCK_OFF = 120
"""Seconds; beyond them signatures of package lists and certificates begin to look false."""
JOURNAL = 512
"""MiB that the journal may take on a disk where its own limit, a tenth of the disk, would be more."""
_SPARE = 1 << 30
_SMALL_DISK = 64 << 30
_TENTHS = 10
# Their systems live in memory or on sticks, or have a way of their own.
_APPLIANCES = frozenset({"unraid", "dsm", "truenas", "qts", "quts_hero", "ugos", "zimaos", "fnos"})
_SWAP_PLACES = frozenset({"ext2", "ext3", "ext4", "xfs"})


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether something is changed.

    Attributes:
        why: a word for what decided it: what is lacking where it is wanted, what stands against it where it is not.
        mib: how large, where it has a size.
    """

    wanted: bool
    why: str
    mib: int = 0


def swap(facts: Facts, verdict: Verdict) -> Choice:
    """Two GiB where there is less than four of memory, on a disk that bears it."""
    total = facts.number("mem.MemTotal")
    if total is None or total * KIB >= COMFORT:
        return Choice(wanted=False, why="enough")
    if verdict.container.value != "none":
        return Choice(wanted=False, why="container")
    if verdict.os.value in _APPLIANCES:
        return Choice(wanted=False, why="appliance")
    if (facts.number("mem.SwapTotal") or 0) * KIB >= ENOUGH_SWAP:
        return Choice(wanted=False, why="enough")
    against = _against_swap(facts)
    return Choice(wanted=not against, why=against or "short", mib=SWAP // MIB)


def _against_swap(facts: Facts) -> str:
    """Return what a swap file would harm, or be harmed by; empty where nothing stands against it."""
    if facts.get("swap_on").startswith("/dev/zram"):
        return "zram"
    if facts.get("mmc") == "SD":
        return "card"
    if facts.get("data_fs") and facts.get("data_fs") not in _SWAP_PLACES:
        return "place"
    room = disk(facts)[1]
    return "room" if room is not None and room < SWAP + _SPARE else ""


def clock(facts: Facts, verdict: Verdict) -> Choice:
    """Set where it is two minutes from the controller's; a container has its host's, an appliance its maker's."""
    off = clock_off(facts)
    if off is None or off <= CLOCK_OFF:
        return Choice(wanted=False, why="right")
    if verdict.container.value != "none":
        return Choice(wanted=False, why="container")
    vendors = verdict.os.value in _APPLIANCES
    return Choice(wanted=not vendors, why="appliance" if vendors else "off")


def clock_off(facts: Facts) -> int | None:
    """Return by how many seconds the clocks differed when the machine was looked at; None where it is not known."""
    there = facts.number("epoch")
    return None if there is None or not facts.asked_at else round(abs(there - facts.asked_at))


def awake(facts: Facts, verdict: Verdict) -> Choice:
    """Kept from sleeping where a lid, a battery or a desktop's idle timer would put it to sleep."""
    if facts.get("sleep_off") or verdict.container.value == "wsl":
        return Choice(wanted=False, why="awake")
    if not facts.get("systemd") and facts.get("pid1") not in {"", "systemd"}:
        return Choice(wanted=False, why="no-systemd")
    if verdict.hardware.value == "laptop" or facts.get("lid"):
        return Choice(wanted=True, why="laptop")
    battery = "battery" in verdict.traits and verdict.hardware.value not in {"nas", "server"}  # theirs is a UPS
    if battery or facts.get("screen"):
        return Choice(wanted=True, why="battery" if battery else "screen")
    return Choice(wanted=False, why="awake")


def journal(facts: Facts, verdict: Verdict) -> Choice:
    """Kept short on a small disk where nobody has said how far it may grow."""
    if verdict.os.value in _APPLIANCES:
        return Choice(wanted=False, why="appliance")
    if not facts.get("journal_kept") or facts.get("journal_max"):
        return Choice(wanted=False, why="limited")
    size = disk(facts)[0]
    if size is None or size >= _SMALL_DISK or size // _TENTHS <= JOURNAL * MIB:
        return Choice(wanted=False, why="room")
    return Choice(wanted=True, why="small", mib=JOURNAL)


def exposed(facts: Facts, verdict: Verdict) -> bool:
    """Return whether anybody can knock at it: it stands in a cloud or has a public address, and no firewall is on."""
    if facts.get("firewall").strip() or verdict.container.value != "none" or verdict.os.value in _APPLIANCES:
        return False
    cloud = verdict.cloud.value not in {"none", "unknown"} and verdict.cloud.sure
    return bool(facts.get("ssh_conn")) and (cloud or any(map(_public, facts.get("ip4").split())))


def _public(text: str) -> bool:
    try:
        return IPv4Address(text.partition("/")[0]).is_global
    except ValueError:
        return False


def disk(facts: Facts) -> tuple[int | None, int | None]:
    """Return size and room in bytes of the disk on which agents will live; None where the probe did not see it."""
    for path in ("/var/lib/clawrack", "/var/lib", "/"):
        numbers = [part.removesuffix("K") for part in facts.get(f"df.{path}").split(" ")[1:3]]
        if len(numbers) == 2 and all(part.isascii() and part.isdigit() for part in numbers):  # noqa: PLR2004 - a pair
            return int(numbers[0]) * KIB, int(numbers[1]) * KIB
    return None, None
