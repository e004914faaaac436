"""What a person sees when something is not as it should be.

One sentence, the right exit code, the next command to type, and a machine that was left as it was.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.machine import hostkey
from fleet.machine.pins import Pins
from fleet.machine.target import Target
from tests.rack import faults
from tests.rack.controller import Controller, Typed
from tests.rack.machine import Build, Machine, User

PASSWORD = "the real one 5"
PLAIN = User("plain", "nothing here 9", sudo="no", uid=1001)
BOOTH = User("booth", PASSWORD, sudo="password", uid=1002)


@pytest.fixture(scope="module")
def bare() -> Iterator[Machine]:
    with Machine(Build(root_password=PASSWORD, users=(PLAIN, BOOTH))) as machine:
        yield machine


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


def setup(controller: Controller, machine: Machine, user: str, password: str, *more: str) -> Typed:
    trust = more or ("--fingerprint", machine.fingerprint())
    words = ("setup", "--machine", f"{user}@{machine.address}", "--yes", "--password-stdin", *trust)
    return controller.type(*words, stdin=f"{password}\n")


def told(typed: Typed, code: int, *words: str) -> None:
    """The error is one short paragraph with what, why and a next command, and no traceback."""
    assert typed.code == code, typed.err
    assert "Traceback" not in typed.err
    assert "→ " in typed.err
    assert len(typed.err.strip().splitlines()) <= 8
    for word in words:
        assert word in typed.err.replace("\n  ", " "), typed.err


def untouched(machine: Machine) -> None:
    assert not machine.sh("find / -xdev -iname '*clawrack*' -not -path '/proc/*' -not -path '/var/log/*'").text
    assert machine.sh("command -v docker || true").text == ""
    keys = machine.sh("cat /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys 2>/dev/null || true").text
    assert "clawrack" not in keys.replace(" clawrack-tests", "")


def test_a_wrong_password_is_told_and_tried_once(bare: Machine, controller: Controller) -> None:
    tries = "journalctl --no-pager -u ssh | grep -c 'Failed password' || true"
    before = int(bare.sh(tries).text or 0)
    told(setup(controller, bare, "root", "not it"), 2, "root", bare.address)
    assert int(bare.sh(tries).text) == before + 1
    untouched(bare)


def test_a_host_key_that_nobody_vouched_for_stops_before_any_login(bare: Machine, controller: Controller) -> None:
    words = ("setup", "--machine", f"root@{bare.address}", "--yes", "--password-stdin")
    typed = controller.type(*words, stdin=f"{PASSWORD}\n")
    told(typed, 3, bare.fingerprint(), "--fingerprint")
    untouched(bare)


def test_a_fingerprint_that_is_another_one_stops(bare: Machine, controller: Controller) -> None:
    typed = setup(controller, bare, "root", PASSWORD, "--fingerprint", "SHA256:" + "A" * 43)
    told(typed, 3, bare.fingerprint())
    assert f"--fingerprint {bare.fingerprint()}" not in typed.err  # the wrong one is not recommended
    untouched(bare)


def test_an_address_where_nobody_is(controller: Controller, bare: Machine) -> None:
    nobody = bare.address.rsplit(".", 1)[0] + ".254"
    typed = controller.type("setup", "--machine", f"root@{nobody}", "--yes", "--accept-new-host-key")
    told(typed, 4, nobody)


def test_an_address_that_is_none(controller: Controller) -> None:
    told(controller.type("setup", "--machine", "root@-oProxyCommand=x", "--yes"), 2)
    told(controller.type("setup", "--machine", "root@a b", "--yes"), 2)


def test_a_kind_that_does_not_exist(controller: Controller) -> None:
    told(controller.type("setup", "--kind", "opnclaw", "--yes"), 2, "openclaw")


def test_a_persons_own_key_that_cannot_be_used_is_told_and_left_where_it_is(
    bare: Machine, controller: Controller, tmp_path: Path
) -> None:
    locked = tmp_path / "id_rsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "a passphrase", "-f", str(locked)], check=True)
    (tmp_path / "text").write_text("no key")
    words = ("setup", "--machine", f"root@{bare.address}", "--yes", "--fingerprint", bare.fingerprint(), "--key")
    told(controller.type(*words, str(locked)), 2, "passphrase")
    told(controller.type(*words, str(tmp_path / "text")), 2, "private key")
    told(controller.type(*words, str(tmp_path / "nowhere")), 2)
    assert locked.exists()
    untouched(bare)


def test_a_user_whom_sudo_does_not_know_changes_nothing(bare: Machine, controller: Controller) -> None:
    told(setup(controller, bare, PLAIN.name, PLAIN.password), 5, PLAIN.name)
    assert bare.sh("command -v docker || true").text == ""
    assert not bare.sh("ls /var/lib/clawrack 2>/dev/null || true").text


def test_nobody_to_ask_is_told_with_the_line_to_type(bare: Machine, controller: Controller) -> None:
    words = ("setup", "--machine", f"root@{bare.address}", "--yes", "--fingerprint", bare.fingerprint())
    told(controller.type(*words), 3, "--password-stdin")


def test_a_changed_host_key_stops_everything_with_both_fingerprints(controller: Controller) -> None:
    with Machine() as machine:
        old = machine.fingerprint()
        words = ("setup", "--machine", f"root@{machine.address}", "--key", str(machine.key), "--yes")
        Pins(controller.folder / "state/clawrack/hosts.json").pin(
            "m1", Target(machine.address), hostkey.fetch(Target(machine.address))
        )
        machine.new_host_key()
        told(controller.type(*words), 3, old, machine.fingerprint())
        controller.done(*words, "--fingerprint", machine.fingerprint(), "--plan")


def test_a_plan_writes_nothing_here_or_there_and_says_all_that_would_be_done(
    bare: Machine, controller: Controller
) -> None:
    before = bare.sh("find / -xdev -newer /etc/hostname -type f -path '*ssh*' 2>/dev/null; ls -a /root /var/lib").text
    words = ("setup", "--machine", f"root@{bare.address}", "--fingerprint", bare.fingerprint(), "--password-stdin")
    printed = controller.type(*words, "--yes", "--plan", stdin=f"{PASSWORD}\n")
    assert printed.code == 0, printed.err
    for would in ("Docker and tools", "guard would be installed", "meter would be", "openclaw", "Nothing was changed"):
        assert would in printed.out
    assert (
        bare.sh("find / -xdev -newer /etc/hostname -type f -path '*ssh*' 2>/dev/null; ls -a /root /var/lib").text
        == before
    )
    assert not (controller.folder / "state/clawrack/hosts.json").exists()
    assert not list((controller.folder / "config").rglob("*.yaml"))


def test_a_disk_without_room_is_told_before_anything_is_changed(controller: Controller) -> None:
    with Machine(Build(disk=300, disk_at="/var/lib")) as machine:
        typed = controller.type(
            "setup", "--machine", f"root@{machine.address}", "--key", str(machine.key), "--yes",
            "--fingerprint", machine.fingerprint(),
        )  # fmt: skip
        told(typed, 3, "/var/lib")
        assert machine.sh("command -v docker || true").text == ""


def test_in_chinese_there_is_no_word_of_english_in_the_way(bare: Machine, controller: Controller) -> None:
    typed = controller.type(
        "setup", "--machine", f"root@{bare.address}", "--yes", "--password-stdin", "--fingerprint", bare.fingerprint(),
        stdin="not it\n", more={"CLAWRACK_LANG": "zh"},
    )  # fmt: skip
    assert typed.code == 2
    assert "密码" in typed.err
    assert "password" not in typed.err.lower()


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, Controller]]:
    """A machine with Docker, and a controller that has set up a tiny agent on it."""
    controller = Controller(tmp_path_factory.mktemp("ready"))
    with Machine(Build(docker=True)) as machine:
        words = ("--machine", f"root@{machine.address}", "--key", str(machine.key), "--kind", "tinykind", "--yes")
        typed = controller.done(
            "setup", *words, "--fingerprint", machine.fingerprint(), "--json", more=faulty(controller)
        )
        assert "practice" in typed.document["receipt"]["answer"]
        yield machine, controller


def faulty(controller: Controller, fault: str = "") -> dict[str, str]:
    """The environment in which the tiny kind has a fault of its own."""
    kinds = controller.folder / f"kinds-{fault.replace(':', '-') or 'well'}"
    if not kinds.exists():
        shutil.copytree(Path(__file__).parent / "tinykind", kinds / "tinykind")
        template = kinds / "tinykind/config/tiny.json.j2"
        template.write_text(template.read_text().replace('"fault": ""', f'"fault": "{fault}"'))
    return {"CLAWRACK_KINDS": str(kinds)}


@pytest.mark.parametrize(
    ("fault", "word"),
    [("never_ready", "ready"), ("exit:78", "78"), ("wrong", "version"), ("degraded", "degraded"), ("dies:3", "1")],
)
def test_an_agent_that_does_not_get_well_is_taken_back_and_the_first_one_is_left_alone(
    ready: tuple[Machine, Controller], fault: str, word: str
) -> None:
    machine, controller = ready
    before = machine.sh("docker inspect -f '{{.Id}} {{.State.StartedAt}}' clawrack-tinykind").text
    words = ("setup", "--machine", f"root@{machine.address}", "--kind", "tinykind", "--name", "faulty", "--yes")
    told(controller.type(*words, more=faulty(controller, fault)), 5, "clawrack agent logs faulty", word)
    assert machine.sh("docker ps -aq --filter name=clawrack-faulty").text == ""
    assert machine.sh("docker inspect -f '{{.Id}} {{.State.StartedAt}}' clawrack-tinykind").text == before
    controller.done("agent", "remove", "faulty", "--erase", "--yes", more=faulty(controller))
    assert [a["name"] for a in controller.done("agent", "list", "--json").document["agents"]] == ["tinykind"]


def test_an_engine_that_does_not_start_is_told_with_its_last_words(controller: Controller) -> None:
    with Machine(Build(files={"/etc/docker/daemon.json": (b'{"storage-driver": "no such"}', 0o644)})) as machine:
        words = ("setup", "--machine", f"root@{machine.address}", "--key", str(machine.key), "--yes")
        told(controller.type(*words, "--fingerprint", machine.fingerprint()), 5, "Docker")
        machine.run("rm", "/etc/docker/daemon.json")
        again = controller.type(*words, "--kind", "tinykind", "--json", more=faulty(controller))
        assert again.code == 0, again.err


def test_a_silent_machine_is_told_as_unknown_and_never_as_missing(ready: tuple[Machine, Controller]) -> None:
    machine, controller = ready
    faults.disconnect(machine)
    try:
        status = controller.done("status", "--json").document["status"]
    finally:
        faults.reconnect(machine)
    assert [one["state"] for one in status["machines"]] == ["silent"]
    assert [one["state"] for one in status["agents"]] == ["unknown"]


def test_a_machine_that_another_controller_holds_is_refused_with_its_name(
    ready: tuple[Machine, Controller], tmp_path: Path
) -> None:
    machine, controller = ready
    machine.run("/usr/local/lib/clawrack/guard.sh", "lease", "somebody-else", "60")
    told(controller.type("agent", "stop", "tinykind", more=faulty(controller)), 3, "somebody-else")
    other = Controller(tmp_path)
    words = ("setup", "--machine", f"root@{machine.address}", "--key", str(machine.key), "--kind", "tinykind", "--yes")
    told(other.type(*words, "--fingerprint", machine.fingerprint(), "--name", "second", more=faulty(controller)), 3)
