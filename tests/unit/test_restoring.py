"""Who an agent of a backup is: never two of one, and no image on a stranger's word."""

from typing import Any

import msgspec
import pytest

from fleet.api.selves import Case, Sight, as_if_new, image_of, old_selves, origin_of
from fleet.backup.form import Manifest, State
from fleet.base.errors import Refused, Unreachable
from fleet.model import Agent, Machine, Seen, SeenAgent, SeenMachine, Wish
from fleet.tombs import Tomb

TOLD = Manifest(
    id="helper_20261121T220000Z_abcdef", agent="helper", machine="attic", machine_id="aaaa", created="2026",
    kind="openclaw", kind_version="2026.9.6", image="sha256:" + "5" * 64, ref="clawrack/openclaw:2026.9.6-42ac42ae05f0",
    release="r", state=State(bytes=1, sha256="0" * 64, at=0),
)  # fmt: skip
ATTIC = Machine(address="10.0.0.1", id="aaaa")
CELLAR = Machine(address="10.0.0.2", id="bbbb")
DEAD = Machine(address="10.0.0.9", id="dead")


def told(**changed: Any) -> Manifest:
    return msgspec.structs.replace(TOLD, **changed)


def agent(machine: str, **more: Any) -> Agent:
    return Agent(kind="openclaw", machine=machine, **more)


def sight(agents: dict[str, Agent] | None = None, **there: SeenAgent) -> Sight:
    """Two machines that answer; ``there`` is what is on which."""
    ids = {"attic": "aaaa", "cellar": "bbbb"}
    seen: dict[str, SeenMachine | None] = {
        name: SeenMachine(id=id_, agents={there[name].name: there[name]} if name in there else {})
        for name, id_ in ids.items()
    }
    return Sight(Wish(machines={"attic": ATTIC, "cellar": CELLAR}, agents=agents or {}), Seen(machines=seen), {})


def refusal(case: Case, at: Sight, *stones: Tomb) -> str:
    with pytest.raises((Refused, Unreachable)) as caught:
        old_selves(case, at, stones)
    assert "…" not in str(caught.value)
    return caught.value.key


@pytest.mark.parametrize("called", ["helper", "twin3"])
def test_a_state_that_lives_on_under_another_name_is_not_put_back_once_more(called: str) -> None:
    twin = sight({"twin": agent("cellar", origin=origin_of(TOLD))})
    assert refusal(Case(TOLD, called, "attic", old_is_dead=True), twin) == "backup.lives_as"
    assert old_selves(Case(TOLD, "twin", "cellar"), twin, []) == []


def test_its_origin_stays_through_every_restore() -> None:
    later = told(agent="twin", machine_id="bbbb", file={"kind": "openclaw", "origin": origin_of(TOLD)})
    assert origin_of(later) == origin_of(TOLD) == "aaaa/helper"
    again = sight({"twin": agent("cellar", origin="aaaa/helper"), "third": agent("attic", origin="aaaa/helper")})
    assert refusal(Case(later, "fourth", "attic"), again) == "backup.lives_as"


def test_its_old_self_and_whoever_has_its_new_name_elsewhere_are_stopped_first() -> None:
    runs = SeenAgent(name="helper", release="r", state="running")
    stopped = SeenAgent(name="helper", release="r", state="stopped", on_purpose=True)
    assert refusal(Case(TOLD, "twin", "cellar"), sight(attic=runs)) == "backup.lives"
    assert old_selves(Case(TOLD, "twin", "cellar"), sight(attic=stopped), []) == [("attic", "helper")]
    assert old_selves(Case(TOLD, "helper", "attic"), sight(attic=runs), []) == []
    twin = msgspec.structs.replace(runs, name="twin")
    assert refusal(Case(TOLD, "twin", "attic"), sight(cellar=twin)) == "backup.lives"


def test_a_tombstone_speaks_for_the_agents_on_it_alone() -> None:
    lost, stone = told(agent="beta", machine="m9", machine_id="dead"), Tomb(name="m9", address="10.0.0.9", id="dead")
    alpha = msgspec.structs.replace(stone, agents=("alpha",), moved=("alpha",))
    assert refusal(Case(lost, "beta", "attic"), sight(), alpha) == "backup.old_unknown"
    assert old_selves(Case(lost, "beta", "attic", old_is_dead=True), sight(), [alpha]) == []
    both = msgspec.structs.replace(stone, agents=("alpha", "beta"))
    assert old_selves(Case(lost, "beta", "attic"), sight(), [both]) == []


@pytest.mark.parametrize(
    ("ref", "good"),
    [
        ("clawrack/openclaw:2026.9.6-42ac42ae05f0", True),
        ("ghcr.io/openclaw/openclaw@sha256:" + "1" * 64, True),
        ("evil.example/openclaw@sha256:" + "1" * 64, False),
        ("clawrack/openclaw:x@sha256:" + "1" * 64, False),
        ("clawrack/nanobot:1-abc", False),
        ("ghcr.io/openclaw/openclaw:latest", False),
        ("", False),
    ],
)
def test_an_image_is_believed_where_it_is_ours_or_of_the_recipes_registries(ref: str, good: bool) -> None:
    assert image_of(told(ref=ref)) == ((TOLD.image, ref) if good else ("", ""))


def test_neither_a_stop_on_purpose_nor_a_supervisors_end_holds_a_restored_agent_back() -> None:
    there = SeenMachine(id="aaaa", agents={"helper": SeenAgent(name="helper", on_purpose=True, reason="crashes")})
    found = as_if_new("helper", there).agents["helper"]
    assert (found.on_purpose, found.reason) == (False, "")
    assert as_if_new("other", there) == there
