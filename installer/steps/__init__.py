"""Idempotent changes to a machine: what makes a bare one ready for agents."""

from installer.steps.engine import Engine
from installer.steps.guard import Guard
from installer.steps.packages import Packages
from installer.steps.step import Brought, Machine, Removal, Say, Step, Tell
from installer.steps.sudo import Sudo

__all__ = ["STEPS", "Brought", "Machine", "Removal", "Say", "Step", "Tell"]

STEPS: tuple[Step, ...] = (Packages(), Engine(), Guard(), Sudo())
"""In the order in which they are done; removal goes the other way."""
