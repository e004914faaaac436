"""The system's keyring: asked by a child process (`fleet.vault.child`) that is ended when it takes too long."""

import functools
import subprocess
import sys

from fleet.base.errors import ActionFailed
from fleet.base.secret import Secret
from fleet.vault import child

PATIENCE = 15.0  # seconds for one call, its interpreter's start and all; the probe proper has `child.PROBE_SECONDS`


class Ring:
    """The system's keyring."""

    @functools.cached_property
    def works(self) -> bool:
        """Whether it is one to be trusted and keeps what it is given; asked once."""
        code, _ = _call("probe", "-")
        return code == 0

    def get(self, name: str) -> Secret | None:
        """Return a secret, or None where it holds none of that name."""
        code, said = _call("get", name)
        return Secret(said) if code == 0 else None

    def put(self, name: str, value: Secret) -> None:
        """Keep a secret, and see that it is kept.

        Raises:
            ActionFailed: it is not.
        """
        code, _ = _call("put", name, value.reveal())
        if code != 0 or self.get(name) != value:
            raise ActionFailed("vault.ring_failed")

    def drop(self, name: str) -> None:
        """Keep a secret no longer."""
        _call("drop", name)


def _call(verb: str, name: str, value: str = "") -> tuple[int, str]:
    """Return the exit code and what was said; one that had to be ended, or could not be started, has -1."""
    words = (sys.executable, "-m", child.__name__, verb, name)
    try:
        ran = subprocess.run(
            words, input=value, capture_output=True, text=True, timeout=PATIENCE, check=False, start_new_session=True
        )
    except (subprocess.TimeoutExpired, OSError):
        return -1, ""
    return ran.returncode, ran.stdout
