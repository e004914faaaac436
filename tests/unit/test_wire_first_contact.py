"""First contact by a password that is wrong: one attempt, and a second only where a person wants it all the same."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
import pytest
from paramiko.common import AUTH_FAILED

from fleet.base.errors import BadInput
from fleet.base.secret import Secret
from fleet.machine import keys
from fleet.machine.hostkey import HostKey
from fleet.machine.pins import Moved, Pins, Unknown
from fleet.machine.target import Target
from installer.answers import Answers
from installer.bootstrap import Visit, meet
from installer.reach import Person as AtTerminal
from installer.wizard.interview import Interview
from tests.unit.wire_actors import Actor, acting

USER = "root"


class NoKeys(Actor):
    """A server that has never seen our key."""

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        super().check_auth_publickey(username, key)
        return AUTH_FAILED


@dataclass
class Person:
    """Types the passwords in their order, and counts what is asked."""

    words: list[str]
    again: bool = True
    asked: list[str] = field(default_factory=list[str])

    def vouches(self, shown: HostKey) -> bool | None:
        assert shown

    def accept(self, target: Target, shown: HostKey, verdict: Unknown | Moved) -> bool:
        assert target
        assert shown
        assert verdict
        self.asked.append("host key")
        return True

    def password(self, user: str, place: str) -> Secret | None:
        assert place
        self.asked.append(f"password {user}")
        return Secret(self.words.pop(0))

    def once_more(self, user: str, place: str) -> Secret | None:
        self.asked.append("again")
        return self.password(user, place) if self.again else None


def visited(actor: Actor, person: Person, folder: Path) -> None:
    visit = Visit("m1", actor.target, keys.ensure(folder / "key", "test"), Pins(folder / "hosts.json"))
    meet(visit, person).port.close()


def passwords(actor: Actor) -> int:
    return sum(attempt.startswith("password") for attempt in actor.attempts)


def refusing(address: str) -> AbstractContextManager[Actor]:
    return acting(address, NoKeys(act=lambda c: (c.send_exit_status(0), c.close())))


def test_a_mistyped_password_is_typed_once_more_and_the_host_key_is_not_asked_for_again(tmp_path: Path) -> None:
    person = Person(["wrong", "right"])
    with refusing("127.77.41.1") as actor:
        visited(actor, person, tmp_path)
    assert person.asked == ["host key", "password root", "again", "password root"]
    assert passwords(actor) == 2


def test_nobody_who_says_no_is_tried_again(tmp_path: Path) -> None:
    person = Person(["wrong"], again=False)
    with refusing("127.77.41.2") as actor, pytest.raises(BadInput) as error:
        visited(actor, person, tmp_path)
    assert error.value.key == "ssh.wrong_password"
    assert passwords(actor) == 1


def test_a_second_wrong_password_is_the_last(tmp_path: Path) -> None:
    person = Person(["wrong", "wrong too", "right"])
    with refusing("127.77.41.3") as actor, pytest.raises(BadInput):
        visited(actor, person, tmp_path)
    assert passwords(actor) == 2


def test_a_password_that_was_told_beforehand_is_never_asked_for_again() -> None:
    told = AtTerminal(Answers(password=Secret("wrong")), Interview(None))
    assert told.once_more(USER, "10.0.0.5") is None
