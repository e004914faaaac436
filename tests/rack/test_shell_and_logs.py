"""Looking into agents and machines: a shell at a real terminal, logs of many in one order, machines that are left."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.base.errors import BadInput
from fleet.base.secret import Secret
from fleet.machine import hostkey
from fleet.machine.keys import ControllerKey
from fleet.machine.login import KeyLogin
from fleet.machine.port import Window
from fleet.machine.shell.talk import Near, talk
from fleet.machine.ssh import SshPort
from fleet.machine.target import Target
from tests.rack import faults, tinykinds
from tests.rack.controller import Controller, Typed
from tests.rack.guard_bench import until
from tests.rack.machine import Build, Machine, User

# The rack's own rule for him is in a file that sudo does not read, for its name has a dot.
JOHN = User("john.doe", "open sesame 7", sudo="password", key=True)
RULE = {"/etc/sudoers.d/90-people": (b"john.doe ALL=(ALL:ALL) ALL\n", 0o440)}
SHELLS = "[python3, dash, bash, coreutils]"
PROMPT = "$ "


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    made = Controller(tmp_path_factory.mktemp("controller"))
    made.environment["CLAWRACK_KINDS"] = str(made.folder / "kinds")
    return made


@pytest.fixture(scope="module")
def johns(controller: Controller) -> Iterator[Machine]:
    """A machine whose login has a dot and a sudo with a password; on it `one`, and `two` without a shell."""
    with Machine(Build(docker=True, users=(JOHN,), files=RULE)) as machine:
        tinykinds.place(controller.folder / "kinds")
        recipe = controller.folder / "kinds" / tinykinds.NAME / "image.yaml"
        recipe.write_text(recipe.read_text().replace("[python3]", SHELLS))
        setup(controller, machine, "one", JOHN)
        tinykinds.place(controller.folder / "kinds")
        setup(controller, machine, "two", JOHN)
        yield machine


@pytest.fixture(scope="module")
def roots(controller: Controller) -> Iterator[Machine]:
    """A bare machine that was set up from nothing, with `three` on it."""
    with Machine(Build()) as machine:
        tinykinds.place(controller.folder / "kinds")
        setup(controller, machine, "three")
        yield machine


def setup(controller: Controller, machine: Machine, name: str, user: User | None = None) -> None:
    to = f"{user.name if user else 'root'}@{machine.address}"
    words = ("--machine", to, "--fingerprint", machine.fingerprint(), "--key", str(machine.key), "--yes", "--json")
    more = ("--password-stdin",) if user else ()
    told = user.password + "\n" if user else ""
    controller.done("setup", *words, *more, "--kind", tinykinds.NAME, "--name", name, stdin=told)


def called(machine: Machine) -> str:
    """The machine's name in the fleet."""
    return machine.address.replace(".", "-")


def writes(controller: Controller, agent: str, text: str) -> None:
    """Have a line in the agent's log."""
    line = f"{text}\n".encode()
    script = f"import os; os.write(os.open('/proc/1/fd/1', os.O_WRONLY), {line!r})"
    controller.done("agent", "shell", agent, "--", "python3", "-c", script)


def processes(machine: Machine, agent: str) -> str:
    return machine.run("docker", "top", f"clawrack-{agent}", "-o", "pid,args").text


def documents(typed: Typed, name: str) -> list[Any]:
    return [json.loads(line)[name] for line in typed.out.splitlines()]


# A shell in an agent


def test_a_shell_in_an_agent_is_a_terminal_and_no_root(controller: Controller, johns: Machine) -> None:
    with controller.at_terminal("agent", "shell", "one", rows=33, columns=101) as shell:
        shell.sees(PROMPT)
        assert shell.raw
        shell.press(
            # Docker tells a terminal its size a moment after the command has begun
            "while [ \"$(stty size)\" = '0 0' ]; do :; done; "
            "stty size; echo $TERM; tty; id -u; while read l; do echo $l; done </proc/self/status; echo DO''NE\n"
        )
        told = shell.sees("DONE")
        assert "33 101" in told
        assert "xterm-256color" in told
        assert "/dev/pts/" in told
        assert "CapEff: 0000000000000000" in told
        assert "CapBnd: 0000000000000000" in told
        assert "NoNewPrivs: 1" in told
        uid = johns.run("docker", "container", "inspect", "-f", "{{.Config.User}}", "clawrack-one").text.partition(":")[
            0
        ]
        assert f"\n{uid}\n" in told
        assert int(uid) > 2000000
        shell.resize(50, 140)
        time.sleep(0.5)
        shell.press("stty size\n")
        shell.sees("50 140")
        shell.sees(PROMPT)
        shell.press("sleep 100\n")
        time.sleep(0.3)
        shell.press("\x03")
        shell.sees("^C")
        shell.sees(PROMPT)
        shell.press("echo code=$?.; sleep 100\n")
        shell.sees("code=130.")
        time.sleep(0.3)
        shell.press("\x1a")
        shell.sees("topped")
        shell.sees(PROMPT)
        shell.press("fg\n")
        shell.sees("sleep 100")
        time.sleep(0.3)
        shell.press("\x03")
        shell.sees(PROMPT)
        shell.press("exit 42\n")
        assert shell.ends() == 42
        assert shell.restored()
    with controller.at_terminal("agent", "shell", "one") as shell:
        shell.sees(PROMPT)
        shell.press("\x04")
        assert shell.ends() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda n: n.name)
def test_a_terminal_comes_back_from_a_clawrack_that_is_killed(
    controller: Controller, johns: Machine, number: signal.Signals
) -> None:
    with controller.at_terminal("agent", "shell", "one") as shell:
        shell.sees(PROMPT)
        shell.press("sleep 4321 & echo ST''ARTED\n")
        shell.sees("STARTED")
        assert "sleep 4321" in processes(johns, "one")
        shell.process.send_signal(number)
        assert shell.ends() == (-9 if number == signal.SIGKILL else 128 + number)
        assert shell.restored()
    until(lambda: "4321" not in processes(johns, "one"), 15, "the shell's processes end")
    assert "bash" not in processes(johns, "one")


def test_a_cut_wire_gives_the_terminal_back_and_ends_the_shell_in_the_agent(
    controller: Controller, johns: Machine
) -> None:
    with controller.at_terminal("agent", "shell", "one") as shell:
        shell.sees(PROMPT)
        johns.sh("pkill -KILL -f '^sshd: john.doe'")
        assert shell.ends() == 4
        assert shell.restored()
        assert "connection broke" in shell.text
    until(lambda: "bash" not in processes(johns, "one"), 15, "the shell ends")


def test_a_command_in_an_agent_works_through_pipes(controller: Controller, johns: Machine) -> None:
    assert johns
    typed = controller.type("agent", "shell", "one", "--", "sh", "-c", "cat; echo no >&2; exit 9", stdin="in\x1b[1m\n")
    assert (typed.code, typed.out, typed.err) == (9, "in\x1b[1m\n", "no\n")
    typed = controller.type(
        "agent", "shell", "two", "--json", "--", "python3", "-c", "print('\x1b]0;x\x07' + input())", stdin="7"
    )
    assert typed.code == 0
    assert typed.document["shell"] == {"code": 0, "out": "\ufffd]0;x\ufffd7\n", "err": "", "cut": False}


def test_what_cannot_be_looked_into_is_a_sentence(controller: Controller, johns: Machine) -> None:
    assert johns
    with controller.at_terminal("agent", "shell", "two") as shell:
        assert shell.ends() == 3
        assert "has no shell in it" in shell.text
        assert shell.restored()
    controller.done("agent", "stop", "two")
    typed = controller.type("agent", "shell", "two", "--", "true")
    assert (typed.code, "two is not running" in typed.err) == (3, True)
    controller.done("agent", "start", "two")
    typed = controller.type("agent", "shell", "one")
    assert (typed.code, "no terminal" in typed.err) == (2, True)
    typed = controller.type("agent", "shell", "one", "--json")
    assert (typed.code, json.loads(typed.err)["error"]["key"]) == (2, "shell.json_of_talk")


def test_a_shell_on_a_machine_is_the_logins_own(controller: Controller, johns: Machine) -> None:
    with controller.at_terminal("machine", "shell", called(johns), rows=20, columns=77) as shell:
        shell.sees(PROMPT)
        shell.press("stty size; id -un; exit 5\n")
        shell.sees("20 77")
        shell.sees("john.doe")
        assert shell.ends() == 5
        assert shell.restored()
    typed = controller.type("machine", "shell", called(johns), "--", "sudo", "-n", "id", "-u")
    assert (typed.code, typed.out) == (1, "")
    rule = johns.run("cat", "/etc/sudoers.d/zz-clawrack-john+doe").text
    assert '"john.doe" ALL=(root) NOPASSWD: /usr/local/lib/clawrack/guard.sh' in rule


@pytest.mark.parametrize("window", [Window(90, 30), None], ids=["terminal", "pipes"])
def test_a_sudo_with_a_password_is_answered_once_and_never_shown(johns: Machine, window: Window | None) -> None:
    pinned, login = hostkey.parse(johns.host_key()), KeyLogin(ControllerKey(johns.key, "rack"))
    target = Target(johns.address, johns.port, JOHN.name)

    def said(word: str, script: str) -> tuple[int, bytes]:
        port = SshPort("johns", target, login, pinned, sudo_password=Secret(word))
        out = bytearray()

        def kept(some: bytes, more: bytes) -> bool:
            out.extend(some + more)
            return True

        try:
            with port.session(("sh", "-c", script), window=window, root=True) as far:
                return talk(far, Near(None, kept=kept)), bytes(out)
        finally:
            port.close()

    assert said(JOHN.password, "id -u; cat; exit 7") == (7, b"0\r\n" if window else b"0\n")
    with pytest.raises(BadInput) as caught:
        said("wrong", "id -u")
    assert caught.value.key == "sudo.wrong_password"


# Logs


def test_logs_of_agents_on_several_machines_are_in_one_order(
    controller: Controller, johns: Machine, roots: Machine
) -> None:
    assert roots
    for number in range(2):
        for agent in ("one", "three", "two"):
            writes(controller, agent, f"mark {number} \x1b[31mof\x1b[0m {agent}\x1b[2J\tx")
    typed = controller.done("agent", "logs", "two", "one", "three", "--grep", "mark")
    expected = [f"{name:<5}  mark {n} of {name}\ufffd[2J\tx" for n in range(2) for name in ("one", "three", "two")]
    assert typed.out.splitlines() == expected
    told = documents(controller.done("agent", "logs", "--all", "--grep", r"mark [01]\b", "--regex", "--json"), "line")
    assert [line["agent"] for line in told] == ["one", "three", "two"] * 2
    assert [line["at"] for line in told] == sorted(line["at"] for line in told)
    assert {line["machine"] for line in told if line["agent"] == "one"} == {called(johns)}
    since, until_ = told[2]["at"], told[4]["at"]
    told = documents(
        controller.done("agent", "logs", "--all", "--since", since, "--until", until_, "--grep", "mark", "--json"),
        "line",
    )
    assert [line["at"] for line in told][:1] == [since]
    assert len(told) in {2, 3}
    told = documents(controller.done("agent", "logs", "--machine", called(johns), "--tail", "1", "--json"), "line")
    assert sorted(line["agent"] for line in told) == ["one", "two"]
    typed = controller.type("agent", "logs", "one", "--since", "yesterday")
    assert (typed.code, "1h30m" in typed.err) == (2, True)


def test_matches_and_names_have_colours_at_a_terminal(controller: Controller, johns: Machine) -> None:
    assert johns
    with controller.at_terminal("agent", "logs", "one", "two", "--grep", "mark", "-t") as page:
        assert page.ends() == 0
        rows = page.said.decode().splitlines()
    assert len(rows) == 4
    assert "\x1b[1;33mmark\x1b[0m" in rows[0]
    assert len({row.partition("m")[0] for row in rows}) == 2


def test_a_log_is_followed_over_a_restart_and_a_flood_does_not_drown_the_other(
    controller: Controller, johns: Machine
) -> None:
    assert johns
    with controller.at_terminal("agent", "logs", "one", "two", "--follow", "--tail", "1") as page:
        page.sees("one")
        controller.done("agent", "restart", "two")
        page.sees("two has ended")
        page.sees("two runs again")
        page.sees("listens")
        flood = "for _ in range(20000): os.write(f, b'x' * 99 + b'\\n')"
        flood = f"import os; f = os.open('/proc/1/fd/1', os.O_WRONLY)\n{flood}"
        controller.done("agent", "shell", "two", "--", "python3", "-c", flood)
        writes(controller, "one", "after the flood")
        page.sees("after the flood")
        page.press("\x03")
        assert page.ends() == 130


def test_a_log_is_followed_into_the_container_that_takes_the_agents_place(
    controller: Controller, johns: Machine
) -> None:
    with controller.at_terminal("agent", "logs", "two", "--follow", "--tail", "1") as page:
        page.sees("\n")
        tinykinds.place(controller.folder / "kinds", fault="dies:3000")  # another configuration is another release
        setup(controller, johns, "two", JOHN)
        tinykinds.place(controller.folder / "kinds")
        page.sees("two runs again, in a new container")
        page.sees("listens")
        page.process.send_signal(signal.SIGINT)
        assert page.ends() == 130


def test_one_silent_machine_is_told_and_the_other_logs_come(
    controller: Controller, johns: Machine, roots: Machine
) -> None:
    assert johns
    writes(controller, "one", "still here")
    roots.sh("systemctl stop ssh.service")
    typed = controller.type("agent", "logs", "one", "three", "--grep", "still")
    roots.sh("systemctl start ssh.service")
    roots.wait_ready()
    assert typed.code == 4
    assert typed.out == "one    still here\n"
    assert "Nobody listens" in typed.err


# Machines that are left


def test_a_dead_machine_is_forgotten_and_told_about_when_it_comes_back(
    controller: Controller, johns: Machine, roots: Machine, tmp_path: Path
) -> None:
    assert johns
    name = called(roots)
    typed = controller.type("machine", "remove", name, "--forget", "--yes", "--json")
    assert (typed.code, json.loads(typed.err)["error"]["key"]) == (3, "tomb.answers")
    faults.disconnect(roots)
    typed = controller.type("machine", "remove", name, "--forget")
    assert typed.code == 3
    controller.done("machine", "remove", name, "--forget", "--yes")
    status = controller.done("status", "--json").document["status"]
    assert [machine["name"] for machine in status["machines"]] == [called(johns)]
    assert sorted(agent["name"] for agent in status["agents"]) == ["one", "two"]
    assert status["returned"] == []

    faults.reconnect(roots)
    another = Controller(tmp_path)
    another.environment |= {"CLAWRACK_FLEET": str(controller.folder / "config" / "clawrack" / "fleet")}
    assert "Came back from the dead" in another.done("status").out  # whose key it does not take
    told = controller.done("status").out
    assert "Came back from the dead" in told
    assert "--returned" in told
    (found,) = controller.done("status", "--json").document["status"]["returned"]
    assert (found["machine"], found["agents"]) == (name, ["three"])

    setup(controller, roots, "four")
    status = controller.done("status", "--json").document["status"]
    assert status["strays"] == []
    assert status["returned"][0]["within"] == name
    controller.done(*found["command"].split()[1:], "--erase", "--yes")
    status = controller.done("status", "--json").document["status"]
    assert (status["strays"], status["returned"]) == ([], [])
    assert roots.run("ls", "/var/lib/clawrack/agents").text == "four"


def test_docker_goes_with_clawrack_where_it_came_with_it(
    controller: Controller, johns: Machine, roots: Machine
) -> None:
    typed = controller.done("machine", "remove", called(roots), "--erase", "--with-docker", "--yes")
    assert "Docker removed" in typed.out
    assert roots.sh("command -v dockerd", check=False).code != 0
    words = ("machine", "remove", called(johns), "--erase", "--with-docker", "--yes", "--password-stdin")
    typed = controller.done(*words, stdin=JOHN.password + "\n")
    assert "it was there when clawrack came" in typed.out
    assert johns.run("docker", "ps", "-aq").text == ""
    assert johns.sh("ls /var/lib/clawrack /etc/sudoers.d/*clawrack*", check=False).text == ""
