"""Idempotent changes to a machine: what makes a bare one ready for agents."""

from installer import makers
from installer.detect import detect
from installer.facts import Facts
from installer.steps.clock import Clock
from installer.steps.daemon import Daemon
from installer.steps.engine import Engine
from installer.steps.firewall import Firewall
from installer.steps.guard import Guard
from installer.steps.host import Awake, Journal, Swap
from installer.steps.packages import Packages
from installer.steps.step import Brought, Machine, Removal, Say, Step, Tell
from installer.steps.sudo import Sudo
from installer.steps.vendor import RootKey, Vendor

__all__ = ["STEPS", "Brought", "Machine", "Removal", "Say", "Step", "Tell", "steps_of"]

STEPS: tuple[Step, ...] = (
    Clock(),
    Daemon(),
    Packages(),
    Engine(),
    Guard(),
    Swap(),
    Awake(),
    Journal(),
    Sudo(),
    Firewall(),
)
"""In the order in which they are done; removal goes the other way."""

_ON_A_NAS: tuple[Step, ...] = (Vendor(), Guard(), Sudo())
"""Where the maker's own system stays as it is."""
_BY_ROOT: tuple[Step, ...] = (Vendor(), Guard(), RootKey())
"""The same where a sudo rule would be lost."""


def steps_of(facts: Facts) -> tuple[Step, ...]:
    """Return the steps for a machine, in order."""
    maker = makers.vendor(detect(facts))
    if maker is None:
        return STEPS
    return _BY_ROOT if maker.login == "root" else _ON_A_NAS
