"""Where a machine is reached: ``user@address:port``, as a person writes it, and through which others."""

import re
import socket
from dataclasses import dataclass, field
from typing import Protocol

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


_VIA = " via "


class Gate(Protocol):
    """A jump host that is open: what others are reached through."""

    def reach(self, address: str, port: int, timeout: float) -> socket.socket:
        """Connect to what the jump host can reach; names are resolved there.

        Raises:
            Unreachable, Refused: there is no way through it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """An SSH server and the login on it.

    Attributes:
        address: host name or IP address, as the last jump host knows it.
        port: TCP port, 1 to 65535.
        user: the login's name.
        via: the jump hosts on the way, ``user@address:port``, comma separated in their order; empty for none.
        gate: opens the last of them; without it nothing that has a ``via`` is ever connected to.
    """

    address: str
    port: int = SSH_PORT
    user: str = "root"
    via: str = ""
    gate: Gate | None = field(default=None, compare=False, repr=False)

    @property
    def own_place(self) -> str:
        """The address with its port, as known_hosts writes it: ``[10.0.0.7]:2222``, or bare at port 22."""
        return self.address if self.port == SSH_PORT else f"[{self.address}]:{self.port}"

    @property
    def place(self) -> str:
        """Its own place, and the way to it: behind another jump host the same address is another machine."""
        return f"{self.own_place}{_VIA}{self.via}" if self.via else self.own_place

    @classmethod
    def at(cls, place: str) -> "Target":
        """Return the target of a place, as ``place`` writes it; the user is nobody's, and no gate is open."""
        own, _, via = place.partition(_VIA)
        address, bracket, port = own.removeprefix("[").partition("]:")
        return cls(address, int(port), via=via) if bracket else cls(own, via=via)

    def __str__(self) -> str:
        """Return it as it is typed behind ``--machine``."""
        return f"{self.user}@{self.own_place}" + (f" --jump {self.via}" if self.via else "")


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


def hops_of(text: str, where: str = "") -> tuple[Target, ...]:
    """Return the jump hosts of ``user@address:port,…`` in their order, each with those before it.

    Raises:
        BadInput: one of them is not an address that could exist.
    """
    hops: tuple[Target, ...] = ()
    for written in filter(None, (part.strip() for part in text.split(","))):
        hop = parse(written, where)
        hops = (*hops, Target(hop.address, hop.port, hop.user, via=via(hops)))
    return hops


def via(hops: tuple[Target, ...]) -> str:
    """Return jump hosts as a ``via`` says them, always in one way of writing."""
    return ",".join(f"{hop.user}@{hop.own_place}" for hop in hops)
