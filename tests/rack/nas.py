"""Machines dressed as a maker's NAS: its marks, its places, its own Docker, and what it does at each boot.

One without systemd has a first process of its own here: a shell that does what the maker's does (mounts, sshd, the
engine, the boot hook) and reaps. What is memory on the real thing is emptied at each boot.
"""

from dataclasses import dataclass, field

from tests.rack.guard_bench import busybox
from tests.rack.machine import UP, Build, User

INIT = "/sbin/rack-init"
OWNER = User("keeper", "at the NAS 5")
# The mounts that systemd makes, sshd, the maker's own things, and then nobody is left but the one that reaps.
_INIT = """#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
trap 'off=1' TERM
mount --make-rshared /
[ -e /etc/rack-dressed ] || {
    @UNDRESS@
    touch /etc/rack-dressed
}
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then # a group with processes may have no others below it
    mount -o remount,rw /sys/fs/cgroup
    mkdir -p /sys/fs/cgroup/init
    while read -r pid; do echo "$pid" >/sys/fs/cgroup/init/cgroup.procs; done </sys/fs/cgroup/cgroup.procs
    sed 's/ / +/g;s/^/+/' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
fi
[ -e /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
mkdir -p /run/sshd
@MEMORY@
/usr/sbin/sshd
rm -f /var/run/docker.pid /run/docker/containerd/containerd.pid
[ -e /etc/rack-no-engine ] || {
    dockerd >/var/log/dockerd.log 2>&1 &
    until @DOCKER@ version >/dev/null 2>&1; do sleep 0.2; done
}
@HOOK@
touch @UP@
while [ -z "$off" ]; do sleep 1 & wait $!; done
@DOCKER@ ps -q | xargs -r @DOCKER@ stop -t 5 >/dev/null 2>&1
"""
# What the real thing has not; and its shell is busybox', as most of its tools are.
_HIDDEN = (
    "apt-get apt dpkg service visudo systemctl systemd-run systemd-detect-virt systemd-notify journalctl timedatectl"
)
_CONTAINER_MANAGER = "/var/packages/ContainerManager/target/usr/bin/docker"
_CONTAINER_STATION = "/share/CACHEDEV1_DATA/.qpkg/container-station"
_UNDRESS = """for name in @HIDDEN@; do rm -f "/usr/bin/$name" "/usr/sbin/$name"; done
    rm -rf /etc/os-release /usr/lib/os-release /etc/debian_version /run/systemd /etc/systemd
    [ @DOCKER@ = /usr/bin/docker ] || { mkdir -p $(dirname @DOCKER@) && mv /usr/bin/docker @DOCKER@; }
    @OWN@"""
_SSHD = b"AllowTcpForwarding no\nAllowStreamLocalForwarding no\nPermitRootLogin prohibit-password\n"


@dataclass(frozen=True)
class Dress:
    """What makes a Debian of the rack look like a maker's system.

    Attributes:
        files: what is laid down before the first boot.
        docker: where the engine's command is; a link at /usr/bin stays where ``hidden`` is off.
        memory: shell, at each boot: what the real thing keeps in memory.
        hook: shell, at each boot: what the maker starts of others.
        undress: shell, once, before the first command of a test.
    """

    files: dict[str, tuple[bytes, int]] = field(default_factory=dict[str, tuple[bytes, int]])
    docker: str = "/usr/bin/docker"
    memory: str = ":"
    hook: str = ":"
    undress: str = ":"


def plain(text: str = "") -> tuple[bytes, int]:
    """A file that everybody may read."""
    return text.encode(), 0o644


DSM = Dress(
    files={
        "/etc.defaults/VERSION": plain('majorversion="7"\nminorversion="2"\nos_name="DSM"\nproductversion="7.2.2"\n'),
        "/usr/syno/.there": plain(),
        "/volume1/docker/.there": plain(),
        "/usr/local/etc/rc.d/S99others.sh": (b"#!/bin/sh\necho $1 >>/volume1/others\n", 0o755),
        "/etc/ssh/sshd_config.d/10-maker.conf": (_SSHD, 0o644),
    },
    docker=_CONTAINER_MANAGER,
    hook='for rc in /usr/local/etc/rc.d/*.sh; do [ ! -x "$rc" ] || "$rc" start; done',
    undress=f"chmod 777 /volume1/docker; ln -sfn {_CONTAINER_MANAGER} /usr/local/bin/docker",
)
QTS = Dress(
    files={
        "/etc/config/uLinux.conf": plain("[System]\nModel = TS-X53D\n"),
        "/etc/config/qpkg.conf": plain(f"[container-station]\nInstall_Path = {_CONTAINER_STATION}\n"),
        "/etc/config/crontab": plain("0 3 * * * /sbin/vs_refresh\n0 4 * * 1 /sbin/others"),
        "/share/CACHEDEV1_DATA/Container/.there": plain(),
        "/etc/ssh/sshd_config.d/10-maker.conf": (_SSHD.replace(b"prohibit-password", b"yes"), 0o644),
    },
    docker=f"{_CONTAINER_STATION}/bin/docker",
    memory="rm -rf /usr/local/lib/clawrack",
    # busybox' crond takes a minute; what its table has is run once here, as that minute would
    hook="sed -n 's/^\\* \\* \\* \\* \\* //p' /etc/config/crontab | sh",
    # root's name is admin there
    undress=f"""ln -sfn CACHEDEV1_DATA/Container /share/Container; mkdir -p /share/homes/admin
    sed -i '1i admin:x:0:0::/share/homes/admin:/bin/sh' /etc/passwd; echo 'admin:{OWNER.password}' | chpasswd""",
)
UNRAID = Dress(
    files={
        "/etc/unraid-version": plain('version="7.1.4"\n'),
        "/boot/config/go": plain("#!/bin/bash\n# Start the Management Utility\n/bin/true &\n"),
        "/mnt/user/appdata/.there": plain(),
    },
    memory="rm -rf /usr/local/lib/clawrack",
    hook="sh /boot/config/go",
    undress="chmod 777 /mnt/user/appdata; chown 99:100 /mnt/user/appdata",
)


UGOS = Dress(
    files={
        "/ugreen/.there": plain(),
        "/volume1/docker/.there": plain(),
    },
    undress="printf 'OS_VERSION=1.19.1.0126\\nOS_IS_BETA=false\\n' >>/etc/os-release",
)


def with_systemd(dress: Dress, *, users: tuple[User, ...] = (OWNER,)) -> Build:
    """A machine in this dress that has systemd, and an apt that writes down who calls it; `undress` is for the test."""
    trap = (b"#!/bin/sh\necho $* >>/apt-was-called\nexit 100\n", 0o755)
    return Build(docker=True, users=users, files={**dress.files, "/usr/local/sbin/apt-get": trap})


def without_systemd(dress: Dress, *, users: tuple[User, ...] = (OWNER,)) -> Build:
    """A machine in this dress whose first process is no systemd."""
    text = _INIT.replace("@UNDRESS@", _UNDRESS).replace("@OWN@", dress.undress).replace("@HIDDEN@", _HIDDEN)
    text = text.replace("@UP@", UP).replace("@HOOK@", dress.hook).replace("@MEMORY@", dress.memory)
    files = {INIT: (text.replace("@DOCKER@", dress.docker).encode(), 0o755), "/usr/bin/dash": (busybox(), 0o755)}
    return Build(docker=True, users=users, files={**dress.files, **files}, init=INIT)
