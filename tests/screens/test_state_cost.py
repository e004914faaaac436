"""What the state costs: bounds with room, for the figures themselves are benchmarks/screen.py's."""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from benchmarks import screen_fleet
from fleet.views import AgentView, MachineView
from tests.screens.stage import Stage
from tui.state.heard import Message, Silent, Told
from tui.state.store import Store
from tui.state.table import Table

MACHINES, AGENTS = 200, 1000
TICK = 0.25
SEEN = 48  # rows in a large window


def loaded() -> tuple[Store, Table, float]:
    store = Store()
    table = Table(store.rows)
    table.resize(180, 0.0)
    for message in screen_fleet.fleet(MACHINES, AGENTS, 2.0):
        store.hear(message)
    table.refresh(store.take(2.0), 2.0)
    return store, table, 2.0


def tick(store: Store, table: Table, messages: list[Told], now: float) -> float:
    """Milliseconds of processor for one tick."""
    before = time.process_time()
    for message in messages:
        store.hear(message)
    dirty = table.refresh(store.take(now), now)
    for row in dirty.intersection(table.order[:SEEN]):
        table.cells(row, now)
    return 1000 * (time.process_time() - before)


def told(machine: int, now: float, number: int, most: int = 5) -> Told:
    """An answer in which the first agents, so many at most, have changed."""
    name = f"rack-{machine + 1:03d}"
    agents = tuple(
        AgentView(name=one, machine=name, state="running", kind="openclaw", version=str(number), model="main")
        for one in screen_fleet.names(MACHINES, AGENTS)[name][:most]
    )
    return Told(at=now, machine=name, view=MachineView(name=name, address="a", state="ok", agents=5), agents=agents)


def test_a_tick_with_a_tenth_of_a_thousand_agents_changed_costs_little() -> None:
    store, table, now = loaded()
    spent: list[float] = []
    for number in range(12):
        now += TICK
        messages = [told((20 * number + n) % MACHINES, now, number) for n in range(20)]
        spent.append(tick(store, table, messages, now))
    assert statistics.median(spent) < 3 * 5.0


def test_a_tick_with_nothing_new_costs_next_to_nothing() -> None:
    store, table, now = loaded()
    assert statistics.median(tick(store, table, [], now + n / 100) for n in range(12)) < 3 * 1.0


def test_the_order_is_not_worked_out_again_for_values_that_it_does_not_hang_on() -> None:
    store, table, now = loaded()
    before = table.order
    tick(store, table, [told(3, now, 99)], now)
    assert table.order is before


def test_ten_thousand_agents_are_filtered_and_sorted_while_somebody_types() -> None:
    store = Store()
    table = Table(store.rows)
    for message in screen_fleet.fleet(1000, 10_000, 2.0):
        store.hear(message)
    table.refresh(store.take(2.0), 2.0)
    before = time.process_time()
    table.narrow("state:running @rack-1", 2.0)
    assert time.process_time() - before < 3 * 0.1
    assert 0 < len(table.order) < 11_000


def begun(now: float) -> list[Message]:
    """A fleet that has answered just now."""
    heard = screen_fleet.fleet(MACHINES, AGENTS, 3.0)
    return [msgspec.structs.replace(message, at=now) for message in heard if not isinstance(message, Silent)]


async def shown(app: Stage, agents: int, number: int) -> float:
    """Milliseconds of processor until so many agents that changed are on the terminal."""
    now = app.clock()
    before = time.process_time()
    for machine in range((agents + 4) // 5):
        app.put(told(machine, now, number, agents))
    app.pull()
    await asyncio.sleep(0.05)  # it paints sixty times in a second
    return 1000 * (time.process_time() - before)


def test_ten_agents_that_changed_cost_at_most_twice_what_one_does() -> None:
    one, ten = list[float](), list[float]()
    app = Stage(begun)

    async def compared() -> None:
        async with app.run_test(size=(140, 48)) as pilot:
            await pilot.pause(0.5)
            for number in range(25):
                one.append(await shown(app, 1, 2 * number))
                ten.append(await shown(app, 10, 2 * number + 1))

    asyncio.run(compared())
    assert statistics.median(ten) < 2 * statistics.median(one)


def test_the_whole_screen_stays_within_three_times_its_bounds() -> None:
    script = Path(screen_fleet.__file__ or "").with_name("screen.py")
    words = [sys.executable, str(script), "--seconds", "4", "--starts", "1"]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=200)
    assert ran.stdout, ran.stderr
    found = json.loads(ran.stdout)
    assert found["tick"] < 3 * found["bounds"]["tick"]
    assert found["first_paint"] < 3 * found["bounds"]["first_paint"]
    assert found["memory_mb"] < 3 * 70
