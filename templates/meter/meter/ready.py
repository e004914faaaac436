"""Is what serves here the meter that this image holds? Asked of its own ``/healthz``, from inside of its container."""

import http.client
import json
import time

from . import VERSION

_PAUSE = 0.2
_PATIENCE = 3.0  # for one answer


def wait(port: int, seconds: float) -> str:
    """Wait until it serves, and is well; return why it is not, as one short line, or an empty text."""
    end = time.monotonic() + seconds
    while why := _complaint(port):
        if time.monotonic() + _PAUSE > end:
            return why
        time.sleep(_PAUSE)
    return ""


def _complaint(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        said = answer.read(65536).decode("utf-8", "replace")
        state: dict[str, object] = dict(json.loads(said))
    except (OSError, http.client.HTTPException, ValueError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    if state.get("version") != VERSION:
        return f"version {state.get('version')!r} answers, and not {VERSION}"
    return "" if answer.status == http.HTTPStatus.OK else said
