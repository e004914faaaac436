"""The port of an agent's page on this computer: free, taken by something else, or by the page itself."""

import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from fleet.doctor.ports import taken
from fleet.kinds import Kind, kind
from fleet.model import Agent

LISTEN = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("up", flush=True)
time.sleep(60)
"""


def agents(port: int) -> dict[str, tuple[Agent, Kind]]:
    return {"ada": (Agent(kind="openclaw", machine="pc-1", page=port), kind("openclaw"))}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def listening(script: Path, port: int) -> Generator[subprocess.Popen[bytes]]:
    script.write_text(LISTEN)
    with subprocess.Popen([sys.executable, str(script), str(port)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
        yield process
        process.kill()


def test_a_free_port_is_nothing_to_tell() -> None:
    assert taken(agents(free_port())) == []


def test_a_taken_port_is_told_with_who_has_it(tmp_path: Path) -> None:
    port = free_port()
    with listening(tmp_path / "somebody.py", port) as process:
        [found] = taken(agents(port))
    assert (found.agent, found.machine, found.port) == ("ada", "pc-1", port)
    assert found.by.startswith(str(process.pid))
    assert "python" in found.by
    assert "somebody" not in found.by
    assert taken(agents(port)) == []


def test_the_page_that_is_open_already_is_nothing_wrong(tmp_path: Path) -> None:
    port = free_port()
    with listening(tmp_path / "clawrack", port):
        assert taken(agents(port)) == []


def test_a_kind_without_a_page_needs_no_port(tmp_path: Path) -> None:
    port = free_port()
    plain = {"ada": (agents(port)["ada"][0], msgspec.structs.replace(kind("openclaw"), page=None))}
    with listening(tmp_path / "somebody.py", port):
        assert taken(plain) == []
