"""What the engine is asked for when a machine is made: enough rights for systemd and a Docker engine of its own."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container

# Bit numbers as in linux/capability.h.
CAPABILITIES = (  # noqa: SIM905 - a list of words reads better
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE"
    " NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN"
    " SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE"
    " MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()
V1_INIT = ["/lib/systemd/systemd"]
V2_INIT = ["/bin/sh", "-c", "mount -o remount,rw /sys/fs/cgroup; exec /lib/systemd/systemd"]


@dataclass(frozen=True)
class Wiring:
    """Where a machine hangs on the rack: network name, address on it, and binds (`/there:/here[:ro]`)."""

    network: str
    address: str
    binds: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


def lacking() -> list[str]:
    """The capabilities that this box itself has lost; asking for them would be refused ("unable to apply caps")."""
    text = Path("/proc/self/status").read_text()
    found = re.search(r"^CapBnd:\s+([0-9a-f]+)", text, re.MULTILINE)
    bound = int(found.group(1), 16) if found else -1
    return [name for bit, name in enumerate(CAPABILITIES) if not bound >> bit & 1]


def unified() -> bool:
    """Whether this box has control groups v2 alone."""
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


def machine(image: str, name: str, wiring: Wiring, init: str = "") -> dict[str, Any]:
    """The engine's create request for a machine that boots systemd, or an init of its own, which SIGTERM shuts down."""
    config = _common(image, name, wiring)
    config["Cmd"] = [init] if init else V2_INIT if unified() else V1_INIT
    config["StopSignal"] = "SIGTERM" if init else "SIGRTMIN+3"
    config["Volumes"] = {"/var/lib/docker": {}, "/var/lib/containerd": {}}
    cgroups = [] if unified() else ["/sys/fs/cgroup:/sys/fs/cgroup:rw"]
    host: dict[str, Any] = {
        "CapAdd": ["ALL"],
        "CapDrop": lacking(),
        "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
        "MaskedPaths": [],
        "ReadonlyPaths": [],
        "DeviceCgroupRules": ["a *:* rwm"],
        "CgroupnsMode": "private" if unified() else "host",
        "RestartPolicy": {"Name": "always"},  # a reboot typed inside is a reboot
        "Tmpfs": {"/run": "mode=755", "/run/lock": "mode=1777", "/tmp": "exec,mode=1777"},
    }
    config["HostConfig"].update(host)
    config["HostConfig"]["Binds"] += cgroups
    return config


def bystander(image: str, name: str, wiring: Wiring) -> dict[str, Any]:
    """The engine's create request for a neighbour: a namespace with tools in it and nothing running."""
    config = _common(image, name, wiring)
    config["Cmd"] = ["sleep", "infinity"]
    config["HostConfig"] |= {"CapAdd": ["NET_ADMIN"], "Init": True}
    return config


def _common(image: str, name: str, wiring: Wiring) -> dict[str, Any]:
    endpoint = {"IPAMConfig": {"IPv4Address": wiring.address}}
    return {
        "Image": image,
        "Hostname": name,
        "Env": ["container=docker"],
        "Labels": {"clawrack.rack.address": wiring.address, **dict(wiring.labels)},
        "HostConfig": {"Binds": [*wiring.binds], "NetworkMode": wiring.network},
        "NetworkingConfig": {"EndpointsConfig": {wiring.network: endpoint}},
    }


def create(api: docker.DockerClient, config: dict[str, Any], name: str) -> Container:
    """Make a container of a whole create request: docker's own helpers do not know every field of it."""
    low: Any = api.api
    made: str = low.create_container_from_config(config, name)["Id"]
    return api.containers.get(made)


def cable(pid: int) -> str:
    """The box's end of the cable (veth) of a machine, by its first process. Raises LookupError if it has none."""
    words = ["nsenter", "-t", str(pid), "-n", "ip", "-o", "link", "show", "eth0"]
    found = re.search(r"eth0@if(\d+)", subprocess.run(words, capture_output=True, check=True, text=True).stdout)
    for link in Path("/sys/class/net").iterdir():
        if found and (link / "ifindex").read_text().strip() == found.group(1):
            return link.name
    raise LookupError(f"the machine with the first process {pid} hangs on no cable of this box")
