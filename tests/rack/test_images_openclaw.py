"""OpenClaw out of our image, in its cage: ready, one message answered, and everything there that its agents call."""

import contextlib
import http.client
import json
import os
import threading
import time
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from docker.models.containers import Container

import templates
from fleet.images import build, default_home, load, send
from fleet.images.cache import Cache
from tests.rack import engine, network

TOKEN = "a token of the test"
READY_WITHIN = 180
PROGRAMS = [
    "git",
    "curl",
    "rg",
    "jq",
    "ps",
    "tini",
    "python3",
    "bash",
    "sh",
    "awk",
    "which",
    "hostname",
    "openssl",
    "npm",
    "npx",
    "node",
    "openclaw",
    "find",
    "xargs",
    "sed",
    "grep",
    "tar",
    "gzip",
    "xz",
    "unzip",
    "diff",
    "patch",
    "file",
    "date",
    "env",
    "timeout",
    "flock",
]
TRUSTED = "import ssl; print(ssl.create_default_context().cert_store_stats()['x509_ca'])"


class Model(BaseHTTPRequestHandler):
    """A model that knows one word."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.asked.append(str(self.headers["authorization"]))
        pieces: list[tuple[dict[str, str], str | None]] = [
            ({"role": "assistant", "content": "PONG"}, None),
            ({}, "stop"),
        ]
        self._answer("".join(f"data: {json.dumps(_chunk(*piece))}\n\n" for piece in pieces) + "data: [DONE]\n\n")

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        del format, args


def _chunk(delta: dict[str, str], finish: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "main", "choices": [choice]}


def _configuration(model: str) -> dict[str, Any]:
    def by_file(name: str) -> dict[str, str]:
        return {"source": "file", "provider": "f", "id": f"/{name}"}

    provider = {
        "baseUrl": model,
        "apiKey": by_file("model"),
        "api": "openai-completions",
        "models": [{"id": "main", "name": "main", "contextWindow": 128000, "maxTokens": 8192}],
    }
    workspace = "/home/node/.openclaw/workspace"
    return {
        "gateway": {
            "mode": "local",
            "bind": "lan",
            "port": 18789,
            "auth": {"mode": "token", "token": by_file("gateway")},
            "http": {"endpoints": {"chatCompletions": {"enabled": True}}},
        },
        "secrets": {"providers": {"f": {"source": "file", "path": "/run/clawrack/secrets.json", "mode": "json"}}},
        "models": {"mode": "merge", "providers": {"clawrack": provider}},
        "agents": {
            "defaults": {"workspace": workspace, "model": {"primary": "clawrack/main"}, "heartbeat": {"every": "0m"}},
            "entries": {"main": {}},
        },
        "update": {"checkOnStart": False},
    }


def _cage(home: Path) -> dict[str, Any]:
    """The flags that the guard gives, as docker-py says them."""
    private = "uid=1000,gid=1000,mode=0700"
    return {
        "command": ["node", "openclaw.mjs", "gateway", "--bind", "lan"],
        "init": True,
        "user": "1000:1000",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": 512,
        "read_only": True,
        "tmpfs": {"/tmp": "mode=1777", "/home/node/.cache": private, "/home/node/.npm": private},
        "environment": {
            "OPENCLAW_NO_AUTO_UPDATE": "1",
            "OPENCLAW_SUPERVISOR_MODE": "external",
            "OPENCLAW_DISABLE_BONJOUR": "1",
            "OPENCLAW_CONFIG_PATH": "/etc/openclaw/openclaw.json",
            "OPENCLAW_STATE_DIR": "/home/node/.openclaw",
        },
        "volumes": {
            str(home / "state"): {"bind": "/home/node/.openclaw", "mode": "rw"},
            str(home / "config"): {"bind": "/etc/openclaw", "mode": "ro"},
            str(home / "secrets"): {"bind": "/run/clawrack", "mode": "ro"},
        },
    }


def _furnish(home: Path, model: str) -> None:
    files = {
        "config/openclaw.json": _configuration(model),
        "secrets/secrets.json": {"gateway": TOKEN, "model": "a key of the test"},
    }
    for name in ("state", "config", "secrets"):
        (home / name).mkdir(mode=0o700)
        os.chown(home / name, 1000, 1000)
    for name, content in files.items():
        (home / name).write_text(json.dumps(content))
        (home / name).chmod(0o600)
        os.chown(home / name, 1000, 1000)


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Generator[Container]:
    api = engine.client()
    gateway = network.gateway(network.ensure(api))
    model = ThreadingHTTPServer((gateway, 0), Model)
    threading.Thread(target=model.serve_forever, daemon=True).start()
    home = tmp_path_factory.mktemp("agent")
    _furnish(home, f"http://{gateway}:{model.server_port}/v1")
    built = build(load(templates.path("kinds", "openclaw", "image.yaml")), "amd64", cache=Cache(default_home()))
    send(api.api, built)
    container = api.containers.run(built.config_id, detach=True, network=network.NAME, **_cage(home))
    yield container
    container.remove(force=True)
    model.shutdown()


def ask(agent: Container, method: str, path: str, body: str = "") -> tuple[int, bytes]:
    agent.reload()
    address = agent.attrs["NetworkSettings"]["Networks"][network.NAME]["IPAddress"]
    wire = http.client.HTTPConnection(address, 18789, timeout=120)
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    with contextlib.closing(wire):
        wire.request(method, path, body, headers)
        answer = wire.getresponse()
        return answer.status, answer.read()


def run(agent: Container, *words: str) -> tuple[int, str]:
    ended = agent.exec_run(list(words))
    assert isinstance(ended.output, bytes)
    return ended.exit_code or 0, ended.output.decode()


def test_openclaw_gets_ready_in_its_cage_and_answers_a_message(agent: Container) -> None:
    end = time.monotonic() + READY_WITHIN
    status, said = 0, b""
    while status != 200 and time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, said = ask(agent, "GET", "/readyz")
        assert agent.status in {"created", "running"}, agent.logs().decode()[-2000:]
        time.sleep(0.2)
    assert json.loads(said)["ready"] is True
    body = json.dumps({"model": "openclaw", "messages": [{"role": "user", "content": "ping"}]})
    status, said = ask(agent, "POST", "/v1/chat/completions", body)
    assert json.loads(said)["choices"][0]["message"]["content"] == "PONG"
    assert Model.asked[0] == "Bearer a key of the test"


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_that_agents_call_is_there(agent: Container, program: str) -> None:
    assert run(agent, "sh", "-c", f"command -v {program}")[0] == 0


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["openclaw", "--version"], "OpenClaw 2026.9.6"),
        (["npm", "--version"], ""),
        (["git", "init", "/tmp/a"], "Initialized"),
        (["python3", "-c", "import sqlite3, lzma, bz2, ctypes, zoneinfo, curses, readline"], ""),
        (["rg", "--version"], "ripgrep"),
        (["sh", "-c", "echo '{\"a\": 1}' | jq .a"], "1"),
        (["sh", "-c", "TZ=Asia/Shanghai date +%Z"], "CST"),
        (["sh", "-c", "printf '\\302\\244' | iconv -f UTF-8 -t GB18030 | wc -c"], ""),
        (["openssl", "version"], "OpenSSL"),
        (["perl", "-MPOSIX", "-e", "print strftime('%Y', gmtime 0)"], "1970"),
        (["id"], "uid=1000(node)"),
    ],
    ids=lambda word: str(word[0]) if word else "",
)
def test_what_agents_call_works_in_the_cage(agent: Container, words: list[str], answer: str) -> None:
    code, said = run(agent, *words)
    assert code == 0, said
    assert answer in said


def test_python_and_openssl_trust_the_authorities_of_the_image(agent: Container) -> None:
    assert int(run(agent, "python3", "-c", TRUSTED)[1]) > 100


def test_the_program_cannot_be_changed_from_inside(agent: Container) -> None:
    assert run(agent, "sh", "-c", "echo x >> /app/openclaw.mjs")[0] != 0
    assert run(agent, "sh", "-c", "find /app ! -user root | head -1") == (0, "")
