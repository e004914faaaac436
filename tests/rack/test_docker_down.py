"""Docker down under a running agent: it is unknown, what is asked of it names Docker, and it is never left stopped."""

from pathlib import Path

from tests.rack import faults, tinykinds
from tests.rack.controller import Controller
from tests.rack.machine import Build, Machine

AGENT = "helper"


def test_with_docker_down_an_agent_is_unknown_and_a_restart_leaves_it_alone(tmp_path: Path) -> None:
    controller = Controller(tmp_path)
    controller.environment["CLAWRACK_KINDS"] = tinykinds.place(tmp_path / "kinds")
    with Machine(Build(docker=True)) as machine:
        words = ("--machine", f"root@{machine.address}", "--key", str(machine.key), "--kind", tinykinds.NAME, "--yes")
        controller.done("setup", *words, "--fingerprint", machine.fingerprint(), "--name", AGENT)
        controller.done("agent", "restart", AGENT)
        machine.sh("systemctl stop docker.socket docker.service", timeout=120)
        status = controller.done("status", "--json").document["status"]
        assert [one["state"] for one in (*status["machines"], *status["agents"])] == ["no-engine", "unknown"]
        for line in (("restart", AGENT), ("start", AGENT), ("open", AGENT), ("ask", AGENT, "hello"), ("logs", AGENT)):
            typed = controller.type("agent", *line)
            assert typed.code in {4, 5}, (line, typed)
            assert "Docker" in typed.err, (line, typed)
            assert "agent start" not in typed.err, (line, typed)
        machine.sh("systemctl start docker.socket docker.service", timeout=120)
        faults.await_docker(machine)
        assert f"agent.{AGENT}.stopped=0" in machine.run("/usr/local/lib/clawrack/guard.sh", "look").text
        near = controller.type("agent", "start", "helpre")
        assert (near.code, "`helper`" in near.err) == (2, True)
