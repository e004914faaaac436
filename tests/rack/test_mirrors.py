"""Where packages come from, tried on a machine among played mirrors; and Docker's own settings, left as they are."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from fleet.base.errors import ActionFailed
from fleet.base.event import Event
from installer.facts import Facts, look
from installer.mirrors import Archive, Known, Mirror, known
from installer.mirrors.measure import tried
from installer.preflight import Need, judge
from installer.provision import carry_out
from installer.steps import Machine as Subject
from installer.steps.packages import Packages
from tests.rack import engine, mirrors_rig, network, recipe
from tests.rack.machine import Build, Machine
from tests.rack.mirrors_rig import Answer, Played
from tests.rack.prepare_rig import Controller, Person


@pytest.fixture(scope="module")
def gateway() -> str:
    return network.gateway(network.ensure(engine.client()))


@pytest.fixture(scope="module")
def bare() -> Iterator[Machine]:
    with Machine(Build()) as machine:
        yield machine


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


def with_source(machine: Machine, url: str) -> Iterator[None]:
    """The machine's own source is that address, for a while."""
    before = machine.get("/etc/apt/sources.list")
    machine.put("/etc/apt/sources.list", f"deb {url} bookworm main\n".encode())
    yield
    machine.put("/etc/apt/sources.list", before)


def test_a_mirror_without_the_codename_is_found_before_anything_and_the_best_of_the_others_is_taken(
    bare: Machine, place: Street, tmp_path_factory: pytest.TempPathFactory
) -> None:
    controller = Controller(tmp_path_factory.mktemp("controller"))
    bare.put("/root/.ssh/authorized_keys", controller.key.public.encode() + b"\n", 0o600)
    port = controller.reach(bare, Person())
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
    liar = place(mirrors_rig.another)[0]
    clouds = {liar.url: "aliyun"}
    events: list[Event] = []
    bare_facts = {key: value for key, value in facts.values.items() if not key.startswith("net_")}
    inside = replace(facts, values={**bare_facts, "dmi.sys_vendor": "Alibaba Cloud", "sdv_vm": "kvm"})
    steps = (Packages(known=place.known(clouds)),)
    assert carry_out(Subject(port, inside), steps, controller.home / "journals", events.append) == ["step.packages"]
    taken = [str(event.params["address"]) for event in events if event.step == "step.packages.mirror"]
    assert taken == [liar.url, good.url], taken
    assert bare.sh("docker --version; command -v iptables").text
    assert bare.get("/etc/apt/sources.list") == own_list
    assert bare.sh("grep ^mirror= /var/lib/clawrack/prepare").text == f"mirror={good.url}"
    for played in (portal, silent, forbidden):
        assert {path for path in played.asked if not path.endswith("/Release")} == set()
    port.close()


def test_where_no_mirror_does_it_is_one_sentence_with_what_each_said(
    bare: Machine, place: Street, tmp_path_factory: pytest.TempPathFactory
) -> None:
    controller = Controller(tmp_path_factory.mktemp("controller"))
    bare.put("/root/.ssh/authorized_keys", controller.key.public.encode() + b"\n", 0o600)
    port = controller.reach(bare, Person())
    own, _, _ = place(mirrors_rig.throttling, mirrors_rig.lying, mirrors_rig.forbidding)
    bare.put("/etc/apt/sources.list", f"deb {own.url} bookworm main\n".encode())
    facts = tried(port, look(port, net=True), place.known())
    assert not facts.get("net_mirror")
    problem = next(problem for problem in judge(facts, Need()) if problem.key == "preflight.mirror")
    assert "403" in str(problem.params["tests"])
    bare.sh("dpkg --purge --force-depends tar gzip iptables; rm -f /usr/sbin/iptables", check=False)
    plain = Facts({key: value for key, value in facts.values.items() if not key.startswith("net_")})
    with pytest.raises(ActionFailed) as caught:
        carry_out(Subject(port, plain), (Packages(known=place.known()),), controller.home / "journals", lambda _: None)
    assert caught.value.key == "packages.throttled"
    assert "429" in str(caught.value.params["reason"])
    port.close()
