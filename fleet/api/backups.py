"""Backups of a fleet's agents: made, listed, read, thinned out. Putting one back: `restoring`."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from fleet import near
from fleet.api.acts import Acts
from fleet.backup import check, make, policy
from fleet.backup.bundle import Opened
from fleet.backup.calls import BackupGuard
from fleet.backup.form import SUFFIX, Note, now
from fleet.backup.shelves import FolderShelf, MachineShelf, Shelf, checked_folder, same_disk
from fleet.backup.store import BackupView, Found, Store, view
from fleet.base.errors import BadInput, ClawrackError, Refused
from fleet.base.event import Listener, ignore
from fleet.base.secret import Secret
from fleet.kinds import kind
from fleet.leaving import Password, nobody
from fleet.model import Machine
from fleet.select import select

CONTROLLER = "controller"
_DATA = Path("/var/lib/clawrack")


class Backups(Acts):
    """A fleet, backed up."""

    def backup(
        self, selectors: Sequence[str], store: Store, to: str = CONTROLLER, *, last: bool = False,
        listen: Listener = ignore,
    ) -> list[BackupView]:  # fmt: skip
        """Make a backup of each agent that is meant, one after another.

        Args:
            selectors: see `fleet.select.select`.
            store: of this controller.
            to: ``controller``, a machine of the fleet, or a folder (a path with a slash).
            last: of the newest snapshot, and no agent stops for it.
            listen: told of everything.

        Raises:
            Refused: there is no recovery key yet, or it would rest on the machine, or the disk, that it is of.
            ClawrackError: the first thing that went wrong, after the others had their turn.
        """
        recipient, wish = store.keys.recipient(), self.wish()
        names = [name for name in select(selectors, wish) if wish.agents[name].machine]
        shelves = {name: self._shelf(store, to, wish.agents[name].machine) for name in names}
        made: list[BackupView] = []
        troubles: list[ClawrackError] = []
        for name in names:
            agent, machine = self._agent(name)
            order = make.Order(
                recipient=recipient, holder=self.hands.holder, by=store.by, last=last,
                host_key=self.graves.key_of(agent.machine, machine),
            )  # fmt: skip
            source = make.Source(name, agent, machine, kind(agent.kind))
            try:
                note = make.make(source, self.open(agent.machine, machine), shelves[name], order, listen)
            except ClawrackError as error:
                troubles.append(error)
                continue
            store.notes.keep(note)
            made.append(view(note))
        if troubles:
            raise troubles[0]
        return made

    def _shelf(self, store: Store, to: str, of: str) -> Shelf:
        """Return where a backup of an agent on a machine goes.

        Raises:
            Refused: that is where the agent itself is.
        """
        wish = self.wish()
        source = wish.machines[of]
        if to in wish.machines:
            if to == of or _same(wish.machines[to], source):
                raise Refused("backup.same_machine", where=of, machine=of)
            return MachineShelf(self.open(to, wish.machines[to]), self.hands.holder)
        shelf = store.own if to == CONTROLLER else FolderShelf(_folder(to, self))
        if _is_here(source) and same_disk(shelf.folder, _DATA):
            raise Refused("backup.same_disk", where=str(shelf.folder), machine=of)
        return shelf

    def backups(self, store: Store, selectors: Sequence[str] = ()) -> list[BackupView]:
        """Return the backups that this controller knows of, the newest first; of all agents, or of those named.

        Raises:
            StateDamaged: a note is not whole.
        """
        return [view(note) for note in store.notes.all() if not selectors or note.agent in selectors]

    def rebuild_backups(self, store: Store) -> list[BackupView]:
        """Make the notes that are lacking anew from what rests here and on the machines that answer."""
        shelves: list[Shelf] = [store.own]
        for name, machine in self.wish().machines.items():
            shelf = MachineShelf(self.open(name, machine), self.hands.holder)
            try:
                shelf.sizes()
            except ClawrackError:
                continue
            shelves.append(shelf)
        return [view(note) for note in store.notes.rebuild(shelves)]

    def find_backup(self, store: Store, named: str) -> Found:
        """Return a backup by its name, or a file that a person names.

        Raises:
            BadInput: there is no such backup, no such file.
        """
        if "/" in named or named.endswith(SUFFIX):
            return Found(Path(named).name, file=Path(named).expanduser())
        note = store.notes.find(named)
        return Found(note.id, note, self._shelf_of(store, note))

    def _shelf_of(self, store: Store, note: Note) -> Shelf:
        if note.where == "controller":
            return store.own
        if note.where == "folder":
            return FolderShelf(Path(note.place))
        return MachineShelf(self.port(note.place), self.hands.holder)

    def verify_backup(self, store: Store, found: Found, keys: Sequence[Secret]) -> tuple[BackupView, Opened]:
        """Read a backup to its end, and note that it was.

        Raises:
            Refused: none of the keys opens it, or it could do harm.
            BadInput: it is no backup of ours.
            StateDamaged: it is not whole.
        """
        opened = check.check(found.open, keys, found.name, sha256=found.sha256)
        told = opened.manifest
        note = found.note or Note(
            id=told.id, agent=told.agent, machine=told.machine, created=told.created, where="folder",
            place=str(found.file.parent.absolute()) if found.file else "",
        )  # fmt: skip
        note = msgspec.structs.replace(
            note, machine=told.machine, kind=told.kind, kind_version=told.kind_version, snapshot=told.snapshot,
            state_bytes=told.state.bytes, checked=now(),
        )  # fmt: skip
        if found.note:
            store.notes.keep(note)
        return view(note), opened

    def surplus_backups(self, store: Store, keep: policy.Keep, agents: Sequence[str] = ()) -> list[BackupView]:
        """Return the backups that a policy lets go."""
        notes = [note for note in store.notes.all() if not agents or note.agent in agents]
        return [view(note) for note in policy.surplus(notes, keep)]

    def prune_backups(self, store: Store, gone: Sequence[BackupView], tell: Callable[[BackupView], None]) -> None:
        """Take backups away, wherever they rest; one that is gone already is forgotten.

        Raises:
            Unreachable: a machine does not answer; its backups stay, and so do their notes.
        """
        troubles: list[ClawrackError] = []
        for one in gone:
            try:
                self._shelf_of(store, store.notes.find(one.id)).drop(one.id)
            except ClawrackError as error:
                troubles.append(error)
                continue
            store.notes.drop(one.id)
            tell(one)
        if troubles:
            raise troubles[0]

    def remove_machine(
        self,
        name: str,
        *,
        keep_state: bool,
        listen: Listener = ignore,
        docker: bool = False,
        password: Password = nobody,
    ) -> None:
        """Take everything of ours off a machine; see `Acts.remove_machine`.

        Raises:
            Refused: likewise, and where others' backups rest on it.
        """
        try:
            resting = len(BackupGuard(self.port(name)).holdings())
        except ClawrackError:
            resting = 0  # what keeps it from telling, leaving it tells better
        if resting:
            raise Refused("backup.held_there", where=name, machine=name, count=resting)
        super().remove_machine(name, keep_state=keep_state, listen=listen, docker=docker, password=password)


def _same(one: Machine, other: Machine) -> bool:
    at = (one.address, one.port, one.jump) == (other.address, other.port, other.jump)
    return at or bool(one.id and one.id == other.id)


def _is_here(machine: Machine) -> bool:
    """Tell whether a machine is this computer, also where it is reached by SSH."""
    if machine.local:
        return True
    try:
        return bool(machine.id) and (_DATA / "id").read_text(encoding="ascii").strip() == machine.id
    except (OSError, UnicodeDecodeError):
        return False


def _folder(to: str, fleet: Backups) -> Path:
    if "/" not in to and to not in {".", "~"}:
        wish = fleet.wish()
        raise near.no_machine(to, wish) if wish.machines else BadInput("backup.no_place", to=to)
    return checked_folder(to)
