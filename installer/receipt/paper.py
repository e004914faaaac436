"""A receipt as lines of text in the language in use: the same on a terminal, in a file and on paper."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from msgspec import structs

from fleet.base.cells import wrap
from fleet.base.clean import line
from fleet.base.words import find, say
from installer.receipt.form import Access, Changes, Consent, Receipt
from installer.receipt.square import square

COLUMNS = 80
_PRACTICE = "practice"
_DIGEST = re.compile(r"(sha256:[0-9a-f]{16})[0-9a-f]{48}")


def handed(receipt: Receipt, access: Access, changes: Changes, consent: Consent | None = None) -> Receipt:
    """Return the receipt of a setup as its owner needs it, who has no controller: by the command on the device."""
    command = changes.command if "/usr/local/bin/" not in changes.command else "clawrack-agent"
    named = structs.replace(receipt, access=access, changes=changes, consent=consent, question="", answer="")
    if not command:
        return structs.replace(named, talk="", stop="", remove="", leave="")
    which = f" {receipt.agent}" if receipt.beside else ""
    return structs.replace(
        named, talk=f'{command} ask{which} "…"', stop=f"{command} stop{which}", remove=f"{command} remove",
        leave=f"{command} remove",
    )  # fmt: skip


def paper(receipt: Receipt, *, colour: bool = False) -> list[str]:
    """Return a receipt's lines, none wider than 80 cells.

    Args:
        receipt: what it tells.
        colour: whether a terminal is written to that knows colours; never for a file.
    """
    lines: list[str] = []
    for heading, texts in _parts(receipt):
        if not texts:
            continue
        lines += [*([""] if lines else []), heading]
        lines += [row for text in texts for row in wrap(text, COLUMNS, "  ")]
    return [*lines, "", *wrap(say("receipt.warranty"), COLUMNS, ""), *_squared(receipt, colour=colour)]


def _parts(receipt: Receipt) -> Iterator[tuple[str, list[str]]]:
    yield say("receipt.title"), list(_made(receipt))
    heading = "receipt.use_there" if receipt.access else "receipt.use"
    yield say(heading), list(_use(receipt))
    yield say("receipt.model_heading"), [_model(receipt)] if receipt.agent else []
    yield say("receipt.changed_heading"), list(_changed(receipt.changes))
    yield say("receipt.access_heading"), list(_access(receipt.access))
    yield say("receipt.consent_heading"), list(_consent(receipt.consent))


def _made(receipt: Receipt) -> Iterator[str]:
    if receipt.agent:
        yield say("receipt.agent", agent=receipt.agent, kind=receipt.kind, version=receipt.version)
    if receipt.image:
        yield say("receipt.image", image=_DIGEST.sub(r"\1…", receipt.image))
    yield from map(line, receipt.beside)


def _use(receipt: Receipt) -> Iterator[str]:
    told = {"talk": receipt.talk, "stop": receipt.stop, "remove": receipt.leave}
    yield from (say(f"receipt.{what}", command=command) for what, command in told.items() if command)


def _model(receipt: Receipt) -> str:
    """Return whose model answers, and where what is written to it goes."""
    if receipt.model == _PRACTICE:
        return say("receipt.practice")
    if not receipt.country:
        return say("receipt.vendor_unknown", model=receipt.model, vendor=receipt.vendor or "?")
    country = find(f"country.{receipt.country}") or receipt.country
    return say("receipt.vendor", model=receipt.model, vendor=receipt.vendor, country=country)


def _changed(changes: Changes | None) -> Iterator[str]:
    if changes is None:
        return
    if changes.docker:
        yield say("receipt.docker_ours" if changes.docker == "ours" else "receipt.docker_before")
    yield say("receipt.paths")  # what lies in a folder of ours goes with it
    folders = {*changes.paths}
    outer = (path for path in changes.paths if not folders & {*map(str, PurePosixPath(path).parents)})
    yield from (f"  {line(path)}" for path in outer)
    if changes.data:
        yield f"  {say('receipt.data', path=changes.data)}"


def _access(access: Access | None) -> Iterator[str]:
    if access is None:
        return
    yield say(f"receipt.key_{access.key}")
    if access.came:
        yield say("receipt.came", fingerprint=access.came, login=access.person or access.login)
    yield say(f"receipt.password_{access.password}", login=access.person or access.login)
    if access.kept:
        yield say("receipt.kept", logins=", ".join(access.kept))
    if access.proven:
        yield say("receipt.proven", at=access.proven)
    gone = access.password == "removed"  # noqa: S105 - it says what became of one
    if access.others is not None and not gone:
        few = f"receipt.others_{access.others}" if access.others in {0, 1} else "receipt.others"
        yield say(few, others=access.others, login=access.login)
        yield from (f"  {line(key)}" for key in access.keys)
    if access.others == 0 and access.password == "off":  # noqa: S105 - likewise
        yield say("receipt.nobody", login=access.login)


def _consent(consent: Consent | None) -> Iterator[str]:
    if consent:
        language = say(f"receipt.language.{consent.language}")
        yield say("receipt.consent", version=consent.version, language=language, at=consent.at)


def _squared(receipt: Receipt, *, colour: bool) -> list[str]:
    """Return the square for a phone, and what it is."""
    if not receipt.agent or not receipt.stop:
        return []
    text = say(
        "receipt.square_text", agent=receipt.agent, kind=receipt.kind, version=receipt.version, stop=receipt.stop,
        remove=receipt.leave,
    )  # fmt: skip
    return ["", *wrap(say("receipt.square"), COLUMNS, ""), *square(text, colour=colour)]
