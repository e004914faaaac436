"""A person's own key at a provider: checked from the machine that will use it, given to its meter, proven there.

The check is made by this computer through a connection that the machine opens (TLS ends here), so the provider sees the
machine's address and the machine sees no key. Nothing is kept before it is checked.
"""

import hashlib
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, cast

import msgspec

from fleet.base.clean import line
from fleet.base.errors import ActionFailed, BadInput, ClawrackError, TimedOut, Unreachable
from fleet.base.secret import Secret
from fleet.machine.http import Response, request
from fleet.machine.port import Channel, Port
from fleet.machine.tls import TlsChannel
from fleet.providers import MODEL, Way, check_shape
from templates.meter.meter.meaning import Meaning, Rule, meaning

Verdict = Literal["ok", "wrong-region", "no-network", "no-tls", "nonsense"] | Meaning
_ANOTHER = frozenset({"wrong-key", "no-money", "no-network", "no-tls"})
"""After these the vendor's next address is tried."""
_WORST_LAST = (
    "no-money", "no-permission", "blocked-country", "no-model", "this-call", "wrong-key", "trouble", "nonsense",
    "no-tls", "no-network",
)  # fmt: skip
"""What is told of several addresses: what is nearest to a yes."""
_SECONDS, _CALL_SECONDS = 20.0, 60.0
_HELLO = "Hi"


@dataclass(frozen=True)
class Tried:
    """One address, and what it said."""

    way: Way
    verdict: Verdict
    said: str = ""


@dataclass(frozen=True)
class Checked:
    """What became of a check: the address that took the key, or the one that came nearest, and the others."""

    best: Tried
    others: tuple[Tried, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the key may be kept: it was taken, or its provider is too busy to judge it."""
        return self.best.verdict in {"ok", "throttled"}

    @property
    def elsewhere(self) -> bool:
        """Whether it was taken at another address than the meant one."""
        return self.good and bool(self.others)


class _Error(msgspec.Struct, frozen=True):
    code: str = ""


class _Reply(msgspec.Struct, frozen=True):
    error: _Error = _Error()


def fingerprint(key: Secret) -> str:
    """Return what may be shown of a key, to tell it from another: eight hexadecimal digits."""
    return hashlib.sha256(key.reveal().encode()).hexdigest()[:8]


def model_of(way: Way, told: str) -> str:
    """Return the model that will be used.

    Raises:
        BadInput: it is none, or nobody says which.
    """
    model = told or way.provider.model
    if not model:
        raise BadInput("keys.model_needed", title=way.title)
    if not MODEL.fullmatch(model):
        raise BadInput("keys.bad_model", model=model)
    return model


def check(port: Port, ways: tuple[Way, ...], key: Secret, model: str) -> Checked:
    """Return what the provider says of a key, asked from the machine: the cheap way, then with one token.

    Args:
        port: the machine that will use it.
        ways: the addresses to try, as `fleet.providers.ways` gives them.
        key: nobody but these addresses gets it.
        model: that will be used.

    Raises:
        BadInput: it cannot be a key of this provider; nothing was sent.
        Unreachable: the machine does not answer.
        Refused: the machine passes no connections on.
    """
    check_shape(key.reveal(), ways[0].provider)
    tried: list[Tried] = []
    for way in ways:
        tried.append(_tried(port, way, key, model))
        if tried[-1].verdict not in _ANOTHER:
            break
    if tried[-1].verdict in {"ok", "throttled"}:
        return Checked(tried[-1], tuple(tried[:-1]))
    best = min(tried, key=lambda one: _WORST_LAST.index(one.verdict))
    return Checked(best, tuple(one for one in tried if one is not best))


def _tried(port: Port, way: Way, key: Secret, model: str) -> Tried:
    """Ask one address: first whether it knows the key, then for one token."""
    found = _asked(port, way, key)
    return _one_token(port, way, key, model) if found.verdict == "ok" else found


def _asked(port: Port, way: Way, key: Secret) -> Tried:
    auth = {"x-api-key": key.reveal()} if way.provider.auth == "x-api-key" else _bearer(key)
    answer = _request(port, way, "GET", way.check, auth | way.provider.headers)
    if isinstance(answer, Tried):
        return answer
    if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        return Tried(way, "ok")  # it lists nothing: the call will tell
    return _judged(way, answer, key)


def _one_token(port: Port, way: Way, key: Secret, model: str) -> Tried:
    length = {way.provider.length_field or "max_tokens": way.provider.least}
    body = {"model": model, "messages": [{"role": "user", "content": _HELLO}], **length}
    answer = _request(port, way, "POST", f"{way.base}/chat/completions", _bearer(key), msgspec.json.encode(body))
    return answer if isinstance(answer, Tried) else _judged(way, answer, key)


def _judged(way: Way, answer: Response, key: Secret) -> Tried:
    rules = tuple(Rule(one.means, one.status, one.code, one.said) for one in way.provider.errors)
    means = meaning(answer.status, answer.body, rules)
    if means is not None:
        return Tried(way, means, _said(answer.body.replace(key.reveal().encode(), b"***")))
    try:
        there = isinstance(msgspec.json.decode(answer.body), dict)
    except (msgspec.DecodeError, RecursionError):
        there = False
    return Tried(way, "ok" if there and answer.status == HTTPStatus.OK else "nonsense")


def _said(body: bytes) -> str:
    """Return the provider's own sentence, for a person; the key is not in what is shown of it."""
    try:
        value = msgspec.json.decode(body)
        error = cast("dict[str, object]", value).get("error")
        told = cast("dict[str, object]", error).get("message")
    except (msgspec.DecodeError, RecursionError, AttributeError):
        return ""
    return line(told, 200) if isinstance(told, str) else ""


def _bearer(key: Secret) -> dict[str, str]:
    return {"Authorization": f"Bearer {key.reveal()}"}


def _request(  # noqa: PLR0913, PLR0917 - one request has so many parts
    port: Port, way: Way, method: str, url: str, headers: dict[str, str], body: bytes | None = None
) -> Response | Tried:
    """Send a request from the machine; where nothing was answered, why."""
    place = urllib.parse.urlsplit(url)
    host, secure = str(place.hostname), place.scheme == "https"
    more = {"Content-Type": "application/json"} if body else {}
    path = place.path + (f"?{place.query}" if place.query else "")
    seconds = _CALL_SECONDS if body else _SECONDS
    try:
        return request(
            cast("Port", _Dialer(port, secure=secure)), host, place.port or (443 if secure else 80), method, path,
            headers={**headers, **more, "Accept": "application/json"}, body=body, timeout=seconds,
        )  # fmt: skip
    except TimedOut:
        return Tried(way, "no-network", "timeout")
    except (Unreachable, OSError) as error:
        _alive(port)
        return Tried(way, "no-network", type(error).__name__)
    except ActionFailed as error:
        return Tried(way, "no-tls" if error.key == "tls.refused" else "nonsense", str(error.params.get("reason", "")))


def _alive(port: Port) -> None:
    """See that it is the provider that cannot be reached, and not the machine.

    Raises:
        Unreachable: it is the machine.
    """
    port.run(("true",), timeout=20)


@dataclass(frozen=True)
class _Dialer:
    """A machine's way out, encrypted from here to the other end."""

    port: Port
    secure: bool

    @property
    def name(self) -> str:
        return self.port.name

    def dial(self, address: str, port: int, timeout: float = 10.0) -> Channel:
        plain = self.port.dial(address, port, timeout)
        return TlsChannel(plain, address, self.name) if self.secure else plain


TOLD = {
    "no-money": "keys.no_money",
    "no-permission": "keys.no_permission",
    "blocked-country": "keys.blocked",
    "no-model": "keys.no_model",
    "this-call": "keys.this_call",
    "trouble": "keys.trouble",
    "throttled": "keys.throttled",
    "nonsense": "keys.nonsense",
    "no-tls": "keys.no_tls",
    "no-network": "keys.no_network",
}


def refuse(checked: Checked, model: str, region: str, where: str) -> None:
    """Raise what a check came to, where the key may not be kept.

    Args:
        checked: the check.
        model: that was asked for.
        region: that a person insisted on; empty where none was named.
        where: the machine's name.

    Raises:
        BadInput: the key is wrong, or another region's than the one that was named.
        ActionFailed: the account, the country or the provider is in the way.
        Unreachable: the provider cannot be reached from the machine.
    """
    best = checked.best
    if checked.good and region and checked.elsewhere:
        raise BadInput("keys.wrong_region", title=checked.others[0].way.title, right=best.way.title)
    if not checked.good:
        raise failure(best, model, where, [one.way.title for one in (best, *checked.others)])


def failure(best: Tried, model: str, where: str, tried: list[str]) -> ClawrackError:
    """Return what an address said, as an error for a person."""
    params = {"title": best.way.title, "model": model, "machine": where, "get_key": best.way.get_key or best.way.base}
    if best.verdict == "wrong-key":
        return BadInput("keys.wrong_key", tried=", ".join(tried), **params)
    kind = Unreachable if best.verdict == "no-network" else ActionFailed
    return kind(TOLD[best.verdict], where=where, said=best.said or "-", **params)


def proven(ask: Callable[[], Response], patience: float = 10.0) -> Verdict:
    """Return what the meter's own call to the provider came to; tried again for a moment where nothing was answered."""
    end = time.monotonic() + patience
    while True:
        answer = ask()
        verdict = _by_meter(answer)
        if verdict not in {"no-network", "trouble"} or time.monotonic() > end:
            return verdict
        time.sleep(1)


def _by_meter(answer: Response) -> Verdict:
    """Read the code of the meter's error: ``upstream_`` and what it means."""
    if answer.status == HTTPStatus.OK:
        return "ok"
    try:
        code = msgspec.json.decode(answer.body, type=_Reply).error.code
    except (msgspec.MsgspecError, RecursionError):
        code = ""
    known = {"upstream_unreachable": "no-network", "upstream_silent": "no-network", "upstream_nonsense": "nonsense"}
    said = known.get(code, code.removeprefix("upstream_").replace("_", "-"))
    return cast("Verdict", said) if said in {*TOLD, "wrong-key"} else "this-call"
