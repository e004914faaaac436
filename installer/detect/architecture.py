"""The architecture that containers will see: the engine's word, else the userland's, else the kernel's.

A 64-bit kernel may carry a 32-bit userland (Raspberry Pi OS), and then the engine from its packages is a 32-bit one.
Values are Docker's names: amd64, arm64, arm/v7, 386, riscv64 …
"""

from installer.detect.verdict import UNKNOWN, Finding
from installer.facts import Facts

_ENGINE = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "armv7l": "arm/v7", "i686": "386"}
_DPKG = {"amd64": "amd64", "arm64": "arm64", "armhf": "arm/v7", "armel": "arm/v5", "i386": "386"}
_KERNEL = {
    ("x86_64", "64"): "amd64",
    ("x86_64", "32"): "386",
    ("aarch64", "64"): "arm64",
    ("aarch64", "32"): "arm/v7",
    ("armv7l", "32"): "arm/v7",
    ("armv6l", "32"): "arm/v6",
    ("i686", "32"): "386",
    ("i586", "32"): "386",
}
_WIDE = frozenset({"amd64", "arm64", "ppc64le", "s390x", "riscv64", "loong64", "ppc64el", "loongarch64"})


def architecture(facts: Facts) -> Finding:
    """Return the architecture that a container on this machine will have."""
    engine = facts.get("docker.info").partition("/")[2].partition(" ")[0]
    if engine:
        return Finding(_ENGINE.get(engine, engine), 0.99, ("docker.info",))
    userland = facts.get("dpkg_arch")
    if userland:
        return Finding(_DPKG.get(userland, userland), 0.97, ("dpkg_arch",))
    kernel = (facts.get("uname_m"), facts.get("bits"))
    return Finding(_KERNEL[kernel], 0.9, ("uname_m", "bits")) if kernel in _KERNEL else UNKNOWN


def wide(architecture_name: str) -> bool:
    """Return whether it is a 64-bit architecture."""
    return architecture_name in _WIDE
