"""Is this a machine that we know? By the id that we keep on it, its host key, its hardware, its address; in this order.

The id and the host key lie on its disk: a disk that is copied takes both along, and two machines then carry one id. The
hardware's numbers (hashed by the probe) tell them apart. An address alone says nothing. Pure.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import msgspec

from installer.facts import Facts

Answer = Literal["same", "moved", "cloned", "new", "unsure"]
_Likeness = Literal["same", "other", "unknown"]
_CARD = "mac."
_PROOF = 2


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine is known by.

    Attributes:
        id: of ours, kept on it; empty where it has none.
        host_key: its fingerprint; empty where it was not seen.
        hardware: hashed numbers by name: ``product_uuid``, ``board_serial``, ``mac.eth0`` …; those that were readable.
        address: where it was reached.
    """

    id: str = ""
    host_key: str = ""
    hardware: dict[str, str] = {}
    address: str = ""


class Again(msgspec.Struct, frozen=True):
    """What is concluded.

    Attributes:
        answer: ``same`` machine at the same place; ``moved`` to another address; ``cloned``: another computer with its
            disk, or a copy of it; ``new``; ``unsure``: the marks contradict each other, so a person is asked.
        name: of the machine that it is, or is like; empty for a new one.
        because: the marks that it rests on.
    """

    answer: Answer
    name: str = ""
    because: tuple[str, ...] = ()


def hardware_ids(facts: Facts) -> dict[str, str]:
    """Return the hardware's numbers of a probe."""
    return {key.removeprefix("id."): value for key, value in facts.values.items() if key.startswith("id.")}


def recognise(known: Mapping[str, Marks], seen: Marks) -> Again:
    """Return which of the known machines this is."""
    by_id = _named(known, lambda marks: bool(seen.id) and marks.id == seen.id)
    by_key = _named(known, lambda marks: bool(seen.host_key) and marks.host_key == seen.host_key)
    by_body = _named(known, lambda marks: _likeness(marks.hardware, seen.hardware) == "same")
    if len(by_id) > 1 or len(by_key) > 1:
        return Again("unsure", (by_id or by_key)[0], ("id" if len(by_id) > 1 else "host_key",))
    for names, mark in ((by_id, "id"), (by_key, "host_key")):
        if names:
            return _by_disk(known[names[0]], names[0], seen, mark, by_body)
    if by_body:  # a known computer with a system that is new to us
        return Again("unsure", by_body[0], ("hardware",))
    return _by_place(known, seen)


def _by_disk(marks: Marks, name: str, seen: Marks, mark: str, by_body: list[str]) -> Again:
    """Weigh a known id or host key: the hardware says whether the disk is where it was."""
    likeness = _likeness(marks.hardware, seen.hardware)
    if likeness == "other" or (by_body and name not in by_body):
        return Again("cloned", name, (mark, "hardware"))
    other_key = bool(marks.host_key and seen.host_key) and marks.host_key != seen.host_key
    other_id = bool(marks.id and seen.id) and marks.id != seen.id
    if other_key or other_id:
        return Again("unsure", name, (mark, "host_key" if other_key else "id"))
    because = (mark, "hardware") if likeness == "same" else (mark,)
    if marks.address == seen.address:
        return Again("same", name, (*because, "address"))
    return Again("moved" if likeness == "same" else "unsure", name, because)


def _by_place(known: Mapping[str, Marks], seen: Marks) -> Again:
    """Tell a new machine from one at the address of another, of which nothing else is known."""
    there = _named(known, lambda marks: bool(seen.address) and marks.address == seen.address)
    if not there:
        return Again("new")
    marks = known[there[0]]
    told_apart = _likeness(marks.hardware, seen.hardware) == "other"
    return Again("new", "", ("hardware",)) if told_apart else Again("unsure", there[0], ("address",))


def _named(known: Mapping[str, Marks], holds: Callable[[Marks], bool]) -> list[str]:
    return sorted(name for name, marks in known.items() if holds(marks))


def _likeness(ours: Mapping[str, str], theirs: Mapping[str, str]) -> _Likeness:
    """Compare two computers' numbers: those of the board, which stay, and those of network cards, which come and go.

    Makers who number nothing give a thousand boards one number, so one equal number beside other cards proves nothing.
    """
    boards = [ours[name] == theirs[name] for name in ours.keys() & theirs.keys() if not name.startswith(_CARD)]
    cards, other_cards = _cards(ours.items()), _cards(theirs.items())
    shared = bool(cards & other_cards)
    apart = bool(cards and other_cards) and not shared
    if all(boards) and (shared or (boards and not apart) or len(boards) >= _PROOF):
        return "same"
    return "other" if not any(boards) and not shared and (boards or apart) else "unknown"


def _cards(numbers: Iterable[tuple[str, str]]) -> set[str]:
    return {value for name, value in numbers if name.startswith(_CARD)}
