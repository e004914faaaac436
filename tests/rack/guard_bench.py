"""The guard on a rack machine, and a tiny agent: a static shell that counts its starts and fails when told."""

import hashlib
import io
import json
import re
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import templates
from tests.rack.machine import Build, Machine
from tests.rack.places import home, locked

GUARD = "/usr/local/lib/clawrack/guard.sh"
TREE = "/root/guard-tree"
KEY_HASH = "ab" * 32

# What it can be told by MODE: ok, exit:N at once, deaf to SIGTERM. SCHEMA: its state moves one way, like a real one's.
AGENT = """#!/bin/sh
case $MODE in exit:*) echo "ends with ${MODE#exit:}"; exit "${MODE#exit:}" ;; esac
schema=$(cat /state/schema 2>/dev/null || echo 0)
[ "$schema" -le "${SCHEMA:-1}" ] || { echo "state has schema $schema, this build knows ${SCHEMA:-1}"; exit 78; }
echo "${SCHEMA:-1}" >/state/schema
count=$(cat /state/starts 2>/dev/null || echo 0)
echo $((count + 1)) >/state/starts
echo "$RELEASE" >>/state/history
mkdir -p /tmp/www
echo "$RELEASE" >/tmp/www/release
if [ "$MODE" = deaf ]; then trap '' TERM; else trap 'echo stopped; exit 0' TERM; fi
httpd -p 8080 -h /tmp/www
while :; do
    sleep 1 &
    wait $!
done
"""
APPLETS = tuple("sh cat sleep httpd nc wget ls id echo mkdir kill touch true timeout nslookup".split())  # noqa: SIM905 - a list of words reads better


@dataclass(frozen=True)
class Said:
    """What the guard answered: exit code, and its lines."""

    code: int
    out: str

    def __getitem__(self, key: str) -> str:
        return dict(self.pairs)[key]

    def get(self, key: str) -> str:
        """The value of a key, empty where it is not there."""
        return dict(self.pairs).get(key, "")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Its lines as pairs, in order."""
        return [(key, value) for key, _, value in (line.partition("=") for line in self.out.splitlines())]


@dataclass(frozen=True)
class Tiny:
    """One release of the tiny agent; `lines` take the place of its spec's lines with the same key, or are added."""

    release: str
    mode: str = "ok"
    schema: int = 1
    lines: tuple[str, ...] = ()

    def files(self, image: str) -> dict[str, bytes]:
        """What is staged."""
        spec = [
            "kind=tiny",
            f"image={image}",
            f"release={self.release}",
            "user=1000:1000",
            "memory=67108864",
            "pids=64",
            "cpus=1",
            "state=/state",
            "config=/etc/tiny",
            "secrets=/run/clawrack",
            "port=8080",
            "stop_timeout=3",
            "never_retry=78",
            "retries=2",
            "backoff=0",
            "tmpfs=/tmp:mode=1777,size=8m",
            f"env=MODE={self.mode}",
            f"env=SCHEMA={self.schema}",
            f"env=RELEASE={self.release}",
            "entrypoint=/bin/agent",
            f"meter_key_sha256={KEY_HASH}",
            "route=practice",
        ]
        told = {line.partition("=")[0] for line in self.lines}
        spec = [line for line in spec if line.partition("=")[0] not in told] + list(self.lines)
        return {"spec": "\n".join(spec).encode() + b"\n", "config/tiny.json": b"{}\n"}


def packed(files: Mapping[str, bytes]) -> bytes:
    """A tar of plain files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def tree() -> bytes:
    """The guard as it is shipped, as a tar."""
    root = templates.path("machine")
    return packed({str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()})


def busybox() -> bytes:
    """Debian's static busybox, fetched once by apt."""
    kept = home() / "busybox-static"
    with locked("busybox"):
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=home()) as folder:
                subprocess.run(
                    ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "busybox-static"],
                    cwd=folder,
                    check=True,
                )
                package = next(Path(folder).glob("*.deb"))
                subprocess.run(["dpkg-deb", "-x", str(package), f"{folder}/x"], check=True)
                found = next(
                    path for path in Path(folder).rglob("busybox") if path.is_file() and path.parent.name == "bin"
                )
                kept.write_bytes(found.read_bytes())
    return kept.read_bytes()


def tiny_image() -> bytes:
    """The tiny agent's root file system, as `docker import` takes it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder, mode in (("bin", 0o755), ("tmp", 0o1777), ("state", 0o755), ("etc", 0o755), ("run", 0o755)):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, mode
            tar.addfile(info)
        for name, content in (("bin/busybox", busybox()), ("bin/agent", AGENT.encode())):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content))
        for applet in APPLETS:
            info = tarfile.TarInfo(f"bin/{applet}")
            info.type, info.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(info)
    return out.getvalue()


def places(*prefixes: str) -> list[str]:
    """The places where the guard can be told to die, in the order of its parts; those that begin so."""
    parts = (part.read_text(encoding="utf-8") for part in sorted(templates.path("machine", "guard.d").iterdir()))
    found = re.findall(r"^\s*failpoint ([a-z-]+)", "".join(parts), re.MULTILINE)
    return [place for place in found if place.startswith(prefixes)]


class Bench:
    """A machine with an engine of its own, the tiny image on it, and the guard's tree; `install` installs it."""

    def __init__(self, machine: Machine, prefix: tuple[str, ...] = ()) -> None:
        self.machine = machine
        self.prefix = prefix
        self.token = ""
        self.releases = 0
        machine.sh(f"rm -rf {TREE}; mkdir -p {TREE}")
        machine.run("tar", "-xf", "-", "-C", TREE, stdin=tree())
        self.image = machine.run("docker", "import", "-", "tiny", stdin=tiny_image()).text

    def install(self) -> Said:
        """Install from the tree."""
        return self._said((*self.prefix, "sh", f"{TREE}/guard.sh", "install"))

    def guard(self, *words: str, stdin: bytes = b"", failpoint: str = "") -> Said:
        """Call the installed guard; with a failpoint it dies there."""
        before = ("env", f"CLAWRACK_FAILPOINT={failpoint}") if failpoint else ()
        return self._said((*self.prefix, *before, GUARD, *words), stdin)

    def _said(self, words: tuple[str, ...], stdin: bytes = b"") -> Said:
        ran = self.machine.run(*words, stdin=stdin, timeout=180, check=False)
        return Said(ran.code, ran.out.decode())

    def lease(self, holder: str = "bench", seconds: int = 3600) -> str:
        """Take the lease; its token."""
        self.token = self.guard("lease", holder, str(seconds))["token"]
        return self.token

    def stage(self, name: str, tiny: Tiny, failpoint: str = "") -> Said:
        """Stage a release of the tiny agent."""
        content = packed(tiny.files(self.image))
        digest = hashlib.sha256(content).hexdigest()
        words = ("stage", self.token, name, tiny.release, digest)
        return self.guard(*words, stdin=content, failpoint=failpoint)

    def trial(self, name: str, tiny: Tiny, seconds: int = 600, failpoint: str = "") -> Said:
        """Stage it and start it on trial."""
        staged = self.stage(name, tiny)
        assert staged.code == 0, staged
        return self.guard("trial", self.token, name, tiny.release, str(seconds), failpoint=failpoint)

    def deploy(self, name: str, tiny: Tiny) -> None:
        """Trial, answer, commit."""
        tried = self.trial(name, tiny)
        assert tried.code == 0, tried
        self.answers(name, tiny.release)
        committed = self.guard("commit", self.token, name, tiny.release)
        assert committed.code == 0, committed

    def fresh(self, **more: Any) -> Tiny:
        """A release that no one has seen yet."""
        self.releases += 1
        return Tiny(f"r{self.releases}", **more)

    def ask(self, address: str, path: str = "release") -> str:
        """What an agent answers to the machine; empty where it does not."""
        # bash speaks TCP by itself; a bare machine has neither curl nor wget
        script = (
            f'exec 3<>/dev/tcp/{address}/8080 && printf "GET /{path} HTTP/1.0\\r\\n\\r\\n" >&3 '
            "&& timeout 2 cat <&3 | tail -n 1"
        )
        return self.machine.run("timeout", "3", "bash", "-c", script, check=False).text

    def answers(self, name: str, release: str, within: float = 30) -> None:
        """Wait until this release of the agent answers the machine."""
        until(
            lambda: self.ask(self.look().get(f"agent.{name}.address")) == release, within, f"{name} answers {release}"
        )

    def look(self) -> Said:
        """Everything there is."""
        return self.guard("look")

    def state(self, name: str, file: str) -> str:
        """A file of the agent's state."""
        return self.machine.run("cat", f"/var/lib/clawrack/agents/{name}/state/{file}", check=False).text

    def containers(self) -> list[dict[str, Any]]:
        """Every container of ours on the machine, as Docker tells it."""
        ids = self.machine.sh("docker ps -aq --filter label=clawrack.machine").text.split()
        return json.loads(self.machine.run("docker", "inspect", *ids).out) if ids else []

    def container(self, name: str) -> dict[str, Any]:
        """One of them."""
        return next(found for found in self.containers() if found["Name"] == f"/clawrack-{name}")

    def power_cut(self) -> None:
        """Pull the plug, plug it in again, wait until the machine is up."""
        self.machine.container.kill()
        self.machine.start()


def until(ready: Callable[[], bool], within: float, what: str) -> None:
    """Wait for something. Raises TimeoutError that names it."""
    end = time.monotonic() + within
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.2)


def benches(build: Build | None = None) -> Iterator[Bench]:
    """One machine for a module of tests."""
    with Machine(build or Build(docker=True)) as machine:
        bench = Bench(machine)
        bench.install()
        bench.lease()
        yield bench
