"""Official images from a registry, by digest; the machine's own engine asks and pulls, with its mirrors and proxies."""

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from time import monotonic

import docker
from docker.errors import APIError

from fleet.base.clean import line
from fleet.base.errors import ActionFailed, Unreachable
from fleet.base.event import Listener, ignore
from fleet.images import engine
from fleet.images.build import Teller
from fleet.images.engine import Answer, Detail

PROBE_SECONDS = 4
_DIGEST = re.compile("sha256:[0-9a-f]{64}")


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


def probe(client: docker.APIClient, refs: Sequence[str], seconds: int = PROBE_SECONDS) -> Pinned | None:
    """Ask the registries, from the machine, for the manifest of an image; all at once, and the first in the list wins.

    It is the real operation, through the engine with its proxies and mirrors. No answer within the time, in seconds, is
    no.
    """
    if not refs:
        return None
    with engine.hurried(client, seconds):
        pool = ThreadPoolExecutor(len(refs))
        asked = [pool.submit(_ask, client, ref) for ref in refs]
        wait(asked, timeout=seconds)
        pool.shutdown(wait=False, cancel_futures=True)
    return next((found for one in asked if one.done() and (found := one.result())), None)


def _ask(client: docker.APIClient, ref: str) -> Pinned | None:
    try:
        said = engine.distribution(client, ref)
    except (Unreachable, *engine.WIRE):
        return None
    architectures = tuple(row.architecture for row in said.platforms or () if row.os == "linux")
    found = Pinned(split(ref)[0], said.descriptor.digest, architectures)
    return found if _DIGEST.fullmatch(found.digest) else None


def pull(client: docker.APIClient, pinned: Pinned, listener: Listener = ignore, *, machine: str = "") -> str:
    """Pull an image by its digest; return its id once the engine has shown that it is this one.

    Raises:
        ActionFailed: the registry or the engine said no, or what came is not what was asked for.
        Unreachable: the wire to the engine was cut.
    """
    tell = Teller(listener, machine or pinned.repository)
    theirs = engine.architecture(client)
    try:
        complaint = _pull(client, pinned, tell)
    except APIError as error:
        complaint = engine.reason(error)
    except engine.WIRE as error:
        raise Unreachable("image.engine_silent", where=machine, reason=engine.reason(error)) from error
    if complaint:
        raise ActionFailed("image.pull_failed", where=machine, image=pinned.ref, reason=complaint)
    return verified(client, pinned, theirs)


def _pull(client: docker.APIClient, pinned: Pinned, tell: Teller) -> str:
    began = monotonic()
    host = pinned.repository.partition("/")[0]
    tell.say("begun", "image.step.pull", began, registry=host)
    complaint = ""
    for moved, total, error in _sums(engine.pull(client, pinned.repository, pinned.digest)):
        complaint = complaint or error
        tell.say("progress", "image.step.pull", began, moved, total, registry=host)
    tell.say("failed" if complaint else "done", "image.step.pull", began, registry=host)
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
