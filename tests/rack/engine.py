"""A private Docker engine under the rack, shared by parallel test runs; foreign engines are never touched.

It has a containerd, a data root, a socket and a bridge of its own, all under `places.home()`, and leaves the firewall
alone but for three rules with its own comment. It lets the box forward, and raises one limit (`_make_room`).
By hand: `python tests/rack/engine.py start|stop|stop-if-idle|status`.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import docker
from docker.errors import DockerException

if __package__:
    from tests.rack.places import home, locked
else:
    from places import home, locked

WATCHERS = 4096  # inotify instances of one user; until the box is booted again
READY_WITHIN = 60.0  # seconds; about one on an idle box


def root() -> Path:
    """The engine's directory."""
    return home() / "engine"


def socket() -> Path:
    """The engine's socket: a fixed path, so that every process of this user finds the same engine."""
    return root() / "docker.sock"


def client(timeout: int = 300) -> docker.DockerClient:
    """A client of the engine, which is started if it does not answer; `timeout` in seconds per request."""
    ensure()
    return docker.DockerClient(base_url=f"unix://{socket()}", version="1.41", timeout=timeout)


def ensure() -> None:
    """Start the engine unless it answers. Raises RuntimeError with the end of its log when it does not come up."""
    _make_room()
    if _answers():
        return
    with locked("engine"):
        if not _answers():
            _start()


def _make_room() -> None:
    """Each systemd takes about eight inotify instances, and a box usually allows root 128: sixteen machines."""
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    if int(limit.read_text()) < WATCHERS:
        limit.write_text(str(WATCHERS))


def stop() -> None:
    """Stop the engine, its containerd and every machine on it; images and volumes stay in the data root."""
    with locked("engine"):
        if _answers():
            _stop_machines()
        for name in ("dockerd", "containerd"):
            _end(name)
        _wipe_runtime()


def stop_if_idle() -> None:
    """Stop the engine unless a machine is on it, which means that somebody else's tests run."""
    if _answers() and not client().containers.list():
        stop()


def _stop_machines() -> None:
    api = docker.DockerClient(base_url=f"unix://{socket()}", version="1.41")
    for container in api.containers.list():
        with suppress(DockerException):
            container.kill()
    api.close()


def _answers() -> bool:
    if _alive("dockerd") is None:
        return False
    try:
        api = docker.DockerClient(base_url=f"unix://{socket()}", version="1.41", timeout=10)
        answer = bool(api.ping())
        api.close()
    except DockerException:
        return False
    return answer


def _alive(name: str) -> int | None:
    try:
        pid = int((root() / f"{name}.pid").read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    ours = Path(words[0].decode(errors="replace")).name == name and any(os.fsencode(root()) in w for w in words)
    return pid if ours else None


def _start() -> None:
    for directory in ("data", "exec", "containerd"):
        (root() / directory).mkdir(parents=True, exist_ok=True)
    (root() / "daemon.json").write_text("{}\n")
    if _alive("dockerd") is not None:
        _end("dockerd")  # there, but deaf
    if _alive("containerd") is None:
        _wipe_runtime()
        _spawn("containerd", _containerd_words())
    _spawn("dockerd", _dockerd_words())
    _await()


def _containerd_words() -> list[str]:
    base = root() / "containerd"
    config = base / "config.toml"
    config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    state, address = root() / "exec" / "containerd", root() / "containerd.sock"
    return [
        "containerd",
        "--config",
        str(config),
        "--root",
        str(base / "data"),
        "--state",
        str(state),
        "--address",
        str(address),
    ]


def _dockerd_words() -> list[str]:
    at = root()
    return [
        "dockerd",
        *("--config-file", str(at / "daemon.json"), "--containerd", str(at / "containerd.sock")),
        *("--data-root", str(at / "data"), "--exec-root", str(at / "exec"), "--host", f"unix://{socket()}"),
        *("--pidfile", str(at / "dockerd.pid"), "--log-level", "warn"),
        *("--bridge", "none", "--iptables=false", "--ip6tables=false", "--userland-proxy=false"),
    ]


def _spawn(name: str, words: list[str]) -> None:
    (root() / f"{name}.pid").unlink(missing_ok=True)
    env = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"}
    with (root() / f"{name}.log").open("wb") as log:
        child = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd="/", start_new_session=True
        )
    if name == "containerd":
        (root() / f"{name}.pid").write_text(str(child.pid))


def _await() -> None:
    end = time.monotonic() + READY_WITHIN
    while not _answers():
        if time.monotonic() > end:
            log = (root() / "dockerd.log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the rack's engine did not come up:\n{log}")
        time.sleep(0.1)


def _end(name: str, within: float = 20.0) -> None:
    pid = _alive(name)
    end = time.monotonic() + within
    while pid is not None and _alive(name) == pid:
        late = time.monotonic() > end
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.1)


def _wipe_runtime() -> None:
    """After a crash the old runtime state keeps containerd from coming up: on a real machine it is gone with /run."""
    inside = f"{root() / 'exec'}/"
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(inside)), reverse=True):
        subprocess.run(["umount", "-l", mount], check=False)
    shutil.rmtree(root() / "exec", ignore_errors=True)


def main(words: list[str]) -> int:
    """The command line: one of the verbs."""
    verbs = {"start": ensure, "stop": stop, "stop-if-idle": stop_if_idle, "status": lambda: None}
    if len(words) != 1 or words[0] not in verbs:
        print("usage: python tests/rack/engine.py start|stop|stop-if-idle|status", file=sys.stderr)
        return 2
    verbs[words[0]]()
    print(f"engine {'answers' if _answers() else 'is down'} at {socket()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
