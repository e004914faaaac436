"""What the evidence leaves open is asked; the answer counts, and no machine can give it."""

from types import MappingProxyType

import pytest

from fleet.base.errors import BadInput
from installer.detect import detect
from installer.detect.doubts import OTHER, VALUES, doubts, said, told
from installer.facts import BEGIN, END, Facts, parse, read


def facts(**values: str) -> Facts:
    return Facts(MappingProxyType({key.replace("__", "."): value for key, value in values.items()}))


HALF_UGREEN = Facts(
    MappingProxyType(
        {"uname_s": "Linux", "os.ID": "debian", "os.OS_VERSION": "1.2", "os.OS_IS_BETA": "0", "pid1": "systemd"}
    )
)


def test_one_mark_of_two_is_asked_and_the_likeliest_comes_first() -> None:
    (doubt, _) = doubts(detect(HALF_UGREEN))
    assert (doubt.part, doubt.options) == ("os", ("ugos", "debian", OTHER))


def test_an_answer_settles_it_and_is_not_asked_again() -> None:
    settled = told(HALF_UGREEN, {"os": "debian", "hardware": "nas"})
    verdict = detect(settled)
    assert (verdict.os.value, verdict.os.confidence, verdict.os.evidence) == ("debian", 1.0, ("told.os",))
    assert verdict.hardware.value == "nas"
    assert doubts(verdict) == ()
    assert said(settled) == {"os": "debian", "hardware": "nas"}


def test_nothing_said_changes_nothing() -> None:
    assert told(HALF_UGREEN, {"os": "", "hardware": ""}) == HALF_UGREEN


@pytest.mark.parametrize("text", [f"{BEGIN}\nuname_s=Linux\ntold.os=debian\n{END}\n"])
def test_a_machine_cannot_say_what_only_a_person_says(text: str) -> None:
    assert said(parse(text.encode())) == said(read(text.encode())) == {}


def test_a_value_that_there_is_not_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(BadInput) as error:
        told(HALF_UGREEN, {"os": "debain"})
    assert "debian" in str(error.value.part("why"))


def test_nobody_is_asked_about_the_computer_below_a_container_or_a_virtual_one() -> None:
    below = Facts(MappingProxyType({"uname_s": "Linux", "os.ID": "debian", "debian_version": "12", "sdv_ct": "docker"}))
    assert [doubt.part for doubt in doubts(detect(below))] == []


def test_every_option_of_every_doubt_is_a_value_and_the_last_is_none_of_them() -> None:
    for os_id in ("", "plan9", "debian", "zimaos"):
        for doubt in doubts(detect(facts(uname_s="Linux", os__ID=os_id))):
            assert set(doubt.options) <= set(VALUES[doubt.part])
            assert doubt.options[-1] == OTHER
            assert len(set(doubt.options)) == len(doubt.options)
