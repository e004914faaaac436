"""The ports of this computer at which agents' pages are opened: who else has them."""

import errno
import os
import socket
from pathlib import Path

from fleet.base.clean import line
from fleet.doctor.symptoms import TakenPort
from fleet.kinds import Kind
from fleet.model import Agent

OURS = "clawrack"
_HIGHEST = 65535
_LISTEN = "0A"  # the state, in /proc/net/tcp


def taken(agents: dict[str, tuple[Agent, Kind]]) -> list[TakenPort]:
    """Return the ports that agents' pages need and something that is not clawrack listens at."""
    pages = {name: agent for name, (agent, kind) in agents.items() if kind.page is not None}
    found = {port: _holder(port) for port in {agent.page_port for agent in pages.values()} if not _free(port)}
    return [
        TakenPort(name, agent.machine, agent.page_port, found[agent.page_port], _next(agent.page_port, agents))
        for name, agent in pages.items()
        if found.get(agent.page_port, OURS) != OURS
    ]


def _next(port: int, agents: dict[str, tuple[Agent, Kind]]) -> int:
    """Return the next port that nobody has and no agent's page needs; 0 where there is none."""
    needed = {agent.page_port for agent, _ in agents.values()}
    return next((other for other in range(port + 1, _HIGHEST + 1) if other not in needed and _free(other)), 0)


def _free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection that has just ended holds nothing
        try:
            tried.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def _holder(port: int) -> str:
    """Return the number and name of the process that listens there, ``OURS``, or nothing where we may not see it.

    Its other words are nobody's business: there may be a password among them.
    """
    inodes = {f"socket:[{inode}]" for inode in _listening(port)}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(handle) in inodes for handle in (process / "fd").iterdir()):  # noqa: PTH115 - no path
                words = (process / "cmdline").read_bytes().split(b"\0")
                ours = any(word.rpartition(b"/")[2] == b"clawrack" for word in words)
                return OURS if ours else line(f"{process.name} {(process / 'comm').read_text()}")
        except OSError:
            continue  # it has ended, or is another user's
    return ""


def _listening(port: int) -> set[str]:
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        rows = [row.split() for row in path.read_text().splitlines()[1:]] if path.exists() else []
        found |= {row[9] for row in rows if row[3] == _LISTEN and row[1].endswith(f":{port:04X}")}
    return found
