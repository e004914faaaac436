"""What happens to machines: reboots, power cuts, a dead engine, a pulled cable."""

import subprocess
import time

from tests.rack import hull
from tests.rack.machine import Machine


def reboot(machine: Machine) -> None:
    """Shut down in order, as `reboot` does, and wait until it is up again."""
    machine.container.stop(timeout=60)
    machine.start()


def power_cut(machine: Machine) -> None:
    """Pull the plug and put it back: no process ends by itself, /run is gone, disks stay; waits until it is up."""
    machine.container.kill()
    machine.start()


def await_reboot(machine: Machine, pid: int, within: float = 60.0) -> None:
    """Wait until the machine whose first process was `pid` has gone down and come up. Raises TimeoutError."""
    end = time.monotonic() + within
    while _first(machine) in {0, pid}:
        if time.monotonic() > end:
            raise TimeoutError(f"{machine.name} did not reboot")
        time.sleep(0.05)
    machine.wait_ready(within)


def _first(machine: Machine) -> int:
    machine.container.reload()
    return int(machine.container.attrs["State"]["Pid"])


def kill_dockerd(machine: Machine) -> None:
    """Kill the machine's dockerd, containerd and all shims at once; its systemd starts the engine again by itself."""
    machine.sh('for p in $(pgrep -x "dockerd|containerd|containerd-shim.*"); do kill -9 "$p"; done', check=False)


def await_docker(machine: Machine, within: float = 60.0) -> None:
    """Wait until the machine's engine answers. Raises TimeoutError."""
    end = time.monotonic() + within
    while machine.run("docker", "version", "--format", "x", check=False, timeout=30).code != 0:
        if time.monotonic() > end:
            raise TimeoutError(
                f"{machine.name}: docker does not answer: {machine.sh('journalctl -u docker -n 30').text}"
            )
        time.sleep(0.1)


def disconnect(machine: Machine) -> None:
    """Pull the network cable: packets are lost, nobody is told. The address stays the machine's."""
    _link(machine, "down")


def reconnect(machine: Machine) -> None:
    """Put the cable back."""
    _link(machine, "up")


def _link(machine: Machine, state: str) -> None:
    subprocess.run(["ip", "link", "set", hull.cable(machine.pid), state], check=True)
