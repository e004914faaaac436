"""What a backup is, as values.

A backup is one file, ``ID.age``: a tar, encrypted by age for the recovery key, so that age and tar alone open it too.
Its members, in this order: ``backup.json`` (`Manifest`), ``secrets.json``, ``release.tar`` (spec and configuration, as
the machine had them) and ``state.tar`` (the state, as the machine's guard made it). What it is and where it rests is
noted beside the controller's other memory (`Note`), so that a list needs no key.
"""

import re
import secrets
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from fleet.backup.home import Home, home
from fleet.base import formats
from fleet.base.clean import line
from fleet.base.errors import BadInput, StateDamaged
from fleet.base.names import agent_name, machine_name

FORMAT = formats.FORMATS["backup"]
NOTE_FORMAT = formats.FORMATS["backup-note"]
SUFFIX = ".age"
ID = re.compile(r"(?P<agent>[a-z0-9-]{1,40})_(?P<time>[0-9]{8}T[0-9]{6}Z)_[0-9a-f]{6}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_IMAGE = re.compile(r"sha256:[0-9a-f]{64}")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+~-]{0,300}|")  # becomes no path
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}|")  # may become a part of one
_MACHINE_ID = re.compile(r"[0-9a-f]{32}|")  # as the guard makes them
Where = Literal["controller", "machine", "folder"]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The agent's state: size of its tar in bytes, its checksum, when it was like that (seconds since 1970)."""

    bytes: int
    sha256: str
    at: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds (backup.json).

    Attributes:
        version: of the format.
        by: the clawrack that wrote it.
        id: of the backup.
        agent, machine, machine_id, architecture: whose state it is, and where it lived.
        created: RFC 3339, UTC.
        kind, kind_version, image, ref: what ran; as in agents/NAME.yaml.
        release: that the state belongs to.
        model: the way its calls went; no key is in a backup.
        snapshot: the state is of a snapshot and older than the backup.
        secrets: the name of the file of its secrets, as its kind has it.
        file: agents/NAME.yaml as it was.
        place, host_key: how the machine is reached, and by which key it proves itself.
    """

    version: int = FORMAT
    by: str = ""
    id: str
    agent: str
    machine: str
    machine_id: str
    architecture: str = ""
    created: str
    kind: str
    kind_version: str = ""
    image: str = ""
    ref: str = ""
    release: str
    model: str = ""
    snapshot: bool = False
    secrets: str = ""
    state: State
    file: dict[str, Any] = {}
    place: dict[str, Any] = {}
    host_key: str = ""

    def home(self, where: str = "") -> Home | None:
        """Return where it says that its agent lived; None where it does not.

        Raises:
            BadInput: that can be no place.
        """
        return home(self.machine, self.machine_id, self.place, self.host_key, where or self.id)


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What this controller remembers of a backup.

    Attributes:
        version: of the format.
        where: the controller itself, another machine, or a folder.
        place: the machine's name, or the folder.
        bytes: of the file.
        sha256: of the file.
        recipient: the public half of the recovery key that opens it.
        down_ms: for how long the agent was stopped for it.
        checked: when it was last read to its end (RFC 3339), or empty.

    Without ``sha256`` this controller did not make it (or lost its note of that): it was found where it rests.
    """

    version: int = NOTE_FORMAT
    id: str
    agent: str
    machine: str
    created: str
    kind: str = ""
    kind_version: str = ""
    where: Where = "controller"
    place: str = ""
    bytes: int = 0
    sha256: str = ""
    recipient: str = ""
    snapshot: bool = False
    state_bytes: int = 0
    down_ms: int = 0
    checked: str = ""


def now() -> str:
    """Return the time (RFC 3339, UTC)."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def new_id(agent: str, created: str) -> str:
    """Return a name for a backup that says whose it is and of when; no other has it."""
    return f"{agent}_{created.replace('-', '').replace(':', '')}_{secrets.token_hex(3)}"


def parse_id(text: str, where: str = "") -> tuple[str, str]:
    """Return the agent and the time (RFC 3339) that a backup's name tells.

    Raises:
        BadInput: it is no such name, or no such time was ever.
    """
    found = ID.fullmatch(text.removesuffix(SUFFIX))
    at = _time(found["time"], "%Y%m%dT%H%M%SZ") if found else None
    if not found or not at:
        raise BadInput("backup.no_id", where=where, id=line(text))
    return agent_name(found["agent"], where), at


def _time(text: str, form: str) -> str | None:
    """Return a time as RFC 3339, UTC; None where there is none such."""
    try:
        return f"{datetime.strptime(text, form).isoformat()}Z"  # noqa: DTZ007 - it is told in UTC
    except ValueError:
        return None


def manifest_of(content: bytes, where: str) -> Manifest:
    """Return what backup.json says; whoever has our public key can have written it, so nothing of it is believed.

    Raises:
        BadInput: it says what no backup of ours does.
        Refused: a newer clawrack wrote it.
    """
    formats.check("backup", formats.in_json(content, "version"), where)
    try:
        told = msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadInput("backup.not_one", where=where) from error
    agent_name(told.agent, where)
    machine_name(told.machine, where)
    if parse_id(told.id, where)[0] != told.agent or not _is_plain(told):
        raise BadInput("backup.not_one", where=where)
    told.home(where)
    return told


def _is_plain(told: Manifest) -> bool:
    words = (told.architecture, told.kind, told.release, told.secrets)
    return (
        all(_WORD.fullmatch(text) for text in words)
        and all(_PLAIN.fullmatch(text) for text in (told.kind_version, told.ref, told.model))
        and bool(told.kind and _MACHINE_ID.fullmatch(told.machine_id) and _IMAGE.fullmatch(told.image))
        and bool(_DIGEST.fullmatch(told.state.sha256))
        and told.state.bytes > 0
    )


def note_of(content: bytes, where: str) -> Note:
    """Return what a note says.

    Raises:
        StateDamaged: it is not one.
        Refused: a newer clawrack wrote it.
    """
    formats.check("backup-note", formats.in_json(content, "version"), where)
    try:
        found = msgspec.json.decode(content, type=Note)
        parse_id(found.id, where)
    except (msgspec.MsgspecError, BadInput) as error:
        raise StateDamaged("backup.note_damaged", where=where, file=where) from error
    if not _time(found.created, "%Y-%m-%dT%H:%M:%SZ"):
        raise StateDamaged("backup.note_damaged", where=where, file=where)
    return found
