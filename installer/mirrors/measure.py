"""Try mirrors on the machine itself, by the operation that will be asked of them: fetching an archive's index."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from fleet.base.clean import number, pairs
from fleet.machine.port import Port
from installer import remote
from installer.detect import detect
from installer.facts import Facts
from installer.mirrors import Archive, Known, Mirror, codename, known, name_of
from installer.mirrors.choose import Measured, ranked, told

SECONDS = 6
"""For each test; they run at the same time."""
_FIELDS = 4
_MOST_CHOSEN = 3
_PLAIN = re.compile(r"https?://[A-Za-z0-9.:_-]+(/[A-Za-z0-9._~/-]*)?")


def tried(port: Port, facts: Facts, everything: Known | None = None) -> Facts:
    """Return the facts with ``net_mirror``, where the machine's own package source does not do.

    ``net_mirror`` names those that do, best first; ``net_tests`` says what came of each where none does. Nothing is
    changed, and nothing is tried where the machine's own source answers, or was not asked.

    Raises:
        Unreachable: the wire was cut.
    """
    said = facts.get("net_apt")
    if not said.startswith(("failed ", "no-sources")) or not name_of(facts) or not codename(facts):
        return facts
    own = re.sub(r"/dists/.*", "", said.split(" ")[1]) if said.startswith("failed ") else ""
    found, tests = chosen(port, facts, everything, kept=own)
    values = {"net_tests": tests} if not found else {"net_mirror": " ".join(one.url for one in found[:_MOST_CHOSEN])}
    return replace(facts, values=MappingProxyType({**facts.values, **values}))


def chosen(
    port: Port, facts: Facts, everything: Known | None = None, *, kept: str = ""
) -> tuple[tuple[Mirror, ...], str]:
    """Return the mirrors of a Debian or Ubuntu that work from the machine, best first, and the tests in a few words.

    Raises:
        Unreachable: the wire was cut.
    """
    archive, inside = (everything or known()).archives[name_of(facts)], cloud(facts)
    fits = [mirror for mirror in archive.mirrors if mirror.cloud in {"", inside}]
    if kept and _PLAIN.fullmatch(kept) and not any(mirror.url == kept for mirror in fits):
        fits.insert(0, Mirror(kept))
    tests = measure(port, archive, fits, {"codename": codename(facts)})
    return ranked(tests, cloud=inside, kept=kept), told(tests)


def cloud(facts: Facts) -> str:
    """Return the cloud that the machine stands in, as its firmware says."""
    return detect(facts).cloud.value


def measure(
    port: Port, archive: Archive, mirrors: Iterable[Mirror], values: Mapping[str, str], seconds: int = SECONDS
) -> list[Measured]:
    """Return what each test came to, in the order of the mirrors.

    Args:
        port: the machine, which itself fetches.
        archive: what the mirrors should hold.
        mirrors: to be tried, all at once.
        values: of the placeholders in the archive's ``test`` and ``mark``.
        seconds: after which a test counts as no answer.

    Raises:
        Unreachable: the wire was cut.
    """
    asked = [mirror for mirror in mirrors if _PLAIN.fullmatch(mirror.url)]
    path, mark = archive.test.format(**values), archive.mark.format(**values)
    urls = [mirror.url for mirror in asked]
    ran = remote.run(port, "mirrors.sh", str(seconds), path, mark, *urls, root=False, timeout=seconds * 3.0 + 10)
    answers = {value.split(" ")[0]: value.split(" ") for key, value in pairs(ran.out) if key == "mirror"}
    return [_measured(mirror, answers.get(mirror.url, [])) for mirror in asked]


def _measured(mirror: Mirror, said: list[str]) -> Measured:
    if len(said) != _FIELDS:
        return Measured(mirror, 0, right=False, seconds=float(SECONDS))
    _, code, right, hundredths = said
    return Measured(mirror, number(code) or 0, right=right == "right", seconds=(number(hundredths) or 0) / 100)


def source(archive: Archive, mirror: Mirror, release: str) -> str:
    """Return a mirror as apt.sh takes it."""
    updates = mirror.updates or mirror.url
    suite = archive.updates.format(codename=release)
    parts = archive.components.replace(" ", "+")
    return f"{mirror.url},{updates},{suite},{release},{archive.keyring},{parts}"
