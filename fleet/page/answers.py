"""What the tunnel says itself, instead of passing on what the agent says."""

import hmac
import json
import secrets
from http import HTTPStatus

import msgspec

from fleet.base.errors import ClawrackError
from fleet.base.words import say
from fleet.kinds import Page
from fleet.page.requests import Head

OURS = "/clawrack/"


class House(msgspec.Struct, frozen=True):
    """The rules of one open page.

    Attributes:
        port: of 127.0.0.1, at which it is.
        nonce: opens the page, for as long as it is served.
        page: how the kind's page is entered.
        known: the agent's secrets, by name.
    """

    port: int
    nonce: str
    page: Page
    known: dict[str, str]

    def __repr__(self) -> str:
        """Return the port, without the secrets."""
        return f"House({self.port})"

    @property
    def hosts(self) -> tuple[str, str]:
        """What a browser may call it; another name was made to point here by somebody (DNS rebinding)."""
        return (f"127.0.0.1:{self.port}", f"localhost:{self.port}")

    @property
    def local(self) -> str:
        """Its address, without anything that opens it."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def url(self) -> str:
        """Its address with the nonce."""
        return f"http://127.0.0.1:{self.port}{OURS}{self.nonce}"


def answer(house: House, head: Head, *, ours: bool) -> bytes | None:
    """Return what the tunnel answers to a request by itself, None where it is the agent's to answer.

    Args:
        house: the rules.
        head: of the request.
        ours: whether who asks is the user who opened the page.
    """
    unwelcome = _unwelcome(house, head)
    if unwelcome or not head.target.startswith(OURS):
        return unwelcome
    right = hmac.compare_digest(head.target.removeprefix(OURS).encode(), house.nonce.encode())
    if not right or head.method != "GET":
        return refusal(HTTPStatus.NOT_FOUND, "page.old_nonce")
    if not ours:
        return refusal(HTTPStatus.FORBIDDEN, "page.other_user")
    return _entered(house, head.host)


def _unwelcome(house: House, head: Head) -> bytes | None:
    """Return the refusal of what no page of the agent's own would ask."""
    if head.host not in house.hosts:
        return refusal(HTTPStatus.MISDIRECTED_REQUEST, "page.wrong_host")
    if head.origin and head.origin not in {f"http://{host}" for host in house.hosts}:
        return refusal(HTTPStatus.FORBIDDEN, "page.wrong_host")  # a page from elsewhere asks, in the person's browser
    if head.worker:  # it would outlive the agent, and see the token of the next one at this port
        return refusal(HTTPStatus.FORBIDDEN, "page.no_worker")
    return None


def _entered(house: House, host: str) -> bytes:
    """Return a page that puts into the browser's memory what logs in, and goes on to the agent's own page.

    So the token is in no address: a browser keeps the addresses that it was at on disk, with their fragments. What it
    keeps of this port from before is dropped: another agent's page, from its cache, would read the token (seen).
    """
    values = house.known | {"host": host}
    stored = {key.format(**values): value.format(**values) for key, value in house.page.storage.items()}
    script = (
        f"for (const [key, value] of Object.entries({_scripted(stored)})) sessionStorage.setItem(key, value);"
        f" location.replace({_scripted(house.page.path)});"
    )
    mark = secrets.token_urlsafe(16)
    body = f'<!doctype html><meta charset="utf-8"><script nonce="{mark}">{script}</script>'
    policy = f"Content-Security-Policy: default-src 'none'; script-src 'nonce-{mark}'\r\nClear-Site-Data: \"cache\"\r\n"
    return _written(HTTPStatus.OK, body.encode(), "text/html", policy)


def _scripted(value: object) -> str:
    """Return a value as JSON that cannot end the script that it stands in."""
    return json.dumps(value).replace("<", "\\u003c")


def refusal(status: HTTPStatus, key: str) -> bytes:
    """Return an answer that says a sentence."""
    return _written(status, f"{say(key)}\n".encode())


def trouble(error: ClawrackError) -> bytes:
    """Return an answer that tells an error."""
    told = "\n".join(filter(None, (str(error), error.part("next"))))
    return _written(HTTPStatus.BAD_GATEWAY, f"{told}\n".encode())


def _written(status: HTTPStatus, body: bytes, kind: str = "text/plain", more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n{more}Content-Type: {kind}; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
        "X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
