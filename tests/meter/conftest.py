from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from meter_rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A meter that is not started yet."""
    made = Rig(tmp_path)
    yield made
    made.close()


@pytest.fixture
def slow_rig(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """A started meter with the agent ``slow-one``, whose route takes its time."""
    rigs: list[Rig] = []

    def make(drain: float = 5, **route: object) -> Rig:
        made = Rig(tmp_path, slow=True, drain=drain)
        rigs.append(made)
        made.routes({"practice": {"kind": "practice"}, "slow": {"kind": "slow", **route}})
        made.agent("slow-one", 9, route="slow")
        return made.start()

    yield make
    for made in rigs:
        made.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One meter for all tests of a module that only ask it things."""
    made = Rig(tmp_path_factory.mktemp("meter"))
    made.agent("front-desk", 1)
    made.agent("night-shift", 2)
    yield made.start()
    made.close()
