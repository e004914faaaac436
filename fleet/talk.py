"""One message through an agent, and its answer."""

import time

import msgspec

from fleet.base.clean import clean, line
from fleet.base.errors import ActionFailed, TimedOut, Unreachable
from fleet.gate import Door, parse
from fleet.health import ABSENT, dig, fill
from fleet.kinds import Kind
from fleet.machine.http import Response, request
from fleet.machine.port import Port

MAX_ANSWER = 1 << 20


class Answer(msgspec.Struct, frozen=True):
    """What the agent said, cleaned, and how long it took in seconds."""

    text: str
    seconds: float


def ask(port: Port, door: Door, kind: Kind, agent: str, message: str) -> Answer:
    """Send one message through the agent and return its answer.

    Raises:
        ActionFailed: the agent or its model refused, or gave no answer; the reason is theirs.
        Unreachable: the machine does not answer.
    """
    where = f"{port.name}/{agent}"
    body = msgspec.json.encode(fill(kind.ask.body, {"message": message}))
    headers = door.headers(kind.ask.auth) | {"Content-Type": "application/json"}
    begun = time.monotonic()
    try:
        answer = request(
            port, door.address, door.port, kind.ask.method, kind.ask.path,
            headers=headers, body=body, timeout=kind.ask.timeout, cap=MAX_ANSWER,
        )  # fmt: skip
    except TimedOut as error:
        raise ActionFailed("ask.silent", where=where, seconds=kind.ask.timeout, agent=agent) from error
    except (Unreachable, OSError) as error:
        raise ActionFailed("ask.not_ready", where=where, agent=agent) from error
    return Answer(_text(answer, kind, where, agent), time.monotonic() - begun)


def _text(answer: Response, kind: Kind, where: str, agent: str) -> str:
    body = parse(answer.body)
    found = dig(body, kind.ask.answer)
    if answer.status == 200 and isinstance(found, str):  # noqa: PLR2004 - HTTP's OK
        return clean(found, 100_000)
    told = dig(body, "error.message")
    reason = line(told if isinstance(told, str) else answer.body, 300)
    failed = "ask.model_refused" if _refused(answer, body) else "ask.failed"
    raise ActionFailed(failed, where=where, agent=agent, status=answer.status, reason=reason)


def _refused(answer: Response, body: object) -> bool:
    kind = dig(body, "error.type")
    return answer.status in {401, 403} or (kind is not ABSENT and kind in {"authentication_error", "permission_error"})
