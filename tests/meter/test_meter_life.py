"""A meter's life: calls in flight when it is drained, killed, or when the other side hangs up; one writer; figures."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable

import aiohttp
import pytest
from meter_rig import CHAT, Agent, Reply, Rig, ask, breaks_off, cpu_seconds, peak_memory, rest_of, wait_until

from templates.meter.meter.ledger import Ledger

SLOW = Agent("slow-one", 9)


def test_a_kill_leaves_the_reservation_and_the_next_start_charges_it(slow_rig: Callable[..., Rig]) -> None:
    rig = slow_rig(pieces=1000, pause=1)
    wire = rig.begin(SLOW, {"max_tokens": 700})
    assert rig.stop(signal.SIGKILL) == -signal.SIGKILL
    wire.close()
    assert rig.report()["open"][0]["output_tokens"] == 700
    rig.start()
    rig.wait_for_line("ledger day=")
    report = rig.report()
    assert report["open"] == []
    [charged] = report["usage"]
    assert charged["unsettled"] is True
    assert (charged["input_tokens"], charged["output_tokens"], charged["nanos"]) == (100, 700, 5000)
    assert (charged["route"], charged["model"], charged["currency"]) == ("slow", "slow-1", "USD")
    assert "charged_as_reserved=1" in rig.log


def test_a_drain_lets_the_call_in_flight_finish_and_loses_nothing(slow_rig: Callable[..., Rig]) -> None:
    rig = slow_rig(pieces=5, pause=0.2)
    wire = rig.begin(SLOW)
    assert rig.process is not None
    rig.process.send_signal(signal.SIGTERM)
    rig.wait_for_line("draining")
    refused = rig.call(SLOW)
    assert refused.status == 503
    assert int(refused.headers["Retry-After"]) >= 1
    assert rig.request("GET", "/healthz").json["state"] == "draining"
    assert b'"piece":4' in rest_of(wire)
    assert rig.ended() == 0
    assert "drained cut=0" in rig.log
    [used] = rig.sums()
    assert (used["calls"], used["output_tokens"], used["unsettled"]) == (1, 50, False)


def test_a_drain_is_bounded_and_settles_what_it_cuts(slow_rig: Callable[..., Rig]) -> None:
    rig = slow_rig(drain=0.5, pieces=1000, pause=0.1)
    wire = rig.begin(SLOW)
    began = time.monotonic()
    assert rig.stop() == 0
    assert time.monotonic() - began < 4
    assert breaks_off(wire)
    [used] = rig.sums()
    assert 10 <= used["output_tokens"] < 200
    assert used["unsettled"] is False
    assert rig.report()["open"] == []


def test_an_agent_that_hangs_up_ends_its_call_which_is_settled(slow_rig: Callable[..., Rig]) -> None:
    rig = slow_rig(pieces=1000, pause=0.05)
    rig.begin(SLOW).close()
    wait_until(lambda: rig.health()["in_flight"] == 0, 5)
    line = rig.wait_for_line("call agent=slow-one")
    assert line.endswith("ended=cut")
    [used] = rig.sums()
    assert 10 <= used["output_tokens"] < 2000
    assert rig.report()["open"] == []


def test_an_agent_that_hangs_up_while_nothing_is_written_is_noticed_too(slow_rig: Callable[..., Rig]) -> None:
    rig = slow_rig(pieces=2, pause=60)
    rig.begin(SLOW).close()
    wait_until(lambda: rig.health()["in_flight"] == 0, 5)
    assert rig.sums()[0]["output_tokens"] == 10


def test_a_model_that_gives_no_answer_is_a_sentence(slow_rig: Callable[..., Rig]) -> None:
    rig = slow_rig(fails_after=0)
    refused = rig.call(SLOW)
    assert refused.status == 502
    assert "no answer" in refused.error
    assert rig.report()["open"] == []


def test_a_model_that_breaks_off_ends_the_connection_and_is_charged(slow_rig: Callable[..., Rig]) -> None:
    rig = slow_rig(pieces=5, pause=0.1, fails_after=2)
    wire = rig.begin(SLOW)
    assert breaks_off(wire)
    rig.wait_for_line("call agent=slow-one")
    assert rig.sums()[0]["output_tokens"] == 20
    assert rig.call(Agent("slow-one", 9), ask(), source="127.1.9.3").status == 502


def test_a_second_meter_on_the_same_ledger_refuses_to_start(rig: Rig) -> None:
    agent = rig.agent("front-desk", 1)
    rig.start()
    second = subprocess.run(
        rig.command(), env=rig.environment(), capture_output=True, text=True, timeout=20, check=False
    )
    assert second.returncode == 75
    assert "another meter" in second.stderr
    assert rig.call(agent).status == 200
    assert rig.stop() == 0
    assert rig.start().call(agent).status == 200


def test_a_newer_ledger_is_refused_and_left_as_it_is(rig: Rig) -> None:
    rig.start().stop()
    with sqlite3.connect(rig.ledger) as db:
        db.execute("UPDATE format SET version = 99")
    db.close()
    before = rig.ledger.read_bytes()
    refused = subprocess.run(rig.command(), env=rig.environment(), capture_output=True, text=True, check=False)
    assert refused.returncode == 78
    assert "newer" in refused.stderr
    assert rig.ledger.read_bytes() == before


def test_a_damaged_ledger_is_refused_and_left_as_it_is(rig: Rig) -> None:
    rig.ledger.write_bytes(b"this is not a ledger" * 1000)
    before = rig.ledger.read_bytes()
    refused = subprocess.run(rig.command(), env=rig.environment(), capture_output=True, text=True, check=False)
    assert refused.returncode == 74
    assert rig.ledger.read_bytes() == before


def test_a_ledger_that_cannot_be_written_lets_nothing_through(rig: Rig) -> None:
    agent = rig.agent("front-desk", 1)
    rig.start()
    assert rig.call(agent).status == 200
    blocker = sqlite3.connect(rig.ledger, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    refused = rig.call(agent)
    assert refused.status == 503
    assert "ledger" in refused.error
    blocker.execute("ROLLBACK")
    blocker.close()
    assert rig.call(agent).status == 200
    assert rig.health()["ok"] is True


def test_a_one_shot_goes_through_practice_once_whatever_is_restarted(slow_rig: Callable[..., Rig]) -> None:
    rig = slow_rig(pieces=1)
    canary = rig.agent("slow-one", 9, route="slow", once={"route": "practice", "id": "canary-1"})
    assert "only practice" in rig.call(canary).text
    assert b'"piece":0' in rig.call(canary).body
    assert rig.stop(signal.SIGKILL) < 0
    rig.start()
    assert b'"piece":0' in rig.call(canary).body
    rig.agent("slow-one", 9, route="slow", once={"route": "practice", "id": "canary-2"})
    assert "only practice" in rig.call(canary).text
    assert {(one["route"], one["calls"]) for one in rig.sums()} == {("practice", 2), ("slow", 2)}


def test_a_one_shot_whose_route_is_missing_does_not_take_the_usual_one(slow_rig: Callable[..., Rig]) -> None:
    rig = slow_rig(pieces=1)
    canary = rig.agent("slow-one", 9, route="slow", once={"route": "elsewhere", "id": "canary-1"})
    refused = rig.call(canary)
    assert refused.status == 503
    assert "elsewhere" in refused.error
    assert rig.sums() == []


def test_the_report_is_printed_as_json_from_any_day_on_while_the_meter_runs(rig: Rig) -> None:
    agent = rig.agent("front-desk", 1)
    rig.start().call(agent)
    printed = rig.printed_report()
    assert printed == rig.report()
    assert printed["usage"][0]["calls"] == 1
    assert printed["usage"][0]["estimated"] is True
    assert rig.printed_report("--since", "2999-01-01")["usage"] == []


def test_a_clock_that_is_behind_is_said_so_and_counts_into_the_highest_day(rig: Rig) -> None:
    agent = rig.agent("front-desk", 1)
    Ledger(rig.ledger, Tomorrow()).close()
    rig.start()
    assert rig.call(agent).status == 200
    assert rig.sums()[0]["day"] == "2999-01-01"
    assert rig.report()["clock_behind"] is True
    assert rig.health()["clock"] == "behind"
    assert "behind=yes counts_into=2999-01-01" in rig.log


@pytest.mark.parametrize("moment", [0.2, 0.5])
def test_a_kill_at_any_moment_never_charges_less_than_agents_have_received(
    slow_rig: Callable[..., Rig], moment: float
) -> None:
    rig = slow_rig(pieces=6, pause=0.05)
    pid = rig.process.pid if rig.process else 0
    received = asyncio.run(received_until_killed(rig, pid, moment))
    rig.ended()
    rig.start()
    charged = sum(one["output_tokens"] for one in rig.sums())
    assert charged >= received
    assert rig.report()["open"] == []


def test_a_one_shot_takes_exactly_one_of_many_calls_at_once(slow_rig: Callable[..., Rig]) -> None:
    rig = slow_rig(pieces=1)
    canary = rig.agent("slow-one", 9, route="slow", once={"route": "practice", "id": "canary-1"})
    answers = asyncio.run(many(rig, canary, 30))
    assert sum("only practice" in answer for answer in answers) == 1


def test_a_cap_refuses_with_a_sentence_that_the_owner_can_read(rig: Rig) -> None:
    agent, other = rig.agent("front-desk", 1), rig.agent("night-shift", 2)
    practice = {"practice": {"kind": "practice"}}
    rig.routes(practice, {"agents": {"front-desk": {"tokens_per_day": 250}}})
    rig.start()
    statuses = [rig.call(agent).status for _ in range(6)]
    assert 200 in statuses
    assert statuses[-1] == 429
    assert sum(one["input_tokens"] + one["output_tokens"] for one in rig.sums()) <= 250
    refused = rig.call(agent, ask("还能用吗"))
    assert refused.json["error"]["type"] == "insufficient_quota"
    assert "250" in refused.error
    assert "上限" in refused.error
    assert refused.headers["x-should-retry"] == "false"
    assert rig.call(other).status == 200
    rig.routes(practice, {"machine": {"tokens_per_month": 1}})
    assert "machine" in rig.call(other).error
    rig.routes(practice)
    assert rig.call(agent).status == 200


def test_calls_at_once_cannot_pass_a_cap_together(rig: Rig) -> None:
    agent = rig.agent("front-desk", 1)
    rig.routes({"practice": {"kind": "practice"}}, {"machine": {"tokens_per_day": 1000}})
    rig.start()
    answers = asyncio.run(many(rig, agent, 60))
    assert 0 < sum("only practice" in answer for answer in answers) < 60
    assert sum(one["input_tokens"] + one["output_tokens"] for one in rig.sums()) <= 1000


def test_two_hundred_streams_at_once_in_bounded_memory(slow_rig: Callable[..., Rig]) -> None:
    rig = slow_rig(pieces=4, pause=0.3)
    assert rig.process is not None
    pid = rig.process.pid
    began = time.monotonic()
    answers = asyncio.run(many(rig, SLOW, 200, padding=50_000))
    assert all('"piece":3' in answer for answer in answers)
    assert time.monotonic() - began < 15
    assert peak_memory(pid) < 150
    [used] = rig.sums()
    assert (used["calls"], used["output_tokens"]) == (200, 8000)
    rig.stop()
    closed = dict(word.split("=") for word in rig.wait_for_line("closed").split()[1:])
    assert int(closed["jobs"]) >= 400
    assert int(closed["commits"]) < int(closed["jobs"]) / 2


def test_a_start_costs_less_than_half_a_second_of_the_processor(rig: Rig) -> None:
    spent = 9.9
    for _ in range(3):
        process = rig.start().process
        assert process is not None
        spent = min(spent, cpu_seconds(process.pid))
        assert peak_memory(process.pid) < 60
        rig.stop()
        if spent < 0.5:
            return
    assert spent < 0.5


def test_a_wrong_address_to_listen_on_is_a_sentence(rig: Rig) -> None:
    environment = {**rig.environment(), "CLAWRACK_METER_LISTEN": "nonsense"}
    done = subprocess.run(rig.command(), env=environment, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert "HOST:PORT" in done.stderr


def test_a_half_sent_request_does_not_hold_up_the_others(rig: Rig) -> None:
    agent = rig.agent("front-desk", 1)
    rig.start()
    halves = [socket.create_connection(("127.0.0.1", rig.port), source_address=(agent.address, 0)) for _ in range(50)]
    for half in halves:
        half.sendall(
            f"POST {CHAT} HTTP/1.1\r\nHost: m\r\nx-api-key: {agent.key}\r\nContent-Length: 9\r\n\r\n{{".encode()
        )
    assert rig.call(agent).status == 200
    assert rig.stop() == 0
    for half in halves:
        half.close()


class Tomorrow:
    """A clock far ahead."""

    def day(self) -> str:
        return "2999-01-01"


async def received_until_killed(rig: Rig, pid: int, moment: float) -> int:
    """Keep 40 agents' calls going, kill the meter at the moment, and return the tokens that reached anyone."""
    received = 0
    connector = aiohttp.TCPConnector(limit=0, local_addr=(SLOW.address, 0))
    asyncio.get_running_loop().call_later(moment, os.kill, pid, signal.SIGKILL)
    async with aiohttp.ClientSession(connector=connector, headers={"x-api-key": SLOW.key}) as session:

        async def keep_asking() -> None:
            nonlocal received
            while True:
                async with session.post(f"http://127.0.0.1:{rig.port}{CHAT}", json=ask(stream=True)) as answer:
                    async for piece in answer.content.iter_any():
                        received += 10 * piece.count(b'"piece":')

        await asyncio.gather(*[keep_asking() for _ in range(40)], return_exceptions=True)
    return received


async def many(rig: Rig, agent: Agent, count: int, padding: int = 0) -> list[str]:
    """Return the bodies of so many streamed calls made at once, each with a system prompt of so many bytes."""
    messages = [{"role": "system", "content": "x" * padding}, {"role": "user", "content": "hello"}]
    request = {"model": "main", "stream": True, "messages": messages}
    connector = aiohttp.TCPConnector(limit=0, local_addr=(agent.address, 0))
    headers = {"Authorization": f"Bearer {agent.key}"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def one() -> str:
            async with session.post(f"http://127.0.0.1:{rig.port}{CHAT}", json=request) as answer:
                pieces = [piece async for piece in answer.content.iter_any()]
                return joined(b"".join(pieces))

        return await asyncio.gather(*[one() for _ in range(count)])


def joined(body: bytes) -> str:
    """Return a stream's text where it is an answer in OpenAI's style, else the body."""
    events = [event for event in Reply(200, {}, body).events() if "choices" in event]
    return "".join(event["choices"][0]["delta"].get("content", "") for event in events) or body.decode()
