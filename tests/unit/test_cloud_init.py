"""User-data: no secret gets in, it is short enough for every cloud, and it is what cloud-init reads."""

import base64
import gzip
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import templates
from fleet.base.errors import BadInput
from installer import cloudinit, engines, remote
from installer.cloudinit import Wanted

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH7s1u+t1gL3yQ/2vY0i1nZ1R9q3GmZC9rXn1oQkFZ0u clawrack box-1"
SYSTEMS = sorted({name for family in engines.families().values() for name in family.ids} | set(engines.families()))


def told(folder: Path, text: str) -> Wanted:
    file = folder / "answers.yaml"
    file.write_text(f"version: 1\n{text}")
    return cloudinit.wanted(file)


def document(wanted: Wanted) -> dict[str, Any]:
    text = cloudinit.user_data(wanted, KEY, "0.1.0")
    assert text.startswith("#cloud-config\n")
    return yaml.safe_load(text)


@pytest.mark.parametrize("system", SYSTEMS)
def test_user_data_fits_the_smallest_cloud_and_carries_whole_scripts_for_every_system(system: str) -> None:
    wanted = Wanted("a" * 64, system)
    assert len(cloudinit.user_data(wanted, KEY, "0.1.0").encode()) <= cloudinit.MOST_BYTES
    for file in document(wanted)["write_files"]:
        name = file["path"].rpartition("/")[2]
        content = gzip.decompress(base64.b64decode(file["content"])).decode()
        assert content in {templates.text("cloud-init", "first-boot.sh"), *_scripts(name)}


def _scripts(name: str) -> list[str]:
    return [remote.text(name)] if name != "first-boot.sh" else []


def test_the_same_answers_give_the_same_user_data() -> None:
    assert cloudinit.user_data(Wanted(), KEY, "0.1.0") == cloudinit.user_data(Wanted(), KEY, "0.1.0")
    packed = [base64.b64decode(file["content"]) for file in document(Wanted())["write_files"]]
    assert {content[4:8] for content in packed} == {bytes(4)}  # no time of packing (RFC 1952, MTIME)


@pytest.mark.parametrize(
    ("text", "user", "system"),
    [
        ("", "", "debian"),
        ("machine: here\n", "", "debian"),
        ("machine: 10.0.0.1\n", "", "debian"),
        ("machine: ubuntu@\nos: Ubuntu\n", "ubuntu", "ubuntu"),
        ("machine: root@10.0.0.1:2222\n", "root", "debian"),
        ("os: rocky\nmachines:\n  - machine: ec2-user@a\n  - machine: ec2-user@b\n", "ec2-user", "rocky"),
    ],
)
def test_login_and_system_come_from_the_answers(tmp_path: Path, text: str, user: str, system: str) -> None:
    wanted = told(tmp_path, text)
    assert (wanted.user, wanted.system) == (user, system)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("os: plan9\n", "cloudinit.unknown_system"),
        ("machines:\n  - machine: root@a\n  - machine: ubuntu@b\n", "cloudinit.differ"),
        ("machines:\n  - {machine: root@a, os: fedora}\n  - machine: root@b\n", "cloudinit.differ"),
        ('machine: "bad\\nname@"\n', "target.unclear"),
        ("password: hunter2\n", "file.wrong"),
    ],
)
def test_answers_that_one_user_data_cannot_serve_are_refused(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(BadInput) as error:
        told(tmp_path, text)
    assert error.value.key == key


def test_secrets_of_the_answers_are_named_and_not_looked_at(tmp_path: Path) -> None:
    rows = "machines:\n  - {machine: root@a, jump_password: {env: NONE}}\n"
    wanted = told(tmp_path, f"password: {{file: /no/such/file}}\nkey: /no/such/key\n{rows}")
    assert wanted.left_out == ("jump_password", "key", "password")
    assert "no/such" not in cloudinit.user_data(wanted, KEY, "0.1.0")


def test_the_images_own_login_is_not_made_a_second_time() -> None:
    for user in ("", "ubuntu", "ec2-user"):
        found = document(Wanted(user))
        assert found["ssh_authorized_keys"] == [KEY]
        assert "users" not in found
        assert "disable_root" not in found


def test_root_is_let_in_where_root_is_asked_for() -> None:
    found = document(Wanted("root"))
    assert found["disable_root"] is False
    assert found["ssh_authorized_keys"] == [KEY]


def test_another_login_is_made_beside_the_images_own_and_has_no_password() -> None:
    found = document(Wanted("john.doe"))
    default, made = found["users"]
    assert default == "default"
    assert made["name"] == "john.doe"
    assert made["lock_passwd"] is True
    assert made["ssh_authorized_keys"] == [KEY]
    assert "passwd" not in made
    assert "ssh_authorized_keys" not in found


@pytest.mark.parametrize("word", ["ssh_keys", "password", "chpasswd", "private"])
def test_no_key_and_no_password_is_ever_made_beforehand(word: str) -> None:
    assert all(word not in cloudinit.user_data(Wanted(user), KEY, "0.1.0") for user in ("", "root", "else"))


@pytest.mark.parametrize(
    ("system", "version", "words"),
    [
        ("debian", "12", "apt.sh notes 600 - docker.io"),
        ("rocky", "9.4", "others.sh dnf notes 600 https://download.docker.com/linux/"),
        ("tencentos", "3.1", ",8,060A61C51B558A7F742B77AAC52FEB6B621E9F35 docker-ce"),
        ("alpine", "3.20.1", "others.sh apk notes 600 - docker"),
    ],
)
def test_the_first_boot_calls_each_familys_script_as_it_wants_to_be_called(
    tmp_path: Path, system: str, version: str, words: str
) -> None:
    command = document(Wanted("", system))["runcmd"][0]
    script = templates.text("cloud-init", "first-boot.sh")
    script = script.replace("/etc/os-release", f"{tmp_path}/os-release").replace("PATH=/", f"PATH={tmp_path}:/")
    (tmp_path / "first-boot.sh").write_text(script.replace("/var/lib/clawrack/prepare", "notes"))
    (tmp_path / "os-release").write_text(f'ID={system}\nVERSION_ID="{version}"\n')
    for name in ("apt.sh", "others.sh", "notes.sh", "engine.sh"):
        (tmp_path / name).write_text(f'echo "{name} $*" >>"${{0%/*}}/../said"\n')
    manager = str(command[3]).replace("apt", "apt-get")
    (tmp_path / manager).write_text("#!/bin/sh\n")
    (tmp_path / manager).chmod(0o755)
    here = tmp_path / "boot"
    here.mkdir()
    for file in tmp_path.glob("*.sh"):
        file.rename(here / file.name)
    done = subprocess.run(["sh", str(here / "first-boot.sh"), *command[2:]], capture_output=True, text=True, check=True)
    said = (tmp_path / "said").read_text()
    assert words in said, (said, done)
    assert said.splitlines()[0].startswith("notes.sh first notes /var/lib/docker")
    assert said.splitlines()[-1] == "engine.sh up notes 45"
    assert "Docker answers" in done.stdout
    assert not here.exists()


def test_the_first_boot_script_is_one_that_any_shell_runs() -> None:
    path = templates.path("cloud-init", "first-boot.sh")
    done = subprocess.run(["shellcheck", "-s", "sh", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
