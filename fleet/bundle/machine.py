"""What one machine tells for a support bundle, as it tells it: nothing here is fit for a stranger's eyes yet.

Only read, by as few rights as will do. What cannot be had is named with its reason, and the rest is told.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fleet.base.clean import clean, line, number
from fleet.base.errors import ClawrackError, Unreachable
from fleet.bundle import engine
from fleet.bundle.taken import Made, Taken, had
from fleet.machine.guard import GUARD, Guard
from fleet.machine.port import Port
from fleet.scrub.log import without_content

SECONDS = 90.0  # for one machine: what has not been asked by then is left out
LOG_SECONDS = 30.0  # for one log
ROWS = 300  # of a log or a journal
_ROW = 500  # characters of one of them
_CAP = 1 << 18
_UNITS = ("clawrack-boot", "clawrack-recover", "clawrack-tick", "clawrack-meter", "docker", "containerd")
_SHOWN = (
    "Id,LoadState,UnitFileState,ActiveState,SubState,Result,NRestarts,ExecMainCode,ExecMainStatus,StateChangeTimestamp"
)
_PLACES = ("/", "/var/lib/docker", "/run", "/tmp")  # noqa: S108 - asked about, not used
_FACTS = ("hostname", "user", "home", "machine_id", "uid_1000", "dmi.product_serial", "dmi.product_uuid", "hv.uuid")
_SORTS = {"hostname": "host", "user": "user", "uid_1000": "user", "home": "path"}
Prober = Callable[[Port], tuple[str, Mapping[str, str]]]
"""Probes a machine: what may be shown of its facts, and all of them."""


def take(name: str, open_: Callable[[], Port], probe: Prober) -> Taken:
    """Return what the machine tells; one that does not answer is silent, with the reason."""
    taken = Taken(name)
    try:
        port = open_()
        port.run(("true",), timeout=30)
    except ClawrackError as error:
        taken.silent = line(str(error))
        return taken
    visit = _Visit(port, taken, time.monotonic() + SECONDS)
    visit.everything(probe)
    return taken


class _Visit:
    def __init__(self, port: Port, taken: Taken, until: float) -> None:
        self._port = port
        self._taken = taken
        self._until = until
        self._told: list[tuple[str, str]] = []

    def everything(self, probe: Prober) -> None:
        self._piece("look.json", self._look)
        self._piece("facts.txt", lambda: self._facts(probe))
        self._secrets()
        self._piece("clock.json", self._clock)
        self._piece("disk.txt", self._disk)
        self._piece("engine.json", lambda: engine.about(self._port))
        self._piece("containers.json", lambda: engine.ours(self._port, self._of("id")))
        self._piece("units.txt", self._units)
        self._piece("journal.txt", self._journal)
        for container in engine.names(self._taken.pieces.get("containers.json")):
            self._piece(f"logs/{container}.txt", lambda container=container: self._log(container))

    def _piece(self, name: str, made: Made) -> None:
        """Add a piece, or why it could not be had; after the deadline nothing more is asked."""
        if time.monotonic() > self._until:
            self._taken.left_out[name] = "no time left"
            return
        self._taken.add(name, had(made))

    def _of(self, key: str) -> str:
        return next((value for name, value in self._told if name == key), "")

    def _look(self) -> dict[str, Any]:
        self._told = Guard(self._port).look()
        shown: dict[str, list[str | int]] = {}
        for key, value in self._told:
            self._named(key, value)
            found = number(value)
            shown.setdefault(key, []).append(value if found is None else found)
        return {key: values[0] if len(values) == 1 else values for key, values in shown.items()}

    def _named(self, key: str, value: str) -> None:
        first, _, rest = key.partition(".")
        if first == "agent":
            self._taken.names.append(("agent", rest.partition(".")[0]))
        elif key == "kept":
            self._taken.names.append(("agent", value))
        elif key == "id":
            self._taken.names.append(("id", value))
        elif key == "lease.holder":
            self._taken.names.append(("host", value.rpartition("-")[0] or value))

    def _facts(self, probe: Prober) -> str:
        shown, every = probe(self._port)
        self._taken.names += [(_SORTS.get(key, "id"), every[key]) for key in _FACTS if every.get(key)]
        self._taken.names += [("address", word.partition("/")[0]) for word in every.get("ip4", "").split()]
        return shown

    def _secrets(self) -> None:
        """Learn the secrets that are kept there, so that they can be taken out of everything else by their value."""
        for key, file in self._told:
            owner = key.removesuffix(".secret").removeprefix("agent.")
            if key.endswith(".secret"):
                left = "" if time.monotonic() < self._until else "no time left"
                if why := left or self._learnt(owner, file):
                    self._taken.left_out[f"the secrets of {owner}"] = why

    def _learnt(self, owner: str, file: str) -> str:
        """Learn the secrets in a file; return why they cannot be had, or nothing."""
        try:
            self._taken.secrets |= _values(Guard(self._port).reveal(owner, file) or b"")
        except ClawrackError as error:
            return line(str(error))
        return ""

    def _clock(self) -> dict[str, Any]:
        before = time.time()
        there = self._words("date", "-u", "+%s").split()
        return {
            "machine": int(there[0]),
            "ahead_of_controller": round(int(there[0]) - (before + time.time()) / 2),
            "timedatectl": self._words("timedatectl", "show", "-p", "Timezone", "-p", "NTP", "-p", "NTPSynchronized"),
            "uptime": self._words("cat", "/proc/uptime", "/proc/loadavg"),
        }

    def _disk(self) -> str:
        places = (*_PLACES, self._of("data") or "/var/lib/clawrack")
        rows = [f"{place}{row}" for place in places for row in (self._room("-Pk", place), self._room("-Pi", place))]
        return "what is asked, its KiB (or inodes), used, free, share\n" + "\n".join(rows) + "\n"

    def _room(self, how: str, place: str) -> str:
        last = self._words("df", how, place).splitlines()[-1:]
        words = last[0].split() if last else []
        return " ".join((" inodes" if how == "-Pi" else " KiB", *words[1:5]))

    def _units(self) -> str:
        if self._of("supervisor") == "watch":
            return f"no systemd: the guard's watcher is {self._of('watch')}, its boot hook {self._of('hook')}\n"
        agents = sorted({value for sort, value in self._taken.names if sort == "agent"})
        units = [*_UNITS, "clawrack-tick.timer", *(f"clawrack-agent@{name}" for name in agents)]
        return self._words("systemctl", "show", "-p", _SHOWN, *units)

    def _journal(self) -> str:
        """Return the ends of our units' journals and the engine's, by the guard: few logins may read them."""
        told = self._port.run((GUARD, "journal", str(ROWS)), timeout=30, cap=_CAP, root=True)
        if told.code == 0 and told.out.strip():
            return clean(told.out.decode("utf-8", "replace"), _CAP)
        words = ("journalctl", "--no-pager", "--no-hostname", "-q", "-o", "short-iso", "-n", str(ROWS))
        return self._words(*words, "-u", "clawrack-*", "-u", "docker.service", root=True)  # an older guard

    def _log(self, container: str) -> str:
        rows = engine.log(self._port, container, ROWS, min(LOG_SECONDS, self._until - time.monotonic()))
        ours = container == "clawrack-meter"
        return "\n".join(clean(row, _ROW) if ours else without_content(clean(row, _ROW)) for row in rows) + "\n"

    def _words(self, *words: str, root: bool = False) -> str:
        """Return what a command says; as root where that may be, else as the login may."""
        try:
            ran = self._port.run(words, timeout=20, cap=_CAP, root=root)
        except Unreachable:
            raise
        except ClawrackError:
            ran = self._port.run(words, timeout=20, cap=_CAP)
        text = clean(ran.out.decode("utf-8", "replace"), _CAP)
        return text if text.strip() else f"exit {ran.code}: {line(ran.err) or 'nothing'}\n"


def _values(content: bytes) -> set[str]:
    """Return a file's secrets: the texts in its JSON, or its lines."""
    text = content.decode("utf-8", "replace")
    try:
        return set(texts(msgspec.json.decode(content)))
    except (msgspec.DecodeError, RecursionError):
        return {row.strip() for row in text.splitlines() if row.strip()}


def texts(value: Any) -> list[str]:  # noqa: ANN401 - whatever JSON holds
    """Return every text in a plain value."""
    match value:
        case str():
            return [value]
        case dict():
            return [text for item in value.values() for text in texts(item)]  # pyright: ignore[reportUnknownVariableType]
        case list():
            return [text for item in value for text in texts(item)]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return []
