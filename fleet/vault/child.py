"""One call to the system's keyring, in a process of its own: ``python -m fleet.vault.child VERB NAME``.

A keyring may ask a desktop that nobody looks at, or a bus that nobody answers on; whoever waits for this process can
end it. Secrets come by standard input and go by standard output. Exit codes: 0 done, 1 there is no such secret, 3 there
is no keyring to be trusted; killed by SIGALRM: it did not answer.
"""

import secrets
import signal
import sys
from typing import TYPE_CHECKING

import keyring
from keyring.backends.chainer import ChainerBackend

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keyring.backend import KeyringBackend

SERVICE = "clawrack"
PROBE_SECONDS = 3
ABSENT, NO_KEYRING = 1, 3
_NEVER = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")
"""Backends that keep nothing, or keep it in a file anybody can open."""


def trusted() -> bool:
    """Tell whether the keyring in use is one that protects what it is given."""
    return not any(type(one).__module__.startswith(_NEVER) for one in _parts(keyring.get_keyring()))


def _parts(found: "KeyringBackend") -> "Iterable[KeyringBackend]":
    if isinstance(found, ChainerBackend):
        return found.backends or [found]
    return [found]


def probe() -> bool:
    """Tell whether it keeps what it is given: written, read back, deleted."""
    name, value = f"probe-{secrets.token_hex(8)}", secrets.token_hex(8)
    keyring.set_password(SERVICE, name, value)
    same = keyring.get_password(SERVICE, name) == value
    keyring.delete_password(SERVICE, name)
    return same


def main(verb: str, name: str) -> int:
    """Carry one call out and return the exit code."""
    if not trusted():
        return NO_KEYRING
    if verb == "probe":
        signal.alarm(PROBE_SECONDS)
        return 0 if probe() else NO_KEYRING
    if verb == "put":
        keyring.set_password(SERVICE, name, sys.stdin.read())
        return 0
    found = keyring.get_password(SERVICE, name)
    if found is None:
        return ABSENT
    if verb == "get":
        sys.stdout.write(found)
    else:
        keyring.delete_password(SERVICE, name)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
