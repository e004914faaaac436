"""What a machine's Docker engine tells for a support bundle: only what is on a list, for its answers hold much more."""

import re
import threading
from collections import deque
from typing import Any, cast

from fleet.machine import containers, written
from fleet.machine.port import Port

_VERSION = ("Version", "ApiVersion", "MinAPIVersion", "Os", "Arch", "KernelVersion", "GitCommit", "BuildTime")
_INFO = (
    "Containers", "ContainersRunning", "ContainersStopped", "Images", "Driver", "DriverStatus", "LoggingDriver",
    "CgroupDriver", "CgroupVersion", "KernelVersion", "OperatingSystem", "OSVersion", "OSType", "Architecture", "NCPU",
    "MemTotal", "ServerVersion", "DefaultRuntime", "LiveRestoreEnabled", "SecurityOptions", "Warnings", "MemoryLimit",
    "SwapLimit", "PidsLimit", "CpuCfsQuota", "IPv4Forwarding", "BridgeNfIptables", "OomKillDisable", "DockerRootDir",
)  # fmt: skip
_STATE = ("Status", "ExitCode", "OOMKilled", "Error", "StartedAt", "FinishedAt")
_HOST = (
    "Memory", "MemorySwap", "NanoCpus", "CpuQuota", "PidsLimit", "ReadonlyRootfs", "CapAdd", "CapDrop", "SecurityOpt",
    "NetworkMode", "RestartPolicy", "LogConfig", "PortBindings", "IpcMode", "Privileged", "Tmpfs", "Init", "Ulimits",
)  # fmt: skip
_MOUNT = ("Type", "Destination", "Mode", "RW")
_NETWORK = ("IPAddress", "IPPrefixLen", "Gateway")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
Answer = dict[str, Any]


def about(port: Port) -> Answer:
    """Return the engine's version and what it says of itself.

    Raises:
        ActionFailed: the engine said no.
        Unreachable: it does not answer.
    """
    with containers.asking(port):
        version, info = _fields(port.docker().version()), _fields(port.docker().info())  # pyright: ignore[reportUnknownMemberType]
    return {"version": _some(version, _VERSION), "info": _some(info, _INFO)}


def ours(port: Port, machine: str) -> list[Answer]:
    """Return what there is to know of our containers; of their environment the names alone.

    Args:
        port: the machine.
        machine: its id; our containers carry it.

    Raises:
        ActionFailed: the engine said no.
        Unreachable: it does not answer.
    """
    with containers.asking(port):
        wanted = {"label": f"clawrack.machine={machine}"}
        listed = cast("list[Answer]", port.docker().containers(all=True, filters=wanted))  # pyright: ignore[reportUnknownMemberType]
    seen = [containers.inspect(port, str(one["Id"])) for one in listed]
    return sorted((_container(one) for one in seen if one), key=lambda told: str(told["name"]))


def names(told: object) -> list[str]:
    """Return the names of the containers that `ours` returned; it becomes a file's, so it must be plain."""
    return [name for one in cast("list[Answer]", told or []) if _NAME.fullmatch(name := str(one["name"]))]


def log(port: Port, container: str, rows: int, seconds: float) -> list[str]:
    """Return the last lines of a container's log, of one that has no end those that came in so many seconds.

    Raises:
        ActionFailed: the engine said no.
        Unreachable: it does not answer.
    """
    found = written.log(port, container, written.Span(tail=rows), follow=False)
    clock = threading.Timer(max(0.0, seconds), found.stop)
    clock.daemon = True
    clock.start()
    try:
        kept = deque((one.text for one in found), rows)
    finally:
        clock.cancel()
        found.stop()
    return [text.decode("utf-8", "replace") for text in kept]


def _container(seen: Answer) -> Answer:
    config, networks = _fields(seen.get("Config")), _fields(_fields(seen.get("NetworkSettings")).get("Networks"))
    labels = _fields(config.get("Labels"))
    return {
        "name": str(seen.get("Name", "")).removeprefix("/"),
        "id": seen.get("Id"),
        "image": seen.get("Image"),
        "created": seen.get("Created"),
        "state": _some(_fields(seen.get("State")), _STATE),
        "user": config.get("User"),
        "command": config.get("Cmd"),
        "environment": sorted(str(pair).partition("=")[0] for pair in cast("list[Any]", config.get("Env") or [])),
        "labels": {key: value for key, value in labels.items() if key.startswith("clawrack.")},
        "host": _some(_fields(seen.get("HostConfig")), _HOST),
        "mounts": [_some(one, _MOUNT) for one in cast("list[Answer]", seen.get("Mounts") or [])],
        "networks": {name: _some(_fields(one), _NETWORK) for name, one in networks.items()},
    }


def _some(told: Answer, fields: tuple[str, ...]) -> Answer:
    return {key: told[key] for key in fields if key in told}


def _fields(answer: object) -> Answer:
    return cast("Answer", answer) if isinstance(answer, dict) else {}
