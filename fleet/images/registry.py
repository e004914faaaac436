"""Official images from a registry, by digest; the machine's own engine asks and pulls, with its mirrors and proxies.

A registry counts what it gives by address, and a booth, an office or a provider's whole network may share one: "too
many requests" is that address's limit. It is never told as a wrong key, login or image.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from time import monotonic
from typing import Literal

import docker
from docker.errors import APIError

from fleet.base.clean import line
from fleet.base.errors import ActionFailed, Unreachable
from fleet.base.event import Listener, ignore
from fleet.images import engine
from fleet.images.build import Teller
from fleet.images.engine import Answer, Detail

PROBE_SECONDS = 4
Why = Literal["throttled", "forbidden", "absent", "silent"]
"""What a registry that gives no image means by it; ``silent`` also stands for whatever else went wrong."""
_DIGEST = re.compile("sha256:[0-9a-f]{64}")
# As registries and Docker say it: the codes of the distribution API, and HTTP's where the body is none of theirs.
_SAID: tuple[tuple[Why, re.Pattern[str]], ...] = (
    ("throttled", re.compile(r"toomanyrequests|too many requests|rate limit|\b429\b", re.IGNORECASE)),
    ("absent", re.compile(r"manifest unknown|not found|name unknown|\b404\b", re.IGNORECASE)),
    ("forbidden", re.compile(r"denied|unauthorized|forbidden|no basic auth|\b40[13]\b", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class Pinned:
    """One image in a registry, once and for all.

    Attributes:
        repository: with its registry.
        digest: ``sha256:…`` of the manifest, or of the index of several architectures.
        architectures: that it is there for, in Docker's words; empty where the registry did not say.
    """

    repository: str
    digest: str
    architectures: tuple[str, ...] = ()

    @property
    def ref(self) -> str:
        """How engines call it."""
        return f"{self.repository}@{self.digest}"


def split(ref: str) -> tuple[str, str]:
    """Return repository and tag or digest: ``host:5000/a/b:1`` is ``host:5000/a/b`` and ``1``."""
    if "@" in ref:
        repository, _, name = ref.partition("@")
        return repository, name
    head, slash, last = ref.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{head}{slash}{name}", tag or "latest"


@dataclass(frozen=True, slots=True)
class No:
    """A registry that did not give an image.

    Attributes:
        registry: its host.
        why: what it means by that.
        reason: its words, or the engine's.
    """

    registry: str
    why: Why
    reason: str


def host(ref: str) -> str:
    """Return the registry in an image's name; Docker Hub where there is none."""
    first, slash, _ = ref.partition("/")
    return first if slash and (set(".:") & set(first) or first == "localhost") else "docker.io"


def meant(reason: str) -> Why:
    """Return what a registry means by its words, or the engine's for it."""
    for why, said in _SAID:
        if said.search(reason):
            return why
    return "silent"


def probe(client: docker.APIClient, refs: Sequence[str], seconds: int = PROBE_SECONDS) -> Pinned | None:
    """Return the image of the first of the names that a registry has; None where none has it. See `asked`."""
    return asked(client, refs, seconds)[0]


def asked(
    client: docker.APIClient, refs: Sequence[str], seconds: int = PROBE_SECONDS
) -> tuple[Pinned | None, tuple[No, ...]]:
    """Ask the registries, from the machine, for the manifest of an image; all at once, and the first in the list wins.

    It is the real operation, through the engine with its proxies and mirrors. No answer within the time, in seconds, is
    no. Those that said no come second, in the order of the names.
    """
    if not refs:
        return None, ()
    with engine.hurried(client, seconds):
        pool = ThreadPoolExecutor(len(refs))
        questions = [pool.submit(_ask, client, ref) for ref in refs]
        wait(questions, timeout=seconds)
        pool.shutdown(wait=False, cancel_futures=True)
    answers = [
        one.result() if one.done() else No(host(ref), "silent", "-") for one, ref in zip(questions, refs, strict=True)
    ]
    found = next((answer for answer in answers if isinstance(answer, Pinned)), None)
    return found, tuple(answer for answer in answers if isinstance(answer, No))


def _ask(client: docker.APIClient, ref: str) -> Pinned | No:
    try:
        said = engine.distribution(client, ref)
    except APIError as error:
        reason = engine.reason(error)
        return No(host(ref), meant(f"{error.status_code} {reason}"), reason)
    except (Unreachable, *engine.WIRE) as error:
        return No(host(ref), "silent", engine.reason(error))
    architectures = tuple(row.architecture for row in said.platforms or () if row.os == "linux")
    found = Pinned(split(ref)[0], said.descriptor.digest, architectures)
    return found if _DIGEST.fullmatch(found.digest) else No(host(ref), "silent", "digest")


def pull(
    client: docker.APIClient,
    pinned: Pinned,
    listener: Listener = ignore,
    *,
    machine: str = "",
    step: str = "image.step.pull",
) -> str:
    """Pull an image by its digest; return its id once the engine has shown that it is this one; told as ``step``.

    Raises:
        ActionFailed: the registry or the engine said no, or what came is not what was asked for;
            ``image.throttled`` where the registry gives this address no more for now.
        Unreachable: the wire to the engine was cut.
    """
    tell = Teller(listener, machine or pinned.repository)
    theirs = engine.architecture(client)
    try:
        complaint = _pull(client, pinned, tell, step)
    except APIError as error:
        complaint = engine.reason(error)
    except engine.WIRE as error:
        raise Unreachable("image.engine_silent", where=machine, reason=engine.reason(error)) from error
    if meant(complaint) == "throttled":
        raise ActionFailed("image.throttled", where=machine, registry=host(pinned.repository))
    if complaint:
        raise ActionFailed("image.pull_failed", where=machine, image=pinned.ref, reason=complaint)
    return verified(client, pinned, theirs)


def _pull(client: docker.APIClient, pinned: Pinned, tell: Teller, step: str) -> str:
    began, place = monotonic(), host(pinned.repository)
    tell.say("begun", step, began, registry=place)
    complaint = ""
    for moved, total, error in _sums(engine.pull(client, pinned.repository, pinned.digest)):
        complaint = complaint or error
        tell.say("progress", step, began, moved, total, registry=place)
    tell.say("failed" if complaint else "done", step, began, registry=place)
    return complaint


def _sums(answers: Iterable[Answer]) -> Iterator[tuple[int, int, str]]:
    """Yield bytes that have come, bytes known of so far, and the error, for each answer that says one of them."""
    layers: dict[str, Detail] = {}
    for answer in answers:
        if answer.status == "Downloading":
            layers[answer.id] = answer.detail
        if answer.status == "Downloading" or answer.error:
            moved = sum(layer.current for layer in layers.values())
            yield moved, sum(layer.total for layer in layers.values()), line(answer.error)


def verified(client: docker.APIClient, pinned: Pinned, architecture: str) -> str:
    """Return the id of the pinned image on the engine.

    Raises:
        ActionFailed: it is not there, not under this digest, or of another architecture.
    """
    found = engine.inspect(client, pinned.ref)
    if not found or pinned.digest not in {split(ref)[1] for ref in found.repo_digests or ()}:
        raise ActionFailed("image.wrong_digest", image=pinned.ref, reason="")
    if found.architecture != architecture:
        raise ActionFailed("image.wrong_digest", image=pinned.ref, reason=found.architecture)
    return found.id
