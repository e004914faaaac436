"""What the tests without a network share: one bundle for the box, and a controller whose every way out ends nowhere."""

import os
import platform
import stat
from pathlib import Path

from tests.rack import recipe, tinykinds
from tests.rack.controller import Controller
from tests.rack.machine import Machine

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "amd64")
# Programs that would fetch something; and where they would be sent, did they look.
FETCHING = ("apt-get", "apt-cache", "pip", "pip3", "uv", "npm", "curl", "wget", "docker")
NOWHERE = "http://127.0.0.1:9"


def bundling(out: Path) -> tuple[str, ...]:
    """Return the words that make a bundle for this box's architecture and the rack's usual release."""
    told = ("--arch", ARCHITECTURE, "--release", recipe.usual().codename, "--kind", tinykinds.NAME, "--json")
    return ("booth", "bundle", "--out", str(out), *told)


def cut_off(machine: Machine) -> None:
    """Take the machine's way to the world; the rack's own network stays."""
    machine.sh("ip route del default")
    assert machine.sh("ip route get 192.0.2.1", check=False).code != 0


class Alone(Controller):
    """A controller with an empty cache, whose ways to packages and registries all end nowhere; they count who tries."""

    def __init__(self, folder: Path, kinds: str) -> None:
        super().__init__(folder)
        shims = folder / "shims"
        shims.mkdir()
        for name in FETCHING:
            (shims / name).write_text(f'#!/bin/sh\necho {name} >>"{folder}/tried"\nexit 1\n')
            (shims / name).chmod(stat.S_IRWXU)
        self.environment |= {f"{scheme}_proxy": NOWHERE for scheme in ("http", "https", "all")}
        self.environment |= {
            "no_proxy": "",
            "CLAWRACK_KINDS": kinds,
            "XDG_CACHE_HOME": str(folder / "cache"),
            "PIP_INDEX_URL": NOWHERE,
            "NPM_CONFIG_REGISTRY": NOWHERE,
            "PATH": f"{shims}:{os.environ['PATH']}",
        }

    @property
    def tried(self) -> str:
        """Which programs were started that fetch something."""
        file = self.folder / "tried"
        return file.read_text() if file.exists() else ""
