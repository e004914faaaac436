"""The doctor on a real machine: what is wrong is caused, found, mended as it says, and gone; a healthy machine is well.

The tests share one machine and follow each other; each leaves it well, which the next one begins with.
"""

import shlex
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clawrack import wire
from fleet.api import Fleet
from fleet.base.outcome import AlreadyTrue
from fleet.doctor.ask import ask
from fleet.doctor.finding import FIXES, Finding
from fleet.doctor.mend import Bench, mend
from fleet.kinds import kind
from fleet.site import held
from tests.rack import faults, tinykinds
from tests.rack.controller import Controller
from tests.rack.machine import Build, Machine

AGENT = "well"
DATA = "/var/lib/clawrack"
HOME = f"{DATA}/agents/{AGENT}"
GUARD = "/usr/local/lib/clawrack/guard.sh"
PATIENCE = 4  # seconds that the tiny kind may take to be ready
Found = dict[str, dict[str, Any]]


class Ward:
    """A machine with one agent of the tiny kind, and the controller that looks after it."""

    def __init__(self, machine: Machine, folder: Path) -> None:
        self.machine = machine
        self.controller = Controller(folder)
        self.kinds = folder / "kinds"
        self.fixed: Found = {}
        self.controller.environment["CLAWRACK_KINDS"] = tinykinds.place(self.kinds, patience=PATIENCE)
        place = f"root@{machine.address}"
        self.way_in = ("--machine", place, "--key", str(machine.key), "--kind", tinykinds.NAME, "--yes")
        self.controller.done("setup", *self.way_in, "--fingerprint", machine.fingerprint(), "--name", AGENT)
        self.name: str = self.controller.done("machine", "list", "--json").document["machines"][0]["name"]

    def doctor(self, *words: str, code: int) -> Found:
        """What the doctor finds, by its names; the exit code must be this one."""
        typed = self.controller.type("doctor", *words, "--json")
        assert typed.code == code, f"{typed.code}\n{typed.out[-3000:]}\n{typed.err[-2000:]}"
        self.fixed = {one["id"]: one for one in typed.document["diagnosis"]["fixed"]}
        return {one["id"]: one for one in typed.document["diagnosis"]["findings"]}

    @property
    def fleet(self) -> Fleet:
        """The same fleet, in this process."""
        return wire.open_fleet(self.controller.folder / "config/clawrack/fleet")

    def well(self) -> None:
        """Nothing at all is found."""
        assert self.fleet.doctor().findings == ()

    def fix(self, *words: str) -> Found:
        """Mend, and find nothing any more."""
        assert self.doctor("--fix", *words, code=0) == {}
        return self.fixed

    def typed(self, finding: dict[str, Any], *more: str) -> None:
        """Type a finding's own command: on the machine where it says so, else here."""
        words = shlex.split(finding["command"].partition("   ")[0])
        if words[0] == "ssh":
            assert words[1] == f"root@{self.machine.address}"
            self.machine.run(*words[2:])
        else:
            assert words[0] == "clawrack"
            self.controller.done(*words[1:], *more)

    def guard(self, *words: str) -> dict[str, str]:
        said = self.machine.run(GUARD, *words).text.splitlines()
        return dict(line.split("=", 1) for line in said if "=" in line)

    def edit(self, old: str, new: str) -> None:
        """Edit the agent's configuration by hand, as root on the machine would."""
        self.machine.sh(f"sed -i 's/{old}/{new}/' {HOME}/releases/*/config/tiny.json")

    def restart(self) -> None:
        """Restart the agent without waiting for it to be ready."""
        token = self.guard("lease", "somebody", "60")["token"]
        self.machine.run(GUARD, "restart", token, AGENT, check=False)
        self.guard("release", token)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    with Machine(Build(docker=True, disk=400, disk_at=DATA)) as machine:
        made = Ward(machine, tmp_path_factory.mktemp("ward"))
        with pytest.MonkeyPatch.context() as patch:
            for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "CLAWRACK_KINDS", "CLAWRACK_LANG"):
                patch.setenv(name, made.controller.environment[name])
            for cached in (wire.controller, kind):
                cached.cache_clear()
            yield made
        for cached in (wire.controller, kind):
            cached.cache_clear()


@pytest.fixture(autouse=True)
def _well(ward: Ward) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    yield
    ward.well()


def test_a_healthy_machine_has_nothing_wrong(ward: Ward) -> None:
    ward.well()
    assert ward.doctor(AGENT, "--fix", "--yes", code=0) == {}
    assert ward.fixed == {}
    said = ward.controller.done("doctor", more={"CLAWRACK_LANG": "zh"}).out
    assert "没有问题" in said


def test_every_fix_changes_nothing_where_nothing_is_wrong(ward: Ward) -> None:
    rounds = ward.fleet._rounds(ward.name, "", lambda _: None)  # pyright: ignore[reportPrivateUsage]
    born = ward.machine.run("docker", "inspect", "-f", "{{.Id}} {{.State.StartedAt}}", f"clawrack-{AGENT}").text
    [symptoms] = ask(rounds.patients)
    with held(rounds.patients[0].open(), rounds.patients[0].holder) as site:
        bench = Bench(site, symptoms, rounds.act)
        for fix in FIXES:
            of_agent = fix in {"start", "trial", "config"}
            subject = symptoms.subject(AGENT if of_agent else "")
            finding = Finding(id="engine.down", severity="error", subject=subject, fix=fix)
            assert mend(bench, finding) == AlreadyTrue(), fix
    assert born == ward.machine.run("docker", "inspect", "-f", "{{.Id}} {{.State.StartedAt}}", f"clawrack-{AGENT}").text


def test_what_stands_under_an_agent_is_found_and_mended_at_once(ward: Ward) -> None:
    ward.machine.sh(
        f"chmod 644 {HOME}/secrets/secrets.json; chown 1000 /run/clawrack/{AGENT}/secrets.json; chmod 755 {DATA}/agents"
        f"; chmod 777 {GUARD}; systemctl stop clawrack-tick.timer; systemctl -q disable clawrack-agent@{AGENT}"
        "; rm /etc/systemd/system/clawrack-recover.service; systemctl daemon-reload"
        "; iptables -t mangle -F CLAWRACK-FORWARD"
    )
    causes = {"secret.mode", "parent.mode", "guard.mode", "units.stopped", "units.disabled", "units.missing"}
    found = ward.doctor(code=5)
    assert found.keys() == causes | {"firewall.missing"}
    assert "secrets.json" in found["secret.mode"]["evidence"]
    assert {one["command"] for one in found.values()} == {f"clawrack doctor {ward.name} --fix"}
    ward.typed(found["units.missing"])
    ward.well()
    assert ward.machine.run("systemctl", "is-enabled", "clawrack-recover.service").text == "enabled"


def test_a_meter_that_was_killed_is_found_and_brought_back(ward: Ward) -> None:
    ward.machine.sh("systemctl stop clawrack-meter; docker rm -f clawrack-meter")
    assert ward.doctor(code=5).keys() == {"meter.down"}
    assert ward.fix()["meter.down"]["outcome"] == "done"


def stop_docker(ward: Ward) -> None:
    ward.machine.sh("systemctl stop docker.socket docker.service", timeout=120)


def test_docker_that_is_down_is_found_and_started_and_the_agent_is_back(ward: Ward) -> None:
    stop_docker(ward)
    assert ward.doctor(code=5).keys() == {"engine.down"}
    ward.doctor("--fix", code=0)
    assert ward.fixed["engine.down"]["outcome"] == "done"
    settled(ward)


def settled(ward: Ward, within: float = 120) -> None:
    """Wait until everything runs again and is well; an end that is told of is forgotten by a restart."""
    end = time.monotonic() + within
    while found := {one.id for one in ward.fleet.doctor().findings}:
        assert time.monotonic() < end, found
        if found == {"agent.restarting"}:
            ward.controller.type("agent", "restart", AGENT)
        time.sleep(0.5)


def test_a_full_disk_is_found(ward: Ward) -> None:
    assert ward.machine.disk
    ward.machine.disk.fill(leave=10)
    found = ward.doctor(code=5)
    ward.machine.disk.relieve()
    assert found.keys() == {"disk.state"}
    assert "97 %" in found["disk.state"]["what"] or "98 %" in found["disk.state"]["what"]


@pytest.mark.soak
def test_a_disk_without_inodes_is_found(ward: Ward) -> None:
    ward.machine.sh(f"mkdir {DATA}/many; cd {DATA}/many; seq 200000 | xargs touch 2>/dev/null || true")
    found = ward.doctor(code=5)
    ward.machine.run("rm", "-rf", f"{DATA}/many")
    assert found.keys() == {"inodes.state"}


def test_a_clock_that_is_off_is_found(ward: Ward) -> None:
    """A container cannot set its clock: its `date` tells the hour before, as a machine with a wrong clock does."""
    ward.machine.put("/usr/local/sbin/date", b'#!/bin/sh\nexec /bin/date --date="1 hour ago" "$@"\n', 0o755)
    found = ward.doctor(code=5)
    ward.machine.run("rm", "/usr/local/sbin/date")
    assert found.keys() == {"clock.behind"}
    assert "360" in found["clock.behind"]["what"] or "359" in found["clock.behind"]["what"]


def test_an_edited_configuration_is_shown_without_its_keys_and_put_back_only_after_a_yes(ward: Ward) -> None:
    ward.edit('"fault": ""', '"fault": "", "token": "sk-canary0123456789abcdef"')
    found = ward.doctor(code=0)
    assert found.keys() == {"config.edited"}
    diff = "\n".join(found["config.edited"]["diff"])
    assert '-  "fault": "",' in diff
    assert "canary" not in str(found)
    assert ward.doctor("--fix", code=0).keys() == {"config.edited"}
    assert ward.fixed["config.edited"]["outcome"] == "declined"
    ward.typed(found["config.edited"], "--yes")
    assert "canary" not in ward.machine.sh(f"cat {HOME}/releases/*/config/*").text


def test_an_agent_that_is_not_ready_says_which_probe_and_is_well_with_its_own_configuration(ward: Ward) -> None:
    ward.edit('"fault": ""', '"fault": "never_ready"')
    ward.restart()
    assert "agent.starting" in ward.doctor(code=0)
    time.sleep(PATIENCE)
    found = ward.doctor(AGENT, code=5)
    assert found.keys() == {"agent.not_ready", "config.edited"}
    assert "HTTP 503" in found["agent.not_ready"]["evidence"]
    assert "`ready`" in found["agent.not_ready"]["what"]
    ward.doctor(AGENT, "--fix", "--yes", code=0)
    settled(ward)


def test_an_agent_that_was_given_up_says_why_in_words(ward: Ward) -> None:
    ward.edit('"fault": ""', '"fault": "exit:78"')
    ward.restart()
    time.sleep(3)
    found = ward.doctor("--agent", AGENT, code=5)
    assert found.keys() == {"agent.gave_up", "config.edited"}
    assert "needs a person (exit code 78)" in found["agent.gave_up"]["why"]
    ward.doctor("--fix", "--yes", code=0)
    settled(ward)


def test_a_kill_for_memory_is_told_with_the_limit(ward: Ward) -> None:
    """A child of the agent's asks for too much: the agent lives on, and the engine remembers for an hour."""
    ward.machine.sh(f"docker exec clawrack-{AGENT} python3 -c 'bytearray(400 << 20)'", check=False)
    time.sleep(1)
    found = ward.doctor(code=0)
    assert found.keys() == {"agent.oom"}
    assert "limit 128 MB" in found["agent.oom"]["evidence"]
    stop_docker(ward)  # which forgets it
    ward.typed(ward.doctor(code=5)["engine.down"])
    settled(ward)


def test_an_agent_that_was_killed_is_said_to_restart_and_with_what_it_ended(ward: Ward) -> None:
    ward.machine.run("docker", "kill", f"clawrack-{AGENT}")
    time.sleep(2)
    found = ward.doctor(code=5)
    assert found.keys() == {"agent.restarting"}
    assert "exit code 137" in found["agent.restarting"]["why"]
    ward.controller.done("agent", "restart", AGENT)


@pytest.mark.soak
def test_an_agent_whose_unit_was_stopped_by_hand_is_started(ward: Ward) -> None:
    ward.machine.run("systemctl", "stop", f"clawrack-agent@{AGENT}")
    found = ward.doctor(code=5)
    assert found.keys() == {"agent.down"}
    ward.typed(found["agent.down"])
    ward.machine.run("systemctl", "stop", f"clawrack-agent@{AGENT}")
    ward.doctor("--fix", code=0)
    settled(ward)


@pytest.mark.soak
def test_a_paused_agent_is_found(ward: Ward) -> None:
    ward.machine.run("docker", "pause", f"clawrack-{AGENT}")
    found = ward.doctor(code=5)
    assert found.keys() == {"agent.paused"}
    ward.typed(found["agent.paused"])


@pytest.mark.soak
def test_a_missing_image_is_brought_again(ward: Ward) -> None:
    ward.controller.done("agent", "stop", AGENT)
    image = ward.machine.run("docker", "inspect", "-f", "{{.Image}}", f"clawrack-{AGENT}").text
    ward.machine.sh(f"docker rm clawrack-{AGENT}; docker rmi -f {image}")
    found = ward.doctor(code=5)
    assert found.keys() == {"image.missing", "agent.stopped"}
    assert ward.doctor("--fix", code=0).keys() == {"agent.stopped"}
    assert ward.fixed["image.missing"]["outcome"] == "done"
    ward.typed(found["agent.stopped"])


def test_a_stranger_on_an_agents_network_is_found(ward: Ward) -> None:
    image = ward.machine.run("docker", "inspect", "-f", "{{.Image}}", f"clawrack-{AGENT}").text
    run = ("docker", "run", "-d", "--name", "nosy", "--network", f"clawrack-{AGENT}", "--entrypoint", "python3")
    ward.machine.run(*run, image, "-c", "import time; time.sleep(600)")
    found = ward.doctor(code=5)
    assert found.keys() == {"network.stranger"}
    assert found["network.stranger"]["evidence"] == f"nosy on clawrack-{AGENT}"
    ward.typed(found["network.stranger"])
    ward.well()
    ward.machine.run("docker", "rm", "-f", "nosy")


def test_a_refused_key_is_found_until_the_provider_answers(ward: Ward) -> None:
    """The meter's own program writes down what a provider would have said; no provider but practice is there yet."""
    write = (
        "from pathlib import Path; import sqlite3; db = sqlite3.connect('/ledger/ledger.sqlite', isolation_level=None)"
    )
    row = "db.execute(\"INSERT INTO refusals VALUES ('practice', 401, strftime('%s', 'now') + 0, 2, 0)\")"
    ward.machine.run("docker", "exec", "clawrack-meter", "python3", "-c", f"{write}; {row}")
    found = ward.doctor(code=5)
    assert found.keys() == {"key.refused"}
    assert "HTTP 401" in found["key.refused"]["evidence"]
    ward.typed(found["key.refused"])


def test_a_lease_that_another_holds_for_long_is_found(ward: Ward) -> None:
    token = ward.guard("lease", "other-desk", "1200")["token"]
    assert ward.doctor(code=0) == {}
    ward.machine.run("touch", "-d", "20 minutes ago", f"{DATA}/lease")
    found = ward.doctor(code=0)
    assert found.keys() == {"lease.held"}
    assert "other-desk" in found["lease.held"]["what"]
    ward.guard("release", token)


def test_a_guard_that_was_edited_and_an_older_one_are_replaced_by_the_setup_that_is_told(ward: Ward) -> None:
    ward.machine.sh(f"echo '# mine' >> {GUARD}")
    found = ward.doctor(code=5)
    assert found.keys() == {"guard.edited"}
    ward.typed(found["guard.edited"], "--yes")
    ward.well()
    note = f"echo 0 $(sha256sum < {GUARD} | cut -c 1-64) 0.0.1 > /usr/local/lib/clawrack/brought"
    ward.machine.sh(f"echo '# of last year' >> {GUARD}; {note}")
    found = ward.doctor(code=0)
    assert found.keys() == {"guard.older"}
    ward.typed(found["guard.older"], "--yes")


def test_a_trial_that_a_killed_controller_left_is_finished(ward: Ward) -> None:
    tinykinds.place(ward.kinds, patience=60)
    setup = ward.controller.start("setup", *ward.way_in, "--name", "second")
    trial = f"{DATA}/agents/second/trial"
    end = time.monotonic() + 60
    while "stage=waiting" not in ward.machine.run("cat", trial, check=False).text:
        assert time.monotonic() < end
        time.sleep(0.05)
    setup.send_signal(signal.SIGKILL)
    setup.communicate(timeout=20)
    found = ward.doctor("second", code=0)
    assert found.keys() == {"trial.left"}
    ward.typed(found["trial.left"])
    assert ward.fix() == {}
    ward.controller.done("agent", "remove", "second", "--erase", "--yes")
    tinykinds.place(ward.kinds, patience=PATIENCE)


def test_a_machine_that_does_not_answer_is_an_error_in_words_of_its_own(ward: Ward) -> None:
    ward.machine.sh("systemctl stop ssh.socket ssh.service 2>/dev/null; systemctl stop ssh.service")
    refused = ward.doctor(code=5)
    ward.machine.run("systemctl", "start", "ssh.service")
    ward.machine.wait_ready()
    faults.disconnect(ward.machine)
    silent = ward.doctor(code=5)
    faults.reconnect(ward.machine)
    file = ward.controller.folder / f"config/clawrack/fleet/machines/{ward.name}.yaml"
    there = file.read_text()
    file.write_text(there.replace(ward.machine.address, "nowhere.invalid"))
    nameless = ward.doctor(AGENT, code=5)
    file.write_text(there)
    assert [*refused, *silent, *nameless] == ["machine.refused", "machine.no_answer", "machine.no_name"]
    settled(ward)


def test_our_key_that_was_taken_out_is_found_and_brought_back_by_the_setup_that_is_told(ward: Ward) -> None:
    ward.machine.run("sed", "-i", "/clawrack-tests/!d", "/root/.ssh/authorized_keys")
    found = ward.doctor(code=5)
    assert found.keys() == {"machine.key_missing"}
    assert ward.doctor("--fix", code=5).keys() == {"machine.key_missing"}
    assert ward.fixed == {}
    ward.typed(found["machine.key_missing"], *ward.way_in[2:])


def test_another_host_key_is_found_and_nothing_is_sent(ward: Ward) -> None:
    before = ward.machine.fingerprint()
    ward.machine.new_host_key()
    found = ward.doctor(code=5)
    assert found.keys() == {"hostkey.changed"}
    shown = found["hostkey.changed"]
    assert before in shown["why"]
    assert ward.machine.fingerprint() in shown["why"]
    words = shown["command"].partition("clawrack ")[2].rstrip(")")
    ward.controller.done(*shlex.split(words), *ward.way_in[2:])
