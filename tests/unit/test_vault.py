"""Where secrets are kept: a keyring that proves itself, else a sealed file; nothing hangs, and damage is noticed."""

import sys
import time
from pathlib import Path

import pytest

from fleet.backup.keys import RecoveryKeys
from fleet.base.errors import BadInput, Refused, StateDamaged
from fleet.base.secret import Secret
from fleet.vault import Vault, nobody, whole
from fleet.vault.ring import Ring
from fleet.vault.sealed import VARIABLE, SealedFile, given

PASSPHRASE = Secret("correct horse")
PLAYED = """
import time, keyring.backend
class Base(keyring.backend.KeyringBackend):
    priority = 9
    held = {}
    def set_password(self, service, name, value): self.held[name] = value
    def get_password(self, service, name): return self.held.get(name)
    def delete_password(self, service, name): del self.held[name]
class Works(Base):
    import pathlib, os
    file = pathlib.Path(os.environ["PLAYED_KEYRING"])
    def set_password(self, service, name, value): (self.file / name).write_text(value)
    def get_password(self, service, name):
        return (self.file / name).read_text() if (self.file / name).exists() else None
    def delete_password(self, service, name): (self.file / name).unlink()
class Hangs(Base):
    def set_password(self, service, name, value): time.sleep(600)
class Forgets(Base):
    def get_password(self, service, name): return None
"""


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Keyrings to choose from by name: the child process finds them on its path."""
    (tmp_path / "played_keyring.py").write_text(PLAYED)
    (tmp_path / "ring").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PLAYED_KEYRING", str(tmp_path / "ring"))
    return monkeypatch


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """A passphrase's scrypt takes a second each time; what is under test here is ours."""
    monkeypatch.setattr("fleet.vault.age.lock", _lock)
    monkeypatch.setattr("fleet.vault.age.unlock", _unlock)


@pytest.fixture
def no_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without a keyring, as most servers are."""
    monkeypatch.setattr(Ring, "works", False)


def tells(new: bool) -> Secret:
    del new
    return PASSPHRASE


def tells_another(new: bool) -> Secret:
    del new
    return Secret("another one")


def _lock(plain: bytes, word: Secret) -> bytes:
    return word.reveal().encode() + b"|" + plain


def _unlock(locked: bytes, word: Secret) -> bytes:
    from fleet.vault.age import NotThisKey  # noqa: PLC0415

    told, _, plain = locked.partition(b"|")
    if told != word.reveal().encode():
        raise NotThisKey
    return plain


def test_a_keyring_that_keeps_what_it_is_given_is_used(played: pytest.MonkeyPatch, tmp_path: Path) -> None:
    played.setenv("PYTHON_KEYRING_BACKEND", "played_keyring.Works")
    vault = Vault(tmp_path / "vault.age", nobody)
    assert vault.put("a", Secret("kept")) == "keyring"
    assert Vault(tmp_path / "vault.age", nobody).get("a") == Secret("kept")
    assert sorted(path.name for path in (tmp_path / "ring").iterdir()) == ["a"]
    vault.drop("a")
    assert vault.get("a") is None


def test_a_keyring_that_never_answers_is_given_up_after_some_seconds(played: pytest.MonkeyPatch) -> None:
    played.setenv("PYTHON_KEYRING_BACKEND", "played_keyring.Hangs")
    begun = time.monotonic()
    assert not Ring().works
    assert time.monotonic() - begun < 16


@pytest.mark.parametrize(
    "backend", ["played_keyring.Forgets", "keyring.backends.fail.Keyring", "keyring.backends.null.Keyring"]
)
def test_a_keyring_that_keeps_nothing_is_none(played: pytest.MonkeyPatch, backend: str) -> None:
    played.setenv("PYTHON_KEYRING_BACKEND", backend)
    assert not Ring().works


def test_a_file_that_anybody_can_open_is_no_keyring(played: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "keyrings").mkdir()
    (tmp_path / "keyrings" / "alt.py").write_text(PLAYED)
    played.setenv("PYTHON_KEYRING_BACKEND", "keyrings.alt.Works")
    assert not Ring().works


def sealed(folder: Path) -> Vault:
    return Vault(folder / "vault.age", tells)


@pytest.mark.usefixtures("no_ring")
def test_a_secret_in_the_file_needs_its_passphrase_and_is_not_to_be_read(tmp_path: Path) -> None:
    assert sealed(tmp_path).put("a", Secret("a-secret-canary")) == "file"
    held = (tmp_path / "vault.age").read_bytes()
    assert b"canary" not in held
    assert (tmp_path / "vault.age").stat().st_mode & 0o777 == 0o600
    assert sealed(tmp_path).get("a") == Secret("a-secret-canary")
    with pytest.raises(BadInput) as caught:
        SealedFile(tmp_path / "vault.age", tells_another).get("a")
    assert caught.value.key == "vault.wrong_passphrase"
    assert (tmp_path / "vault.age").read_bytes() == held


@pytest.mark.usefixtures("light", "no_ring")
def test_the_passphrase_is_asked_once_and_where_nobody_is_there_nothing_waits(tmp_path: Path) -> None:
    asked: list[bool] = []

    def ask(new: bool) -> Secret:
        asked.append(new)
        return PASSPHRASE

    file = SealedFile(tmp_path / "v", ask)
    file.put("a", Secret("1"))
    file.put("b", Secret("2"))
    assert (file.get("a"), file.get("b"), asked) == (Secret("1"), Secret("2"), [True])
    with pytest.raises(Refused) as caught:
        SealedFile(tmp_path / "v", nobody).get("a")
    assert caught.value.key == "vault.locked"
    nowhere = Vault(tmp_path / "other", nobody)
    assert nowhere.put("a", Secret("1")) == "nowhere"
    assert not (tmp_path / "other").exists()


@pytest.mark.usefixtures("light")
def test_every_byte_that_is_flipped_and_every_length_is_noticed_and_the_file_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "v"
    SealedFile(path, tells).put("a", Secret("kept"))
    good = path.read_bytes()
    bad = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(len(good))]
    bad += [good[:length] for length in range(len(good))] + [good + b"\n"]
    for content in bad:
        path.write_bytes(content)
        with pytest.raises(StateDamaged):
            SealedFile(path, tells).get("a")
        assert path.read_bytes() == content


def test_a_newer_format_is_refused_and_a_stranger_is_damage(tmp_path: Path) -> None:
    whole.write(tmp_path / "v", b'{"version":2,"odd":1}')
    with pytest.raises(Refused) as caught:
        SealedFile(tmp_path / "v", tells).get("a")
    assert caught.value.key == "format.newer"
    whole.write(tmp_path / "v", b"[]")
    with pytest.raises(StateDamaged):
        SealedFile(tmp_path / "v", tells).get("a")


def test_scripts_tell_a_secret_by_a_file_or_the_environment_and_it_is_gone_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "told")
    assert given(VARIABLE) == Secret("told")
    assert given(VARIABLE) is None
    (tmp_path / "f").write_text("in a file\n")
    monkeypatch.setenv(f"{VARIABLE}_FILE", str(tmp_path / "f"))
    assert given(VARIABLE) == Secret("in a file")
    (tmp_path / "f").write_text("\n")
    with pytest.raises(BadInput):
        given(VARIABLE)


@pytest.mark.usefixtures("light", "no_ring")
def test_a_new_recovery_key_leaves_the_one_before_to_open_what_it_closed(tmp_path: Path) -> None:
    keys = RecoveryKeys(tmp_path / "recovery.json", sealed(tmp_path))
    first, second = keys.fresh(), keys.fresh()
    keys.take(first)
    assert keys.take(second).earlier == (keys.public_of(first),)
    again = RecoveryKeys(tmp_path / "recovery.json", sealed(tmp_path))
    assert again.known() == [second, first]
    assert (again.proven(first), again.proven(second)) == (False, True)
    assert again.public() is not None
    assert second.reveal() not in (tmp_path / "recovery.json").read_text()
    with pytest.raises(BadInput):
        keys.public_of(Secret(first.reveal()[:-1] + ("Q" if first.reveal()[-1] != "Q" else "P")))


def test_the_childs_secret_is_in_no_argument(played: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    run = __import__("subprocess").run

    def spy(words: list[str], **more: object) -> object:
        seen.append(list(words))
        return run(words, **more)

    played.setenv("PYTHON_KEYRING_BACKEND", "played_keyring.Works")
    played.setattr("fleet.vault.ring.subprocess.run", spy)
    Ring().put("a", Secret("canary-of-an-argument"))
    assert seen
    assert all(words[0] == sys.executable and "canary" not in " ".join(words) for words in seen)
