"""The doctor's judgement: each case of the table is found, and nothing else; each finding has its words."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.base import words as catalogue
from fleet.base.words import LANGUAGES
from fleet.doctor import config, mend
from fleet.doctor.checkup import Box, Checkup, read
from fleet.doctor.finding import ASKS, FIXES, IDS, SEVERITIES, Diagnosis, Finding
from fleet.doctor.judge import judge
from fleet.doctor.words import ended, headline, seen, told
from fleet.model import Machine
from tests.unit.doctor_cases import CASES, FILES, HEALTHY, Case, symptoms, text

PAGE = Path(__file__).parents[2] / "docs/doctor.md"
PARTS = ("what", "why", "next")
COMMANDS = re.compile(r"clawrack |ssh |sudo |ssh-keygen |ping |getent |Wait |等 ")


def judged(case: Case) -> Diagnosis:
    return judge([symptoms(case)], [case.port] if case.port else [])


def all_findings() -> Iterator[Finding]:
    for case in CASES.values():
        yield from judged(case).findings


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    catalogue.choose(request.param)
    yield request.param
    catalogue.choose("en")


@pytest.mark.parametrize("name", CASES)
def test_each_case_is_found_and_nothing_else(name: str) -> None:
    found = judged(CASES[name]).findings
    said = [f"{one.severity} {one.id}" + (f" +{one.fix}" if one.fix else "") for one in found]
    assert tuple(said) == CASES[name].found
    assert all(one.evidence or one.id == "port.taken" for one in found)


def test_every_finding_has_a_case() -> None:
    assert {one.id for one in all_findings()} == set(IDS)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.found])
def test_each_finding_says_what_why_and_the_command_in_both_languages(name: str, language: str) -> None:
    for finding in judged(CASES[name]).findings:
        shown = told(finding)
        assert shown.what, language
        assert shown.why
        assert COMMANDS.match(shown.command), shown.command
        assert "?" not in shown.what + shown.command, f"a value is missing: {shown}"
        assert "{" not in shown.what + shown.why + shown.command


@pytest.mark.usefixtures("language")
def test_no_words_are_left_of_findings_that_there_are_not() -> None:
    ours = {key for key in catalogue.catalogue(catalogue.language()) if re.match(r"doctor\.[a-z]+\.[a-z_]+\.\w+$", key)}
    assert ours - {"doctor.ask.config.instead"} == {f"doctor.{id_}.{part}" for id_ in IDS for part in PARTS}


def test_a_machine_that_says_nothing_is_never_well() -> None:
    for name, case in CASES.items():
        if "trouble" in case.seen:
            assert not judged(case).well, name
    nothing = judge([symptoms(Case((), seen={"checkup": Checkup()}))])
    assert not nothing.well


def test_the_worst_comes_first() -> None:
    everything = judge([symptoms(CASES[name]) for name in CASES])
    order = [SEVERITIES.index(one.severity) for one in everything.findings]
    assert order == sorted(order)


def test_every_fix_is_known_and_some_case_has_it() -> None:
    assert {one.fix for one in all_findings() if one.fix} == set(FIXES)
    assert set(mend._FIXES) == set(FIXES)  # pyright: ignore[reportPrivateUsage]
    assert set(FIXES) >= ASKS


def test_a_fix_is_never_offered_for_what_could_not_be_looked_at() -> None:
    silent = [one for case in CASES.values() if "trouble" in case.seen for one in judged(case).findings]
    assert [one.id for one in silent if one.fix] == []


def test_the_difference_shows_the_line_and_hides_keys() -> None:
    there = FILES["config/openclaw.json"].replace("18789", '18790,\n  "apiKey": "sk-1234567890abcdefghij"')
    box = Box(
        files={name: content.encode() for name, content in FILES.items()} | {"config/openclaw.json": there.encode()}
    )
    shown = "\n".join(config.difference(FILES, box))
    assert '-  "port": 18789,' in shown
    assert '+  "port": 18790,' in shown
    assert "workspace" in shown
    assert "sk-1234567890abcdefghij" not in shown


@pytest.mark.parametrize(
    "line",
    [
        '"token": "hunter2"',
        "apiKey: hunter2",
        "password = hunter2",
        "Authorization: Bearer hunter2abcdefgh0123",
        "x sk-hunter2-abcdefgh01",
        '{"secret":"hunter2"}',
    ],
)
def test_what_may_be_a_key_is_hidden(line: str) -> None:
    assert "hunter2" not in config.masked(line)


def test_a_hostile_file_cannot_speak_to_the_terminal() -> None:
    box = Box(
        files={**{name: content.encode() for name, content in FILES.items()}, "spec": b"\x1b]0;x\x07\x9b2J\xff\n"}
    )
    assert all(line.isprintable() for line in config.difference(FILES, box))


def test_a_huge_edit_is_shown_in_part() -> None:
    box = Box(files={"spec": "\n".join(f"line {n}" for n in range(5000)).encode()})
    assert len(list(config.difference(FILES, box))) <= config.MOST_LINES + 1


@pytest.mark.parametrize("cut", range(0, len(HEALTHY), 97))
def test_an_answer_that_is_cut_anywhere_is_read_and_judged(cut: int) -> None:
    whole = text(Case(()))
    base = symptoms(Case(()))
    judge([type(base)(name="pc-1", machine=base.machine, expected=base.expected, checkup=read(whole[:cut]))])


@pytest.mark.parametrize("line", ["mode=x", "unit=", "ended=a b c", "hangs=", "file.ada=spec zz", "disk.state=a b c d", "agent.=x", "agent.x=y"])  # fmt: skip  # noqa: E501
def test_nonsense_is_left_out(line: str) -> None:
    judged(Case((), more=(line,)))


@pytest.mark.parametrize("code", ["0", "1", "78", "137", "139", "143", "130", "3", "?", ""])
def test_every_exit_code_has_words(code: str, language: str) -> None:
    assert language
    assert len(ended(code)) > 3


def page() -> str:
    """docs/doctor.md as the cases and the words make it."""
    fixes: dict[str, set[str]] = defaultdict(set)
    levels: dict[str, set[str]] = defaultdict(set)
    for one in all_findings():
        levels[one.id].add(one.severity)
        fixes[one.id] |= {one.fix} - {""}
    rows = [
        f"| `{id_}` | {', '.join(level for level in SEVERITIES if level in levels[id_])} "
        f"| {_plain(f'doctor.{id_}.what')} | {_plain(f'doctor.{id_}.why')} "
        f"| {_command(id_)} | {', '.join(sorted(fixes[id_]))} |"
        for id_ in IDS
    ]
    head = PAGE.read_text(encoding="utf-8").partition("\n| finding ")[0] if PAGE.exists() else ""
    return (
        f"{head}\n| finding | severity | what | why | command | `--fix` |\n|---|---|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


def _plain(key: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: found[1].upper(), catalogue.catalogue("en")[key])


def _command(id_: str) -> str:
    shown = _plain(f"doctor.{id_}.next")
    shown = {"SETUP": "clawrack setup --machine MACHINE --kind KIND --name AGENT"}.get(shown, shown)
    return f"`{shown.replace('ON ', 'clawrack machine shell MACHINE -- ', 1) if shown.startswith('ON ') else shown}`"


def test_the_page_is_that_of_the_code() -> None:
    """To write it anew: .venv/bin/python -c 'from tests.unit import test_doctor as t; t.PAGE.write_text(t.page())'."""
    assert PAGE.read_text(encoding="utf-8") == page()


def finding_of(name: str) -> Finding:
    [found] = judged(CASES[name]).findings
    return found


def test_a_fix_that_wants_a_yes_says_so_where_nobody_can_be_asked() -> None:
    edited = finding_of("an edited configuration")
    assert told(edited).command == "clawrack doctor ada --fix"
    assert told(edited, asked=False).command == "clawrack doctor ada --fix --yes"
    assert "--yes" not in told(finding_of("no firewall"), asked=False).command


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("root", "clawrack machine shell pc-1 -- systemctl start docker"),
        ("claw", "clawrack machine shell pc-1 -- sudo systemctl start docker"),
    ],
)
def test_docker_is_started_through_our_own_shell(user: str, command: str) -> None:
    case = CASES["Docker is down"]
    machine = Machine(address="192.0.2.7", user=user)
    [found] = judged(replace(case, seen={"machine": machine})).findings
    assert told(found).command == command


def test_a_taken_port_tells_the_port_to_open_the_page_at() -> None:
    assert told(finding_of("a taken port")).command == "clawrack agent open ada --port 18701"


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.found])
def test_a_person_reads_no_keys_and_no_name_twice(name: str, language: str) -> None:
    assert language
    for finding in judged(CASES[name]).findings:
        assert not re.match(r"[a-z_]+\.[a-z_]+[: ]", seen(finding)), seen(finding)
        named = re.findall(r"(?<![\w-])pc-1(?![\w.-])", headline(finding))
        assert len(named) <= 1, headline(finding)


def test_a_probe_that_nobody_answers_is_told_in_words() -> None:
    case = replace(CASES["an agent that is not ready"], seen={"complaints": {"ada": "started: Unreachable"}})
    [found] = judged(case).findings
    assert seen(found) == "the probe `started` got no answer"


def test_every_fix_has_a_name(language: str) -> None:
    assert all(catalogue.find(f"doctor.fix.{fix}") for fix in FIXES), language
