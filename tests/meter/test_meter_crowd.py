"""One agent that takes all it can get: connections, memory, time; the others are served meanwhile."""

import json
import socket
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager

import pytest
from meter_rig import CHAT, Agent, Rig, ask, cpu_seconds, peak_memory, rest_of, wait_until

from templates.meter.meter.ask import last_question, parse
from templates.meter.meter.language import language_of

GREEDY = Agent("greedy", 0)
OTHER = Agent("other", 2)
MIB = 1 << 20


@pytest.fixture
def crowded(rig: Rig) -> Rig:
    rig.agent("greedy", 0)
    rig.agent("other", 2)
    return rig.start()


@contextmanager
def connections(
    rig: Rig, count: int, sent: bytes, source: str = "127.1.0.9"
) -> Generator[list[socket.socket], None, None]:
    with ExitStack() as stack:
        yield [stack.enter_context(connection(rig, sent, source)) for _ in range(count)]


def connection(rig: Rig, sent: bytes, source: str) -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", rig.port), 10, source_address=(source, 0))
    try:
        wire.sendall(sent)
    except ConnectionError:
        assert source == "127.1.0.9"
    return wire


def is_closed(wire: socket.socket) -> bool:
    wire.setblocking(False)
    try:
        return wire.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_silent_connections_leave_the_others_served_and_are_closed(crowded: Rig) -> None:
    unfinished = b"POST /v1/messages HTTP/1.1\r\nHost: meter\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(80))
    with connections(crowded, 2000, unfinished) as wires:
        began = time.monotonic()
        assert crowded.call(OTHER).status == 200
        assert time.monotonic() - began < 1
        wait_until(lambda: sum(is_closed(wire) for wire in wires) >= 2000 - 512, 5)
        assert sum(not is_closed(wire) for wire in wires) == 512
        wait_until(lambda: all(is_closed(wire) for wire in wires), 15)
    assert crowded.process is not None
    assert peak_memory(crowded.process.pid) < 120
    assert crowded.call(GREEDY).status == 200


def test_a_head_without_end_is_closed_at_once(crowded: Rig) -> None:
    for endless in (b"GET / HTTP/1.1\r\nx: " + b"y" * 40_000, b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 200):
        with connections(crowded, 1, endless) as [wire]:
            wait_until(lambda wire=wire: is_closed(wire), 3)


def test_a_head_in_single_bytes_is_understood(crowded: Rig) -> None:
    with connections(crowded, 1, b"", OTHER.address) as [wire]:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in b"GET /healthz HTTP/1.1\r\nHost: meter\r\nConnection: close\r\n\r\n":
            wire.sendall(bytes([number]))
        assert rest_of(wire).startswith(b"HTTP/1.1 200")


def test_one_connection_carries_many_calls_one_after_the_other(crowded: Rig) -> None:
    kept = crowded.connect(OTHER.address)
    body = json.dumps(ask("x" * 300_000, stream=True))
    sockets: set[int] = set()
    for _ in range(50):
        kept.request("POST", CHAT, body, {"x-api-key": OTHER.key})
        sockets.add(kept.sock.fileno())
        answer = kept.getresponse()
        assert answer.read().endswith(b"data: [DONE]\n\n")
        assert answer.getheader("Connection") != "close"
    kept.close()


def test_requests_that_pile_up_behind_an_answer_do_not_fill_the_memory(slow_rig: Callable[..., Rig]) -> None:
    rig = slow_rig(pieces=1000, pause=0.1)
    wire = rig.begin(Agent("slow-one", 9))
    wire.settimeout(1)
    with pytest.raises(TimeoutError):
        wire.sendall(b"GET / HTTP/1.1\r\nHost: meter\r\n\r\n" * 1_000_000)
    assert rig.process is not None
    assert peak_memory(rig.process.pid) < 80
    wire.close()


def upload(agent: Agent, size: int) -> bytes:
    head = f"POST {CHAT} HTTP/1.1\r\nHost: meter\r\nx-api-key: {agent.key}\r\nContent-Length: {size}\r\n\r\n"
    return head.encode()


def test_slow_uploads_of_one_agent_leave_room_for_the_others(crowded: Rig) -> None:
    with connections(crowded, 5, upload(GREEDY, 12 * MIB), GREEDY.address) as wires:
        refused = [fill(wire) for wire in wires]
        assert 1 <= refused.count(True) <= 4
        assert crowded.call(GREEDY, ask("x" * 7 * MIB)).status == 503
        assert crowded.call(OTHER, ask("x" * 11 * MIB)).status == 200
        assert crowded.call(OTHER).status == 200
    wait_until(lambda: crowded.call(GREEDY, ask("x" * 11 * MIB)).status == 200)


def fill(wire: socket.socket) -> bool:
    """Send most of 12 MiB, never the end; tell whether the meter would not have it."""
    try:
        wire.sendall(b"x" * (11 * MIB))
        wire.settimeout(0.5)
        return b" 503 " in wire.recv(100)
    except TimeoutError:
        return False
    except ConnectionError:
        return True


HOSTILE = [
    "System: " + "<context>" * 1819,
    "System: " + "<context " * 1819,
    "System: " + "(untrusted " * 1489,
    "System: " + "<<<BEGIN_A>>>" * 1260,
    "System: " + "<metadata></context>" * 800,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_request_takes_long_to_look_at(text: str) -> None:
    messages = [{"role": "user", "content": text} for _ in range(12 * MIB // len(text))]
    body = json.dumps({"model": "main", "messages": messages}).encode()
    began = time.process_time()
    assert language_of(last_question(messages)) == "en"
    assert time.process_time() - began < 0.5
    assert parse("openai", body).language == "en"


def test_a_meter_spends_little_on_such_a_request(crowded: Rig) -> None:
    messages = [{"role": "user", "content": HOSTILE[0]} for _ in range(700)]
    assert crowded.process is not None
    before = cpu_seconds(crowded.process.pid)
    assert crowded.call(GREEDY, ask(messages=messages)).status == 200
    assert cpu_seconds(crowded.process.pid) - before < 2
