"""What one read-only probe of a machine returned: keys and values, already harmless.

The probe is probe.sh beside this file. Before it goes `uname`, one word without a digit, a q or a y: what answers a
login with a menu instead of a shell must not be fed its choices (a QNAP's menu can format the disks). Only where that
word is answered as a shell answers it does the probe follow, as an argument; standard input gets nothing at all.
"""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from fleet.base.clean import line
from fleet.base.errors import ActionFailed, Refused, TimedOut
from fleet.machine.port import Port, Ran
from installer import firstword

BEGIN = "clawrack-probe-begin 1"
END = "clawrack-probe-end"
MOST_BYTES = 64 << 10
MOST_KEYS = 400
LONGEST = 300
TOLD = "told."
"""Begins the keys of what a person said of a machine; no probe can say them."""
_KEY = re.compile(r"[A-Za-z0-9_./:@+-]{1,80}")
_NO = frozenset({"", "0", "n", "no", "false", "none", "absent", "missing"})
_PATIENCE = 15.0
_MENU = 4096
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# What names a machine or its place, and says nothing about what it is.
_PRIVATE = re.compile(
    r"(hostname|user|groups|home|mac|ip4|gw|ssh_conn|boot|machine_id|routes|uid_1000|cmdline|epoch|id\..*|imds\..*"
    r"|dmi\.product_(serial|uuid)|hv\.uuid|docker\.link)"
)
# … but for the beginnings by which clouds are told.
_CLOUD = re.compile(r"(ec2|GoogleCloud-|lhins-|ins-|i-|[0-9a-f]{4}2[0-9a-f]ec)", re.IGNORECASE)

Extra = Literal["judge", "net", "imds"]


@dataclass(frozen=True, slots=True)
class Facts:
    """The values of one probe.

    Attributes:
        values: key to cleaned value of at most 300 characters; what the machine did not say is absent.
        asked_at: the controller's clock when the answer came, in seconds since the epoch.
        whole: whether the probe is known to have run to its end, or came without the marks that would tell.
    """

    values: Mapping[str, str]
    asked_at: float = 0.0
    whole: bool = True

    def get(self, key: str) -> str:
        """Return a value, empty where the machine did not say."""
        return self.values.get(key, "")

    def number(self, key: str) -> int | None:
        """Return a value as a number, its unit (``kB``, ``K``) left out; None where it is none."""
        text = re.sub(r"\s?[Kk][Bb]?$", "", self.get(key))
        return int(text) if text.isascii() and text.isdigit() else None

    def has(self, path: str) -> bool:
        """Return whether one of the probe's marker files is there."""
        return self.said(f"has.{path}")

    def said(self, key: str) -> bool:
        """Return whether a value is there and is no word for no."""
        return self.get(key).lower() not in _NO

    def of_root(self) -> "Facts":
        """Return the same of root's login, where root is another than the one who looked."""
        return replace(self, values=MappingProxyType({**self.values, "uid": "0", "user": "root", "sudo": "root"}))

    def tool(self, name: str) -> str:
        """Return where a program is, empty where it is not."""
        return self.get(f"bin.{name}")


def look(port: Port, *, net: bool = False, imds: bool = False, timeout: float = 30.0) -> Facts:
    """Probe a machine: read-only, one round trip for the probe itself, no root needed.

    Args:
        port: the machine.
        net: also fetch one index from its first package mirror, at most about four seconds more.
        imds: also ask the metadata service of the cloud that it seems to stand in, at most two seconds more.
        timeout: seconds for the whole of it.

    Raises:
        Refused: what answers is no POSIX shell (``probe.windows``, ``probe.menu``, ``probe.no_shell``).
        ActionFailed: the answer was cut short (``probe.cut_short``).
        Unreachable: the wire was cut.
    """
    system = _first_word(port)
    if system == "Darwin":  # nothing more to learn that would matter, so nothing more is sent
        return Facts(MappingProxyType({"uname_s": system}), time.time())
    extras: tuple[Extra, ...] = ("judge", *(("net",) if net else ()), *(("imds",) if imds else ()))
    ran = port.run(("sh", "-c", probe(), "probe", *extras), timeout=timeout, cap=MOST_BYTES)
    return parse(ran.out, ran.err, where=port.name, asked_at=time.time())


def _first_word(port: Port) -> str:
    """Return the kernel's name, by the first thing that is ever sent to what answers."""
    try:
        ran: Ran = port.run(("uname",), timeout=_PATIENCE, cap=_MENU)
    except TimedOut as error:
        raise Refused("probe.no_shell", where=port.name, said="…") from error
    said = firstword.read(ran.out, ran.err)
    if said.system not in firstword.SHELLS:
        raise _no_shell(said, port.name)
    return said.system


def _no_shell(said: firstword.Answer, where: str) -> Refused:
    match said.system:
        case "windows":
            return Refused("probe.windows", where=where, said=said.shown)
        case "menu":
            return Refused("probe.menu", where=where, said=said.shown)
        case _:
            return Refused("probe.no_shell", where=where, said=said.shown or "-")


def probe() -> str:
    """Return the probe without its comments, so that it fits the shortest command lines that servers accept."""
    text = Path(__file__).with_name("probe.sh").read_text(encoding="utf-8")
    return "\n".join(kept for kept in text.splitlines() if not kept.lstrip().startswith("#"))


def parse(out: bytes, err: bytes = b"", *, where: str = "", asked_at: float = 0.0) -> Facts:
    """Return the facts in a probe's output; the first of two values of one key counts.

    Raises:
        Refused: the probe did not begin, so what answered is no POSIX shell (``probe.no_shell`` and its kin).
        ActionFailed: the probe did not end (``probe.cut_short``).
    """
    lines = [raw.decode("utf-8", errors="replace").rstrip("\r") for raw in out[:MOST_BYTES].split(b"\n")]
    if BEGIN not in lines:
        raise _no_shell(firstword.read(out, err), where)
    told = lines[lines.index(BEGIN) + 1 :]
    if END not in told:
        raise ActionFailed("probe.cut_short", where=where, lines=len(told))
    return Facts(_values(told[: told.index(END)]), asked_at)


def read(saved: bytes) -> Facts:
    """Return the facts in a saved probe: with or without its marks, whatever its line ends, junk between its lines.

    Where not one line of it is a fact, but Windows or macOS are plainly what answered, that is the fact.
    """
    text = _text(saved[:MOST_BYTES])
    lines = [row.strip() for row in re.split(r"\r\n|\r|\n", text)]
    begun = next((number for number, row in enumerate(lines) if row.startswith(BEGIN.rpartition(" ")[0])), None)
    told = lines if begun is None else lines[begun + 1 :]
    ended = END in told
    values = _values(told[: told.index(END)] if ended else told)
    system = "" if values else firstword.read(saved[:MOST_BYTES], b"").system
    if system in {"windows", "Darwin"}:
        values = MappingProxyType({"uname_s": system})
    return Facts(values, whole=begun is None or ended)


def scrubbed(facts: Facts) -> str:
    """Return facts as a probe prints them, without what names the machine, its owner or its place."""
    kept = [f"{key}={_without_name(key, value)}" for key, value in facts.values.items()]
    rows = [BEGIN, *(row for row in kept if not row.endswith("=")), END]
    return "\n".join(rows) + "\n"


def _without_name(key: str, value: str) -> str:
    if key.startswith("df."):
        return re.sub(r"^//\S+|^\S+:\S*", "net", value)
    if not _PRIVATE.fullmatch(key):
        return value
    found = _CLOUD.match(value) if key.startswith(("dmi.", "hv.", "imds.")) else None
    return found[0] if found else ""


def _text(saved: bytes) -> str:
    """Decode a file: PowerShell's ``>`` writes UTF-16, Notepad a mark at the beginning."""
    return saved.decode("utf-16" if saved.startswith(_UTF_16) else "utf-8-sig", errors="replace")


def _values(lines: Iterable[str]) -> Mapping[str, str]:
    """Return the facts in lines, the first of two values of one key, no more than MOST_KEYS."""
    values: dict[str, str] = {}
    for key, value in _pairs(lines):
        if len(values) < MOST_KEYS:
            values.setdefault(key, value)
    return MappingProxyType(values)


def _pairs(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the key and cleaned value of each line that has both."""
    for text in lines:
        key, sign, value = text.partition("=")
        if sign and _KEY.fullmatch(key) and not key.startswith(TOLD):
            yield key, _bare(line(value, LONGEST))


def _bare(value: str) -> str:
    """Return a value without the quotes around it."""
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1].strip() if quoted else value
