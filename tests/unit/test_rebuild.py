import pytest

from fleet import rebuild
from fleet.kinds import home_of, kind
from fleet.model import FIRST_PAGE, Agent, SeenAgent, SeenMachine, Target
from fleet.render import configs, target

IMAGE = "sha256:" + "5" * 64
FOUND = rebuild.Found(version="2026.9.6", ref="clawrack/openclaw:2026.9.6-abc")


def rendered(name: str, agent: Agent) -> Target:
    return target(name, agent, kind(agent.kind), configs(home_of(agent.kind)))


@pytest.mark.parametrize("page", [0, FIRST_PAGE, FIRST_PAGE + 1, FIRST_PAGE + rebuild.PAGES - 1])
def test_an_agents_file_is_found_again_by_the_release_that_it_makes(page: int) -> None:
    lost = Agent(kind="openclaw", machine="attic", version="2026.9.6", image=IMAGE, page=page)
    seen = SeenAgent(name="ada", kind="openclaw", image=IMAGE, release=rendered("ada", lost).release)
    found = rebuild.agent(seen, "attic", FOUND, rendered)
    assert rendered("ada", found).release == seen.release
    assert (found.page_port, found.machine, found.ref) == (lost.page_port, "attic", FOUND.ref)


def test_where_no_port_makes_the_release_the_rest_is_written_all_the_same() -> None:
    seen = SeenAgent(name="ada", kind="openclaw", image=IMAGE, release="of another template")
    found = rebuild.agent(seen, "attic", FOUND, rendered)
    assert (found.kind, found.image, found.page) == ("openclaw", IMAGE, 0)


def test_only_what_is_in_no_file_is_missing() -> None:
    there = SeenMachine(id="m", agents={name: SeenAgent(name=name) for name in ("bob", "ada", "eve")})
    assert rebuild.missing(there, {"bob", "zoe"}) == ["ada", "eve"]
