"""An agent's configuration as it lies on its machine against what we rendered: pure.

A release's archive is made in one way only, so its checksum on the machine tells whether the files that lie there are
those that came, even of a release that nobody can render any more.
"""

import difflib
import hashlib
from collections.abc import Iterator, Mapping

from fleet.base.clean import clean
from fleet.diff import LONGEST, MOST_LINES, masked
from fleet.doctor.checkup import Box
from fleet.doctor.commands import found
from fleet.doctor.finding import Finding
from fleet.doctor.symptoms import Symptoms
from fleet.machine.guard import pack


def judge(symptoms: Symptoms, name: str) -> Iterator[Finding]:
    """Yield that an agent's files were edited by hand, and how."""
    box, ours = symptoms.checkup.boxes.get(name), symptoms.expected[name].files
    if box is None or box.trial or not box.archive or not edited(box):
        return
    known = bool(ours) and digest(ours) == box.archive
    lines = tuple(difference(ours, box)) if known else ()
    touched = sorted(_touched(ours, box)) if known else []
    yield found(
        symptoms,
        "config.edited" if known else "config.unlike",
        "warning",
        ", ".join(touched) or f"release {box.release}, not as sha256 {box.archive[:16]}",
        agent=name,
        fix="config" if known else None,
        diff=lines,
        values={"files": ", ".join(touched)},
    )


def edited(box: Box) -> bool:
    """Tell whether a release's files are others than those that came."""
    return bool(box.odd) or digest({path: _text(content) for path, content in box.files.items()}) != box.archive


def digest(files: Mapping[str, str]) -> str:
    """Return the checksum of the archive that these files make."""
    return hashlib.sha256(pack(files)).hexdigest()


def difference(ours: Mapping[str, str], box: Box) -> Iterator[str]:
    """Yield the lines of the difference, from what we rendered to what lies there; keys are hidden."""
    lines: list[str] = []
    for path in sorted(_touched(ours, box) - set(box.odd)):
        there = box.files.get(path)
        found = [] if there is None else _text(there).splitlines()
        wanted = ours.get(path, "").splitlines()
        lines += difflib.unified_diff(wanted, found, f"{path}", f"{path} on the machine", n=1, lineterm="")
    for text in lines[:MOST_LINES]:
        yield clean(masked(text), LONGEST).replace("\n", " ")
    if len(lines) > MOST_LINES:
        yield "…"


def _touched(ours: Mapping[str, str], box: Box) -> set[str]:
    there = {path: _text(content) for path, content in box.files.items()}
    return {path for path in ours.keys() | there.keys() if ours.get(path) != there.get(path)} | set(box.odd)


def _text(content: bytes) -> str:
    """Return a file's text; one that is none is another than ours in any case."""
    return content.decode("utf-8", errors="replace")
