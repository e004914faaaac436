"""What every test on the rack may use. Machines of test runs that were killed are taken off the rack first."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.images import default_home
from tests.rack import machine as machines
from tests.rack import recipe, tinykinds
from tests.rack.controller import Controller
from tests.rack.machine import Build, Machine
from tests.rack.neighbour import Neighbour
from tests.rack.offline_rig import ARCHITECTURE, bundling

LONG = (
    "self_upgrade", "install_sh", "shell_and_logs", "doctor", "rollout", "upgrade", "prepare_host", "import", "prepare",
    "setup_talk", "survive", "backup", "meter_upgrade", "killed_controller", "image_versions", "nas", "keys",
    "guard_meter", "guard_failpoints", "guard_life", "bad_input", "moved", "handover",
)  # fmt: skip
"""The files that take longest: begun first, so that none of them is what everything waits for in the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the files, not the tests in them; --no-loadscope-reorder leaves them so."""
    place = {f"test_{name}": number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONG)))


@pytest.fixture(scope="session", autouse=True)
def cleared() -> None:
    machines.reap()


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A bare machine, shared by the tests of a file."""
    with Machine() as made:
        yield made


@pytest.fixture(scope="module")
def docker_machine() -> Iterator[Machine]:
    """A machine with the distribution's Docker on it, shared by the tests of a file."""
    with Machine(Build(docker=True)) as made:
        yield made


@pytest.fixture(scope="module")
def neighbour() -> Iterator[Neighbour]:
    """Somebody else on the same network, shared by the tests of a file."""
    with Neighbour() as made:
        yield made


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of the tiny kind, for CLAWRACK_KINDS."""
    return tinykinds.place(tmp_path_factory.mktemp("kinds"))


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory, kinds: str) -> Path:
    """A bundle for this box's architecture and the rack's usual release."""
    folder = tmp_path_factory.mktemp("bundle")
    out = folder / "bundle.tar"
    typed = Controller(folder).done(*bundling(out), more={"CLAWRACK_KINDS": kinds})
    held = typed.document["offline_bundle"]
    assert held["packages"] == [f"{recipe.usual().codename} {ARCHITECTURE}"]
    assert [image.split()[0] for image in held["images"]] == ["meter", tinykinds.NAME]
    assert sorted(file.name for file in folder.glob("*.*")) == ["bundle.tar"]
    assert not (default_home().parent / "offline").exists()
    return out
