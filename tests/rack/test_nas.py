"""NAS makers' systems from setup to removal, on machines of the rack that are dressed as them."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.rack import faults, nas, tinykinds
from tests.rack.controller import Controller, Typed
from tests.rack.guard_bench import GUARD, Bench, until
from tests.rack.machine import Build, Machine
from tests.rack.prepare_rig import difference

KIND = tinykinds.NAME
# Whatever of ours still runs, is networked, or filters.
_OURS = "pgrep -fl '[l]ib/clawrack'; docker ps -aq; ip -o link | grep 'cr[0-9]'; iptables-save | grep CLAWRACK"
SETTINGS = (
    "CLAWRACK_DATA=/mnt/user/appdata/clawrack",
    "CLAWRACK_SUPERVISOR=watch",
    "CLAWRACK_HOOK=line:/boot/config/go",
)
# What the maker's own life changes, or ours has to: logs, the engine's room, who logged in.
_PASSING = "/proc /sys /dev /run /tmp /var/log /var/lib/docker /var/lib/containerd /var/lib/sudo /volume1/others"


@pytest.fixture(scope="module")
def synology() -> Iterator[Machine]:
    """A Synology as its owner has it: an administrator with a password, Container Manager, no forwarding by sshd."""
    with Machine(nas.without_systemd(nas.DSM)) as machine:
        yield machine


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    folder = tmp_path_factory.mktemp("nas")
    made = Controller(folder)
    made.environment = {**made.environment, "CLAWRACK_KINDS": tinykinds.place(folder / "kinds")}
    return made


def snapshot(machine: Machine) -> dict[str, list[str]]:
    """Every file with mode, owner and checksum: what removal must bring back."""
    prune = " -o ".join(f"-path {path}" for path in _PASSING.split())
    listed = (
        f"find / \\( {prune} \\) -prune -o -type f -exec sha256sum {{}} +;"
        f" find / \\( {prune} \\) -prune -o ! -type d -exec ls -ldn {{}} + | awk '{{print $1, $3, $4, $9, $10, $11}}';"
        f" find / \\( {prune} \\) -prune -o -type d -print"
    )
    return {"files": machine.sh(f"( {listed} ) | sort", timeout=120).text.splitlines()}


def setup(controller: Controller, machine: Machine, login: str, *more: str, stdin: str = "") -> Typed:
    typed = ("setup", "--machine", f"{login}@{machine.address}", "--fingerprint", machine.fingerprint())
    return controller.type(*typed, "--kind", KIND, "--yes", "--json", *more, stdin=stdin)


def look(machine: Machine) -> set[str]:
    return set(machine.run(GUARD, "look").text.splitlines())


def test_a_synology_goes_from_setup_to_removal(synology: Machine, controller: Controller) -> None:
    before = snapshot(synology)
    word = f"{nas.OWNER.password}\n"
    done = setup(controller, synology, "keeper", "--password-stdin", stdin=word)
    assert (done.code, done.document["receipt"]["changed"]) == (0, True), done
    assert {"supervisor=watch", "watch=up", "hook=ok", "data=/volume1/@clawrack", "firewall=ok"} <= look(synology)
    assert "clawrack" not in synology.sh("cat /home/keeper/.ssh/authorized_keys; ls /etc/sudoers.d", check=False).text
    name = done.document["receipt"]["machine"]

    # what is the maker's own stays as it was; the share that others may write was passed over
    came = [line for line in difference(before, snapshot(synology)) if not re.search("clawrack|/root/.ssh", line)]
    assert came == []

    # a second run changes nothing, and the machine is root's by our key: no password is asked
    again = controller.done("setup", "--machine", name, "--kind", KIND, "--yes", "--json")
    assert again.document["receipt"]["changed"] is False

    faults.power_cut(synology)  # what the hook of the maker's system starts brings everything back
    controller.answers(KIND, "after the power cut?", 60)
    assert {"watch=up", "hook=ok", "firewall=ok"} <= look(synology)

    # the doctor, the log and the watcher's journal, where nobody has heard of systemd
    assert controller.type("doctor", name, "--json").code == 0
    assert "begins" in synology.run(GUARD, "journal", "50").text
    synology.sh("rm /usr/local/etc/rc.d/clawrack.sh; kill $(cat /run/clawrack/watch.pid); sleep 2")
    assert {"watch=down", "hook=missing"} <= look(synology)
    found = controller.type("doctor", name, "--json")
    assert [finding["id"] for finding in found.document["diagnosis"]["findings"]] == ["units.disabled"], found
    assert controller.type("doctor", name, "--fix", "--yes", "--json").code == 0
    assert {"watch=up", "hook=ok"} <= look(synology)

    controller.done("machine", "remove", name, "--erase", "--yes", "--json")
    assert difference(before, snapshot(synology)) == []
    assert synology.sh(_OURS, check=False).text == ""


def test_a_qnap_comes_back_by_its_crontab_and_has_it_byte_for_byte_after_removal(controller: Controller) -> None:
    """Its root is called admin, its /usr/local is memory, its docker in no path, its share a link."""
    with Machine(nas.without_systemd(nas.QTS, users=())) as machine:
        table = machine.get("/etc/config/crontab")
        done = setup(
            controller, machine, "admin", "--password-stdin", "--name", "qnap", stdin=f"{nas.OWNER.password}\n"
        )
        assert (done.code, done.document["receipt"]["changed"]) == (0, True), done
        assert {"watch=up", "hook=ok", "data=/share/CACHEDEV1_DATA/Container/clawrack"} <= look(machine)
        assert machine.get("/etc/config/crontab").startswith(table)
        faults.power_cut(machine)
        controller.answers("qnap", "after the power cut?", 60)
        controller.done("machine", "remove", done.document["receipt"]["machine"], "--erase", "--yes", "--json")
        assert machine.get("/etc/config/crontab") == table
        left = "find / -xdev -name '*clawrack*' -not -path '/proc/*' -not -path '/run/lock/*'; docker ps -aq"
        assert machine.sh(left.replace("docker", nas.QTS.docker)).text == ""


@pytest.mark.soak
def test_an_unraid_comes_back_by_its_go_file(controller: Controller) -> None:
    """Its /usr/local is memory, and its folders are everybody's; the guard alone, as setup would place it."""
    with Machine(nas.without_systemd(nas.UNRAID, users=())) as machine:
        go = machine.get("/boot/config/go")
        planned = setup(controller, machine, "root", "--plan", "--key", str(machine.key))
        told = [json.loads(line) for line in planned.out.splitlines()]
        steps = {document["event"]["step"] for document in told if "event" in document}
        assert (planned.code, {"nas.open.what", "nas.would.line"} <= steps) == (0, True), planned
        bench = Bench(machine, ("env", *SETTINGS))
        assert bench.install().code == 0
        assert {"watch=up", "hook=ok", "data=/mnt/user/appdata/clawrack"} <= look(machine)
        faults.power_cut(machine)
        until(lambda: "watch=up" in look(machine), 30, "the go file has started the watcher")
        assert machine.run(GUARD, "uninstall", "erase").code == 0
        assert machine.get("/boot/config/go") == go


@pytest.mark.soak
def test_a_ugreen_with_systemd_keeps_our_units_and_nobody_calls_apt(controller: Controller) -> None:
    with Machine(nas.with_systemd(nas.UGOS)) as machine:
        machine.sh(nas.UGOS.undress)
        done = setup(
            controller, machine, "keeper", "--password-stdin", "--name", "ugreen", stdin=f"{nas.OWNER.password}\n"
        )
        assert (done.code, done.document["receipt"]["changed"]) == (0, True), done
        assert {"supervisor=systemd", "data=/volume1/docker/clawrack"} <= look(machine)
        controller.done("machine", "remove", done.document["receipt"]["machine"], "--erase", "--yes", "--json")
        left = "ls -d /volume1/docker/clawrack /etc/systemd/system/*clawrack* /etc/sudoers.d/*clawrack* /apt-was-called"
        assert machine.sh(left, check=False).text == ""


# What a maker's system looks like, and what its owner is told.
REFUSED = {
    "nas.engine.dsm": "mkdir -p /usr/syno /volume1; rm /usr/bin/docker",
    "nas.engine.fnos": "mkdir -p /usr/trim/bin /vol1; touch /usr/trim/bin/appcenter-cli; rm /usr/bin/docker",
    "preflight.compromised": "mkdir -p /usr/trim/bin /vol1; touch /usr/trim/bin/appcenter-cli /usr/sbin/gots",
    "nas.engine.unraid": "echo version=7.1.4 >/etc/unraid-version; mkdir -p /mnt/user/appdata; rm /usr/bin/docker",
    "nas.vm.truenas": "touch /usr/bin/midclt /usr/local/bin/freenas-debug",
    "nas.engine.zimaos": "echo ID=zimaos >/etc/os-release; mkdir -p /DATA/AppData; rm /usr/bin/docker",
    "nas.read_only": "echo ID=zimaos >/etc/os-release; mkdir -p /DATA; mount -t tmpfs -o ro none /usr/local",
    "nas.vm.proxmox_ve": "touch /usr/bin/pveversion",
}
_UNDONE = (
    "umount /usr/local 2>/dev/null; cp /root/os-release /etc/os-release; cp -p /root/docker /usr/bin/docker;"
    "rm -rf /usr/syno /usr/trim /volume1 /vol1 /mnt/user /DATA /etc/unraid-version /usr/bin/midclt /usr/sbin/gots"
    " /usr/local/bin/freenas-debug /usr/bin/pveversion"
)


def test_each_other_maker_gets_the_sentence_that_leads_on(controller: Controller) -> None:
    with Machine(Build(docker=True)) as machine:
        machine.sh("cp -L /etc/os-release /root/os-release; rm /etc/os-release; cp -p /usr/bin/docker /root/docker")
        for key, dress in REFUSED.items():
            machine.sh(f"{_UNDONE}; {dress}")
            told = setup(controller, machine, "root", "--plan", "--key", str(machine.key))
            error = json.loads(told.err.splitlines()[-1])["error"]
            assert (told.code, error["key"]) == (3, key), told
            assert min(len(error[part]) for part in ("what", "why", "next")) > 0
        machine.sh(f"{_UNDONE}; mkdir -p /etc/openmediavault; touch /etc/openmediavault/config.xml")
        assert setup(controller, machine, "root", "--plan", "--key", str(machine.key)).code == 0  # as any Debian
        assert machine.sh("ls -d /var/lib/clawrack /usr/local/lib/clawrack", check=False).text == ""
