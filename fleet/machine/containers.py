"""What a machine's engine knows of containers and images: read, never changed. Docker's errors become ours here.

Docker's own package takes a tenth of a second to import, so that is done when the engine is first asked.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, cast

from fleet.base.clean import line
from fleet.base.errors import ActionFailed
from fleet.machine.port import Port
from fleet.machine.written import Span, log

_SNAPSHOTTER = "io.containerd.snapshotter"


@contextmanager
def asking(port: Port) -> Generator[None]:
    """Ask the engine in this block.

    Raises:
        ActionFailed: what Docker's package raised.
    """
    from docker.errors import DockerException  # noqa: PLC0415 - see above

    try:
        yield
    except DockerException as error:
        reason = line(str(error))
        raise ActionFailed("guard.failed", where=port.name, machine=port.name, reason=reason) from error


def inspect(port: Port, container: str) -> dict[str, Any] | None:
    """Return what the engine tells of a container, or None where there is no such.

    Raises:
        ActionFailed: the engine said no.
        Unreachable: the machine or its engine does not answer.
    """
    from docker.errors import NotFound  # noqa: PLC0415 - see above

    with asking(port):
        try:
            return cast("dict[str, Any]", port.docker().inspect_container(container))  # pyright: ignore[reportUnknownMemberType]
        except NotFound:
            return None


def logs(port: Port, container: str, *, follow: bool, tail: int) -> Iterator[bytes]:
    """Yield what a container wrote, line by line, with line ends; with ``follow`` for as long as it runs.

    Raises:
        ActionFailed: there is no such container, or the engine said no.
        Unreachable: the machine or its engine does not answer.
    """
    return (found.text + b"\n" for found in log(port, container, Span(tail=tail), follow=follow))


def images(port: Port) -> frozenset[str]:
    """Return the ids of the images that the engine holds.

    Raises:
        ActionFailed: the engine said no.
        Unreachable: the machine or its engine does not answer.
    """
    with asking(port):
        found = cast("list[str]", port.docker().images(quiet=True, all=True))  # pyright: ignore[reportUnknownMemberType]
        return frozenset(found)


def store(port: Port) -> str:
    """Return how the engine keeps images, ``classic`` or ``containerd``: one image has another id in each.

    Raises:
        ActionFailed: the engine said no.
        Unreachable: the machine or its engine does not answer.
    """
    with asking(port):
        told = port.docker().info()
    words = [word for row in told.get("DriverStatus") or () for word in row]
    return "containerd" if any(_SNAPSHOTTER in str(word) for word in words) else "classic"


def name_of(port: Port, image: str) -> str:
    """Return where an image came from: its name by digest in a registry, else the name of what we built; or nothing.

    Raises:
        ActionFailed: the engine said no.
        Unreachable: the machine or its engine does not answer.
    """
    from docker.errors import NotFound  # noqa: PLC0415 - see above

    with asking(port):
        try:
            told = cast("dict[str, Any]", port.docker().inspect_image(image)) if image else {}  # pyright: ignore[reportUnknownMemberType]
        except NotFound:
            return ""
    names = [*(told.get("RepoDigests") or ()), *(told.get("RepoTags") or ())]
    return line(str(names[0])) if names else ""
