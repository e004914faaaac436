"""Run the scripts of installer/scripts on a machine, and read their ``key=value`` answers.

A script is constant; what varies is its arguments. It travels by standard input (``sh -s``), so that sudo's log does
not fill with it.
"""

from collections.abc import Iterable
from pathlib import Path

from fleet.base.clean import line
from fleet.base.errors import ActionFailed
from fleet.machine.guard import parse, sentence
from fleet.machine.port import Port, Ran

_SCRIPTS = Path(__file__).with_name("scripts")
MOST_BYTES = 256 << 10
_LONGEST = 500
# $1 is a path; its folder is made, and the file replaced in one step
_PUT = 'umask 077 && mkdir -p "${1%/*}" && cat >"$1.new" && mv "$1.new" "$1"'


def text(name: str) -> str:
    """Return a script's text."""
    return (_SCRIPTS / name).read_text(encoding="utf-8")


def run(port: Port, name: str, *args: str, root: bool = True, timeout: float = 60.0) -> Ran:
    """Run a script to its end.

    Raises:
        Unreachable: the wire was cut.
    """
    words = ("sh", "-s", "--", *args)
    return port.run(words, stdin=text(name).encode(), root=root, timeout=timeout, cap=MOST_BYTES)


def ask(port: Port, name: str, *args: str, root: bool = True, timeout: float = 60.0) -> dict[str, str]:
    """Run a script that must succeed, and return its answers.

    Raises:
        ActionFailed: it ended with another code than 0 (``step.script``).
        Unreachable: the wire was cut.
    """
    ran = run(port, name, *args, root=root, timeout=timeout)
    if ran.code:
        raise ActionFailed("step.script", where=port.name, script=name, code=ran.code, reason=last_words(ran))
    return parse(ran.out)


def put(port: Port, path: str, content: bytes | Iterable[bytes], timeout: float = 60.0) -> None:
    """Write a file of root's, readable by root alone, replacing it in one step.

    Args:
        port: the machine.
        path: of the file there.
        content: at once or in pieces.
        timeout: seconds for the whole of it.

    Raises:
        ActionFailed: the machine said no (``step.script``).
        Unreachable: the wire was cut.
    """
    ran = port.run(("sh", "-c", _PUT, "put", path), stdin=content, root=True, timeout=timeout)
    if ran.code:
        raise ActionFailed("step.script", where=port.name, script=path, code=ran.code, reason=last_words(ran))


def why(ran: Ran) -> str:
    """Return why a guard or a script refused: its reason, in the language in use where there are words, or its last."""
    said = parse(ran.out)
    return sentence(said.get("reason", ""), said.get("detail", "")) or last_words(ran)


def last_words(ran: Ran) -> str:
    """Return the last line that a command said, its errors first."""
    for said in (ran.err, ran.out):
        kept = [line(raw, _LONGEST) for raw in said.split(b"\n") if raw.strip()]
        if kept:
            return kept[-1]
    return "-"
