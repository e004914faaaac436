"""Has it the processor, the memory and the control of memory that an agent needs?"""

import re

from installer.detect import Verdict
from installer.detect.architecture import wide
from installer.facts import LONGEST, Facts
from installer.preflight import mends
from installer.preflight.problem import KIB, MIB, Need, Problem, Problems

V2 = ("cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2")
"""The flags of x86-64-v2 in /proc/cpuinfo. sharp, which OpenClaw's images hold, refuses processors without them."""
_CUT = LONGEST - 40
_PLAIN_VM = re.compile(r"qemu|kvm", re.IGNORECASE)
_AT_LEAST = 3 / 4
_SWAP_AGAINST = {"card": "preflight.swap_card", "place": "preflight.swap_place", "room": "preflight.swap_room"}
_CGROUP = "cgroup_enable=memory cgroup_memory=1"


def architecture(facts: Facts, verdict: Verdict, need: Need) -> Problems:
    """64 bits, and one that there is an image for."""
    name = verdict.architecture.value
    if name == "unknown" and verdict.os.value in {"windows", "darwin"}:
        return
    if not wide(name):
        narrow = facts.get("uname_m") in {"x86_64", "aarch64"} or "lm" in facts.get("cpu_flags").split()
        key = "preflight.userland" if narrow else "preflight.bits"
        yield Problem("stop", key, {"architecture": name})
    elif need.architectures and name not in need.architectures:
        have = ", ".join(sorted(need.architectures))
        yield Problem("stop", "preflight.architecture", {"architecture": name, "have": have})


def level(facts: Facts, verdict: Verdict, _need: Need) -> Problems:
    """x86-64-v2, without which programs inside the images are killed by the first newer instruction."""
    flags = facts.get("cpu_flags").split()
    told = len(facts.get("cpu_flags")) < _CUT or "lahf_lm" in flags  # a longer list was cut off before the last of them
    if verdict.architecture.value != "amd64" or not flags or not told:
        return
    lacking = [flag for flag in V2 if flag not in flags]
    if not lacking:
        return
    model = facts.get("cpu_model") or "?"
    plain = verdict.vm.value != "none" and _PLAIN_VM.search(model)
    params = {"model": model, "lacking": ", ".join(lacking)}
    yield Problem("fix", "preflight.cpu_type", params) if plain else Problem("stop", "preflight.cpu", params)


def memory(facts: Facts, verdict: Verdict, need: Need) -> Problems:
    """Memory of the machine, or of the container that it is; little of it wants swap beside it."""
    total = facts.number("mem.MemTotal")
    if total is None:
        return
    limit = facts.number("cg_limit")
    there = min(total * KIB, limit) if limit else total * KIB
    if there < need.memory * _AT_LEAST:
        yield Problem("stop", "preflight.memory", {"have": there // MIB, "need": int(need.memory * _AT_LEAST) // MIB})
    elif need.memory:
        yield from _swap(facts, verdict, there // MIB)


def _swap(facts: Facts, verdict: Verdict, have: int) -> Problems:
    choice = mends.swap(facts, verdict)
    params = {"have": have, "swap": (facts.number("mem.SwapTotal") or 0) // KIB, "mib": choice.mib}
    if choice.wanted:
        yield Problem("mend", "preflight.swap", params)
    elif choice.why in _SWAP_AGAINST:
        yield Problem("warn", _SWAP_AGAINST[choice.why], {**params, "kind": facts.get("data_fs") or "?"})


def control(facts: Facts, verdict: Verdict, _need: Need) -> Problems:
    """The kernel counts a container's memory, or an agent's limit is none. On a Raspberry Pi that is off at first."""
    groups, old = facts.get("cg2").split(), facts.get("cg1_mem")
    if not (groups or old) or "memory" in groups or old.split()[-1:] == ["1"]:
        return
    if "cgroup_enable=memory" in facts.get("cmdline"):
        yield Problem("fix", "preflight.cgroup_reboot", {})
        return
    raspberry = verdict.os.value == "rpi_os" or "raspberry pi" in facts.get("dt.model").lower()
    if raspberry:
        yield Problem("fix", "preflight.cgroup_pi", {"file": _cmdline(facts), "words": _CGROUP})
    else:
        yield Problem("fix", "preflight.cgroup", {"words": "cgroup_enable=memory"})


def _cmdline(facts: Facts) -> str:
    """Return the file with the kernel's one line: it moved with Debian 12."""
    release = (facts.get("os.VERSION_ID") or facts.get("debian_version")).partition(".")[0]
    old = release.isascii() and release.isdigit() and int(release) < 12  # noqa: PLR2004 - Debian 12
    return "/boot/cmdline.txt" if old else "/boot/firmware/cmdline.txt"
