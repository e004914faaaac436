import pytest

from fleet.images.recipe import recipe_of
from fleet.images.trusted import trusted_id, trusted_ref
from fleet.kinds import METER
from fleet.model import Agent, Machine, Seen, SeenMachine, Wish
from fleet.resolve import Found, Sort, resolve

VERSION = "2026.9.6"
DIGEST = "sha256:" + "b" * 64
GOOD: Found = ("sha256:" + "1" * 64, "ghcr.io/openclaw/openclaw@" + DIGEST)
OTHER: Found = ("sha256:" + "2" * 64, "ghcr.io/openclaw/openclaw@sha256:" + "c" * 64)
BUILT: Found = ("sha256:" + "3" * 64, f"clawrack/openclaw:{VERSION}-0123456789ab")


def nothing(_: Sort) -> Found | None:
    return None


def built(_: Sort) -> Found | None:
    return BUILT


def has(machine: str, image: Found = ("", "")) -> Agent:
    of = VERSION if image[0] else ""
    return Agent(kind="openclaw", machine=machine, version=VERSION, image=image[0], ref=image[1], image_of=of)


def given(agents: dict[str, Agent], knows: object = nothing, images: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return the image of each agent, by its name."""
    names = {agent.machine for agent in agents.values()}
    machines = {name: Machine(address=name, meter=GOOD[0]) for name in names}
    there = SeenMachine(id="m", architecture="amd64", engine="24", store="classic", images=images)
    seen = Seen(machines=dict.fromkeys(names, there))
    wish = resolve(Wish(machines=machines, agents=agents), seen, built if knows is built else nothing, "0.3.0").wish
    return {name: agent.image for name, agent in wish.agents.items()}


def test_the_file_of_one_machines_agent_does_not_choose_the_image_of_anothers() -> None:
    agents = {"aaa": has("hostile", OTHER), "bob": has("box"), "cat": has("attic")}
    assert given(agents) == {"aaa": OTHER[0], "bob": "", "cat": ""}


def test_what_this_computer_has_built_comes_before_what_others_run() -> None:
    agents = {"aaa": has("hostile", OTHER), "bea": has("accomplice", OTHER), "bob": has("box")}
    assert given(agents, built)["bob"] == BUILT[0]


def test_what_two_machines_run_is_given_to_a_third_one() -> None:
    agents = {"ada": has("one", GOOD), "bea": has("two", GOOD), "aaa": has("hostile", OTHER), "new": has("box")}
    assert given(agents)["new"] == GOOD[0]


def test_a_machine_is_counted_once_however_many_agents_it_says_it_has() -> None:
    agents = {"aaa": has("hostile", OTHER), "aab": has("hostile", OTHER), "new": has("box")}
    assert given(agents)["new"] == ""


def test_where_machines_are_at_odds_none_of_them_is_followed() -> None:
    pairs = {"one": GOOD, "two": GOOD, "three": OTHER, "four": OTHER}
    agents = {name: has(name, image) for name, image in pairs.items()}
    assert given({**agents, "new": has("box")})["new"] == ""


def test_a_second_agent_of_a_machine_runs_from_what_the_first_one_does() -> None:
    assert given({"ada": has("box", GOOD), "new": has("box")})["new"] == GOOD[0]


@pytest.mark.parametrize(("images", "image"), [(frozenset({OTHER[0]}), OTHER[0]), (frozenset[str](), BUILT[0])])
def test_an_image_that_nobody_can_name_is_looked_for_where_its_machine_lacks_it(
    images: frozenset[str], image: str
) -> None:
    assert given({"ada": has("box", (OTHER[0], ""))}, built, images)["ada"] == image


@pytest.mark.parametrize(
    "ref", [GOOD[1], BUILT[1], "docker.io/openclaw/openclaw@" + DIGEST, "openclaw/openclaw@" + DIGEST]
)
def test_a_ref_that_the_recipe_leads_to_is_kept(ref: str) -> None:
    assert trusted_ref(ref, recipe_of("openclaw", VERSION)) == ref


@pytest.mark.parametrize(
    "ref",
    [
        "",
        "evil.example/x@" + DIGEST,
        "evil.example/ghcr.io/openclaw/openclaw@" + DIGEST,
        "ghcr.io/openclaw/openclaw.evil@" + DIGEST,
        "ghcr.io/openclaw/openclaw:latest",
        "ghcr.io/openclaw/openclaw@latest",
        f"ghcr.io/openclaw/openclaw@{DIGEST}\n",
        "clawrack/openclaw@" + DIGEST,
        f"clawrack/nanobot:{VERSION}-0123456789ab",
        "clawrack/openclaw:2026.8.2-0123456789ab",
        f"clawrack/openclaw:{VERSION}-official",
        f"evil.example/clawrack/openclaw:{VERSION}-0123456789ab",
    ],
)
def test_any_other_ref_is_not(ref: str) -> None:
    assert trusted_ref(ref, recipe_of("openclaw", VERSION)) == ""


def test_the_meters_image_is_ours_alone() -> None:
    assert trusted_ref("clawrack/meter:0.3.0-0123456789ab", recipe_of(METER, "0.3.0"))
    assert not trusted_ref("clawrack/meter@" + DIGEST, recipe_of(METER, "0.3.0"))


@pytest.mark.parametrize("image", ["", "sha256:1", "busybox", f"{DIGEST}\n", "/etc/passwd"])
def test_only_an_id_is_an_images_id(image: str) -> None:
    assert (trusted_id(DIGEST), trusted_id(image)) == (DIGEST, "")
