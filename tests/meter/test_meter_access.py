"""Whose call counts: keys, networks, and a configuration that changes underneath."""

import hashlib
import json
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from meter_rig import CHAT, MESSAGES, PROGRAM, PYTHON, Agent, Rig, ask, breaks_off, wait_until

FRONT_DESK = Agent("front-desk", 1)
NIGHT_SHIFT = Agent("night-shift", 2)


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic Zm9v"}, {"Authorization": "Bearer "}])
def test_a_call_without_a_key_is_refused(shared: Rig, path: str, headers: dict[str, str]) -> None:
    refused = shared.request("POST", path, headers=headers, body=json.dumps(ask()).encode())
    assert refused.status == 401
    assert "key" in refused.error
    assert "密钥" in refused.error


def test_a_wrong_key_is_refused(shared: Rig) -> None:
    wrong = shared.request("POST", CHAT, headers={"Authorization": "Bearer nonsense-\xff"}, source=FRONT_DESK.address)
    assert wrong.status == 401
    assert wrong.json["error"]["type"] == "authentication_error"


def test_a_right_key_from_another_agents_network_is_refused(shared: Rig) -> None:
    assert shared.call(FRONT_DESK).status == 200
    stolen = shared.call(FRONT_DESK, source=NIGHT_SHIFT.address)
    assert stolen.status == 403
    assert NIGHT_SHIFT.address in stolen.error
    assert shared.call(FRONT_DESK, source="127.1.1.16").status == 403
    assert shared.call(FRONT_DESK, source="127.1.1.15").status == 200


def test_the_list_of_models_needs_a_key_too(shared: Rig) -> None:
    assert shared.request("GET", "/v1/models").status == 401


def test_where_a_call_says_it_comes_from_is_not_believed(shared: Rig) -> None:
    headers = {"x-api-key": FRONT_DESK.key, "X-Forwarded-For": FRONT_DESK.address, "Forwarded": "for=127.1.1.2"}
    body = json.dumps(ask()).encode()
    assert shared.request("POST", CHAT, headers=headers, body=body, source="127.9.9.9").status == 403


def test_an_agent_counts_as_soon_as_its_file_is_there_and_no_longer(rig: Rig) -> None:
    rig.start()
    agent = Agent("newcomer", 4)
    assert rig.call(agent).status == 401
    rig.agent("newcomer", 4)
    assert rig.call(agent).status == 200
    (rig.config / "agents" / "newcomer.json").unlink()
    assert rig.call(agent).status == 401


def test_a_replaced_key_counts_at_once_and_the_old_one_no_more(rig: Rig) -> None:
    agent = rig.agent("front-desk", 1)
    rig.start()
    assert rig.call(agent).status == 200
    for _ in range(20):
        rig.replace("agents/front-desk.json", json.dumps({**agent.entry(), "key_sha256": "0" * 64}))
        assert rig.call(agent).status == 401
        rig.agent("front-desk", 1)
        assert rig.call(agent).status == 200


def test_no_call_fails_while_the_configuration_is_replaced_again_and_again(rig: Rig) -> None:
    agent = rig.agent("front-desk", 1)
    rig.start()
    over = threading.Event()

    def replace() -> None:
        while not over.is_set():
            rig.agent("front-desk", 1)
            rig.routes({"practice": {"kind": "practice"}})
            time.sleep(0.001)

    replacing = threading.Thread(target=replace)
    replacing.start()
    try:
        statuses = {rig.call(agent).status for _ in range(150)}
    finally:
        over.set()
        replacing.join()
    assert statuses == {200}
    assert rig.health()["generation"] > 20


BROKEN = ["", "{", "[]", '{"key_sha256": "abc"}', '{"surprise": 1}', "\u0000", '{"subnet": "10.0.0.1/28"}']


def test_a_broken_file_takes_its_agent_out_of_service_and_no_other(rig: Rig) -> None:
    agent, other = rig.agent("front-desk", 1), rig.agent("night-shift", 2)
    rig.start()
    for content in BROKEN:
        assert rig.call(agent).status == 200
        rig.replace("agents/front-desk.json", content)
        refused = rig.call(agent)
        assert (refused.status, content) == (503, content)
        assert "front-desk" in refused.error
        assert rig.call(other).status == 200
        assert rig.health()["agents_broken"] == 1
        rig.agent("front-desk", 1)


def test_a_file_that_was_broken_from_the_start_is_said_so(rig: Rig) -> None:
    rig.replace("agents/front-desk.json", "{")
    rig.start()
    refused = rig.call(FRONT_DESK)
    assert refused.status == 503
    assert "configuration" in refused.error


PRACTICE = '"practice": {"kind": "practice"}'
BROKEN_ROUTES = [
    "",
    '{"version": 2, "routes": {}, "caps": {}}',
    '{"version": 1, "caps": {}}',
    '{"version": 1, "routes": {"practice": {"kind": "telepathy"}}}',
    '{"version": 1, "routes": {"practice": {"kind": "practice", "key": "x"}}}',
    f'{{"version": 1, "routes": {{{PRACTICE}}}, "caps": {{"machine": {{"tokens_a_day": 5}}}}}}',
    f'{{"version": 1, "routes": {{{PRACTICE}}}, "caps": {{"agents": {{"a": {{"tokens_per_day": -1}}}}}}}}',
]


def test_broken_routes_stop_everything_and_are_said_to(rig: Rig) -> None:
    agent = rig.agent("front-desk", 1)
    rig.start()
    for content in BROKEN_ROUTES:
        assert rig.call(agent).status == 200
        rig.replace("routes.json", content)
        refused = rig.call(agent, ask("你好"))
        assert (refused.status, content) == (503, content)
        assert "路由" in refused.error
        assert rig.request("GET", "/healthz").status == 503
        rig.routes({"practice": {"kind": "practice"}})


def test_a_meter_without_any_configuration_starts_and_refuses(rig: Rig) -> None:
    (rig.config / "routes.json").unlink()
    (rig.config / "agents").rmdir()
    rig.start()
    assert rig.call(FRONT_DESK).status == 401
    assert rig.request("GET", "/healthz").json["routes"] == "broken"


def test_an_agent_whose_route_is_missing_is_told_which(rig: Rig) -> None:
    agent = rig.agent("front-desk", 1, route="elsewhere")
    rig.start()
    refused = rig.call(agent)
    assert refused.status == 503
    assert "elsewhere" in refused.error


def test_revoking_a_key_ends_its_call_in_flight(slow_rig: Callable[..., Rig]) -> None:
    rig = slow_rig(pieces=1000, pause=0.05)
    wire = rig.begin(Agent("slow-one", 9))
    (rig.config / "agents" / "slow-one.json").unlink()
    began = time.monotonic()
    assert breaks_off(wire)
    assert time.monotonic() - began < 3
    wait_until(lambda: rig.health()["in_flight"] == 0)


def test_check_finds_nothing_in_a_good_folder_and_names_what_is_wrong(rig: Rig, tmp_path: Path) -> None:
    rig.agent("front-desk", 1)
    assert check(rig) == (0, "")
    rig.agent("night-shift", 2, route="elsewhere")
    rig.replace("agents/broken.json", "{")
    twin = {**Agent("twin", 3).entry(), "key_sha256": hashlib.sha256(FRONT_DESK.key.encode()).hexdigest()}
    rig.replace("agents/twin.json", json.dumps(twin))
    rig.routes({"practice": {"kind": "practice"}}, {"agents": {"nobody": {"tokens_per_day": 5}}})
    code, said = check(rig)
    assert code == 1
    for part in ("night-shift.json: there is no route 'elsewhere'", "broken.json: not JSON", "twin.json", "nobody"):
        assert part in said
    assert tmp_path in rig.config.parents


def check(rig: Rig) -> tuple[int, str]:
    command = [PYTHON, "-m", "meter", "check", str(rig.config)]
    done = subprocess.run(command, env={"PYTHONPATH": str(PROGRAM)}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout
