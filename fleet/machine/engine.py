"""docker-py over any connection that can be dialled, with one pool of connections per machine.

docker-py keys its own SSH pool by the full URL, so that each container's name starts another process on the machine,
and never connects again after its connection died (docker 7.2, sshconn.py). Here there is one pool, and the port
underneath reconnects.
"""

import math
from collections.abc import Callable
from typing import Any

import docker
import requests
from docker.transport.basehttpadapter import BaseHTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from fleet.base.errors import TimedOut, WireCut
from fleet.machine.socketlike import ProcessSocket

Dial = Callable[[float], Any]
SECONDS = 60.0
# The oldest API that docker-py speaks; asked for until the engine has said what it has.
_FIRST = "1.24"


class _Connection(HTTPConnection):
    def __init__(self, dial: Dial, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._dial = dial
        self._seconds = seconds
        self._socket: Any = None

    def connect(self) -> None:
        self._socket = self.sock = self._dial(self._seconds)

    @property
    def is_connected(self) -> bool:
        """Whether the connection can carry another request; a channel has no file descriptor to ask."""
        if isinstance(self._socket, ProcessSocket):
            return self.sock is not None and self._socket.idle()
        return super().is_connected


class _Pool(HTTPConnectionPool):
    def __init__(self, dial: Dial, seconds: float, size: int) -> None:
        super().__init__("localhost", timeout=seconds, maxsize=size)
        self._dial = dial
        self._seconds = seconds

    def _new_conn(self) -> Any:  # noqa: ANN401 - urllib3 wants a protocol of its own here
        return _Connection(self._dial, self._seconds)


class _Adapter(BaseHTTPAdapter):
    def __init__(self, pool: _Pool, where: str, seconds: float) -> None:
        self._pool = pool
        self._where = where
        self._seconds = seconds
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: ANN401
        try:
            return super().send(request, *args, **kwargs)
        except requests.exceptions.Timeout as error:
            raise TimedOut("wire.timed_out", where=self._where, seconds=f"{self._seconds:g}") from error
        except requests.exceptions.ConnectionError as error:
            raise WireCut("docker.hung_up", where=self._where) from error

    def get_connection_with_tls_context(self, *_: object, **__: object) -> _Pool:
        return self._pool

    def request_url(self, request: requests.PreparedRequest, proxies: object) -> str:
        del proxies
        return request.path_url or "/"

    def close(self) -> None:
        self._pool.close()


def client(dial: Dial, where: str, *, seconds: float = SECONDS, size: int = 2) -> docker.APIClient:
    """Return a client that speaks the engine's own API version; one request goes out for that.

    Its requests raise TimedOut and WireCut where docker-py's own would raise what requests does.

    Args:
        dial: connects to the engine; what it returns is like a socket.
        where: the machine's name, for messages.
        seconds: for one answer.
        size: connections kept for another request.
    """
    made: Any = docker.APIClient(base_url="unix:///dev/null", version=_FIRST, timeout=math.ceil(seconds))
    made.trust_env = False
    made.mount("http+docker://", _Adapter(_Pool(dial, seconds, size), where, seconds))
    made._version = str(made.version(api_version=False)["ApiVersion"])  # noqa: SLF001 - its own way hides our errors
    return made
