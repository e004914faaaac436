"""The last act at a device: the operator's access goes, its refusal is proven, and the receipt is written."""

from collections.abc import Callable
from typing import Literal

from fleet.base.errors import ActionFailed
from fleet.machine.port import Port
from fleet.machine.ssh import SshPort
from fleet.model import Machine
from installer.answers import Receipt
from installer.booth.ticket import Consent
from installer.booth.work import There, Told
from installer.handover import Handed, Operator, hand_over
from installer.handover import Parting as Terms
from installer.receipt.form import Consent as Agreed
from installer.receipt.paper import Wrap, handed, paper


class Parting:
    """Hands a device over.

    Args:
        holder: the id of the ticket's own controller.
        port: reaches a machine by the ticket's own key.
        wrap: of a terminal, for the receipt's lines.
        language: of the owner.
    """

    def __init__(self, holder: str, port: Callable[[str, Machine], Port], wrap: Wrap, language: str) -> None:
        self._holder = holder
        self._port = port
        self._wrap = wrap
        self._language = language

    def __call__(self, there: There, told: Told) -> str:
        """Hand over, and return the receipt as text.

        Raises:
            ActionFailed: our key was not seen to be refused (``booth.not_proven``); the ticket is not done.
        """
        port = self._port(there.name, there.machine)
        if not isinstance(port, SshPort):
            raise TypeError(type(port))
        operator = Operator(holder=self._holder, host_key=there.host_key, password=there.password, login=there.login)
        found = hand_over(port, operator, self._terms(there, told), told.listen)
        if found.access.key != "removed":
            raise ActionFailed("booth.not_proven", where=there.name)
        return "\n".join(paper(_whole(told.receipt, found, told.consent), self._wrap))

    def _terms(self, there: There, told: Told) -> Terms:
        way: Literal["never", "rotate", "off"] = "never" if there.by_key else "rotate" if told.new_password else "off"
        return Terms(way=way, new=told.new_password, language=self._language)


def _whole(receipt: Receipt, found: Handed, consent: Consent | None) -> Receipt:
    agreed = Agreed(version=str(consent.version), at=consent.at) if consent else None
    return handed(receipt, found.access, found.changes, agreed)
