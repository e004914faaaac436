"""What a receipt tells: what was set up, who may still log in, what was agreed to, what is on the device."""

from typing import Literal

import msgspec

PasswordFate = Literal["rotate", "off", "remove", "never"]
"""What becomes of the password: ``rotate``: its owner has typed another; ``off``: SSH takes no passwords any more;
``remove``: the whole login goes, for it was made only for this; ``never``: the operator never had one."""
Language = Literal["en", "zh"]
Key = Literal["removed", "unproven"]
Password = Literal["rotated", "off", "removed", "never", "unproven"]


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """How the operator's access to the device ended; only what a refused login has proven is called by its name.

    Attributes:
        login: whose key the operator's was.
        person: whose password the operator knew, where that is another login.
        key: ``removed``: a new connection with the operator's key was refused.
        password: ``rotated``: its owner typed another, and the one that the operator knew was refused; ``off``: SSH
            takes no passwords any more; ``removed``: the login is gone, and its password was refused; ``never``: the
            operator never had one; ``unproven``: nothing was refused, so nothing is claimed.
        proven: when the last of it was refused (RFC 3339, UTC); empty where nothing was.
        others: how many other keys open the login; None where nobody could look.
        keys: their fingerprints, those in the login's own file.
        came: the fingerprint of the key by which the operator came at first, where it was not refused; else empty.
        kept: logins that may come by password still, where SSH was to take none: a rule of somebody's own says so.
    """

    login: str
    person: str = ""
    key: Key
    password: Password = "unproven"  # noqa: S105 - it says what became of one
    proven: str = ""
    others: int | None = None
    kept: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    came: str = ""


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner agreed to: which text, in which language, and when (RFC 3339, UTC)."""

    version: int
    language: Language
    at: str


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What was put on the device, as its own manifest says.

    Attributes:
        paths: of files and folders outside of the data's own folder.
        docker: whether Docker came with us (``ours``) or was there (``before``); empty where nobody noted it.
        command: the path of the owner's command; empty where it was not brought.
        data: the folder of the agents' data.
    """

    paths: tuple[str, ...] = ()
    docker: str = ""
    command: str = ""
    data: str = ""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What stands at the end of a setup.

    Attributes:
        changed: whether anything was done; a second run changes nothing, and sends no message.
        question: the message that was sent to the agent.
        answer: what it answered.
        seconds: from the message to the answer.
        talk, stop, remove, leave: the commands to talk to it, stop it, remove it, and remove clawrack from the machine.
        beside: the machine's other agents, with kind and version, where the receipt is the machine's.
        image: that it runs, by digest or by our own name and recipe.
        vendor: whose model answers; empty for the practice model.
        country: in which it answers (ISO 3166, two letters), as the provider's own data says; empty where unknown.
        access: who may still log in; None before the machine was handed over.
        changes: what is on the device; None likewise.
        consent: what the owner agreed to; None where nobody was asked.
    """

    agent: str
    kind: str
    version: str
    machine: str
    address: str
    model: str
    changed: bool
    question: str = ""
    answer: str = ""
    seconds: float = 0.0
    talk: str
    stop: str
    remove: str
    leave: str
    beside: tuple[str, ...] = ()
    image: str = ""
    vendor: str = ""
    country: str = ""
    access: Access | None = None
    changes: Changes | None = None
    consent: Consent | None = None
