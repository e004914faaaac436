"""Is it a system that clawrack prepares, and may we? Also: is somebody else at home in it already?"""

import re

from installer import engines
from installer.detect import Verdict
from installer.detect.system import base
from installer.facts import Facts
from installer.makers import maker_of, vendor
from installer.preflight import nas
from installer.preflight.problem import Need, Problem, Problems, plain

_OLDEST = {"debian": 11, "ubuntu": 20}
_SUPPORTED = frozenset({"debian", "ubuntu", "rpi_os", "armbian", "dietpi", "omv"})
"""Systems with apt whose makers let it be used; what they are built on says how old they may be."""
_OTHERS = frozenset({"rhel-like", "openeuler-like", "suse", "alpine", "arch", "nixos"})
"""Systems of other families: which of them get Docker, and how, the engines' data say."""
# Systems that are told apart because another way leads to an agent on them.
_OWN_WORDS = {
    "windows": "preflight.windows",
    "darwin": "preflight.darwin",
    "haos": "preflight.router",
    "openwrt": "preflight.router",
}
_NAMES = {
    "haos": "Home Assistant OS",
    "openwrt": "OpenWrt",
}
"""Appliances by their own names, for many call themselves Debian."""
_NET_ADMIN = 1 << 12
_SYS_ADMIN = 1 << 21
_WHOLE_MAP = "0 0 4294967295"
_REFUSED_KERNEL, _OLD_KERNEL = (4, 0), (4, 19)
# A line that a compromise added: it fetches, or starts something from where programs do not belong.
_ADDED = re.compile(r"\b(wget|curl)\b|https?://|/tmp/|\bgots\b|base64|\bnc\b")


def system(facts: Facts, verdict: Verdict, _need: Need) -> Problems:
    """Systems of the Debian family, not too old, with systemd."""
    os = verdict.os
    told = facts.get("os.PRETTY_NAME") or facts.get("os.ID") or facts.get("uname_s") or "?"
    told = _NAMES.get(os.value, told)
    params = {"system": told, "family": os.value}
    if "wsl1" in verdict.traits:
        yield Problem("fix", "preflight.wsl1", params)
    elif "unifi" in verdict.traits:
        yield Problem("stop", "preflight.router", params)
    elif (maker := maker_of(verdict)) and maker.way != "distribution":
        yield from nas.judge(facts, verdict)
    elif os.value in _OTHERS and os.sure:
        yield from _other(facts, verdict, params)
    elif os.value not in _SUPPORTED or not base(facts):
        yield Problem("stop", _OWN_WORDS.get(os.value, "preflight.system"), params)
    elif not os.sure:
        yield Problem("stop", "preflight.system", params)
    else:
        yield from _supported(facts, verdict, told)


def _supported(facts: Facts, verdict: Verdict, told: str) -> Problems:
    release = verdict.version.value.partition(".")[0]
    own = facts.get("os.ID").lower() in {"debian", "ubuntu", "raspbian"}
    counted = own or verdict.version.evidence != ("os.VERSION_ID",)  # Mint 21 is not older than Ubuntu 22
    if counted and release.isdigit() and int(release) < _OLDEST[base(facts)]:
        yield Problem("stop", "preflight.version", {"system": told})
    yield from nas.supervised(facts, verdict)


def _other(facts: Facts, verdict: Verdict, params: dict[str, str]) -> Problems:
    """Whether there is a way to Docker for another family; where nobody has seen it work, the person is told."""
    family = engines.of(facts)
    if not family:
        key = engines.refused(facts) or "preflight.system"
        yield Problem("stop", key, {**params, "release": engines.release(facts)})
        return
    if not family.seen:
        yield Problem("warn", "preflight.unseen", params)
    yield from nas.supervised(facts, verdict)


def _prepared(facts: Facts, verdict: Verdict) -> bool:
    """Return whether it is a system on which we install packages."""
    return verdict.os.value in _SUPPORTED or (verdict.os.value in _OTHERS and engines.of(facts) is not None)


def compromised(facts: Facts, verdict: Verdict, _need: Need) -> Problems:
    """Marks of a known break-in on fnOS: nothing is installed beside an intruder."""
    if verdict.os.value != "fnos":
        return
    seen = ["/usr/sbin/gots"] if facts.has("/usr/sbin/gots") else []
    if facts.get("fnos.snd_pcap") or facts.has("snd_pcap.ko"):
        seen.append("snd_pcap.ko")
    if _ADDED.search(facts.get("fnos.startup_end")):
        seen.append("/usr/trim/bin/system_startup.sh")
    if seen:
        yield Problem("stop", "preflight.compromised", {"marks": ", ".join(seen)})


def kernel(facts: Facts, verdict: Verdict, _need: Need) -> Problems:
    """Control groups and overlay file systems as we need them came with 4.x."""
    found = re.match(r"(\d{1,4})\.(\d{1,4})", facts.get("uname_r"))
    if not found or "wsl1" in verdict.traits or not _prepared(facts, verdict):
        return
    release = (int(found[1]), int(found[2]))
    if release < _OLD_KERNEL:
        bad = release < _REFUSED_KERNEL
        yield Problem("stop" if bad else "warn", "preflight.kernel", {"kernel": facts.get("uname_r")})


def rights(facts: Facts, verdict: Verdict, _need: Need) -> Problems:
    """Root, or a way to it."""
    if (maker := vendor(verdict)) and facts.get("sudo") == "none":
        yield Problem("fix", "nas.no_root", {"user": plain(facts.get("user")), "system": maker.title})
    if _prepared(facts, verdict) and facts.get("sudo") == "none":
        yield Problem("fix", "preflight.no_root", {"user": plain(facts.get("user"))})


def container(facts: Facts, verdict: Verdict, _need: Need) -> Problems:
    """A container can carry Docker only with the capabilities for it."""
    if verdict.container.value in {"none", "wsl"} or not _prepared(facts, verdict):
        return
    told = facts.get("cap_bounding")
    bounding = int(told, 16) if re.fullmatch(r"[0-9a-fA-F]{1,16}", told) else 0
    needed = _NET_ADMIN | _SYS_ADMIN
    params: dict[str, object] = {"container": verdict.container.value}
    if told and bounding & needed != needed:
        yield Problem("stop", "preflight.caged", params)
    elif not told or facts.get("uid_map") not in {"", _WHOLE_MAP}:
        yield Problem("warn", "preflight.unprivileged", params)
