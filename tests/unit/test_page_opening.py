"""What the door and the fleet say around an open page: the line for another computer, and which port may be had."""

import socket
import webbrowser
from types import SimpleNamespace
from typing import cast

import pytest

from clawrack.cli import opening
from fleet.base.errors import BadInput, Refused
from fleet.model import Agent
from fleet.page import Open, spare

AGENTS = {"one": Agent(kind="openclaw", machine="here"), "two": Agent(kind="openclaw", machine="here", page=18701)}


@pytest.mark.parametrize(
    ("came", "line"),
    [
        ("198.51.100.7 50000 198.51.100.1 22", "ssh -L 18701:127.0.0.1:18701 booth@198.51.100.1"),
        ("198.51.100.7 50000 198.51.100.1 2222", "ssh -p 2222 -L 18701:127.0.0.1:18701 booth@198.51.100.1"),
        ("nonsense", f"ssh -L 18701:127.0.0.1:18701 booth@{socket.gethostname()}"),
    ],
)
def test_the_line_for_another_computer_names_the_address_that_the_person_came_to(came: str, line: str) -> None:
    assert opening.ssh_line(18701, {"SSH_CONNECTION": came, "SUDO_USER": "booth"}) == line


def test_a_browser_is_started_where_there_is_a_screen_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: started.append(url) or True)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    page = cast("Open", SimpleNamespace(url="http://127.0.0.1:18701/clawrack/n"))
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert opening.browsed(page) is False
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert opening.browsed(page) is True
    assert started == [page.url]


@pytest.mark.parametrize("port", [1, 1023, 65536])
def test_what_is_no_port_for_a_page_is_told(port: int) -> None:
    with pytest.raises(BadInput) as told:
        spare(port, "one", AGENTS)
    assert told.value.key == "page.bad_port"


def test_another_agents_port_is_refused_and_a_free_one_is_named() -> None:
    with pytest.raises(BadInput) as told:
        spare(18701, "one", AGENTS)
    assert told.value.params["other"] == "two"
    assert told.value.part("next") == "clawrack agent open one --port 18702"


def test_a_port_that_is_in_use_is_refused_before_anything_is_written() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Refused):
        spare(int(taken.getsockname()[1]), "one", AGENTS)
