"""The booth's desk on a screen of 80 columns, without devices: what it shows, and what its keys do."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from textual.pilot import Pilot

from fleet.base import words
from fleet.base.event import Event
from installer.booth.codes import COMMAND
from installer.booth.keep import Keep
from installer.booth.order import Order
from installer.booth.run import Booth
from installer.booth.ticket import Language, Ticket, Wanted
from installer.booth.work import CONSENT
from tests.screens.pictures import play, same_as_kept, text_of
from tui.booth import BoothApp

NOW = 1000.0
DEBIAN = "Debian GNU/Linux 12 (bookworm) · mini_pc · AZW SER5"
MATCH = Wanted(
    id="match", customer=False, options=(("yes", "yes"), ("no", "no")),
    params={"machine": "root@192.168.1.20", "code": "3f9a-71c2", "fingerprint": "SHA256:x", "command": COMMAND},
)  # fmt: skip


def consent(language: Language) -> Wanted:
    told = words.catalogue(language)
    values = {"machine": "root@192.168.1.20", "code": "3f9a-71c2", "kind": "openclaw", "version": CONSENT}
    page = tuple(told[f"booth.consent.{part}"].format(**values) for part in ("what", "access", "data", "undo"))
    options = tuple((value, told[f"booth.consent.{value}"]) for value in ("yes", "no"))
    text = told["booth.consent"].format(**values)
    return Wanted(id="consent", text=text, page=page, options=options, default="no")


def tickets() -> tuple[Ticket, ...]:
    def one(number: int, **more: Any) -> Ticket:
        plain = Ticket(number=number, id=f"{number}", code=f"K7F-3Q{number}", place="", queued=False)
        return structs.replace(plain, **more)

    return (
        one(1, state="done", used=187.0, what=DEBIAN, receipt="回执\n" + "\n".join(f"line {n}" for n in range(40))),
        one(2, state="failed", used=12.0, cause="declined", what="Windows"),
        one(3, state="parked", used=280.0, cause="wrong-password", code="K7F-3QD", why="no"),
        one(4, state="installing", running=True, ticking=NOW - 252, what=DEBIAN),
        one(5, state="proving", running=True, ticking=NOW - 333, what="fnOS · nas · UGREEN DXP4800"),
        one(6, state="detected", running=True, ticking=NOW - 40, what=DEBIAN, wanted=consent("zh"), language="zh"),
        one(7, running=True, ticking=NOW - 3, wanted=MATCH),
        one(8, used=0.0),
    )


class Stage(BoothApp):
    """The desk with tickets in every state, whose children never say anything; the clock stands."""

    def __init__(self, folder: Path) -> None:
        self.answered: list[tuple[int, str]] = []

        def made(changed: Callable[[Ticket], None], told: Callable[[int, Event], None]) -> Booth:
            return Booth(Keep(folder / "tickets", folder / "days"), 4, changed, told, now=lambda: NOW)

        super().__init__(made, lambda place, code, speaks: Order(machine=place, device=code, kind="x", language=speaks))
        self.booth.desk = structs.replace(self.booth.desk, tickets=tickets())
        self.booth.answer = lambda number, answer: self.answered.append((number, getattr(answer, "value", "")))  # type: ignore[method-assign]


@pytest.fixture(params=["en", "zh"])
def language(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(words, "_chosen", [request.param])
    monkeypatch.delenv("NO_COLOR", raising=False)
    return str(request.param)


def shown(app: Stage) -> str:
    """The screen without its time of day, and without toasts."""
    first, *rest = text_of(app).splitlines()
    return "\n".join([re.sub(r"\d\d:\d\d:\d\d", "", first).rstrip(), *rest]) + "\n"


def at(app: Stage, *keys: str) -> str:
    pictures: list[str] = []

    async def act(pilot: Pilot[Any]) -> None:
        app.tick()
        app.clear_notifications()
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        pictures.append(shown(app))

    play(app, act)
    return pictures[0]


def test_every_ticket_has_a_row_with_its_clock(language: str, tmp_path: Path) -> None:
    picture = at(Stage(tmp_path))
    same_as_kept(f"booth-{language}-80x24", picture)
    assert [clock for clock in ("3:07", "0:48", "-0:33", "4:20") if clock not in picture] == []


@pytest.mark.parametrize("customer", ["en", "zh"])
def test_the_customer_reads_all_of_it_in_their_own_language_whatever_the_operator_s_is(
    language: str, customer: Language, tmp_path: Path
) -> None:
    app = Stage(tmp_path)
    asked = structs.replace(app.booth.desk.ticket(6), wanted=consent(customer), language=customer)
    app.booth.desk = app.booth.desk.with_(asked)
    picture = at(app, "end", "up", "up", "enter")
    same_as_kept(f"booth-consent-{customer}-{language}-80x24", picture)
    read = re.sub(r"[\s│▌]", "", picture)  # ▌: the mark of the row behind it
    texts = [*consent(customer).page, consent(customer).text, *(words for _, words in consent(customer).options)]
    assert [text for text in texts if re.sub(r"\s", "", text) not in read] == []


def test_enter_alone_agrees_to_nothing(language: str, tmp_path: Path) -> None:
    app = Stage(tmp_path)
    at(app, "end", "up", "up", "enter", "enter")
    assert app.answered == [(6, "no")], language


def test_esc_leaves_a_question_for_later(language: str, tmp_path: Path) -> None:
    app = Stage(tmp_path)
    picture = at(app, "end", "up", "up", "enter", "escape")
    assert app.answered == [], language
    assert "K7F-3QD" in picture


def test_the_operator_compares_the_device_s_code(language: str, tmp_path: Path) -> None:
    app = Stage(tmp_path)
    same_as_kept(f"booth-match-{language}-80x24", at(app, "end", "up", "enter"))
    at(again := Stage(tmp_path), "end", "up", "enter", "up", "enter")
    assert again.answered == [(7, "yes")]


def test_a_receipt_is_read_to_its_end(language: str, tmp_path: Path) -> None:
    assert "line 0\n" in at(Stage(tmp_path), "enter"), language
    assert "line 39\n" in at(Stage(tmp_path), "enter", "end")


@pytest.mark.parametrize(("row", "said"), [(3, "code"), (5, "taken_back"), (7, "untouched")])
def test_before_a_ticket_is_ended_it_is_said_what_happens_on_its_device(
    language: str, tmp_path: Path, row: int, said: str
) -> None:
    app = Stage(tmp_path)
    app.booth.desk = app.booth.desk.with_(structs.replace(app.booth.desk.ticket(5), reached="installing"))
    if row == 3:
        assert "K7F-3QD" in at(app, "home", "down", "down", "r")
        return
    read = re.sub(r"[\s│▌]", "", at(app, "home", *["down"] * (row - 1), "e"))
    text = words.catalogue(language)[f"booth.ui.end_{said}"]
    assert re.sub(r"\s", "", text) in read


def test_a_new_device_is_taken_only_with_an_address_that_can_be_meant(language: str, tmp_path: Path) -> None:
    app = Stage(tmp_path)
    app.booth.pump = lambda _: None  # type: ignore[method-assign]
    at(app, "a", *"root@ho st", "enter", "enter", "enter")
    assert len(app.booth.desk.tickets) == 8, language
    good = Stage(tmp_path)
    good.booth.pump = lambda _: None  # type: ignore[method-assign]
    at(good, "a", *"root@10.0.0.9", "enter", "enter", "enter")
    assert good.booth.desk.tickets[-1].place == "10.0.0.9"
