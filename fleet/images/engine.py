"""What is asked of an engine, typed; an engine is a machine's, so its answers are checked before they are believed."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import docker
import msgspec
from docker.errors import APIError, DockerException, ImageNotFound
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from fleet.base.clean import line
from fleet.base.errors import Unreachable

WIRE = (RequestException, HTTPError, OSError, EOFError, DockerException, msgspec.ValidationError)
"""What is raised where no answer, or none that makes sense, came. An APIError is an answer: catch it before these."""
_SNAPSHOTTER = "io.containerd.snapshotter"


class Layers(msgspec.Struct, frozen=True, rename="pascal"):
    """The pile of an image, as diff_ids, lowest first."""

    layers: tuple[str, ...] = ()


class Seen(msgspec.Struct, frozen=True, rename="pascal"):
    """An image, as an engine shows it."""

    id: str
    architecture: str = ""
    repo_digests: tuple[str, ...] | None = ()
    root: Layers = msgspec.field(default=Layers(), name="RootFS")


class Detail(msgspec.Struct, frozen=True):
    """How far one layer is, in bytes."""

    current: int = 0
    total: int = 0


class Answer(msgspec.Struct, frozen=True):
    """One line of what an engine says while it loads or pulls."""

    id: str = ""
    status: str = ""
    error: str = ""
    detail: Detail = msgspec.field(default=Detail(), name="progressDetail")


class _Descriptor(msgspec.Struct, frozen=True):
    digest: str


class _Platform(msgspec.Struct, frozen=True):
    architecture: str = ""
    os: str = ""


class Distribution(msgspec.Struct, frozen=True, rename="pascal"):
    """What a registry holds under a name, as an engine was told."""

    descriptor: _Descriptor
    platforms: tuple[_Platform, ...] | None = ()


class _Version(msgspec.Struct, frozen=True, rename="pascal"):
    arch: str


class _Info(msgspec.Struct, frozen=True, rename="pascal"):
    driver_status: list[list[str]] | None = None


class _Listed(msgspec.Struct, frozen=True, rename="pascal"):
    id: str


def architecture(client: docker.APIClient) -> str:
    """Return the architecture that the engine itself names, in Docker's words; ``uname`` lies under emulation.

    Raises:
        Unreachable: the engine does not answer.
    """
    try:
        return msgspec.convert(client.version(), _Version).arch
    except WIRE as error:
        raise Unreachable("image.engine_silent", reason=reason(error)) from error


def inspect(client: docker.APIClient, ref: str) -> Seen | None:
    """Return what the engine knows of an image (an id, or ``REPOSITORY@DIGEST``), or None.

    Raises:
        Unreachable: the engine does not answer.
    """
    try:
        said: Any = client.inspect_image(ref)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return msgspec.convert(said, Seen)
    except ImageNotFound:
        return None
    except WIRE as error:
        raise Unreachable("image.engine_silent", reason=reason(error)) from error


def held(client: docker.APIClient, ids: Iterable[str]) -> str:
    """Return the first of the ids that the engine holds, or nothing.

    Raises:
        Unreachable: the engine does not answer.
    """
    for name in ids:
        seen = inspect(client, name)
        if seen and seen.id == name:
            return name
    return ""


def snapshots(client: docker.APIClient) -> bool:
    """Return whether the engine keeps images in containerd's store, where ids are those of manifests.

    Raises:
        Unreachable: the engine does not answer.
    """
    try:
        status = msgspec.convert(client.info(), _Info).driver_status or []
    except WIRE as error:
        raise Unreachable("image.engine_silent", reason=reason(error)) from error
    return any(_SNAPSHOTTER in word for row in status for word in row)


def piles(client: docker.APIClient, label: str) -> list[tuple[str, ...]]:
    """Return the layers of each labelled image, none where the engine's store takes only whole archives.

    Raises:
        Unreachable: the engine does not answer.
    """
    if snapshots(client):
        return []
    try:
        listed: Any = client.images(filters={"label": label})  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        found = [inspect(client, one.id) for one in msgspec.convert(listed, list[_Listed])]
    except WIRE as error:
        raise Unreachable("image.engine_silent", reason=reason(error)) from error
    return [seen.root.layers for seen in found if seen]


def load(client: docker.APIClient, archive: Iterator[bytes]) -> Iterator[Answer]:
    """Send an archive; the answers are read as they are asked for."""
    return _typed(cast("object", client.load_image(archive, quiet=False)))  # pyright: ignore[reportUnknownMemberType]


def pull(client: docker.APIClient, repository: str, digest: str) -> Iterator[Answer]:
    """Pull an image by digest; the answers are read as they are asked for."""
    answers = cast("object", client.pull(repository, tag=digest, stream=True, decode=True))  # pyright: ignore[reportUnknownMemberType]
    return _typed(answers)


def _typed(answers: object) -> Iterator[Answer]:
    for answer in cast("Iterable[object]", answers):
        yield msgspec.convert(answer, Answer)


def distribution(client: docker.APIClient, ref: str) -> Distribution:
    """Return what the registry holds under a name. Raises one of WIRE."""
    said: Any = client.inspect_distribution(ref)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return msgspec.convert(said, Distribution)


def tag(client: docker.APIClient, image: str, name: str, label: str) -> None:
    """Give an image a local name.

    Raises:
        Unreachable: the engine does not answer.
    """
    try:
        client.tag(image, name, label, force=True)  # pyright: ignore[reportUnknownMemberType]
    except WIRE as error:
        raise Unreachable("image.engine_silent", reason=reason(error)) from error


def untag(client: docker.APIClient, ref: str) -> None:
    """Take a name off an image; one that has no other goes with it, where nothing uses it.

    Raises:
        Unreachable: the engine does not answer.
    """
    try:
        client.remove_image(ref)  # pyright: ignore[reportUnknownMemberType]
    except APIError:
        return  # it has not the name, or is in use: then it stays
    except WIRE as error:
        raise Unreachable("image.engine_silent", reason=reason(error)) from error


def reason(error: BaseException) -> str:
    """Return a failure as one cleaned line; of an answer, what the engine said."""
    said = error.explanation if isinstance(error, APIError) and error.explanation else error
    return line(str(said)) or type(error).__name__


@contextmanager
def hurried(client: docker.APIClient, seconds: int) -> Generator[None]:
    """Give the client's calls less time than usual, in seconds."""
    usual = client.timeout
    client.timeout = seconds
    try:
        yield
    finally:
        client.timeout = usual
