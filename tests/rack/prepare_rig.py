"""A controller for the tests of preparing: who answers its questions, and what a machine is like before and after."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from fleet.base.event import Event, Listener, ignore
from fleet.base.secret import Secret
from fleet.machine import keys
from fleet.machine.hostkey import HostKey
from fleet.machine.pins import Moved, Pins, Unknown
from fleet.machine.port import Port
from fleet.machine.target import Target
from installer.bootstrap import Visit, meet
from installer.facts import look
from installer.provision import prepare
from tests.rack.machine import Machine

# Changed by packages' tools themselves, by the clock, or by the machine's life.
PASSING = (
    "/proc /sys /dev /run /tmp /var/log /var/cache /var/lib/apt /var/lib/dpkg /var/lib/systemd /var/tmp"
    " /var/lib/docker /var/lib/containerd /etc/ld.so.cache /etc/group- /etc/gshadow- /root/.ssh /var/lib/sudo"
)


@dataclass
class Person:
    """Answers what is asked, and counts."""

    word: str | None = None
    trusts: bool = True
    asked: list[str] = field(default_factory=list[str])

    def vouches(self, shown: HostKey) -> bool | None:
        assert shown.fingerprint

    def accept(self, target: Target, shown: HostKey, verdict: Unknown | Moved) -> bool:
        assert target.address
        assert verdict
        self.asked.append(f"trust {shown.fingerprint}")
        return self.trusts

    def password(self, user: str, place: str) -> Secret | None:
        assert place
        self.asked.append(f"password {user}")
        return None if self.word is None else Secret(self.word)

    def once_more(self, user: str, place: str) -> Secret | None:
        assert user
        assert place


@dataclass
class Controller:
    """A computer with a key of its own and a folder of journals; ``events`` are those of the last preparing."""

    home: Path
    events: list[Event] = field(default_factory=list[Event])

    @property
    def key(self) -> keys.ControllerKey:
        return keys.ensure(self.home / "key", "rack")

    def reach(self, machine: Machine, person: Person, user: str = "root", listener: Listener = ignore) -> Port:
        visit = Visit("m1", Target(machine.address, user=user), self.key, Pins(self.home / "hosts.json"))
        return meet(visit, person).stay(listener)

    def prepare(self, port: Port, *, plan_only: bool = False, also: Listener = ignore) -> list[str]:
        self.events.clear()

        def listen(event: Event) -> None:
            self.events.append(event)
            also(event)

        return prepare(port, look(port), self.home / "journals", listen, plan_only=plan_only)

    def told(self, step: str) -> list[dict[str, object]]:
        """The values of each event of a step in the last preparing."""
        return [event.params for event in self.events if event.step == step]


def start_apart(home: Path, address: str, user: str, word: str) -> subprocess.Popen[str]:
    """Start a controller as a process of its own, which prints its events, so that it can be killed."""
    words = [sys.executable, "-m", "tests.rack.prepare_rig", str(home), address, user]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    pipe = subprocess.PIPE
    child = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, cwd=root, env=environment)
    assert child.stdin
    child.stdin.write(word)
    child.stdin.close()
    return child


def snapshot(machine: Machine) -> dict[str, list[str]]:
    """What removal must bring back: files with mode, owner and content, users, units, firewall, links.

    Of what packages brought to /usr (most of the disk), size and time stand for the content.
    """
    prune = " -o ".join(f"-path {path}" for path in PASSING.split())
    files = (
        f"find / \\( {prune} \\) -prune -o -type f \\( -path '/usr/*' ! -path '/usr/local/*' -printf '%p %s %T@\\n'"
        " -o -exec sha256sum {} + \\);"
        f" find / \\( {prune} \\) -prune -o -printf '%p %y %m %U:%G %l\\n'"
    )
    asked = {
        "files": f"( {files} ) | sort",
        "users": "cat /etc/passwd /etc/group /etc/shadow | cut -d: -f1,3,4 | sort",
        "units": "systemctl list-unit-files --no-legend --no-pager | sort; systemctl --failed --no-legend --no-pager",
        "firewall": "iptables-save 2>/dev/null | sed 's/\\[.*//;/^#/d'",
        "links": "ip -o link | sed 's/^[0-9]*: //;s/[:@].*//' | sort",
    }
    return {name: machine.sh(script, timeout=120).text.splitlines() for name, script in asked.items()}


def difference(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """Every line that came or went."""
    came = [f"+ {name}: {line}" for name in before for line in sorted({*after[name]} - {*before[name]})]
    went = [f"- {name}: {line}" for name in before for line in sorted({*before[name]} - {*after[name]})]
    return came + went


def main() -> None:
    home, address, user = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    visit = Visit("m1", Target(address, user=user), Controller(home).key, Pins(home / "hosts.json"))
    port = meet(visit, Person(sys.stdin.read())).stay(ignore)

    def tell(event: Event) -> None:
        print(json.dumps([event.kind, event.step, event.params]), flush=True)

    prepare(port, look(port), home / "journals", tell)


if __name__ == "__main__":
    main()
