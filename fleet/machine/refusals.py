"""Why a machine's identity was not accepted. Nothing was sent to it, not even a name."""

from fleet.base.errors import Refused


class HostKeyUnknown(Refused):
    """Nobody has vouched for this host key yet; ``fingerprint`` is what the machine shows."""

    def __init__(self, where: str, fingerprint: str, kind: str) -> None:
        super().__init__("hostkey.unknown", where=where, fingerprint=fingerprint, kind=kind)
        self.fingerprint = fingerprint


class HostKeyChanged(Refused):
    """The machine shows another host key than the pinned one."""

    def __init__(self, where: str, pinned: str, shown: str) -> None:
        super().__init__("hostkey.changed", where=where, pinned=pinned, shown=shown)
        self.pinned = pinned
        self.shown = shown


class HostKeyTwice(Refused):
    """Two addresses that are both alive show one host key: a cloned disk, or somebody in between."""

    def __init__(self, where: str, other: str, fingerprint: str) -> None:
        super().__init__("hostkey.twice", where=where, other=other, fingerprint=fingerprint)
        self.other = other


class HostKeyMoved(Refused):
    """A known key shows up at a new place: the machine ``name`` has moved there, if a person says so."""

    def __init__(self, where: str, name: str, old: str, fingerprint: str) -> None:
        super().__init__("hostkey.moved", where=where, name=name, old=old, fingerprint=fingerprint)
        self.name = name
        self.old = old
