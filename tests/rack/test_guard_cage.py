"""The cage, as Docker tells it, and what nobody may bring in or look at."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator

import pytest

from tests.rack.guard_bench import KEY_HASH, Bench, Tiny, benches, packed
from tests.rack.machine import Build, User

CANARY = b"the-secret-canary-7f3a"


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    for bench in benches(Build(docker=True, users=(User(uid=1000, sudo="no"),))):
        bench.guard("secrets", bench.token, "caged", "secrets.json", str(len(CANARY)), stdin=CANARY)
        bench.deploy("caged", Tiny("r1"))
        yield bench


def test_the_cage_is_what_docker_says_it_is(bench: Bench) -> None:
    found = bench.container("caged")
    host, config = found["HostConfig"], found["Config"]
    assert config["User"] == "2130001:2130001"  # the number of its network, and nobody else on the machine
    assert config["Hostname"] == "caged"
    assert host["CapDrop"] == ["ALL"]
    assert host["CapAdd"] is None
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["ReadonlyRootfs"] is True
    assert host["Init"] is True
    assert host["Privileged"] is False
    assert (host["PidsLimit"], host["Memory"], host["MemorySwap"]) == (64, 67108864, 67108864)
    assert host["NanoCpus"] == 1_000_000_000
    assert host["RestartPolicy"]["Name"] == "no"
    assert config["StopTimeout"] == 3
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}
    assert host["NetworkMode"] == "clawrack-caged"
    assert (host["PidMode"], host["UTSMode"], host["UsernsMode"], host["IpcMode"]) == ("", "", "", "private")
    assert not host["PortBindings"]
    assert not host["PublishAllPorts"]
    assert not host["Devices"]


def test_only_state_may_be_written(bench: Bench) -> None:
    mounts = {mount["Destination"]: mount["RW"] for mount in bench.container("caged")["Mounts"]}
    read = dict.fromkeys(("/etc/tiny", "/run/clawrack", "/etc/passwd", "/etc/group"), False)
    assert mounts == {"/state": True, **read}
    inside = "docker exec clawrack-caged sh -c"
    assert bench.machine.sh(f"{inside} 'echo x >/etc/tiny/tiny.json'", check=False).code != 0
    assert bench.machine.sh(f"{inside} 'echo x >/bin/agent'", check=False).code != 0
    assert bench.machine.sh(f"{inside} 'cat /etc/tiny/tiny.json'").text == "{}"


def test_the_agents_process_has_no_capability_and_cannot_get_one(bench: Bench) -> None:
    status = bench.machine.sh("docker exec clawrack-caged cat /proc/self/status").text
    flags = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {int(flags[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert flags["NoNewPrivs"] == "1"


def test_the_labels_say_what_runs_where(bench: Bench) -> None:
    labels = bench.container("caged")["Config"]["Labels"]
    assert labels["clawrack.machine"] == bench.look()["id"]
    assert (labels["clawrack.agent"], labels["clawrack.kind"], labels["clawrack.release"]) == ("caged", "tiny", "r1")


def test_the_agent_reads_its_secret_and_docker_does_not_know_it(bench: Bench) -> None:
    assert bench.machine.sh("docker exec clawrack-caged cat /run/clawrack/secrets.json").out == CANARY
    assert CANARY.decode() not in json.dumps(bench.containers())
    assert CANARY not in bench.machine.sh("journalctl --no-pager; docker logs clawrack-caged 2>&1").out


def test_a_secret_is_given_back_to_the_controller_as_it_was(bench: Bench) -> None:
    assert bench.guard("reveal", "caged", "secrets.json").out.encode() == CANARY
    assert bench.guard("reveal", "caged", "other")["reason"] == "absent"


def test_a_login_with_the_agents_own_uid_cannot_read_state_or_secrets(bench: Bench) -> None:
    paths = "/var/lib/clawrack/agents/caged/state/starts /var/lib/clawrack/agents/caged/secrets/secrets.json"
    for path in [*paths.split(), "/run/clawrack/caged/secrets.json", "/var/lib/clawrack/id"]:
        assert bench.machine.run("test", "-e", path, check=False).code == 0, path
        read = bench.machine.run("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "cat", path, check=False)
        assert read.code != 0, path
        assert b"Permission denied" in read.err, path


def test_a_login_of_the_specs_uid_cannot_walk_into_the_agent_through_its_processes(bench: Bench) -> None:
    pid = bench.container("caged")["State"]["Pid"]
    for path in ("state/starts", "run/clawrack/secrets.json"):
        inside = f"/proc/{pid}/root/{path}"
        assert bench.machine.run("test", "-e", inside, check=False).code == 0
        read = bench.machine.run(
            "setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "cat", inside, check=False
        )
        assert b"Permission denied" in read.err, inside


def test_the_agent_finds_its_own_name_and_home(bench: Bench) -> None:
    inside = "docker exec clawrack-caged"
    assert bench.machine.sh(f"{inside} cat /etc/passwd").text.splitlines()[1] == "agent:x:2130001:2130001::/:/bin/sh"
    assert "(agent)" in bench.machine.sh(f"{inside} id").text


def test_every_agent_is_a_user_of_its_own_and_keeps_a_state_that_another_wrote(bench: Bench) -> None:
    first = bench.fresh()
    bench.deploy("other", first)
    assert bench.container("other")["Config"]["User"] == "2130002:2130002"
    bench.guard("stop", bench.token, "other")
    state = "/var/lib/clawrack/agents/other/state"
    bench.machine.sh(f"chown -R 1000:1000 {state}; ln -s /etc/shadow {state}/link")
    bench.guard("start", bench.token, "other")
    bench.answers("other", first.release)
    assert bench.state("other", "starts") == "2"
    assert bench.machine.sh(f"stat -c %u {state} {state}/starts {state}/link | sort -u").text == "2130002"
    assert bench.machine.sh("stat -c %u /etc/shadow").text == "0"
    bench.guard("remove", bench.token, "other", "erase")


def test_look_takes_less_than_half_a_second_of_the_processor(bench: Bench) -> None:
    taken: list[float] = []
    for _ in range(5):
        before = os.times()
        assert bench.look()["agent.caged.state"] == "running"
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        assert spent > 0, "its processes are counted as ours"
        taken.append(spent)
    assert sorted(taken)[2] < 0.5


BAD_LINES = [
    "user=0:0",
    "user=1000:0",
    "user=0:1000",
    "user=01000:1000",
    "user=root",
    "image=tiny:latest",
    "memory=-1",
    "memory=1e9",
    "pids=0",
    "cpus=0",
    "cpus=1;reboot",
    "state=/",
    "state=relative",
    "state=/proc/1",
    "state=/state/../etc",
    "state=/sta te",
    "state=/etc/tiny",
    "config=/state,readonly=false",
    "tmpfs=/tmp:suid",
    "tmpfs=/tmp:mode=1777,dev",
    "tmpfs=/tmp:size=0",
    "tmpfs=/dev/shm:size=1m",
    "env=NOVALUE",
    "env=2X=1",
    "env=A B=1",
    "env=A=one\ttwo",
    "env=A=\x1b[2J",
    "label=clawrack.agent=other",
    "stop_timeout=901",
    "never_retry=0",
    "never_retry=256",
    "port=65536",
    "privileged=true",
    "network=host",
    "user=1000:1000",  # twice
    "no equals sign",
    "meter_key_sha256=" + "AB" * 32,
]


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_line_that_the_cage_does_not_know_is_bad_input(bench: Bench, line: str) -> None:
    files = Tiny("bad").files(bench.image)
    key = line.partition("=")[0]
    kept = [
        old for old in files["spec"].decode().splitlines() if line == "user=1000:1000" or not old.startswith(f"{key}=")
    ]
    files["spec"] = "\n".join([*kept, line]).encode() + b"\n"
    said = stage(bench, packed(files))
    assert said == (2, True)


def stage(bench: Bench, content: bytes, digest: str = "") -> tuple[int, bool]:
    digest = digest or hashlib.sha256(content).hexdigest()
    said = bench.guard("stage", bench.token, "bad", "bad", digest, stdin=content)
    clean = bench.machine.sh("ls -A /var/lib/clawrack/agents/bad/releases 2>/dev/null", check=False).text == ""
    return said.code, clean


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        spec = Tiny("bad").files("sha256:" + "0" * 64)["spec"]
        info = tarfile.TarInfo("spec")
        info.size = len(spec)
        tar.addfile(info, io.BytesIO(spec))
        bad = tarfile.TarInfo(name)
        bad.type, bad.linkname = kind, link
        tar.addfile(bad)
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        entry("../outside"),
        entry("/etc/outside"),
        entry("config/../../outside"),
        entry("elsewhere"),
        entry("spec"),
        entry("config/two words"),
        entry("config/new\nspec"),
        entry("config/-rf"),
        entry("config/link", tarfile.SYMTYPE, "/etc/shadow"),
        entry("config", tarfile.SYMTYPE, "/etc"),
        entry("config/hard", tarfile.LNKTYPE, "spec"),
        entry("config/device", tarfile.CHRTYPE),
        entry("config/pipe", tarfile.FIFOTYPE),
        b"not a tar at all",
        b"",
    ],
    ids=str,
)
def test_an_archive_with_anything_but_plain_files_in_their_places_is_bad_input(bench: Bench, content: bytes) -> None:
    assert stage(bench, content) == (2, True)


def test_an_archive_that_was_cut_off_on_the_way_is_refused(bench: Bench) -> None:
    content = packed(Tiny("bad").files(bench.image))
    digest = hashlib.sha256(content).hexdigest()
    for length in (0, 1, 512, 1024, len(content) // 2, len(content) - 1):
        assert stage(bench, content[:length], digest) == (2, True)


def test_a_release_is_staged_once_and_never_changes(bench: Bench) -> None:
    assert bench.stage("caged", Tiny("r1")).get("already") == "1"
    assert bench.stage("caged", Tiny("r1", mode="deaf"))["reason"] == "release-differs"


def test_half_a_secret_is_no_secret(bench: Bench) -> None:
    assert bench.guard("secrets", bench.token, "caged", "half", "10", stdin=b"12345")["reason"] == "secret-cut"
    assert bench.guard("reveal", "caged", "half")["reason"] == "absent"


@pytest.mark.parametrize("name", ["", "meter", "-x", "x-", "A", "a/b", "..", "a b", "x" * 41, "$(id)"])
def test_a_name_that_is_none_is_bad_input(bench: Bench, name: str) -> None:
    assert bench.guard("start", bench.token, name).code == 2


def test_an_image_that_is_not_there_stops_nothing(bench: Bench) -> None:
    before = bench.container("caged")["State"]["StartedAt"]
    files = Tiny("r2").files("sha256:" + "1" * 64)
    content = packed(files)
    bench.guard("stage", bench.token, "caged", "r2", hashlib.sha256(content).hexdigest(), stdin=content)
    assert bench.guard("trial", bench.token, "caged", "r2", "60")["reason"] == "image-missing"
    assert bench.container("caged")["State"]["StartedAt"] == before


def test_the_key_is_kept_as_a_hash_for_its_own_network(bench: Bench) -> None:
    told = json.loads(bench.machine.get("/var/lib/clawrack/meter/conf/agents/caged.json"))
    assert told == {"key_sha256": KEY_HASH, "subnet": bench.look()["agent.caged.subnet"], "route": "practice"}
