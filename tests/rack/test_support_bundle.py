"""A support bundle of a real fleet: whatever is somebody's is a canary, and none of them is in the archive."""

import base64
import gzip
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import textwrap
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.rack import tinykinds
from tests.rack.controller import Controller, Typed
from tests.rack.machine import Build, Machine, User

AGENT = "canary-agent-wagtail"
USER = "canaryuser-dipper"
PASSWORD = "canary-login-word-7 redstart"
HOST = "canaryhost-goldcrest"
CONTROLLER_HOST = "canarycontroller-siskin"
PERSON = "canaryperson-serin"
MESSAGE = "canary message: the purple elephant of my grandmother is called Bluethroat"
MESSAGE_WORDS = ("purple elephant", "grandmother", "Bluethroat")
ENVIRONMENT = {"ANTHROPIC_API_KEY": "sk-ant-canary0123456789wheatear", "CANARY_THING": "canary-environment-ortolan"}
MAIL, PHONE = "canary.redpoll@example.org", "13898761234"

TELLING = "error: timeout, connection refused"
"""Of an agent's log it stays as it is; a token's dashes make it many words, so a line with one may go as a whole."""
ALOUD = "import sys; open('/proc/1/fd/1', 'w').write(sys.stdin.read())"
"""What a box's own program would write, written for it."""


@dataclass
class Lab:
    """One machine with an agent, and whatever somebody could be known by."""

    machine: Machine
    controller: Controller
    folder: Path
    secrets: dict[str, str] = field(default_factory=dict[str, str])

    def type(self, *words: str, stdin: str = "") -> Typed:
        """Type a command on a computer that has a name of its own."""
        named = ("unshare", "--uts", "sh", "-c", 'hostname "$1" && shift && exec "$@"', "sh", CONTROLLER_HOST)
        more = {**ENVIRONMENT, "USER": PERSON, "LOGNAME": PERSON, "CLAWRACK_FLEET": str(self.folder)}
        kinds = {"CLAWRACK_KINDS": str(self.controller.folder / "kinds")}
        environment = {**self.controller.environment, **more, **kinds, "HOME": str(self.controller.folder / PERSON)}
        line = [*named, sys.executable, "-m", "clawrack", *words]
        done = subprocess.run(
            line, env=environment, input=stdin.encode(), capture_output=True, check=False, timeout=120
        )
        return Typed(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    controller = Controller(tmp_path_factory.mktemp("controller"))
    (controller.folder / PERSON).mkdir()
    controller.environment["XDG_CACHE_HOME"] = str(Path.home() / ".cache")  # images are kept between test runs
    tinykinds.place(controller.folder / "kinds")
    with Machine(Build(docker=True, root_key=False, users=(User(USER, PASSWORD, sudo="password"),))) as machine:
        machine.sh(f"echo {HOST} >/etc/hostname; hostname {HOST}; echo 127.0.0.1 {HOST} >>/etc/hosts")
        made = Lab(machine, controller, controller.folder / "canaryfolder-brambling" / "fleet")
        line = ("setup", "--machine", f"{USER}@{machine.address}", "--password-stdin", "--yes", "--json")
        told = ("--fingerprint", machine.fingerprint(), "--kind", tinykinds.NAME, "--name", AGENT)
        typed = made.type(*line, *told, stdin=f"{PASSWORD}\n")
        assert typed.code == 0, typed
        asked = made.type("agent", "ask", AGENT, MESSAGE)
        assert asked.code == 0, asked
        kept = machine.get(f"/var/lib/clawrack/agents/{AGENT}/secrets/secrets.json")
        made.secrets = {**json.loads(kept), "controller's key": _body(made)}
        _plant(made)
        yield made


def _body(lab: Lab) -> str:
    """A line of the controller's private key that no other key has."""
    return (lab.controller.folder / "state/clawrack/key").read_text().splitlines()[3]


def _plant(lab: Lab) -> None:
    """Have everything written where a bundle looks: in logs of agent and meter, in a unit's journal, in a report."""
    gateway, model = lab.secrets["gateway"], lab.secrets["model"]
    rows = [
        f"error: connection refused with {gateway}",
        TELLING,
        f"failed: {base64.b64encode(f'x:{gateway}'.encode()).decode()} {model.encode().hex()}",
        *textwrap.wrap(model, 20),
        f"user said: {MESSAGE}",
        MESSAGE,
        f"mail to {MAIL} or call {PHONE}; {HOST} {lab.machine.address} {AGENT} {USER}",
        base64.b64encode(f"on {HOST} for {USER}".encode()).decode(),
    ]
    written = "\n".join(rows)
    for box in (f"clawrack-{AGENT}", "clawrack-meter"):
        # a meter's log holds nothing that was said; an agent's may, and the word of a login that nobody knows any more
        said = f"{written}\n{PASSWORD}" if box != "clawrack-meter" else "\n".join(_unsaid(rows))
        lab.machine.run("docker", "exec", "-i", box, "python3", "-c", ALOUD, stdin=f"{said}\n".encode())
    lab.machine.put("/root/rows", "\n".join(_unsaid(rows)).encode())
    lab.machine.sh("systemd-run --quiet --wait --unit clawrack-canary cat /root/rows")
    reports = lab.controller.folder / "state/clawrack/reports"
    reports.mkdir(exist_ok=True)
    (reports / "20261121-000000-abcd.txt").write_text(f"clawrack 0\n  {lab.folder}/x.py:1 {gateway}\n")


def _unsaid(rows: list[str]) -> list[str]:
    return [row for row in rows if "elephant" not in row]


@pytest.fixture(scope="module")
def written(lab: Lab) -> Path:
    """The archive of the whole fleet."""
    path = lab.controller.folder / "bundle.tar.gz"
    typed = lab.type("support-bundle", "--out", str(path), "--yes", "--json")
    assert typed.code == 0, typed
    assert typed.document["bundle"]["path"] == str(path)
    assert typed.document["bundle"]["bytes"] == path.stat().st_size
    return path


def files(path: Path) -> dict[str, str]:
    with tarfile.open(path) as tar:
        return {name: (found.read().decode() if (found := tar.extractfile(name)) else "") for name in tar.getnames()}


def forms(canary: str) -> dict[str, str]:
    """A canary in every way in which it could be written; of base64 the part that does not depend on its neighbours."""
    raw = canary.encode()
    shifted = [base64.b64encode(b"\0" * n + raw).decode()[4 if n else 0 : -4] for n in range(3)]
    return {
        "plain": canary,
        "json": json.dumps(canary)[1:-1],
        "json, all of it": "".join(f"\\u{ord(char):04x}" for char in canary),
        "hex": raw.hex(),
        "url": urllib.parse.quote(canary, safe=""),
        "url, all of it": "".join(f"%{byte:02x}" for byte in raw),
        **{f"base64 {n}": text for n, text in enumerate(shifted)},
        **{f"base64 {n} for addresses": text.translate(str.maketrans("+/", "-_")) for n, text in enumerate(shifted)},
    }


def canaries(lab: Lab) -> dict[str, str]:
    machine = Path(next((lab.folder / "machines").glob("*.yaml")))
    inside = lab.machine.run("docker", "inspect", "-f", "{{json .NetworkSettings.Networks}}", f"clawrack-{AGENT}").text
    addresses = {row["IPAddress"] for row in json.loads(inside).values()}
    found = {
        "agent": AGENT, "login": USER, "password": PASSWORD, "host": HOST, "controller": CONTROLLER_HOST,
        "person": PERSON, "folder": "canaryfolder-brambling", "mail": MAIL, "phone": PHONE,
        "machine": machine.stem, "address": lab.machine.address,
        "box": addresses.pop(), "machine-id": lab.machine.get("/var/lib/clawrack/id").decode().strip(),
        **{f"message {n}": words for n, words in enumerate(MESSAGE_WORDS)},
        **ENVIRONMENT, **lab.secrets,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value}


def test_no_canary_is_anywhere_in_the_archive(lab: Lab, written: Path) -> None:
    whole = "\n".join(f"{name}\n{text}" for name, text in files(written).items())
    squeezed = re.sub(r"\s+", "", whole).lower()
    raw = gzip.decompress(written.read_bytes()).decode("latin-1")
    found = {
        (name, form)
        for name, canary in canaries(lab).items()
        for form, text in forms(canary).items()
        if re.sub(r"\s+", "", text).lower() in squeezed or text in raw
    }
    assert found == set()
    answer = lab.type("agent", "ask", AGENT, "canary 2").out.strip()
    assert len(answer) > 20
    assert answer not in whole


def test_the_canaries_were_there_to_be_found(lab: Lab) -> None:
    """Else their absence would say nothing."""
    logs = lab.machine.run("docker", "logs", f"clawrack-{AGENT}").text
    meter = lab.machine.run("docker", "logs", "clawrack-meter").text
    journal = lab.machine.sh("journalctl -u 'clawrack-*' --no-pager").text
    for text in (logs, meter, journal):
        assert lab.secrets["gateway"] in text
        assert MAIL in text
    assert MESSAGE in logs
    assert lab.machine.address in journal


def test_what_helps_is_there(lab: Lab, written: Path) -> None:
    told = {name.removeprefix("clawrack-support/"): text for name, text in files(written).items()}
    look = json.loads(told["machines/machine-1/look.json"])
    assert (look["docker"], look["firewall"], look["agent.agent-1.state"]) == ("up", "ok", "running")
    release = lab.machine.get(f"/var/lib/clawrack/agents/{AGENT}/current").decode().strip()
    assert look["agent.agent-1.release"] == release
    assert (
        lab.machine.run("docker", "inspect", "-f", "{{.Image}}", f"clawrack-{AGENT}").text
        in told["machines/machine-1/containers.json"]
    )
    boxes: list[dict[str, Any]] = json.loads(told["machines/machine-1/containers.json"])
    assert [box["name"] for box in boxes] == ["clawrack-agent-1", "clawrack-meter"]
    assert boxes[0]["host"]["ReadonlyRootfs"] is True
    assert (
        json.loads(told["machines/machine-1/engine.json"])["version"]["Version"] in lab.machine.run("docker", "-v").text
    )
    assert "ActiveState=active" in told["machines/machine-1/units.txt"]
    assert "clawrack-agent@agent-1.service" in told["machines/machine-1/units.txt"]
    assert "tiny 1 with schema 1 listens" in told["machines/machine-1/logs/clawrack-agent-1.txt"]
    assert "call agent=agent-1 route=practice" in told["machines/machine-1/logs/clawrack-meter.txt"]
    assert "uname_r=" in told["machines/machine-1/facts.txt"]
    assert abs(json.loads(told["machines/machine-1/clock.json"])["ahead_of_controller"]) < 30
    assert json.loads(told["controller/status.json"])["agents"][0]["state"] == "running"
    assert json.loads(told["controller/plan.json"])["actions"] == []
    assert '"agent":"agent-1"' in told["controller/journal.jsonl"]
    assert json.loads(told["controller/kinds.json"])["tinykind"]["version"] == "1"
    assert json.loads(told["controller/versions.json"])["python"] == sys.version.split()[0]
    assert isinstance(json.loads(told["controller/doctor.json"]), list)
    assert "clawrack-boot" in told["machines/machine-1/journal.txt"]
    assert "error: connection refused with •••" in told["machines/machine-1/journal.txt"]
    assert "error timeout connection refused" in told["machines/machine-1/logs/clawrack-agent-1.txt"]


def test_the_manifest_names_every_file_and_what_was_taken_out_of_it(written: Path) -> None:
    told = files(written)
    manifest = json.loads(told.pop("clawrack-support/manifest.json"))
    assert {f"clawrack-support/{one['name']}": one["bytes"] for one in manifest["files"]} == {
        name: len(text.encode()) for name, text in told.items()
    }
    assert [(one["name"], one["state"]) for one in manifest["machines"]] == [("machine-1", "asked")]
    log = next(one for one in manifest["files"] if one["name"].endswith("logs/clawrack-meter.txt"))
    assert log["removed"]["secret"] >= 4
    assert log["removed"]["email"] == log["removed"]["phone"] == 1


def test_the_archive_is_for_its_owner_alone_and_in_a_fixed_order(written: Path) -> None:
    assert written.stat().st_mode & 0o777 == 0o600
    with tarfile.open(written) as tar:
        names = tar.getnames()
        assert {(entry.uid, entry.gid, entry.mtime, entry.uname) for entry in tar.getmembers()} == {(0, 0, 0, "")}
    assert names == ["clawrack-support/manifest.json", *sorted(names[1:])]
    assert written.stat().st_size < 20 << 20


def test_who_is_called_what_stays_on_the_controller(lab: Lab, written: Path) -> None:
    (kept,) = (lab.controller.folder / "state/clawrack/bundles").glob("bundle-*.names.json")
    assert kept.stat().st_mode & 0o777 == 0o600
    names = json.loads(kept.read_text())["names"]
    assert (names["agent-1"], names["machine-1"]) == (AGENT, next((lab.folder / "machines").glob("*.yaml")).stem)
    assert lab.secrets["gateway"] not in kept.read_text()
    assert hashlib.sha256(written.read_bytes()).hexdigest()[:8] in kept.name


@pytest.mark.usefixtures("written")
def test_nothing_is_written_unasked_or_over_a_file_that_is_there(lab: Lab, written: Path) -> None:
    before = written.read_bytes()
    over = lab.type("support-bundle", "--out", str(written), "--yes")
    assert (over.code, "already" in over.err) == (3, True), over
    unasked = lab.type("support-bundle", "--out", str(written.with_name("other.tar.gz")))
    assert (unasked.code, "--yes" in unasked.err) == (3, True)
    assert not written.with_name("other.tar.gz").exists()
    assert written.read_bytes() == before


def test_a_silent_machine_is_in_it_as_silent(lab: Lab) -> None:
    lab.machine.sh("systemctl stop ssh.service ssh.socket 2>/dev/null; pkill -x sshd || true", check=False)
    try:
        path = lab.controller.folder / "silent.tar.gz"
        typed = lab.type("support-bundle", "--out", str(path), "--yes")
    finally:
        lab.machine.sh("systemctl start ssh.service")
    assert typed.code == 0, typed
    assert lab.machine.address in typed.out or "machine-1" in typed.out
    told = files(path)
    (machine,) = json.loads(told["clawrack-support/manifest.json"])["machines"]
    assert (machine["name"], machine["state"]) == ("machine-1", "silent")
    assert machine["why"]
    assert not [name for name in told if "/machines/machine-1/" in name]
    assert json.loads(told["clawrack-support/controller/status.json"])["machines"][0]["state"] == "silent"
    whole = "\n".join(told.values())
    assert not [name for name, canary in canaries(lab).items() if canary in whole]
