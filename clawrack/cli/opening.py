"""``clawrack agent open``: an agent's own page, in a browser, for as long as the command runs."""

import getpass
import os
import shlex
import signal
import socket
import threading
import webbrowser
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from clawrack.cli import show
from clawrack.cli.asking import someone
from clawrack.cli.common import Json, Name, Yes, here, listening, open_fleet
from clawrack.cli.failing import INTERRUPTED
from clawrack.cli.terminal import Terminal
from fleet.base.errors import Refused
from fleet.base.words import say
from fleet.views import PageView

if TYPE_CHECKING:
    from fleet.page import Open

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")
_SSH = 22


def open_(
    name: Name,
    *,
    port: Annotated[int, typer.Option("--port", min=0, metavar="PORT")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser")] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Open an agent's own page in the browser."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends it by `kill` ends it as Ctrl-C does
    fleet = open_fleet()
    with listening(as_json=json) as listener:
        if port and port != fleet.page_port(name):
            _sure(name, port, yes=yes, silent=json)
            fleet.move_page(name, port, listener)
        try:
            with fleet.page(name, listener) as page:
                _told(name, page, as_json=json)
                if not (no_browser or json):
                    _say(here(), "page.browsing" if browsed(page) else "page.no_display")
                threading.Event().wait()
        except KeyboardInterrupt:  # the usual way to end it
            if not json:
                _say(here(), "page.closed")
            raise typer.Exit(INTERRUPTED) from None


def _sure(name: str, port: int, *, yes: bool, silent: bool) -> None:
    """Ask before the agent restarts, for its page accepts calls from the port in its configuration alone."""
    again = shlex.join(("clawrack", "agent", "open", name, "--port", str(port), "--yes"))
    if not yes and not someone(again, silent=silent).confirm("page.ask.move", agent=name, port=port):
        raise Refused("page.declined", agent=name)


def browsed(page: "Open") -> bool:
    """Start a browser where there is a screen, and return whether one was; its argument is for this user alone."""
    return any(os.environ.get(name) for name in _DISPLAYS) and webbrowser.open(page.url)


def _told(name: str, page: "Open", *, as_json: bool) -> None:
    ssh = ssh_line(page.port, os.environ)
    if as_json:
        show.as_json("page", PageView(agent=name, url=page.url, local=page.local, ssh=ssh, lets_in=page.seconds))
        return
    to = here()
    _say(to, "page.open", agent=name)
    _say(to, "page.url")
    to.line(f"  {page.url}")
    _say(to, "page.elsewhere")
    to.line(f"  {ssh}")
    if page.seconds:
        _say(to, "page.lets_in", minutes=round(page.seconds / 60))


def _say(to: Terminal, key: str, **params: object) -> None:
    to.paragraphs(say(key, **params))


def ssh_line(port: int, environment: Mapping[str, str]) -> str:
    """Return the line to type on another computer, so that its browser reaches the page through an SSH of its own.

    Whoever came here by SSH came to an address that works: ``SSH_CONNECTION`` tells it (ssh(1)).
    """
    came = environment.get("SSH_CONNECTION", "").split()
    address, at = (came[2], int(came[3])) if len(came) == 4 and came[3].isdigit() else (socket.gethostname(), _SSH)  # noqa: PLR2004
    user = environment.get("SUDO_USER") or getpass.getuser()
    words = ["ssh", *(["-p", str(at)] if at != _SSH else []), "-L", f"{port}:127.0.0.1:{port}", f"{user}@{address}"]
    return shlex.join(words)
