"""From one clawrack to another: what is refused before anything is made, and what a kill in the middle leaves."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from clawrack import installation, upgrade
from fleet.base.errors import ActionFailed, BadInput, ClawrackError, Refused
from fleet.base.formats import FORMATS

ROOT = Path(__file__).parents[2]
NEWER = dict.fromkeys(FORMATS, 9)


@pytest.fixture(autouse=True)
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person with a home of their own."""
    for name in ("CLAWRACK_FLEET", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def env(home: Path, name: str, version: str, formats: dict[str, int] | None = None, ends: int = 0) -> Path:
    """An environment as install.sh makes it, in which `clawrack` only tells its version and what it reads."""
    made = home / f"env-{name}"
    (made / "bin").mkdir(parents=True)
    (made / "share" / "clawrack").mkdir(parents=True)
    (made / "share" / "clawrack" / "install.sh").write_bytes((ROOT / "install.sh").read_bytes())
    told = json.dumps({"version": 1, "formats": formats or FORMATS})
    lines = f'[ "$1" = --version ] && echo "clawrack {version}" && exit\necho \'{told}\'; exit {ends}'
    (made / "bin" / "clawrack").write_text(f"#!/bin/sh\n{lines}\n")
    (made / "bin" / "clawrack").chmod(0o755)
    (made / ".whole").write_text(f"version={version}\nfrom=/somewhere/{name}\nsha256=\nmade=2026-01-01T00:00:00Z\n")
    return made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An installation: 0.1.0 in use."""
    made = tmp_path / "installed"
    env(made, "old", "0.1.0")
    (made / "current").symlink_to(made / "env-old")
    return made


def install_sh(home: Path, name: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    script = home / f"env-{name}" / "share" / "clawrack" / "install.sh"
    told = {"PATH": os.environ["PATH"], "HOME": str(home), **more}
    return subprocess.run(["bash", str(script), *words], env=told, capture_output=True, text=True, check=False)


def in_use(home: Path) -> str:
    """What the command on the PATH would say."""
    words = [str(home / "current" / "bin" / "clawrack"), "--version"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def stage(home: Path, name: str, version: str) -> None:
    env(home, name, version)
    (home / "staged").symlink_to(home / f"env-{name}")


def test_a_switch_keeps_the_one_before_and_back_goes_to_it_and_forth(home: Path) -> None:
    stage(home, "new", "0.2.0")
    assert install_sh(home, "old", "--switch").returncode == 0
    assert in_use(home) == "clawrack 0.2.0"
    assert install_sh(home, "new", "--back").returncode == 0
    assert in_use(home) == "clawrack 0.1.0"
    assert install_sh(home, "old", "--back").returncode == 0
    assert in_use(home) == "clawrack 0.2.0"
    stage(home, "third", "0.3.0")
    install_sh(home, "new", "--switch")
    assert sorted(path.name for path in home.glob("env-*")) == ["env-new", "env-third"]


@pytest.mark.parametrize(("verb", "then"), [("--switch", "0.2.0"), ("--back", "0.0.9")])
def test_killed_at_each_line_the_old_or_the_new_works_and_the_next_run_ends_it(
    home: Path, tmp_path: Path, verb: str, then: str
) -> None:
    env(home, "earlier", "0.0.9")
    (home / "env-old" / ".before").write_text(f"{home}/env-earlier\n")
    (tmp_path / "trace").write_text(f"set -T\ntrap 'echo $LINENO >>{tmp_path}/lines' DEBUG\n")
    (tmp_path / "kill").write_text('set -T\ntrap \'[ "$LINENO" != "$AT" ] || kill -9 $$\' DEBUG\n')
    whole = subprocess.run(["cp", "-a", str(home), str(tmp_path / "as-it-was")], check=True)
    assert whole.returncode == 0
    if verb == "--switch":
        stage(home, "new", "0.2.0")
    install_sh(home, "old", verb, BASH_ENV=str(tmp_path / "trace"))
    lines = sorted({int(line) for line in (tmp_path / "lines").read_text().split()})
    assert len(lines) > 20
    for line in lines:
        subprocess.run(["rm", "-rf", str(home)], check=True)
        subprocess.run(["cp", "-a", str(tmp_path / "as-it-was"), str(home)], check=True)
        if verb == "--switch":
            stage(home, "new", "0.2.0")
        install_sh(home, "old", verb, BASH_ENV=str(tmp_path / "kill"), AT=str(line))
        now = in_use(home)
        assert now in {"clawrack 0.1.0", f"clawrack {then}"}, line
        if now == "clawrack 0.1.0":
            assert install_sh(home, "old", verb).returncode == 0, line
            assert in_use(home) == f"clawrack {then}", line


def test_with_nothing_before_there_is_no_way_back(home: Path) -> None:
    done = install_sh(home, "old", "--back", CLAWRACK_LANG="zh")
    assert (done.returncode, "没有更早的 clawrack" in done.stderr) == (3, True)
    assert in_use(home) == "clawrack 0.1.0"


def test_one_before_that_does_not_run_any_more_is_not_gone_back_to(home: Path) -> None:
    stage(home, "new", "0.2.0")
    install_sh(home, "old", "--switch")
    (home / "env-old" / "bin" / "clawrack").write_text("#!/bin/sh\nexit 1\n")
    assert install_sh(home, "new", "--back").returncode == 3
    assert in_use(home) == "clawrack 0.2.0"


def test_a_note_that_points_elsewhere_is_not_followed(home: Path, tmp_path: Path) -> None:
    stranger = env(tmp_path / "else", "x", "6.6.6")
    (home / "env-old" / ".before").write_text(f"{stranger}\n")
    assert install_sh(home, "old", "--back").returncode == 3
    assert installation.installation(str(home / "env-old")).before is None


def test_what_was_staged_and_is_not_wanted_goes(home: Path) -> None:
    stage(home, "new", "0.2.0")
    assert install_sh(home, "old", "--drop").returncode == 0
    assert sorted(path.name for path in home.iterdir()) == ["current", "env-old", "lock"]


def test_an_installation_tells_what_it_is_made_from(home: Path) -> None:
    stage(home, "new", "0.2.0")
    install_sh(home, "old", "--switch")
    found = installation.installation(str(home / "env-new"))
    assert (found.home, found.now and found.now.version, found.now and found.now.source) == (
        str(home),
        "0.2.0",
        "/somewhere/new",
    )
    assert found.before
    assert (found.before.version, found.before.source) == ("0.1.0", "/somewhere/old")


def test_what_install_sh_did_not_install_is_told_so() -> None:
    found = installation.installation()
    with pytest.raises(Refused) as caught:
        installation.ours(found)
    assert caught.value.key == "self.not_installed"
    assert "install.sh" in str(caught.value)
    words = [sys.executable, "-m", "clawrack", "self", "rollback", "--yes"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "CLAWRACK_LANG": "zh"})
    assert (done.returncode, "不是用 install.sh 安装的" in done.stderr) == (3, True)


def test_install_sh_fails_in_its_own_words_and_with_its_own_code(home: Path) -> None:
    found = installation.installation(str(home / "env-old"))
    assert found.now
    with pytest.raises(ClawrackError) as caught:
        installation.install_sh(found.now, "--stage", str(home), quiet=True)
    assert caught.value.exit_code == 2
    assert "not a whole clone of clawrack" in str(caught.value)


# ---- what is to be installed ----------------------------------------------------------------------------------------


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "clawrack-0.2.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("clawrack-0.2.0.dist-info/METADATA", "Name: clawrack\nVersion: 0.2.0\n")
    return path


def test_a_wheel_without_its_checksum_is_refused(wheel: Path) -> None:
    with pytest.raises(BadInput) as caught:
        upgrade.source(wheel)
    assert caught.value.key == "self.no_checksum"


def test_a_wheel_with_another_checksum_is_refused_with_both_values(wheel: Path) -> None:
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    with pytest.raises(Refused) as caught:
        upgrade.source(wheel, "0" * 64)
    assert found in str(caught.value)
    assert "0" * 64 in str(caught.value)


def test_the_checksum_may_stand_beside_the_wheel_or_on_the_line_which_counts_first(wheel: Path) -> None:
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    Path(f"{wheel}.sha256").write_text(f"{found}  {wheel.name}\n")
    assert upgrade.source(wheel).sha256 == found
    assert upgrade.source(wheel).version == "0.2.0"
    Path(f"{wheel}.sha256").write_text("f" * 64)
    assert upgrade.source(wheel, found.upper()).sha256 == found
    with pytest.raises(Refused):
        upgrade.source(wheel)


@pytest.mark.parametrize("checksum", ["", "abc", "g" * 64, "\x1b[2J", "1" * 63])
def test_what_is_no_checksum_is_none(wheel: Path, checksum: str) -> None:
    Path(f"{wheel}.sha256").write_text(checksum)
    with pytest.raises(BadInput):
        upgrade.source(wheel)


def test_a_wheel_of_something_else_and_a_file_that_is_none_are_refused(tmp_path: Path, wheel: Path) -> None:
    other = wheel.rename(tmp_path / "other-0.2.0-py3-none-any.whl")
    text = tmp_path / "clawrack-1-py3-none-any.whl"
    text.write_text("no zip")
    for path in (other, text):
        with pytest.raises(BadInput) as caught:
            upgrade.source(path, hashlib.sha256(path.read_bytes()).hexdigest())
        assert caught.value.key == "self.not_a_source"
    with pytest.raises(BadInput):
        upgrade.source(tmp_path / "absent")


def test_a_folder_is_a_checkout_of_ours_or_nothing(tmp_path: Path) -> None:
    assert upgrade.source(ROOT).version == "0.1.0"
    with pytest.raises(BadInput) as caught:
        upgrade.source(tmp_path)
    assert caught.value.key == "self.not_a_checkout"
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    with pytest.raises(BadInput):
        upgrade.source(tmp_path)
    with pytest.raises(BadInput) as caught:
        upgrade.source(ROOT, "0" * 64)
    assert caught.value.key == "self.checkout_checksum"


# ---- what the other one reads ---------------------------------------------------------------------------------------

LEFT = {
    "fleet": (".config/clawrack/fleet/fleet.yaml", "version: 2\n"),
    "machine": (".config/clawrack/fleet/machines/m.yaml", "address: here\nformat: 2\n"),
    "agent": (".config/clawrack/fleet/agents/a.yaml", "kind: k\nformat: 2\nby: 9.0.0\n"),
    "tombstone": (".config/clawrack/fleet/tombs/m-1.yaml", "version: 2\n"),
    "twin": (".config/clawrack/fleet/twins/m.yaml", "version: 2\n"),
    "import": (".config/clawrack/fleet/imports/i.yaml", "format: 2\n"),
    "journal": (".local/state/clawrack/journal.jsonl", '{"v":2}\n'),
    "rollout": (".local/state/clawrack/rollouts/7/rollout.json", '{"version":2}'),
    "machine-journal": (".local/state/clawrack/machines/m.jsonl", '{"version":2}\n'),
    "vault": (".local/state/clawrack/vault.age", 'checksum\n{"version":2}'),
    "recovery-key": (".local/state/clawrack/recovery.json", 'checksum\n{"version":2}'),
    "backup-note": (".local/state/clawrack/backups/pet_20261121T200000Z_abcdef.note", 'checksum\n{"version":2}'),
    "hosts": (".local/state/clawrack/hosts.json", '{"version":2,"pins":[]}'),
    "image": (".cache/clawrack/images/abc/image.json", '{"format":2}'),
}


@pytest.mark.parametrize("name", LEFT)
def test_a_clawrack_that_could_not_read_what_lies_here_is_refused(name: str, home: Path, person: Path) -> None:
    where, text = LEFT[name]
    (person / where).parent.mkdir(parents=True, exist_ok=True)
    (person / where).write_text(text)
    older = env(home, "older", "0.0.9")
    with pytest.raises(Refused) as caught:
        upgrade.judge(older, "0.0.9")
    assert (caught.value.key, caught.value.where) == ("self.older", str(person / where))
    assert "clawrack 0.0.9 cannot read this" in str(caught.value)
    upgrade.judge(env(home, "newer", "0.9.0", NEWER), "0.9.0")


def test_every_format_that_lies_on_this_computer_is_looked_at() -> None:
    elsewhere = {
        "machine-state",
        "ledger",
        "routes",
        "route",
        "backup",
    }  # on machines, or inside of what is encrypted; of the first this computer's own is looked at too
    assert set(LEFT) == FORMATS.keys() - elsewhere


def test_one_that_is_too_old_to_say_what_it_reads_reads_the_first_formats(home: Path, person: Path) -> None:
    silent = env(home, "silent", "0.1.0", ends=2)
    upgrade.judge(silent, "0.1.0")
    (person / LEFT["hosts"][0]).parent.mkdir(parents=True)
    (person / LEFT["hosts"][0]).write_text(LEFT["hosts"][1])
    with pytest.raises(Refused):
        upgrade.judge(silent, "0.1.0")


def test_one_that_does_not_run_is_told_so(home: Path) -> None:
    broken = env(home, "broken", "0.2.0")
    (broken / "bin" / "clawrack").write_text("#!/bin/sh\necho nonsense; exit 1\n")
    with pytest.raises(ActionFailed) as caught:
        upgrade.judge(broken, "0.2.0")
    assert caught.value.key == "self.does_not_run"
