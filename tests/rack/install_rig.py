"""What the tests of install.sh share: a copy of this clone on a machine, and a short list of packages to be quick."""

import io
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests.rack import recipe
from tests.rack.machine import Machine, Result

ROOT = Path(__file__).parents[2]
PARTS = [
    "install.sh",
    "pyproject.toml",
    "requirements.lock",
    "requirements-build.lock",
    "README.md",
    "LICENSE",
    "clawrack",
    "tui",
    "installer",
    "fleet",
    "templates",
]
# The least that `clawrack --version` needs; the whole list is used where the whole list is the point.
FEW = [
    "typer",
    "annotated-doc",
    "annotated-types",
    "pydantic",
    "pydantic-core",
    "typing-extensions",
    "typing-inspection",
    "shellingham",
    "rich",
    "markdown-it-py",
    "mdurl",
    "pygments",
    "pyyaml",
    "msgspec",
    "lazy-importer",
]
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
WHEELS = "/srv/wheels"


@dataclass(frozen=True)
class Site:
    """A clone on a machine, in the home of whoever installs."""

    machine: Machine
    user: str = "root"

    @property
    def home(self) -> str:
        """The installer's home directory."""
        return "/root" if self.user == "root" else f"/home/{self.user}"

    def install(
        self, *words: str, env: str = "", shell: str = "", online: bool = False, timeout: float = 300
    ) -> Result:
        """Run install.sh there as that user; `env` is a line of assignments, `shell` what reads the script.

        Unless `online`, the packages come from the machine's own WHEELS.
        """
        told = settings() if online else f"PIP_NO_INDEX=1 PIP_NO_COMPILE=1 PIP_FIND_LINKS={WHEELS}"
        return self.sh(f"cd ~/clone && env {told} {env} {shell} ./install.sh {' '.join(words)}", timeout=timeout)

    def sh(self, line: str, timeout: float = 60) -> Result:
        """Run a line of shell as that user, whatever it ends with."""
        return self.machine.run("su", "-", self.user, "-c", line, timeout=timeout, check=False)


def settings() -> str:
    """What the box's own pip is told of certificates and proxies."""
    told = recipe.environment()
    return " ".join([*told, f"PIP_CERT={BUNDLE}"] if recipe.authorities() else told)


def keep_wheels(site: Site) -> None:
    """Fetch the packages of a site's two lists once, with the Python that it has, for all further tests."""
    lists = "-r ~/clone/requirements.lock -r ~/clone/requirements-build.lock"
    fetch = f"/opt/clawrack/current/bin/python -m pip download -q --only-binary :all: -d {WHEELS} {lists}"
    done = site.sh(f"env {settings()} {fetch}", timeout=300)
    assert done.code == 0, done.err


def place(machine: Machine, user: str = "root", *, few: bool = True) -> Site:
    """Copy the clone to a machine, in the home directory of the user."""
    site = Site(machine, user)
    machine.put(f"{site.home}/clone.tar", _clone(few=few))
    machine.sh(f"cd {site.home} && rm -rf clone && tar -xf clone.tar && rm clone.tar")
    machine.run("chown", "-R", f"{user}:", f"{site.home}/clone")
    return site


def _clone(*, few: bool) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for part in PARTS:
            tar.add(ROOT / part, f"clone/{part}", filter=_kept)
        if few:
            content = short_list((ROOT / "requirements.lock").read_text()).encode()
            info = tarfile.TarInfo("clone/requirements.lock")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _kept(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in info.name else info


def short_list(lock: str) -> str:
    """The pinned packages of a lock that are in FEW, with their hashes."""
    blocks = re.split(r"\n(?=[a-z])", lock)
    return "\n".join(block for block in blocks if block.split("==")[0] in FEW) + "\n"
