"""What one read-only probe of a machine returned: keys and values, already harmless.

The probe is probe.sh beside this file. It travels as an argument, and nothing is written to the machine's standard
input: what answers a login with a menu instead of a shell must not be fed lines (a QNAP's menu can format the disks).
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from fleet.base.clean import line
from fleet.base.errors import ActionFailed, Refused
from fleet.machine.port import Port

BEGIN = "clawrack-probe-begin 1"
END = "clawrack-probe-end"
MOST_BYTES = 64 << 10
MOST_KEYS = 400
LONGEST = 300
_KEY = re.compile(r"[A-Za-z0-9_./-]{1,80}")


@dataclass(frozen=True, slots=True)
class Facts:
    """The values of one probe.

    Attributes:
        values: key to cleaned value of at most 300 characters; what the machine did not say is absent.
        asked_at: the controller's clock when the answer came, in seconds since the epoch.
    """

    values: Mapping[str, str]
    asked_at: float = 0.0

    def get(self, key: str) -> str:
        """Return a value, empty where the machine did not say."""
        return self.values.get(key, "")

    def number(self, key: str) -> int | None:
        """Return a value as a number, None where it is none."""
        text = self.get(key)
        return int(text) if text.isascii() and text.isdigit() else None

    def has(self, path: str) -> bool:
        """Return whether one of the probe's marker files is there."""
        return f"has.{path}" in self.values

    def tool(self, name: str) -> str:
        """Return where a program is, empty where it is not."""
        return self.get(f"bin.{name}")


def look(port: Port, *, net: bool = False, timeout: float = 30.0) -> Facts:
    """Probe a machine: read-only, one round trip, no root needed.

    Args:
        port: the machine.
        net: also fetch one index from its first package mirror, at most about four seconds more.
        timeout: seconds for the whole of it.

    Raises:
        Refused: there is no POSIX shell (``probe.no_shell``).
        ActionFailed: the answer was cut short (``probe.cut_short``).
        Unreachable: the wire was cut.
    """
    ran = port.run(("sh", "-c", probe(), "probe", "net" if net else ""), timeout=timeout, cap=MOST_BYTES)
    return parse(ran.out, ran.err, where=port.name, asked_at=time.time())


def probe() -> str:
    """Return the probe without its comments, so that it fits the shortest command lines that servers accept."""
    text = Path(__file__).with_name("probe.sh").read_text(encoding="utf-8")
    return "\n".join(kept for kept in text.splitlines() if not kept.lstrip().startswith("#"))


def parse(out: bytes, err: bytes = b"", *, where: str = "", asked_at: float = 0.0) -> Facts:
    """Return the facts in a probe's output; the first of two values of one key counts.

    Raises:
        Refused: the probe did not begin, so what answered is no POSIX shell (``probe.no_shell``).
        ActionFailed: the probe did not end (``probe.cut_short``).
    """
    lines = [raw.decode("utf-8", errors="replace").rstrip("\r") for raw in out[:MOST_BYTES].split(b"\n")]
    if BEGIN not in lines:
        raise Refused("probe.no_shell", where=where, said=line(out.strip() or err.strip()) or "-")
    told = lines[lines.index(BEGIN) + 1 :]
    if END not in told:
        raise ActionFailed("probe.cut_short", where=where, lines=len(told))
    values: dict[str, str] = {}
    for key, value in _pairs(told[: told.index(END)]):
        values.setdefault(key, value)
    return Facts(MappingProxyType(values), asked_at)


def _pairs(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the key and cleaned value of each line that has both."""
    for text in lines[:MOST_KEYS]:
        key, sign, value = text.partition("=")
        if sign and _KEY.fullmatch(key):
            yield key, line(value, LONGEST)
