"""The gate: an agent on trial is asked until it answers well, or its time is over."""

import json
import time
from collections.abc import Callable
from typing import Any

import msgspec

from fleet.base.errors import ActionFailed, ClawrackError, Refused
from fleet.health import complaint, fill
from fleet.kinds import Kind, Probe
from fleet.machine.http import request
from fleet.machine.port import Port

PAUSE = 0.5


class Who(msgspec.Struct, frozen=True):
    """An agent, and what it must say it is."""

    name: str
    kind: Kind
    version: str


class Door(msgspec.Struct, frozen=True):
    """Where an agent answers.

    Attributes:
        address: its container's; empty while it has none.
        port: of the container.
        secrets: by name, as its machine holds them.
        life: of its container, from a start to an end: another one is another text; empty while it does not run.
    """

    address: str
    port: int
    secrets: dict[str, str]
    life: str = ""

    def headers(self, auth: str | None) -> dict[str, str]:
        """Return the headers that prove who asks."""
        return {"Authorization": f"Bearer {self.secrets[auth]}"} if auth else {}

    def __repr__(self) -> str:
        """Return the place, without the secrets."""
        return f"Door({self.address}:{self.port})"


def wait(where: str, find: Callable[[], Door], check: Callable[[Door], str], seconds: float, healthy: float) -> None:
    """Wait until there has been nothing to complain about for a while, in one life of the agent's container.

    Args:
        where: the machine and the agent, for messages.
        find: returns the agent's door as it is now; raises ActionFailed where the agent has ended for good.
        check: returns the first complaint, empty where there is none.
        seconds: for how long a complaint is borne.
        healthy: seconds without a complaint; 0 where one good answer is enough.

    Raises:
        ActionFailed: the time is over (the last complaint is the reason), or the agent ended, also where it was well
            before and its supervisor starts it again.
        Unreachable: the machine does not answer any more.
    """
    deadline = time.monotonic() + seconds
    agent = where.rpartition("/")[2]
    well_since, life = None, ""
    while True:
        door = find()
        if well_since is not None and door.life != life:
            lasted = round(time.monotonic() - well_since)
            raise ActionFailed("gate.died", where=where, agent=agent, seconds=lasted, healthy=round(healthy))
        life = door.life
        reason = check(door) if door.address else "no address yet"
        now = time.monotonic()
        if reason:
            well_since = None
        elif now - (well_since := well_since or now) >= healthy:
            return
        if reason and now > deadline:
            raise ActionFailed("gate.closed", where=where, agent=agent, seconds=round(seconds), reason=reason)
        time.sleep(PAUSE)


def check(port: Port, door: Door, kind: Kind, version: str) -> str:
    """Return the first complaint of the kind's probes, empty where all hold."""
    for probe in kind.probes.gate:
        try:
            status, body = ask(port, door, probe)
        except Refused:
            raise  # forwarding is forbidden there: waiting would not help
        except (ClawrackError, OSError) as error:  # nobody listens yet; a machine that is gone, `find` notices
            return f"{probe.name}: {type(error).__name__}"
        reason = complaint(probe, status, body, version)
        if reason:
            return reason
    return ""


def ask(port: Port, door: Door, probe: Probe) -> tuple[int, Any]:
    """Return the status and the JSON (or None) that the agent answers to a probe."""
    body = b"" if probe.body is None else msgspec.json.encode(fill(probe.body, {}))
    headers = door.headers(probe.auth) | ({"Content-Type": "application/json"} if body else {})
    answer = request(port, door.address, door.port, probe.method, probe.path, headers=headers, body=body, timeout=10)
    return answer.status, parse(answer.body)


def parse(body: bytes) -> Any:  # noqa: ANN401 - it is JSON
    """Return the JSON, or None where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
