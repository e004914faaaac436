"""A machine is handed over: who set it up has no access any more, and its owner has a command of their own.

The tests share one machine and follow each other, as its first days with its owner would.
"""

import hashlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from fleet.base import places
from fleet.base.cells import width
from installer.handover import owner
from tests.rack import tinykinds
from tests.rack.controller import Controller
from tests.rack.guard_bench import packed
from tests.rack.machine import Build, Machine, Result, User

# Put together here, so that a search of the device does not find them in this file: the device has the checkout.
OLD, NEW, OTHER = (" ".join(("canary", *words)) for words in (("operator", "5"), ("owner:", "6"), ("booth", "7")))
KEYS = "# mine\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKaUJrp5 child@home\nssh-rsa AAAAB3NzaC1yc2EAAAADAQAB parent@home\n"
FILE = "/home/ana/.ssh/authorized_keys"
AGENT = tinykinds.NAME
GUARD = "/usr/local/lib/clawrack/guard.sh"
ROOT = Path(__file__).parents[2]


def people() -> tuple[User, ...]:
    return User("ana", OLD), User("booth", OTHER, uid=1001)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    binds = (
        *(f"{path}:{path}:ro" for path in sorted({str(ROOT), sys.base_prefix} - {"/usr"})),
        f"{places.cache()}:/root/.cache/clawrack",  # a clawrack of the device's own would make the images once more
    )
    with Machine(Build(docker=True, root_key=False, users=people(), binds=binds)) as machine:
        yield machine


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tinykinds.place(tmp_path_factory.mktemp("kinds"))


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory, kinds: str) -> Controller:
    made = Controller(tmp_path_factory.mktemp("controller"))
    made.environment["CLAWRACK_KINDS"] = kinds
    return made


def set_up(machine: Machine, controller: Controller, user: str, password: str) -> str:
    """Set the machine up through a login, and return its name in that controller's fleet."""
    words = ("setup", "--machine", f"{user}@{machine.address}", "--fingerprint", machine.fingerprint(), "--yes")
    typed = controller.done(*words, "--kind", AGENT, "--password-stdin", "--json", stdin=f"{password}\n")
    return str(typed.document["receipt"]["machine"])


@pytest.fixture(scope="module")
def name(machine: Machine, controller: Controller) -> str:
    """The machine, set up through its owner's own login; two other people have keys there."""
    machine.put(FILE, KEYS.rstrip("\n").encode(), 0o600)
    machine.sh("chmod 700 /home/ana/.ssh; chown -R ana: /home/ana/.ssh")
    return set_up(machine, controller, "ana", OLD)


def opens(machine: Machine, controller: Controller, user: str = "ana", password: str = "") -> bool:
    """Whether a login opens: by the controller's key, or by a password; by a program that is not ours."""
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        key = None if password else str(controller.folder / "state/clawrack/key")
        try:
            client.connect(
                machine.address, username=user, password=password or None, key_filename=key, allow_agent=False,
                look_for_keys=False,
            )  # fmt: skip
        except paramiko.AuthenticationException:
            return False
        return True


def on_device(machine: Machine, *words: str, lang: str = "en_US.UTF-8") -> Result:
    """What the owner types on the device, by their own login."""
    as_owner = ("runuser", "-u", "ana", "--", "env", "-u", "LC_ALL", "TERM=xterm", f"LANG={lang}")
    return machine.run(*as_owner, "clawrack-agent", *words, check=False, timeout=120)


def test_what_breaks_off_before_the_key_goes_leaves_full_access_and_says_so(
    machine: Machine, controller: Controller, name: str
) -> None:
    words = ("machine", "handover", name, "--yes")
    assert controller.type(*words, "--json").code == 2  # nobody said what becomes of the password
    same = controller.type(*words, "--way", "rotate", "--password-stdin", stdin=f"{OLD}\n{OLD}\n")
    assert (same.code, "full access" in same.err) == (2, True), same
    taken = machine.run(GUARD, "lease", "somebody", "60").text.removeprefix("token=").split()[0]
    held = controller.type(*words, "--way", "rotate", "--password-stdin", stdin=f"{OLD}\n{NEW}\n")
    assert held.code == 3, held
    ours = machine.sh(f"grep clawrack- {FILE}").out
    command = packed({file: text.encode() for file, text in owner.files("en").items()})
    brought = (GUARD, "owner", taken, hashlib.sha256(command).hexdigest())
    for died, stdin in (
        (("env", "CLAWRACK_FAILPOINT=owner-texts", *brought), command),
        (("env", "CLAWRACK_FAILPOINT=password", GUARD, "password", taken, "ana"), f"{NEW}\n".encode()),
        (("env", "CLAWRACK_FAILPOINT=handover", GUARD, "handover", taken, "ana", "key"), ours),
    ):
        assert machine.run(*died, stdin=stdin, check=False).code in {137, -9}, died
        assert opens(machine, controller), died
    assert opens(machine, controller, password=OLD)
    assert "lease.left=0" in machine.run(GUARD, "look").text
    machine.sh("mount --bind /home/ana/.ssh /home/ana/.ssh; mount -o remount,ro,bind /home/ana/.ssh")
    half = controller.type(*words, "--way", "rotate", "--password-stdin", stdin=f"{OLD}\n{NEW}\n")
    machine.sh("umount /home/ana/.ssh")
    assert (half.code, "with full access" in half.out + half.err) == (5, True), half
    assert opens(machine, controller)  # the password went, the key did not: nothing but full access, and it can go on
    assert controller.done("machine", "list", "--json").document["machines"]


def test_the_key_is_removed_and_the_password_rotated_and_both_are_refused(
    machine: Machine, controller: Controller, name: str, tmp_path: Path
) -> None:
    paper = tmp_path / "receipt.txt"
    twin = Controller(shutil.copytree(controller.folder, tmp_path / "twin"))
    words = ("machine", "handover", name, "--way", "rotate", "--receipt", str(paper), "--password-stdin", "--yes")
    typed = controller.done(*words, "--json", stdin=f"{OLD}\n{NEW}\n")
    receipt = typed.document["receipt"]
    access = receipt["access"]
    assert (access["key"], access["password"], access["others"]) == ("removed", "rotated", 2)
    assert access["proven"].endswith("Z")
    assert not opens(machine, controller)
    assert not opens(machine, controller, password=OLD)
    assert opens(machine, controller, password=NEW)
    assert machine.get(FILE).decode() == KEYS
    assert machine.sh(f"stat -c '%U %a' {FILE}; ls -A /home/ana/.ssh").text.split() == [
        "ana", "600", "authorized_keys",
    ]  # fmt: skip
    assert "lease.left=0" in machine.run(GUARD, "look").text
    assert receipt["stop"] == "clawrack-agent stop"
    assert "/usr/local/bin/clawrack-agent" in receipt["changes"]["paths"]
    text = paper.read_text()
    assert "removed" in text
    assert "rotated" in text
    assert "erased" not in text
    assert max(width(line) for line in text.splitlines()) <= 80
    secrets = machine.get(f"/var/lib/clawrack/agents/{AGENT}/secrets/secrets.json").decode()
    hidden = [OLD, NEW, *(word for word in secrets.replace('"', " ").split() if len(word) > 20)]
    assert len(hidden) >= 4
    assert not [word for word in hidden if word in text + typed.out + typed.err]

    twin.environment["CLAWRACK_KINDS"] = controller.environment["CLAWRACK_KINDS"]
    knocks(twin, name)


def knocks(twin: Controller, name: str) -> None:
    """A controller that had begun, and did not see the end, proves it; one that had not begun claims nothing."""
    mark = twin.folder / "state/clawrack/handing" / name
    words = ("machine", "handover", name, "--way", "rotate", "--password-stdin", "--yes", "--json")
    mark.unlink()
    assert twin.type(*words, stdin=f"{OLD}\n{NEW}\n").code == 4
    assert twin.done("machine", "list", "--json").document["machines"]
    mark.touch()
    access = twin.done(*words, stdin=f"{OLD}\n{NEW}\n").document["receipt"]["access"]
    assert (access["key"], access["password"], access["others"]) == ("removed", "rotated", None)
    assert name.encode() not in twin.written()


def test_nothing_of_the_machine_stays_on_the_controller_and_no_password_anywhere(
    machine: Machine, controller: Controller, name: str
) -> None:
    kept = controller.written()
    for word in (OLD, NEW, machine.address, name, machine.host_key().split()[1]):
        assert word.encode() not in kept
    assert not [path for path in controller.folder.rglob("*") if name in path.name]
    assert controller.done("status", "--json").document["status"]["machines"] == []
    found = machine.sh(
        f"grep -rlsF -e '{OLD}' -e '{NEW}' /etc /home /root /var/lib/clawrack /var/log /run /tmp || true"
    )
    assert not found.text
    assert "canary" not in machine.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").text


def test_the_owner_asks_stops_and_starts_with_the_command_on_the_device(machine: Machine) -> None:
    assert f"{AGENT} runs" in on_device(machine).text
    asked = on_device(machine, "ask", "Who are you?")
    assert (asked.code, "practice" in asked.text) == (0, True), asked
    assert "练习" in on_device(machine, "ask", AGENT, "你好 你是谁").text
    assert "已停下" in on_device(machine, "stop", lang="zh_CN.UTF-8").text
    assert "is stopped" in on_device(machine, "status", lang="C").text  # the language of the hand-over
    refused = on_device(machine, "ask", "hello")
    assert (refused.code, refused.text) == (5, "")
    assert on_device(machine, "start").code == 0
    assert "already" in on_device(machine, "start").text
    assert AGENT in on_device(machine, "usage").text
    assert on_device(machine, "stop", "nobody").code == 2
    assert on_device(machine, "remove").code == 2  # nobody can be asked, and nobody said what becomes of the data
    assert "lease.left=0" in machine.run(GUARD, "look").text


def test_a_login_made_only_for_the_installation_goes_as_a_whole(machine: Machine, controller: Controller) -> None:
    name = set_up(machine, controller, "booth", OTHER)
    more = {"PROMPT_TOOLKIT_NO_CPR": "1"}
    with controller.at_terminal("machine", "handover", name, rows=90, more=more) as terminal:
        terminal.sees("Type its name")
        terminal.press(f"{name}\r")
        terminal.sees("What becomes of the password of booth")
        terminal.press("3\r")
        terminal.sees("that you know")
        terminal.press(f"{OTHER}\r")
        assert terminal.ends() == 0, terminal.text
        assert "The login booth, made only for this: removed" in terminal.text
        assert OTHER not in terminal.text
    assert machine.run("id", "booth", check=False).code == 1
    assert machine.sh("ls -d /home/booth /etc/sudoers.d/*clawrack-booth 2>/dev/null || true").text == ""
    assert not opens(machine, controller, "booth")
    assert not opens(machine, controller, "booth", OTHER)
    assert opens(machine, controller, password=NEW)
    assert machine.address.encode() not in controller.written()


def test_ssh_takes_no_passwords_where_that_was_chosen_and_the_keys_of_others_stay(
    machine: Machine, controller: Controller
) -> None:
    name = set_up(machine, controller, "ana", NEW)
    words = ("machine", "handover", name, "--way", "off", "--password-stdin", "--yes", "--json")
    access = controller.done(*words, stdin=f"{NEW}\n").document["receipt"]["access"]
    assert (access["key"], access["password"], access["others"]) == ("removed", "off", 2)
    assert not opens(machine, controller, password=NEW)
    assert machine.get(FILE).decode() == KEYS


def test_clawrack_on_the_device_itself_takes_over_what_runs_there(machine: Machine, kinds: str) -> None:
    for file in Path(kinds).rglob("*"):  # not below /tmp: the machine has one of its own there
        if file.is_file():
            machine.put(f"/srv/kinds/{file.relative_to(kinds)}", file.read_bytes())
    life = ("docker", "inspect", "-f", "{{.Id}} {{.State.StartedAt}}", f"clawrack-{AGENT}")
    before = machine.run(*life).text
    there = (
        "env",
        "-C",
        str(ROOT),
        f"PATH={sys.prefix}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "CLAWRACK_KINDS=/srv/kinds",
    )
    words = ("python", "-P", "-m", "clawrack", "setup", "--machine", "here", "--kind", AGENT, "--yes", "--json")
    taken = machine.run(*there, *words, timeout=200, check=False)
    assert taken.code == 0, (taken.text, taken.err)
    assert before == machine.run(*life).text
    assert on_device(machine, "ask", "still there?").code == 0


def test_the_owner_removes_it_all_and_the_command_goes_with_it(machine: Machine) -> None:
    removed = on_device(machine, "remove", "--erase", "--yes", lang="zh_CN.UTF-8")
    assert (removed.code, "已移除" in removed.text) == (0, True), removed
    left = "ls -d /var/lib/clawrack /usr/local/lib/clawrack /usr/local/bin/clawrack-agent /etc/sudoers.d/*clawrack-*"
    assert machine.sh(f"{left} 2>/dev/null || true").text == ""
    assert machine.run("docker", "ps", "-aq").text == ""
