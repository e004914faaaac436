"""What a controller has for backups: its notes, its vault, its recovery keys."""

from clawrack import version
from fleet.backup.keys import RecoveryKeys
from fleet.backup.notes import Notes
from fleet.backup.store import Store
from fleet.base import places
from fleet.vault import Asks, Vault


def backup_store(ask: Asks) -> Store:
    """Return them; ``ask`` asks a person for the passphrase of the vault's file, where the system has no keyring."""
    state = places.state()
    vault = Vault(state / "vault.age", ask)
    return Store(Notes(state / "backups"), RecoveryKeys(state / "recovery.json", vault), version())
