"""What a backup is made of and what is never put back: hostile archives, lying machines, damage; which ones go."""

import base64
import hashlib
import io
import subprocess
import tarfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.backup import bundle, check, flow, policy, seal
from fleet.backup.flow import pull
from fleet.backup.form import Manifest, Note, State, manifest_of, new_id, parse_id
from fleet.backup.notes import Notes
from fleet.backup.shelves import FolderShelf
from fleet.backup.walk import Entry, StateRules, Walk
from fleet.base.errors import ActionFailed, BadInput, ClawrackError, Refused, StateDamaged, TimedOut
from fleet.base.secret import Secret
from fleet.machine.hostkey import parse as parse_key
from fleet.vault import age, whole

KEY = age.new_identity()
RECIPIENT = age.recipient_of(KEY)
Row = tuple[str, bytes, dict[str, Any]]
FOLDER: Row = ("state", b"", {"type": tarfile.DIRTYPE, "mode": 0o700})
GNU, PAX = tarfile.GNU_FORMAT, tarfile.PAX_FORMAT


def archive(*rows: Row, form: int = GNU) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, content, more in rows:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o600
            for key, value in more.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def judged(content: bytes, most: int = 1 << 30, step: int = 1000) -> StateRules:
    rules = StateRules(most)
    walk = Walk(rules)
    for at in range(0, len(content), step):
        walk.feed(content[at : at + step])
    walk.end()
    return rules


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> Row:
    return (name, b"", {"type": kind, "linkname": to})


def altered(content: bytes, at: int, to: bytes) -> bytes:
    """The second entry's header, with other bytes in it and the sum that fits them."""
    header = bytearray(content[512:1024])
    header[at : at + len(to)] = to
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return content[:512] + bytes(header) + content[1024:]


HOSTILE: dict[str, bytes] = {
    "above": archive(FOLDER, ("state/../../pwned", b"x", {})),
    "absolute": archive(FOLDER, ("/etc/pwned", b"x", {})),
    "beside": archive(FOLDER, ("other/pwned", b"x", {})),
    "dot": archive(FOLDER, ("state/./x", b"x", {})),
    "twice": archive(FOLDER, ("state//x", b"x", {})),
    "through": archive(FOLDER, link("state/etc", "/etc"), ("state/etc/pwned", b"x", {})),
    "over_link": archive(FOLDER, link("state/etc", "/etc"), ("state/etc", b"x", {})),
    "hard_out": archive(FOLDER, link("state/x", "/etc/shadow", tarfile.LNKTYPE)),
    "hard_up": archive(FOLDER, link("state/x", "state/../../etc/shadow", tarfile.LNKTYPE)),
    "hard_through": archive(FOLDER, link("state/etc", "/etc"), link("state/x", "state/etc/shadow", tarfile.LNKTYPE)),
    "state_is_link": archive(link("state", "/etc"), ("state/pwned", b"x", {})),
    "device": archive(FOLDER, ("state/disk", b"", {"type": tarfile.BLKTYPE, "devmajor": 8})),
    "character": archive(FOLDER, ("state/mem", b"", {"type": tarfile.CHRTYPE, "devmajor": 1})),
    "setuid": archive(FOLDER, ("state/sh", b"x", {"mode": 0o4755})),
    "setgid": archive(FOLDER, ("state/sh", b"x", {"mode": 0o2755})),
    "long_above": archive(FOLDER, ("state/" + "a" * 200 + "/../../../pwned", b"x", {})),
    "pax_above": archive(FOLDER, ("state/" + "a" * 200 + "/../../../pwned", b"x", {}), form=PAX),
    "pax_odd": archive(FOLDER, ("state/x", b"x", {"pax_headers": {"GNU.sparse.name": "/etc/pwned"}}), form=PAX),
    "pax_size": archive(FOLDER, ("state/x", b"x", {"pax_headers": {"size": "-5"}}), form=PAX),
    "huge_name": archive(FOLDER, ("state/" + "a/" * 40000, b"x", {})),
    "name_of_4097": archive(FOLDER, ("state/" + "a" * 4091, b"x", {})),
    "name_of_4097_bytes": archive(FOLDER, ("state/" + "ä" * 2046, b"x", {})),
    "target_of_4097": archive(FOLDER, link("state/x", "a" * 4097)),
    "parts": archive(FOLDER, ("state/" + "a/" * 300 + "b", b"x", {})),
    "gnu_prefix": altered(archive(FOLDER, ("state/x", b"x", {})), 345, b"state"),
    "gnu_prefix_link": altered(archive(FOLDER, link("state/x", "/etc"), ("state/x/y", b"x", {})), 345, b"state"),
    "old_prefix": altered(altered(archive(FOLDER, ("state/x", b"x", {})), 257, bytes(8)), 345, b"state"),
    "old_folder": altered(archive(FOLDER, ("state/y/", archive(FOLDER)[:512], {})), 156, b"\0"),
    "holes_of_posix": altered(archive(FOLDER, ("state/x", b"x", {"type": b"S"}), form=PAX), 483, b"00000000001"),
    "link_with_bytes": altered(archive(FOLDER, link("state/x", "y")), 124, b"00000001000"),
    "pax_link_with_bytes": archive(FOLDER, ("state/x", b"", {"type": b"2", "pax_headers": {"size": "512"}}), form=PAX),
    "cut": archive(FOLDER, ("state/x", b"x" * 4000, {}))[:3000],
    "more": archive(FOLDER) + archive(FOLDER),
    "noise": b"x" * 1024,
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("step", [1, 513, 1 << 20])
def test_a_state_that_reaches_beyond_its_folder_is_refused_in_a_sentence(what: str, step: int) -> None:
    with pytest.raises(Refused) as caught:
        judged(HOSTILE[what], step=step)
    assert caught.value.key == "backup.unsafe"
    assert caught.value.exit_code == 3
    assert "…" not in str(caught.value)


def test_what_agents_really_keep_is_no_harm() -> None:
    rows: list[Row] = [FOLDER, ("state/a b\nc", b"x" * 5000, {}), link("state/bin", "../lib/node_modules/x.js")]
    rows += [link("state/same", "state/a b\nc", tarfile.LNKTYPE), ("state/pipe", b"", {"type": tarfile.FIFOTYPE})]
    rows += [("state/" + "long/" * 60 + "name", b"y", {})]
    for form in (GNU, PAX):
        rules = judged(archive(*rows, form=form))
        assert rules.entries == len(rows)
        assert rules.room >= 5000


def test_a_file_of_holes_counts_with_all_that_it_says_it_is(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with (tmp_path / "state" / "holes").open("wb") as file:
        for at in range(30):  # more maps than one header holds
            file.seek(at << 20)
            file.write(b"x")
        file.truncate(1 << 31)
    words = ["tar", "-C", str(tmp_path), "-S", "--format=gnu", "-cf", "-", "state"]
    tar = subprocess.run(words, capture_output=True, check=True).stdout
    assert len(tar) < 1 << 20
    assert judged(tar, most=1 << 32).room > 1 << 31
    with pytest.raises(Refused):
        judged(tar, most=1 << 30)


def test_links_with_long_names_fill_no_memory() -> None:
    rules, names = StateRules(1 << 62), (f"state/{number}" + "x" * 4000 for number in range(100_000))
    with pytest.raises(Refused):
        list(map(rules, (Entry(name, "link", 0, target="y") for name in names)))
    assert rules.entries * 4000 < 1 << 26


def test_two_thousand_names_with_as_many_folders_as_may_be_are_judged_at_once() -> None:
    rules, began = StateRules(1 << 62), time.process_time()
    for number in range(2_000):
        rules(Entry(f"state/{number}/" + "abcdefghijklmno/" * 250 + "x", "file", 1))
    assert time.process_time() - began < 10


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=3000), st.integers(1, 700))
def test_whatever_comes_is_an_archive_or_a_refusal(content: bytes, step: int) -> None:
    with pytest.raises(Refused):
        judged(archive(FOLDER)[:512] + content, step=step)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 1535), st.integers(0, 255))
def test_a_byte_of_an_archive_that_is_another_is_an_archive_or_a_refusal(at: int, value: int) -> None:
    good = bytearray(archive(FOLDER, ("state/x", b"x", {})))
    good[at] = value
    try:
        rules = judged(bytes(good), most=1 << 40)
    except Refused:
        return
    assert rules.entries <= 2


# --- whole backups ----------------------------------------------------------------------------------------------------


def parts(state: bytes, **more: Any) -> bundle.Parts:
    told = State(bytes=len(state), sha256=hashlib.sha256(state).hexdigest(), at=1_790_000_000)
    fields: dict[str, Any] = {
        "id": new_id("pet", "2026-11-21T20:00:00Z"), "agent": "pet", "machine": "attic", "machine_id": "ab" * 16,
        "created": "2026-11-21T20:00:00Z", "kind": "tinykind", "image": "sha256:" + "0" * 64, "release": "1" * 16,
        "state": told, **more,
    }  # fmt: skip
    return bundle.Parts(Manifest(**fields), Secret('{"gateway":"canary"}'), archive(("spec", b"kind=tiny\n", {})))


def into(out: io.BytesIO) -> seal.Sink:
    def sink(data: bytes) -> None:
        out.write(data)

    return sink


def made(state: bytes, given_: bundle.Parts | None = None) -> bytes:
    out = io.BytesIO()
    seal.seal(bundle.packed(given_ or parts(state), [state]), into(out), RECIPIENT)
    return out.getvalue()


def opened(content: bytes, *keys: Secret, name: str = "it") -> bundle.Opened:
    from contextlib import nullcontext  # noqa: PLC0415

    return check.check(lambda: nullcontext(io.BytesIO(content).read), keys or (KEY,), name)


GOOD = archive(FOLDER, ("state/x", b"x" * 200_000, {}))


def test_what_goes_in_comes_out_and_nobody_else_reads_it() -> None:
    sealed = made(GOOD)
    assert b"canary" not in sealed
    found = opened(sealed)
    assert (found.manifest.agent, found.rules.entries, found.secrets) == ("pet", 2, b'{"gateway":"canary"}')
    with pytest.raises(Refused) as caught:
        opened(sealed, age.new_identity())
    assert caught.value.key == "backup.other_key"


def test_age_and_tar_alone_open_a_backup(tmp_path: Path) -> None:
    plain = io.BytesIO()
    seal.unseal(io.BytesIO(made(GOOD)).read, into(plain), [KEY], "it")
    names = subprocess.run(["tar", "-tf", "-"], input=plain.getvalue(), capture_output=True, check=True).stdout
    assert names.decode().split() == list(bundle.ORDER)
    del tmp_path


def test_every_cut_and_every_flipped_byte_is_damage() -> None:
    sealed = made(archive(FOLDER))
    bad = [sealed[:length] for length in range(0, len(sealed), 7)] + [sealed + b"x"]
    bad += [sealed[:at] + bytes([sealed[at] ^ 4]) + sealed[at + 1 :] for at in range(0, len(sealed), 5)]
    for content in bad:
        with pytest.raises((StateDamaged, Refused)) as caught:
            opened(content)
        assert caught.value.key in {"backup.damaged", "backup.other_key"}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_state_in_a_well_made_backup_is_refused(what: str) -> None:
    with pytest.raises(Refused) as caught:
        opened(made(HOSTILE[what]))
    assert caught.value.key == "backup.unsafe"


LIES: dict[str, dict[str, Any]] = {
    "agent": {"agent": "../../x"},
    "machine": {"machine": "a b; rm"},
    "machine_path": {"machine": "x/../../../out/pwn"},
    "machine_none": {"machine": ""},
    "machine_id": {"machine_id": "/../../x"},
    "release": {"release": "../../x"},
    "secrets": {"secrets": "a/../../x"},
    "address": {"place": {"address": "-oProxyCommand=x"}},
    "user": {"place": {"address": "10.0.0.9", "user": "a b"}},
    "jump": {"place": {"address": "10.0.0.9", "jump": "-oProxyCommand=x"}},
    "place": {"place": {"address": ["10.0.0.9"]}},
    "more_of_a_machine": {"place": {"address": "10.0.0.9", "tags": ["x"]}},
    "host_key": {"host_key": "ssh-ed25519 AAAA"},
    "anothers_id": {"id": new_id("other", "2026-11-21T20:00:00Z")},
    "time": {"id": "pet_99999999T999999Z_abcdef"},
    "kind": {"kind": "../../etc"},
    "image": {"image": "latest"},
    "ref": {"ref": "-oProxyCommand=x"},
    "id": {"id": "pet"},
    "checksum": {"state": State(bytes=5, sha256="x", at=0)},
}


@pytest.mark.parametrize("what", LIES)
def test_a_backup_that_says_what_cannot_be_is_bad_input(what: str) -> None:
    content = msgspec.json.encode(msgspec.structs.replace(parts(GOOD).manifest, **LIES[what]))
    with pytest.raises(ClawrackError) as caught:
        manifest_of(content, "it")
    assert isinstance(caught.value, BadInput)


def test_where_a_backup_says_its_agent_lived_can_be_shown_before_anything_is_done_about_it() -> None:
    key = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519" + b"k" * 36).decode()
    place = {"address": "10.0.0.9", "user": "root", "port": 2222, "jump": "ann@gate"}
    told = manifest_of(msgspec.json.encode(parts(GOOD, place=place, host_key=key).manifest), "it")
    home = told.home()
    assert home
    assert (home.name, home.machine.id, home.host_key) == ("attic", "ab" * 16, key)
    assert home.shown == "root@10.0.0.9:2222 --jump ann@gate"
    assert home.fingerprint == parse_key(key).fingerprint
    assert parts(GOOD).manifest.home() is None


def test_a_state_of_another_size_or_checksum_than_it_says_is_no_backup() -> None:
    for state in (GOOD + bytes(512), GOOD[:-512], b"y" + GOOD[1:]):
        with pytest.raises(StateDamaged):
            list(bundle.packed(parts(GOOD), [state]))


def test_a_newer_backup_is_refused_before_anything_is_done() -> None:
    with pytest.raises(Refused) as caught:
        manifest_of(b'{"version":2,"odd":1}', "it")
    assert caught.value.key == "format.newer"


def test_a_backup_is_never_whole_in_memory() -> None:
    longest = 0

    def pieces() -> Iterator[bytes]:
        for _ in range(400):
            yield b"x" * 50_000

    def sink(data: bytes) -> None:
        nonlocal longest
        longest = max(longest, len(data))

    seal.seal(pieces(), sink, RECIPIENT)
    assert longest < 1 << 17


class Endless:
    """A machine that sends without end, or too little."""

    def __init__(self, pieces: Iterator[bytes], code: int = 0) -> None:
        self._pieces, self._code, self._over, self.taken = pieces, code, False, 0

    def end_input(self) -> None:
        return None

    def over(self) -> bool:
        return self._over

    def take(self) -> tuple[bytes, bytes]:
        piece = next(self._pieces, b"")
        self._over = not piece
        self.taken += len(piece)
        return piece, b""

    def wait(self, seconds: float) -> None:
        del seconds

    def code(self) -> int | None:
        return self._code


def test_a_machine_that_sends_more_or_less_than_it_said_is_ended() -> None:
    endless: Any = Endless(b"x" * 1000 for _ in iter(int, 1))
    with pytest.raises(ActionFailed) as caught:
        list(pull(endless, "attic", 5000))
    assert (caught.value.key, endless.taken) == ("backup.sent_more", 6000)
    for less in (Endless(iter([b"x" * 4999])), Endless(iter([b"x" * 5000]), code=1)):
        short: Any = less
        with pytest.raises(ActionFailed) as caught:
            list(pull(short, "attic", 5000))
        assert caught.value.key == "backup.sent_less"


class Dripping(Endless):
    """A machine that sends a byte a minute, on a clock of its own."""

    def __init__(self, clock: list[float], pieces: Iterator[bytes], every: float) -> None:
        super().__init__(pieces)
        self._clock, self._every, self._next = clock, every, 0.0

    def take(self) -> tuple[bytes, bytes]:
        if self._clock[0] < self._next:
            return b"", b""
        self._next = self._clock[0] + self._every
        return super().take()

    def put(self, data: bytes) -> int:
        return len(self.take()[0]) and len(data[:1])

    def wait(self, seconds: float) -> None:
        self._clock[0] += seconds

    def code(self) -> int | None:
        return None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(flow.time, "monotonic", lambda: now[0])
    return now


def test_a_machine_that_drips_is_ended_though_it_is_never_silent(clock: list[float]) -> None:
    drips: Any = Dripping(clock, (b"x" for _ in iter(int, 1)), 60)
    with pytest.raises(TimedOut) as caught:
        list(pull(drips, "attic", 1 << 40))
    assert caught.value.key == "backup.too_slow"
    assert clock[0] < 1000 + 2 * flow.WINDOW
    sips: Any = Dripping(clock, (b"x" for _ in iter(int, 1)), 60)
    with pytest.raises(TimedOut) as caught:
        flow.Push(sips, "attic")(bytes(1 << 20))
    assert caught.value.key == "backup.too_slow"


def test_a_slow_line_is_waited_for_as_long_as_it_takes(clock: list[float]) -> None:
    slow: Any = Dripping(clock, (bytes(5 * flow.FLOOR) for _ in range(2000)), 4)
    slow.code = lambda: 0
    assert sum(map(len, pull(slow, "attic", 10_000 * flow.FLOOR))) == 10_000 * flow.FLOOR
    assert clock[0] > 1000 + 10 * flow.WINDOW


def test_a_full_folder_keeps_no_half_of_a_backup(tmp_path: Path) -> None:
    def fill(to: Any) -> None:
        to(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(ActionFailed):
        FolderShelf(tmp_path).put("pet_20261121T200000Z_abcdef", 10, fill)
    assert list(tmp_path.iterdir()) == []


# --- notes, and which backups go --------------------------------------------------------------------------------------


def note(created: str, agent: str = "pet", **more: Any) -> Note:
    told: dict[str, Any] = {"sha256": "0" * 64, **more}
    return Note(id=new_id(agent, created), agent=agent, machine="attic", created=created, **told)


def test_a_note_that_is_damaged_is_told_and_made_anew_from_what_rests_there(tmp_path: Path) -> None:
    notes, one = Notes(tmp_path), note("2026-11-21T20:00:00Z")
    notes.keep(one)
    (tmp_path / f"{one.id}.age").write_bytes(b"sealed")
    path = tmp_path / f"{one.id}.note"
    good = path.read_bytes()
    for bad in (*(good[:length] for length in range(len(good))), *(_flipped(good))):
        path.write_bytes(bad)
        with pytest.raises(StateDamaged):
            notes.all()
        assert path.read_bytes() == bad
    (again,) = notes.rebuild([FolderShelf(tmp_path, "controller")])
    assert (again.id, again.agent, again.created, again.bytes) == (one.id, "pet", one.created, 6)
    assert [found.id for found in notes.all()] == [one.id]
    assert notes.find(one.id[:12]).id == one.id


def _flipped(good: bytes) -> Iterator[bytes]:
    for at in range(len(good)):
        yield good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]


class Liar(FolderShelf):
    """A machine that says it holds what it likes."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(Path("/nowhere"), "machine")
        self._names = names

    def sizes(self) -> dict[str, int]:
        return dict.fromkeys(self._names, 1)


def test_what_a_machine_says_it_holds_pushes_no_backup_out_and_never_goes_itself(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    real = [note(f"2026-11-0{day}T00:00:00Z") for day in range(1, 8)]
    for one in real:
        notes.keep(one)
    before = policy.surplus(notes.all(), policy.Keep())
    invented = [f"pet_2026{month:02}{day:02}T000001Z_aaaaaa" for month in range(1, 12) for day in range(1, 21)]
    notes.rebuild([Liar(invented)])
    assert len(notes.all()) == len(real) + len(invented)
    assert policy.surplus(notes.all(), policy.Keep()) == before
    few = policy.Keep(last=1, daily=0, weekly=0, monthly=0)
    assert policy.surplus(notes.all(), few) == [one for one in real if one != real[-1]]


def test_a_backup_of_tomorrow_is_not_believed_to_be_there(tmp_path: Path) -> None:
    ahead = f"{datetime.now(UTC) + timedelta(days=3):%Y%m%dT%H%M%SZ}"
    notes = Notes(tmp_path)
    assert notes.rebuild([Liar([f"pet_{ahead}_aaaaaa", "pet_99991231T235959Z_aaaaaa"])]) == []
    soon = f"{datetime.now(UTC) + timedelta(hours=3):%Y%m%dT%H%M%SZ}"
    assert len(notes.rebuild([Liar([f"pet_{soon}_aaaaaa"])])) == 1


def test_a_note_of_a_time_that_never_was_is_damage_and_is_put_aside(tmp_path: Path) -> None:
    notes, good = Notes(tmp_path), note("2026-11-21T20:00:00Z")
    notes.keep(good)
    for name, created in ((f"pet_{'9' * 8}T{'9' * 6}Z_abcdef", "9999-99-99T99:99:99Z"), (good.id[:-1] + "x", "soon")):
        bad = msgspec.structs.replace(good, id=name, created=created)
        whole.write(tmp_path / f"{name}.note", msgspec.json.encode(bad))
        with pytest.raises(StateDamaged):
            notes.all()
        notes.rebuild([])
        assert notes.all() == [good]


def test_a_backup_under_the_name_of_another_is_not_that_one() -> None:
    sealed = made(GOOD)
    told = opened(sealed).manifest.id
    assert opened(sealed, name=told).manifest.id == opened(sealed, name=f"{told}.age").manifest.id == told
    with pytest.raises(StateDamaged) as caught:
        opened(sealed, name="pet_20260101T000000Z_abcdef")
    assert caught.value.key == "backup.other_name"


def test_a_backups_name_tells_whose_and_of_when() -> None:
    assert parse_id(new_id("pet-2", "2026-11-21T20:00:00Z") + ".age") == ("pet-2", "2026-11-21T20:00:00Z")
    for bad in (
        "pet",
        "../pet_20261121T200000Z_abcdef",
        "pet_20261121T200000Z_abcdef/x",
        "PET_20261121T200000Z_abcdef",
        "pet_99999999T999999Z_abcdef",
        "pet_20260230T200000Z_abcdef",
        "pet_20261121T200060Z_abcdef",
        "pet_00000101T200000Z_abcdef",
    ):
        with pytest.raises(BadInput):
            parse_id(bad)


DAYS = [note(f"2026-{month:02}-{day:02}T08:00:00Z") for month in (9, 10, 11) for day in range(1, 29)]


def test_backups_that_were_only_opened_here_take_no_place_of_those_that_were_made_here() -> None:
    forged = [note(f"2026-11-{day:02}T09:00:00Z", sha256="", checked="2026-11-29T00:00:00Z") for day in range(1, 29)]
    keep = policy.Keep(last=2, daily=3, weekly=2, monthly=3)
    gone = policy.surplus([*DAYS, *forged], keep)
    assert [one for one in gone if one.sha256] == policy.surplus(DAYS, keep)
    assert policy.surplus(forged, keep)
    left = [one for one in (*DAYS, *forged) if one not in gone]
    assert policy.surplus(left, keep) == []


def test_the_last_and_one_of_each_day_week_and_month_stay() -> None:
    gone = policy.surplus(DAYS, policy.Keep(last=2, daily=3, weekly=2, monthly=3))
    left = sorted(one.created[:10] for one in DAYS if one not in gone)
    assert left == ["2026-09-28", "2026-10-28", "2026-11-22", "2026-11-26", "2026-11-27", "2026-11-28"]


@settings(max_examples=60, deadline=None)
@given(st.builds(policy.Keep, **dict.fromkeys(("last", "daily", "weekly", "monthly"), st.integers(-1, 9))))
def test_the_newest_never_goes_and_a_second_run_takes_nothing(keep: policy.Keep) -> None:
    gone = policy.surplus(DAYS, keep)
    left = [one for one in DAYS if one not in gone]
    assert DAYS[-1] in left
    assert policy.surplus(left, keep) == []
