"""A real sshd on loopback, with its own configuration and host keys; nothing of this computer's is used."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

from fleet.machine import hostkey, keys
from fleet.machine.hostkey import HostKey
from fleet.machine.login import KeyLogin
from fleet.machine.ssh import SshPort
from fleet.machine.target import Target

SSHD = "/usr/sbin/sshd"


@dataclass
class Sshd:
    """One server: ``address:port``, its host key, its log at DEBUG level."""

    folder: Path
    address: str
    port: int
    key: keys.ControllerKey
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def target(self) -> Target:
        return Target(self.address, self.port)

    @property
    def host_key(self) -> HostKey:
        return hostkey.parse((self.folder / "host.pub").read_text())

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def wire(self, **options: object) -> SshPort:
        return SshPort("box", self.target, KeyLogin(self.key), self.host_key, **options)  # pyright: ignore[reportArgumentType]

    def pids(self) -> list[int]:
        """Return the server's process and all below it."""
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                found.extend(int(child) for child in children)
        return found

    def signal(self, number: int) -> None:
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGKILL)
        self.process.wait(5)


@contextlib.contextmanager
def sshd(address: str, *settings: str) -> Generator[Sshd]:
    """Start a server; ``settings`` come first, so they win."""
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="clawrack-wire-"))
    port = free_port(address)
    server: Sshd | None = None
    try:
        key = keys.ensure(folder / "key", "test")
        (folder / "authorized").write_text(key.public + "\n")
        make_key(folder / "host")
        (folder / "config").write_text(
            "\n".join([*settings, *_SETTINGS]).format(folder=folder, address=address, port=port)
        )
        server = start(folder, address, port, key)
        yield server
    finally:
        if server:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def make_key(path: Path) -> None:
    path.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


def start(folder: Path, address: str, port: int, key: keys.ControllerKey) -> Sshd:
    (folder / "log").unlink(missing_ok=True)
    command = [SSHD, "-D", "-f", str(folder / "config"), "-E", str(folder / "log")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if process.poll() is not None:  # a child of an earlier server may hold the port for a moment
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        if "Server listening" not in _read(folder / "log"):
            time.sleep(0.02)
            continue
        with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
            (folder / "log").write_text("")
            return Sshd(folder, address, port, key, process)
        time.sleep(0.02)
    process.kill()
    raise RuntimeError((folder / "log").read_text())


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


_SETTINGS = (
    "ListenAddress {address}:{port}",
    "HostKey {folder}/host",
    "PidFile none",
    "UsePAM no",
    "StrictModes no",
    "AuthorizedKeysFile {folder}/authorized",
    "PermitRootLogin yes",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "LogLevel DEBUG1",
    "UseDNS no",
    "SetEnv HOME={folder}",  # what this computer's owner has in .bashrc is not under test
)
