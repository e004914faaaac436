"""Selectors mean agents; the part of a plan that is theirs brings what their machines need, and nothing of others'."""

import pytest

from fleet.actions import AnyAction, Deploy, PlaceImage, PlaceMeter, Start
from fleet.base.errors import BadInput
from fleet.model import Agent, Machine, Wish
from fleet.plan import Plan
from fleet.select import narrowed, select

WISH = Wish(
    machines={"m-1": Machine(address="a", tags=("rack-a",)), "m-2": Machine(address="b")},
    agents={
        "one": Agent(kind="openclaw", machine="m-1", group="social"),
        "two": Agent(kind="nanobot", machine="m-2", group="social", tags=("night",)),
        "three": Agent(kind="openclaw", machine="m-2"),
    },
)


@pytest.mark.parametrize(
    ("selectors", "meant"),
    [
        (["all"], ("one", "three", "two")),
        (["two"], ("two",)),
        (["social"], ("one", "two")),
        (["group:social"], ("one", "two")),
        (["tag:rack-a"], ("one",)),
        (["tag:night"], ("two",)),
        (["kind:openclaw"], ("one", "three")),
        (["machine:m-2"], ("three", "two")),
        (["machine:m-1", "two"], ("one", "two")),
    ],
)
def test_a_selector_means_agents(selectors: list[str], meant: tuple[str, ...]) -> None:
    assert select(selectors, WISH) == meant


@pytest.mark.parametrize("selector", ["tag:none", "thre", "kind:", "format:1", "page_port:18700", ":", "tag:"])
def test_what_means_nobody_is_refused(selector: str) -> None:
    with pytest.raises(BadInput):
        select([selector], WISH)


def test_a_part_of_a_plan_has_what_its_machines_need_and_nothing_of_others() -> None:
    actions: tuple[AnyAction, ...] = (
        PlaceImage(machine="m-2", image="meter", of="meter", reason="r"),
        PlaceMeter(machine="m-2", image="meter", reason="r"),
        PlaceImage(machine="m-2", image="i-openclaw", of="openclaw", reason="r"),
        PlaceImage(machine="m-2", image="i-nanobot", of="nanobot", reason="r"),
        Deploy(machine="m-2", agent="three", release="n", reason="r"),
        Deploy(machine="m-2", agent="two", release="n", reason="r"),
        PlaceMeter(machine="m-1", image="meter", reason="r"),
        Start(machine="m-1", agent="one", reason="r"),
    )
    agents = {
        "three": Agent(kind="openclaw", machine="m-2", image="i-openclaw"),
        "two": Agent(kind="nanobot", machine="m-2", image="i-nanobot"),
    }
    part = narrowed(Plan(actions=actions, agents=agents), ["two"])
    assert part.actions == (*actions[:2], actions[3], actions[5])
    assert [*part.agents] == ["two"]
