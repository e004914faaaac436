"""The one module that turns words into the line a remote login shell reads.

SSH has no argv: sshd hands one string to the user's login shell. Every word is quoted here, plain ones too, because
shells differ in what they think plain (zsh expands ``=ls``); what comes out means the same to dash, bash, busybox
ash, zsh and fish. In fish a backslash inside single quotes may escape, so backslashes stand in double quotes, where
two make one in all of them.
"""

from collections.abc import Sequence

from fleet.base.errors import OurBug

# Linux takes one argument of at most 128 KiB (MAX_ARG_STRLEN), and the whole line is one argument of the shell's.
LONGEST = 120_000


def line(words: Sequence[str]) -> bytes:
    """Return the line that makes a remote shell run exactly these words.

    Raises:
        OurBug: there is no word, a word holds a NUL, or the line is longer than the kernel takes.
    """
    check(words)
    text = " ".join(_quoted(word) for word in words).encode("utf-8", "surrogateescape")
    if len(text) > LONGEST:
        raise OurBug("wire.too_long", length=len(text), longest=LONGEST)
    return text


def check(words: Sequence[str]) -> None:
    """See that the words can be a command at all.

    Raises:
        OurBug: there is none, or one holds a NUL.
    """
    if not words or any("\0" in word for word in words):
        raise OurBug("wire.unquotable")


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\"'\"'").replace("\\", "'\"\\\\\"'") + "'"
