"""A maker's own system: is its engine there, is there a place for our folder, and what will start us after a boot?"""

from installer.detect import Verdict
from installer.facts import Facts
from installer.makers import Maker, ground, maker_of, systemd, vendor
from installer.preflight.problem import Problem, Problems

_NEWEST_UNRAID = 7
"""Unraid 8 was announced on another base, of which nothing is known here."""


def judge(facts: Facts, verdict: Verdict) -> Problems:
    """Yield what is in the way on a NAS; nothing for a machine that is none, or one that is prepared as any Debian."""
    maker = maker_of(verdict)
    if maker and maker.way == "vm":
        yield Problem("stop", f"nas.vm.{maker.name}", {"system": maker.title})
    elif maker and maker.way == "here":
        yield from _here(maker, facts, verdict)


def _here(maker: Maker, facts: Facts, verdict: Verdict) -> Problems:
    stands = ground(facts, verdict)
    params = {"system": maker.title, "app": maker.engine}
    if not verdict.os.sure:
        yield Problem("stop", "nas.unsure", params)
        return
    if maker.name == "unraid" and _release(facts.get("unraid.version")) > _NEWEST_UNRAID:
        yield Problem("stop", "nas.unraid_newer", params)
        return
    if not facts.get("cap_bounding") and not stands.data:  # a saved probe without its judging part
        yield Problem("warn", "preflight.untold", {"keys": "vendor.docker, place.*"})
        return
    if not stands.docker:
        yield Problem("fix", f"nas.engine.{maker.name}", params)
    if not stands.data:
        yield Problem("fix", "nas.volume", params)
    elif stands.open:
        yield Problem("warn", "nas.open", {**params, "path": stands.data})
    if stands.watch and stands.hook is None:
        yield Problem("stop", "nas.hook", params)


def _release(told: str) -> int:
    """Return the first number of a version, 0 where there is none."""
    digits = "".join(char if char.isdigit() else " " for char in told).split()
    return int(digits[0]) if digits and len(digits[0]) < 5 else 0  # noqa: PLR2004 - no version has so many digits


def supervised(facts: Facts, verdict: Verdict) -> Problems:
    """Yield where there is neither systemd nor something that starts the guard's watcher after a boot."""
    if vendor(verdict) or systemd(facts) or ground(facts, verdict).hook:
        return
    wsl = verdict.container.value == "wsl"
    yield Problem("fix" if wsl else "stop", "preflight.no_systemd", {"pid1": facts.get("pid1")})
