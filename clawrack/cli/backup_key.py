"""The recovery key at the door: shown once, brought from paper, asked for; and the passphrase of the vault's file."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clawrack.cli.asking import at_terminal, piped_secret, prompting, typed
from clawrack.cli.terminal import terminal
from fleet.backup.store import RecoveryView
from fleet.base.errors import BadInput, Refused
from fleet.base.secret import Secret
from fleet.base.words import say
from fleet.vault import nobody

if TYPE_CHECKING:
    from fleet.backup.store import Store

_GROUP = 4
_LAST = 6  # letters that are typed back
_typed: list[Secret] = []


def store(*, silent: bool) -> "Store":
    """Return what this controller has for backups; with ``silent`` nobody is asked for the vault's passphrase."""
    from clawrack.wire.backups import backup_store  # noqa: PLC0415 - a help page does not wait for it

    return backup_store(nobody if silent or not at_terminal() else _passphrase)


def _passphrase(new: bool) -> Secret | None:
    """Ask for the passphrase of the vault's file; nothing typed is none."""
    to = terminal(sys.stderr)
    if new:
        to.paragraphs(say("vault.why"))
    first = _hidden("vault.new" if new else "vault.open")
    if not first:
        return None
    if new and _hidden("vault.again") != first:
        raise BadInput("vault.not_same")
    return Secret(first)


def _hidden(key: str) -> str:
    from getpass import getpass  # noqa: PLC0415 - rarely needed

    with prompting():
        try:
            return getpass(f"{say(key)} ")
        except EOFError as error:
            raise KeyboardInterrupt from error


def shown_once(kept: "Store", *, silent: bool) -> str:
    """Make a recovery key, show it to the person at the terminal, and have its end typed back.

    Raises:
        Refused: nobody is there to write it down.
    """
    if silent or not at_terminal():
        raise Refused("backup.nobody_writes")
    made = kept.keys.fresh()
    to = terminal(sys.stderr)
    to.paragraphs(say("backup.key.about"))
    to.line()
    for row in rows(made):
        to.line(f"    {to.paint(row, 'bold')}")
    to.line()
    while typed(say("backup.key.type", letters=_LAST)).upper().replace(" ", "") != made.reveal()[-_LAST:]:
        to.paragraphs(say("backup.key.not_so"))
    kept.keys.take(made)
    return ""


def rows(key: Secret) -> list[str]:
    """Return a key as it is written down: groups of four, a few on each line."""
    text = key.reveal()
    groups = [text[at : at + _GROUP] for at in range(0, len(text), _GROUP)]
    return [" ".join(groups[at : at + 10]) for at in range(0, len(groups), 10)]


def written(kept: "Store", out: Path) -> str:
    """Make a recovery key and write it to a new file, which only its owner can read; return its name.

    Raises:
        Refused: the file is there already, or cannot be written.
    """
    made = kept.keys.fresh()
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Refused("backup.key.no_file", where=str(out), reason=error.strerror) from error
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"# clawrack recovery key; backups are for {kept.keys.public_of(made)}\n{made.reveal()}\n")
        file.flush()
        os.fsync(handle)
    kept.keys.take(made)
    return str(out)


def secret_at(place: str, option: str) -> Secret:
    """Return the key of a file or of standard input: its first line that is no comment.

    Raises:
        BadInput: there is none.
    """
    if place == "-":
        if at_terminal():
            return Secret(_hidden("backup.key.ask"))
        return piped_secret()
    try:
        lines = Path(place).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("backup.key.unreadable", where=place, option=option) from error
    found = next((line.strip() for line in lines if line.strip() and not line.startswith("#")), "")
    if not found:
        raise BadInput("backup.key.unreadable", where=place, option=option)
    return Secret(found)


def opening(kept: "Store", place: str, *, silent: bool) -> Sequence[Secret]:
    """Return the keys that may open a backup: the one that was named, those of the vault, or the one that is typed.

    Raises:
        Refused: there is none, and nobody to ask.
    """
    if place:
        return [_checked(kept, secret_at(place, "--recovery-key-file"))]
    known = kept.keys.known()
    if known:
        return known
    if silent or not at_terminal():
        raise Refused("backup.no_key")
    _typed.append(_checked(kept, Secret(_hidden("backup.key.ask"))))
    return _typed


def _checked(kept: "Store", key: Secret) -> Secret:
    kept.keys.public_of(key)
    return key


def typed_key(keys: Sequence[Secret]) -> bool:
    """Tell whether a person typed the key just now, and so has it."""
    return bool(_typed) and keys is _typed


def of(kept: "Store", file: str = "") -> RecoveryView:
    """Return the recovery key as people are shown it.

    Raises:
        Refused: there is none.
    """
    found = kept.keys.public()
    if found is None:
        raise Refused("backup.no_recovery_key")
    return RecoveryView(
        recipient=found.recipient, made=found.made, kept=found.kept, proven=found.proven, earlier=found.earlier,
        file=file,
    )  # fmt: skip
