"""A real meter in a process of its own, on loopback, with agents that each have a network in 127.0.0.0/8."""

import dataclasses
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, TypeVar

from templates.meter.meter.clock import WallClock
from templates.meter.meter.report import report

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "templates" / "meter"
PYTHON = os.environ.get("CLAWRACK_METER_PYTHON", sys.executable)
PRACTICE = {"practice": {"kind": "practice"}}
CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"

Json = dict[str, Any]
T = TypeVar("T")


def ask(text: str = "hello", **more: object) -> Json:
    """Return a request that serves both styles."""
    return {"model": "main", "max_tokens": 4096, "messages": [{"role": "user", "content": text}], **more}


@dataclasses.dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The answer's text, in whichever style it is."""
        if "choices" in self.json:
            return self.json["choices"][0]["message"]["content"]
        return self.json["content"][0]["text"]

    @property
    def error(self) -> str:
        return self.json["error"]["message"]

    def events(self) -> list[Json]:
        datas = [line[6:] for line in self.body.decode().splitlines() if line.startswith("data: ")]
        return [json.loads(data) for data in datas if data != "[DONE]"]


@dataclasses.dataclass(frozen=True)
class Agent:
    name: str
    number: int

    @property
    def key(self) -> str:
        return f"key-of-{self.name}"

    @property
    def address(self) -> str:
        return f"127.1.{self.number}.2"

    def entry(self, route: str = "practice", **more: object) -> Json:
        digest = hashlib.sha256(self.key.encode()).hexdigest()
        return {"key_sha256": digest, "subnet": f"127.1.{self.number}.0/28", "route": route, **more}


class Rig:
    """A folder with a configuration and a ledger, and the meter that runs on them."""

    def __init__(self, folder: Path, *, slow: bool = False, drain: float = 5) -> None:
        self.config = folder / "config"
        self.ledger = folder / "ledger" / "ledger.sqlite"
        (self.config / "agents").mkdir(parents=True)
        (self.config / "routes").mkdir()
        self.ledger.parent.mkdir()
        self._slow = slow
        self._drain = drain
        self._lines: list[str] = []
        self.process: subprocess.Popen[str] | None = None
        self.port = 0
        self.more: dict[str, str] = {}
        self.routes(PRACTICE)

    def routes(self, routes: Mapping[str, object], caps: Mapping[str, object] | None = None) -> None:
        self.replace("routes.json", json.dumps({"version": 1, "routes": routes, "caps": caps or {}}))

    def agent(self, name: str, number: int = 1, route: str = "practice", **more: object) -> Agent:
        agent = Agent(name, number)
        self.replace(f"agents/{name}.json", json.dumps(agent.entry(route, **more)))
        return agent

    def provider(self, name: str, key: str, base: str, kind: str = "openai", **more: object) -> None:
        """Put a provider's route there: what may be shown, the key, the rest."""
        rest = {part: more.pop(part) for part in ("headers", "errors") if part in more}
        shown = {"version": 1, "kind": kind, "base": base, "model": "played-1", "title": "The Played One", **more}
        self.replace(f"routes/{name}.route", f"{json.dumps(shown)}\n{key}\n{json.dumps(rest)}\n")

    def replace(self, file: str, content: str) -> None:
        """Put a file there as the guard does: beside it, then one rename."""
        whole = self.config / f"{file}.new"
        whole.write_text(content)
        whole.rename(self.config / file)

    def environment(self, port: int = 0) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{PROGRAM}:{ROOT}",
            "CLAWRACK_METER_CONFIG": str(self.config),
            "CLAWRACK_METER_LEDGER": str(self.ledger),
            "CLAWRACK_METER_LISTEN": f"127.0.0.1:{port}",
            "METER_TEST_DRAIN": str(self._drain),
            **self.more,
        }

    def command(self, *words: str) -> list[str]:
        program = [str(Path(__file__).with_name("slow_meter.py"))] if self._slow else ["-m", "meter"]
        return [PYTHON, *program, *words]

    def start(self) -> "Rig":
        self._lines = []
        self.process = subprocess.Popen(
            self.command(), env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout is not None
        threading.Thread(target=self._listen, args=(self.process.stdout,), daemon=True).start()
        self.port = int(self.wait_for_line("serving").rpartition(":")[2])
        return self

    def _listen(self, output: IO[str]) -> None:
        self._lines.extend(iter(output.readline, ""))

    @property
    def log(self) -> str:
        return "".join(self._lines)

    def wait_for_line(self, beginning: str, seconds: float = 20) -> str:
        return wait_until(
            lambda: next((line.strip() for line in self._lines if line.startswith(beginning)), ""), seconds
        )

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        assert self.process is not None
        code = self.process.wait(timeout=30)
        self.process = None
        return code

    def close(self) -> None:
        if self.process is not None:
            self.stop(signal.SIGKILL)

    def connect(self, address: str = "127.0.0.1") -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30, source_address=(address, 0))

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"", source: str = ""
    ) -> Reply:
        connection = self.connect(source or "127.0.0.1")
        try:
            connection.request(method, path, body or None, dict(headers or {}))
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def call(self, agent: Agent, request: Json | bytes | None = None, path: str = CHAT, source: str = "") -> Reply:
        body = request if isinstance(request, bytes) else json.dumps(request or ask()).encode()
        headers = {"Authorization": f"Bearer {agent.key}"}
        return self.request("POST", path, headers=headers, body=body, source=source or agent.address)

    def begin(self, agent: Agent, request: Json | None = None) -> socket.socket:
        """Send a call and return at the answer's first event, with the rest still to come."""
        body = json.dumps({**ask(), "stream": True, **(request or {})}).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nHost: meter\r\nx-api-key: {agent.key}\r\nContent-Length: {len(body)}\r\n\r\n"
        wire = socket.create_connection(("127.0.0.1", self.port), 10, source_address=(agent.address, 0))
        wire.sendall(head.encode() + body)
        seen = b""
        while b"data: " not in seen:
            piece = wire.recv(65536)
            assert piece, seen
            seen += piece
        return wire

    def health(self) -> Json:
        return self.request("GET", "/healthz").json

    def report(self) -> Json:
        return report(self.ledger, WallClock())

    def printed_report(self, *words: str) -> Json:
        command = [PYTHON, "-m", "meter", "report", "--json", *words]
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=True, timeout=20)
        return json.loads(done.stdout)

    def sums(self) -> list[Json]:
        return self.report()["usage"]


def wait_until(look: Callable[[], T], seconds: float = 10) -> T:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found


def rest_of(wire: socket.socket) -> bytes:
    """Return what still comes, until the other side ends the connection or the body."""
    return b"".join(_pieces(wire))


def breaks_off(wire: socket.socket) -> bool:
    """Tell whether the connection ends with its answer unfinished, so that no client takes it for a whole one."""
    try:
        return not rest_of(wire).endswith(b"0\r\n\r\n")
    except ConnectionError:
        return True


def _pieces(wire: socket.socket) -> Iterator[bytes]:
    while piece := wire.recv(65536):
        yield piece
        if piece.endswith(b"0\r\n\r\n"):
            return


def peak_memory(pid: int) -> float:
    """Return the most memory that a process has held, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
