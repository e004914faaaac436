"""A day at a booth without a network: ten devices, four at a time, from an answers file and a bundle.

Then every promise of a booth is looked at.

Among the ten: a truly bare one, one whose login is not root, a wrong password, somebody who does not agree, one that is
parked and taken up, two at one address one after the other, one that is not its ticket's, one with its owner's own key
for a model. In the middle the desk is killed.
"""

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fleet.machine import hostkey
from installer.booth import codes
from tests.rack import engine, network, prepare_rig, tinykinds
from tests.rack.booth_rig import Desk, Json, Sweep, gone, in_memory, on_disk, opens, typed
from tests.rack.machine import Build, Machine, User
from tests.rack.offline_rig import Alone, cut_off
from tests.rack.provider import Provider
from tests.rack.wire import Wire
from tests.terminal import UP

OLD, NEW, OTHER, KEY = "canary old 5", "canary new 5", "canary other 5", "sk-canary-booth-0000005"
SECRETS = [OLD.encode(), NEW.encode(), KEY.encode()]
PLAIN = Build(root_password=OLD)
READY = Build(root_password=OLD, docker=True)
KEEPER = Build(root_key=False, docker=True, users=(User("keeper", OLD, sudo="password"),))
NAMES = ("bare", "keeper", "keyed", "first", "second", "laid-by", "wrong", "declined", "other", "quiet")
BUILDS = {"bare": PLAIN, "keeper": KEEPER, "wrong": Build(root_password=OTHER), "declined": PLAIN, "other": PLAIN}
DONE = ("bare", "keeper", "keyed", "first", "second", "laid-by", "quiet")


@dataclass
class Day:
    """What happened: the machines, what the desk said of each, and what was seen while it worked."""

    booth: Alone
    bundle: Path
    machines: dict[str, Machine]
    provider: Provider
    runtime: Path
    tickets: dict[str, int] = field(default_factory=dict[str, int])
    told: dict[int, Json] = field(default_factory=dict[int, Json])
    codes: list[int] = field(default_factory=list[int])
    keys: dict[int, Path] = field(default_factory=dict[int, Path])
    most_at_once: int = 0
    in_environment: list[str] = field(default_factory=list[str])
    in_memory: list[bytes] = field(default_factory=list[bytes])
    left_alive: list[int] = field(default_factory=list[int])
    after_kill: list[Json] = field(default_factory=list[Json])
    sheet: Json = field(default_factory=dict[str, Any])
    before: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def of(self, name: str) -> Json:
        return self.told[self.tickets[name]]


@pytest.fixture(scope="module")
def machines() -> Iterator[dict[str, Machine]]:
    made: dict[str, Machine] = {}
    try:
        for name in NAMES:
            made[name] = Machine(BUILDS.get(name, READY))
            cut_off(made[name])
        yield made
    finally:
        for machine in made.values():
            machine.remove()


@pytest.fixture(scope="module")
def day(
    machines: dict[str, Machine], bundle: Path, kinds: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Day]:
    folder = tmp_path_factory.mktemp("booth")
    files = tmp_path_factory.mktemp("secrets")
    for name, secret in {"old": OLD, "new": NEW, "key": KEY}.items():
        (files / name).write_text(f"{secret}\n")
    booth = Alone(folder, kinds)
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    booth.environment["XDG_RUNTIME_DIR"] = str(runtime)
    host = network.gateway(network.ensure(engine.client()))
    with Provider(host=host, keys={KEY: "well"}) as provider, Wire(machines["first"].address, 22) as wire:
        made = Day(booth, bundle, machines, provider, runtime)
        made.before = prepare_rig.snapshot(machines["declined"])
        _morning(made, files, wire)
        wire.far = (machines["second"].address, 22)  # the next customer's device gets the address of the first
        _noon(made, files, wire)
        _afternoon(made, files)
        yield made


def _device(machine: Machine) -> str:
    return codes.device_code(hostkey.parse(machine.host_key()))


def _file(files: Path, tickets: list[str]) -> Path:
    path = files / "day.yaml"
    head = f"version: 1\nat_once: 4\nkind: {tinykinds.NAME}\nconsent: true\nlanguage: zh\n"
    secrets = f"password: {{file: {files / 'old'}}}\nnew_password: {{file: {files / 'new'}}}\n"
    path.write_text(head + secrets + "tickets:\n" + "".join(f"  - {{{ticket}}}\n" for ticket in tickets))
    assert not any(secret in path.read_bytes() for secret in SECRETS)
    return path


def _entry(day: Day, name: str, **more: str) -> str:
    machine = day.machines[name]
    user = "keeper" if name == "keeper" else "root"
    told = {"machine": f"{user}@{machine.address}", "device": _device(machine)} | more
    return ", ".join(f"{key}: {value}" for key, value in told.items())


def _run(day: Day, path: Path, *, kill_at: str = "") -> Desk:
    """Run a desk to its end, or kill it when a ticket comes to a state; look into its processes meanwhile."""
    busy: dict[int, bool] = {}

    def watch(desk: Desk, told: Json) -> None:
        busy[told["ticket"]] = told["state"] not in {"new", "parked", "failed", "done"}
        day.most_at_once = max(day.most_at_once, sum(busy.values()))
        if told["state"] == "installing":
            _take_key(day, told["ticket"])
        if told["state"] in {"installing", "done"}:
            day.in_memory += in_memory(desk.process.pid, SECRETS)
        if told["state"] == kill_at:
            desk.kill()

    desk = Desk(day.booth, path, day.bundle, watch)
    with Sweep(desk, SECRETS) as sweep:
        code = desk.ends()
    for told in desk.told:  # shown where a test fails
        print(told["ticket"], told["code"], told["state"], told["seconds"], told["cause"], told["why"])
    assert code in {0, 5, -9}, desk.process.stderr.read() if desk.process.stderr else ""
    day.in_environment += sweep.found
    day.left_alive += gone(sweep.seen)
    day.told |= desk.last()
    day.sheet = desk.sheet or day.sheet
    return desk


def _take_key(day: Day, number: int) -> None:
    """Copy a ticket's private key, as a thief at the desk would, to try it later."""
    found = next(day.runtime.glob(f"*/{number}/state/clawrack/key"), None)
    if found:
        day.keys[number] = found.parents[5] / f"stolen-{number}"
        shutil.copy(found, day.keys[number])
        day.keys[number].chmod(0o600)


def _morning(day: Day, files: Path, wire: Wire) -> None:
    names = [name for name in NAMES if name != "second"]
    more = {
        "first": {"machine": f"root@127.0.0.1:{wire.port}"},
        "keyed": {"provider": day.provider.base, "model": "played-1", "api_key": f"{{file: {files / 'key'}}}"},
        "keeper": {"language": "en"},
        "laid-by": {"park_at": "installing"},
        "declined": {"consent": "false"},
        "other": {"device": _device(day.machines["declined"])},
        "quiet": {"new_password": "{file: ''}"},  # so SSH takes no passwords there any more
    }
    _run(day, _file(files, [_entry(day, name, **more.get(name, {})) for name in names]))
    day.tickets |= {name: number for number, name in enumerate(names, 1)}


def _noon(day: Day, files: Path, wire: Wire) -> None:
    """The one that was parked, and another device at the first one's address; the desk is killed in the midst of it."""
    code = day.of("laid-by")["code"]
    second = _entry(day, "second", machine=f"root@127.0.0.1:{wire.port}")
    _run(day, _file(files, [f"resume: {code.lower().replace('-', ' ')}", second]), kill_at="installing")
    day.tickets["second"] = len(NAMES)
    day.after_kill = typed(day.booth, "booth", "list", "--json")["tickets"]


def _afternoon(day: Day, files: Path) -> None:
    desk = _run(day, _file(files, [f"resume: {ticket['code']}" for ticket in day.after_kill]))
    assert desk.process.returncode == 0, desk.last()


def test_every_ticket_ends_as_it_must(day: Day) -> None:
    ends = {name: (day.of(name)["state"], day.of(name)["cause"]) for name in NAMES}
    assert ends == dict.fromkeys(DONE, ("done", "")) | {
        "wrong": ("failed", "wrong-password"),
        "declined": ("failed", "declined"),
        "other": ("failed", "another-device"),
    }
    assert 2 <= day.most_at_once <= 4


def test_neither_the_booth_nor_a_device_has_looked_for_anything_in_the_world(day: Day) -> None:
    assert day.booth.tried == ""


def test_a_killed_desk_loses_no_ticket_and_its_children_end_with_it(day: Day) -> None:
    assert {ticket["ticket"] for ticket in day.after_kill} == {day.tickets["laid-by"], day.tickets["second"]}
    assert day.left_alive == []
    assert all(re.fullmatch(f"[{codes.LETTERS}]{{3}}-[{codes.LETTERS}]{{3}}", told["code"]) for told in day.after_kill)


def test_no_secret_is_in_any_file_argument_or_environment_of_the_booth_nor_in_its_desk_s_memory(day: Day) -> None:
    assert day.in_environment == []
    assert day.in_memory == []
    assert on_disk([day.booth.folder], SECRETS) == []


def test_nothing_of_a_ticket_stays_but_its_row_without_names_and_addresses(day: Day) -> None:
    assert list(next(day.runtime.iterdir()).iterdir()) == []
    state = day.booth.folder / "state/clawrack"
    assert {path.name for path in state.rglob("*") if path.is_file()} - {"lock", "number"} == {
        f"{day.sheet['day']}.jsonl"
    }
    words = [machine.address.encode() for machine in day.machines.values()] + [
        b"127.0.0.1",
        b"root",
        b"keeper",
        b"SHA256",
    ]
    words += [told["code"].encode() for told in day.told.values()]
    assert on_disk([state], words) == []


@pytest.mark.parametrize("name", DONE)
def test_the_operator_s_key_and_password_are_refused_by_the_device(day: Day, name: str) -> None:
    machine, user = day.machines[name], "keeper" if name == "keeper" else "root"
    key = day.keys[day.tickets[name]]
    assert not opens(machine.address, user, key=key)
    assert not opens(machine.address, "root", key=key)
    assert not opens(machine.address, user, password=OLD)
    mine = machine.sh("cat /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys 2>/dev/null || true").text
    assert "clawrack" not in mine.replace("clawrack-tests", "")


@pytest.mark.parametrize("name", DONE)
def test_the_owner_has_a_receipt_and_an_agent_that_runs(day: Day, name: str) -> None:
    receipt = day.of(name)["receipt"]
    assert not [secret for secret in SECRETS if secret.decode() in receipt]
    assert ("Removed" in receipt or "removed" in receipt) if name == "keeper" else "已移除" in receipt
    assert "erased" not in receipt
    assert "clawrack-agent stop" in receipt
    active = ("systemctl", "is-active", f"clawrack-agent@{tinykinds.NAME}")
    assert day.machines[name].run(*active, check=False).text == "active"


def test_the_owner_s_key_is_with_the_meter_of_their_device_alone(day: Day) -> None:
    assert "played-1" in day.of("keyed")["receipt"]
    assert day.provider.calls(KEY)
    found = day.machines["keyed"].sh(f"grep -rlsF {KEY} /var/lib/clawrack /etc /root /run /tmp || true").text.split()
    assert found == ["/var/lib/clawrack/meter/conf/routes/custom.route"]


def test_on_the_device_of_somebody_who_does_not_agree_nothing_was_written(day: Day) -> None:
    came = prepare_rig.difference(day.before, prepare_rig.snapshot(day.machines["declined"]))
    assert [line for line in came if "lastlog" not in line and "wtmp" not in line] == []


def test_nobody_tried_to_log_in_to_a_device_that_is_not_its_ticket_s(day: Day) -> None:
    said = day.machines["other"].sh("journalctl -u ssh --no-pager | grep -E 'Accepted|Failed|Invalid' || true").text
    assert said == ""


def test_a_wrong_password_is_tried_once(day: Day) -> None:
    said = day.machines["wrong"].sh("journalctl -u ssh --no-pager | grep -c 'Failed password' || true").text
    assert said == "1"


def test_the_day_sheet_adds_up(day: Day) -> None:
    sheet = typed(day.booth, "booth", "sheet", "--json")["sheet"]
    assert sheet == day.sheet
    assert (sheet["tickets"], sheet["installs"], sheet["failed"]) == (len(NAMES), len(DONE), len(NAMES) - len(DONE))
    assert {one["cause"]: one["tickets"] for one in sheet["failures"]} == dict.fromkeys(
        ("wrong-password", "declined", "another-device"), 1
    )
    took = sorted(day.of(name)["seconds"] for name in DONE)
    assert (sheet["median"], sheet["p95"]) == (took[len(took) // 2], took[-1])
    assert sheet["parks"] == 1 + len(day.after_kill)
    worked = sum(one["seconds"] for one in sheet["phases"] if one["phase"] not in {"waiting", "parked"})
    assert worked == pytest.approx(sum(told["seconds"] for told in day.told.values()), abs=3)
    assert all(day.of(name)["seconds"] < 300 for name in DONE)


def test_a_code_that_was_used_up_opens_nothing(day: Day) -> None:
    path = day.runtime.parent / "again.yaml"
    path.write_text(f"version: 1\ntickets:\n  - resume: {day.of('laid-by')['code']}\n")
    said = day.booth.type("booth", "--answers", str(path), "--json")
    assert (said.code, "booth.no_code" in said.err) == (2, True)
    assert typed(day.booth, "booth", "list", "--json")["tickets"] == []


def test_at_the_desk_a_secret_is_typed_to_the_ticket_s_own_process_and_leaving_parks_it(day: Day) -> None:
    machine = day.machines["wrong"]
    with day.booth.at_terminal("booth", "--kind", tinykinds.NAME) as desk:
        desk.sees("take the first one")
        desk.press("a")
        desk.sees("root@192.168.1.20")
        for keys in (f"root@{machine.address}", *"\r\r\r"):
            desk.press(keys)
            time.sleep(0.4)  # a person is no faster; the clocks never let the screen rest
        desk.sees("is it this")
        desk.press("\r")
        desk.sees(_device(machine))
        desk.press(UP)
        time.sleep(0.4)
        desk.press("\r")
        desk.sees("the password")
        desk.press("\r")
        desk.sees("> ")
        desk.press(f"{OTHER}\r")
        desk.sees("consent")
        assert in_memory(desk.process.pid, [OTHER.encode()]) == []
        assert OTHER not in desk.text
        desk.press("q")
        assert desk.ends() == 0
        assert desk.restored()
    (left,) = typed(day.booth, "booth", "list", "--json")["tickets"]
    assert (left["state"], left["cause"], left["device"]) == ("parked", "parked", _device(machine))


def test_in_plain_lines_a_customer_who_says_no_is_told_so_and_nothing_of_theirs_stays(day: Day) -> None:
    machine, code = day.machines["wrong"], typed(day.booth, "booth", "list", "--json")["tickets"][0]["code"]
    with day.booth.at_terminal("booth", "--plain", more={"CLAWRACK_LANG": "zh"}) as desk:
        desk.sees("quit")
        desk.press(f"resume {code}\n")
        secret = desk.sees("open ") + desk.sees("\n")
        number = secret.split()[-1]
        desk.press(f"open {number}\n")
        desk.sees("> ")
        desk.press(f"{OTHER}\r")
        desk.sees("2. I do not agree")  # the customer's language is not the operator's
        desk.press(f"{number} 2\n")
        desk.sees("失败")
        desk.press("quit\n")
        assert desk.ends() == 0
        assert "\x1b" not in desk.said.decode()
    assert typed(day.booth, "booth", "list", "--json")["tickets"] == []
    assert machine.sh("ls -d /var/lib/clawrack 2>/dev/null || true").text == ""


def test_a_device_that_was_handed_over_is_no_other_ticket_s_and_its_agent_stays(day: Day, tmp_path: Path) -> None:
    for name, secret in {"old": NEW, "new": NEW}.items():
        (tmp_path / name).write_text(f"{secret}\n")
    machine, keys = day.machines["laid-by"], "cat /root/.ssh/authorized_keys || true"
    before = machine.sh(keys).text
    desk = _run(day, _file(tmp_path, [_entry(day, "laid-by")]))
    (told,) = desk.last().values()
    assert (desk.process.returncode, told["state"], told["cause"]) == (5, "failed", "unfit"), told["why"]
    assert machine.sh(keys).text == before
    active = ("systemctl", "is-active", f"clawrack-agent@{tinykinds.NAME}")
    assert machine.run(*active, check=False).text == "active"
