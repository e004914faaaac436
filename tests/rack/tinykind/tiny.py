"""A tiny but real agent, made for faults: it keeps state, migrates it one way, asks the meter, and fails when told.

Its configuration is one JSON file; `fault` is empty, or one of:
    exit:N       ends with that code before anything else
    hang         starts, and never listens
    leaves       ends with 0 once its state is migrated
    never_ready  listens, and is never ready
    dies:S       is well for S seconds, then ends with 1
    wrong        is well, and says that it is another version
    degraded     is well, but one secret did not arrive
    deaf         does not hear SIGTERM
    polls:H:P:…  is well, and asks a played messenger at H:P for messages all the time, as a bot does
"""

import json
import os
import signal
import sqlite3
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any, NoReturn

VERSION = os.environ["TINY_VERSION"]
SCHEMA = int(os.environ["TINY_SCHEMA"])
NEEDS_A_PERSON = 78


def end(code: int, why: str) -> NoReturn:
    """End at once, whatever else runs."""
    print(why, flush=True)
    os._exit(code)


def stop(number: int, frame: FrameType | None) -> None:
    """Hear SIGTERM."""
    end(0, f"stopped by signal {number}" if frame else "stopped")


def read(path: str) -> dict[str, Any]:
    """A JSON object from a file; without a readable one a person is needed."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - the least to import
            return json.load(file)
    except (OSError, ValueError) as error:
        end(NEEDS_A_PERSON, f"{path}: {error}")


def migrated(path: str) -> sqlite3.Connection:
    """The state, brought up to this version's schema; one of a newer version is refused, as the real ones do."""
    state = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    found = int(state.execute("PRAGMA user_version").fetchone()[0])
    if found > SCHEMA:
        end(NEEDS_A_PERSON, f"the state uses the newer schema {found}; this build supports {SCHEMA}")
    state.execute("CREATE TABLE IF NOT EXISTS said (message TEXT NOT NULL)")
    for step in range(max(found, 1), SCHEMA):
        state.execute(f"ALTER TABLE said ADD COLUMN since_{step + 1} TEXT")
    state.execute(f"PRAGMA user_version = {SCHEMA}")
    return state


class Agent:
    """Configuration, secrets and state of the one agent in this process."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.fault = str(config["fault"])
        self.meter = str(config["meter"])
        self.secrets = read(str(config["secrets"]))
        self.state = migrated(f"{config['state']}/tiny.sqlite")
        self.lock = threading.Lock()

    def ask(self, body: bytes) -> tuple[int, bytes]:
        """Pass one message to the meter and its answer back; what was said is kept."""
        headers = {"Authorization": f"Bearer {self.secrets['model']}", "Content-Type": "application/json"}
        call = urllib.request.Request(f"{self.meter}/chat/completions", body, headers)
        try:
            with urllib.request.urlopen(call, timeout=60) as answer:
                status, content = int(answer.status), bytes(answer.read())
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        except OSError as error:
            return 502, json.dumps({"error": str(error)}).encode()
        with self.lock:
            self.state.execute("INSERT INTO said (message) VALUES (?)", [str(json.loads(body)["messages"][-1])])
        return status, content

    def kept(self) -> int:
        """How many messages its state holds."""
        with self.lock:
            return int(self.state.execute("SELECT count(*) FROM said").fetchone()[0])


class Door(BaseHTTPRequestHandler):
    """What it answers; `agent` is set before the first request."""

    agent: Agent
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        fault = self.agent.fault
        well = fault != "never_ready"
        version = {
            "version": "0" if fault == "wrong" else VERSION,
            "degraded": ["model"] if fault == "degraded" else [],
            "schema": SCHEMA,
            "messages": self.agent.kept(),
        }
        answers = {
            "/healthz": (200, {"ok": True}),
            "/startupz": (200, {"ok": True}),
            "/readyz": (200 if well else 503, {"ready": well, "failing": [] if well else ["told so"]}),
            "/version": (200, version),
        }
        status, answer = answers.get(self.path, (404, {"error": "no such page"}))
        allowed = self.path in {"/healthz", "/startupz"} or self.known()
        self.reply(*(status, answer) if allowed else (401, {"error": "who asks?"}))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path != "/v1/chat/completions" or not self.known():
            self.reply(404 if self.known() else 401, {"error": "no"})
            return
        status, content = self.agent.ask(json.dumps({**json.loads(body), "model": "main"}).encode())
        self.reply(status, json.loads(content))

    def known(self) -> bool:
        """Whether the caller has the gateway's token."""
        return self.headers.get("Authorization") == f"Bearer {self.agent.secrets['gateway']}"

    def reply(self, status: int, answer: dict[str, Any]) -> None:
        """Send JSON."""
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Log the path alone."""
        print(format % args, flush=True)


def poll(place: str) -> None:
    """Ask a messenger for messages, one long question after the other; of two that ask at once one is refused."""
    host, port, *_ = place.split(":")
    who = os.urandom(8).hex()
    while True:
        try:
            with urllib.request.urlopen(f"http://{host}:{port}/poll?who={who}", timeout=30) as answer:
                answer.read()
        except urllib.error.HTTPError as error:
            print(f"the messenger refuses: {error.code}", flush=True)
            time.sleep(0.1)
        except OSError:
            time.sleep(0.1)


def main() -> None:
    """Run until told to stop."""
    config = read(sys.argv[1])
    what, _, number = str(config["fault"]).partition(":")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if what == "deaf" else stop)
    if what == "exit":
        end(int(number), f"told to end with {number}")
    Door.agent = Agent(config)
    if what == "leaves":
        end(0, "told to leave")
    while what == "hang":
        time.sleep(1)
    if what == "dies":
        threading.Timer(float(number), end, (1, "told to die")).start()
    if what == "polls":
        threading.Thread(target=poll, args=(number,), daemon=True).start()
    print(f"tiny {VERSION} with schema {SCHEMA} listens", flush=True)
    ThreadingHTTPServer(("", int(config["port"])), Door).serve_forever()


if __name__ == "__main__":
    main()
