from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from fleet import load, observe, rebuild
from fleet.api.rebuilding import Rebuilding
from fleet.base.clean import pairs
from fleet.base.errors import BadInput, ClawrackError, Refused
from fleet.images import obtain
from fleet.images.recipe import recipe_of
from fleet.kinds import home_of, kind
from fleet.model import FIRST_PAGE, Agent, Machine, Seen, SeenAgent, SeenMachine, Target, Wish
from fleet.render import configs, target

if TYPE_CHECKING:
    from fleet.machine.port import Port

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


DIGEST = "sha256:" + "b" * 64
VERSION = "2026.9.6"


class Told(Rebuilding):
    """A fleet whose machines say what they are told to say."""

    told: SeenMachine

    def __init__(self, folder: Path, says: str) -> None:
        hands = cast("Any", None)  # nothing is carried out here
        super().__init__(folder, lambda name, machine: cast("Port", (name, machine)), hands, hands)
        object.__setattr__(self, "told", observe.read(pairs(says.encode())))

    def seen(self, wish: Wish, *, images: bool = False) -> tuple[Seen, dict[str, ClawrackError]]:
        del images
        return Seen(machines=dict.fromkeys(wish.machines, self.told)), {}


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Agent]:
    def rebuilt(version: str, ref: str, image: str = IMAGE) -> Agent:
        def said(*_: object) -> rebuild.Found:
            return rebuild.Found(version=version, ref=ref)

        def of_meter(*_: object) -> dict[str, str]:
            return {"id": "m1", "meter": "busybox", "meter_ref": ref}

        monkeypatch.setattr(rebuild, "asked", said)
        monkeypatch.setattr(rebuild, "meter_of", of_meter)
        load.save_machine(tmp_path, "attic", Machine(address="192.0.2.7"))
        look = f"id=m1\nagent.ada.release=r1\nagent.ada.kind=openclaw\nagent.ada.image={image}\n"
        Told(tmp_path, look).rebuild()
        wish = load.load(tmp_path)
        assert (wish.machines["attic"].meter, wish.machines["attic"].meter_ref) == ("", "")
        return wish.agents["ada"]

    return rebuilt


@pytest.mark.parametrize("ref", ["evil.example/x@" + DIGEST, "evil.example/openclaw/openclaw@" + DIGEST, "x", ""])
def test_a_machine_does_not_choose_the_registry_that_images_are_pulled_from(
    told: Callable[..., Agent], ref: str
) -> None:
    found = told(VERSION, ref)
    assert (found.version, found.image, found.ref) == (VERSION, IMAGE, "")


@pytest.mark.parametrize("ref", ["ghcr.io/openclaw/openclaw@" + DIGEST, f"clawrack/openclaw:{VERSION}-0123456789ab"])
def test_a_name_that_the_kinds_recipe_leads_to_is_kept(told: Callable[..., Agent], ref: str) -> None:
    assert told(VERSION, ref).ref == ref


@pytest.mark.parametrize("version", ["../../x", "9; reboot", "{{ 1 }}", "1" * 65])
def test_what_can_be_no_version_and_no_image_is_not_written(told: Callable[..., Agent], version: str) -> None:
    found = told(version, "", "/etc/passwd")
    assert (found.version, found.image, found.image_of) == ("", "", "")


def test_a_machine_writes_no_other_file_by_the_names_of_its_agents(tmp_path: Path) -> None:
    folder, victim = tmp_path / "fleet", tmp_path / "victim.yaml"
    victim.write_text("mine")
    load.save_machine(folder, "attic", Machine(address="192.0.2.7", id="m1"))
    names = (str(victim.with_suffix("")), "../../victim", "../machines/attic")
    look = "".join(f"agent.{name}.release=r1\nagent.{name}.kind=openclaw\n" for name in names)
    before = {path: path.read_text() for path in tmp_path.rglob("*.yaml")}
    assert Told(folder, look).rebuild() == []
    assert {path: path.read_text() for path in tmp_path.rglob("*.yaml")} == before


@pytest.mark.parametrize("name", ["../victim", "/tmp/victim", "", "meter", "A"])
def test_no_file_of_the_fleet_is_written_by_a_name_that_is_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput):
        load.save_agent(tmp_path, name, Agent(kind="openclaw"))
    with pytest.raises(BadInput):
        load.save_machine(tmp_path, name, Machine(address="192.0.2.7"))
    assert not list(tmp_path.rglob("*.yaml"))


def test_an_image_pinned_in_a_registry_of_nobodys_choice_is_refused_before_the_machine_is_asked() -> None:
    port = cast("Port", SimpleNamespace(name="attic"))
    with pytest.raises(Refused) as error:
        obtain(port, recipe_of("openclaw", VERSION), pinned="evil.example/x@" + DIGEST)
    assert error.value.key == "image.foreign"
