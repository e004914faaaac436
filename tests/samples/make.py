"""Makes the samples of one version: a machine of the rack with two tiny agents, and all that was written about them.

    .venv/bin/python -m tests.samples.make FOLDER      as root; FOLDER is for example tests/samples/v2, not there before

Run it with the code of the version that the samples are of, before its formats change. What it holds of secrets are
those of a machine that was thrown away at once.
"""

import lzma
import shutil
import sys
import tempfile
from pathlib import Path

from tests.rack import tinykinds
from tests.rack.controller import Controller
from tests.rack.machine import Build, Machine

GUARD = "/usr/local/lib/clawrack/guard.sh"
LEFT_OUT = "clawrack/ballast clawrack/lock clawrack/lease.lock"  # random bytes that hold room; locks
RUNNING, STOPPED = "helper", "quiet"


def main() -> int:
    """Make the folder that the line names."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as work, Machine(Build(docker=True), name="rack-sample") as machine:
        controller = Controller(Path(work))
        _name_the_controller(Path(work))
        _live(machine, controller, tinykinds.place(target / "kinds"))
        _keep(machine, Path(work), target)
    return 0


def _name_the_controller(folder: Path) -> None:
    """Give the controller a name of no computer's."""
    mark = folder / "state" / "clawrack" / "controller"
    mark.parent.mkdir(parents=True)
    mark.write_text("sample-00000000\n")


def _live(machine: Machine, controller: Controller, kinds: str) -> None:
    """Set two agents up, ask one, stop the other."""
    more = {"CLAWRACK_KINDS": kinds}
    words = ("setup", "--machine", f"root@{machine.address}", "--key", str(machine.key), "--yes", "--json")
    for name in (RUNNING, STOPPED):
        told = ("--fingerprint", machine.fingerprint(), "--kind", tinykinds.NAME, "--name", name)
        controller.done(*words, *told, more=more)
    controller.done("agent", "ask", RUNNING, "What can you do?", more=more)
    controller.done("agent", "stop", STOPPED, more=more)


def _keep(machine: Machine, work: Path, target: Path) -> None:
    state = work / "state" / "clawrack"
    shutil.copytree(work / "config" / "clawrack" / "fleet", target / "fleet")
    shutil.copytree(state / "machines", target / "machines-journal")
    for folder, file in (("journal", "journal.jsonl"), ("hosts", "hosts.json")):
        (target / folder).mkdir()
        shutil.copy(state / file, target / folder)
    (target / "machine-state").mkdir()
    (target / "ledger").mkdir()
    excluded = " ".join(f"--exclude {name}" for name in LEFT_OUT.split())
    tar = f"tar -C /var/lib --numeric-owner --sort=name {excluded} -cf - clawrack "
    ledger = "tar -C /var/lib/clawrack/meter --numeric-owner --sort=name -cf - ledger "
    for name, line in {
        "machine-state/look.txt": f"{GUARD} look",
        "machine-state/clawrack.tar.xz": tar,
        "ledger/usage.json": f"{GUARD} usage",
        "ledger/ledger.tar.xz": ledger,
    }.items():
        out = machine.sh(line).out
        (target / name).write_bytes(lzma.compress(out) if name.endswith(".xz") else out)


if __name__ == "__main__":
    sys.exit(main())
