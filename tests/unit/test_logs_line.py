"""``clawrack agent logs`` as it is typed: what cannot be asked for, and that nothing found is told."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clawrack.cli.logs import Typed, run
from fleet.api import Fleet
from fleet.base.errors import BadInput
from fleet.model import Agent, Wish

PLAIN = Typed(
    names=["ada"],
    every=False,
    machine="",
    follow=False,
    tail="",
    since="",
    until="",
    grep="",
    regex=False,
    timestamps=False,
    json=False,
)


def fleet() -> Fleet:
    """A fleet whose one agent has written nothing."""

    def nothing(*_: object) -> Iterator[Any]:
        return iter(())

    wish = Wish(agents={"ada": Agent(kind="openclaw", machine="pc-1")})
    return cast("Fleet", SimpleNamespace(wish=lambda: wish, logs_of=nothing))


@pytest.mark.parametrize(
    ("wrong", "key", "command"),
    [
        (replace(PLAIN, since="yesterday"), "logs.bad_time", "clawrack agent logs ada --since 2h"),
        (replace(PLAIN, tail="abc"), "logs.bad_tail", "clawrack agent logs ada --tail 100"),
        (replace(PLAIN, names=[], every=True, tail="abc"), "logs.bad_tail", "clawrack agent logs --all --tail 100"),
        (
            replace(PLAIN, since="1h", until="2h"),
            "logs.upside_down",
            "clawrack agent logs ada --since 2h --until 1h",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_refused_and_the_arrow_keeps_the_name(wrong: Typed, key: str, command: str) -> None:
    with pytest.raises(BadInput) as caught:
        run(fleet(), wrong)
    assert (caught.value.key, caught.value.part("next")) == (key, command)


@pytest.mark.parametrize(("pattern", "column"), [("(", 1), ("ab[", 3)])
def test_a_pattern_that_is_none_is_told_in_our_words_with_the_column(pattern: str, column: int) -> None:
    with pytest.raises(BadInput) as caught:
        run(fleet(), replace(PLAIN, grep=pattern, regex=True))
    assert caught.value.part("what").endswith(f"column {column} cannot be read")


@pytest.mark.parametrize(("typed", "said"), [(PLAIN, "No line there"), (replace(PLAIN, grep="x"), "No line with `x`")])
def test_nothing_found_is_told_on_standard_error(capsys: pytest.CaptureFixture[str], typed: Typed, said: str) -> None:
    run(fleet(), typed)
    out, err = capsys.readouterr()
    assert (out, said in err) == ("", True)


def test_a_program_is_told_nothing_besides(capsys: pytest.CaptureFixture[str]) -> None:
    run(fleet(), replace(PLAIN, json=True))
    assert capsys.readouterr() == ("", "")
