"""Where secrets are kept on this computer: its keyring, else a sealed file, else nowhere and they are given each time.

`Vault` tries them in that order and says which one it is; see docs/backup.md.
"""

from fleet.vault.choice import Place, Vault
from fleet.vault.sealed import Asks, nobody

__all__ = ["Asks", "Place", "Vault", "nobody"]
