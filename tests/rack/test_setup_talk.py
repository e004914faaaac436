"""A person led through a setup at a terminal of 80 columns: by keys, and by plain lines, in Chinese.

And many machines at once from an answers file.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from wcwidth import wcswidth

from tests.rack import tinykinds
from tests.rack.controller import Controller
from tests.rack.machine import Build, Machine
from tests.terminal import CTRL_C, DOWN, ENTER, ESCAPE, UP, AtTerminal

PASSWORD = "canary pw 3"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine(Build(root_password=PASSWORD, docker=True)) as machine:
        yield machine


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


def person(controller: Controller, *words: str, **more: str) -> AtTerminal:
    return controller.at_terminal(*words, more={"PROMPT_TOOLKIT_NO_CPR": "1", **more})


def asked(terminal: AtTerminal, question: str, hint: str) -> None:
    """Wait until the question can be answered, not only read."""
    terminal.sees(question)
    terminal.sees(hint)


def untouched(machine: Machine, controller: Controller) -> None:
    assert len(machine.sh("cat /root/.ssh/authorized_keys").text.splitlines()) == 1  # the rack's own
    assert machine.sh("ls -d /var/lib/clawrack /usr/local/lib/clawrack 2>/dev/null || true").text == ""
    assert not (controller.folder / "state/clawrack/hosts.json").exists()
    for file in controller.folder.rglob("*"):
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes(), file


def test_keys_lead_through_it_back_works_and_ctrl_c_keeps_the_answers(machine: Machine, controller: Controller) -> None:
    with person(controller, "setup") as terminal:
        asked(terminal, "Which machine?", "save and stop")
        terminal.press(ESCAPE)
        asked(terminal, "Which machine?", "save and stop")  # Esc at the first question never quits
        terminal.press(f"root@{machine.address}\r")
        asked(terminal, "the same?", "save and stop")
        assert machine.fingerprint().removeprefix("SHA256:")[:20] in re.sub(r"\s", "", terminal.text)
        terminal.press(UP + ENTER)  # no is marked: nobody trusts a key by pressing Enter alone
        asked(terminal, "Password of root", "save and stop")
        terminal.press(f"{PASSWORD}\r")
        asked(terminal, "Whose model", "save and stop")
        terminal.press(ENTER)
        terminal.sees("would be brought")
        asked(terminal, "5. Start on", "save and stop")  # six questions are the most
        terminal.press(DOWN + ENTER)  # another name
        asked(terminal, "be called?", "save and stop")
        terminal.press("?")
        terminal.sees("You will type it often")
        terminal.press("front-desk\r")
        terminal.sees("`front-desk`")
        asked(terminal, "Start on", "save and stop")
        terminal.press(DOWN + DOWN + ENTER)  # back
        asked(terminal, "be called?", "save and stop")
        terminal.press(ESCAPE)
        asked(terminal, "Start on", "save and stop")
        terminal.press(DOWN + ENTER)  # back again: past the login, which is not made twice
        asked(terminal, "Whose model", "save and stop")
        terminal.press(ESCAPE)
        asked(terminal, "Which machine?", "save and stop")
        terminal.press(ENTER)
        asked(terminal, "Whose model", "save and stop")
        terminal.press(ENTER)
        asked(terminal, "Start on", "save and stop")
        terminal.press(CTRL_C)
        terminal.sees("clawrack setup --resume")
        assert terminal.ends() == 130
        assert PASSWORD not in terminal.text
    untouched(machine, controller)
    with person(controller, "setup", "--resume") as terminal:
        terminal.sees(f"[root@{machine.address}]")
        terminal.press(CTRL_C)
        assert terminal.ends() == 130


def only_chinese(shown: str) -> None:
    """See that no line has English in the way, and none is wider than 80 cells; commands and names may stand in it."""
    for line in shown.splitlines():
        words = re.sub(r"`[^`]*`|“[^”]*”|clawrack [a-z -]+|ssh-keygen.*?pub|SHA256:\S+|root@\S+|\[[^\]]*\]", "", line)
        assert not re.findall(r"[A-Za-z]{3,}(?: [A-Za-z]{2,}){2,}", words), line
        assert wcswidth(line) <= 80, line


def led_in_chinese(terminal: AtTerminal, machine: Machine) -> None:
    """Answer in plain lines up to the review page."""
    asked(terminal, "装在哪台机器上", "] > ")
    terminal.press("帮助\n")
    asked(terminal, "机群里已有的机器填名字就行", "] > ")
    terminal.press(f"root@{machine.address}\n")
    asked(terminal, "一样吗", "] > ")
    terminal.press("\uff11\n")
    terminal.sees("不显示")
    terminal.press(f"{PASSWORD}\n")
    asked(terminal, "用哪家的模型", "] > ")
    terminal.press("\n")
    asked(terminal, "开始吗", "] > ")


def test_plain_lines_lead_through_it_in_chinese_without_a_word_of_english_in_the_way(
    machine: Machine, controller: Controller, tmp_path: Path
) -> None:
    plain = {"CLAWRACK_PLAIN": "1", "CLAWRACK_LANG": "zh", "CLAWRACK_KINDS": tinykinds.place(tmp_path / "kinds")}
    with person(controller, "setup", "--kind", tinykinds.NAME, **plain) as terminal:
        led_in_chinese(terminal, machine)
        terminal.press("4\n")
        terminal.sees("没有")
        assert terminal.ends() == 3
        only_chinese(terminal.text)
    untouched(machine, controller)
    with person(controller, "setup", "--kind", tinykinds.NAME, **plain) as terminal:
        led_in_chinese(terminal, machine)
        terminal.press("1\n")
        terminal.sees("clawrack machine remove", 300)
        assert terminal.ends() == 0
        only_chinese(terminal.text)
        assert "\x1b" not in terminal.said.decode()


def test_many_machines_from_a_file_the_unfit_first_then_one_then_the_rest(
    tmp_path: Path, controller: Controller
) -> None:
    kinds = tinykinds.place(tmp_path / "kinds")
    build = Build(docker=True, root_password=PASSWORD)
    with Machine(build) as one, Machine(build) as two, Machine(Build(root_password="another")) as three:
        (tmp_path / "pw").write_text(PASSWORD)
        entries = "".join(f"  - machine: root@{m.address}\n    fingerprint: {m.fingerprint()}\n" for m in (one, two))
        (tmp_path / "rack.yaml").write_text(
            f"version: 1\nkind: {tinykinds.NAME}\npassword: {{file: {tmp_path / 'pw'}}}\naccept_new_host_key: true\n"
            f"machines:\n{entries}  - machine: root@{three.address}\n"
        )
        told = controller.type(
            "setup", "--answers", str(tmp_path / "rack.yaml"), "--json", more={"CLAWRACK_KINDS": kinds}
        )
        assert told.code == 3, told  # many at once are not asked, so --yes must be said
        (tmp_path / "twice.yaml").write_text((tmp_path / "rack.yaml").read_text() + entries)
        assert controller.type("setup", "--answers", str(tmp_path / "twice.yaml"), "--yes").code == 2
        words = ("setup", "--answers", str(tmp_path / "rack.yaml"), "--yes", "--json")
        planned = controller.type(*words, "--plan", more={"CLAWRACK_KINDS": kinds})
        assert [result["fate"] for result in planned.document["setups"]] == ["planned", "planned", "unfit"]
        assert one.sh("ls /var/lib/clawrack 2>/dev/null || true").text == ""
        done = controller.type(*words, more={"CLAWRACK_KINDS": kinds})
        assert done.code == 5, done
        results = done.document["setups"]
        assert [result["fate"] for result in results] == ["done", "done", "unfit"]
        names = {result["receipt"]["agent"] for result in results[:2]}
        assert names == {tinykinds.NAME, f"{tinykinds.NAME}-2"}
        again = controller.type(*words, more={"CLAWRACK_KINDS": kinds})
        assert [result["receipt"] and result["receipt"]["changed"] for result in again.document["setups"]] == [
            False, False, None,
        ]  # fmt: skip
