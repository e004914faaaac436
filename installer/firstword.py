"""What answers a login, by the first thing that it says: a POSIX shell, Windows, or a menu. Pure.

What is sent first is one word, `uname`, quoted as a POSIX shell wants it. cmd.exe does not know such a command;
PowerShell takes a quoted word for a text and repeats it; Git Bash and Cygwin name themselves.
"""

import re
from dataclasses import dataclass

from fleet.base.clean import line

SHELLS = frozenset({"Linux", "Darwin", "FreeBSD"})
_SEEN = 4096
_SHOWN = 200
_WINDOWS = re.compile(
    r"is not recognized as (an internal or external command|the name of a cmdlet)"
    r"|不是内部或外部命令|無法辨識|无法将.{1,40}识别为|不是內部或外部命令|内部コマンドまたは外部コマンド"
    r"|n.est pas reconnu en tant que|falsch geschrieben|no se reconoce como un comando"
    r"|CategoryInfo\s*:|FullyQualifiedErrorId|Microsoft Windows \[|Windows PowerShell|Microsoft Corporation\. "
    r"|^\s*(PS )?[A-Z]:\\[^\n]*>|^(MINGW|MSYS|CYGWIN)[\w.-]*|^uname\s*$",
    re.MULTILINE,
)
_DARWIN = re.compile(r"^Darwin(?: |\s*$)|Darwin Kernel Version", re.MULTILINE)
_CHOICE = re.compile(r"^[\s|*]*\(?\[?\d{1,2}[.):\]]\s*\S", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What answered.

    Attributes:
        system: a kernel's name (``Linux``, ``Darwin``, ``FreeBSD``), ``windows``, ``menu``, or empty.
        shown: the beginning of what it said, on one line, harmless.
    """

    system: str
    shown: str


def read(out: bytes, err: bytes) -> Answer:
    """Return what a first answer tells."""
    said, complained = _text(out), _text(err)
    return Answer(_system(said, complained), line(said.strip() or complained.strip(), _SHOWN))


def _system(said: str, complained: str) -> str:
    """The last line counts for a shell: its start-up files may have said something before."""
    last = said.strip().rpartition("\n")[2].strip()
    if last in SHELLS:
        return last
    if _WINDOWS.search(said) or _WINDOWS.search(complained):
        return "windows"
    if _DARWIN.search(said):
        return "Darwin"
    choices = len(_CHOICE.findall(said))
    return "menu" if choices > 1 or "console management" in said.lower() else ""


def _text(raw: bytes) -> str:
    """Decode what a console says; one that speaks Chinese may speak GB 18030."""
    raw = raw[:_SEEN]
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("gb18030", errors="replace")
