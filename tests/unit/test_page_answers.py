"""What the tunnel answers by itself: only to us, only under its own name, and never with a token in an address."""

import pytest

from fleet.kinds import Page, home_of, kind
from fleet.model import FIRST_PAGE, Agent, Target, free_page
from fleet.page.answers import House, answer
from fleet.page.requests import read
from fleet.render import configs, target

TOKEN = 'tok"</script>en'
PAGE = Page(path="/begin", storage={"of.{host}": "{gateway}"})
HOUSE = House(18701, "n" * 32, PAGE, {"gateway": TOKEN, "model": "other secret"})


def said(target: str, host: str = "127.0.0.1:18701", method: str = "GET", *, ours: bool = True) -> str | None:
    head = read(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    told = answer(HOUSE, head, ours=ours)
    return told.decode() if told is not None else None


@pytest.mark.parametrize("host", ["127.0.0.1:18701", "localhost:18701", "LOCALHOST:18701"])
def test_the_agents_own_pages_are_passed_on(host: str) -> None:
    assert said("/", host) is None
    assert said("/clawrac/" + "n" * 32, host) is None


@pytest.mark.parametrize(
    "host", ["", "127.0.0.1", "127.0.0.1:18700", "evil.example:18701", "localhost.evil:18701", "127.0.0.1:18701@evil"]
)
def test_another_host_is_refused_whatever_it_asks(host: str) -> None:
    for path in ("/", "/clawrack/" + "n" * 32):
        told = said(path, host)
        assert told is not None
        assert told.startswith("HTTP/1.1 421 ")
        assert "tok" not in told


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:8080", "https://127.0.0.1:18701"])
def test_a_page_from_elsewhere_cannot_speak_to_the_agent_through_the_persons_browser(origin: str) -> None:
    raw = f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:18701\r\nOrigin: {origin}\r\n\r\n".encode()
    told = answer(HOUSE, read(raw), ours=True)
    assert told is not None
    assert told.startswith(b"HTTP/1.1 403 ")
    own = raw.replace(origin.encode(), b"http://127.0.0.1:18701")
    assert answer(HOUSE, read(own), ours=True) is None


def test_the_nonce_gives_the_browser_the_token_in_a_script_that_it_cannot_end() -> None:
    told = said("/clawrack/" + "n" * 32)
    assert told is not None
    assert told.startswith("HTTP/1.1 200 ")
    assert '"of.127.0.0.1:18701": "tok\\"\\u003c/script>en"' in told
    assert 'location.replace("/begin")' in told
    assert "other secret" not in told
    assert "Location:" not in told
    assert "no-store" in told
    assert told.count("</script>") == 1


@pytest.mark.parametrize(
    ("path", "method"), [("/clawrack/" + "n" * 31, "GET"), ("/clawrack/", "GET"), ("/clawrack/" + "n" * 32, "POST")]
)
def test_a_wrong_nonce_gives_nothing(path: str, method: str) -> None:
    told = said(path, method=method)
    assert told is not None
    assert told.startswith("HTTP/1.1 404 ")
    assert "tok" not in told


def test_another_user_of_this_computer_gets_nothing_for_the_right_nonce() -> None:
    told = said("/clawrack/" + "n" * 32, ours=False)
    assert told is not None
    assert told.startswith("HTTP/1.1 403 ")
    assert "tok" not in told


def test_the_rules_do_not_show_their_secrets() -> None:
    assert repr(HOUSE) == "House(18701)"


def rendered(page: int) -> Target:
    agent = Agent(kind="openclaw", machine="here", version="1", image="sha256:1", page=page)
    return target("a", agent, kind("openclaw"), configs(home_of("openclaw")))


def test_each_new_agent_has_a_port_of_its_own() -> None:
    old = Agent(kind="openclaw", machine="here")
    assert free_page([]) == FIRST_PAGE
    assert free_page([old]) == FIRST_PAGE + 1
    assert free_page([Agent(kind="openclaw", machine="here", page=FIRST_PAGE + 1)]) == FIRST_PAGE


def test_a_page_accepts_calls_from_its_own_port_alone_and_no_port_is_the_first() -> None:
    assert '["http://127.0.0.1:18705", "http://localhost:18705"]' in rendered(18705).files["openclaw.json"]
    assert rendered(0) == rendered(FIRST_PAGE)
    assert rendered(18705).release != rendered(0).release
