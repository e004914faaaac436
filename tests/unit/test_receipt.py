"""The receipt: it says what was proven and no more, fits 80 columns in both languages, and its square is read again."""

import itertools
import re
from collections.abc import Iterator

import pytest
import segno
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from fleet.base import words
from fleet.base.cells import width
from installer.receipt.form import Access, Changes, Consent, Key, Password, Receipt
from installer.receipt.paper import handed, paper
from installer.receipt.square import QUIET, square

SETUP = Receipt(
    agent="front-desk", kind="openclaw", version="2026.9.6", machine="shop", address="10.0.0.5", model="practice",
    changed=True, question="a question", answer="an answer", talk='clawrack agent ask front-desk "…"',
    stop="clawrack agent stop front-desk", remove="clawrack agent remove front-desk",
    leave="clawrack machine remove shop", image=f"ghcr.io/openclaw/openclaw@sha256:{'ab' * 32}",
)  # fmt: skip
CHANGES = Changes(
    paths=("/usr/local/lib/clawrack", "/usr/local/bin/clawrack-agent"), docker="ours",
    command="/usr/local/bin/clawrack-agent", data="/var/lib/clawrack",
)  # fmt: skip
AT = "2026-11-21T18:00:00Z"
GONE = Access(login="root", key="removed", password="rotated", proven=AT, others=2)
PROOF = {"en": ("removed", "rotated", "refused"), "zh": ("已移除", "已更换", "被拒绝")}


@pytest.fixture(params=words.LANGUAGES, autouse=True)
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    words.choose(request.param)
    yield request.param
    words._chosen.clear()  # pyright: ignore[reportPrivateUsage] - as it was before


def printed(receipt: Receipt) -> str:
    """The receipt as it is read: a sentence that goes on in the next line is one."""
    return re.sub("\n {2}(?! )", " " if words.language() == "en" else "", "\n".join(paper(receipt)))


def test_a_setups_receipt_names_the_controllers_commands_and_claims_nothing_about_logins() -> None:
    text = printed(SETUP)
    assert "clawrack machine remove shop" in text
    assert "clawrack agent stop front-desk" in text
    assert not [word for word in itertools.chain(*PROOF.values()) if word in text]


def test_after_the_hand_over_the_commands_are_the_owners_own_and_the_talk_of_the_setup_is_gone() -> None:
    receipt = handed(SETUP, GONE, CHANGES, Consent(version=1, language="zh", at=AT))
    text = printed(receipt)
    assert 'clawrack-agent ask "…"' in text
    assert "clawrack agent" not in text
    assert "clawrack machine" not in text
    assert (receipt.question, receipt.answer) == ("", "")
    assert "an answer" not in text
    for told in ("2026.9.6", "sha256:abababababababab…", "/usr/local/bin/clawrack-agent", "/var/lib/clawrack", AT):
        assert told in text


def test_where_the_system_does_not_keep_its_own_places_the_command_is_named_by_its_path() -> None:
    away = structs.replace(CHANGES, command="/volume1/clawrack/clawrack-agent")
    assert "/volume1/clawrack/clawrack-agent stop" in printed(handed(SETUP, GONE, away))


def test_of_several_agents_the_commands_name_one() -> None:
    several = structs.replace(SETUP, beside=("night: tinykind 1",))
    text = printed(handed(several, GONE, CHANGES))
    assert "clawrack-agent stop front-desk" in text
    assert "night: tinykind 1" in text


def test_removed_and_rotated_are_said_only_where_they_were_proven(language: str) -> None:
    removed, rotated, refused = PROOF[language]
    text = printed(handed(SETUP, GONE, CHANGES))
    assert (removed in text, rotated in text, refused in text, AT in text) == (True, True, True, True)
    nothing = Access(login="root", key="unproven", password="unproven")
    text = printed(handed(SETUP, nothing, CHANGES))
    assert [word for word in PROOF[language] if word in text] == []
    half = Access(login="root", key="removed", password="unproven", proven=AT)
    assert rotated not in printed(handed(SETUP, half, CHANGES))


@pytest.mark.parametrize("key", ["removed", "unproven"])
@pytest.mark.parametrize("password", ["rotated", "off", "removed", "never", "unproven"])
@pytest.mark.parametrize("others", [None, 0, 1, 7])
def test_every_end_of_an_access_has_its_sentence_and_none_says_erased(
    key: Key, password: Password, others: int | None
) -> None:
    access = Access(login="pi", key=key, password=password, proven=AT, others=others)
    text = printed(handed(SETUP, access, CHANGES)).lower()
    assert not re.search("erase|wiped|抹|擦除|清除", text)


def test_switched_off_is_a_claim_about_nobodys_attempt_and_who_may_still_come_by_password_is_named(
    language: str,
) -> None:
    off = structs.replace(GONE, password="off")
    assert PROOF[language][2] not in printed(handed(SETUP, structs.replace(off, key="unproven"), CHANGES))
    kept = structs.replace(off, password="unproven", kept=("anna", "ben"))
    assert "anna, ben" in printed(handed(SETUP, kept, CHANGES))


def test_the_password_is_that_of_the_login_that_had_it() -> None:
    text = printed(handed(SETUP, structs.replace(GONE, person="admin"), CHANGES))
    assert "admin" in text


def test_it_says_whose_model_answers_and_where_and_what_nobody_has_verified(language: str) -> None:
    assert {"en": "Nothing leaves the device", "zh": "没有任何内容离开"}[language] in printed(SETUP)
    there = structs.replace(SETUP, model="deepseek-chat", vendor="DeepSeek", country="CN")
    assert "DeepSeek" in printed(there)
    assert {"en": "leaves yours", "zh": "出境"}[language] in printed(there)
    unknown = structs.replace(there, country="")
    assert {"en": "nobody has verified", "zh": "没有人核实过"}[language] in printed(unknown)


NAMES = st.text("abcdefghij-", min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(agent=NAMES, version=NAMES, login=NAMES, paths=st.lists(NAMES.map(lambda name: f"/etc/{name}"), max_size=20))
def test_no_line_is_wider_than_80_cells(agent: str, version: str, login: str, paths: list[str]) -> None:
    for code in words.LANGUAGES:
        words.choose(code)
        receipt = structs.replace(SETUP, agent=agent, version=version, beside=(f"{agent}: x 1",))
        access = structs.replace(GONE, login=login)
        lines = paper(handed(receipt, access, structs.replace(CHANGES, paths=tuple(paths))))
        assert max(map(width, lines)) <= 80


def modules(lines: list[str]) -> list[list[bool]]:
    """Read half blocks as a scanner sees them: ink or none, two rows to a line."""
    upper = [[char in "▀█" for char in line] for line in lines]
    lower = [[char in "▄█" for char in line] for line in lines]
    return [row for pair in zip(upper, lower, strict=True) for row in pair]


@given(text=st.text(min_size=1, max_size=150))
@settings(max_examples=40, deadline=None)
def test_the_square_is_the_codes_own_modules_in_a_quiet_zone(text: str) -> None:
    seen = modules(square(text))
    wanted = [[bool(dark) for dark in row] for row in segno.make_qr(text, error="l").matrix]
    size = len(wanted)
    assert [row[QUIET:-QUIET] for row in seen[QUIET : QUIET + size]] == wanted
    around = [*seen[:QUIET], *seen[QUIET + size :], *([*row[:QUIET], *row[-QUIET:]] for row in seen)]
    assert not any(itertools.chain(*around))
    assert len(seen[0]) <= 80


def test_on_a_terminal_with_colours_it_is_dark_on_light_whatever_the_theme_is() -> None:
    plain, painted = square("text"), square("text", colour=True)
    assert painted == [f"\x1b[30;47m{line}\x1b[0m" for line in plain]
    assert "\x1b" not in printed(handed(SETUP, GONE, CHANGES))


def test_what_a_machine_says_cannot_take_the_terminal_or_pass_for_a_line_of_ours() -> None:
    evil = structs.replace(CHANGES, paths=("/x\x1b[2J\nThere is a warranty.", "/ü\u202e"), data="/d\x07")
    for line in paper(handed(SETUP, GONE, evil)):
        assert not re.search("[\x00-\x1f\x7f-\x9f\u202e]", line)
        assert line.strip() != "There is a warranty."
