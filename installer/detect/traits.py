"""What else matters about a machine, in single words."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network

from installer.detect import clouds
from installer.detect.container import wsl_version
from installer.detect.firmware import Firmware
from installer.detect.hardware import has_battery
from installer.detect.verdict import Finding
from installer.facts import Facts

_TAILNET = IPv4Network("100.64.0.0/10")
_NARROW = frozenset({"32"})


def traits(facts: Facts, os: Finding) -> tuple[str, ...]:
    """Return the traits in alphabetical order.

    ``battery`` of its own · ``casaos`` on top of its system · ``cut-short``: the saved probe has no end · ``crostini``,
    ``lighthouse``, ``tailscale``, ``unifi``, ``wsl1``, ``wsl2`` as they call themselves · ``userland-32``: a 64-bit
    kernel under a 32-bit system · ``xpenology``: DSM on a computer that Synology did not make · names of small clouds.
    """
    found = {name for name, holds in _HOLDS.items() if holds(facts)}
    if _xpenology(facts, os):
        found.add("xpenology")
    return tuple(sorted((*found, *clouds.others(facts))))


def _casaos(facts: Facts) -> bool:
    return facts.has("/etc/casaos/gateway.ini") or facts.has("/usr/bin/casaos")


def _tailscale(facts: Facts) -> bool:
    """Return whether Tailscale is there: its program, or an address of its range."""
    return bool(facts.tool("tailscale")) or any(map(_in_tailnet, facts.get("ip4").split()))


def _in_tailnet(text: str) -> bool:
    """Clouds use the range for themselves, but give a machine of theirs no /32 out of it."""
    address, _, bits = text.partition("/")
    try:
        return bits == "32" and IPv4Address(address) in _TAILNET
    except ValueError:
        return False


def _lighthouse(facts: Facts) -> bool:
    return any(key.startswith("imds.") and "lhins-" in value for key, value in facts.values.items())


def _narrow(facts: Facts) -> bool:
    return facts.get("uname_m") in {"x86_64", "aarch64"} and facts.get("bits") in _NARROW


def _xpenology(facts: Facts, os: Finding) -> bool:
    maker = " ".join(Firmware(facts).get(name) for name in ("sys_vendor", "product_family", "board_vendor")).lower()
    return os.value == "dsm" and bool(maker.strip()) and "synology" not in maker and "diskstation" not in maker


_HOLDS: dict[str, Callable[[Facts], bool]] = {
    "battery": has_battery,
    "casaos": _casaos,
    "crostini": lambda facts: facts.has("/opt/google/cros-containers/bin/garcon"),
    "cut-short": lambda facts: not facts.whole,
    "lighthouse": _lighthouse,
    "tailscale": _tailscale,
    "unifi": lambda facts: facts.has("/usr/bin/ubnt-device-info"),
    "userland-32": _narrow,
    "wsl1": lambda facts: wsl_version(facts) == 1,
    "wsl2": lambda facts: wsl_version(facts) == 2,  # noqa: PLR2004 - WSL 2
}
