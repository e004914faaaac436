"""A person led through a setup at a terminal of 80 columns: by keys, and by plain lines, in Chinese.

And many machines at once from an answers file.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rack import tinykinds
from tests.rack.controller import Controller
from tests.rack.hands import CTRL_C, DOWN, ENTER, ESCAPE, UP, Hands
from tests.rack.machine import Build, Machine

PASSWORD = "canary pw 3"
CLAWRACK = (sys.executable, "-m", "clawrack")


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine(Build(root_password=PASSWORD, docker=True)) as machine:
        yield machine


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


def person(controller: Controller, *words: str, **more: str) -> Hands:
    plain = {name: value for name, value in controller.environment.items() if name not in {"COLUMNS", "NO_COLOR"}}
    return Hands(
        (*CLAWRACK, *words),
        {**plain, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "PROMPT_TOOLKIT_NO_CPR": "1", **more},
    )


def asked(hands: Hands, question: str, hint: str) -> None:
    """Wait until the question can be answered, not only read."""
    hands.sees(question)
    hands.sees(hint)


def untouched(machine: Machine, controller: Controller) -> None:
    assert len(machine.sh("cat /root/.ssh/authorized_keys").text.splitlines()) == 1  # the rack's own
    assert machine.sh("ls -d /var/lib/clawrack /usr/local/lib/clawrack 2>/dev/null || true").text == ""
    assert not (controller.folder / "state/clawrack/hosts.json").exists()
    for file in controller.folder.rglob("*"):
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes(), file


def test_keys_lead_through_it_back_works_and_ctrl_c_keeps_the_answers(machine: Machine, controller: Controller) -> None:
    with person(controller, "setup") as hands:
        asked(hands, "Which machine?", "save and stop")
        hands.type(ESCAPE)
        asked(hands, "Which machine?", "save and stop")  # Esc at the first question never quits
        hands.type(f"root@{machine.address}\r")
        asked(hands, "the same?", "save and stop")
        assert machine.fingerprint().removeprefix("SHA256:")[:20] in re.sub(r"\s", "", hands.text)
        hands.type(UP + ENTER)  # no is marked: nobody trusts a key by pressing Enter alone
        asked(hands, "Password of root", "save and stop")
        hands.type(f"{PASSWORD}\r")
        asked(hands, "be called?", "save and stop")
        hands.type("?")
        hands.sees("You will type it often")
        hands.type("front-desk\r")
        hands.sees("would be brought")
        asked(hands, "Start on", "save and stop")
        hands.type(DOWN + ENTER)  # back
        asked(hands, "be called?", "save and stop")
        hands.type(CTRL_C)
        hands.sees("clawrack setup --resume")
        assert hands.ends() == 130
        assert PASSWORD not in hands.text
    untouched(machine, controller)
    with person(controller, "setup", "--resume") as hands:
        hands.sees(f"[root@{machine.address}]")
        hands.type(CTRL_C)
        assert hands.ends() == 130


def test_plain_lines_lead_through_it_in_chinese_without_a_word_of_english_in_the_way(
    machine: Machine, controller: Controller
) -> None:
    with person(controller, "setup", CLAWRACK_PLAIN="1", CLAWRACK_LANG="zh") as hands:
        asked(hands, "装在哪台机器上", "退出。")
        hands.type("帮助\n")
        asked(hands, "机群里已有的机器填名字就行", "退出。")
        hands.type(f"root@{machine.address}\n")
        asked(hands, "一样吗", "退出。")
        hands.type("\uff11\n")
        hands.sees("不显示")
        hands.type(f"{PASSWORD}\n")
        asked(hands, "叫什么名字", "退出。")
        hands.type("\n")
        asked(hands, "开始吗", "退出。")
        hands.type("3\n")
        hands.sees("没有")
        assert hands.ends() == 3
        shown = hands.text
        assert "\x1b" not in hands.raw.decode()
    untouched(machine, controller)
    for line in shown.splitlines():
        words = re.sub(r"`[^`]*`|“[^”]*”|clawrack [a-z -]+|ssh-keygen.*?pub|SHA256:\S+|root@\S+|\[[^\]]*\]", "", line)
        english = re.findall(r"[A-Za-z]{3,}(?: [A-Za-z]{2,}){2,}", words)
        assert not english, line
        assert sum(2 if ord(char) > 0x2E7F else 1 for char in line) <= 80, line


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
