"""The booth at a terminal, in lines: what is typed in secret, and what is said."""

import os
import pty
import select
import termios
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import pytest
from msgspec import structs

from fleet.base import words
from fleet.base.errors import BadInput
from fleet.base.secret import Secret
from fleet.base.words import LANGUAGES
from installer.booth import talk
from installer.booth.desk import Desk
from installer.booth.order import Order, Place
from installer.booth.ticket import WAY, Cause, Language, Wanted
from tests.unit.tickets import ORDER, a_ticket, at
from tui import booth_texts as texts
from tui.booth_lend import lend
from tui.booth_lines import PlainDesk

if TYPE_CHECKING:
    from installer.booth.run import Booth

# ---- a secret at the terminal ----------------------------------------------------------------------------------------


def typed(keys: bytes) -> tuple[Secret | None, bytes, bool]:
    """What a child takes from a terminal, what that showed of it, and whether it is as it was before."""
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(talk.typed, Path(os.ttyname(theirs)))
        shown = os.read(ours, 100)
        os.write(ours, keys)
        found = answer.result(10)
    while b"\n" not in shown:
        shown += os.read(ours, 100)
    same = termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)
    return found, shown, same


@pytest.mark.parametrize("word", ["hush", "密码 5", "x" * 200])
def test_a_secret_is_typed_without_being_shown_and_the_terminal_is_left_as_it_was(word: str) -> None:
    assert typed(f"{word}\r".encode()) == (Secret(word), b"> \r\n", True)


@pytest.mark.parametrize("keys", [b"\r", b"hu\x03\r", b"\x1b\r", b"\x04"])
def test_nothing_typed_and_what_stops_are_no_secret(keys: bytes) -> None:
    assert typed(keys)[0] is None


def test_a_secret_from_a_file_is_read_by_whoever_needs_it_and_none_is_none(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-canary\n")
    assert talk.read(Place("file", str(tmp_path / "key"))) == Secret("sk-canary")
    assert talk.read(Place()) is None
    with pytest.raises(BadInput):
        talk.read(Place("file", str(tmp_path / "none")))


class Lent:
    """A booth of one ticket that waits for a secret, and its child, which takes one line from the terminal."""

    def __init__(self, typist: Callable[[], None]) -> None:
        wanted = Wanted(id="api_key", form="secret", text="Key:")
        self.desk = Desk(tickets=(structs.replace(at("consented"), wanted=wanted),))
        self.taken: Secret | None = None
        self._typist = typist

    def attend(self, number: int, *, on: bool) -> None:
        pass

    def answer(self, number: int, place: Place) -> None:
        with ThreadPoolExecutor(2) as pool:
            taken = pool.submit(talk.read, place)
            time.sleep(0.1)
            pool.submit(self._typist)
            self.taken = taken.result(10)
        self.desk = self.desk.with_(structs.replace(self.desk.ticket(number), wanted=None))


@pytest.mark.parametrize("later", [0.0, 0.1])
def test_what_was_pasted_after_a_secret_s_line_comes_neither_to_the_desk_nor_onto_the_screen(
    later: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    monkeypatch.setattr("sys.stdin", os.fdopen(theirs, closefd=False))

    def paste() -> None:
        os.write(ours, b"sk-canary-1\r")
        threading.Timer(later, os.write, (ours, b"sk-canary-2\rend 1\r")).start()

    booth = Lent(paste)
    lend(cast("Booth", booth), 1, calm=True)
    assert booth.taken == Secret("sk-canary-1")
    assert select.select([theirs], [], [], 0.3)[0] == []
    assert termios.tcgetattr(theirs) == before
    os.set_blocking(ours, False)
    assert b"canary" not in os.read(ours, 4096)
    os.close(ours)
    os.close(theirs)


# ---- plain lines -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_plain_desk_says_questions_with_numbers_and_never_a_secret(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "_chosen", [language])
    said: list[str] = []

    def order(machine: str, device: str, owner: Language) -> Order:
        return structs.replace(ORDER, machine=machine, device=device, language=owner)

    desk_of = PlainDesk(said.append, order, language)
    options = (("yes", "我同意"), ("no", "我不同意"))
    asked = Wanted(id="consent", text="你同意吗", page=("我们会…",), options=options)
    ticket = structs.replace(at("detected"), wanted=asked)
    desk_of.changed(ticket)
    desk_of.changed(ticket)  # the same is said once
    assert [text for text in ("我们会…", "你同意吗", "1. 我同意", "2. 我不同意") if said.count(text) != 1] == []
    said.clear()
    desk_of.changed(structs.replace(ticket, wanted=Wanted(id="password", form="secret", text="Password:")))
    assert len(said) == 1
    assert "open 1" in said[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_and_cause_has_its_words(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "_chosen", [language])
    for state in (*WAY, "parked", "failed"):
        assert texts.state(structs.replace(a_ticket(), state=state)).text
    for cause in filter(None, get_args(Cause)):
        failed = structs.replace(a_ticket(), state="failed", cause=cause)
        assert texts.now_doing(failed, None, 0.0).text == texts.cause(failed) != ""
        assert dict(texts.details(failed, 0.0))[words.say("booth.ui.field.cause")] == texts.cause(failed)
