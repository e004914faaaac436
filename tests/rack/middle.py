"""A man in the middle: an sshd with another host key where a machine is expected, which logs what it is offered."""

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

SETTINGS = """ListenAddress 127.0.0.1:{port}
HostKey {folder}/host
PidFile none
UsePAM no
StrictModes no
AuthorizedKeysFile none
LogLevel DEBUG1
UseDNS no
"""


class Middle:
    """Listens on `address`:`port` with a key that nobody has pinned, lets nobody in, and writes down who tried."""

    def __init__(self) -> None:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="clawrack-middle-"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address, self.port = "127.0.0.1", int(free.getsockname()[1])
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / "host")]
        subprocess.run(words, check=True)
        (self.folder / "config").write_text(SETTINGS.format(port=self.port, folder=self.folder))
        sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin") or "/usr/sbin/sshd"
        self._process = subprocess.Popen(
            [sshd, "-D", "-f", str(self.folder / "config"), "-E", str(self.folder / "log")], stdin=subprocess.DEVNULL
        )
        self._await()

    def _await(self) -> None:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                socket.create_connection((self.address, self.port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise TimeoutError(self.log)

    @property
    def log(self) -> str:
        """What sshd wrote down, at DEBUG level."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def tried(self) -> bool:
        """Whether somebody began to log in: what must never happen behind an unknown host key."""
        return "userauth-request" in self.log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
