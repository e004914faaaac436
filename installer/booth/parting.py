"""The last act at a device: the operator's access goes, its refusal is proven, and the receipt is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from fleet.base.disk import replace
from fleet.base.errors import ActionFailed
from fleet.base.event import Listener
from fleet.base.secret import Secret
from fleet.machine.keys import PersonKey
from fleet.machine.port import Port
from fleet.machine.ssh import SshPort
from fleet.model import Machine
from installer import handover
from installer.booth.work import There, Told
from installer.receipt.form import Changes, Consent, Receipt
from installer.receipt.paper import handed, paper

OWNER = "clawrack-agent"
"""The owner's command on the device."""


class LastAct:
    """Hands a device over.

    Args:
        holder: the id of the ticket's own controller.
        port: reaches a machine by the ticket's own key.
        language: of the owner.
        noted: the file in which the receipt waits while the key goes; it goes with the ticket's folder.
    """

    def __init__(self, holder: str, port: Callable[[str, Machine], Port], language: str, noted: Path) -> None:
        self._holder = holder
        self._port = port
        self._language = language
        self._noted = noted

    def __call__(self, there: There, told: Told) -> str:
        """Hand over, and return the receipt as text.

        Raises:
            ActionFailed: our key was not seen to be refused (``booth.not_proven``); the ticket is not done.
        """
        replace(self._noted, msgspec.json.encode(_Noted(told.receipt, told.consent)))
        found = handover.hand_over(
            self._of(there), self._operator(there), self._terms(there, told.new_password), told.listen
        )
        if found.access.key != "removed":
            raise ActionFailed("booth.not_proven", where=there.name)
        return self._paper(_Noted(told.receipt, told.consent), found)

    def proven(self, there: There, listen: Listener) -> str:
        """Return the receipt of a hand-over whose end nobody saw; empty where our key still opens the device.

        Raises:
            ActionFailed: nobody answered there.
        """
        if not self._noted.exists():
            return ""
        try:
            access = handover.prove(self._of(there), self._operator(there), self._terms(there, None), listen)
        except ActionFailed as error:
            if error.key != "handover.still_open":
                raise
            return ""
        if access.key != "removed":
            raise ActionFailed("booth.not_proven", where=there.name)
        noted = msgspec.json.decode(self._noted.read_bytes(), type=_Noted)
        return self._paper(noted, handover.Handed(access, Changes(command=OWNER)))  # it came before the key went

    def _of(self, there: There) -> SshPort:
        port = self._port(there.name, there.machine)
        if not isinstance(port, SshPort):
            raise TypeError(type(port))
        return port

    def _operator(self, there: There) -> handover.Operator:
        key = PersonKey(Path(there.key)) if there.key else None
        return handover.Operator(
            holder=self._holder, host_key=there.host_key, password=there.password, login=there.login, key=key
        )

    def _terms(self, there: There, new: Secret | None) -> handover.Parting:
        way: Literal["never", "rotate", "off"] = "never" if there.key else "rotate" if new else "off"
        return handover.Parting(way=way, new=new, language=self._language)

    def _paper(self, noted: "_Noted", found: handover.Handed) -> str:
        return "\n".join(paper(handed(noted.receipt, found.access, found.changes, noted.consent)))


class _Noted(msgspec.Struct, frozen=True):
    receipt: Receipt
    consent: Consent | None
