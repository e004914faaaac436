"""Everything that the doctor can find, as data: what a healthy machine says, and what is different in each case."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fleet.doctor.checkup import read
from fleet.doctor.config import digest
from fleet.doctor.symptoms import Expected, Refusal, Symptoms, TakenPort, Trouble
from fleet.kinds import kind
from fleet.model import Agent, Machine

NOW = 1_795_273_760
IMAGE, METER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
FILES = {"spec": "release=r1\nkind=openclaw\n", "config/openclaw.json": '{\n  "port": 18789,\n  "workspace": "/w"\n}\n'}


def hexed(files: Mapping[str, str]) -> str:
    return "".join(f"file.ada={path} {text.encode().hex()}\n" for path, text in files.items())


HEALTHY = f"""
clock.now={NOW}
version=1
installed=1
firewall=ok
supervisor=systemd
lease.left=0
docker=up
agent.ada.container=c1
agent.ada.image={IMAGE}
agent.ada.state=running
agent.ada.exit_code=0
agent.ada.oom_killed=false
agent.ada.started_at=2026-11-21T14:00:12.592864992Z
agent.ada.user=2130001:2130001
agent.ada.restarts=0
agent.ada.release=r1
agent.ada.stopped=0
meter.image={METER}
meter.state=running
meter.user=2195000:2195000
meter.release=m1
guard.sha256=aa
guard.placed=aa
guard.brought=bb
clock.synchronised=yes
disk.state=264212084 78714884 overlay /
inodes.state=16777216 16242397
disk.engine=264212084 78714880 /dev/vda /var/lib/docker
inodes.engine=16777216 16242397
mode=parent - drwx------ 0 0 /var/lib/clawrack
mode=program - -rwxr-xr-x 0 0 /usr/local/lib/clawrack/guard.sh
mode=secrets ada drwx------ 0 0 /var/lib/clawrack/agents/ada/secrets
mode=secret ada -rw------- 0 0 /var/lib/clawrack/agents/ada/secrets/secrets.json
mode=copies ada drwx------ 2130001 2130001 /run/clawrack/ada
mode=copy ada -rw------- 2130001 2130001 /run/clawrack/ada/secrets.json
unit=clawrack-boot.service loaded enabled active
unit=clawrack-recover.service loaded enabled inactive
unit=clawrack-tick.timer loaded enabled active
unit=clawrack-meter.service loaded enabled active
unit=clawrack-agent@ada.service loaded enabled active
files.ada=r1 {digest(FILES)}
{hexed(FILES)}image.ada={IMAGE} there
image.meter={METER} there
hangs=clawrack clawrack-meter
hangs=clawrack-ada clawrack-ada
hangs=clawrack-ada clawrack-meter
"""


@dataclass(frozen=True)
class Case:
    """What is different, and what is found.

    Attributes:
        swap: of the guard's answer: what stands at the beginning of a line, and what the whole line becomes.
        more: lines that come besides.
        seen: of the symptoms.
        found: ``severity id`` of every finding, and ``+fix`` where there is one.
        port: a taken one of this computer.
    """

    found: tuple[str, ...]
    swap: Mapping[str, str] = field(default_factory=dict[str, str])
    more: tuple[str, ...] = ()
    seen: Mapping[str, Any] = field(default_factory=dict[str, Any])
    port: TakenPort | None = None


def text(case: Case) -> bytes:
    said = HEALTHY
    for start, line in case.swap.items():
        said, count = re.subn(rf"^{re.escape(start)}.*\n", f"{line}\n" if line else "", said, flags=re.MULTILINE)
        assert count, start
    return (said + "".join(f"{line}\n" for line in case.more)).encode()


def expected(**more: Any) -> Expected:
    agent = Agent(kind="openclaw", machine="pc-1", image=IMAGE, model=more.pop("model", "practice"))
    return Expected(agent=agent, kind=kind("openclaw"), release=more.pop("release", "r1"), files=FILES, **more)


def symptoms(case: Case) -> Symptoms:
    base = Symptoms(
        name="pc-1",
        machine=Machine(address="192.0.2.7", meter=METER),
        carried="bb",
        holder="desk-1",
        expected={"ada": expected()},
        checkup=read(text(case)),
        asked=NOW - 0.5,
        answered=NOW + 1.5,
        complaints={"ada": ""},
    )
    return msgspec.structs.replace(base, **case.seen)


def silent(key: str, **params: str) -> Callable[[str], Case]:
    return lambda id_: Case((f"error {id_}",), seen={"trouble": Trouble(key, "pc-1", params)})


def edited(path: str, old: str, new: str) -> dict[str, str]:
    there = {**FILES, path: FILES[path].replace(old, new)}
    return {f"file.ada={path}": hexed({path: there[path]}).strip()}


def refused(status: int, answered: int = 0) -> dict[str, Any]:
    one = Refusal(route="main", status=status, at=NOW - 60, times=3, answered=answered)
    return {"refusals": (one,), "expected": {"ada": expected(model="main")}}


SMALL = "disk.state=307200 {} /dev/loop1 /var/lib/clawrack"
WATCHED = {"supervisor": "supervisor=watch\nunit=clawrack-watch loaded enabled active"}
CASES: dict[str, Case] = {
    "a healthy machine": Case(()),
    "Docker is down": Case(
        ("error engine.down +engine",),
        {"docker=": "docker=down", "agent.ada.state": "", "meter.state": "", "image.": "", "hangs=": ""},
    ),
    "the Docker of a NAS is down": Case(
        ("error engine.vendor",),
        {"docker=": "docker=down", "agent.ada.state": "", "meter.state": "", "image.": "", "hangs=": "", **WATCHED},
    ),
    "a NAS whose watcher is down": Case(
        ("error units.stopped +units",),
        {"supervisor": "supervisor=watch\nunit=clawrack-watch loaded enabled inactive"},
    ),
    "a NAS whose boot hook is gone": Case(
        ("error units.disabled +units",),
        {"supervisor": "supervisor=watch\nunit=clawrack-watch loaded disabled active"},
    ),
    "a clock that is a minute ahead": Case(("warning clock.ahead",), {"clock.now": f"clock.now={NOW + 62}"}),
    "a clock that is an hour ahead": Case(("error clock.ahead",), {"clock.now": f"clock.now={NOW + 3600}"}),
    "a clock that is a minute behind": Case(("warning clock.behind",), {"clock.now": f"clock.now={NOW - 60}"}),
    "a clock that is an hour behind": Case(("error clock.behind",), {"clock.now": f"clock.now={NOW - 3600}"}),
    "a slow answer is no wrong clock": Case((), {"clock.now": f"clock.now={NOW + 50}"}, seen={"answered": NOW + 60.0}),
    "a clock that nothing keeps": Case(
        ("note clock.unsynchronised",), {"clock.synchronised": "clock.synchronised=no"}
    ),
    "a container's clock is its host's": Case((), {"clock.synchronised": "clock.synchronised=container"}),
    "state on a full disk": Case(("error disk.state",), {"disk.state": SMALL.format(9216)}),
    "state on a disk that fills": Case(("warning disk.state",), {"disk.state": "disk.state=99000000 9000000 sda /"}),
    "a huge disk has room at 97 %": Case(
        (), {"disk.state": "disk.state=9000000000 260000000 sda /", "disk.engine": ""}
    ),
    "Docker's disk is full": Case(("error disk.engine",), {"disk.engine": "disk.engine=900000 1000 sdb /docker"}),
    "one disk is told once": Case(
        ("error disk.state",),
        {"disk.state": "disk.state=900000 1000 sda /", "disk.engine": "disk.engine=900000 900 x /y"},
    ),
    "no inodes where state lies": Case(
        ("error inodes.state",), {"inodes.state": "inodes.state=1000 20"}
    ),
    "few inodes where Docker's data lies": Case(
        ("warning inodes.engine",), {"inodes.engine": "inodes.engine=1000 90"}
    ),
    "a file system without inodes": Case((), {"inodes.state": "inodes.state=0 0", "disk.engine": ""}),
    "the guard was edited": Case(("error guard.edited",), {"guard.sha256": "guard.sha256=cc"}),
    "the guard is older": Case(("warning guard.older",), seen={"carried": "dd"}),
    "others may write the guard": Case(
        ("error guard.mode +modes",), {"mode=program": "mode=program - -rwxrwxr-x 0 0 /g"}
    ),
    "another controller holds the lease for long": Case(
        ("warning lease.held",),
        {"lease.left": "lease.left=600"},
        ("lease.holder=other", f"lease.renewed={NOW - 1200}"),
    ),
    "we hold the lease for long": Case(
        ("note lease.ours",),
        {"lease.left": "lease.left=600"},
        ("lease.holder=desk-1", f"lease.renewed={NOW - 1200}"),
    ),
    "our own work of long is nothing wrong": Case(
        (),
        {"lease.left": "lease.left=600"},
        ("lease.holder=desk-1", f"lease.renewed={NOW - 1200}"),
        {"at_work": True},
    ),
    "a fresh lease is somebody's work": Case(
        (), {"lease.left": "lease.left=1790"}, ("lease.holder=other", f"lease.renewed={NOW - 10}")
    ),
    "a stranger on an agent's network": Case(
        ("error network.stranger",), more=("hangs=clawrack-ada nosy",)
    ),
    "an agent on another's network": Case(("error network.stranger",), more=("hangs=clawrack-ada clawrack-bob",)),
    "a container on trial is no stranger": Case((), more=("hangs=clawrack-ada clawrack-ada.next",)),
    "no firewall": Case(("error firewall.missing +firewall",), {"firewall=": "firewall=missing"}),
    "a missing unit": Case(
        ("error units.missing +units",), {"unit=clawrack-tick.timer": "unit=clawrack-tick.timer not-found - inactive"}
    ),
    "a masked unit": Case(
        ("error units.missing +units",), {"unit=clawrack-boot": "unit=clawrack-boot.service masked masked inactive"}
    ),
    "an agent that does not come back after a reboot": Case(
        ("warning units.disabled +units",),
        {"unit=clawrack-agent@ada": "unit=clawrack-agent@ada.service loaded disabled active"},
    ),
    "the timer was stopped": Case(
        ("warning units.stopped +units",),
        {"unit=clawrack-tick.timer": "unit=clawrack-tick.timer loaded enabled inactive"},
    ),
    "no systemd, no units": Case(
        (), {"supervisor": "supervisor=watch", "unit=clawrack-tick.timer": "", "unit=clawrack-boot": ""}
    ),
    "a secret that others may read": Case(
        ("error secret.mode +modes",), {"mode=secret ada": "mode=secret ada -rw-r--r-- 0 0 /s/secrets.json"}
    ),
    "a secret of another owner": Case(
        ("error secret.mode +modes",), {"mode=secret ada": "mode=secret ada -rw------- 1000 1000 /s/secrets.json"}
    ),
    "a secret with an access list": Case(
        ("error secret.mode +modes",), {"mode=secret ada": "mode=secret ada -rw-------+ 0 0 /s/secrets.json"}
    ),
    "a label of SELinux is no access list": Case(
        (), {"mode=secret ada": "mode=secret ada -rw-------. 0 0 /s/secrets.json"}
    ),
    "a copy that is not the agent's": Case(
        ("error secret.mode +modes",), {"mode=copy ada": "mode=copy ada -rw------- 0 0 /r/secrets.json"}
    ),
    "a folder above the state is open": Case(
        ("error parent.mode +modes",), {"mode=parent": "mode=parent - drwxr-xr-x 0 0 /var/lib/clawrack"}
    ),
    "no meter": Case(
        ("error meter.missing +meter",),
        {"meter.image": "", "meter.state": "", "meter.release": "", "meter.user": "", "image.meter": ""},
    ),
    "the meter is down": Case(("error meter.down +meter",), {"meter.state": "meter.state=exited"}),
    "the meter is killed again and again": Case(
        ("warning meter.killed",), more=("meter.reason=killed-often", "fails.meter=5")
    ),
    "the meter's image is gone": Case(
        ("error image.missing +image",), {"image.meter": f"image.meter={METER} missing"}
    ),
    "the agent's image is gone": Case(("error image.missing +image",), {"image.ada": f"image.ada={IMAGE} missing"}),
    "an image of another release is gone": Case(
        ("error image.missing",), {"image.ada": f"image.ada={METER} missing"}
    ),
    "a refused key": Case(("error key.refused",), seen=refused(401)),
    "a forbidden model": Case(("error key.refused",), seen=refused(403)),
    "an empty account": Case(("error key.no_credit",), seen=refused(402)),
    "too many calls": Case(("warning route.limited",), seen=refused(429)),
    "a provider in trouble": Case(("warning route.failing",), seen=refused(503)),
    "a key that was refused and is taken again": Case((), seen=refused(401, answered=NOW - 5)),
    "a refused key that no agent uses": Case((), seen={"refusals": refused(401)["refusals"]}),
    "an agent that is not there": Case(
        ("error agent.absent",), seen={"expected": {"ada": expected(), "bob": expected()}}
    ),
    "an agent in no file": Case(("note agent.stray",), more=("agent.bob.release=r9", "agent.bob.state=running")),
    "an agent that was stopped on purpose": Case(
        ("note agent.stopped",),
        {"agent.ada.state": "agent.ada.state=exited", "agent.ada.stopped": "agent.ada.stopped=1"},
    ),
    "a paused agent": Case(("error agent.paused",), {"agent.ada.state": "agent.ada.state=paused"}),
    "an agent that should run": Case(("error agent.down +start",), {"agent.ada.state": "agent.ada.state=exited"}),
    "an agent that was given up": Case(
        ("error agent.gave_up",),
        {"agent.ada.state": "agent.ada.state=exited"},
        ("agent.ada.reason=never-retry", "agent.ada.reason.exit=78", "agent.ada.reason.detail=exit code 78"),
    ),
    "an agent that ends again and again": Case(
        ("error agent.restarting",),
        {"agent.ada.state": "agent.ada.state=exited"},
        ("fails.ada=2", f"ended={NOW - 20} die clawrack-ada 139"),
    ),
    "an agent that has just come back": Case(
        ("note agent.restarting",),
        {"agent.ada.started_at": "agent.ada.started_at=2026-11-21T15:08:00Z"},
        ("fails.ada=1",),
    ),
    "an agent that is up between two ends": Case(
        ("warning agent.restarting",),
        {"agent.ada.started_at": "agent.ada.started_at=2026-11-21T15:08:00Z"},
        ("fails.ada=3",),
    ),
    "an agent that has come back often": Case(
        ("note agent.restarting",), {"agent.ada.restarts": "agent.ada.restarts=7"}, ("fails.ada=1",)
    ),
    "one failure an hour ago is forgotten": Case((), {"agent.ada.restarts": "agent.ada.restarts=1"}, ("fails.ada=1",)),
    "a kill for memory": Case(("warning agent.oom",), more=(f"ended={NOW - 60} oom clawrack-ada ",)),
    "a kill for memory yesterday": Case((), more=(f"ended={NOW - 80_000} oom clawrack-ada ",)),
    "somebody else's kill for memory": Case((), more=(f"ended={NOW - 60} oom clawrack-bob ",)),
    "an agent that is not ready": Case(("error agent.not_ready",), seen={"complaints": {"ada": "ready: HTTP 503"}}),
    "an agent that starts": Case(
        ("note agent.starting",),
        {"agent.ada.started_at": "agent.ada.started_at=2026-11-21T15:08:00Z"},
        seen={"complaints": {"ada": "ready: HTTP 503"}},
    ),
    "a trial that nobody works on": Case(
        ("warning trial.left +trial",),
        more=("agent.ada.trial=r2", "agent.ada.trial.left=240"),
        seen={"expected": {"ada": expected(release="r2")}},
    ),
    "a trial of what nobody wishes": Case(
        ("warning trial.left",), more=("agent.ada.trial=r3", "agent.ada.trial.left=240")
    ),
    "a trial that we left when we were killed": Case(
        ("warning trial.left",),
        {"lease.left": "lease.left=1700"},
        ("agent.ada.trial=r2", "lease.holder=desk-1", f"lease.renewed={NOW - 10}"),
    ),
    "a trial that we work on": Case(
        (),
        {"lease.left": "lease.left=1700"},
        ("agent.ada.trial=r2", "lease.holder=desk-1", f"lease.renewed={NOW - 10}"),
        {"at_work": True},
    ),
    "a trial that somebody works on": Case(
        (),
        {"lease.left": "lease.left=1790"},
        ("agent.ada.trial=r2", "lease.holder=other", f"lease.renewed={NOW - 10}"),
    ),
    "an edited configuration": Case(
        ("warning config.edited +config",), edited("config/openclaw.json", "18789", "18790")
    ),
    "an edited spec": Case(("warning config.edited +config",), edited("spec", "openclaw", "other")),
    "a file too many": Case(("warning config.edited +config",), more=(f"file.ada=config/more.json {b'x'.hex()}",)),
    "a link in the configuration": Case(("warning config.edited +config",), more=("odd.ada=config/link",)),
    "an edited release of another time": Case(
        ("warning config.unlike",),
        edited("config/openclaw.json", "18789", "18790"),
        seen={"expected": {"ada": msgspec.structs.replace(expected(), files={"spec": "release=r7\n"})}},
    ),
    "an untouched release of another time": Case(
        (), seen={"expected": {"ada": msgspec.structs.replace(expected(), files={"spec": "release=r7\n"})}}
    ),
    "a taken port": Case(
        ("warning port.taken",), port=TakenPort("ada", "pc-1", 18700, "991 python3 -m http.server", 18701)
    ),
    "no name": silent("ssh.no_such_host", address="pc-1.lan")("machine.no_name"),
    "nobody listens": silent("ssh.refused", port="22")("machine.refused"),
    "no answer": silent("ssh.no_answer", seconds="8", reason="timed out")("machine.no_answer"),
    "an answer that never ends": silent("wire.timed_out", seconds="60")("machine.no_answer"),
    "not SSH": silent("ssh.not_ssh", shown="HTTP/1.1 400")("machine.not_ssh"),
    "turned away": silent("ssh.too_busy")("machine.turned_away"),
    "our key is not taken": silent("ssh.key_refused", user="root", target="root@192.0.2.7")("machine.key_missing"),
    "not root": silent("sudo.password_needed")("machine.no_root"),
    "an error that nobody foresaw": silent("ssh.no_exec")("machine.unclear"),
    "another host key": silent("hostkey.changed", pinned="SHA256:a", shown="SHA256:b")("hostkey.changed"),
    "an unknown host key": silent("hostkey.unknown", fingerprint="SHA256:b", kind="ssh-ed25519")("hostkey.unknown"),
    "one host key twice": silent("hostkey.twice", other="192.0.2.8", fingerprint="SHA256:b")("hostkey.twice"),
    "a guard that was taken off by half": Case(("error guard.absent",), {"installed": "installed=0"}),
    "no guard": silent("guard.absent", machine="pc-1")("guard.absent"),
    "a guard that does not know the question": silent("guard.bad_input", verb="checkup")("guard.older"),
}  # fmt: skip
