"""Whoever set a machine up, and how they part from it."""

from dataclasses import dataclass

from fleet.base.secret import Secret
from fleet.machine.hostkey import HostKey
from fleet.machine.keys import PersonKey
from installer.receipt.form import PasswordFate


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Whoever set the machine up.

    Attributes:
        holder: the id of the controller, which holds the lease.
        host_key: by which the machine proves that it is the one: a refusal by another machine proves nothing.
        password: where the operator learned one; without it no refusal of it can be shown.
        key: of somebody's, by which the operator came at first; it is not ours to take away, and is tried.
        login: which that password opens, where it is another than the key's: some machines let only root keep a right.
    """

    holder: str
    host_key: HostKey
    password: Secret | None = None
    login: str = ""
    key: PersonKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """How the operator parts from the machine.

    Attributes:
        way: what becomes of the password.
        new: the password that the owner typed, where it is rotated; it goes to the device alone, by standard input.
        language: of the owner's command, where the device's own says none (``en``, ``zh``).
    """

    way: PasswordFate
    new: Secret | None = None
    language: str = "en"
