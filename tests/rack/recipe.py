"""What machines are made of: recipes as data, and what this box tells us about its package mirror and authorities."""

import hashlib
import json
import os
import re
import subprocess
from dataclasses import asdict, dataclass, replace
from pathlib import Path

PACKAGES = ("systemd-sysv", "dbus", "openssh-server", "sudo", "ca-certificates", "iproute2", "procps")
FORMAT = 3  # raise it when the way of building changes, so that caches are made anew


@dataclass(frozen=True)
class Recipe:
    """One system: `origin` as apt names it, `codename` as debootstrap does; `extra` packages on top of the base."""

    origin: str
    codename: str
    extra: tuple[str, ...] = ()
    packages: tuple[str, ...] = PACKAGES
    environment: tuple[str, ...] = ()  # of PID 1
    docker: tuple[str, ...] = ("docker.io",)

    def with_docker(self) -> "Recipe":
        """The same system with the distribution's Docker installed."""
        return replace(self, extra=self.docker)

    @property
    def title(self) -> str:
        """What the images of this recipe are called, whatever their digest."""
        return "-".join([self.codename, *self.extra[:1]])


SYSTEMS = {
    "debian11": Recipe("Debian", "bullseye"),
    "debian12": Recipe("Debian", "bookworm"),
    # Its systemd takes control groups v1 only when told to, and its Docker has the client in a package apart.
    "debian13": Recipe(
        *("Debian", "trixie"),
        environment=("SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",),
        docker=("docker.io", "docker-cli"),
    ),
    "ubuntu2204": Recipe("Ubuntu", "jammy"),
    "ubuntu2404": Recipe("Ubuntu", "noble"),
}


@dataclass(frozen=True)
class Mirror:
    """The box's own package source for one distribution: its site, and the lines for a machine's sources.list."""

    site: str
    sources: tuple[str, ...]
    settings: tuple[str, ...]


def usual() -> Recipe:
    """Debian 12 where the box is a Debian, Ubuntu 24.04 where its mirror serves Ubuntu."""
    return SYSTEMS["debian12"] if _sites("Debian") else SYSTEMS["ubuntu2404"]


def digest(recipe: Recipe, mirror: Mirror) -> str:
    """Twelve hexadecimal digits over all that makes the image what it is."""
    text = json.dumps([FORMAT, asdict(recipe), asdict(mirror), authorities(), environment()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def mirror(recipe: Recipe) -> Mirror:
    """Asked of apt, so that a private mirror or proxy counts. Raises LookupError where the box has no such source."""
    sites = _sites(recipe.origin)
    if not sites:
        raise LookupError(f"apt on this box has no source for {recipe.origin}, which the test machines are made of")
    components = "main" if recipe.origin == "Debian" else "main universe"
    main = next((site for site, suite in sites if not re.search("-(security|updates)$", suite)), sites[0][0])
    lines = {f"deb {main} {recipe.codename} {components}"}
    for site, suite in sites:
        kind = re.search("-(security|updates)$", suite)
        if kind:
            lines.add(f"deb {site} {recipe.codename}{kind.group()} {components}")
    return Mirror(main, tuple(sorted(lines)), _settings())


def _sites(origin: str) -> list[tuple[str, str]]:
    words = ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(SITE)|$(RELEASE)", "Created-By: Packages"]
    rows = subprocess.run(words, capture_output=True, check=True, text=True).stdout.split()
    return sorted({(row.split("|")[1], row.split("|")[2]) for row in rows if row.startswith(f"{origin}|")})


def _settings() -> tuple[str, ...]:
    """The box's proxies and checks for apt; a machine of the rack reaches the mirror by the same way."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, check=True, text=True).stdout
    wanted = re.compile(r"Acquire::(https?::(Proxy|Timeout)|Check-|Retries|Languages)")
    return tuple(line for line in dump.splitlines() if wanted.match(line) and not line.endswith('"";'))


def environment() -> list[str]:
    """Lines for a machine's /etc/environment: the box's proxies and authorities."""
    proxies = [f"{key}={value}" for key, value in os.environ.items() if re.fullmatch("(https?|no)_proxy", key)]
    bundle = ["NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt"] if authorities() else []
    return sorted(proxies) + bundle


def authorities() -> list[str]:
    """The certificates (PEM) that somebody added to this box's own bundle."""
    return [file.read_text() for file in sorted(Path("/usr/local/share/ca-certificates").rglob("*.crt"))]
