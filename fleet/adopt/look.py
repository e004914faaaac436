"""What stands on a machine that we did not make: asked of its engine and of the guard; nothing is changed."""

import io
import tarfile
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec

from fleet.adopt import container as containers
from fleet.adopt import recognise, signs
from fleet.adopt.container import Container
from fleet.adopt.recognise import Found, Peeked
from fleet.base.clean import line, number
from fleet.base.errors import ActionFailed, BadInput, ClawrackError, Unreachable
from fleet.machine.containers import asking
from fleet.machine.guard import Guard
from fleet.machine.port import Port

if TYPE_CHECKING:
    import docker

_CAP = 1 << 20  # bytes of one file in a container, and a tar's own
_MOST = 200
"""Containers that are looked at on one machine."""


def look(port: Port, named: Sequence[str] = ()) -> list[Found]:
    """Return the agents of kinds that we know, on a machine, that we did not make; all, or those that are named.

    Args:
        port: the machine.
        named: names or ids (their beginnings) of containers.

    Raises:
        BadInput: a named one is not there, or is no agent that we know.
        ActionFailed: the engine said no.
        Unreachable: the machine or its engine does not answer.
    """
    known = signs.all_signs()
    found: list[Found] = []
    for one in _listed(port, named):
        kind = recognise.kind_of(one, known)
        if kind:
            found.append(_weighed(port, recognise.recognised(port.name, one, kind, known[kind], peek(port, one, kind))))
        elif named:
            raise BadInput("import.unknown", where=port.name, container=line(one.name.lstrip("/")))
    return found


def one(port: Port, name: str) -> tuple[Container, Found]:
    """Return one container as it is now, and what is to be said of it.

    Raises:
        BadInput: it is not there, or is no agent that we know.
    """
    known = signs.all_signs()
    there = _inspected(port, name)
    kind = recognise.kind_of(there, known)
    if not kind:
        raise BadInput("import.unknown", where=port.name, container=line(name))
    return there, _weighed(port, recognise.recognised(port.name, there, kind, known[kind], peek(port, there, kind)))


def peek(port: Port, there: Container, kind: str) -> Peeked:
    """Return what is read in a container: its configuration and its version's file, each where there is one."""
    its = signs.all_signs()[kind]
    return Peeked(_json(port, there, recognise.config_of(there, its)), _json(port, there, its.version.file))


def _listed(port: Port, named: Sequence[str]) -> Iterable[Container]:
    if named:
        return [_inspected(port, name) for name in named]
    with asking(port):
        rows = cast("list[dict[str, Any]]", port.docker().containers(all=True, limit=_MOST))  # pyright: ignore[reportUnknownMemberType]
    return [_inspected(port, str(row.get("Id", ""))) for row in rows]


def _inspected(port: Port, name: str) -> Container:
    from docker.errors import NotFound  # noqa: PLC0415 - docker's package takes long to import

    with asking(port):
        try:
            said: Any = port.docker().inspect_container(name)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        except NotFound as error:
            raise BadInput("import.absent", where=port.name, container=line(name)) from error
    found = containers.read(said)
    if found is None:
        raise ActionFailed("guard.failed", where=port.name, machine=port.name, verb="inspect", reason=line(name))
    return found


def _json(port: Port, there: Container, path: str) -> Any:  # noqa: ANN401 - somebody's JSON
    """Return a JSON file of a container's; None where there is none, or it is none."""
    content = _file(port.docker(), there.id, path) if path else None
    try:
        return None if content is None else msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return None


def _file(client: "docker.APIClient", container: str, path: str) -> bytes | None:
    """Return the content of a file; the engine reads the path as the container would see it."""
    from docker.errors import DockerException  # noqa: PLC0415 - see above

    try:
        pieces, _ = cast("tuple[Iterable[bytes], object]", client.get_archive(container, path))  # pyright: ignore[reportUnknownMemberType]
        whole = b""
        for piece in pieces:
            whole += piece
            if len(whole) > _CAP:
                return None
        with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
            member = tar.next()
            file = tar.extractfile(member) if member and member.isreg() else None
            return file.read() if file else None
    except (DockerException, tarfile.TarError, KeyError):
        return None


def _weighed(port: Port, found: Found) -> Found:
    """Return it with the bytes that its state takes, and those that are free; unknown where the guard cannot tell."""
    try:
        said = Guard(port).foreign(found.id, found.inside)
    except Unreachable:
        raise
    except ClawrackError:
        return found
    return msgspec.structs.replace(found, bytes=number(said.get("bytes", "")), free=number(said.get("free", "")))
