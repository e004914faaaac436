"""A fleet to work with: what the door and the screen call.

A `Fleet` is opened on a folder by clawrack/wire, which hands it what reaches outside: how a port is opened, how an
image comes to a machine, where the journal lies. Its parts: `ground` (the folder), `looks`, `acts`, `doors`, `health`,
`keyring`, `adopting`, `rebuilding`, `restoring`, `rolling`.
"""

from dataclasses import dataclass

from fleet.api.adopting import Adopting
from fleet.api.health import Health
from fleet.api.keyring import Keyring
from fleet.api.rebuilding import Rebuilding
from fleet.api.restoring import Restoring
from fleet.api.rolling import Rolling


@dataclass(frozen=True)
class Fleet(Rolling, Restoring, Health, Adopting, Keyring, Rebuilding):
    """A fleet; its attributes are those of `fleet.api.ground.Ground`."""
