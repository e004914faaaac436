"""Which of this computer's own package sources an image is made from: text in, text out.

The person's mirror is honoured; sources of other vendors are left out. Both formats of apt are read: one line per
source (sources.list(5)) and deb822. What comes out is deb822.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fleet.images.recipe import Architecture

_ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)$")
_ALIASES = ("stable", "oldstable", "testing")
_UBUNTU_MAIN = re.compile(r"^(https?://)(?:[a-z-]+\.)*(?:archive|security)\.ubuntu\.com/ubuntu/?$")
_UBUNTU_PORTS = re.compile(r"^(https?://)ports\.ubuntu\.com/(?:ubuntu-ports/?|ubuntu/?)?$")


@dataclass(frozen=True, slots=True)
class Source:
    """One source of packages.

    Attributes:
        uri: where.
        suite: for example ``bookworm-updates``.
        components: for example ``main``.
        signed_by: path of a key ring, or a key itself, as apt takes it; empty for apt's own key rings.
    """

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""


def parse(name: str, text: str) -> list[Source]:
    """Return the binary sources in the text of a file; its ``name`` tells the format (``*.sources`` is deb822)."""
    return list(_deb822(text) if name.endswith(".sources") else _one_line(text))


def _one_line(text: str) -> Iterable[Source]:
    for line in text.splitlines():
        found = _ONE_LINE.match(line.partition("#")[0].strip())
        if found:
            signed = re.search(r"\bsigned-by=(\S+)", found["options"] or "")
            components = tuple(found["components"].split())
            yield Source(found["uri"], found["suite"], components, signed[1] if signed else "")


def _deb822(text: str) -> Iterable[Source]:
    for fields in _stanzas(text):
        wanted = "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() not in {
            "no",
            "false",
        }
        components = tuple(fields.get("components", "").split())
        for uri in fields.get("uris", "").split() if wanted else ():
            for suite in fields.get("suites", "").split():
                yield Source(uri, suite, components, fields.get("signed-by", ""))


def _stanzas(text: str) -> Iterable[dict[str, str]]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n[ \t]*\n", "\n".join(lines)):
        fields: dict[str, str] = {}
        last = ""
        for line in stanza.splitlines():
            if line[:1] in {" ", "\t"} and last:
                fields[last] += "\n" + line
            elif ":" in line:
                last, _, value = line.partition(":")
                last = last.strip().lower()
                fields[last] = value.strip()
        if fields:
            yield fields


def chosen(sources: Iterable[Source], codename: str) -> list[Source]:
    """Return the sources of the distribution itself: the release, its updates and its security fixes.

    Where the codename is in none of them, a release may be named by its role (``stable``). Sources of other vendors
    that use the same names are kept out by `preferences`.
    """
    listed = [source for source in sources if not source.uri.startswith("cdrom:")]
    for names in ((codename,), _ALIASES):
        found = [source for source in listed if _is_of(source.suite, names)]
        if found:
            return list(dict.fromkeys(found))
    return []


def _is_of(suite: str, names: tuple[str, ...]) -> bool:
    return any(suite in {name, f"{name}-updates", f"{name}-security", f"{name}/updates"} for name in names)


def for_architecture(sources: Iterable[Source], architecture: Architecture) -> list[Source]:
    """Return the sources that carry the architecture: Ubuntu keeps all but amd64 elsewhere (ubuntu-ports)."""
    swap = _to_main if architecture == "amd64" else _to_ports
    return [Source(swap(s.uri), s.suite, s.components, s.signed_by) for s in sources]


def _to_ports(uri: str) -> str:
    official = _UBUNTU_MAIN.match(uri)
    return f"{official[1]}ports.ubuntu.com/ubuntu-ports/" if official else re.sub(r"/ubuntu/?$", "/ubuntu-ports/", uri)


def _to_main(uri: str) -> str:
    official = _UBUNTU_PORTS.match(uri)
    return f"{official[1]}archive.ubuntu.com/ubuntu/" if official else re.sub(r"/ubuntu-ports/?$", "/ubuntu/", uri)


def render(sources: Iterable[Source]) -> str:
    """Return the sources as a deb822 file."""
    return "\n".join(_stanza(source) for source in sources)


def _stanza(source: Source) -> str:
    lines = [
        "Types: deb",
        f"URIs: {source.uri}",
        f"Suites: {source.suite}",
        f"Components: {' '.join(source.components)}",
    ]
    lines += [f"Signed-By: {source.signed_by}"] if source.signed_by else []
    return "\n".join(lines) + "\n"


def preferences(origins: Iterable[str]) -> str:
    """Return an apt_preferences(5) file that takes packages from these origins and from no other."""
    allowed = [f"Package: *\nPin: release o={origin}\nPin-Priority: 500\n" for origin in origins]
    return "\n".join([*allowed, "Package: *\nPin: release a=*\nPin-Priority: -1\n"])


def codename_and_origins(os_release: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return the codename of the distribution that packages come from, and the origins to trust.

    Derivatives (Mint and the like) name the Ubuntu they stand on in UBUNTU_CODENAME. Source: os-release(5).
    """
    codename = os_release.get("UBUNTU_CODENAME") or os_release.get("VERSION_CODENAME", "")
    ubuntu = bool(os_release.get("UBUNTU_CODENAME")) or os_release.get("ID") == "ubuntu"
    return codename, (("Ubuntu",) if ubuntu else ("Debian", "Raspbian"))
