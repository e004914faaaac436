"""Is there an engine already, and is it one that the cage holds in?"""

import re

from installer.detect import Verdict
from installer.facts import Facts
from installer.preflight.problem import Need, Problem, Problems, plain

OLDEST = (20, 10)
"""Docker's release on Debian 11, the oldest that the cage was proven on."""
_NAS = frozenset({"dsm", "qts", "quts_hero", "unraid", "truenas", "fnos", "ugos", "zimaos", "omv"})


def engine(facts: Facts, _verdict: Verdict, _need: Need) -> Problems:
    """No engine of a sort that the cage does not hold in."""
    security = facts.get("docker.security")
    if "name=rootless" in security or (facts.get("docker.rootless") and not facts.get("docker.sock")):
        yield Problem("fix", "preflight.rootless", {"user": plain(facts.get("user"))})
    if "name=userns" in security or facts.get("docker.userns"):
        yield Problem("fix", "preflight.userns", {"value": facts.get("docker.userns") or "userns-remap"})
    if "name=selinux" in security:
        yield Problem("fix", "preflight.selinux", {})
    if "/snap/" in facts.get("docker.link") or facts.tool("docker").startswith("/snap/"):
        yield Problem("fix", "preflight.snap", {})
    found = re.match(r"(\d{1,4})\.(\d{1,4})", facts.get("docker.info"))
    if found and (int(found[1]), int(found[2])) < OLDEST:
        yield Problem("fix", "preflight.engine_old", {"version": facts.get("docker.info").partition(" ")[0]})


def driver(facts: Facts, _verdict: Verdict, _need: Need) -> Problems:
    """The driver that copies every layer whole fills a disk with each image."""
    if re.search(r"\bvfs\b", f"{facts.get('docker.info')} {facts.get('docker.root')}"):
        yield Problem("warn", "preflight.vfs", {})


def numbers(facts: Facts, verdict: Verdict, _need: Need) -> Problems:
    """On a NAS the number that most images run as is often the owner's own login."""
    if verdict.os.value in _NAS and facts.get("uid_1000"):
        yield Problem("warn", "preflight.uid", {"user": plain(facts.get("uid_1000"))})
