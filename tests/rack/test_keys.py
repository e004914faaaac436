"""A person's own key, from their typing to their provider: it is with the meter, and nowhere else on the way.

The tests share one machine and follow each other. The provider is played; see provider.py.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rack import engine, network, tinykinds
from tests.rack.controller import Controller
from tests.rack.machine import Build, Machine
from tests.rack.provider import ANSWER, Provider
from tests.terminal import CTRL_C, DOWN, ENTER

PASSWORD = "canary pw 8"
FIRST, SECOND, WRONG = "sk-canary-first-000000001", "sk-canary-second-00000002", "sk-canary-wrong-000000003"
AGENT = tinykinds.NAME
SAID = "".join(ANSWER)
ROUTE = "/var/lib/clawrack/meter/conf/routes"
TWIN = """
order: 0
title: {{en: The Twin, zh: 双子}}
vendor: Twin
model: played-1
regions:
  north: {{openai: "{wrong}", check: "{wrong}/models", get_key: "https://twin.example", country: SG}}
  south: {{openai: "{right}", check: "{right}/models", get_key: "https://twin.example", country: CN}}
sources: []
verified: ""
"""
# In the agent's container: a stream begun with the agent's own key; says when the first word came, and goes on reading.
STREAM = """
import json, urllib.request
key = json.load(open("/run/clawrack/secrets.json"))["model"]
body = json.dumps({"model": "main", "stream": True, "messages": [{"role": "user", "content": "hi"}]}).encode()
call = urllib.request.Request("http://meter:8080/v1/chat/completions", body,
                              {"Authorization": "Bearer " + key, "Content-Type": "application/json"})
for line in urllib.request.urlopen(call):
    print(line.decode().strip(), flush=True)
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine(Build(root_password=PASSWORD, docker=True)) as machine:
        yield machine


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    host = network.gateway(network.ensure(engine.client()))
    with Provider(host=host, keys={FIRST: "well"}) as played:
        yield played


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    made = Controller(tmp_path_factory.mktemp("controller"))
    made.environment["CLAWRACK_KINDS"] = tinykinds.place(tmp_path_factory.mktemp("kinds"))
    return made


def test_a_person_types_the_key_again_where_it_was_wrong_and_it_is_kept_nowhere(
    machine: Machine, provider: Provider, controller: Controller, tmp_path: Path
) -> None:
    (tmp_path / "twin.yaml").write_text(TWIN.format(right=provider.base, wrong=provider.base.replace("/v1", "/v0")))
    more = {"PROMPT_TOOLKIT_NO_CPR": "1", "CLAWRACK_PROVIDERS": str(tmp_path)}
    words = ("setup", "--machine", f"root@{machine.address}", "--fingerprint", machine.fingerprint(), "--kind", AGENT)
    with controller.at_terminal(*words, rows=30, more=more) as terminal:
        terminal.sees("Password of root")
        terminal.press(f"{PASSWORD}\r")
        terminal.sees("Whose model")
        terminal.sees("save and stop")
        terminal.press(DOWN + ENTER)
        terminal.sees("Key of The Twin")
        terminal.press(f"{WRONG}\r")
        terminal.sees("refuses this key")
        terminal.sees("Key of The Twin")
        terminal.press(f"{FIRST}\r")
        terminal.sees("north did not take the key; The Twin, south does, and is used")
        terminal.sees("Start on")
        assert "would go to the machine's meter and nowhere else" in " ".join(terminal.text.split())
        terminal.press(CTRL_C)
        assert terminal.ends() == 130
        assert FIRST not in terminal.text
        assert WRONG not in terminal.text
    provider.saw.clear()
    assert FIRST.encode() not in controller.written()
    assert WRONG.encode() not in controller.written()
    assert not machine.sh("ls -d /var/lib/clawrack 2>/dev/null || true").text


@pytest.fixture(scope="module")
def told(machine: Machine, provider: Provider, controller: Controller, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The receipt of a setup with a key; one with a wrong key came before it, and changed nothing."""
    files = tmp_path_factory.mktemp("keys")
    (files / "wrong").write_text(f"{WRONG}\n")
    (files / "right").write_text(f"{FIRST}\n")
    words = (
        "setup", "--machine", f"root@{machine.address}", "--fingerprint", machine.fingerprint(), "--yes", "--json",
        "--kind", AGENT, "--password-stdin", "--provider", provider.base, "--model", "played-1",
    )  # fmt: skip
    refused = controller.type(*words, "--api-key-file", str(files / "wrong"), stdin=f"{PASSWORD}\n")
    assert refused.code == 2, refused
    assert "refuses this key" in refused.err
    assert not machine.sh("ls -d /var/lib/clawrack /usr/local/lib/clawrack 2>/dev/null || true").text
    return controller.done(*words, "--api-key-file", str(files / "right"), stdin=f"{PASSWORD}\n").document["receipt"]


def birth(machine: Machine) -> str:
    form = "{{.Id}} {{.State.StartedAt}} {{.RestartCount}}"
    return machine.run("docker", "inspect", "-f", form, f"clawrack-{AGENT}", "clawrack-meter").text


def name_of(controller: Controller) -> str:
    return str(controller.done("machine", "list", "--json").document["machines"][0]["name"])


def holders(machine: Machine, key: str, *places: str) -> list[str]:
    """The files on the machine that hold a key."""
    where = " ".join(places or ("/var/lib/clawrack", "/etc", "/root", "/run", "/tmp", "/var/log"))
    return machine.sh(f"grep -rlsF {key} {where} || true", timeout=120).text.split()


def test_a_setup_with_a_key_practises_first_and_then_proves_the_key_by_one_token(
    told: dict[str, Any], provider: Provider, controller: Controller
) -> None:
    assert "practice" in told["answer"]
    assert (told["model"], told["vendor"], told["country"]) == ("played-1", provider.host, "")
    checked, proven = provider.calls(FIRST)
    assert [call.body["max_tokens"] for call in (checked, proven)] == [1, 1]
    assert proven.headers["User-Agent"] == "clawrack-meter"
    assert SAID in controller.done("agent", "ask", AGENT, "Who are you?").out
    call = provider.calls(FIRST)[-1]
    assert call.headers["Authorization"] == f"Bearer {FIRST}"
    assert call.body["model"] == "played-1"


@pytest.mark.usefixtures("told")
def test_the_key_is_in_one_file_of_roots_that_the_meter_reads_and_nowhere_else(
    machine: Machine, controller: Controller
) -> None:
    assert holders(machine, FIRST, "/", "--exclude-dir=proc", "--exclude-dir=sys") == [f"{ROUTE}/custom.route"]
    assert machine.run("stat", "-c", "%a %u:%g", f"{ROUTE}/custom.route").text == "640 0:2195000"
    assert machine.run("stat", "-c", "%a %u", "/var/lib/clawrack/meter").text == "700 0"
    inside = "docker exec clawrack-meter python3 -c 'print(open(\"/etc/clawrack-meter/routes/custom.route\").read())'"
    assert FIRST in machine.sh(inside).text
    looks = 'import os; print([os.path.exists(path) for path in ("/etc", "/etc/clawrack-meter")])'
    assert machine.sh(f"docker exec clawrack-{AGENT} python3 -c '{looks}'").text == "[True, False]"
    shown = [
        machine.sh("docker inspect $(docker ps -aq)").text,
        machine.sh("docker logs clawrack-meter 2>&1; docker logs clawrack-tinykind 2>&1").text,
        machine.sh("cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'").text,
        machine.sh("journalctl --no-pager | tail -n 20000").text,
        machine.run("/usr/local/lib/clawrack/guard.sh", "routes").text,
        machine.run("/usr/local/lib/clawrack/guard.sh", "checkup").text,
        controller.done("key", "list").out,
        controller.done("key", "list", "--json").out,
        controller.written().decode("utf-8", "replace"),
    ]
    assert [text[:200] for text in shown if FIRST in text] == []
    assert machine.sh(f"docker export clawrack-{AGENT} | grep -cF {FIRST} || true").text == "0"


@pytest.mark.usefixtures("told")
def test_an_agent_hears_in_its_owners_language_that_the_key_was_revoked(
    provider: Provider, controller: Controller
) -> None:
    provider.keys[FIRST] = "revoked"
    refused = controller.type("agent", "ask", AGENT, "Who are you?")
    assert refused.code == 5
    assert "refuses the key" in " ".join(refused.err.split())
    assert "拒绝了这台机器" in "".join(controller.type("agent", "ask", AGENT, "你是谁").err.split())
    provider.keys[FIRST] = "no-money"
    assert "no money left" in " ".join(controller.type("agent", "ask", AGENT, "Who are you?").err.split())
    found = controller.type("doctor", "--json").document["diagnosis"]["findings"]
    assert "key.no_credit" in {finding["id"] for finding in found}


@pytest.mark.usefixtures("told")
def test_a_new_key_takes_its_place_and_nothing_restarts(
    machine: Machine, provider: Provider, controller: Controller
) -> None:
    before = birth(machine)
    provider.keys[SECOND] = "well"
    words = ("key", "set", provider.base, "--model", "played-1", "--api-key-file", "-", "--json")
    wrong = controller.type(*words, stdin=f"{WRONG}\n")
    assert wrong.code == 2
    assert controller.type("agent", "ask", AGENT, "hello").code == 5  # the one before still stands
    key = controller.done(*words, stdin=f"{SECOND}\n").document["key"]
    assert (key["agents"], key["proven"], key["country"]) == ([AGENT], True, "")
    assert SAID in controller.done("agent", "ask", AGENT, "hello").out
    assert provider.calls(SECOND)[-1].body["messages"]
    assert birth(machine) == before
    assert holders(machine, FIRST) == []
    spent = len(provider.calls(SECOND))
    again = controller.done(*words, stdin=f"{SECOND}\n").document["key"]
    assert (again["fingerprint"], again["proven"]) == (key["fingerprint"], None)
    assert len(provider.calls(SECOND)) == spent + 1  # the check's one token; nothing was changed, so nothing is proven
    assert controller.done("agent", "list", "--json").document["agents"][0]["model"] == "custom"


@pytest.mark.usefixtures("told")
def test_a_stream_passes_as_it_comes_and_an_agent_that_dies_ends_it_at_the_provider(
    machine: Machine, provider: Provider
) -> None:
    provider.keys[SECOND] = "slow"
    machine.put("/root/stream.py", STREAM.encode())
    command = f"docker exec -i clawrack-{AGENT} python3 - </root/stream.py >/root/streamed 2>&1 & echo $!"
    machine.sh(command)
    end = time.monotonic() + 20
    while "played" not in machine.sh("cat /root/streamed").text:
        assert time.monotonic() < end, machine.sh("cat /root/streamed").text
        time.sleep(0.2)
    call = provider.calls(SECOND)[-1]
    assert not call.hung_up  # the first words are here, and the last is a minute away
    machine.sh(f"docker exec clawrack-{AGENT} python3 -c '{KILL}'")
    while not call.hung_up:
        assert time.monotonic() < end + 10
        time.sleep(0.1)
    provider.keys[SECOND] = "well"


KILL = """
import os, signal
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        line = open(f"/proc/{pid}/cmdline", "rb").read()
    except OSError:
        continue
    if line.startswith(b"python3\\0-\\0"):
        os.kill(int(pid), signal.SIGKILL)
"""


@pytest.mark.usefixtures("told")
def test_the_guard_takes_a_route_only_whole_and_under_the_lease_and_lets_none_go_that_is_used(
    machine: Machine,
) -> None:
    guard = "/usr/local/lib/clawrack/guard.sh"
    token = machine.run(guard, "lease", "the-test", "60").text.split("token=")[1].split()[0]
    whole = b'{"version":1,"kind":"openai","base":"http://10.0.0.1/v1","model":"m"}\nsk-x\n{}\n'

    def told(*words: str, stdin: bytes = b"") -> tuple[int, str]:
        ran = machine.run(guard, *words, stdin=stdin, check=False)
        return ran.code, dict(line.split("=", 1) for line in ran.text.splitlines()).get("reason", "")

    try:
        for broken in (whole[:-1], whole + b"x\n", whole.replace(b"sk-x", b""), whole.replace(b"sk-x", b"s x"), b"{\n"):
            assert told("route", token, "x", str(len(broken)), stdin=broken) == (2, "route-lines")
        assert told("route", token, "x", str(len(whole) + 1), stdin=whole) == (2, "secret-cut")
        assert told("route", "999999", "x", str(len(whole)), stdin=whole) == (3, "stale-token")
        assert told("route", token, "practice", str(len(whole)), stdin=whole) == (2, "route")
        assert told("assign", token, AGENT, "x") == (3, "route-absent")
        assert told("unroute", token, "custom") == (3, "route-used")
        assert machine.run("ls", ROUTE).text == "custom.route"
    finally:
        machine.run(guard, "release", token)


@pytest.mark.usefixtures("told")
def test_a_removed_key_is_gone_from_the_machine_and_the_agent_practises(
    machine: Machine, controller: Controller
) -> None:
    before = birth(machine)
    assert controller.done("key", "remove", "custom", "--json").document["result"]["changed"] is True
    assert holders(machine, SECOND) == []
    assert "practice" in controller.done("agent", "ask", AGENT, "hello").out
    assert birth(machine) == before
    assert controller.done("key", "list", "--json").document == {"version": 1, "silent": []}
