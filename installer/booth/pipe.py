"""The pipe between the desk and a child: a line of JSON for each word, none longer than it may be."""

from collections.abc import Callable
from typing import IO, Any, TypeVar

import msgspec

from fleet.base.errors import OurBug

Word = TypeVar("Word")
LONGEST = 256 << 10
"""Bytes of one line: a receipt is some 4 KiB."""
MOST = 50_000
"""Lines of one child: some hundred are usual."""


def send(pipe: IO[bytes], word: msgspec.Struct) -> None:
    """Say a word.

    Raises:
        BrokenPipeError: nobody is there.
    """
    pipe.write(msgspec.json.encode(word, enc_hook=str) + b"\n")
    pipe.flush()


def receive(pipe: IO[bytes], kind: Any) -> Any:  # noqa: ANN401 - whichever type was asked for
    """Return the next word as a value of the type; None at the end.

    Raises:
        OurBug: a line is too long, or no such word (``booth.pipe``).
    """
    text = pipe.readline(LONGEST + 1)
    if not text.endswith(b"\n"):
        if len(text) > LONGEST:
            raise OurBug("booth.pipe")
        return None  # the end, or a line that its writer did not live to finish
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise OurBug("booth.pipe") from error


def listen(pipe: IO[bytes], kind: Any, hear: Callable[[Any], None]) -> None:  # noqa: ANN401 - likewise
    """Hear every word until the end, or until there are too many or one is no word; the pipe is shut then."""
    with pipe:
        for _ in range(MOST):
            word = receive(pipe, kind)
            if word is None:
                return
            hear(word)
        raise OurBug("booth.pipe")
