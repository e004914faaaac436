"""install.sh on real machines: bare, without rights, without a network, interrupted, and taken off again."""

import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.conftest import SOAK
from tests.rack.install_rig import Site, keep_wheels, place
from tests.rack.machine import Build, Machine, User

HOME, LINK = "/opt/clawrack", "/usr/local/bin/clawrack"
# Left out of the comparison: what apt and dpkg keep for themselves, logs, and what the test itself brings.
NOT_OURS = "/proc /sys /dev /run /tmp /root /home /var/cache /var/log /var/lib/apt /var/lib/dpkg /var/lib/systemd"
KEPT = NOT_OURS.split()


@pytest.fixture(scope="module")
def bare() -> Iterator[Machine]:
    """A bare Debian: no Python; one user with sudo, one without."""
    people = (User("ann", sudo="nopasswd"), User("bob", sudo="no", uid=1001), User("eve", sudo="password", uid=1002))
    with Machine(Build(users=people)) as machine:
        yield machine


@pytest.fixture(scope="module")
def root(bare: Machine) -> Site:
    return place(bare)


@pytest.fixture(scope="module")
def installed(root: Site) -> Site:
    """A machine on which it is installed, with the packages kept for what follows."""
    done = root.install("--no-setup", online=True)
    assert done.code == 0, done.err
    keep_wheels(root)
    return root


def files(machine: Machine) -> set[str]:
    skipped = " -o ".join(f"-path {path}" for path in KEPT)
    found = machine.sh(f"find / \\( {skipped} -o -name __pycache__ \\) -prune -o -print").text
    return set(found.splitlines())


def packages(machine: Machine) -> set[str]:
    return set(machine.sh("dpkg-query -W -f '${Package} ${db:Status-Status}\\n'").text.splitlines())


def drop_venv(machine: Machine) -> None:
    """Leave Python without the module that makes environments, as a bare Debian has it."""
    machine.sh("dpkg --purge $(dpkg-query -W -f '${Package}\\n' 'python3*-venv')")


def starts(site: Site) -> bool:
    return site.sh("~/.local/bin/clawrack --version || clawrack --version").text.startswith("clawrack ")


def test_without_root_and_sudo_it_says_what_an_administrator_should_type(bare: Machine) -> None:
    done = place(bare, "bob").install("--no-setup")
    assert done.code == 3
    assert b"Ask the administrator for: apt-get install python3" in done.err


def test_a_sudo_that_asks_is_not_used_where_nobody_may_be_asked(bare: Machine) -> None:
    done = place(bare, "eve").install("--yes", env="LANG=zh_CN.UTF-8")
    assert done.code == 3
    assert "没有".encode() in done.err
    assert "请让管理员运行".encode() in done.err


def test_on_a_bare_machine_it_comes_and_goes_without_a_trace(bare: Machine, root: Site) -> None:
    bare.sh("apt-get update && apt-get clean", timeout=120)
    before, had = files(bare), packages(bare)
    done = root.install("--no-setup", online=True)
    assert (done.code, done.err) == (0, b"")
    assert starts(root)
    gone = root.install("--uninstall", "--packages")
    assert gone.code == 0, gone.err
    assert packages(bare) == had
    assert files(bare) ^ before == set()


def test_a_second_run_changes_nothing(bare: Machine, installed: Site) -> None:
    listing = f"find {HOME} {LINK} ! -name install.log ! -path {HOME} -printf '%p %i %T@ %l\\n' | sort"
    before = bare.sh(listing).text
    began = time.monotonic()
    assert installed.install("--no-setup").code == 0
    assert time.monotonic() - began < 10
    assert bare.sh(listing).text == before


def test_a_user_with_sudo_gets_it_in_their_home_and_is_told_of_the_path(bare: Machine) -> None:
    drop_venv(bare)
    ann = place(bare, "ann")
    done = ann.install("--no-setup", "--yes")
    assert done.code == 0, done.err
    assert b"is not on your PATH" in done.out
    assert starts(ann)
    assert ann.install("--uninstall").code == 0
    assert ann.sh("ls -A ~").text.split() == [".bash_logout", ".bashrc", ".profile", "clone"]


def test_where_python_is_there_no_rights_are_needed(bare: Machine) -> None:
    bob = place(bare, "bob")
    assert bob.install("--no-setup").code == 0
    assert starts(bob)
    assert bob.install("--uninstall").code == 0


def test_a_command_of_that_name_that_is_not_ours_stays(bare: Machine) -> None:
    bob = place(bare, "bob")
    bob.sh("mkdir -p ~/.local/bin && echo theirs >~/.local/bin/clawrack")
    done = bob.install("--no-setup")
    assert (done.code, b"is not ours" in done.err) == (3, True)
    assert bob.install("--uninstall").code == 0
    assert bob.sh("cat ~/.local/bin/clawrack").text == "theirs"
    bob.sh("rm -r ~/.local")


def test_where_it_may_not_write_it_names_the_place(bare: Machine) -> None:
    bob = place(bare, "bob")
    bare.sh("mkdir /home/bob/.local")
    done = bob.install("--no-setup")
    assert (done.code, b"Cannot write to /home/bob/.local" in done.err) == (5, True)
    bare.sh("rmdir /home/bob/.local")


def test_a_package_with_another_checksum_is_refused(bare: Machine) -> None:
    bob = place(bare, "bob")
    bob.sh("sed -i 's/sha256:./sha256:0/' ~/clone/requirements.lock")
    done = bob.install("--no-setup")
    assert (done.code, b"checksum differs" in done.err) == (3, True), done.err
    assert bob.sh("test -e ~/.local/bin/clawrack").code == 1


def test_two_at_once_do_not_meet(bare: Machine, installed: Site) -> None:
    bare.sh(f"mkdir -p {HOME}; setsid flock {HOME}/lock sleep 4 >/dev/null 2>&1 & sleep 0.3")
    done = installed.install("--no-setup")
    assert (done.code, b"Another install.sh is at work" in done.err) == (3, True)
    time.sleep(4)


def test_it_waits_for_another_apt(bare: Machine, installed: Site) -> None:
    drop_venv(bare)
    hold = "import fcntl,time; f=open('/var/lib/dpkg/lock-frontend','w'); fcntl.lockf(f, fcntl.LOCK_EX); time.sleep(6)"
    bare.sh(f'setsid python3 -c "{hold}" >/dev/null 2>&1 & sleep 0.5')
    began = time.monotonic()
    done = installed.install("--no-setup")
    assert done.code == 0, done.err
    assert time.monotonic() - began > 4


def test_agents_on_the_machine_are_not_orphaned_silently(bare: Machine, installed: Site) -> None:
    bare.sh("mkdir -p /usr/local/lib/clawrack && touch /usr/local/lib/clawrack/guard.sh")
    done = installed.install("--uninstall")
    assert (done.code, b"clawrack machine remove here" in done.err) == (3, True)
    assert starts(installed)
    kept = installed.install("--uninstall", "--keep-agents")
    assert (kept.code, b"keep running" in kept.out) == (0, True)
    bare.sh(f"test ! -e {HOME} && test ! -e {LINK} && rm -r /usr/local/lib/clawrack")


def test_killed_at_a_line_the_next_run_carries_on(bare: Machine, installed: Site) -> None:
    bare.put("/root/trace.sh", b"set -T\ntrap 'echo $LINENO >>/root/lines' DEBUG\n")
    assert installed.install("--no-setup", env="BASH_ENV=/root/trace.sh", shell="bash").code == 0
    lines = sorted({int(line) for line in bare.sh("cat /root/lines").text.split()})
    assert len(lines) > 60
    installed.install("--uninstall")
    bare.put("/root/kill.sh", b'set -T\ntrap \'[ "$LINENO" != "$AT" ] || kill -9 $$\' DEBUG\n')
    for line in lines if SOAK else lines[3::8]:
        done = installed.install("--no-setup", env=f"BASH_ENV=/root/kill.sh AT={line}", shell="bash")
        assert done.code in {0, 137}, (line, done.err)
        whole = bare.sh(f"test ! -L {LINK} || {LINK} --version", check=False)
        assert whole.code == 0, (line, whole.err)
    assert installed.install("--no-setup").code == 0
    assert starts(installed)
    assert bare.sh(f"ls {HOME}").text.split()[0] == "current"
    assert len(bare.sh(f"ls -d {HOME}/env-*").text.split()) == 1


def test_without_a_network_it_says_so_in_words(bare: Machine, installed: Site) -> None:
    bare.sh("touch /root/clone/clawrack/new.py")  # so that there is something to make
    hasty = "PIP_RETRIES=1 PIP_DEFAULT_TIMEOUT=3"
    route = bare.sh("ip route show default").text
    bare.sh("ip route del default")
    try:
        done = installed.install("--no-setup", env=f"LANG=zh_CN.UTF-8 {hasty}", online=True)
        assert (done.code, "没有网络".encode() in done.err) == (4, True), done.err
        assert starts(installed)
        installed.install("--uninstall", "--packages")
        bare.sh("apt-get clean")
        done = installed.install("--no-setup", env=hasty, online=True)
        assert (done.code, b"no network" in done.err) == (4, True), done.err
    finally:
        bare.sh(f"ip route add {route}")
    assert installed.install("--no-setup").code == 0


def test_a_disk_without_room_is_told_before_anything_is_fetched() -> None:
    with Machine(Build(disk=200, disk_at="/opt")) as machine:
        machine.sh("apt-get update && apt-get -y install python3-venv", timeout=300)
        done = place(machine).install("--no-setup")
        assert (done.code, b"The disk is full" in done.err) == (5, True), done.err
        assert machine.sh(f"ls {HOME}").text.split() == ["install.log", "lock"]


def test_a_system_without_apt_is_told_what_it_needs() -> None:
    with Machine() as machine:
        machine.sh("rm /usr/bin/apt-get")
        done = place(machine).install("--no-setup")
        assert (done.code, b"not supported yet: it has no apt-get" in done.err) == (3, True), done.err


def test_a_system_whose_newest_python_is_too_old_is_told_the_way_out() -> None:
    try:
        machine = Machine(Build(system="debian11"))
    except (RuntimeError, LookupError, subprocess.CalledProcessError) as error:
        pytest.fail(f"Debian 11 cannot be made here: {error}")
    with machine:
        done = place(machine).install("--no-setup")
        assert (done.code, b"clawrack setup --machine root@" in done.err) == (3, True), done.err
