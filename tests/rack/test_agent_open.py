"""An agent's own page through `clawrack agent open`: the real OpenClaw, in a real browser.

The tests share one machine and follow each other, as a day with it would.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rack import faults, tinykinds
from tests.rack.chromium import Chromium
from tests.rack.controller import Controller
from tests.rack.machine import Build, Machine

AGENT = "openclaw"
PORT = 18700
OTHER_PORT = 18733
PICTURE = Path(__file__).parents[2] / ".artefacts" / "agent-open.png"
PATIENCE = 120.0  # seconds; on an idle box it takes two
ANSWER = 180.0
# The box that a message is typed into, wherever the page keeps it.
COMPOSER = """(() => { const find = (root) => { for (const node of root.querySelectorAll('*')) {
  if (node.tagName === 'TEXTAREA' && !node.disabled && node.getClientRects().length) return node;
  const inside = node.shadowRoot && find(node.shadowRoot); if (inside) return inside; } return null; };
  const box = find(document); if (box) box.focus(); return Boolean(box); })()"""
PENDING = """{"method": "device.pair.list", "params": {}}"""


@pytest.fixture(scope="module")
def bare() -> Iterator[Machine]:
    with Machine(Build(docker=True)) as machine:
        yield machine


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    made = Controller(tmp_path_factory.mktemp("controller"))
    made.environment |= {"SSH_CONNECTION": "192.0.2.9 50000 192.0.2.1 22"}
    made.environment.pop("DISPLAY", None)
    return made


@pytest.fixture(scope="module")
def token(bare: Machine, controller: Controller) -> str:
    """The gateway's token of the agent that the first test sets up, as its machine holds it."""
    controller.done(*reached(bare), "--yes", "--json")
    return str(json.loads(bare.get(f"/var/lib/clawrack/agents/{AGENT}/secrets/secrets.json"))["gateway"])


def reached(machine: Machine) -> tuple[str, ...]:
    words = ("setup", "--machine", f"root@{machine.address}", "--key", str(machine.key))
    return (*words, "--fingerprint", machine.fingerprint())


class Opened:
    """`clawrack agent open --json` under way; `lines` is all that it has printed."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        self.page: dict[str, Any] = self.said("page", PATIENCE)

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.decode())

    def said(self, name: str, within: float, step: str = "") -> dict[str, Any]:
        """The document of this name (the event of this step), once it was printed."""
        end = time.monotonic() + within
        while True:
            documents = [json.loads(line) for line in self.lines]
            found = [d[name] for d in documents if name in d and (not step or d[name]["step"] == step)]
            if found:
                return found[0]
            assert self.process.poll() is None, f"{self.process.returncode}: {self.lines} {self.errors()}"
            assert time.monotonic() < end, f"no {name} {step} within {within:g} s: {self.lines}"
            time.sleep(0.1)

    def errors(self) -> str:
        return self.process.stderr.read().decode() if self.process.stderr else ""

    def end(self) -> str:
        """End it with Ctrl-C, and return all that it printed."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 130
        return "".join(self.lines) + self.errors()


@contextlib.contextmanager
def opened(controller: Controller, *words: str, agent: str = AGENT, **more: Any) -> Generator[Opened]:
    process = controller.start("agent", "open", agent, "--json", *words, **more)
    try:
        yield Opened(process)
    finally:
        process.kill()
        process.wait()


def get(path: str, *, host: str = f"127.0.0.1:{PORT}", port: int = PORT) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def waiting(token: str) -> set[str]:
    """The requests that wait at the agent for an approval, asked through whatever listens at the page's port."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", "/api/v1/admin/rpc", PENDING, headers)
    payload = json.loads(connection.getresponse().read())["payload"]
    return {entry["requestId"] for entry in payload["pending"]}


@contextlib.contextmanager
def foreign_tunnel(machine: Machine) -> Generator[None]:
    """Somebody's own way to the agent, beside clawrack."""
    address = machine.run(
        "docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", f"clawrack-{AGENT}"
    ).text
    options = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i", str(machine.key))
    words = ("ssh", "-N", *options, "-L", f"{PORT}:{address}:18789", f"root@{machine.address}")
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        try:
            _await_listener()
            yield
        finally:
            process.terminate()


def _await_listener() -> None:
    end = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORT), 1):
            return
        assert time.monotonic() < end
        time.sleep(0.05)


def arguments() -> bytes:
    """The arguments and environments of every process of this computer."""
    said: list[bytes] = []
    for process in Path("/proc").glob("[0-9]*"):
        for file in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                said.append((process / file).read_bytes())
    return b"\n".join(said)


def connected(browser: Chromium, url: str) -> None:
    """Go there, and wait until a message can be typed."""
    browser.open(url)
    browser.wait("Message Assistant", PATIENCE)
    end = time.monotonic() + PATIENCE
    while not browser.js(COMPOSER):
        assert time.monotonic() < end, browser.text()
        time.sleep(0.3)


def send(browser: Chromium, message: str) -> None:
    """Type a message and press Enter, until the page has taken it: it does not while it still gets ready."""
    browser.type(message)
    end = time.monotonic() + PATIENCE
    while message not in browser.text():
        assert time.monotonic() < end, browser.text()
        browser.js(COMPOSER)
        browser.enter()
        time.sleep(1)


def test_a_new_browser_sees_the_chat_and_is_answered_and_the_token_is_nowhere(
    controller: Controller, token: str, tmp_path: Path
) -> None:
    with opened(controller) as page:
        assert page.page["local"] == f"http://127.0.0.1:{PORT}/"
        assert page.page["ssh"].endswith("@192.0.2.1")
        assert f"-L {PORT}:127.0.0.1:{PORT} " in page.page["ssh"]
        with Chromium(tmp_path) as browser:
            connected(browser, page.page["url"])
            send(browser, "Who are you today?")
            said = browser.wait("practice", ANSWER)
            browser.picture(PICTURE)
            assert "Approve this browser" not in said
            assert token.encode() not in arguments()
        assert token not in page.end()
    assert token.encode() not in controller.written()
    history = (tmp_path / "Default" / "History").read_bytes()
    assert b"/chat" in history
    assert token.encode() not in history


def test_a_browser_that_wants_approval_gets_it_and_one_that_waited_before_does_not(
    bare: Machine, controller: Controller, token: str, tmp_path: Path
) -> None:
    ask_for_approvals(bare)
    with foreign_tunnel(bare), Chromium(tmp_path / "foreign") as stranger:
        stranger.open(f"http://127.0.0.1:{PORT}/#token={token}")
        stranger.wait("Approve this browser", PATIENCE)
        before = waiting(token)
        assert len(before) == 1
    with opened(controller) as page:
        assert page.page["lets_in"] == 120
        with Chromium(tmp_path / "ours") as browser:
            connected(browser, page.page["url"])
        page.said("event", PATIENCE, "page.let_in")
        assert waiting(token) == before
        assert token not in page.end()


def ask_for_approvals(machine: Machine) -> None:
    """Have the agent ask for an approval of every browser; else it approves those that come by 127.0.0.1 by itself."""
    file = f"/var/lib/clawrack/agents/{AGENT}/releases/*/config/openclaw.json"
    add = '"gateway": {"nodes": {"pairing": {"autoApproveLocal": false}},'
    machine.sh(f"sed -i 's/\"gateway\": {{/{add}/' {file}")
    end = time.monotonic() + PATIENCE
    while "hot reload applied (gateway.nodes.pairing)" not in machine.sh(f"docker logs clawrack-{AGENT} 2>&1").text:
        assert time.monotonic() < end
        time.sleep(0.3)


def test_over_a_cut_wire_the_command_says_so_and_connects_again(
    bare: Machine, controller: Controller, token: str, tmp_path: Path
) -> None:
    with opened(controller) as page, Chromium(tmp_path / "ours") as browser:
        connected(browser, page.page["url"])
        faults.disconnect(bare)
        page.said("event", PATIENCE, "page.cut")
        assert get("/")[0] == 502
        faults.reconnect(bare)
        page.said("event", PATIENCE, "page.back")
        end = time.monotonic() + PATIENCE
        while get("/healthz")[0] != 200:
            assert time.monotonic() < end
        assert token not in page.end()


@pytest.mark.usefixtures("token")
def test_what_is_not_the_page_is_refused_and_the_address_dies_with_the_command(controller: Controller) -> None:
    with opened(controller) as page:
        path = page.page["url"].removeprefix(page.page["local"].rstrip("/"))
        assert get("/", host=f"attacker.example:{PORT}")[0] == 421
        assert get("/", host="127.0.0.1")[0] == 421
        assert get("/", host=f"localhost:{PORT}")[0] == 200
        assert get(path)[0] == 200
        assert get(f"{path}x")[0] == 404
        second = controller.type("agent", "open", AGENT)
        assert second.code == 3
        assert "another clawrack" in second.err
        assert re.search(rf"clawrack agent open {AGENT} --port \d+", second.err)
        page.end()
    with pytest.raises(ConnectionRefusedError):
        get(path)
    with opened(controller):
        assert get(path)[0] == 404
        listening = Path("/proc/net/tcp").read_text()
        assert f"0100007F:{PORT:04X} 00000000:0000 0A" in listening
        assert f"00000000:{PORT:04X} 00000000:0000 0A" not in listening


@pytest.mark.usefixtures("token")
def test_a_port_that_a_program_has_is_told_and_another_one_is_given_after_asking(
    bare: Machine, controller: Controller, tmp_path: Path
) -> None:
    kinds = {"CLAWRACK_KINDS": with_page(tmp_path)}
    controller.done(*reached(bare), "--kind", tinykinds.NAME, "--name", "tiny", "--yes", "--json", more=kinds)
    shown = controller.folder / "config/clawrack/fleet/agents/tiny.yaml"
    first = int(shown.read_text().partition("\npage: ")[2])
    assert first != PORT
    with socket.create_server(("127.0.0.1", first)):
        refused = controller.type("agent", "open", "tiny", more=kinds)
        assert refused.code == 3
        assert f"process {os.getpid()}" in refused.err
    asked = controller.type("agent", "open", "tiny", "--port", str(OTHER_PORT), more=kinds)
    assert asked.code == 3
    assert f"clawrack agent open tiny --port {OTHER_PORT} --yes" in asked.err
    taken = controller.type("agent", "open", "tiny", "--port", str(PORT), "--yes", more=kinds)
    assert taken.code == 2
    born = "{{.State.StartedAt}}"
    before = bare.run("docker", "inspect", "-f", born, "clawrack-tiny").text
    with opened(controller, "--port", str(OTHER_PORT), "--yes", agent="tiny", more=kinds) as page:
        assert page.page["local"] == f"http://127.0.0.1:{OTHER_PORT}/"
        assert page.page["lets_in"] == 0
        assert get("/healthz", host=f"127.0.0.1:{OTHER_PORT}", port=OTHER_PORT)[0] == 200
    assert f"page: {OTHER_PORT}" in shown.read_text()
    assert bare.run("docker", "inspect", "-f", born, "clawrack-tiny").text != before
    config = bare.sh("cat /var/lib/clawrack/agents/tiny/releases/*/config/tiny.json").text
    assert f'"page": {OTHER_PORT}' in config


def with_page(folder: Path) -> str:
    """The tiny kind with a page whose port is in its configuration."""
    kinds = tinykinds.place(folder)
    home = folder / tinykinds.NAME
    (home / "kind.yaml").write_text((home / "kind.yaml").read_text() + "\npage: {path: /healthz}\n")
    config = home / "config" / "tiny.json.j2"
    config.write_text(config.read_text().replace('"fault"', '"page": {{ page_port | tojson }},\n  "fault"'))
    return kinds


@pytest.mark.usefixtures("token")
def test_an_agent_that_is_stopped_and_a_kind_without_a_page_are_told_in_a_sentence(
    controller: Controller, tmp_path: Path
) -> None:
    kinds = {"CLAWRACK_KINDS": tinykinds.place(tmp_path)}
    without = controller.type("agent", "open", "tiny", more=kinds)
    assert without.code == 2
    assert "no page of their own" in without.err
    controller.done("agent", "stop", AGENT, more=kinds)
    stopped = controller.type("agent", "open", AGENT, more=kinds)
    assert stopped.code == 5
    assert f"clawrack agent start {AGENT}" in stopped.err
