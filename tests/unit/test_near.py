"""What is told of a name that is none, and of a machine that does not answer."""

import pytest

from fleet import near
from fleet.base import words
from fleet.base.errors import Unreachable, WireCut
from fleet.model import Agent, Machine, Wish
from fleet.tombs import seems_dead

WISH = Wish(
    machines={"box": Machine(address="10.0.0.1")}, agents={"helper": Agent(kind="openclaw", machine="box")}
)  # fmt: skip


@pytest.fixture(autouse=True)
def english() -> None:
    words.choose("en")


def test_a_name_that_is_nearly_one_is_told_with_the_one() -> None:
    assert "`helper`" in near.no_agent("helpre", WISH).part("what")
    assert near.no_machine("bxo", WISH).part("next") == "clawrack machine show box"
    assert near.no_agent("zzz", WISH).key == "fleet.no_agent"


def test_only_where_nobody_answers_a_machine_seems_dead() -> None:
    assert seems_dead(Unreachable("ssh.no_answer"))
    assert not seems_dead(Unreachable("ssh.key_refused"))
    assert not seems_dead(WireCut("wire.cut"))
