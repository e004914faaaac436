"""One message through an agent, and its answer."""

import time
from http import HTTPStatus

import msgspec

from fleet.base.clean import clean, line
from fleet.base.errors import ActionFailed, TimedOut, Unreachable, WireCut
from fleet.gate import Door, Who, parse
from fleet.health import ABSENT, dig, fill
from fleet.kinds import Sorry
from fleet.machine.http import Response, request
from fleet.machine.port import Port

MAX_ANSWER = 1 << 20


class Answer(msgspec.Struct, frozen=True):
    """What the agent said, cleaned, and how long it took in seconds."""

    text: str
    seconds: float


def ask(port: Port, door: Door, who: Who, message: str, wait: float | None = None) -> Answer:
    """Send one message through the agent and return its answer.

    Args:
        port: its machine.
        door: where it answers.
        who: it is.
        message: to send.
        wait: seconds for the answer; its kind's time where None.

    Raises:
        ActionFailed: the agent or its model refused, or gave no answer; the reason is theirs.
        WireCut: the connection broke; the message may have been taken.
    """
    where, how = f"{port.name}/{who.name}", who.kind.ask
    body = msgspec.json.encode(fill(how.body, {"message": message}))
    headers = door.headers(how.auth) | {"Content-Type": "application/json"}
    begun, seconds = time.monotonic(), wait or how.timeout
    try:
        answer = request(
            port, door.address, door.port, how.method, how.path,
            headers=headers, body=body, timeout=seconds, cap=MAX_ANSWER,
        )  # fmt: skip
    except TimedOut as error:
        raise ActionFailed("ask.silent", where=where, seconds=round(seconds), agent=who.name) from error
    except WireCut:
        raise  # the message may have been taken
    except (Unreachable, OSError) as error:
        raise ActionFailed("ask.not_ready", where=where, agent=who.name) from error
    return Answer(_text(answer, who, where), time.monotonic() - begun)


def _text(answer: Response, who: Who, where: str) -> str:
    body, how = parse(answer.body), who.kind.ask
    found = dig(body, how.answer)
    if answer.status == HTTPStatus.OK and isinstance(found, str):
        if how.sorry and _sorry(found, body, how.sorry):
            key = "ask.model_refused" if any(word in found for word in how.sorry.refused) else "ask.model_failed"
            raise ActionFailed(key, where=where, agent=who.name, reason=line(found, 300))
        return clean(found, 100_000)
    told = dig(body, "error.message")
    reason = line(told if isinstance(told, str) else answer.body, 300)
    failed = "ask.model_refused" if _refused(answer, body) else "ask.failed"
    raise ActionFailed(failed, where=where, agent=who.name, status=answer.status, reason=reason)


def _sorry(text: str, body: object, how: Sorry) -> bool:
    """Whether an answer tells that there is none."""
    return text.startswith(how.starts) and all(dig(body, at) == it for at, it in how.equals.items())


def _refused(answer: Response, body: object) -> bool:
    kind = dig(body, "error.type")
    return answer.status in {401, 403} or (kind is not ABSENT and kind in {"authentication_error", "permission_error"})
