"""Our line in a login's authorized_keys: added once, where sshd looks, with the rights that it needs, and taken out."""

import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from installer import remote

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEpb3KgkfJOP9bxjd9Pbcc7ZXXO0cVhwmS6KvAxXXXX clawrack-test"
THEIRS = "# mine\nssh-rsa AAAAB3Nza person@desk"
RIGHTS = "restrict,port-forwarding"


@pytest.fixture(params=[["dash"], ["busybox", "sh"]], ids=lambda shell: shell[0])
def shell(request: pytest.FixtureRequest) -> list[str]:
    found: list[str] = request.param
    assert shutil.which(found[0]), f"{found[0]} is needed: apt-get install {found[0]}"
    return found


def authorize(shell: list[str], home: Path, *words: str) -> str:
    done = ran(shell, home, *words)
    done.check_returncode()
    return done.stdout.decode()


def ran(
    shell: list[str], home: Path, *words: str, room: int = resource.RLIM_INFINITY
) -> subprocess.CompletedProcess[bytes]:
    """Run it where no file can grow beyond so many bytes, as on a disk that is full."""

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    script = remote.text("authorize.sh").encode()
    return subprocess.run(
        [*shell, "-s", "--", *words], input=script, capture_output=True, env={"HOME": str(home)}, timeout=30,
        check=False, preexec_fn=full, restore_signals=False,
    )  # fmt: skip


def file(home: Path) -> Path:
    return home / ".ssh" / "authorized_keys"


def theirs(home: Path, text: str) -> None:
    file(home).parent.mkdir(mode=0o777)
    file(home).write_text(text)
    for path in (home, file(home).parent, file(home)):
        path.chmod(0o777)


def test_our_line_is_added_once_behind_a_line_without_an_end_and_others_may_not_write_there(
    shell: list[str], tmp_path: Path
) -> None:
    theirs(tmp_path, THEIRS)
    assert "there" not in authorize(shell, tmp_path, "look", KEY)
    for _ in range(2):
        authorize(shell, tmp_path, "add", KEY)
    assert file(tmp_path).read_text() == f"{THEIRS}\n{KEY}\n"
    assert "there=1" in authorize(shell, tmp_path, "look", KEY)
    assert [path.stat().st_mode & 0o022 for path in (tmp_path, file(tmp_path).parent, file(tmp_path))] == [0, 0, 0]
    authorize(shell, tmp_path, "remove", KEY)
    assert file(tmp_path).read_text() == f"{THEIRS}\n"


def test_on_a_jump_host_our_key_may_pass_through_and_no_more_until_the_machine_is_ours(
    shell: list[str], tmp_path: Path
) -> None:
    theirs(tmp_path, f"{THEIRS}\n")
    for _ in range(2):
        authorize(shell, tmp_path, "add", KEY, RIGHTS)
    assert file(tmp_path).read_text() == f"{THEIRS}\n{RIGHTS} {KEY}\n"
    authorize(shell, tmp_path, "add", KEY)
    assert file(tmp_path).read_text() == f"{THEIRS}\n{KEY}\n"
    authorize(shell, tmp_path, "add", KEY, RIGHTS)  # one that may all already is not taken anything away
    assert file(tmp_path).read_text() == f"{THEIRS}\n{KEY}\n"


def test_what_we_had_to_make_goes_with_our_line(shell: list[str], tmp_path: Path) -> None:
    authorize(shell, tmp_path, "add", KEY, RIGHTS)
    assert file(tmp_path).stat().st_mode & 0o777 == 0o600
    authorize(shell, tmp_path, "remove", KEY)
    assert not file(tmp_path).parent.exists()


def test_a_line_that_is_only_a_comment_is_no_key(shell: list[str], tmp_path: Path) -> None:
    theirs(tmp_path, f"# {KEY}\n")
    assert "there" not in authorize(shell, tmp_path, "look", KEY)


@pytest.mark.parametrize("room", [0, 100, 4096, 6000])
def test_a_full_disk_costs_nobody_a_key_and_is_told(shell: list[str], tmp_path: Path, room: int) -> None:
    text = "".join(f"ssh-rsa AAAAB3Nza{number:060} person@desk\n" for number in range(100)) + f"{RIGHTS} {KEY}\n"
    theirs(tmp_path, text)
    for words in (("remove", KEY), ("add", KEY)):
        done = ran(shell, tmp_path, *words, room=room)
        assert done.returncode == 1
        assert b"reason=" in done.stdout
        assert file(tmp_path).read_text() == text
        assert [path.name for path in file(tmp_path).parent.iterdir()] == ["authorized_keys"]


def test_a_file_that_is_a_link_stays_one_and_its_owner_and_mode_stay(shell: list[str], tmp_path: Path) -> None:
    theirs(tmp_path, "")
    file(tmp_path).unlink()
    real = tmp_path / "keys of mine"
    real.write_text(f"{THEIRS}\n{KEY}\n")
    real.chmod(0o640)
    file(tmp_path).symlink_to(real)
    authorize(shell, tmp_path, "remove", KEY)
    assert file(tmp_path).is_symlink()
    assert (real.read_text(), real.stat().st_mode & 0o777) == (f"{THEIRS}\n", 0o640)
