"""Typed calls to the guard: the one script on a machine through which every change goes.

Its verbs and answers are told at the top of templates/machine/guard.sh.
"""

import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from fleet.base import formats
from fleet.base.clean import line, number, pairs
from fleet.base.errors import ActionFailed, ClawrackError, OurBug, Refused
from fleet.base.secret import Secret
from fleet.base.words import find, say
from fleet.machine.port import Port

GUARD = "/usr/local/lib/clawrack/guard.sh"
Fate = Literal["keep", "erase"]
Said = dict[str, str]
_FILES = 8 << 20  # bytes of an answer: the files of hundreds of agents
_LONGEST = 140_000  # characters of one line of it: a file of 64 KiB in hexadecimal, and its name
_BAD_INPUT, _REFUSED = 2, 3
_STOP = 400.0  # seconds: OpenClaw may take 330 to finish what it does
_NO_COMMAND = 127  # what shells end with where there is no such command; sudo says so in words


class GuardAbsent(Refused):
    """There is no guard of ours on a machine that answers: it was never prepared, or only by half, or left by half."""

    def __init__(self, machine: str) -> None:
        super().__init__("guard.absent", where=machine, machine=machine)


class Lease(msgspec.Struct, frozen=True):
    """The right to change a machine for a while; ``token`` fences off everybody who had it before."""

    token: int

    @property
    def word(self) -> str:
        """The token as an argument."""
        return str(self.token)


class Failure(msgspec.Struct, frozen=True):
    """A trial that failed: how it ended (``exit``, ``oom``, ``reason`` …), the engine's inspection (JSON), and its log.

    All of it is the agent's or its machine's word: to be cleaned before it is shown.
    """

    facts: Said
    inspection: bytes
    log: bytes


class Guard:
    """The guard of one machine.

    Every method may raise GuardAbsent, Refused (a lease is held by another, a token is stale, a commit is late),
    ActionFailed (the machine said no; its reason is in the error), or Unreachable (the wire was cut: only looking again
    tells).
    """

    def __init__(self, port: Port, path: str = GUARD) -> None:
        self.port = port
        self.path = path

    def lease(self, holder: str, seconds: int) -> Lease:
        """Take the lease for so many seconds of the machine's own uptime.

        Raises:
            Refused: also where the machine's state is in a newer format than we know; the lease is given back.
        """
        said = self._call("lease", holder, str(seconds))
        lease = Lease(int(said["token"]))
        try:
            self._known(said)
        except Refused:
            self.release(lease)
            raise
        return lease

    def renew(self, lease: Lease, seconds: int) -> None:
        """Hold the lease for so many more seconds."""
        self._call("renew", lease.word, str(seconds))

    def release(self, lease: Lease) -> None:
        """Give the lease back."""
        self._call("release", lease.word)

    def stage(self, lease: Lease, name: str, release: str, files: Mapping[str, str]) -> None:
        """Bring a release's files: ``spec``, and the configuration as ``config/NAME``."""
        content = pack(files)
        self._call("stage", lease.word, name, release, hashlib.sha256(content).hexdigest(), stdin=content)

    def secrets(self, lease: Lease, name: str, file: str, content: bytes) -> None:
        """Bring a file of secrets, by standard input; root's alone on the machine."""
        self._call("secrets", lease.word, name, file, str(len(content)), stdin=content)

    def reveal(self, name: str, file: str) -> bytes | None:
        """Return a file of secrets as the machine holds it, or None where there is none."""
        ran = self.port.run((self.path, "reveal", name, file), root=True, timeout=30)
        if ran.code == 0:
            return ran.out
        said = parse(ran.out)
        if said.get("reason") == "absent":
            return None
        raise self._error("reveal", ran.code, said, ran.err)

    def image(self, lease: Lease, image: str) -> None:
        """Tell that an image was brought by us: it goes when no release names it any more."""
        self._call("image", lease.word, image)

    def trial(self, lease: Lease, name: str, release: str, seconds: int) -> Said:
        """Stop the old, snapshot its state, start the release on trial; it reverts by itself after so many seconds."""
        return self._call("trial", lease.word, name, release, str(seconds), timeout=_STOP + 600)

    def commit(self, lease: Lease, name: str, release: str, keep: int | None = None) -> None:
        """Make the trial the agent; late is refused. ``keep`` releases before it stay, each with its state (2)."""
        self._call("commit", lease.word, name, release, *([] if keep is None else [str(keep)]))

    def keep(self, lease: Lease, name: str, count: int) -> None:
        """Keep so many releases before the current one from now on; those beyond go with their snapshots."""
        self._call("keep", lease.word, name, str(count))

    def rollback(self, lease: Lease, name: str, release: str) -> Said:
        """Go back to a release that is kept: image, configuration and state; committed at once, and never taken back.

        What is now is kept likewise, so that one can go there again. ``wait`` are the seconds before it starts.

        Raises:
            Refused: the release is not kept; the agent is on trial.
            ActionFailed: nothing was touched (no room, a damaged snapshot), or the machine goes on with it by itself.
        """
        return self._call("rollback", lease.word, name, release, timeout=_STOP + 600)

    def failure(self, name: str, release: str) -> Failure | None:
        """Return what the machine kept of a trial that failed; None where it kept nothing (it keeps the last three)."""
        ran = self.port.run((self.path, "failure", name, release), root=True, timeout=30)
        head, _, rest = ran.out.partition(b"\n\n")
        said = parse(head + b"\n")
        if ran.code == 0:
            size = number(said.get("inspect", "")) or 0
            return Failure(said, rest[:size], rest[size : size + (number(said.get("log", "")) or 0)])
        if said.get("reason") == "absent":
            return None
        raise self._error("failure", ran.code, said, ran.err)

    def revert(self, lease: Lease, name: str) -> None:
        """End the trial: state and release as they were before it."""
        self._call("revert", lease.word, name, timeout=_STOP + 600)

    def mend(self, lease: Lease, *words: str, files: Mapping[str, str] | None = None, stdin: bytes = b"") -> bool:
        """Put one thing right, with the files that belong there or what else it needs; whether anything had to be."""
        content = pack(files) if files else stdin
        return not _already(self._call("mend", lease.word, *words, stdin=content, timeout=500))

    def start(self, lease: Lease, name: str) -> bool:
        """Start the agent; whether it had to be."""
        return not _already(self._call("start", lease.word, name))

    def stop(self, lease: Lease, name: str) -> bool:
        """Stop the agent on purpose; whether it had to be."""
        return not _already(self._call("stop", lease.word, name, timeout=_STOP))

    def restart(self, lease: Lease, name: str) -> None:
        """Stop and start the agent."""
        self._call("restart", lease.word, name, timeout=_STOP)

    def remove(self, lease: Lease, name: str, fate: Fate) -> Said:
        """Take the agent off; with ``keep`` its state stays, and ``kept`` says where."""
        return self._call("remove", lease.word, name, fate, timeout=_STOP)

    def foreign(self, container: str, inside: str) -> Said:
        """Tell what taking over a container of somebody else's would copy: ``bytes``, and how many are ``free``."""
        return self._call("foreign", container, inside)

    def adopt(self, lease: Lease, name: str, container: str, inside: str) -> Said:
        """Let the agent's first trial take a container of somebody else's over, with the state that is at this path."""
        return self._call("adopt", lease.word, name, container, inside)

    def unadopt(self, lease: Lease, name: str) -> Said:
        """Take the agent off, its state kept (``kept``); what it came from runs again as before (``back``)."""
        return self._call("unadopt", lease.word, name, timeout=_STOP)

    def meter(self, lease: Lease, release: str, files: Mapping[str, str]) -> bool:
        """Place or replace the meter: ``spec`` and ``routes.json``; whether anything had to be done.

        Raises:
            Refused: it does not know the format in which the ledger is.
            ActionFailed: it was not ready in its time; the one before is back.
        """
        content = pack(files)
        digest = hashlib.sha256(content).hexdigest()
        return not _already(self._call("meter", lease.word, release, digest, stdin=content, timeout=400))

    def route(self, lease: Lease, name: str, content: bytes) -> bool:
        """Bring a route to a provider, with its key, by standard input; whether anything had to be done."""
        words = (lease.word, name, str(len(content)))
        return not _already(self._call("route", *words, stdin=content))

    def unroute(self, lease: Lease, name: str) -> bool:
        """Take a route and its key off the machine; whether there was one. Refused where an agent uses it."""
        return not _already(self._call("unroute", lease.word, name))

    def assign(self, lease: Lease, agent: str, route: str) -> bool:
        """Send an agent's calls by this route from now on; whether they went another way."""
        return not _already(self._call("assign", lease.word, agent, route))

    def once(self, lease: Lease, agent: str, route: str) -> None:
        """Send the agent's very next call by this route, and that one alone."""
        self._call("once", lease.word, agent, route)

    def routes(self) -> list[tuple[str, str]]:
        """Return what may be shown of the routes to providers (``route.NAME``), and each agent's (``agent.NAME``)."""
        ran = self.port.run((self.path, "routes"), root=True, timeout=30)
        if ran.code:
            raise self._error("routes", ran.code, parse(ran.out), ran.err)
        return pairs(ran.out)

    def look(self) -> list[tuple[str, str]]:
        """Return everything there is, as pairs in the guard's order."""
        ran = self.port.run((self.path, "look"), root=True, timeout=30)
        if ran.code:
            raise self._error("look", ran.code, parse(ran.out), ran.err)
        said = pairs(ran.out)
        self._known(dict(said))
        return said

    def files(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """Return what lies on the machine of these agents' current releases; `fleet.diff.lying` reads it."""
        ran = self.port.run((self.path, "files", *names), root=True, timeout=60, cap=_FILES)
        if ran.code:
            raise self._error("files", ran.code, parse(ran.out), ran.err)
        return pairs(ran.out, _LONGEST)

    def owner(self, lease: Lease, files: Mapping[str, str]) -> Said:
        """Bring the owner's command and its texts; ``command`` says where it is now."""
        content = pack(files)
        return self._call("owner", lease.word, hashlib.sha256(content).hexdigest(), stdin=content)

    def password(self, lease: Lease, user: str, new: Secret) -> None:
        """Give a login the password that its owner typed, by standard input."""
        self._call("password", lease.word, user, stdin=new.reveal().encode() + b"\n")

    def handover(self, lease: Lease, user: str, what: Literal["key", "login"], public: str) -> list[tuple[str, str]]:
        """Take a key, or the whole login, away from who asks for it; the lease ends with it. Return what was said."""
        words = (self.path, "handover", lease.word, user, what)
        ran = self.port.run(words, stdin=f"{public}\n".encode(), root=True)
        if ran.code:
            raise self._error("handover", ran.code, parse(ran.out), ran.err)
        return pairs(ran.out)

    def _known(self, said: Said) -> None:
        """Refuse a guard that keeps its state in a newer format than we know; one that says nothing is of the first."""
        found = number(said.get("version", ""))
        formats.check("machine-state", formats.Said(1 if found is None else found), self.port.name)

    def usage(self) -> bytes:
        """Return the meter's own report, JSON."""
        ran = self.port.run((self.path, "usage"), root=True, timeout=30)
        if ran.code:
            raise self._error("usage", ran.code, parse(ran.out), ran.err)
        return ran.out

    def harden(self, lease: Lease, *words: str) -> Said:
        """Switch password logins off, for a while (``arm …``) or for good (``commit``); see `fleet.machine.harden`."""
        return self._call("harden", lease.word, *words, timeout=150)

    def soften(self, lease: Lease) -> bool:
        """Take hardening back; whether there was any."""
        return not _already(self._call("soften", "now", lease.word, timeout=90))

    def anew(self, lease: Lease, *, keys: bool) -> Said:
        """Make a copy a machine of its own: its agents go, it gets an id, and with ``keys`` host keys of its own."""
        return self._call("anew", lease.word, "keys" if keys else "no-keys", timeout=_STOP + 200)

    def hardening(self) -> Said:
        """Return how far hardening has come; nothing is changed."""
        return self._call("hardening")

    def host(self, what: str, *words: str, timeout: float = 90.0) -> Said:
        """Change, or with ``look`` see, the machine around the agents; see guard.sh. Removal takes the changes back."""
        return self._call("host", what, *words, timeout=timeout)

    def uninstall(self, fate: Fate, lease: Lease | None = None) -> Said:
        """Take everything of ours off the machine."""
        return self._call("uninstall", fate, *([lease.word] if lease else []), timeout=_STOP + 200)

    def _call(self, verb: str, *words: str, stdin: bytes = b"", timeout: float = 60.0) -> Said:
        ran = self.port.run((self.path, verb, *words), stdin=stdin, timeout=timeout, root=True)
        said = parse(ran.out)
        if ran.code:
            raise self._error(verb, ran.code, said, ran.err)
        return said

    def _error(self, verb: str, code: int, said: Said, err: bytes) -> ClawrackError:
        reason = said.get("reason", "")
        told = sentence(reason, said.get("detail", "")) or line(err) or f"exit {code}"
        where = self.port.name
        if reason == "held":
            holder, left = said.get("holder", "?"), said.get("left", "?")
            return Refused("guard.lease_held", where=where, machine=where, holder=holder, left=left)
        if reason == "harden-vendor":
            family = said.get("detail", "")
            steps = say(f"harden.vendor.{family}") if find(f"harden.vendor.{family}") else "-"
            return Refused("harden.vendor", where=where, machine=where, steps=steps)
        if reason == "not-installed" or (not reason and (code == _NO_COMMAND or b"not found" in err)):
            return GuardAbsent(where)
        if code == _BAD_INPUT:
            return OurBug("guard.bad_input", where=where, machine=where, verb=verb, reason=told)
        if code == _REFUSED:
            return Refused("guard.refused", where=where, machine=where, verb=verb, reason=told)
        return ActionFailed("guard.failed", where=where, machine=where, verb=verb, reason=told)


def parse(out: bytes) -> Said:
    """Return a guard's answer by key; of equal keys the last counts."""
    return dict(pairs(out))


def pack(files: Mapping[str, str]) -> bytes:
    """Return a plain tar of text files, always the same for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files):
            content = files[name].encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def spec(lines: Sequence[str]) -> str:
    """Return the text of a spec."""
    return "".join(f"{text}\n" for text in lines)


def sentence(reason: str, detail: str = "") -> str:
    """Return a reason of the guard's in the language in use, with its detail; a reason without words stays as it is."""
    key = f"guard.reason.{reason}"
    return line(": ".join(filter(None, (say(key) if find(key) else reason, detail))))


def _already(said: Said) -> bool:
    return said.get("already") == "1"
