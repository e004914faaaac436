"""What is around the machine: time, package work, networks, a proxy, and whether it stays awake."""

from collections.abc import Iterator
from ipaddress import IPv4Network, collapse_addresses

from installer.detect import Verdict
from installer.engines import daemon
from installer.facts import Facts
from installer.makers import vendor
from installer.preflight import mends
from installer.preflight.problem import Need, Problem, Problems, plain

POOLS = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))
"""Where subnets for agents may come from."""


def packages(facts: Facts, verdict: Verdict, _need: Need) -> Problems:
    """Who holds the package manager, and does the mirror answer; a NAS' own is none of our business."""
    if vendor(verdict):
        return
    busy = facts.get("apt_busy").split(" ")
    if busy[0] not in {"", "0", "no"}:
        yield Problem(
            "wait", "preflight.apt_busy", {"pid": plain(busy[0]), "process": busy[1] if len(busy) > 1 else "?"}
        )
    mirror, other = facts.get("net_apt"), facts.get("net_mirror").partition(" ")[0]
    if other:
        yield Problem("mend", "preflight.mirror_other", {"address": other})
    elif mirror.startswith("no-sources"):
        yield Problem("fix", "preflight.no_sources", {})
    elif mirror.startswith("failed "):
        _, address, *said = mirror.split(" ")
        tests = facts.get("net_tests") or "-"
        yield Problem("fix", "preflight.mirror", {"address": address, "said": " ".join(said) or "-", "tests": tests})


def clock(facts: Facts, verdict: Verdict, _need: Need) -> Problems:
    """A clock that is far off breaks certificates and package lists; it is set before anything is downloaded."""
    choice, params = mends.clock(facts, verdict), {"seconds": mends.clock_off(facts)}
    if choice.wanted:
        yield Problem("mend", "preflight.clock", params)
    elif choice.why != "right":
        yield Problem("fix", f"preflight.clock_{choice.why}", params)


def subnets(facts: Facts, _verdict: Verdict, _need: Need) -> Problems:
    """Room among the private addresses for subnets that collide with nothing."""
    routes = list(collapse_addresses(_networks(facts.get("routes") or facts.get("ip4"))))
    if routes and all(any(pool.subnet_of(route) for route in routes) for pool in POOLS):
        yield Problem("stop", "preflight.subnets", {"routes": ", ".join(map(str, routes))})
        return
    taken = [str(route) for route in daemon.networks(facts) if route.overlaps(daemon.BRIDGE)]
    mended = daemon.needed(facts, daemon.Settings(None, "", {}))
    if mended:
        yield Problem("mend", "preflight.bridge", {"routes": ", ".join(taken), **mended})
    elif taken and not facts.get("docker.info") and not facts.tool("docker"):
        told = "warn" if facts.get("docker.config") else "fix"  # somebody's settings may have seen to it
        yield Problem(told, "preflight.bridge_full", {"routes": ", ".join(taken)})


def _networks(text: str) -> Iterator[IPv4Network]:
    """Yield the networks that a text names, one word each."""
    for word in text.split():
        try:
            yield IPv4Network(word, strict=False)
        except ValueError:
            continue


def forward(facts: Facts, _verdict: Verdict, _need: Need) -> Problems:
    """A firewall of a person's own that lets nothing be forwarded cuts agents off; Docker's rules cannot mend that."""
    if facts.get("forward") == "drop":
        yield Problem("warn", "preflight.forward", {})


def ports(facts: Facts, _verdict: Verdict, need: Need) -> Problems:
    """An agent of the same kind that somebody installed by hand: two would answer the same messages."""
    if need.port and str(need.port) in facts.get("listening").split():
        yield Problem("warn", "preflight.port", {"port": need.port})


def proxy(facts: Facts, _verdict: Verdict, _need: Need) -> Problems:
    """A proxy in the login's environment is not known to the services. Names only: the values hold passwords."""
    names = [name for name in facts.get("proxy").split() if name.lower() in {"http_proxy", "https_proxy", "all_proxy"}]
    reached = facts.get("apt_proxy") or facts.get("net_apt").startswith("ok")
    lacking = [] if reached or not facts.tool("apt-get") else ["apt"]
    lacking += [] if facts.get("docker.proxy") else ["Docker"]
    if names and lacking:
        yield Problem("warn", "preflight.proxy", {"names": ", ".join(names), "lacking": ", ".join(lacking)})


def sleep(facts: Facts, verdict: Verdict, _need: Need) -> Problems:
    """A laptop sleeps when its lid is shut, a desktop when nobody types, and agents with them; WSL with Windows."""
    choice = mends.awake(facts, verdict)
    if choice.wanted:
        yield Problem("mend", "preflight.idle" if choice.why == "screen" else "preflight.sleep", {})
    if "wsl2" in verdict.traits:
        yield Problem("warn", "preflight.wsl_sleep", {})
