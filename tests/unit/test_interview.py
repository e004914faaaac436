"""The order of questions, the way back, and where answers come from."""

import inspect
import typing
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawrack.cli.faces import lines
from clawrack.cli.setup import setup as setup_command
from fleet.base.errors import BadInput, Refused, StateDamaged
from fleet.base.secret import Secret
from fleet.machine.target import parse
from installer.answers import Answers, Entry, from_environment, from_file, gather, variable
from installer.several import names_like, waves
from installer.wizard.draft import Draft
from installer.wizard.interview import Back, Interview
from installer.wizard.question import Question, yes_or_no

BACK = object()


class Hand:
    """Types what it was given, question after question, and keeps what it was asked."""

    def __init__(self, *types: object) -> None:
        self._types = list(types)
        self.asked: list[str] = []
        self.before: list[str] = []
        self.complaints: list[str] = []

    def put(self, question: Question, number: int, before: str) -> str | Secret:
        self.asked.append(f"{number} {question.id}")
        self.before.append(before)
        typed = self._types.pop(0)
        if typed is BACK:
            raise Back
        if isinstance(typed, type) and issubclass(typed, BaseException):
            raise typed
        assert isinstance(typed, (str, Secret))
        return typed

    def complain(self, error: BadInput) -> None:
        self.complaints.append(error.key)


MACHINE, NAME = Question(id="machine", default="here"), Question(id="name", default="openclaw", params={"machine": "m"})


def two(interview: Interview) -> Callable[[], tuple[str, str]]:
    return lambda: (interview.ask(MACHINE), interview.ask(NAME))


LOGIN = yes_or_no("host_key", default="no", place="m")


def test_what_is_not_done_twice_is_not_asked_twice_and_back_passes_over_it() -> None:
    hand = Hand("one", "yes", BACK, "two", "yes", "bob")
    interview, met = Interview(hand), set[str]()

    def script() -> tuple[str, str]:
        machine = interview.ask(MACHINE)
        if machine not in met:
            interview.once(lambda: interview.confirm(LOGIN))
            met.add(machine)
        return machine, interview.ask(NAME)

    assert interview.lead(script) == ("two", "bob")
    assert [asked.split()[1] for asked in hand.asked] == ["machine", "host_key", "name", "machine", "host_key", "name"]
    assert "host_key" not in interview.recorded


def test_an_answer_that_means_back_goes_to_the_question_before() -> None:
    hand = Hand("one", "back", "two", "bob")
    interview = Interview(hand)

    def script() -> tuple[str, str]:
        machine, name = interview.ask(MACHINE), interview.ask(NAME)
        if name == "back":
            interview.back()
        return machine, name

    assert interview.lead(script) == ("two", "bob")
    assert [asked.split()[1] for asked in hand.asked] == ["machine", "name", "machine", "name"]


def test_back_asks_the_question_before_again_with_its_answer_at_hand() -> None:
    hand = Hand("one", BACK, "two", "bob")
    interview = Interview(hand)
    assert interview.lead(two(interview)) == ("two", "bob")
    assert hand.asked == ["1 machine", "2 name", "1 machine", "2 name"]
    assert hand.before[2] == "one"


def test_back_at_the_first_question_asks_it_again() -> None:
    hand = Hand(BACK, BACK, "one", "bob")
    interview = Interview(hand)
    assert interview.lead(two(interview)) == ("one", "bob")


def test_an_answer_counts_only_for_the_question_that_it_was_given_to() -> None:
    hand = Hand("a", "x", BACK, BACK, "b", "y", "z")
    interview = Interview(hand)

    def script() -> tuple[str, str, str]:
        machine = interview.ask(MACHINE)
        about = Question(id="name", params={"machine": machine})
        return machine, interview.ask(about), interview.ask(Question(id="go"))

    assert interview.lead(script) == ("b", "y", "z")
    assert hand.before[-2] == "x"


def test_what_cannot_be_used_is_told_and_asked_again() -> None:
    hand = Hand("no address at all", "root@10.0.0.7")
    assert Interview(hand).ask(MACHINE, parse) == "root@10.0.0.7"
    assert hand.complaints == ["target.unclear"]


def test_there_is_no_way_back_once_the_script_has_ended() -> None:
    hand = Hand("one", "bob", BACK, Secret("pw"))
    interview = Interview(hand)
    interview.lead(two(interview))
    assert interview.secret(Question(id="password", form="secret")).reveal() == "pw"
    assert interview.recorded == {"machine": "one", "name": "bob"}


def test_secrets_are_not_recorded() -> None:
    interview = Interview(Hand("one", Secret("canary-7"), KeyboardInterrupt))

    def script() -> None:
        interview.ask(MACHINE)
        interview.secret(Question(id="password", form="secret"))
        interview.ask(NAME)

    with pytest.raises(KeyboardInterrupt):
        interview.lead(script)
    assert interview.recorded == {"machine": "one"}
    assert interview.leading


def test_where_nobody_is_the_default_answers_and_the_rest_says_what_to_type() -> None:
    nobody = Interview(None)
    assert nobody.lead(two(nobody)) == ("here", "openclaw")
    facts = {"user": "root", "place": "10.0.0.7", "typed": "root@10.0.0.7"}
    with pytest.raises(Refused) as caught:
        nobody.secret(Question(id="password", form="secret", params=facts))
    assert "--password-stdin" in caught.value.part("next")
    with pytest.raises(Refused):
        nobody.confirm(yes_or_no("host_key", default="yes", place="p", kind="k", fingerprint="f", typed="t"))


@given(st.lists(st.sampled_from(["a", "b", BACK]), max_size=12))
def test_however_a_person_goes_back_and_forth_the_answers_are_those_last_given(moves: list[object]) -> None:
    hand = Hand(*moves, "x", "y", "x", "y")
    interview = Interview(hand)
    found = interview.lead(two(interview))
    kept: list[object] = []
    for move in [*moves, "x", "y", "x", "y"]:
        if len(kept) == 2:
            break
        kept = kept[:-1] if move is BACK else [*kept, move]
    assert list(found) == kept


@pytest.mark.parametrize("typed", ["2", "\uff12", "No", "no"])
def test_a_choice_is_taken_by_number_or_word_as_any_input_method_types_them(typed: str) -> None:
    question = yes_or_no("host_key", place="p", kind="k", fingerprint="f", typed="t")
    assert lines.taken(lines.normal(typed), question) == "no"


@pytest.mark.parametrize(("typed", "way"), [("返回", Back), ("back", Back), ("退出", KeyboardInterrupt)])
def test_the_words_for_back_and_quit_are_those_of_both_languages(typed: str, way: type[BaseException]) -> None:
    with pytest.raises(way):
        lines.taken(typed, NAME)


def test_every_question_has_a_flag_a_variable_and_a_key_by_its_name() -> None:
    flags = set(inspect.signature(setup_command).parameters)
    questions = set(Answers.__struct_fields__)
    assert {name for name in questions if name not in flags} == {
        "password", "jump_password", "api_key",
    }  # which come by --password-stdin, --jump-password-stdin and --api-key-file  # fmt: skip
    assert questions - set(Entry.__struct_fields__) == {"yes", "plan"}  # which belong to a run, not to a machine
    hints = typing.get_type_hints(Answers)
    samples = {"accept_new_host_key": "true", "yes": "1", "plan": "true", "image_source": "build", "firewall": "off"}
    samples |= {"moved": "1", "harden": "1", "no_agent": "1", "restore_kept": "1"}
    for name in questions:
        told = from_environment({variable(name): samples.get(name, "text")})
        assert name in told, hints[name]


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "answers.yaml"
    file.write_text("machine: root@10.0.0.1\nname: file\nkind: tinykind\n")
    (of_file,) = from_file(file)
    environment = {"CLAWRACK_NAME": "environment", "CLAWRACK_MACHINE": "root@10.0.0.2"}
    answers = gather({"machine": "root@10.0.0.3", "name": "", "yes": False}, environment, of_file)
    assert (answers.machine, answers.name, answers.kind) == ("root@10.0.0.3", "environment", "tinykind")


def test_many_machines_share_what_stands_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rack.yaml"
    monkeypatch.setenv("RACK_PASSWORD", "pw 7")
    file.write_text(
        "version: 1\nkind: tinykind\npassword: {env: RACK_PASSWORD}\nmachines:\n"
        "  - machine: root@10.0.0.1\n  - machine: root@10.0.0.2\n    name: second\n"
    )
    one, two_ = (gather({}, {}, entry) for entry in from_file(file))
    assert one.password == two_.password == Secret("pw 7")
    assert (one.kind, one.name, two_.name) == ("tinykind", "", "second")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("password: hunter2\n", ":1:"),
        ("passwort: {env: X}\n", ":1:"),
        ("version: 2\n", ""),
        ("password: {{file: ~/pw}}\n", ":1:12"),
        ("password: {env: NOT_SET_ANYWHERE}\n", ""),
    ],
)
def test_a_file_that_cannot_be_used_is_a_sentence(tmp_path: Path, text: str, at: str) -> None:
    file = tmp_path / "answers.yaml"
    file.write_text(text)
    with pytest.raises(BadInput) as caught:
        from_file(file)
    assert f"{file}{at}" in caught.value.where
    assert "hunter2" not in str(caught.value)


def test_a_broken_off_talk_is_kept_privately_and_read_again(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "state" / "setup.json")
    with pytest.raises(Refused):
        draft.read()
    draft.write({"machine": "root@10.0.0.7"})
    assert draft.read() == {"machine": "root@10.0.0.7"}
    assert (tmp_path / "state" / "setup.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "state" / "setup.json").write_text('{"version": 1')
    with pytest.raises(StateDamaged):
        draft.read()
    draft.forget()
    draft.forget()


def test_names_for_many_agents_go_up() -> None:
    names = names_like("openclaw-2")
    assert [next(names) for _ in range(3)] == ["openclaw-2", "openclaw-3", "openclaw-4"]


def test_one_machine_goes_alone_before_the_rest() -> None:
    assert [len(wave) for wave in waves([object()] * 12)] == [1, 2, 4, 4, 1]
