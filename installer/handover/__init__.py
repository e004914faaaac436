"""Handing a machine over to its owner, so that whoever set it up keeps nothing; docs/handover.md tells the order.

`hand_over` is the last act of the connection that it uses: the guard takes that connection's own key away, in one call,
and what proves it are new connections, which must be refused.
"""

from installer.handover.operator import Operator, Parting
from installer.handover.over import Handed, hand_over, prove
from installer.receipt.form import PasswordFate

__all__ = ["Handed", "Operator", "Parting", "PasswordFate", "hand_over", "prove"]
