"""Who this controller is: its id, its key, and the host keys that a person has vouched for."""

import secrets
import socket
from functools import cache
from typing import TYPE_CHECKING

from fleet.base import places
from fleet.base.disk import replace

if TYPE_CHECKING:
    from fleet.machine.keys import ControllerKey
    from fleet.machine.pins import Pins


@cache
def controller() -> str:
    """Return the id of this controller, made at first use: the host's name and eight hexadecimal digits."""
    path = places.state() / "controller"
    if not path.exists():
        host = "".join(char for char in socket.gethostname().lower() if char.isalnum() or char == "-")[:30]
        replace(path, f"{host or 'controller'}-{secrets.token_hex(4)}\n".encode())
    return path.read_text(encoding="utf-8").strip()


def controller_key() -> "ControllerKey":
    """Return the key with which this controller logs in everywhere, made at first use."""
    from fleet.machine import keys  # noqa: PLC0415 - see port_of

    return keys.ensure(places.state() / "key", controller())


def pins() -> "Pins":
    """Return the host keys that a person has vouched for."""
    from fleet.machine.pins import Pins  # noqa: PLC0415 - see port_of

    return Pins(places.state() / "hosts.json")
