"""The fleet's folder: defaults, groups, agents' files, and what is wrong with them."""

import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet import load
from fleet.base.errors import BadInput
from fleet.groups import Group, Settings, member, number_of
from fleet.groups_file import line_of
from fleet.model import FIRST_PAGE, Agent
from fleet.policy import Policy, amount

GROUPS = """defaults:
  kind: openclaw
  version: 2026.9.6
groups:
  social:
    count: 3
    tags: [rack-a]
    model: main
"""


def folder(at: Path, fleet: str = "", **agents: str) -> Path:
    (at / "agents").mkdir(exist_ok=True)
    (at / "machines").mkdir(exist_ok=True)
    (at / "machines" / "pc-1.yaml").write_text("address: 10.0.0.1\n")
    if fleet:
        (at / "fleet.yaml").write_text(fleet)
    for name, text in agents.items():
        (at / "agents" / f"{name.replace('_', '-')}.yaml").write_text(text)
    return at


def refused(at: Path) -> BadInput:
    with pytest.raises(BadInput) as caught:
        load.load(at)
    return caught.value


def test_a_group_has_its_members_though_none_has_a_file(tmp_path: Path) -> None:
    wish = load.load(folder(tmp_path, GROUPS))
    assert list(wish.agents) == ["social-01", "social-02", "social-03"]
    assert wish.agents["social-02"] == Agent(
        kind="openclaw", version="2026.9.6", group="social", tags=("rack-a",), model="main", page=FIRST_PAGE + 1
    )
    assert wish.groups == {"social": Group(count=3, tags=("rack-a",), model="main")}


def test_what_an_agent_says_counts_more_than_its_group_and_the_group_more_than_the_defaults(tmp_path: Path) -> None:
    fleet = GROUPS + "  other: {count: 1, version: '2'}\n"
    wish = load.load(folder(tmp_path, fleet, social_02="group: social\nversion: '3'\ntags: []\n", lone="model: x\n"))
    found = {name: (agent.version, agent.model, agent.tags) for name, agent in wish.agents.items()}
    assert found == {
        "lone": ("2026.9.6", "x", ()),
        "other-01": ("2", "practice", ()),
        "social-01": ("2026.9.6", "main", ("rack-a",)),
        "social-02": ("3", "main", ()),
        "social-03": ("2026.9.6", "main", ("rack-a",)),
    }


def test_a_file_holds_only_what_is_not_inherited_and_reads_as_it_was_written(tmp_path: Path) -> None:
    folder(tmp_path, GROUPS)
    before = load.load(tmp_path).agents["social-02"]
    placed = msgspec.structs.replace(before, machine="pc-1", image="sha256:1", image_of="2026.9.6", model="practice")
    load.save_agent(tmp_path, "social-02", placed)
    text = (tmp_path / "agents" / "social-02.yaml").read_text()
    assert text.splitlines() == [
        'machine: "pc-1"', 'group: "social"', 'image: "sha256:1"', 'image_of: "2026.9.6"', 'model: "practice"',
        f"page: {FIRST_PAGE + 1}",
    ]  # fmt: skip
    assert load.load(tmp_path).agents["social-02"] == placed


def test_an_empty_value_is_written_where_another_one_would_be_inherited(tmp_path: Path) -> None:
    folder(tmp_path, "defaults: {kind: openclaw, machine: pc-1, tags: [a]}\n")
    load.save_agent(tmp_path, "free", Agent(kind="openclaw"))
    assert (tmp_path / "agents" / "free.yaml").read_text() == 'machine: ""\ntags: []\n'
    assert load.load(tmp_path).agents["free"] == Agent(kind="openclaw")
    load.save_agent(tmp_path, "same", Agent(kind="openclaw", machine="pc-1", tags=("a",)))
    assert (tmp_path / "agents" / "same.yaml").read_text() == "{}\n"
    assert load.load(tmp_path).agents["same"] == Agent(kind="openclaw", machine="pc-1", tags=("a",))


SOME = st.sampled_from(["", "a", "1.10", "NO", "\u8717\u725b"])
TAGS = st.lists(st.sampled_from(["rack-a", "gpu"]), unique=True).map(tuple)
SAID = st.builds(Settings, kind=st.just("openclaw"), version=st.none() | SOME, model=st.none() | SOME, tags=TAGS).map(
    lambda s: msgspec.structs.replace(s, **{f: msgspec.UNSET for f in ("version", "model") if getattr(s, f) is None})
)


@settings(deadline=None, max_examples=60)
@given(said=SAID, agent=st.builds(Agent, kind=SOME, version=SOME, image=SOME, image_of=SOME, model=SOME, tags=TAGS))
def test_whatever_is_inherited_an_agent_reads_as_it_was_written(
    said: Settings, agent: Agent, tmp_path_factory: pytest.TempPathFactory
) -> None:
    at = tmp_path_factory.mktemp("fleet")
    (at / "fleet.yaml").write_bytes(msgspec.json.encode({"defaults": said}))
    agent = agent if agent.image else msgspec.structs.replace(agent, image_of="")
    load.save_agent(at, "one", agent)
    if agent.image and not agent.image_of:  # an image of no version: of the version that the file itself says
        agent = msgspec.structs.replace(agent, image_of=load.load(at).agents["one"].image_of)
    assert load.load(at).agents["one"] == agent


def test_the_image_in_a_file_of_an_earlier_version_is_of_the_version_in_it(tmp_path: Path) -> None:
    old = "kind: k\nmachine: pc-1\nversion: '7'\nimage: i\nref: r\n"
    agents = load.load(folder(tmp_path, GROUPS, old=old, inherits="image: i\n")).agents
    assert agents["old"].image_of == agents["old"].version == "7"
    assert (agents["inherits"].image_of, agents["inherits"].version) == ("", "2026.9.6")  # nobody knows of which


def test_a_member_beyond_its_group_is_left_out_of_the_wish_and_not_forgotten(tmp_path: Path) -> None:
    folder(tmp_path, GROUPS, social_04="group: social\nmachine: pc-1\n")
    wish = load.load(tmp_path)
    assert "social-04" not in wish.agents
    assert wish.beyond["social-04"].machine == "pc-1"
    load.forget_machine(tmp_path, "pc-1", wish)
    assert not list((tmp_path / "agents").iterdir())


def test_pages_of_members_are_all_different_and_those_written_stay(tmp_path: Path) -> None:
    wish = load.load(folder(tmp_path, GROUPS, social_03="group: social\npage: 18701\n", lone="{}\n"))
    pages = {name: agent.page_port for name, agent in wish.agents.items()}
    assert pages == {"lone": 18700, "social-01": 18702, "social-02": 18703, "social-03": 18701}


def test_earlier_ways_to_say_the_kind_are_read(tmp_path: Path) -> None:
    assert (
        load.load(folder(tmp_path, "version: 1\nkind: openclaw\n", a="machine: pc-1\n")).agents["a"].kind == "openclaw"
    )
    (tmp_path / "fleet.yaml").write_text("defaults: {kind: openclaw}\nkind: nanobot\n")
    assert (refused(tmp_path).key, refused(tmp_path).where) == ("file.twice", f"{tmp_path}/fleet.yaml:2:1")


@pytest.mark.parametrize(
    ("fleet", "agents", "key", "where"),
    [
        ("groups:\n  b: {count: 2, names: b}\n", {}, "fleet.group_names", "fleet.yaml:2:24"),
        ("groups:\n  b: {count: 2, names: 'b-#-#'}\n", {}, "fleet.group_names", "fleet.yaml:2:24"),
        ("groups:\n  b: {count: 2, names: B-#}\n", {}, "fleet.group_member", "fleet.yaml:2:24"),
        ("groups:\n  B: {count: 2}\n", {}, "fleet.group_member", "fleet.yaml:2:3"),
        (f"groups:\n  {'b' * 38}: {{count: 2}}\n", {}, "fleet.group_member", "fleet.yaml:2:3"),
        ("groups:\n  b: {count: 2}\n", {}, "fleet.no_kind", "fleet.yaml:2:3"),
        ("groups: {b: {count: 2}, c: {count: 1, names: b-##}}\n", {}, "fleet.groups_collide", "fleet.yaml:1:46"),
        ("groups: {b: {count: 2, names: c-##}, c: {count: 1}}\n", {}, "fleet.groups_collide", "fleet.yaml:1:38"),
        ("groups:\n  b: {count: 2, kind: k}\n", {"b_02": "kind: k\n"}, "fleet.group_agent", "fleet.yaml:2:3"),
        ("groups:\n  b: {count: 2, kind: k}\n", {"c": "group: b\n"}, "fleet.group_other", "agents/c.yaml:1:8"),
        ("groups:\n  b: {count: 2, kind: k}\n", {"b_3": "group: b\n"}, "fleet.group_other", "agents/b-3.yaml:1:8"),
        ("groups:\n  b: {count: 2, kind: k}\n", {"c": "kind: k\ngroup: d\n"}, "fleet.no_group", "agents/c.yaml:2:8"),
        ("groups:\n  b: {count: 2, kind: k, machine: pc-2}\n", {}, "fleet.no_machine", "fleet.yaml:2:35"),
        ("defaults: {machine: pc-2}\n", {"c": "kind: k\n"}, "fleet.no_machine", "fleet.yaml:1:21"),
        ("", {"c": "kind: k\nmachine: pc-2\n"}, "fleet.no_machine", "agents/c.yaml:2:10"),
        ("", {"c": "version: '1'\n"}, "file.wrong", "agents/c.yaml:1:1"),
        ("", {"c": "- kind\n"}, "file.wrong_whole", "agents/c.yaml:1:1"),
        ("", {"c": "kind: k\npage: 70000\n"}, "file.wrong", "agents/c.yaml:2:7"),
        ("", {"c": "kind: k\ngroup: [b]\n"}, "file.wrong", "agents/c.yaml:2:8"),
        ("policy: {waves: [50%, 20%]}\n", {}, "policy.waves", "fleet.yaml:1:23"),
        ("policy: {waves: [1, 50%, 2, 2]}\n", {}, "policy.waves", "fleet.yaml:1:29"),
        ("policy: {min_healthy_time: 10s, healthy_deadline: 5s}\n", {}, "policy.times", "fleet.yaml:1:51"),
        ("policy: {progress_deadline: 1m}\n", {}, "policy.times", "fleet.yaml:1:29"),
        ("policy: {max_failures: 0%}\n", {}, "policy.failures", "fleet.yaml:1:24"),
        ("policy: {waves: [5%, 101%]}\n", {}, "file.wrong", "fleet.yaml:1:22"),
        ("polcy: {}\n", {}, "file.unknown_key", "fleet.yaml:1:1"),
        ("groups: {b: {count: 200000, kind: k}}\n", {}, "file.wrong", "fleet.yaml:1:21"),
    ],
)
def test_a_mistake_in_the_folder_is_told_at_its_very_place(
    tmp_path: Path, fleet: str, agents: dict[str, str], key: str, where: str
) -> None:
    error = refused(folder(tmp_path, fleet, **agents))
    assert (error.key, error.where) == (key, f"{tmp_path}/{where}")
    assert str(error)


def test_the_line_of_a_group_is_that_of_its_count(tmp_path: Path) -> None:
    assert line_of(folder(tmp_path, GROUPS), "social") == f"{tmp_path}/fleet.yaml:6"


@given(st.integers(1, 5000), st.sampled_from(["a-#", "a-##", "b##c", "###", "x-####-y"]))
def test_a_members_name_tells_its_number(number: int, names: str) -> None:
    assert number_of(names, member(names, number)) == number
    assert number_of(names, member(names, number) + "x") == 0


def test_a_number_with_other_zeros_is_another_name() -> None:
    assert [number_of("a-##", name) for name in ("a-1", "a-001", "a-01", "a-100", "a-\u0661\u0661", "b-01", "a-")] == [
        0, 0, 1, 100, 0, 0, 0,
    ]  # fmt: skip


def test_shares_are_rounded_up_and_waves_reach_everyone() -> None:
    assert [amount("5%", 10), amount("5%", 100), amount("25%", 7), amount(3, 7), amount("0%", 7)] == [1, 5, 2, 3, 1]
    assert Policy().reaches(100) == (1, 5, 25, 100)
    assert Policy().reaches(1) == (1,)
    assert Policy(canary=0, waves=(2, "50%")).reaches(12) == (2, 6, 12)
    assert Policy(canary=3).reaches(12) == (3, 12)
    assert (Policy().healthy_for, Policy().healthy_within, Policy(progress_deadline="2h").progress_within) == (
        10, 300, 7200,
    )  # fmt: skip


def test_10000_agents_on_1000_machines_load_in_a_moment(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "machines").mkdir()
    (tmp_path / "fleet.yaml").write_text(GROUPS.replace("count: 3", "count: 5000"))
    for n in range(1000):
        text = f'address: "10.0.{n // 250}.{n % 250}"\nid: "{n:032x}"\narchitecture: "amd64"\ntags: ["rack-a"]\n'
        (tmp_path / "machines" / f"pc-{n}.yaml").write_text(text)
    for n in range(7500):
        group, name = ('group: "social"\n', f"social-{n + 1:02}") if n < 2500 else ("", f"lone-{n}")
        text = f'machine: "pc-{n % 1000}"\n{group}image: "sha256:{n:064x}"\nimage_of: "2026.9.6"\npage: 0\n'
        (tmp_path / "agents" / f"{name}.yaml").write_text(text)
    begun = time.process_time()
    wish = load.load(tmp_path)
    took = time.process_time() - begun
    assert (len(wish.agents), len(wish.machines)) == (10_000, 1000)
    assert took < 3
