"""What a ticket is begun with, and what its child is told; where its secrets are to be typed."""

from typing import Literal

import msgspec

from installer.booth.ticket import Language, Marks
from installer.receipt.form import Consent

Act = Literal["install", "take-back"]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a ticket before its device was seen; no secret is in it.

    Attributes:
        machine: ``user@address:port``.
        device: its fingerprint or short code, where somebody read it on the device.
        key: path of a private key that opens the login, where no password is to be asked for.
        kind: of the agent.
        provider, region, model: whose model the agent is to use; the customer is asked where nothing is told.
        image_source: as in `installer.answers.Answers`; ``bundle`` likewise.
    """

    machine: str
    device: str = ""
    key: str = ""
    language: Language = "en"
    kind: str
    provider: str = ""
    region: str = ""
    model: str = ""
    image_source: str = "auto"
    bundle: str = ""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is told at its start: the order, and what was settled before it (by a child that was stopped).

    Attributes:
        touched: something of ours may be on the device; ``parting`` the last act was begun.
    """

    act: Act = "install"
    number: int
    order: Order
    marks: Marks | None = None
    consent: Consent | None = None
    model: str = ""
    touched: bool = False
    parting: bool = False


class Reply(msgspec.Struct, frozen=True, tag="reply"):
    """The answer to a question that is no secret."""

    value: str


class Place(msgspec.Struct, frozen=True, tag="place"):
    """Where a secret is: typed at a terminal (its path), in a file, or nowhere; the desk itself never has it."""

    kind: Literal["terminal", "file", "none"] = "none"
    path: str = ""


class Noted(msgspec.Struct, frozen=True, tag="noted"):
    """What the child said last is written down."""


ToChild = Reply | Place | Noted
