"""Known machines and one that is seen: which of them is it?"""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.base.yaml import parse
from fleet.machine.local import LocalPort
from installer.detect.again import Marks, hardware_ids, recognise
from installer.facts import look

CASES = sorted(Path(__file__).parent.glob("again/*.yaml"))


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    known: dict[str, Marks]
    seen: Marks
    answer: str
    name: str = ""


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_machine_is_known_again_as_the_case_says(path: Path) -> None:
    told = parse(path.read_bytes(), Case, str(path))
    again = recognise(told.known, told.seen)
    assert (again.answer, again.name) == (told.answer, told.name)
    assert bool(again.because) or again.answer == "new"


words = st.sampled_from(["", "a", "b"])
marks = st.builds(
    Marks,
    id=words,
    host_key=words,
    address=words,
    hardware=st.dictionaries(
        st.sampled_from(["product_uuid", "board_serial", "mac.eth0"]), st.sampled_from(["x", "y"])
    ),
)


@given(known=st.dictionaries(st.sampled_from(["m1", "m2"]), marks), seen=marks)
def test_a_name_is_only_told_of_a_machine_that_is_known(known: dict[str, Marks], seen: Marks) -> None:
    again = recognise(known, seen)
    assert (again.answer == "new") == (again.name == "")
    assert not again.name or again.name in known


@given(known=st.dictionaries(st.sampled_from(["m1", "m2"]), marks), seen=marks)
def test_same_and_moved_never_pass_over_another_host_key_or_id(known: dict[str, Marks], seen: Marks) -> None:
    again = recognise(known, seen)
    if again.answer in {"same", "moved"}:
        found = known[again.name]
        assert not (found.host_key and seen.host_key) or found.host_key == seen.host_key
        assert not (found.id and seen.id) or found.id == seen.id


def test_the_probes_numbers_are_hashes_and_steady() -> None:
    first, second = (hardware_ids(look(LocalPort())) for _ in range(2))
    assert first == second
    assert all(len(value) == 16 and set(value) <= set("0123456789abcdef") for value in first.values())
