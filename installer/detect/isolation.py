"""Is it a virtual machine, and is it a container? Two questions, for a container may stand in a virtual machine."""

from installer.detect.verdict import Finding, Rule, conclude
from installer.facts import Facts

_CONTAINERS = (
    Rule("docker", 0.97, (("has./.dockerenv", "1"),)),
    Rule("podman", 0.97, (("has./run/.containerenv", "1"),)),
    Rule("lxc", 0.95, (("has./dev/lxd/sock", "1"),)),
    Rule("wsl", 0.98, (("uname_r", r".*[Mm]icrosoft.*"),)),
)
_VMS = (
    Rule("microsoft", 0.95, (("dmi.sys_vendor", "Microsoft Corporation"), ("dmi.product_name", "Virtual Machine"))),
    Rule("kvm", 0.95, (("dmi.sys_vendor", "QEMU"),)),
    Rule("vm-other", 0.8, (("cpu_flags", r".*\bhypervisor\b.*"),)),
)
_NONE = Finding("none", 0.9, ("sdv",))


def _told(facts: Facts, keys: tuple[str, ...]) -> Finding | None:
    """Return what systemd or the first process says it is, if either does."""
    for key in keys:
        if facts.get(key) not in {"", "none"}:
            return Finding(facts.get(key), 0.97, (key,))
    return None


def container(facts: Facts) -> Finding:
    """Return which sort of container the shell runs in, ``none`` for none."""
    return _told(facts, ("sdv_ct", "run_ct", "pid1_container")) or conclude(_CONTAINERS, facts, _NONE)


def vm(facts: Facts) -> Finding:
    """Return which hypervisor the machine runs under, ``none`` for none."""
    return _told(facts, ("sdv_vm",)) or conclude(_VMS, facts, _NONE)
