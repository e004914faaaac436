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
