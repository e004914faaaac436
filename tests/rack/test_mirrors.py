"""Where packages come from, tried on a machine among played mirrors; and Docker's own settings, left as they are."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.base.errors import ActionFailed, Refused
from fleet.base.event import Event, ignore
from fleet.images import obtain, registry
from fleet.images.cache import Cache
from fleet.images.registry import Pinned
from fleet.machine.port import Port
from installer.facts import Facts, look
from installer.mirrors import Archive, Known, Mirror, known
from installer.mirrors.measure import tried
from installer.preflight import Need, judge
from installer.provision import carry_out
from installer.steps import Machine as Subject
from installer.steps.packages import Packages
from tests.rack import engine, images_rig, mirrors_rig, network, recipe
from tests.rack.machine import Build, Machine
from tests.rack.mirrors_rig import Answer, Played
from tests.rack.prepare_rig import Controller, Person

LACKING = "dpkg --purge --force-depends iptables"


@pytest.fixture(scope="module")
def gateway() -> str:
    return network.gateway(network.ensure(engine.client()))


@pytest.fixture(scope="module")
def bare() -> Iterator[Machine]:
    """One that lacks one package of what it needs, so that little has to be fetched."""
    with Machine(Build(docker=True)) as machine:
        machine.sh(LACKING)
        yield machine


@pytest.fixture(scope="module")
def port(bare: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    controller = Controller(tmp_path_factory.mktemp("controller"))
    bare.put("/root/.ssh/authorized_keys", controller.key.public.encode() + b"\n", 0o600)
    opened = controller.reach(bare, Person())
    yield opened
    opened.close()


@pytest.fixture
def place(gateway: str) -> Iterator["Street"]:
    street = Street(gateway)
    yield street
    street.close()


class Street:
    """Mirrors side by side; the archive that they should all hold."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self.mirrors: list[Played] = []

    def __call__(self, *answers: Answer) -> list[Played]:
        """Open mirrors that answer so."""
        opened = [Played(self._gateway, answer) for answer in answers]
        self.mirrors += opened
        return opened

    def known(self, clouds: dict[str, str] | None = None) -> Known:
        """What would be known, if these were all there is."""
        archive = known().archives["debian"]
        mirrors = tuple(Mirror(played.url, cloud=(clouds or {}).get(played.url, "")) for played in self.mirrors)
        return Known({"debian": Archive(archive.test, archive.mark, mirrors, archive.keyring, "main", archive.updates)})

    def close(self) -> None:
        """Close them all."""
        for played in self.mirrors:
            played.__exit__()


def real() -> str:
    """The box's own mirror of what machines are made of."""
    return recipe.mirror(recipe.SYSTEMS["debian12"]).site.rstrip("/")


def test_a_mirror_without_the_codename_is_found_before_anything_and_the_best_of_the_others_is_taken(
    bare: Machine, port: Port, place: Street, tmp_path: Path
) -> None:
    own, portal, silent, slow, good, forbidden = place(
        mirrors_rig.absent,
        mirrors_rig.lying,
        mirrors_rig.silent,
        mirrors_rig.whole(real(), after=1.5),
        mirrors_rig.whole(real()),
        mirrors_rig.forbidding,
    )
    own_list = f"deb {own.url} bookworm main\n".encode()
    bare.put("/etc/apt/sources.list", own_list)
    world = place.known()

    # at the look, before anything is changed: which one will be used
    facts = look(port, net=True)
    assert facts.get("net_apt").startswith("failed ")
    assert "preflight.mirror" in {problem.key for problem in judge(facts, Need())}
    facts = tried(port, facts, world)
    assert facts.get("net_mirror").split()[0] == good.url
    assert {slow.url} == set(facts.get("net_mirror").split()[1:])
    judged = {problem.key: problem.severity for problem in judge(facts, Need())}
    assert judged.get("preflight.mirror_other") == "mend"
    assert "preflight.mirror" not in judged

    # nobody looked (or it was well then): apt fails, and they are tried there and then; one that lies about what it
    # has is found by its signature, and the next is taken
    silent.__exit__()  # waited for once
    liar = place(mirrors_rig.another)[0]
    clouds = {liar.url: "aliyun"}
    events: list[Event] = []
    bare_facts = {key: value for key, value in facts.values.items() if not key.startswith("net_")}
    inside = replace(facts, values={**bare_facts, "dmi.sys_vendor": "Alibaba Cloud", "sdv_vm": "kvm"})
    steps = (Packages(known=place.known(clouds)),)
    assert carry_out(Subject(port, inside), steps, tmp_path, events.append) == ["step.packages"]
    taken = [str(event.params["address"]) for event in events if event.step == "step.packages.mirror"]
    assert taken == [liar.url, good.url], taken
    assert bare.sh("command -v iptables").text
    assert bare.get("/etc/apt/sources.list") == own_list
    assert bare.sh("grep ^mirror= /var/lib/clawrack/prepare").text == f"mirror={good.url}"
    for played in (portal, silent, forbidden):
        assert {path for path in played.asked if not path.endswith("/Release")} == set()


def test_a_registry_that_has_had_enough_of_this_address_is_said_to_be_throttling_and_never_that_a_key_is_wrong(
    bare: Machine, port: Port, place: Street, tmp_path: Path, gateway: str
) -> None:
    bare.put("/etc/docker/daemon.json", f'{{"insecure-registries": ["{gateway}/32"]}}'.encode())
    done = bare.sh("systemctl restart docker", check=False)
    assert done.code == 0, bare.sh("cat /etc/docker/daemon.json; journalctl -u docker -n 30 --no-pager").text
    much, forbidden, gone = place(mirrors_rig.registry(429), mirrors_rig.registry(403), mirrors_rig.registry(404))
    refs = [f"{played.host}/official/image:1" for played in (much, forbidden, gone)]
    found, refusals = registry.asked(port.docker(), refs)
    assert found is None
    assert [(no.registry, no.why) for no in refusals] == [
        (much.host, "throttled"),
        (forbidden.host, "forbidden"),
        (gone.host, "absent"),
    ]

    wanted = images_rig.recipe("throttled", registry=refs[:2], apt=["busybox-static"], needs=["bin/busybox"])
    cache = Cache(tmp_path)
    with pytest.raises(Refused) as told:
        obtain(port, wanted, cache=cache, build_here=False)
    assert (told.value.key, told.value.params["registry"]) == ("image.throttled", much.host)
    assert "key" not in told.value.part("what")
    with pytest.raises(ActionFailed) as pulled:
        registry.pull(port.docker(), Pinned(f"{much.host}/official/image", f"sha256:{'0' * 64}"))
    assert pulled.value.key == "image.throttled"


def test_where_no_mirror_does_it_is_one_sentence_with_what_each_said(
    bare: Machine, port: Port, place: Street, tmp_path: Path
) -> None:
    own, _, _ = place(mirrors_rig.throttling, mirrors_rig.lying, mirrors_rig.forbidding)
    bare.put("/etc/apt/sources.list", f"deb {own.url} bookworm main\n".encode())
    facts = tried(port, look(port, net=True), place.known())
    assert not facts.get("net_mirror")
    problem = next(problem for problem in judge(facts, Need()) if problem.key == "preflight.mirror")
    assert "403" in str(problem.params["tests"])
    bare.sh(LACKING)
    plain = Facts({key: value for key, value in facts.values.items() if not key.startswith("net_")})
    with pytest.raises(ActionFailed) as caught:
        carry_out(Subject(port, plain), (Packages(known=place.known()),), tmp_path, ignore)
    assert caught.value.key == "packages.throttled"
    assert "429" in str(caught.value.params["reason"])
