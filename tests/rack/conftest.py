"""What every test on the rack may use. Machines of test runs that were killed are taken off the rack first."""

from collections.abc import Iterator

import pytest

from tests.rack import machine as machines
from tests.rack.machine import Build, Machine
from tests.rack.neighbour import Neighbour


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


REAL = ("test_the_thread", "test_images_openclaw", "test_install_sh_whole", "test_agent_open")
"""Real agents are large, and some of these tests count seconds: one after another, and begun first."""
LONG = ("test_booth", "test_doctor", "test_shell_and_logs", "test_docker_down", "test_setup_talk", "test_nas")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep each file's tests together, for they share machines; what takes longest is begun first."""
    order = {name: place for place, name in enumerate((*REAL, *LONG))}
    for item in items:
        name = item.path.stem
        item.add_marker(pytest.mark.xdist_group("real" if name in REAL else name))
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))
