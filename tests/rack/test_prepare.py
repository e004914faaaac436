"""A bare machine over SSH becomes ready, from wherever it was left; and bare again."""

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.base.errors import ActionFailed, BadInput, ClawrackError, Refused
from fleet.base.event import Event, ignore
from fleet.machine.guard import GUARD, Guard
from installer import remote
from installer.facts import look
from installer.preflight import Need, judge
from installer.provision import carry_out
from installer.steps import STEPS
from installer.steps.step import NOTES
from installer.steps.step import Machine as Subject
from installer.unprepare import Removal, unprepare
from tests.rack.machine import Build, Machine, User
from tests.rack.prepare_rig import Controller, Person, difference, snapshot, start_apart

SOCKET = 'use IO::Socket::UNIX; IO::Socket::UNIX->new(Local => "/run/user/0/docker.sock", Listen => 1)'
ROOT = "root's own 5"
BOOTH = User(password="open sesame 7")
PLAIN = User("plain", "nothing here 9", sudo="no", uid=1001)
# fcntl's locks, which dpkg uses, are not those of flock(1); perl is on every Debian
HOLD = """setsid perl -e 'use Fcntl; open F, "+>", "/var/lib/dpkg/lock-frontend";
my $l = pack("s s x4 q q l x4", F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $l) or die; sleep 8' \\
>/dev/null 2>&1 </dev/null &"""


@pytest.fixture(scope="module")
def bare() -> Iterator[Machine]:
    """Root by password, a user that sudo does not know."""
    with Machine(Build(root_key=False, root_password=ROOT, users=(PLAIN,))) as machine:
        yield machine


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    return Controller(tmp_path_factory.mktemp("controller"))


def failed_logins(machine: Machine) -> int:
    return int(machine.sh("journalctl -q --no-pager -u ssh | grep -c 'Failed password' || true").text)


def key_error(error: pytest.ExceptionInfo[ClawrackError]) -> str:
    assert error.value.part("what"), error.value.key
    assert error.value.part("next"), error.value.key
    return error.value.key


def test_an_unknown_host_key_that_nobody_trusts_stops_before_any_login(bare: Machine, tmp_path: Path) -> None:
    person = Person(ROOT, trusts=False)
    with pytest.raises(Refused) as caught:
        Controller(tmp_path).reach(bare, person)
    assert key_error(caught) == "hostkey.declined"
    assert person.asked == [f"trust {bare.fingerprint()}"]


def test_a_wrong_password_is_tried_once(bare: Machine, controller: Controller) -> None:
    person = Person("wrong")
    with pytest.raises(BadInput) as caught:
        controller.reach(bare, person)
    assert caught.value.key == "ssh.wrong_password"
    assert failed_logins(bare) == 1
    assert person.asked.count("password root") == 1


def test_without_anybody_to_ask_it_says_so(bare: Machine, controller: Controller) -> None:
    with pytest.raises(Refused) as caught:
        controller.reach(bare, Person(None))
    assert key_error(caught) == "bootstrap.no_password"


def test_a_user_that_sudo_does_not_know_changes_nothing(bare: Machine, tmp_path: Path) -> None:
    controller = Controller(tmp_path)
    port = controller.reach(bare, Person(PLAIN.password), PLAIN.name)
    before = snapshot(bare)
    with pytest.raises(ActionFailed) as caught:
        controller.prepare(port)
    assert caught.value.key == "sudo.not_allowed"
    assert difference(before, snapshot(bare)) == []
    port.close()


def test_root_by_password_becomes_ready_past_a_held_lock_and_a_cut_wire(bare: Machine, controller: Controller) -> None:
    person = Person(ROOT)
    port = controller.reach(bare, person)
    assert person.asked == [f"trust {bare.fingerprint()}", "password root"]
    bare.sh(HOLD)
    time.sleep(0.3)
    facts = look(port)
    assert [problem.key for problem in judge(facts, Need())] == ["preflight.apt_busy"]
    assert controller.prepare(port, plan_only=True) == ["step.packages", "step.engine", "step.guard"]
    cut: list[str] = []

    def cut_once(event: Event) -> None:
        if event.step == "step.packages.line" and not cut:
            cut.append(bare.sh("pkill -c -f '^sshd: root@notty'").text)

    started = time.monotonic()
    done = controller.prepare(port, also=cut_once)
    assert time.monotonic() - started > 5
    assert cut == ["1"]
    assert bare.sh("grep -c '^Start-Date' /var/log/apt/history.log").text == "1"
    assert done[0] == "step.packages"
    assert done[-1] == "step.guard"
    assert "perl" in str(controller.told("step.packages.waiting"))
    assert bare.sh("docker version --format '{{.Server.Version}}'").text
    assert dict(Guard(port).look())["id"]
    assert bare.sh("ls /run/clawrack-job 2>/dev/null", check=False).text == ""
    port.close()


def test_a_second_run_asks_nobody_and_changes_nothing(bare: Machine, controller: Controller) -> None:
    before = snapshot(bare)
    pids = bare.sh("pidof dockerd; systemctl show -p ActiveEnterTimestampMonotonic clawrack-boot docker").text
    person = Person(None)
    started = time.monotonic()
    port = controller.reach(bare, person)
    done = controller.prepare(port)
    assert time.monotonic() - started < 5
    assert (done, person.asked) == ([], [])
    assert {event.kind for event in controller.events} == {"already"}
    assert bare.sh("pidof dockerd; systemctl show -p ActiveEnterTimestampMonotonic clawrack-boot docker").text == pids
    assert difference(before, snapshot(bare)) == []
    port.close()


def test_a_guard_that_somebody_changed_is_put_right(bare: Machine, controller: Controller) -> None:
    port = controller.reach(bare, Person())
    bare.sh(f"echo '# changed' >> {GUARD}; chmod 777 {GUARD}")
    assert controller.prepare(port) == ["step.guard"]
    assert bare.sh(f"stat -c '%a %U' {GUARD}").text == "755 root"
    port.close()


def test_removal_leaves_docker_and_nothing_of_ours(bare: Machine, controller: Controller) -> None:
    port = controller.reach(bare, Person())
    Guard(port).uninstall("erase")
    bare.sh("rm -rf /root/.ssh")
    bare.sh(
        "mkdir -m 700 /root/.ssh; printf '# mine\\n' > /root/.ssh/authorized_keys; chmod 640 /root/.ssh/authorized_keys"
    )
    before = snapshot(bare) | {
        "keys": bare.sh("stat -c '%a' /root/.ssh/authorized_keys; cat /root/.ssh/authorized_keys").text.split()
    }
    port.close()
    port = controller.reach(bare, Person(ROOT))
    assert carry_out(Subject(port, look(port)), STEPS, controller.home / "journals", ignore) == ["step.guard"]
    steps: list[str] = []
    unprepare(port, Removal("erase", key=controller.key), lambda event: steps.append(event.step))
    assert "unprepare.docker_stays" in steps
    after = snapshot(bare) | {
        "keys": bare.sh("stat -c '%a' /root/.ssh/authorized_keys; cat /root/.ssh/authorized_keys").text.split()
    }
    assert difference(before, after) == []
    port.close()
    with pytest.raises(Refused) as caught:
        controller.reach(bare, Person(None))
    assert caught.value.key == "bootstrap.no_password"


@pytest.fixture(scope="module")
def booth() -> Iterator[Machine]:
    """A user who may sudo with a password; root takes none."""
    with Machine(Build(root_key=False, users=(BOOTH,))) as machine:
        yield machine


def test_a_controller_killed_in_the_middle_of_apt_carries_on(
    booth: Machine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("killed")
    child = start_apart(home, booth.address, BOOTH.name, BOOTH.password)
    assert child.stdout
    for line in child.stdout:
        if "step.packages.line" in line:
            break
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert booth.sh("systemctl is-active clawrack-job-packages").text == "active"
    controller = Controller(home)
    person = Person(BOOTH.password)
    port = controller.reach(booth, person, BOOTH.name)
    done = controller.prepare(port)
    assert controller.events[0].step == "prepare.resumed"
    assert done[0] == "step.packages"
    assert done[-1] == "step.sudo"
    assert person.asked == ["password booth"]
    assert booth.sh("grep -c '^Start-Date' /var/log/apt/history.log").text == "1"
    assert (
        BOOTH.password not in booth.sh("journalctl -q --no-pager; cat /var/log/auth.log 2>/dev/null", check=False).text
    )
    assert all(BOOTH.password not in path.read_text() for path in (home / "journals").iterdir())
    port.close()

    # Afterwards sudo gives the guard, and nothing else, to nobody's password
    person = Person(None)
    port = controller.reach(booth, person, BOOTH.name)
    assert controller.prepare(port) == []
    assert dict(Guard(port).look())["id"]
    assert port.docker().version()["Version"]
    assert port.run(("sudo", "-n", "--", "id")).code != 0
    assert port.run(("cat", f"/etc/sudoers.d/zz-clawrack-{BOOTH.name}")).code != 0
    assert person.asked == []
    assert booth.sh("visudo -c").code == 0
    port.close()

    # Removal with Docker needs root again; it stays, for somebody else has come to use it
    booth.sh("tar -C / -c bin/true | docker import - theirs")
    port = controller.reach(booth, Person(BOOTH.password), BOOTH.name)
    steps: list[str] = []
    unprepare(port, Removal("erase", docker=True, key=controller.key), lambda event: steps.append(event.step))
    assert "unprepare.docker_images" in steps
    assert booth.sh("docker image inspect theirs").code == 0
    assert booth.sh("ls /run/clawrack-job", check=False).code != 0
    assert booth.sh("ls /etc/sudoers.d").text.split() == ["README", BOOTH.name]
    assert booth.sh(f"ls -A /home/{BOOTH.name} | grep ssh", check=False).text == ""
    port.close()


def test_a_power_cut_in_the_middle_of_apt_is_mended(tmp_path: Path) -> None:
    with Machine(Build(users=(User(sudo="nopasswd", key=True),))) as machine:
        key = machine.get("/home/booth/.ssh/authorized_keys").decode()
        controller = Controller(tmp_path)
        machine.put("/home/booth/.ssh/authorized_keys", f"{key}{controller.key.public}\n".encode(), 0o600)
        machine.sh("chown booth: /home/booth/.ssh/authorized_keys")
        child = start_apart(tmp_path, machine.address, "booth", "unused")
        unpacking = "grep -q 'unpack.* docker.io' /var/log/dpkg.log"
        while machine.sh(unpacking, check=False).code:
            assert child.poll() is None
            time.sleep(0.05)
        machine.container.kill()
        child.kill()
        child.wait()
        machine.start()
        person = Person(None)
        port = controller.reach(machine, person, "booth")
        done = controller.prepare(port)
        # sudo gives this login everything without a password, so nothing is added to it
        assert (done[0], done[-1]) == ("step.packages", "step.guard")
        assert machine.sh("dpkg --audit").text == ""
        assert machine.sh("docker version").code == 0
        assert person.asked == []
        port.close()


@pytest.fixture(scope="module")
def troubled() -> Iterator[Machine]:
    """No room for packages, a third-party source that is broken, a daemon.json that is none."""
    with Machine(Build(disk=20, disk_at="/var/cache/apt/archives")) as machine:
        yield machine


def test_an_engine_that_agents_cannot_run_on_is_refused_before_anything_is_fetched(
    troubled: Machine, tmp_path: Path
) -> None:
    controller = Controller(tmp_path)
    troubled.put("/root/.ssh/authorized_keys", controller.key.public.encode() + b"\n", 0o600)
    port = controller.reach(troubled, Person())
    # settings that Docker could not read, or that agents could not run with, are told before anything is fetched
    for content, key, at in (
        (b'{\n  "log-driver" "json-file"\n}\n', "daemon.broken", ":2:16"),
        (b'{\n  // mine\n  "debug": false\n}\n', "daemon.comments", ":2:3"),
        (b'{"userns-remap": "default"}\n', "preflight.userns", ""),
    ):
        troubled.put("/etc/docker/daemon.json", content)
        with pytest.raises(ClawrackError) as refused:
            controller.prepare(port, plan_only=True)
        assert key_error(refused) == key
        assert refused.value.where.endswith(at)
    assert "preflight.userns" in {problem.key for problem in judge(look(port), Need())}
    assert troubled.sh("ls /var/lib/clawrack", check=False).code != 0

    # an engine of somebody's own, without root; and the network of the machine where Docker would put its bridge
    troubled.put("/etc/docker/daemon.json", b'{ "log-level": "warn",\t"labels": ["rack=1"] }')
    troubled.sh("ip route add 172.17.0.0/24 dev eth0")
    troubled.sh(f"mkdir -p -m 700 /run/user/0; perl -e '{SOCKET}'")
    problems = {problem.key: problem for problem in judge(look(port), Need())}
    assert problems["preflight.rootless"].severity == "fix"
    assert problems["preflight.bridge"].severity == "mend"
    troubled.sh("rm -rf /run/user/0")
    port.close()


def test_troubles_are_told_one_by_one_and_each_run_carries_on(troubled: Machine, tmp_path: Path) -> None:
    controller = Controller(tmp_path)
    troubled.put("/root/.ssh/authorized_keys", controller.key.public.encode() + b"\n", 0o600)
    troubled.put("/etc/apt/sources.list.d/broken.list", b"deb [trusted=yes] file:/nowhere stable main\n")
    troubled.put("/etc/apt/sources.list.d/torn.list", b"deb [ nonsense\n")
    gone = b"Types: deb\nURIs: file:/gone\nSuites: stable\nComponents: main\nTrusted: yes\n\n"
    troubled.put("/etc/apt/sources.list.d/gone.sources", gone)
    port = controller.reach(troubled, Person())
    before = snapshot(troubled)

    with pytest.raises(ActionFailed) as caught:
        controller.prepare(port)
    assert key_error(caught) == "packages.no_room"
    assert troubled.sh("command -v dockerd", check=False).code != 0
    assert controller.told("step.daemon.merged")

    broken = {str(told["file"]) for told in controller.told("step.packages.broken_source")}
    assert broken == {f"/etc/apt/sources.list.d/{name}" for name in ("broken.list", "torn.list", "gone.sources")}

    troubled.sh("umount /var/cache/apt/archives")
    merged = troubled.get("/etc/docker/daemon.json")
    troubled.put("/etc/docker/daemon.json", merged.replace(b'"warn"', b'"loud"'))
    with pytest.raises(ActionFailed) as caught:
        controller.prepare(port)
    assert key_error(caught) == "docker.not_starting"
    assert "loud" in str(caught.value.params["reason"])

    troubled.put("/etc/docker/daemon.json", merged)
    assert controller.prepare(port)[-1] == "step.guard"
    assert "192.168.215.1/24" in troubled.sh("ip -4 -o addr show docker0").text
    assert controller.prepare(port) == []

    # somebody else installs, all the time: a sentence with who it is, and nobody is ended
    troubled.sh(HOLD.replace("sleep 8", "sleep 90"))
    time.sleep(0.3)
    ran = remote.run(port, "apt.sh", NOTES, "1", "-", "docker.io")
    assert ran.code == 22
    assert re.search(rb"^clawrack:lock [0-9]+ \(perl\)$", ran.out, re.MULTILINE)
    troubled.sh("pkill -x perl")

    steps: list[str] = []
    unprepare(port, Removal("erase", docker=True), lambda event: steps.append(event.step))
    assert steps[-1] == "unprepare.docker"
    left = difference(before, snapshot(troubled))
    assert not left, "\n".join(left)
    port.close()
