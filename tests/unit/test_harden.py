"""What the guard makes of sshd's words and files before it hardens anything: the same in every shell."""

from pathlib import Path

import pytest

from tests.unit.test_guard_script import SHELLS, ask


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def shell(request: pytest.FixtureRequest) -> list[str]:
    found: list[str] = request.param
    return found


@pytest.mark.parametrize(
    ("told", "names", "listed"),
    [
        ("allowusers root", "root", True),
        ("allowusers nobodyhere", "root", False),
        ("allowusers ro*", "root", True),
        ("allowusers ro?", "root", False),
        ("allowusers root@10.0.0.*", "root", False),  # from where, nobody here can judge: it lets nobody in
        ("allowusers !root", "root", False),
        ("allowusers a\nallowusers root", "root", True),
        ("allowusers *", "root", True),
        ("denyusers root@10.0.0.1", "root", True),  # … and keeps out whom it may mean
        ("denygroups wheel adm", "root adm", True),
    ],
)
def test_a_list_of_logins_is_read_for_the_worse(
    shell: list[str], tmp_path: Path, told: str, names: str, *, listed: bool
) -> None:
    key = told.partition(" ")[0]
    script = f"SSH_TOLD='{told}'; if is_listed {key} '{names}'; then echo y; else echo n; fi"
    assert ask(shell, tmp_path, script) == ("y\n" if listed else "n\n")


def test_the_signs_in_the_path_of_authorized_keys_are_filled_in(shell: list[str], tmp_path: Path) -> None:
    script = 'for p in .ssh/a %h/b /etc/keys/%u.%U 100%%; do ssh_expanded "$p" root /root; done'
    assert ask(shell, tmp_path, script).split() == ["/root/.ssh/a", "/root/b", "/etc/keys/root.0", "/root/100%"]


def test_our_lines_come_out_of_sshds_file_and_nothing_else_does(shell: list[str], tmp_path: Path) -> None:
    theirs = "# a comment\\with a backslash\n\n  Port 22\nMatch User x\n\tX11Forwarding no"
    config = tmp_path / "sshd_config"
    config.write_text(theirs + "\n")
    script = (
        f'SSHD_CONFIG={config}; sshd_top "$SSHD_BEGIN\nPasswordAuthentication no\n$SSHD_END"; '
        f"holds_ours && head -n 2 {config}; sshd_top ''; holds_ours || echo gone"
    )
    said = ask(shell, tmp_path, script).splitlines()
    assert said[1:] == ["PasswordAuthentication no", "gone"]
    assert config.read_text() == theirs + "\n"


def test_where_sshds_file_could_not_be_written_it_stays_as_it_was(shell: list[str], tmp_path: Path) -> None:
    config = tmp_path / "sshd_config"
    config.write_text("Port 22\n")
    script = (
        f'SSHD_CONFIG={config}; with_room() {{ "$@"; }}; sshd_others() {{ echo half; return 1; }}; '
        'sshd_top LINES || echo "$SSHD_SAID"'
    )
    assert ask(shell, tmp_path, script) == f"{config} could not be written\n"
    assert config.read_text() == "Port 22\n"
    assert [path.name for path in tmp_path.iterdir()] == ["sshd_config"]


def test_nothing_that_is_stricter_already_is_written_down(shell: list[str], tmp_path: Path) -> None:
    loose = "maxauthtries 6\nx11forwarding yes\nchallengeresponseauthentication yes\npermitrootlogin yes"
    strict = "maxauthtries 2\nx11forwarding no\npermitrootlogin no"
    for told, wanted in (
        (loose, ["MaxAuthTries 4", "X11Forwarding no", "PermitRootLogin without-password"]),
        (strict, []),
    ):
        said = ask(shell, tmp_path, f"SSH_TOLD='{told}'; sshd_asked() {{ :; }}; harden_wanted").splitlines()
        assert said[:2] == ["PasswordAuthentication no", "KbdInteractiveAuthentication no"]
        assert [line for line in said[2:] if not line.startswith("Challenge")] == wanted


def test_where_sshd_listens_is_compared_whole(shell: list[str], tmp_path: Path) -> None:
    for listens, found in (
        ("0.0.0.0:22", True),
        ("[::]:22", True),
        ("10.0.0.1:22", True),
        ("10.0.0.12:22", False),
        ("10.0.0.1:2022", False),
        ("[fd00::1]:22", False),
    ):
        script = (
            f"sshd_by_socket() {{ false; }}; HARDEN_HERE=10.0.0.1 HARDEN_PORT=22 SSH_TOLD='listenaddress {listens}'; "
            "if listens_where_we_came; then echo y; else echo n; fi"
        )
        assert ask(shell, tmp_path, script) == ("y\n" if found else "n\n"), listens


def test_the_way_back_of_what_was_never_armed_is_nothing(shell: list[str], tmp_path: Path) -> None:
    assert ask(shell, tmp_path, "harden_due; harden_back; echo ok") == "ok\n"


def test_where_somebody_deleted_our_last_line_theirs_stay(shell: list[str], tmp_path: Path) -> None:
    config = tmp_path / "sshd_config"
    config.write_text("# clawrack begin (x)\nPasswordAuthentication no\nMaxAuthTries 4\nPort 2222\nAllowUsers me\n")
    ask(shell, tmp_path, f"SSHD_CONFIG={config}; sshd_top ''")
    assert config.read_text() == "Port 2222\nAllowUsers me\n"
