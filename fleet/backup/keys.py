"""The recovery key: what opens backups when the controller that made them is gone.

Its public half lies in a file of the controller's and is all that making a backup needs. The key itself is shown once,
to be written down, and kept in the vault where there is one.
"""

from pathlib import Path

import msgspec

from fleet.backup.form import now
from fleet.backup.seal import new_key, public_of
from fleet.base import formats
from fleet.base.errors import Refused, StateDamaged
from fleet.base.secret import Secret
from fleet.vault import Place, Vault, whole

FORMAT = formats.FORMATS["recovery-key"]
VARIABLE = "CLAWRACK_RECOVERY_KEY"


class Public(msgspec.Struct, frozen=True, kw_only=True):
    """The public half (recovery.json).

    Attributes:
        recipient: backups are encrypted for it.
        earlier: those of before, which older backups need.
        made: when (RFC 3339, UTC), or when it was brought here.
        kept: where the key itself is on this controller.
        proven: when somebody last opened something with the key that they had (RFC 3339), or empty.
    """

    version: int = FORMAT
    recipient: str
    earlier: tuple[str, ...] = ()
    made: str
    kept: Place = "nowhere"
    proven: str = ""


class RecoveryKeys:
    """The recovery keys of a controller.

    Args:
        path: of the file with the public half.
        vault: keeps the keys.
    """

    def __init__(self, path: Path, vault: Vault) -> None:
        self._path = path
        self._vault = vault

    def public(self) -> Public | None:
        """Return the public half, or None where there is no recovery key yet.

        Raises:
            StateDamaged: the file is not whole.
            Refused: a newer clawrack wrote it.
        """
        content = whole.read(self._path)
        if content is None:
            return None
        formats.check("recovery-key", formats.in_json(content, "version"), str(self._path))
        try:
            return msgspec.json.decode(content, type=Public)
        except msgspec.MsgspecError as error:
            raise StateDamaged("vault.damaged", where=str(self._path), file=self._path) from error

    def recipient(self) -> str:
        """Return what backups are encrypted for.

        Raises:
            Refused: there is no recovery key yet.
        """
        found = self.public()
        if found is None:
            raise Refused("backup.no_recovery_key")
        return found.recipient

    def fresh(self) -> Secret:
        """Return a new key, which is nobody's until it is taken."""
        return new_key()[0]

    def public_of(self, key: Secret) -> str:
        """Return the public half of a key.

        Raises:
            BadInput: it is none.
        """
        return public_of(key)

    def take(self, key: Secret) -> Public:
        """Use a key from now on: a new one, or one that was written down. Those before stay for what they opened.

        Raises:
            BadInput: it is none.
        """
        recipient, before = public_of(key), self.public()
        earlier = () if before is None else tuple(dict.fromkeys((before.recipient, *before.earlier)))
        found = Public(
            recipient=recipient,
            earlier=tuple(one for one in earlier if one != recipient),
            made=before.made if before and before.recipient == recipient else now(),
            kept=self._vault.put(_name(recipient), key),
            proven=before.proven if before and before.recipient == recipient else "",
        )
        self._write(found)
        return found

    def proven(self, key: Secret) -> bool:
        """Note that somebody has the key, where it is the one in use; whether it is.

        Raises:
            BadInput: it is none.
        """
        found = self.public()
        if found is None or public_of(key) != found.recipient:
            return False
        self._write(msgspec.structs.replace(found, proven=now()))
        return True

    def known(self) -> list[Secret]:
        """Return the keys that are to be had without asking for them: told by the environment, or kept in the vault.

        Raises:
            Refused: they are in the sealed file, and nobody told its passphrase.
        """
        found = self.public()
        names = (found.recipient, *found.earlier) if found else ()
        told = self._vault.get(_name(names[0]) if names else "", VARIABLE)
        kept = [self._vault.get(_name(name)) for name in names[1:]] if found and found.kept != "nowhere" else []
        return [key for key in (told, *kept) if key]

    def _write(self, found: Public) -> None:
        whole.write(self._path, msgspec.json.encode(found))


def _name(recipient: str) -> str:
    return f"recovery-key-{recipient}"
