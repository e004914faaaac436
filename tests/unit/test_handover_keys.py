"""Which keys still open a device that was handed over: tried at a real sshd, read from a real file, on the receipt."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.base import words
from fleet.base.event import ignore
from fleet.machine.keys import PersonKey, ensure
from installer.handover import Operator
from installer.handover.knock import Knocker
from installer.handover.others import found
from installer.receipt.form import Access, Changes, Receipt
from installer.receipt.paper import handed, paper
from tests.unit import wire_lab

PLAIN = Receipt(
    agent="ada", kind="openclaw", version="1", machine="box", address="10.0.0.1", model="practice", changed=True,
    talk="", stop="", remove="", leave="", image="sha256:1",
)  # fmt: skip


@pytest.fixture
def server() -> Generator[wire_lab.Sshd]:
    with wire_lab.sshd("127.0.0.1") as made:
        yield made


def test_the_key_that_the_operator_came_with_is_named_until_it_is_refused(
    server: wire_lab.Sshd, tmp_path: Path
) -> None:
    theirs = ensure(tmp_path / "theirs", "somebody")
    allowed = server.folder / "authorized"
    port = server.wire()
    operator = Operator(holder="x", host_key=server.host_key, key=PersonKey(tmp_path / "theirs"))
    fingerprint = theirs.private.fingerprint
    allowed.write_text(f"{server.key.public}\n{theirs.public}\n")
    assert Knocker(port, operator, ignore).came() == fingerprint
    assert found(allowed.read_text(), server.key.public) == (fingerprint,)
    allowed.write_text(f"{server.key.public}\n")
    assert Knocker(port, operator, ignore).came() == ""
    server.stop()
    assert Knocker(port, operator, ignore).came() == fingerprint  # nobody refused it
    (tmp_path / "theirs").unlink()
    gone = replace(operator, key=PersonKey(tmp_path / "theirs"))
    assert Knocker(port, gone, ignore).came() == "-"


def test_fingerprints_are_of_keys_alone_whatever_stands_before_them(tmp_path: Path) -> None:
    ours, theirs = ensure(tmp_path / "ours", "x").public, ensure(tmp_path / "theirs", "y").public
    text = f'# {theirs}\n\nssh-rsa not-a-key me\n{ours}\nfrom="10.0.0.1",command="ls -l" {theirs}\n  {theirs} again\n'
    (one,) = found(text, ours)
    assert one == ensure(tmp_path / "theirs", "y").private.fingerprint


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_the_receipt_names_the_keys_that_may_still_log_in(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "_chosen", [language])
    mine = "SHA256:" + "m" * 43
    access = Access(login="root", key="removed", password="never", others=1, keys=(mine,), came=mine)
    text = "".join(line.strip() for line in paper(handed(PLAIN, access, Changes())))
    assert text.count(mine) == 2
    assert mine not in "".join(paper(handed(PLAIN, Access(login="root", key="removed"), Changes())))
