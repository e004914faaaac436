from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from model import case, drifted, line, replay, targets

from fleet.base import words
from fleet.model import Agent, Machine, Seen, SeenAgent, SeenMachine, State, Wish
from fleet.plan import plan
from fleet.plan_view import Planned, view

CASES = sorted(Path(__file__).parent.glob("cases/*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_plan_is_what_the_case_says(path: Path) -> None:
    told = case(yaml.safe_load(path.read_text()))
    made = told.planned()
    assert [line(action) for action in made.actions] == told.plan
    assert (list(made.unknown), list(made.strays), list(made.unwell)) == (told.unknown, told.strays, told.unwell)
    assert [drifted(found) for found in made.drift] == told.drift


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_after_the_plan_was_carried_out_nothing_is_left_to_do(path: Path) -> None:
    told = case(yaml.safe_load(path.read_text()))
    made = told.planned()
    if not made.unmade:
        assert not told.planned(replay(told.seen, made))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_reason_and_every_drift_is_a_sentence(path: Path, language: str) -> None:
    told = case(yaml.safe_load(path.read_text()))
    made = told.planned()
    words.choose(language)
    try:
        shown = view(Planned(made, told.wish, told.seen, targets(told.wish), {}), {})
    finally:
        words.choose("en")
    said = [*(one.because for one in shown.actions), *(one.what for one in shown.drift)]
    assert all(said)
    assert not [text for text in said if "{" in text]


NAMES = st.sampled_from(["ada", "bob", "eve"])
STATES = st.sampled_from(list[State](["running", "stopped", "absent", "dead"]))


@st.composite
def agents_seen(draw: st.DrawFn) -> dict[str, SeenAgent]:
    names = draw(st.sets(NAMES))
    return {
        name: SeenAgent(
            name=name,
            release=draw(st.sampled_from(["", "older"])),
            trial=draw(st.sampled_from(["", "tried"])),
            state=draw(STATES),
            on_purpose=draw(st.booleans()),
            reason=draw(st.sampled_from(["", "gave up"])),
        )
        for name in names
    }


@st.composite
def machines_seen(draw: st.DrawFn) -> SeenMachine | None:
    if draw(st.booleans()):
        return None
    return SeenMachine(
        id="m",
        engine="29.1",
        agents=draw(agents_seen()),
        images=frozenset(draw(st.sets(st.sampled_from(["sha256:claw", "sha256:meter"])))),
        meter_image=draw(st.sampled_from(["", "sha256:meter", "sha256:older"])),
        meter_state=draw(STATES),
    )


@given(
    homes=st.dictionaries(NAMES, st.sampled_from(["box", "dark"])),
    seen=st.fixed_dictionaries({"box": machines_seen(), "dark": machines_seen()}),
)
def test_any_plan_replayed_leaves_nothing_to_do_and_touches_no_silent_machine(
    homes: dict[str, str], seen: dict[str, SeenMachine | None]
) -> None:
    wish = Wish(
        machines={name: Machine(address=name, meter="sha256:meter") for name in ("box", "dark")},
        agents={name: Agent(kind="openclaw", machine=home, image="sha256:claw") for name, home in homes.items()},
    )
    fleet = Seen(machines=seen)
    made = plan(wish, fleet, targets(wish))
    assert all(seen[action.machine] is not None for action in made.actions)
    assert not plan(wish, replay(fleet, made), targets(wish))
    assert made.fingerprint == plan(wish, fleet, targets(wish)).fingerprint
