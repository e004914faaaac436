"""A machine of the rack: a container that boots systemd and sshd, and, when asked, a Docker engine of its own."""

import base64
import hashlib
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from tests.rack import engine, hull, image, network, recipe
from tests.rack.disk import Disk
from tests.rack.places import home, locked

READY_WITHIN = 60.0  # seconds; one or two on an idle box
ENVIRONMENT = {"PATH": image.PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", "TERM": "dumb"}


@dataclass(frozen=True)
class User:
    """A login on a machine; `sudo` asks for the password, never asks, or is not there."""

    name: str = "booth"
    password: str = "open sesame 7"
    sudo: Literal["no", "password", "nopasswd"] = "password"
    key: bool = False
    uid: int = 1000


@dataclass(frozen=True)
class Build:
    """What a machine is: by default a bare Debian with root's key; `disk` in megabytes, 0 for as much as there is."""

    system: str = ""
    docker: bool = False
    root_key: bool = True
    root_password: str = ""
    users: tuple[User, ...] = ()
    sudo_installed: bool = True
    disk: int = 0
    disk_at: str = "/var/lib/docker"
    binds: tuple[str, ...] = ()
    files: dict[str, tuple[bytes, int]] = field(default_factory=dict[str, tuple[bytes, int]])
    init: str = ""
    """A program among the files that is the first process, in systemd's place; it makes UP when all is started."""


UP = "/run/rack-up"


@dataclass(frozen=True)
class Result:
    """A finished command: exit code and what it printed."""

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Standard output as text, without the white space around it."""
        return self.out.decode(errors="replace").strip()


class Box:
    """Anything that hangs on the rack's network: its container, its address, and how to run a command in it."""

    def __init__(self, api: docker.DockerClient, container: Container, address: str) -> None:
        self.api = api
        self.container = container
        self.name = str(container.name)
        self.address = address

    @property
    def pid(self) -> int:
        """The first process of the machine, as the box numbers it. Raises RuntimeError while the machine is off."""
        self.container.reload()
        pid = int(self.container.attrs["State"]["Pid"])
        if not pid:
            raise RuntimeError(f"{self.name} is not running")
        return pid

    def run(self, *words: str, stdin: bytes = b"", timeout: float = 60, check: bool = True) -> Result:
        """Run a command as root, not over sshd. Raises RuntimeError when it fails and `check` is set."""
        inside = ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "--", *words]
        done = subprocess.run(
            inside, input=stdin, capture_output=True, timeout=timeout, check=False, env=ENVIRONMENT, cwd="/"
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {words} ended with {done.returncode}: {done.stdout + done.stderr!r}")
        return Result(done.returncode, done.stdout, done.stderr)

    def sh(self, script: str, *, timeout: float = 60, check: bool = True) -> Result:
        """Run a shell script as root in the machine."""
        return self.run("sh", "-c", script, timeout=timeout, check=check)

    def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write one file of root's, with its parent directories."""
        self._unpack({path: (content, mode)})

    def _unpack(self, files: dict[str, tuple[bytes, int]]) -> None:
        container: Any = self.container
        container.put_archive("/", image.archive(files))

    def get(self, path: str) -> bytes:
        """The content of one file. Raises RuntimeError when it is not there."""
        return self.run("cat", path).out

    def remove(self) -> None:
        """Take it off the rack with all its volumes; nothing happens when it is gone already."""
        _take_off(self.container)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


class Machine(Box):
    """A machine with sshd on port 22 and systemd as its first process.

    `key` is the path of a private key that opens root (when `Build.root_key`) and every `User` with `key`.
    """

    port = 22

    def __init__(self, build: Build | None = None, name: str = "") -> None:
        self.build = build or Build()
        self.key = key()
        self.disk: Disk | None = None
        api = engine.client()
        subnet = network.ensure(api)
        system = recipe.SYSTEMS[self.build.system] if self.build.system else recipe.usual()
        ready = image.ensure(api, system.with_docker() if self.build.docker else system)
        name = name or f"rack-{secrets.token_hex(3)}"
        address = network.take_address(api, subnet)
        if self.build.disk:
            self.disk = Disk(name, self.build.disk)
        config = hull.machine(ready, name, self._wiring(address), self.build.init)
        super().__init__(api, hull.create(api, config, name), address)
        self._furnish()
        self.start()

    def _wiring(self, address: str) -> hull.Wiring:
        binds = list(self.build.binds)
        if self.disk:
            binds.append(f"{self.disk.mount}:{self.build.disk_at}")
        return hull.Wiring(network.NAME, address, tuple(binds), (("clawrack.rack.owner", owner()),))

    def _furnish(self) -> None:
        files = dict(self.build.files)
        if self.build.root_key:
            files["/root/.ssh/authorized_keys"] = (self.key.with_suffix(".pub").read_bytes(), 0o600)
        if self.build.root_password:
            files["/etc/ssh/sshd_config.d/10-root.conf"] = (b"PermitRootLogin yes\n", 0o644)
        if files:
            self._unpack(files)

    def start(self) -> None:
        """Switch the machine on and wait until it is ready."""
        self.container.start()
        first = self.run("test", "-e", "/etc/rack-users", check=False).code != 0
        if first:
            self._people()
        self.wait_ready()

    def _people(self) -> None:
        script = ["set -e", *(line for user in self.build.users for line in _user_lines(user))]
        if not self.build.sudo_installed:
            script.append("rm -f /usr/bin/sudo")
        logins = [(user.name, user.password) for user in self.build.users if user.password]
        if self.build.root_password:
            logins.append(("root", self.build.root_password))
        self.sh("\n".join([*script, "touch /etc/rack-users"]))
        if logins:
            self.run("chpasswd", stdin="".join(f"{name}:{word}\n" for name, word in logins).encode())
        for user in self.build.users:
            if user.key:
                public = self.key.with_suffix(".pub").read_bytes()
                self.put(f"/home/{user.name}/.ssh/authorized_keys", public, 0o600)
                self.run("chown", "-R", f"{user.name}:", f"/home/{user.name}/.ssh")

    def wait_ready(self, within: float = READY_WITHIN) -> None:
        """Wait until sshd shows its banner and systemd has started everything. Raises TimeoutError with what failed."""
        end = time.monotonic() + within
        while not self.answers():
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name}: no banner on port 22 within {within:g} s: {self._failed()}")
            time.sleep(0.03)
        if self.build.init:
            self._wait_up(end)
            return
        state = self.run("systemctl", "is-system-running", "--wait", timeout=within, check=False).text
        if state not in {"running", "degraded"}:
            raise TimeoutError(f"{self.name}: systemd says {state}: {self._failed()}")

    def _wait_up(self, end: float) -> None:
        while self.run("test", "-e", UP, check=False).code != 0:
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name}: its first process has not started everything")
            time.sleep(0.05)

    def _failed(self) -> str:
        return self.run("systemctl", "list-jobs", "--no-pager", check=False).text

    def answers(self, timeout: float = 1.0) -> bool:
        """Whether sshd shows its banner to the box within `timeout` seconds."""
        try:
            with socket.create_connection((self.address, self.port), timeout) as wire:
                return wire.recv(4) == b"SSH-"
        except OSError:
            return False

    def host_key(self, kind: str = "ed25519") -> str:
        """The public host key as sshd shows it: `ssh-ed25519 AAAA…`."""
        return " ".join(self.get(f"/etc/ssh/ssh_host_{kind}_key.pub").decode().split()[:2])

    def fingerprint(self, kind: str = "ed25519") -> str:
        """The host key's fingerprint as OpenSSH prints it: `SHA256:…`."""
        blob = base64.b64decode(self.host_key(kind).split()[1])
        return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")

    def new_host_key(self) -> None:
        """What a reinstalled machine shows: other host keys at the same address."""
        self.sh("rm -f /etc/ssh/ssh_host_*; systemctl start host-keys.service; systemctl restart ssh.service")
        self.wait_ready()

    def remove(self) -> None:
        """Take the machine off the rack with its volumes and its disk."""
        super().remove()
        if self.disk:
            self.disk.remove()


def _user_lines(user: User) -> Sequence[str]:
    lines = [f"useradd -m -s /bin/bash -u {user.uid} {user.name}"]
    if user.sudo != "no":
        rule = "NOPASSWD: ALL" if user.sudo == "nopasswd" else "ALL"
        lines.append(f"echo '{user.name} ALL=(ALL:ALL) {rule}' > /etc/sudoers.d/{user.name}")
        lines.append(f"chmod 440 /etc/sudoers.d/{user.name}")
    return lines


def key() -> Path:
    """A private key (ed25519, no passphrase) that the rack's machines know; made once and kept in the cache."""
    path = home() / "key"
    with locked("key"):
        if not path.exists():
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "clawrack-tests", "-f", str(path)]
            subprocess.run(words, check=True)
    return path


def owner() -> str:
    """This process, told apart from a later one with the same number by its start time in clock ticks."""
    return f"{os.getpid()}.{_started(os.getpid())}"


def _started(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def reap() -> list[str]:
    """Remove the machines of test runs that were killed, and say which; those of living runs stay."""
    api = engine.client()
    gone: list[str] = []
    for container in api.containers.list(all=True, filters={"label": "clawrack.rack.owner"}, ignore_removed=True):
        pid, _, started = container.labels["clawrack.rack.owner"].partition(".")
        if not Path(f"/proc/{pid}").exists() or _started(int(pid)) != started:
            _take_off(container)
            Disk.forget(str(container.name))
            gone.append(str(container.name))
    return gone


def _take_off(container: Container) -> None:
    """Remove a container, which another test run may be removing at the same time."""
    try:
        container.remove(force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != HTTPStatus.CONFLICT:
            raise
