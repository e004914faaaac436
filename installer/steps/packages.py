"""Docker and the tools that the guard needs, from the distribution's own packages."""

from collections.abc import Iterable, Mapping

from fleet.base.errors import ActionFailed, ClawrackError, Refused, TimedOut
from installer import job, remote
from installer.steps.step import NOTES, SAVED_NOTES, Machine, Removal, Say, Tell

# What the engine makes beside its packages' own files; noted where it is not there before us.
_MADE = (
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
_ENGINE = ("docker.io", "docker-cli?", "ca-certificates")
# Program to package. What is essential in Debian is not named.
_TOOLS = {
    "docker": _ENGINE,
    "dockerd": _ENGINE,
    "iptables": ("iptables",),
    "iptables-restore": ("iptables",),
    "ip": ("iproute2",),
    "flock": ("util-linux",),
    "find": ("findutils",),
    "tar": ("tar",),
    "gzip": ("gzip",),
    "apparmor_parser": ("apparmor",),
}
_ASKED = tuple(name for name in _TOOLS if name != "apparmor_parser")
_UPDATE, _CANDIDATE, _LOCK, _REMOVES = 20, 21, 22, 24


class Packages:
    """Docker and tools are installed."""

    name = "step.packages"

    def check(self, machine: Machine) -> bool:
        """Return whether no program is missing."""
        return not missing(machine)[0]

    def verify(self, machine: Machine) -> bool:
        """Return whether no program is missing."""
        return self.check(machine)

    def apply(self, machine: Machine, say: Say) -> None:
        """Install what is missing, detached; a job that a cut-off run left behind is followed first."""
        remote.ask(machine.port, "notes.sh", "first", NOTES, *_MADE)
        programs, busy = missing(machine)
        if busy:
            say("step.packages.waiting", {"holder": busy})
        ended = _follow(machine, programs, say)
        programs, _ = missing(machine)
        if programs and ended.code in {0, None}:
            # it was a job of an earlier run, for other packages, or its end got lost: now our own
            ended = _follow(machine, programs, say)
            programs, _ = missing(machine)
        for words in ended.told:
            if words[0] == "broken":
                say("step.packages.broken_source", {"file": words[1], "address": " ".join(words[2:]) or "-"})
        if ended.code or programs:
            raise _error(machine.name, ended, programs)

    def undo(self, machine: Machine, removal: Removal, tell: Tell) -> None:
        """Leave Docker, and say so; or, where that was asked for, remove it if it is ours and nobody else uses it.

        Raises:
            ActionFailed: apt failed (``unprepare.docker_failed``).
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
        if said[0] == "kept":
            tell("note", f"unprepare.docker_{said[1]}", {"packages": " ".join(said[2:])})
        else:
            tell("done", "unprepare.docker", {})


def missing(machine: Machine) -> tuple[tuple[str, ...], str]:
    """Return the programs that are not there, and who holds the package manager (process id and name), if anybody."""
    said = remote.ask(machine.port, "have.sh", *_ASKED, root=False)
    return tuple(said.get("missing", "").split()), said.get("busy", "")


def _packages(programs: Iterable[str]) -> tuple[str, ...]:
    """Return the packages for the programs, each once."""
    return tuple(dict.fromkeys(package for program in programs for package in _TOOLS[program]))


def _follow(machine: Machine, programs: Iterable[str], say: Say) -> job.Ended:
    """Install the packages for the programs, detached, and follow that to its end."""

    def tell(text: str) -> None:
        say("step.packages.line", {"line": text})

    args = (NOTES, str(_LOCK_SECONDS), *_packages(programs))
    return job.run(machine.port, job.Job("packages", "apt.sh", args, _LATEST), tell)


def _error(where: str, ended: job.Ended, programs: tuple[str, ...]) -> ClawrackError:
    """Return the error for a job's end, with apt's own last words as the reason."""
    told = {words[0]: " ".join(words[1:]) for words in ended.told}
    reason = told.get("mirror") or _reason(ended.log)
    if ended.code == _LOCK:
        return TimedOut("packages.locked", where=where, holder=told.get("lock") or "?", minutes=_LOCK_SECONDS // 60)
    if ended.code == _REMOVES:
        return Refused("packages.removes", where=where, packages=told.get("removes", "?"))
    return ActionFailed(_failure(ended.code, told, reason), where=where, **_told(told, reason, programs))


def _failure(code: int | None, told: Mapping[str, str], reason: str) -> str:
    """Return the key of the text for a failed job."""
    if code == _UPDATE or (code == _CANDIDATE and "mirror" in told):
        return "packages.mirror"
    if code == _CANDIDATE:
        return "packages.absent"
    if "No space left" in reason or "enough free space" in reason:
        return "packages.no_room"
    return "packages.failed" if code else "packages.still_missing"


def _told(told: Mapping[str, str], reason: str, programs: tuple[str, ...]) -> dict[str, object]:
    """Return the values that those texts use."""
    return {"reason": reason, "package": told.get("missing", "?"), "programs": " ".join(programs)}


def _reason(log: tuple[str, ...]) -> str:
    """Return the line of apt's or dpkg's output that tells most."""
    for start in ("E: You don't have enough", "dpkg: error", "E: ", "Err:"):
        found = [text for text in log if text.startswith(start) or ("No space left" in text)]
        if found:
            return found[0]
    return log[-1] if log else "-"
