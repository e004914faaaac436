"""Where a rule for sudo would be lost or cannot be checked (some NAS): our key opens root itself.

The rights come from the login that a person came by, once; that login keeps what it had, and gets no key of ours.
"""

import time
from dataclasses import replace

from fleet.base.errors import ActionFailed
from fleet.base.event import Event, Listener
from fleet.machine.login import KeyLogin
from fleet.machine.port import Port
from fleet.machine.ssh import SshPort
from fleet.machine.target import Target
from installer import remote
from installer.bootstrap import Met, opens

ROOT = "root"


def become_root(met: Met, listener: Listener, target: Target | None = None) -> Port:
    """Have our key open root, proven on a second connection; return the machine as root.

    Args:
        met: the machine, by the login that a person came by.
        listener: told of it.
        target: how it is reached from now on, where that is another way than it was met by.

    Raises:
        ActionFailed: it could not be written, or sshd does not take it (``nas.root_key``); then it is taken off again.
        Refused: there is no password for sudo. BadInput: it is wrong.
        Unreachable: the wire was cut.
    """
    visit, started = met.visit, time.monotonic()
    target = replace(target or visit.target, user=ROOT)
    if not met.known:
        visit.pins.pin(visit.name, target, met.host_key)
    root = SshPort(visit.name, target, KeyLogin(visit.key), met.host_key)
    if opens(root, "0"):
        listener(Event(kind="already", subject=visit.name, step="step.root_key"))
        return root
    listener(Event(kind="begun", subject=visit.name, step="step.root_key"))
    remote.ask(met.port, "authorize.sh", "add", visit.key.public)
    if not opens(root, "0"):
        remote.ask(met.port, "authorize.sh", "remove", visit.key.public)
        raise ActionFailed("nas.root_key", where=visit.name)
    met.port.close()
    listener(Event(kind="done", subject=visit.name, step="step.root_key", elapsed=time.monotonic() - started))
    return root
