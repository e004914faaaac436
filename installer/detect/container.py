"""Is the shell in a container, and of which sort? Asked apart from whether the machine is a virtual one."""

import re

from installer.detect.verdict import PARTIAL, Finding, Rule, conclude, known, there
from installer.facts import Facts

# systemd-detect-virt's words (its manual) and ours
_CONTAINERS = {
    **{name: name for name in ("docker", "podman", "lxc", "systemd-nspawn", "openvz", "wsl")},
    "lxc-libvirt": "lxc",
    "pouch": "docker",
    "rkt": "docker",
    "oci": "docker",
    "incus": "lxc",
    "container-other": "docker",
    "proot": "docker",
}
_WSL = re.compile(r"microsoft|wsl", re.IGNORECASE)
_DISK = frozenset({"ext2", "ext3", "ext4", "xfs", "f2fs", "jfs"})
"""What a container's root never is: it is an overlay, or a subvolume."""

_BY_MARKERS = (
    Rule("podman", 0.97, there("/run/.containerenv")),
    Rule("docker", 0.97, there("/.dockerenv")),
    Rule("docker", 0.95, (("cgroup1", r".*/docker[/-].*"),)),
    Rule("podman", 0.95, (("cgroup1", r".*/libpod-.*"),)),
    Rule("lxc", 0.93, (("cgroup1", r".*(/lxc/|lxc\.payload|:/\.lxc).*"),)),
    Rule("docker", PARTIAL, (("cgroup1", r".*(kubepods|containerd).*"),)),
)
_NONE = Finding("none", 0.5)


def container(facts: Facts) -> Finding:
    """Return which sort of container the shell runs in, ``none`` for none.

    A container's own mark wins over WSL's: the kernel of Docker Desktop says that it is Microsoft's, and
    systemd-detect-virt asks for that first.
    """
    said = told(facts, _CONTAINERS, ("pid1_container", "run_ct", "sdv_ct", "sdv"))
    marked = conclude(_BY_MARKERS, facts, _NONE)
    if _is_wsl(facts):
        return _in_wsl(facts, said, marked)
    if said and said.value != "none":
        return _doubted(facts, said)
    if marked.evidence:
        return _against(facts, said, marked) if said else _doubted(facts, marked)
    return said or _by_device(facts)


def _against(facts: Facts, said: Finding, marked: Finding) -> Finding:
    """Weigh a mark against systemd's no: what boots from a disk keeps the mark of the image that it was made of."""
    if facts.get("pid1") in {"systemd", "init"} and facts.get("rootfs") != "overlay":
        return said.at_most(PARTIAL, *marked.evidence)
    return marked.at_most(PARTIAL, *said.evidence)


def _by_device(facts: Facts) -> Finding:
    """Return what the kernel's own files tell; virtual machines of LXD have its socket too."""
    if facts.has("/proc/vz") and not facts.has("/proc/bc") and not facts.has("/proc/lve"):
        return Finding("openvz", 0.9, ("has./proc/vz",))
    sockets = known(facts, "has./dev/lxd/sock", "has./dev/incus/sock")
    return Finding("lxc", 0.6, sockets) if sockets else _unmarked(facts)


def _unmarked(facts: Facts) -> Finding:
    """Return what the lack of every mark is worth: the more was asked, the more."""
    asked = known(facts, "pid1", "rootfs", "cgroup1", "uname_r")
    return Finding("none", 0.85 if len(asked) > 1 or asked == ("uname_r",) else 0.5 + 0.1 * len(asked), asked)


def told(facts: Facts, words: dict[str, str], keys: tuple[str, ...]) -> Finding | None:
    """Return what systemd or the first process says it is; a plain no counts where nothing says more."""
    for key in keys:
        if facts.get(key) in words:
            return Finding(words[facts.get(key)], 0.97, (key,))
    no = next((key for key in keys if facts.get(key) == "none"), "")
    return Finding("none", 0.95, (no,)) if no else None


def _doubted(facts: Facts, found: Finding) -> Finding:
    """Doubt Docker and Podman where only a file says so and the root is a disk: images exported to machines keep it."""
    by_file = not facts.get("pid1_container") and not re.search("docker|libpod|kubepods", facts.get("cgroup1"))
    on_disk = found.value in {"docker", "podman"} and facts.get("rootfs") in _DISK
    return found.at_most(0.7, "rootfs") if by_file and on_disk else found


def _is_wsl(facts: Facts) -> bool:
    marks = ("/proc/sys/fs/binfmt_misc/WSLInterop", "/proc/sys/fs/binfmt_misc/WSLInterop-late", "/mnt/wsl")
    return bool(_WSL.search(facts.get("uname_r"))) or any(map(facts.has, marks)) or facts.get("sdv") == "wsl"


def _in_wsl(facts: Facts, said: Finding | None, marked: Finding) -> Finding:
    """Tell WSL itself from a container inside it; a distribution made from an image keeps that image's mark."""
    windows = known(facts, "uname_r", "has./mnt/wsl", "has./proc/sys/fs/binfmt_misc/WSLInterop")
    if said and said.value not in {"none", "wsl"}:
        return said
    if marked.value != "none":
        itself = facts.has("/mnt/wsl") and not re.search("docker|libpod", facts.get("cgroup1"))
        return Finding("wsl", 0.7, (*windows, *marked.evidence)) if itself else marked.at_most(0.95, "uname_r")
    by_kernel = bool(_WSL.search(facts.get("uname_r")))
    return Finding("wsl", 0.98 if by_kernel else 0.85, windows or known(facts, "sdv", "sdv_ct"))


def wsl_version(facts: Facts) -> int:
    """Return which WSL this kernel is, 0 for none: the first writes its maker with a capital letter."""
    release = facts.get("uname_r")
    if not _is_wsl(facts):
        return 0
    return 1 if "Microsoft" in release and "WSL2" not in release and not release.startswith(("5.", "6.")) else 2
