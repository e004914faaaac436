"""Who is let in: only requests that came while a browser spoke to the agent through us, and none from before."""

import contextlib
import json
import threading
import time
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fleet.base.errors import ClawrackError
from fleet.gate import Door
from fleet.kinds import Pairing, kind
from fleet.machine.local import LocalPort
from fleet.page import pairing
from fleet.page.pairing import Clerk, Ledger, letting_in
from fleet.page.telling import Teller


def openclaw() -> Pairing:
    page = kind("openclaw").page
    assert page
    assert page.pairing
    return page.pairing


class Desk:
    """An agent's own list of requests, answered over HTTP as OpenClaw's admin-http-rpc answers it."""

    def __init__(self) -> None:
        self.pending: list[dict[str, Any]] = []
        self.approved: list[str] = []
        self.whole: Any = None
        desk = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                right = self.headers["Authorization"] == "Bearer the-token" and self.path == "/api/v1/admin/rpc"
                self.send_response(200 if right else 401)
                self.end_headers()
                self.wfile.write(json.dumps(desk.answer(asked) if right else {}).encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def answer(self, asked: dict[str, Any]) -> Any:
        if asked["method"] == "device.pair.approve":
            self.approved.append(asked["params"]["requestId"])
        return self.whole or {"ok": True, "payload": {"pending": self.pending, "paired": []}}

    def come(self, name: str, **more: str) -> None:
        self.pending.append({"requestId": name, "clientId": "openclaw-control-ui", "role": "operator"} | more)


@contextlib.contextmanager
def desk() -> Generator[tuple[Desk, Clerk]]:
    made = Desk()
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    door = Door("127.0.0.1", int(made.server.server_address[1]), {"gateway": "the-token"})
    try:
        yield made, Clerk(LocalPort("pc-1"), openclaw(), lambda: door)
    finally:
        made.server.shutdown()
        made.server.server_close()


def test_what_waited_before_is_never_approved_and_what_came_through_us_is() -> None:
    with desk() as (agent, clerk):
        agent.come("before")
        assert clerk.look(visited=True) == 0
        agent.come("ours")
        assert clerk.look(visited=True) == 1
        assert clerk.look(visited=True) == 0
    assert agent.approved == ["ours"]


def test_what_came_while_nobody_was_connected_through_us_is_never_approved() -> None:
    with desk() as (agent, clerk):
        clerk.look(visited=False)
        agent.come("stranger")
        assert clerk.look(visited=False) == 0
        assert clerk.look(visited=True) == 0
    assert agent.approved == []


@pytest.mark.parametrize("other", [{"clientId": "node-host"}, {"role": "node"}, {"requestId": ""}])
def test_what_is_no_browser_of_the_page_is_not_approved(other: dict[str, str]) -> None:
    with desk() as (agent, clerk):
        clerk.look(visited=False)
        agent.come("node", **other)
        assert clerk.look(visited=True) == 0
    assert agent.approved == []


@pytest.mark.parametrize(
    "whole", [{"ok": False}, {"ok": True, "payload": {}}, {"ok": True, "payload": {"pending": {}}}]
)
def test_an_agent_that_answers_nonsense_has_nothing_approved(whole: Any) -> None:
    with desk() as (agent, clerk):
        clerk.look(visited=False)
        agent.whole = whole
        with pytest.raises(ClawrackError):
            clerk.look(visited=True)
        agent.whole = None
    assert agent.approved == []


def test_a_list_that_could_not_be_read_leaves_everything_unapproved_that_comes_first() -> None:
    assert Ledger().ours(frozenset({"first"}), visited=True) == frozenset()


def test_browsers_are_let_in_for_their_time_and_its_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing, "PAUSE", 0.1)
    told: list[str] = []
    with desk() as (agent, clerk):
        clerk.look(visited=False)
        with letting_in(clerk, 1, lambda: True, Teller("pc-1", "helper", lambda event: told.append(event.step))):
            agent.come("ours")
            time.sleep(2)
            agent.come("late")
            time.sleep(0.5)
    assert agent.approved == ["ours"]
    assert told == ["page.let_in", "page.let_in_over"]
