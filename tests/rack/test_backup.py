"""Backups on real machines: made, read, put back in place and elsewhere; an old self that comes back from the dead."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet import journal
from fleet.actions import Deploy
from tests.conftest import SOAK
from tests.rack import faults, tinykinds
from tests.rack.controller import Controller, Typed
from tests.rack.guard_bench import GUARD, places
from tests.rack.machine import Build, Machine, Result

PET = "pet"
STATE = "/var/lib/clawrack/agents/pet/state"
KILLED = {137, -9}


class Rig:
    """Two machines of one fleet, an agent on the first, a controller, and the paper with its recovery key."""

    def __init__(self, attic: Machine, cellar: Machine, folder: Path) -> None:
        self.attic, self.cellar = attic, cellar
        self.kinds = tinykinds.place(folder / "kinds")
        file = folder / "kinds" / tinykinds.NAME / "kind.yaml"
        file.write_text(
            file.read_text().replace("  startup_timeout: 12\n", "  startup_timeout: 12\n  min_healthy_time: 1\n")
        )
        self.paper = folder / "paper.txt"
        self.controller = self.fresh(folder / "controller")
        self.token = ""

    def fresh(self, folder: Path) -> Controller:
        folder.mkdir()
        made = Controller(folder)
        made.environment["CLAWRACK_KINDS"] = self.kinds
        return made

    def machine(self, name: str) -> Machine:
        return self.attic if name == "attic" else self.cellar

    def add(self, controller: Controller, name: str) -> None:
        at = self.machine(name)
        words = ("--key", str(at.key), "--fingerprint", at.fingerprint(), "--name", name, "--yes", "--json")
        controller.done("machine", "add", f"root@{at.address}", *words)

    def type(self, *words: str, code: int = 0) -> Any:
        """Type a command; return its last document, or the key of its error."""
        typed = self.controller.type(*words, "--json")
        assert typed.code == code, typed
        return typed.document if code == 0 else failed(typed)

    def backup(self, *more: str) -> Any:
        return self.type("backup", "create", PET, *more)["backups"][0]

    def restore(self, *more: str, code: int = 0) -> Any:
        words = ("--recovery-key-file", str(self.paper), "--yes", *more)
        return self.type("backup", "restore", PET, *words, code=code)

    def ask(self, message: str) -> None:
        self.controller.done("agent", "ask", PET, message)

    def guard(self, *words: str, stdin: bytes = b"", failpoint: str = "") -> Result:
        """The guard on the attic, called past the controller."""
        before = ("env", f"CLAWRACK_FAILPOINT={failpoint}") if failpoint else ()
        return self.attic.run(*before, GUARD, *words, stdin=stdin, timeout=120, check=False)

    def lease(self) -> str:
        self.token = self.guard("lease", "tester", "900").text.split()[0].removeprefix("token=")
        return self.token


def words(machine: Machine) -> list[str]:
    """The messages in the state, read as text: the rack's machines need no sqlite."""
    return [
        word for word in ("first", "second", "third", "fourth") if word.encode() in machine.get(f"{STATE}/tiny.sqlite")
    ]


def runs(machine: Machine) -> bool:
    return machine.sh(f"docker ps -q --filter name=^clawrack-{PET}$", check=False).text != ""


def failed(typed: Typed) -> str:
    return json.loads(typed.err.strip().splitlines()[-1])["error"]["key"]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Machine(Build(docker=True)) as attic, Machine(Build(docker=True)) as cellar:
        made = Rig(attic, cellar, tmp_path_factory.mktemp("backup"))
        for name in ("attic", "cellar"):
            made.add(made.controller, name)
        made.controller.done(
            "setup", "--machine", f"root@{attic.address}", "--kind", tinykinds.NAME, "--name", PET, "--yes", "--json"
        )
        made.ask("first")
        yield made


def test_without_a_recovery_key_there_is_no_backup_and_it_is_made_once(rig: Rig) -> None:
    assert rig.type("backup", "create", PET, code=3) == "backup.nobody_writes"
    made = rig.type("backup", "key", "--out", str(rig.paper))["recovery_key"]
    assert (made["kept"], rig.paper.stat().st_mode & 0o777) == ("nowhere", 0o600)
    assert rig.type("backup", "key")["recovery_key"]["recipient"] == made["recipient"]
    assert rig.paper.read_text().split()[-1].encode() not in rig.controller.written()


def test_a_backup_stops_the_agent_shortly_and_can_be_read_by_nobody_without_the_key(rig: Rig) -> None:
    secret = json.loads(rig.attic.get("/var/lib/clawrack/agents/pet/secrets/secrets.json"))
    before = rig.attic.sh("docker inspect -f '{{.Id}} {{.State.StartedAt}}' clawrack-pet").text.split()
    made = rig.backup()
    after = rig.attic.sh("docker inspect -f '{{.Id}} {{.State.StartedAt}}' clawrack-pet").text.split()
    assert after[0] == before[0]
    assert after[1] > before[1]
    assert 0 < made["down_ms"] < 60_000
    written = rig.controller.written()
    assert [word for word in (secret["gateway"], secret["model"], "first") if word.encode() in written] == []
    assert rig.attic.sh("ls /var/lib/clawrack/agents/pet/copy", check=False).code != 0
    assert rig.type("backup", "list")["backups"][0]["id"] == made["id"]
    whole = rig.type("backup", "verify", "--recovery-key-file", str(rig.paper))["backups"][0]
    assert whole["checked"]
    assert rig.type("backup", "key")["recovery_key"]["proven"]
    rig.controller.answers(PET, "still there?", 30)


def test_the_agents_own_machine_keeps_no_backup_of_it_and_another_does(rig: Rig) -> None:
    assert rig.type("backup", "create", PET, "--to", "attic", code=3) == "backup.same_machine"
    made = rig.backup("--to", "cellar")
    assert rig.cellar.get(f"/var/lib/clawrack/backups/{made['id']}").startswith(b"age-encryption.org/v1\n")
    rig.type("backup", "verify", made["id"], "--recovery-key-file", str(rig.paper))
    assert rig.type("machine", "remove", "cellar", "--keep", "--yes", code=3) == "backup.held_there"
    for note in (rig.controller.folder / "state/clawrack/backups").glob("*.note"):
        note.write_bytes(note.read_bytes()[:-1])
    assert rig.type("backup", "list", code=6) == "vault.damaged"
    assert made["id"] in {one["id"] for one in rig.type("backup", "list", "--rebuild")["backups"]}


def test_what_was_changed_or_cut_off_is_not_put_back(rig: Rig, tmp_path: Path) -> None:
    whole = next((rig.controller.folder / "state/clawrack/backups").glob("*.age")).read_bytes()
    for nth, bad in enumerate((whole[:-1], whole[: len(whole) // 2], whole[:-500] + b"x" + whole[-499:], b"")):
        file = tmp_path / f"{nth}.age"
        file.write_bytes(bad)
        assert rig.restore("--from", str(file), code=6) == "backup.damaged"
    assert runs(rig.attic)


def test_over_the_agent_itself_its_state_is_the_old_one_and_the_newer_one_is_kept(rig: Rig) -> None:
    made = rig.backup()
    rig.ask("second")
    assert words(rig.attic) == ["first", "second"]
    done = rig.restore("--from", made["id"])["restored"]
    assert words(rig.attic) == ["first"]
    assert b"second" in rig.attic.get(f"{done['kept']}/tiny.sqlite")
    rig.controller.answers(PET, "third", 30)
    assert rig.type("plan")["plan"]["actions"] == []


def test_of_a_version_before_it_is_that_one_again_on_trial_and_one_that_is_not_well_stays_stopped(rig: Rig) -> None:
    made, before = rig.backup(), words(rig.attic)
    agents = rig.controller.folder / "config/clawrack/fleet/agents/pet.yaml"
    old = agents.read_text()
    kind(rig, version="2", schema=2)
    agents.write_text(old.replace('version: "1"', 'version: "2"'))
    rig.controller.done("apply", "--yes", "--json")
    rig.ask("second")
    assert version(rig) == "2"
    kind(rig)
    deployed = commits(rig)
    rig.restore("--from", made["id"])
    assert (version(rig), words(rig.attic), commits(rig) - deployed) == ("1", before, 1)
    rig.controller.answers(PET, "third", 30)
    assert rig.type("plan")["plan"]["actions"] == []
    said, there = agents.read_text(), words(rig.attic)
    kind(rig, fault="never_ready")
    assert rig.restore("--from", made["id"], code=5) == "backup.not_ready"
    assert (runs(rig.attic), agents.read_text()) == (False, said)
    kind(rig)
    kept = rig.attic.sh("ls /var/lib/clawrack/kept | sort -V").text.split()[-1]
    rig.type("backup", "restore", PET, "--from", f"kept:{kept}", "--yes")
    assert (runs(rig.attic), words(rig.attic)) == (True, there)


def kind(rig: Rig, version: str = "1", schema: int = 1, fault: str = "") -> None:
    """Have the controller's tiny kind be another one."""
    tinykinds.place(Path(rig.kinds), version=version, schema=schema, fault=fault)
    file = Path(rig.kinds) / tinykinds.NAME / "kind.yaml"
    file.write_text(
        file.read_text().replace("  startup_timeout: 12\n", "  startup_timeout: 12\n  min_healthy_time: 1\n")
    )


def version(rig: Rig) -> str:
    return next(one["version"] for one in rig.type("status")["status"]["agents"] if one["name"] == PET)


def commits(rig: Rig) -> int:
    """How many releases the controller has brought agents to, on trial and committed."""
    rows = journal.read(rig.controller.folder / "state/clawrack/journal.jsonl")
    done = {(row.run, row.n) for row in rows if row.what == "done"}
    return sum(isinstance(row.action, Deploy) and (row.run, row.n) in done for row in rows)


def test_elsewhere_it_is_put_back_only_once_its_old_self_is_stopped(rig: Rig) -> None:
    made = rig.backup()
    assert rig.restore("--from", made["id"], "--machine", "cellar", code=3) == "backup.lives"
    assert (runs(rig.attic), runs(rig.cellar)) == (True, False)
    rig.type("agent", "stop", PET)
    done = rig.restore("--from", made["id"], "--machine", "cellar")["restored"]
    assert (done["machine"], done["left"], done["tomb"]) == ("cellar", "attic", "")
    assert (runs(rig.attic), runs(rig.cellar)) == (False, True)
    assert rig.attic.sh("ls /var/lib/clawrack/agents").text == ""
    assert words(rig.cellar) == ["first", "third"]
    rig.controller.answers(PET, "fourth", 30)


def test_a_machine_that_comes_back_from_the_dead_loses_the_agent_that_lives_elsewhere(rig: Rig) -> None:
    made = rig.backup()
    rig.cellar.container.kill()
    elsewhere = ("--from", made["id"], "--machine", "attic")
    assert rig.restore(*elsewhere, code=3) == "backup.old_silent"
    done = rig.restore(*elsewhere, "--old-is-dead")["restored"]
    assert done["tomb"].startswith("cellar-")
    assert (runs(rig.attic), words(rig.attic)) == (True, ["first", "third", "fourth"])
    rig.cellar.start()
    faults.await_docker(rig.cellar)
    told = rig.type("status")["status"]["returned"]
    assert [(one["machine"], one["stopped"]) for one in told] == [("cellar", [PET])]
    assert (runs(rig.attic), runs(rig.cellar)) == (True, False)
    faults.power_cut(rig.cellar)
    assert not runs(rig.cellar)
    rig.controller.done("machine", "remove", done["tomb"], "--returned", "--keep", "--yes", "--json")
    assert rig.type("status")["status"]["returned"] == []


def test_a_controller_that_has_nothing_but_the_recovery_key_puts_an_agent_back(rig: Rig, tmp_path: Path) -> None:
    made = rig.backup()
    rig.ask("second")
    file = rig.controller.folder / "state/clawrack/backups" / f"{made['id']}.age"
    lost, rig.controller = rig.controller, rig.fresh(tmp_path / "fresh")
    try:
        rig.add(rig.controller, "attic")
        rig.controller.done("backup", "key", "--import", str(rig.paper))
        rig.restore("--from", str(file))
        assert words(rig.attic) == ["first", "third", "fourth"]
        assert rig.type("plan")["plan"]["actions"] == []
        rig.controller.answers(PET, "hello", 30)
    finally:
        rig.controller = lost


def test_the_state_of_an_agent_that_was_removed_is_given_back_when_it_is_asked_for(rig: Rig) -> None:
    before = words(rig.attic)
    assert "first" in before
    rig.controller.done("agent", "remove", PET, "--keep-state", "--yes", "--json")
    machine = f"root@{rig.attic.address}"
    made = rig.controller.done(
        "setup", "--machine", machine, "--kind", tinykinds.NAME, "--name", PET, "--yes", "--json"
    )
    assert "backup.kept_there" in made.out
    assert words(rig.attic) == []
    rig.type("backup", "restore", PET, "--from", "kept", "--yes")
    assert words(rig.attic) == before


# --- the guard, past the controller -----------------------------------------------------------------------------------


Row = tuple[str, bytes | None, dict[str, Any]]


def archive(*entries: Row) -> bytes:
    """A tar of entries: name, content (None for a folder), and what else its header says."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content, more in entries:
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            info.mode, info.size = (0o755 if content is None else 0o600), len(content or b"")
            for key, value in more.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content or b""))
    return out.getvalue()


FOLDER: Row = ("state", None, {})
LINK: dict[str, Any] = {"type": tarfile.SYMTYPE, "linkname": "/etc"}
HOSTILE = {
    "up": archive(FOLDER, ("state/../../../../../../pwned", b"x", {})),
    "absolute": archive(FOLDER, ("/pwned", b"x", {})),
    "beside": archive(FOLDER, ("secrets/pwned", b"x", {})),
    "device": archive(FOLDER, ("state/disk", b"", {"type": tarfile.BLKTYPE, "devmajor": 7, "devminor": 0})),
    "setuid": archive(FOLDER, ("state/sh", b"x", {"mode": 0o4755})),
    "hardlink": archive(FOLDER, ("state/../x", b"", {"type": tarfile.LNKTYPE, "linkname": "/etc/shadow"})),
}


def bring(rig: Rig, name: str, tar: bytes, failpoint: str = "", size: int = 0) -> Result:
    words = ("bring", rig.token, name, str(size or len(tar)), hashlib.sha256(tar).hexdigest(), "4096")
    return rig.guard(*words, stdin=tar, failpoint=failpoint)


def test_the_guard_itself_takes_no_state_that_reaches_beyond_its_folder(rig: Rig) -> None:
    rig.lease()
    before = rig.attic.sh("find / -xdev -newermt '1 hour ago' -name 'pwned*'; ls /var/lib/clawrack/agents").text
    for what, tar in HOSTILE.items():
        refused = bring(rig, "newcomer", tar)
        assert (refused.code, "reason=bring-names" in refused.text) == (5, True), what
    assert "reason=bring-cut" in bring(rig, "newcomer", archive(FOLDER), size=99999).text
    assert "reason=agent-runs" in bring(rig, PET, archive(FOLDER)).text
    after = rig.attic.sh("find / -xdev -newermt '1 hour ago' -name 'pwned*'; ls /var/lib/clawrack/agents").text
    assert (after, rig.attic.sh("ls /var/lib/clawrack/coming", check=False).code != 0) == (before, True)
    through = archive(FOLDER, ("state/etc", b"", LINK), ("state/etc/pwned", b"x", {}))
    bring(rig, "newcomer", through)  # tar itself does not go through a link that it has just made
    assert rig.attic.run("test", "-e", "/etc/pwned", check=False).code != 0
    rig.attic.sh("rm -rf /var/lib/clawrack/agents/newcomer")


@pytest.mark.parametrize("place", places("copy-")[:: 1 if SOAK else 3])
def test_killed_while_it_puts_a_state_by_the_agent_runs_again(rig: Rig, place: str) -> None:
    rig.lease()
    assert rig.guard("copy", rig.token, PET, "now", failpoint=place).code in KILLED
    assert rig.guard("tick").code == 0
    assert runs(rig.attic)
    assert rig.guard("copy", rig.token, PET, "now").code == 0
    assert rig.guard("saved", rig.token, PET).code == 0


@pytest.mark.parametrize("place", places("bring-", "unkeep-")[:: 1 if SOAK else 3])
def test_killed_while_a_state_comes_in_it_is_the_old_or_the_new_one(rig: Rig, place: str) -> None:
    rig.lease()
    old, new = "old of " + place, "new of " + place
    kept = "/var/lib/clawrack/kept"
    rig.attic.sh(f"rm -rf {kept}; mkdir -p {kept}/pet; echo '{new}' >{kept}/pet/mark")
    assert rig.guard("stop", rig.token, PET).code == 0
    rig.attic.sh(f"echo '{old}' >{STATE}/mark")
    tar = archive(FOLDER, ("state/mark", f"{new}\n".encode(), {}))
    over = place not in {"bring-unpacked", "bring-placed"}
    name = PET if over else "newcomer"
    verb = ("unkeep", rig.token, name, "pet")
    died = rig.guard(*verb, failpoint=place) if place.startswith("unkeep-") else bring(rig, name, tar, place)
    assert died.code in KILLED
    assert rig.guard("tick").code == 0
    mark = rig.attic.get(f"{STATE}/mark").decode().strip()
    assert mark in {old, new}
    assert mark == (new if place == "bring-noted" else old)
    assert bring(rig, name, tar).code == 0
    assert rig.attic.get(f"/var/lib/clawrack/agents/{name}/state/mark").decode().strip() == new
    if over:
        assert old in rig.attic.sh("cat /var/lib/clawrack/kept/*/mark").text
        assert rig.guard("start", rig.token, PET).code == 0
    rig.attic.sh("rm -rf /var/lib/clawrack/agents/newcomer")
