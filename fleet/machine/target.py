"""Where a machine is reached: ``user@address:port``, as a person writes it."""

import re
from dataclasses import dataclass

from fleet.base.errors import BadInput

SSH_PORT = 22
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?")
# Host names, IPv4, IPv6 with a zone. Never a leading hyphen: the address may reach another program's argv.
_ADDRESS = re.compile(
    r"(?!-)(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}|(?=[^%]*:)[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9_.-]{1,15})?"
)
_WRITTEN = re.compile(
    r"(?:(?P<user>[^@]*)@)?(?:\[(?P<six>[^\]]*)\]|(?P<plain>[^:\[\]]*|[^\[\]]*:[^\[\]]*:[^\[\]]*))(?::(?P<port>\d+))?"
)


@dataclass(frozen=True, slots=True)
class Target:
    """An SSH server and the login on it.

    Attributes:
        address: host name or IP address.
        port: TCP port, 1 to 65535.
        user: the login's name.
    """

    address: str
    port: int = SSH_PORT
    user: str = "root"

    @property
    def place(self) -> str:
        """The address with its port, as known_hosts writes it: ``[10.0.0.7]:2222``, or bare at port 22."""
        return self.address if self.port == SSH_PORT else f"[{self.address}]:{self.port}"

    @classmethod
    def at(cls, place: str) -> "Target":
        """Return the target of a place, as ``place`` writes it; the user is nobody's."""
        address, bracket, port = place.removeprefix("[").partition("]:")
        return cls(address, int(port)) if bracket else cls(place)

    def __str__(self) -> str:
        return f"{self.user}@{self.place}"


def parse(text: str, where: str = "") -> Target:
    """Return what ``[user@]address[:port]`` says; IPv6 addresses with a port stand in brackets.

    Raises:
        BadInput: it is not an address that could exist.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if not found:
        raise BadInput("target.unclear", where=where, text=text)
    user = found["user"] if found["user"] is not None else "root"
    address = found["six"] or found["plain"] or ""
    port = int(found["port"] or SSH_PORT)
    if not _USER.fullmatch(user) or not _ADDRESS.fullmatch(address) or not 0 < port < 1 << 16:
        raise BadInput("target.unclear", where=where, text=text)
    return Target(address, port, user)
