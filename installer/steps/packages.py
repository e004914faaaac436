"""Docker and the tools that the guard needs: the distribution's packages or Docker's own, as the family's data say.

Where the machine's own package source does not do, mirrors are tried on the machine itself, and the best that works is
used for this once: its sources stay as they are. Which one it was is noted on the machine, and comes first next time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fleet.base.clean import pairs
from fleet.base.errors import ActionFailed, ClawrackError, Refused, TimedOut
from installer import engines, job, mirrors, remote
from installer.detect.architecture import architecture
from installer.facts import Facts
from installer.mirrors import measure
from installer.mirrors.choose import ranked, told
from installer.steps.step import NOTES, SAVED_NOTES, Always, Machine, Removal, Say, Tell

# What the engine makes beside its packages' own files; noted where it is not there before us.
MADE = (
    "/var/lib/docker",
    "/var/lib/containerd",
    "/etc/docker",
    "/etc/docker/key.json",
    "/etc/containerd",
    "/etc/cni",
    "/opt/containerd",
)
_LOCK_SECONDS = 600
_LATEST = 3000.0
_TOOLS = engines.families()["debian"].packages
EVERYTHING = tuple(dict.fromkeys(package for packages in _TOOLS.values() for package in packages))
"""All that a Debian or Ubuntu may need; with ``?`` at the end: only where the release has it."""
_ASKED = tuple(name for name in _TOOLS if name != "apparmor_parser")
_DONE, _UPDATE, _CANDIDATE, _LOCK, _REMOVES, _KEY = 0, 20, 21, 22, 24, 25
_MOST_MIRRORS = 3


@dataclass(frozen=True)
class Packages(Always):
    """Docker and tools are installed.

    Args:
        known: the mirrors that may be tried; None for all that clawrack knows.
    """

    name: str = "step.packages"
    known: mirrors.Known | None = None

    def check(self, machine: Machine) -> bool:
        """Return whether no program is missing."""
        return not missing(machine)[0]

    def verify(self, machine: Machine) -> bool:
        """Return whether no program is missing."""
        return self.check(machine)

    def apply(self, machine: Machine, say: Say) -> None:
        """Install what is missing, detached; a job that a cut-off run left behind is followed first.

        Raises:
            Refused: clawrack has no way for such a system, or something would have to go.
            ActionFailed: no source has what is needed, or the packages do not install.
            TimedOut: somebody else held the package manager all the time.
        """
        note_first(machine)
        programs, busy = missing(machine)
        if busy:
            say("step.packages.waiting", {"holder": busy})
        install = _Install(machine, say, self.known or mirrors.known())
        ended = install.done(programs)
        programs, _ = missing(machine)
        if programs and ended.code in {_DONE, None}:
            # it was a job of an earlier run, for other packages, or its end got lost: now our own
            ended = install.done(programs)
            programs, _ = missing(machine)
        if ended.code or programs:
            raise error_of(machine.name, machine.facts, ended, programs, install.tests)

    def undo(self, machine: Machine, removal: Removal, tell: Tell) -> None:
        """Leave Docker, and say so; or, where that was asked for, remove it if it is ours and nobody else uses it.

        Raises:
            ActionFailed: the package manager failed (``unprepare.docker_failed``).
        """
        if not removal.docker:
            if not {"docker", "dockerd"} & set(missing(machine)[0]):
                tell("note", "unprepare.docker_stays", {})
            return
        tell("begun", "unprepare.docker", {})
        undocker = job.Job("undocker", "undocker.sh", (SAVED_NOTES,), _LATEST)
        ended = job.run(machine.port, undocker, lambda text: tell("progress", "step.packages.line", {"line": text}))
        said = next((words for words in ended.told if words[0] in {"kept", "removed"}), ())
        if ended.code or not said:
            raise ActionFailed("unprepare.docker_failed", where=machine.name, reason=_reason(ended.log))
        if ("daemon", "changed") in ended.told:
            tell("note", "unprepare.daemon_changed", {})
        if said[0] == "kept":
            tell("note", f"unprepare.docker_{said[1]}", {"packages": " ".join(said[2:])})
        else:
            tell("done", "unprepare.docker", {})


def note_first(machine: Machine) -> None:
    """Write down on the machine what is there before anything of Docker's is."""
    remote.ask(machine.port, "notes.sh", "first", NOTES, *MADE)


def missing(machine: Machine) -> tuple[tuple[str, ...], str]:
    """Return the programs that are not there, and who holds the package manager (process id and name), if anybody."""
    said = remote.ask(machine.port, "have.sh", *_ASKED, root=False)
    return tuple(said.get("missing", "").split()), said.get("busy", "")


@dataclass(frozen=True)
class _Install:
    """One installation of packages: its sources one after another, until one has them."""

    machine: Machine
    say: Say
    known: mirrors.Known
    tests: list[str] = field(default_factory=list[str])

    def done(self, programs: Iterable[str]) -> job.Ended:
        """Install the packages for the programs; return how the last try ended."""
        family = _family(self.machine)
        wanted, ended = family.wanted(programs), job.Ended(None)
        for script, source in self._ways(family):
            ended = self._follow(script, source, wanted)
            self._broken(ended)
            if not _elsewhere(ended):
                break
        return ended

    def _ways(self, family: engines.Family) -> Iterator[tuple[str, str]]:
        """Yield script and source of each way, the likeliest first; what must be measured is, when it comes."""
        if self.machine.brought:
            yield "apt.sh", self.machine.brought.place(self.machine, self.say)
        elif family.manager != "apt":
            yield from self._rpms(family) if family.branch else (("others.sh", "-"),)
        elif self.machine.facts.get("net_mirror"):
            yield from self._debs(self.machine.facts.get("net_mirror").split(" "))
        else:
            yield "apt.sh", "-"
            facts = self.machine.facts
            if mirrors.codename(facts):
                self.say("step.packages.testing", {})
                found, tests = measure.chosen(self.machine.port, facts, self.known, kept=self._kept())
                self.tests.append(tests)
                yield from self._debs(mirror.url for mirror in found[:_MOST_MIRRORS])

    def _debs(self, urls: Iterable[str]) -> Iterator[tuple[str, str]]:
        archive = self.known.archives[mirrors.name_of(self.machine.facts)]
        for url in urls:
            mirror = next((one for one in archive.mirrors if one.url == url), mirrors.Mirror(url))
            self.say("step.packages.mirror", {"address": url})
            yield "apt.sh", measure.source(archive, mirror, mirrors.codename(self.machine.facts))

    def _rpms(self, family: engines.Family) -> Iterator[tuple[str, str]]:
        """Docker's own repository, from the mirror that has this machine's branch of it."""
        facts, archive = self.machine.facts, self.known.archives["docker-ce"]
        values = engines.branch(family, facts, architecture(facts).value)
        cloud, kept = measure.cloud(facts), self._kept()
        fits = [mirror for mirror in archive.mirrors if mirror.cloud in {"", cloud}]
        tests = measure.measure(self.machine.port, archive, fits, values)
        found = ranked(tests, cloud=cloud, kept=kept or archive.mirrors[0].url)
        if not found:
            place = archive.test.format(**values)
            raise ActionFailed("packages.no_mirror", where=self.machine.name, path=place, tests=told(tests))
        for mirror in found[:_MOST_MIRRORS]:
            base = f"{mirror.url}/{values['branch']}"
            self.say("step.packages.mirror", {"address": base})
            yield "others.sh", f"{base},{values['number']},{engines.KEY}"

    def _kept(self) -> str:
        """Return the mirror that was chosen for this machine before."""
        notes = pairs(remote.run(self.machine.port, "notes.sh", "show", NOTES).out)
        return next((value for key, value in reversed(notes) if key == "mirror"), "")

    def _follow(self, script: str, source: str, wanted: Iterable[str]) -> job.Ended:
        """Run one job to its end, telling its last line."""
        manager = () if script == "apt.sh" else (_family(self.machine).manager,)
        args = (*manager, NOTES, str(_LOCK_SECONDS), source, *wanted)

        def tell(text: str) -> None:
            self.say("step.packages.line", {"line": text})

        return job.run(self.machine.port, job.Job("packages", script, args, _LATEST), tell)

    def _broken(self, ended: job.Ended) -> None:
        for words in ended.told:
            if words[0] == "broken":
                params: dict[str, object] = {"file": words[1], "address": " ".join(words[2:]) or "-"}
                self.say("step.packages.broken_source", params)


def _family(machine: Machine) -> engines.Family:
    family = engines.of(machine.facts)
    if not family:
        system = machine.facts.get("os.PRETTY_NAME") or machine.facts.get("os.ID") or "?"
        raise Refused("packages.no_way", where=machine.name, system=system)
    return family


def _elsewhere(ended: job.Ended) -> bool:
    """Return whether another source may do better: the lists could not be had, or only without what mattered."""
    broken = any(words[0] == "broken" for words in ended.told)
    return ended.code == _UPDATE or (ended.code == _CANDIDATE and broken)


def error_of(
    where: str, facts: Facts, ended: job.Ended, programs: Sequence[str], tests: Sequence[str]
) -> ClawrackError:
    """Return the error for a job's end, with the package manager's own last words as the reason.

    Args:
        where: the machine.
        facts: of it.
        ended: the job that did not do it.
        programs: that are missing still.
        tests: of mirrors, in a few words, where there were any.
    """
    told = {words[0]: " ".join(words[1:]) for words in ended.told}
    reason = told.get("mirror") or _reason(ended.log)
    if ended.code == _LOCK:
        return TimedOut("packages.locked", where=where, holder=told.get("lock") or "?", minutes=_LOCK_SECONDS // 60)
    if ended.code == _REMOVES:
        return Refused("packages.removes", where=where, packages=told.get("removes", "?"))
    if ended.code == _KEY:
        return Refused("packages.foreign_key", where=where, found=told.get("key", "?"), wanted=engines.KEY)
    key = _failure(ended.code, told, reason, engines.of(facts))
    key = "packages.no_source" if tests and key == "packages.mirror" else key
    params = {"reason": reason, "package": told.get("missing", "?"), "programs": " ".join(programs)}
    return ActionFailed(key, where=where, tests=tests[-1] if tests else "-", **params)


def _failure(code: int | None, told: Mapping[str, str], reason: str, family: engines.Family | None) -> str:
    """Return the key of the text for a failed job."""
    if " 429 " in f" {reason} " or "Too Many Requests" in reason:
        return "packages.throttled"
    if code == _UPDATE or (code == _CANDIDATE and ("mirror" in told or "broken" in told)):
        return "packages.mirror"
    if code == _CANDIDATE:
        return f"packages.absent_{family.absent}" if family and family.absent else "packages.absent"
    if "No space left" in reason or "enough free space" in reason:
        return "packages.no_room"
    if "stale" in told:
        return "packages.stale"
    return "packages.failed" if code else "packages.still_missing"


def _reason(log: tuple[str, ...]) -> str:
    """Return the line of the package manager's output that tells most."""
    for start in ("E: You don't have enough", "dpkg: error", "E: ", "Err:", "Error: ", "ERROR: ", "error: ", "Problem"):
        found = [text for text in log if text.startswith(start) or ("No space left" in text)]
        if found:
            return found[0]
    return log[-1] if log else "-"
