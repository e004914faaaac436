"""A hundred SSH servers on loopback for the benchmarks, and the runs over them."""

import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path

HOSTS = 100
PORT = 2322
HERE = Path(__file__).resolve().parent
_CONFIG = """
ListenAddress {address}:{port}
HostKey {folder}/host
PidFile none
UsePAM no
UseDNS no
StrictModes no
AuthorizedKeysFile {folder}/key.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
LogLevel ERROR
Subsystem sftp internal-sftp
SetEnv HOME={folder}
"""


@contextlib.contextmanager
def fleet(hosts: int = HOSTS) -> Generator[Path]:
    """Start the servers, each a process of its own; give the folder of keys and of ``fleet.json``.

    The logins' HOME is an empty folder: what is measured is SSH, and not what this computer has in its .bashrc.
    """
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="clawrack-bench-"))
    servers: list[subprocess.Popen[bytes]] = []
    try:
        for name in ("host", "key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        addresses = [f"127.77.{1 + number // 200}.{1 + number % 200}" for number in range(hosts)]
        for address in addresses:
            config = folder / f"config.{address}"
            config.write_text(_CONFIG.format(address=address, port=PORT, folder=folder))
            servers.append(subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", str(config)]))
        _wait_for(addresses)
        if any(server.poll() is not None for server in servers):
            raise SystemExit("a server could not start: is another benchmark running?")
        (folder / "fleet.json").write_text(json.dumps({"folder": str(folder), "port": PORT, "addresses": addresses}))
        (folder / "known_hosts").write_text(_known_hosts(folder, addresses))
        yield folder
    finally:
        for server in servers:
            server.kill()
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _known_hosts(folder: Path, addresses: Sequence[str]) -> str:
    key = " ".join((folder / "host.pub").read_text().split()[:2])
    return "".join(f"[{address}]:{PORT} {key}\n" for address in addresses)


def _wait_for(addresses: Sequence[str]) -> None:
    until = time.monotonic() + 60
    for address in addresses:
        while True:
            with contextlib.suppress(OSError), socket.create_connection((address, PORT), 1):
                break
            if time.monotonic() > until:
                raise SystemExit(f"no sshd at {address}:{PORT}")
            time.sleep(0.05)


def run(engine: str, folder: Path) -> dict[str, float]:
    """Run one engine in a process of its own; return what it measured, in seconds."""
    command = [sys.executable, str(HERE / "wire_worker.py"), engine, str(folder / "fleet.json")]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=300)
    if ended.returncode:
        raise SystemExit(f"{engine}: {ended.stderr[-2000:]}")
    return json.loads(ended.stdout)


def interleaved(engines: Sequence[str], folder: Path, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Run the engines in turn, so that what else the computer does falls on all of them."""
    runs: dict[str, list[dict[str, float]]] = {engine: [] for engine in engines}
    for _ in range(rounds):
        for engine in engines:
            runs[engine].append(run(engine, folder))
    return runs


def median(runs: Sequence[dict[str, float]], what: str) -> float:
    """Return the median of one figure."""
    return round(statistics.median(run[what] for run in runs), 3)


def ansible(folder: Path) -> float | None:
    """Return the seconds of one ``ansible -m ping`` over the fleet with fifty forks; None where it is not installed."""
    program = shutil.which("ansible", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if not program:
        return None
    addresses: list[str] = json.loads((folder / "fleet.json").read_text())["addresses"]
    settings = (
        f"ansible_port={PORT} ansible_user=root ansible_ssh_private_key_file={folder}/key "
        f"ansible_python_interpreter={sys.executable}\n"
    )
    (folder / "inventory").write_text("".join(f"{address} {settings}" for address in addresses))
    options = f"-o UserKnownHostsFile={folder}/known_hosts -o ControlMaster=no"
    environment = {**os.environ, "ANSIBLE_SSH_ARGS": options, "ANSIBLE_PIPELINING": "1", "HOME": str(folder)}
    command = [program, "all", "-i", str(folder / "inventory"), "-f", "50", "-m", "ping"]
    begun = time.monotonic()
    ended = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=600)
    if ended.returncode or ended.stdout.count("SUCCESS") != len(addresses):
        raise SystemExit(ended.stdout[-2000:] + ended.stderr[-2000:])
    return time.monotonic() - begun


def _end(*_: object) -> None:
    sys.exit(143)


signal.signal(signal.SIGTERM, _end)
