"""Where the parts are put together: the one constructor of adapters.

Nothing is imported here that a command may not need: what takes long is imported where it is used.
"""

from clawrack.wire.booth import booth, booth_keep, booth_tools
from clawrack.wire.fleet import open_fleet
from clawrack.wire.identity import controller, controller_key, pins
from clawrack.wire.images import image_cache, published_versions
from clawrack.wire.installing import add_machine, draft, look_at, probed, setup, setup_several
from clawrack.wire.parting import claim, hand_over
from clawrack.wire.ports import Ports, target_of

__all__ = [
    "Ports",
    "add_machine",
    "booth",
    "booth_keep",
    "booth_tools",
    "claim",
    "controller",
    "controller_key",
    "draft",
    "hand_over",
    "image_cache",
    "look_at",
    "open_fleet",
    "pins",
    "probed",
    "published_versions",
    "setup",
    "setup_several",
    "target_of",
]
