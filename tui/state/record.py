"""A recording of a fleet: what was heard, and when, as lines of JSON; the first says what the file is.

Names, addresses and reasons are in it as machines said them; no secret is, for nothing that comes in holds one.
"""

import os
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

import msgspec

from fleet.base.errors import BadInput
from tui.state.heard import Message

FORMAT = 1
LONGEST = 4 << 20  # bytes of one line: a machine with a thousand agents says a tenth of it
LATEST = 1e9  # seconds: thirty years


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line.

    Attributes:
        v: the format's version.
        began: when, by the clock on the wall (UTC, RFC 3339).
    """

    clawrack: str = "recording"
    v: int = FORMAT
    began: str = ""


class Recorder:
    """Writes what is heard into a new file that only its owner can read.

    Args:
        path: of the file.
        start: the time, on the messages' clock, that counts as 0.
        began: the same on the wall's clock (RFC 3339).

    Raises:
        BadInput: the file is there already, or cannot be written.
    """

    def __init__(self, path: Path, start: float, began: str) -> None:
        self._path = path
        self._start = start
        self._encode = msgspec.json.Encoder().encode
        try:
            new = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError as error:
            raise BadInput("recording.exists", where=str(path)) from error
        except OSError as error:
            raise BadInput("recording.not_written", where=str(path), reason=error.strerror) from error
        self._file: BinaryIO | None = os.fdopen(new, "wb")
        self._line(Head(began=began))

    def write(self, message: Message) -> None:
        """Add one message.

        Raises:
            BadInput: the file cannot be written any more; it was closed.
        """
        self._line(msgspec.structs.replace(message, at=round(message.at - self._start, 3)))

    def close(self) -> None:
        """Write the rest and close the file."""
        file, self._file = self._file, None
        if file:
            file.close()

    def _line(self, value: msgspec.Struct) -> None:
        if self._file is None:
            return
        try:
            self._file.write(self._encode(value) + b"\n")
            self._file.flush()
        except OSError as error:
            self._file = None
            raise BadInput("recording.not_written", where=str(self._path), reason=error.strerror) from error


def read(path: Path) -> Generator[Message]:
    """Yield the messages of a recording, oldest first, their times counted from its start.

    A last line that was cut off, as by a power cut, ends it; anything else that is not as it should be is an error.

    Raises:
        BadInput: it is no recording, was made by a newer clawrack, or is damaged; `where` is file:line.
    """
    try:
        with path.open("rb") as file:
            yield from _messages(file, str(path))
    except OSError as error:
        raise BadInput("recording.unreadable", where=str(path), reason=error.strerror) from error


def _messages(file: BinaryIO, where: str) -> Generator[Message]:
    _check(file.readline(LONGEST), where)
    decode = msgspec.json.Decoder(Message).decode
    before = 0.0
    for number, line in enumerate(iter(lambda: file.readline(LONGEST), b""), 2):
        try:
            message: Message = decode(line)
        except (msgspec.MsgspecError, RecursionError) as error:
            if not line.endswith(b"\n") and len(line) < LONGEST:
                return  # cut off while it was written
            raise BadInput("recording.damaged", where=f"{where}:{number}") from error
        if message.at > LATEST:
            raise BadInput("recording.damaged", where=f"{where}:{number}")
        if message.at < before:  # times run forwards, or a replay would wait for ever
            message = msgspec.structs.replace(message, at=before)
        before = message.at
        yield message


def _check(line: bytes, where: str) -> None:
    try:
        head = msgspec.json.decode(line, type=Head)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadInput("recording.none", where=f"{where}:1") from error
    if head.clawrack != "recording":
        raise BadInput("recording.none", where=f"{where}:1")
    if head.v > FORMAT:
        raise BadInput("recording.newer", where=f"{where}:1", version=head.v, known=FORMAT)
