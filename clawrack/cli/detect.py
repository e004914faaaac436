"""``clawrack detect``: what a machine is, and whether an agent would run there. Nothing is changed, nothing left."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from clawrack.cli import show
from clawrack.cli.asking import piped_secret
from clawrack.cli.common import Json, here
from clawrack.cli.faces import face
from clawrack.cli.frame import Verb, lone
from clawrack.cli.terminal import Terminal
from fleet.base.cells import pad, width, wrap
from fleet.base.disk import replace
from fleet.base.errors import BadInput, Refused
from fleet.base.words import find, say
from fleet.kinds import kind as kind_of
from fleet.model import HERE
from installer.answers import Answers
from installer.detect import Finding, Recognised, Verdict, detect, recognised
from installer.facts import MOST_BYTES, Facts, read, scrubbed
from installer.preflight import Fit, Need, Obstacle, fit, judge, need_of
from installer.wizard.interview import Interview

app = lone()
_AXES = ("os", "hardware", "vm", "container", "cloud")
_WINDOWS = frozenset({"ssh.windows", "probe.windows"})
_SIZES = 3  # of a file system, the words device, size and room (KiB)
_KIB_OF_GB = 1 << 20
_SURE_OF_IT, _QUITE, _LIKELY = 0.95, 0.8, 0.5
_MARKS = {"stop": ("✗", "bad"), "fix": ("!", "warn"), "mend": ("+", "dim"), "wait": ("…", "dim"), "warn": ("!", "warn")}


class RecognisedFor(Recognised, frozen=True):
    """What ``clawrack detect --kind KIND --json`` prints."""

    fit: Fit


@app.command("detect", cls=Verb)
def detect_(  # noqa: PLR0913 - every question of reaching a machine has its option
    machine: Annotated[str, typer.Argument(metavar="MACHINE")] = "",
    *,
    facts: Annotated[Path | None, typer.Option("--facts", metavar="FILE")] = None,
    kind: Annotated[str, typer.Option("--kind", metavar="KIND")] = "",
    save: Annotated[Path | None, typer.Option("--save", metavar="FILE")] = None,
    imds: Annotated[bool, typer.Option("--imds")] = False,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin")] = False,
    fingerprint: Annotated[str, typer.Option("--fingerprint", metavar="SHA256:…")] = "",
    accept_new_host_key: Annotated[bool, typer.Option("--accept-new-host-key")] = False,
    json: Json = False,
) -> None:
    """Say what a machine is, and whether an agent would run there."""
    if facts and machine:
        raise BadInput("detect.both", where=str(facts))
    wanted = kind_of(kind) if kind else None  # a mistyped kind is told before anything is reached
    answers = Answers(
        machine=machine or HERE,
        key=key,
        password=piped_secret() if password_stdin else None,
        fingerprint=fingerprint,
        accept_new_host_key=accept_new_host_key,
    )
    seen = _saved(facts) if facts else _probed(answers, imds=imds, silent=json)
    if save:
        replace(save, scrubbed(seen).encode())
    verdict = detect(seen)
    suits = fit(wanted.name, judge(seen, need_of(wanted))) if wanted else None
    if json:
        _as_json(verdict, suits)
    else:
        _print(seen, verdict, suits, "" if facts else answers.machine)
        if save:
            here().line(say("detect.saved", path=save))


def _as_json(verdict: Verdict, suits: Fit | None) -> None:
    """Print the bare verdict: the one document without a version, for others print the same keys."""
    plain = recognised(verdict)
    told = RecognisedFor(**msgspec.structs.asdict(plain), fit=suits) if suits else plain
    print(show.json_line(msgspec.to_builtins(told)), flush=True)


def _saved(path: Path) -> Facts:
    """Return the facts of a file, no more of it than a probe ever prints.

    Raises:
        BadInput: it cannot be read, or no line of it is a fact.
    """
    try:
        with path.open("rb") as file:
            found = read(file.read(MOST_BYTES))
    except OSError as error:
        raise BadInput("file.unreadable", where=str(path), reason=error.strerror) from error
    if not found.values:
        raise BadInput("detect.no_facts", where=str(path))
    return found


def _probed(answers: Answers, *, imds: bool, silent: bool) -> Facts:
    """Return the facts of a machine; of Windows all that is known is that it is Windows, and that is a fact too."""
    from clawrack import wire  # noqa: PLC0415 - a saved probe needs none of it

    try:
        return wire.look_at(answers, Interview(None if silent else face()), imds=imds)
    except Refused as error:
        if error.key in _WINDOWS:
            return Facts({"uname_s": "windows"})
        raise
    except BadInput as error:
        if error.key == "target.unclear":
            raise BadInput("detect.unclear", text=answers.machine) from error
        raise


def _print(seen: Facts, verdict: Verdict, suits: Fit | None, machine: str) -> None:
    to = here()
    axes = _AXES[:1] if verdict.os.value in {"windows", "darwin"} else _AXES
    left = max(width(_title(axis)) for axis in (*axes, "room"))
    for axis in axes:
        _line(to, pad(_title(axis), left), _told(axis, getattr(verdict, axis)))
    if room := _room(seen):
        _line(to, pad(say("detect.title.room"), left), room)
    if verdict.traits:
        _line(to, pad(say("detect.title.traits"), left), ", ".join(map(_trait, verdict.traits)))
    unsure = [_title(axis) for axis in axes if not getattr(verdict, axis).sure]
    to.line()
    if unsure:
        to.paragraphs(say("detect.unsure", what=", ".join(unsure)))
    refused = _refused(seen)
    if find(_way_key(verdict)) or not refused:
        to.paragraphs(_way(verdict, machine))
    elif not suits:
        to.paragraphs(say("detect.refused"))
        for problem in refused:
            _print_problem(problem, to)
    if suits:
        to.line()
        _print_fit(suits, to)


def _refused(seen: Facts) -> list[Obstacle]:
    """Return why setup would refuse the machine, whatever is to be put there."""
    known = fit("", judge(seen, Need())).problems
    return [problem for problem in known if problem.severity == "stop" or problem.key == "preflight.no_systemd"]


def _room(seen: Facts) -> str:
    """Return processors, memory, and the disk on which agents' state would lie; nothing of what was not told."""
    cores, memory = seen.number("ncpu"), seen.number("mem.MemTotal")
    paths = ("/var/lib/clawrack", "/var/lib", "/")
    disk = next((seen.get(f"df.{path}") for path in paths if seen.get(f"df.{path}")), "")
    sizes = [part.removesuffix("K") for part in disk.split()[1:_SIZES]]
    told = [
        say("detect.room.processors", count=cores) if cores else "",
        say("detect.room.memory", gb=f"{memory / _KIB_OF_GB:.1f}") if memory else "",
        _disk(*map(int, sizes)) if len(sizes) == _SIZES - 1 and all(map(str.isdecimal, sizes)) else "",
    ]
    return " · ".join(filter(None, told))


def _disk(size: int, free: int) -> str:
    return say("detect.room.disk", size=f"{size / _KIB_OF_GB:.0f}", free=f"{free / _KIB_OF_GB:.0f}")


def _title(axis: str) -> str:
    return say(f"detect.title.{axis}")


def _trait(trait: str) -> str:
    return find(f"detect.trait.{trait}") or trait


def _told(axis: str, found: Finding) -> str:
    """Return a finding as a person reads it: what, how sure, and because of what."""
    value = find(f"detect.{axis}.{found.value}") or find(f"detect.any.{found.value}") or found.value
    because = say("detect.because", keys=", ".join(found.evidence)) if found.evidence else ""
    return " ".join(filter(None, (value, f"({_confidence(found.confidence)})", because)))


def _confidence(share: float) -> str:
    """Return a confidence in words."""
    if share >= _SURE_OF_IT:
        return say("detect.confidence.certain")
    if share >= _QUITE:
        return say("detect.confidence.sure")
    return say("detect.confidence.likely" if share >= _LIKELY else "detect.confidence.guess")


def _way(verdict: Verdict, machine: str) -> str:
    """Return what would follow: the command to type, or the way that works on such a system."""
    key = _way_key(verdict)
    typed = machine if machine not in {"", HERE} else ""
    command = f"clawrack setup --machine {typed}" if typed else "clawrack setup"
    return say(key) if find(key) else say("detect.follows", command=command)


def _way_key(verdict: Verdict) -> str:
    special = next((trait for trait in ("wsl1", "unifi") if trait in verdict.traits), "")
    return f"detect.way.{special or verdict.os.value}"


def _print_fit(suits: Fit, to: Terminal) -> None:
    ours = suits.fits == "changes" and all(problem.severity != "fix" for problem in suits.problems)
    to.paragraphs(say("detect.fits.mends" if ours else f"detect.fits.{suits.fits}", kind=suits.kind))
    for problem in suits.problems:
        _print_problem(problem, to)


def _print_problem(problem: Obstacle, to: Terminal) -> None:
    mark, style = _MARKS[problem.severity]
    first, *rest = wrap(problem.what, to.columns - 2)
    to.line(f"{to.paint(mark, style)} {first}")
    for row in (*rest, *(wrap(problem.why, to.columns - 2) if problem.why else ())):
        to.line(f"  {row}")
    to.line(f"  → {to.paint(problem.next, 'bold')}")


def _line(to: Terminal, left: str, text: str) -> None:
    first, *rest = wrap(text, max(20, to.columns - width(left) - 2))
    to.line(f"{to.paint(left, 'dim')}  {first}")
    for row in rest:
        to.line(" " * (width(left) + 2) + row)
